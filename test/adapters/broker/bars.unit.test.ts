import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BarsFileError, readBarsFile } from '../../../adapters/broker/bars/csv.ts';
import type { DrawOptions } from '../../../adapters/broker/bars/draw.ts';
import { SPREAD_PIPS_P999_MAX, createMarketDrawer } from '../../../adapters/broker/bars/draw.ts';
import { drawMarkets } from '../../../adapters/broker/bars/offer.ts';
import { ANCHOR_PATH, PathCursor, SECOND_PATH, barPath } from '../../../adapters/broker/bars/path.ts';
import { BarSeries } from '../../../adapters/broker/bars/series.ts';
import type { PointOhlc } from '../../../adapters/broker/bars/series.ts';
import { OANDA_CALENDAR, isMarketOpen, newYorkClock } from '../../../domain/calendar.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { formatInstant, instantOf, parseInstant } from '../../../domain/time.ts';
import { folderForFile } from '../../folders.ts';

const EUR_USD = usualInstrument('EUR_USD');
/** One market, drawn at once. */
function drawMarket({ instrument, ...options }: DrawOptions & { readonly bars: number }): BarSeries {
  const [series] = drawMarkets({ ...options, instruments: [instrument] });
  if (series === undefined) throw new Error('nothing was drawn');
  return series;
}
const FROM = parseInstant('2026-01-05T00:00:00Z');
const LEAN_HEADER = 'date,ms_since_midnight,bid_o,bid_h,bid_l,bid_c,bid_size,ask_o,ask_h,ask_l,ask_c,ask_size';
const LEAN_BAR = '20140501,0,1.38676,1.38686,1.38669,1.38686,0,1.38686,1.38697,1.38680,1.38697,0';

const folder = folderForFile();

function read(lines: readonly string[], name = 'bars.csv', spreadPips = 1.2): BarSeries {
  const path = join(folder, name);
  const text = lines.join('\n');
  writeFileSync(path, name.endsWith('.gz') ? gzipSync(text) : text);
  return readBarsFile(path, { instrument: EUR_USD, spreadPips });
}

const complaint = (lines: readonly string[]): string => {
  try {
    read(lines);
  } catch (error) {
    if (error instanceof BarsFileError) return error.message.slice(folder.length + 1);
    throw error;
  }
  return 'no complaint';
};

