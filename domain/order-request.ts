/**
 * The bytes of an order, fixed before the intent is logged, so that what was sent can be held against it.
 *
 * An opening order can only open (`OPEN_ONLY`), refuses a worse price than its bound, brings its stop along and
 * carries the slot's trade id, which the broker refuses to open twice. It is a market order; or a limit order at the
 * bound, which is marketable when it arrives in time and which the broker itself turns away when it does not. A close
 * names the trade, so that a late duplicate finds nothing to close.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical.ts';
import type { OrderRequest } from './broker.ts';
import type { ClientOrderId, DecisionId } from './ids.ts';
import { epochTag, slotIdOf } from './ids.ts';
import type { Instrument } from './instruments.ts';
import type { Price, Units } from './money.ts';
import { formatFixed } from './money.ts';
import type { Instant } from './time.ts';
import { formatInstant } from './time.ts';

export interface OpeningOrder {
  readonly accountId: string;
  readonly instrument: Instrument;
  readonly units: Units;
  readonly priceBound: Price;
  /** When a limit order ends by itself; null for a market order. */
  readonly goodTill: Instant | null;
  readonly stopLossDistance: Price;
  readonly clientOrderId: ClientOrderId;
  readonly decisionId: DecisionId;
  readonly epoch: number;
}

export function openingRequest(order: OpeningOrder): OrderRequest {
  const { instrument, goodTill } = order;
  const bound = formatFixed(order.priceBound, instrument.displayPrecision);
  const body = canonicalJson({
    order: {
      ...(goodTill === null ? { type: 'MARKET', timeInForce: 'FOK', priceBound: bound } : { type: 'LIMIT', timeInForce: 'GTD', gtdTime: formatInstant(goodTill), price: bound }),
      instrument: instrument.name,
      units: formatFixed(order.units, instrument.tradeUnitsPrecision),
      positionFill: 'OPEN_ONLY',
      stopLossOnFill: { distance: formatFixed(order.stopLossDistance, instrument.displayPrecision), timeInForce: 'GTC' },
      clientExtensions: { id: order.clientOrderId, tag: epochTag(order.epoch), comment: `decision ${order.decisionId}` },
      tradeClientExtensions: { id: slotIdOf(order.accountId, instrument.name), tag: epochTag(order.epoch) },
    },
  });
  return { method: 'POST', path: `/accounts/${order.accountId}/orders`, body };
}

/** `units`: how many of the trade's, positive; the whole of it when null. */
export const closingRequest = (accountId: string, tradeId: string, units: string | null = null): OrderRequest => ({
  method: 'PUT',
  path: `/accounts/${accountId}/trades/${tradeId}/close`,
  body: canonicalJson({ units: units ?? 'ALL' }),
});

export interface StopOrder {
  readonly accountId: string;
  readonly instrument: Instrument;
  readonly tradeId: string;
  /** From the trade's opening price. */
  readonly distance: Price;
  readonly clientOrderId: ClientOrderId;
  readonly epoch: number;
}

/** Creates the trade's protective stop, or replaces the one that it has. */
export const stopRequest = (order: StopOrder): OrderRequest => ({
  method: 'PUT',
  path: `/accounts/${order.accountId}/trades/${order.tradeId}/orders`,
  body: canonicalJson({
    stopLoss: {
      distance: formatFixed(order.distance, order.instrument.displayPrecision),
      timeInForce: 'GTC',
      clientExtensions: { id: order.clientOrderId, tag: epochTag(order.epoch) },
    },
  }),
});

/** A request as intents and exchanges record it. */
export const requestData = (request: OrderRequest) => ({ method: request.method, path: request.path, requestBody: request.body, requestHash: requestHash(request) });

/**
 * Closes what is held of an instrument, or `units` of it (positive): for an account that must close its oldest trade
 * first and therefore refuses a close by trade. The order's client id goes with the side that is held.
 */
export function closingPositionRequest(accountId: string, instrument: Instrument, held: 1 | -1, units: string | null, clientOrderId: ClientOrderId, epoch: number): OrderRequest {
  const extensions = { id: clientOrderId, tag: epochTag(epoch) };
  const body = held === 1
    ? { longUnits: units ?? 'ALL', shortUnits: 'NONE', longClientExtensions: extensions }
    : { longUnits: 'NONE', shortUnits: units ?? 'ALL', shortClientExtensions: extensions };
  return { method: 'PUT', path: `/accounts/${accountId}/positions/${instrument.name}/close`, body: canonicalJson(body) };
}

/** Hex SHA-256 of the request's bytes. */
export const requestHash = (request: OrderRequest): string => createHash('sha256').update(request.body).digest('hex');
