import { afterEach, describe, expect, test } from 'vitest';
import { instrumentName } from '../../../domain/instruments.ts';
import { format } from '../../../domain/money.ts';
import { parseInstant } from '../../../domain/time.ts';
import { ACCOUNT_ID, CANARY, clientOf, replyJson, startServer } from './server.ts';
import type { ServerResponse } from 'node:http';
import type { FeedEnd, FeedLine, FeedListener, FeedName } from '../../../domain/broker.ts';
import type { OandaOptions } from '../../../adapters/oanda/client.ts';
import type { TestServer } from './server.ts';

const TIME = '2026-01-05T12:00:00.123456789Z';
const AT = parseInstant(TIME);
const EUR_USD = instrumentName('EUR_USD');
const HEARTBEAT = JSON.stringify({ type: 'HEARTBEAT', time: TIME });
const price = (more: object = {}): string => JSON.stringify({
  type: 'PRICE', instrument: 'EUR_USD', time: TIME, tradeable: true, status: 'tradeable', closeoutBid: '1.09000', closeoutAsk: '1.11000',
  bids: [{ price: '1.09990', liquidity: 10_000_000 }, { price: '1.10000', liquidity: 500_000 }], asks: [{ price: '1.10012', liquidity: 500_000 }, { price: '1.10030', liquidity: 1 }], ...more,
});

const cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of cleanup.splice(0).reverse()) await close();
});

interface Heard {
  readonly connections: (number | null)[];
  readonly lines: FeedLine[];
  readonly endings: string[];
  readonly causes: FeedEnd[];
}

interface OpenFeed {
  readonly server: TestServer;
  readonly heard: Heard;
  readonly feed: { close(): void };
  /** Resolves when the feed has ended of itself. */
  readonly ended: Promise<string>;
}

async function open(name: FeedName, answer: (response: ServerResponse) => void, options: Partial<OandaOptions> = {}, onLine: (heard: Heard) => void = () => undefined): Promise<OpenFeed> {
  const server = await startServer((_request, response) => answer(response));
  const broker = clientOf(server, options);
  cleanup.push(() => server.close(), () => broker.close());
  const heard: Heard = { connections: [], lines: [], endings: [], causes: [] };
  let resolveEnded: (detail: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => (resolveEnded = resolve));
  const listener: FeedListener = {
    connected: (connection) => void heard.connections.push(connection),
    line: (line) => {
      heard.lines.push(line);
      onLine(heard);
    },
    ended: (detail, cause) => {
      heard.endings.push(detail);
      heard.causes.push(cause);
      resolveEnded(detail);
    },
  };
  return { server, heard, ended, feed: broker.feed(name, [EUR_USD], listener) };
}

/** Answers 200 and writes the parts one after another, each in a chunk of its own; then ends, unless kept open. */
const stream = (parts: readonly (string | Buffer)[], keepOpen = false, headers: Record<string, string> = {}) => (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'application/octet-stream', ...headers });
  response.flushHeaders();
  const write = (index: number): void => {
    const part = parts[index];
    if (part !== undefined) response.write(part, () => setTimeout(() => write(index + 1), 2));
    else if (!keepOpen) response.end();
  };
  write(0);
};

