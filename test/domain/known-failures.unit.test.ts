/** Failures that other trading engines are known for, each of them once, by name. */
import { describe, expect, test } from 'vitest';
import { money } from '../../domain/money.ts';
import { SECOND_MS } from '../../domain/time.ts';
import { decide, decidedDesk, DeskHarness, longDesk, snapshotAnswer } from './desk-harness.ts';
import { LIMITS } from './settings.ts';

describe('known failures of other engines, not of this one', () => {
  test('a timed-out submit is not taken for a rejection: the fill that follows it is found and owned', () => {
    const desk = decidedDesk('BUY');
    desk.send('filledUnanswered');
    expect(desk.told('OrderOutcomeUnknown')).toMatchObject([{ cause: 'timeout' }]);
    expect(desk.told('OrderRejected')).toEqual([]);
    expect(desk.told('OrderFilled')).toMatchObject([{ units: '1000', tradeId: '4', late: false }]);
    expect(desk.book.trading.ourTradeIds).toContain('4');
  });

  test('a timed-out submit that never arrived is not sent again, and nothing is opened while it may still arrive', () => {
    const desk = decidedDesk('BUY');
    desk.send('lostOnTheWay');
    decide(desk, 'HOLD');
    expect(desk.told('OrderRejected')).toEqual([]);
    expect(desk.told('OrderIntended')).toHaveLength(1);
    desk.advance(130 * SECOND_MS);
    expect(desk.told('OrderAbandoned')).toHaveLength(1);
    expect(desk.told('OrderIntended')).toHaveLength(1);
  });

  test.each(['transactions', 'snapshot'] as const)('a start-up query for %s that fails does not let trading begin', (what) => {
    const desk = new DeskHarness();
    desk.intercept = (read) => (read.what === what ? 'fails' : undefined);
    desk.start();
    expect(desk.command('arm')).toMatchObject({ accepted: false });
    desk.advance(600 * SECOND_MS);
    expect(desk.told('DecisionMade')).toEqual([]);
    expect(desk.told('OrderIntended')).toEqual([]);
    expect(desk.state.live.notReady).not.toBeNull();
  });

  test('a snapshot from before a wait is not compared with a ledger that has moved in between', () => {
    const desk = decidedDesk('BUY');
    const dispatch = desk.dispatches[0]!;
    const before = desk.broker.snapshot();
    desk.intercept = (read) => (read.what === 'snapshot' ? null : undefined);
    desk.command('reconcile');
    const read = desk.reads.at(-1)!;
    desk.broker.fillOpening(desk.now, dispatch.request);
    desk.notice();
    expect(desk.state.ledger.openTrades.size).toBe(1);
    desk.intercept = () => undefined;
    desk.give({ kind: 'answer', read, answer: snapshotAnswer(before) });
    expect(desk.told('DiscrepancyDetected')).toEqual([]);
    expect(desk.state.ledger.openTrades.size).toBe(1);
    desk.advance(SECOND_MS);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ trigger: 'operator', outcome: 'agreed', transactionId: '5' });
  });

  test('a warm restart does not flatten a position that it holds', () => {
    const desk = longDesk();
    desk.crashAndRestart(30 * SECOND_MS);
    desk.advanceMinutes(10);
    expect(desk.mode).toBe('ARMED');
    expect(desk.told('OrderIntended')).toHaveLength(1);
    expect([...desk.state.ledger.openTrades.keys()]).toEqual(['4']);
  });

  test('a fill that comes after a flatten does not stay: it is adopted, owned and closed', () => {
    const desk = decidedDesk('BUY', { safety: { ...LIMITS, dispositions: { ...LIMITS.dispositions, operator: 'flatten' } } });
    const { request } = desk.send('lostOnTheWay');
    desk.command('halt');
    expect(desk.dispatches).toEqual([]);
    desk.broker.fillOpening(desk.now, request);
    desk.notice();
    expect(desk.mode).toBe('HALTED');
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ leg: 'close', tradeId: '4' });
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
  });

  test('a stop that fills between the decision and the order denies the order', () => {
    const desk = longDesk({ onOppositeSignal: 'close' });
    decide(desk, 'SELL');
    desk.broker.fillStop(desk.now, '4', '1.095');
    desk.feed({ kind: 'notice', transactionId: desk.broker.lastTransactionId });
    desk.settle();
    desk.send('filled');
    expect(desk.told('OrderDenied')).toMatchObject([{ guard: 'stateMoved', leg: 'close' }]);
    expect(desk.told('OrderFilled')).toHaveLength(1);
    expect(desk.state.ledger.balance).toBe(desk.broker.balance);
    expect(desk.state.ledger.balance).not.toBe(money('10000'));
  });

  test('an opening order decided on a ledger that has moved is denied before a byte leaves', () => {
    const desk = decidedDesk('BUY');
    desk.broker.append(desk.now, { type: 'CLIENT_CONFIGURE' });
    desk.feed({ kind: 'notice', transactionId: desk.broker.lastTransactionId });
    desk.send('filled');
    expect(desk.told('OrderDenied')).toMatchObject([{ guard: 'stateMoved', leg: 'open' }]);
    expect(desk.told('BrokerExchangeRecorded')).toEqual([]);
  });
});
