import { createHash } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { createOandaBroker } from '../../../adapters/oanda/client.ts';
import { SystemClock } from '../../../adapters/clock/system.ts';
import { BrokerReadError } from '../../../domain/broker.ts';
import { instrumentName } from '../../../domain/instruments.ts';
import { formatFixed } from '../../../domain/money.ts';
import { formatInstant, instantOf, parseInstant } from '../../../domain/time.ts';
import { ACCOUNT_ID, CANARY, clientOf, replyJson, startServer } from './server.ts';
import type { ServerResponse } from 'node:http';
import type { Broker, Exchange, OrderRequest } from '../../../domain/broker.ts';
import type { OandaOptions } from '../../../adapters/oanda/client.ts';
import type { TestServer } from './server.ts';

const EUR_USD = instrumentName('EUR_USD');
const ORDER: OrderRequest = { method: 'POST', path: `/accounts/${ACCOUNT_ID}/orders`, body: '{"order":{"type":"MARKET","units":"1","comment":"é"}}' };
const CREATED = { orderCreateTransaction: { id: '7', type: 'MARKET_ORDER' }, lastTransactionID: '8' };

const cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of cleanup.splice(0).reverse()) await close();
});

type Handler = Parameters<typeof startServer>[0];

async function serve(handler: Handler, options: Partial<OandaOptions> = {}): Promise<{ server: TestServer; broker: Broker }> {
  const server = await startServer(handler);
  const broker = clientOf(server, options);
  cleanup.push(() => server.close(), () => broker.close());
  return { server, broker };
}

