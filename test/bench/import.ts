/**
 * Taking over an old account: from nothing to the first agreed reconciliation over 100,000 transactions, with the real
 * client, loop, journal and store, beside the least that it could be: the same pages fetched, parsed, written and synced.
 */
import { spawn } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Pool } from 'undici';
import { SystemClock, SystemTimers } from '../../adapters/clock/system.ts';
import { createOandaBroker } from '../../adapters/oanda/client.ts';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import { initialDesk } from '../../domain/desk/state.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import { GENESIS_HASH } from '../../domain/log.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import { liveLaneOf, performWith } from '../../src/daemon/effects.ts';
import { Journal } from '../../src/daemon/journal.ts';
import { loadPolicy, PolicySeat } from '../../src/daemon/policy.ts';
import { Runtime } from '../../src/daemon/runtime.ts';
import { RUN, SETTINGS } from '../domain/settings.ts';
import type { BenchRow } from './bench-row.ts';

const ACCOUNT = '101-001-1234567-001';
const TRANSACTIONS = 100_000;
const SECONDS_MAX = 5;
const RATIO_MAX = 20;
/** What the import still holds at its end beyond what it held after a tenth. */
const GROWTH_MIB_MAX = 8;
const TOKEN = 'a-token-for-the-bench-alone';

interface Spent {
  readonly ms: number;
  /** Of the processor, user and system: what a busy machine hardly inflates. */
  readonly processorMs: number;
}

interface Imported extends Spent {
  readonly growthMiB: number;
  readonly rssGrowthMiB: number;
}

function stopwatch(): () => Spent {
  const began = performance.now();
  const processorAtStart = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(processorAtStart);
    return { ms: performance.now() - began, processorMs: (user + system) / 1_000 };
  };
}

/** Fetches, parses, writes and syncs every page. */
async function bare(url: string, directory: string): Promise<Spent> {
  const pool = new Pool(url);
  const file = openSync(join(directory, 'bare'), 'w');
  const spent = stopwatch();
  for (let since = 0; since < TRANSACTIONS; ) {
    const reply = await pool.request({ method: 'GET', path: `/v3/accounts/${ACCOUNT}/transactions/sinceid?id=${since}` });
    const text = await reply.body.text();
    since += (JSON.parse(text) as { transactions: unknown[] }).transactions.length;
    writeSync(file, text);
    fdatasyncSync(file);
  }
  const result = spent();
  closeSync(file);
  await pool.destroy();
  return result;
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What is held once the garbage has gone, and what the process takes up with it. */
function memoryMiB(): { readonly held: number; readonly rss: number } {
  collectGarbage();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { held: (heapUsed + external) / 1024 / 1024, rss: rss / 1024 / 1024 };
}

async function importOnce(url: string, directory: string): Promise<Imported> {
  const clock = new SystemClock();
  const store = openSqliteStore({ directory, projections: ALL_PROJECTIONS, deployment: 'bench' });
  const broker = createOandaBroker({ restUrl: url, streamUrl: url, accountId: ACCOUNT, token: TOKEN, clock });
  const settings = { ...SETTINGS, accountId: ACCOUNT, importedTransactionsMax: TRANSACTIONS };
  const journal = new Journal({ store, head: await store.head(), clock, deployment: 'bench', accountId: ACCOUNT, build: 'bench', configHash: GENESIS_HASH, modelHash: GENESIS_HASH });
  const loading = await loadPolicy({ kind: 'hold' });
  if (!loading.ok) throw new Error(loading.detail);
  const seat = new PolicySeat({ kind: 'hold' }, loading);
  let early: ReturnType<typeof memoryMiB> | null = null;
  const spent = stopwatch();
  return new Promise<Imported>((resolve, reject) => {
    const observed = (state: DeskState): void => {
      if (early === null && state.ledger.lastTransactionId >= TRANSACTIONS / 10) early = memoryMiB();
      if (state.live.notReady === null) runtime.end(0, 'imported');
    };
    const runtime = new Runtime({
      initial: initialDesk(settings), journal, clock, timers: new SystemTimers(clock), laneOf: liveLaneOf, recorded: () => undefined, observed,
      perform: performWith({ broker, clock, seat, connectFeeds: () => Promise.resolve(), reconnectFeed: () => undefined, reply: () => undefined, haltFile: { find: () => null, remove: () => null } }),
    });
    runtime.submit({ kind: 'start', run: RUN });
    void runtime.ended.then(async ({ exitCode, reason }) => {
      const result = spent();
      const late = memoryMiB();
      runtime.close();
      await broker.close();
      await store.close();
      if (exitCode === 0 && early !== null) resolve({ ...result, growthMiB: late.held - early.held, rssGrowthMiB: late.rss - early.rss });
      else reject(new Error(`the import ended with ${exitCode}: ${reason}`));
    });
  });
}

export async function benchRows(): Promise<readonly BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'reckoner-bench-import-'));
  const server = spawn(process.execPath, [join(import.meta.dirname, 'history-server.ts'), ACCOUNT, String(TRANSACTIONS)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: server.stdout });
  try {
    const { port } = JSON.parse(await new Promise<string>((resolve) => lines.once('line', resolve))) as { port: number };
    const url = `http://127.0.0.1:${port}`;
    await bare(url, directory);
    const least = await bare(url, directory);
    const { ms, processorMs, growthMiB, rssGrowthMiB } = await importOnce(url, join(directory, 'log'));
    const seconds = (milliseconds: number): string => `${(milliseconds / 1_000).toFixed(2)} s`;
    const ratio = processorMs / least.processorMs;
    return [
      {
        what: 'import of an old account, first reconciliation included', bar: `≤ ${RATIO_MAX} × fetch + parse + write + sync, processor time`,
        measured: `${seconds(processorMs)} of processor for ${TRANSACTIONS.toLocaleString('en')} transactions beside ${seconds(least.processorMs)}`, ratio, limit: RATIO_MAX, ok: ratio <= RATIO_MAX,
      },
      { what: 'the same in seconds', bar: `≤ ${SECONDS_MAX} s`, measured: `${seconds(ms)} beside ${seconds(least.ms)}`, ratio: ms / 1_000 / SECONDS_MAX, limit: 1, ok: ms / 1_000 <= SECONDS_MAX },
      {
        what: 'the same in memory', bar: `≤ ${GROWTH_MIB_MAX} MiB more held at the end than after a tenth`,
        measured: `${growthMiB.toFixed(1)} MiB held, ${rssGrowthMiB.toFixed(0)} MiB resident`, ratio: growthMiB / GROWTH_MIB_MAX, limit: 1, ok: growthMiB <= GROWTH_MIB_MAX,
      },
    ];
  } finally {
    lines.close();
    server.kill('SIGTERM');
    rmSync(directory, { recursive: true, force: true });
  }
}
