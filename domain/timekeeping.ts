/**
 * Two clocks that watch one another: the wall clock, which may be stepped and drifts from the broker's, and the
 * monotonic one, which measures durations. And the broker's clock, as far as its answers show it.
 */
import type { Instant } from './time.ts';
import { SECOND_MS } from './time.ts';

/** A loop that was held up for longer has missed what happened meanwhile. */
const STALL_MS_MAX = 5 * SECOND_MS;
/** Wall and monotonic clock may differ by this much over a second's interval before a step is told. */
const STEP_MS_MAX = SECOND_MS;

/** Both clocks at one moment. */
export interface ClockReading {
  readonly wall: Instant;
  readonly monotonicMs: number;
}

/**
 * What happened between two readings that were meant to lie `intervalMs` apart.
 *
 * @returns `stalledMs`: how long the loop was held up, when that is more than 5 s. A suspended machine stops its
 *   monotonic clock, so a wall clock that leaps ahead counts as well. `steppedMs`: how far the wall clock was moved, when
 *   that is more than a second.
 */
export function judgeInterval(before: ClockReading, after: ClockReading, intervalMs: number): { readonly stalledMs: number; readonly steppedMs: number } {
  const elapsedMs = after.monotonicMs - before.monotonicMs;
  const steppedMs = after.wall - before.wall - elapsedMs;
  const lateMs = Math.max(elapsedMs - intervalMs, steppedMs);
  return { stalledMs: lateMs > STALL_MS_MAX ? lateMs : 0, steppedMs: Math.abs(steppedMs) > STEP_MS_MAX ? steppedMs : 0 };
}

/**
 * The broker's clock minus ours by the Date header of an answer, which names a whole second: the distance to the nearest
 * difference that explains what was seen, 0 when equal clocks do.
 */
export function offsetOfDate(date: Instant, sentAt: Instant, answeredAt: Instant): number {
  const least = date - answeredAt;
  const most = date + SECOND_MS - 1 - sentAt;
  return least > 0 ? least : most < 0 ? most : 0;
}

/** Measurements that are compared; the wire only ever adds delay, so the smallest is the nearest to the truth. */
const SAMPLES = 8;

/** @returns the samples with the newest, and the offset that they show together. */
export function withSample(samples: readonly number[], offsetMs: number): { readonly samples: readonly number[]; readonly offsetMs: number } {
  const kept = [...samples, offsetMs].slice(-SAMPLES);
  return { samples: kept, offsetMs: kept.reduce((nearest, each) => (Math.abs(each) < Math.abs(nearest) ? each : nearest)) };
}
