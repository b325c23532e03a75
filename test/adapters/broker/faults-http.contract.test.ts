import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import { FaultyBroker } from './faults-client.ts';
import { PRESETS } from '../../../adapters/broker/faults/presets.ts';
import { folderForTest } from '../../folders.ts';

const strikes = async (broker: FaultyBroker): Promise<unknown[]> => (await broker.recorded('strike')).map(({ id, method, path }) => [id, method, path]);

describe('a response that is lost', () => {
  test.each([
    ['beforeFirstByte', { status: null, text: '' }],
    ['afterHeaders', { status: 201, text: '' }],
    ['midBody', { status: 201 }],
  ])('%s leaves the order executed and the client without an answer, once', async (cut, heard) => {
    const broker = await FaultyBroker.with([{ kind: 'lostResponse', method: 'POST', path: '/orders', cut, count: 1 }]);
    const lost = await broker.rawOrder();
    expect(lost).toMatchObject({ ...heard, broken: expect.any(String) as string });
    if (cut === 'midBody') expect(lost.text).toMatch(/^\{"orderCreateTransaction":\{"id":"4"/);
    expect(await broker.lastTransactionId()).toBe(4);
    expect(await strikes(broker)).toEqual([['1 lostResponse', 'POST', '/orders']]);
    expect((await broker.recorded('ended')).map(({ id, why }) => [id, why])).toEqual([['1 lostResponse', 'count']]);
    expect(await broker.rawOrder()).toMatchObject({ status: 201, broken: null });
  });

  test('never comes while the connection stays open', async () => {
    const broker = await FaultyBroker.with([{ preset: 'unansweredOrder' }]);
    const unanswered = await broker.raw('POST', '/orders', { order: { type: 'MARKET', instrument: 'EUR_USD', units: '1' } }, 400);
    expect(unanswered).toMatchObject({ status: null, broken: 'TimeoutError' });
    expect(await broker.lastTransactionId()).toBe(4);
  });

  test('or a request that is lost leaves no trace in the ledger', async () => {
    const broker = await FaultyBroker.with([{ preset: 'unexecutedOrder' }]);
    expect(await broker.rawOrder()).toMatchObject({ status: null });
    expect(await broker.lastTransactionId()).toBe(3);
  });

  test.each(['gatewayTimeoutAfterAcceptance', 'badGatewayAfterAcceptance'])('is a proxy’s page in %s', async (preset) => {
    const broker = await FaultyBroker.with([{ preset }]);
    const page = await broker.rawOrder();
    expect(page).toMatchObject({ status: preset.startsWith('gateway') ? 504 : 502, broken: null, headers: { 'content-type': 'text/html' } });
    expect(page.text).toContain('<html>');
    expect(await broker.lastTransactionId()).toBe(4);
  });
});

describe('an order that is executed late', () => {
  test('enters the ledger minutes after its 504, under the id of its request', async () => {
    const broker = await FaultyBroker.with([{ kind: 'lateExecution', method: 'POST', path: '/orders', delayMs: 180_000, count: 1 }]);
    const answer = await broker.rawOrder();
    expect(answer).toMatchObject({ status: 504, broken: null });
    await broker.pass(179);
    expect(await broker.lastTransactionId()).toBe(3);
    await broker.pass(60);
    const { body } = await broker.account('GET', '/transactions/sinceid?id=3');
    expect(dig(body, 'transactions', 0)).toMatchObject({ id: '4', type: 'MARKET_ORDER', units: '100', time: '2026-01-05T13:04:00.000000000Z', requestID: answer.headers['requestid'] });
    expect(dig(body, 'transactions', 1)).toMatchObject({ type: 'ORDER_FILL', orderID: '4' });
  });

  test('can lose its connection too, and is any write: a close that comes late', async () => {
    const broker = await FaultyBroker.with([{ kind: 'lateExecution', method: 'PUT', path: '/trades/*/close', delayMs: 60_000, reply: 'lost' }]);
    await broker.rawOrder();
    await broker.pass(60);
    expect(await broker.raw('PUT', '/trades/5/close', { units: 'ALL' })).toMatchObject({ status: null });
    expect((await broker.account('GET', '/openTrades')).body['trades']).toHaveLength(1);
    await broker.pass(120);
    expect((await broker.account('GET', '/openTrades')).body['trades']).toEqual([]);
  });
});

describe('a status', () => {
  test.each([
    ['tooManyRequests', '/summary', 429, { 'retry-after': '5' }, { errorMessage: 'Too many requests' }],
    ['tokenRevoked', '/summary', 401, {}, { errorMessage: 'Insufficient authorization to perform request.' }],
    ['notFoundAfterSubmit', '/orders/4', 404, {}, { errorCode: 'NO_SUCH_ORDER', errorMessage: 'The order ID specified does not exist' }],
  ])('%s stands in for the answer', async (preset, path, status, headers, body) => {
    const broker = await FaultyBroker.with([{ preset }]);
    const answer = await broker.raw('GET', path);
    expect(answer).toMatchObject({ status, headers });
    expect(JSON.parse(answer.text)).toEqual(body);
  });

  test.each([
    ['accountForbidden', 403, 'ACCOUNT_LOCKED'],
    ['orderRejected', 400, 'INSUFFICIENT_FUNDS'],
    ['otherClientError', 405, ''],
  ])('%s refuses the order, which is not executed', async (preset, status, errorCode) => {
    const broker = await FaultyBroker.with([{ preset }]);
    const answer = await broker.rawOrder();
    expect(answer.status).toBe(status);
    expect(answer.text).toContain(errorCode);
    expect(await broker.lastTransactionId()).toBe(3);
  });

  test('of a redirect names a place that is none of the broker’s', async () => {
    const broker = await FaultyBroker.with([{ preset: 'redirect' }]);
    expect(await broker.raw('GET', '/summary')).toMatchObject({ status: 307, headers: { location: 'https://example.com/v3/accounts' } });
  });

  test('of maintenance holds for REST and streams, and ends with its time', async () => {
    const broker = await FaultyBroker.with([{ preset: 'maintenance', at: '+1m' }]);
    expect(await broker.raw('GET', '/summary')).toMatchObject({ status: 200 });
    await broker.pass(60);
    expect(await broker.raw('GET', '/summary')).toMatchObject({ status: 503, headers: { 'content-type': 'text/html' } });
    await expect(broker.stream('/transactions/stream')).rejects.toThrow('503');
    await broker.pass(300);
    expect(await broker.raw('GET', '/summary')).toMatchObject({ status: 200 });
    expect((await broker.recorded('ended')).filter(({ why }) => why === 'time')).toHaveLength(3);
  });
});

describe('a body', () => {
  test.each([
    ['garbageReply', (text: string) => expect(() => JSON.parse(text) as unknown).toThrow()],
    ['htmlReply', (text: string) => expect(text).toContain('<html>')],
    ['truncatedReply', (text: string) => expect(() => JSON.parse(text) as unknown).toThrow('JSON')],
    ['duplicateKeys', (text: string) => expect(text).toMatch(/"balance":"100000.0000","balance":"66"/)],
    ['prototypeKey', (text: string) => expect(text).toMatch(/^\{"__proto__":\{"polluted"/)],
    ['numbersForStrings', (text: string) => expect(JSON.parse(text)).toMatchObject({ account: { balance: 100_000 }, lastTransactionID: 3 })],
    ['exponentNumbers', (text: string) => expect(text).toContain('"balance":"1e+5"')],
    ['notANumber', (text: string) => expect(text).toContain('"balance":"NaN"')],
    ['deepNesting', (text: string) => expect(text).toContain('['.repeat(10_000))],
    ['unknownFields', (text: string) => expect(JSON.parse(text)).toMatchObject({ addedLastWeek: {}, account: { addedLastWeek: {}, balance: '100000.0000' } })],
    ['unknownEnum', (text: string) => expect(text).toContain('"guaranteedStopLossOrderMode":"ADDED_LAST_WEEK"')],
  ])('of %s arrives whole with status 200', async (preset, check) => {
    const broker = await FaultyBroker.with([{ preset }]);
    const answer = await broker.raw('GET', '/summary');
    expect(answer).toMatchObject({ status: 200, broken: null });
    check(answer.text);
    expect(await strikes(broker)).toEqual([[`1 ${preset}`, 'GET', '/summary']]);
  });

  test('in a wrong charset says which', async () => {
    const broker = await FaultyBroker.with([{ preset: 'wrongCharsetReply' }]);
    const answer = await broker.raw('GET', '/summary');
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-16le');
    expect(answer.bytes.toString('utf16le')).toContain('"balance":"100000.0000"');
  });

  test('that is huge is as long as the fault says', async () => {
    const broker = await FaultyBroker.with([{ kind: 'badBody', form: 'huge', bytes: 3_000_000 }]);
    expect((await broker.raw('GET', '/summary')).bytes).toHaveLength(3_000_000);
  });

  test('that drips gives a byte at a time', async () => {
    const broker = await FaultyBroker.with([{ kind: 'badBody', form: 'drip', intervalMs: 20 }]);
    const dripped = await broker.raw('GET', '/summary', undefined, 500);
    expect(dripped).toMatchObject({ status: 200, broken: 'TimeoutError' });
    expect(dripped.bytes.length).toBeGreaterThan(0);
    expect(dripped.bytes.length).toBeLessThan(30);
  });

  test('that is a gzip bomb is small on the wire and large behind it', async () => {
    const broker = await FaultyBroker.with([{ kind: 'badBody', form: 'gzipBomb', bytes: 20 * 1024 * 1024 }]);
    const bomb = await broker.raw('GET', '/summary');
    expect(bomb.headers['content-encoding']).toBe('gzip');
    expect(bomb.bytes.length).toBeLessThan(40_000);
    expect(gunzipSync(bomb.bytes)).toHaveLength(20 * 1024 * 1024);
  });
});

describe('a stale replica', () => {
  test('answers every read of the account from the moment at which it stopped', async () => {
    const broker = await FaultyBroker.with([{ kind: 'staleReads', onRequest: { method: 'POST', path: '/orders' }, durationMs: 60_000 }]);
    expect(await broker.rawOrder()).toMatchObject({ status: 201 });
    await broker.pass(30);
    for (const path of ['/summary', '/openPositions', '/openTrades', '/pendingOrders', '', '/transactions/sinceid?id=2']) {
      expect(dig((await broker.account('GET', path)).body, 'lastTransactionID'), path).toBe('3');
    }
    expect(dig((await broker.account('GET', '/transactions/sinceid?id=2')).body, 'transactions')).toHaveLength(1);
    expect(await broker.account('GET', '/orders/4')).toMatchObject({ status: 404, body: { errorCode: 'NO_SUCH_ORDER' } });
    await broker.pass(60);
    expect((await broker.account('GET', '/openTrades')).body).toMatchObject({ lastTransactionID: '5', trades: [{ id: '5' }] });
  });
});

describe('an account', () => {
  test.each([
    ['otherAccount', { id: '101-001-9999999-001' }],
    ['currencyChanged', { currency: 'EUR' }],
    ['hedgingTurnedOn', { hedgingEnabled: true }],
  ])('is another one under %s, in its summary and in full', async (preset, changed) => {
    const broker = await FaultyBroker.with([{ preset }]);
    for (const path of ['/summary', '']) expect((await broker.account('GET', path)).body).toMatchObject({ account: changed });
    expect((await broker.account('GET', '/openTrades')).text).toBe('{"trades":[],"lastTransactionID":"3"}');
    expect(await broker.recorded('strike')).toHaveLength(2);
  });
});

describe('the broker’s clock', () => {
  test('is off by as much as the fault says, in the Date header', async () => {
    const broker = await FaultyBroker.with([{ preset: 'clockSkew' }]);
    expect((await broker.raw('GET', '/summary')).headers['date']).toBe('Mon, 05 Jan 2026 13:00:53 GMT');
  });
});

describe('candles', () => {
  const newest = async (broker: FaultyBroker, count = 3): Promise<unknown> => (await broker.account('GET', `/instruments/EUR_USD/candles?granularity=M1&price=BA&count=${count}`)).body['candles'];
  const minute = (candles: unknown, index: number): unknown => String(dig(candles, index, 'time')).slice(11, 16);

  test('come late: a minute is not there until some time after its end', async () => {
    const broker = await FaultyBroker.with([{ kind: 'badCandles', form: 'late', ageMs: 20_000 }]);
    await broker.pass(65);
    expect(minute(await newest(broker, 2), 0)).toBe('13:02');
    expect(await broker.recorded('strike')).toHaveLength(1);
    await broker.pass(20);
    const later = await newest(broker, 2);
    expect([minute(later, 0), dig(later, 0, 'complete')]).toEqual(['13:01', true]);
  });

  test('stay incomplete for a while', async () => {
    const broker = await FaultyBroker.with([{ kind: 'badCandles', form: 'incomplete', ageMs: 30_000 }]);
    await broker.pass(60);
    const candles = await newest(broker);
    expect([minute(candles, 2), dig(candles, 2, 'complete'), dig(candles, 1, 'complete')]).toEqual(['13:01', false, true]);
    await broker.pass(31);
    expect(dig(await newest(broker, 2), 0)).toMatchObject({ complete: true });
  });

  test('are missing for the minutes of the fault, and only for those', async () => {
    const broker = await FaultyBroker.with([{ kind: 'badCandles', form: 'missing', durationMs: 3_600_000 }]);
    await broker.pass(240);
    expect(await newest(broker)).toEqual([]);
    expect(minute(dig((await broker.account('GET', '/instruments/EUR_USD/candles?granularity=M1&count=5')).body, 'candles'), 0)).toBe('13:00');
  });

  test('are revised after they have been used, and have the same wrong values from then on', async () => {
    const broker = await FaultyBroker.with([{ kind: 'badCandles', form: 'revised', pips: 5 }]);
    await broker.pass(60);
    const first = dig(await newest(broker, 1), 0);
    await broker.pass(60);
    const revised = dig(await newest(broker, 2), 0);
    expect(dig(revised, 'time')).toBe(dig(first, 'time'));
    expect(Number(dig(revised, 'bid', 'c'))).toBeCloseTo(Number(dig(first, 'bid', 'c')) + 0.0005, 6);
    expect(dig(await newest(broker, 2), 0)).toEqual(revised);
  });

  test.each([
    ['crossed', (bid: number, ask: number) => bid > ask],
    ['zero', (bid: number, ask: number) => bid === 0 && ask === 0],
    ['outlier', (bid: number) => bid > 1.15],
  ])('are %s in the newest one', async (form, wrong) => {
    const broker = await FaultyBroker.with([{ kind: 'badCandles', form, pips: 1_000 }]);
    await broker.pass(60);
    const candles = await newest(broker);
    const prices = (index: number): [number, number] => [Number(dig(candles, index, 'bid', 'c')), Number(dig(candles, index, 'ask', 'c'))];
    expect(wrong(...prices(2))).toBe(true);
    expect(wrong(...prices(1))).toBe(false);
  });
});

describe('a price snapshot', () => {
  test.each([
    ['nonTradeable', { tradeable: false, status: 'non-tradeable' }],
    ['stalePrice', { time: '2026-01-05T13:00:00.000000000Z' }],
    ['zeroPrice', { closeoutBid: '0.00000', closeoutAsk: '0.00000' }],
    ['notANumberPrice', { closeoutBid: 'NaN', bids: [{ price: 'NaN' }] }],
  ])('is %s', async (preset, price) => {
    const broker = await FaultyBroker.with([{ preset }]);
    expect(dig((await broker.account('GET', '/pricing?instruments=EUR_USD')).body, 'prices', 0)).toMatchObject(price);
  });

  test.each([
    ['crossedPrice', (bid: number, ask: number) => bid > ask],
    ['outlierPrice', (bid: number, ask: number) => bid > 1.13 && ask > bid],
    ['widePrice', (bid: number, ask: number) => ask - bid > 0.005],
  ])('is a %s', async (preset, wrong) => {
    const broker = await FaultyBroker.with([{ preset }]);
    const { body } = await broker.account('GET', '/pricing?instruments=EUR_USD');
    expect(wrong(Number(dig(body, 'prices', 0, 'closeoutBid')), Number(dig(body, 'prices', 0, 'closeoutAsk')))).toBe(true);
  });
});

describe('transactions', () => {
  test('are withheld for ever when the fault has no end, and then the ids have a gap', async () => {
    const broker = await FaultyBroker.with([{ kind: 'withheldTransactions', type: 'MARKET_ORDER' }]);
    await broker.rawOrder();
    await broker.pass(60);
    const { body } = await broker.account('GET', '/transactions/sinceid?id=2');
    expect([dig(body, 'lastTransactionID'), (dig(body, 'transactions') as unknown[]).map((each) => dig(each, 'id'))]).toEqual(['5', ['3', '5']]);
  });

  test('read once more say something else', async () => {
    const broker = await FaultyBroker.with([{ kind: 'alteredTransactions', type: 'CREATE', at: '+1m' }]);
    const first = (await broker.account('GET', '/transactions/sinceid?id=0')).body;
    await broker.pass(60);
    const second = (await broker.account('GET', '/transactions/sinceid?id=0')).body;
    expect(dig(second, 'transactions', 0)).not.toEqual(dig(first, 'transactions', 0));
    expect(dig(second, 'transactions', 1)).toEqual(dig(first, 'transactions', 1));
  });
});

describe('latency', () => {
  test.each(['before', 'after'])('%s the broker acts holds the answer back', async (phase) => {
    const broker = await FaultyBroker.with([{ kind: 'latency', delayMs: 150, jitterMs: 50, phase, count: 1 }]);
    const startedAt = performance.now();
    expect(await broker.raw('GET', '/summary')).toMatchObject({ status: 200 });
    expect(performance.now() - startedAt).toBeGreaterThan(145);
    expect(await broker.recorded('ended')).toHaveLength(1);
  });
});

describe('when a fault strikes', () => {
  test('it lets so many matches pass, takes its share of the rest and stops at its count', async () => {
    const broker = await FaultyBroker.with([{ kind: 'status', status: 500, method: 'GET', path: '/summary', after: 2, probability: 0.5, count: 3 }]);
    const statuses: (number | null)[] = [];
    for (let call = 0; call < 20; call += 1) statuses.push((await broker.raw('GET', '/summary')).status);
    expect(statuses.slice(0, 2)).toEqual([200, 200]);
    expect(statuses.filter((status) => status === 500)).toHaveLength(3);
    expect(statuses.lastIndexOf(500)).toBeGreaterThan(4);
    expect((await broker.raw('GET', '/openTrades')).status).toBe(200);
  });

  test('two of them strike one exchange in the order of the plan', async () => {
    const broker = await FaultyBroker.with([{ kind: 'badBody', form: 'unknownEnum' }, { kind: 'badBody', form: 'truncated' }]);
    const answer = await broker.raw('GET', '/summary');
    expect(answer.text).toContain('ADDED_LAST_WEEK');
    expect(() => JSON.parse(answer.text) as unknown).toThrow();
  });

  test('the first of two that answer in the broker’s place is the only one', async () => {
    const broker = await FaultyBroker.with([{ kind: 'status', status: 503, method: 'POST' }, { kind: 'status', status: 429, method: 'POST' }, { kind: 'lateExecution', method: 'POST', delayMs: 1 }]);
    expect((await broker.rawOrder()).status).toBe(503);
    expect((await strikes(broker)).map((strike) => (strike as unknown[])[0])).toEqual(['1 status']);
    await broker.pass(5);
    expect(await broker.lastTransactionId()).toBe(3);
  });

  test('a plan with one seed gives one log, and another seed another', async () => {
    const faults = [{ kind: 'status', status: 500, probability: 0.4 }, { kind: 'badBody', form: 'garbage', probability: 0.3 }, { preset: 'foreignTrade', at: '+70s' }];
    const run = async (seed: number): Promise<string> => {
      const broker = await FaultyBroker.with(faults, {}, seed);
      for (let round = 0; round < 6; round += 1) {
        for (const path of ['/summary', '/openTrades', '/transactions/sinceid?id=1']) await broker.raw('GET', path);
        await broker.pass(20);
      }
      return JSON.stringify(await broker.faultLog());
    };
    const [first, again, other] = [await run(11), await run(11), await run(12)];
    expect(again).toBe(first);
    expect(other.replaceAll('"seed":12', '"seed":11')).not.toBe(first);
  });
});

describe('faults by command', () => {
  test('need the token, begin at once and end when they are cleared', async () => {
    const broker = await FaultyBroker.with([]);
    expect(await broker.send('POST', '/faults', { preset: 'serverError' }, { token: 'wrong' })).toMatchObject({ status: 401 });
    expect(await broker.inject({ kind: 'status', status: 500 })).toEqual(['command 1 status']);
    expect((await broker.raw('GET', '/summary')).status).toBe(500);
    expect((await broker.send('GET', '/faults')).body).toMatchObject({ faults: [{ id: 'command 1 status', state: 'active', strikes: 1 }] });
    expect((await broker.send('POST', '/faults/clear')).body).toEqual({ faults: [] });
    expect((await broker.raw('GET', '/summary')).status).toBe(200);
    expect((await broker.faultLog()).map(({ record, why }) => [record, why])).toEqual([['plan', undefined], ['command', undefined], ['begun', undefined], ['strike', undefined], ['ended', 'cleared']]);
  });

  test('take every preset, and every one can be cleared', async () => {
    const broker = await FaultyBroker.with([]);
    for (const preset of Object.keys(PRESETS)) expect(await broker.inject({ preset, at: '+1h' })).toHaveLength(PRESETS[preset]!.length);
    expect((await broker.send('POST', '/faults/clear')).body).toEqual({ faults: [] });
    await broker.pass(3_700);
    expect(await broker.recorded('begun')).toEqual([]);
  });

  test('that are spelled wrong are refused with the remedy', async () => {
    const broker = await FaultyBroker.with([]);
    expect(await broker.send('POST', '/faults', { kind: 'latency' })).toMatchObject({ status: 400, body: { errorMessage: 'delayMs: is required; add it: Wall time by which the exchange is delayed.' } });
    expect(await broker.send('POST', '/faults', {})).toMatchObject({ status: 400 });
    expect(await broker.send('POST', '/faults', 'latency')).toMatchObject({ status: 400 });
  });
});

describe('the fault log', () => {
  test('is a file of JSON lines that only its owner reads, with the plan first', async () => {
    const faultLogFile = join(folderForTest(), 'faults.jsonl');
    const broker = await FaultyBroker.with([{ kind: 'status', name: 'the-one', status: 500, count: 1 }], { faultLogFile });
    await broker.raw('GET', '/summary');
    const entries = readFileSync(faultLogFile, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as unknown);
    expect(entries).toEqual(await broker.faultLog());
    expect(entries).toMatchObject([
      { record: 'plan', time: '2026-01-05T13:01:00.000000000Z', seed: 7, faults: [{ id: '1 the-one', fault: { kind: 'status', status: 500 } }] },
      { record: 'begun', id: '1 the-one' },
      { record: 'strike', id: '1 the-one', method: 'GET', path: '/summary' },
      { record: 'ended', id: '1 the-one', why: 'count', strikes: 1 },
    ]);
    expect(statSync(faultLogFile).mode & 0o777).toBe(0o600);
    expect((await broker.send('GET', '/faults/log?from=3')).body).toMatchObject({ total: 4, first: 3, entries: [{ record: 'ended' }] });
  });
});
