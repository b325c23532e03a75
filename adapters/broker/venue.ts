/**
 * The running market: an engine, the bars of its instruments and the present time. Clocks move it, the HTTP server
 * asks it.
 *
 * The instruments' price points are merged into one sequence by time; points of one instant come in the order of
 * the instruments. Whatever happens is told to listeners in order: price points, then the transactions that they caused.
 */
import { ANCHOR_PATH, PathCursor, barPath } from './bars/path.ts';
import type { BarSeries } from './bars/series.ts';
import type { Transaction } from './engine/bodies.ts';
import { marketOf } from './engine/book.ts';
import type { Engine, Tick } from './engine/engine.ts';
import { createEngine } from './engine/engine.ts';
import type { EngineSettings } from './engine/settings.ts';
import { instantOf } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

interface VenueListener {
  price(instrument: string): void;
  transactions(transactions: readonly Transaction[]): void;
}

interface VenueOptions {
  readonly settings: EngineSettings;
  /** One for each instrument of the settings, in their order. */
  readonly series: readonly BarSeries[];
  /** The clock's first time, between two bars of every series; the bars before it are candle history. */
  readonly startAt: Instant;
  readonly path: typeof ANCHOR_PATH;
}

/** The bars of one instrument and how far they have been played. */
export interface Track {
  readonly series: BarSeries;
  readonly cursor: PathCursor;
}

/** The last thing that happened to an order: its fill or its cancel. */
type Settlement = (transaction: Transaction) => void;

/** The last point of the bar before the track's present one, for the engine's first prices. */
function lastPointBefore({ series, cursor }: Track): Tick | null {
  const point = cursor.bar === 0 ? undefined : barPath(series, cursor.bar - 1, ANCHOR_PATH).at(-1);
  return point === undefined ? null : { instrument: series.instrument, ...point };
}

export class Venue {
  readonly engine: Engine;
  /** By instrument, in the order of the settings. */
  readonly tracks: ReadonlyMap<string, Track>;
  #now: Instant;
  readonly #listeners: VenueListener[] = [];
  readonly #settlements = new Map<string, Settlement>();
  /** Points by which an instrument's prices are displaced. */
  readonly #displaced = new Map<string, number>();
  /** What is to happen besides, soonest first. */
  readonly #agenda: { readonly at: Instant; readonly act: () => void }[] = [];

  constructor(options: VenueOptions) {
    const { series, startAt, path } = options;
    this.tracks = new Map(series.map((each) => [each.instrument, { series: each, cursor: new PathCursor(each, path, each.firstFrom(startAt)) }]));
    const before = [...this.tracks.values()].flatMap((track) => lastPointBefore(track) ?? []).sort((left, right) => left.at - right.at);
    this.engine = createEngine(options.settings, before[0]?.at ?? startAt);
    for (const point of before) this.engine.tick(point);
    this.#now = startAt;
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

  /** Displaces every coming price of an instrument by so many pips; the candles stay as they are. */
  displace(instrument: string, pips: number): void {
    const { displayPrecision, pipLocation } = marketOf(this.engine.book, instrument).settings.instrument;
    this.#displaced.set(instrument, pips * 10 ** (displayPrecision + pipLocation));
  }

  /** Lets something happen at a market time to come, before the price points of that time. */
  schedule(at: Instant, act: () => void): void {
    const later = this.#agenda.findIndex((entry) => entry.at > at);
    this.#agenda.splice(later < 0 ? this.#agenda.length : later, 0, { at, act });
  }

  /**
   * Plays every price point and timed event up to and including `until`, and moves time there; with
   * `stopAtTransactions` only up to the first that writes a transaction.
   */
  playTo(until: Instant, stopAtTransactions: boolean): void {
    for (;;) {
      const track = this.#nextTrack();
      const pointAt = track?.cursor.peek()?.at ?? Infinity;
      const timedAt = this.engine.nextTimedEventAt();
      const isTimed = track === null || timedAt <= pointAt;
      const nextAt = isTimed ? timedAt : instantOf(pointAt);
      const [entry] = this.#agenda;
      if (entry !== undefined && entry.at <= nextAt && entry.at <= until) {
        this.#agenda.shift();
        if (this.#wrote(entry.at, entry.act) && stopAtTransactions) return;
        continue;
      }
      if (nextAt > until) break;
      this.#now = nextAt;
      const transactions = isTimed ? this.engine.advanceTo(timedAt) : this.#playPoint(track);
      this.#tell(transactions);
      if (stopAtTransactions && transactions.length > 0) return;
    }
    if (until > this.#now) this.#now = until;
  }

  /** Acts at a time; did that write a transaction? */
  #wrote(at: Instant, act: () => void): boolean {
    const before = this.engine.lastTransactionId;
    if (at > this.#now) this.#now = at;
    act();
    return this.engine.lastTransactionId > before;
  }

  /** The track whose point comes next, or null when all are played to their ends. */
  #nextTrack(): Track | null {
    let next: Track | null = null;
    let nextAt = Infinity;
    for (const track of this.tracks.values()) {
      const at = track.cursor.peek()?.at ?? Infinity;
      if (at >= nextAt) continue;
      next = track;
      nextAt = at;
    }
    return next;
  }

  #playPoint(track: Track): readonly Transaction[] {
    const { instrument } = track.series;
    const point = track.cursor.peek();
    if (point === null) throw new Error(`${instrument} has no point to play`);
    track.cursor.take();
    const shift = this.#displaced.get(instrument) ?? 0;
    const transactions = this.engine.tick({ instrument, bid: point.bid + shift, ask: point.ask + shift, at: point.at });
    for (const listener of this.#listeners) listener.price(instrument);
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
