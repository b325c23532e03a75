/** Acts on a request at a later market time: the way of an order that was stuck in a queue. */
import type { FastifyRequest } from 'fastify';
import { isBody } from '../engine/bodies.ts';
import type { Engine, Receipt } from '../engine/engine.ts';
import type { Venue } from '../venue.ts';
import { plusMs } from '../../../domain/time.ts';

const WRITE = /^\/v3\/accounts\/[^/]+\/(?<kind>orders|trades|positions|configuration)(?:\/(?<specifier>[^/]+)(?:\/(?<act>\w+))?)?$/;

type Act = (engine: Engine, receipt: Receipt) => unknown;

/** What each write asks of the engine, by its method, its collection and what stands behind the specifier. */
const WRITES: { readonly [write: string]: (specifier: string, body: unknown) => Act } = {
  'POST orders': (_specifier, body) => (engine, receipt) => engine.placeOrder(isBody(body) ? body['order'] : undefined, receipt),
  'PUT orders *': (specifier, body) => (engine, receipt) => engine.replaceOrder(specifier, isBody(body) ? body['order'] : undefined, receipt),
  'PUT orders * cancel': (specifier) => (engine, receipt) => engine.cancel(specifier, receipt),
  'PUT orders * clientExtensions': (specifier, body) => (engine, receipt) => engine.modifyOrderExtensions(specifier, body, receipt),
  'PUT trades * close': (specifier, body) => (engine, receipt) => engine.closeTrade(specifier, body, receipt),
  'PUT trades * orders': (specifier, body) => (engine, receipt) => engine.setTradeOrders(specifier, body, receipt),
  'PUT trades * clientExtensions': (specifier, body) => (engine, receipt) => engine.modifyTradeExtensions(specifier, body, receipt),
  'PUT positions * close': (specifier, body) => (engine, receipt) => engine.closePosition(specifier, body, receipt),
  'PATCH configuration': (_specifier, body) => (engine, receipt) => engine.configure(body, receipt),
};

/** What a write asks of the engine; null for whatever is no write. */
function actOf(method: string, url: string, body: unknown): Act | null {
  const { kind, specifier, act } = WRITE.exec(url.split('?', 1)[0] ?? '')?.groups ?? {};
  const write = WRITES[[method, kind, specifier === undefined ? undefined : '*', act].filter((part) => part !== undefined).join(' ')];
  return write === undefined ? null : write(decodeURIComponent(specifier ?? ''), body);
}

/** Puts a write off. A read that is put off is one that nobody acts on: its answer is lost in any case. */
export function repeatLater(venue: Venue, request: FastifyRequest, delayMs: number): void {
  const act = actOf(request.method, request.url, request.body);
  const requestId = request.id;
  if (act !== null) venue.schedule(plusMs(venue.now, delayMs), () => venue.request((engine) => act(engine, { at: venue.now, requestId })));
}
