import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import { TestBroker } from './server.ts';
import { swaggerPresent, violations } from './swagger.ts';

const CANDLES = '/instruments/EUR_USD/candles';

let broker: TestBroker;
beforeEach(async () => {
  broker = await TestBroker.start();
});
afterEach(async () => {
  await broker.close();
});

/** Opens a trade of 100 units and answers with the acknowledged tick. */
async function openTrade(fields: { readonly [key: string]: unknown } = {}): Promise<number> {
  const { tick } = await broker.advance({ acknowledge: 0 });
  const answer = await broker.order({ units: '100', ...fields });
  expect(answer.status).toBe(201);
  return (await broker.advance({ acknowledge: tick })).tick;
}

describe('every call', () => {
  test('needs the token, and is told so in the broker’s words', async () => {
    for (const path of ['/v3/accounts', '/v3/nothing', '/lockstep']) {
      const answer = await broker.send('GET', path, undefined, { token: 'wrong' });
      expect([answer.status, answer.text]).toEqual([401, '{"errorMessage":"Insufficient authorization to perform request."}']);
    }
    await expect(broker.stream('/pricing/stream')).rejects.toThrow('400');
  });

  test('carries a request id, the market’s own date and the last transaction id', async () => {
    const first = await broker.account('GET', '/summary');
    const second = await broker.account('GET', '/summary');
    expect(first.headers['requestid']).toMatch(/^\d{18}$/);
    expect(second.headers['requestid']).not.toBe(first.headers['requestid']);
    expect(first.headers['date']).toBe('Mon, 05 Jan 2026 13:01:00 GMT');
    expect(first.body).toMatchObject({ lastTransactionID: '3', account: { lastTransactionID: '3', balance: '100000.0000' } });
  });

  test('never repeats the token', async () => {
    const answers = [await broker.account('GET', ''), await broker.send('GET', `/v3/accounts?x=1`), await broker.account('POST', '/orders', '{')];
    for (const answer of answers) expect(answer.text + JSON.stringify(answer.headers)).not.toContain(broker.broker.token);
  });

  test('is refused for another account, an unknown route and a body that is no JSON', async () => {
    expect(await broker.send('GET', '/v3/accounts/101-001-1-001')).toMatchObject({ status: 403, body: { errorMessage: 'The provided request was forbidden.' } });
    expect((await broker.send('GET', '/v3/instruments')).status).toBe(404);
    expect(await broker.account('POST', '/orders', '{')).toMatchObject({ status: 400, body: { errorMessage: 'Invalid JSON body, must be an object' } });
    expect((await broker.account('POST', '/orders', `"${'x'.repeat(70_000)}"`)).status).toBe(413);
  });
});

