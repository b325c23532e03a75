/**
 * Market time: a clock that stands still until it is moved, and timers that fire when they are told to.
 *
 * In lockstep the local broker says what time it is. Everything that the daemon records then depends on the market
 * alone, so that two runs over the same bars are equal byte for byte.
 */
import type { Clock, Timer, Timers } from '../../domain/clock.ts';
import type { Instant } from '../../domain/time.ts';

const NANOSECONDS_A_MILLISECOND = 1_000_000n;
/** Far above what a daemon arms; reaching either means that something arms timers without end. */
const TIMERS_ARMED_MAX = 10_000;
const TIMERS_FIRED_A_CALL_MAX = 100_000;

/** A clock that only announcements move. Both of its faces show market time. */
export class LockstepClock implements Clock {
  #now: Instant;

  /** @param start the time of the first announcement. */
  constructor(start: Instant) {
    this.#now = start;
  }

  now(): Instant {
    return this.#now;
  }

  /** Market time in nanoseconds: a duration is recorded as the market saw it, the same in every run. */
  monotonicNs(): bigint {
    return BigInt(this.#now) * NANOSECONDS_A_MILLISECOND;
  }

  /** @throws RangeError when time would go back. */
  moveTo(time: Instant): void {
    if (time < this.#now) throw new RangeError(`market time went back from ${this.#now} to ${time} ms: the broker's clock was restarted, restart the daemon too`);
    this.#now = time;
  }
}

interface ArmedTimer {
  readonly when: Instant;
  readonly callback: () => void;
}

/** Timers in (time, registration) order, fired by whoever moves the clock. */
export class LockstepTimers implements Timers {
  /** Ascending by time; equal times stand in the order of their registration. */
  readonly #armed: ArmedTimer[] = [];

  /** @throws RangeError when more timers are armed than a daemon can mean to have. */
  at(when: Instant, callback: () => void): Timer {
    if (this.#armed.length >= TIMERS_ARMED_MAX) throw new RangeError(`more than ${TIMERS_ARMED_MAX} timers are armed: one of their owners never cancels`);
    const timer: ArmedTimer = { when, callback };
    let index = this.#armed.length;
    while (index > 0 && this.#armed[index - 1]!.when > when) index -= 1;
    this.#armed.splice(index, 0, timer);
    return {
      cancel: () => {
        const position = this.#armed.indexOf(timer);
        if (position >= 0) this.#armed.splice(position, 1);
      },
    };
  }

  /** When the earliest timer is due, null with none armed: what the daemon asks time to stop at. */
  nextAt(): Instant | null {
    return this.#armed[0]?.when ?? null;
  }

  /**
   * Fires every timer due at `now`, those included that the callbacks arm on the way.
   * @returns how many fired.
   * @throws RangeError when callbacks keep arming timers that are already due.
   */
  fireDue(now: Instant): number {
    for (let fired = 0; ; fired += 1) {
      const next = this.#armed[0];
      if (next === undefined || next.when > now) return fired;
      if (fired === TIMERS_FIRED_A_CALL_MAX) throw new RangeError(`over ${TIMERS_FIRED_A_CALL_MAX} timers fired at one instant: a callback keeps arming a timer that is due at once`);
      this.#armed.shift();
      next.callback();
    }
  }
}
