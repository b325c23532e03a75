/** The client and the lockstep link against the local broker, over real HTTP: two separate readings of one protocol. */
import { afterEach, describe, expect, test } from 'vitest';
import { startLocalBroker } from '../../../adapters/broker/local-broker.ts';
import { OANDA_RATE_LIMITS } from '../../../adapters/broker/http/limits.ts';
import { SystemClock } from '../../../adapters/clock/system.ts';
import { LockstepClock } from '../../../adapters/clock/lockstep.ts';
import { LockstepLink } from '../../../adapters/clock/lockstep-link.ts';
import { createOandaBroker } from '../../../adapters/oanda/client.ts';
import { stopOrderIdOf } from '../../../domain/ids.ts';
import { instrumentName, usualInstrument } from '../../../domain/instruments.ts';
import { readBody } from '../../../domain/ledger.ts';
import { format, price, subtract } from '../../../domain/money.ts';
import { stopRequest } from '../../../domain/order-request.ts';
import type { StopReplacements } from '../../../domain/stops.ts';
import { observeStop } from '../../../domain/stops.ts';
import { MINUTE_MS, plusMs } from '../../../domain/time.ts';
import type { Announcement } from '../../../adapters/clock/lockstep-link.ts';
import type { LocalBroker } from '../../../adapters/broker/local-broker.ts';
import type { Broker, FeedLine, FeedName } from '../../../domain/broker.ts';

const EUR_USD = instrumentName('EUR_USD');

const cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of cleanup.splice(0).reverse()) await close();
});

interface Running {
  readonly local: LocalBroker;
  readonly broker: Broker;
  readonly link: LockstepLink;
  readonly clock: LockstepClock;
  readonly present: Announcement;
}

async function run(hold = false): Promise<Running> {
  const local = await startLocalBroker({ clock: 'lockstep', port: 0, seed: 7, drawnBars: 60, historyBars: 300, hold });
  const link = new LockstepLink({ restUrl: local.rest, token: local.token });
  const waiting = link.advance({ acknowledge: 0, nextTimer: null });
  if (hold) {
    expect(await link.status()).toMatchObject({ held: true, barsDone: 0, barsTotal: 60 });
    await link.start();
  }
  const present = await waiting;
  const clock = new LockstepClock(present.time);
  const broker = createOandaBroker({ restUrl: local.rest, streamUrl: local.stream, accountId: local.account, token: local.token, clock, streamSilenceMsMax: 0, paced: false });
  cleanup.push(() => local.close(), () => link.close(), () => broker.close());
  return { local, broker, link, clock, present };
}

test('the client stays within the limits that the local broker sets for a client, however much is asked of it at once', async () => {
  const local = await startLocalBroker({ clock: 'realtime', port: 0, alwaysOpen: true, rateLimits: OANDA_RATE_LIMITS });
  const broker = createOandaBroker({ restUrl: local.rest, streamUrl: local.stream, accountId: local.account, token: local.token, clock: new SystemClock() });
  cleanup.push(() => local.close(), () => broker.close());
  const ends: string[] = [];
  for (const name of ['pricing', 'transactions'] as const) broker.feed(name, [EUR_USD], { connected: () => undefined, line: () => undefined, ended: (detail) => void ends.push(detail) });
  for (let round = 0; round < 30; round += 1) await Promise.all(Array.from({ length: 6 }, () => broker.positions()));
  expect(await broker.send(order(local.account, '1'))).toMatchObject({ status: 201, failure: null });
  expect(ends).toEqual([]);
});

interface Listening {
  readonly lines: FeedLine[];
  readonly connection: number | null;
  readonly ended: Promise<string>;
  /** Resolves when as many lines were heard as the broker says it sent. */
  reached(count: number): Promise<void>;
}

async function listen(broker: Broker, name: FeedName): Promise<Listening> {
  const lines: FeedLine[] = [];
  let resolveEnded: (detail: string) => void = () => undefined;
  const ended = new Promise<string>((resolve) => (resolveEnded = resolve));
  const connection = await new Promise<number | null>((connected) => broker.feed(name, [EUR_USD], { connected, line: (line) => void lines.push(line), ended: resolveEnded }));
  return { lines, connection, ended, reached: (count) => expect.poll(() => lines.length, { interval: 1 }).toBe(count) };
}

const order = (account: string, units: string, more: object = {}): { method: 'POST'; path: string; body: string } => ({
  method: 'POST',
  path: `/accounts/${account}/orders`,
  body: JSON.stringify({ order: { type: 'MARKET', instrument: 'EUR_USD', units, timeInForce: 'FOK', positionFill: 'OPEN_ONLY', stopLossOnFill: { distance: '0.00500' }, clientExtensions: { id: `order-${units}` }, ...more } }),
});

