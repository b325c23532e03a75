/**
 * The daemon's loop for a market in the same process: the same core, the same order of inputs as lockstep, no sockets.
 *
 * Inputs are taken one by one, each step's facts are appended before its effects run, and effects run one after the other.
 * What needs no waiting is not waited for, so that a bar costs microseconds.
 */
import type { LockstepClock, LockstepTimers } from '../../adapters/clock/lockstep.ts';
import type { Timer } from '../../domain/clock.ts';
import type { Consultation, Effect, Emission, Input, PolicyOutcome } from '../../domain/desk/inputs.ts';
import { lastLook } from '../../domain/desk/orders.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import type { Step } from '../../domain/desk/step.ts';
import { step } from '../../domain/desk/step.ts';
import type { OperatorCommand } from '../../domain/safety.ts';
import type { Journal } from '../daemon/journal.ts';
import type { FreshInput } from '../daemon/runtime.ts';
import type { BacktestMarket } from './market.ts';

export interface LoopParts {
  readonly initial: DeskState;
  readonly market: BacktestMarket;
  readonly journal: Journal;
  readonly clock: LockstepClock;
  readonly timers: LockstepTimers;
  /** At once for a policy without networks. */
  readonly consult: (consultation: Consultation) => PolicyOutcome | Promise<PolicyOutcome>;
  readonly observed: (state: DeskState, told: readonly Emission[]) => void;
}

/** A step or its effects may go on for ever only when something is broken. */
const STEPS_A_DRAIN_MAX = 1_000_000;

export class BacktestLoop {
  readonly #parts: LoopParts;
  readonly #inputs: Input[] = [];
  readonly #effects: Effect[] = [];
  readonly #timers = new Map<string, Timer>();
  #state: DeskState;
  #end: { readonly exitCode: number; readonly reason: string } | null = null;
  #refusal: string | null = null;
  /** Taken since the desk was last at rest. */
  #steps = 0;

  constructor(parts: LoopParts) {
    this.#parts = parts;
    this.#state = parts.initial;
  }

  get state(): DeskState {
    return this.#state;
  }

  /** Set once the desk has asked to be shut down. */
  get end(): { readonly exitCode: number; readonly reason: string } | null {
    return this.#end;
  }

  submit(input: FreshInput): void {
    this.#inputs.push({ ...input, now: this.#parts.clock.now() });
  }

  /** Speaks as an operator and works until nothing is left. @returns why it was refused; null when it was obeyed. */
  async command(command: OperatorCommand): Promise<string | null> {
    this.#refusal = 'no answer';
    this.submit({ kind: 'operator', commandId: 1, command });
    await this.drain();
    return this.#refusal;
  }

  /** Takes inputs and runs effects until neither is left. */
  drain(): Promise<void> | undefined {
    this.#steps = 0;
    const pending = this.#advance();
    return pending === undefined ? undefined : this.#goOn(pending);
  }

  async #goOn(first: Promise<void>): Promise<void> {
    for (let pending: Promise<void> | undefined = first; pending !== undefined; pending = this.#advance()) await pending;
  }

  /** Goes on until the desk is at rest or something has to be waited for. */
  #advance(): Promise<void> | undefined {
    for (; this.#end === null; this.#steps += 1) {
      if (this.#steps > STEPS_A_DRAIN_MAX) throw new Error(`the desk does not come to rest at ${this.#parts.clock.now()} ms`);
      const input = this.#inputs.shift();
      const effect = input === undefined ? this.#effects.shift() : undefined;
      if (input === undefined && effect === undefined) return undefined;
      const pending = input === undefined ? this.#perform(effect!) : this.#take(input);
      if (pending !== undefined) return pending;
    }
    return undefined;
  }

  /** Nothing follows from a step before what it tells has been appended; most steps tell nothing. */
  #take(input: Input): Promise<void> | undefined {
    const next = step(this.#state, input);
    const recorded = next.emissions.length === 0 ? undefined : this.#parts.journal.record(next.emissions);
    if (recorded !== undefined) return recorded.then(() => this.#adopt(next));
    this.#adopt(next);
    return undefined;
  }

  #adopt({ state, emissions, effects }: Step): void {
    this.#state = state;
    for (const effect of effects) this.#begin(effect);
    this.#parts.observed(state, emissions);
  }

  #begin(effect: Effect): void {
    switch (effect.kind) {
      case 'shutdown':
        this.#end ??= { exitCode: effect.exitCode, reason: effect.reason };
        return;
      case 'wake': {
        const { key, at } = effect;
        this.#timers.get(key)?.cancel();
        if (at === null) this.#timers.delete(key);
        else this.#timers.set(key, this.#parts.timers.at(at, () => this.submit({ kind: 'wake', key })));
        return;
      }
      default:
        this.#effects.push(effect);
    }
  }

  #perform(effect: Effect): Promise<void> | undefined {
    switch (effect.kind) {
      case 'connectFeeds':
        for (const feed of ['pricing', 'transactions'] as const) this.submit({ kind: 'feed', feed, connected: true, detail: '' });
        return undefined;
      case 'reply':
        this.#refusal = effect.result.accepted ? null : effect.result.message;
        return undefined;
      case 'read':
        this.submit({ kind: 'answer', read: effect.read, answer: this.#parts.market.answer(effect.read) });
        return undefined;
      case 'consult':
        return whenThere(this.#parts.consult(effect.consultation), (outcome) => this.submit({ kind: 'advice', consultation: effect.consultation, outcome }));
      case 'dispatch':
        return this.#dispatch(effect);
      default:
        return undefined;
    }
  }

  async #dispatch({ clientOrderId, request }: Extract<Effect, { readonly kind: 'dispatch' }>): Promise<void> {
    const denial = lastLook(this.#state, clientOrderId, this.#parts.clock.now());
    if (denial !== null) return this.submit({ kind: 'dispatchDenied', clientOrderId, ...denial });
    this.submit({ kind: 'exchange', clientOrderId, request, exchange: await this.#parts.market.send(request) });
  }
}

/** Hands a value on, at once when it is there already. */
function whenThere<T>(value: T | Promise<T>, take: (value: T) => void): Promise<void> | undefined {
  if (value instanceof Promise) return value.then(take);
  take(value);
  return undefined;
}
