/**
 * Every account, order, trade, position and ledger route, over real HTTP, in its main outcomes. Statuses, codes and
 * money are worked out here by hand; every body is also held against the broker's own Swagger file, where it is at hand.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import type { Answer } from './server.ts';
import { TestBroker } from './server.ts';
import { responseViolations, swaggerPresent } from './swagger.ts';
import { isBody } from '../../../adapters/broker/engine/bodies.ts';
import type { LocalBrokerOptions } from '../../../adapters/broker/options.ts';
import { folderForFile } from '../../folders.ts';

type Fields = { readonly [key: string]: unknown };
type Method = 'GET' | 'POST' | 'PUT' | 'PATCH';

const ACCOUNT = '/accounts/{accountID}';
const ROUTES = {
  accounts: ['GET', '/accounts'],
  account: ['GET', ACCOUNT],
  summary: ['GET', `${ACCOUNT}/summary`],
  instruments: ['GET', `${ACCOUNT}/instruments`],
  configure: ['PATCH', `${ACCOUNT}/configuration`],
  changes: ['GET', `${ACCOUNT}/changes`],
  placeOrder: ['POST', `${ACCOUNT}/orders`],
  orders: ['GET', `${ACCOUNT}/orders`],
  pendingOrders: ['GET', `${ACCOUNT}/pendingOrders`],
  order: ['GET', `${ACCOUNT}/orders/{orderSpecifier}`],
  replaceOrder: ['PUT', `${ACCOUNT}/orders/{orderSpecifier}`],
  cancelOrder: ['PUT', `${ACCOUNT}/orders/{orderSpecifier}/cancel`],
  renameOrder: ['PUT', `${ACCOUNT}/orders/{orderSpecifier}/clientExtensions`],
  trades: ['GET', `${ACCOUNT}/trades`],
  openTrades: ['GET', `${ACCOUNT}/openTrades`],
  trade: ['GET', `${ACCOUNT}/trades/{tradeSpecifier}`],
  closeTrade: ['PUT', `${ACCOUNT}/trades/{tradeSpecifier}/close`],
  renameTrade: ['PUT', `${ACCOUNT}/trades/{tradeSpecifier}/clientExtensions`],
  tradeOrders: ['PUT', `${ACCOUNT}/trades/{tradeSpecifier}/orders`],
  positions: ['GET', `${ACCOUNT}/positions`],
  openPositions: ['GET', `${ACCOUNT}/openPositions`],
  position: ['GET', `${ACCOUNT}/positions/{instrument}`],
  closePosition: ['PUT', `${ACCOUNT}/positions/{instrument}/close`],
  transactions: ['GET', `${ACCOUNT}/transactions`],
  transaction: ['GET', `${ACCOUNT}/transactions/{transactionID}`],
  idrange: ['GET', `${ACCOUNT}/transactions/idrange`],
  sinceid: ['GET', `${ACCOUNT}/transactions/sinceid`],
} as const satisfies { readonly [name: string]: readonly [Method, string] };
type Route = keyof typeof ROUTES;

/** The outcomes that each route was seen to have. */
const seen = new Map<Route, Set<number>>();
/** Everything that any body had against the Swagger file. */
const against: string[] = [];

/** A broker whose every answer is checked; prices are 1.09995 / 1.10005 until the test plays its bars. */
class Host {
  readonly broker: TestBroker;
  #tick = 0;

  private constructor(broker: TestBroker) {
    this.broker = broker;
  }

  static async start(barsFile: string, options: Partial<LocalBrokerOptions> = {}): Promise<Host> {
    const host = new Host(await TestBroker.start({ barsFiles: { EUR_USD: barsFile }, spreadPips: 1, historyBars: 1, ...options }));
    await host.play();
    return host;
  }

  /** A market that runs on the system's clock, where answers wait for fills. */
  static async realtime(): Promise<Host> {
    return new Host(await TestBroker.start({ clock: 'realtime', alwaysOpen: true, instruments: ['EUR_USD'] }));
  }

  /** Lets time go to the next thing that happens: a bar's end, or a point that causes a transaction. */
  async play(until?: string): Promise<void> {
    this.#tick = (await this.broker.advance({ acknowledge: this.#tick, ...(until === undefined ? {} : { until }) })).tick;
  }

  /** `at` fills the last part of the path in braces; a leading `?` is a query. */
  async call(route: Route, at = '', body?: unknown): Promise<Answer> {
    const [method, template] = ROUTES[route];
    const [part = '', query = ''] = at.split('?');
    const path = template.replace('{accountID}', this.broker.broker.account).replace(/\{\w+\}/, part);
    const answer = await this.broker.send(method, `/v3${path}${query === '' ? '' : `?${query}`}`, body);
    seen.set(route, (seen.get(route) ?? new Set()).add(answer.status));
    if (swaggerPresent) against.push(...responseViolations(method, template, answer.status, answer.body));
    return answer;
  }

