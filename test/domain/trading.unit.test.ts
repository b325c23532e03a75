import { describe, expect, test } from 'vitest';
import type { DataOf, DomainEvent } from '../../domain/events.ts';
import type { ClientOrderId } from '../../domain/ids.ts';
import { readBody } from '../../domain/ledger.ts';
import type { TransactionBody } from '../../domain/ledger.ts';
import { format, units } from '../../domain/money.ts';
import { MINUTE_MS, parseInstant, plusMs } from '../../domain/time.ts';
import type { Order, Trading } from '../../domain/trading.ts';
import { emptyTrading, evolveTrading, isWorking, observeTransaction, workingOrders } from '../../domain/trading.ts';

const AT = parseInstant('2026-01-06T15:00:00Z');
const RULES = { pipLocation: -4, lateFillBars: 1, haltedSince: null };
const idOf = (name: string): ClientOrderId => `00000000-0000-4000-8000-${name.padStart(12, '0')}` as ClientOrderId;
const A = idOf('a');

const intended = (change: Partial<DataOf<'OrderIntended'>> = {}): DomainEvent => ({
  type: 'OrderIntended',
  data: {
    clientOrderId: A, decisionId: idOf('d'), cause: 'policy', leg: 'open', instrument: 'EUR_USD', units: '1000', tradeId: null, referencePrice: '1.10000', priceBound: '1.10050',
    stopLossDistance: '0.005', reverseTo: null, watermark: '10', quote: null, guards: [], method: 'POST', path: '/x', requestBody: '', requestHash: '0'.repeat(64), ...change,
  },
});
const closing = (change: Partial<DataOf<'OrderIntended'>> = {}): DomainEvent =>
  intended({ leg: 'close', units: '-1000', tradeId: '12', referencePrice: null, priceBound: null, stopLossDistance: null, method: 'PUT', ...change });

/** One event of each kind that can be about an order. */
const EVENTS = {
  submitted: { type: 'OrderSubmitted', data: { clientOrderId: A, status: 201, requestId: null } },
  unknown: { type: 'OrderOutcomeUnknown', data: { clientOrderId: A, cause: 'timeout', detail: '' } },
  accepted: { type: 'OrderAccepted', data: { clientOrderId: A, orderId: '11', transactionId: '11' } },
  filled: { type: 'OrderFilled', data: { clientOrderId: A, transactionId: '12', units: '1000', price: '1.1', tradeId: '12', pl: '0', financing: '0', slippagePips: null, slippageShare: null, late: false } },
  cancelled: { type: 'OrderCancelled', data: { clientOrderId: A, reason: 'x', transactionId: '12' } },
  rejected: { type: 'OrderRejected', data: { clientOrderId: A, reason: 'x', transactionId: '11' } },
  denied: { type: 'OrderDenied', data: { decisionId: null, clientOrderId: A, cause: 'policy', leg: 'open', instrument: 'EUR_USD', units: '1000', guard: 'mode', guards: [] } },
  abandoned: { type: 'OrderAbandoned', data: { clientOrderId: A, watermark: '10', lastTransactionId: '10', quietMs: 120_000 } },
} as const satisfies { readonly [status: string]: DomainEvent };
type Told = keyof typeof EVENTS;

const given = (...events: readonly DomainEvent[]): Trading => events.reduce((trading, event) => evolveTrading(trading, event, AT), emptyTrading);
const HISTORIES: { readonly [Status in Order['status']]: readonly DomainEvent[] } = {
  intended: [intended()],
  submitted: [intended(), EVENTS.submitted],
  unknown: [intended(), EVENTS.unknown],
  accepted: [intended(), EVENTS.accepted],
  filled: [intended(), EVENTS.accepted, EVENTS.filled],
  cancelled: [intended(), EVENTS.accepted, EVENTS.cancelled],
  rejected: [intended(), EVENTS.rejected],
  denied: [intended(), EVENTS.denied],
  abandoned: [intended(), EVENTS.unknown, EVENTS.abandoned],
};
const statusOf = (trading: Trading): string | undefined => trading.orders.get(A)?.status;

