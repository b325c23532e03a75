/**
 * The FX week, anchored to New York: it opens on Sunday, breaks once a day and closes on Friday afternoon.
 *
 * Hours are dated data, not constants (they moved in 2021), and New York's daylight saving is computed here
 * from its rule, so that the core needs no time-zone database: since 2007 clocks go forward on the second
 * Sunday of March and back on the first Sunday of November, both at 02:00, when the market is closed.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS, instantOf } from './time.ts';
import type { Instant } from './time.ts';

/** Opening hours from a date on; `open` and `close` are minutes after New York midnight. */
export interface TradingHours {
  readonly from: Instant;
  /** Minute at which each session opens (Sunday to Thursday), 17:00 = 1020. */
  readonly openMinute: number;
  /** Minute at which each session closes on the next day (Monday to Friday). */
  readonly closeMinute: number;
}

/** A daily break, Monday to Friday, of the pairs that hold one currency. */
export interface ExtraBreak {
  readonly from: Instant;
  readonly currency: string;
  /** Minutes after New York midnight: closed from the first on, open again at the second. */
  readonly startMinute: number;
  readonly endMinute: number;
}

/** A New York minute of every year. */
export interface YearlyTime {
  /** 1 for January. */
  readonly month: number;
  readonly day: number;
  readonly minute: number;
}

/** A span of every year whose open minutes may bring prices or not: neither is an error. */
export interface Holiday {
  readonly start: YearlyTime;
  readonly end: YearlyTime;
}

export interface TradingCalendar {
  /** Dated hours; the latest row that is not in the future holds. */
  readonly hours: readonly TradingHours[];
  /** Dated likewise, for each currency. They close nothing until `calendarFor` has named the pair. */
  readonly extraBreaks: readonly ExtraBreak[];
  readonly holidays: readonly Holiday[];
  /** The pair that this calendar is narrowed to; null speaks of the market as such. */
  readonly instrument: string | null;
  /** Open on every minute, for practice against the local broker on a day when the market is not. */
  readonly alwaysOpen: boolean;
}

interface Span {
  readonly from: number;
  readonly until: number;
}

/** The trading day and the financing day both turn at 17:00 New York. */
const TRADING_DAY_MINUTE = 17 * 60;
const FRIDAY = 5;
const SATURDAY = 6;

/** Day of the week (0 Sunday) of a UTC day number. */
const weekdayOf = (dayNumber: number): number => (((dayNumber + 4) % 7) + 7) % 7;

function nthSundayUtc(year: number, month: number, nth: number): number {
  const first = Date.UTC(year, month, 1);
  const weekday = weekdayOf(first / DAY_MS);
  return first + (((7 - weekday) % 7) + 7 * (nth - 1)) * DAY_MS;
}

/** A year of UTC, and the summer in it. */
interface Year extends Span {
  readonly summer: Span;
}

function yearOf(at: Instant): Year {
  const year = new Date(at).getUTCFullYear();
  const summer = { from: nthSundayUtc(year, 2, 2) + 7 * HOUR_MS, until: nthSundayUtc(year, 10, 1) + 6 * HOUR_MS };
  return { from: Date.UTC(year, 0), until: Date.UTC(year + 1, 0), summer };
}

/** The year that was asked for last: nearly every question is about the same one. */
let lastYear: Year = yearOf(instantOf(0));

/** New York's offset from UTC in minutes: -240 in summer, -300 in winter. */
function newYorkOffsetMinutes(at: Instant): -240 | -300 {
  if (!(at >= lastYear.from && at < lastYear.until)) lastYear = yearOf(at);
  const { summer } = lastYear;
  return at >= summer.from && at < summer.until ? -240 : -300;
}

/** New York's clock: its day number since 1970, day of the week (0 Sunday) and minute of the day. */
export function newYorkClock(at: Instant): { readonly day: number; readonly weekday: number; readonly minute: number } {
  const local = at + newYorkOffsetMinutes(at) * MINUTE_MS;
  const day = Math.floor(local / DAY_MS);
  return { day, weekday: weekdayOf(day), minute: Math.floor((local - day * DAY_MS) / MINUTE_MS) };
}

