import { MINUTE_MS, instantOf } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** Open, high, low and close in whole points of 10^-displayPrecision. */
export interface PointOhlc {
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
}

export interface SourceBar {
  readonly start: Instant;
  readonly bid: PointOhlc;
  readonly ask: PointOhlc;
  /** Number of prices in the minute; 0 where the source does not say. */
  readonly volume: number;
}

/** Minute, volume, then bid and ask open, high, low, close. */
const COLUMNS = 10;
const MINUTE = 0;
const VOLUME = 1;
const BID = 2;
const ASK = 6;
const CAPACITY_FIRST = 1_024;

/**
 * One-minute bars of an instrument, oldest first, as rows of 32-bit integers: 40 bytes a bar, so a year of
 * minutes takes 15 MB. Rows are never changed; the oldest may be dropped.
 */
export class BarSeries {
  readonly instrument: string;
  #cells = new Int32Array(CAPACITY_FIRST * COLUMNS);
  #count = 0;

  constructor(instrument: string) {
    this.instrument = instrument;
  }

  get count(): number {
    return this.#count;
  }

  /** @throws RangeError unless the bar starts on a whole minute after the newest one. */
  push(bar: SourceBar): void {
    const minute = bar.start / MINUTE_MS;
    if (!Number.isInteger(minute)) throw new RangeError(`bar ${this.#count} starts at ${bar.start} ms, which is no whole minute`);
    if (this.#count > 0 && minute <= this.#cell(this.#count - 1, MINUTE)) throw new RangeError(`bar ${this.#count} does not start after the bar before it`);
    if ((this.#count + 1) * COLUMNS > this.#cells.length) {
      const grown = new Int32Array(this.#cells.length * 2);
      grown.set(this.#cells);
      this.#cells = grown;
    }
    const { bid, ask } = bar;
    this.#cells.set([minute, bar.volume, bid.open, bid.high, bid.low, bid.close, ask.open, ask.high, ask.low, ask.close], this.#count * COLUMNS);
    this.#count += 1;
  }

  /** Forgets the oldest bars; every index moves down by `count`. */
  dropOldest(count: number): void {
    this.#cells.copyWithin(0, count * COLUMNS, this.#count * COLUMNS);
    this.#count -= count;
  }

  start(index: number): Instant {
    return instantOf(this.#cell(index, MINUTE) * MINUTE_MS);
  }

  end(index: number): Instant {
    return instantOf((this.#cell(index, MINUTE) + 1) * MINUTE_MS);
  }

  volume(index: number): number {
    return this.#cell(index, VOLUME);
  }

  bid(index: number): PointOhlc {
    return this.#ohlc(index, BID);
  }

  ask(index: number): PointOhlc {
    return this.#ohlc(index, ASK);
  }

  /** The index of the first bar that starts at or after `at`; `count` when there is none. */
  firstFrom(at: Instant): number {
    let [low, high] = [0, this.#count];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.start(middle) < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #ohlc(index: number, column: number): PointOhlc {
    return { open: this.#cell(index, column), high: this.#cell(index, column + 1), low: this.#cell(index, column + 2), close: this.#cell(index, column + 3) };
  }

  #cell(index: number, column: number): number {
    if (!(index >= 0 && index < this.#count)) throw new RangeError(`no bar ${index} in a series of ${this.#count}`);
    return this.#cells[index * COLUMNS + column] ?? 0;
  }
}
