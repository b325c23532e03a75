/**
 * One instrument's trading: decisions, orders and what became of them.
 *
 * Life of an order: intended → submitted (the broker answered) → accepted → filled | cancelled | rejected; or
 * intended → unknown (no usable answer) → whatever the ledger shows, or abandoned after a quiet period. An
 * order's end is always read from the ledger, never from an answer, except a refusal that leaves no transaction.
 *
 * **Invariant:** at most one opening order is not settled. **Invariant:** a bar has at most one decision.
 */
import type { TransactionBody } from './ledger.ts';
import type { DataOf, DomainEvent, OrderCause, OrderLeg } from './events.ts';
import type { ClientOrderId, DecisionId } from './ids.ts';
import type { Price, Units } from './money.ts';
import { absolute, format, price, priceToPips, ratioOf, subtract, units } from './money.ts';
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
  /** Where to look in the ledger when no answer comes. */
  readonly watermark: number;
  readonly intendedAt: Instant;
}

export type Order =
  | (OrderFacts & { readonly status: 'intended' | 'submitted' })
  | (OrderFacts & { readonly status: 'unknown'; readonly since: Instant })
  | (OrderFacts & { readonly status: 'accepted'; readonly orderId: string })
  | (OrderFacts & { readonly status: 'filled' | 'cancelled' | 'rejected' | 'denied' | 'abandoned' });

export interface Trading {
  readonly lastDecisionBarStart: Instant | null;
  readonly decisions: number;
  /** Working orders and the most recent settled ones, oldest first. */
  readonly orders: ReadonlyMap<ClientOrderId, Order>;
  /** Open or closed trades that fills of ours opened; the newest ones are kept. */
  readonly ourTradeIds: ReadonlySet<string>;
  /** Trades to be closed because their fill came too late. */
  readonly lateTradeIds: ReadonlySet<string>;
  /** The side that a reversal still owes: its close was intended, its open was not. */
  readonly reversal: { readonly decisionId: DecisionId; readonly closeOrderId: ClientOrderId; readonly side: 1 | -1; readonly barStart: Instant } | null;
  /** Highest ledger id that this stream has told of; older fills are not told twice. */
  readonly lastTransactionId: number;
}

export const emptyTrading: Trading = {
  lastDecisionBarStart: null,
  decisions: 0,
  orders: new Map(),
  ourTradeIds: new Set(),
  lateTradeIds: new Set(),
  reversal: null,
  lastTransactionId: 0,
};

/** Settled orders kept in memory: enough to know a late fill of one, bounded for a daemon that runs for years. */
const SETTLED_KEPT_MAX = 1_000;
const TRADES_KEPT_MAX = 1_000;

const WORKING: readonly Order['status'][] = ['intended', 'submitted', 'unknown', 'accepted'];
const SETTLED: readonly Order['status'][] = ['filled', 'cancelled', 'rejected', 'denied', 'abandoned'];
export const isWorking = (order: Order): boolean => WORKING.includes(order.status);
export const workingOrders = (trading: Trading): readonly Order[] => [...trading.orders.values()].filter(isWorking);

// --- evolve ---

export function evolveTrading(trading: Trading, event: DomainEvent, at: Instant): Trading {
  switch (event.type) {
    case 'DecisionMade':
      return { ...trading, lastDecisionBarStart: parseInstant(event.data.barStart), decisions: trading.decisions + 1, reversal: null };
    case 'OrderIntended':
      return withOrder(evolveReversal(trading, event.data), intendedOrder(event.data, at));
    case 'OrderDenied':
      return event.data.clientOrderId === null ? trading : settle(trading, event.data.clientOrderId, 'denied', null);
    case 'OrderSubmitted':
      return changeOrder(trading, event.data.clientOrderId, ['intended'], (order) => ({ ...order, status: 'submitted' }));
    case 'OrderOutcomeUnknown':
      return changeOrder(trading, event.data.clientOrderId, ['intended', 'submitted'], (order) => ({ ...order, status: 'unknown', since: at }));
    case 'OrderAccepted':
      return told(changeOrder(trading, event.data.clientOrderId, ['intended', 'submitted', 'unknown', 'abandoned'], (order) => ({ ...order, status: 'accepted', orderId: event.data.orderId })), event.data.transactionId);
    case 'OrderFilled':
      return evolveFill(trading, event.data);
    case 'OrderRejected':
      return settle(trading, event.data.clientOrderId, 'rejected', event.data.transactionId);
    case 'OrderCancelled':
      return settle(trading, event.data.clientOrderId, 'cancelled', event.data.transactionId);
    case 'OrderAbandoned':
      return settle(trading, event.data.clientOrderId, 'abandoned', null);
    case 'PositionAdjusted':
      return told(trading, event.data.transactionId);
    default:
      return trading;
  }
}

