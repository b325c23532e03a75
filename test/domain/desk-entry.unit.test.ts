/** Opening by a limit order at the price bound: its bytes, its life, fills in parts, and a broker that refuses what is late. */
import { describe, expect, test } from 'vitest';
import { exposureWith } from '../../domain/desk/exposure.ts';
import { ourOpenTrades } from '../../domain/desk/state.ts';
import { format } from '../../domain/money.ts';
import { formatInstant, parseInstant, plusMs, SECOND_MS } from '../../domain/time.ts';
import { workingOrders } from '../../domain/trading.ts';
import type { DeskHarness, Dispatch } from './desk-harness.ts';
import { decide, decidedDesk } from './desk-harness.ts';
import { EUR_USD } from './scripted-broker.ts';
import { LIMITS } from './settings.ts';

const LIMIT = { entry: { kind: 'limit', goodForMs: 10_000 }, safety: { ...LIMITS, openTradesMax: 2 } } as const;
const statuses = (desk: DeskHarness): readonly string[] => [...desk.book.trading.orders.values()].map(({ status }) => status);

interface Placed extends Dispatch {
  readonly desk: DeskHarness;
  readonly orderId: string;
}

/** A limit order that has been sent and rests at the broker. */
function placed(desk = decidedDesk('BUY', LIMIT)): Placed {
  const dispatch = desk.dispatches.shift()!;
  const orderId = desk.broker.accept(desk.now, dispatch.request);
  desk.broker.pendingOrderIds.add(orderId);
  desk.exchange(dispatch, 'filled');
  desk.settle();
  return { ...dispatch, desk, orderId };
}

/** A part fills; what is left goes on as a new order under the same name, as the broker does it. Answers with that order's id. */
function fillPart({ desk, clientOrderId, request }: Placed, orderId: string, count: string, reissues: boolean): string {
  desk.broker.pendingOrderIds.delete(orderId);
  desk.broker.fillOf(desk.now, orderId, count, null, clientOrderId, 'reckoner:epoch:1', EUR_USD, 'LIMIT_ORDER');
  if (!reissues) return orderId;
  const again = desk.broker.append(desk.now, { type: 'LIMIT_ORDER', instrument: EUR_USD, units: '600', replacesOrderID: orderId, clientExtensions: { id: clientOrderId, tag: 'reckoner:epoch:1' } });
  desk.broker.pendingOrderIds.add(again);
  expect(JSON.parse(request.body)).toMatchObject({ order: { units: '1000' } });
  return again;
}

function expire({ desk, clientOrderId }: Placed, orderId: string): void {
  desk.broker.pendingOrderIds.delete(orderId);
  desk.broker.append(desk.now, { type: 'ORDER_CANCEL', orderID: orderId, clientOrderID: clientOrderId, reason: 'TIME_IN_FORCE_EXPIRED' });
  desk.notice();
}

describe('a limit order', () => {
  test('asks for the price bound until ten seconds from now, and is else what a market order is', () => {
    const desk = decidedDesk('SELL', LIMIT);
    const { request, clientOrderId } = desk.dispatches[0]!;
    const intent = desk.told('OrderIntended')[0]!;
    expect(JSON.parse(request.body)).toEqual({
      order: {
        type: 'LIMIT', instrument: 'EUR_USD', units: '-1000', timeInForce: 'GTD', gtdTime: formatInstant(plusMs(desk.now, 10_000)), positionFill: 'OPEN_ONLY',
        price: '1.09952',
        stopLossOnFill: { distance: '0.00500', timeInForce: 'GTC' },
        clientExtensions: { id: clientOrderId, tag: 'reckoner:epoch:1', comment: `decision ${intent.decisionId}` },
        tradeClientExtensions: { id: 'reckoner:101-001-1-001:EUR_USD:slot0', tag: 'reckoner:epoch:1' },
      },
    });
    expect(intent).toMatchObject({ priceBound: '1.09952', referencePrice: '1.10002' });
  });

  test('is accepted, filled and reconciled like a market order', () => {
    const desk = decidedDesk('BUY', LIMIT);
    desk.send('filled');
    expect(statuses(desk)).toEqual(['filled']);
    expect(desk.told('OrderFilled')).toMatchObject([{ units: '1000', late: false, slippageShare: '0' }]);
    expect(desk.told('OrderPartiallyFilled')).toEqual([]);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'agreed', trigger: 'postTrade' });
  });

  test('that rests blocks a second one, and expires by itself without a trace of a position', () => {
    const order = placed();
    const { desk } = order;
    expect(statuses(desk)).toEqual(['accepted']);
    desk.policy = null;
    desk.advanceMinutes(1);
    expect(desk.consultations[0]!.observation.mask).toEqual([true, false, false, false]);
    desk.policy = () => ({ kind: 'refusal', code: 'nonFinite', detail: 'scenario' });
    desk.settle();
    expire(order, order.orderId);
    expect(desk.told('OrderCancelled')).toMatchObject([{ reason: 'TIME_IN_FORCE_EXPIRED' }]);
    expect(workingOrders(desk.book.trading)).toEqual([]);
    expect(exposureWith(desk.state, desk.now, null)).toMatchObject({ trades: 0, gross: 0n });
    decide(desk, 'SELL');
    expect(desk.dispatches).toHaveLength(1);
  });

  test('that arrives too late is refused by the broker itself, even after it was given up here', () => {
    const desk = decidedDesk('BUY', LIMIT);
    const { request } = desk.send('lostOnTheWay');
    desk.advance(130 * SECOND_MS);
    expect(statuses(desk)).toEqual(['abandoned']);
    expect(exposureWith(desk.state, desk.now, null).trades).toBe(1);
    desk.broker.reject(desk.now, request, 'TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST');
    desk.notice();
    expect(desk.told('OrderRejected')).toMatchObject([{ reason: 'TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST' }]);
    expect(statuses(desk)).toEqual(['rejected']);
    expect(exposureWith(desk.state, desk.now, null).trades).toBe(0);
  });
});

