/** The two streams, live: opened, watched and opened again, each on its own. */
import { Observable, defer, retry, timer } from 'rxjs';
import type { Subscription } from 'rxjs';
import type { Broker, FeedLine, FeedName } from '../../domain/broker.ts';
import type { Clock } from '../../domain/clock.ts';
import type { InstrumentName } from '../../domain/instruments.ts';
import type { Instant } from '../../domain/time.ts';
import type { Journal } from './journal.ts';
import type { FreshInput, Runtime } from './runtime.ts';

/** At most one new connection a second for each stream; half of what the broker allows for both. */
const RECONNECT_MS_MIN = 1_000;
const RECONNECT_MS_MAX = 30_000;
/** A connection that lasted this long was a good one; the pause starts over. */
const GOOD_CONNECTION_MS = 10_000;

type FeedSignal = { readonly kind: 'connected' } | { readonly kind: 'line'; readonly line: FeedLine };

class FeedEnded extends Error {
  override readonly name = 'FeedEnded';
}

/** One connection of a stream as an observable: it errors when the connection ends, whatever ended it. */
function connection(broker: Broker, name: FeedName, instruments: readonly InstrumentName[]): Observable<FeedSignal> {
  return new Observable((subscriber) => {
    const feed = broker.feed(name, instruments, {
      connected: () => subscriber.next({ kind: 'connected' }),
      line: (line) => subscriber.next({ kind: 'line', line }),
      ended: (detail) => subscriber.error(new FeedEnded(detail)),
    });
    return () => feed.close();
  });
}

/** What a line means to the desk; null for a heartbeat that says nothing new. */
export function inputOfLine(line: FeedLine): FreshInput | null {
  switch (line.kind) {
    case 'quote':
      return { kind: 'quote', quote: line.quote };
    case 'transaction':
      return { kind: 'notice', transactionId: line.transactionId };
    case 'heartbeat':
      return line.lastTransactionId === null ? null : { kind: 'notice', transactionId: line.lastTransactionId };
  }
}

/** Keeps a stream open until unsubscribed; the pause doubles while connections fail and starts over after a good one. */
export function keepFeed(broker: Broker, name: FeedName, instruments: readonly InstrumentName[], clock: Clock, journal: Journal, runtime: Runtime): Subscription {
  let failures = 0;
  let connectedAt: Instant | null = null;
  const signals = defer(() => connection(broker, name, instruments)).pipe(
    retry({
      delay: (error: unknown) => {
        const detail = error instanceof Error ? error.message : String(error);
        runtime.submit({ kind: 'feed', feed: name, connected: false, detail });
        failures = connectedAt !== null && clock.now() - connectedAt >= GOOD_CONNECTION_MS ? 1 : failures + 1;
        connectedAt = null;
        return timer(Math.min(RECONNECT_MS_MAX, RECONNECT_MS_MIN * 2 ** Math.min(failures - 1, 10)));
      },
    }),
  );
  return signals.subscribe((signal) => {
    if (signal.kind === 'connected') {
      connectedAt = clock.now();
      runtime.submit({ kind: 'feed', feed: name, connected: true, detail: '' });
      return;
    }
    if (signal.line.kind === 'heartbeat') journal.measureClockOffset(signal.line.at - clock.now());
    const input = inputOfLine(signal.line);
    if (input !== null) runtime.submit(input);
  });
}
