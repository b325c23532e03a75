import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BrokerTransaction } from '../../domain/broker.ts';
import type { Json } from '../../domain/canonical.ts';
import { instrumentName } from '../../domain/instruments.ts';
import type { DomainEvent } from '../../domain/events.ts';
import type { Ledger } from '../../domain/ledger.ts';
import { cumulativeProfit, emptyLedger, evolveLedger, isKnownTransactionType, LedgerError, netUnits, newTransactions, readBody, recentBody, RECENT_BODIES, stopOf, unrealisedQuote } from '../../domain/ledger.ts';
import { add, format, money, negate, price, priceTimesUnits, subtract, units, ZERO_MONEY } from '../../domain/money.ts';
import type { Money, Price, Units } from '../../domain/money.ts';
import { parseInstant } from '../../domain/time.ts';

type Body = { readonly type: string; readonly [key: string]: Json };
const EUR_USD = instrumentName('EUR_USD');
const USD_JPY = instrumentName('USD_JPY');
const TIME = '2026-01-06T15:00:00.123456789Z';

/** Folds bodies as transactions 1, 2, 3 … behind the given ledger. */
function fold(bodies: readonly Body[], from: Ledger = emptyLedger): Ledger {
  return bodies.reduce((ledger, body) => {
    const id = String(ledger.lastTransactionId + 1);
    return evolveLedger(ledger, { type: 'BrokerTransactionRecorded', data: { transactionId: id, body: { id, time: TIME, ...body } } });
  }, from);
}

const CREATED = [{ type: 'CREATE', homeCurrency: 'USD' }, { type: 'TRANSFER_FUNDS', amount: '1000', accountBalance: '1000' }] as const;
const part = (tradeID: string, count: string, at: string): Json => ({ tradeID, units: count, price: at });
const opened = (tradeID: string, count: string, at: string, accountBalance: string, instrument = 'EUR_USD'): Body =>
  ({ type: 'ORDER_FILL', instrument, units: count, pl: '0', financing: '0', accountBalance, tradeOpened: part(tradeID, count, at), clientOrderID: `order-of-${tradeID}` });

describe('the balance', () => {
  test('begins with the account, its currency and its first transfer', () => {
    expect(fold(CREATED)).toMatchObject({ lastTransactionId: 2, currency: 'USD', balance: money('1000'), transfers: money('1000'), unexplained: [] });
  });

  test('is explained to the last decimal by pl, financing, fees, dividends and transfers', () => {
    const ledger = fold([
      ...CREATED,
      opened('3', '1000', '1.10000', '1000'),
      { type: 'DAILY_FINANCING', financing: '-0.0123', accountBalance: '999.9877' },
      { type: 'ORDER_FILL', instrument: 'EUR_USD', units: '-1000', pl: '1.2345', financing: '-0.0001', commission: '0.05', guaranteedExecutionFee: '0.01', accountBalance: '1001.1621', tradesClosed: [part('3', '-1000', '1.10123')] },
      { type: 'DIVIDEND_ADJUSTMENT', dividendAdjustment: '0.0042', accountBalance: '1001.1663' },
      { type: 'TRANSFER_FUNDS', amount: '-500.5', accountBalance: '500.6663' },
    ]);
    expect(ledger.unexplained).toEqual([]);
    expect({ balance: format(ledger.balance), pl: format(ledger.realisedPl), financing: format(ledger.financing), commission: format(ledger.commission), transfers: format(ledger.transfers) })
      .toEqual({ balance: '500.6663', pl: '1.2345', financing: '-0.0124', commission: '0.06', transfers: '499.5042' });
    expect(format(cumulativeProfit(ledger))).toBe('1.1621');
  });

  test('that nothing explains is kept as the broker printed it, and flagged with both figures', () => {
    const ledger = fold([...CREATED, { type: 'DAILY_FINANCING', financing: '-0.01', accountBalance: '999.9899999999' }, { type: 'DAILY_FINANCING', financing: '0.01', accountBalance: '999.9999999999' }]);
    expect(ledger.balance).toBe(money('999.9999999999'));
    expect(ledger.unexplained).toEqual([{ transactionId: 3, expected: money('999.99'), reported: money('999.9899999999') }]);
  });

  test('keeps no more than a hundred unexplained transactions, the first ones', () => {
    const ledger = fold([...CREATED, ...Array.from({ length: 150 }, (_none, index) => ({ type: 'DAILY_FINANCING', financing: '0', accountBalance: String(2_000 + index) }))]);
    expect(ledger.unexplained).toHaveLength(100);
    expect(ledger.unexplained[0]).toMatchObject({ transactionId: 3 });
  });

  test('is not moved by what carries none: a refused transfer, an order, a configuration', () => {
    const before = fold(CREATED);
    const after = fold([{ type: 'TRANSFER_FUNDS_REJECT', amount: '77', rejectReason: 'x' }, { type: 'CLIENT_CONFIGURE', marginRate: '0.02' }, { type: 'RESET_RESETTABLE_PL' }, { type: 'MARGIN_CALL_ENTER' }], before);
    const sums = ({ lastTransactionId: _id, recentBodies: _bodies, touched: _touched, ...rest }: Ledger) => rest;
    expect(sums(after)).toEqual(sums(before));
    expect(after.lastTransactionId).toBe(6);
  });
});

