import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TradingCalendar } from '../../domain/calendar.ts';
import { blackoutAt, calendarFor, isMarketOpen, isOptionalMinute, isWeekendHold, newYorkClock, newYorkInstant, OANDA_CALENDAR, openMinutesBetween, spansWeekend, tradingDayStart } from '../../domain/calendar.ts';
import { DAY_MS, HOUR_MS, instantOf, MINUTE_MS, parseInstant, plusMs } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';
import golden from '../fixtures/domain/calendar.json' with { type: 'json' };

const RULES = ['24x5', 'oanda-1703', 'oanda-1705'] as const;
const BARE: TradingCalendar = { alwaysOpen: false, instrument: null, hours: [], extraBreaks: [], holidays: [] };
const calendarOf = (rule: (typeof RULES)[number]): TradingCalendar => ({ ...BARE, hours: [{ from: instantOf(0), ...golden.rules[rule] }] });
const ALWAYS: TradingCalendar = { ...BARE, alwaysOpen: true };
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

describe('the break of a single currency', () => {
  const kiwi = calendarFor(OANDA_CALENDAR, 'NZD_USD');

  test('closes its pairs alone, from its date on, at a New York time in summer and winter', () => {
    const open = (calendar: TradingCalendar, now: string): boolean => isMarketOpen(calendar, at(now));
    const winter = ['2025-01-08T17:57:00Z', '2025-01-08T17:58:00Z', '2025-01-08T18:02:00Z', '2025-01-08T18:03:00Z'];
    const summer = ['2025-07-08T16:57:00Z', '2025-07-08T16:58:00Z', '2025-07-08T17:02:00Z', '2025-07-08T17:03:00Z'];
    expect([winter, summer].map((probes) => probes.map((now) => open(kiwi, now)))).toEqual([[true, false, false, true], [true, false, false, true]]);
    expect(winter.map((now) => open(calendarFor(OANDA_CALENDAR, 'EUR_USD'), now))).toEqual([true, true, true, true]);
    expect(winter.map((now) => open(OANDA_CALENDAR, now))).toEqual([true, true, true, true]);
    expect(open(kiwi, '2021-11-24T17:59:00Z')).toBe(true);
    expect(open(calendarFor(OANDA_CALENDAR, 'AUD_NZD'), '2021-11-29T17:59:00Z')).toBe(false);
  });

  test('takes five minutes out of each day that is counted', () => {
    const week = (calendar: TradingCalendar): number => openMinutesBetween(calendar, at('2025-07-06T05:00:00Z'), at('2025-07-13T05:00:00Z'));
    expect([week(OANDA_CALENDAR), week(kiwi)]).toEqual([7_170, 7_145]);
    expect(openMinutesBetween(kiwi, at('2025-07-08T16:58:00Z'), at('2025-07-08T17:03:00Z'))).toBe(0);
  });

  test('may change on a later date: the newest row of a currency holds', () => {
    const moved = { ...kiwi, extraBreaks: [{ from: at('2026-01-01T00:00:00Z'), currency: 'NZD', startMinute: 600, endMinute: 600 }, ...kiwi.extraBreaks] };
    expect(['2025-12-30T17:59:00Z', '2026-01-06T17:59:00Z', '2026-01-06T15:00:00Z'].map((now) => isMarketOpen(moved, at(now)))).toEqual([false, true, true]);
  });
});

describe('a question about opening hours', () => {
  test.each(['EUR_USD', 'NZD_USD'])('is answered alike whatever was asked before it, for %s', (pair) => {
    const calendar = calendarFor(OANDA_CALENDAR, pair);
    // Near the changes of hours, of breaks and of clocks, where an answer that is kept too long would show.
    const eves = ['2020-12-24', '2021-11-29', '2024-12-25', '2025-03-09', '2025-11-02', '2026-03-08'].map((day) => at(`${day}T00:00:00Z`));
    const moment = fc.tuple(fc.constantFrom(...eves), fc.integer({ min: -3 * DAY_MS, max: 3 * DAY_MS })).map(([eve, offsetMs]) => plusMs(eve, offsetMs));
    fc.assert(fc.property(fc.array(moment, { minLength: 2, maxLength: 20 }), fc.integer({ min: 0, max: 1_440 }), (moments, step) => {
      for (const asked of moments.flatMap((each) => [each, plusMs(each, step * MINUTE_MS), each])) expect(isMarketOpen(calendar, asked)).toBe(isMarketOpen({ ...calendar }, asked));
    }), { numRuns: 60, seed: 9 });
  });

  test('changes at the very millisecond at which a session opens or closes', () => {
    const calendar = calendarFor(OANDA_CALENDAR, 'EUR_USD');
    for (const [edge, opens] of [['2026-01-11T22:05:00Z', true], ['2026-01-16T21:59:00Z', false]] as const) {
      for (const offsetMs of [-1, 0, -60_000, 60_000, -1]) expect(isMarketOpen(calendar, plusMs(at(edge), offsetMs))).toBe(offsetMs >= 0 === opens);
    }
  });
});

