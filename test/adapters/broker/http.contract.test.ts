/** What every answer has in common: how times are written, and how paths, accounts and limits are refused. */
import { Agent, request } from 'undici';
import { describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import type { Answer } from './server.ts';
import { TestBroker } from './server.ts';
import { OANDA_RATE_LIMITS, SlidingSecond } from '../../../adapters/broker/http/limits.ts';

const UNIX = { 'accept-datetime-format': 'UNIX' };

/** The values of every field whose name tells of a time, at any depth. */
function timesIn(value: unknown, key = ''): string[] {
  if (typeof value === 'string') return /time(stamp)?$|^(from|to)$/i.test(key) ? [value] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, each]) => timesIn(each, Array.isArray(value) ? key : name));
}

describe('times', () => {
  test('are written in UNIX seconds in every field of every answer when the client asks for it', async () => {
    const broker = await TestBroker.startForTest();
    const { tick } = await broker.advance({ acknowledge: 0 });
    const placed = await broker.account('POST', '/orders', { order: { type: 'MARKET', instrument: 'EUR_USD', units: '100', stopLossOnFill: { distance: '0.05' }, clientExtensions: { comment: '2026-01-05T13:01:00.000000000Z' } } }, UNIX);
    expect(dig(placed.body, 'orderCreateTransaction', 'time')).toBe('1767618060.000000000');
    // What a client wrote stays what it wrote, even if it looks like a time.
    expect(dig(placed.body, 'orderCreateTransaction', 'clientExtensions', 'comment')).toBe('2026-01-05T13:01:00.000000000Z');
    await broker.advance({ acknowledge: tick });
    const paths = ['', '/summary', '/changes?sinceTransactionID=3', '/openTrades', '/orders?state=ALL', '/transactions/sinceid?id=0', '/transactions/5', '/transactions', '/pricing?instruments=EUR_USD', '/instruments/EUR_USD/candles?granularity=M1&count=2'];
    const unix: (readonly [string, Answer])[] = [];
    for (const path of paths) unix.push([path, await broker.account('GET', path, undefined, UNIX)]);
    for (const [path, answer] of unix) {
      const [plain, written] = [timesIn((await broker.account('GET', path)).body), timesIn(answer.body)];
      expect(written.length, path).toBeGreaterThan(0);
      // "0" stands for never and has no other form.
      expect(written, path).toEqual(plain.map((text) => (text === '0' ? '0' : `${Date.parse(text) / 1_000 | 0}.${text.slice(20, 29)}`)));
    }
  });

  test('are taken in both forms', async () => {
    const broker = await TestBroker.startForTest();
    const at = async (from: string): Promise<unknown> => dig((await broker.account('GET', `/instruments/EUR_USD/candles?granularity=M1&count=1&from=${from}`)).body, 'candles', 0, 'time');
    expect(await at('1767618000.000000000')).toBe('2026-01-05T13:00:00.000000000Z');
    expect(await at('1767618000')).toBe(await at('2026-01-05T13:00:00Z'));
    const order = { type: 'LIMIT', instrument: 'EUR_USD', units: '1', price: '1.00000', timeInForce: 'GTD' };
    const placed = [await broker.order({ ...order, gtdTime: '1767704400.5' }), await broker.order({ ...order, gtdTime: '2026-01-06T13:00:00.500000000Z' })];
    for (const { body } of placed) expect(dig(body, 'orderCreateTransaction', 'gtdTime')).toBe('2026-01-06T13:00:00.500000000Z');
  });

  test('of both streams follow the same header', async () => {
    const broker = await TestBroker.startForTest();
    const [pricing, transactions] = [await broker.stream('/pricing/stream?instruments=EUR_USD', UNIX), await broker.stream('/transactions/stream', UNIX)];
    const { tick } = await broker.advance({ acknowledge: 0 });
    await broker.order({ units: '100' });
    await broker.advance({ acknowledge: tick });
    await Promise.all([pricing.until(2), transactions.until(3)]);
    for (const line of [...pricing.lines, ...transactions.lines]) expect(dig(JSON.parse(line), 'time')).toMatch(/^17676180\d\d\.000000000$/);
    for (const time of timesIn(JSON.parse(transactions.lines[2] ?? ''))) expect(time).toMatch(/^\d{10}\.\d{9}$/);
  });

  test('in a form that does not exist are refused', async () => {
    const broker = await TestBroker.startForTest();
    expect(await broker.account('GET', '/summary', undefined, { 'accept-datetime-format': 'ISO' })).toMatchObject({ status: 400, body: { errorMessage: "Invalid value specified for 'Accept-Datetime-Format'" } });
    expect((await broker.account('GET', '/summary', undefined, { 'accept-datetime-format': 'RFC3339' })).status).toBe(200);
  });
});

