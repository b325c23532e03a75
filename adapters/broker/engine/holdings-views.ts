/** Orders, trades and positions as v20 bodies. Everything is read, nothing is changed. */
import type { Body, Json } from './bodies.ts';
import { compact, extensionsBody } from './bodies.ts';
import type { DependentOrder, Market, MarketOrder, Order, RestingOrder, Trade } from './book.ts';
import { isDependent, marketOf, sideOf } from './book.ts';
import type { Decimal } from './decimals.ts';
import { ZERO, printDecimal, printMoney, printPoints, printPrice } from './decimals.ts';
import type { Engine } from './engine.ts';
import { closeFields, dependentFields, onFillFields, restingFields } from './transaction-bodies.ts';
import { marginOf, unrealizedPl } from './valuation.ts';
import { formatInstant } from '../../../domain/time.ts';

/** Averages are printed with more digits than prices: the broker does not round them to the pipette. */
const AVERAGE_DECIMALS = 6;

const precisionOf = (engine: Engine, instrument: string): number => marketOf(engine.book, instrument).settings.instrument.displayPrecision;

function statusFields(order: Order): { readonly [key: string]: Json | undefined } {
  const { status } = order;
  const replaces = order.replacesOrderId === null ? {} : { replacesOrderID: String(order.replacesOrderId) };
  if (status.state === 'PENDING') return { state: 'PENDING', ...replaces };
  if (status.state === 'CANCELLED') {
    return {
      state: 'CANCELLED',
      cancellingTransactionID: String(status.transactionId),
      cancelledTime: formatInstant(status.at),
      ...replaces,
      replacedByOrderID: status.replacedByOrderId === null ? undefined : String(status.replacedByOrderId),
    };
  }
  return {
    state: 'FILLED',
    fillingTransactionID: String(status.transactionId),
    filledTime: formatInstant(status.at),
    tradeOpenedID: status.openedTradeId === null ? undefined : String(status.openedTradeId),
    tradeReducedID: status.reducedTradeId === null ? undefined : String(status.reducedTradeId),
    tradeClosedIDs: status.closedTradeIds.length === 0 ? undefined : status.closedTradeIds.map(String),
    ...replaces,
  };
}

const commonFields = (order: Order): { readonly [key: string]: Json | undefined } => ({
  id: String(order.id),
  createTime: formatInstant(order.createdAt),
  type: order.type,
  clientExtensions: extensionsBody(order.clientExtensions),
});

function marketOrderBody(engine: Engine, order: MarketOrder): Body {
  const precision = precisionOf(engine, order.instrument);
  return compact({
    ...commonFields(order),
    instrument: order.instrument,
    units: printDecimal(order.units),
    timeInForce: order.timeInForce,
    positionFill: order.positionFill,
    priceBound: order.boundPoints === null ? undefined : printPoints(order.boundPoints, precision),
    ...closeFields(order.close, order.instrument),
    tradeClientExtensions: extensionsBody(order.tradeClientExtensions),
    ...onFillFields(order.onFill, precision),
    ...statusFields(order),
  });
}

function restingOrderBody(engine: Engine, order: RestingOrder): Body {
  const precision = precisionOf(engine, order.instrument);
  return compact({
    ...commonFields(order),
    ...restingFields(order, order.type, order.instrument, precision),
    // Lists say DEFAULT_FILL where the transaction says DEFAULT.
    partialFill: 'DEFAULT_FILL',
    initialMarketPrice: order.initialMarketPoints === null ? undefined : printPoints(order.initialMarketPoints, precision),
    ...statusFields(order),
  });
}

function dependentOrderBody(engine: Engine, order: DependentOrder): Body {
  const precision = precisionOf(engine, order.instrument);
  return compact({
    ...commonFields(order),
    tradeID: String(order.tradeId),
    clientTradeID: engine.book.trades.get(order.tradeId)?.clientExtensions?.id,
    ...dependentFields(order.terms, order.type, order.triggerPoints, precision),
    trailingStopValue: order.type === 'TRAILING_STOP_LOSS' ? printPoints(order.triggerPoints, precision) : undefined,
    ...statusFields(order),
  });
}

export function orderBody(engine: Engine, order: Order): Body {
  if (isDependent(order)) return dependentOrderBody(engine, order);
  return order.type === 'MARKET' ? marketOrderBody(engine, order) : restingOrderBody(engine, order);
}

export const tradeState = (trade: Trade): 'OPEN' | 'CLOSED' | 'CLOSE_WHEN_TRADEABLE' => (trade.closedAt !== null ? 'CLOSED' : trade.delayedClosureId === null ? 'OPEN' : 'CLOSE_WHEN_TRADEABLE');

const DEPENDENT_FIELDS = [['takeProfitOrder', 'TAKE_PROFIT'], ['stopLossOrder', 'STOP_LOSS'], ['trailingStopLossOrder', 'TRAILING_STOP_LOSS']] as const;

