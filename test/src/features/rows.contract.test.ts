import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { describe, expect, test, vi } from 'vitest';
import { readBarsFile } from '../../../adapters/broker/bars/csv.ts';
import { createMarketDrawer } from '../../../adapters/broker/bars/draw.ts';
import { BarSeries } from '../../../adapters/broker/bars/series.ts';
import type { PointOhlc } from '../../../adapters/broker/bars/series.ts';
import type { Bar, Ohlc } from '../../../domain/broker.ts';
import { OANDA_CALENDAR } from '../../../domain/calendar.ts';
import { FLAT_VIEW } from '../../../domain/excursion.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { barEnd, emptyMarket, evolveMarket, recordBar } from '../../../domain/market.ts';
import { price } from '../../../domain/money.ts';
import { MINUTE_MS, parseInstant } from '../../../domain/time.ts';
import { createFeatureSet, FEATURE_SET_IDS } from '../../../models/features/catalogue.ts';
import type { FeatureSet } from '../../../models/features/feature-set.ts';
import { featureRows, windowEnds } from '../../../models/features/rows.ts';
import type { CloseSeries } from '../../../models/features/rows.ts';
import { exitCodeOf } from '../../../src/commands/common.ts';
import { closesOf, writeFeatures } from '../../../src/commands/features.ts';
import type { FeaturesCommand } from '../../../src/commands/features.ts';
import { rowsOnAllCores } from '../../../src/features/pool.ts';
import type { Stretch } from '../../../src/features/pool.ts';
import { parquetSink } from '../../../src/features/sinks.ts';
import { folderForFile } from '../../folders.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const DIRECTORY = folderForFile();

const YEN = usualInstrument('USD_JPY');
const RULES = { calendar: OANDA_CALENDAR, windowGapMinutesMax: 10 };
const decimals = (points: number): string => (points / 1_000).toFixed(3);

/** A yen market from Thursday over a weekend, with minutes that have no tick, and a hole of a quarter of an hour on Monday. */
function drawnBars(): BarSeries {
  const drawer = createMarketDrawer({ seed: 5, instrument: YEN, calendar: OANDA_CALENDAR, from: parseInstant('2026-01-08T12:00:00Z'), silentMinutes: true });
  const bars = new BarSeries(YEN.name);
  for (let bar = 0; bar < 2_600; bar += 1) bars.push(drawer.next());
  return bars;
}

function barsFile(name: string, keep: (minute: number) => boolean = () => true, close: (points: number) => number = (points) => points): string {
  const bars = drawnBars();
  const lines = ['time,bid_o,bid_h,bid_l,bid_c,ask_o,ask_h,ask_l,ask_c'];
  for (let bar = 0; bar < bars.count; bar += 1) {
    if (!keep(bars.start(bar))) continue;
    const quad = ({ open, high, low, close: last }: PointOhlc): string => [open, high, low, last].map(close).map(decimals).join(',');
    lines.push(`${new Date(bars.start(bar)).toISOString()},${quad(bars.bid(bar))},${quad(bars.ask(bar))}`);
  }
  const path = join(DIRECTORY, name);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}

const HOLE_FROM = parseInstant('2026-01-12T02:00:00Z');
const BARS = barsFile('bars.csv', (start) => start < HOLE_FROM || start >= HOLE_FROM + 15 * MINUTE_MS);

/** What the live policy would be given at each bar: the desk's own window, folded from the events that it records. */
function liveVectors(features: FeatureSet): ReadonlyMap<number, Float32Array> {
  const bars = readBarsFile(BARS, { instrument: YEN, spreadPips: 0 });
  const vectors = new Map<number, Float32Array>();
  const rules = { ...RULES, windowBars: features.windowBars };
  const ohlc = (points: PointOhlc): Ohlc => ({ open: price(decimals(points.open)), high: price(decimals(points.high)), low: price(decimals(points.low)), close: price(decimals(points.close)) });
  let market = emptyMarket;
  for (let index = 0; index < bars.count; index += 1) {
    const bar: Bar = { instrument: YEN.name, start: bars.start(index), bid: ohlc(bars.bid(index)), ask: ohlc(bars.ask(index)), volume: 0 };
    for (const event of recordBar(market, bar, true, null, rules)) market = evolveMarket(market, event, rules);
    if (market.midCloses.length < features.windowBars) continue;
    const vector = features.compute({
      at: barEnd(bar.start), midCloses: Float64Array.from(market.midCloses), barStarts: Float64Array.from(market.barStarts),
      position: FLAT_VIEW, mask: [true, true, true, false], decisionIndex: 0,
    });
    if (vector instanceof Float32Array) vectors.set(bar.start, vector);
  }
  return vectors;
}

/** Comparing a million numbers one by one takes longer than computing them. */
const bytes = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
const sameBits = (left: Float32Array, right: Float32Array): boolean => bytes(left).equals(bytes(right));
const joined = (rows: readonly Float32Array[]): Float32Array => new Float32Array(Uint8Array.from(Buffer.concat(rows.map(bytes))).buffer);