describe('the life of an order', () => {
  /** What each event leads to; an event that is missing here leaves the status as it is. */
  const LEADS_TO: { readonly [Status in Order['status']]: Partial<Record<Told, Order['status']>> } = {
    intended: { submitted: 'submitted', unknown: 'unknown', accepted: 'accepted', filled: 'filled', cancelled: 'cancelled', rejected: 'rejected', denied: 'denied' },
    submitted: { unknown: 'unknown', accepted: 'accepted', filled: 'filled', cancelled: 'cancelled', rejected: 'rejected' },
    unknown: { accepted: 'accepted', filled: 'filled', cancelled: 'cancelled', rejected: 'rejected', abandoned: 'abandoned' },
    accepted: { filled: 'filled', cancelled: 'cancelled', rejected: 'rejected' },
    filled: {},
    cancelled: { filled: 'filled' },
    rejected: { filled: 'filled' },
    denied: { filled: 'filled' },
    abandoned: { accepted: 'accepted', filled: 'filled', cancelled: 'cancelled', rejected: 'rejected' },
  };
  const cases = Object.keys(HISTORIES).flatMap((status) => Object.keys(EVENTS).map((told) => [status as Order['status'], told as Told] as const));

  test.each(cases)('an order that is %s and told to be %s', (status, told) => {
    const before = given(...HISTORIES[status]);
    expect(statusOf(before)).toBe(status);
    expect(statusOf(evolveTrading(before, EVENTS[told], AT))).toBe(LEADS_TO[status][told] ?? status);
  });

  test('works from its intent until it is settled', () => {
    const working = Object.entries(HISTORIES).filter(([, history]) => isWorking(given(...history).orders.get(A)!)).map(([status]) => status);
    expect(working).toEqual(['intended', 'submitted', 'unknown', 'accepted']);
  });

  test('says since when it is unknown, and keeps the first time', () => {
    const later = plusMs(AT, 5_000);
    const trading = evolveTrading(given(intended(), EVENTS.unknown), EVENTS.unknown, later);
    expect(trading.orders.get(A)).toMatchObject({ status: 'unknown', since: AT });
  });

  test('leaves orders that nobody meant and events of other kinds alone', () => {
    for (const event of Object.values(EVENTS)) expect(evolveTrading(emptyTrading, event, AT).orders.size).toBe(0);
    const trading = given(intended());
    expect(evolveTrading(trading, { type: 'TradingObserving', data: { cause: 'flat' } }, AT)).toBe(trading);
  });

  test('keeps the trade that a fill opened as ours, and as late when it is', () => {
    expect([...given(intended(), EVENTS.filled).ourTradeIds]).toEqual(['12']);
    const late = given(intended(), { ...EVENTS.filled, data: { ...EVENTS.filled.data, late: true } });
    expect([...late.lateTradeIds]).toEqual(['12']);
    expect([...given(closing(), EVENTS.filled).ourTradeIds]).toEqual([]);
  });

  test('remembers the trade whose close the broker refused before an older one’s, and no other', () => {
    const refused = (told: 'cancelled' | 'rejected', reason: string): DomainEvent => ({ ...EVENTS[told], data: { ...EVENTS[told].data, reason } });
    for (const told of ['cancelled', 'rejected'] as const) {
      expect([...given(closing(), refused(told, 'FIFO_VIOLATION')).outOfTurnTradeIds]).toEqual(['12']);
      expect([...given(closing(), refused(told, 'MARKET_HALTED')).outOfTurnTradeIds]).toEqual([]);
      expect([...given(intended(), refused(told, 'FIFO_VIOLATION')).outOfTurnTradeIds]).toEqual([]);
      expect([...given(closing(), EVENTS.filled, refused(told, 'FIFO_VIOLATION')).outOfTurnTradeIds]).toEqual([]);
    }
  });

  test('remembers a thousand settled orders and all that work', () => {
    let trading = given(intended({ clientOrderId: idOf('feed') }));
    for (let count = 0; count < 1_200; count += 1) {
      const clientOrderId = idOf(String(count));
      trading = evolveTrading(trading, intended({ clientOrderId }), AT);
      trading = evolveTrading(trading, { ...EVENTS.filled, data: { ...EVENTS.filled.data, clientOrderId, tradeId: String(count + 1), transactionId: String(count + 1) } }, AT);
    }
    expect(trading.orders.size).toBeLessThanOrEqual(1_002);
    expect(trading.orders.has(idOf('feed'))).toBe(true);
    expect(trading.orders.has(idOf('0'))).toBe(false);
    expect(trading.orders.has(idOf('1199'))).toBe(true);
    expect(trading.ourTradeIds.size).toBe(1_000);
    expect(trading.ourTradeIds.has('1200')).toBe(true);
  });
});

