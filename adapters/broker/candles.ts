/** One-minute candles of a venue, the way v20 answers for them. */
import { ANCHOR_PATH, barPath } from './bars/path.ts';
import type { PathPoint } from './bars/path.ts';
import type { PointOhlc } from './bars/series.ts';
import { readDateTime } from './datetimes.ts';
import type { Body } from './engine/bodies.ts';
import { compact } from './engine/bodies.ts';
import { marketOf } from './engine/book.ts';
import { printPoints } from './engine/decimals.ts';
import { InvalidRequest, invalidValue } from './engine/requests.ts';
import type { Track, Venue } from './venue.ts';
import { MINUTE_MS, floorMinute, formatInstant, plusMs } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

/** The query's texts, as they came. */
export interface CandleQuery {
  readonly price?: string | undefined;
  readonly granularity?: string | undefined;
  readonly count?: string | undefined;
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly includeFirst?: string | undefined;
  readonly smooth?: string | undefined;
}

const COUNT_DEFAULT = 500;
const COUNT_MAX = 5_000;
/** In real time the market's clock trails the system's by a fraction of a second; a client's present is no future. */
const FUTURE_TOLERANCE_MS = 1_000;

function readTime(text: string | undefined, name: string, now: Instant): Instant | null {
  if (text === undefined) return null;
  const at = readDateTime(text);
  if (at === null) throw invalidValue(name);
  if (at > now + FUTURE_TOLERANCE_MS) throw new InvalidRequest(`Invalid value specified for '${name}'. Time is in the future`);
  return at;
}

function readCount(text: string | undefined): number | null {
  if (text === undefined) return null;
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) throw invalidValue('count');
  if (Number(text) > COUNT_MAX) throw new InvalidRequest("Maximum value for 'count' exceeded");
  return Number(text);
}

const ohlcOf = (values: readonly number[]): PointOhlc => ({ open: values[0] ?? 0, high: Math.max(...values), low: Math.min(...values), close: values.at(-1) ?? 0 });

interface CandleParts {
  readonly start: Instant;
  readonly complete: boolean;
  readonly volume: number;
  readonly bid: PointOhlc;
  readonly ask: PointOhlc;
  readonly points: readonly PathPoint[];
}

/** A bar of the series whose points have all been played. */
function playedCandle(venue: Venue, { series }: Track, index: number): CandleParts {
  const points = barPath(series, index, ANCHOR_PATH);
  return { start: series.start(index), complete: series.end(index) <= venue.now, volume: series.volume(index) || points.length, bid: series.bid(index), ask: series.ask(index), points };
}

/** The bar that is being played: only the points that have been seen. */
function formingCandle({ series, cursor }: Track): CandleParts | null {
  const points = cursor.taken;
  if (points.length === 0) return null;
  return {
    start: series.start(cursor.bar),
    complete: false,
    volume: points.length,
    bid: ohlcOf(points.map((point) => point.bid)),
    ask: ohlcOf(points.map((point) => point.ask)),
    points,
  };
}

function candleBody(parts: CandleParts, price: string, displayPrecision: number): Body {
  const print = (ohlc: PointOhlc): Body => ({
    o: printPoints(ohlc.open, displayPrecision),
    h: printPoints(ohlc.high, displayPrecision),
    l: printPoints(ohlc.low, displayPrecision),
    c: printPoints(ohlc.close, displayPrecision),
  });
  // The mid follows the path of both sides together: its extremes are not the middle of theirs.
  const mid = (): Body => print(ohlcOf(parts.points.map((point) => Math.round((point.bid + point.ask) / 2))));
  return compact({
    complete: parts.complete,
    volume: parts.volume,
    time: formatInstant(parts.start),
    bid: price.includes('B') ? print(parts.bid) : undefined,
    mid: price.includes('M') ? mid() : undefined,
    ask: price.includes('A') ? print(parts.ask) : undefined,
  });
}

/** First and last index (excluded) of the candles asked for; `total` counts the forming one too. */
function rangeOf(venue: Venue, { series }: Track, query: CandleQuery, total: number): readonly [number, number] {
  const count = readCount(query.count);
  const [from, to] = [readTime(query.from, 'from', venue.now), readTime(query.to, 'to', venue.now)];
  if (from !== null && to !== null) {
    if (count !== null) throw new InvalidRequest("'count' cannot be specified when 'to' and 'from' are provided");
    if (to < from) throw invalidValue('to');
    if (to - from > COUNT_MAX * MINUTE_MS) throw new InvalidRequest("Maximum value for 'count' exceeded");
  }
  const last = to === null ? total : Math.min(series.firstFrom(to), total);
  if (from === null) return [Math.max(0, last - (count ?? COUNT_DEFAULT)), last];
  const covering = floorMinute(from);
  const first = series.firstFrom(query.includeFirst === 'false' ? plusMs(covering, MINUTE_MS) : covering);
  return [first, to === null ? Math.min(first + (count ?? COUNT_DEFAULT), total) : last];
}

/**
 * Answers a candles query. Only M1 is offered: the daemon asks for nothing else.
 *
 * @throws InvalidRequest with the broker's message for a query that it refuses.
 */
export function candlesBody(venue: Venue, instrument: string, query: CandleQuery): Body {
  const track = venue.tracks.get(instrument);
  if (track === undefined) throw invalidValue('instrument');
  const price = query.price ?? 'M';
  if (!/^[MBA]{1,3}$/.test(price)) throw invalidValue('price');
  if (query.granularity !== 'M1') throw invalidValue('granularity');
  if (query.smooth !== undefined && query.smooth !== 'false') throw invalidValue('smooth');
  if (query.includeFirst !== undefined && query.includeFirst !== 'true' && query.includeFirst !== 'false') throw invalidValue('includeFirst');
  const forming = formingCandle(track);
  const played = track.cursor.bar;
  const [first, last] = rangeOf(venue, track, query, played + (forming === null ? 0 : 1));
  const { displayPrecision } = marketOf(venue.engine.book, instrument).settings.instrument;
  const candles: Body[] = [];
  for (let index = first; index < last; index += 1) {
    const parts = index < played ? playedCandle(venue, track, index) : forming;
    if (parts !== null) candles.push(candleBody(parts, price, displayPrecision));
  }
  return { instrument, granularity: 'M1', candles };
}