const seriesOf = (path: string): CloseSeries => closesOf(readBarsFile(path, { instrument: YEN, spreadPips: 0 }), YEN);

const ASKED = { set: 'swt-76', bars: BARS, instrument: 'USD_JPY', spreadPips: '0', windowGapMinutes: '10', alwaysOpen: false };

/** Runs the command in this process and collects what it says on standard error. */
async function written(changed: Partial<FeaturesCommand>): Promise<{ readonly exitCode: number; readonly said: string }> {
  const said: string[] = [];
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  try {
    return { exitCode: await writeFeatures({ ...ASKED, ...changed }), said: said.join('') };
  } finally {
    write.mockRestore();
  }
}

const cells = (csv: string): readonly (readonly string[])[] => csv.trimEnd().split('\n').map((line) => line.split(','));

/** Threads and processes have to start; on a machine that is busy that takes its time. */
const TIMEOUT = { timeout: 120_000 };

describe('feature rows', TIMEOUT, () => {
  test.each(FEATURE_SET_IDS)('of %s are, bar by bar and bit by bit, what the live policy would see', (id) => {
    const features = createFeatureSet(id);
    const bars = readBarsFile(BARS, { instrument: YEN, spreadPips: 0 });
    const live = liveVectors(features);
    const series = closesOf(bars, YEN);
    const { bars: ends, values } = featureRows(features, series, windowEnds(series, { ...RULES, windowBars: features.windowBars }));
    expect(Array.from(ends, (bar) => series.barStarts[bar]!)).toEqual([...live.keys()]);
    expect(ends.length).toBeGreaterThan(1_000);
    expect(sameBits(values, joined([...live.values()]))).toBe(true);
  });

  test('have no window over a weekend or a hole, but one over the daily break and silent minutes', () => {
    const series = seriesOf(BARS);
    const ends = windowEnds(series, { ...RULES, windowBars: 92 });
    /** The first bar that starts at or after a time, and where the first window that ends from then on begins. */
    const from = (time: number): readonly [number, number] => [series.barStarts.find((start) => start >= time)!, series.barStarts[ends.find((bar) => series.barStarts[bar]! >= time)! - 91]!];
    for (const time of [parseInstant('2026-01-10T00:00:00Z'), HOLE_FROM]) {
      const [start, windowStart] = from(time);
      expect(windowStart).toBe(start);
    }
    const overTheBreak = Array.from(ends).filter((bar) => series.barStarts[bar - 91]! < parseInstant('2026-01-08T21:59:00Z') && series.barStarts[bar]! > parseInstant('2026-01-08T22:05:00Z'));
    expect(overTheBreak.length).toBeGreaterThan(80);
    expect(windowEnds(series, { ...RULES, windowBars: 92, windowGapMinutesMax: 20 }).length).toBe(ends.length + 91);
    expect(windowEnds(series, { ...RULES, windowBars: 10_000 })).toHaveLength(0);
  });

  test('are the same on any number of threads, and in the order of their bars', async () => {
    const series = seriesOf(BARS);
    const features = createFeatureSet('micro-32x15');
    // Every window four times over, so that there are several stretches for each thread.
    const once = windowEnds(series, { ...RULES, windowBars: features.windowBars });
    const ends = Int32Array.from([...once, ...once, ...once, ...once]);
    const expected = featureRows(features, series, ends);
    for (const workers of [1, 3]) {
      const stretches: Stretch[] = [];
      for await (const stretch of rowsOnAllCores({ featureSetId: features.id, series, asCsv: false }, ends, workers)) stretches.push(stretch);
      expect(stretches.length).toBeGreaterThan(3);
      expect(Int32Array.from(stretches.flatMap((stretch) => [...stretch.bars]))).toEqual(expected.bars);
      expect(sameBits(joined(stretches.map(({ values }) => values)), expected.values)).toBe(true);
    }
  });

  test('end with the failure of a thread', async () => {
    const rows = rowsOnAllCores({ featureSetId: 'swt-9', series: seriesOf(BARS), asCsv: false }, Int32Array.from([300, 301]), 2);
    await expect(rows.next()).rejects.toThrow('feature set "swt-9"');
  });
});

