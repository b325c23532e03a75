/** One backtest: the market is played from its first bar to its last, and the desk follows as it would live. */
import type { InProcessMarket } from '../../adapters/broker/in-process.ts';
import { LockstepClock, LockstepTimers } from '../../adapters/clock/lockstep.ts';
import type { Config } from '../../config/config.ts';
import type { Quote } from '../../domain/broker.ts';
import type { RunFacts } from '../../domain/desk/inputs.ts';
import { newestSuffices } from '../../domain/desk/quotes.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import { initialDesk } from '../../domain/desk/state.ts';
import type { EventStore } from '../../domain/log.ts';
import type { Evaluator, Policy } from '../../domain/policy.ts';
import type { Instant } from '../../domain/time.ts';
import { deliberate, deliberateAtOnce } from '../daemon/deliberation.ts';
import { Journal } from '../daemon/journal.ts';
import { EXIT } from '../daemon/runtime.ts';
import { deskSettings } from '../desk-settings.ts';
import { BacktestLoop } from './loop.ts';
import { BacktestMarket } from './market.ts';
import type { BacktestResult } from './result.ts';
import { ResultFold } from './result.ts';

export interface BacktestParts {
  readonly config: Config;
  readonly configHash: string;
  readonly build: string;
  readonly policy: Policy;
  readonly evaluator: Evaluator | null;
  readonly trained: boolean;
  readonly market: InProcessMarket;
  /** Empty. */
  readonly store: EventStore;
  /** Told now and then how many bars are done. */
  readonly progress: (done: number, total: number) => void;
}

/** The desk ended before the market did, or would not be armed. */
export class BacktestError extends Error {
  override readonly name = 'BacktestError';
}

const OPERATOR = { operator: 'backtest', reason: 'a backtest trades from its first bar' };
const PROGRESS_BARS = 1_000;
/** How often it is looked whether they have been played; there is about one move for each bar. */
const PROGRESS_MOVES = 64;

/** @throws BacktestError */
export async function runBacktest(parts: BacktestParts): Promise<BacktestResult> {
  const { config, policy, market: inProcess } = parts;
  const { venue, timeline } = inProcess;
  const names = config.instruments.map(({ name }) => name);
  const market = new BacktestMarket(inProcess, names);
  const settings = deskSettings(config, market.instruments(), policy.windowBars);
  const clock = new LockstepClock(venue.now);
  const timers = new LockstepTimers();
  const journal = new Journal({
    store: parts.store, head: await parts.store.head(), clock, deployment: config.deployment.name, accountId: config.broker.accountId,
    build: parts.build, configHash: parts.configHash, modelHash: policy.modelHash, checked: false,
  });
  const result = new ResultFold(settings);
  const loop = new BacktestLoop({
    initial: initialDesk(settings), market, journal, clock, timers,
    consult: parts.evaluator === null ? ({ observation }) => deliberateAtOnce(policy, observation) : ({ observation }) => deliberate(policy, parts.evaluator, observation),
    observed: (state, told) => result.observe(state, told),
  });
  loop.submit({ kind: 'start', run: runFacts(parts) });
  await loop.drain();
  const refusal = await loop.command({ verb: 'arm', ...OPERATOR });
  if (refusal !== null) throw new BacktestError(`the desk would not be armed: ${refusal}`);
  for (const name of names) {
    const quote = market.quoteOf(name);
    if (quote !== null) loop.submit({ kind: 'quote', quote });
  }
  await loop.drain();
  for (let [moves, told] = [0, 0]; !timeline.done; moves += 1) {
    timeline.moveOn(timers.nextAt());
    const pending = follow(loop, market, clock, timers, venue.now);
    if (pending !== undefined) await pending;
    if (loop.end !== null) throw new BacktestError(`the desk ended at ${new Date(venue.now).toISOString()} with exit code ${loop.end.exitCode}: ${loop.end.reason}`);
    if (moves % PROGRESS_MOVES === 0 && timeline.barsDone - told >= PROGRESS_BARS) parts.progress((told = timeline.barsDone), timeline.barsTotal);
  }
  loop.submit({ kind: 'stop', reason: 'the market data ended', exitCode: EXIT.ok });
  await loop.drain();
  return result.finish(loop.state, parts.store, timeline.barsDone);
}

/** What happened, each at its own time, quotes before transactions of one instant; then what is due now. */
function follow(loop: BacktestLoop, market: BacktestMarket, clock: LockstepClock, timers: LockstepTimers, now: Instant): Promise<void> | undefined {
  const { quotes: all, transactions } = market.take();
  const quotes = transactions.length === 0 ? withoutPassing(loop.state, all) : all;
  let [quote, transaction] = [0, 0];
  const goOn = (): Promise<void> | undefined => {
    while (quote < quotes.length || transaction < transactions.length) {
      const at = Math.min(quotes[quote]?.at ?? Infinity, transactions[transaction]?.at ?? Infinity) as Instant;
      if (at > clock.now()) clock.moveTo(at);
      for (; quotes[quote]?.at === at; quote += 1) loop.submit({ kind: 'quote', quote: quotes[quote]! });
      for (; transactions[transaction]?.at === at; transaction += 1) loop.submit({ kind: 'notice', transactionId: transactions[transaction]!.id });
      const pending = loop.drain();
      if (pending !== undefined) return pending.then(goOn);
    }
    clock.moveTo(now);
    timers.fireDue(now);
    return loop.drain();
  };
  return goOn();
}

/** Of quotes with nothing else between them those that the desk must see: of each pair the newest alone, where that is enough. */
function withoutPassing(state: DeskState, quotes: readonly Quote[]): readonly Quote[] {
  const first = quotes[0];
  if (first === undefined || quotes.every(({ instrument }) => instrument === first.instrument)) return newestSuffices(state, quotes) ? quotes.slice(-1) : quotes;
  const byInstrument = Map.groupBy(quotes, ({ instrument }) => instrument);
  for (const [instrument, each] of byInstrument) if (newestSuffices(state, each)) byInstrument.set(instrument, each.slice(-1));
  return quotes.filter((quote) => byInstrument.get(quote.instrument)!.includes(quote));
}

const runFacts = ({ build, configHash, policy, trained, config }: BacktestParts): RunFacts => ({
  build, nodeVersion: process.version, configHash, modelHash: policy.modelHash, modelLabel: policy.modelLabel,
  policyName: policy.name, featureSetId: policy.featureSetId, trained, environment: config.broker.environment,
});
