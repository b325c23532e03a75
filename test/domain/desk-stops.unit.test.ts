import { describe, expect, test } from 'vitest';
import { SECOND_MS } from '../../domain/time.ts';
import { armedDesk, decide, longDesk } from './desk-harness.ts';
import type { DeskHarness } from './desk-harness.ts';
import { LIMITS, SETTINGS } from './settings.ts';

/** A long desk whose stop somebody cancels; the stop that is put back waits to be sent. */
function desertedDesk(settings: Parameters<typeof longDesk>[0] = {}): DeskHarness {
  const desk = longDesk(settings);
  desk.broker.cancelStop(desk.now, '4');
  desk.notice();
  return desk;
}

const closes = (desk: DeskHarness) => desk.told('OrderIntended').filter(({ leg }) => leg === 'close').map(({ cause, tradeId }) => ({ cause, tradeId }));

describe('a stop that a human cancels', () => {
  test('is put back once: meant first, citing the transactions that show it gone, then sent', () => {
    const desk = desertedDesk();
    expect(desk.told('DiscrepancyDetected')).toMatchObject([{ reconciliationId: null, kind: 'stopMissing', subject: 'trade 4', broker: 'none', rule: 'recreateStop', transactionIds: ['4', '6'] }]);
    const [intent] = desk.told('StopReplacementIntended');
    expect(intent).toMatchObject({ tradeId: '4', distance: '0.005', transactionIds: ['4'], watermark: '6', method: 'PUT', path: '/accounts/101-001-1-001/trades/4/orders' });
    expect(JSON.parse(intent!.requestBody)).toEqual({ stopLoss: { distance: '0.00500', timeInForce: 'GTC', clientExtensions: { id: intent!.clientOrderId, tag: 'reckoner:epoch:1' } } });
    expect(desk.told('StopReplaced')).toEqual([]);
    desk.send('filled');
    expect(desk.told('StopReplaced')).toMatchObject([{ clientOrderId: intent!.clientOrderId, tradeId: '4', orderId: '7', transactionId: '7' }]);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ trigger: 'postTrade', outcome: 'agreed' });
    desk.advanceMinutes(3);
    expect(desk.told('StopReplacementIntended')).toHaveLength(1);
    expect(closes(desk)).toEqual([]);
    expect(desk.mode).toBe('ARMED');
  });

  test('is put back in a halt that holds, too', () => {
    const desk = longDesk();
    desk.command('halt');
    desk.broker.cancelStop(desk.now, '4');
    desk.notice();
    desk.send('filled');
    expect(desk.told('StopReplaced')).toHaveLength(1);
    expect(closes(desk)).toEqual([]);
  });

  test('a second time ends the trade, in a halt that holds as well', () => {
    const desk = desertedDesk();
    desk.send('filled');
    desk.command('halt');
    desk.broker.cancelStop(desk.now, '4');
    desk.notice();
    expect(desk.told('StopReplacementIntended')).toHaveLength(1);
    expect(closes(desk)).toEqual([{ cause: 'unprotected', tradeId: '4' }]);
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
  });

  test('a second time, with nobody to close the trade, is compared each minute and not without a pause', () => {
    const desk = desertedDesk();
    desk.send('filled');
    desk.broker.cancelStop(desk.now, '4');
    desk.notice();
    desk.send('refused');
    desk.broker.tradeable = false;
    const before = desk.told('ReconciliationCompleted').length;
    desk.advanceMinutes(10);
    const since = desk.told('ReconciliationCompleted').slice(before);
    expect(since.map(({ outcome }) => outcome)).toContain('differed');
    expect(since.length).toBeLessThanOrEqual(12);
  });

  test('ends the trade at once where the configuration says so', () => {
    const desk = desertedDesk({ reconciliation: { ...SETTINGS.reconciliation, onLostStop: 'close' } });
    expect(desk.told('DiscrepancyDetected')).toMatchObject([{ kind: 'stopMissing', rule: 'flatten' }]);
    expect(desk.told('StopReplacementIntended')).toEqual([]);
    expect(closes(desk)).toEqual([{ cause: 'unprotected', tradeId: '4' }]);
  });

  test('of a trade that is not ours is nobody’s business here', () => {
    const desk = armedDesk();
    desk.broker.fillForeign(desk.now, '300');
    desk.notice();
    desk.advanceMinutes(3);
    expect(desk.told('StopReplacementIntended')).toEqual([]);
    expect(desk.dispatches).toEqual([]);
  });
});

describe('a stop that a human moves', () => {
  test('is put back where it was, and a second move ends the trade', () => {
    const desk = longDesk();
    desk.broker.moveStop(desk.now, '4', '1.05');
    desk.notice();
    expect(desk.told('DiscrepancyDetected')).toMatchObject([{ kind: 'stopChanged', broker: 'order 7 at 1.05', transactionIds: ['4', '7', '7'] }]);
    desk.send('filled');
    expect(desk.broker.stopPrices.get('9')).toBe(desk.broker.stopPrices.get('5'));
    expect(desk.told('StopReplaced')).toMatchObject([{ orderId: '9' }]);
    desk.broker.moveStop(desk.now, '4', '1.04');
    desk.notice();
    expect(closes(desk)).toEqual([{ cause: 'unprotected', tradeId: '4' }]);
  });
});

describe('a stop that the broker does not show, though the ledger knows of no end of it', () => {
  test('is put back, and when the broker still shows none the trade is closed', () => {
    const desk = longDesk();
    desk.broker.distort = (snapshot) => ({ ...snapshot, trades: snapshot.trades.map((trade) => ({ ...trade, stopLossOrderId: null })) });
    desk.advance(21 * SECOND_MS);
    expect(desk.told('DiscrepancyDetected')[0]).toMatchObject({ kind: 'stopMissing', local: expect.stringContaining('order 5') as string, broker: 'none' });
    desk.send('filled');
    expect(desk.told('StopReplaced')).toHaveLength(1);
    expect(desk.told('StopReplacementFailed')).toMatchObject([{ tradeId: '4', transactionId: null }]);
    expect(closes(desk)).toEqual([{ cause: 'unprotected', tradeId: '4' }]);
  });
});