  order(fields: Fields): Promise<Answer> {
    return this.call('placeOrder', '', { order: { instrument: 'EUR_USD', ...fields } });
  }

  /** Opens a trade of so many units and answers with its id. */
  async open(units: string, fields: Fields = {}): Promise<string> {
    const answer = await this.order({ type: 'MARKET', units, ...fields });
    expect(answer.status).toBe(201);
    await this.play();
    const order = await this.call('order', String(dig(answer.body, 'orderCreateTransaction', 'id')));
    return String(dig(order.body, 'order', 'tradeOpenedID'));
  }
}

const FLAT = '1.10000,1.10000,1.10000,1.10000';
/** Minutes from 08:00 UTC of a Monday, at these mid bars; the first lies behind the clock. */
const minutes = (bars: readonly string[]): string[] => bars.map((bar, index) => `2026-01-05T08:${String(index).padStart(2, '0')}:00Z,${bar}`);

const folder = folderForFile();
let quiet = '';
let moving = '';
beforeAll(() => {
  const write = (name: string, bars: readonly string[]): string => {
    const path = join(folder, name);
    writeFileSync(path, ['time,open,high,low,close', ...minutes(bars)].join('\n'));
    return path;
  };
  quiet = write('quiet.csv', Array.from({ length: 40 }, () => FLAT));
  moving = write('moving.csv', [FLAT, FLAT, '1.10000,1.10200,1.09900,1.10100', ...Array.from({ length: 20 }, () => '1.10100,1.10100,1.10100,1.10100')]);
});

let host: Host;
beforeEach(async () => {
  host = await Host.start(quiet);
});
afterEach(() => host.broker.close());

const lastId = async (): Promise<number> => Number((await host.call('summary')).body['lastTransactionID']);

describe('the account', () => {
  test('is listed, read whole and in summary, with its instruments', async () => {
    await host.open('100');
    expect((await host.call('accounts')).body).toEqual({ accounts: [{ id: host.broker.broker.account, tags: [] }] });
    expect((await host.call('account')).body).toMatchObject({ account: { openTradeCount: 1, trades: [{ id: '5' }], positions: [{ instrument: 'EUR_USD' }], orders: [] }, lastTransactionID: '5' });
    // 100 units at mid 1.1, 2 % margin: 110 and 2.2 USD; the closeout looks at the mid, half a pip below the ask.
    expect((await host.call('summary')).body).toMatchObject({
      account: {
        balance: '100000.0000', unrealizedPL: '-0.0100', NAV: '99999.9900', positionValue: '110.0000', marginUsed: '2.2000', marginAvailable: '99997.7900',
        marginCloseoutUnrealizedPL: '-0.0050', marginCloseoutNAV: '99999.9950', marginCloseoutPercent: '0.00001', marginCallPercent: '0.00002',
      },
    });
    expect((await host.call('instruments', '?instruments=EUR_USD')).body).toMatchObject({ instruments: [{ name: 'EUR_USD', maximumPositionSize: '0' }] });
    expect(await host.call('instruments', '?instruments=EUR_USD,XX_YY')).toMatchObject({ status: 400, body: { errorMessage: "Invalid value specified for 'instruments'" } });
  });

  test('is configured: an alias, and a margin rate that instruments and margin follow', async () => {
    await host.open('100');
    expect(await host.call('configure', '', { alias: 'Second', marginRate: '0.05' })).toMatchObject({ status: 200, body: { clientConfigureTransaction: { type: 'CLIENT_CONFIGURE', alias: 'Second', marginRate: '0.05' } } });
    expect((await host.call('summary')).body).toMatchObject({ account: { alias: 'Second', marginRate: '0.05', marginUsed: '5.5000' } });
    expect((await host.call('instruments')).body).toMatchObject({ instruments: [{ marginRate: '0.05' }] });
    for (const [body, reason] of [
      [{}, 'CLIENT_CONFIGURE_DATA_MISSING'],
      [{ marginRate: '1.5' }, 'MARGIN_RATE_INVALID'],
      [{ alias: 'x'.repeat(129) }, 'ALIAS_INVALID'],
    ] as const) {
      expect(await host.call('configure', '', body)).toMatchObject({ status: 400, body: { errorCode: reason, clientConfigureRejectTransaction: { rejectReason: reason } } });
    }
  });

  test('tells its changes since a transaction, and 416 for one that is not there', async () => {
    const trade = await host.open('100', { trailingStopLossOnFill: { distance: '0.00500' } });
    await host.call('closeTrade', trade, { units: '40' });
    await host.play();
    const { body } = await host.call('changes', '?sinceTransactionID=3');
    expect(body).toMatchObject({
      changes: {
        ordersCreated: [{ id: '4', state: 'FILLED' }, { id: '6', type: 'TRAILING_STOP_LOSS', trailingStopValue: '1.09495' }, { id: '7', state: 'FILLED' }],
        ordersFilled: [{ id: '4' }, { id: '7' }],
        tradesOpened: [{ id: '5', currentUnits: '60', trailingStopLossOrderID: '6' }],
        tradesReduced: [{ id: '5' }],
        positions: [{ instrument: 'EUR_USD', long: { units: '60' } }],
      },
      state: { orders: [{ id: '6', trailingStopValue: '1.09495', triggerDistance: '0.00500', isTriggerDistanceExact: true }], trades: [{ id: '5', unrealizedPL: '-0.0060' }], positions: [{ netUnrealizedPL: '-0.0060' }] },
    });
    expect((await host.call('changes', '?sinceTransactionID=8')).body).toMatchObject({ changes: { ordersCreated: [], transactions: [] } });
    expect((await host.call('changes', '?sinceTransactionID=9')).status).toBe(416);
  });
});

