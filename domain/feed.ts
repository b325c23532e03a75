/**
 * Live subscriptions over a log that this process writes: pages from the log until a subscriber is level with
 * it, then each append as it happens. A subscriber that falls behind its buffer is sent back to reading pages,
 * so nothing is dropped and nothing grows without bound.
 */
import { StoreError } from './log.ts';
import type { LogListener, RecordedEvent } from './log.ts';

export interface FeedSource {
  /** Position of the last event; -1 for an empty log. */
  headPosition(): number;
  /** At most `countMax` events behind a position, in order. */
  readPage(afterPosition: number, countMax: number): readonly RecordedEvent[];
}

/** Runs a task before the caller's next turn (`soon`), or after other work has had one (`later`). */
export interface FeedScheduler {
  soon(task: () => void): void;
  later(task: () => void): void;
}

const PAGE_EVENTS = 500;
const BUFFER_EVENTS_MAX = 2_000;
const SUBSCRIPTIONS_MAX = 64;

class Subscription {
  readonly #source: FeedSource;
  readonly #scheduler: FeedScheduler;
  readonly #listener: LogListener;
  readonly #ended: (subscription: Subscription) => void;
  #cursor: number;
  #buffer: RecordedEvent[] = [];
  /** True while the log must be read: at the start, and after the buffer overflowed. */
  #behind = true;
  #caughtUpSaid = false;
  #scheduled = false;
  #closed = false;

  constructor(source: FeedSource, scheduler: FeedScheduler, listener: LogListener, afterPosition: number, ended: (subscription: Subscription) => void) {
    this.#source = source;
    this.#scheduler = scheduler;
    this.#listener = listener;
    this.#cursor = afterPosition;
    this.#ended = ended;
  }

  offer(events: readonly RecordedEvent[]): void {
    if (!this.#behind) {
      if (this.#buffer.length + events.length > BUFFER_EVENTS_MAX) {
        this.#buffer = [];
        this.#behind = true;
      } else this.#buffer.push(...events);
    }
    this.wake('soon');
  }

  wake(when: keyof FeedScheduler): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#scheduler[when](() => {
      this.#scheduled = false;
      this.#run();
    });
  }

  close(): void {
    this.#closed = true;
    this.#buffer = [];
    this.#ended(this);
  }

  /** One bounded turn. A listener may append, subscribe or close from within: that only adds to the next turn. */
  #run(): void {
    // A turn that was due when the subscription was closed finds its source gone.
    if (this.#closed) return;
    try {
      if (this.#behind) this.#deliver(this.#source.readPage(this.#cursor, PAGE_EVENTS));
      else {
        const events = this.#buffer;
        this.#buffer = [];
        this.#deliver(events);
      }
      if (this.#closed) return;
      if (this.#behind) this.#afterPage();
      else if (this.#buffer.length > 0) this.wake('later');
    } catch (error) {
      if (this.#closed) throw error;
      this.close();
      this.#listener.failed(error instanceof Error ? error : new StoreError(`a subscriber failed: ${String(error)}`));
    }
  }

  #deliver(events: readonly RecordedEvent[]): void {
    for (const event of events) {
      if (this.#closed) return;
      // Events that a turn back to the log has already delivered are passed over.
      if (event.position <= this.#cursor) continue;
      this.#cursor = event.position;
      this.#listener.event(event);
    }
  }

  #afterPage(): void {
    this.#behind = this.#cursor < this.#source.headPosition();
    if (this.#behind) this.wake('later');
    else if (!this.#caughtUpSaid) {
      this.#caughtUpSaid = true;
      this.#listener.caughtUp();
    }
  }
}

export class LogFeed {
  readonly #source: FeedSource;
  readonly #scheduler: FeedScheduler;
  readonly #subscriptions = new Set<Subscription>();

  constructor(source: FeedSource, scheduler: FeedScheduler) {
    this.#source = source;
    this.#scheduler = scheduler;
  }

  /** @throws StoreError when more than 64 subscriptions are open: somebody forgets to close them. */
  subscribe(afterPosition: number, listener: LogListener): { close(): void } {
    if (this.#subscriptions.size >= SUBSCRIPTIONS_MAX) throw new StoreError(`more than ${SUBSCRIPTIONS_MAX} subscriptions are open: close those that are not needed`);
    const subscription = new Subscription(this.#source, this.#scheduler, listener, afterPosition, (ended) => this.#subscriptions.delete(ended));
    this.#subscriptions.add(subscription);
    subscription.wake('soon');
    return { close: () => subscription.close() };
  }

  /** Hands newly durable events to every subscriber, in their order. */
  publish(events: readonly RecordedEvent[]): void {
    for (const subscription of this.#subscriptions) subscription.offer(events);
  }

  close(): void {
    for (const subscription of [...this.#subscriptions]) subscription.close();
  }
}