describe('the client and the local broker', () => {
  test('agree on instruments, account, positions, ledger and candles at the start', async () => {
    const { local, broker, present } = await run(true);
    expect((await broker.instruments()).map(({ name, pipLocation, displayPrecision }) => [name, pipLocation, displayPrecision])).toEqual([['EUR_USD', -4, 5]]);
    expect(await broker.account()).toMatchObject({ accountId: local.account, currency: 'USD', hedgingEnabled: false, trades: [], pendingOrders: [], lastTransactionId: present.lastTransactionId });
    expect(await broker.positions()).toEqual({ positions: [], lastTransactionId: present.lastTransactionId });
    const ledger = await broker.transactionsSince(0);
    expect(ledger.transactions.map(({ id }) => id)).toEqual(Array.from({ length: present.lastTransactionId }, (_, index) => index + 1));
    expect(ledger.transactions[0]).toMatchObject({ type: 'CREATE', accountId: local.account });
    const window = await broker.latestCandles(EUR_USD, 256);
    expect(window).toHaveLength(256);
    expect(window.at(-1)!.start).toBe(present.time - MINUTE_MS);
    expect(await broker.candlesFrom(EUR_USD, window[200]!.start, 500)).toEqual(window.slice(200));
    expect(window.every(({ bid, ask }) => bid.close <= ask.close)).toBe(true);
  });

  test('count the same lines on both streams while bars pass, and each bar is complete when it is announced', async () => {
    const { broker, link, clock, present } = await run();
    const [pricing, transactions] = [await listen(broker, 'pricing'), await listen(broker, 'transactions')];
    expect([pricing.connection, transactions.connection]).toEqual([1, 1]);
    let announced = present;
    for (let bars = 1; bars <= 5; bars += 1) {
      announced = await link.advance({ acknowledge: announced.tick, nextTimer: null });
      clock.moveTo(announced.time);
      expect(announced).toMatchObject({ barsDone: bars, lines: { pricing: { connection: 1 }, transactions: { connection: 1 } } });
      await pricing.reached(announced.lines.pricing.lines);
      await transactions.reached(announced.lines.transactions.lines);
      expect((await broker.latestCandles(EUR_USD, 1))[0]!.start).toBe(announced.time - MINUTE_MS);
    }
    expect(pricing.lines.some(({ kind }) => kind === 'quote')).toBe(true);
    const times = pricing.lines.map((line) => (line.kind === 'quote' ? line.quote.at : line.at));
    expect(times).toEqual([...times].sort((left, right) => left - right));
  });

  test('time stops at the daemon\'s timer', async () => {
    const { link, present } = await run();
    const nextTimer = plusMs(present.time, 7_000);
    const announced = await link.advance({ acknowledge: present.tick, nextTimer });
    expect(announced).toMatchObject({ time: nextTimer, barsDone: 0 });
  });

  test('a stop that is cancelled is put back by the request for it, at its distance from the opening price, and its name tells whose it is', async () => {
    const { local, broker, link, clock, present } = await run();
    await broker.send(order(local.account, '3'));
    const filled = await link.advance({ acknowledge: present.tick, nextTimer: null });
    clock.moveTo(filled.time);
    const [trade] = (await broker.account()).trades;
    await broker.send({ method: 'PUT', path: `/accounts/${local.account}/orders/${trade!.stopLossOrderId!}/cancel`, body: '{}' });
    const cancelled = await broker.account();
    expect(cancelled).toMatchObject({ trades: [{ stopLossOrderId: null }], pendingOrders: [] });

    const clientOrderId = stopOrderIdOf(local.account, trade!.tradeId);
    const request = stopRequest({ accountId: local.account, instrument: usualInstrument('EUR_USD'), tradeId: trade!.tradeId, distance: price('0.005'), clientOrderId, epoch: 4 });
    expect(await broker.send(request)).toMatchObject({ failure: null, refusal: null });
    const [placed] = (await broker.transactionsSince(cancelled.lastTransactionId)).transactions;
    const intended: StopReplacements = new Map([[trade!.tradeId, { status: 'intended', clientOrderId, tradeId: trade!.tradeId, watermark: cancelled.lastTransactionId, intendedAt: clock.now() }]]);
    expect(observeStop(intended, readBody(String(placed!.id), placed!.body), 'EUR_USD')).toEqual({
      type: 'StopReplaced', data: { clientOrderId, instrument: 'EUR_USD', tradeId: trade!.tradeId, orderId: String(placed!.id), transactionId: String(placed!.id) },
    });
    const account = await broker.account();
    expect(account.trades[0]!.stopLossOrderId).toBe(String(placed!.id));
    expect(account.pendingOrders).toMatchObject([{ price: subtract(trade!.price, price('0.005')), clientOrderId }]);
  });

  test('an order opens a trade with a stop, and closing the trade leaves the account flat', async () => {
    const { local, broker, link, clock, present } = await run();
    const transactions = await listen(broker, 'transactions');
    const sent = await broker.send(order(local.account, '3'));
    expect(sent).toMatchObject({ status: 201, failure: null, refusal: null, sentAt: present.time, answeredAt: present.time });
    expect(sent.requestId).not.toBeNull();
    const filled = await link.advance({ acknowledge: present.tick, nextTimer: null });
    clock.moveTo(filled.time);
    await transactions.reached(filled.lines.transactions.lines);
    const page = await broker.transactionsSince(present.lastTransactionId);
    expect(page.transactions.map(({ type }) => type)).toEqual(['MARKET_ORDER', 'ORDER_FILL', 'STOP_LOSS_ORDER']);
    expect(transactions.lines.flatMap((line) => (line.kind === 'transaction' ? [line.transactionId] : []))).toEqual(page.transactions.map(({ id }) => id));
    const account = await broker.account();
    const [trade] = account.trades;
    expect([account.trades.length, trade!.tradeId, format(trade!.units), trade!.stopLossOrderId]).toEqual([1, String(page.transactions[1]!.id), '3', String(page.transactions[2]!.id)]);
    expect(account.pendingOrders).toMatchObject([{ orderId: trade!.stopLossOrderId, type: 'STOP_LOSS', tradeId: trade!.tradeId }]);
    expect(account.pendingOrders[0]!.price).not.toBeNull();
    expect(await broker.summary()).toMatchObject({ balance: account.balance, realisedPl: account.realisedPl, openTrades: 1, pendingOrders: 1, lastTransactionId: account.lastTransactionId });
    expect((await broker.positions()).positions.map(({ units }) => format(units))).toEqual(['3']);

    const close = await broker.send({ method: 'PUT', path: `/accounts/${local.account}/trades/${trade!.tradeId}/close`, body: '{"units":"ALL"}' });
    expect(close).toMatchObject({ status: 200, failure: null });
    await link.advance({ acknowledge: filled.tick, nextTimer: null });
    expect(await broker.positions()).toMatchObject({ positions: [] });
    expect(await broker.account()).toMatchObject({ trades: [], pendingOrders: [] });
  });

  test.each([
    ['units of zero', { units: '0' }],
    ['a price bound of too many decimals', { priceBound: '1.1234567' }],
    ['an instrument that is not there', { instrument: 'EUR_CHF' }],
  ])('an order with %s is a refusal', async (_what, change) => {
    const { local, broker } = await run();
    const outcome = await broker.send(order(local.account, '1', change));
    expect(outcome).toMatchObject({ status: 400, failure: null });
    expect(outcome.refusal).toMatch(/\w/);
  });

  test('a token of another broker is unauthorised, on reads, orders and streams', async () => {
    const { local, clock } = await run();
    const strangers = [1, 2, 3].map(() => createOandaBroker({ restUrl: local.rest, streamUrl: local.stream, accountId: local.account, token: 'not-the-token', clock }));
    cleanup.push(...strangers.map((each) => () => each.close()));
    const [reader, sender, stranger] = strangers as [Broker, Broker, Broker];
    await expect(reader.account()).rejects.toMatchObject({ failure: 'unauthorised' });
    expect(await sender.send(order(local.account, '1'))).toMatchObject({ status: 401, failure: null, refusal: 'Insufficient authorization to perform request.' });
    const ended = await new Promise((resolve) => stranger.feed('pricing', [EUR_USD], { connected: resolve, line: resolve, ended: resolve }));
    expect(ended).toBe('status 401: Insufficient authorization to perform request.');
  });

  test('a second connection to a stream has the next number, and the first one ends', async () => {
    const { broker } = await run();
    const first = await listen(broker, 'transactions');
    const second = await listen(broker, 'transactions');
    expect([first.connection, second.connection]).toEqual([1, 2]);
    expect(await first.ended).toMatch(/\w/);
  });

  test('time runs on without the daemon until the instant that was asked for', async () => {
    const { link, present } = await run();
    const until = plusMs(present.time, 10 * MINUTE_MS);
    const announced = await link.advance({ acknowledge: present.tick, nextTimer: null, until });
    expect(announced.time).toBe(until);
    expect(announced.barsDone).toBeGreaterThan(5);
  });
});
