/** `reckoner backtest`: a policy on files of bars, through the core that trades live and the engine that the demo trades against. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { openMarket } from '../../adapters/broker/local-broker.ts';
import { openMemoryStore } from '../../adapters/memory/store.ts';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import type { Config } from '../../config/config.ts';
import { loadConfig } from '../../config/load.ts';
import type { EventStore } from '../../domain/log.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import type { BacktestResult } from '../backtest/result.ts';
import { runBacktest } from '../backtest/run.ts';
import { loadPolicy } from '../daemon/policy.ts';
import { BUILD, csv, listed, say, sayJson, UsageError, warn } from './common.ts';
import { filesByInstrument, spreadOption } from './options.ts';
import { progressBar } from './progress.ts';

const PROFILE = resolve(import.meta.dirname, '../../config/profiles/backtest.yaml');
/** Bars behind the first one that is traded: as many as the demo keeps, more for a longer window. */
const HISTORY_BARS_MIN = 300;
const HISTORY_MARGIN_BARS = 44;

export interface BacktestOptions {
  readonly config?: string;
  readonly bars: readonly string[];
  readonly policy?: string;
  readonly spreadPips?: string;
  readonly log?: string;
  readonly trades?: string;
  readonly hashing: boolean;
  readonly json: boolean;
}

/** What a `--policy` sets, as the configuration's own variables. */
function policyVariables(text: string): { readonly [variable: string]: string } {
  const [kind = '', parameters = ''] = text.split(':', 2);
  const [first = '', second = ''] = parameters.split(',', 2);
  const set = (values: { readonly [key: string]: string }) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== '').map(([key, value]) => [`RECKONER_POLICY_${key}`, value]));
  switch (kind) {
    case 'hold':
      return set({ KIND: kind });
    case 'sma-cross':
      return set({ KIND: kind, FAST_BARS: first || '20', SLOW_BARS: second || '50' });
    case 'random':
      return set({ KIND: kind, SEED: first || '1', HOLD_SHARE: second });
    default:
      return set({ KIND: 'muzero', MODEL_DIRECTORY: resolve(text) });
  }
}

/** A file for each pair configured. @throws UsageError */
function barsFiles(given: readonly string[], config: Config): { readonly [instrument: string]: string } {
  const names = config.instruments.map(({ name }): string => name);
  const files = filesByInstrument(given, names, names[0]!);
  const missing = names.find((name) => files[name] === undefined);
  if (missing !== undefined) throw new UsageError(`--bars: there is no file for ${missing}; say --bars ${missing}=FILE`);
  return files;
}

function openLog(options: BacktestOptions, config: Config): EventStore {
  if (options.log === undefined) return openMemoryStore({ hashing: options.hashing ? 'chain' : 'none' });
  if (!options.hashing) throw new UsageError('--no-hashing is for a log in memory: a log in a directory is a chain');
  const directory = resolve(options.log);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return openSqliteStore({ directory, projections: ALL_PROJECTIONS, deployment: config.deployment.name });
}

export async function backtest(options: BacktestOptions): Promise<number> {
  const { config, hash } = loadConfig({
    file: options.config ?? PROFILE,
    environment: { ...process.env, ...(options.policy === undefined ? {} : policyVariables(options.policy)) },
  });
  const loading = await loadPolicy(config.policy);
  if (!loading.ok) throw new UsageError(`the model was refused by check ${loading.check}: ${loading.detail}`);
  const { policy, evaluator, trained } = loading;
  const files = barsFiles(options.bars, config);
  const market = openMarket({
    instruments: Object.keys(files), barsFiles: files, account: config.broker.accountId, calendar: config.calendar, historyBars: Math.max(HISTORY_BARS_MIN, policy.windowBars + HISTORY_MARGIN_BARS),
    ...(options.spreadPips === undefined ? {} : { spreadPips: spreadOption(options.spreadPips) }),
  });
  const store = openLog(options, config);
  const bar = progressBar('bars', market.timeline.barsTotal);
  try {
    const startedAt = performance.now();
    // It trades nothing, and has one operator.
    const alone: Config = { ...config, safety: { ...config.safety, secondOperator: 'none' } };
    const result = await runBacktest({ config: alone, configHash: hash, build: BUILD, policy, evaluator, trained, market, store, progress: (done) => bar.update(done) });
    bar.stop();
    const seconds = (performance.now() - startedAt) / 1_000;
    warn(`${result.bars} bars in ${seconds.toFixed(1)} s, ${Math.round(result.bars / seconds)} a second`);
    if (options.trades !== undefined) writeFileSync(options.trades, `${csv(result.trades.map((trade) => ({ ...trade })))}\n`);
    const head = await store.head();
    const run = { version: 1, policy: policy.name, model: policy.modelLabel, trained, configurationHash: hash, seed: 'seed' in config.policy ? config.policy.seed : null, events: head.sequence + 1, headHash: head.hash };
    if (options.json) sayJson({ ...run, ...result });
    else saySummary(run, result);
    return 0;
  } finally {
    bar.stop();
    await store.close();
    await market.close();
    await evaluator?.close();
  }
}

const figure = (value: number | null, digits: number, suffix = ''): string => (value === null ? 'undefined' : `${value.toFixed(digits)}${suffix}`);

function saySummary(run: { readonly policy: string; readonly model: string; readonly configurationHash: string; readonly seed: number | null; readonly headHash: string; readonly events: number }, result: BacktestResult): void {
  const { statistics } = result;
  say(`policy            ${run.policy}, ${run.model}${run.seed === null ? '' : `, seed ${run.seed}`}`);
  say(`configuration     ${run.configurationHash}`);
  say(`bars              ${result.bars}; in position ${figure(100 * result.timeInPosition, 1, ' %')}`);
  say(`decisions         ${listed(result.decisions)}; skipped ${listed(result.skipped)}; denied ${listed(result.denied)}`);
  say(`trades            ${statistics.trades}: ${statistics.won} won, ${statistics.lost} lost, win rate ${figure(statistics.winRate === null ? null : 100 * statistics.winRate, 1, ' %')}; ${result.openTrades} open`);
  say(`profit            ${result.profit} (realised ${result.realised}, financing ${result.financing})`);
  say(`expectancy        ${figure(statistics.expectancyPips, 2)} pips, ${figure(statistics.expectancyMoney, 6)} a trade; profit factor ${figure(statistics.profitFactor, 2)}`);
  say(`SQN               ${figure(statistics.sqn, 2)}; with at most 100 trades ${figure(statistics.sqnCapped, 2)}`);
  say(`drawdown          ${result.drawdownMax}`);
  for (const halt of result.halts) say(`halted            ${halt}`);
  say(`log               ${run.events} events${run.headHash === '' ? ', not hashed' : `, head hash ${run.headHash}`}`);
}