describe('paths and accounts', () => {
  test('a path that does not exist is 404, a method that it does not take 405 with those that it takes', async () => {
    const broker = await TestBroker.startForTest();
    expect(await broker.send('GET', '/v3/instrument/EUR_USD')).toMatchObject({ status: 404 });
    expect(await broker.account('DELETE', '/orders')).toMatchObject({ status: 405, headers: { allow: expect.stringContaining('POST') as string, requestid: expect.any(String) as string } });
    expect(await broker.send('POST', '/v3/instruments/EUR_USD/candles')).toMatchObject({ status: 405, headers: { allow: expect.stringContaining('GET') as string } });
  });

  test('an account of somebody else is 403 or, by the switch, 404; an id that is none is 400', async () => {
    const [forbidding, missing] = [await TestBroker.startForTest(), await TestBroker.startForTest({ strangerStatus: 404 })];
    const stranger = '/v3/accounts/101-001-7-007/summary';
    expect(await forbidding.send('GET', stranger)).toMatchObject({ status: 403, body: { errorMessage: 'The provided request was forbidden.' } });
    expect((await missing.send('GET', stranger)).status).toBe(404);
    expect(await missing.send('GET', '/v3/accounts/mine/summary')).toMatchObject({ status: 400, body: { errorMessage: "Invalid value specified for 'accountID'" } });
  });

  test('errors are JSON with a request id, and so are answers', async () => {
    const broker = await TestBroker.startForTest();
    for (const path of ['/v3/accounts', '/v3/nothing', '/v3/accounts/mine']) {
      expect((await broker.send('GET', path)).headers).toMatchObject({ 'content-type': 'application/json; charset=utf-8', requestid: expect.stringMatching(/^\d{18}$/) as string });
    }
  });

  test('an order request without an order, or that is no object, is 400', async () => {
    const broker = await TestBroker.startForTest();
    for (const body of ['{}', '[]', '"order"', '{"order":7}', '{"order":']) expect((await broker.account('POST', '/orders', body)).status, body).toBe(400);
    expect((await broker.account('GET', '/summary')).body['lastTransactionID']).toBe('3');
  });
});

describe('limits', () => {
  const limited = (more: Partial<typeof OANDA_RATE_LIMITS>): Promise<TestBroker> =>
    TestBroker.startForTest({ clock: 'realtime', alwaysOpen: true, instruments: ['EUR_USD'], rateLimits: { ...OANDA_RATE_LIMITS, connectionsPerSecond: 1_000, ...more } });

  test('a second has room for so many events, and those refused take none', () => {
    const second = new SlidingSecond(2);
    expect([OANDA_RATE_LIMITS.requestsPerSecond, OANDA_RATE_LIMITS.connectionsPerSecond]).toEqual([120, 2]);
    expect([0, 400, 500, 999, 1_000, 1_399, 1_400].map((at) => second.allows(at))).toEqual([true, true, false, false, true, false, true]);
  });

  test('more requests in a second answer 429, and a later second is free again', async () => {
    const broker = await limited({ requestsPerSecond: 1, retryAfterSeconds: 1 });
    const answers = await Promise.all(Array.from({ length: 50 }, () => broker.account('GET', '/pricing?instruments=EUR_USD')));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.some(({ status }) => status === 200)).toBe(true);
    expect(refused[0]).toMatchObject({ headers: { 'retry-after': '1', requestid: expect.any(String) as string }, body: { errorMessage: 'Too many requests' } });
    await expect.poll(async () => (await broker.account('GET', '/summary')).status, { interval: 300, timeout: 10_000 }).toBe(200);
  });

  test('more new connections in a second answer 429 and close, without Retry-After unless it is switched on', async () => {
    const broker = await limited({ connectionsPerSecond: 1 });
    const agents = Array.from({ length: 10 }, () => new Agent());
    const answers = await Promise.all(agents.map(async (dispatcher) => {
      const response = await request(`${broker.broker.rest}/v3/accounts`, { dispatcher, headers: { authorization: `Bearer ${broker.broker.token}` } });
      await response.body.text();
      return response;
    }));
    const refused = answers.filter(({ statusCode }) => statusCode === 429);
    expect(answers.some(({ statusCode }) => statusCode === 200)).toBe(true);
    expect(refused.length).toBeGreaterThan(0);
    for (const { headers } of refused) expect([headers['connection'], headers['retry-after']]).toEqual(['close', undefined]);
    await Promise.all(agents.map((agent) => agent.destroy()));
  });

  test('are none in lockstep, whose seconds are not real', async () => {
    await expect(TestBroker.startForTest({ rateLimits: OANDA_RATE_LIMITS })).rejects.toThrow('rateLimits');
  });
});
