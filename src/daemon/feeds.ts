/** The two streams, live: opened, watched and opened again, each judged on its own and both by one link. */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { Observable, Subject, concatMap, defer, filter, map, merge, of, retry } from 'rxjs';
import type { Subscription } from 'rxjs';
import type { Broker, FeedEnd, FeedLine, FeedName } from '../../domain/broker.ts';
import type { Clock } from '../../domain/clock.ts';
import type { InstrumentName } from '../../domain/instruments.ts';
import { BREAKER_PAUSE_MS, BREAKER_RECONNECTS, BREAKER_WINDOW_MS, feedConnected, feedEnded, initialLink } from '../../domain/link.ts';
import type { Instant } from '../../domain/time.ts';
import type { FreshInput } from './runtime.ts';

type FeedSignal = { readonly kind: 'connected' } | { readonly kind: 'line'; readonly line: FeedLine };

class FeedEnded extends Error {
  override readonly name = 'FeedEnded';
  readonly reason: FeedEnd;

  constructor(detail: string, reason: FeedEnd) {
    super(detail);
    this.reason = reason;
  }
}

/** What a line means to the desk; null for a heartbeat that says nothing new. */
export function inputOfLine(line: FeedLine): FreshInput | null {
  switch (line.kind) {
    case 'quote':
      return { kind: 'quote', quote: line.quote };
    case 'transaction':
      return { kind: 'notice', transactionId: line.transactionId };
    case 'unknown':
      return { kind: 'unknownLine', type: line.type };
    case 'heartbeat':
      return line.lastTransactionId === null ? null : { kind: 'notice', transactionId: line.lastTransactionId };
  }
}

export interface FeedParts {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly instruments: readonly InstrumentName[];
  readonly submit: (input: FreshInput) => void;
  /** Emits once, after so many milliseconds. */
  readonly pause: (durationMs: number) => Observable<unknown>;
  /** Told the broker's time of each heartbeat. */
  readonly heartbeat: (at: Instant) => void;
  /** Of the draws of the pauses between connections; the run's epoch, which the log holds. */
  readonly seed: number;
}

/** Keeps both streams open until it is closed. */
export class FeedKeeper {
  readonly #parts: FeedParts;
  readonly #random: ReturnType<typeof xoroshiro128plus>;
  readonly #anew = new Subject<{ readonly feed: FeedName; readonly detail: string }>();
  readonly #subscriptions: readonly Subscription[];
  #link = initialLink;

  constructor(parts: FeedParts) {
    this.#parts = parts;
    this.#random = xoroshiro128plus(parts.seed);
    this.#subscriptions = (['pricing', 'transactions'] as const).map((feed) => this.#keep(feed));
  }

  /** Ends a connection that stands; the next one is opened as after any other end. */
  reconnect(feed: FeedName, detail: string): void {
    this.#anew.next({ feed, detail });
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  /** Silence and pauses are measured on the monotonic clock: no step of the wall clock moves them. */
  #nowMs(): number {
    return Number(this.#parts.clock.monotonicNs() / 1_000_000n);
  }

  #keep(feed: FeedName): Subscription {
    const { submit, pause } = this.#parts;
    return defer(() => this.#connection(feed))
      .pipe(retry({ delay: (error: unknown) => pause(this.#pauseAfter(feed, error)).pipe(concatMap(() => this.#breakerOver())) }))
      .subscribe((signal) => {
        if (signal.kind === 'connected') return this.#connected(feed);
        if (signal.line.kind === 'heartbeat') this.#parts.heartbeat(signal.line.at);
        const input = inputOfLine(signal.line);
        if (input !== null) submit(input);
      });
  }

  /** One connection as an observable: it errors when the connection ends, whatever ended it. */
  #connection(feed: FeedName): Observable<FeedSignal> {
    const { broker, instruments } = this.#parts;
    const opened = new Observable<FeedSignal>((subscriber) => {
      const connection = broker.feed(feed, instruments, {
        connected: () => subscriber.next({ kind: 'connected' }),
        line: (line) => subscriber.next({ kind: 'line', line }),
        ended: (detail, cause) => subscriber.error(new FeedEnded(detail, cause)),
      });
      return () => connection.close();
    });
    const ended = this.#anew.pipe(
      filter((wish) => wish.feed === feed),
      map(({ detail }): never => {
        throw new FeedEnded(detail, 'other');
      }),
    );
    return merge(opened, ended);
  }

  #connected(feed: FeedName): void {
    const { link, breakerCloses } = feedConnected(this.#link, feed, this.#nowMs());
    this.#link = link;
    if (breakerCloses) this.#parts.submit({ kind: 'breaker', change: null });
    this.#parts.submit({ kind: 'feed', feed, connected: true, detail: '' });
  }

  /** Emits once the breaker's pause is over: it may have opened while a stream waited for a connection of its own. */
  #breakerOver(): Observable<unknown> {
    const restMs = (this.#link.breakerUntilMs ?? 0) - this.#nowMs();
    return restMs > 0 ? this.#parts.pause(restMs) : of(null);
  }

  /** @returns milliseconds until the next connection. @throws whatever was no end of a stream. */
  #pauseAfter(feed: FeedName, error: unknown): number {
    if (!(error instanceof FeedEnded)) throw error;
    const { submit } = this.#parts;
    const nowMs = this.#nowMs();
    const { link, connectAtMs, breakerOpens } = feedEnded(this.#link, feed, error.reason, nowMs, uniformFloat64(this.#random));
    this.#link = link;
    submit({ kind: 'feed', feed, connected: false, detail: error.message });
    if (breakerOpens) submit({ kind: 'breaker', change: { reconnects: BREAKER_RECONNECTS, windowMs: BREAKER_WINDOW_MS, pauseMs: BREAKER_PAUSE_MS } });
    return connectAtMs - nowMs;
  }
}
