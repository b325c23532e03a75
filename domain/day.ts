/**
 * The trading day's profit and loss, from 17:00 New York: realised, financing and fees from the ledger, and what
 * open trades gained or lost since, marked at the last logged bar. Transfers never count. In money and in pips.
 */
import { tradingDayStart } from './calendar.ts';
import { add, negate, subtract, ZERO_MONEY, ZERO_PIPS } from './money.ts';
import type { Money, Pips } from './money.ts';
import type { Instant } from './time.ts';
import { DAY_MS } from './time.ts';

/** Profit since the account began, marks included. */
export interface ProfitMark {
  readonly money: Money;
  readonly pips: Pips;
}

export interface TradingDay {
  readonly start: Instant | null;
  /** No event before this instant can turn the day. */
  readonly nextStart: Instant | null;
  readonly atStart: ProfitMark;
}

export const noDay: TradingDay = { start: null, nextStart: null, atStart: { money: ZERO_MONEY, pips: ZERO_PIPS } };

/** Turns the day when `at` lies in a new one; `mark` is the profit just before. */
export function evolveDay(day: TradingDay, at: Instant, mark: () => ProfitMark): TradingDay {
  if (day.nextStart !== null && at < day.nextStart) return day;
  const start = tradingDayStart(at);
  if (day.start !== null && start <= day.start) return day;
  return { start, nextStart: tradingDayStart((start + DAY_MS + DAY_MS / 2) as Instant), atStart: mark() };
}

/** Loss since the day began; positive when losing. */
export const dayLoss = (day: TradingDay, now: ProfitMark): ProfitMark => ({
  money: negate(subtract(now.money, day.atStart.money)),
  pips: negate(subtract(now.pips, day.atStart.pips)),
});

/** Takes a change of profit that happened before the day began out of the day's figures. */
export const shiftStart = (day: TradingDay, before: ProfitMark, after: ProfitMark): TradingDay => ({
  ...day,
  atStart: { money: add(day.atStart.money, subtract(after.money, before.money)), pips: add(day.atStart.pips, subtract(after.pips, before.pips)) },
});
