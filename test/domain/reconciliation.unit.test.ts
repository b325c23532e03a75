import { describe, expect, test } from 'vitest';
import type { AccountSnapshot, AccountSummary, PositionsSnapshot, SnapshotOrder, SnapshotTrade } from '../../domain/broker.ts';
import { instrumentName } from '../../domain/instruments.ts';
import type { Ledger } from '../../domain/ledger.ts';
import { emptyLedger, evolveLedger } from '../../domain/ledger.ts';
import { money, price, units } from '../../domain/money.ts';
import type { Difference, Expectation } from '../../domain/reconciliation.ts';
import { compareWithSnapshot, compareWithSummary, RULES } from '../../domain/reconciliation.ts';
import { DISCREPANCY_KINDS } from '../../domain/events.ts';
import { parseInstant } from '../../domain/time.ts';
import { ACCOUNT, EUR_USD } from './scripted-broker.ts';

const BODIES = [
  { type: 'CREATE', homeCurrency: 'USD' },
  { type: 'TRANSFER_FUNDS', amount: '1000', accountBalance: '1000' },
  { type: 'MARKET_ORDER' },
  { type: 'ORDER_FILL', orderID: '3', instrument: 'EUR_USD', units: '500', pl: '0', accountBalance: '1000', tradeOpened: { tradeID: '4', units: '500', price: '1.1' } },
  { type: 'STOP_LOSS_ORDER', tradeID: '4', price: '1.095', reason: 'ON_FILL' },
] as const;
const LEDGER: Ledger = BODIES.reduce((ledger: Ledger, body, index) => {
  const id = String(index + 1);
  return evolveLedger(ledger, { type: 'BrokerTransactionRecorded', data: { transactionId: id, body: { id, time: '2026-01-06T15:00:00Z', ...body } } });
}, emptyLedger);
const TRADE: SnapshotTrade = {
  tradeId: '4', instrument: EUR_USD, units: units('500'), initialUnits: units('500'), price: price('1.1'), openedAt: parseInstant('2026-01-06T15:00:00Z'), clientTradeId: null, stopLossOrderId: '5',
};
const stop = (orderId: string, at = '1.095'): SnapshotOrder => ({ orderId, type: 'STOP_LOSS', tradeId: '4', price: price(at), clientOrderId: null });
const SNAPSHOT: AccountSnapshot = {
  accountId: ACCOUNT, currency: 'USD', hedgingEnabled: false, balance: money('1000'), realisedPl: money('0'), financing: money('0'), commission: money('0'), unrealisedPl: money('-3'),
  trades: [TRADE], pendingOrders: [stop('5')], lastTransactionId: 5,
};
const EXPECTED: Expectation = { accountId: ACCOUNT, currency: 'USD', positionUnitsMax: units('1000'), ourTradeIds: new Set(['4']) };
const compare = (change: Partial<AccountSnapshot>, ledger: Ledger = LEDGER) =>
  compareWithSnapshot(ledger, { ...SNAPSHOT, ...change }, EXPECTED);

