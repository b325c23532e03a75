/** A step in the making: facts are folded into the state as they are told, so that later rules see them. */
import type { DomainEvent } from '../events.ts';
import type { InstrumentName } from '../instruments.ts';
import { eventIdOf } from '../ids.ts';
import { halt } from '../safety.ts';
import type { HaltCause } from '../settings.ts';
import type { Instant } from '../time.ts';
import type { Effect, Emission } from './inputs.ts';
import { THE_ONE_BEFORE } from './inputs.ts';
import type { DeskState, Live } from './state.ts';
import { evolveDesk } from './evolve.ts';

export interface Telling {
  readonly instrument?: InstrumentName;
  readonly actor?: string;
  readonly occurredAt?: Instant;
  readonly correlationId?: string;
  readonly id?: string;
  readonly causedBy?: Emission['causedBy'];
}

export class Draft {
  state: DeskState;
  readonly now: Instant;
  readonly emissions: Emission[] = [];
  readonly effects: Effect[] = [];
  readonly #correlationId: () => string;

  /** @param correlationId of what is told without one of its own; most inputs tell nothing. */
  constructor(state: DeskState, now: Instant, correlationId: () => string) {
    this.state = state;
    this.now = now;
    this.#correlationId = correlationId;
  }

  /** Records a fact and folds it. */
  tell(event: DomainEvent, telling: Telling = {}): void {
    const occurredAt = telling.occurredAt ?? this.now;
    this.emissions.push({
      event,
      instrument: telling.instrument ?? null,
      actor: telling.actor ?? 'daemon',
      occurredAt,
      correlationId: telling.correlationId ?? this.#correlationId(),
      id: telling.id ?? null,
      causedBy: telling.causedBy ?? null,
    });
    this.state = evolveDesk(this.state, event, occurredAt);
  }

  tellAll(events: readonly DomainEvent[], telling: Telling = {}): void {
    for (const event of events) this.tell(event, telling);
  }

  halt(cause: HaltCause, detail: string): void {
    this.tellAll(halt(this.state.safety, cause, detail, this.state.settings.safety), this.emissions.length > 0 ? { causedBy: THE_ONE_BEFORE } : {});
  }

  ask(effect: Effect): void {
    this.effects.push(effect);
  }

  live(change: Partial<Live>): void {
    this.state = { ...this.state, live: { ...this.state.live, ...change } };
  }
}

/** The name of a fact that can be told only once, whoever tells it. */
export const factId = (type: string, key: string): string => eventIdOf(type, key);
