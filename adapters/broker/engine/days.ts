import { newYorkClock, newYorkInstant } from '../../../domain/calendar.ts';
import type { Instant } from '../../../domain/time.ts';

const TRADING_DAY_MINUTE = 17 * 60;

/** The first time after `at` that New York's clock shows this minute of the day. */
export function nextNewYorkMinute(at: Instant, minuteOfDay: number): Instant {
  const { day, minute } = newYorkClock(at);
  return newYorkInstant(minute >= minuteOfDay ? day + 1 : day, minuteOfDay);
}

/** The first 17:00 New York after `at`: the end of orders that are good for the day. */
export const nextTradingDayStart = (at: Instant): Instant => nextNewYorkMinute(at, TRADING_DAY_MINUTE);
