/** What the broker will not do: orders that it rejects or cancels, instruments that it halts, closes that it wants otherwise. */
import { describe, expect, test } from 'vitest';
import { ourOpenTrades } from '../../domain/desk/state.ts';
import { format } from '../../domain/money.ts';
import { MINUTE_MS, parseInstant, plusMs, SECOND_MS } from '../../domain/time.ts';
import { workingOrders } from '../../domain/trading.ts';
import { decide, decidedDesk, longDesk } from './desk-harness.ts';
import type { DeskHarness } from './desk-harness.ts';
import { LIMITS } from './settings.ts';

const FLATTENING = { safety: { ...LIMITS, dispositions: { ...LIMITS.dispositions, operator: 'flatten' as const } } };
const statuses = (desk: DeskHarness): readonly string[] => [...desk.book.trading.orders.values()].map(({ status }) => status);

/** The broker takes the oldest waiting order in and cancels it. */
function cancelNext(desk: DeskHarness, reason: string): void {
  const dispatch = desk.dispatches.shift()!;
  desk.broker.cancel(desk.now, dispatch.request, reason);
  desk.exchange(dispatch, 'filled');
  desk.settle();
}

describe('an order that the broker did not fill', () => {
  test.each(['BOUNDS_VIOLATION', 'INSUFFICIENT_LIQUIDITY', 'FIFO_VIOLATION', 'INSUFFICIENT_MARGIN', 'CLIENT_TRADE_ID_ALREADY_EXISTS'])('for %s is over, is not sent again, and leaves the next bar free', (reason) => {
    const desk = decidedDesk('BUY');
    cancelNext(desk, reason);
    expect(desk.told('OrderCancelled')).toMatchObject([{ reason }]);
    expect(statuses(desk)).toEqual(['cancelled']);
    desk.advance(130 * SECOND_MS);
    expect(desk.told('OrderIntended')).toHaveLength(1);
    expect(desk.told('OrderOutcomeUnknown')).toEqual([]);
    decide(desk, 'BUY');
    expect(desk.dispatches).toHaveLength(1);
  });

  test('and fills all the same is late, and closed at once', () => {
    const desk = decidedDesk('BUY');
    const { request, clientOrderId } = desk.dispatches[0]!;
    cancelNext(desk, 'BOUNDS_VIOLATION');
    desk.broker.fillOf(desk.now, '3', '1000', null, clientOrderId, 'reckoner:epoch:1');
    desk.notice();
    expect(request.method).toBe('POST');
    expect(desk.told('OrderFilled')).toMatchObject([{ late: true }]);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'lateFill', leg: 'close' });
  });
});

describe('an instrument that the broker will not trade', () => {
  test.each(['INSTRUMENT_HALTED', 'INSTRUMENT_BID_HALTED', 'INSTRUMENT_ASK_REDUCE_ONLY', 'MARKET_HALTED'])('(%s) is told of once, and nothing is opened there for a quarter of an hour', (reason) => {
    const desk = decidedDesk('BUY');
    const at = desk.now;
    cancelNext(desk, reason);
    expect(desk.told('AlertRaised')).toEqual([{ code: 'instrumentRestricted', severity: 'critical', detail: `EUR_USD: ${reason}; nothing is opened, closes are asked again` }]);
    decide(desk, 'BUY');
    expect(desk.told('OrderDenied').at(-1)).toMatchObject({ guard: 'restriction' });
    expect(desk.told('OrderDenied').at(-1)!.guards.find(({ guard }) => guard === 'restriction')).toMatchObject({ value: reason, limit: 'none' });
    desk.advanceTo(plusMs(at, 15 * MINUTE_MS));
    decide(desk, 'BUY');
    expect(desk.dispatches).toHaveLength(1);
    cancelNext(desk, reason);
    expect(desk.told('AlertRaised')).toHaveLength(1);
  });

  test('is free again once it has filled an opening, and over a restart it is not', () => {
    const desk = decidedDesk('BUY');
    const at = desk.now;
    cancelNext(desk, 'INSTRUMENT_HALTED');
    desk.crashAndRestart();
    decide(desk, 'BUY');
    expect(desk.told('OrderDenied').at(-1)).toMatchObject({ guard: 'restriction' });
    desk.advanceTo(plusMs(at, 15 * MINUTE_MS));
    decide(desk, 'BUY');
    desk.send('filled');
    expect(desk.book.trading.restriction).toBeNull();
  });

  test('has its closes asked again as soon as a price says that it trades', () => {
    const desk = longDesk(FLATTENING);
    desk.broker.tradeable = false;
    desk.quote();
    desk.command('halt');
    cancelNext(desk, 'MARKET_HALTED');
    desk.advance(2 * MINUTE_MS - 5 * SECOND_MS);
    while (desk.dispatches.length > 0) cancelNext(desk, 'MARKET_HALTED');
    const attempts = desk.told('OrderIntended').length;
    desk.advance(70 * SECOND_MS);
    expect(desk.told('OrderIntended')).toHaveLength(attempts);
    desk.broker.tradeable = true;
    desk.quote();
    expect(desk.told('OrderIntended')).toHaveLength(attempts + 1);
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
  });
});

