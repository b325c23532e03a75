/** The machine's own time: what the daemon runs on against OANDA. */
import { instantOf } from '../../domain/time.ts';
import type { Clock, Timer, Timers } from '../../domain/clock.ts';
import type { Instant } from '../../domain/time.ts';

/**
 * The longest single sleep. A timer names a wall-clock time, while the runtime's timers count elapsed time: when the
 * wall clock is stepped, or the machine wakes from suspend, a timer is late by this much at most.
 */
const SLICE_MS_MAX = 1_000;

/** Wall clock in whole milliseconds; monotonic nanoseconds from the runtime's high-resolution timer. */
export class SystemClock implements Clock {
  now(): Instant {
    return instantOf(Date.now());
  }

  monotonicNs(): bigint {
    return process.hrtime.bigint();
  }
}

/**
 * Timers against a wall clock, which may be moved: one is due when the clock shows its time, and in any case once as much
 * time has passed as lay before it. A clock that is set back must not put off what protects a position.
 */
export class SystemTimers implements Timers {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  at(when: Instant, callback: () => void): Timer {
    let pending: ReturnType<typeof setTimeout>;
    const remainingMs = remainingOf(this.#clock, when);
    const sleep = (): void => {
      pending = setTimeout(() => {
        if (remainingMs() <= 0) callback();
        else sleep();
      }, Math.max(0, Math.min(remainingMs(), SLICE_MS_MAX)));
    };
    sleep();
    return { cancel: () => clearTimeout(pending) };
  }
}

/** From here on: how long a timer still has, by whichever clock says less. */
export function remainingOf(clock: Clock, when: Instant): () => number {
  const waitMs = when - clock.now();
  const startedNs = clock.monotonicNs();
  return () => Math.min(when - clock.now(), waitMs - Number(clock.monotonicNs() - startedNs) / 1_000_000);
}