describe('reading bars from a file', () => {
  test('takes bid and ask by date and milliseconds, gzipped by name', () => {
    const series = read([LEAN_HEADER, LEAN_BAR, LEAN_BAR.replace(',0,', ',60000,'), ''], 'lean.csv.gz');
    expect(series.count).toBe(2);
    expect(formatInstant(series.start(1))).toBe('2014-05-01T00:01:00.000000000Z');
    expect(series.bid(0)).toEqual({ open: 138_676, high: 138_686, low: 138_669, close: 138_686 });
    expect(series.ask(0)).toEqual({ open: 138_686, high: 138_697, low: 138_680, close: 138_697 });
  });

  test('takes bid and ask with an ISO time, in any column order', () => {
    const series = read(['ask_o,ask_h,ask_l,ask_c,time,bid_o,bid_h,bid_l,bid_c', '1.2,1.3,1.1,1.2,2026-01-05T00:00:00Z,1.1,1.2,1.0,1.1']);
    expect([series.ask(0).high, series.bid(0).low]).toEqual([130_000, 100_000]);
  });

  test('puts the configured spread around mids, the odd point on the ask', () => {
    const series = read(['time,open,high,low,close,volume', '2026-01-05 00:00,1.1,1.2,1.05,1.15,608'], 'mid.csv', 1.3);
    expect([series.bid(0).open, series.ask(0).open, series.volume(0)]).toEqual([109_994, 110_007, 608]);
  });

  test('takes the headerless form of MT4', () => {
    const series = read(['2020-08-27 15:13,1.1789,1.17894,1.17847,1.17848,608', '2020-08-27 15:14,1.17848,1.17852,1.17839,1.17849,548']);
    expect([series.count, series.bid(0).open, series.ask(0).open]).toEqual([2, 117_884, 117_896]);
  });

  const mid = (time: string, prices = '1.1,1.2,1.05,1.15'): string => `${time},${prices}`;
  const header = 'time,open,high,low,close';
  test.each([
    ['bars.csv:3: the time lies before that of the line above; sort the file by time', [header, mid('2026-01-05T00:01:00Z'), mid('2026-01-05T00:00:00Z')]],
    ['bars.csv:3: the minute stands twice; keep one of the two lines', [header, mid('2026-01-05T00:01:00Z'), mid('2026-01-05T00:01:00Z')]],
    ['bars.csv:2: high is below low; correct or remove the line', [header, mid('2026-01-05T00:01:00Z', '1.1,1.0,1.2,1.1')]],
    ['bars.csv:2: open or close lies outside low..high; correct or remove the line', [header, mid('2026-01-05T00:01:00Z', '1.3,1.2,1.0,1.1')]],
    ['bars.csv:2: high "1,2" is no price such as 1.38676; correct or remove the line', [header, mid('2026-01-05T00:01:00Z', '1.1,"1,2",1.0,1.1')]],
    ['bars.csv:2: open "1e0" is no price such as 1.38676; correct or remove the line', [header, mid('2026-01-05T00:01:00Z', '1e0,1.2,1.0,1.1')]],
    ['bars.csv:2: "01/05/2026" is not a UTC time such as 2020-08-27T15:13:00Z; correct or remove the line', [header, mid('01/05/2026')]],
    ['bars.csv:2: time: "2026-02-30T00:00:00Z" is no time of the calendar; correct or remove the line', [header, mid('2026-02-30T00:00')]],
    ['bars.csv:2: the time is not the start of a minute; give one-minute bars stamped with their start', [header, mid('2026-01-05T00:01:30Z')]],
    ['bars.csv:1: column "close" is missing; give time (or date and ms_since_midnight) with bid_o..ask_c, or time,open,high,low,close', ['time,open,high,low', '2026-01-05T00:00:00Z,1,1,1']],
    ['bars.csv:2: an ask is below its bid; correct or remove the line', [LEAN_HEADER, LEAN_BAR.replace('1.38697,0', '1.38600,0').replace('1.38680', '1.38590')]],
    ['bars.csv:1: the file holds no bars; give at least one', [header]],
    ['bars.csv:1: the file holds no bars; give at least one', ['']],
  ])('says %s', (message, lines) => {
    expect(complaint(lines)).toBe(message);
  });

  test('counts lines as an editor does, blank ones too, and names a line with missing fields', () => {
    expect(complaint([header, '', mid('2026-01-05T00:01:00Z'), '', mid('2026-01-05T00:00:00Z')])).toMatch(/^bars\.csv:5: the time lies before/);
    expect(complaint([header, mid('2026-01-05T00:01:00Z'), '2026-01-05T00:02:00Z,1.1'])).toMatch(/^bars\.csv:3: .*every line needs the same number of fields$/);
    expect(() => readBarsFile(join(folder, 'none.csv'), { instrument: EUR_USD, spreadPips: 1 })).toThrow(/none\.csv: cannot be read .* give a readable CSV file/);
  });

  const real = join(import.meta.dirname, '../../../../shared/data/lean_oanda_EURUSD_M1_quote_2014-05_2018-04.csv.gz');
  test.skipIf(!existsSync(real))('reads a real file whole (skipped where ../shared/data is absent)', () => {
    const series = readBarsFile(real, { instrument: EUR_USD, spreadPips: 1 });
    expect([series.count, formatInstant(series.start(0))]).toEqual([18_184, '2014-05-01T00:00:00.000000000Z']);
  });
});

describe('a series', () => {
  test('finds bars by time and forgets the oldest', () => {
    const series = drawMarket({ seed: 3, instrument: EUR_USD, calendar: OANDA_CALENDAR, from: FROM, bars: 3_000, silentMinutes: true });
    for (const index of [0, 1, 1_500, 2_999]) expect(series.firstFrom(series.start(index))).toBe(index);
    expect(series.firstFrom(instantOf(series.start(2_999) + 1))).toBe(3_000);
    const second = series.bid(1_001);
    series.dropOldest(1_000);
    expect([series.count, series.bid(1)]).toEqual([2_000, second]);
    expect(() => series.bid(2_000)).toThrow('no bar 2000');
  });

  test('refuses bars out of order', () => {
    const series = drawMarket({ seed: 3, instrument: EUR_USD, calendar: OANDA_CALENDAR, from: FROM, bars: 1, silentMinutes: false });
    expect(() => series.push({ start: FROM, bid: series.bid(0), ask: series.ask(0), volume: 0 })).toThrow('does not start after');
  });
});