describe('trades', () => {
  test('open with their price, time and client id', () => {
    expect(fold([...CREATED, opened('3', '-250', '1.10000', '1000')]).openTrades.get('3')).toEqual({
      tradeId: '3', instrument: EUR_USD, units: units('-250'), initialUnits: units('-250'), price: price('1.1'), openedAt: parseInstant(TIME), clientOrderId: 'order-of-3',
    });
  });

  test('close in parts, each weighing what it closed of the whole', () => {
    const ledger = fold([
      ...CREATED,
      opened('3', '1000', '1.10000', '1000'),
      { type: 'ORDER_FILL', instrument: 'EUR_USD', units: '-250', pl: '0.5', accountBalance: '1000.5', tradeReduced: part('3', '-250', '1.10200') },
      { type: 'ORDER_FILL', instrument: 'EUR_USD', units: '-750', pl: '-0.75', accountBalance: '999.75', tradesClosed: [part('3', '-750', '1.09900')] },
    ]);
    expect(ledger.openTrades.size).toBe(0);
    expect(format(ledger.realisedByInstrument.get(EUR_USD)!)).toBe('-0.00025');
    expect(ledger.unexplained).toEqual([]);
  });

  test('reverse in one fill: the old one closed, the new one opened', () => {
    const ledger = fold([
      ...CREATED,
      opened('3', '100', '1.10000', '1000'),
      { type: 'ORDER_FILL', instrument: 'EUR_USD', units: '-300', pl: '0.1', accountBalance: '1000.1', tradesClosed: [part('3', '-100', '1.10100')], tradeOpened: part('4', '-200', '1.10100') },
    ]);
    expect([...ledger.openTrades.keys()]).toEqual(['4']);
    expect(netUnits(ledger, EUR_USD)).toBe(units('-200'));
    expect(format(ledger.realisedByInstrument.get(EUR_USD)!)).toBe('0.001');
  });

  test('close first in, first out: some whole, the next one in part', () => {
    const ledger = fold([
      ...CREATED,
      opened('3', '100', '1.10000', '1000'),
      opened('4', '100', '1.10100', '1000'),
      opened('5', '100', '1.10200', '1000'),
      { type: 'ORDER_FILL', instrument: 'EUR_USD', units: '-250', pl: '0', accountBalance: '1000', tradesClosed: [part('3', '-100', '1.1015'), part('4', '-100', '1.1015')], tradeReduced: part('5', '-50', '1.1015') },
    ]);
    expect(ledger.openTrades.get('5')).toMatchObject({ units: units('50'), initialUnits: units('100') });
    expect(netUnits(ledger, EUR_USD)).toBe(units('50'));
    expect(format(ledger.realisedByInstrument.get(EUR_USD)!)).toBe('0.00175');
  });

  test('in yen pairs keep their own scale and their own sum', () => {
    const ledger = fold([
      ...CREATED,
      opened('3', '-1', '147.250', '1000', 'USD_JPY'),
      { type: 'ORDER_FILL', instrument: 'USD_JPY', units: '1', pl: '0.0000679', accountBalance: '1000.0000679', tradesClosed: [part('3', '1', '147.240')] },
    ]);
    expect(format(ledger.realisedByInstrument.get(USD_JPY)!)).toBe('0.01');
    expect(ledger.realisedByInstrument.has(EUR_USD)).toBe(false);
    expect(format(ledger.balance)).toBe('1000.0000679');
    expect(netUnits(ledger, USD_JPY)).toBe(units('0'));
  });

  test('are worth what the proper side of the quote gives', () => {
    const ledger = fold([...CREATED, opened('3', '1000', '1.10000', '1000'), opened('4', '-1000', '1.10000', '1000')]);
    const [bid, ask] = [price('1.10010'), price('1.10020')];
    expect(format(unrealisedQuote(ledger.openTrades.get('3')!, bid, ask))).toBe('0.1');
    expect(format(unrealisedQuote(ledger.openTrades.get('4')!, bid, ask))).toBe('-0.2');
  });

  test('that the ledger does not hold cannot be closed: the fold stops and names both', () => {
    expect(() => fold([...CREATED, { type: 'ORDER_FILL', instrument: 'EUR_USD', units: '1', tradesClosed: [part('9', '1', '1.1')] }])).toThrow('transaction 3 closes trade 9, which the ledger does not hold');
  });
});

