import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import { ANCHOR_PATH, SECOND_PATH, barPath } from '../../../adapters/broker/bars/path.ts';
import { BarSeries } from '../../../adapters/broker/bars/series.ts';
import type { CandleQuery } from '../../../adapters/broker/candles.ts';
import { candlesBody } from '../../../adapters/broker/candles.ts';
import { engineSettings, usualSettings } from '../../../adapters/broker/engine/settings.ts';
import { Venue } from '../../../adapters/broker/venue.ts';
import { OANDA_CALENDAR } from '../../../domain/calendar.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { MINUTE_MS, formatInstant, instantOf, parseInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

const settings = engineSettings({ instruments: [usualSettings(usualInstrument('EUR_USD'))], calendar: { ...OANDA_CALENDAR, alwaysOpen: true } });

/** Bars at these minutes, each a point above the last, 2 points wide, with the whole path a point up and down. */
function seriesAt(minutes: readonly Instant[]): BarSeries {
  const series = new BarSeries('EUR_USD');
  for (const [index, start] of minutes.entries()) {
    const mid = 110_000 + index;
    const side = (offset: number): { open: number; high: number; low: number; close: number } => ({ open: mid + offset, high: mid + 1 + offset, low: mid - 1 + offset, close: mid + offset });
    series.push({ start, bid: side(-1), ask: side(1), volume: 0 });
  }
  return series;
}

/** A venue that has played all bars but those after `playTo`. */
function venueAt(series: BarSeries, playTo: Instant, path: typeof ANCHOR_PATH = ANCHOR_PATH): Venue {
  const venue = new Venue({ settings, series: [series], startAt: series.start(0), path });
  venue.playTo(playTo, false);
  return venue;
}

interface Candle {
  readonly time: string;
  readonly complete: boolean;
  readonly volume: number;
  readonly bid: { readonly o: string; readonly h: string; readonly l: string; readonly c: string };
  readonly mid: Candle['bid'];
  readonly ask: Candle['bid'];
}
const candlesOf = (venue: Venue, query: CandleQuery): Candle[] => candlesBody(venue, 'EUR_USD', { price: 'MBA', ...query })['candles'] as unknown as Candle[];

/** Starts of the candles, to the minute. */
const starts = (venue: Venue, query: CandleQuery): string[] => candlesOf(venue, query).map((candle) => candle.time.slice(0, 16));

/** A bar in every hour from `from` on, for so many hours. */
const hourly = (from: string, hours: number): Venue => {
  const series = seriesAt(Array.from({ length: hours }, (_, hour) => instantOf(parseInstant(from) + hour * 60 * MINUTE_MS)));
  return venueAt(series, series.end(series.count - 1));
};

describe('alignment, worked out by hand', () => {
  // New York goes from UTC-5 to UTC-4 on Sunday 2026-03-08 at 07:00Z, and back on Sunday 2026-11-01 at 06:00Z.
  const spring = hourly('2026-03-06T18:00:00Z', 84);
  const autumn = hourly('2026-10-30T18:00:00Z', 84);

  test.each<[string, Venue, CandleQuery, string[]]>([
    ['days in spring begin at 22:00Z before the change and at 21:00Z after it', spring, { granularity: 'D' }, ['2026-03-05T22:00', '2026-03-06T22:00', '2026-03-07T22:00', '2026-03-08T21:00', '2026-03-09T21:00']],
    ['days in autumn begin at 21:00Z before the change and at 22:00Z after it', autumn, { granularity: 'D' }, ['2026-10-29T21:00', '2026-10-30T21:00', '2026-10-31T21:00', '2026-11-01T22:00', '2026-11-02T22:00']],
    ['days of UTC know no change', spring, { granularity: 'D', alignmentTimezone: 'UTC', dailyAlignment: '0' }, ['2026-03-06T00:00', '2026-03-07T00:00', '2026-03-08T00:00', '2026-03-09T00:00', '2026-03-10T00:00']],
    ['a day that would begin in the hour that clocks skip begins with the hour after it', spring, { granularity: 'D', dailyAlignment: '2', from: '2026-03-07T12:00:00Z', to: '2026-03-10T00:00:00Z' }, ['2026-03-07T07:00', '2026-03-08T07:00', '2026-03-09T06:00']],
    ['a day that would begin in the hour that clocks repeat begins with its first occurrence', autumn, { granularity: 'D', dailyAlignment: '1', from: '2026-10-31T12:00:00Z', to: '2026-11-03T00:00:00Z' }, ['2026-10-31T05:00', '2026-11-01T05:00', '2026-11-02T06:00']],
    ['the last four hours of a day of 23 are three', spring, { granularity: 'H4', from: '2026-03-08T10:00:00Z', count: '5' }, ['2026-03-08T10:00', '2026-03-08T14:00', '2026-03-08T18:00', '2026-03-08T21:00', '2026-03-09T01:00']],
    ['a day of 25 hours has an hour of its own at its end', autumn, { granularity: 'H4', from: '2026-11-01T13:00:00Z', count: '5' }, ['2026-11-01T13:00', '2026-11-01T17:00', '2026-11-01T21:00', '2026-11-01T22:00', '2026-11-02T02:00']],
    ['weeks begin on Friday at 17:00 New York', autumn, { granularity: 'W' }, ['2026-10-23T21:00', '2026-10-30T21:00']],
    ['weeks begin on the day that is asked for', autumn, { granularity: 'W', weeklyAlignment: 'Sunday', alignmentTimezone: 'UTC', dailyAlignment: '0' }, ['2026-10-25T00:00', '2026-11-01T00:00']],
    ['a month begins with the trading day of its first', autumn, { granularity: 'M' }, ['2026-09-30T21:00', '2026-10-31T21:00']],
    ['a month of UTC begins on its first', autumn, { granularity: 'M', alignmentTimezone: 'UTC', dailyAlignment: '0' }, ['2026-10-01T00:00', '2026-11-01T00:00']],
    ['two hours are counted from 17:00 New York', spring, { granularity: 'H2', from: '2026-03-06T21:00:00Z', count: '3' }, ['2026-03-06T20:00', '2026-03-06T22:00', '2026-03-07T00:00']],
  ])('%s', (_what, venue, query, expected) => {
    expect(starts(venue, query)).toEqual(expected);
  });
});