describe('orders', () => {
  const RESTING = [
    ['LIMIT', { price: '1.09000', timeInForce: 'GTC' }],
    ['STOP', { price: '1.12000', priceBound: '1.12100', timeInForce: 'GFD' }],
    ['MARKET_IF_TOUCHED', { price: '1.09000', timeInForce: 'GTD', gtdTime: '2026-01-06T08:00:00.000000000Z' }],
  ] as const;

  test.each(RESTING)('of type %s are placed, listed, read, replaced and cancelled', async (type, fields) => {
    const placed = await host.order({ type, units: '100', ...fields, clientExtensions: { id: 'mine', tag: 't', comment: 'c' }, stopLossOnFill: { distance: '0.01000' }, takeProfitOnFill: { price: '1.20000' }, trailingStopLossOnFill: { distance: '0.01000' } });
    expect(placed).toMatchObject({ status: 201, body: { orderCreateTransaction: { type: `${type}_ORDER`, reason: 'CLIENT_ORDER', partialFill: 'DEFAULT', units: '100', ...fields }, relatedTransactionIDs: ['4'], lastTransactionID: '4' } });
    expect(placed.body).not.toHaveProperty('orderFillTransaction');
    for (const read of [await host.call('orders'), await host.call('pendingOrders')]) expect(read.body).toMatchObject({ orders: [{ id: '4', type, state: 'PENDING', partialFill: 'DEFAULT_FILL' }] });
    expect((await host.call('order', '@mine')).body).toMatchObject({ order: { id: '4', type, ...fields, stopLossOnFill: { distance: '0.01000' } } });
    const replaced = await host.call('replaceOrder', '@mine', { order: { type, instrument: 'EUR_USD', units: '50', ...fields, clientExtensions: { id: 'mine' } } });
    expect(replaced).toMatchObject({
      status: 201,
      body: {
        orderCancelTransaction: { id: '5', orderID: '4', reason: 'CLIENT_REQUEST_REPLACED', replacedByOrderID: '6' },
        orderCreateTransaction: { id: '6', reason: 'REPLACEMENT', replacesOrderID: '4', cancellingTransactionID: '5', units: '50' },
      },
    });
    expect((await host.call('order', '4')).body).toMatchObject({ order: { state: 'CANCELLED', replacedByOrderID: '6' } });
    expect(await host.call('renameOrder', '6', { clientExtensions: { comment: 'again' } })).toMatchObject({ status: 200, body: { orderClientExtensionsModifyTransaction: { orderID: '6', clientOrderID: 'mine', clientExtensionsModify: { comment: 'again' } } } });
    expect((await host.call('order', '6')).body).toMatchObject({ order: { replacesOrderID: '4', clientExtensions: { id: 'mine', comment: 'again' } } });
    expect(await host.call('cancelOrder', '@mine')).toMatchObject({ status: 200, body: { orderCancelTransaction: { orderID: '6', clientOrderID: 'mine', reason: 'CLIENT_REQUEST' } } });
    expect((await host.call('orders', '?state=CANCELLED&count=1')).body).toMatchObject({ orders: [{ id: '6' }] });
    expect((await host.call('orders', '?state=ALL&beforeID=6&instrument=EUR_USD')).body).toMatchObject({ orders: [{ id: '4' }] });
    expect((await host.call('orders', '?state=CANCELLED&ids=4')).body).toMatchObject({ orders: [{ id: '4' }] });
  });

  test('that do not exist are 404: reads without a transaction, writes with a reject that uses an id', async () => {
    expect(await host.call('order', '77')).toMatchObject({ status: 404, body: { errorCode: 'NO_SUCH_ORDER' } });
    expect(await lastId()).toBe(3);
    expect(await host.call('cancelOrder', '77')).toMatchObject({ status: 404, body: { errorCode: 'ORDER_DOESNT_EXIST', orderCancelRejectTransaction: { id: '4', orderID: '77' }, relatedTransactionIDs: ['4'] } });
    expect(await host.call('replaceOrder', '@gone', { order: { type: 'LIMIT', units: '1', instrument: 'EUR_USD', price: '1' } })).toMatchObject({ status: 404, body: { orderCancelRejectTransaction: { id: '5', clientOrderID: 'gone' } } });
    expect(await host.call('renameOrder', '77', { clientExtensions: { id: 'x' } })).toMatchObject({ status: 404, body: { orderClientExtensionsModifyRejectTransaction: { id: '6', rejectReason: 'ORDER_DOESNT_EXIST' } } });
    expect(await lastId()).toBe(6);
  });

  test.each([
    ['LIMIT', 'PRICE_MISSING', { units: '1' }],
    ['LIMIT', 'PRICE_INVALID', { units: '1', price: '0' }],
    ['STOP', 'PRICE_PRECISION_EXCEEDED', { units: '1', price: '1.100001' }],
    ['STOP', 'UNITS_INVALID', { units: '0', price: '1.1' }],
    ['LIMIT', 'TIME_IN_FORCE_GTD_TIMESTAMP_MISSING', { units: '1', price: '1.1', timeInForce: 'GTD' }],
    ['LIMIT', 'TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST', { units: '1', price: '1.1', timeInForce: 'GTD', gtdTime: '2020-01-01T00:00:00Z' }],
    ['MARKET_IF_TOUCHED', 'TIME_IN_FORCE_INVALID', { units: '1', price: '1.1', timeInForce: 'FOK' }],
    ['MARKET', 'TIME_IN_FORCE_INVALID', { units: '1', timeInForce: 'GTC' }],
    ['MARKET', 'CLIENT_ORDER_ID_INVALID', { units: '1', clientExtensions: { id: 'x'.repeat(129) } }],
    ['STOP_LOSS', 'TRADE_ID_UNSPECIFIED', { price: '1' }],
    ['STOP_LOSS', 'STOP_LOSS_ORDER_PRICE_AND_DISTANCE_BOTH_MISSING', { tradeID: 'T' }],
    ['STOP_LOSS', 'STOP_LOSS_ORDER_PRICE_AND_DISTANCE_BOTH_SPECIFIED', { tradeID: 'T', price: '1', distance: '0.1' }],
    ['STOP_LOSS', 'STOP_LOSS_ORDER_GUARANTEED_NOT_ALLOWED', { tradeID: 'T', price: '1', guaranteed: true }],
    ['STOP_LOSS', 'TRADE_IDENTIFIER_INCONSISTENCY', { tradeID: 'T', clientTradeID: 'other', price: '1' }],
    ['TAKE_PROFIT', 'PRICE_MISSING', { tradeID: 'T' }],
    ['TRAILING_STOP_LOSS', 'PRICE_DISTANCE_MISSING', { tradeID: 'T' }],
    ['TRAILING_STOP_LOSS', 'PRICE_DISTANCE_MINIMUM_NOT_MET', { tradeID: 'T', distance: '0.00001' }],
  ] as const)('of type %s are refused as %s with a transaction of their own', async (type, reason, fields) => {
    const trade = await host.open('10');
    const before = await lastId();
    const answer = await host.order({ type, ...fields, ...('tradeID' in fields ? { tradeID: trade } : {}) });
    expect(answer).toMatchObject({ status: 400, body: { errorCode: reason, orderRejectTransaction: { id: String(before + 1), type: `${type}_ORDER_REJECT`, rejectReason: reason }, relatedTransactionIDs: [String(before + 1)], lastTransactionID: String(before + 1) } });
  });

  test.each([
    ['no order', {}],
    ['an unknown instrument', { order: { type: 'MARKET', instrument: 'XXX_YYY', units: '1' } }],
    ['an unknown type', { order: { type: 'ICEBERG', instrument: 'EUR_USD', units: '1' } }],
    ['units as a number', { order: { type: 'MARKET', instrument: 'EUR_USD', units: 1 } }],
    ['a price as a number', { order: { type: 'LIMIT', instrument: 'EUR_USD', units: '1', price: 1.1 } }],
  ])('with %s are a 400 that uses no id', async (_name, body) => {
    expect(await host.call('placeOrder', '', body)).toMatchObject({ status: 400, body: { errorMessage: expect.any(String) as unknown } });
    expect(await lastId()).toBe(3);
  });

  test('for a trade that is not there are 404 with a reject, and of a guaranteed kind are refused', async () => {
    expect(await host.order({ type: 'STOP_LOSS', tradeID: '99', price: '1.0' })).toMatchObject({ status: 404, body: { errorCode: 'TRADE_DOESNT_EXIST', orderRejectTransaction: { id: '4', type: 'STOP_LOSS_ORDER_REJECT', tradeID: '99' } } });
    const guaranteed = await host.broker.order({ type: 'GUARANTEED_STOP_LOSS', tradeID: '5', price: '1' });
    expect(guaranteed).toMatchObject({ status: 400, body: { errorCode: 'STOP_LOSS_ORDER_GUARANTEED_NOT_ALLOWED', lastTransactionID: '5' } });
  });

  test('are not replaced by another type, another instrument or another trade’s', async () => {
    const [one, two] = [await host.open('10'), await host.open('10')];
    const limit = String(dig((await host.order({ type: 'LIMIT', units: '1', price: '1.0' })).body, 'orderCreateTransaction', 'id'));
    const stop = String(dig((await host.order({ type: 'STOP_LOSS', tradeID: one, price: '1.0' })).body, 'orderCreateTransaction', 'id'));
    expect(await host.call('replaceOrder', limit, { order: { type: 'STOP', instrument: 'EUR_USD', units: '1', price: '1.2' } })).toMatchObject({ status: 400, body: { errorCode: 'REPLACING_ORDER_INVALID', orderRejectTransaction: { type: 'STOP_ORDER_REJECT', intendedReplacesOrderID: limit } } });
    expect(await host.call('replaceOrder', stop, { order: { type: 'STOP_LOSS', tradeID: two, price: '1.0' } })).toMatchObject({ status: 400, body: { errorCode: 'REPLACING_TRADE_ID_INVALID' } });
    expect(await host.call('replaceOrder', stop, { order: { type: 'STOP_LOSS', tradeID: one, price: '1.05000' } })).toMatchObject({ status: 201, body: { orderCreateTransaction: { price: '1.05000', replacesOrderID: stop } } });
    expect(await host.order({ type: 'STOP_LOSS', tradeID: one, price: '1.0' })).toMatchObject({ status: 400, body: { errorCode: 'STOP_LOSS_ORDER_ALREADY_EXISTS' } });
  });

  test('need a client id that no pending order has', async () => {
    const order = { type: 'LIMIT', units: '1', price: '1.0', clientExtensions: { id: 'one' } };
    await host.order(order);
    expect(await host.order(order)).toMatchObject({ status: 400, body: { errorCode: 'CLIENT_ORDER_ID_ALREADY_EXISTS' } });
    await host.call('cancelOrder', '@one');
    expect((await host.order(order)).status).toBe(201);
  });

  test('fill with the fields of the ledger in the ledger alone', async () => {
    await host.open('1', { clientExtensions: { id: 'c' } });
    const fill = (await host.call('transaction', '5')).body['transaction'];
    // One unit at 1.10005 with half a pip of half spread: 0.00005 USD, printed to four decimals.
    expect(fill).toMatchObject({
      type: 'ORDER_FILL', orderID: '4', clientOrderID: 'c', units: '1', requestedUnits: '1', price: '1.10005', fullVWAP: '1.10005', pl: '0.0000', quotePL: '0', halfSpreadCost: '0.0001',
      accountBalance: '100000.0000', gainQuoteHomeConversionFactor: '1', lossQuoteHomeConversionFactor: '1', homeConversionCost: '0',
      tradeOpened: { tradeID: '5', units: '1', price: '1.10005', initialMarginRequired: '0.0220' },
      fullPrice: { bids: [{ price: '1.09995', liquidity: '10000000' }], asks: [{ price: '1.10005', liquidity: '10000000' }] },
    });
  });
});

