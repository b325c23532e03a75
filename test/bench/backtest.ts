/**
 * A backtest of an SMA cross on drawn bars, its log in memory: bars for each second of the processor's time, without
 * hashing and with it. The first run of each kind warms up; the second is measured, the drawing of its bars left out.
 */
import { join } from 'node:path';
import { openMarket } from '../../adapters/broker/local-broker.ts';
import { openMemoryStore } from '../../adapters/memory/store.ts';
import type { MemoryStoreOptions } from '../../adapters/memory/store.ts';
import { loadConfig } from '../../config/load.ts';
import { runBacktest } from '../../src/backtest/run.ts';
import { loadPolicy } from '../../src/daemon/policy.ts';
import type { BenchRow } from './bench-row.ts';

const PROFILE = join(import.meta.dirname, '..', '..', 'config', 'profiles', 'backtest.yaml');
const POLICY = { RECKONER_POLICY_KIND: 'sma-cross', RECKONER_POLICY_FAST_BARS: '50', RECKONER_POLICY_SLOW_BARS: '200' };
const BARS = 40_000;
const HISTORY_BARS = 300;
const BARS_A_SECOND = { none: 200_000, chain: 60_000 } as const;

/** Bars for each second of the processor's time. */
async function barsASecond(hashing: MemoryStoreOptions['hashing']): Promise<number> {
  const { config, hash } = loadConfig({ file: PROFILE, environment: POLICY });
  const loading = await loadPolicy(config.policy);
  if (!loading.ok) throw new Error(loading.detail);
  const { policy, evaluator, trained } = loading;
  const market = openMarket({ instruments: ['EUR_USD'], drawnBars: BARS, seed: 7, account: config.broker.accountId, calendar: config.calendar, historyBars: HISTORY_BARS });
  const store = openMemoryStore({ hashing });
  const before = process.cpuUsage();
  const { bars, halts, trades } = await runBacktest({ config, configHash: hash, build: 'bench', policy, evaluator, trained, market, store, progress: () => undefined });
  const { user, system } = process.cpuUsage(before);
  await store.close();
  await market.close();
  if (bars !== BARS || halts.length > 0 || trades.length === 0) throw new Error(`${bars} bars, ${trades.length} trades, halts: ${halts.join('; ')}`);
  return bars / ((user + system) / 1e6);
}

async function rowOf(hashing: MemoryStoreOptions['hashing'], what: string): Promise<BenchRow> {
  await barsASecond(hashing);
  const speed = await barsASecond(hashing);
  const least = BARS_A_SECOND[hashing];
  return {
    what, bar: `≥ ${least.toLocaleString('en')} bars a second of processor time`,
    measured: `${Math.round(speed).toLocaleString('en')} bars a second, ${BARS.toLocaleString('en')} bars`, ratio: speed / least, limit: 1, ok: speed >= least,
  };
}

export async function benchRows(): Promise<readonly BenchRow[]> {
  return [
    await rowOf('none', 'backtest, SMA cross 50/200, log in memory, without hashing'),
    await rowOf('chain', 'the same with every event hashed'),
  ];
}
