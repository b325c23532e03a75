/** Time as a port: the machine's own clock live, the broker's clock in lockstep, a scenario's in a simulation. */
import type { Instant } from './time.ts';

export interface Clock {
  /** Wall clock. */
  now(): Instant;
  /** Nanoseconds that never go back; for durations and order, never for dates. */
  monotonicNs(): bigint;
}

export interface Timer {
  cancel(): void;
}

export interface Timers {
  /**
   * Calls once, at `when` or as soon after it as can be; and no later than as much time passes as lay before `when` at the
   * call, should the wall clock be set back meanwhile.
   */
  at(when: Instant, callback: () => void): Timer;
}
