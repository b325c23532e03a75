/**
 * The running market: an engine, the bars it plays and the present time. Clocks move it, the HTTP server asks it.
 *
 * Whatever happens is told to listeners in order: price points, then the transactions that they caused.
 */
import type { PathPoint } from './bars/path.ts';
import { ANCHOR_PATH, PathCursor, barPath } from './bars/path.ts';
import type { BarSeries } from './bars/series.ts';
import type { Transaction } from './engine/bodies.ts';
import type { Engine } from './engine/engine.ts';
import { createEngine } from './engine/engine.ts';
import type { EngineSettings } from './engine/settings.ts';
import type { Instant } from '../../domain/time.ts';

interface VenueListener {
  price(instrument: string): void;
  transactions(transactions: readonly Transaction[]): void;
}

interface VenueOptions {
  readonly settings: EngineSettings;
  readonly series: BarSeries;
  /** Bars that lie behind the clock at the start, as candle history. */
  readonly historyBars: number;
  readonly path: typeof ANCHOR_PATH;
}

/** The last thing that happened to an order: its fill or its cancel. */
type Settlement = (transaction: Transaction) => void;

export class Venue {
  readonly engine: Engine;
  readonly series: BarSeries;
  readonly cursor: PathCursor;
  #now: Instant;
  readonly #listeners: VenueListener[] = [];
  readonly #settlements = new Map<string, Settlement>();

  constructor(options: VenueOptions) {
    const { series, historyBars, path } = options;
    if (!(historyBars >= 0 && historyBars < series.count)) {
      throw new RangeError(`historyBars: ${historyBars} of ${series.count} bars leave none to play; give more bars or less history`);
    }
    this.series = series;
    this.cursor = new PathCursor(series, path, historyBars);
    const before = historyBars === 0 ? undefined : barPath(series, historyBars - 1, ANCHOR_PATH).at(-1);
    this.engine = createEngine(options.settings, before?.at ?? series.start(0));
    if (before !== undefined) this.engine.tick({ instrument: series.instrument, ...before });
    this.#now = historyBars === 0 ? series.start(0) : series.end(historyBars - 1);
  }

  get now(): Instant {
    return this.#now;
  }

  listen(listener: VenueListener): void {
    this.#listeners.push(listener);
  }

  /** Runs a request against the engine and tells listeners what it wrote. */
  request<Result>(act: (engine: Engine) => Result): Result {
    const first = this.engine.lastTransactionId + 1;
    const result = act(this.engine);
    this.#tell(this.engine.transactions(first, this.engine.lastTransactionId));
    return result;
  }

  /** Calls back once, when the order is filled or cancelled. */
  onSettled(orderId: number, settlement: Settlement): void {
    this.#settlements.set(String(orderId), settlement);
  }

  /**
   * Plays every price point and timed event up to and including `until`, and moves time there; with
   * `stopAtTransactions` only up to the first that writes a transaction.
   */
  playTo(until: Instant, stopAtTransactions: boolean): void {
    for (;;) {
      const point = this.cursor.peek();
      const timedAt = this.engine.nextTimedEventAt();
      const nextAt = point === null || timedAt <= point.at ? timedAt : point.at;
      if (nextAt > until) break;
      this.#now = nextAt;
      const transactions = point === null || timedAt <= point.at ? this.engine.advanceTo(timedAt) : this.#playPoint(point);
      this.#tell(transactions);
      if (stopAtTransactions && transactions.length > 0) return;
    }
    if (until > this.#now) this.#now = until;
  }

  #playPoint(point: PathPoint): readonly Transaction[] {
    this.cursor.take();
    const transactions = this.engine.tick({ instrument: this.series.instrument, bid: point.bid, ask: point.ask, at: point.at });
    for (const listener of this.#listeners) listener.price(this.series.instrument);
    return transactions;
  }

  #tell(transactions: readonly Transaction[]): void {
    if (transactions.length === 0) return;
    for (const listener of this.#listeners) listener.transactions(transactions);
    for (const transaction of transactions) {
      if (transaction.type !== 'ORDER_FILL' && transaction.type !== 'ORDER_CANCEL') continue;
      const orderId = transaction.body['orderID'];
      if (typeof orderId !== 'string') throw new Error(`transaction ${transaction.id} names no order`);
      const settlement = this.#settlements.get(orderId);
      this.#settlements.delete(orderId);
      settlement?.(transaction);
    }
  }
}