/** A trade's dependent orders, in full, or as ids in the account's summaries. */
function dependentsOf(engine: Engine, trade: Trade, form: 'full' | 'ids'): { readonly [key: string]: Json } {
  const fields: { [key: string]: Json } = {};
  for (const [name, kind] of DEPENDENT_FIELDS) {
    const order = trade.dependents.get(kind);
    if (order === undefined) continue;
    if (form === 'full') fields[name] = orderBody(engine, order);
    else fields[`${name}ID`] = String(order.id);
  }
  return fields;
}

export function tradeBody(engine: Engine, trade: Trade, dependents: 'full' | 'ids'): Body {
  const { book, settings } = engine;
  const market = marketOf(book, trade.instrument);
  const closedUnits = trade.initialUnits.abs().minus(trade.currentUnits.abs());
  const open = trade.closedAt === null;
  return compact({
    id: String(trade.id),
    instrument: trade.instrument,
    price: printPrice(trade.price, market.settings.instrument.displayPrecision),
    openTime: formatInstant(trade.openedAt),
    initialUnits: printDecimal(trade.initialUnits),
    initialMarginRequired: printMoney(trade.initialMargin),
    state: tradeState(trade),
    currentUnits: printDecimal(trade.currentUnits),
    realizedPL: printMoney(trade.realizedPl),
    financing: printMoney(trade.financing),
    dividendAdjustment: printMoney(trade.dividendAdjustment),
    unrealizedPL: open ? printMoney(unrealizedPl(market, settings, trade)) : undefined,
    marginUsed: open ? printMoney(marginOf(book, settings, market, trade.currentUnits)) : undefined,
    averageClosePrice: closedUnits.isZero() ? undefined : trade.closedValue.div(closedUnits).toDecimalPlaces(AVERAGE_DECIMALS).toFixed(),
    closingTransactionIDs: trade.closingTransactionIds.length === 0 ? undefined : trade.closingTransactionIds.map(String),
    closeTime: trade.closedAt === null ? undefined : formatInstant(trade.closedAt),
    clientExtensions: extensionsBody(trade.clientExtensions),
    ...dependentsOf(engine, trade, dependents),
  });
}

interface Side {
  readonly body: Body;
  readonly unrealized: Decimal;
  readonly units: Decimal;
}

function sideBody(engine: Engine, market: Market, side: 'long' | 'short'): Side {
  const trades = market.openTrades.filter((trade) => sideOf(trade.currentUnits) === side);
  const units = trades.reduce((sum, trade) => sum.plus(trade.currentUnits), ZERO);
  const value = trades.reduce((sum, trade) => sum.plus(trade.currentUnits.mul(trade.price)), ZERO);
  const unrealized = trades.reduce((sum, trade) => sum.plus(unrealizedPl(market, engine.settings, trade)), ZERO);
  const totals = market[side];
  const body = compact({
    units: printDecimal(units),
    averagePrice: units.isZero() ? undefined : value.div(units).toDecimalPlaces(AVERAGE_DECIMALS).toFixed(),
    tradeIDs: trades.length === 0 ? undefined : trades.map((trade) => String(trade.id)),
    pl: printMoney(totals.pl),
    unrealizedPL: printMoney(unrealized),
    resettablePL: printMoney(totals.pl),
    financing: printMoney(totals.financing),
    dividendAdjustment: printMoney(totals.dividendAdjustment),
    guaranteedExecutionFees: printMoney(ZERO),
  });
  return { body, unrealized, units };
}

export function positionBody(engine: Engine, market: Market): Body {
  const [long, short] = [sideBody(engine, market, 'long'), sideBody(engine, market, 'short')];
  const pl = market.long.pl.plus(market.short.pl);
  const margin = marginOf(engine.book, engine.settings, market, long.units.plus(short.units));
  return compact({
    instrument: market.settings.instrument.name,
    long: long.body,
    short: short.body,
    pl: printMoney(pl),
    resettablePL: printMoney(pl),
    financing: printMoney(market.long.financing.plus(market.short.financing)),
    commission: printMoney(ZERO),
    dividendAdjustment: printMoney(market.long.dividendAdjustment.plus(market.short.dividendAdjustment)),
    guaranteedExecutionFees: printMoney(ZERO),
    unrealizedPL: printMoney(long.unrealized.plus(short.unrealized)),
    marginUsed: margin.isZero() ? undefined : printMoney(margin),
  });
}

export const positionBodies = (engine: Engine, which: 'ever traded' | 'open'): Body[] =>
  [...engine.book.markets.values()]
    .filter((market) => (which === 'open' ? market.openTrades.length > 0 : market.everTraded))
    .map((market) => positionBody(engine, market));

/** A position's figures that move with the price. */
export function positionState(engine: Engine, market: Market): Body {
  const [long, short] = [sideBody(engine, market, 'long'), sideBody(engine, market, 'short')];
  return {
    instrument: market.settings.instrument.name,
    netUnrealizedPL: printMoney(long.unrealized.plus(short.unrealized)),
    longUnrealizedPL: printMoney(long.unrealized),
    shortUnrealizedPL: printMoney(short.unrealized),
    marginUsed: printMoney(marginOf(engine.book, engine.settings, market, long.units.plus(short.units))),
  };
}
