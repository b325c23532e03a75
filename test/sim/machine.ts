/** The machine that the daemon runs on: two clocks that may drift and be moved, and timers of a process on it. */
import type { Clock, Timer, Timers } from '../../domain/clock.ts';
import { remainingOf } from '../../adapters/clock/system.ts';
import { instantOf } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';
import type { Draws } from './draws.ts';
import type { Owner, Scheduled, Scheduler } from './scheduler.ts';

/** The wall clock is looked at again after this at the latest, as `SystemTimers` does. */
const SLICE_MS_MAX = 1_000;

export class Machine implements Clock {
  readonly #scheduler: Scheduler;
  readonly #startedAt: number;
  readonly #driftPpm: number;
  #offsetMs = 0;
  readonly #moved = new Set<() => void>();

  constructor(scheduler: Scheduler, driftPpm: number) {
    this.#scheduler = scheduler;
    this.#startedAt = scheduler.now;
    this.#driftPpm = driftPpm;
  }

  now(): Instant {
    return instantOf(Math.round(this.#scheduler.now + this.#offsetMs + this.#drifted()));
  }

  monotonicNs(): bigint {
    return BigInt(Math.round((this.#scheduler.now - this.#startedAt + this.#drifted()) * 1_000)) * 1_000n;
  }

  #drifted(): number {
    return ((this.#scheduler.now - this.#startedAt) * this.#driftPpm) / 1_000_000;
  }

  /** Moves the wall clock. */
  step(byMs: number): void {
    this.#offsetMs += byMs;
    for (const look of [...this.#moved]) look();
  }

  /** The machine's own clock agrees with the world's again. */
  setRight(): void {
    this.step(-this.#offsetMs - Math.round(this.#drifted()));
  }

  onMoved(look: () => void): () => void {
    this.#moved.add(look);
    return () => this.#moved.delete(look);
  }
}

/** Timers as `SystemTimers` keeps them, on virtual time. */
export class SimTimers implements Timers {
  readonly #machine: Machine;
  readonly #scheduler: Scheduler;
  readonly #owner: Owner;
  readonly #draws: Draws;

  constructor(machine: Machine, scheduler: Scheduler, owner: Owner, draws: Draws) {
    this.#machine = machine;
    this.#scheduler = scheduler;
    this.#owner = owner;
    this.#draws = draws;
  }

  at(when: Instant, callback: () => void): Timer {
    let pending: Scheduled;
    const remainingMs = remainingOf(this.#machine, when);
    const lookAfter = (ms: number): void => {
      pending = this.#scheduler.after(ms, this.#owner, look);
    };
    const forget = this.#machine.onMoved(() => {
      pending.cancelled = true;
      lookAfter(this.#draws.whole(0, SLICE_MS_MAX));
    });
    const look = (): void => {
      if (remainingMs() > 0) return lookAfter(Math.ceil(remainingMs()));
      forget();
      callback();
    };
    lookAfter(Math.max(0, Math.ceil(remainingMs())));
    return {
      cancel: () => {
        forget();
        pending.cancelled = true;
      },
    };
  }
}