describe('the pricing stream', () => {
  test('gives the best prices of the ladders, and heartbeats, wherever chunks are cut', async () => {
    const text = `${price()}\n${HEARTBEAT}\r\n\n`;
    const { server, heard, ended } = await open('pricing', stream([text.slice(0, 7), text.slice(7, 400), text.slice(400)]));
    expect(await ended).toBe('the broker closed the stream');
    expect(server.requests[0]).toMatchObject({ path: `/v3/accounts/${ACCOUNT_ID}/pricing/stream?instruments=EUR_USD&snapshot=true`, headers: { authorization: `Bearer ${CANARY}` } });
    expect(heard.connections).toEqual([null]);
    expect(heard.lines.map((line) => (line.kind === 'quote' ? [line.quote.instrument, format(line.quote.bid), format(line.quote.ask), line.quote.at, line.quote.tradeable] : line))).toEqual([
      ['EUR_USD', '1.1', '1.10012', AT, true],
      { kind: 'heartbeat', at: AT, lastTransactionId: null },
    ]);
  });

  test.each([
    ['an empty ladder', { bids: [], asks: [] }, ['1.09', '1.11', false]],
    ['a side of no asks', { asks: [] }, ['1.1', '1.11', false]],
    ['a side of no bids', { bids: [] }, ['1.09', '1.10012', false]],
    ['a halt', { tradeable: false }, ['1.1', '1.10012', false]],
  ])('%s is not tradeable', async (_what, change, expected) => {
    const { heard, ended } = await open('pricing', stream([`${price(change)}\n`]));
    await ended;
    expect(heard.lines.map((line) => line.kind === 'quote' && [format(line.quote.bid), format(line.quote.ask), line.quote.tradeable])).toEqual([expected]);
  });

  test('hands on a line of a type that nobody knows yet, and goes on', async () => {
    const { heard, ended } = await open('pricing', stream([`{"type":"SURPRISE","time":"${TIME}","what":[1]}\n${HEARTBEAT}\n`]));
    await ended;
    expect(heard.lines).toEqual([{ kind: 'unknown', at: AT, type: 'SURPRISE' }, { kind: 'heartbeat', at: AT, lastTransactionId: null }]);
  });

  test.each([
    ['HTML', '<html>', /no JSON/],
    ['a line without a type', '{"time":"2026-01-05T12:00:00Z"}', /type/],
    ['an instrument not asked for', price({ instrument: 'USD_JPY' }), /USD_JPY was not asked for/],
    ['a price of zero', price({ bids: [{ price: '0' }] }), /bids\.0\.price/],
    ['a price as a number', price({ asks: [{ price: 1.1 }] }), /asks\.0\.price/],
    ['a time that is none', price({ time: 'now' }), /time/],
  ])('%s ends the feed, and lines behind it are not heard', async (_what, line, message) => {
    const { heard, ended } = await open('pricing', stream([`${HEARTBEAT}\n${line}\n${HEARTBEAT}\n`], true));
    expect(await ended).toMatch(message);
    expect(heard.lines).toHaveLength(1);
  });
});

describe('the transactions stream', () => {
  test('gives the ids of transactions of any type, and the ledger\'s position with heartbeats', async () => {
    const { server, heard, ended } = await open('transactions', stream([
      `{"type":"HEARTBEAT","lastTransactionID":"54","time":"${TIME}"}\n`,
      `{"type":"NEVER_SEEN","id":"55","time":"${TIME}","accountID":"${ACCOUNT_ID}","pl":"1.5"}\n`,
    ]));
    await ended;
    expect(server.requests[0]!.path).toBe(`/v3/accounts/${ACCOUNT_ID}/transactions/stream`);
    expect(heard.lines).toEqual([{ kind: 'heartbeat', at: AT, lastTransactionId: 54 }, { kind: 'transaction', transactionId: 55, at: AT }]);
  });

  test.each([
    ['of another account', `{"type":"ORDER_FILL","id":"55","time":"${TIME}","accountID":"101-001-1234567-002"}`, /another account/],
    ['without an id', `{"type":"ORDER_FILL","time":"${TIME}","accountID":"${ACCOUNT_ID}"}`, /id: ""/],
    ['that is a heartbeat without a position', `{"type":"HEARTBEAT","time":"${TIME}"}`, /lastTransactionID/],
  ])('a line %s ends the feed', async (_what, line, message) => {
    const { ended } = await open('transactions', stream([`${line}\n`], true));
    expect(await ended).toMatch(message);
  });
});

