/**
 * Candles of a venue, the way v20 answers for them.
 *
 * They are put together from one-minute bars; those below a minute from the points of the bars' paths. The bid and the
 * ask are the bars' own. The mid follows both sides along the path, because its extremes are not the middle of theirs.
 * A span without a price has no candle; the newest candle is incomplete until its span has ended.
 */
import type { PathPoint } from './bars/path.ts';
import type { PointOhlc } from './bars/series.ts';
import { readDateTime } from './datetimes.ts';
import type { Body } from './engine/bodies.ts';
import { compact } from './engine/bodies.ts';
import { marketOf } from './engine/book.ts';
import { printPoints, readDecimal } from './engine/decimals.ts';
import { InvalidRequest, invalidValue } from './engine/requests.ts';
import type { Alignment, Granularity } from './granularity.ts';
import { DEFAULT_ALIGNMENT, candleSpan, granularityOf, isZone, weekdayNamed } from './granularity.ts';
import type { Track, Venue } from './venue.ts';
import { MINUTE_MS, floorMinute, formatInstant } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

/** Every parameter of the two routes that names something about candles. */
export const CANDLE_PARAMETERS = ['price', 'granularity', 'count', 'from', 'to', 'smooth', 'includeFirst', 'dailyAlignment', 'alignmentTimezone', 'weeklyAlignment', 'units'] as const;
/** The query's texts, as they came. */
export type CandleQuery = { readonly [name in (typeof CANDLE_PARAMETERS)[number]]?: string | undefined };

const COUNT_DEFAULT = 500;
const COUNT_MAX = 5_000;
/** In real time the market's clock trails the system's by a fraction of a second; a client's present is no future. */
const FUTURE_TOLERANCE_MS = 1_000;

/** A query that has been read and makes sense. */
interface Wanted {
  readonly sides: string;
  readonly granularity: Granularity;
  readonly alignment: Alignment;
  readonly count: number;
  readonly from: Instant | null;
  readonly to: Instant | null;
  readonly includeFirst: boolean;
  readonly smooth: boolean;
}

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

/** @throws InvalidRequest for anything but true and false. */
export function readFlag(text: string | undefined, name: string, byDefault: boolean): boolean {
  if (text === undefined) return byDefault;
  if (text !== 'true' && text !== 'false') throw invalidValue(name);
  return text === 'true';
}

function readAlignment(query: CandleQuery): Alignment {
  const { dailyAlignment, alignmentTimezone = DEFAULT_ALIGNMENT.zone, weeklyAlignment } = query;
  if (dailyAlignment !== undefined && !/^(?:1?\d|2[0-3])$/.test(dailyAlignment)) throw invalidValue('dailyAlignment');
  if (!isZone(alignmentTimezone)) throw invalidValue('alignmentTimezone');
  const weekday = weeklyAlignment === undefined ? DEFAULT_ALIGNMENT.weekday : weekdayNamed(weeklyAlignment);
  if (weekday < 0) throw invalidValue('weeklyAlignment');
  return { dailyHour: dailyAlignment === undefined ? DEFAULT_ALIGNMENT.dailyHour : Number(dailyAlignment), zone: alignmentTimezone, weekday };
}

function readQuery(query: CandleQuery, now: Instant): Wanted {
  const { price = 'M', granularity: name = 'S5', units = '1' } = query;
  if (!/^[MBA]{1,3}$/.test(price)) throw invalidValue('price');
  const granularity = granularityOf(name);
  if (granularity === undefined) throw invalidValue('granularity');
  // A price point offers one size at one price, so that the average over any units is that price.
  const average = readDecimal(units);
  if (average === null || !average.greaterThan(0)) throw invalidValue('units');
  const count = readCount(query.count);
  const [from, to] = [readTime(query.from, 'from', now), readTime(query.to, 'to', now)];
  if (from !== null && to !== null) {
    if (count !== null) throw new InvalidRequest("'count' cannot be specified when 'to' and 'from' are provided");
    if (to < from) throw invalidValue('to');
    if (to - from > COUNT_MAX * granularity.lengthMs) throw new InvalidRequest("Maximum value for 'count' exceeded");
  }
  return {
    sides: price,
    granularity,
    alignment: readAlignment(query),
    count: count ?? (from !== null && to !== null ? COUNT_MAX : COUNT_DEFAULT),
    from,
    to,
    includeFirst: readFlag(query.includeFirst, 'includeFirst', true),
    smooth: readFlag(query.smooth, 'smooth', false),
  };
}

const ohlcOf = (values: readonly number[]): PointOhlc => ({ open: values[0] ?? 0, high: Math.max(...values), low: Math.min(...values), close: values.at(-1) ?? 0 });
const midOf = (points: readonly PathPoint[]): PointOhlc => ohlcOf(points.map((point) => Math.round((point.bid + point.ask) / 2)));
const joinedOhlc = (left: PointOhlc, right: PointOhlc): PointOhlc => ({ open: left.open, high: Math.max(left.high, right.high), low: Math.min(left.low, right.low), close: right.close });

/** What a span of time saw; of a whole candle or of one of the pieces that it is joined from. */
interface Seen {
  readonly at: Instant;
  readonly volume: number;
  readonly bid: PointOhlc;
  readonly mid: PointOhlc;
  readonly ask: PointOhlc;
}

const seenAt = (at: Instant, points: readonly PathPoint[]): Seen => ({
  at,
  volume: points.length,
  bid: ohlcOf(points.map((point) => point.bid)),
  mid: midOf(points),
  ask: ohlcOf(points.map((point) => point.ask)),
});

