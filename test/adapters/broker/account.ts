/** A hand-driven account for engine tests: given prices, when requests, then transactions. */
import type { Body, Transaction } from '../../../adapters/broker/engine/bodies.ts';
import { isBody } from '../../../adapters/broker/engine/bodies.ts';
import type { Engine, Outcome, Receipt, Tick } from '../../../adapters/broker/engine/engine.ts';
import { createEngine } from '../../../adapters/broker/engine/engine.ts';
import type { EngineSettings } from '../../../adapters/broker/engine/settings.ts';
import { engineSettings, usualSettings } from '../../../adapters/broker/engine/settings.ts';
import type { Switches } from '../../../adapters/broker/engine/switches.ts';
import { OANDA_CALENDAR } from '../../../domain/calendar.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { parseInstant, plusMs } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** A Tuesday noon in New York's winter: the market is open. */
export const START = parseInstant('2026-01-06T17:00:00Z');

type AccountOptions = Partial<Omit<EngineSettings, 'switches'>> & { readonly switches?: Partial<Switches> };

export class Account {
  readonly engine: Engine;
  #at: Instant = START;
  #requests = 0;

  constructor(settings: AccountOptions = {}, instruments: readonly string[] = ['EUR_USD']) {
    const calendar = settings.calendar ?? OANDA_CALENDAR;
    this.engine = createEngine(engineSettings({ instruments: instruments.map((name) => usualSettings(usualInstrument(name))), ...settings, calendar }), START);
  }

  get at(): Instant {
    return this.#at;
  }

  /** Lets seconds pass without a price. */
  wait(seconds: number): readonly Transaction[] {
    this.#at = plusMs(this.#at, seconds * 1_000);
    return this.engine.advanceTo(this.#at);
  }

  /** Moves to a time without letting timed events happen yet. */
  setTime(at: Instant): void {
    this.#at = at;
  }

  /** A price point one second later, in points. */
  price(bid: number, ask: number, instrument = 'EUR_USD'): readonly Transaction[] {
    this.#at = plusMs(this.#at, 1_000);
    const tick: Tick = { instrument, bid, ask, at: this.#at };
    return this.engine.tick(tick);
  }

  receipt(): Receipt {
    this.#requests += 1;
    return { at: this.#at, requestId: `request-${this.#requests}` };
  }

  order(fields: { readonly [key: string]: unknown }): Outcome {
    return this.engine.placeOrder({ type: 'MARKET', instrument: 'EUR_USD', ...fields }, this.receipt());
  }

  /** Places an order and gives it the next price; answers with what that price caused. */
  fill(fields: { readonly [key: string]: unknown }, bid: number, ask: number): readonly Transaction[] {
    accepted(this.order(fields));
    return this.price(bid, ask, typeof fields['instrument'] === 'string' ? fields['instrument'] : 'EUR_USD');
  }

  close(specifier: string, units = 'ALL'): Outcome {
    return this.engine.closeTrade(specifier, { units }, this.receipt());
  }
}

export function accepted(outcome: Outcome): { readonly orderId: number; readonly transactions: readonly Transaction[] } {
  if (outcome.kind !== 'accepted') throw new Error(`expected an accepted order, got ${JSON.stringify(outcome)}`);
  return outcome;
}

/** The bodies' types, in order. */
export const typesOf = (transactions: readonly Transaction[]): string[] => transactions.map((transaction) => transaction.type);

/** The body of the transaction at `index`. */
export function bodyAt(transactions: readonly Transaction[], index: number): Body {
  const transaction = transactions[index];
  if (transaction === undefined) throw new Error(`there is no transaction ${index} among ${transactions.length}`);
  return transaction.body;
}

/** Follows keys and indexes into a body. */
export function dig(value: unknown, ...path: readonly (string | number)[]): unknown {
  let current = value;
  for (const step of path) {
    if (Array.isArray(current) && typeof step === 'number') current = current[step];
    else if (isBody(current)) current = current[String(step)];
    else throw new Error(`nothing at ${path.join('.')} in ${JSON.stringify(value)}`);
  }
  return current;
}