describe('candles', () => {
  test('answer bid, ask and mid of the newest complete minutes', async () => {
    const answer = await broker.account('GET', `${CANDLES}?granularity=M1&price=MBA&count=3`);
    expect(answer.status).toBe(200);
    const candles = answer.body['candles'];
    expect(candles).toHaveLength(3);
    expect(dig(candles, 2)).toMatchObject({ time: '2026-01-05T13:00:00.000000000Z', complete: true, volume: 4 });
    for (const side of ['bid', 'ask', 'mid']) for (const key of ['o', 'h', 'l', 'c']) expect(dig(candles, 2, side, key)).toMatch(/^\d\.\d{5}$/);
    expect((await broker.send('GET', `/v3${CANDLES}?granularity=M1&price=MBA&count=3`)).text).toBe(answer.text);
  });

  test('honour from, to, includeFirst and the default of 500 mids', async () => {
    const times = async (query: string): Promise<unknown[]> => {
      const answer = await broker.account('GET', `${CANDLES}?granularity=M1&${query}`);
      expect(answer.status).toBe(200);
      return Array.isArray(answer.body['candles']) ? answer.body['candles'].map((candle) => dig(candle, 'time')) : [];
    };
    const from = 'from=2026-01-05T12:58:00.000000000Z';
    expect(await times(from)).toEqual(['2026-01-05T12:58:00.000000000Z', '2026-01-05T12:59:00.000000000Z', '2026-01-05T13:00:00.000000000Z']);
    expect(await times(`${from}&includeFirst=false&count=1`)).toEqual(['2026-01-05T12:59:00.000000000Z']);
    expect(await times('from=2026-01-05T12:58:30Z&to=2026-01-05T13:00:00Z')).toEqual(['2026-01-05T12:58:00.000000000Z', '2026-01-05T12:59:00.000000000Z']);
    expect(await times('to=2026-01-05T12:59:00Z&count=1')).toEqual(['2026-01-05T12:58:00.000000000Z']);
    expect(await times('')).toHaveLength(300);
    expect(dig((await broker.account('GET', `${CANDLES}?granularity=M1&count=1`)).body, 'candles', 0)).toHaveProperty('mid');
  });

  test.each([
    ['granularity=M3', "Invalid value specified for 'granularity'"],
    ['granularity=', "Invalid value specified for 'granularity'"],
    ['granularity=D&dailyAlignment=24', "Invalid value specified for 'dailyAlignment'"],
    ['granularity=D&alignmentTimezone=Europe/London', "Invalid value specified for 'alignmentTimezone'"],
    ['granularity=W&weeklyAlignment=friday', "Invalid value specified for 'weeklyAlignment'"],
    ['granularity=M1&smooth=1', "Invalid value specified for 'smooth'"],
    ['granularity=M1&includeFirst=yes', "Invalid value specified for 'includeFirst'"],
    ['granularity=M1&units=0', "Invalid value specified for 'units'"],
    ['granularity=M1&count=5&count=6', "Invalid value specified for 'count'"],
    ['granularity=H1&from=2025-01-01T00:00:00Z&to=2026-01-05T12:30:00Z', "Maximum value for 'count' exceeded"],
    ['granularity=M1&count=5001', "Maximum value for 'count' exceeded"],
    ['granularity=M1&count=0', "Invalid value specified for 'count'"],
    ['granularity=M1&price=X', "Invalid value specified for 'price'"],
    ['granularity=M1&count=1&from=2026-01-05T12:00:00Z&to=2026-01-05T12:30:00Z', "'count' cannot be specified when 'to' and 'from' are provided"],
    ['granularity=M1&from=2026-01-01T00:00:00Z&to=2026-01-05T12:30:00Z', "Maximum value for 'count' exceeded"],
    ['granularity=M1&to=2026-01-06T00:00:00Z', "Invalid value specified for 'to'. Time is in the future"],
    ['granularity=M1&from=yesterday', "Invalid value specified for 'from'"],
  ])('refuse %s', async (query, errorMessage) => {
    expect(await broker.account('GET', `${CANDLES}?${query}`)).toMatchObject({ status: 400, body: { errorMessage } });
  });

  test('show the minute that runs as incomplete, with only the prices seen so far', async () => {
    const { tick } = await broker.advance({ acknowledge: 0 });
    await broker.advance({ acknowledge: tick, nextTimer: '2026-01-05T13:01:25.000000000Z' });
    const running = await broker.account('GET', `${CANDLES}?granularity=M1&price=B&count=2`);
    expect(dig(running.body, 'candles', 1)).toMatchObject({ complete: false, volume: 2, time: '2026-01-05T13:01:00.000000000Z' });
    await broker.advance({ acknowledge: tick + 1 });
    const done = await broker.account('GET', `${CANDLES}?granularity=M1&price=B&count=1`);
    expect(dig(done.body, 'candles', 0)).toMatchObject({ complete: true, volume: 4, time: '2026-01-05T13:01:00.000000000Z' });
    expect(dig(done.body, 'candles', 0, 'bid', 'o')).toBe(dig(running.body, 'candles', 1, 'bid', 'o'));
  });
});