describe('putting a stop back', () => {
  test('that the broker rejects ends the trade, by the reject transaction', () => {
    const desk = desertedDesk();
    desk.send('rejected');
    expect(desk.told('StopReplacementFailed')).toMatchObject([{ reason: 'STOP_LOSS_ORDER_ALREADY_EXISTS', transactionId: '7' }]);
    expect(closes(desk)).toEqual([{ cause: 'unprotected', tradeId: '4' }]);
  });

  test('that is refused without a transaction ends the trade', () => {
    const desk = desertedDesk();
    desk.send('refused');
    expect(desk.told('StopReplacementFailed')).toMatchObject([{ reason: 'no such trade', transactionId: null }]);
    expect(closes(desk)).toHaveLength(1);
  });

  test('that nobody answers for is looked for in the ledger and found there', () => {
    const desk = desertedDesk();
    desk.send('filledUnanswered');
    expect(desk.told('StopReplaced')).toMatchObject([{ orderId: '7' }]);
    desk.advance(60 * SECOND_MS);
    expect(closes(desk)).toEqual([]);
  });

  test('that leaves no trace for 15 seconds ends the trade, and is not sent again', () => {
    const desk = desertedDesk();
    desk.send('lostOnTheWay');
    desk.advance(14 * SECOND_MS);
    expect(closes(desk)).toEqual([]);
    desk.advance(2 * SECOND_MS);
    expect(desk.told('StopReplacementFailed')).toHaveLength(1);
    expect(closes(desk)).toEqual([{ cause: 'unprotected', tradeId: '4' }]);
    expect(desk.told('StopReplacementIntended')).toHaveLength(1);
  });

  test('that a failing ledger cannot tell of is not given up: a failed query is no silence', () => {
    const desk = desertedDesk();
    desk.intercept = (read) => (read.what === 'transactions' ? 'fails' : undefined);
    desk.send('filledUnanswered');
    desk.advance(60 * SECOND_MS);
    expect(desk.told('StopReplacementFailed')).toEqual([]);
    desk.intercept = () => undefined;
    desk.advance(61 * SECOND_MS);
    expect(desk.told('StopReplaced')).toHaveLength(1);
    expect(closes(desk)).toEqual([]);
  });

  test('is not sent when the trade has closed in the meantime', () => {
    const desk = desertedDesk();
    desk.broker.closeByHand(desk.now, '4');
    desk.notice();
    desk.send('filled');
    expect(desk.told('BrokerExchangeRecorded')).toHaveLength(1);
    expect(desk.told('StopReplacementFailed')).toMatchObject([{ reason: 'not sent: stateMoved, trade 4 is closed' }]);
    expect(closes(desk)).toEqual([]);
  });

  test('is found again after a crash that came behind the sending', () => {
    const desk = desertedDesk();
    desk.broker.placeStop(desk.now, desk.dispatches[0]!.request);
    desk.crashAndRestart();
    expect(desk.told('StopReplaced')).toHaveLength(1);
    expect(desk.told('StopReplacementIntended')).toHaveLength(1);
    desk.advanceMinutes(1);
    expect(closes(desk)).toEqual([]);
  });

  test('is given up after a crash that came before it, and the trade closed', () => {
    const desk = desertedDesk();
    desk.crashAndRestart(20 * SECOND_MS);
    expect(desk.told('StopReplacementFailed')).toHaveLength(1);
    expect(closes(desk)).toEqual([{ cause: 'unprotected', tradeId: '4' }]);
  });

  test('leads to the same state as its log', () => {
    const desk = desertedDesk();
    desk.send('filled');
    desk.broker.cancelStop(desk.now, '4');
    desk.notice();
    const { live: _live, ...kept } = desk.state;
    const { live: _folded, ...replayed } = desk.replay();
    expect(replayed).toEqual(kept);
  });
});

describe('more than the limit of ours', () => {
  const holding = { ...LIMITS, positionUnitsMax: LIMITS.orderUnitsMax, dispositions: { ...LIMITS.dispositions, positionLimit: 'hold' as const, overFill: 'hold' as const } };
  const overfilled = (settings: Parameters<typeof armedDesk>[0]): DeskHarness => {
    const desk = armedDesk(settings);
    decide(desk, 'BUY');
    const { request } = desk.dispatches.shift()!;
    desk.broker.fillOpening(desk.now, request, '1300');
    desk.notice();
    return desk;
  };

  test('is halted on and reduced to the limit, and no further, where the halt would hold it', () => {
    const desk = overfilled({ safety: holding });
    expect(desk.told('DiscrepancyDetected')).toMatchObject([{ kind: 'positionLimit', broker: '1300', rule: 'reduce' }]);
    expect(desk.mode).toBe('HALTED');
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'oversize', leg: 'close', units: '-300', tradeId: '4', requestBody: '{"units":"300"}' });
    desk.send('filled');
    expect([...desk.state.ledger.openTrades.values()].map(({ units }) => units)).toEqual([holding.positionUnitsMax]);
    desk.advanceMinutes(3);
    expect(closes(desk)).toHaveLength(1);
  });

  test('is flattened where the halt flattens', () => {
    const desk = overfilled({});
    expect(desk.told('DiscrepancyDetected')).toMatchObject([{ kind: 'positionLimit', rule: 'flatten' }]);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'halt', units: '-1300', requestBody: '{"units":"ALL"}' });
  });
});