describe('trades', () => {
  test('are listed, read by id and client id, renamed and closed in part and whole', async () => {
    const trade = await host.open('100', { tradeClientExtensions: { id: 'slot', tag: 'a' } });
    for (const read of [await host.call('trades'), await host.call('openTrades')]) expect(read.body).toMatchObject({ trades: [{ id: trade, state: 'OPEN', currentUnits: '100', marginUsed: '2.2000' }] });
    expect(await host.call('renameTrade', '@slot', { clientExtensions: { tag: 'b' } })).toMatchObject({ status: 200, body: { tradeClientExtensionsModifyTransaction: { tradeID: trade, clientTradeID: 'slot', tradeClientExtensionsModify: { tag: 'b' } } } });
    expect((await host.call('trade', '@slot')).body).toMatchObject({ trade: { id: trade, clientExtensions: { id: 'slot', tag: 'b' } } });
    expect(await host.call('closeTrade', '@slot', { units: '40' })).toMatchObject({ status: 200, body: { orderCreateTransaction: { reason: 'TRADE_CLOSE', positionFill: 'REDUCE_ONLY', tradeClose: { tradeID: trade, clientTradeID: 'slot', units: '40' } } } });
    await host.play();
    // Bought at 1.10005, sold at 1.09995: a pip of 40 units is 0.0040 USD.
    expect((await host.call('trade', trade)).body).toMatchObject({ trade: { currentUnits: '60', realizedPL: '-0.0040', averageClosePrice: '1.09995' } });
    await host.call('closeTrade', trade, { units: 'ALL' });
    await host.play();
    expect((await host.call('trades', '?state=CLOSED')).body).toMatchObject({ trades: [{ id: trade, state: 'CLOSED', currentUnits: '0', realizedPL: '-0.0100' }] });
    expect((await host.call('trades')).body['trades']).toEqual([]);
    expect((await host.call('summary')).body).toMatchObject({ account: { balance: '99999.9900', pl: '-0.0100' } });
  });

  test('that are not there, or are too small, refuse to be closed', async () => {
    const trade = await host.open('10');
    expect(await host.call('trade', '99')).toMatchObject({ status: 404, body: { errorCode: 'NO_SUCH_TRADE' } });
    expect(await host.call('closeTrade', '99', { units: 'ALL' })).toMatchObject({ status: 404, body: { errorCode: 'TRADE_DOESNT_EXIST', orderRejectTransaction: { type: 'MARKET_ORDER_REJECT', tradeClose: { tradeID: '99' } } } });
    expect(await host.call('closeTrade', trade, { units: '11' })).toMatchObject({ status: 400, body: { errorCode: 'CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE' } });
    expect(await host.call('closeTrade', trade)).toMatchObject({ status: 400, body: { errorMessage: 'Invalid JSON body, must be an object' } });
    expect(await host.call('renameTrade', '99', { clientExtensions: { id: 'x' } })).toMatchObject({ status: 404, body: { errorCode: 'TRADE_DOESNT_EXIST' } });
    expect(await host.call('renameTrade', trade, {})).toMatchObject({ status: 400, body: { errorCode: 'CLIENT_EXTENSIONS_DATA_MISSING' } });
  });

  test('take dependent orders: an object sets, null cancels, what is absent stays', async () => {
    const trade = await host.open('10');
    const set = await host.call('tradeOrders', trade, { takeProfit: { price: '1.20000', clientExtensions: { id: 'tp' } }, stopLoss: { distance: '0.01000', timeInForce: 'GFD' }, trailingStopLoss: { distance: '0.02000' } });
    // The stop counts from the ask of 1.10005.
    expect(set).toMatchObject({ status: 200, body: { takeProfitOrderTransaction: { id: '6', reason: 'CLIENT_ORDER', tradeID: trade }, stopLossOrderTransaction: { id: '7', price: '1.09005', distance: '0.01000' }, trailingStopLossOrderTransaction: { id: '8', distance: '0.02000' }, relatedTransactionIDs: ['6', '7', '8'] } });
    expect((await host.call('trade', trade)).body).toMatchObject({ trade: { takeProfitOrder: { id: '6' }, stopLossOrder: { id: '7', timeInForce: 'GFD' }, trailingStopLossOrder: { id: '8', trailingStopValue: '1.07995' } } });
    const changed = await host.call('tradeOrders', trade, { takeProfit: { price: '1.21000' }, trailingStopLoss: null });
    expect(changed).toMatchObject({
      status: 200,
      body: {
        takeProfitOrderCancelTransaction: { orderID: '6', reason: 'CLIENT_REQUEST_REPLACED', replacedByOrderID: '10' },
        takeProfitOrderTransaction: { id: '10', reason: 'REPLACEMENT', replacesOrderID: '6', price: '1.21000', clientExtensions: { id: 'tp' } },
        trailingStopLossOrderCancelTransaction: { orderID: '8', reason: 'CLIENT_REQUEST' },
      },
    });
    expect((await host.call('trade', trade)).body).toMatchObject({ trade: { takeProfitOrder: { id: '10' }, stopLossOrder: { id: '7' } } });
    const before = await lastId();
    const refused = await host.call('tradeOrders', trade, { takeProfit: null, stopLoss: { price: '1.000001' } });
    expect(refused).toMatchObject({ status: 400, body: { errorCode: 'PRICE_PRECISION_EXCEEDED', stopLossOrderRejectTransaction: { reason: 'REPLACEMENT', intendedReplacesOrderID: '7' } } });
    expect(await lastId()).toBe(before + 1);
    expect((await host.call('trade', trade)).body).toMatchObject({ trade: { takeProfitOrder: { id: '10' } } });
    expect(await host.call('tradeOrders', '99', { stopLoss: null })).toMatchObject({ status: 404, body: { errorCode: 'NO_SUCH_TRADE' } });
  });
});

