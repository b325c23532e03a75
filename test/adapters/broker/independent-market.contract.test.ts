/** OANDA's own JavaScript client, unchanged since 2018, reads candles and prices; the official Swagger file reads their bodies. */
import { createRequire } from 'node:module';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import { TestBroker } from './server.ts';
import { swaggerPresent, violations } from './swagger.ts';

interface ClientResponse {
  readonly statusCode: string;
  readonly body: unknown;
}
type Callback = (response: ClientResponse) => void;
interface Client {
  setToken(token: string): void;
  readonly instrument: { candles(instrument: string, query: object, done: Callback): void };
  readonly pricing: { get(account: string, query: object, done: Callback): void };
}

const loaded: unknown = createRequire(import.meta.url)('@oanda/v20/context');
const { Context } = loaded as { readonly Context: new (host: string, port: string, ssl: boolean, application: string) => Client };

const THREE = ['EUR_USD', 'USD_JPY', 'EUR_JPY'];

let broker: TestBroker;
let client: Client;
beforeAll(async () => {
  // Two days, over New York's evening of 2026-01-05.
  broker = await TestBroker.start({ instruments: THREE, drawnBars: 2_000, historyBars: 1_500 });
  const { hostname, port } = new URL(broker.broker.rest);
  client = new Context(hostname, port, false, 'contract test');
  client.setToken(broker.broker.token);
});
afterAll(() => broker.close());

const call = (act: (done: Callback) => void): Promise<ClientResponse> => new Promise(act);
const candles = (instrument: string, query: object): Promise<ClientResponse> => call((done) => client.instrument.candles(instrument, query, done));
const times = ({ body }: ClientResponse): unknown[] => {
  const list = dig(body, 'candles');
  return Array.isArray(list) ? list.map((each) => dig(each, 'time')) : [];
};

describe('OANDA’s own client', () => {
  test('reads candles of each instrument, side and granularity, aligned as it asks', async () => {
    const hours = await candles('EUR_JPY', { granularity: 'H4', price: 'MBA', count: 3, smooth: true });
    expect(hours.statusCode).toBe('200');
    expect(dig(hours.body, 'granularity')).toBe('H4');
    for (const side of ['bid', 'mid', 'ask']) for (const key of ['o', 'h', 'l', 'c']) expect(dig(hours.body, 'candles', 1, side, key)).toMatch(/^1\d\d\.\d{3}$/);
    expect(dig(hours.body, 'candles', 1, 'mid', 'o')).toBe(dig(hours.body, 'candles', 0, 'mid', 'c'));
    expect(dig(hours.body, 'candles', 2, 'complete')).toBe(false);
    const days = times(await candles('USD_JPY', { granularity: 'D', count: 2 }));
    expect(days).toEqual(['2026-01-04T22:00:00.000000000Z', '2026-01-05T22:00:00.000000000Z']);
    expect(times(await candles('USD_JPY', { granularity: 'D', count: 1, dailyAlignment: 0, alignmentTimezone: 'UTC' }))).toEqual(['2026-01-06T00:00:00.000000000Z']);
    const from = '2026-01-05T12:00:00.000000000Z';
    expect(times(await candles('EUR_USD', { granularity: 'M15', from, to: '2026-01-05T12:45:00.000000000Z', includeFirst: false }))).toEqual(['2026-01-05T12:15:00.000000000Z', '2026-01-05T12:30:00.000000000Z']);
    expect((await candles('EUR_USD', { granularity: 'M1', count: 5_001 })).statusCode).toBe('400');
  });

  test('reads the same minutes as one hour and as sixty', async () => {
    const range = { from: '2026-01-05T12:00:00.000000000Z', to: '2026-01-05T13:00:00.000000000Z', price: 'B' };
    const [hour, minutes] = [await candles('EUR_USD', { granularity: 'H1', ...range }), await candles('EUR_USD', { granularity: 'M1', ...range })];
    const list = dig(minutes.body, 'candles');
    const sides = Array.isArray(list) ? list.map((each) => dig(each, 'bid') as { readonly o: string; readonly h: string; readonly l: string; readonly c: string }) : [];
    expect(sides.length).toBeGreaterThan(50);
    expect(dig(hour.body, 'candles', 0, 'bid')).toMatchObject({
      o: sides[0]!.o,
      h: sides.map((side) => side.h).sort().at(-1),
      l: sides.map((side) => side.l).sort()[0],
      c: sides.at(-1)!.c,
    });
  });

  test('reads prices of several instruments, their conversions and the units available', async () => {
    const query = { instruments: THREE.join(','), includeHomeConversions: true, includeUnitsAvailable: true };
    const prices = await call((done) => client.pricing.get(broker.broker.account, query, done));
    expect(prices.statusCode).toBe('200');
    expect([0, 1, 2].map((index) => [dig(prices.body, 'prices', index, 'instrument'), dig(prices.body, 'prices', index, 'tradeable')])).toEqual(THREE.map((name) => [name, true]));
    expect(Number(dig(prices.body, 'prices', 2, 'unitsAvailable', 'default', 'long'))).toBeGreaterThan(1_000_000);
    expect([0, 1, 2].map((index) => dig(prices.body, 'homeConversions', index, 'currency'))).toEqual(['EUR', 'USD', 'JPY']);
    expect((await call((done) => client.pricing.get(broker.broker.account, {}, done))).statusCode).toBe('400');
  });
});

test.skipIf(!swaggerPresent)('candles, prices and heartbeats have the shapes of the official Swagger file (skipped where ../shared/reference is absent)', async () => {
  const [pricing, transactions] = [await broker.stream('/pricing/stream?instruments=EUR_USD,EUR_JPY'), await broker.stream('/transactions/stream')];
  await broker.advance({ acknowledge: 0 });
  await Promise.all([pricing.until(2), transactions.until(1)]);
  const snapshot = (await broker.account('GET', `/pricing?instruments=${THREE.join(',')}&includeHomeConversions=true&includeUnitsAvailable=true`)).body;
  const answer = (await broker.account('GET', '/instruments/EUR_JPY/candles?granularity=S30&price=MBA&count=5')).body;
  const each = (definition: string, list: unknown): string[] => (Array.isArray(list) && list.length > 0 ? list.flatMap((body) => violations(definition, body)) : [`there is no ${definition}`]);
  expect([
    ...each('ClientPrice', snapshot['prices']),
    ...each('HomeConversions', snapshot['homeConversions']),
    ...each('Candlestick', answer['candles']),
    ...each('ClientPrice', pricing.lines.map((line): unknown => JSON.parse(line))),
    ...each('TransactionHeartbeat', transactions.lines.map((line): unknown => JSON.parse(line))),
  ]).toEqual([]);
});
