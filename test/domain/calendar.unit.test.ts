import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TradingCalendar } from '../../domain/calendar.ts';
import { isMarketOpen, isWeekendHold, newYorkClock, newYorkInstant, OANDA_CALENDAR, openMinutesBetween, spansWeekend, tradingDayStart } from '../../domain/calendar.ts';
import { DAY_MS, HOUR_MS, instantOf, MINUTE_MS, parseInstant, plusMs } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';
import golden from '../fixtures/domain/calendar.json' with { type: 'json' };

const RULES = ['24x5', 'oanda-1703', 'oanda-1705'] as const;
const calendarOf = (rule: (typeof RULES)[number]): TradingCalendar => ({ alwaysOpen: false, hours: [{ from: instantOf(0), ...golden.rules[rule] }] });
const ALWAYS: TradingCalendar = { alwaysOpen: true, hours: [] };
const at = (text: string): Instant => parseInstant(text.length === 20 ? text : `${text.slice(0, 16)}:00Z`);

describe.each(RULES)('the hours %s', (rule) => {
  const calendar = calendarOf(rule);

  test.each(golden.probes)('say of $at what the independent figures say', ({ at: probe, open }) => {
    expect(isMarketOpen(calendar, at(probe))).toBe(open[rule]);
  });

  test.each(golden.spans)('count the open minutes from $from until $until', ({ from, until, minutes }) => {
    expect(openMinutesBetween(calendar, at(from), at(until))).toBe(minutes[rule]);
  });

  test('open for the same number of minutes in every week, those of the clock changes included', () => {
    for (const sunday of ['2025-01-05', '2025-03-09', '2025-03-30', '2025-07-06', '2025-10-26', '2025-11-02']) {
      const from = at(`${sunday}T05:00:00Z`);
      expect(openMinutesBetween(calendar, from, plusMs(from, 7 * DAY_MS))).toBe(golden.minutesPerWeek[rule]);
    }
  });

  test('count the very minutes that are open, for any span', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 365 * 1_440 }), fc.integer({ min: 0, max: 5_000 }), (offset, length) => {
      const from = plusMs(at('2025-01-01T00:00:00Z'), offset * MINUTE_MS);
      let open = 0;
      for (let minute = 0; minute < length; minute += 1) if (isMarketOpen(calendar, plusMs(from, minute * MINUTE_MS))) open += 1;
      expect(openMinutesBetween(calendar, from, plusMs(from, length * MINUTE_MS))).toBe(open);
    }), { numRuns: 40, seed: 5 });
  });
});

describe('New York’s clock', () => {
  test('goes forward on the second Sunday of March and back on the first of November, at two', () => {
    expect(newYorkClock(at('2025-03-09T06:59:00Z'))).toMatchObject({ weekday: 0, minute: 119 });
    expect(newYorkClock(at('2025-03-09T07:00:00Z'))).toMatchObject({ weekday: 0, minute: 180 });
    expect(newYorkClock(at('2025-11-02T05:59:00Z'))).toMatchObject({ weekday: 0, minute: 119 });
    expect(newYorkClock(at('2025-11-02T06:00:00Z'))).toMatchObject({ weekday: 0, minute: 60 });
  });

  test('agrees with a time-zone database on every hour of ten years', () => {
    const format = new Intl.DateTimeFormat('en-US', { timeZone: 'America/New_York', hourCycle: 'h23', hour: '2-digit', minute: '2-digit' });
    for (let hour = at('2018-01-01T00:00:00Z'); hour < at('2028-01-01T00:00:00Z'); hour = plusMs(hour, 7 * HOUR_MS)) {
      const parts = format.format(hour).split(':').map(Number);
      expect(newYorkClock(hour).minute).toBe(parts[0]! * 60 + parts[1]!);
    }
  });

  test('is turned back into an instant', () => {
    fc.assert(fc.property(fc.integer({ min: 17_000, max: 22_000 }), fc.integer({ min: 180, max: 1_439 }), (day, minute) => {
      expect(newYorkClock(newYorkInstant(day, minute))).toMatchObject({ day, minute });
    }), { seed: 6 });
  });
});

