import { describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import { FaultyBroker } from './faults-client.ts';

const transactionsSince = async (broker: FaultyBroker, id: number): Promise<readonly unknown[]> => {
  const { body } = await broker.account('GET', `/transactions/sinceid?id=${id}`);
  return Array.isArray(body['transactions']) ? body['transactions'] : [];
};
const typesSince = async (broker: FaultyBroker, id: number): Promise<readonly unknown[]> => (await transactionsSince(broker, id)).map((each) => dig(each, 'type'));

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