describe('orders and closes in lockstep', () => {
  test('answer at once with the create transaction alone; the fill comes with the next point', async () => {
    const { tick } = await broker.advance({ acknowledge: 0 });
    const answer = await broker.order({ units: '100', clientExtensions: { id: 'mine' } });
    expect(answer).toMatchObject({ status: 201, body: { orderCreateTransaction: { id: '4', requestID: answer.headers['requestid'] }, relatedTransactionIDs: ['4'], lastTransactionID: '4' } });
    expect(Object.keys(answer.body)).toEqual(['orderCreateTransaction', 'relatedTransactionIDs', 'lastTransactionID']);
    expect(answer.headers['location']).toBe(`/v3/accounts/${broker.broker.account}/orders/4`);
    expect((await broker.account('GET', '/orders/@mine')).body).toMatchObject({ order: { id: '4', state: 'PENDING' } });
    await broker.advance({ acknowledge: tick });
    expect((await broker.account('GET', '/orders/@mine')).body).toMatchObject({ errorCode: 'NO_SUCH_ORDER' });
    expect((await broker.account('GET', '/orders/4')).body).toMatchObject({ order: { state: 'FILLED', fillingTransactionID: '5', tradeOpenedID: '5' } });
  });

  test('a rejected order answers 400 with the reject transaction and its id', async () => {
    const answer = await broker.order({ units: '0' });
    expect(answer).toMatchObject({ status: 400, body: { errorCode: 'UNITS_INVALID', orderRejectTransaction: { id: '4', type: 'MARKET_ORDER_REJECT', rejectReason: 'UNITS_INVALID' }, relatedTransactionIDs: ['4'], lastTransactionID: '4' } });
  });

  test('an unknown instrument answers 400 and uses no id', async () => {
    const answer = await broker.account('POST', '/orders', { order: { type: 'MARKET', instrument: 'XXX_YYY', units: '1' } });
    expect(answer).toMatchObject({ status: 400, body: { errorCode: 'oanda::rest::core::InvalidParameterException' } });
    expect((await broker.account('GET', '/summary')).body['lastTransactionID']).toBe('3');
  });

  test('closing a trade answers 200, closing it again 404 with a reject transaction, and an empty body 400', async () => {
    const tick = await openTrade({ tradeClientExtensions: { id: 'slot' }, stopLossOnFill: { distance: '0.05000' } });
    expect(await broker.account('PUT', '/trades/@slot/close')).toMatchObject({ status: 400, body: { errorMessage: 'Invalid JSON body, must be an object' } });
    expect(await broker.account('PUT', '/trades/5/close', { units: '101' })).toMatchObject({ status: 400, body: { errorCode: 'CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE' } });
    expect(await broker.account('PUT', '/trades/@slot/close', { units: 'ALL' })).toMatchObject({ status: 200, body: { orderCreateTransaction: { reason: 'TRADE_CLOSE' } } });
    await broker.advance({ acknowledge: tick });
    expect(await broker.account('PUT', '/trades/5/close', { units: 'ALL' })).toMatchObject({ status: 404, body: { errorCode: 'TRADE_DOESNT_EXIST', orderRejectTransaction: { tradeClose: { tradeID: '5' } } } });
    expect((await broker.account('GET', '/trades/5')).body).toMatchObject({ trade: { state: 'CLOSED', currentUnits: '0', closingTransactionIDs: ['9'] } });
    expect((await broker.account('GET', '/openTrades')).body['trades']).toEqual([]);
    expect(dig((await broker.account('GET', '/trades?state=ALL')).body, 'trades', 0, 'id')).toBe('5');
  });

  test('closing a position names the side; a flat one answers 404 with a reject transaction', async () => {
    expect(await broker.account('GET', '/positions/EUR_USD')).toMatchObject({ status: 404, body: { errorCode: 'NO_SUCH_POSITION' } });
    expect(await broker.account('PUT', '/positions/EUR_USD/close', { longUnits: 'ALL', shortUnits: 'NONE' })).toMatchObject({ status: 404, body: { errorCode: 'CLOSEOUT_POSITION_DOESNT_EXIST', longOrderRejectTransaction: { type: 'MARKET_ORDER_REJECT' } } });
    const tick = await openTrade();
    expect(await broker.account('PUT', '/positions/EUR_USD/close', { longUnits: 'ALL', shortUnits: 'ALL' })).toMatchObject({ status: 400, body: { shortOrderRejectTransaction: {} } });
    expect((await broker.account('GET', '/pendingOrders')).body['orders']).toEqual([]);
    expect(await broker.account('PUT', '/positions/EUR_USD/close', { longUnits: 'ALL', shortUnits: 'NONE' })).toMatchObject({ status: 200, body: { longOrderCreateTransaction: { reason: 'POSITION_CLOSEOUT' } } });
    await broker.advance({ acknowledge: tick });
    expect(await broker.account('GET', '/positions/EUR_USD')).toMatchObject({ status: 200, body: { position: { long: { units: '0' }, short: { units: '0' } } } });
    expect((await broker.account('GET', '/openPositions')).body['positions']).toEqual([]);
    expect((await broker.account('GET', '/positions')).body['positions']).toHaveLength(1);
  });

  test('cancelling twice answers 200, then 404 with a reject that consumes an id', async () => {
    await broker.order({ units: '1' });
    expect(await broker.account('PUT', '/orders/4/cancel')).toMatchObject({ status: 200, body: { orderCancelTransaction: { reason: 'CLIENT_REQUEST' }, lastTransactionID: '5' } });
    expect(await broker.account('PUT', '/orders/4/cancel')).toMatchObject({ status: 404, body: { errorCode: 'ORDER_DOESNT_EXIST', orderCancelRejectTransaction: { id: '6' }, lastTransactionID: '6' } });
  });
});