describe('pending orders and tags', () => {
  test('rest on after a part of them filled: the same order, or one that takes its place', () => {
    const limit = (count: string, more: Omit<Body, 'type'> = {}): Body => ({ type: 'LIMIT_ORDER', instrument: 'EUR_USD', units: count, ...more });
    const part = (orderID: string, count: string): Body => ({ type: 'ORDER_FILL', orderID, instrument: 'EUR_USD', units: count, reason: 'LIMIT_ORDER' });
    const pendingAfter = (...bodies: readonly Body[]): readonly string[] =>
      [...fold([...CREATED, ...bodies]).pendingOrders.values()].map(({ orderId, restUnits }) => `${orderId} ${restUnits === null ? '' : format(restUnits)}`);
    expect(pendingAfter(limit('-1000'))).toEqual(['3 -1000']);
    expect(pendingAfter(limit('-1000'), part('3', '-400'))).toEqual(['3 -600']);
    expect(pendingAfter(limit('-1000'), part('3', '-400'), part('3', '-600'))).toEqual([]);
    expect(pendingAfter(limit('-1000'), part('3', '-400'), { type: 'ORDER_CANCEL', orderID: '3' })).toEqual([]);
    expect(pendingAfter(limit('-1000'), part('3', '-400'), limit('-600', { replacesOrderID: '3' }))).toEqual(['5 -600']);
    // One that filled with more than it asked for is over.
    expect(pendingAfter(limit('1000'), part('3', '1001'))).toEqual([]);
    // A market order never rests.
    expect(pendingAfter({ type: 'MARKET_ORDER', instrument: 'EUR_USD', units: '1000' }, part('3', '400'))).toEqual([]);
  });

  test('are pending from their transaction to the fill or cancellation that names them', () => {
    const orders = fold([...CREATED, { type: 'STOP_LOSS_ORDER', tradeID: '9', price: '1.09', reason: 'ON_FILL' }, { type: 'LIMIT_ORDER' }, { type: 'MARKET_ORDER' }]);
    expect([...orders.pendingOrders.values()]).toEqual([
      { orderId: '3', type: 'STOP_LOSS_ORDER', tradeId: '9', price: price('1.09'), reason: 'ON_FILL', restUnits: null },
      { orderId: '4', type: 'LIMIT_ORDER', tradeId: null, price: null, reason: null, restUnits: null },
      { orderId: '5', type: 'MARKET_ORDER', tradeId: null, price: null, reason: null, restUnits: null },
    ]);
    const ended = fold([{ type: 'ORDER_CANCEL', orderID: '4' }, { type: 'ORDER_FILL', instrument: 'EUR_USD', orderID: '5' }, { type: 'ORDER_CANCEL', orderID: '77' }], orders);
    expect([...ended.pendingOrders.keys()]).toEqual(['3']);
  });

  test('raise the highest epoch that any tag of ours carried, and never lower it', () => {
    const tagged = (tag: string): Body => ({ type: 'MARKET_ORDER', clientExtensions: { id: 'x', tag } });
    expect(fold([tagged('reckoner:epoch:7'), tagged('reckoner:epoch:3'), tagged('somebody'), tagged('reckoner:epoch:x')]).epochMax).toBe(7);
  });

  test('are known by kind; another kind is not', () => {
    for (const type of ['CREATE', 'ORDER_FILL', 'DAILY_FINANCING', 'MARGIN_CALL_EXIT', 'STOP_LOSS_ORDER_REJECT']) expect(isKnownTransactionType(type)).toBe(true);
    for (const type of ['CRYPTO_AIRDROP', 'order_fill', '']) expect(isKnownTransactionType(type)).toBe(false);
  });
});