describe('positions', () => {
  test('are read flat, open and never traded, and closed by their side', async () => {
    expect(await host.call('position', 'EUR_USD')).toMatchObject({ status: 404, body: { errorCode: 'NO_SUCH_POSITION' } });
    await host.open('-30');
    await host.open('-20');
    expect((await host.call('position', 'EUR_USD')).body).toMatchObject({ position: { short: { units: '-50', averagePrice: '1.09995', tradeIDs: ['5', '7'] }, long: { units: '0' } } });
    expect(await host.call('closePosition', 'EUR_USD', { longUnits: 'ALL', shortUnits: 'ALL' })).toMatchObject({ status: 400, body: { errorCode: 'CLOSEOUT_POSITION_DOESNT_EXIST', longOrderRejectTransaction: { longPositionCloseout: { instrument: 'EUR_USD', units: 'ALL' } } } });
    expect(await host.call('closePosition', 'EUR_USD', { shortUnits: '51', longUnits: 'NONE' })).toMatchObject({ status: 400, body: { errorCode: 'CLOSEOUT_POSITION_UNITS_EXCEED_POSITION_SIZE' } });
    expect(await host.call('closePosition', 'EUR_USD', { longUnits: 'NONE', shortUnits: 'ALL', shortClientExtensions: { id: 'flat' } })).toMatchObject({ status: 200, body: { shortOrderCreateTransaction: { units: '50', reason: 'POSITION_CLOSEOUT', clientExtensions: { id: 'flat' } } } });
    await host.play();
    expect((await host.call('openPositions')).body['positions']).toEqual([]);
    expect((await host.call('positions')).body).toMatchObject({ positions: [{ instrument: 'EUR_USD', pl: '-0.0050', short: { units: '0' } }] });
    expect(dig((await host.call('position', 'EUR_USD')).body, 'position', 'short')).not.toHaveProperty('averagePrice');
    expect(await host.call('closePosition', 'EUR_USD', { shortUnits: 'ALL', longUnits: 'NONE' })).toMatchObject({ status: 404, body: { errorCode: 'CLOSEOUT_POSITION_DOESNT_EXIST' } });
  });
});

