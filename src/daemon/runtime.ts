/**
 * The loop: one ordered stream of inputs, one step at a time, facts durable before effects.
 *
 * RxJS merges what comes from streams, timers, operators and effects into `inputs`; concatMap takes them one by
 * one. Effects run beside it, in lanes, and come back as inputs. Nothing here decides anything.
 */
import { Subject, concatMap, groupBy, mergeMap } from 'rxjs';
import type { Subscription } from 'rxjs';
import type { Clock, Timer, Timers } from '../../domain/clock.ts';
import type { Effect, Emission, Input } from '../../domain/desk/inputs.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import { step } from '../../domain/desk/step.ts';
import { StoreError } from '../../domain/log.ts';
import type { Journal } from './journal.ts';

/** Inputs waiting plus effects running; beyond it something floods the desk, and it stops rather than drops. */
const OUTSTANDING_MAX = 10_000;

/** Exit codes of the daemon that mean: do not start again by yourself. */
export const EXIT = { ok: 0, store: 30, stoppedHalted: 31, invariant: 32, fenced: 33, usage: 64, unreachable: 69, tryAgain: 75, config: 78 } as const;

type Running = Exclude<Effect, { readonly kind: 'wake' | 'shutdown' }>;

export interface RuntimeOptions {
  readonly initial: DeskState;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Performs an effect; what comes of it is submitted as inputs. Never rejects for what the broker does. */
  readonly perform: (effect: Running, runtime: Runtime) => Promise<void>;
  /** Effects of one lane run one after the other, lanes side by side; lockstep has a single lane. */
  readonly laneOf: (effect: Running) => string;
  /** Told what has become durable, before anything is done about it. */
  readonly recorded: (told: readonly Emission[]) => void;
  /** Told after each durable step; for metrics and the log line, never for decisions. */
  readonly observed: (state: DeskState, told: readonly Emission[]) => void;
}

type Unstamped<T> = T extends { readonly now: unknown } ? Omit<T, 'now'> : never;
export type FreshInput = Unstamped<Input>;

export class Runtime {
  readonly #options: RuntimeOptions;
  readonly #inputs = new Subject<Input>();
  readonly #effects = new Subject<Running>();
  readonly #timers = new Map<string, Timer>();
  readonly #subscriptions: Subscription[];
  #state: DeskState;
  #outstanding = 0;
  #idleWaiters: (() => void)[] = [];
  #end: { readonly exitCode: number; readonly reason: string } | null = null;
  #ended!: (end: { readonly exitCode: number; readonly reason: string }) => void;
  /** Resolves when the desk must end: by its own wish or because it broke. */
  readonly ended = new Promise<{ readonly exitCode: number; readonly reason: string }>((resolve) => {
    this.#ended = resolve;
  });

  constructor(options: RuntimeOptions) {
    this.#options = options;
    this.#state = options.initial;
    this.#subscriptions = [
      this.#inputs.pipe(concatMap((input) => this.#take(input))).subscribe(),
      this.#effects.pipe(groupBy(options.laneOf), mergeMap((lane) => lane.pipe(concatMap((effect) => this.#perform(effect))))).subscribe(),
    ];
  }

  get state(): DeskState {
    return this.#state;
  }

  /** Puts an input in line, stamped with the time of now. */
  submit(input: FreshInput): void {
    if (this.#end !== null) return;
    this.#begin();
    this.#inputs.next({ ...input, now: this.#options.clock.now() });
  }

  /** Resolves when no input waits and no effect runs; timers do not count. */
  async idle(): Promise<void> {
    while (this.#outstanding > 0) await new Promise<void>((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Ends the loop; the first reason stands. */
  end(exitCode: number, reason: string): void {
    if (this.#end !== null) return;
    this.#end = { exitCode, reason };
    for (const timer of this.#timers.values()) timer.cancel();
    this.#ended(this.#end);
  }

  /**
   * The last fact of the run, once the loop has ended.
   * @throws StoreError when it cannot be appended.
   */
  async conclude(): Promise<void> {
    if (this.#end === null || this.#end.exitCode === EXIT.store) return;
    const { exitCode, reason } = this.#end;
    const { state, emissions } = step(this.#state, { kind: 'stop', reason, exitCode, now: this.#options.clock.now() });
    await this.#options.journal.append(emissions);
    this.#state = state;
    this.#options.observed(state, emissions);
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  async #take(input: Input): Promise<void> {
    try {
      if (this.#end !== null) return;
      const { state, emissions, effects } = step(this.#state, input);
      if (emissions.length > 0) await this.#options.journal.append(emissions);
      this.#options.recorded(emissions);
      this.#state = state;
      // Effects first: an order must not wait for a log line about it.
      for (const effect of effects) this.#start(effect);
      this.#options.observed(state, emissions);
    } catch (error) {
      this.#break(error);
    } finally {
      this.#finish();
    }
  }

  #start(effect: Effect): void {
    // Whatever ended the desk, nothing more leaves it.
    if (this.#end !== null) return;
    switch (effect.kind) {
      case 'shutdown':
        return this.end(effect.exitCode, effect.reason);
      case 'wake': {
        const { key, at } = effect;
        this.#timers.get(key)?.cancel();
        if (at === null) this.#timers.delete(key);
        else this.#timers.set(key, this.#options.timers.at(at, () => this.submit({ kind: 'wake', key })));
        return;
      }
      default:
        this.#begin();
        this.#effects.next(effect);
    }
  }

  async #perform(effect: Running): Promise<void> {
    try {
      if (this.#end === null) await this.#options.perform(effect, this);
    } catch (error) {
      this.#break(error);
    } finally {
      this.#finish();
    }
  }

  #break(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.end(error instanceof StoreError ? EXIT.store : EXIT.invariant, text);
  }

  #begin(): void {
    this.#outstanding += 1;
    if (this.#outstanding > OUTSTANDING_MAX) this.end(EXIT.invariant, `more than ${OUTSTANDING_MAX} inputs and effects are outstanding`);
  }

  #finish(): void {
    this.#outstanding -= 1;
    if (this.#outstanding > 0) return;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = [];
    for (const wakeUp of waiters) wakeUp();
  }
}