describe('contiguity', () => {
  const record = (ledger: Ledger, id: string): Ledger => evolveLedger(ledger, { type: 'BrokerTransactionRecorded', data: { transactionId: id, body: { id, type: 'CLIENT_CONFIGURE', time: TIME } } });

  test('is broken by a gap and by a repetition, and says where', () => {
    const ledger = fold(CREATED);
    expect(() => record(ledger, '4')).toThrow(new LedgerError('transaction 4 cannot follow 2: the ledger must be contiguous'));
    expect(() => record(ledger, '2')).toThrow(LedgerError);
    expect(record(ledger, '3').lastTransactionId).toBe(3);
  });

  test('is not touched by events of other streams', () => {
    const ledger = fold(CREATED);
    expect(evolveLedger(ledger, { type: 'TradingObserving', data: { cause: 'flat' } })).toBe(ledger);
  });

  test('cuts a page before its first gap, and passes over what is known', () => {
    const page = (...ids: readonly number[]): readonly BrokerTransaction[] => ids.map((id) => ({ id, type: 'X', at: parseInstant(TIME), accountId: 'a', body: {} }));
    const ledger = fold(CREATED);
    const ids = (of: readonly number[]) => {
      const { fresh, gapAfter } = newTransactions(ledger, page(...of));
      return { fresh: fresh.map(({ id }) => id), gapAfter };
    };
    expect(ids([1, 2, 3, 4])).toEqual({ fresh: [3, 4], gapAfter: null });
    expect(ids([3, 5, 6])).toEqual({ fresh: [3], gapAfter: 3 });
    expect(ids([4])).toEqual({ fresh: [], gapAfter: 2 });
    expect(ids([1, 2])).toEqual({ fresh: [], gapAfter: null });
    expect(ids([])).toEqual({ fresh: [], gapAfter: null });
  });
});

describe('a body that cannot be folded', () => {
  test('is refused with the transaction and the field', () => {
    expect(() => readBody('7', { id: '7', type: 'ORDER_FILL', time: TIME, pl: 0.1 })).toThrow(/transaction 7: .*pl/);
    expect(() => readBody('7', { id: '7', time: TIME })).toThrow(/transaction 7: .*type/);
    expect(() => fold([{ type: 'DAILY_FINANCING', financing: '1e-3', accountBalance: '1' }])).toThrow('transaction 1 financing: "1e-3" is not a plain decimal');
  });

  test('is not one that says more than we know', () => {
    expect(readBody('7', { id: '7', type: 'CREATE', time: TIME, somethingNew: { a: 1 } })).toMatchObject({ somethingNew: { a: 1 } });
  });
});

// --- an independent reckoning in exact rationals ---

/** A value v is held as v × 10^10. */
const SCALE = 10n ** 10n;

interface Rational {
  readonly over: bigint;
  readonly under: bigint;
}
const plus = (left: Rational, right: Rational): Rational => ({ over: left.over * right.under + right.over * left.under, under: left.under * right.under });
/** |left − right| × 10^10 ≤ tolerance, in exact integers. */
const isNear = (exact: Rational, scaled: bigint, toleranceUnits: bigint): boolean => {
  const difference = exact.over * SCALE - scaled * exact.under;
  return (difference < 0n ? -difference : difference) <= toleranceUnits * exact.under;
};

interface Fill {
  readonly count: number;
  readonly points: number;
}

