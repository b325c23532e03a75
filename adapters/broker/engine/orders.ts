/** Orders as the client asks for them: created, replaced, cancelled, renamed. */
import type { ClientExtensions, Json } from './bodies.ts';
import { extensionsBody, isBody } from './bodies.ts';
import type { CloseTarget, DependentKind, EntryKind, Market, MarketOrder, Order, RestingOrder, Trade } from './book.ts';
import { DEPENDENT_KINDS, NO_ON_FILL, addOrder, findOrder, findTrade, isDependent, marketOf, netUnits, pendingCount, releaseClientId } from './book.ts';
import type { Context } from './context.ts';
import { cancelOrder } from './context.ts';
import { nextTradingDayStart } from './days.ts';
import type { Decimal } from './decimals.ts';
import { createDependent } from './dependents.ts';
import type { Batch } from './ledger.ts';
import type { MarketRequest, ReadingContext, RestingRequest } from './order-requests.ts';
import { readDependentOrder, readMarketOrder, readRestingOrder } from './order-requests.ts';
import type { Outcome, Receipt } from './outcomes.ts';
import { guarded } from './outcomes.ts';
import { lacksMargin, planFill, sideHalted } from './plans.ts';
import type { Fields } from './requests.ts';
import { NOT_AN_OBJECT, RejectedRequest, echoOf, invalidValue, optionalText, readExtensions } from './requests.ts';
import type { Replacement } from './transaction-bodies.ts';
import { marketFields, replacementFields, restingFields } from './transaction-bodies.ts';
import { isReached, marketPoints, waitsForFall } from './triggers.ts';
import { homeFactors } from './valuation.ts';
import { isMarketOpen } from '../../../domain/calendar.ts';
import { plusMs } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

const ENTRY_KINDS = ['LIMIT', 'STOP', 'MARKET_IF_TOUCHED'] as const satisfies readonly EntryKind[];
const isEntryKind = (type: string): type is EntryKind => ENTRY_KINDS.some((kind) => kind === type);
const isDependentKind = (type: string): type is DependentKind => DEPENDENT_KINDS.some((kind) => kind === type);

/** Can this side of the instrument be traded at `at`? The answer is null, or the cancel reason of an order that must fill at once. */
export const closedReason = ({ settings }: Context, market: Market, buying: boolean, at: Instant): string | null => (isMarketOpen(settings.calendar, at) ? sideHalted(market, buying) : 'MARKET_HALTED');

/** A client id must not be that of another pending order; `except` is the order that is being replaced. */
function checkClientId({ book, settings }: Context, extensions: ClientExtensions | null, except: Order | null): void {
  const holder = extensions?.id === undefined ? undefined : book.pendingOrderByClientId.get(extensions.id);
  if (holder !== undefined && holder !== except && settings.switches.duplicateOrderId === 'reject') throw new RejectedRequest('CLIENT_ORDER_ID_ALREADY_EXISTS');
}

/** Refuses every order, closes too, while the account is locked against them. */
export function checkLock({ book }: Context): void {
  if (book.lock === 'ACCOUNT_LOCKED' || book.lock === 'ACCOUNT_ORDER_CREATION_LOCKED') throw new RejectedRequest(book.lock);
}

/** What the account refuses whatever the order says. */
function checkAccount(context: Context, replaced: Order | null): void {
  const { book, settings } = context;
  checkLock(context);
  if (replaced === null && pendingCount(book) >= settings.pendingOrdersMax) throw new RejectedRequest('PENDING_ORDERS_ALLOWED_EXCEEDED');
}

/** Refusals at the receipt that are switches: by default they show at the fill. */
function checkAtReceipt(context: Context, order: MarketOrder | RestingOrder, market: Market): void {
  const { book, settings } = context;
  const { switches } = settings;
  const slot = order.tradeClientExtensions?.id;
  if (switches.slotTaken === 'reject' && slot !== undefined && book.tradeByClientId.get(slot)?.closedAt === null) throw new RejectedRequest('CLIENT_TRADE_ID_ALREADY_EXISTS');
  if (order.type !== 'MARKET') return;
  const held = netUnits(market);
  const opposite = !held.isZero() && held.isNegative() !== order.units.isNegative();
  if (switches.nothingToReduce === 'reject' && order.positionFill === 'REDUCE_ONLY' && !opposite) throw new RejectedRequest('ORDER_FILL_POSITION_ACTION_INVALID');
  if (switches.insufficientMargin !== 'reject') return;
  const plan = planFill(context, order, market, order.units);
  if (!('refusal' in plan) && !plan.opening.isZero() && lacksMargin(context, market, plan)) throw new RejectedRequest('INSUFFICIENT_MARGIN');
}