describe('a reversal', () => {
  const decided: DomainEvent = { type: 'DecisionMade', data: { barStart: '2026-01-06T14:59:00Z' } as DataOf<'DecisionMade'> };
  const reversing = [decided, closing({ reverseTo: 'SELL' })] as const;

  test('is owed from the closing leg on, and paid by the opening one', () => {
    expect(given(...reversing).reversal).toEqual({ decisionId: idOf('d'), closeOrderId: A, side: -1, barStart: parseInstant('2026-01-06T14:59:00Z') });
    expect(given(...reversing, EVENTS.filled).reversal).not.toBeNull();
    expect(given(...reversing, EVENTS.filled, intended({ clientOrderId: idOf('b') })).reversal).toBeNull();
  });

  test('is over when the closing leg does not fill, and when another decision is made', () => {
    for (const event of [EVENTS.cancelled, EVENTS.rejected, EVENTS.denied]) expect(given(...reversing, event).reversal).toBeNull();
    expect(given(...reversing, decided).reversal).toBeNull();
  });

  test('needs a decision: a close without one owes nothing', () => {
    expect(given(decided, closing({ reverseTo: 'SELL', decisionId: null })).reversal).toBeNull();
    expect(given(closing({ reverseTo: null }), decided).reversal).toBeNull();
  });
});

// --- observing the ledger ---

const body = (id: number, fields: Partial<TransactionBody> & { readonly type: string }): TransactionBody =>
  readBody(String(id), { id: String(id), time: '2026-01-06T15:00:01.5Z', ...fields });
const accept = (id = 11): TransactionBody => body(id, { type: 'MARKET_ORDER', instrument: 'EUR_USD', units: '1000', clientExtensions: { id: A } });
const acceptClose = (id = 13): TransactionBody => body(id, { type: 'MARKET_ORDER', instrument: 'EUR_USD', units: '-1000', tradeClose: { tradeID: '12' } });
const fill = (id: number, change: Partial<TransactionBody> = {}): TransactionBody =>
  body(id, { type: 'ORDER_FILL', instrument: 'EUR_USD', orderID: String(id - 1), clientOrderID: A, units: '1000', price: '9.9', pl: '0', financing: '0', tradeOpened: { tradeID: String(id), units: '1000', price: '1.10010' }, ...change });

/** Observes a transaction; what it tells is folded in, and telling it again must give nothing. */
function observe(trading: Trading, seen: TransactionBody): { readonly events: readonly DomainEvent[]; readonly trading: Trading } {
  const events = observeTransaction(trading, seen, 'EUR_USD', RULES);
  const after = events.reduce((folded, event) => evolveTrading(folded, event, AT), trading);
  expect(observeTransaction(after, seen, 'EUR_USD', RULES)).toEqual([]);
  return { events, trading: after };
}

