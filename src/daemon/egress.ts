/** Holds what leaves for the broker against what the log says should: each intent stands behind one request. */
import type { Departure } from '../../adapters/oanda/departures.ts';
import type { Emission } from '../../domain/desk/inputs.ts';

export class EgressCheck {
  /** Requests that have not left yet, by the order whose intent is in the log. */
  readonly #expected = new Map<string, string>();

  /** Facts that are durable now. */
  recorded(facts: readonly Emission[]): void {
    for (const { event } of facts) {
      if (event.type === 'OrderIntended' || event.type === 'StopReplacementIntended') this.#expected.set(event.data.clientOrderId, nameOf(event.data));
      // What the last look denies will not leave any more.
      if ((event.type === 'OrderDenied' || event.type === 'StopReplacementFailed') && event.data.clientOrderId !== null) this.#expected.delete(event.data.clientOrderId);
    }
  }

  /** Does an intent stand behind this request? It does so once. */
  accountsFor(departure: Departure): boolean {
    const name = nameOf(departure);
    for (const [clientOrderId, expected] of this.#expected) {
      if (expected === name) return this.#expected.delete(clientOrderId);
    }
    return false;
  }
}

const nameOf = ({ method, path }: Departure): string => `${method} ${path}`;