async function readError(promise: Promise<unknown>): Promise<BrokerReadError> {
  const error: unknown = await promise.then(() => null, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(BrokerReadError);
  return error as BrokerReadError;
}

/** Ways in which a reply goes wrong, and what a send and a read make of each. */
const FAULTS: readonly { name: string; answer: (response: ServerResponse) => void; send: NonNullable<Exchange['failure']>['cause']; read: BrokerReadError['failure']; status: number | null }[] = [
  { name: 'no answer at all', answer: () => undefined, send: 'timeout', read: 'timeout', status: null },
  { name: 'a reset before the headers', answer: (response) => response.socket!.resetAndDestroy(), send: 'connection', read: 'connection', status: null },
  {
    name: 'a reset in the middle of a 201',
    answer: (response) => {
      response.writeHead(201, { 'content-type': 'application/json', 'content-length': '5000' });
      response.write('{"orderCreateTransaction":{"id":"7"', () => setTimeout(() => response.socket!.resetAndDestroy(), 5));
    },
    send: 'connection', read: 'connection', status: 201,
  },
  {
    name: 'half a chunked body and an orderly end of the connection',
    answer: (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.write('{"lastTransactionID":"7"', () => setTimeout(() => response.socket!.end(), 5));
    },
    send: 'connection', read: 'connection', status: 200,
  },
  {
    name: 'a body that drips',
    answer: (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const drip = setInterval(() => response.write(' '), 20);
      response.on('close', () => clearInterval(drip));
    },
    send: 'timeout', read: 'timeout', status: 200,
  },
  {
    name: 'an HTML 502 of a proxy',
    answer: (response) => {
      response.writeHead(502, { 'content-type': 'text/html' });
      response.end('<html>Bad Gateway</html>');
    },
    send: 'status', read: 'status', status: 502,
  },
  { name: 'a 503 that looks like v20', answer: (response) => replyJson(response, 503, { errorMessage: 'maintenance' }), send: 'status', read: 'unavailable', status: 503 },
  { name: 'too many requests', answer: (response) => replyJson(response, 429, { errorMessage: 'slow down' }), send: 'status', read: 'limited', status: 429 },
  { name: 'a method that is not allowed', answer: (response) => replyJson(response, 405, { errorMessage: 'not allowed' }), send: 'status', read: 'protocol', status: 405 },
  { name: 'a range that cannot be', answer: (response) => replyJson(response, 416, { errorMessage: 'no such range' }), send: 'status', read: 'protocol', status: 416 },
  {
    name: 'a redirect',
    answer: (response) => {
      response.writeHead(307, { location: '/elsewhere', 'content-type': 'application/json' });
      response.end('{"lastTransactionID":"7"}');
    },
    send: 'status', read: 'status', status: 307,
  },
  {
    name: 'JSON that is called HTML',
    answer: (response) => {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('{"lastTransactionID":"7"}');
    },
    send: 'unparsable', read: 'malformed', status: 200,
  },
  {
    name: 'another character set',
    answer: (response) => {
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-16' });
      response.end('{"lastTransactionID":"7"}');
    },
    send: 'unparsable', read: 'malformed', status: 200,
  },
  {
    name: 'a compressed body',
    answer: (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' });
      response.end('{"lastTransactionID":"7"}');
    },
    send: 'unparsable', read: 'malformed', status: 200,
  },
  {
    name: 'a truncated body of no stated length',
    answer: (response) => {
      response.socket!.end('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"lastTransactionID":"7"');
    },
    send: 'unparsable', read: 'malformed', status: 200,
  },
  { name: 'a key that is there twice', answer: (response) => replyJson(response, 200, '{"lastTransactionID":"7","lastTransactionID":"8"}'), send: 'unparsable', read: 'malformed', status: 200 },
  { name: 'an id as a number', answer: (response) => replyJson(response, 200, '{"positions":[],"lastTransactionID":7}'), send: 'unparsable', read: 'malformed', status: 200 },
  { name: 'an id beyond 2^53', answer: (response) => replyJson(response, 200, '{"positions":[],"lastTransactionID":"9007199254740993"}'), send: 'unparsable', read: 'malformed', status: 200 },
  {
    name: 'bytes that are no UTF-8',
    answer: (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(Buffer.concat([Buffer.from('{"positions":[],"note":"'), Buffer.from([0xff]), Buffer.from('","lastTransactionID":"7"}')]));
    },
    send: 'unparsable', read: 'malformed', status: 200,
  },
];

describe.each(FAULTS)('$name', ({ answer, send, read, status }) => {
  const limits = send === 'timeout' ? { restDeadlineMs: 150 } : {};

  test('leaves an order open: it is sent once and its exchange says so', async () => {
    const { server, broker } = await serve((_request, response) => answer(response), limits);
    const outcome = await broker.send(ORDER);
    expect(outcome).toMatchObject({ status, failure: { cause: send }, refusal: null });
    // It was sent: whatever the broker made of it, it must not be called unsent.
    expect(outcome.failure).not.toHaveProperty('unsent');
    expect(outcome.answeredAt === null).toBe(status === null);
    expect(server.requests).toHaveLength(1);
    expect(JSON.stringify(outcome)).not.toContain(CANARY);
  });

  test('fails a read', async () => {
    const { server, broker } = await serve((_request, response) => answer(response), limits);
    expect((await readError(broker.positions())).failure).toBe(read);
    expect(server.requests).toHaveLength(1);
  });
});

describe('sending an order', () => {
  test('the bytes on the wire are those of the request, once, with the headers of v20', async () => {
    const { server, broker } = await serve((_request, response) => replyJson(response, 201, CREATED));
    const outcome = await broker.send(ORDER);
    const hash = (bytes: string | Buffer): string => createHash('sha256').update(bytes).digest('hex');
    expect(server.requests.map(({ body }) => hash(body))).toEqual([hash(ORDER.body)]);
    expect(server.requests[0]).toMatchObject({
      method: 'POST',
      path: `/v3/accounts/${ACCOUNT_ID}/orders`,
      headers: { authorization: `Bearer ${CANARY}`, 'content-type': 'application/json', 'accept-datetime-format': 'RFC3339' },
    });
    expect(outcome).toMatchObject({ status: 201, requestId: 'request-7', body: JSON.stringify(CREATED), bodyTruncated: false, failure: null, refusal: null });
    expect(outcome.answeredAt! - outcome.sentAt).toBe(1);
  });

  test.each([
    [400, { errorCode: 'UNITS_INVALID', errorMessage: 'The units are invalid', orderRejectTransaction: { id: '9' }, lastTransactionID: '9' }, 'UNITS_INVALID'],
    [400, { errorMessage: "Invalid value specified for 'instrument'" }, "Invalid value specified for 'instrument'"],
    [401, { errorMessage: 'Insufficient authorization to perform request.' }, 'Insufficient authorization to perform request.'],
    [403, { errorMessage: 'The provided request was forbidden.' }, 'The provided request was forbidden.'],
    [404, { orderRejectTransaction: { id: '9' } }, 'orderRejectTransaction'],
  ])('a %i with a v20 body is a refusal', async (status, body, refusal) => {
    const { broker } = await serve((_request, response) => replyJson(response, status, body));
    expect(await broker.send(ORDER)).toMatchObject({ status, failure: null, refusal });
  });

  test.each([{ errorCode: 'NO_SUCH_ACCOUNT' }, { errorMessage: 'The trade specified does not exist' }])('a 404 without the transaction that refuses leaves open whether the order exists: %j', async (body) => {
    const { broker } = await serve((_request, response) => replyJson(response, 404, body));
    expect(await broker.send(ORDER)).toMatchObject({ status: 404, failure: { cause: 'status', detail: `status 404: ${Object.values(body).join('')}, and no transaction that refuses it` }, refusal: null });
  });

  test('a 4xx that the broker itself did not write is no refusal', async () => {
    const { broker } = await serve((_request, response) => replyJson(response, 400, { message: 'blocked by the proxy' }));
    expect(await broker.send(ORDER)).toMatchObject({ status: 400, failure: { cause: 'unparsable' }, refusal: null });
  });

  test('a long reply is judged whole and recorded up to 16 KiB, cut between characters', async () => {
    const { broker } = await serve((_request, response) => replyJson(response, 201, { note: 'é'.repeat(20_000), lastTransactionID: '8' }));
    const outcome = await broker.send(ORDER);
    expect(outcome).toMatchObject({ failure: null, bodyTruncated: true });
    expect(Buffer.byteLength(outcome.body!)).toBeGreaterThan(16 * 1024 - 4);
    expect(Buffer.byteLength(outcome.body!)).toBeLessThanOrEqual(16 * 1024);
    expect(outcome.body).not.toContain('\ufffd');
  });

  test('a reply over 1 MiB is given up', async () => {
    const { broker } = await serve((_request, response) => replyJson(response, 201, { note: 'x'.repeat(1_100_000), lastTransactionID: '8' }));
    expect(await broker.send(ORDER)).toMatchObject({ status: 201, failure: { cause: 'unparsable' }, bodyTruncated: true });
  });

  test('a connection that the server closed while idle costs one failed order at most, never a second copy', async () => {
    const { server, broker } = await serve((request, response) => {
      if (request.method === 'POST') return replyJson(response, 201, CREATED);
      replyJson(response, 200, { positions: [], lastTransactionID: '8' });
      response.socket!.destroySoon();
    });
    await broker.positions();
    const outcome = await broker.send(ORDER);
    const arrived = server.requests.filter(({ method }) => method === 'POST').length;
    expect(outcome.failure === null ? [1] : [0, 1]).toContain(arrived);
  });

  test('row 11: an address that nobody listens on is a failure of which no byte of an order left, and a failed read', async () => {
    const server = await startServer(() => undefined);
    await server.close();
    const broker = clientOf(server);
    cleanup.push(() => broker.close());
    expect(await broker.send(ORDER)).toMatchObject({ status: null, answeredAt: null, body: null, failure: { cause: 'connection', detail: expect.stringContaining('ECONNREFUSED') as string, unsent: true } });
    expect(await readError(broker.positions())).toMatchObject({ failure: 'connection', message: expect.stringContaining('ECONNREFUSED') as string });
  });

  test('an order waits for no read: six reads that hang leave it a connection, and a seventh read is refused', async () => {
    const { broker } = await serve((request, response) => {
      if (request.method === 'POST') replyJson(response, 201, CREATED);
    }, { restDeadlineMs: 2_500 });
    const reads = Array.from({ length: 6 }, () => readError(broker.positions()));
    expect((await readError(broker.positions())).message).toContain('6 reads are in flight');
    expect(await broker.send(ORDER)).toMatchObject({ status: 201, failure: null });
    expect((await Promise.all(reads)).map(({ failure }) => failure)).toEqual(Array(6).fill('timeout'));
  });

  test('closing the client ends a read at once and lets an order have its answer', async () => {
    const { broker } = await serve((request, response) => {
      if (request.method === 'POST') setTimeout(() => replyJson(response, 201, CREATED), 60);
    });
    const read = readError(broker.positions());
    const order = broker.send(ORDER);
    await broker.close();
    expect(await order).toMatchObject({ status: 201, failure: null });
    expect(await read).toMatchObject({ failure: 'connection', message: expect.stringContaining('the client was closed') as string });
    expect(await broker.send(ORDER)).toMatchObject({ status: null, failure: { cause: 'connection' } });
  });

  test.each(['/accounts/101-001-1234567-002/orders', `/accounts/${ACCOUNT_ID}/../x`, `/accounts/${ACCOUNT_ID}/orders?x=1`, `/v3/accounts/${ACCOUNT_ID}/orders`])('the path %s is our own mistake and nothing is sent', async (path) => {
    const { server, broker } = await serve((_request, response) => replyJson(response, 201, CREATED));
    await expect(broker.send({ ...ORDER, path })).rejects.toThrow(RangeError);
    expect(server.requests).toHaveLength(0);
  });
});

describe('the pace', () => {
  const order = { ...ORDER, path: `/accounts/${ACCOUNT_ID}/trades/5/close`, method: 'PUT' as const };

  test('after a 429 waits as long as the broker asked, for everything but a close', async () => {
    let limited = true;
    const { server, broker } = await serve((request, response) => {
      if (limited && request.method === 'GET') {
        response.setHeader('Retry-After', '30');
        return replyJson(response, 429, { errorMessage: 'slow down' });
      }
      replyJson(response, 200, { positions: [], lastTransactionID: '8' });
    });
    expect((await readError(broker.positions())).failure).toBe('limited');
    limited = false;
    expect((await readError(broker.positions())).message).toMatch(/would have to wait \d+ ms/);
    expect(await broker.send(ORDER)).toMatchObject({ status: null, failure: { cause: 'connection', unsent: true } });
    expect(await broker.send(order)).toMatchObject({ status: 200, failure: null });
    expect(server.requests.map(({ method }) => method)).toEqual(['GET', 'PUT']);
  });

  test('after a 401 sends nothing more, closes included: the next request asks the broker at most once a minute', async () => {
    const { server, broker } = await serve((_request, response) => replyJson(response, 401, { errorMessage: 'Insufficient authorization to perform request.' }));
    expect((await readError(broker.positions())).failure).toBe('unauthorised');
    expect((await readError(broker.account())).failure).toBe('unauthorised');
    expect(await broker.send(ORDER)).toMatchObject({ status: null, failure: { unsent: true } });
    expect(await broker.send(order)).toMatchObject({ status: null, failure: { unsent: true } });
    expect(server.requests).toHaveLength(1);
  });
});

test('the date of each answer is told with the times around it', async () => {
  const told: (readonly number[])[] = [];
  const { broker } = await serve((_request, response) => {
    response.setHeader('Date', 'Mon, 05 Jan 2026 12:00:07 GMT');
    replyJson(response, 200, { positions: [], lastTransactionID: '8' });
  }, { onDate: (date, sentAt, answeredAt) => void told.push([date, sentAt, answeredAt]) });
  await broker.positions();
  const [date, sentAt, answeredAt] = told[0]!;
  expect(date).toBe(Date.UTC(2026, 0, 5, 12, 0, 7));
  expect(answeredAt! - sentAt!).toBe(1);
});

describe('the token', () => {
  test('is taken out of whatever the broker echoes', async () => {
    const { broker } = await serve((_request, response) => {
      response.setHeader('RequestID', `id-${CANARY}`);
      response.writeHead(403, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ errorMessage: `token ${CANARY}\nis forbidden` }));
    });
    const outcome = await broker.send(ORDER);
    expect(outcome).toMatchObject({ refusal: 'token [token] is forbidden', requestId: 'id-[token]', body: '{"errorMessage":"token [token]\\nis forbidden"}' });
    const error = await readError(broker.positions());
    expect(error.failure).toBe('unauthorised');
    expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain(CANARY);
  });

  test('that cannot be one is refused without being shown', () => {
    const options = { restUrl: 'http://127.0.0.1:1', streamUrl: 'http://127.0.0.1:1', accountId: ACCOUNT_ID, token: `${CANARY}\n`, clock: new SystemClock() };
    expect(() => createOandaBroker(options)).toThrow(/token file/);
    expect(() => createOandaBroker(options)).not.toThrow(new RegExp(CANARY));
    expect(() => createOandaBroker({ ...options, token: CANARY, accountId: '12' })).toThrow(/accountId/);
    expect(() => createOandaBroker({ ...options, token: CANARY, streamUrl: 'https://stream-fxtrade.oanda.com' })).toThrow(/streamUrl/);
  });
});

