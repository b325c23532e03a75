/**
 * One instrument's trading: decisions, orders and what became of them.
 *
 * Life of an order: intended → submitted (the broker answered) → accepted → filled | cancelled | rejected; or
 * intended → unknown (no usable answer) → whatever the ledger shows, or abandoned after a quiet period. A resting
 * order may fill in parts while it is accepted, and be cancelled with some of it filled. An order's end is always
 * read from the ledger, never from an answer, except a refusal that leaves no transaction.
 *
 * **Invariant:** at most one opening order is not settled. **Invariant:** a bar has at most one decision.
 */
import type { TransactionBody } from './ledger.ts';
import type { DataOf, DomainEvent, OrderCause, OrderLeg } from './events.ts';
import type { ClientOrderId, DecisionId } from './ids.ts';
import { LayeredMap } from './layered-map.ts';
import { withEntry, withoutEntry } from './maps.ts';
import type { Price, Units } from './money.ts';
import { absolute, add, format, price, priceToPips, ratioOf, subtract, units, ZERO_UNITS } from './money.ts';
import type { Instant } from './time.ts';
import { MINUTE_MS, parseInstant } from './time.ts';

// --- state ---

interface OrderFacts {
  readonly clientOrderId: ClientOrderId;
  readonly decisionId: DecisionId | null;
  readonly cause: OrderCause;
  readonly leg: OrderLeg;
  readonly units: Units;
  readonly tradeId: string | null;
  readonly referencePrice: Price | null;
  readonly priceBound: Price | null;
  readonly stopLossDistance: Price | null;
  /** A close of the whole position instead of one trade. */
  readonly closesPosition: boolean;
  /** Signed units that its fills so far came to. */
  readonly filledUnits: Units;
  /** Where to look in the ledger when no answer comes. */
  readonly watermark: number;
  readonly intendedAt: Instant;
}

export type Order =
  | (OrderFacts & { readonly status: 'intended' | 'submitted' })
  | (OrderFacts & { readonly status: 'unknown'; readonly since: Instant })
  | (OrderFacts & { readonly status: 'accepted'; readonly orderId: string })
  | (OrderFacts & { readonly status: 'cancelled' | 'rejected'; readonly reason: string })
  | (OrderFacts & { readonly status: 'filled' | 'denied' | 'abandoned' });

export interface Trading {
  readonly lastDecisionBarStart: Instant | null;
  readonly decisions: number;
  /** Working orders and the most recent settled ones, oldest first. */
  readonly orders: LayeredMap<ClientOrderId, Order>;
  /** Those of them that may still fill: the working ones, and the ones that were given up without the ledger's word. */
  readonly unsettled: ReadonlyMap<ClientOrderId, Order>;
  /** Open or closed trades that fills of ours opened; the newest ones are kept. */
  readonly ourTradeIds: ReadonlySet<string>;
  /** Trades to be closed because their fill came too late. */
  readonly lateTradeIds: ReadonlySet<string>;
  /** Trades whose close the broker refused because an older one must be closed first. */
  readonly outOfTurnTradeIds: ReadonlySet<string>;
  /** The side that a reversal still owes: its close was intended, its open was not. */
  readonly reversal: { readonly decisionId: DecisionId; readonly closeOrderId: ClientOrderId; readonly side: 1 | -1; readonly barStart: Instant } | null;
  /** Why the broker would not trade the instrument when it last refused to, and when that was; null when it has filled an opening since. */
  readonly restriction: { readonly reason: string; readonly since: Instant } | null;
  /** Highest ledger id that this stream has told of; older fills are not told twice. */
  readonly lastTransactionId: number;
}

export const emptyTrading: Trading = {
  lastDecisionBarStart: null,
  decisions: 0,
  orders: LayeredMap.of(),
  unsettled: new Map(),
  ourTradeIds: new Set(),
  lateTradeIds: new Set(),
  outOfTurnTradeIds: new Set(),
  reversal: null,
  restriction: null,
  lastTransactionId: 0,
};