/** The request of an order that closes: all or nothing, and never opening. */
export const closingRequest = (units: Decimal, clientExtensions: ClientExtensions | null = null): MarketRequest => ({
  units,
  timeInForce: 'FOK',
  boundPoints: null,
  positionFill: 'REDUCE_ONLY',
  clientExtensions,
  tradeClientExtensions: null,
  onFill: NO_ON_FILL,
});

/** One of the market orders that a drill accepts at once and fills late has been taken. */
function countDelayed({ book }: Context): void {
  const { delayed } = book;
  if (delayed !== null) book.delayed = delayed.orders > 1 ? { ...delayed, orders: delayed.orders - 1 } : null;
}

/** The record of a market order about to be created. */
export function marketOrderRecord(context: Context, batch: Batch, instrument: string, request: MarketRequest, close: CloseTarget | null, origin: { readonly requestId: string | null; readonly delayMs: number }): MarketOrder {
  const fillableFrom = plusMs(batch.at, origin.delayMs);
  return {
    ...request,
    id: batch.nextId(),
    type: 'MARKET',
    instrument,
    createdAt: batch.at,
    requestId: origin.requestId,
    replacesOrderId: null,
    fillableFrom,
    expiry: { at: plusMs(fillableFrom, context.settings.marketOrderWaitMs), reason: 'MARKET_HALTED' },
    status: { state: 'PENDING' },
    close,
  };
}

/** Writes a market order down; it waits for the next price point. */
export function addMarketOrder(context: Context, batch: Batch, order: MarketOrder): void {
  const precision = marketOf(context.book, order.instrument).settings.instrument.displayPrecision;
  batch.add('MARKET_ORDER', marketFields(order, order.instrument, precision, order.close));
  addOrder(context.book, order);
}

/** Creates a market order, and cancels it at once while its market is closed. */
export function createMarketOrder(context: Context, batch: Batch, receipt: Receipt, instrument: string, request: MarketRequest, close: CloseTarget | null): Outcome {
  const market = marketOf(context.book, instrument);
  const delayMs = context.book.delayed?.delayMs ?? 0;
  const order = marketOrderRecord(context, batch, instrument, request, close, { requestId: receipt.requestId, delayMs });
  checkAtReceipt(context, order, market);
  countDelayed(context);
  addMarketOrder(context, batch, order);
  const closed = closedReason(context, market, order.units.isPositive(), receipt.at);
  if (closed !== null) cancelOrder(context, batch, order, closed);
  return { kind: 'accepted', orderId: order.id, transactions: batch.transactions, settlesSoon: delayMs === 0 };
}

/** When a resting order ends by itself. */
function expiryOf({ settings }: Context, request: Pick<RestingRequest, 'timeInForce' | 'gtdTime'>, at: Instant): Order['expiry'] {
  if (request.timeInForce === 'GTD' && request.gtdTime !== null) return { at: request.gtdTime, reason: 'TIME_IN_FORCE_EXPIRED' };
  if (request.timeInForce === 'GFD') return { at: nextTradingDayStart(at), reason: 'TIME_IN_FORCE_EXPIRED' };
  return request.timeInForce === 'GTC' ? null : { at: plusMs(at, settings.marketOrderWaitMs), reason: 'MARKET_HALTED' };
}

interface Placing {
  readonly batch: Batch;
  readonly receipt: Receipt;
  /** The order that the new one is to replace. */
  readonly replaced: Order | null;
}

/** Cancels the order that is being replaced, just before its successor is written. */
function cancelReplaced(context: Context, { batch, replaced }: Placing): Replacement | null {
  if (replaced === null) return null;
  const cancelId = cancelOrder(context, batch, replaced, 'CLIENT_REQUEST_REPLACED', { replacedByOrderId: batch.nextId() + 1 });
  return { replacesOrderId: replaced.id, cancellingTransactionId: cancelId };
}