describe('transactions', () => {
  test('are read by id, by range and since an id, and out of range answers 416', async () => {
    await broker.order({ units: '0' });
    const ids = (answer: { readonly body: { readonly [key: string]: unknown } }): unknown[] => (Array.isArray(answer.body['transactions']) ? answer.body['transactions'].map((each) => dig(each, 'id')) : []);
    expect(ids(await broker.account('GET', '/transactions/sinceid?id=0'))).toEqual(['1', '2', '3', '4']);
    expect(ids(await broker.account('GET', '/transactions/sinceid?id=4'))).toEqual([]);
    expect(ids(await broker.account('GET', '/transactions/idrange?from=2&to=3'))).toEqual(['2', '3']);
    expect(ids(await broker.account('GET', '/transactions/sinceid?id=0&type=TRANSFER_FUNDS'))).toEqual(['3']);
    expect((await broker.account('GET', '/transactions/4')).body).toMatchObject({ transaction: { type: 'MARKET_ORDER_REJECT' }, lastTransactionID: '4' });
    expect((await broker.account('GET', '/transactions/5')).status).toBe(404);
    expect((await broker.account('GET', '/transactions/sinceid?id=5')).status).toBe(416);
    expect((await broker.account('GET', '/transactions/idrange?from=1&to=9')).status).toBe(416);
    expect((await broker.account('GET', '/transactions/sinceid')).status).toBe(400);
  });

  test('come a thousand to a call', async () => {
    for (let index = 0; index < 1_050; index += 1) await broker.order({ units: '0' });
    const first = await broker.account('GET', '/transactions/sinceid?id=0');
    expect(first.body).toMatchObject({ lastTransactionID: '1053' });
    expect(first.body['transactions']).toHaveLength(1_000);
    expect((await broker.account('GET', '/transactions/sinceid?id=1000')).body['transactions']).toHaveLength(53);
    expect((await broker.account('GET', '/changes?sinceTransactionID=1')).status).toBe(416);
  });
});