describe('a range', () => {
  // Bars at 08:00 to 08:09 and 08:20 to 08:24; played to 08:24:30.
  const minutes = [...Array.from({ length: 10 }, (_, index) => index), 20, 21, 22, 23, 24].map((minute) => instantOf(parseInstant('2026-01-06T08:00:00Z') + minute * MINUTE_MS));
  const venue = venueAt(seriesAt(minutes), parseInstant('2026-01-06T08:24:30Z'));
  const at = (query: CandleQuery): string[] => starts(venue, { granularity: 'M5', ...query }).map((text) => text.slice(11));

  test('holds what the query asks for, and no candle for a span without a price', () => {
    expect(at({})).toEqual(['08:00', '08:05', '08:20']);
    expect(at({ count: '2' })).toEqual(['08:05', '08:20']);
    expect(at({ from: '2026-01-06T08:07:00Z' })).toEqual(['08:05', '08:20']);
    expect(at({ from: '2026-01-06T08:07:00Z', includeFirst: 'false' })).toEqual(['08:20']);
    expect(at({ from: '2026-01-06T08:00:00Z', to: '2026-01-06T08:20:00Z' })).toEqual(['08:00', '08:05']);
    expect(at({ to: '2026-01-06T08:06:00Z', count: '1' })).toEqual(['08:05']);
    expect(at({ from: '2026-01-06T08:10:00Z', count: '1' })).toEqual(['08:20']);
    expect(at({ to: '2026-01-06T07:00:00Z' })).toEqual([]);
    expect(starts(venue, { granularity: 'S15', to: '2026-01-06T08:01:30Z', count: '3' })).toEqual(['2026-01-06T08:00', '2026-01-06T08:01', '2026-01-06T08:01']);
  });

  test('whose last candle begins before `to` holds all of that candle', () => {
    const [cut] = candlesOf(venue, { granularity: 'M5', to: '2026-01-06T08:06:00Z', count: '1' });
    expect(cut).toMatchObject({ volume: 20, complete: true, bid: { o: '1.10004', c: '1.10008' } });
  });

  test('ends with the running candle, of the points seen so far', () => {
    const running = candlesOf(venue, { granularity: 'M5', count: '1' })[0];
    expect(running).toMatchObject({ complete: false, volume: 18, bid: { o: '1.10009', l: '1.10008', h: '1.10013', c: '1.10012' } });
    expect(candlesOf(venue, { granularity: 'M1', count: '1' })[0]).toMatchObject({ complete: false, volume: 2 });
  });

  test('smoothed opens each candle at the close before it, that of the candle before the range included', () => {
    const [plain, smooth] = [candlesOf(venue, { granularity: 'M5', count: '2' }), candlesOf(venue, { granularity: 'M5', count: '2', smooth: 'true' })];
    expect(smooth.map((candle) => candle.bid.o)).toEqual(['1.10003', '1.10008']);
    expect(smooth.map((candle) => candle.bid.c)).toEqual(plain.map((candle) => candle.bid.c));
    expect(candlesOf(venue, { granularity: 'M5', count: '3', smooth: 'true' })[0]!.bid.o).toBe('1.09999');
  });

  test('of seconds is made of the points of the path', () => {
    const seconds = candlesOf(venueAt(seriesAt(minutes), parseInstant('2026-01-06T08:05:00Z'), SECOND_PATH), { granularity: 'S5', count: '12' });
    expect(seconds.map((candle) => candle.time.slice(17, 19))).toEqual(['00', '05', '10', '15', '20', '25', '30', '35', '40', '45', '50', '55']);
    expect(seconds.map((candle) => candle.volume)).toEqual([4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5]);
    expect(seconds[11]).toMatchObject({ complete: true, mid: { c: '1.10004' } });
  });
});

