/** Reads one-minute bars from CSV files, plain or gzipped, in UTC. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { CsvError, parse } from 'csv-parse/sync';
import type { PointOhlc } from './series.ts';
import { BarSeries } from './series.ts';
import type { Instrument } from '../../../domain/instruments.ts';
import { MINUTE_MS, TimeError, instantOf, parseInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** A file that cannot be read as bars. The message names the file, the line, what is wrong and what to do. */
export class BarsFileError extends Error {
  override readonly name = 'BarsFileError';
}

interface BarsFileOptions {
  readonly instrument: Instrument;
  /** For files that carry mid prices only: the spread to put around them. */
  readonly spreadPips: number;
}

/** Where a row's time and prices stand. Prices are `[open, high, low, close]`. */
interface Layout {
  readonly time: (row: readonly string[]) => Instant;
  readonly volume: number | null;
  readonly prices: { readonly kind: 'bid and ask'; readonly bid: Quad; readonly ask: Quad } | { readonly kind: 'mid'; readonly mid: Quad };
}
type Quad = readonly [number, number, number, number];

const PRICE_SUFFIXES = ['_o', '_h', '_l', '_c'];
const MID_NAMES = ['open', 'high', 'low', 'close'];
const FILE_BYTES_MAX = 512 * 1024 * 1024;

/** Places a problem: `bars.csv.gz:17: high is below low; correct the line`. */
const place = (path: string, line: number, what: string): BarsFileError => new BarsFileError(`${path}:${line}: ${what}`);

function readBytes(path: string): Buffer {
  try {
    const bytes = readFileSync(path);
    return path.endsWith('.gz') ? gunzipSync(bytes, { maxOutputLength: FILE_BYTES_MAX }) : bytes;
  } catch (error) {
    throw new BarsFileError(`${path}: cannot be read (${error instanceof Error ? error.message : String(error)}); give a readable CSV file, gzipped if its name ends in .gz`);
  }
}

/** Hands the rows to `take` one at a time with their line numbers, so that only bars are kept in memory. */
function eachRow(path: string, take: (row: readonly string[], line: number) => void): void {
  try {
    parse(readBytes(path), {
      bom: true,
      trim: true,
      skip_empty_lines: true,
      on_record: (row: string[], { lines }) => {
        take(row, lines);
        return null;
      },
    });
  } catch (error) {
    if (error instanceof CsvError) throw place(path, Number(error['lines']) || 1, `${error.message}; every line needs the same number of fields`);
    throw error;
  }
}

/** `2020-08-27 15:13`, `2020-08-27T15:13:00Z`, with or without seconds, fraction and zone; always UTC. */
function isoTime(text: string): Instant {
  const match = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,9})?)?(?:Z|\+00:?00)?$/.exec(text);
  if (match === null) throw new TimeError(`"${text.slice(0, 40)}" is not a UTC time such as 2020-08-27T15:13:00Z`);
  return parseInstant(`${match[1]}T${match[2]}${match[3] ?? ':00'}Z`);
}

/** Lean's pair of columns: `20140501` and milliseconds since midnight. */
function dateAndMilliseconds(date: string, milliseconds: string): Instant {
  if (!/^\d{8}$/.test(date) || !/^\d{1,8}$/.test(milliseconds)) throw new TimeError(`"${date.slice(0, 20)},${milliseconds.slice(0, 20)}" is not a date such as 20140501 and milliseconds since midnight`);
  return instantOf(parseInstant(`${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}T00:00:00Z`) + Number(milliseconds));
}

const cell = (row: readonly string[], index: number): string => row[index] ?? '';

/** Finds the columns by name; a file whose first line begins with a digit is MT4's headerless form. */
function layoutOf(path: string, first: readonly string[]): { readonly layout: Layout; readonly headerLines: 0 | 1 } {
  if (/^\d/.test(cell(first, 0))) {
    if (first.length < 5) throw place(path, 1, `a file without a header needs time,open,high,low,close[,volume], not ${first.length} fields; add the columns or a header`);
    return { layout: { time: (row) => isoTime(cell(row, 0)), volume: first.length > 5 ? 5 : null, prices: { kind: 'mid', mid: [1, 2, 3, 4] } }, headerLines: 0 };
  }
  const names = first.map((name) => name.toLowerCase());
  const column = (name: string): number => {
    const index = names.indexOf(name);
    if (index < 0) throw place(path, 1, `column "${name}" is missing; give time (or date and ms_since_midnight) with bid_o..ask_c, or time,open,high,low,close`);
    return index;
  };
  const quad = (wanted: readonly string[]): Quad => [column(wanted[0] ?? ''), column(wanted[1] ?? ''), column(wanted[2] ?? ''), column(wanted[3] ?? '')];
  const [date, milliseconds] = names.includes('time') ? [-1, -1] : [column('date'), column('ms_since_midnight')];
  const timeColumn = names.indexOf('time');
  const bidAndAsk = names.some((name) => name.startsWith('bid_') || name.startsWith('ask_'));
  const volume = names.indexOf('volume');
  const layout: Layout = {
    time: timeColumn >= 0 ? (row) => isoTime(cell(row, timeColumn)) : (row) => dateAndMilliseconds(cell(row, date), cell(row, milliseconds)),
    volume: volume < 0 ? null : volume,
    prices: bidAndAsk
      ? { kind: 'bid and ask', bid: quad(PRICE_SUFFIXES.map((suffix) => `bid${suffix}`)), ask: quad(PRICE_SUFFIXES.map((suffix) => `ask${suffix}`)) }
      : { kind: 'mid', mid: quad(MID_NAMES) },
  };
  return { layout, headerLines: 1 };
}