/** The instant of a New York day and minute; well defined because the market is closed when clocks change. */
export function newYorkInstant(day: number, minute: number): Instant {
  const local = day * DAY_MS + minute * MINUTE_MS;
  const winter = instantOf(local + 300 * MINUTE_MS);
  return newYorkOffsetMinutes(winter) === -300 ? winter : instantOf(local + 240 * MINUTE_MS);
}

/** @throws RangeError when no row reaches back to `at`: such a calendar is incomplete. */
function hoursAt(calendar: TradingCalendar, at: Instant): TradingHours {
  let found: TradingHours | undefined;
  for (const hours of calendar.hours) if (hours.from <= at && (found === undefined || hours.from > found.from)) found = hours;
  if (found === undefined) throw new RangeError(`the trading calendar has no hours for ${new Date(at).toISOString()}: add a row that begins earlier`);
  return found;
}

/** Narrowed calendars by the calendar that they come from: one for each pair that was asked for. */
const narrowed = new WeakMap<TradingCalendar, Map<string, TradingCalendar>>();
const NARROWED_MAX = 200;

/** The calendar of one pair: with the breaks of its two currencies. */
export function calendarFor(calendar: TradingCalendar, instrument: string): TradingCalendar {
  let pairs = narrowed.get(calendar);
  if (pairs === undefined || pairs.size >= NARROWED_MAX) narrowed.set(calendar, (pairs = new Map<string, TradingCalendar>()));
  let pair = pairs.get(instrument);
  if (pair === undefined) pairs.set(instrument, (pair = { ...calendar, instrument }));
  return pair;
}

/** The breaks that hold at `at` for the calendar's pair: of each of its currencies the newest row. */
function breaksAt(calendar: TradingCalendar, at: Instant): readonly ExtraBreak[] {
  if (calendar.instrument === null) return [];
  const held = new Map<string, ExtraBreak>();
  for (const row of calendar.extraBreaks) {
    if (row.from > at || !calendar.instrument.split('_').includes(row.currency)) continue;
    if (row.from >= (held.get(row.currency)?.from ?? row.from)) held.set(row.currency, row);
  }
  return [...held.values()];
}

/** A number that grows with the time of the year. */
const orderInYear = ({ month, day, minute }: YearlyTime): number => (month * 32 + day) * 24 * 60 + minute;
const yearlyInstant = (year: number, { month, day, minute }: YearlyTime): Instant => newYorkInstant(Date.UTC(year, month - 1, day) / DAY_MS, minute);

/** The holidays that touch [from, until). */
function holidaySpans(calendar: TradingCalendar, from: Instant, until: Instant): readonly Span[] {
  const spans: Span[] = [];
  // One that began in the year before may last into this one.
  for (let year = new Date(from).getUTCFullYear() - 1; year <= new Date(until).getUTCFullYear(); year += 1) {
    for (const { start, end } of calendar.holidays) {
      const begins = yearlyInstant(year, start);
      const sameYear = yearlyInstant(year, end);
      const span = { from: begins, until: sameYear > begins ? sameYear : yearlyInstant(year + 1, end) };
      if (span.until > from && span.from < until) spans.push(span);
    }
  }
  return spans;
}

/** A span in which the market is open all the time, or closed. */
interface Stretch extends Span {
  readonly open: boolean;
}

/** The stretch of each calendar that was asked for last: most questions are about the same one. */
const lastStretches = new WeakMap<TradingCalendar, Stretch>();

/** The stretch around `at`, as far as the next instant at which the answer may change. */
function stretchAround(calendar: TradingCalendar, at: Instant): Stretch {
  const { day } = newYorkClock(at);
  const { summer } = yearOf(at);
  const minutes = new Set([0, ...calendar.hours.flatMap((row) => [row.openMinute, row.closeMinute]), ...calendar.extraBreaks.flatMap((row) => [row.startMinute, row.endMinute])]);
  const changes = [
    summer.from, summer.until, ...calendar.hours.map(({ from }) => from), ...calendar.extraBreaks.map(({ from }) => from),
    ...[...minutes].flatMap((minute) => [day - 1, day, day + 1, day + 2].map((each) => newYorkInstant(each, minute))),
  ];
  return { from: Math.max(...changes.filter((change) => change <= at)), until: Math.min(...changes.filter((change) => change > at)), open: isOpenAt(calendar, at) };
}

