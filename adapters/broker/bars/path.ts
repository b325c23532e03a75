/**
 * The price path inside a bar: open, the nearer extreme, the farther extreme, close.
 *
 * Which extreme is nearer is judged once, on the mid (bid plus ask), by its distance from the open; the low comes
 * first when they are equally far. Bid and ask then take the same order, each with its own numbers, so both stay
 * inside what their candle held and the bid never passes the ask. The close stands in the bar's last second.
 */
import type { BarSeries, PointOhlc } from './series.ts';
import { SECOND_MS, instantOf } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

export interface PathPoint {
  readonly bid: number;
  readonly ask: number;
  readonly at: Instant;
}

/** A point of the path: at `offsetMs` of the minute, `share` of the way from one anchor to the next. */
interface PathStep {
  readonly offsetMs: number;
  /** 0 open, 1 nearer extreme, 2 farther extreme, 3 close. */
  readonly anchor: number;
  readonly share: number;
}

const ANCHOR_SECONDS = [1, 20, 40, 59] as const;

/** The four anchors alone: what lockstep plays. */
export const ANCHOR_PATH: readonly PathStep[] = ANCHOR_SECONDS.map((second, anchor) => ({ offsetMs: second * SECOND_MS, anchor, share: 0 }));

/** A point every second with straight lines between the anchors: what real time plays. */
export const SECOND_PATH: readonly PathStep[] = Array.from({ length: 59 }, (_, index) => {
  const second = index + 1;
  const anchor = ANCHOR_SECONDS.findLastIndex((start) => start <= second);
  const [from, to] = [ANCHOR_SECONDS[anchor] ?? 59, ANCHOR_SECONDS[anchor + 1]];
  return { offsetMs: second * SECOND_MS, anchor, share: to === undefined ? 0 : (second - from) / (to - from) };
});

type Anchors = readonly [number, number, number, number];

const anchorsOf = (bar: PointOhlc, lowFirst: boolean): Anchors =>
  lowFirst ? [bar.open, bar.low, bar.high, bar.close] : [bar.open, bar.high, bar.low, bar.close];

const between = (anchors: readonly number[], step: PathStep): number => {
  const from = anchors[step.anchor] ?? 0;
  const to = anchors[step.anchor + 1] ?? from;
  return Math.round(from + (to - from) * step.share);
};

/** Open, nearer extreme, farther extreme and close of both sides, in the order in which the bar passes them. */
export function barAnchors(bid: PointOhlc, ask: PointOhlc): readonly [bids: Anchors, asks: Anchors] {
  const toLow = bid.open + ask.open - bid.low - ask.low;
  const toHigh = bid.high + ask.high - bid.open - ask.open;
  return [anchorsOf(bid, toLow <= toHigh), anchorsOf(ask, toLow <= toHigh)];
}

/** The price points of a bar along a path. */
export function barPath(series: BarSeries, index: number, path: readonly PathStep[]): readonly PathPoint[] {
  const [bids, asks] = barAnchors(series.bid(index), series.ask(index));
  const start = series.start(index);
  return path.map((step) => ({ bid: between(bids, step), ask: between(asks, step), at: instantOf(start + step.offsetMs) }));
}

/** Walks a series point by point; only the present bar's path is held. */
export class PathCursor {
  readonly #series: BarSeries;
  readonly #path: readonly PathStep[];
  #bar: number;
  #point = 0;
  #points: readonly PathPoint[] | null = null;

  constructor(series: BarSeries, path: readonly PathStep[], firstBar: number) {
    this.#series = series;
    this.#path = path;
    this.#bar = firstBar;
  }

  /** The bar of the next point; the series' count at its end. */
  get bar(): number {
    return this.#bar;
  }

  /** The points that a bar has along this cursor's path. */
  pointsOf(bar: number): readonly PathPoint[] {
    return barPath(this.#series, bar, this.#path);
  }

  /** The points of the present bar that have been taken. */
  get taken(): readonly PathPoint[] {
    return this.#points === null ? [] : this.#points.slice(0, this.#point);
  }

  /** The next point, or null at the end of the series. */
  peek(): PathPoint | null {
    if (this.#bar >= this.#series.count) return null;
    this.#points ??= barPath(this.#series, this.#bar, this.#path);
    return this.#points[this.#point] ?? null;
  }

  /** Steps past the point that `peek` showed. */
  take(): void {
    this.#point += 1;
    if (this.#points === null || this.#point < this.#points.length) return;
    this.#bar += 1;
    this.#point = 0;
    this.#points = null;
  }

  /** Follows a series that has dropped its oldest bars. */
  shift(count: number): void {
    this.#bar -= count;
  }
}