describe('the ledger', () => {
  test('comes in pages, by range, since an id and one by one, with filters', async () => {
    await host.open('10');
    await host.order({ type: 'MARKET', units: '0' });
    const { body } = await host.call('transactions', '?from=2026-01-05T00:00:00Z&to=2026-01-05T09:00:00Z&pageSize=4');
    expect(body).toMatchObject({ from: '2026-01-05T00:00:00.000000000Z', pageSize: 4, count: 6, lastTransactionID: '6' });
    const pages = Array.isArray(body['pages']) ? body['pages'].map(String) : [];
    expect(pages.map((page) => page.split('/').at(-1))).toEqual(['idrange?from=1&to=4', 'idrange?from=5&to=6']);
    expect((await host.broker.send('GET', new URL(pages[1] ?? '').pathname + new URL(pages[1] ?? '').search)).body).toMatchObject({ transactions: [{ id: '5' }, { id: '6' }] });
    expect((await host.call('transactions', '?type=ORDER,FUNDING')).body).toMatchObject({ count: 4, type: ['ORDER', 'FUNDING'], pages: [expect.stringContaining('type=ORDER%2CFUNDING')] });
    expect((await host.call('idrange', '?from=2&to=4')).body).toMatchObject({ transactions: [{ id: '2' }, { id: '3' }, { id: '4' }] });
    expect((await host.call('idrange', '?from=1&to=6&type=ADMIN,ORDER_FILL')).body).toMatchObject({ transactions: [{ type: 'CREATE' }, { type: 'CLIENT_CONFIGURE' }, { type: 'ORDER_FILL' }] });
    expect((await host.call('sinceid', '?id=4')).body).toMatchObject({ transactions: [{ id: '5' }, { id: '6' }], lastTransactionID: '6' });
    expect((await host.call('sinceid', '?id=4&type=MARKET_ORDER_REJECT')).body).toMatchObject({ transactions: [{ id: '6' }] });
    expect((await host.call('transaction', '6')).body).toMatchObject({ transaction: { type: 'MARKET_ORDER_REJECT' } });
    expect((await host.call('transaction', '7')).status).toBe(404);
    for (const query of ['?from=1&to=7', '?from=5&to=4']) expect((await host.call('idrange', query)).status).toBe(416);
    expect((await host.call('sinceid', '?id=7')).status).toBe(416);
    for (const query of ['?type=NOTHING', '?pageSize=1001', '?from=yesterday', '?from=2020-01-01T00:00:00Z&to=2026-01-05T08:00:00Z']) expect((await host.call('transactions', query)).status).toBe(400);
  });

  test('caps a range where the switch says', async () => {
    const capped = await Host.start(quiet, { engine: { switches: { idRangeMax: 2 } } });
    try {
      expect((await capped.call('idrange', '?from=1&to=2')).status).toBe(200);
      expect((await capped.call('idrange', '?from=1&to=3')).status).toBe(400);
    } finally {
      await capped.broker.close();
    }
  });
});

