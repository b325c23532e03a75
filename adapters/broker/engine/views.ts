/** The account, its instruments and prices as v20 bodies: what GET calls answer. Everything is read, nothing is changed. */
import type { Body, Json } from './bodies.ts';
import { compact } from './bodies.ts';
import type { Market, Order } from './book.ts';
import { marginRateOf, marketOf, openTrades, pendingCount, pendingOrders } from './book.ts';
import { Decimal, ZERO, printDecimal, printMoney, printPoints } from './decimals.ts';
import type { Engine } from './engine.ts';
import { orderBody, positionBodies, positionState, tradeBody } from './holdings-views.ts';
import { levelsOf } from './offers.ts';
import type { AccountValue } from './valuation.ts';
import { accountValue, marginOf, marginShare, unrealizedPl } from './valuation.ts';
import { isMarketOpen } from '../../../domain/calendar.ts';
import { format } from '../../../domain/money.ts';
import { formatInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** The figures that move with the price. The closeout ones value trades and currencies at mid. */
function valueFields(engine: Engine, value: AccountValue): { readonly [key: string]: Json } {
  const share = marginShare(value);
  const marginUsed = printMoney(value.marginUsed);
  const positionValue = printMoney(value.positionValue);
  return {
    unrealizedPL: printMoney(value.unrealizedPl),
    NAV: printMoney(value.nav),
    marginUsed,
    marginAvailable: printMoney(value.marginAvailable),
    positionValue,
    marginCloseoutUnrealizedPL: printMoney(value.closeoutUnrealizedPl),
    marginCloseoutNAV: printMoney(value.closeoutNav),
    marginCloseoutMarginUsed: marginUsed,
    marginCloseoutPercent: share.div(2).toFixed(5),
    marginCloseoutPositionValue: positionValue,
    withdrawalLimit: printMoney(Decimal.max(Decimal.min(engine.book.balance, value.marginAvailable), ZERO)),
    marginCallMarginUsed: marginUsed,
    marginCallPercent: share.toFixed(5),
  };
}

export function accountSummaryBody(engine: Engine): Body {
  const { book, settings } = engine;
  const call = book.marginCall;
  return compact({
    id: settings.accountId,
    alias: book.alias,
    currency: settings.currency,
    createdByUserID: Number(settings.accountId.split('-')[2]),
    createdTime: formatInstant(engine.openedAt),
    guaranteedStopLossOrderMode: 'DISABLED',
    marginRate: book.marginRate === null ? undefined : printDecimal(book.marginRate),
    hedgingEnabled: false,
    balance: printMoney(book.balance),
    pl: printMoney(book.pl),
    resettablePL: printMoney(book.pl),
    resettablePLTime: '0',
    financing: printMoney(book.financing),
    commission: printMoney(ZERO),
    dividendAdjustment: printMoney(book.dividendAdjustment),
    guaranteedExecutionFees: printMoney(ZERO),
    openTradeCount: book.openTradeCount,
    openPositionCount: [...book.markets.values()].filter((market) => market.openTrades.length > 0).length,
    pendingOrderCount: pendingCount(book),
    lastOrderFillTimestamp: book.lastFillAt === null ? undefined : formatInstant(book.lastFillAt),
    marginCallEnterTime: call === null ? undefined : formatInstant(call.enteredAt),
    marginCallExtensionCount: call === null ? undefined : call.extensions,
    lastMarginCallExtensionTime: call === null || call.extendedAt === null ? undefined : formatInstant(call.extendedAt),
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

/** An instrument as the account sees it: the margin rate is the one to compute with. */
export function instrumentBody(engine: Engine, market: Market): Body {
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
    maximumTrailingStopDistance: pipMultiple(settings.maximumTrailingStopPips),
    minimumTrailingStopDistance: pipMultiple(settings.minimumTrailingStopPips),
    maximumPositionSize: settings.maximumPositionSize,
    maximumOrderUnits: settings.maximumOrderUnits,
    marginRate: printDecimal(marginRateOf(engine.book, market)),
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

/** What a price says of its market. */
export const isMarketTradeable = (engine: Engine, market: Market, at: Instant): boolean => isMarketOpen(engine.settings.calendar, at) && market.status !== 'HALTED';

/** A ClientPrice; null while the instrument has no price yet. */
export function priceBody(engine: Engine, market: Market, at: Instant): Body | null {
  if (market.quote === null) return null;
  const precision = market.settings.instrument.displayPrecision;
  const side = (buying: boolean): Json => levelsOf(market, buying).map((level) => ({ price: printPoints(level.points, precision), liquidity: level.units.toNumber() }));
  const tradeable = isMarketTradeable(engine, market, at);
  return {
    type: 'PRICE',
    time: formatInstant(market.quote.at),
    bids: side(false),
    asks: side(true),
    closeoutBid: printPoints(market.quote.bid, precision),
    closeoutAsk: printPoints(market.quote.ask, precision),
    status: tradeable ? 'tradeable' : 'non-tradeable',
    tradeable,
    instrument: market.settings.instrument.name,
  };
}

/** The moving figures of a trailing stop; how far its trigger lies from the price that it looks at. */
function dynamicOrderState(engine: Engine, order: Order): Body[] {
  if (order.type !== 'TRAILING_STOP_LOSS') return [];
  const market = marketOf(engine.book, order.instrument);
  const trade = engine.book.trades.get(order.tradeId);
  if (market.quote === null || trade === undefined) return [];
  const precision = market.settings.instrument.displayPrecision;
  const points = trade.currentUnits.isNegative() ? order.triggerPoints - market.quote.ask : market.quote.bid - order.triggerPoints;
  const exact = order.terms.triggerCondition === 'DEFAULT';
  return [{ id: String(order.id), trailingStopValue: printPoints(order.triggerPoints, precision), triggerDistance: printPoints(points, precision), isTriggerDistanceExact: exact }];
}

/** The price-dependent part of GET changes. */
export function stateBody(engine: Engine): Body {
  const { book, settings } = engine;
  return {
    ...valueFields(engine, accountValue(book, settings)),
    orders: pendingOrders(book).flatMap((order) => dynamicOrderState(engine, order)),
    trades: openTrades(book).map((trade) => {
      const market = marketOf(book, trade.instrument);
      return { id: String(trade.id), unrealizedPL: printMoney(unrealizedPl(market, settings, trade)), marginUsed: printMoney(marginOf(book, settings, market, trade.currentUnits)) };
    }),
    positions: [...book.markets.values()].filter((market) => market.openTrades.length > 0).map((market) => positionState(engine, market)),
  };
}