/**
 * Is the market open at this instant by the calendar, optional minutes included? The broker's `tradeable` flag still
 * has the last word.
 */
export function isMarketOpen(calendar: TradingCalendar, at: Instant): boolean {
  if (calendar.alwaysOpen) return true;
  let stretch = lastStretches.get(calendar);
  if (stretch === undefined || !(at >= stretch.from && at < stretch.until)) lastStretches.set(calendar, (stretch = stretchAround(calendar, at)));
  return stretch.open;
}

function isOpenAt(calendar: TradingCalendar, at: Instant): boolean {
  const hours = hoursAt(calendar, at);
  const { weekday, minute } = newYorkClock(at);
  if (weekday === SATURDAY) return false;
  if (weekday !== 0 && breaksAt(calendar, at).some((row) => minute >= row.startMinute && minute < row.endMinute)) return false;
  const afterOpen = minute >= hours.openMinute;
  if (weekday === 0) return afterOpen;
  const beforeClose = minute < hours.closeMinute;
  return weekday === FRIDAY ? beforeClose : afterOpen || beforeClose;
}

/** An open minute of a holiday: it may bring a price, and none is missed when it does not. */
export function isOptionalMinute(calendar: TradingCalendar, at: Instant): boolean {
  if (calendar.alwaysOpen) return false;
  const { day, minute } = newYorkClock(at);
  const date = new Date(day * DAY_MS);
  const now = orderInYear({ month: date.getUTCMonth() + 1, day: date.getUTCDate(), minute });
  const holiday = calendar.holidays.some(({ start, end }) => {
    const [begins, ends] = [orderInYear(start), orderInYear(end)];
    return begins <= ends ? now >= begins && now < ends : now >= begins || now < ends;
  });
  return holiday && isMarketOpen(calendar, at);
}

/** Does any part of a weekend, Friday's close to Sunday's open, lie in [from, until)? */
export function spansWeekend(calendar: TradingCalendar, from: Instant, until: Instant): boolean {
  if (calendar.alwaysOpen || until <= from) return false;
  // A weekend that began up to two days before `from` may still last.
  for (let day = newYorkClock(from).day - 2; ; day += 1) {
    if (weekdayOf(day) !== FRIDAY) continue;
    const hours = hoursAt(calendar, newYorkInstant(day, TRADING_DAY_MINUTE));
    const closes = newYorkInstant(day, hours.closeMinute);
    if (closes >= until) return false;
    if (newYorkInstant(day + 2, hours.openMinute) > from) return true;
  }
}

/** Milliseconds of [from, until) that lie in any of the spans. */
function coveredMs(spans: readonly Span[], from: number, until: number): number {
  let covered = 0;
  let reached = from;
  for (const span of [...spans].sort((left, right) => left.from - right.from)) {
    const begins = Math.max(span.from, reached);
    const ends = Math.min(span.until, until);
    if (ends <= begins) continue;
    covered += ends - begins;
    reached = ends;
  }
  return covered;
}

/**
 * Minutes in [from, until) that are expected to bring a price: the overlap with every session, breaks and holidays
 * taken out, so that a span of years costs a few days' steps.
 */
export function openMinutesBetween(calendar: TradingCalendar, from: Instant, until: Instant): number {
  if (until <= from) return 0;
  if (calendar.alwaysOpen) return Math.floor((until - from) / MINUTE_MS);
  let open = 0;
  const holidays = holidaySpans(calendar, from, until);
  const lastDay = newYorkClock(until).day;
  for (let day = newYorkClock(from).day - 1; day <= lastDay; day += 1) {
    const weekday = weekdayOf(day);
    if (weekday === FRIDAY || weekday === SATURDAY) continue;
    const hours = hoursAt(calendar, newYorkInstant(day, TRADING_DAY_MINUTE));
    const opens = Math.max(newYorkInstant(day, hours.openMinute), from);
    const closes = Math.min(newYorkInstant(day + 1, hours.closeMinute), until);
    if (closes <= opens) continue;
    const breaks = breaksAt(calendar, newYorkInstant(day + 1, 0)).map((row) => ({ from: newYorkInstant(day + 1, row.startMinute), until: newYorkInstant(day + 1, row.endMinute) }));
    open += Math.floor((closes - opens - coveredMs([...breaks, ...holidays], opens, closes)) / MINUTE_MS);
  }
  return open;
}