describe('a market that moves', () => {
  test('fills what waits at its price, oldest first, and tells each by its reason', async () => {
    await host.broker.close();
    host = await Host.start(moving);
    await host.order({ type: 'LIMIT', units: '10', price: '1.09950' });
    await host.order({ type: 'STOP', units: '10', price: '1.10150' });
    await host.order({ type: 'MARKET_IF_TOUCHED', units: '-10', price: '1.10180' });
    for (let bars = 0; bars < 8; bars += 1) await host.play();
    const { body } = await host.call('sinceid', '?id=6');
    const fills = (Array.isArray(body['transactions']) ? body['transactions'] : []).map((each) => [dig(each, 'reason'), dig(each, 'price'), dig(each, 'units'), dig(each, 'accountBalance')]);
    // The path goes 1.10000, low 1.09900, high 1.10200, 1.10100, half a pip of spread to each side. The last sell
    // closes the limit's trade: ten units from 1.09905 to 1.10195.
    expect(fills).toEqual([
      ['LIMIT_ORDER', '1.09905', '10', '100000.0000'],
      ['STOP_ORDER', '1.10205', '10', '100000.0000'],
      ['MARKET_IF_TOUCHED_ORDER', '1.10195', '-10', '100000.0290'],
    ]);
  });
});

describe('in real time', () => {
  test('an answer carries the fill, with fewer fields than the ledger has of it, and a resting order is not waited for', async () => {
    await host.broker.close();
    host = await Host.realtime();
    const market = await host.order({ type: 'MARKET', units: '3', tradeClientExtensions: { id: 'slot' } });
    const fill = market.body['orderFillTransaction'];
    expect(market).toMatchObject({ status: 201, body: { orderCreateTransaction: { id: '4' }, orderFillTransaction: { id: '5', tradeOpened: { units: '3' } }, relatedTransactionIDs: ['4', '5'], lastTransactionID: '5' } });
    const ledger = (await host.call('transaction', '5')).body['transaction'];
    if (!isBody(fill) || !isBody(ledger)) expect.fail('the fill is missing');
    const beside = Object.keys(ledger).filter((key) => !(key in fill));
    expect(beside.sort()).toEqual(['baseFinancingHomeConversionCost', 'guaranteedExecutionFeeHomeConversionCost', 'homeConversionCost', 'homeConversionFactors', 'plHomeConversionCost']);
    expect(ledger).toMatchObject(fill);

    const far = await host.order({ type: 'LIMIT', units: '1', price: '0.50000' });
    expect([far.status, Object.keys(far.body)]).toEqual([201, ['orderCreateTransaction', 'relatedTransactionIDs', 'lastTransactionID']]);
    const marketable = await host.call('replaceOrder', '6', { order: { type: 'LIMIT', instrument: 'EUR_USD', units: '1', price: '1.90000' } });
    expect(marketable).toMatchObject({ status: 201, body: { orderCancelTransaction: { orderID: '6', replacedByOrderID: '8' }, orderCreateTransaction: { id: '8' }, orderFillTransaction: { orderID: '8', reason: 'LIMIT_ORDER' } } });
    const missed = await host.order({ type: 'LIMIT', units: '1', price: '0.50000', timeInForce: 'IOC' });
    expect(missed).toMatchObject({ status: 201, body: { orderCancelTransaction: { reason: 'BOUNDS_VIOLATION' } } });
    const closed = await host.call('closePosition', 'EUR_USD', { longUnits: 'ALL', shortUnits: 'NONE' });
    expect(closed).toMatchObject({ status: 200, body: { longOrderCreateTransaction: { units: '-4' }, longOrderFillTransaction: { tradesClosed: [{ tradeID: '5' }, { tradeID: '9' }] } } });
    expect(dig(closed.body, 'longOrderFillTransaction', 'tradesClosed', 0)).not.toHaveProperty('homeConversionCost');
  });
});

