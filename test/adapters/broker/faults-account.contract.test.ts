import { describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import { FaultyBroker } from './faults-client.ts';

const transactionsSince = async (broker: FaultyBroker, id: number): Promise<readonly unknown[]> => {
  const { body } = await broker.account('GET', `/transactions/sinceid?id=${id}`);
  return Array.isArray(body['transactions']) ? (body['transactions'] as readonly unknown[]) : [];
};
const typesSince = async (broker: FaultyBroker, id: number): Promise<readonly unknown[]> => (await transactionsSince(broker, id)).map((each) => dig(each, 'type'));

const OPEN = { units: '100', stopLossOnFill: { distance: '0.05000' } };

/** Opens a trade with a stop: order 4, trade 5, stop 6. */
async function withTrade(faults: readonly object[] = []): Promise<FaultyBroker> {
  const broker = await FaultyBroker.with(faults);
  await broker.order(OPEN);
  await broker.pass(60);
  expect(await broker.lastTransactionId()).toBe(6);
  return broker;
}

describe('somebody else on the account', () => {
  test('trades at a market time, with a record of the transactions that it wrote', async () => {
    const broker = await FaultyBroker.with([{ kind: 'foreignTrade', units: '-25', at: '+1m' }]);
    await broker.pass(59);
    expect(await broker.lastTransactionId()).toBe(3);
    await broker.pass(60);
    expect(await transactionsSince(broker, 3)).toMatchObject([{ type: 'MARKET_ORDER', units: '-25', time: '2026-01-05T13:02:00.000000000Z' }, { type: 'ORDER_FILL', units: '-25' }]);
    expect(dig((await transactionsSince(broker, 3))[0], 'clientExtensions')).toBeUndefined();
    expect((await broker.recorded('strike')).map(({ outcome, transactions }) => [outcome, transactions])).toEqual([['accepted', ['4']]]);
    expect((await broker.recorded('ended')).map(({ why }) => why)).toEqual(['done']);
  });

  test('stops lockstep time, as every transaction does', async () => {
    const broker = await FaultyBroker.with([{ kind: 'foreignTrade', at: '+10s' }]);
    const { tick } = await broker.advance({ acknowledge: 0 });
    expect((await broker.advance({ acknowledge: tick })).time).toBe('2026-01-05T13:01:10.000000000Z');
  });

  test('trades under the tag of a newer daemon, or under the client id of our newest order', async () => {
    const broker = await FaultyBroker.with([]);
    await broker.order({ units: '1', clientExtensions: { id: 'ours-1' } });
    await broker.pass(60);
    await broker.inject({ preset: 'higherEpochOrder' });
    await broker.inject({ preset: 'duplicateClientId' });
    const orders = (await transactionsSince(broker, 5)).filter((each) => dig(each, 'type') === 'MARKET_ORDER');
    expect(orders).toMatchObject([{ clientExtensions: { tag: 'reckoner:epoch:999999999' } }, { clientExtensions: { id: 'ours-1' } }]);
  });

  test('closes what we hold, and cancels our stop, just as our request comes in', async () => {
    const broker = await FaultyBroker.with([{ kind: 'stopCancelled', onRequest: { method: 'GET', path: '/openTrades' } }, { kind: 'manualClose', onRequest: { method: 'GET', path: '/openTrades', nth: 2 } }]);
    await broker.order({ units: '100', stopLossOnFill: { distance: '0.05000' } });
    await broker.pass(60);
    expect(await broker.lastTransactionId()).toBe(6);
    expect(dig((await broker.account('GET', '/openTrades')).body, 'trades', 0, 'stopLossOrder')).toBeUndefined();
    expect(await transactionsSince(broker, 6)).toMatchObject([{ type: 'ORDER_CANCEL', orderID: '6', reason: 'CLIENT_REQUEST' }]);
    await broker.account('GET', '/openTrades');
    await broker.pass(60);
    expect(await typesSince(broker, 7)).toEqual(['MARKET_ORDER', 'ORDER_FILL']);
    expect((await broker.account('GET', '/openTrades')).body['trades']).toEqual([]);
  });
});

describe('a human', () => {
  test.each([
    [20, -0.052],
    [-20, -0.048],
  ])('moves our stop by %i pips', async (pips, distance) => {
    const broker = await withTrade();
    await broker.inject({ kind: 'stopMoved', pips });
    const trade = dig((await broker.account('GET', '/openTrades')).body, 'trades', 0);
    expect(Number(dig(trade, 'stopLossOrder', 'price')) - Number(dig(trade, 'price'))).toBeCloseTo(distance, 6);
    expect(await typesSince(broker, 6)).toEqual(['ORDER_CANCEL', 'STOP_LOSS_ORDER']);
  });

  test('has nothing to move, cancel or close where nothing is open', async () => {
    const broker = await FaultyBroker.with([{ preset: 'stopMoved' }, { preset: 'stopCancelled' }, { preset: 'manualClose' }, { preset: 'delayedTradeClosure' }]);
    expect(await broker.lastTransactionId()).toBe(3);
    expect(await broker.recorded('strike')).toEqual([]);
    expect(await broker.recorded('ended')).toHaveLength(4);
  });

  test('closes the position just before we do', async () => {
    const broker = await withTrade([{ preset: 'closeoutFailed' }]);
    expect(await broker.account('PUT', '/positions/EUR_USD/close', { longUnits: 'ALL' })).toMatchObject({ status: 200 });
    await broker.pass(60);
    const causes = (await transactionsSince(broker, 6)).filter((each) => dig(each, 'type') === 'ORDER_CANCEL').map((each) => dig(each, 'reason'));
    expect(causes).toContain('POSITION_CLOSEOUT_FAILED');
    expect(await broker.account('PUT', '/positions/EUR_USD/close', { longUnits: 'ALL' })).toMatchObject({ body: { errorCode: 'CLOSEOUT_POSITION_DOESNT_EXIST' } });
  });
});

describe('the broker by itself', () => {
  test.each([
    ['marginCloseout', ['MARKET_ORDER', 'ORDER_FILL', 'ORDER_CANCEL']],
    ['delayedTradeClosure', ['DELAYED_TRADE_CLOSURE']],
    ['dividend', ['DIVIDEND_ADJUSTMENT']],
    ['deposit', ['TRANSFER_FUNDS']],
    ['withdrawal', ['TRANSFER_FUNDS']],
    ['unknownTransaction', ['CARBON_LEVY']],
  ])('writes what belongs to %s', async (preset, types) => {
    const broker = await withTrade();
    await broker.inject({ preset });
    expect((await typesSince(broker, 6)).slice(0, types.length)).toEqual(types);
    expect(await broker.recorded('strike')).toMatchObject([{ outcome: 'done', transactions: types.map((_, index) => String(7 + index)) }]);
  });

  test('burns ids, so that the next transaction leaves a gap', async () => {
    const broker = await withTrade([]);
    await broker.inject({ kind: 'burntIds', ids: 2 });
    await broker.inject({ preset: 'deposit' });
    expect((await transactionsSince(broker, 6)).map((each) => dig(each, 'id'))).toEqual(['9']);
  });

  test('fills late an order that it accepted at once', async () => {
    const broker = await FaultyBroker.with([{ kind: 'lateFill', delayMs: 90_000 }]);
    expect(await broker.order(OPEN)).toMatchObject({ status: 201 });
    await broker.pass(85);
    expect(await typesSince(broker, 3)).toEqual(['MARKET_ORDER']);
    await broker.pass(60);
    expect((await typesSince(broker, 3)).slice(0, 2)).toEqual(['MARKET_ORDER', 'ORDER_FILL']);
  });

  test.each([
    ['partialFill', '1'],
    ['overFill', '1000'],
  ])('makes a %s of an order for 100', async (preset, units) => {
    const broker = await FaultyBroker.with([{ preset }]);
    await broker.order(OPEN);
    await broker.pass(60);
    expect(dig((await broker.account('GET', '/openTrades')).body, 'trades', 0, 'currentUnits')).toBe(units);
  });

  test.each([
    ['createdThenCancelled', 'MARKET_HALTED', {}],
    ['instrumentHalted', 'MARKET_HALTED', {}],
    ['instrumentReduceOnly', 'INSTRUMENT_ASK_REDUCE_ONLY', {}],
    ['askReduceOnly', 'INSTRUMENT_ASK_REDUCE_ONLY', {}],
    ['insufficientLiquidity', 'INSUFFICIENT_LIQUIDITY', {}],
    ['boundsViolation', 'BOUNDS_VIOLATION', { priceBound: '1.10100' }],
  ])('cancels an order under %s with %s', async (preset, reason, fields) => {
    const broker = await FaultyBroker.with([{ preset }]);
    expect(await broker.order({ units: '100', ...fields })).toMatchObject({ status: 201 });
    await broker.pass(60);
    expect((await transactionsSince(broker, 3)).map((each) => [dig(each, 'type'), dig(each, 'reason')])).toEqual([['MARKET_ORDER', 'CLIENT_ORDER'], ['ORDER_CANCEL', reason]]);
  });

  test('refuses orders of a locked account, until the lock ends', async () => {
    const broker = await FaultyBroker.with([{ preset: 'accountLocked', durationMs: 60_000 }, { preset: 'orderCreationLocked', at: '+30s', durationMs: 60_000 }]);
    expect(await broker.order(OPEN)).toMatchObject({ status: 400, body: { errorCode: 'ACCOUNT_LOCKED' } });
    await broker.pass(31);
    expect(await broker.order(OPEN)).toMatchObject({ body: { errorCode: 'ACCOUNT_ORDER_CREATION_LOCKED' } });
    await broker.pass(60);
    expect(await broker.order(OPEN)).toMatchObject({ status: 201 });
  });

  test('halts one instrument for as long as the longest fault says, and its prices say so', async () => {
    const broker = await FaultyBroker.with([{ kind: 'instrumentStatus', durationMs: 30_000 }, { kind: 'instrumentStatus', status: 'REDUCE_ONLY', durationMs: 60_000 }]);
    const tradeable = async (): Promise<unknown> => dig((await broker.account('GET', '/pricing?instruments=EUR_USD')).body, 'prices', 0, 'tradeable');
    await broker.inject({ kind: 'instrumentStatus', durationMs: 45_000 });
    expect(await tradeable()).toBe(false);
    await broker.pass(61);
    expect(await tradeable()).toBe(true);
    expect(await broker.recorded('ended')).toHaveLength(3);
  });

  test('displaces prices while a jump lasts', async () => {
    const broker = await FaultyBroker.with([{ kind: 'priceJump', pips: 300, at: '+1s', durationMs: 60_000 }]);
    const bid = async (): Promise<number> => Number(dig((await broker.account('GET', '/pricing?instruments=EUR_USD')).body, 'prices', 0, 'closeoutBid'));
    const before = await bid();
    await broker.pass(30);
    expect((await bid()) - before).toBeGreaterThan(0.025);
    await broker.pass(90);
    expect(Math.abs((await bid()) - before)).toBeLessThan(0.005);
  });

  test('has nothing to do with an instrument that it does not offer, and says so', async () => {
    const broker = await FaultyBroker.with([{ kind: 'instrumentStatus', instrument: 'USD_JPY', durationMs: 1_000 }, { kind: 'dividend', instrument: 'USD_JPY' }]);
    expect((await broker.recorded('strike')).map(({ outcome }) => outcome)).toEqual(['the venue does not have the instrument', 'the venue does not have the instrument']);
  });
});