interface OracleTrade {
  readonly id: string;
  readonly initial: bigint;
  readonly points: bigint;
  left: bigint;
}

/** Nets fills first in, first out, as the broker does, and reckons share-weighted points gained in rationals. */
function play(fills: readonly Fill[]): { readonly ledger: Ledger; readonly points: Rational; readonly balance: Money; readonly net: bigint; readonly parts: bigint } {
  let ledger = fold(CREATED);
  let points: Rational = { over: 0n, under: 1n };
  let balance = money('1000');
  let parts = 0n;
  const open: OracleTrade[] = [];
  for (const fill of fills) {
    const at = `1.${String(fill.points).padStart(5, '0')}`;
    const [closedParts, reducedParts]: [Json[], Json[]] = [[], []];
    let left = BigInt(fill.count);
    let pl = ZERO_MONEY;
    while (left !== 0n && open.length > 0 && open[0]!.left > 0n !== left > 0n) {
      const trade = open[0]!;
      const size = [left, trade.left].map((value) => (value < 0n ? -value : value)).reduce((least, value) => (value < least ? value : least));
      const closed = trade.left > 0n ? size : -size;
      parts += 1n;
      points = plus(points, { over: (BigInt(fill.points) - trade.points) * closed, under: trade.initial < 0n ? -trade.initial : trade.initial });
      pl = add(pl, priceTimesUnits(subtract(price(at), price(`1.${String(trade.points).padStart(5, '0')}`)), units(String(closed))));
      trade.left -= closed;
      left += closed;
      (trade.left === 0n ? closedParts : reducedParts).push(part(trade.id, String(-closed), at));
      if (trade.left === 0n) open.shift();
    }
    const id = String(ledger.lastTransactionId + 1);
    if (left !== 0n) open.push({ id, initial: left, left, points: BigInt(fill.points) });
    balance = add(balance, pl);
    ledger = fold([{
      type: 'ORDER_FILL', instrument: 'EUR_USD', units: String(fill.count), pl: format(pl), financing: '0', accountBalance: format(balance),
      tradesClosed: closedParts,
      ...(reducedParts[0] === undefined ? {} : { tradeReduced: reducedParts[0] }),
      ...(left === 0n ? {} : { tradeOpened: part(id, String(left), at) }),
    }], ledger);
  }
  return { ledger, points, balance, net: open.reduce((sum, trade) => sum + trade.left, 0n), parts };
}

describe('any sequence of fills', () => {
  const fill = fc.record({ count: fc.oneof(fc.integer({ min: -50, max: 50 }), fc.constantFrom(-1, 1, 66, 1_000)).filter((count) => count !== 0), points: fc.integer({ min: 9_000, max: 11_000 }) });

  test('keeps net units equal to the sum of open trades, and the balance to the sum of what moved it', () => {
    fc.assert(fc.property(fc.array(fill, { maxLength: 40 }), (fills) => {
      const { ledger, balance, net } = play(fills);
      expect(netUnits(ledger, EUR_USD)).toBe(units(String(net)));
      expect(netUnits(ledger, EUR_USD)).toBe(units(String(fills.reduce((sum, { count }) => sum + count, 0))));
      expect(ledger.balance).toBe(balance);
      expect(add(ledger.transfers, cumulativeProfit(ledger))).toBe(balance);
      expect(ledger.unexplained).toEqual([]);
      expect(new Set([...ledger.openTrades.values()].map((trade) => trade.units > 0n)).size).toBeLessThanOrEqual(1);
    }), { numRuns: 300, seed: 1 });
  });

  test('realises by share what exact rationals realise', () => {
    fc.assert(fc.property(fc.array(fill, { minLength: 2, maxLength: 40 }), (fills) => {
      const { ledger, points, parts } = play(fills);
      const exact: Rational = { over: points.over, under: points.under * 100_000n };
      // A share is cut at its tenth decimal and its product rounded there: one unit of the last decimal for each part.
      expect(isNear(exact, ledger.realisedByInstrument.get(EUR_USD) ?? 0n, parts)).toBe(true);
    }), { numRuns: 300, seed: 2 });
  });
});