/** New York's hour by the runtime's own time-zone database. */
const newYorkHour = new Intl.DateTimeFormat('en-GB', { timeZone: 'America/New_York', hour: '2-digit', hourCycle: 'h23' });

/** Where the day of the alignment began: hour by hour back until a clock shows it. */
function dayStart(at: number, hour: number, zone: string): number {
  let start = Math.floor(at / 3_600_000) * 3_600_000;
  while ((zone === 'UTC' ? new Date(start).getUTCHours() : Number(newYorkHour.format(start))) !== hour) start -= 3_600_000;
  return start;
}

/** Groups single points by the start of their span, each span on its own. */
function naive(series: BarSeries, until: Instant, startOf: (at: number) => number): string[] {
  const groups = new Map<number, { bids: number[]; asks: number[]; mids: number[] }>();
  for (let bar = 0; bar < series.count; bar += 1) {
    for (const point of barPath(series, bar, ANCHOR_PATH)) {
      if (point.at > until) continue;
      const start = startOf(point.at);
      const group = groups.get(start) ?? { bids: [], asks: [], mids: [] };
      group.bids.push(point.bid);
      group.asks.push(point.ask);
      group.mids.push(Math.round((point.bid + point.ask) / 2));
      groups.set(start, group);
    }
  }
  const print = (points: readonly number[]): string => [points[0]!, Math.max(...points), Math.min(...points), points.at(-1)!].map((each) => (each / 100_000).toFixed(5)).join(' ');
  return [...groups].map(([start, { bids, asks, mids }]) => `${formatInstant(instantOf(start))} ${bids.length} | ${print(bids)} | ${print(mids)} | ${print(asks)}`);
}

const ohlc = (low: number, spans: readonly [number, number, number]): { open: number; high: number; low: number; close: number } => ({ low, high: low + spans[0], open: low + (spans[1] % (spans[0] + 1)), close: low + (spans[2] % (spans[0] + 1)) });
const bars = fc.array(fc.tuple(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 100_000, max: 120_000 }), fc.tuple(fc.nat(300), fc.nat(300), fc.nat(300)), fc.nat(30)), { minLength: 2, maxLength: 60 });

describe('whatever the bars', () => {
  test('candles equal a naive grouping of the points', () => {
    const lengths = { S30: 30_000, M2: 120_000, M15: 900_000, H1: 3_600_000, H3: 10_800_000, H4: 14_400_000, H12: 43_200_000, D: 90_000_000 };
    fc.assert(
      fc.property(bars, fc.constantFrom(...(Object.keys(lengths) as (keyof typeof lengths)[])), fc.constantFrom('America/New_York', 'UTC'), fc.constantFrom(0, 9, 17), fc.constantFrom('2026-03-06T00:00:00Z', '2026-10-30T00:00:00Z'), fc.nat(100), (drawn, granularity, zone, hour, from, cut) => {
        const series = new BarSeries('EUR_USD');
        let minute = parseInstant(from) / MINUTE_MS;
        for (const [gap, low, spans, width] of drawn) {
          minute += gap;
          const bid = ohlc(low, spans);
          series.push({ start: instantOf(minute * MINUTE_MS), bid, ask: { open: bid.open + width, high: bid.high + width, low: bid.low + width, close: bid.close + width }, volume: 0 });
        }
        const [first, last] = [series.start(0), series.end(series.count - 1)];
        const until = instantOf(Math.floor(first + ((last - first) * cut) / 100));
        const isClock = granularity === 'S30' || granularity.startsWith('M') || granularity === 'H1';
        const startOf = (at: number): number => {
          const origin = isClock ? 0 : dayStart(at, hour, zone);
          return origin + Math.floor((at - origin) / lengths[granularity]) * lengths[granularity];
        };
        const candles = candlesOf(venueAt(series, until), { granularity, alignmentTimezone: zone, dailyAlignment: String(hour), count: '5000' });
        const print = (side: Candle['bid']): string => `${side.o} ${side.h} ${side.l} ${side.c}`;
        expect(candles.map((candle) => `${candle.time} ${candle.volume} | ${print(candle.bid)} | ${print(candle.mid)} | ${print(candle.ask)}`)).toEqual(naive(series, until, startOf));
        expect(candles.slice(0, -1).every((candle) => candle.complete)).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});

test('the default granularity is S5 and the default price the mid', () => {
  const venue = hourly('2026-01-06T08:00:00Z', 2);
  const body = candlesBody(venue, 'EUR_USD', {});
  expect(body['granularity']).toBe('S5');
  expect(Object.keys(dig(body, 'candles', 0) as object)).toEqual(['complete', 'volume', 'time', 'mid']);
});
