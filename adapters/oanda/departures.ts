/**
 * A second pair of eyes on what leaves for the broker: every request that could change something on the account, seen
 * as its headers are written to a socket, whichever code sent it. It shares nothing with the client that it watches.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';

/** A request on its way. */
export interface Departure {
  readonly method: string;
  /** From `/accounts` on, as an order request spells it. */
  readonly path: string;
}

const WRITTEN = 'undici:client:sendHeaders';
const ROOT = '/v3';

/** @returns whatever ends the watch. */
export function watchDepartures(broker: { readonly restUrl: string; readonly accountId: string }, seen: (departure: Departure) => void): () => void {
  const { origin } = new URL(broker.restUrl);
  const account = `${ROOT}/accounts/${broker.accountId}/`;
  const written = (message: unknown): void => {
    const { request } = message as { readonly request: { readonly origin: string | URL; readonly method: string; readonly path: string } };
    if (request.method === 'GET' || !request.path.startsWith(account) || new URL(request.origin).origin !== origin) return;
    seen({ method: request.method, path: request.path.slice(ROOT.length) });
  };
  subscribe(WRITTEN, written);
  return () => void unsubscribe(WRITTEN, written);
}
