/**
 * Profit and loss of the trading day, from 17:00 New York, and of the trading week, from Sunday 17:00: realised,
 * financing and fees from the ledger, and what open trades gained or lost since, marked at the last logged bar.
 * Transfers never count. In money and in pips.
 */
import { tradingDayStart, tradingWeekStart } from './calendar.ts';
import { add, negate, subtract, ZERO_MONEY, ZERO_PIPS } from './money.ts';
import type { Money, Pips } from './money.ts';
import type { Instant } from './time.ts';
import { DAY_MS } from './time.ts';

/** Profit since the account began, marks included. */
export interface ProfitMark {
  readonly money: Money;
  readonly pips: Pips;
}

export interface TradingPeriod {
  readonly start: Instant | null;
  /** No event before this instant can end the period. */
  readonly nextStart: Instant | null;
  readonly atStart: ProfitMark;
}

export const noPeriod: TradingPeriod = { start: null, nextStart: null, atStart: { money: ZERO_MONEY, pips: ZERO_PIPS } };

/** How each kind of period finds its start, and a time that surely lies in the next one: a day and an hour of summer time are no whole number of days. */
const KINDS = {
  day: { startOf: tradingDayStart, intoNextMs: DAY_MS + DAY_MS / 2 },
  week: { startOf: tradingWeekStart, intoNextMs: 7 * DAY_MS + DAY_MS / 2 },
} as const;

/** Begins the next period when `at` lies in one; `mark` is the profit just before. */
export function evolvePeriod(kind: keyof typeof KINDS, period: TradingPeriod, at: Instant, mark: () => ProfitMark): TradingPeriod {
  if (period.nextStart !== null && at < period.nextStart) return period;
  const { startOf, intoNextMs } = KINDS[kind];
  const start = startOf(at);
  if (period.start !== null && start <= period.start) return period;
  return { start, nextStart: startOf((start + intoNextMs) as Instant), atStart: mark() };
}

/** Loss since the period began; positive when losing. */
export const lossIn = (period: TradingPeriod, now: ProfitMark): ProfitMark => ({
  money: negate(subtract(now.money, period.atStart.money)),
  pips: negate(subtract(now.pips, period.atStart.pips)),
});

/** Takes a change of profit that happened before the period began out of its figures. */
export const shiftStart = (period: TradingPeriod, before: ProfitMark, after: ProfitMark): TradingPeriod => ({
  ...period,
  atStart: { money: add(period.atStart.money, subtract(after.money, before.money)), pips: add(period.atStart.pips, subtract(after.pips, before.pips)) },
});
