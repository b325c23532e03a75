/** What a seed makes of a world: which faults it has and how often, who decides, under which limits, when and for how long. */
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, parseInstant } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';
import { Draws } from './draws.ts';

/** Faults that strike an order on its way, with this share of the orders when they are on at all. */
export const ORDER_FAULTS = ['lostRequest', 'unsent', 'lostResponse', 'lateExecution', 'statusUnexecuted', 'statusExecuted', 'limited', 'maintenance', 'notFoundExecuted', 'notFoundYet', 'garbage', 'slow', 'lateFill'] as const;
/** Faults that strike a read. */
export const READ_FAULTS = ['readLost', 'readStatus', 'readLimited', 'readMaintenance', 'readGarbage', 'readSlow', 'holedPage'] as const;
/** Faults that last for a while. */
export const SPELL_FAULTS = ['staleReads', 'lateCandles', 'revisedCandles', 'missingCandles', 'silentPricing', 'silentTransactions', 'refusedStreams', 'nonTradeable', 'stalePrices', 'widePrices', 'instrumentHalted', 'accountMismatch', 'thinMarket', 'deadLink'] as const;
/** Faults that happen at a moment. */
export const MOMENT_FAULTS = ['streamCut', 'foreignTrade', 'usurper', 'manualClose', 'stopCancelled', 'overFill', 'marginCloseout', 'transfer', 'clockJump', 'stall'] as const;
/** Faults of single lines of a stream. */
const LINE_FAULTS = ['droppedLine', 'duplicateLine', 'lateLine'] as const;
/** Faults of appends, and the end of the process. */
const STORE_FAULTS = ['appendLost', 'appendUnacknowledged', 'noSpace', 'ioError'] as const;
const OTHER_FAULTS = ['kill', 'clockDrift', 'lowDisk'] as const;

export const FAULTS = [...ORDER_FAULTS, ...READ_FAULTS, ...SPELL_FAULTS, ...MOMENT_FAULTS, ...LINE_FAULTS, ...STORE_FAULTS, ...OTHER_FAULTS] as const;
export type FaultName = (typeof FAULTS)[number];
export type OrderFault = (typeof ORDER_FAULTS)[number];
export type ReadFault = (typeof READ_FAULTS)[number];
export type SpellFault = (typeof SPELL_FAULTS)[number];
export type MomentFault = (typeof MOMENT_FAULTS)[number];

export const POLICIES = ['random', 'adversarial', 'hold', 'flat', 'nonFinite', 'slow'] as const;

export interface SimOptions {
  readonly seed: bigint;
  /** The market's history before this is the drawn market's own. */
  readonly startAt: Instant;
  readonly durationMs: number;
  /** How often each fault strikes: a share for orders, reads, lines and appends, and events an hour for the others. Off when missing. */
  readonly faults: ReadonlyMap<FaultName, number>;
  readonly policy: (typeof POLICIES)[number];
  readonly orderUnits: number;
  readonly onOppositeSignal: 'close' | 'reverse';
  readonly entry: 'market' | 'limit';
  readonly ordersPerHourMax: number;
  readonly executionsMax: number;
  readonly dailyLossMoney: string;
  readonly crashesPerHourMax: number;
  /** Most of a request's way, one direction. */
  readonly latencyMsMax: number;
  /** Between two looks of the operator at the daemon. */
  readonly operatorMs: number;
}

/** Times at which something happens: sessions, the daily break, Friday's end, Sunday's begin, and a change to daylight saving. */
const STARTS = [
  '2026-01-06T08:00:00Z', '2026-01-07T13:30:00Z', '2026-01-08T15:00:00Z', '2026-01-06T21:00:00Z', '2026-01-09T19:30:00Z', '2026-01-09T20:30:00Z', '2026-01-11T22:10:00Z', '2026-03-08T21:10:00Z', '2026-03-04T10:00:00Z',
].map((text) => parseInstant(text));

/** Rare enough by themselves, or no rate at all. */
const UNSCALED: readonly FaultName[] = ['clockDrift', 'kill', ...STORE_FAULTS];

/**
 * Half of the faults are off in each seed: a mix of everything hides what a few alone would show. Each is drawn by itself, so that a new one moves few others; how often they strike is drawn
 * for all of them together, because a world in which nothing works for long trades little.
 */
function drawFaults(seed: bigint): ReadonlyMap<FaultName, number> {
  const intensity = new Draws(seed, 'intensity').spread(60, 1_000) / 1_000;
  const ranked = FAULTS.map((name) => {
    const draws = new Draws(seed, `fault ${name}`);
    return { name, rank: draws.share(), rate: rateOf(name, draws) * (UNSCALED.includes(name) ? 1 : intensity) };
  }).sort((left, right) => left.rank - right.rank);
  return new Map(ranked.slice(0, Math.floor(FAULTS.length / 2)).map(({ name, rate }) => [name, rate]));
}

const oneOf = (names: readonly FaultName[], name: FaultName): boolean => names.includes(name);

function rateOf(name: FaultName, draws: Draws): number {
  if (oneOf(ORDER_FAULTS, name)) return 0.02 + 0.2 * draws.share();
  if (oneOf(READ_FAULTS, name)) return 0.005 + 0.06 * draws.share();
  if (oneOf(LINE_FAULTS, name)) return 0.01 + 0.2 * draws.share();
  if (oneOf(STORE_FAULTS, name)) return 0.0005 + 0.002 * draws.share();
  if (name === 'clockDrift') return draws.whole(-200, 200);
  if (name === 'kill') return 0.5 + 4 * draws.share();
  return 0.5 + 3 * draws.share();
}

export function drawOptions(seed: bigint, hours = 2): SimOptions {
  const draws = new Draws(seed, 'options');
  const orderUnits = draws.pick([1, 1, 3]);
  return {
    seed,
    startAt: (draws.pick(STARTS) + draws.whole(0, 10) * MINUTE_MS) as Instant,
    durationMs: hours * HOUR_MS,
    faults: drawFaults(seed),
    policy: draws.pick(['random', 'random', 'adversarial', 'adversarial', 'adversarial', 'hold', 'flat', 'nonFinite', 'slow'] as const),
    orderUnits,
    onOppositeSignal: draws.pick(['close', 'reverse']),
    entry: draws.pick(['market', 'market', 'limit']),
    ordersPerHourMax: draws.pick([6, 20, 1_000, 1_000]),
    executionsMax: draws.pick([5, 1_000, 1_000]),
    dailyLossMoney: draws.pick(['0.05', '1', '1']),
    crashesPerHourMax: draws.pick([3, 60]),
    latencyMsMax: draws.pick([20, 200, 800]),
    operatorMs: draws.whole(40, 180) * SECOND_MS,
  };
}

/** How long a process that was killed stays away. */
export const downtimeMs = (draws: Draws): number => (draws.chance(0.02) ? draws.spread(10 * MINUTE_MS, 3 * DAY_MS) : draws.spread(SECOND_MS, 10 * MINUTE_MS));

/** Every option, for whoever reads a trace. */
export function describeOptions({ faults, startAt, ...options }: SimOptions): string {
  const off = FAULTS.filter((name) => !faults.has(name));
  return [
    ...Object.entries({ ...options, startAt: new Date(startAt).toISOString() }).map(([name, value]) => `${name}: ${value}`),
    `on: ${[...faults].map(([name, rate]) => `${name} ${Number(rate.toFixed(4))}`).join(', ')}`,
    `off: ${off.join(', ')}`,
  ].join('\n');
}