/** Where a new order's price lies from the market's. */
function directionOf(market: Market, type: EntryKind, request: RestingRequest): Pick<RestingOrder, 'waitsForFall' | 'initialMarketPoints'> {
  const buying = request.units.isPositive();
  if (type !== 'MARKET_IF_TOUCHED') return { waitsForFall: (type === 'LIMIT') === buying, initialMarketPoints: null };
  if (market.quote === null) throw new Error(`${market.settings.instrument.name} has no price`);
  return { waitsForFall: waitsForFall(request.triggerCondition, buying, request.pricePoints, market.quote), initialMarketPoints: marketPoints(buying, market.quote) };
}

interface Resting {
  readonly type: EntryKind;
  readonly instrument: string;
  readonly request: RestingRequest;
  readonly requestId: string | null;
  readonly replacement: Replacement | null;
  readonly direction: Pick<RestingOrder, 'waitsForFall' | 'initialMarketPoints'>;
}

function addResting(context: Context, batch: Batch, resting: Resting): RestingOrder {
  const { type, instrument, request, requestId, replacement, direction } = resting;
  const { displayPrecision } = marketOf(context.book, instrument).settings.instrument;
  const order: RestingOrder = {
    ...request,
    id: batch.nextId(),
    type,
    instrument,
    createdAt: batch.at,
    requestId,
    replacesOrderId: replacement?.replacesOrderId ?? null,
    expiry: expiryOf(context, request, batch.at),
    status: { state: 'PENDING' },
    waitsForFall: direction.waitsForFall,
    initialMarketPoints: direction.initialMarketPoints,
    remainingUnits: request.units,
  };
  batch.add(`${type}_ORDER`, {
    ...restingFields(request, type, instrument, displayPrecision),
    partialFill: 'DEFAULT',
    clientExtensions: extensionsBody(request.clientExtensions),
    ...replacementFields(replacement),
  });
  addOrder(context.book, order);
  return order;
}

/** Puts what a partial fill left into a new order under the same terms. */
export function reissueOrder(context: Context, batch: Batch, order: RestingOrder, units: Decimal): void {
  const { type, instrument, requestId } = order;
  addResting(context, batch, { type, instrument, request: { ...order, units }, requestId, replacement: { replacesOrderId: order.id, cancellingTransactionId: null }, direction: order });
}

function placeResting(context: Context, type: EntryKind, fields: Fields, instrument: string, placing: Placing, reading: ReadingContext): Outcome {
  const request = readRestingOrder(fields, type, reading);
  const { batch, receipt, replaced } = placing;
  checkClientId(context, request.clientExtensions, replaced);
  checkAccount(context, replaced);
  const slot = request.tradeClientExtensions?.id;
  if (context.settings.switches.slotTaken === 'reject' && slot !== undefined && context.book.tradeByClientId.get(slot)?.closedAt === null) throw new RejectedRequest('CLIENT_TRADE_ID_ALREADY_EXISTS');
  const replacement = cancelReplaced(context, placing);
  const order = addResting(context, batch, { type, instrument, request, requestId: receipt.requestId, replacement, direction: directionOf(reading.market, type, request) });
  const immediate = order.timeInForce === 'FOK' || order.timeInForce === 'IOC';
  const closed = immediate ? closedReason(context, reading.market, order.units.isPositive(), receipt.at) : null;
  if (closed !== null) cancelOrder(context, batch, order, closed);
  const { quote } = reading.market;
  return { kind: 'accepted', orderId: order.id, transactions: batch.transactions, settlesSoon: immediate || (quote !== null && isReached(order, quote)) };
}