describe('holidays', () => {
  test('leave the market open by the calendar, and their minutes optional', () => {
    const of = (now: string): readonly boolean[] => [isMarketOpen(OANDA_CALENDAR, at(now)), isOptionalMinute(OANDA_CALENDAR, at(now))];
    expect(of('2025-12-24T21:58:00Z')).toEqual([true, false]);
    expect(of('2025-12-24T22:01:00Z')).toEqual([false, false]);
    expect(of('2025-12-24T22:05:00Z')).toEqual([true, true]);
    expect(of('2025-12-25T21:58:00Z')).toEqual([true, true]);
    expect(of('2025-12-25T22:05:00Z')).toEqual([true, false]);
    expect(of('2026-01-01T12:00:00Z')).toEqual([true, true]);
    expect(of('2026-01-01T22:05:00Z')).toEqual([true, false]);
  });

  test('are not expected in any count, across the new year and with a break inside', () => {
    const sessions = openMinutesBetween(OANDA_CALENDAR, at('2025-12-23T22:00:00Z'), at('2025-12-26T22:00:00Z'));
    expect(sessions).toBe(2 * 1_434);
    expect(openMinutesBetween(OANDA_CALENDAR, at('2025-12-31T22:05:00Z'), at('2026-01-01T22:05:00Z'))).toBe(0);
    expect(openMinutesBetween(calendarFor(OANDA_CALENDAR, 'NZD_USD'), at('2025-12-24T22:05:00Z'), at('2025-12-26T05:00:00Z'))).toBe(6 * 60 + 55);
  });

  test('and breaks leave just the minutes that are open and not optional, for any span', () => {
    const calendar = calendarFor(OANDA_CALENDAR, 'NZD_USD');
    fc.assert(fc.property(fc.integer({ min: 0, max: 14 * 1_440 }), fc.integer({ min: 0, max: 3_000 }), (offset, length) => {
      const from = plusMs(at('2025-12-22T00:00:00Z'), offset * MINUTE_MS);
      let expected = 0;
      for (let minute = 0; minute < length; minute += 1) {
        const now = plusMs(from, minute * MINUTE_MS);
        if (isMarketOpen(calendar, now) && !isOptionalMinute(calendar, now)) expected += 1;
      }
      expect(openMinutesBetween(calendar, from, plusMs(from, length * MINUTE_MS))).toBe(expected);
    }), { numRuns: 25, seed: 8 });
  });
});

describe('the blackout', () => {
  const blackout = { afterOpenMinutes: 10, beforeCloseMinutes: 15 };
  const why = (now: string): string | null => blackoutAt(OANDA_CALENDAR, at(now), blackout);

  test('lies around the week’s open and close, and on holidays', () => {
    expect(['2025-07-06T21:04:00Z', '2025-07-06T21:05:00Z', '2025-07-06T21:14:59Z'].map(why)).toEqual(Array(3).fill('within 10 minutes of the week\'s open'));
    expect(['2025-07-06T21:15:00Z', '2025-07-08T21:06:00Z', '2025-07-11T20:43:59Z'].map(why)).toEqual([null, null, null]);
    expect(['2025-07-11T20:44:00Z', '2025-07-11T20:58:00Z', '2025-07-12T12:00:00Z'].map(why)).toEqual(Array(3).fill('within 15 minutes of the week\'s close'));
    expect(why('2025-12-25T12:00:00Z')).toBe('a holiday');
    expect(blackoutAt(ALWAYS, at('2025-12-25T12:00:00Z'), blackout)).toBeNull();
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
    const late: TradingCalendar = { ...BARE, hours: [{ from: at('2025-01-01T00:00:00Z'), openMinute: 1_020, closeMinute: 1_020 }] };
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
