/** Acts on a request again, or for the first time, at a later market time: the way of an order that was stuck in a queue. */
import type { FastifyRequest } from 'fastify';
import { isBody } from '../engine/bodies.ts';
import type { Engine, Receipt } from '../engine/engine.ts';
import type { Venue } from '../venue.ts';
import { plusMs } from '../../../domain/time.ts';

const WRITE = /^\/v3\/accounts\/[^/]+(?:\/(?<kind>orders|trades|positions)(?:\/(?<specifier>[^/]+)\/(?<act>close|cancel))?)$/;

/** What a write asks of the engine; null for whatever is no write. */
function actOf(method: string, url: string, body: unknown): ((engine: Engine, receipt: Receipt) => void) | null {
  const { kind, specifier, act } = WRITE.exec(url.split('?', 1)[0] ?? '')?.groups ?? {};
  if (method === 'POST' && kind === 'orders' && act === undefined) return (engine, receipt) => void engine.placeOrder(isBody(body) ? body['order'] : undefined, receipt);
  if (method !== 'PUT' || specifier === undefined) return null;
  const target = decodeURIComponent(specifier);
  if (kind === 'orders' && act === 'cancel') return (engine, receipt) => void engine.cancel(target, receipt);
  if (kind === 'trades' && act === 'close') return (engine, receipt) => void engine.closeTrade(target, body, receipt);
  if (kind === 'positions' && act === 'close') return (engine, receipt) => void engine.closePosition(target, body, receipt);
  return null;
}

/** Puts a write off. A read that is put off is one that nobody acts on: its answer is lost in any case. */
export function repeatLater(venue: Venue, request: FastifyRequest, delayMs: number): void {
  const act = actOf(request.method, request.url, request.body);
  const requestId = request.id;
  if (act !== null) venue.schedule(plusMs(venue.now, delayMs), () => venue.request((engine) => act(engine, { at: venue.now, requestId })));
}
