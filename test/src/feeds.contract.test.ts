import { timer } from 'rxjs';
import { afterEach, expect, test } from 'vitest';
import type { ServerResponse } from 'node:http';
import type { Clock } from '../../domain/clock.ts';
import { instantOf } from '../../domain/time.ts';
import { FeedKeeper } from '../../src/daemon/feeds.ts';
import type { FreshInput } from '../../src/daemon/runtime.ts';
import { clientOf, replyJson, startServer } from '../adapters/oanda/server.ts';
import { EUR_USD } from '../domain/scripted-broker.ts';

/** Pauses run so many times as fast, and the monotonic clock with them. */
const SPEED = 200;
/** Two of the runtime's milliseconds, by which its timers may be early. */
const EARLY_MS = 2 * SPEED;
const clock: Clock = { now: () => instantOf(Date.now()), monotonicNs: () => process.hrtime.bigint() * BigInt(SPEED) };
const HEARTBEAT = '{"type":"HEARTBEAT","time":"2026-01-05T12:00:00.000000000Z","lastTransactionID":"54"}\n';

const cleanup: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of cleanup.splice(0).reverse()) await close();
});

interface Kept {
  readonly inputs: FreshInput[];
  readonly keeper: FeedKeeper;
  /** Monotonic times of the connections of each stream. */
  readonly connects: { readonly pricing: number[]; readonly transactions: number[] };
}

/** Keeps both streams of a server that answers as told. */
async function keep(answer: (stream: 'pricing' | 'transactions', response: ServerResponse) => void, streamSilenceMsMax = 0): Promise<Kept> {
  const connects: Kept['connects'] = { pricing: [], transactions: [] };
  const server = await startServer(({ path }, response) => {
    const stream = path.includes('/pricing/') ? 'pricing' : 'transactions';
    connects[stream].push(Number(clock.monotonicNs() / 1_000_000n));
    answer(stream, response);
  });
  const broker = clientOf(server, { streamSilenceMsMax });
  const inputs: FreshInput[] = [];
  const keeper = new FeedKeeper({ broker, clock, instruments: [EUR_USD], submit: (input) => void inputs.push(input), pause: (durationMs) => timer(durationMs / SPEED), heartbeat: () => undefined, seed: 7 });
  cleanup.push(() => server.close(), () => broker.close(), () => keeper.close());
  return { inputs, keeper, connects };
}

const standing = (response: ServerResponse): void => {
  response.writeHead(200, { 'content-type': 'application/octet-stream' });
  response.write(HEARTBEAT);
};
const kinds = (inputs: readonly FreshInput[]): readonly string[] => inputs.map((input) => (input.kind === 'feed' ? `${input.feed} ${input.connected ? 'up' : 'down'}` : input.kind === 'breaker' ? `breaker ${input.change === null ? 'closed' : 'opened'}` : input.kind));

test('ten reconnects open the breaker, which keeps the ailing stream closed for five minutes and leaves the other alone', { timeout: 60_000 }, async () => {
  let ailing = true;
  const { inputs, connects } = await keep((stream, response) => {
    if (stream === 'pricing' && ailing) response.end();
    else standing(response);
  });
  await expect.poll(() => kinds(inputs), { timeout: 50_000 }).toContain('breaker opened');
  ailing = false;
  expect(inputs.find(({ kind }) => kind === 'breaker')).toEqual({ kind: 'breaker', change: { reconnects: 10, windowMs: 600_000, pauseMs: 300_000 } });
  expect(connects.pricing).toHaveLength(10);
  await expect.poll(() => kinds(inputs), { timeout: 20_000 }).toContain('breaker closed');
  expect(connects.pricing).toHaveLength(11);
  expect(connects.pricing[10]! - connects.pricing[9]!).toBeGreaterThanOrEqual(300_000 - EARLY_MS);
  for (let index = 1; index < 10; index += 1) expect(connects.pricing[index]! - connects.pricing[index - 1]!).toBeGreaterThanOrEqual(1_000 - EARLY_MS);
  expect(connects.transactions).toHaveLength(1);
  expect(kinds(inputs)).not.toContain('transactions down');
});

test('a stream that waits for its own next connection when the breaker opens waits until the breaker’s pause is over', { timeout: 60_000 }, async () => {
  const { inputs, connects } = await keep((_stream, response) => response.end());
  await expect.poll(() => kinds(inputs), { timeout: 50_000 }).toContain('breaker opened');
  const before = { pricing: connects.pricing.length, transactions: connects.transactions.length };
  expect(before.pricing + before.transactions).toBe(10);
  await expect.poll(() => connects.pricing.length > before.pricing && connects.transactions.length > before.transactions, { timeout: 20_000 }).toBe(true);
  const openedAt = Math.max(connects.pricing[before.pricing - 1]!, connects.transactions[before.transactions - 1]!);
  for (const stream of ['pricing', 'transactions'] as const) expect(connects[stream][before[stream]]! - openedAt).toBeGreaterThanOrEqual(300_000 - EARLY_MS);
});

test('a stream in maintenance is tried once a minute', { timeout: 30_000 }, async () => {
  const { inputs, connects } = await keep((stream, response) => {
    if (stream === 'pricing') replyJson(response, 503, '<html>');
    else standing(response);
  });
  await expect.poll(() => connects.pricing.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(4);
  for (let index = 1; index < 4; index += 1) expect(connects.pricing[index]! - connects.pricing[index - 1]!).toBeGreaterThanOrEqual(60_000 - EARLY_MS);
  expect(kinds(inputs)).not.toContain('breaker opened');
});

test('one that falls silent is opened again while the other goes on, and one is opened anew on demand', { timeout: 30_000 }, async () => {
  const { inputs, connects, keeper } = await keep((stream, response) => {
    standing(response);
    if (stream === 'pricing' && connects.pricing.length > 1) return;
    if (stream === 'pricing') response.write(' ');
    else {
      const beat = setInterval(() => response.write(HEARTBEAT), 30);
      response.on('close', () => clearInterval(beat));
    }
  }, 1_500);
  await expect.poll(() => kinds(inputs), { timeout: 10_000 }).toContain('pricing down');
  expect(inputs.find((input) => input.kind === 'feed' && !input.connected)).toMatchObject({ feed: 'pricing', detail: 'no byte for 1500 ms' });
  await expect.poll(() => connects.pricing.length, { timeout: 10_000 }).toBe(2);
  keeper.reconnect('pricing', 'no price');
  await expect.poll(() => connects.pricing.length, { timeout: 10_000 }).toBe(3);
  expect(inputs).toContainEqual({ kind: 'feed', feed: 'pricing', connected: false, detail: 'no price' });
  expect(connects.transactions).toHaveLength(1);
});