describe('the rest of the account', () => {
  test('lists the account, its instruments, prices and changes', async () => {
    expect((await broker.send('GET', '/v3/accounts')).body).toEqual({ accounts: [{ id: broker.broker.account, tags: [] }] });
    expect(dig((await broker.account('GET', '/instruments?instruments=EUR_USD')).body, 'instruments', 0)).toMatchObject({
      name: 'EUR_USD', pipLocation: -4, displayPrecision: 5, tradeUnitsPrecision: 0, minimumTradeSize: '1', maximumPositionSize: '0', marginRate: '0.02',
      financing: { financingDaysOfWeek: [{ dayOfWeek: 'MONDAY', daysCharged: 1 }, {}, { dayOfWeek: 'WEDNESDAY', daysCharged: 3 }, {}, {}, { daysCharged: 0 }, { dayOfWeek: 'SUNDAY', daysCharged: 0 }] },
    });
    expect((await broker.account('GET', '/instruments?instruments=NO_SUCH')).body).toMatchObject({ errorMessage: "Invalid value specified for 'instruments'" });
    expect((await broker.account('GET', '/pricing?instruments=EUR_USD&includeHomeConversions=true')).body).toMatchObject({ prices: [{ type: 'PRICE', tradeable: true }], homeConversions: [{ currency: 'EUR' }, { currency: 'USD', accountGain: '1', accountLoss: '1', positionValue: '1' }] });
    expect((await broker.account('GET', '/pricing')).status).toBe(400);
    await openTrade({ stopLossOnFill: { distance: '0.05000' } });
    expect((await broker.account('GET', '/changes?sinceTransactionID=3')).body).toMatchObject({
      changes: { ordersCreated: [{ type: 'MARKET', state: 'FILLED' }, { type: 'STOP_LOSS' }], ordersFilled: [{ id: '4' }], tradesOpened: [{ id: '5', stopLossOrderID: '6' }], positions: [{ long: { units: '100' } }], transactions: [{ id: '4' }, { id: '5' }, { id: '6' }] },
      state: { trades: [{ id: '5' }] },
    });
    expect((await broker.account('GET', '')).body).toMatchObject({ account: { trades: [{ id: '5' }], positions: [{ instrument: 'EUR_USD' }], orders: [{ id: '6', tradeID: '5' }] } });
  });

  test.skipIf(!swaggerPresent)('has the shapes of the official Swagger file (skipped where ../shared/reference is absent)', async () => {
    const tick = await openTrade({ stopLossOnFill: { distance: '0.05000' }, takeProfitOnFill: { price: '2.00000' }, clientExtensions: { id: 'o', tag: 't', comment: 'c' }, tradeClientExtensions: { id: 's' } });
    await broker.account('PUT', '/trades/5/close', { units: '40' });
    const { tick: next } = await broker.advance({ acknowledge: tick });
    await broker.order({ units: '0' });
    await broker.account('PUT', '/orders/77/cancel');
    await broker.advance({ acknowledge: next, until: '2026-01-05T15:00:00Z' });
    await broker.account('PUT', '/positions/EUR_USD/close', { longUnits: 'ALL' });
    const account = (await broker.account('GET', '')).body['account'];
    const changes = (await broker.account('GET', '/changes?sinceTransactionID=3')).body;
    const found = [
      ...violations('Account', { ...Object(account), orders: [] }),
      ...violations('AccountChangesState', changes['state']),
      ...violations('ClientPrice', dig((await broker.account('GET', '/pricing?instruments=EUR_USD')).body, 'prices', 0)),
      ...violations('Candlestick', dig((await broker.account('GET', `${CANDLES}?granularity=M1&price=MBA&count=1`)).body, 'candles', 0)),
      ...violations('Instrument', dig((await broker.account('GET', '/instruments')).body, 'instruments', 0)),
      ...violations('Trade', dig((await broker.account('GET', '/openTrades')).body, 'trades', 0)),
      ...violations('Position', dig((await broker.account('GET', '/positions')).body, 'positions', 0)),
      ...violations('MarketOrder', (await broker.account('GET', '/orders/4')).body['order']),
      ...violations('StopLossOrder', (await broker.account('GET', '/orders/7')).body['order']),
      ...violations('TakeProfitOrder', (await broker.account('GET', '/orders/6')).body['order']),
    ];
    const definitionOf = (type: string): string => `${type.toLowerCase().replace(/(^|_)([a-z])/g, (_match, _line, letter: string) => letter.toUpperCase())}Transaction`;
    const { body } = await broker.account('GET', '/transactions/sinceid?id=0');
    const seen = new Set<string>();
    for (const transaction of Array.isArray(body['transactions']) ? body['transactions'] : []) {
      const type = String(dig(transaction, 'type'));
      seen.add(type);
      found.push(...violations(definitionOf(type), transaction));
    }
    expect(found).toEqual([]);
    expect([...seen].sort()).toEqual(['CLIENT_CONFIGURE', 'CREATE', 'MARKET_ORDER', 'MARKET_ORDER_REJECT', 'ORDER_CANCEL_REJECT', 'ORDER_FILL', 'STOP_LOSS_ORDER', 'TAKE_PROFIT_ORDER', 'TRANSFER_FUNDS']);
  });
});