const ohlc = fc.tuple(fc.integer({ min: 100, max: 200 }), fc.integer({ min: 100, max: 200 }), fc.integer({ min: 100, max: 200 }), fc.integer({ min: 100, max: 200 }))
  .map((values): PointOhlc => ({ open: values[0], close: values[1], high: Math.max(...values), low: Math.min(...values) }));

describe('the price path inside a bar', () => {
  const path = (bid: PointOhlc, ask: PointOhlc = bid): string => {
    const series = new BarSeries('EUR_USD');
    series.push({ start: FROM, bid, ask, volume: 0 });
    return barPath(series, 0, ANCHOR_PATH).map((point) => `${(point.at - FROM) / 1_000}s ${point.bid}/${point.ask}`).join(', ');
  };

  test('goes open, nearer extreme, farther extreme, close, with the close in the last second', () => {
    expect(path({ open: 105, high: 120, low: 100, close: 110 })).toBe('1s 105/105, 20s 100/100, 40s 120/120, 59s 110/110');
    expect(path({ open: 115, high: 120, low: 100, close: 110 })).toBe('1s 115/115, 20s 120/120, 40s 100/100, 59s 110/110');
  });

  test('takes the low first when both extremes are equally far', () => {
    expect(path({ open: 110, high: 120, low: 100, close: 111 })).toBe('1s 110/110, 20s 100/100, 40s 120/120, 59s 111/111');
  });

  test('judges by the mid and moves both sides in the same order', () => {
    expect(path({ open: 109, high: 120, low: 100, close: 110 }, { open: 132, high: 140, low: 120, close: 130 })).toBe('1s 109/132, 20s 120/140, 40s 100/120, 59s 110/130');
  });

  test('stays inside the bar, reaches both extremes, and keeps the bid at or below the ask', () => {
    fc.assert(
      fc.property(ohlc, fc.tuple(fc.nat(9), fc.nat(9), fc.nat(9), fc.nat(9)), fc.boolean(), (bid, widths, dense) => {
        const ask = { open: bid.open + widths[0], high: bid.high + Math.max(...widths), low: bid.low + Math.min(...widths), close: bid.close + widths[3] };
        const series = new BarSeries('EUR_USD');
        series.push({ start: FROM, bid, ask, volume: 0 });
        const points = barPath(series, 0, dense ? SECOND_PATH : ANCHOR_PATH);
        expect(points.length).toBe(dense ? 59 : 4);
        expect(points.every((point, index) => index === 0 || point.at > (points[index - 1]?.at ?? 0))).toBe(true);
        expect(points.every((point) => point.bid <= point.ask)).toBe(true);
        for (const [side, held] of [[points.map((point) => point.bid), bid], [points.map((point) => point.ask), ask]] as const) {
          expect([side[0], Math.max(...side), Math.min(...side), side.at(-1)]).toEqual([held.open, held.high, held.low, held.close]);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('is walked point by point across bars', () => {
    const series = drawMarket({ seed: 5, instrument: EUR_USD, calendar: OANDA_CALENDAR, from: FROM, bars: 3, silentMinutes: false });
    const cursor = new PathCursor(series, ANCHOR_PATH, 1);
    const walked: number[] = [];
    for (let point = cursor.peek(); point !== null; point = cursor.peek()) {
      walked.push(point.bid);
      cursor.take();
    }
    expect(walked).toEqual([1, 2].flatMap((index) => barPath(series, index, ANCHOR_PATH).map((point) => point.bid)));
    expect([cursor.bar, cursor.taken]).toEqual([3, []]);
  });

  test('goes on unchanged when the series forgets its oldest bars in the middle of a walk', () => {
    const draw = (): BarSeries => drawMarket({ seed: 5, instrument: EUR_USD, calendar: OANDA_CALENDAR, from: FROM, bars: 10, silentMinutes: false });
    const walk = (series: BarSeries, forgetAfter: number): unknown[] => {
      const cursor = new PathCursor(series, ANCHOR_PATH, 4);
      const walked: unknown[] = [];
      for (let point = cursor.peek(); point !== null; point = cursor.peek()) {
        walked.push(point);
        cursor.take();
        if (walked.length !== forgetAfter) continue;
        series.dropOldest(3);
        cursor.shift(3);
      }
      return walked;
    };
    expect(walk(draw(), 2)).toEqual(walk(draw(), 0));
    expect(walk(draw(), 4)).toEqual(walk(draw(), 0));
  });
});

describe('a drawn market', () => {
  const options = { seed: 11, instrument: EUR_USD, calendar: OANDA_CALENDAR, from: FROM, silentMinutes: true };
  const week = drawMarket({ ...options, bars: 30_000 });
  const indexes = Array.from({ length: week.count }, (_, index) => index);

  test('keeps the bid at or below the ask, and open and close inside high and low', () => {
    for (const index of indexes) {
      const [bid, ask] = [week.bid(index), week.ask(index)];
      for (const side of [bid, ask]) expect(side.low <= Math.min(side.open, side.close) && Math.max(side.open, side.close) <= side.high).toBe(true);
      expect(bid.open <= ask.open && bid.high <= ask.high && bid.low <= ask.low && bid.close <= ask.close && bid.low > 0).toBe(true);
    }
  });

  test('has bars only while the calendar is open, and leaves more minutes out in quiet hours', () => {
    expect(indexes.every((index) => isMarketOpen(OANDA_CALENDAR, week.start(index)))).toBe(true);
    const share = (hours: readonly number[]): number => {
      const [first, last] = [week.start(0), week.start(week.count - 1)];
      let [open, drawn] = [0, 0];
      for (let at = first; at <= last; at = instantOf(at + 60_000)) if (isMarketOpen(OANDA_CALENDAR, at) && hours.includes(Math.floor(newYorkClock(at).minute / 60))) open += 1;
      for (const index of indexes) if (hours.includes(Math.floor(newYorkClock(week.start(index)).minute / 60))) drawn += 1;
      return 1 - drawn / open;
    };
    expect(share([17, 18])).toBeGreaterThan(0.04);
    expect(share([8, 9, 10, 11])).toBeLessThan(0.01);
  });

  test('moves more while London and New York overlap than after the close', () => {
    const meanRange = (hour: number): number => {
      const ranges = indexes.filter((index) => Math.floor(newYorkClock(week.start(index)).minute / 60) === hour).map((index) => week.bid(index).high - week.bid(index).low);
      return ranges.reduce((sum, range) => sum + range, 0) / ranges.length;
    };
    expect(meanRange(9)).toBeGreaterThan(2 * meanRange(18));
  });

  test('has a normal spread of 1.0 to 1.6 pips and a 99.9th percentile of 6 to 8, all of the wide ones near 17:00 New York', () => {
    const spreads = indexes.map((index) => ({ pips: (week.ask(index).close - week.bid(index).close) / 10, minute: newYorkClock(week.start(index)).minute }));
    const sorted = spreads.map((each) => each.pips).sort((left, right) => left - right);
    const percentile = sorted[Math.floor(sorted.length * 0.999)] ?? 0;
    expect(percentile).toBeGreaterThan(6);
    expect(percentile).toBeLessThanOrEqual(SPREAD_PIPS_P999_MAX);
    expect(sorted[0]).toBeGreaterThanOrEqual(0.9);
    expect(spreads.filter((each) => each.pips > 1.7).every((each) => Math.abs(each.minute - 1020) <= 20)).toBe(true);
  });

  test('is the same for the same seed, drawn at once or bar by bar, and another for another', () => {
    const drawer = createMarketDrawer(options);
    for (const index of indexes.slice(0, 500)) {
      const bar = drawer.next();
      expect([bar.start, bar.bid, bar.ask]).toEqual([week.start(index), week.bid(index), week.ask(index)]);
    }
    const other = drawMarket({ ...options, seed: 12, bars: 10 });
    expect(indexes.slice(0, 10).map((index) => other.bid(index))).not.toEqual(indexes.slice(0, 10).map((index) => week.bid(index)));
  });

  test('has trends: hours of drift that a fair walk of the same steps would hardly show', () => {
    const closes = indexes.map((index) => week.bid(index).close);
    const moves = closes.slice(1).map((close, index) => close - (closes[index] ?? close));
    const variance = (span: number): number => {
      const sums = Array.from({ length: Math.floor(moves.length / span) }, (_, block) => moves.slice(block * span, (block + 1) * span).reduce((sum, move) => sum + move, 0));
      return sums.reduce((sum, each) => sum + each * each, 0) / sums.length / span;
    };
    expect(variance(90) / variance(1)).toBeGreaterThan(1.1);
  });
});