describe('observing the ledger', () => {
  test('tells that an opening order was accepted and filled, once each', () => {
    const accepted = observe(given(intended()), accept());
    expect(accepted.events).toEqual([{ type: 'OrderAccepted', data: { clientOrderId: A, orderId: '11', transactionId: '11' } }]);
    const filled = observe(accepted.trading, fill(12));
    expect(filled.events).toEqual([{
      type: 'OrderFilled',
      data: { clientOrderId: A, transactionId: '12', units: '1000', price: '1.10010', tradeId: '12', pl: '0', financing: '0', slippagePips: '1', slippageShare: '0.2', late: false },
    }]);
    expect(observeTransaction(filled.trading, accept(), 'EUR_USD', RULES)).toEqual([]);
  });

  test('finds a close by the trade that it closes, and its fill by the order id', () => {
    const open = given(intended({ clientOrderId: idOf('b') }), { ...EVENTS.filled, data: { ...EVENTS.filled.data, clientOrderId: idOf('b') } }, closing({ watermark: '12' }));
    const accepted = observe(open, acceptClose());
    expect(accepted.events).toMatchObject([{ type: 'OrderAccepted', data: { clientOrderId: A, orderId: '13' } }]);
    const part = { tradeID: '12', units: '-1000', price: '1.10100', realizedPL: '0.9' };
    const closed = body(14, { type: 'ORDER_FILL', instrument: 'EUR_USD', orderID: '13', units: '-1000', pl: '0.9', financing: '-0.01', tradesClosed: [part] });
    expect(observe(accepted.trading, closed).events).toEqual([{
      type: 'OrderFilled',
      data: { clientOrderId: A, transactionId: '14', units: '-1000', price: '1.10100', tradeId: '12', pl: '0.9', financing: '-0.01', slippagePips: null, slippageShare: null, late: false },
    }]);
  });

  test('does not take an older order on the same trade for the close that was meant later', () => {
    expect(observe(given(closing({ watermark: '13' })), acceptClose(13)).events).toEqual([]);
  });

  test.each<[string, readonly DomainEvent[], readonly DomainEvent[]]>([
    ['given up', [EVENTS.unknown, EVENTS.abandoned], [EVENTS.submitted]],
    ['doubtful', [EVENTS.unknown], [EVENTS.submitted]],
    ['given up, and the other is not answered yet', [EVENTS.unknown, EVENTS.abandoned], []],
    ['doubtful, and the other is not answered yet', [EVENTS.unknown], []],
  ])('takes the other of two closes of one trade when the first is %s', (_how, first, second) => {
    const B = idOf('b');
    const ofB = (event: DomainEvent): DomainEvent => ({ ...event, data: { ...event.data, clientOrderId: B } }) as DomainEvent;
    const both = given(closing({ watermark: '12' }), ...first, ofB(closing({ watermark: '12' })), ...second.map(ofB));
    const accepted = observe(both, acceptClose(13));
    expect(accepted.events).toMatchObject([{ type: 'OrderAccepted', data: { clientOrderId: B, orderId: '13' } }]);
    expect(observe(accepted.trading, acceptClose(13)).events, 'read again').toEqual([]);
    expect(observe(accepted.trading, body(14, { type: 'MARKET_ORDER_REJECT', rejectReason: 'TRADE_DOESNT_EXIST', tradeClose: { tradeID: '12' } })).events).toMatchObject([{ type: 'OrderRejected', data: { clientOrderId: A } }]);
  });

  test('tells of cancellations and rejections of openings and closes', () => {
    expect(observe(given(intended(), EVENTS.accepted), body(12, { type: 'ORDER_CANCEL', orderID: '11', reason: 'BOUNDS_VIOLATION' })).events)
      .toEqual([{ type: 'OrderCancelled', data: { clientOrderId: A, reason: 'BOUNDS_VIOLATION', transactionId: '12' } }]);
    expect(observe(given(intended()), body(11, { type: 'MARKET_ORDER_REJECT', clientExtensions: { id: A }, rejectReason: 'INSUFFICIENT_MARGIN' })).events)
      .toEqual([{ type: 'OrderRejected', data: { clientOrderId: A, reason: 'INSUFFICIENT_MARGIN', transactionId: '11' } }]);
    expect(observe(given(closing()), body(13, { type: 'MARKET_ORDER_REJECT', tradeClose: { tradeID: '12' }, rejectReason: 'TRADE_DOESNT_EXIST' })).events)
      .toMatchObject([{ type: 'OrderRejected', data: { reason: 'TRADE_DOESNT_EXIST' } }]);
    expect(observe(given(closing(), EVENTS.accepted), body(14, { type: 'ORDER_CANCEL', orderID: '11', reason: 'MARKET_HALTED' })).events).toMatchObject([{ type: 'OrderCancelled' }]);
  });

  test('tells nothing of what is not ours: other instruments, other orders, other kinds', () => {
    const trading = given(intended());
    expect(observe(trading, fill(12, { instrument: 'GBP_USD' })).events).toEqual([]);
    expect(observe(trading, fill(12, { clientOrderID: 'somebody' })).events).toEqual([]);
    expect(observe(trading, body(11, { type: 'MARKET_ORDER', instrument: 'EUR_USD' })).events).toEqual([]);
    expect(observe(trading, body(11, { type: 'ORDER_CANCEL', orderID: '99', reason: 'x' })).events).toEqual([]);
    expect(observe(trading, body(11, { type: 'DAILY_FINANCING', financing: '-1' })).events).toEqual([]);
  });

  test('finds an abandoned order again, and its fill is late when it came more than a bar after the intent', () => {
    const revived = observe(given(intended(), EVENTS.unknown, EVENTS.abandoned), accept());
    expect(revived.events).toMatchObject([{ type: 'OrderAccepted' }]);
    const at = (ms: number): TransactionBody => fill(12, { time: new Date(AT + ms).toISOString() });
    expect(observe(revived.trading, at(MINUTE_MS)).events).toMatchObject([{ data: { late: false } }]);
    expect(observe(revived.trading, at(MINUTE_MS + 1)).events).toMatchObject([{ data: { late: true } }]);
    expect(observe(given(intended(), EVENTS.unknown, EVENTS.abandoned), at(1)).events).toMatchObject([{ data: { late: true } }]);
  });

  test('never calls a close late', () => {
    const part = { tradeID: '12', units: '-1000', price: '1.1' };
    const { tradeOpened: _opened, ...closed } = fill(14, { time: '2026-01-06T18:00:00Z', units: '-1000', tradesClosed: [part] });
    expect(observe(given(closing()), closed).events).toMatchObject([{ type: 'OrderFilled', data: { late: false, tradeId: '12' } }]);
  });

  test('tells of a second fill of one order', () => {
    const once = observe(given(intended(), EVENTS.accepted), fill(12));
    expect(observe(once.trading, fill(13, { orderID: '11' })).events).toMatchObject([{ type: 'OrderFilled', data: { transactionId: '13' } }]);
  });

  test('tells of a stop that filled as an adjustment of our position', () => {
    const open = given(intended(), EVENTS.accepted, EVENTS.filled);
    const stop = body(20, { type: 'ORDER_FILL', instrument: 'EUR_USD', orderID: '13', reason: 'STOP_LOSS_ORDER', units: '-1000', pl: '-5', tradesClosed: [{ tradeID: '12', units: '-1000', price: '1.09500' }] });
    expect(observe(open, stop).events).toEqual([{
      type: 'PositionAdjusted',
      data: { instrument: 'EUR_USD', transactionId: '20', reason: 'STOP_LOSS_ORDER', tradeIds: ['12'], units: '-1000', price: '1.09500', pl: '-5' },
    }]);
  });

  test('tells of a hand that reduces our trade, and not of one that reduces another', () => {
    const open = given(intended(), EVENTS.accepted, EVENTS.filled);
    const reduce = (tradeID: string): TransactionBody => body(20, { type: 'ORDER_FILL', instrument: 'EUR_USD', orderID: '19', reason: 'MARKET_ORDER', units: '-400', tradeReduced: { tradeID, units: '-400', price: '1.2' } });
    expect(observe(open, reduce('12')).events).toMatchObject([{ type: 'PositionAdjusted', data: { tradeIds: ['12'], units: '-400', price: '1.2' } }]);
    expect(observe(open, reduce('7')).events).toEqual([]);
  });
});

