/**
 * Where candles begin and end.
 *
 * Up to an hour they follow the UTC clock, whose minutes and hours are New York's too. From two hours to a day they
 * begin at an hour of the day in a time zone (17:00 New York by default), so they move with its daylight saving:
 * candles of hours count real hours from there, and the last one of a day of 23 or 25 hours is cut short, or followed
 * by a short one. A week begins on a named day at that hour; a month with the day that holds its first midnight.
 */
import { newYorkClock } from '../../domain/calendar.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, instantOf } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

type Zone = 'America/New_York' | 'UTC';

export interface Alignment {
  /** Hour of the day, 0 to 23. */
  readonly dailyHour: number;
  readonly zone: Zone;
  /** 0 Sunday to 6 Saturday. */
  readonly weekday: number;
}

export interface Granularity {
  readonly name: string;
  readonly kind: 'clock' | 'hours' | 'day' | 'week' | 'month';
  /** Its usual length; a day may be an hour shorter or longer. */
  readonly lengthMs: number;
}

const WEEKDAYS: readonly string[] = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
export const DEFAULT_ALIGNMENT: Alignment = { dailyHour: 17, zone: 'America/New_York', weekday: WEEKDAYS.indexOf('Friday') };

const named = (letter: string, counts: readonly number[], kind: Granularity['kind'], unitMs: number): Granularity[] =>
  counts.map((count) => ({ name: `${letter}${count}`, kind, lengthMs: count * unitMs }));

const GRANULARITIES: ReadonlyMap<string, Granularity> = new Map(
  [
    ...named('S', [5, 10, 15, 30], 'clock', SECOND_MS),
    ...named('M', [1, 2, 4, 5, 10, 15, 30], 'clock', MINUTE_MS),
    ...named('H', [1], 'clock', HOUR_MS),
    ...named('H', [2, 3, 4, 6, 8, 12], 'hours', HOUR_MS),
    { name: 'D', kind: 'day' as const, lengthMs: DAY_MS },
    { name: 'W', kind: 'week' as const, lengthMs: 7 * DAY_MS },
    { name: 'M', kind: 'month' as const, lengthMs: 30 * DAY_MS },
  ].map((granularity) => [granularity.name, granularity]),
);

export const granularityOf = (name: string): Granularity | undefined => GRANULARITIES.get(name);
/** -1 for anything but a day's English name. */
export const weekdayNamed = (name: string): number => WEEKDAYS.indexOf(name);
export const isZone = (name: string): name is Zone => name === 'America/New_York' || name === 'UTC';

interface Clock {
  /** Days since 1970 in the zone. */
  readonly day: number;
  readonly minute: number;
}

function clockIn(zone: Zone, at: Instant): Clock {
  if (zone === 'America/New_York') return newYorkClock(at);
  const day = Math.floor(at / DAY_MS);
  return { day, minute: Math.floor((at - day * DAY_MS) / MINUTE_MS) };
}

/** The first instant of a day at which its clock shows the hour or, where clocks skip it, has passed it. */
function alignedInstant(day: number, { zone, dailyHour }: Alignment): Instant {
  const local = day * DAY_MS + dailyHour * HOUR_MS;
  if (zone === 'UTC') return instantOf(local);
  const summer = instantOf(local + 4 * HOUR_MS);
  const shown = newYorkClock(summer);
  return shown.day * DAY_MS + shown.minute * MINUTE_MS === local ? summer : instantOf(local + 5 * HOUR_MS);
}

/** The day of the alignment that `at` lies in. */
function dayOf(at: Instant, alignment: Alignment): number {
  const { day } = clockIn(alignment.zone, at);
  return alignedInstant(day, alignment) <= at ? day : day - 1;
}

/** The first midnight of the month `months` after that of an aligned day, as a day number. */
function monthDay(day: number, months: number, { dailyHour }: Alignment): number {
  const eve = dailyHour === 0 ? 0 : 1;
  const date = new Date((day + eve) * DAY_MS);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + months, 1) / DAY_MS - eve;
}

/** Start (included) and end (excluded) of the candle that holds `at`. */
export function candleSpan(granularity: Granularity, alignment: Alignment, at: Instant): readonly [start: Instant, end: Instant] {
  const { kind, lengthMs } = granularity;
  if (kind === 'clock') {
    const start = Math.floor(at / lengthMs) * lengthMs;
    return [instantOf(start), instantOf(start + lengthMs)];
  }
  const day = dayOf(at, alignment);
  const span = (first: number, next: number): readonly [Instant, Instant] => [alignedInstant(first, alignment), alignedInstant(next, alignment)];
  if (kind === 'week') {
    const first = day - ((((day + 4 - alignment.weekday) % 7) + 7) % 7);
    return span(first, first + 7);
  }
  if (kind === 'month') return span(monthDay(day, 0, alignment), monthDay(day, 1, alignment));
  const [dayStart, dayEnd] = span(day, day + 1);
  if (kind === 'day') return [dayStart, dayEnd];
  const start = instantOf(dayStart + Math.floor((at - dayStart) / lengthMs) * lengthMs);
  return [start, instantOf(Math.min(start + lengthMs, dayEnd))];
}
