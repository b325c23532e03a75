/**
 * Lockstep: market time moves only when the daemon says that it has finished with the present.
 *
 * An announcement names the time, the newest transaction and how many lines each stream has been sent; the daemon
 * consumes them, works to quiescence and acknowledges; time then jumps to the end of the next bar, the daemon's next
 * timer or the next broker event, whichever is first.
 *
 * With several instruments the next bar is the one that ends first, whosever it is; a hole is a time in which none of
 * them has a bar; bars are counted over all of them together.
 */
import type { LineCount, StreamHub } from '../streams.ts';
import type { Track, Venue } from '../venue.ts';
import { MINUTE_MS, formatInstant, instantOf } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** A next bar further away than this makes a hole, in which timers are skipped. */
const HOLE_MS = 10 * MINUTE_MS;
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

const earliest = (instants: readonly (Instant | null)[]): Instant | null =>
  instants.reduce((first, each) => (first === null || (each !== null && each < first) ? each : first), null);

export class LockstepClock {
  readonly #venue: Venue;
  readonly #hub: StreamHub;
  readonly #historyBars: number;
  #tick = 0;
  #held: boolean;
  #waiting: (() => void)[] = [];

  constructor(venue: Venue, hub: StreamHub, hold: boolean) {
    this.#venue = venue;
    this.#hub = hub;
    this.#held = hold;
    this.#historyBars = this.#sum(({ cursor }) => cursor.bar);
  }

  status(): { readonly time: string; readonly tick: number; readonly barsTotal: number; readonly barsDone: number; readonly held: boolean; readonly done: boolean; readonly lastTransactionID: string } {
    return {
      time: formatInstant(this.#venue.now),
      tick: this.#tick,
      barsTotal: this.#barsTotal(),
      barsDone: this.#barsDone(),
      held: this.#held,
      done: this.#nextBarEnd() === null,
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
    if (request.until !== null) this.#moveUntil(request.until);
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
    const barEnd = this.#nextBarEnd();
    if (barEnd === null) return;
    const holeEnd = this.#holeEnd();
    const timerFirst = request.nextTimer !== null && request.nextTimer < barEnd ? request.nextTimer : barEnd;
    this.#venue.playTo(holeEnd ?? timerFirst, true);
  }

  #moveUntil(until: Instant): void {
    const last = instantOf(Math.max(...this.#each(({ series }) => series.end(series.count - 1))));
    const target = until < last ? until : last;
    if (target > this.#venue.now) this.#venue.playTo(target, false);
  }

  #announce(): Announcement {
    this.#tick += 1;
    this.#hub.pulse();
    return {
      tick: this.#tick,
      time: formatInstant(this.#venue.now),
      lastTransactionID: String(this.#venue.engine.lastTransactionId),
      lines: { pricing: this.#hub.lineCount('pricing'), transactions: this.#hub.lineCount('transactions') },
      barsDone: this.#barsDone(),
      barsTotal: this.#barsTotal(),
      done: this.#nextBarEnd() === null,
    };
  }

  #each<Result>(read: (track: Track) => Result): Result[] {
    return [...this.#venue.tracks.values()].map(read);
  }

  #sum(count: (track: Track) => number): number {
    return this.#each(count).reduce((sum, each) => sum + each, 0);
  }

  /** Is the newest bar whose points have all been played still running? */
  #playedBarRuns({ cursor, series }: Track): boolean {
    return cursor.bar > 0 && series.end(cursor.bar - 1) > this.#venue.now;
  }

  /** The end of the bar that completes next, or null when all are complete. */
  #nextBarEnd(): Instant | null {
    return earliest(this.#each((track) => {
      const { cursor, series } = track;
      if (this.#playedBarRuns(track)) return series.end(cursor.bar - 1);
      return cursor.bar < series.count ? series.end(cursor.bar) : null;
    }));
  }

  /** The start of the next bar when it lies beyond a hole, else null. */
  #holeEnd(): Instant | null {
    if (this.#each((track) => this.#playedBarRuns(track)).includes(true)) return null;
    const start = earliest(this.#each(({ cursor, series }) => (cursor.bar < series.count ? series.start(cursor.bar) : null)));
    return start !== null && start - this.#venue.now > HOLE_MS ? start : null;
  }

  #barsDone(): number {
    return this.#sum((track) => track.cursor.bar - (this.#playedBarRuns(track) ? 1 : 0)) - this.#historyBars;
  }

  #barsTotal(): number {
    return this.#sum(({ series }) => series.count) - this.#historyBars;
  }
}