/** The open trade that a dependent order's request names. */
function namedTrade({ book }: Context, fields: Fields): Trade {
  const tradeId = optionalText(fields, 'tradeID', 'order');
  const clientTradeId = optionalText(fields, 'clientTradeID', 'order');
  if (tradeId === null && clientTradeId === null) throw new RejectedRequest('TRADE_ID_UNSPECIFIED');
  const byId = tradeId === null ? null : tradeId.startsWith('@') ? undefined : findTrade(book, tradeId);
  const byClientId = clientTradeId === null ? null : findTrade(book, `@${clientTradeId}`);
  if (byId !== null && byClientId !== null && byId !== byClientId) throw new RejectedRequest('TRADE_IDENTIFIER_INCONSISTENCY');
  const trade = byId ?? byClientId ?? undefined;
  if (trade === undefined || trade.closedAt !== null) throw new RejectedRequest('TRADE_DOESNT_EXIST');
  return trade;
}

function placeDependent(context: Context, kind: DependentKind, fields: Fields, placing: Placing): Outcome {
  const { book, settings } = context;
  const { batch, receipt, replaced } = placing;
  const trade = namedTrade(context, fields);
  if (replaced !== null && isDependent(replaced) && replaced.tradeId !== trade.id) throw new RejectedRequest('REPLACING_TRADE_ID_INVALID');
  const market = marketOf(book, trade.instrument);
  const terms = readDependentOrder(fields, kind, 'order', { market, now: receipt.at, switches: settings.switches });
  checkClientId(context, terms.clientExtensions, replaced);
  checkAccount(context, replaced);
  const standing = trade.dependents.get(kind);
  if (standing !== undefined && standing !== replaced) throw new RejectedRequest(`${kind}_ORDER_ALREADY_EXISTS`);
  const order = createDependent(context, batch, trade, kind, terms, replacementFields(cancelReplaced(context, placing)));
  return { kind: 'accepted', orderId: order.id, transactions: batch.transactions, settlesSoon: false };
}

function placeEntry(context: Context, type: EntryKind | 'MARKET', fields: Fields, market: Market, placing: Placing): Outcome {
  const { settings } = context;
  const { batch, receipt } = placing;
  const instrument = market.settings.instrument.name;
  const reading: ReadingContext = { market, now: receipt.at, switches: settings.switches };
  const priceKnown = (): void => {
    if (market.quote === null || homeFactors(market, settings) === null) throw new RejectedRequest('INSTRUMENT_PRICE_UNKNOWN');
  };
  if (type !== 'MARKET') {
    priceKnown();
    return placeResting(context, type, fields, instrument, placing, reading);
  }
  const request = readMarketOrder(fields, reading);
  checkClientId(context, request.clientExtensions, null);
  checkAccount(context, null);
  priceKnown();
  return createMarketOrder(context, batch, receipt, instrument, request, null);
}

/** Places a new order, or one in the place of `replaced`. */
function place(context: Context, order: unknown, receipt: Receipt, replaced: Order | null): Outcome {
  if (!isBody(order)) return { kind: 'invalid', message: "The request was missing required data: 'order'" };
  const type = order['type'] ?? 'MARKET';
  if (typeof type !== 'string') return { kind: 'invalid', message: invalidValue('order.type').message };
  const origin: { readonly [key: string]: Json } = replaced === null ? { reason: 'CLIENT_ORDER' } : { reason: 'REPLACEMENT', intendedReplacesOrderID: String(replaced.id) };
  const rejectFields = { ...echoOf(order, type), ...origin };
  const rejectType = `${type}_ORDER_REJECT`;
  if (type === 'GUARANTEED_STOP_LOSS') {
    return guarded(context, receipt, rejectType, rejectFields, () => {
      throw new RejectedRequest('STOP_LOSS_ORDER_GUARANTEED_NOT_ALLOWED');
    });
  }
  if (isDependentKind(type)) {
    return guarded(context, receipt, rejectType, rejectFields, (batch) => {
      if (replaced !== null && replaced.type !== type) throw new RejectedRequest('REPLACING_ORDER_INVALID');
      return placeDependent(context, type, order, { batch, receipt, replaced });
    });
  }
  if (type !== 'MARKET' && !isEntryKind(type)) return { kind: 'invalid', message: invalidValue('order.type').message };
  const instrument = order['instrument'];
  const market = typeof instrument === 'string' ? context.book.markets.get(instrument) : undefined;
  if (market === undefined) return { kind: 'invalid', message: invalidValue('order.instrument').message };
  return guarded(context, receipt, rejectType, rejectFields, (batch) => {
    if (replaced !== null && (replaced.type !== type || type === 'MARKET' || replaced.instrument !== instrument)) throw new RejectedRequest('REPLACING_ORDER_INVALID');
    return placeEntry(context, type, order, market, { batch, receipt, replaced });
  });
}

