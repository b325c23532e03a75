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
type Query = { readonly [name: string]: string | number };
type Body = { readonly [name: string]: unknown };
type Entry = (account: string, order: Body, done: Callback) => void;
type Replacement = (account: string, order: string, fields: Body, done: Callback) => void;
type Named = (account: string, name: string, done: Callback) => void;
type NamedWithBody = (account: string, name: string, body: Body, done: Callback) => void;
type Listed = (account: string, query: Query, done: Callback) => void;
interface Client {
  setToken(token: string): void;
  readonly account: { readonly summary: (account: string, done: Callback) => void; readonly changes: Listed; readonly configure: (account: string, body: Body, done: Callback) => void };
  readonly instrument: { readonly candles: (instrument: string, query: Query, done: Callback) => void };
  readonly order: {
    readonly market: Entry; readonly limit: Entry; readonly stop: Entry; readonly marketIfTouched: Entry; readonly takeProfit: Entry; readonly stopLoss: Entry; readonly create: Entry;
    readonly limitReplace: Replacement; readonly cancel: Named; readonly get: Named; readonly list: Listed; readonly listPending: (account: string, done: Callback) => void; readonly setClientExtensions: NamedWithBody;
  };
  readonly trade: { readonly listOpen: (account: string, done: Callback) => void; readonly list: Listed; readonly get: Named; readonly close: NamedWithBody; readonly setDependentOrders: NamedWithBody; readonly setClientExtensions: NamedWithBody };
  readonly position: { readonly list: (account: string, done: Callback) => void; readonly get: Named; readonly close: NamedWithBody };
  readonly transaction: { readonly since: Listed; readonly range: Listed; readonly list: Listed; readonly get: Named };
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

  test('places every kind of resting order, replaces, renames, lists and cancels it', async () => {
    const { account } = broker.broker;
    const base = { instrument: 'EUR_USD', units: '10' };
    const placed = [
      await call((done) => client.order.limit(account, { ...base, price: '0.50000', clientExtensions: { id: 'mine' } }, done)),
      await call((done) => client.order.stop(account, { ...base, price: '2.00000', priceBound: '2.10000' }, done)),
      await call((done) => client.order.marketIfTouched(account, { ...base, price: '0.50000', timeInForce: 'GFD' }, done)),
    ];
    expect(placed.map(({ statusCode, body }) => [statusCode, dig(body, 'orderCreateTransaction', 'type')])).toEqual([['201', 'LIMIT_ORDER'], ['201', 'STOP_ORDER'], ['201', 'MARKET_IF_TOUCHED_ORDER']]);
    const replaced = await call((done) => client.order.limitReplace(account, '@mine', { ...base, price: '0.60000', clientExtensions: { id: 'mine' } }, done));
    expect([replaced.statusCode, dig(replaced.body, 'orderCancelTransaction', 'reason'), dig(replaced.body, 'orderCreateTransaction', 'price')]).toEqual(['201', 'CLIENT_REQUEST_REPLACED', '0.60000']);
    const renamed = await call((done) => client.order.setClientExtensions(account, '@mine', { clientExtensions: { tag: 'seen' } }, done));
    expect(dig(renamed.body, 'orderClientExtensionsModifyTransaction', 'clientExtensionsModify', 'tag')).toBe('seen');
    const pending = await call((done) => client.order.listPending(account, done));
    expect([0, 1, 2].map((index) => dig(pending.body, 'orders', index, 'id'))).toEqual(['8', '6', '5']);
    const cancelled = await call((done) => client.order.cancel(account, '@mine', done));
    expect([cancelled.statusCode, dig(cancelled.body, 'orderCancelTransaction', 'reason')]).toEqual(['200', 'CLIENT_REQUEST']);
    const again = await call((done) => client.order.cancel(account, '8', done));
    expect([again.statusCode, dig(again.body, 'errorCode'), dig(again.body, 'orderCancelRejectTransaction', 'rejectReason')]).toEqual(['404', 'ORDER_DOESNT_EXIST', 'ORDER_DOESNT_EXIST']);
    const listed = await call((done) => client.order.list(account, { state: 'CANCELLED', count: 1 }, done));
    expect(dig(listed.body, 'orders', 0, 'id')).toBe('8');
    expect(dig((await call((done) => client.order.get(account, '8', done))).body, 'order', 'state')).toBe('CANCELLED');
  });