describe('reading', () => {
  test('a 401 means that no further call will do, whatever its body', async () => {
    const { broker } = await serve((_request, response) => {
      response.writeHead(401);
      response.end();
    });
    expect((await readError(broker.account())).failure).toBe('unauthorised');
  });

  test('a 403 page of a proxy is not the broker\'s word', async () => {
    const { broker } = await serve((_request, response) => {
      response.writeHead(403, { 'content-type': 'text/html' });
      response.end('<html>');
    });
    expect((await readError(broker.account())).failure).toBe('status');
  });

  test('the account comes with exact money, its trades and their stops', async () => {
    const account = {
      id: ACCOUNT_ID, currency: 'USD', hedgingEnabled: false, balance: '100000.1807', pl: '0.1936', financing: '-0.0129', unrealizedPL: '-0.0123', commission: '1.5', guaranteedExecutionFees: '0.25', somethingNew: 1.5,
      trades: [
        { id: '5', instrument: 'EUR_USD', currentUnits: '-3', initialUnits: '-4', price: '1.10001', openTime: '2026-01-06T15:00:00.123456789Z', stopLossOrderID: '6', clientExtensions: { id: 'slot' } },
        { id: '9', instrument: 'USD_JPY', currentUnits: '2', initialUnits: '2', price: '150.123', openTime: '2026-01-06T15:00:00Z' },
      ],
      orders: [{ id: '6', type: 'STOP_LOSS', tradeID: '5', price: '1.10501' }, { id: '10', type: 'LIMIT', price: '1.2', clientExtensions: { id: 'mine' } }, { id: '11', type: 'TRAILING_STOP_LOSS', tradeID: '5' }],
    };
    const { server, broker } = await serve((_request, response) => replyJson(response, 200, { account, lastTransactionID: '12' }));
    const snapshot = await broker.account();
    expect(server.requests[0]!.path).toBe(`/v3/accounts/${ACCOUNT_ID}`);
    expect(snapshot).toMatchObject({ accountId: ACCOUNT_ID, currency: 'USD', hedgingEnabled: false, lastTransactionId: 12 });
    expect(snapshot.pendingOrders.map((order) => [order.orderId, order.type, order.tradeId, order.price === null ? null : formatFixed(order.price, 5), order.clientOrderId])).toEqual([
      ['6', 'STOP_LOSS', '5', '1.10501', null], ['10', 'LIMIT', null, '1.20000', 'mine'], ['11', 'TRAILING_STOP_LOSS', '5', null, null],
    ]);
    expect([snapshot.balance, snapshot.realisedPl, snapshot.financing, snapshot.unrealisedPl, snapshot.commission].map((amount) => formatFixed(amount, 4))).toEqual(['100000.1807', '0.1936', '-0.0129', '-0.0123', '1.7500']);
    expect(snapshot.trades.map((trade) => [trade.tradeId, trade.instrument, formatFixed(trade.units, 0), trade.stopLossOrderId])).toEqual([['5', 'EUR_USD', '-3', '6'], ['9', 'USD_JPY', '2', null]]);
    expect(snapshot.trades[0]).toMatchObject({ clientTradeId: 'slot', openedAt: Date.parse('2026-01-06T15:00:00.123Z') });
    expect([formatFixed(snapshot.trades[0]!.initialUnits, 0), formatFixed(snapshot.trades[0]!.price, 5)]).toEqual(['-4', '1.10001']);
  });

  test('the summary comes with sums and counts, and with whichever account it is about', async () => {
    const account = { id: '101-001-1234567-002', currency: 'EUR', hedgingEnabled: true, balance: '7.5', pl: '0.1', financing: '0', unrealizedPL: '-1', commission: '0', openTradeCount: 2, pendingOrderCount: 3 };
    const { server, broker } = await serve((_request, response) => replyJson(response, 200, { account, lastTransactionID: '12' }));
    expect(await broker.summary()).toMatchObject({ accountId: '101-001-1234567-002', currency: 'EUR', hedgingEnabled: true, openTrades: 2, pendingOrders: 3, lastTransactionId: 12 });
    expect(server.requests[0]!.path).toBe(`/v3/accounts/${ACCOUNT_ID}/summary`);
  });

  test.each([
    ['an account without an id', { id: undefined }, /account\.id/],
    ['a float for a balance', { balance: 100000.1 }, /account\.balance/],
    ['an exponent for a balance', { balance: '1e5' }, /account\.balance/],
  ])('%s is malformed, and the message names the field', async (_what, change, message) => {
    const account = { id: ACCOUNT_ID, currency: 'USD', hedgingEnabled: false, balance: '1', pl: '0', financing: '0', unrealizedPL: '0', trades: [], orders: [], ...change };
    const { broker } = await serve((_request, response) => replyJson(response, 200, { account, lastTransactionID: '12' }));
    const error = await readError(broker.account());
    expect(error.failure).toBe('malformed');
    expect(error.message).toMatch(message);
  });

  test('the account may be larger than other replies, up to 8 MiB', async () => {
    let orders = Array.from({ length: 20_000 }, (_, index) => ({ id: String(index + 1), type: 'LIMIT', note: 'x'.repeat(80) }));
    const account = { id: ACCOUNT_ID, currency: 'USD', hedgingEnabled: false, balance: '1', pl: '0', financing: '0', unrealizedPL: '0', trades: [] };
    const { broker } = await serve((_request, response) => replyJson(response, 200, { account: { ...account, orders }, lastTransactionID: '12' }));
    expect((await broker.account()).pendingOrders).toHaveLength(20_000);
    orders = Array.from({ length: 90_000 }, () => orders[0]!);
    expect((await readError(broker.account())).message).toContain('over 8388608 bytes');
  });

  test('positions are net units, flat instruments left out', async () => {
    const positions = [
      { instrument: 'EUR_USD', long: { units: '0' }, short: { units: '-4' } },
      { instrument: 'USD_JPY', long: { units: '0' }, short: { units: '0' } },
    ];
    const { broker } = await serve((_request, response) => replyJson(response, 200, { positions, lastTransactionID: '12' }));
    const found = await broker.positions();
    expect(found.positions.map((each) => [each.instrument, formatFixed(each.units, 0)])).toEqual([['EUR_USD', '-4']]);
  });

  test('instruments that are no pairs are left out', async () => {
    const shape = { pipLocation: -4, displayPrecision: 5, tradeUnitsPrecision: 0, minimumTradeSize: '1', marginRate: '0.0333' };
    const { broker } = await serve((_request, response) => replyJson(response, 200, { instruments: [{ name: 'EUR_USD', ...shape }, { name: 'SPX500_USD', ...shape }] }));
    expect((await broker.instruments()).map(({ name, base, quote }) => [name, base, quote])).toEqual([['EUR_USD', 'EUR', 'USD']]);
  });
});

