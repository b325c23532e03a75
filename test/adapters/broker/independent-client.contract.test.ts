/** OANDA's own JavaScript client, unchanged since 2018, speaks to the local broker: a witness that nobody here wrote. */
import { createRequire } from 'node:module';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import { TestBroker } from './server.ts';

interface ClientResponse {
  readonly statusCode: string;
  readonly body: unknown;
}
type Callback = (response: ClientResponse) => void;
interface Client {
  setToken(token: string): void;
  readonly account: { summary(account: string, done: Callback): void; changes(account: string, query: object, done: Callback): void };
  readonly instrument: { candles(instrument: string, query: object, done: Callback): void };
  readonly order: { market(account: string, order: object, done: Callback): void };
  readonly trade: { listOpen(account: string, done: Callback): void; close(account: string, trade: string, body: object, done: Callback): void };
  readonly transaction: { since(account: string, query: object, done: Callback): void };
}

const loaded: unknown = createRequire(import.meta.url)('@oanda/v20/context');
const { Context } = loaded as { readonly Context: new (host: string, port: string, ssl: boolean, application: string) => Client };

let broker: TestBroker;
let client: Client;
beforeEach(async () => {
  broker = await TestBroker.start();
  const { hostname, port } = new URL(broker.broker.rest);
  client = new Context(hostname, port, false, 'contract test');
  client.setToken(broker.broker.token);
});
afterEach(() => broker.close());

const call = (act: (done: Callback) => void): Promise<ClientResponse> => new Promise(act);

describe('OANDA’s own client', () => {
  test('reads the account, trades, closes and reads the ledger back', async () => {
    const { account } = broker.broker;
    const summary = await call((done) => client.account.summary(account, done));
    expect([summary.statusCode, dig(summary.body, 'account', 'balance'), dig(summary.body, 'lastTransactionID')]).toEqual(['200', '100000.0000', '3']);
    const candles = await call((done) => client.instrument.candles('EUR_USD', { granularity: 'M1', count: 2, price: 'MBA' }, done));
    expect(dig(candles.body, 'candles', 1, 'complete')).toBe(true);
    const { tick } = await broker.advance({ acknowledge: 0 });
    const placed = await call((done) => client.order.market(account, { instrument: 'EUR_USD', units: '100', stopLossOnFill: { distance: '0.05000' } }, done));
    expect([placed.statusCode, dig(placed.body, 'orderCreateTransaction', 'type')]).toEqual(['201', 'MARKET_ORDER']);
    const filled = await broker.advance({ acknowledge: tick });
    const open = await call((done) => client.trade.listOpen(account, done));
    expect([dig(open.body, 'trades', 0, 'id'), dig(open.body, 'trades', 0, 'stopLossOrder', 'tradeID')]).toEqual(['5', '5']);
    const closed = await call((done) => client.trade.close(account, '5', { units: 'ALL' }, done));
    expect([closed.statusCode, dig(closed.body, 'orderCreateTransaction', 'tradeClose', 'tradeID')]).toEqual(['200', '5']);
    await broker.advance({ acknowledge: filled.tick });
    const ledger = await call((done) => client.transaction.since(account, { id: '3' }, done));
    const transactions = dig(ledger.body, 'transactions');
    expect(Array.isArray(transactions) ? transactions.map((each) => [dig(each, 'id'), dig(each, 'type')]) : []).toEqual([
      ['4', 'MARKET_ORDER'], ['5', 'ORDER_FILL'], ['6', 'STOP_LOSS_ORDER'], ['7', 'MARKET_ORDER'], ['8', 'ORDER_FILL'], ['9', 'ORDER_CANCEL'],
    ]);
    expect(dig(transactions, 4, 'tradesClosed', 0, 'tradeID')).toBe('5');
    const changes = await call((done) => client.account.changes(account, { sinceTransactionID: '3' }, done));
    expect(dig(changes.body, 'changes', 'tradesClosed', 0, 'state')).toBe('CLOSED');
  });
});
