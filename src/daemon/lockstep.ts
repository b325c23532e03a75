/**
 * Market time in lockstep with the local broker.
 *
 * The broker announces a time and how many lines it has sent on each stream. The daemon takes exactly those
 * lines, works through them and the timers in the order of their times until nothing is left to do, and
 * acknowledges; only then does time move on. So a run is as fast as the machine, and two runs are equal.
 */
import type { Announcement, LockstepLink } from '../../adapters/clock/lockstep-link.ts';
import type { LockstepClock, LockstepTimers } from '../../adapters/clock/lockstep.ts';
import type { Broker, FeedLine, FeedName } from '../../domain/broker.ts';
import type { InstrumentName } from '../../domain/instruments.ts';
import type { Instant } from '../../domain/time.ts';
import { inputOfLine } from './feeds.ts';
import type { FreshInput, Runtime } from './runtime.ts';
import { EXIT } from './runtime.ts';

/** Real time to wait for lines that the broker says it has sent. */
const LINES_WAIT_MS_MAX = 30_000;
const LINES_BUFFERED_MAX = 1_000_000;
const FEEDS: readonly FeedName[] = ['pricing', 'transactions'];

/** One stream's lines, held until an announcement covers them. */
class FeedBuffer {
  connection = 0;
  #received = 0;
  #taken = 0;
  #lines: FeedLine[] = [];
  #ended: string | null = null;
  #wakeUp: (() => void) | null = null;

  connected(connection: number): void {
    this.connection = connection;
    this.#changed();
  }

  push(line: FeedLine): void {
    if (this.#lines.length >= LINES_BUFFERED_MAX) this.#ended = `more than ${LINES_BUFFERED_MAX} lines were sent ahead of time`;
    else this.#lines.push(line);
    this.#received += 1;
    this.#changed();
  }

  end(detail: string): void {
    this.#ended = detail;
    this.#changed();
  }

  /** Resolves when `ready` holds. @throws Error when the stream ends or stays silent. */
  async #until(ready: () => boolean, what: string): Promise<void> {
    const deadline = AbortSignal.timeout(LINES_WAIT_MS_MAX);
    const stop = (): void => this.#changed();
    deadline.addEventListener('abort', stop);
    try {
      while (!ready()) {
        if (this.#ended !== null) throw new Error(`the stream ended: ${this.#ended}`);
        if (deadline.aborted) throw new Error(`${what} within ${LINES_WAIT_MS_MAX} ms`);
        await new Promise<void>((resolve) => {
          this.#wakeUp = resolve;
        });
      }
    } finally {
      deadline.removeEventListener('abort', stop);
    }
  }

  async whenConnected(): Promise<void> {
    await this.#until(() => this.connection > 0, 'the stream did not connect');
  }

  /** The lines up to the announced count. */
  async take(announced: { readonly connection: number; readonly lines: number }): Promise<readonly FeedLine[]> {
    if (announced.connection !== this.connection) throw new Error(`the broker speaks of connection ${announced.connection}, ours is ${this.connection}: another client took the stream`);
    await this.#until(() => this.#received >= announced.lines, `the broker announced ${announced.lines} lines and sent ${this.#received}`);
    const count = announced.lines - this.#taken;
    this.#taken = announced.lines;
    return this.#lines.splice(0, count);
  }

  #changed(): void {
    const wakeUp = this.#wakeUp;
    this.#wakeUp = null;
    wakeUp?.();
  }
}

export class LockstepDriver {
  readonly #link: LockstepLink;
  readonly #clock: LockstepClock;
  readonly #timers: LockstepTimers;
  readonly #buffers: ReadonlyMap<FeedName, FeedBuffer> = new Map(FEEDS.map((name) => [name, new FeedBuffer()]));
  readonly #feeds: { close(): void }[] = [];
  #bars: { readonly done: number; readonly total: number } = { done: 0, total: 0 };

  constructor(link: LockstepLink, clock: LockstepClock, timers: LockstepTimers) {
    this.#link = link;
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Bars that the market has played and holds in all. */
  get bars(): { readonly done: number; readonly total: number } {
    return this.#bars;
  }

  /** Opens both streams and waits until both stand, so that every announcement counts for them. */
  async connectFeeds(broker: Broker, instruments: readonly InstrumentName[], runtime: Runtime): Promise<void> {
    for (const [name, buffer] of this.#buffers) {
      this.#feeds.push(broker.feed(name, instruments, {
        connected: (connection) => buffer.connected(connection ?? 0),
        line: (line) => buffer.push(line),
        ended: (detail) => {
          buffer.end(detail);
          runtime.submit({ kind: 'feed', feed: name, connected: false, detail });
        },
      }));
    }
    for (const [name, buffer] of this.#buffers) {
      await buffer.whenConnected();
      runtime.submit({ kind: 'feed', feed: name, connected: true, detail: '' });
    }
  }

  /** Follows the market to its end, or until the runtime ends. */
  async follow(runtime: Runtime): Promise<void> {
    let stopped = false;
    void runtime.ended.then(() => {
      stopped = true;
      return this.#link.close();
    });
    try {
      for (let tick = 0; !stopped; ) {
        await runtime.idle();
        const announcement = await this.#link.advance({ acknowledge: tick, nextTimer: this.#timers.nextAt() });
        tick = announcement.tick;
        this.#bars = { done: announcement.barsDone, total: announcement.barsTotal };
        await this.#workThrough(announcement, runtime);
        if (announcement.done) return runtime.end(EXIT.ok, 'the market data ended');
      }
    } catch (error) {
      if (!stopped) runtime.end(EXIT.unreachable, `lockstep with the local broker broke: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  /** Lines in the order of their times, each at its own time; then what is due at the announced one. */
  async #workThrough(announcement: Announcement, runtime: Runtime): Promise<void> {
    const due: { readonly at: Instant; readonly input: FreshInput }[] = [];
    for (const name of FEEDS) {
      for (const line of await this.#buffers.get(name)!.take(announcement.lines[name])) {
        const input = inputOfLine(line);
        if (input !== null) due.push({ at: line.kind === 'quote' ? line.quote.at : line.at, input });
      }
    }
    // The sort is stable: equal times keep the order of streams, and lines of a stream theirs.
    due.sort((left, right) => left.at - right.at);
    for (const [index, { at, input }] of due.entries()) {
      if (at > this.#clock.now()) this.#clock.moveTo(at);
      runtime.submit(input);
      if (due[index + 1]?.at !== at) await runtime.idle();
    }
    this.#clock.moveTo(announcement.time);
    this.#timers.fireDue(announcement.time);
    await runtime.idle();
  }

  close(): void {
    for (const feed of this.#feeds) feed.close();
  }
}
