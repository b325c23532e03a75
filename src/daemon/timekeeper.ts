/** Watches the machine's two clocks against one another and against the broker's; live only, lockstep has one time. */
import type { Clock } from '../../domain/clock.ts';
import type { ClockReading } from '../../domain/timekeeping.ts';
import { judgeInterval, offsetOfDate, withSample } from '../../domain/timekeeping.ts';
import type { Instant } from '../../domain/time.ts';
import type { FreshInput } from './runtime.ts';

const INTERVAL_MS = 1_000;

/** Calls again and again, so many milliseconds apart by the monotonic clock. @returns whatever ends it. */
export type Every = (intervalMs: number, callback: () => void) => () => void;

const everyOfTheRuntime: Every = (intervalMs, callback) => {
  const interval = setInterval(callback, intervalMs);
  return () => clearInterval(interval);
};

/** Who hears of it. */
interface Attached {
  readonly submit: (input: FreshInput) => void;
  /** Goes into the metadata of whatever is logged. */
  readonly measured: (offsetMs: number) => void;
}

export class Timekeeper {
  readonly #clock: Clock;
  readonly #every: Every;
  #attached: Attached | null = null;
  #samples: readonly number[] = [];
  #offsetMs: number | null = null;
  #toldMs: number | null = null;
  #before: ClockReading;
  #end: (() => void) | null = null;

  constructor(clock: Clock, every: Every = everyOfTheRuntime) {
    this.#clock = clock;
    this.#every = every;
    this.#before = this.#read();
  }

  /** From here on what is seen is told; measurements from before are told now. */
  attach(attached: Attached): void {
    this.#attached = attached;
    this.#before = this.#read();
    this.#end = this.#every(INTERVAL_MS, () => this.#look(attached));
    this.#tell();
  }

  close(): void {
    this.#end?.();
  }

  /** An answer carried the broker's date. */
  readonly dated = (date: Instant, sentAt: Instant, answeredAt: Instant): void => this.#measured(offsetOfDate(date, sentAt, answeredAt));

  /** A heartbeat carried the broker's time, some milliseconds ago. */
  readonly heartbeat = (at: Instant): void => this.#measured(at - this.#clock.now());

  #read(): ClockReading {
    return { wall: this.#clock.now(), monotonicMs: Number(this.#clock.monotonicNs() / 1_000_000n) };
  }

  #look({ submit }: Attached): void {
    const after = this.#read();
    const { stalledMs, steppedMs } = judgeInterval(this.#before, after, INTERVAL_MS);
    this.#before = after;
    if (stalledMs === 0 && steppedMs === 0) return;
    // Measured against the clock as it stood before.
    if (steppedMs !== 0) this.#samples = [];
    submit({ kind: 'clockDisturbed', stalledMs, steppedMs, monotonicMs: after.monotonicMs });
  }

  #measured(offsetMs: number): void {
    const { samples, offsetMs: nearest } = withSample(this.#samples, offsetMs);
    this.#samples = samples;
    this.#offsetMs = nearest;
    this.#tell();
  }

  /** The desk hears of a measurement that differs by a tenth of a second from the last it heard of. */
  #tell(): void {
    if (this.#attached === null || this.#offsetMs === null) return;
    this.#attached.measured(this.#offsetMs);
    if (this.#toldMs !== null && Math.abs(this.#offsetMs - this.#toldMs) < 100) return;
    this.#toldMs = this.#offsetMs;
    this.#attached.submit({ kind: 'clockMeasured', offsetMs: Math.round(this.#offsetMs) });
  }
}