describe('reckoner features', TIMEOUT, () => {
  const features = createFeatureSet('swt-76');
  const live = liveVectors(features);

  test('writes CSV, to a file or to standard output, whose numbers read back to the same bits', async () => {
    const out = join(DIRECTORY, 'rows.csv');
    const { exitCode, said } = await written({ out });
    const csv = readFileSync(out, 'utf8');
    const piped = spawnSync(process.execPath, [join(ROOT, 'src/main.ts'), 'features', '--set', 'swt-76', '--bars', BARS, '--instrument', 'USD_JPY'], { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    expect([piped.status, piped.stderr, piped.stdout === csv]).toEqual([exitCode, said, true]);
    const [header, ...rows] = cells(csv);
    expect(header).toEqual(['bar_start', ...features.columns]);
    expect(rows.map(([start]) => start)).toEqual([...live.keys()].map((start) => new Date(start).toISOString().replace('.000Z', 'Z')));
    expect(sameBits(joined(rows.map((row) => Float32Array.from(row.slice(1), Number))), joined([...live.values()]))).toBe(true);
    const bars = seriesOf(BARS).barStarts.length;
    expect([exitCode, said]).toEqual([0, `${rows.length} rows of swt-76 from ${bars} bars: ${bars - rows.length} without a window of 256\n`]);
  });

  test('writes the same rows as Parquet, and says in the file what made them', async () => {
    const out = join(DIRECTORY, 'rows.parquet');
    expect(await written({ out })).toMatchObject({ exitCode: 0 });
    const file = await asyncBufferFromFile(out);
    const metadata = await parquetMetadataAsync(file);
    const rows = await parquetReadObjects({ file });
    expect(rows.map((row) => (row['bar_start'] as Date).getTime())).toEqual([...live.keys()]);
    expect(sameBits(joined(rows.map((row) => Float32Array.from(features.columns, (column) => row[column] as number))), joined([...live.values()]))).toBe(true);
    expect(metadata.schema.slice(1).map(({ type, repetition_type }) => `${repetition_type} ${type}`)).toEqual(['REQUIRED INT64', ...features.columns.map(() => 'REQUIRED FLOAT')]);
    expect(Object.fromEntries(metadata.key_value_metadata!.map(({ key, value }) => [key, value]))).toEqual({
      feature_set_id: 'swt-76', shape: '76', position: 'flat', instrument: 'USD_JPY', bars_file: 'bars.csv', window_gap_minutes_max: '10', always_open: 'false',
      bars_sha256: createHash('sha256').update(readFileSync(BARS)).digest('hex'),
    });
  });

  test('fills one row group of a Parquet file after another', async () => {
    const out = join(DIRECTORY, 'groups.parquet');
    const set: FeatureSet = { ...features, length: 2, columns: ['first', 'second'] };
    const count = 40_000;
    const series: CloseSeries = { barStarts: Float64Array.from({ length: count }, (_, bar) => bar * MINUTE_MS), midCloses: new Float64Array(count) };
    const sink = parquetSink(out, set, series, {}, 'a test');
    for (let from = 0; from < count; from += 9_000) {
      const bars = Int32Array.from({ length: Math.min(9_000, count - from) }, (_, place) => from + place);
      await sink.write({ bars, values: Float32Array.from({ length: 2 * bars.length }, (_, place) => 2 * from + place), refused: {}, csv: '' });
    }
    await sink.finish();
    const file = await asyncBufferFromFile(out);
    const metadata = await parquetMetadataAsync(file);
    expect([metadata.created_by, metadata.row_groups.map(({ num_rows }) => Number(num_rows))]).toEqual(['a test', [16_384, 16_384, 7_232]]);
    const rows = await parquetReadObjects({ file });
    expect(rows.every((row, bar) => row['first'] === 2 * bar && row['second'] === 2 * bar + 1 && (row['bar_start'] as Date).getTime() === bar * MINUTE_MS)).toBe(true);
    expect(rows).toHaveLength(count);
  });

  test('counts what the set refuses, and ends with 1 when nothing is left', async () => {
    const out = join(DIRECTORY, 'still-rows.csv');
    const { exitCode, said } = await written({ set: 'swt-137', bars: barsFile('still.csv', undefined, () => 150_000), out });
    expect(exitCode).toBe(1);
    expect(cells(readFileSync(out, 'utf8'))).toHaveLength(1);
    expect(said).toMatch(/^0 rows of swt-137 from 2600 bars: \d+ without a window of 256, \d+ refused \(zeroDeviation\)\n$/);
  });

  test.each<[string, Partial<FeaturesCommand>, RegExp]>([
    ['an unknown set', { set: 'swt-9' }, /--set must be swt-137, swt-76, micro-32x15, not "swt-9"/],
    ['bars that are not there', { bars: join(DIRECTORY, 'none.csv') }, /none\.csv: cannot be read/],
    ['an output of no known form', { out: join(DIRECTORY, 'rows.txt') }, /rows\.txt: give a name that ends in \.csv or \.parquet/],
    ['an output in no directory', { out: join(DIRECTORY, 'no', 'rows.csv') }, /there is no such directory; make it first/],
    ['a gap that is no number', { windowGapMinutes: 'ten' }, /--window-gap-minutes must be a number from 0 to 1440, not "ten"/],
    ['a gap of more than a day', { windowGapMinutes: '1441' }, /--window-gap-minutes must be a number from 0 to 1440, not "1441"/],
    ['a spread that is none', { spreadPips: '' }, /--spread-pips must be a number from 0 to 1000, not ""/],
  ])('refuses %s as a fault of usage', async (_what, changed, message) => {
    const failure: unknown = await written(changed).catch((error: unknown) => error);
    expect(failure).toMatchObject({ message: expect.stringMatching(message) as string });
    expect(exitCodeOf(failure)).toBe(64);
  });

  test.each(['taken.csv', 'taken.parquet'])('leaves no half-written file behind when %s cannot be had', async (name) => {
    const out = join(DIRECTORY, name);
    mkdirSync(out);
    await expect(written({ out })).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(existsSync(`${out}.partial`)).toBe(false);
  });
});