describe('an account that must close its oldest trade first', () => {
  const refusedClose = (): DeskHarness => {
    const desk = longDesk();
    decide(desk, 'CLOSE');
    cancelNext(desk, 'FIFO_VIOLATION');
    return desk;
  };

  test.each([['with', true], ['without', false]] as const)('has the position closed in place of the trade, %s our name on the broker’s order', (_what, echoes) => {
    const desk = refusedClose();
    decide(desk, 'CLOSE');
    const dispatch = desk.dispatches.shift()!;
    expect(dispatch.request).toMatchObject({ method: 'PUT', path: '/accounts/101-001-1-001/positions/EUR_USD/close' });
    expect(JSON.parse(dispatch.request.body)).toEqual({ longUnits: 'ALL', shortUnits: 'NONE', longClientExtensions: { id: dispatch.clientOrderId, tag: 'reckoner:epoch:1' } });
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ leg: 'close', tradeId: '4', units: '-1000', path: dispatch.request.path });
    desk.broker.fillPositionClose(desk.now, dispatch.request, echoes);
    desk.exchange(dispatch, 'filled');
    desk.settle();
    expect(desk.told('OrderAccepted').at(-1)).toMatchObject({ clientOrderId: dispatch.clientOrderId });
    expect(desk.told('OrderFilled').at(-1)).toMatchObject({ clientOrderId: dispatch.clientOrderId, units: '-1000' });
    expect(desk.told('PositionAdjusted')).toEqual([]);
    expect(ourOpenTrades(desk.state, desk.book)).toEqual([]);
    expect(desk.mode).toBe('ARMED');
  });

  test('is never asked to close a position that holds a trade of somebody else’s', () => {
    const desk = refusedClose();
    desk.broker.fillForeign(desk.now, '7');
    desk.notice();
    desk.command('resume');
    expect(format(ourOpenTrades(desk.state, desk.book)[0]!.units)).toBe('1000');
    desk.advanceTo(parseInstant('2026-01-09T21:30:00Z'));
    expect(desk.told('OrderIntended').slice(2).every(({ path }) => path.endsWith('/trades/4/close'))).toBe(true);
    expect(desk.told('OrderIntended').length).toBeGreaterThan(2);
  });

  test('closes a short position by its own side', () => {
    const desk = decidedDesk('SELL');
    desk.send('filled');
    decide(desk, 'CLOSE');
    cancelNext(desk, 'FIFO_VIOLATION');
    decide(desk, 'CLOSE');
    expect(JSON.parse(desk.dispatches[0]!.request.body)).toMatchObject({ longUnits: 'NONE', shortUnits: 'ALL' });
  });
});

describe('a halt that overtakes an order', () => {
  test('has what that order opens closed at once, although it holds the position that stood before', () => {
    const desk = decidedDesk('BUY');
    const dispatch = desk.dispatches.shift()!;
    desk.command('halt');
    desk.now = plusMs(desk.now, 50);
    desk.broker.fillOpening(desk.now, dispatch.request);
    desk.exchange(dispatch, 'filled');
    desk.settle();
    expect(desk.told('OrderFilled')).toMatchObject([{ late: true }]);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'lateFill', leg: 'close' });
    const holding = longDesk();
    holding.command('halt');
    holding.advanceMinutes(3);
    expect(holding.dispatches).toEqual([]);
    expect(workingOrders(holding.book.trading)).toEqual([]);
  });
});
