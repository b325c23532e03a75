import { describe, expect, test } from 'vitest';
import type { Ledger } from '../../domain/ledger.ts';
import { emptyLedger, evolveLedger } from '../../domain/ledger.ts';
import { instrumentName } from '../../domain/instruments.ts';
import { touchedLast } from '../../domain/touched.ts';

type Body = { readonly type: string; readonly [field: string]: string | object };
const fold = (bodies: readonly Body[]): Ledger =>
  bodies.reduce((ledger: Ledger, body, index) => {
    const id = String(index + 1);
    return evolveLedger(ledger, { type: 'BrokerTransactionRecorded', data: { transactionId: id, body: { id, time: '2026-01-06T15:00:00Z', ...body } } });
  }, emptyLedger);
const [EUR, GBP] = [instrumentName('EUR_USD'), instrumentName('GBP_USD')];
const lastOf = (...bodies: readonly Body[]): readonly number[] => {
  const { touched } = fold([{ type: 'CREATE' }, ...bodies]);
  return [touchedLast(touched, EUR), touchedLast(touched, GBP)];
};

const ORDER: Body = { type: 'MARKET_ORDER', instrument: 'EUR_USD' };
const FILL: Body = { type: 'ORDER_FILL', orderID: '2', instrument: 'EUR_USD', tradeOpened: { tradeID: '3', units: '1', price: '1.1' } };
const STOP: Body = { type: 'STOP_LOSS_ORDER', tradeID: '3' };
const CLOSE: Body = { type: 'ORDER_FILL', orderID: '5', instrument: 'EUR_USD', tradesClosed: [{ tradeID: '3', units: '-1', price: '1.1' }] };

describe('which instrument a transaction is about', () => {
  test('is said by the transaction, or by the trade or the order that it names', () => {
    expect(lastOf(ORDER)).toEqual([2, 1]);
    expect(lastOf(ORDER, FILL)).toEqual([3, 1]);
    expect(lastOf(ORDER, FILL, STOP)).toEqual([4, 1]);
    expect(lastOf(ORDER, { type: 'ORDER_CANCEL', orderID: '2' })).toEqual([3, 1]);
    expect(lastOf(ORDER, { type: 'LIMIT_ORDER_REJECT', instrument: 'GBP_USD' })).toEqual([2, 3]);
    // The stop of a trade that has closed is cancelled by its order's id alone.
    expect(lastOf(ORDER, FILL, STOP, ORDER, CLOSE, { type: 'ORDER_CANCEL', orderID: '4', reason: 'LINKED_TRADE_CLOSED' })).toEqual([7, 1]);
  });

  test('is every one of them when nothing says which', () => {
    expect(lastOf(ORDER, { type: 'DAILY_FINANCING' })).toEqual([3, 3]);
    expect(lastOf(ORDER, { type: 'TRANSFER_FUNDS', amount: '5' })).toEqual([3, 3]);
    expect(lastOf(ORDER, { type: 'ORDER_CANCEL', orderID: '99' })).toEqual([3, 3]);
    expect(lastOf(ORDER, { type: 'STOP_LOSS_ORDER', tradeID: '99' })).toEqual([3, 3]);
    expect(lastOf(ORDER, { type: 'NEVER_SEEN' })).toEqual([3, 3]);
  });

  test('is kept for orders that live, and forgotten with them', () => {
    expect(fold([{ type: 'CREATE' }, ORDER, FILL, STOP]).touched.byOrder).toEqual(new Map([['4', EUR]]));
    expect(fold([{ type: 'CREATE' }, ORDER, FILL, STOP, ORDER, CLOSE, { type: 'ORDER_CANCEL', orderID: '4' }]).touched.byOrder.size).toBe(0);
  });
});
