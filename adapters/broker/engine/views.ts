/** The account as v20 bodies: what GET calls answer. Everything is read, nothing is changed. */
import type { Body, Json } from './bodies.ts';
import { compact, extensionsBody } from './bodies.ts';
import type { DependentOrder, Market, MarketOrder, Order, Trade } from './book.ts';
import { marketOf, openTrades, pendingOrders, sideOf } from './book.ts';
import { Decimal, ZERO, pointsToDecimal, printDecimal, printMoney, printPoints } from './decimals.ts';
import type { Engine } from './engine.ts';
import type { AccountValue } from './valuation.ts';
import { accountValue, homeFactors, marginOf, unrealizedPl } from './valuation.ts';
import { isMarketOpen } from '../../../domain/calendar.ts';
import { format } from '../../../domain/money.ts';
import { formatInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** Averages are printed with more digits than prices: the broker does not round them to the pipette. */
const AVERAGE_DECIMALS = 6;

const precisionOf = (engine: Engine, instrument: string): number => marketOf(engine.book, instrument).settings.instrument.displayPrecision;

function statusFields(order: Order): { readonly [key: string]: Json | undefined } {
  const { status } = order;
  if (status.state === 'PENDING') return { state: 'PENDING' };
  if (status.state === 'CANCELLED') return { state: 'CANCELLED', cancellingTransactionID: String(status.transactionId), cancelledTime: formatInstant(status.at) };
  return {
    state: 'FILLED',
    fillingTransactionID: String(status.transactionId),
    filledTime: formatInstant(status.at),
    tradeOpenedID: status.openedTradeId === null ? undefined : String(status.openedTradeId),
    tradeReducedID: status.reducedTradeId === null ? undefined : String(status.reducedTradeId),
    tradeClosedIDs: status.closedTradeIds.length === 0 ? undefined : status.closedTradeIds.map(String),
  };
}

function marketOrderBody(engine: Engine, order: MarketOrder): Body {
  const precision = precisionOf(engine, order.instrument);
  const { close } = order;
  return compact({
    id: String(order.id),
    createTime: formatInstant(order.createdAt),
    type: 'MARKET',
    instrument: order.instrument,
    units: printDecimal(order.units),
    timeInForce: order.timeInForce,
    positionFill: order.positionFill,
    priceBound: order.boundPoints === null ? undefined : printPoints(order.boundPoints, precision),
    tradeClose: close?.kind === 'trade' ? compact({ tradeID: String(close.tradeId), clientTradeID: close.clientTradeId ?? undefined, units: close.unitsText }) : undefined,
    clientExtensions: extensionsBody(order.clientExtensions),
    tradeClientExtensions: extensionsBody(order.tradeClientExtensions),
    ...statusFields(order),
  });
}

function dependentOrderBody(engine: Engine, order: DependentOrder): Body {
  const precision = precisionOf(engine, order.instrument);
  return compact({
    id: String(order.id),
    createTime: formatInstant(order.createdAt),
    type: order.type,
    tradeID: String(order.tradeId),
    clientTradeID: engine.book.trades.get(order.tradeId)?.clientExtensions?.id,
    price: printPoints(order.pricePoints, precision),
    distance: order.terms.distancePoints === null ? undefined : printPoints(order.terms.distancePoints, precision),
    timeInForce: order.terms.timeInForce,
    gtdTime: order.terms.gtdTime === null ? undefined : formatInstant(order.terms.gtdTime),
    triggerCondition: order.terms.triggerCondition,
    clientExtensions: extensionsBody(order.clientExtensions),
    ...statusFields(order),
  });
}

export const orderBody = (engine: Engine, order: Order): Body => (order.type === 'MARKET' ? marketOrderBody(engine, order) : dependentOrderBody(engine, order));

/** A trade; its dependent orders in full, or as ids in the account's summaries. */
export function tradeBody(engine: Engine, trade: Trade, dependents: 'full' | 'ids'): Body {
  const precision = precisionOf(engine, trade.instrument);
  const closedUnits = trade.initialUnits.abs().minus(trade.currentUnits.abs());
  const [stop, profit] = [trade.dependents.get('STOP_LOSS'), trade.dependents.get('TAKE_PROFIT')];
  const full = (order: Order | undefined): Body | undefined => (order === undefined ? undefined : orderBody(engine, order));
  const id = (order: Order | undefined): string | undefined => (order === undefined ? undefined : String(order.id));
  const open = trade.closedAt === null;
  return compact({
    id: String(trade.id),
    instrument: trade.instrument,
    price: printPoints(trade.pricePoints, precision),
    openTime: formatInstant(trade.openedAt),
    initialUnits: printDecimal(trade.initialUnits),
    initialMarginRequired: printMoney(trade.initialMargin),
    state: open ? 'OPEN' : 'CLOSED',
    currentUnits: printDecimal(trade.currentUnits),
    realizedPL: printMoney(trade.realizedPl),
    financing: printMoney(trade.financing),
    unrealizedPL: open ? printMoney(unrealizedPl(engine.book, engine.settings, trade)) : undefined,
    marginUsed: open ? printMoney(marginOf(engine.book, engine.settings, marketOf(engine.book, trade.instrument), trade.currentUnits)) : undefined,
    averageClosePrice: closedUnits.isZero() ? undefined : pointsToDecimal(1, precision).mul(trade.closedValue).div(closedUnits).toDecimalPlaces(AVERAGE_DECIMALS).toFixed(),
    closingTransactionIDs: trade.closingTransactionIds.length === 0 ? undefined : trade.closingTransactionIds.map(String),
    closeTime: trade.closedAt === null ? undefined : formatInstant(trade.closedAt),
    clientExtensions: extensionsBody(trade.clientExtensions),
    ...(dependents === 'full' ? { takeProfitOrder: full(profit), stopLossOrder: full(stop) } : { takeProfitOrderID: id(profit), stopLossOrderID: id(stop) }),
  });
}

function sideBody(engine: Engine, market: Market, side: 'long' | 'short'): { readonly body: Body; readonly unrealized: Decimal; readonly units: Decimal } {
  const trades = market.openTrades.filter((trade) => sideOf(trade.currentUnits) === side);
  const units = trades.reduce((sum, trade) => sum.plus(trade.currentUnits), ZERO);
  const value = trades.reduce((sum, trade) => sum.plus(trade.currentUnits.mul(trade.pricePoints)), ZERO);
  const unrealized = trades.reduce((sum, trade) => sum.plus(unrealizedPl(engine.book, engine.settings, trade)), ZERO);
  const totals = market[side];
  const body = compact({
    units: printDecimal(units),
    averagePrice: units.isZero() ? undefined : pointsToDecimal(1, market.settings.instrument.displayPrecision).mul(value).div(units).toDecimalPlaces(AVERAGE_DECIMALS).toFixed(),
    tradeIDs: trades.length === 0 ? undefined : trades.map((trade) => String(trade.id)),
    pl: printMoney(totals.pl),
    unrealizedPL: printMoney(unrealized),
    resettablePL: printMoney(totals.pl),
    financing: printMoney(totals.financing),
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
    guaranteedExecutionFees: printMoney(ZERO),
    unrealizedPL: printMoney(long.unrealized.plus(short.unrealized)),
    marginUsed: margin.isZero() ? undefined : printMoney(margin),
  });
}

export const positionBodies = (engine: Engine, which: 'ever traded' | 'open'): Body[] =>
  [...engine.book.markets.values()]
    .filter((market) => (which === 'open' ? market.openTrades.length > 0 : market.everTraded))
    .map((market) => positionBody(engine, market));

/** The figures that move with the price. The closeout ones are the plain ones here. */
function valueFields(engine: Engine, value: AccountValue): { readonly [key: string]: Json } {
  const percent = value.nav.isZero() || value.nav.isNegative() ? (value.marginUsed.isZero() ? ZERO : new Decimal(1)) : value.marginUsed.div(2).div(value.nav);
  return {
    unrealizedPL: printMoney(value.unrealizedPl),
    NAV: printMoney(value.nav),
    marginUsed: printMoney(value.marginUsed),
    marginAvailable: printMoney(value.marginAvailable),
    positionValue: printMoney(value.positionValue),
    marginCloseoutUnrealizedPL: printMoney(value.unrealizedPl),
    marginCloseoutNAV: printMoney(value.nav),
    marginCloseoutMarginUsed: printMoney(value.marginUsed),
    marginCloseoutPercent: percent.toFixed(5),
    marginCloseoutPositionValue: printMoney(value.positionValue),
    withdrawalLimit: printMoney(Decimal.max(Decimal.min(engine.book.balance, value.marginAvailable), ZERO)),
    marginCallMarginUsed: printMoney(value.marginUsed),
    marginCallPercent: percent.toFixed(5),
  };
}

export function accountSummaryBody(engine: Engine): Body {
  const { book, settings } = engine;
  const trades = openTrades(book);
  return compact({
    id: settings.accountId,
    alias: settings.alias,
    currency: settings.currency,
    createdByUserID: Number(settings.accountId.split('-')[2]),
    createdTime: formatInstant(engine.openedAt),
    guaranteedStopLossOrderMode: 'DISABLED',
    hedgingEnabled: false,
    balance: printMoney(book.balance),
    pl: printMoney(book.pl),
    resettablePL: printMoney(book.pl),
    resettablePLTime: '0',
    financing: printMoney(book.financing),
    commission: printMoney(ZERO),
    guaranteedExecutionFees: printMoney(ZERO),
    openTradeCount: trades.length,
    openPositionCount: new Set(trades.map((trade) => trade.instrument)).size,
    pendingOrderCount: pendingOrders(book).length,
    lastOrderFillTimestamp: book.lastFillAt === null ? undefined : formatInstant(book.lastFillAt),
    ...valueFields(engine, accountValue(book, settings)),
    lastTransactionID: String(engine.lastTransactionId),
  });
}

export const accountBody = (engine: Engine): Body => ({
  ...accountSummaryBody(engine),
  trades: openTrades(engine.book).map((trade) => tradeBody(engine, trade, 'ids')),
  positions: positionBodies(engine, 'ever traded'),
  orders: pendingOrders(engine.book).map((order) => orderBody(engine, order)),
});

const DAY_NAMES = ['SUNDAY', 'MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY'];

export function instrumentBody(market: Market): Body {
  const { settings } = market;
  const { instrument } = settings;
  const pipMultiple = (pips: number): string => new Decimal(10).pow(instrument.pipLocation).mul(pips).toFixed(instrument.displayPrecision);
  return {
    name: instrument.name,
    type: 'CURRENCY',
    displayName: instrument.name.replace('_', '/'),
    pipLocation: instrument.pipLocation,
    displayPrecision: instrument.displayPrecision,
    tradeUnitsPrecision: instrument.tradeUnitsPrecision,
    minimumTradeSize: format(instrument.minimumTradeSize),
    maximumTrailingStopDistance: pipMultiple(10_000),
    minimumTrailingStopDistance: pipMultiple(5),
    maximumPositionSize: '0',
    maximumOrderUnits: settings.maximumOrderUnits,
    marginRate: settings.marginRate,
    guaranteedStopLossOrderMode: 'DISABLED',
    tags: [{ type: 'ASSET_CLASS', name: 'CURRENCY' }],
    financing: {
      longRate: settings.longRate,
      shortRate: settings.shortRate,
      // The wire's week begins on Monday.
      financingDaysOfWeek: [1, 2, 3, 4, 5, 6, 0].map((day) => ({ dayOfWeek: DAY_NAMES[day] ?? '', daysCharged: settings.daysCharged[day] ?? 0 })),
    },
  };
}

/** A ClientPrice; null while the instrument has no price yet. */
export function priceBody(engine: Engine, market: Market, at: Instant): Body | null {
  if (market.quote === null) return null;
  const precision = market.settings.instrument.displayPrecision;
  const [bid, ask] = [printPoints(market.quote.bid, precision), printPoints(market.quote.ask, precision)];
  const tradeable = isMarketOpen(engine.settings.calendar, at);
  return {
    type: 'PRICE',
    time: formatInstant(market.quote.at),
    bids: [{ price: bid, liquidity: market.settings.liquidityUnits }],
    asks: [{ price: ask, liquidity: market.settings.liquidityUnits }],
    closeoutBid: bid,
    closeoutAsk: ask,
    status: tradeable ? 'tradeable' : 'non-tradeable',
    tradeable,
    instrument: market.settings.instrument.name,
  };
}

/** Conversion factors of every currency that the account's instruments are priced in. */
export function homeConversionBodies(engine: Engine): Body[] {
  const currencies = new Set([...engine.book.markets.values()].map((market) => market.settings.instrument.quote));
  return [...currencies].flatMap((currency) => {
    const factors = homeFactors(engine.book, engine.settings, currency);
    return factors === null
      ? []
      : [{ currency, accountGain: printDecimal(factors.gain), accountLoss: printDecimal(factors.loss), positionValue: printDecimal(factors.value) }];
  });
}

/** The price-dependent part of GET changes. */
export function stateBody(engine: Engine): Body {
  const { book, settings } = engine;
  return {
    ...valueFields(engine, accountValue(book, settings)),
    orders: [],
    trades: openTrades(book).map((trade) => ({
      id: String(trade.id),
      unrealizedPL: printMoney(unrealizedPl(book, settings, trade)),
      marginUsed: printMoney(marginOf(book, settings, marketOf(book, trade.instrument), trade.currentUnits)),
    })),
    positions: [...book.markets.values()]
      .filter((market) => market.openTrades.length > 0)
      .map((market) => {
        const [long, short] = [sideBody(engine, market, 'long'), sideBody(engine, market, 'short')];
        return {
          instrument: market.settings.instrument.name,
          netUnrealizedPL: printMoney(long.unrealized.plus(short.unrealized)),
          longUnrealizedPL: printMoney(long.unrealized),
          shortUnrealizedPL: printMoney(short.unrealized),
          marginUsed: printMoney(marginOf(book, settings, market, long.units.plus(short.units))),
        };
      }),
  };
}