const told = (trading: Trading, transactionId: string): Trading =>
  Number(transactionId) > trading.lastTransactionId ? { ...trading, lastTransactionId: Number(transactionId) } : trading;

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
  const orders = new Map(trading.orders).set(order.clientOrderId, order);
  let settledCount = 0;
  for (const known of orders.values()) if (!isWorking(known)) settledCount += 1;
  for (const [id, known] of orders) {
    if (settledCount <= SETTLED_KEPT_MAX) break;
    if (isWorking(known)) continue;
    orders.delete(id);
    settledCount -= 1;
  }
  return { ...trading, orders };
}

/** Changes an order in one of the statuses `from`; of an order in another one the event says nothing new. */
function changeOrder(trading: Trading, clientOrderId: string, from: readonly Order['status'][], change: (order: Order) => Order): Trading {
  const order = trading.orders.get(clientOrderId as ClientOrderId);
  if (order === undefined || !from.includes(order.status)) return trading;
  return { ...trading, orders: new Map(trading.orders).set(order.clientOrderId, change(order)) };
}

/** What each end may follow. A fill follows anything: the ledger has the last word. */
const ENDS: { readonly [End in 'cancelled' | 'rejected' | 'denied' | 'abandoned']: readonly Order['status'][] } = { cancelled: WORKING, rejected: WORKING, denied: ['intended'], abandoned: ['unknown'] };

function settle(trading: Trading, clientOrderId: string, status: keyof typeof ENDS, transactionId: string | null): Trading {
  const settled = changeOrder(trading, clientOrderId, ENDS[status], (order) => ({ ...order, status }));
  // A reversal whose close did not fill is over: its opening leg would add to the position it meant to leave.
  const reversal = settled.reversal?.closeOrderId === clientOrderId ? null : settled.reversal;
  const ended = { ...settled, reversal };
  return transactionId === null ? ended : told(ended, transactionId);
}

function evolveFill(trading: Trading, data: DataOf<'OrderFilled'>): Trading {
  const filled = told(changeOrder(trading, data.clientOrderId, [...WORKING, ...SETTLED], (order) => ({ ...order, status: 'filled' })), data.transactionId);
  const order = filled.orders.get(data.clientOrderId as ClientOrderId);
  if (order === undefined || order.leg === 'close' || data.tradeId === null) return filled;
  const ourTradeIds = new Set([...filled.ourTradeIds, data.tradeId].slice(-TRADES_KEPT_MAX));
  const lateTradeIds = data.late ? new Set([...filled.lateTradeIds, data.tradeId].slice(-TRADES_KEPT_MAX)) : filled.lateTradeIds;
  return { ...filled, ourTradeIds, lateTradeIds };
}

// --- decide: what a transaction of the ledger says about this instrument's orders ---

export interface ObservationRules {
  readonly pipLocation: number;
  readonly lateFillBars: number;
}

/**
 * Reads one ledger transaction for this instrument. Telling it again gives nothing, so a page may be read
 * again after a crash.
 *
 * @returns trading events, possibly none.
 */
