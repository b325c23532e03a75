/**
 * Where market time goes next when nobody waits for it: to the end of the next bar, the caller's next timer or the next
 * broker event, whichever is first. Lockstep over HTTP and a backtest in one process move by the same rule.
 *
 * With several instruments the next bar is the one that ends first, whosever it is; a hole is a time in which none of
 * them has a bar; bars are counted over all of them together.
 */
import type { Track, Venue } from '../venue.ts';
import { MINUTE_MS, instantOf } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** A next bar further away than this makes a hole, in which timers are skipped. */
const HOLE_MS = 10 * MINUTE_MS;

export class Timeline {
  readonly #venue: Venue;
  readonly #tracks: readonly Track[];
  readonly #historyBars: number;

  constructor(venue: Venue) {
    this.#venue = venue;
    this.#tracks = [...venue.tracks.values()];
    this.#historyBars = this.#sum(({ cursor }) => cursor.bar);
  }

  /** Are all bars complete? */
  get done(): boolean {
    return this.#nextBarEnd() === null;
  }

  /** Bars of all instruments that have been played to their ends. */
  get barsDone(): number {
    return this.#sum((track) => track.cursor.bar - (this.#playedBarRuns(track) ? 1 : 0)) - this.#historyBars;
  }

  /** Bars of all instruments ahead of the clock at the start; the history is not counted. */
  get barsTotal(): number {
    return this.#sum(({ series }) => series.count) - this.#historyBars;
  }

  /** Moves on once. @param nextTimer the caller's, after the present time; null for none. */
  moveOn(nextTimer: Instant | null): void {
    const barEnd = this.#nextBarEnd();
    if (barEnd === null) return;
    const timerFirst = nextTimer !== null && nextTimer < barEnd ? nextTimer : barEnd;
    this.#venue.playTo(this.#holeEnd() ?? timerFirst, true);
  }

  /** Moves to an instant, whatever happens on the way; at most to the end of the last bar. */
  moveUntil(until: Instant): void {
    const last = Math.max(...this.#tracks.map(({ series }) => series.end(series.count - 1)));
    const target = instantOf(Math.min(until, last));
    if (target > this.#venue.now) this.#venue.playTo(target, false);
  }

  #sum(count: (track: Track) => number): number {
    return this.#tracks.reduce((sum, track) => sum + count(track), 0);
  }

  /** Is the newest bar whose points have all been played still running? */
  #playedBarRuns({ cursor, series }: Track): boolean {
    return cursor.bar > 0 && series.end(cursor.bar - 1) > this.#venue.now;
  }

  /** The end of the bar that completes next, or null when all are complete. */
  #nextBarEnd(): Instant | null {
    let next: Instant | null = null;
    for (const track of this.#tracks) {
      const { cursor, series } = track;
      const end = this.#playedBarRuns(track) ? series.end(cursor.bar - 1) : cursor.bar < series.count ? series.end(cursor.bar) : null;
      if (end !== null && (next === null || end < next)) next = end;
    }
    return next;
  }

  /** The start of the next bar when it lies beyond a hole, else null. */
  #holeEnd(): Instant | null {
    let start: Instant | null = null;
    for (const track of this.#tracks) {
      const { cursor, series } = track;
      if (this.#playedBarRuns(track)) return null;
      if (cursor.bar < series.count && (start === null || series.start(cursor.bar) < start)) start = series.start(cursor.bar);
    }
    return start !== null && start - this.#venue.now > HOLE_MS ? start : null;
  }
}