describe('the end of a feed', () => {
  test('comes when no byte arrives for too long, and only then', async () => {
    const started = performance.now();
    const { heard, ended } = await open('pricing', stream(Array.from({ length: 60 }, () => ' '), true), { streamSilenceMsMax: 80 });
    expect(await ended).toBe('no byte for 80 ms');
    expect(performance.now() - started).toBeGreaterThan(60 * 2 + 80);
    expect(heard.connections).toEqual([null]);
  });

  test('does not come from silence where silence is allowed', async () => {
    const { heard, feed } = await open('pricing', stream([`${HEARTBEAT}\n`], true), { streamSilenceMsMax: 0 });
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect([heard.lines.length, heard.endings.length]).toEqual([1, 0]);
    feed.close();
  });

  test('comes when the broker does not answer in time', async () => {
    const { heard, ended } = await open('pricing', () => undefined, { restDeadlineMs: 50 });
    expect(await ended).toBe('no answer within 50 ms');
    expect(heard.connections).toEqual([]);
  });

  test.each([
    ['a refusal', (response: ServerResponse) => replyJson(response, 401, { errorMessage: `no access with ${CANARY}` }), /^status 401: no access with \[token\]$/],
    ['a proxy error', (response: ServerResponse) => replyJson(response, 502, '<html>'), /^status 502/],
    ['a redirect', (response: ServerResponse) => {
      response.writeHead(302, { location: '/elsewhere' });
      response.end();
    }, /^status 302/],
    ['a line over 64 KiB', stream([`${HEARTBEAT}\n`, Buffer.alloc(40_000, 0x20), Buffer.alloc(30_000, 0x20)], true), /a line is over 65536 bytes/],
    ['half a line', stream([`${HEARTBEAT}\n{"type"`]), /in the middle of a line/],
    ['a connection number that is none', stream([], true, { 'Lockstep-Connection': 'x' }), /Lockstep-Connection/],
  ])('comes once, on %s', async (_what, answer, message) => {
    const { heard, ended, server } = await open('pricing', answer);
    expect(await ended).toMatch(message);
    await server.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(heard.endings).toHaveLength(1);
  });

  test.each([[503, 'unavailable'], [401, 'unauthorised'], [403, 'unauthorised'], [502, 'other'], [429, 'other']] as const)('says of a %i that its cause is %s', async (status, cause) => {
    const { heard, ended } = await open('transactions', (response) => replyJson(response, status, { errorMessage: 'no' }));
    await ended;
    expect(heard.causes).toEqual([cause]);
  });

  test('comes when the connection is reset in the middle', async () => {
    const { heard, ended } = await open('pricing', (response) => {
      stream([`${HEARTBEAT}\n`], true)(response);
      setTimeout(() => response.socket!.resetAndDestroy(), 30);
    });
    expect(await ended).toMatch(/reset|closed|terminated/i);
    expect(heard.lines).toHaveLength(1);
  });

  test('is quiet when the listener closes it, even between lines of one chunk', async () => {
    let close = (): void => undefined;
    const { heard, feed, server } = await open('pricing', stream([`${HEARTBEAT}\n${HEARTBEAT}\n${HEARTBEAT}\n`], true), { streamSilenceMsMax: 150 }, ({ lines }) => {
      if (lines.length === 2) close();
    });
    close = () => feed.close();
    await expect.poll(() => heard.lines.length).toBe(2);
    await server.close();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(heard).toMatchObject({ lines: [{}, {}], endings: [] });
  });

  test('is quiet when it is closed before an answer came, and when the client closes', async () => {
    const { heard, feed } = await open('pricing', () => undefined, { restDeadlineMs: 150 });
    feed.close();
    const server = await startServer((_request, response) => stream([`${HEARTBEAT}\n`], true)(response));
    const broker = clientOf(server, { streamSilenceMsMax: 150 });
    const second: string[] = [];
    let lines = 0;
    broker.feed('pricing', [EUR_USD], { connected: () => undefined, line: () => void (lines += 1), ended: (detail) => void second.push(detail) });
    await expect.poll(() => lines).toBe(1);
    await broker.close();
    await server.close();
    await new Promise((resolve) => setTimeout(resolve, 220));
    expect([heard.endings, second]).toEqual([[], []]);
  });

  test('frees its place: four streams may be open, not five', async () => {
    const server = await startServer((_request, response) => stream([], true)(response));
    const broker = clientOf(server, { streamSilenceMsMax: 0 });
    cleanup.push(() => server.close(), () => broker.close());
    const listener: FeedListener = { connected: () => undefined, line: () => undefined, ended: () => undefined };
    const feeds = Array.from({ length: 4 }, () => broker.feed('transactions', [], listener));
    expect(() => broker.feed('transactions', [], listener)).toThrow(/4 streams are open/);
    feeds[0]!.close();
    expect(() => broker.feed('transactions', [], listener)).not.toThrow();
  });
});

test('the number of a connection in lockstep is handed on', async () => {
  const { heard, ended } = await open('transactions', stream([], false, { 'Lockstep-Connection': '3' }));
  await ended;
  expect(heard.connections).toEqual([3]);
});