export function observeTransaction(trading: Trading, body: TransactionBody, instrument: string, rules: ObservationRules): readonly DomainEvent[] {
  switch (body.type) {
    case 'MARKET_ORDER':
      return observeAccepted(trading, body);
    case 'MARKET_ORDER_REJECT':
      return observeRejected(trading, body);
    case 'ORDER_CANCEL':
      return observeCancelled(trading, body);
    case 'ORDER_FILL':
      return body.instrument === instrument ? observeFilled(trading, body, instrument, rules) : [];
    default:
      return [];
  }
}

/** The order that a MARKET_ORDER or its rejection is about: by our client id, or by the trade that it closes. */
function orderRequested(trading: Trading, body: TransactionBody): Order | undefined {
  const clientId = body.clientExtensions?.id;
  if (clientId !== undefined) return trading.orders.get(clientId as ClientOrderId);
  const tradeId = body.tradeClose?.tradeID;
  if (tradeId === undefined) return undefined;
  // One that was given up is still ours when it executes after all.
  return [...trading.orders.values()].find((order) => (isWorking(order) || order.status === 'abandoned') && order.leg === 'close' && order.tradeId === tradeId && Number(body.id) > order.watermark);
}

/** The order that a fill or a cancellation is about. */
function orderEnded(trading: Trading, body: TransactionBody): Order | undefined {
  const byClientId = body.clientOrderID === undefined ? undefined : trading.orders.get(body.clientOrderID as ClientOrderId);
  return byClientId ?? [...trading.orders.values()].find((order) => order.status === 'accepted' && order.orderId === body.orderID);
}

function observeAccepted(trading: Trading, body: TransactionBody): readonly DomainEvent[] {
  const order = orderRequested(trading, body);
  if (order === undefined || !(isWorking(order) || order.status === 'abandoned') || order.status === 'accepted') return [];
  return [{ type: 'OrderAccepted', data: { clientOrderId: order.clientOrderId, orderId: body.id, transactionId: body.id } }];
}

function observeRejected(trading: Trading, body: TransactionBody): readonly DomainEvent[] {
  const order = orderRequested(trading, body);
  if (order === undefined || !isWorking(order)) return [];
  return [{ type: 'OrderRejected', data: { clientOrderId: order.clientOrderId, reason: body.rejectReason ?? 'no reason given', transactionId: body.id } }];
}

function observeCancelled(trading: Trading, body: TransactionBody): readonly DomainEvent[] {
  const order = orderEnded(trading, body);
  if (order === undefined || !isWorking(order)) return [];
  return [{ type: 'OrderCancelled', data: { clientOrderId: order.clientOrderId, reason: body.reason ?? 'no reason given', transactionId: body.id } }];
}

function observeFilled(trading: Trading, body: TransactionBody, instrument: string, rules: ObservationRules): readonly DomainEvent[] {
  if (Number(body.id) <= trading.lastTransactionId) return [];
  const order = orderEnded(trading, body);
  if (order !== undefined) return [{ type: 'OrderFilled', data: fillData(order, body, rules) }];
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

/** The price of a fill's parts; the top-level one is deprecated and only a last resort. */
function fillPrice(body: TransactionBody): string {
  return body.tradeOpened?.price ?? body.tradesClosed?.[0]?.price ?? body.tradeReduced?.price ?? body.price ?? '0';
}

function fillData(order: Order, body: TransactionBody, rules: ObservationRules): DataOf<'OrderFilled'> {
  const filledAt = fillPrice(body);
  const slippage = order.leg === 'open' && order.referencePrice !== null && order.priceBound !== null ? slippageOf(order.units, order.referencePrice, order.priceBound, price(filledAt)) : null;
  const lateAfterMs = rules.lateFillBars * MINUTE_MS;
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
    late: order.leg === 'open' && (order.status === 'abandoned' || parseInstant(body.time) > order.intendedAt + lateAfterMs),
  };
}

function slippageOf(ordered: Units, reference: Price, bound: Price, filled: Price) {
  const adverse = ordered > 0n ? subtract(filled, reference) : subtract(reference, filled);
  const distance = absolute(subtract(bound, reference));
  return { adverse, share: ratioOf(adverse, distance) };
}