describe('reading transactions', () => {
  const transaction = (id: number | string, more: object = {}): object => ({ id: String(id), type: 'DAILY_FINANCING', time: '2026-01-05T22:00:00.000000001Z', accountID: ACCOUNT_ID, ...more });

  test('a page comes in the order of ids with bodies kept whole, unknown fields and types included', async () => {
    const odd = transaction(13, { type: 'NEVER_SEEN', nested: { list: [1, 0.5, null, { deep: '0.10' }] } });
    const { server, broker } = await serve((_request, response) => replyJson(response, 200, { transactions: [odd, transaction(12)], lastTransactionID: '13' }));
    const page = await broker.transactionsSince(11);
    expect(server.requests[0]!.path).toBe(`/v3/accounts/${ACCOUNT_ID}/transactions/sinceid?id=11`);
    expect(page.lastTransactionId).toBe(13);
    expect(page.transactions.map(({ id, type }) => [id, type])).toEqual([[12, 'DAILY_FINANCING'], [13, 'NEVER_SEEN']]);
    // No digit may be lost, so a number that is no safe integer is kept as its text.
    expect(page.transactions[1]!.body).toEqual({ ...odd, nested: { list: [1, '0.5', null, { deep: '0.10' }] } });
    expect(page.transactions[1]!.at).toBe(parseInstant('2026-01-05T22:00:00.000Z'));
  });

  test.each([
    ['of another account', [transaction(12, { accountID: '101-001-1234567-002' })], /another account/],
    ['below the id asked for', [transaction(11)], /was not asked for/],
    ['that is there twice', [transaction(12), transaction(12)], /there twice/],
    ['with an id beyond 2^53', [transaction('9007199254740993')], /2\^53/],
    ['without a time', [transaction(12, { time: undefined })], /transactions\.0\.time/],
    ['beyond a page', Array.from({ length: 1001 }, (_, index) => transaction(index + 12)), /1001 came/],
  ])('one %s is malformed', async (_what, transactions, message) => {
    const { broker } = await serve((_request, response) => replyJson(response, 200, { transactions, lastTransactionID: '2000' }));
    const error = await readError(broker.transactionsSince(11));
    expect(error.failure).toBe('malformed');
    expect(error.message).toMatch(message);
  });
});