  test('hangs orders on a trade, moves and removes them, and closes the position', async () => {
    const { account } = broker.broker;
    const { tick } = await broker.advance({ acknowledge: 0 });
    await call((done) => client.order.market(account, { instrument: 'EUR_USD', units: '100', tradeClientExtensions: { id: 'slot' } }, done));
    const filled = await broker.advance({ acknowledge: tick });
    const single = [
      await call((done) => client.order.takeProfit(account, { tradeID: '5', price: '2.00000' }, done)),
      await call((done) => client.order.stopLoss(account, { tradeID: '5', distance: '0.05000' }, done)),
      // The client's own helper for trailing stops asks for a stop loss.
      await call((done) => client.order.create(account, { order: { type: 'TRAILING_STOP_LOSS', tradeID: '5', distance: '0.06000' } }, done)),
    ];
    expect(single.map(({ body }) => dig(body, 'orderCreateTransaction', 'type'))).toEqual(['TAKE_PROFIT_ORDER', 'STOP_LOSS_ORDER', 'TRAILING_STOP_LOSS_ORDER']);
    const set = await call((done) => client.trade.setDependentOrders(account, '@slot', { takeProfit: { price: '2.10000' }, trailingStopLoss: null }, done));
    expect([set.statusCode, dig(set.body, 'takeProfitOrderTransaction', 'price'), dig(set.body, 'takeProfitOrderCancelTransaction', 'replacedByOrderID'), dig(set.body, 'trailingStopLossOrderCancelTransaction', 'reason')]).toEqual(['200', '2.10000', '10', 'CLIENT_REQUEST']);
    const trade = await call((done) => client.trade.get(account, '5', done));
    expect([dig(trade.body, 'trade', 'takeProfitOrder', 'id'), dig(trade.body, 'trade', 'stopLossOrder', 'id')]).toEqual(['10', '7']);
    await call((done) => client.trade.setClientExtensions(account, '5', { clientExtensions: { comment: 'c' } }, done));
    const refused = await call((done) => client.trade.close(account, '5', { units: '101' }, done));
    expect([refused.statusCode, dig(refused.body, 'errorCode'), dig(refused.body, 'orderRejectTransaction', 'rejectReason')]).toEqual(['400', 'CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE', 'CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE']);
    const closed = await call((done) => client.position.close(account, 'EUR_USD', { longUnits: 'ALL', shortUnits: 'NONE' }, done));
    expect([closed.statusCode, dig(closed.body, 'longOrderCreateTransaction', 'longPositionCloseout', 'units')]).toEqual(['200', 'ALL']);
    await broker.advance({ acknowledge: filled.tick });
    expect(dig((await call((done) => client.position.get(account, 'EUR_USD', done))).body, 'position', 'long', 'units')).toBe('0');
    expect(dig((await call((done) => client.trade.list(account, { state: 'CLOSED' }, done))).body, 'trades', 0, 'id')).toBe('5');
    expect(dig((await call((done) => client.position.list(account, done))).body, 'positions', 0, 'instrument')).toBe('EUR_USD');
  });

  test('configures the account and reads the ledger in pages, by range and one by one', async () => {
    const { account } = broker.broker;
    const configured = await call((done) => client.account.configure(account, { alias: 'Second' }, done));
    expect([configured.statusCode, dig(configured.body, 'clientConfigureTransaction', 'alias')]).toEqual(['200', 'Second']);
    const pages = await call((done) => client.transaction.list(account, { pageSize: 3 }, done));
    expect([dig(pages.body, 'count'), dig(pages.body, 'pages', 1)]).toEqual([4, expect.stringMatching(/idrange\?from=4&to=4$/)]);
    const range = await call((done) => client.transaction.range(account, { from: '3', to: '4' }, done));
    expect([dig(range.body, 'transactions', 0, 'type'), dig(range.body, 'transactions', 1, 'type')]).toEqual(['TRANSFER_FUNDS', 'CLIENT_CONFIGURE']);
    expect(dig((await call((done) => client.transaction.get(account, '3', done))).body, 'transaction', 'amount')).toBe('100000.0000');
  });
});
