import { describe, expect, test } from 'vitest';
import type { AccountSnapshot, SnapshotTrade } from '../../domain/broker.ts';
import { instrumentName } from '../../domain/instruments.ts';
import type { Ledger } from '../../domain/ledger.ts';
import { emptyLedger, evolveLedger } from '../../domain/ledger.ts';
import { money, units } from '../../domain/money.ts';
import { CHECKS, compareWithSnapshot } from '../../domain/reconciliation.ts';
import { ACCOUNT, EUR_USD } from './scripted-broker.ts';

const BODIES = [
  { type: 'CREATE', homeCurrency: 'USD' },
  { type: 'TRANSFER_FUNDS', amount: '1000', accountBalance: '1000' },
  { type: 'MARKET_ORDER' },
  { type: 'ORDER_FILL', orderID: '3', instrument: 'EUR_USD', units: '500', pl: '0', accountBalance: '1000', tradeOpened: { tradeID: '4', units: '500', price: '1.1' } },
  { type: 'STOP_LOSS_ORDER', tradeID: '4' },
] as const;
const LEDGER: Ledger = BODIES.reduce((ledger: Ledger, body, index) => {
  const id = String(index + 1);
  return evolveLedger(ledger, { type: 'BrokerTransactionRecorded', data: { transactionId: id, body: { id, time: '2026-01-06T15:00:00Z', ...body } } });
}, emptyLedger);
const TRADE: SnapshotTrade = { tradeId: '4', instrument: EUR_USD, units: units('500'), stopLossOrderId: '5' };
const SNAPSHOT: AccountSnapshot = {
  accountId: ACCOUNT, currency: 'USD', hedgingEnabled: false, balance: money('1000'), realisedPl: money('0'), financing: money('0'), unrealisedPl: money('-3'),
  trades: [TRADE], pendingOrderIds: ['5'], lastTransactionId: 5,
};
const compare = (change: Partial<AccountSnapshot>, ledger: Ledger = LEDGER) =>
  compareWithSnapshot(ledger, { ...SNAPSHOT, ...change }, { accountId: ACCOUNT, currency: 'USD', ourTradeIds: new Set(['4']) });

describe('ledger and snapshot at the same id', () => {
  test('agree, whatever the market has made of the open trade', () => {
    expect(compare({})).toEqual([]);
    expect(compare({ unrealisedPl: money('77') })).toEqual([]);
    expect(CHECKS).toHaveLength(9);
  });

  test.each<readonly [string, Partial<AccountSnapshot>, readonly { readonly [field: string]: string }[]]>([
    ['another account', { accountId: '101-001-1-002' }, [{ kind: 'account', local: ACCOUNT, broker: '101-001-1-002' }]],
    ['another currency', { currency: 'EUR' }, [{ kind: 'currency', subject: 'home currency' }, { kind: 'currency', subject: 'ledger currency', local: 'USD', broker: 'EUR' }]],
    ['hedging', { hedgingEnabled: true }, [{ kind: 'hedging', local: 'false', broker: 'true' }]],
    ['a trade that the broker does not hold', { trades: [] }, [{ kind: 'missingThere', subject: 'trade 4', local: '500', broker: 'none' }, { kind: 'positionUnits', local: '500', broker: '0' }]],
    ['a trade that the ledger does not hold', { trades: [TRADE, { ...TRADE, tradeId: '9', units: units('7') }] }, [{ kind: 'missingHere', subject: 'trade 9', broker: '7 EUR_USD' }, { kind: 'positionUnits', local: '500', broker: '507' }]],
    ['other units', { trades: [{ ...TRADE, units: units('499') }] }, [{ kind: 'tradeUnits', local: '500 EUR_USD', broker: '499 EUR_USD' }, { kind: 'positionUnits', subject: 'EUR_USD' }]],
    ['another instrument', { trades: [{ ...TRADE, instrument: instrumentName('GBP_USD') }] }, [{ kind: 'tradeUnits' }, { kind: 'positionUnits', subject: 'GBP_USD' }, { kind: 'positionUnits', subject: 'EUR_USD' }]],
    ['a pending order too many', { pendingOrderIds: ['5', '11'] }, [{ kind: 'pendingOrders', local: '5', broker: '5,11' }]],
    ['a pending order missing', { pendingOrderIds: [] }, [{ kind: 'pendingOrders', local: '5', broker: '' }]],
    ['a stop missing', { trades: [{ ...TRADE, stopLossOrderId: null }] }, [{ kind: 'stopMissing', subject: 'trade 4', broker: 'none' }]],
    ['the last decimal of the balance', { balance: money('1000.0000000001') }, [{ kind: 'balance', local: '1000', broker: '1000.0000000001' }]],
  ])('differ by %s', (_what, change, expected) => {
    const found = compare(change);
    expect(found).toHaveLength(expected.length);
    expect(found).toMatchObject(expected.map((entry) => ({ ...entry, severity: 'critical' })));
  });

  test('differ by every transaction that did not add up', () => {
    const ledger: Ledger = { ...LEDGER, unexplained: [{ transactionId: 3, expected: money('1'), reported: money('2') }] };
    expect(compare({}, ledger)).toEqual([{ kind: 'unexplainedBalance', subject: 'transaction 3', local: '1', broker: '2', severity: 'critical' }]);
  });

  test('differ when the ledger never saw the account created', () => {
    expect(compare({}, { ...LEDGER, currency: null })).toMatchObject([{ kind: 'currency', local: 'none' }]);
  });

  test('do not differ by the stop of a trade that is not ours', () => {
    const foreign = { ...SNAPSHOT, trades: [{ ...TRADE, stopLossOrderId: null }] };
    expect(compareWithSnapshot(LEDGER, foreign, { accountId: ACCOUNT, currency: 'USD', ourTradeIds: new Set() })).toEqual([]);
  });

  test('agree on pending orders in any order, by number and not by text', () => {
    const pendingOrders = new Map(['5', '10', '9'].map((orderId) => [orderId, { orderId, type: 'STOP_LOSS_ORDER', tradeId: null }]));
    expect(compare({ pendingOrderIds: ['10', '5', '9'] }, { ...LEDGER, pendingOrders })).toEqual([]);
  });
});

describe('ledger and snapshot at different ids', () => {
  test.each([4, 6])('are not compared (snapshot at %i): a difference would prove nothing', (lastTransactionId) => {
    expect(() => compare({ lastTransactionId })).toThrow(`snapshot at ${lastTransactionId} cannot be compared with the ledger at 5`);
  });
});
