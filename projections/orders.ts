/** One row for each order that was ever meant, from intent to its end. Times are the sources' own. */
import type { DomainEvent, EventOf, EventType } from '../domain/events.ts';
import { money } from '../domain/money.ts';
import type { Projection, Row } from '../domain/projection.ts';
import { plus, textOrNull } from './cells.ts';

const ORDER_EVENTS = [
  'OrderIntended', 'OrderDenied', 'OrderSubmitted', 'OrderOutcomeUnknown', 'OrderAccepted', 'OrderRejected', 'OrderPartiallyFilled', 'OrderFilled', 'OrderCancelled', 'OrderAbandoned',
] as const satisfies readonly EventType[];
type OrderEvent = Extract<DomainEvent, { type: (typeof ORDER_EVENTS)[number] }>;

const isOrderEvent = (event: DomainEvent): event is OrderEvent => (ORDER_EVENTS as readonly EventType[]).includes(event.type);

/** How final a status is: a row never moves to a less final one, whatever arrives late; equals replace each other. */
const FINALITY = { intended: 0, submitted: 1, unknown: 1, accepted: 2, denied: 3, rejected: 3, cancelled: 3, abandoned: 3, filled: 4 } as const;
type Status = keyof typeof FINALITY;

const isStatus = (text: string | null): text is Status => text !== null && Object.hasOwn(FINALITY, text);

function moved(row: Row, status: Status, change: Row): Row {
  const before = textOrNull(row, 'status');
  const stays = isStatus(before) && FINALITY[before] > FINALITY[status];
  return { ...row, ...change, status: stays ? before : status };
}

/** A row for an order whose intent is not in the log: one that was sent from the emergency spool. */
const blank = (clientOrderId: string): Row => ({
  client_order_id: clientOrderId, status: 'intended', instrument: null, cause: null, leg: null, units: null, filled_units: null, reference_price: null, price_bound: null,
  fill_price: null, reason: null, decision_id: null, order_id: null, trade_id: null, slippage_pips: null, slippage_share: null, pl: null, financing: null, late: null,
  intended_at: null, answered_at: null, settled_at: null,
});

function applyOrder(row: Row | null, event: OrderEvent, at: string, key: string): Row | null {
  // A denial before the intent never became an order; the denials have a table of their own.
  if (event.type === 'OrderDenied') return row === null ? null : moved(row, 'denied', { reason: event.data.guard, settled_at: at });
  const base = row ?? blank(key);
  switch (event.type) {
    case 'OrderIntended': {
      const { instrument, cause, leg, units, referencePrice, priceBound, decisionId, tradeId } = event.data;
      return moved(base, 'intended', { instrument, cause, leg, units, reference_price: referencePrice, price_bound: priceBound, decision_id: decisionId, trade_id: tradeId, intended_at: at });
    }
    case 'OrderSubmitted':
      return moved(base, 'submitted', { answered_at: at });
    case 'OrderOutcomeUnknown':
      return moved(base, 'unknown', { reason: event.data.cause });
    case 'OrderAccepted':
      return moved(base, 'accepted', { order_id: event.data.orderId, reason: null });
    case 'OrderRejected':
      return moved(base, 'rejected', { reason: event.data.reason, settled_at: at });
    case 'OrderCancelled':
      return moved(base, 'cancelled', { reason: event.data.reason, settled_at: at });
    case 'OrderAbandoned':
      return moved(base, 'abandoned', { reason: `silent for ${event.data.quietMs} ms`, settled_at: at });
    case 'OrderPartiallyFilled':
      return filled(base, event, 'accepted', null);
    case 'OrderFilled':
      return filled(base, event, 'filled', at);
  }
}

/** A fill may come in parts: units and money add up, price and slippage are the last part's. */
function filled(row: Row, event: EventOf<'OrderFilled' | 'OrderPartiallyFilled'>, status: 'accepted' | 'filled', settledAt: string | null): Row {
  const { units, price, tradeId, pl, financing, slippagePips, slippageShare, late } = event.data;
  return moved(row, status, {
    filled_units: plus(row, 'filled_units', money(units)),
    fill_price: price,
    trade_id: tradeId ?? textOrNull(row, 'trade_id'),
    slippage_pips: slippagePips,
    slippage_share: slippageShare,
    pl: plus(row, 'pl', money(pl)),
    financing: plus(row, 'financing', money(financing)),
    late: late ? 1 : 0,
    reason: null,
    settled_at: settledAt ?? textOrNull(row, 'settled_at'),
  });
}

export const orders: Projection = {
  name: 'orders',
  version: 1,
  key: 'client_order_id',
  columns: {
    client_order_id: 'TEXT', status: 'TEXT', instrument: 'TEXT', cause: 'TEXT', leg: 'TEXT', units: 'TEXT', filled_units: 'TEXT', reference_price: 'TEXT', price_bound: 'TEXT',
    fill_price: 'TEXT', reason: 'TEXT', decision_id: 'TEXT', order_id: 'TEXT', trade_id: 'TEXT', slippage_pips: 'TEXT', slippage_share: 'TEXT', pl: 'TEXT', financing: 'TEXT',
    late: 'INTEGER', intended_at: 'TEXT', answered_at: 'TEXT', settled_at: 'TEXT',
  },
  keysOf({ event }) {
    if (!isOrderEvent(event) || event.data.clientOrderId === null) return [];
    return [event.data.clientOrderId];
  },
  apply: (row, { event, metadata }, key) => (isOrderEvent(event) ? applyOrder(row, event, metadata.occurredAt, key) : row),
};
