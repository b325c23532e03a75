/** The fields of order transactions: what a create transaction says of the order that it creates. */
import type { Body, Json } from './bodies.ts';
import { compact, extensionsBody } from './bodies.ts';
import type { CloseTarget, DependentKind, DependentTerms, EntryKind, OnFill } from './book.ts';
import { printDecimal, printPoints } from './decimals.ts';
import type { MarketRequest, RestingRequest } from './order-requests.ts';
import { formatInstant } from '../../../domain/time.ts';

type OptionalFields = { readonly [key: string]: Json | undefined };

const pointsOrNone = (points: number | null, precision: number): string | undefined => (points === null ? undefined : printPoints(points, precision));

function termsBody(terms: DependentTerms | null, precision: number): Body | undefined {
  if (terms === null) return undefined;
  return compact({
    price: pointsOrNone(terms.pricePoints, precision),
    distance: pointsOrNone(terms.distancePoints, precision),
    timeInForce: terms.timeInForce,
    gtdTime: terms.gtdTime === null ? undefined : formatInstant(terms.gtdTime),
    triggerCondition: terms.triggerCondition === 'DEFAULT' ? undefined : terms.triggerCondition,
    clientExtensions: extensionsBody(terms.clientExtensions),
  });
}

export const onFillFields = (onFill: OnFill, precision: number): OptionalFields => ({
  takeProfitOnFill: termsBody(onFill.TAKE_PROFIT, precision),
  stopLossOnFill: termsBody(onFill.STOP_LOSS, precision),
  trailingStopLossOnFill: termsBody(onFill.TRAILING_STOP_LOSS, precision),
});

/** The part of a market order that says what it closes. */
export function closeFields(close: CloseTarget | null, instrument: string): OptionalFields {
  switch (close?.kind) {
    case undefined:
      return {};
    case 'trade':
      return { tradeClose: compact({ tradeID: String(close.tradeId), clientTradeID: close.clientTradeId ?? undefined, units: close.unitsText }) };
    case 'position':
      return { [`${close.side}PositionCloseout`]: { instrument, units: close.unitsText } };
    case 'margin':
      return { marginCloseout: { reason: 'MARGIN_CHECK_VIOLATION' } };
    case 'delayed':
      return {
        delayedTradeClose: compact({ tradeID: String(close.tradeId), clientTradeID: close.clientTradeId ?? undefined, sourceTransactionID: String(close.sourceTransactionId) }),
      };
  }
}

const ORDER_REASON = { trade: 'TRADE_CLOSE', position: 'POSITION_CLOSEOUT', margin: 'MARGIN_CLOSEOUT', delayed: 'DELAYED_TRADE_CLOSE' } as const;
const orderReason = (close: CloseTarget | null): string => (close === null ? 'CLIENT_ORDER' : ORDER_REASON[close.kind]);
export const fillReason = (close: CloseTarget | null): string => (close === null ? 'MARKET_ORDER' : `MARKET_ORDER_${ORDER_REASON[close.kind]}`);

/** The fields of a MARKET_ORDER transaction. */
export const marketFields = (request: MarketRequest, instrument: string, precision: number, close: CloseTarget | null): OptionalFields => ({
  instrument,
  units: printDecimal(request.units),
  timeInForce: request.timeInForce,
  priceBound: pointsOrNone(request.boundPoints, precision),
  positionFill: request.positionFill,
  ...closeFields(close, instrument),
  clientExtensions: extensionsBody(request.clientExtensions),
  tradeClientExtensions: extensionsBody(request.tradeClientExtensions),
  ...onFillFields(request.onFill, precision),
  reason: orderReason(close),
});

/** What a resting order says of itself; its create transaction adds a reason, its body a state. */
export const restingFields = (request: Omit<RestingRequest, 'clientExtensions'>, type: EntryKind, instrument: string, precision: number): OptionalFields => ({
  instrument,
  units: printDecimal(request.units),
  price: printPoints(request.pricePoints, precision),
  priceBound: type === 'LIMIT' ? undefined : pointsOrNone(request.boundPoints, precision),
  timeInForce: request.timeInForce,
  gtdTime: request.gtdTime === null ? undefined : formatInstant(request.gtdTime),
  triggerCondition: request.triggerCondition,
  positionFill: request.positionFill,
  tradeClientExtensions: extensionsBody(request.tradeClientExtensions),
  ...onFillFields(request.onFill, precision),
});

/** What a dependent order says of itself. */
export const dependentFields = (terms: DependentTerms, kind: DependentKind, triggerPoints: number, precision: number): OptionalFields => ({
  price: kind === 'TRAILING_STOP_LOSS' ? undefined : printPoints(triggerPoints, precision),
  distance: pointsOrNone(terms.distancePoints, precision),
  timeInForce: terms.timeInForce,
  gtdTime: terms.gtdTime === null ? undefined : formatInstant(terms.gtdTime),
  triggerCondition: terms.triggerCondition,
});

/** What a replaced order and the one in its place say of each other. */
export interface Replacement {
  readonly replacesOrderId: number;
  /** Null where nothing was cancelled: the order before was filled in part. */
  readonly cancellingTransactionId: number | null;
}

export function replacementFields(replacement: Replacement | null): OptionalFields {
  if (replacement === null) return { reason: 'CLIENT_ORDER' };
  const { replacesOrderId, cancellingTransactionId } = replacement;
  return { reason: 'REPLACEMENT', replacesOrderID: String(replacesOrderId), cancellingTransactionID: cancellingTransactionId === null ? undefined : String(cancellingTransactionId) };
}
