/** What a fill does to the account: trades closed and opened, money, and the orders that follow from it. */
import type { Body, Json } from './bodies.ts';
import { compact, extensionsBody } from './bodies.ts';
import type { Market, Order, Trade } from './book.ts';
import { DEPENDENT_KINDS, finishOrder, isDependent, sideOf } from './book.ts';
import type { Context } from './context.ts';
import { cancelOrder } from './context.ts';
import type { Decimal} from './decimals.ts';
import { ZERO, pointsToDecimal, printDecimal, printMoney, printPoints, printPrice, roundMoney } from './decimals.ts';
import { createDependent } from './dependents.ts';
import type { Batch } from './ledger.ts';
import { levelsOf, takeOffer } from './offers.ts';
import type { HomeFactors } from './valuation.ts';
import { conversionCost, knownFactors, marginOf, quotePl, toHome } from './valuation.ts';
import { formatInstant } from '../../../domain/time.ts';

/** Which trades a fill closes, by how much (always positive), and the signed units that it opens. */
export interface FillPlan {
  readonly closes: readonly { readonly trade: Trade; readonly units: Decimal }[];
  readonly opening: Decimal;
}

export interface Fill {
  readonly order: Order;
  readonly market: Market;
  readonly plan: FillPlan;
  readonly price: Decimal;
  readonly buying: boolean;
  readonly reason: string;
  /** Units that were asked for, with sign. */
  readonly requested: Decimal;
  /** Is the order done, or does a part of it rest on? */
  readonly finishes: boolean;
}

/** Fields of a fill that only reads of the ledger have: the answer to the request leaves them out. */
export const LEDGER_ONLY_FIELDS: readonly string[] = [
  'homeConversionFactors', 'plHomeConversionCost', 'baseFinancingHomeConversionCost', 'guaranteedExecutionFeeHomeConversionCost', 'homeConversionCost',
];

/** Conversion costs are printed longer than money, as the broker does. */
const COST_DECIMALS = 10;
const NO_COSTS = { baseFinancingHomeConversionCost: '0', guaranteedExecutionFeeHomeConversionCost: '0' };

function costFields(cost: Decimal): { readonly [key: string]: Json } {
  const text = printDecimal(cost.toDecimalPlaces(COST_DECIMALS));
  return { plHomeConversionCost: text, ...NO_COSTS, homeConversionCost: text };
}

/** Half of the spread on these units, in home currency. */
function halfSpreadCost({ market }: Fill, units: Decimal, factors: HomeFactors): Decimal {
  if (market.quote === null) return ZERO;
  return roundMoney(units.abs().mul(pointsToDecimal(market.quote.ask - market.quote.bid, market.settings.instrument.displayPrecision)).div(2).mul(factors.value));
}

function fullPriceBody({ market }: Fill): Body | undefined {
  const { quote } = market;
  if (quote === null) return undefined;
  const precision = market.settings.instrument.displayPrecision;
  const side = (buying: boolean): Json => levelsOf(market, buying).map((level) => ({ price: printPoints(level.points, precision), liquidity: printDecimal(level.units) }));
  return { closeoutBid: printPoints(quote.bid, precision), closeoutAsk: printPoints(quote.ask, precision), time: formatInstant(quote.at), bids: side(false), asks: side(true) };
}

interface ClosedPart {
  readonly trade: Trade;
  readonly whole: boolean;
  readonly realized: Decimal;
  readonly quotePl: Decimal;
  readonly cost: Decimal;
  readonly body: Body;
}

/** Books the closing of one trade, or of a part of it. */
function closePart({ book }: Context, fill: Fill, close: FillPlan['closes'][number], fillId: number, factors: HomeFactors, batch: Batch): ClosedPart {
  const { trade } = close;
  const { market, price } = fill;
  const signedUnits = trade.currentUnits.isNegative() ? close.units.neg() : close.units;
  const inQuote = quotePl(trade, signedUnits, price);
  const realized = toHome(inQuote, factors);
  const cost = conversionCost(inQuote, factors);
  trade.currentUnits = trade.currentUnits.minus(signedUnits);
  trade.realizedPl = trade.realizedPl.plus(realized);
  trade.closedValue = trade.closedValue.plus(close.units.mul(price));
  trade.closingTransactionIds.push(fillId);
  const side = market[sideOf(signedUnits)];
  side.pl = side.pl.plus(realized);
  const whole = trade.currentUnits.isZero();
  if (whole) {
    trade.closedAt = batch.at;
    book.openTradeCount -= 1;
    market.openTrades = market.openTrades.filter((other) => other !== trade);
  }
  const body = compact({
    tradeID: String(trade.id),
    clientTradeID: trade.clientExtensions?.id,
    units: printDecimal(signedUnits.neg()),
    price: printPrice(price, market.settings.instrument.displayPrecision),
    realizedPL: printMoney(realized),
    financing: printMoney(ZERO),
    baseFinancing: '0',
    guaranteedExecutionFee: printMoney(ZERO),
    quoteGuaranteedExecutionFee: '0',
    halfSpreadCost: printMoney(halfSpreadCost(fill, close.units, factors)),
    ...costFields(cost),
  });
  return { trade, whole, realized, quotePl: inQuote, cost, body };
}