/** Settled orders kept in memory: enough to know a late fill of one, bounded for a daemon that runs for years. */
const SETTLED_KEPT_MAX = 1_000;
const TRADES_KEPT_MAX = 1_000;

const WORKING: readonly Order['status'][] = ['intended', 'submitted', 'unknown', 'accepted'];
const mayStillFill = (order: Order): boolean => isWorking(order) || order.status === 'abandoned';
export const isWorking = (order: Order): boolean => WORKING.includes(order.status);
export const workingOrders = (trading: Trading): readonly Order[] => [...trading.unsettled.values()].filter(isWorking);

// --- evolve ---

export function evolveTrading(trading: Trading, event: DomainEvent, at: Instant): Trading {
  switch (event.type) {
    case 'DecisionMade':
      return { ...trading, lastDecisionBarStart: parseInstant(event.data.barStart), decisions: trading.decisions + 1, reversal: null };
    case 'OrderIntended':
      return withOrder(evolveReversal(trading, event.data), intendedOrder(event.data, at));
    case 'OrderDenied':
      return event.data.clientOrderId === null ? trading : settle(trading, event.data.clientOrderId, 'denied');
    case 'OrderSubmitted':
      return changeOrder(trading, event.data.clientOrderId, ['intended'], (order) => ({ ...order, status: 'submitted' }));
    case 'OrderOutcomeUnknown':
      return changeOrder(trading, event.data.clientOrderId, ['intended', 'submitted'], (order) => ({ ...order, status: 'unknown', since: at }));
    case 'OrderAccepted':
      return changeOrder(told(trading, event.data), event.data.clientOrderId, ['intended', 'submitted', 'unknown', 'abandoned'], (order) => ({ ...order, status: 'accepted', orderId: event.data.orderId }));
    case 'OrderFilled':
      return evolveFill(told(trading, event.data), event.data, true);
    case 'OrderPartiallyFilled':
      return evolveFill(told(trading, event.data), event.data, false);
    case 'OrderRejected':
      return evolveRefusal(told(trading, event.data), event.data, 'rejected', at);
    case 'OrderCancelled':
      return evolveRefusal(told(trading, event.data), event.data, 'cancelled', at);
    case 'OrderAbandoned':
      return settle(trading, event.data.clientOrderId, 'abandoned');
    case 'PositionAdjusted':
      return told(trading, event.data);
    default:
      return trading;
  }
}

/** Notes the transaction that a fact was read from; one about another instrument's order says nothing here. */
function told(trading: Trading, { transactionId, clientOrderId }: { readonly transactionId: string | null; readonly clientOrderId?: string }): Trading {
  if (transactionId === null || Number(transactionId) <= trading.lastTransactionId) return trading;
  if (clientOrderId !== undefined && !trading.orders.has(clientOrderId as ClientOrderId)) return trading;
  return { ...trading, lastTransactionId: Number(transactionId) };
}

function intendedOrder(data: DataOf<'OrderIntended'>, at: Instant): Order {
  return {
    status: 'intended',
    clientOrderId: data.clientOrderId as ClientOrderId,
    decisionId: data.decisionId as DecisionId | null,
    cause: data.cause,
    leg: data.leg,
    units: units(data.units),
    tradeId: data.tradeId,
    referencePrice: data.referencePrice === null ? null : price(data.referencePrice),
    priceBound: data.priceBound === null ? null : price(data.priceBound),
    stopLossDistance: data.stopLossDistance === null ? null : price(data.stopLossDistance),
    closesPosition: data.leg === 'close' && data.path.includes('/positions/'),
    filledUnits: ZERO_UNITS,
    watermark: Number(data.watermark),
    intendedAt: at,
  };
}

/** A close that carries `reverseTo` starts a reversal; its opening leg ends it. */
function evolveReversal(trading: Trading, data: DataOf<'OrderIntended'>): Trading {
  if (data.leg === 'open') return trading.reversal === null ? trading : { ...trading, reversal: null };
  if (data.reverseTo === null || data.decisionId === null || trading.lastDecisionBarStart === null) return trading;
  return {
    ...trading,
    reversal: {
      decisionId: data.decisionId as DecisionId,
      closeOrderId: data.clientOrderId as ClientOrderId,
      side: data.reverseTo === 'BUY' ? 1 : -1,
      barStart: trading.lastDecisionBarStart,
    },
  };
}