describe('money of a fill', () => {
  test('is the price difference times the units, exactly', () => {
    fc.assert(fc.property(fc.integer({ min: -100_000, max: 100_000 }), fc.integer({ min: 50_000, max: 200_000 }), fc.integer({ min: 50_000, max: 200_000 }), (count, entry, exit) => {
      const at = (points: number): Price => price(`${Math.floor(points / 100_000)}.${String(points % 100_000).padStart(5, '0')}`);
      const held: Units = units(String(count));
      const exact = (BigInt(exit - entry) * BigInt(count) * SCALE) / 100_000n;
      expect(priceTimesUnits(subtract(at(exit), at(entry)), held)).toBe(exact);
      expect(priceTimesUnits(subtract(at(entry), at(exit)), held)).toBe(negate(exact as Money));
    }), { numRuns: 200, seed: 3 });
  });
});

describe('the newest bodies', () => {
  const bodies = Array.from({ length: 300 }, (_, index): Body => ({ type: 'CLIENT_CONFIGURE', alias: `n${index + 3}` }));

  test('are kept for comparison, a bounded number of them', () => {
    const ledger = fold([...CREATED, ...bodies]);
    const held = Array.from({ length: 302 }, (_, index) => recentBody(ledger, index + 1));
    const oldest = held.findIndex((body) => body !== undefined);
    expect(held.slice(oldest).map((body) => body?.['id'])).toEqual(Array.from({ length: 302 - oldest }, (_, index) => String(oldest + index + 1)));
    expect(302 - oldest).toBeGreaterThanOrEqual(RECENT_BODIES);
    expect(302 - oldest).toBeLessThanOrEqual(2 * RECENT_BODIES);
    expect(recentBody(ledger, 303)).toBeUndefined();
    expect(recentBody(emptyLedger, 1)).toBeUndefined();
  });
});

describe('a baseline', () => {
  const BASELINE: DomainEvent = {
    type: 'LedgerBaselined',
    data: {
      transactionId: '250000', currency: 'USD', balance: '1000.5', realisedPl: '-20', financing: '-3', commission: '1',
      trades: [{ tradeId: '77', instrument: 'EUR_USD', units: '300', initialUnits: '400', price: '1.1', openedAt: TIME, clientTradeId: null }],
      pendingOrders: [{ orderId: '78', type: 'STOP_LOSS_ORDER', tradeId: '77', price: '1.09', clientOrderId: null }],
    },
  };

  test('stands for everything up to its id, and the transactions behind it go on from there', () => {
    const ledger = evolveLedger(emptyLedger, BASELINE);
    expect(ledger).toMatchObject({ lastTransactionId: 250_000, baselineId: 250_000, balance: money('1000.5'), realisedPl: money('-20') });
    expect(stopOf(ledger, '77')).toMatchObject({ orderId: '78', price: price('1.09') });
    const closed = evolveLedger(ledger, { type: 'BrokerTransactionRecorded', data: { transactionId: '250001', body: {
      id: '250001', type: 'ORDER_FILL', time: TIME, instrument: 'EUR_USD', units: '-300', pl: '3', accountBalance: '1003.5', tradesClosed: [{ tradeID: '77', units: '-300', price: '1.11' }],
    } } });
    expect(closed.openTrades.size).toBe(0);
    expect(closed.unexplained).toEqual([]);
    expect(closed.realisedPl).toBe(money('-17'));
  });
});

describe('what the broker books without an order', () => {
  test.each<readonly [string, Body, string]>([
    ['financing', { type: 'DAILY_FINANCING', financing: '-0.5', accountBalance: '999.5' }, '999.5'],
    ['a dividend', { type: 'DIVIDEND_ADJUSTMENT', dividendAdjustment: '0.25', accountBalance: '1000.25' }, '1000.25'],
    ['a withdrawal', { type: 'TRANSFER_FUNDS', amount: '-400', accountBalance: '600' }, '600'],
    ['a delayed closure', { type: 'DELAYED_TRADE_CLOSURE', reason: 'x', tradeIDs: '3' }, '1000'],
  ])('%s is folded, and its balance is explained', (_what, body, balance) => {
    const ledger = fold([...CREATED, body]);
    expect(ledger.balance).toBe(money(balance));
    expect(ledger.unexplained).toEqual([]);
  });
});