/** Opens a trade under the fill's id. */
function openTrade(context: Context, fill: Fill, fillId: number, factors: HomeFactors, batch: Batch): { readonly trade: Trade; readonly body: Body } {
  const { book, settings } = context;
  const { order, market, plan, price } = fill;
  const extensions = isDependent(order) ? null : order.tradeClientExtensions;
  const trade: Trade = {
    id: fillId,
    instrument: order.instrument,
    openedAt: batch.at,
    price,
    initialUnits: plan.opening,
    initialMargin: marginOf(book, settings, market, plan.opening),
    clientExtensions: extensions,
    currentUnits: plan.opening,
    realizedPl: ZERO,
    financing: ZERO,
    dividendAdjustment: ZERO,
    closedValue: ZERO,
    closedAt: null,
    delayedClosureId: null,
    closingTransactionIds: [],
    dependents: new Map(),
  };
  book.trades.set(trade.id, trade);
  market.openTrades.push(trade);
  book.openTradeCount += 1;
  if (extensions?.id !== undefined) book.tradeByClientId.set(extensions.id, trade);
  const body = compact({
    tradeID: String(trade.id),
    units: printDecimal(trade.initialUnits),
    price: printPrice(price, market.settings.instrument.displayPrecision),
    guaranteedExecutionFee: printMoney(ZERO),
    quoteGuaranteedExecutionFee: '0',
    clientExtensions: extensionsBody(extensions),
    halfSpreadCost: printMoney(halfSpreadCost(fill, trade.initialUnits, factors)),
    initialMarginRequired: printMoney(trade.initialMargin),
  });
  return { trade, body };
}

const factorBody = (factor: Decimal): Body => ({ factor: printDecimal(factor) });

interface Booked {
  readonly parts: readonly ClosedPart[];
  readonly opened: { readonly trade: Trade; readonly body: Body } | null;
  readonly units: Decimal;
}

function fillFields(context: Context, fill: Fill, booked: Booked, factors: HomeFactors): { readonly [key: string]: Json | undefined } {
  const { order, market } = fill;
  const { parts, opened, units } = booked;
  const whole = parts.filter((part) => part.whole);
  const price = printPrice(fill.price, market.settings.instrument.displayPrecision);
  return {
    orderID: String(order.id),
    clientOrderID: order.clientExtensions?.id,
    instrument: order.instrument,
    units: printDecimal(units),
    requestedUnits: printDecimal(fill.requested),
    price,
    pl: printMoney(parts.reduce((sum, part) => sum.plus(part.realized), ZERO)),
    quotePL: printDecimal(parts.reduce((sum, part) => sum.plus(part.quotePl), ZERO)),
    financing: printMoney(ZERO),
    baseFinancing: '0',
    commission: printMoney(ZERO),
    accountBalance: printMoney(context.book.balance),
    gainQuoteHomeConversionFactor: printDecimal(factors.gain),
    lossQuoteHomeConversionFactor: printDecimal(factors.loss),
    homeConversionFactors: { gainQuoteHome: factorBody(factors.gain), lossQuoteHome: factorBody(factors.loss) },
    guaranteedExecutionFee: printMoney(ZERO),
    quoteGuaranteedExecutionFee: '0',
    halfSpreadCost: printMoney(halfSpreadCost(fill, units, factors)),
    ...costFields(parts.reduce((sum, part) => sum.plus(part.cost), ZERO)),
    fullVWAP: price,
    reason: fill.reason,
    tradeOpened: opened?.body,
    tradesClosed: whole.length === 0 ? undefined : whole.map((part) => part.body),
    tradeReduced: parts.find((part) => !part.whole)?.body,
    fullPrice: fullPriceBody(fill),
  };
}

/** Writes the ORDER_FILL and what follows from it in the same batch; answers with the fill's id. */
export function executeFill(context: Context, batch: Batch, fill: Fill): number {
  const { book, settings } = context;
  const { order, market, plan } = fill;
  const factors = knownFactors(market, settings);
  const fillId = batch.nextId();
  const parts = plan.closes.map((close) => closePart(context, fill, close, fillId, factors, batch));
  const opened = plan.opening.isZero() ? null : openTrade(context, fill, fillId, factors, batch);
  const pl = parts.reduce((sum, part) => sum.plus(part.realized), ZERO);
  const closedUnits = plan.closes.reduce((sum, close) => sum.plus(close.units), ZERO);
  const units = closedUnits.mul(fill.buying ? 1 : -1).plus(plan.opening);
  book.balance = book.balance.plus(pl);
  book.pl = book.pl.plus(pl);
  book.lastFillAt = batch.at;
  book.rough = null;
  market.everTraded = true;
  batch.add('ORDER_FILL', fillFields(context, fill, { parts, opened, units }, factors));
  takeOffer(market, fill.buying, units.abs());
  const whole = parts.filter((part) => part.whole);
  if (fill.finishes) {
    finishOrder(book, order, {
      state: 'FILLED',
      transactionId: fillId,
      at: batch.at,
      openedTradeId: opened?.trade.id ?? null,
      reducedTradeId: parts.find((part) => !part.whole)?.trade.id ?? null,
      closedTradeIds: whole.map((part) => part.trade.id),
    });
  }
  if (opened !== null && !isDependent(order)) {
    for (const kind of DEPENDENT_KINDS) {
      const terms = order.onFill[kind];
      if (terms !== null) createDependent(context, batch, opened.trade, kind, terms, { reason: 'ON_FILL', orderFillTransactionID: String(fillId) });
    }
  }
  for (const part of whole) cancelLinked(context, batch, part.trade, market, fillId);
  return fillId;
}

/** Cancels what hung on a closed trade: its dependent orders, and closes that still waited for a price. */
function cancelLinked(context: Context, batch: Batch, trade: Trade, market: Market, fillId: number): void {
  const hangsOn = (order: Order): boolean => {
    if (isDependent(order)) return order.tradeId === trade.id;
    return order.type === 'MARKET' && (order.close?.kind === 'trade' || order.close?.kind === 'delayed') && order.close.tradeId === trade.id;
  };
  for (const order of market.pendingOrders.filter(hangsOn)) cancelOrder(context, batch, order, 'LINKED_TRADE_CLOSED', { closedTradeId: trade.id, fillId });
}
