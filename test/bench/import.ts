/**
 * Taking over an old account: from nothing to the first agreed reconciliation over 100,000 transactions, with the real
 * client, loop, journal and store, beside the least that it could be: the same pages fetched, parsed, written and synced.
 */
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Pool } from 'undici';
import { SystemClock, SystemTimers } from '../../adapters/clock/system.ts';
import type { BenchRow } from './bench-row.ts';
import { ACCOUNT, importAccount, serveHistory } from './import-run.ts';

const TRANSACTIONS = 100_000;
const SECONDS_MAX = 5;
const RATIO_MAX = 20;
/** What the import still holds at its end beyond what it held after a tenth. */
const GROWTH_MIB_MAX = 8;
/**
 * What the process takes up at its end beyond what it took up after a tenth. Garbage that waits for its collection is in it, some
 * 20 to 65 MiB as the collector pleases; an import that kept its transactions would take up several hundred.
 */
const RESIDENT_GROWTH_MIB_MAX = 128;

interface Spent {
  readonly ms: number;
  /** Of the processor, user and system: what a busy machine hardly inflates. */
  readonly processorMs: number;
}

interface Imported extends Spent {
  readonly growthMiB: number;
  readonly rssMiB: number;
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
  let early: ReturnType<typeof memoryMiB> | null = null;
  let result: Spent | null = null;
  let late: ReturnType<typeof memoryMiB> | null = null;
  const spent = stopwatch();
  await importAccount({
    url, directory, transactionsMax: TRANSACTIONS, clock, timers: new SystemTimers(clock),
    observed: (state) => {
      if (early === null && state.ledger.lastTransactionId >= TRANSACTIONS / 10) early = memoryMiB();
    },
  }, () => {
    result = spent();
    late = memoryMiB();
  });
  if (early === null || result === null || late === null) throw new Error('the import ended before its tenth part');
  const [atTenth, atEnd, cost] = [early as ReturnType<typeof memoryMiB>, late as ReturnType<typeof memoryMiB>, result as Spent];
  return { ...cost, growthMiB: atEnd.held - atTenth.held, rssMiB: atEnd.rss, rssGrowthMiB: atEnd.rss - atTenth.rss };
}

export async function benchRows(): Promise<readonly BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'reckoner-bench-import-'));
  const { url, stop } = await serveHistory(TRANSACTIONS);
  try {
    await bare(url, directory);
    const least = await bare(url, directory);
    const { ms, processorMs, growthMiB, rssMiB, rssGrowthMiB } = await importOnce(url, join(directory, 'log'));
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
        measured: `${growthMiB.toFixed(1)} MiB`, ratio: growthMiB / GROWTH_MIB_MAX, limit: 1, ok: growthMiB <= GROWTH_MIB_MAX,
      },
      {
        what: 'the same in resident memory', bar: `≤ ${RESIDENT_GROWTH_MIB_MAX} MiB more at the end than after a tenth`,
        measured: `${rssGrowthMiB.toFixed(0)} MiB of ${rssMiB.toFixed(0)} MiB`, ratio: rssGrowthMiB / RESIDENT_GROWTH_MIB_MAX, limit: 1, ok: rssGrowthMiB <= RESIDENT_GROWTH_MIB_MAX,
      },
    ];
  } finally {
    stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