/** A decimal price in points, rounded to the instrument's grid; null for anything else. */
function toPoints(text: string, scale: number): number | null {
  if (!/^\d{1,7}(?:\.\d{1,12})?$/.test(text)) return null;
  const points = Math.round(Number(text) * scale);
  return points > 0 && points < 2 ** 31 ? points : null;
}

function readOhlc(row: readonly string[], columns: Quad, scale: number, name: string, fail: (what: string) => BarsFileError): PointOhlc {
  const read = (index: number, part: string): number => {
    const points = toPoints(cell(row, index), scale);
    if (points === null) throw fail(`${name}${part} "${cell(row, index).slice(0, 40)}" is no price such as 1.38676; correct or remove the line`);
    return points;
  };
  const bar = { open: read(columns[0], 'open'), high: read(columns[1], 'high'), low: read(columns[2], 'low'), close: read(columns[3], 'close') };
  if (bar.high < bar.low) throw fail(`${name}high is below ${name}low; correct or remove the line`);
  if (bar.open > bar.high || bar.close > bar.high || bar.open < bar.low || bar.close < bar.low) throw fail(`${name}open or close lies outside ${name}low..high; correct or remove the line`);
  return bar;
}

/** Puts half of the spread on each side of a mid bar. An odd number of points widens the ask. */
function aroundMid(mid: PointOhlc, spreadPoints: number): { readonly bid: PointOhlc; readonly ask: PointOhlc } {
  const below = Math.floor(spreadPoints / 2);
  const moved = (by: number): PointOhlc => ({ open: mid.open + by, high: mid.high + by, low: mid.low + by, close: mid.close + by });
  return { bid: moved(-below), ask: moved(spreadPoints - below) };
}

function readTime(layout: Layout, row: readonly string[], fail: (what: string) => BarsFileError): Instant {
  try {
    const at = layout.time(row);
    if (at % MINUTE_MS !== 0) throw fail('the time is not the start of a minute; give one-minute bars stamped with their start');
    return at;
  } catch (error) {
    if (error instanceof TimeError) throw fail(`${error.message}; correct or remove the line`);
    throw error;
  }
}

/** Reads the prices of a row and checks what concerns both sides. */
function readPrices(layout: Layout, row: readonly string[], scale: number, spreadPoints: number, fail: (what: string) => BarsFileError): { readonly bid: PointOhlc; readonly ask: PointOhlc } {
  const { prices } = layout;
  const { bid, ask } =
    prices.kind === 'mid'
      ? aroundMid(readOhlc(row, prices.mid, scale, '', fail), spreadPoints)
      : { bid: readOhlc(row, prices.bid, scale, 'bid ', fail), ask: readOhlc(row, prices.ask, scale, 'ask ', fail) };
  if (ask.open < bid.open || ask.high < bid.high || ask.low < bid.low || ask.close < bid.close) throw fail('an ask is below its bid; correct or remove the line');
  if (bid.low <= 0) throw fail('half of the spread takes the bid to zero or below; give a smaller spreadPips');
  return { bid, ask };
}

/**
 * Reads a file of one-minute bars. Known forms, by header: `date,ms_since_midnight,bid_o,bid_h,bid_l,bid_c,…,ask_c`;
 * the same prices with an ISO `time`; `time,open,high,low,close[,volume]` as mids; the last without a header (MT4).
 *
 * @throws BarsFileError naming file and line, for unsorted or duplicate minutes, prices that are none, a high below
 * its low, an ask below its bid, a missing column, or no bars at all.
 */
export function readBarsFile(path: string, options: BarsFileOptions): BarSeries {
  const { instrument } = options;
  const scale = 10 ** instrument.displayPrecision;
  const spreadPoints = Math.round(options.spreadPips * 10 ** (instrument.displayPrecision + instrument.pipLocation));
  if (!(spreadPoints >= 0)) throw new BarsFileError(`spreadPips: ${options.spreadPips} is no spread; give a number of pips from 0 up`);
  const series = new BarSeries(instrument.name);
  let layout: Layout | null = null;
  eachRow(path, (row, line) => {
    const fail = (what: string): BarsFileError => place(path, line, what);
    if (layout === null) {
      const found = layoutOf(path, row);
      layout = found.layout;
      if (found.headerLines === 1) return;
    }
    const start = readTime(layout, row, fail);
    if (series.count > 0) {
      const before = series.start(series.count - 1);
      if (start === before) throw fail('the minute stands twice; keep one of the two lines');
      if (start < before) throw fail('the time lies before that of the line above; sort the file by time');
    }
    const volume = layout.volume === null ? 0 : Number(cell(row, layout.volume));
    series.push({ start, ...readPrices(layout, row, scale, spreadPoints, fail), volume: Number.isSafeInteger(volume) && volume > 0 ? Math.min(volume, 2 ** 31 - 1) : 0 });
  });
  if (series.count === 0) throw place(path, 1, 'the file holds no bars; give at least one');
  return series;
}
