/** A crash that leaves the beginning of a step's facts: whatever the missing ones did not say is said when the ledger is read again. */
import { describe, expect, test } from 'vitest';
import type { EventType } from '../../domain/events.ts';
import { armedDesk, decidedDesk, longDesk } from './desk-harness.ts';
import type { DeskHarness } from './desk-harness.ts';

/** The process ends when the facts of the present step up to the last of its kind that names a transaction are durable, and starts again. */
function cutBehind(desk: DeskHarness, type: EventType, transactionId: string): void {
  const last = desk.emissions.findLastIndex(({ event }) => event.type === type && 'transactionId' in event.data && event.data.transactionId === transactionId);
  expect(last).toBeGreaterThan(0);
  desk.emissions.splice(last + 1);
  desk.crashAndRestart();
}

const haltsOf = (desk: DeskHarness) => desk.told('TradingHalted').map(({ cause }) => cause);

describe('a crash behind the record of a transaction', () => {
  test('that closed our trade for want of margin halts at the restart', () => {
    const desk = longDesk();
    desk.broker.closeByHand(desk.now, '4', null, 'MARKET_ORDER_MARGIN_CLOSEOUT');
    desk.notice();
    cutBehind(desk, 'BrokerTransactionRecorded', '7');
    expect(desk.mode).toBe('HALTED');
    expect(haltsOf(desk)).toEqual(['lossLimit']);
  });

  test('by which another hand closed our trade waits for an acknowledgement', () => {
    const desk = longDesk();
    desk.broker.closeByHand(desk.now, '4');
    desk.notice();
    cutBehind(desk, 'BrokerTransactionRecorded', '7');
    expect(haltsOf(desk)).toEqual(['foreignTrade']);
    expect(desk.told('ReviewRequired')).toHaveLength(1);
    expect(desk.told('PositionAdjusted')).toHaveLength(1);
  });

  test('and of the review that it requires still halts', () => {
    const desk = longDesk();
    desk.broker.closeByHand(desk.now, '4');
    desk.notice();
    cutBehind(desk, 'ReviewRequired', '7');
    expect(haltsOf(desk)).toEqual(['foreignTrade']);
    expect(desk.told('ReviewRequired')).toHaveLength(1);
  });

  test('and of a foreign trade that it opened still halts, and not again once that is acknowledged', () => {
    const desk = armedDesk();
    desk.broker.fillForeign(desk.now, '300');
    desk.notice();
    cutBehind(desk, 'ForeignTradeObserved', String(desk.broker.lastTransactionId));
    expect(haltsOf(desk)).toEqual(['foreignTrade']);
    expect(desk.told('ForeignTradeObserved')).toHaveLength(1);
    desk.acknowledge('trade', desk.told('ForeignTradeObserved')[0]!.tradeId);
    desk.command('resume');
    desk.crashAndRestart();
    expect(haltsOf(desk)).toEqual(['foreignTrade']);
  });

  test('of an unknown type halts at the restart', () => {
    const desk = longDesk();
    desk.broker.append(desk.now, { type: 'CARBON_LEVY' });
    desk.notice();
    cutBehind(desk, 'BrokerTransactionRecorded', '6');
    expect(haltsOf(desk)).toEqual(['unknownSchema']);
  });

  test('that filled more than was ordered halts at the restart', () => {
    const desk = decidedDesk('BUY');
    const { request, clientOrderId } = desk.dispatches[0]!;
    desk.broker.fillOpening(desk.now, request, '1001');
    desk.exchange({ clientOrderId, request }, 'filled');
    desk.settle();
    cutBehind(desk, 'OrderFilled', '4');
    expect(haltsOf(desk)).toContain('overFill');
  });
});

describe('a crash long behind a halt', () => {
  test('that an operator has resumed from does not halt for the same transaction again', () => {
    const desk = longDesk();
    desk.broker.closeByHand(desk.now, '4', null, 'MARKET_ORDER_MARGIN_CLOSEOUT');
    desk.notice();
    desk.command('resume');
    desk.crashAndRestart();
    desk.crashAndRestart();
    expect(haltsOf(desk)).toEqual(['lossLimit']);
    expect(desk.mode).toBe('OBSERVING');
  });
});
