/** Fills and cancels: what happens to the account when an order meets a price. */
import type { Body, Json } from './bodies.ts';
import { compact, extensionsBody } from './bodies.ts';
import type { Book, DependentKind, DependentOrder, DependentTerms, Market, MarketOrder, Order, Trade } from './book.ts';
import { addOrder, finishOrder, marketOf, sideOf } from './book.ts';
import { Decimal, ZERO, pointsToDecimal, printDecimal, printMoney, printPoints, roundMoney } from './decimals.ts';
import type { Batch, Ledger } from './ledger.ts';
import type { EngineSettings } from './settings.ts';
import type { HomeFactors } from './valuation.ts';
import { accountValue, knownFactors, marginOf, quotePl, toHome } from './valuation.ts';
import { nextTradingDayStart } from './financing.ts';
import { formatInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

export interface Context {
  readonly settings: EngineSettings;
  readonly book: Book;
  readonly ledger: Ledger;
}

interface Quote {
  readonly bid: number;
  readonly ask: number;
  readonly at: Instant;
}

/** Which trades a fill closes, by how much (always positive), and the signed units that it opens. */
interface FillPlan {
  readonly closes: readonly { readonly trade: Trade; readonly units: Decimal }[];
  readonly opening: Decimal;
}

type Planned = { readonly refusal: string } | FillPlan;

/** Ends a pending order with an ORDER_CANCEL. */
export function cancelOrder(context: Context, batch: Batch, order: Order, reason: string, closedBy?: { readonly tradeId: number; readonly fillId: number }): void {
  const transaction = batch.add('ORDER_CANCEL', {
    orderID: String(order.id),
    clientOrderID: order.clientExtensions?.id,
    reason,
    closedTradeID: closedBy === undefined ? undefined : String(closedBy.tradeId),
    tradeCloseTransactionID: closedBy === undefined ? undefined : String(closedBy.fillId),
  });
  finishOrder(context.book, order, { state: 'CANCELLED', transactionId: transaction.id, at: batch.at });
}

/** Takes up to `units` from the oldest opposite trades. */
function closeOldest(market: Market, signedUnits: Decimal): { readonly closes: FillPlan['closes']; readonly left: Decimal } {
  const closes: { trade: Trade; units: Decimal }[] = [];
  let left = signedUnits.abs();
  for (const trade of market.openTrades) {
    if (left.isZero()) break;
    if (trade.currentUnits.isNegative() === signedUnits.isNegative()) continue;
    const units = Decimal.min(left, trade.currentUnits.abs());
    closes.push({ trade, units });
    left = left.minus(units);
  }
  return { closes, left };
}

/** Applies positionFill on a netting account. */
function planFill(context: Context, order: MarketOrder, market: Market, units: Decimal): Planned {
  const refused = { refusal: context.settings.positionFillRefusal };
  if (order.close?.kind === 'trade') {
    const trade = context.book.trades.get(order.close.tradeId);
    if (trade === undefined || trade.closedAt !== null) return refused;
    return { closes: [{ trade, units: Decimal.min(units.abs(), trade.currentUnits.abs()) }], opening: ZERO };
  }
  const { closes, left } = closeOldest(market, units);
  if (order.close?.kind === 'position') return closes.length === 0 ? { refusal: 'POSITION_CLOSEOUT_FAILED' } : { closes, opening: ZERO };
  if (order.positionFill === 'OPEN_ONLY') return closes.length > 0 ? refused : { closes, opening: units };
  if (order.positionFill === 'REDUCE_ONLY') return left.isZero() ? { closes, opening: ZERO } : refused;
  return { closes, opening: units.isNegative() ? left.neg() : left };
}

/** The price at which a dependent order with these terms rests for a trade opened at `openPoints`. */
function dependentPrice(terms: DependentTerms, long: boolean, openPoints: number): number {
  if (terms.pricePoints !== null) return terms.pricePoints;
  if (terms.distancePoints === null) throw new Error('dependent terms carry neither a price nor a distance');
  return long ? openPoints - terms.distancePoints : openPoints + terms.distancePoints;
}

/** Would an order that closes a long (or short) trade trigger at this quote? Prices are compared doubled, so that MID is whole. */
function isTriggered(kind: DependentKind, terms: DependentTerms, pricePoints: number, long: boolean, quote: Quote): boolean {
  const natural = long ? quote.bid : quote.ask;
  const opposite = long ? quote.ask : quote.bid;
  const doubled = {
    DEFAULT: 2 * natural,
    INVERSE: 2 * opposite,
    BID: 2 * quote.bid,
    ASK: 2 * quote.ask,
    MID: quote.bid + quote.ask,
  }[terms.triggerCondition];
  const below = (kind === 'STOP_LOSS') === long;
  return below ? doubled <= 2 * pricePoints : doubled >= 2 * pricePoints;
}

/** Why an opening fill may not happen, or null. */
function refuseOpening(context: Context, order: MarketOrder, market: Market, plan: FillPlan, quote: Quote): string | null {
  const { book, settings } = context;
  const long = plan.opening.isPositive();
  const openPoints = long ? quote.ask : quote.bid;
  const clientTradeId = order.tradeClientExtensions?.id;
  if (clientTradeId !== undefined && book.tradeByClientId.get(clientTradeId)?.closedAt === null) return 'CLIENT_TRADE_ID_ALREADY_EXISTS';
  for (const [kind, terms] of [['STOP_LOSS', order.stopLossOnFill], ['TAKE_PROFIT', order.takeProfitOnFill]] as const) {
    if (terms === null) continue;
    if (terms.gtdTime !== null && terms.gtdTime <= quote.at) return `${kind}_ON_FILL_GTD_TIMESTAMP_IN_PAST`;
    const pricePoints = dependentPrice(terms, long, openPoints);
    const losing = kind === 'TAKE_PROFIT' && (long ? pricePoints <= openPoints : pricePoints >= openPoints);
    if (pricePoints <= 0 || losing || isTriggered(kind, terms, pricePoints, long, quote)) return `${kind}_ON_FILL_LOSS`;
    const clientId = terms.clientExtensions?.id;
    if (clientId !== undefined && book.pendingOrderByClientId.has(clientId)) return `${kind}_ON_FILL_CLIENT_ORDER_ID_ALREADY_EXISTS`;
  }
  const openCount = [...book.markets.values()].reduce((count, each) => count + each.openTrades.length, 0);
  if (openCount >= settings.openTradesMax) return 'OPEN_TRADES_ALLOWED_EXCEEDED';
  const value = accountValue(book, settings);
  const freed = plan.closes.reduce((sum, close) => sum.plus(marginOf(book, settings, market, close.units)), ZERO);
  const available = value.nav.minus(value.marginUsed).plus(freed);
  return marginOf(book, settings, market, plan.opening).greaterThan(available) ? 'INSUFFICIENT_MARGIN' : null;
}

const FILL_REASON = { trade: 'MARKET_ORDER_TRADE_CLOSE', position: 'MARKET_ORDER_POSITION_CLOSEOUT' } as const;

/** Fills or cancels a waiting market order at the market's newest price point. */
export function settleMarketOrder(context: Context, order: MarketOrder): Batch {
  const market = marketOf(context.book, order.instrument);
  const quote = market.quote;
  if (quote === null) throw new Error(`${order.instrument} has no price to fill order ${order.id} at`);
  const batch = context.ledger.begin({ at: quote.at, requestId: order.requestId, byClient: true });
  const refuse = (reason: string): Batch => {
    cancelOrder(context, batch, order, reason);
    return batch;
  };
  const buying = order.units.isPositive();
  const points = buying ? quote.ask : quote.bid;
  if (order.boundPoints !== null && (buying ? points > order.boundPoints : points < order.boundPoints)) return refuse('BOUNDS_VIOLATION');
  const available = market.settings.liquidityUnits;
  let units = order.units;
  if (units.abs().greaterThan(available)) {
    if (order.timeInForce === 'FOK') return refuse('INSUFFICIENT_LIQUIDITY');
    units = buying ? new Decimal(available) : new Decimal(-available);
  }
  const plan = planFill(context, order, market, units);
  if ('refusal' in plan) return refuse(plan.refusal);
  const refusal = plan.opening.isZero() ? null : refuseOpening(context, order, market, plan, quote);
  if (refusal !== null) return refuse(refusal);
  executeFill(context, batch, { order, market, quote, plan, buying, reason: order.close === null ? 'MARKET_ORDER' : FILL_REASON[order.close.kind] });
  return batch;
}

/** Fills a stop loss or take profit if the newest price point triggers it; a gap fills beyond its price. */
export function triggerDependent(context: Context, order: DependentOrder): Batch | null {
  const market = marketOf(context.book, order.instrument);
  const trade = context.book.trades.get(order.tradeId);
  if (market.quote === null || trade === undefined) throw new Error(`order ${order.id} guards no trade at a known price`);
  const long = trade.currentUnits.isPositive();
  if (!isTriggered(order.type, order.terms, order.pricePoints, long, market.quote)) return null;
  const batch = context.ledger.begin({ at: market.quote.at, requestId: null, byClient: false });
  const plan: FillPlan = { closes: [{ trade, units: trade.currentUnits.abs() }], opening: ZERO };
  executeFill(context, batch, { order, market, quote: market.quote, plan, buying: !long, reason: `${order.type}_ORDER` });
  return batch;
}

interface Fill {
  readonly order: Order;
  readonly market: Market;
  readonly quote: Quote;
  readonly plan: FillPlan;
  readonly buying: boolean;
  readonly reason: string;
}

/** Half of the spread on these units, in home currency. */
const halfSpreadCost = (fill: Fill, units: Decimal, factors: HomeFactors): Decimal =>
  roundMoney(units.abs().mul(pointsToDecimal(fill.quote.ask - fill.quote.bid, fill.market.settings.instrument.displayPrecision)).div(2).mul(factors.value));

function fullPriceBody(fill: Fill): Body {
  const precision = fill.market.settings.instrument.displayPrecision;
  const [bid, ask] = [printPoints(fill.quote.bid, precision), printPoints(fill.quote.ask, precision)];
  const liquidity = String(fill.market.settings.liquidityUnits);
  return { closeoutBid: bid, closeoutAsk: ask, time: formatInstant(fill.quote.at), bids: [{ price: bid, liquidity }], asks: [{ price: ask, liquidity }] };
}

interface ClosedPart {
  readonly trade: Trade;
  readonly whole: boolean;
  readonly realized: Decimal;
  readonly quotePl: Decimal;
  readonly body: Body;
}

/** Books the closing of one trade, or of a part of it. */
function closePart(fill: Fill, close: FillPlan['closes'][number], fillId: number, factors: HomeFactors, points: number): ClosedPart {
  const { trade } = close;
  const signedUnits = trade.currentUnits.isNegative() ? close.units.neg() : close.units;
  const inQuote = quotePl(fill.market, trade, signedUnits, points);
  const realized = toHome(inQuote, factors);
  trade.currentUnits = trade.currentUnits.minus(signedUnits);
  trade.realizedPl = trade.realizedPl.plus(realized);
  trade.closedValue = trade.closedValue.plus(close.units.mul(points));
  trade.closingTransactionIds.push(fillId);
  fill.market[sideOf(signedUnits)].pl = fill.market[sideOf(signedUnits)].pl.plus(realized);
  const whole = trade.currentUnits.isZero();
  if (whole) {
    trade.closedAt = fill.quote.at;
    fill.market.openTrades = fill.market.openTrades.filter((other) => other !== trade);
  }
  const body = compact({
    tradeID: String(trade.id),
    clientTradeID: trade.clientExtensions?.id,
    units: printDecimal(signedUnits.neg()),
    price: printPoints(points, fill.market.settings.instrument.displayPrecision),
    realizedPL: printMoney(realized),
    financing: printMoney(ZERO),
    baseFinancing: '0',
    guaranteedExecutionFee: printMoney(ZERO),
    quoteGuaranteedExecutionFee: '0',
    halfSpreadCost: printMoney(halfSpreadCost(fill, close.units, factors)),
  });
  return { trade, whole, realized, quotePl: inQuote, body };
}

/** Opens a trade under the fill's id. */
function openTrade(context: Context, fill: Fill, fillId: number, factors: HomeFactors, points: number): { readonly trade: Trade; readonly body: Body } {
  const { book, settings } = context;
  const extensions = fill.order.type === 'MARKET' ? fill.order.tradeClientExtensions : null;
  const trade: Trade = {
    id: fillId,
    instrument: fill.order.instrument,
    openedAt: fill.quote.at,
    pricePoints: points,
    initialUnits: fill.plan.opening,
    initialMargin: marginOf(book, settings, fill.market, fill.plan.opening),
    clientExtensions: extensions,
    currentUnits: fill.plan.opening,
    realizedPl: ZERO,
    financing: ZERO,
    closedValue: ZERO,
    closedAt: null,
    closingTransactionIds: [],
    dependents: new Map(),
  };
  book.trades.set(trade.id, trade);
  fill.market.openTrades.push(trade);
  if (extensions?.id !== undefined) book.tradeByClientId.set(extensions.id, trade);
  const body = compact({
    tradeID: String(trade.id),
    units: printDecimal(trade.initialUnits),
    price: printPoints(points, fill.market.settings.instrument.displayPrecision),
    guaranteedExecutionFee: printMoney(ZERO),
    quoteGuaranteedExecutionFee: '0',
    clientExtensions: extensionsBody(extensions),
    halfSpreadCost: printMoney(halfSpreadCost(fill, trade.initialUnits, factors)),
    initialMarginRequired: printMoney(trade.initialMargin),
  });
  return { trade, body };
}

/** Writes the ORDER_FILL and what follows from it in the same batch. */
function executeFill(context: Context, batch: Batch, fill: Fill): void {
  const { book, settings } = context;
  const { order, market, quote, plan } = fill;
  const precision = market.settings.instrument.displayPrecision;
  const factors = knownFactors(book, settings, market.settings.instrument.quote);
  const points = fill.buying ? quote.ask : quote.bid;
  const fillId = batch.nextId();
  const parts = plan.closes.map((close) => closePart(fill, close, fillId, factors, points));
  const opened = plan.opening.isZero() ? null : openTrade(context, fill, fillId, factors, points);
  const pl = parts.reduce((sum, part) => sum.plus(part.realized), ZERO);
  const closedUnits = plan.closes.reduce((sum, close) => sum.plus(close.units), ZERO);
  const units = closedUnits.mul(fill.buying ? 1 : -1).plus(plan.opening);
  book.balance = book.balance.plus(pl);
  book.pl = book.pl.plus(pl);
  book.lastFillAt = quote.at;
  market.everTraded = true;
  const whole = parts.filter((part) => part.whole);
  const reduced = parts.find((part) => !part.whole);
  const price = printPoints(points, precision);
  const fields: { readonly [key: string]: Json | undefined } = {
    orderID: String(order.id),
    clientOrderID: order.clientExtensions?.id,
    instrument: order.instrument,
    units: printDecimal(units),
    requestedUnits: printDecimal(order.type === 'MARKET' ? order.units : units),
    price,
    pl: printMoney(pl),
    quotePL: printDecimal(parts.reduce((sum, part) => sum.plus(part.quotePl), ZERO)),
    financing: printMoney(ZERO),
    baseFinancing: '0',
    commission: printMoney(ZERO),
    accountBalance: printMoney(book.balance),
    gainQuoteHomeConversionFactor: printDecimal(factors.gain),
    lossQuoteHomeConversionFactor: printDecimal(factors.loss),
    guaranteedExecutionFee: printMoney(ZERO),
    quoteGuaranteedExecutionFee: '0',
    halfSpreadCost: printMoney(halfSpreadCost(fill, units, factors)),
    fullVWAP: price,
    reason: fill.reason,
    tradeOpened: opened?.body,
    tradesClosed: whole.length === 0 ? undefined : whole.map((part) => part.body),
    tradeReduced: reduced?.body,
    fullPrice: fullPriceBody(fill),
  };
  batch.add('ORDER_FILL', fields);
  finishOrder(book, order, {
    state: 'FILLED',
    transactionId: fillId,
    at: quote.at,
    openedTradeId: opened?.trade.id ?? null,
    reducedTradeId: reduced?.trade.id ?? null,
    closedTradeIds: whole.map((part) => part.trade.id),
  });
  if (opened !== null && order.type === 'MARKET') {
    for (const kind of ['TAKE_PROFIT', 'STOP_LOSS'] as const) {
      const terms = kind === 'STOP_LOSS' ? order.stopLossOnFill : order.takeProfitOnFill;
      if (terms !== null) createDependent(context, batch, opened.trade, kind, terms, fillId);
    }
  }
  for (const part of whole) cancelLinked(context, batch, part.trade, fillId);
}

function createDependent(context: Context, batch: Batch, trade: Trade, kind: DependentKind, terms: DependentTerms, fillId: number): void {
  const precision = marketOf(context.book, trade.instrument).settings.instrument.displayPrecision;
  const pricePoints = dependentPrice(terms, trade.currentUnits.isPositive(), trade.pricePoints);
  const transaction = batch.add(`${kind}_ORDER`, {
    tradeID: String(trade.id),
    clientTradeID: trade.clientExtensions?.id,
    price: printPoints(pricePoints, precision),
    distance: terms.distancePoints === null ? undefined : printPoints(terms.distancePoints, precision),
    timeInForce: terms.timeInForce,
    gtdTime: terms.gtdTime === null ? undefined : formatInstant(terms.gtdTime),
    triggerCondition: terms.triggerCondition,
    clientExtensions: extensionsBody(terms.clientExtensions),
    reason: 'ON_FILL',
    orderFillTransactionID: String(fillId),
  });
  const expiresAt = terms.gtdTime ?? (terms.timeInForce === 'GFD' ? nextTradingDayStart(batch.at) : null);
  const order: DependentOrder = {
    id: transaction.id,
    type: kind,
    instrument: trade.instrument,
    createdAt: batch.at,
    requestId: null,
    clientExtensions: terms.clientExtensions,
    expiry: expiresAt === null ? null : { at: expiresAt, reason: 'TIME_IN_FORCE_EXPIRED' },
    status: { state: 'PENDING' },
    tradeId: trade.id,
    pricePoints,
    terms,
  };
  addOrder(context.book, order);
  trade.dependents.set(kind, order);
}

/** Cancels what hung on a closed trade: its stop and take profit, and closes that still waited for a price. */
function cancelLinked(context: Context, batch: Batch, trade: Trade, fillId: number): void {
  const linked = marketOf(context.book, trade.instrument).pendingOrders.filter((order) =>
    order.type === 'MARKET' ? order.close?.kind === 'trade' && order.close.tradeId === trade.id : order.tradeId === trade.id,
  );
  for (const order of linked) cancelOrder(context, batch, order, 'LINKED_TRADE_CLOSED', { tradeId: trade.id, fillId });
}
