/**
 * Lockstep: market time moves only when the daemon says that it has finished with the present.
 *
 * An announcement names the time, the newest transaction and how many lines each stream has been sent; the daemon
 * consumes them, works to quiescence and acknowledges; time then moves on as the timeline says.
 */
import type { LineCount, StreamHub } from '../streams.ts';
import type { Venue } from '../venue.ts';
import { Timeline } from './timeline.ts';
import { formatInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

const WAITERS_MAX = 16;

export interface AdvanceRequest {
  /** The tick last announced to this caller; 0 from one that has heard none. */
  readonly acknowledge: number;
  readonly nextTimer: Instant | null;
  /** Moves time on to this instant with nobody acknowledging. */
  readonly until: Instant | null;
}

export interface Announcement {
  readonly tick: number;
  readonly time: string;
  readonly lastTransactionID: string;
  readonly lines: { readonly pricing: LineCount; readonly transactions: LineCount };
  readonly barsDone: number;
  /** Bars of all instruments ahead of the clock at the start; the history is not counted. */
  readonly barsTotal: number;
  readonly done: boolean;
}

/** A call that lockstep cannot obey: 409 when the caller is out of step, 400 when the call itself is wrong, 503 when too many wait. */
export class LockstepError extends Error {
  override readonly name = 'LockstepError';
  readonly status: 400 | 409 | 503;

  constructor(status: 400 | 409 | 503, message: string) {
    super(message);
    this.status = status;
  }
}

export class LockstepClock {
  readonly #venue: Venue;
  readonly #hub: StreamHub;
  readonly #timeline: Timeline;
  #tick = 0;
  #held: boolean;
  #waiting: (() => void)[] = [];

  constructor(venue: Venue, hub: StreamHub, hold: boolean) {
    this.#venue = venue;
    this.#hub = hub;
    this.#held = hold;
    this.#timeline = new Timeline(venue);
  }

  status(): { readonly time: string; readonly tick: number; readonly barsTotal: number; readonly barsDone: number; readonly held: boolean; readonly done: boolean; readonly lastTransactionID: string } {
    return {
      time: formatInstant(this.#venue.now),
      tick: this.#tick,
      barsTotal: this.#timeline.barsTotal,
      barsDone: this.#timeline.barsDone,
      held: this.#held,
      done: this.#timeline.done,
      lastTransactionID: String(this.#venue.engine.lastTransactionId),
    };
  }

  /** Releases a clock that was started on hold. */
  start(): void {
    this.#held = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  /**
   * Moves time as asked and announces where it is; while the clock is held it waits. A caller whose `gone` signal
   * fires in the meantime is forgotten: nothing moves for it.
   *
   * @throws LockstepError
   */
  async advance(request: AdvanceRequest, gone: AbortSignal): Promise<Announcement | null> {
    if (this.#held) {
      if (this.#waiting.length >= WAITERS_MAX) throw new LockstepError(503, `${WAITERS_MAX} callers wait already`);
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        gone.addEventListener('abort', () => {
          this.#waiting = this.#waiting.filter((each) => each !== resolve);
          resolve();
        });
      });
    }
    if (gone.aborted) return null;
    if (request.until !== null) this.#timeline.moveUntil(request.until);
    else if (request.acknowledge !== 0) this.#moveOn(request);
    return this.#announce();
  }

  #moveOn(request: AdvanceRequest): void {
    if (request.acknowledge !== this.#tick) {
      throw new LockstepError(409, `acknowledge: tick ${request.acknowledge} is not the last announced one, ${this.#tick}; begin again with 0`);
    }
    const { now } = this.#venue;
    if (request.nextTimer !== null && request.nextTimer <= now) {
      throw new LockstepError(400, `nextTimer: ${formatInstant(request.nextTimer)} is not after the announced time ${formatInstant(now)}; fire due timers before acknowledging`);
    }
    this.#timeline.moveOn(request.nextTimer);
  }

  #announce(): Announcement {
    this.#tick += 1;
    this.#hub.pulse();
    return {
      tick: this.#tick,
      time: formatInstant(this.#venue.now),
      lastTransactionID: String(this.#venue.engine.lastTransactionId),
      lines: { pricing: this.#hub.lineCount('pricing'), transactions: this.#hub.lineCount('transactions') },
      barsDone: this.#timeline.barsDone,
      barsTotal: this.#timeline.barsTotal,
      done: this.#timeline.done,
    };
  }
}
