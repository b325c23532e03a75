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

/** Timers against a wall clock; none fires before its time, however the clock is moved. */
export class SystemTimers implements Timers {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  at(when: Instant, callback: () => void): Timer {
    let pending: ReturnType<typeof setTimeout>;
    const sleep = (): void => {
      const remainingMs = when - this.#clock.now();
      pending = setTimeout(() => {
        if (this.#clock.now() >= when) callback();
        else sleep();
      }, Math.max(0, Math.min(remainingMs, SLICE_MS_MAX)));
    };
    sleep();
    return { cancel: () => clearTimeout(pending) };
  }
}