function withOrder(trading: Trading, order: Order): Trading {
  const grown = put(trading, order);
  let settledCount = grown.orders.size - workingOrders(grown).length;
  if (settledCount <= SETTLED_KEPT_MAX) return grown;
  let { orders, unsettled } = grown;
  for (const [id, known] of grown.orders) {
    if (settledCount <= SETTLED_KEPT_MAX) break;
    if (isWorking(known)) continue;
    orders = orders.without(id);
    unsettled = withoutEntry(unsettled, id);
    settledCount -= 1;
  }
  return { ...grown, orders, unsettled };
}

/** Puts an order, new or changed, where it belongs. */
function put(trading: Trading, order: Order): Trading {
  const { clientOrderId } = order;
  const unsettled = mayStillFill(order) ? withEntry(trading.unsettled, clientOrderId, order) : withoutEntry(trading.unsettled, clientOrderId);
  return { ...trading, orders: trading.orders.with(clientOrderId, order), unsettled };
}

/** Changes an order in one of the statuses `from`; of an order in another one the event says nothing new. */
function changeOrder(trading: Trading, clientOrderId: string, from: readonly Order['status'][], change: (order: Order) => Order): Trading {
  const order = trading.orders.get(clientOrderId as ClientOrderId);
  return order === undefined || !from.includes(order.status) ? trading : put(trading, change(order));
}

/** What each end may follow. A fill follows anything: the ledger has the last word. */
const ENDS: { readonly [End in 'cancelled' | 'rejected' | 'denied' | 'abandoned']: readonly Order['status'][] } = {
  cancelled: [...WORKING, 'abandoned'],
  rejected: [...WORKING, 'abandoned'],
  denied: ['intended'],
  abandoned: ['unknown'],
};

function settle(trading: Trading, clientOrderId: string, end: 'denied' | 'abandoned' | { readonly status: 'cancelled' | 'rejected'; readonly reason: string }): Trading {
  const ended = typeof end === 'string' ? { status: end } : end;
  const settled = changeOrder(trading, clientOrderId, ENDS[ended.status], (order) => ({ ...order, ...ended }));
  // A reversal whose close did not fill is over: its opening leg would add to the position it meant to leave.
  return settled.reversal?.closeOrderId === clientOrderId ? { ...settled, reversal: null } : settled;
}

/** Cancelled or rejected: both say why, and some reasons speak of the instrument rather than of the order. */
function evolveRefusal(trading: Trading, data: DataOf<'OrderRejected'> | DataOf<'OrderCancelled'>, status: 'cancelled' | 'rejected', at: Instant): Trading {
  const order = trading.orders.get(data.clientOrderId as ClientOrderId);
  const settled = settle(trading, data.clientOrderId, { status, reason: data.reason });
  if (order === undefined) return settled;
  if (restricts(data.reason)) return { ...settled, restriction: { reason: data.reason, since: at } };
  const outOfTurn = data.reason === FIFO_VIOLATION && order.leg === 'close' && order.tradeId !== null && settled.orders !== trading.orders;
  return outOfTurn ? { ...settled, outOfTurnTradeIds: withTrade(settled.outOfTurnTradeIds, order.tradeId) } : settled;
}

const FIFO_VIOLATION = 'FIFO_VIOLATION';

function withTrade(tradeIds: ReadonlySet<string>, tradeId: string): ReadonlySet<string> {
  const grown = new Set(tradeIds).add(tradeId);
  const [oldest] = grown;
  if (grown.size > TRADES_KEPT_MAX) grown.delete(oldest!);
  return grown;
}