describe('taken together', () => {
  /** The outcomes that the tests above are to have caused. */
  const EXPECTED: { readonly [route in Route]: readonly number[] } = {
    accounts: [200], account: [200], summary: [200], instruments: [200, 400], configure: [200, 400], changes: [200, 416],
    placeOrder: [201, 400, 404], orders: [200], pendingOrders: [200], order: [200, 404], replaceOrder: [201, 400, 404], cancelOrder: [200, 404], renameOrder: [200, 404],
    trades: [200], openTrades: [200], trade: [200, 404], closeTrade: [200, 400, 404], renameTrade: [200, 400, 404], tradeOrders: [200, 400, 404],
    positions: [200], openPositions: [200], position: [200, 404], closePosition: [200, 400, 404],
    transactions: [200, 400], transaction: [200, 404], idrange: [200, 400, 416], sinceid: [200, 416],
  };

  test('every route had each of its main outcomes', () => {
    const outcomes = Object.fromEntries(Object.keys(ROUTES).map((route) => [route, [...(seen.get(route as Route) ?? [])].sort((left, right) => left - right)]));
    expect(outcomes).toEqual(EXPECTED);
  });

  test.skipIf(!swaggerPresent)('every body has the shape of the official Swagger file (skipped where ../shared/reference is absent)', () => {
    expect([...new Set(against)]).toEqual([]);
  });
});
