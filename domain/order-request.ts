/**
 * The bytes of an order, fixed before the intent is logged, so that what was sent can be held against it.
 *
 * An opening order is a market order that can only open (`OPEN_ONLY`), refuses a worse price than its bound,
 * brings its stop along and carries the slot's trade id, which the broker refuses to open twice. A close names
 * the trade, so that a late duplicate finds nothing to close.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from './canonical.ts';
import type { OrderRequest } from './broker.ts';
import type { ClientOrderId, DecisionId } from './ids.ts';
import { epochTag, slotIdOf } from './ids.ts';
import type { Instrument } from './instruments.ts';
import type { Price, Units } from './money.ts';
import { formatFixed } from './money.ts';

export interface OpeningOrder {
  readonly accountId: string;
  readonly instrument: Instrument;
  readonly units: Units;
  readonly priceBound: Price;
  readonly stopLossDistance: Price;
  readonly clientOrderId: ClientOrderId;
  readonly decisionId: DecisionId;
  readonly epoch: number;
}

export function openingRequest(order: OpeningOrder): OrderRequest {
  const { instrument } = order;
  const body = canonicalJson({
    order: {
      type: 'MARKET',
      instrument: instrument.name,
      units: formatFixed(order.units, instrument.tradeUnitsPrecision),
      timeInForce: 'FOK',
      positionFill: 'OPEN_ONLY',
      priceBound: formatFixed(order.priceBound, instrument.displayPrecision),
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

/** Hex SHA-256 of the request's bytes. */
export const requestHash = (request: OrderRequest): string => createHash('sha256').update(request.body).digest('hex');