/** INSTRUMENT_HALTED, _BID_REDUCE_ONLY, _NOT_TRADEABLE and their like: the broker's word on the instrument. */
const restricts = (reason: string): boolean => reason.startsWith('INSTRUMENT_') || reason === 'MARKET_HALTED';

function evolveFill(trading: Trading, data: DataOf<'OrderFilled'>, ends: boolean): Trading {
  const order = trading.orders.get(data.clientOrderId as ClientOrderId);
  if (order === undefined) return trading;
  const filledUnits = add(order.filledUnits, units(data.units));
  const filled = put(trading, ends ? { ...order, status: 'filled', filledUnits } : { ...order, filledUnits });
  if (order.leg === 'close' || data.tradeId === null) return filled;
  const ourTradeIds = withTrade(filled.ourTradeIds, data.tradeId);
  const lateTradeIds = data.late ? withTrade(filled.lateTradeIds, data.tradeId) : filled.lateTradeIds;
  return { ...filled, ourTradeIds, lateTradeIds, restriction: null };
}

// --- decide: what a transaction of the ledger says about this instrument's orders ---

export interface ObservationRules {
  readonly pipLocation: number;
  readonly lateFillBars: number;
  /** Since when trading is halted; null when it is not. */
  readonly haltedSince: Instant | null;
}

/**
 * Reads one ledger transaction for this instrument. Telling it again gives nothing, so a page may be read
 * again after a crash.
 *
 * @returns trading events, possibly none.
 */
export function observeTransaction(trading: Trading, body: TransactionBody, instrument: string, rules: ObservationRules): readonly DomainEvent[] {
  if (Number(body.id) <= trading.lastTransactionId) return [];
  switch (body.type) {
    case 'MARKET_ORDER':
    case 'LIMIT_ORDER':
      return observeAccepted(trading, body, instrument);
    case 'MARKET_ORDER_REJECT':
    case 'LIMIT_ORDER_REJECT':
      return observeRejected(trading, body, instrument);
    case 'ORDER_CANCEL':
      return observeCancelled(trading, body);
    case 'ORDER_FILL':
      return body.instrument === instrument ? observeFilled(trading, body, instrument, rules) : [];
    default:
      return [];
  }
}

/** The order that a created order or its rejection is about: by our client id, or by the trade or the position that it closes. */
function orderRequested(trading: Trading, body: TransactionBody, instrument: string): Order | undefined {
  const clientId = body.clientExtensions?.id;
  if (clientId !== undefined) return trading.orders.get(clientId as ClientOrderId);
  const tradeId = body.tradeClose?.tradeID;
  const closesPosition = body.reason === 'POSITION_CLOSEOUT' && body.instrument === instrument;
  if (tradeId === undefined && !closesPosition) return undefined;
  const closes = [...trading.unsettled.values()].filter((order) =>
    order.leg === 'close' && order.closesPosition === closesPosition && (closesPosition || order.tradeId === tradeId) && Number(body.id) > order.watermark);
  return LIKELIEST_FIRST.flatMap((status) => closes.filter((order) => order.status === status))[0];
}

/**
 * A close carries no client id. Of several closes of one trade the broker means one that it has answered before one
 * that it may answer yet, and last one that was given up, which is still ours when it executes after all.
 */
const LIKELIEST_FIRST: readonly Order['status'][] = ['submitted', 'intended', 'unknown', 'abandoned'];

/** The order that a fill or a cancellation is about. */
function orderEnded(trading: Trading, body: TransactionBody): Order | undefined {
  const byClientId = body.clientOrderID === undefined ? undefined : trading.orders.get(body.clientOrderID as ClientOrderId);
  return byClientId ?? [...trading.unsettled.values()].find((order) => order.status === 'accepted' && order.orderId === body.orderID);
}

function observeAccepted(trading: Trading, body: TransactionBody, instrument: string): readonly DomainEvent[] {
  const order = orderRequested(trading, body, instrument);
  if (order === undefined || !mayStillFill(order) || order.status === 'accepted') return [];
  return [{ type: 'OrderAccepted', data: { clientOrderId: order.clientOrderId, orderId: body.id, transactionId: body.id } }];
}