describe('slippage', () => {
  const filledAt = (side: 'buy' | 'sell', at: string) => {
    const order = side === 'buy' ? intended() : intended({ units: '-1000', priceBound: '1.09950' });
    const [event] = observeTransaction(given(order, EVENTS.accepted), fill(12, { tradeOpened: { tradeID: '12', units: side === 'buy' ? '1000' : '-1000', price: at } }), 'EUR_USD', RULES);
    return event?.type === 'OrderFilled' ? [event.data.slippagePips, event.data.slippageShare] : null;
  };

  test.each([
    ['buy', '1.10025', '2.5', '0.5'],
    ['buy', '1.10000', '0', '0'],
    ['buy', '1.09990', '-1', '-0.2'],
    ['buy', '1.10050', '5', '1'],
    ['sell', '1.09975', '2.5', '0.5'],
    ['sell', '1.10010', '-1', '-0.2'],
  ] as const)('of a %s filled at %s is %s pips, a share of %s', (side, at, slippagePips, share) => {
    expect(filledAt(side, at)).toEqual([slippagePips, share]);
  });
});

describe('the views', () => {
  test('give the working orders, oldest first', () => {
    const trading = given(intended(), intended({ clientOrderId: idOf('b'), units: '-5' }), EVENTS.filled);
    expect(workingOrders(trading).map((order) => format(order.units))).toEqual(['-5']);
    expect(workingOrders(trading)[0]!.units).toBe(units('-5'));
  });
});