describe('reading candles', () => {
  const START = Date.UTC(2026, 0, 5, 12);
  const ohlc = { o: '1.10000', h: '1.10020', l: '1.09990', c: '1.10010' };
  const candle = (minute: number, more: object = {}): object => ({ complete: true, volume: 3, time: formatInstant(instantOf(START + minute * 60_000)), bid: ohlc, ask: ohlc, ...more });
  const page = (candles: readonly object[]): object => ({ instrument: 'EUR_USD', granularity: 'M1', candles });

  /** Serves minutes 0 to `last` the way the broker does; the newest is not complete. */
  const history = (last: number): Handler => (request, response) => {
    const query = new URL(request.path, 'http://x').searchParams;
    const count = Number(query.get('count'));
    const from = query.get('from');
    const begin = from === null ? last + 1 - count : (parseInstant(from) - START) / 60_000 + (query.get('includeFirst') === 'false' ? 1 : 0);
    const minutes = Array.from({ length: Math.max(0, Math.min(count, last + 1 - begin)) }, (_, index) => begin + index);
    replyJson(response, 200, page(minutes.map((minute) => candle(minute, { complete: minute !== last }))));
  };

  test('the newest complete ones are asked for with one to spare', async () => {
    const { server, broker } = await serve(history(300));
    const bars = await broker.latestCandles(EUR_USD, 256);
    expect(bars).toHaveLength(256);
    expect([bars[0]!.start, bars.at(-1)!.start]).toEqual([START + 44 * 60_000, START + 299 * 60_000]);
    expect(Object.fromEntries(new URL(server.requests[0]!.path, 'http://x').searchParams)).toEqual({ price: 'BA', granularity: 'M1', count: '257' });
  });

  test('a long stretch comes in pages without a gap or a repetition', async () => {
    const { server, broker } = await serve(history(6_000));
    const bars = await broker.candlesFrom(EUR_USD, instantOf(START), 20_000);
    expect(bars.map(({ start }) => (start - START) / 60_000)).toEqual(Array.from({ length: 6_000 }, (_, minute) => minute));
    expect(server.requests).toHaveLength(3);
  });

  test('a page that repeats the candle it was to follow adds nothing twice', async () => {
    const { broker } = await serve((request, response) => history(3_000)({ ...request, path: request.path.replace('includeFirst=false', 'includeFirst=true') }, response));
    const bars = await broker.candlesFrom(EUR_USD, instantOf(START), 20_000);
    expect(bars.map(({ start }) => (start - START) / 60_000)).toEqual(Array.from({ length: 3_000 }, (_, minute) => minute));
  });

  test('no more than asked for are returned, and none before', async () => {
    const { broker } = await serve(history(50));
    expect((await broker.candlesFrom(EUR_USD, instantOf(START + 60_000), 3)).map(({ start }) => (start - START) / 60_000)).toEqual([1, 2, 3]);
    expect(await broker.candlesFrom(EUR_USD, instantOf(START + 50 * 60_000), 3)).toEqual([]);
  });

  test.each([
    ['out of order', page([candle(1), candle(0)]), /out of order/],
    ['off the grid', page([candle(0, { time: '2026-01-05T12:00:00.000000001Z' })]), /no whole minute/],
    ['of another instrument', { ...page([]), instrument: 'USD_JPY' }, /not those asked for/],
    ['with a zero price', page([candle(0, { ask: { ...ohlc, l: '0' } })]), /candles\.0\.ask\.l: 0 is no price/],
    ['with a close above its high', page([candle(0, { bid: { ...ohlc, c: '1.2' } })]), /candles\.0\.bid/],
    ['without a bid', page([candle(0, { bid: undefined })]), /candles\.0\.bid/],
    ['with a float', page([candle(0, { bid: { ...ohlc, o: 1.1 } })]), /candles\.0\.bid\.o/],
  ])('candles %s are malformed', async (_what, body, message) => {
    const { broker } = await serve((_request, response) => replyJson(response, 200, body));
    const error = await readError(broker.latestCandles(EUR_USD, 5));
    expect(error.failure).toBe('malformed');
    expect(error.message).toMatch(message);
  });
});