const joined = (left: Seen, right: Seen): Seen => ({
  at: left.at,
  volume: left.volume + right.volume,
  bid: joinedOhlc(left.bid, right.bid),
  mid: joinedOhlc(left.mid, right.mid),
  ask: joinedOhlc(left.ask, right.ask),
});

/** One instrument's candles of one granularity, over the bars that have been played. */
class CandleReader {
  readonly #track: Track;
  readonly #span: (at: Instant) => readonly [start: Instant, end: Instant];
  readonly #belowMinute: boolean;
  /** The present bar counts once it has a point. */
  readonly #bars: number;

  constructor(track: Track, { granularity, alignment }: Wanted) {
    this.#track = track;
    this.#span = (at) => candleSpan(granularity, alignment, at);
    this.#belowMinute = granularity.lengthMs < MINUTE_MS;
    this.#bars = track.cursor.bar + (track.cursor.taken.length > 0 ? 1 : 0);
  }

  /** Candles that start in [from, to), oldest first, at most `countMax`; `from` is where a candle may start. */
  forward(from: Instant, to: Instant | null, countMax: number): Seen[] {
    const candles: Seen[] = [];
    let end = -Infinity;
    for (let bar = this.#track.series.firstFrom(floorMinute(from)); bar < this.#bars; bar += 1) {
      for (const piece of this.#pieces(bar)) {
        const last = candles.at(-1);
        if (last !== undefined && piece.at < end) {
          candles[candles.length - 1] = joined(last, piece);
          continue;
        }
        const [start, next] = this.#span(piece.at);
        if (start < from) continue;
        if (candles.length === countMax || (to !== null && start >= to)) return candles;
        end = next;
        candles.push({ ...piece, at: start });
      }
    }
    return candles;
  }

  /** The newest `count` candles that start before `to`, oldest first. */
  backward(to: Instant | null, count: number): Seen[] {
    const { series } = this.#track;
    let bar = to === null ? this.#bars : Math.min(series.firstFrom(to), this.#bars);
    for (let found = 0; found < count && bar > 0; ) {
      if (this.#belowMinute) {
        bar -= 1;
        found += new Set(this.#pieces(bar).map(({ at }) => this.#span(at)[0]).filter((start) => to === null || start < to)).size;
      } else {
        bar = series.firstFrom(this.#span(series.start(bar - 1))[0]);
        found += 1;
      }
    }
    return bar >= this.#bars ? [] : this.forward(this.#span(series.start(bar))[0], to, Infinity).slice(-count);
  }

  /** What a bar adds to candles: itself or, for those below a minute, each of its points. */
  #pieces(bar: number): readonly Seen[] {
    const { series, cursor } = this.#track;
    const isPlayed = bar < cursor.bar;
    const points = isPlayed ? cursor.pointsOf(bar) : cursor.taken;
    if (this.#belowMinute) return points.map((point) => seenAt(point.at, [point]));
    const start = series.start(bar);
    if (!isPlayed) return [seenAt(start, points)];
    return [{ at: start, volume: series.volume(bar) || points.length, bid: series.bid(bar), mid: midOf(points), ask: series.ask(bar) }];
  }
}

/** Opens each candle at the close of the one before it; high and low reach as far as that open. */
function smoothed(candles: readonly Seen[], before: Seen | undefined): Seen[] {
  return candles.map((candle, index) => {
    const previous = index === 0 ? before : candles[index - 1];
    if (previous === undefined) return candle;
    const opened = (side: 'bid' | 'mid' | 'ask'): PointOhlc => joinedOhlc(ohlcOf([previous[side].close]), candle[side]);
    return { ...candle, bid: opened('bid'), mid: opened('mid'), ask: opened('ask') };
  });
}

function candlesWanted(reader: CandleReader, wanted: Wanted): readonly Seen[] {
  const { from, to, count, granularity, alignment } = wanted;
  if (from === null) return reader.backward(to, count);
  const [start, next] = candleSpan(granularity, alignment, from);
  return reader.forward(wanted.includeFirst ? start : next, to, count);
}

/**
 * Answers a candles query.
 *
 * @throws InvalidRequest with the broker's message for a query that it refuses.
 */
export function candlesBody(venue: Venue, instrument: string, query: CandleQuery): Body {
  const track = venue.tracks.get(instrument);
  if (track === undefined) throw invalidValue('instrument');
  const wanted = readQuery(query, venue.now);
  const { granularity, alignment, sides } = wanted;
  const reader = new CandleReader(track, wanted);
  const found = candlesWanted(reader, wanted);
  const first = found[0];
  const candles = wanted.smooth && first !== undefined ? smoothed(found, reader.backward(first.at, 1)[0]) : found;
  const { displayPrecision } = marketOf(venue.engine.book, instrument).settings.instrument;
  const print = (ohlc: PointOhlc): Body => ({
    o: printPoints(ohlc.open, displayPrecision),
    h: printPoints(ohlc.high, displayPrecision),
    l: printPoints(ohlc.low, displayPrecision),
    c: printPoints(ohlc.close, displayPrecision),
  });
  return {
    instrument,
    granularity: granularity.name,
    candles: candles.map((candle) => compact({
      complete: candleSpan(granularity, alignment, candle.at)[1] <= venue.now,
      volume: candle.volume,
      time: formatInstant(candle.at),
      bid: sides.includes('B') ? print(candle.bid) : undefined,
      mid: sides.includes('M') ? print(candle.mid) : undefined,
      ask: sides.includes('A') ? print(candle.ask) : undefined,
    })),
  };
}