function observeRejected(trading: Trading, body: TransactionBody, instrument: string): readonly DomainEvent[] {
  const order = orderRequested(trading, body, instrument);
  if (order === undefined || !mayStillFill(order)) return [];
  return [{ type: 'OrderRejected', data: { clientOrderId: order.clientOrderId, reason: body.rejectReason ?? 'no reason given', transactionId: body.id } }];
}

function observeCancelled(trading: Trading, body: TransactionBody): readonly DomainEvent[] {
  const order = orderEnded(trading, body);
  if (order === undefined || !mayStillFill(order)) return [];
  return [{ type: 'OrderCancelled', data: { clientOrderId: order.clientOrderId, reason: body.reason ?? 'no reason given', transactionId: body.id } }];
}

function observeFilled(trading: Trading, body: TransactionBody, instrument: string, rules: ObservationRules): readonly DomainEvent[] {
  const order = orderEnded(trading, body);
  if (order !== undefined) return [{ type: leavesRest(order, body) ? 'OrderPartiallyFilled' : 'OrderFilled', data: fillData(order, body, rules) }];
  const touched = [...(body.tradesClosed ?? []), ...(body.tradeReduced === undefined ? [] : [body.tradeReduced])].map((part) => part.tradeID);
  const ours = touched.filter((tradeId) => trading.ourTradeIds.has(tradeId));
  if (ours.length === 0) return [];
  return [{
    type: 'PositionAdjusted',
    data: {
      instrument,
      transactionId: body.id,
      reason: body.reason ?? 'no reason given',
      tradeIds: ours,
      units: body.units ?? '0',
      price: fillPrice(body),
      pl: body.pl ?? '0',
    },
  }];
}

/** A limit order whose fill leaves units open rests on; of every other order the broker cancels what did not fill at once. */
function leavesRest(order: Order, body: TransactionBody): boolean {
  if (body.reason !== 'LIMIT_ORDER') return false;
  return absolute(add(order.filledUnits, units(body.units ?? '0'))) < absolute(order.units);
}

/** The price of a fill's parts; the top-level one is deprecated and only a last resort. */
function fillPrice(body: TransactionBody): string {
  return body.tradeOpened?.price ?? body.tradesClosed?.[0]?.price ?? body.tradeReduced?.price ?? body.price ?? '0';
}

function fillData(order: Order, body: TransactionBody, rules: ObservationRules): DataOf<'OrderFilled'> {
  const filledAt = fillPrice(body);
  const slippage = order.leg === 'open' && order.referencePrice !== null && order.priceBound !== null ? slippageOf(order.units, order.referencePrice, order.priceBound, price(filledAt)) : null;
  return {
    clientOrderId: order.clientOrderId,
    transactionId: body.id,
    units: body.units ?? '0',
    price: filledAt,
    tradeId: body.tradeOpened?.tradeID ?? order.tradeId,
    pl: body.pl ?? '0',
    financing: body.financing ?? '0',
    slippagePips: slippage === null ? null : format(priceToPips(slippage.adverse, rules.pipLocation)),
    slippageShare: slippage === null ? null : format(slippage.share),
    late: order.leg === 'open' && isLate(order, parseInstant(body.time), rules),
  };
}

/** More than a bar after its intent, of an order that had ended without a fill, or of one that a halt overtook. */
function isLate(order: Order, filledAt: Instant, rules: ObservationRules): boolean {
  if (!isWorking(order) && order.status !== 'filled') return true;
  if (filledAt > order.intendedAt + rules.lateFillBars * MINUTE_MS) return true;
  return rules.haltedSince !== null && filledAt > rules.haltedSince && order.intendedAt <= rules.haltedSince;
}

function slippageOf(ordered: Units, reference: Price, bound: Price, filled: Price) {
  const adverse = ordered > 0n ? subtract(filled, reference) : subtract(reference, filled);
  const distance = absolute(subtract(bound, reference));
  return { adverse, share: ratioOf(adverse, distance) };
}