/** A POST of `order`, whatever its content. */
export const placeOrder = (context: Context, order: unknown, receipt: Receipt): Outcome => place(context, order, receipt, null);

const named = (specifier: string): { readonly [key: string]: Json } => (specifier.startsWith('@') ? { clientOrderID: specifier.slice(1, 129) } : { orderID: specifier.slice(0, 64) });

/** The pending order that a specifier names. */
function pendingOrder(context: Context, specifier: string): Order {
  const order = findOrder(context.book, specifier);
  if (order === undefined || order.status.state !== 'PENDING') throw new RejectedRequest('ORDER_DOESNT_EXIST');
  return order;
}

/** A PUT of `order` in the place of a pending one, of the same type. */
export function replaceOrder(context: Context, specifier: string, order: unknown, receipt: Receipt): Outcome {
  const standing = findOrder(context.book, specifier);
  if (standing !== undefined && standing.status.state === 'PENDING') return place(context, order, receipt, standing);
  return guarded(context, receipt, 'ORDER_CANCEL_REJECT', named(specifier), () => {
    throw new RejectedRequest('ORDER_DOESNT_EXIST');
  });
}

export function cancelByClient(context: Context, specifier: string, receipt: Receipt): Outcome {
  return guarded(context, receipt, 'ORDER_CANCEL_REJECT', named(specifier), (batch) => {
    const { lock } = context.book;
    if (lock === 'ACCOUNT_LOCKED' || lock === 'ACCOUNT_ORDER_CANCEL_LOCKED') throw new RejectedRequest(lock);
    const order = pendingOrder(context, specifier);
    cancelOrder(context, batch, order, 'CLIENT_REQUEST');
    return { kind: 'accepted', orderId: order.id, transactions: batch.transactions, settlesSoon: false };
  });
}

/** Given fields take the place of those that stand. */
export const mergeExtensions = (standing: ClientExtensions | null, given: ClientExtensions | null): ClientExtensions | null => (given === null ? standing : { ...standing, ...given });

/** Changes the extensions of a pending order, and those for the trade that it would open. */
export function modifyOrderExtensions(context: Context, specifier: string, body: unknown, receipt: Receipt): Outcome {
  if (!isBody(body)) return { kind: 'invalid', message: NOT_AN_OBJECT };
  const { book } = context;
  return guarded(context, receipt, 'ORDER_CLIENT_EXTENSIONS_MODIFY_REJECT', named(specifier), (batch) => {
    const order = pendingOrder(context, specifier);
    const given = readExtensions(body, 'clientExtensions', 'body', 'CLIENT_ORDER');
    const forTrade = readExtensions(body, 'tradeClientExtensions', 'body', 'CLIENT_TRADE');
    if (given === null && forTrade === null) throw new RejectedRequest('CLIENT_EXTENSIONS_DATA_MISSING');
    if (forTrade !== null && (isDependent(order) || order.type === 'MARKET')) throw new RejectedRequest('TRADE_ON_FILL_CLIENT_EXTENSIONS_NOT_SUPPORTED');
    checkClientId(context, given, order);
    const oldId = order.clientExtensions?.id;
    const transaction = batch.add('ORDER_CLIENT_EXTENSIONS_MODIFY', {
      orderID: String(order.id),
      clientOrderID: oldId,
      clientExtensionsModify: extensionsBody(given),
      tradeClientExtensionsModify: extensionsBody(forTrade),
    });
    order.clientExtensions = mergeExtensions(order.clientExtensions, given);
    if (!isDependent(order) && order.type !== 'MARKET') order.tradeClientExtensions = mergeExtensions(order.tradeClientExtensions, forTrade);
    if (oldId !== undefined && oldId !== order.clientExtensions?.id) releaseClientId(book, oldId);
    if (order.clientExtensions?.id !== undefined) book.pendingOrderByClientId.set(order.clientExtensions.id, order);
    return { kind: 'accepted', orderId: order.id, transactions: [transaction], settlesSoon: false };
  });
}