/** Minutes around the week's open and close, and holidays, in which no position is opened. */
export interface Blackout {
  readonly afterOpenMinutes: number;
  readonly beforeCloseMinutes: number;
}

/** Why no position is opened at `at` though the market may be open; null when nothing speaks against it. */
export function blackoutAt(calendar: TradingCalendar, at: Instant, blackout: Blackout): string | null {
  if (calendar.alwaysOpen) return null;
  const { day, weekday } = newYorkClock(at);
  const hours = hoursAt(calendar, at);
  const sinceOpenMs = at - newYorkInstant(day - weekday, hours.openMinute);
  const untilCloseMs = newYorkInstant(day - weekday + FRIDAY, hours.closeMinute) - at;
  if (!(sinceOpenMs >= blackout.afterOpenMinutes * MINUTE_MS)) return `within ${blackout.afterOpenMinutes} minutes of the week's open`;
  if (!(untilCloseMs > blackout.beforeCloseMinutes * MINUTE_MS)) return `within ${blackout.beforeCloseMinutes} minutes of the week's close`;
  return isOptionalMinute(calendar, at) ? 'a holiday' : null;
}

/** The last 17:00 New York at or before `at`: where the trading day began. */
export function tradingDayStart(at: Instant): Instant {
  const { day, minute } = newYorkClock(at);
  return newYorkInstant(minute >= TRADING_DAY_MINUTE ? day : day - 1, TRADING_DAY_MINUTE);
}

/** The last Sunday 17:00 New York at or before `at`: where the trading week began. */
export function tradingWeekStart(at: Instant): Instant {
  const { day, weekday } = newYorkClock(tradingDayStart(at));
  return newYorkInstant(day - weekday, TRADING_DAY_MINUTE);
}

/** Is `at` between the given minute of a New York Friday and the Sunday open? */
export function isWeekendHold(calendar: TradingCalendar, at: Instant, fridayMinute: number): boolean {
  if (calendar.alwaysOpen) return false;
  const { weekday, minute } = newYorkClock(at);
  if (weekday === FRIDAY) return minute >= fridayMinute;
  return weekday === SATURDAY || (weekday === 0 && minute < hoursAt(calendar, at).openMinute);
}

/**
 * OANDA's hours: measured on quotes of 2014 to 2020, and as published from November 2021 and December 2024 on, when
 * the pairs of the New Zealand dollar have a break of their own. Around Christmas and New Year the published hours say
 * closed and the measured quotes do not: those minutes are optional.
 */
export const OANDA_CALENDAR: TradingCalendar = {
  alwaysOpen: false,
  instrument: null,
  hours: [
    { from: instantOf(0), openMinute: 17 * 60, closeMinute: 17 * 60 },
    { from: instantOf(Date.UTC(2021, 10, 29)), openMinute: 17 * 60 + 3, closeMinute: 16 * 60 + 58 },
    { from: instantOf(Date.UTC(2024, 11, 25)), openMinute: 17 * 60 + 5, closeMinute: 16 * 60 + 59 },
  ],
  extraBreaks: [{ from: instantOf(Date.UTC(2021, 10, 29)), currency: 'NZD', startMinute: 12 * 60 + 58, endMinute: 13 * 60 + 3 }],
  holidays: [
    { start: { month: 12, day: 24, minute: TRADING_DAY_MINUTE }, end: { month: 12, day: 25, minute: TRADING_DAY_MINUTE } },
    { start: { month: 12, day: 31, minute: TRADING_DAY_MINUTE }, end: { month: 1, day: 1, minute: TRADING_DAY_MINUTE } },
  ],
};