describe('ledger and snapshot at the same id', () => {
  test('agree, whatever the market has made of the open trade', () => {
    expect(compare({})).toEqual([]);
    expect(compare({ unrealisedPl: money('77') })).toEqual([]);
  });

  test.each<readonly [string, Partial<AccountSnapshot>, readonly Partial<Difference>[]]>([
    ['another account', { accountId: '101-001-1-002' }, [{ kind: 'account', local: ACCOUNT, broker: '101-001-1-002' }]],
    ['another currency', { currency: 'EUR' }, [{ kind: 'currency', subject: 'home currency' }, { kind: 'currency', subject: 'ledger currency', local: 'USD', broker: 'EUR' }]],
    ['hedging', { hedgingEnabled: true }, [{ kind: 'hedging', local: 'false', broker: 'true' }]],
    ['a trade that the broker does not hold', { trades: [] }, [{ kind: 'missingThere', subject: 'trade 4', local: '500', broker: 'none' }, { kind: 'positionUnits', local: '500', broker: '0' }]],
    ['a trade that the ledger does not hold', { trades: [TRADE, { ...TRADE, tradeId: '9', units: units('7') }] }, [{ kind: 'missingHere', subject: 'trade 9', broker: '7 EUR_USD' }, { kind: 'positionUnits', local: '500', broker: '507' }]],
    ['fewer units of a trade', { trades: [{ ...TRADE, units: units('499') }] }, [{ kind: 'partialFill', local: '500 EUR_USD', broker: '499 EUR_USD' }, { kind: 'positionUnits', subject: 'EUR_USD' }]],
    ['more units of a trade', { trades: [{ ...TRADE, units: units('501') }] }, [{ kind: 'tradeUnits', local: '500 EUR_USD', broker: '501 EUR_USD' }, { kind: 'positionUnits', subject: 'EUR_USD' }]],
    ['the other direction', { trades: [{ ...TRADE, units: units('-500') }] }, [{ kind: 'tradeUnits' }, { kind: 'positionDirection', local: '500', broker: '-500' }]],
    ['more of ours than the limit', { trades: [{ ...TRADE, units: units('1001') }] }, [{ kind: 'tradeUnits' }, { kind: 'positionUnits' }, { kind: 'positionLimit', local: '1000 allowed', broker: '1001', transactionIds: ['4', '5'] }]],
    ['another instrument', { trades: [{ ...TRADE, instrument: instrumentName('GBP_USD') }] }, [{ kind: 'tradeUnits' }, { kind: 'positionUnits', subject: 'GBP_USD' }, { kind: 'positionUnits', subject: 'EUR_USD' }]],
    ['a pending order too many', { pendingOrders: [stop('5'), stop('11')] }, [{ kind: 'pendingOrders', local: '5', broker: '5,11' }]],
    ['a pending order missing', { pendingOrders: [], trades: [{ ...TRADE, stopLossOrderId: null }] }, [{ kind: 'pendingOrders', local: '5', broker: '' }, { kind: 'stopMissing' }]],
    ['a stop missing', { trades: [{ ...TRADE, stopLossOrderId: null }] }, [{ kind: 'stopMissing', subject: 'trade 4', local: 'order 5 at 1.095', broker: 'none', transactionIds: ['4', '5', '5'] }]],
    ['the price of a stop', { pendingOrders: [stop('5', '1.09')] }, [{ kind: 'stopChanged', local: 'order 5 at 1.095', broker: 'order 5 at 1.09' }]],
    ['the order that is the stop', { trades: [{ ...TRADE, stopLossOrderId: '6' }], pendingOrders: [stop('5'), stop('6')] }, [{ kind: 'pendingOrders' }, { kind: 'stopChanged', broker: 'order 6 at 1.095' }]],
    ['realised profit, financing and commission', { realisedPl: money('1'), financing: money('-1'), commission: money('2') }, [{ kind: 'profit', subject: 'realised profit' }, { kind: 'profit', subject: 'financing' }, { kind: 'profit', subject: 'commission' }]],
    ['the last decimal of the balance', { balance: money('1000.0000000001') }, [{ kind: 'balance', local: '1000', broker: '1000.0000000001' }]],
  ])('differ by %s', (_what, change, expected) => {
    const found = compare(change);
    expect(found).toHaveLength(expected.length);
    expect(found).toMatchObject(expected);
  });

  test('differ by every transaction that did not add up', () => {
    const ledger: Ledger = { ...LEDGER, unexplained: [{ transactionId: 3, expected: money('1'), reported: money('2') }] };
    expect(compare({}, ledger)).toEqual([{ kind: 'unexplainedBalance', subject: 'transaction 3', local: '1', broker: '2', transactionIds: ['3', '5'] }]);
  });

  test('differ when the ledger never saw the account created', () => {
    expect(compare({}, { ...LEDGER, currency: null })).toMatchObject([{ kind: 'currency', local: 'none' }]);
  });

  test('do not differ by the stop of a trade that is not ours', () => {
    const foreign = { ...SNAPSHOT, trades: [{ ...TRADE, stopLossOrderId: null }] };
    expect(compareWithSnapshot(LEDGER, foreign, { ...EXPECTED, ourTradeIds: new Set() })).toEqual([]);
  });

  test('agree on pending orders in any order, by number and not by text', () => {
    const pendingOrders = new Map(['5', '10', '9'].map((orderId) => [orderId, { orderId, type: 'STOP_LOSS_ORDER', tradeId: orderId === '5' ? '4' : null, price: price('1.095'), reason: 'ON_FILL', restUnits: null }]));
    expect(compare({ pendingOrders: [stop('10'), stop('5'), stop('9')] }, { ...LEDGER, pendingOrders })).toEqual([]);
  });
});

describe('ledger and summary at the same id', () => {
  const { trades: _trades, pendingOrders: _orders, ...account } = SNAPSHOT;
  const SUMMARY: AccountSummary = { ...account, openTrades: 1, pendingOrders: 1 };
  const POSITIONS: PositionsSnapshot = { positions: [{ instrument: EUR_USD, units: units('500') }], lastTransactionId: 5 };
  const light = (summary: Partial<AccountSummary>, positions: Partial<PositionsSnapshot> = {}) => compareWithSummary(LEDGER, { ...SUMMARY, ...summary }, { ...POSITIONS, ...positions }, EXPECTED);

  test.each<readonly [string, Partial<AccountSummary>, Partial<PositionsSnapshot>, readonly string[]]>([
    ['agree', {}, {}, []],
    ['differ by a position', {}, { positions: [] }, ['positionUnits']],
    ['differ by a direction', {}, { positions: [{ instrument: EUR_USD, units: units('-500') }] }, ['positionDirection']],
    ['differ by the number of trades', { openTrades: 2 }, {}, ['missingHere']],
    ['differ by the number of orders', { pendingOrders: 0 }, {}, ['pendingOrders']],
    ['differ by the balance', { balance: money('999.9999') }, {}, ['balance']],
    ['differ by what the account is', { hedgingEnabled: true, currency: 'EUR', accountId: 'x' }, {}, ['account', 'currency', 'currency', 'hedging']],
  ])('%s', (_what, summary, positions, kinds) => {
    expect(light(summary, positions).map(({ kind }) => kind)).toEqual(kinds);
  });

  test('are not compared when the one or the other was read at another id', () => {
    expect(() => light({ lastTransactionId: 6 })).toThrow('snapshot at 6');
    expect(() => light({}, { lastTransactionId: 4 })).toThrow('snapshot at 4');
  });
});

describe('the rules', () => {
  test('say for every kind what is done, and never that a difference of money or units is let pass', () => {
    expect(Object.keys(RULES).sort()).toEqual([...DISCREPANCY_KINDS].sort());
    expect(DISCREPANCY_KINDS.filter((kind) => RULES[kind].rule === 'note')).toEqual(['profit']);
  });
});

describe('ledger and snapshot at different ids', () => {
  test.each([4, 6])('are not compared (snapshot at %i): a difference would prove nothing', (lastTransactionId) => {
    expect(() => compare({ lastTransactionId })).toThrow(`snapshot at ${lastTransactionId} cannot be compared with the ledger at 5`);
  });
});
