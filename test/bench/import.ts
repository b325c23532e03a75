/**
 * Taking over an old account: from nothing to the first agreed reconciliation over 100,000 transactions, with the real
 * client, loop, journal and store, beside the least that it could be: the same pages fetched, parsed, written and synced.
 */
import { spawn } from 'node:child_process';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
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
const RATIO_MAX = 5;
/** Growth of resident memory from the first tenth of the import to its end. */
const GROWTH_MIB_MAX = 20;
const TOKEN = 'a-token-for-the-bench-alone';

interface Imported {
  readonly ms: number;
  /** Of the processor, user and system: what a busy machine does not inflate. */
  readonly processorMs: number;
  readonly growthMiB: number;
}

/** Fetches, parses, writes and syncs every page. */
async function bareMs(url: string, directory: string): Promise<number> {
  const pool = new Pool(url);
  const file = openSync(join(directory, 'bare'), 'w');
  const began = performance.now();
  for (let since = 0; since < TRANSACTIONS; ) {
    const reply = await pool.request({ method: 'GET', path: `/v3/accounts/${ACCOUNT}/transactions/sinceid?id=${since}` });
    const text = await reply.body.text();
    since += (JSON.parse(text) as { transactions: unknown[] }).transactions.length;
    writeSync(file, text);
    fdatasyncSync(file);
  }
  const ms = performance.now() - began;
  closeSync(file);
  await pool.destroy();
  return ms;
}

const rssMiB = (): number => process.memoryUsage.rss() / 1024 / 1024;

async function importOnce(url: string, directory: string): Promise<Imported> {
  const clock = new SystemClock();
  const store = openSqliteStore({ directory, projections: ALL_PROJECTIONS, deployment: 'bench' });
  const broker = createOandaBroker({ restUrl: url, streamUrl: url, accountId: ACCOUNT, token: TOKEN, clock });
  const settings = { ...SETTINGS, accountId: ACCOUNT, importedTransactionsMax: TRANSACTIONS };
  const journal = new Journal({ store, head: await store.head(), clock, deployment: 'bench', accountId: ACCOUNT, build: 'bench', configHash: GENESIS_HASH, modelHash: GENESIS_HASH });
  const loading = await loadPolicy({ kind: 'hold' });
  if (!loading.ok) throw new Error(loading.detail);
  const seat = new PolicySeat({ kind: 'hold' }, loading);
  let early: number | null = null;
  const began = performance.now();
  const processorAtStart = process.cpuUsage();
  return new Promise<Imported>((resolve, reject) => {
    const observed = (state: DeskState): void => {
      if (early === null && state.ledger.lastTransactionId >= TRANSACTIONS / 10) early = rssMiB();
      if (state.live.notReady === null) runtime.end(0, 'imported');
    };
    const runtime = new Runtime({
      initial: initialDesk(settings), journal, clock, timers: new SystemTimers(clock), laneOf: liveLaneOf, observed,
      perform: performWith({ broker, clock, seat, connectFeeds: () => Promise.resolve(), reconnectFeed: () => undefined, reply: () => undefined }),
    });
    runtime.submit({ kind: 'start', run: RUN });
    void runtime.ended.then(async ({ exitCode, reason }) => {
      const ms = performance.now() - began;
      const { user, system } = process.cpuUsage(processorAtStart);
      const growthMiB = rssMiB() - (early ?? Number.NaN);
      runtime.close();
      await broker.close();
      await store.close();
      if (exitCode === 0) resolve({ ms, processorMs: (user + system) / 1_000, growthMiB });
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
    await bareMs(url, directory);
    const bare = await bareMs(url, directory);
    const { ms, processorMs, growthMiB } = await importOnce(url, join(directory, 'log'));
    const measured = `${(ms / 1_000).toFixed(2)} s for ${TRANSACTIONS.toLocaleString('en')} transactions (${(processorMs / 1_000).toFixed(2)} s of processor) beside ${(bare / 1_000).toFixed(2)} s; memory ${growthMiB >= 0 ? '+' : ''}${growthMiB.toFixed(0)} MiB from a tenth on`;
    return [
      { what: 'import of an old account, first reconciliation included', bar: `≤ ${RATIO_MAX} × fetch + parse + write + sync`, measured, ratio: ms / bare, limit: RATIO_MAX, ok: ms / bare <= RATIO_MAX },
      { what: 'the same in seconds', bar: `≤ ${SECONDS_MAX} s`, measured, ratio: ms / 1_000 / SECONDS_MAX, limit: 1, ok: ms / 1_000 <= SECONDS_MAX },
      { what: 'the same in memory', bar: `≤ ${GROWTH_MIB_MAX} MiB more at the end than after a tenth`, measured, ratio: growthMiB / GROWTH_MIB_MAX, limit: 1, ok: growthMiB <= GROWTH_MIB_MAX },
    ];
  } finally {
    lines.close();
    server.kill('SIGTERM');
    rmSync(directory, { recursive: true, force: true });
  }
}