describe('an order that fills in parts', () => {
  test('is worked until the last of them, and the position is their sum', () => {
    const order = placed();
    const { desk } = order;
    const rest = fillPart(order, order.orderId, '400', true);
    desk.notice();
    expect(statuses(desk)).toEqual(['accepted']);
    expect(desk.told('OrderPartiallyFilled')).toMatchObject([{ units: '400', tradeId: '4', late: false }]);
    expect(desk.told('OrderFilled')).toEqual([]);
    expect(format(workingOrders(desk.book.trading)[0]!.filledUnits)).toBe('400');
    // The rest is still reserved beside what is held.
    expect(exposureWith(desk.state, desk.now, null)).toMatchObject({ trades: 2, gross: 11_001_200_000_000n });
    fillPart(order, rest, '600', false);
    desk.notice();
    expect(statuses(desk)).toEqual(['filled']);
    expect(desk.told('OrderFilled')).toMatchObject([{ units: '600' }]);
    expect(ourOpenTrades(desk.state, desk.book).map(({ units }) => format(units))).toEqual(['400', '600']);
    expect(desk.mode).toBe('ARMED');
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'agreed' });
  });

  test('keeps what it got when the rest expires, and is not topped up', () => {
    const order = placed();
    const { desk } = order;
    const rest = fillPart(order, order.orderId, '400', true);
    desk.notice();
    expire(order, rest);
    expect(statuses(desk)).toEqual(['cancelled']);
    expect(exposureWith(desk.state, desk.now, null)).toMatchObject({ trades: 1, gross: 4_400_480_000_000n });
    decide(desk, 'HOLD');
    decide(desk, 'HOLD');
    expect(desk.told('OrderIntended')).toHaveLength(1);
    expect(desk.told('DecisionMade').at(-1)!.mask).toEqual([true, false, true, true]);
    expect(desk.mode).toBe('ARMED');
  });

  test('is closed whole: every trade that it opened, by the policy and on Friday alike', () => {
    const held = (at?: Parameters<typeof decidedDesk>[2]): DeskHarness => {
      const order = placed(decidedDesk('BUY', LIMIT, at));
      fillPart(order, fillPart(order, order.orderId, '400', true), '600', false);
      order.desk.notice();
      return order.desk;
    };
    const desk = held();
    decide(desk, 'CLOSE');
    expect(desk.told('OrderIntended').slice(1)).toMatchObject([{ cause: 'policy', tradeId: '4', units: '-400' }, { cause: 'policy', tradeId: '7', units: '-600' }]);
    expect(new Set(desk.told('OrderIntended').map(({ clientOrderId }) => clientOrderId)).size).toBe(3);
    desk.send('filled');
    // Half of it is closed: the policy is shown the position that is left, not a flat one.
    expect(desk.book.excursion).toMatchObject({ tradeId: '7' });
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
    expect(desk.book.excursion).toBeNull();

    const friday = held(parseInstant('2026-01-09T21:25:00Z'));
    friday.advanceTo(parseInstant('2026-01-09T21:30:00Z'));
    expect(friday.told('OrderIntended').slice(1)).toMatchObject([{ cause: 'weekend', tradeId: '4' }, { cause: 'weekend', tradeId: '7' }]);
  });

  test('reverses only after the last of its trades has closed', () => {
    const order = placed(decidedDesk('BUY', { ...LIMIT, onOppositeSignal: 'reverse' }));
    const { desk } = order;
    fillPart(order, fillPart(order, order.orderId, '400', true), '600', false);
    desk.notice();
    decide(desk, 'SELL');
    desk.send('filled');
    expect(desk.told('OrderIntended').filter(({ leg }) => leg === 'open')).toHaveLength(1);
    desk.send('filled');
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ leg: 'open', units: '-1000' });
  });

  test.each(['601', '1000'])('halts and flattens when its parts come to more than was ordered (400 and %s)', (second) => {
    const order = placed();
    const { desk } = order;
    const rest = fillPart(order, order.orderId, '400', true);
    fillPart(order, rest, second, false);
    desk.notice();
    expect(desk.told('TradingHalted')[0]).toMatchObject({ cause: 'overFill', disposition: 'flatten' });
    expect(desk.told('OrderIntended').slice(1)).toMatchObject([{ cause: 'halt', tradeId: '4', units: '-400' }, { cause: 'halt', units: `-${second}` }]);
    expect(desk.told('ForeignTradeObserved')).toEqual([]);
  });

  test('of a market order leaves nothing working: the broker has cancelled the rest', () => {
    const desk = decidedDesk('BUY');
    const dispatch = desk.dispatches.shift()!;
    desk.broker.fillOpening(desk.now, dispatch.request, '400');
    desk.exchange(dispatch, 'filled');
    desk.settle();
    expect(statuses(desk)).toEqual(['filled']);
    expect(desk.told('OrderFilled')).toMatchObject([{ units: '400' }]);
    expect(exposureWith(desk.state, desk.now, null)).toMatchObject({ trades: 1, gross: 4_400_480_000_000n });
  });

  test('folds from the log to the same state', () => {
    const order = placed();
    const rest = fillPart(order, order.orderId, '400', true);
    order.desk.notice();
    expire(order, rest);
    expect(order.desk.replay().books).toEqual(order.desk.state.books);
  });
});