describe('the trading day', () => {
  test.each([
    ['2025-01-07T21:59:59Z', '2025-01-06T22:00:00Z'],
    ['2025-01-07T22:00:00Z', '2025-01-07T22:00:00Z'],
    ['2025-03-09T20:00:00Z', '2025-03-08T22:00:00Z'],
    ['2025-03-09T21:00:00Z', '2025-03-09T21:00:00Z'],
    ['2025-07-08T20:59:59Z', '2025-07-07T21:00:00Z'],
    ['2025-11-02T21:30:00Z', '2025-11-01T21:00:00Z'],
    ['2025-11-02T22:00:00Z', '2025-11-02T22:00:00Z'],
  ])('of %s began at %s', (now, start) => {
    expect(tradingDayStart(at(now))).toBe(at(start));
  });
});

describe('the weekend', () => {
  test('lies between two instants when a Friday’s close does', () => {
    const spans = (from: string, until: string): boolean => spansWeekend(OANDA_CALENDAR, at(from), at(until));
    expect(spans('2025-07-04T20:58:00Z', '2025-07-06T21:05:00Z')).toBe(true);
    expect(spans('2025-07-04T20:59:00Z', '2025-07-06T21:05:00Z')).toBe(true);
    expect(spans('2025-07-04T19:00:00Z', '2025-07-04T20:58:59Z')).toBe(false);
    expect(spans('2025-07-06T21:05:00Z', '2025-07-11T20:58:00Z')).toBe(false);
    expect(spans('2025-07-07T20:59:00Z', '2025-07-07T21:05:00Z')).toBe(false);
    // A bar stamped after the close has the weekend behind it, not an empty one before it.
    expect(spans('2025-07-04T20:59:00Z', '2025-07-04T20:59:00Z')).toBe(false);
    expect(spans('2025-07-04T21:05:00Z', '2025-07-06T21:05:00Z')).toBe(true);
    expect(spans('2025-07-06T21:04:00Z', '2025-07-06T21:10:00Z')).toBe(true);
    expect(spansWeekend(ALWAYS, at('2025-07-04T20:58:00Z'), at('2025-07-06T21:05:00Z'))).toBe(false);
  });

  test('is held from the configured minute of Friday until the open', () => {
    const holds = (now: string): boolean => isWeekendHold(OANDA_CALENDAR, at(now), 16 * 60 + 30);
    expect(['2025-07-04T20:29:00Z', '2025-07-04T20:30:00Z', '2025-07-05T12:00:00Z', '2025-07-06T21:04:00Z', '2025-07-06T21:05:00Z', '2025-07-09T20:45:00Z'].map(holds))
      .toEqual([false, true, true, true, false, false]);
    expect(isWeekendHold(ALWAYS, at('2025-07-05T12:00:00Z'), 990)).toBe(false);
  });
});

describe('OANDA’s own hours', () => {
  test('are dated: what held in 2020 does not hold in 2022 or 2025', () => {
    const open = (now: string): boolean => isMarketOpen(OANDA_CALENDAR, at(now));
    expect(['2020-07-07T20:59:00Z', '2020-07-07T21:01:00Z'].map(open)).toEqual([true, true]);
    expect(['2022-07-05T20:57:00Z', '2022-07-05T20:58:00Z', '2022-07-05T21:02:00Z', '2022-07-05T21:03:00Z'].map(open)).toEqual([true, false, false, true]);
    expect(['2025-07-08T20:58:00Z', '2025-07-08T20:59:00Z', '2025-07-08T21:04:00Z', '2025-07-08T21:05:00Z'].map(open)).toEqual([true, false, false, true]);
  });

  test('must reach back to the instant in question, and say so when they do not', () => {
    const late: TradingCalendar = { alwaysOpen: false, hours: [{ from: at('2025-01-01T00:00:00Z'), openMinute: 1_020, closeMinute: 1_020 }] };
    expect(() => isMarketOpen(late, at('2024-06-03T12:00:00Z'))).toThrow('no hours for 2024-06-03T12:00:00.000Z: add a row that begins earlier');
  });

  test('are no matter to a market that is always open', () => {
    expect(isMarketOpen(ALWAYS, at('2025-07-05T12:00:00Z'))).toBe(true);
    expect(openMinutesBetween(ALWAYS, at('2025-07-05T12:00:00Z'), at('2025-07-05T13:30:00Z'))).toBe(90);
  });

  test('have no open minutes in an empty or a backward span', () => {
    const now = at('2025-07-08T12:00:00Z');
    expect([openMinutesBetween(OANDA_CALENDAR, now, now), openMinutesBetween(OANDA_CALENDAR, now, plusMs(now, -HOUR_MS))]).toEqual([0, 0]);
  });
});
