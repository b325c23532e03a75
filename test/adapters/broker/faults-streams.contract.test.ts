import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import { FaultyBroker } from './faults-client.ts';
import type { OpenStream } from './server.ts';

const PRICING = '/pricing/stream?instruments=EUR_USD';
const TRANSACTIONS = '/transactions/stream';

const parsed = (stream: OpenStream): readonly { readonly [key: string]: unknown }[] => stream.lines.map((line) => JSON.parse(line) as { readonly [key: string]: unknown });
const types = (stream: OpenStream): readonly unknown[] => parsed(stream).map((line) => line['type']);

/** Waits, in steps of real time, for what sockets bring in their own time. */
async function eventually(what: string, holds: () => boolean): Promise<void> {
  for (let step = 0; step < 400 && !holds(); step += 1) await sleep(5);
  if (!holds()) throw new Error(`${what}: not within two seconds`);
}

/** Opens a stream and moves time on, so that its lines have come; the lockstep announcement says how many there are. */
async function lines(broker: FaultyBroker, path: string, seconds: number): Promise<OpenStream> {
  const stream = await broker.stream(path);
  await broker.advance({ acknowledge: 0 });
  for (let second = 0; second < seconds; second += 5) await broker.pass(5);
  const announced = (await broker.advance({ acknowledge: 0 })).lines[path === PRICING ? 'pricing' : 'transactions'];
  await stream.until(announced.lines);
  return stream;
}

describe('silence', () => {
  test.each([
    ['all', []],
    ['data', ['HEARTBEAT']],
    ['heartbeats', ['PRICE']],
  ])('of %s lines leaves the others', async (which, left) => {
    const broker = await FaultyBroker.with([{ kind: 'dropLines', stream: 'pricing', lines: which }]);
    const stream = await lines(broker, PRICING, 60);
    expect([...new Set(types(stream))]).toEqual(left);
    expect((await broker.recorded('strike')).length).toBeGreaterThan(3);
  });

  test('of one stream is none of the other, and ends with its time', async () => {
    const broker = await FaultyBroker.with([{ preset: 'transactionSilence', durationMs: 30_000 }]);
    const [pricing, transactions] = [await broker.stream(PRICING), await broker.stream(TRANSACTIONS)];
    for (let second = 0; second < 60; second += 5) await broker.pass(5);
    const announced = await broker.advance({ acknowledge: 0 });
    await Promise.all([pricing.until(announced.lines.pricing.lines), transactions.until(announced.lines.transactions.lines)]);
    expect(Date.parse(String(parsed(pricing)[1]?.['time']))).toBeLessThan(Date.parse('2026-01-05T13:01:20Z'));
    expect(Date.parse(String(parsed(transactions)[0]?.['time']))).toBeGreaterThanOrEqual(Date.parse('2026-01-05T13:01:30Z'));
  });
});

describe('lines of the transaction stream', () => {
  const afterOrder = async (fault: object, seconds = 20): Promise<{ broker: FaultyBroker; stream: OpenStream }> => {
    const broker = await FaultyBroker.with([fault]);
    const stream = await broker.stream(TRANSACTIONS);
    await broker.rawOrder();
    for (let second = 0; second < seconds; second += 5) await broker.pass(5);
    const announced = await broker.advance({ acknowledge: 0 });
    await stream.until(announced.lines.transactions.lines);
    return { broker, stream };
  };
  const ids = (stream: OpenStream): readonly unknown[] => parsed(stream).filter(({ type }) => type !== 'HEARTBEAT').map(({ id }) => id);

  test('come twice', async () => {
    const { stream } = await afterOrder({ kind: 'duplicateLines', stream: 'transactions' });
    expect(ids(stream)).toEqual(['4', '4', '5', '5']);
  });

  test('are overtaken by the next one', async () => {
    const { stream } = await afterOrder({ kind: 'reorderedLines', stream: 'transactions' });
    expect(ids(stream)).toEqual(['5', '4']);
  });

  test('come seconds late, behind those that followed', async () => {
    const { stream, broker } = await afterOrder({ kind: 'lateLines', stream: 'transactions', delayMs: 30_000, count: 1 }, 45);
    expect(ids(stream)).toEqual(['5', '4']);
    expect(await broker.recorded('strike')).toMatchObject([{ stream: 'transactions', connection: 1, type: 'MARKET_ORDER' }]);
  });

  test('are lost, which leaves a gap', async () => {
    const { stream } = await afterOrder({ kind: 'dropLines', stream: 'transactions', lines: 'data', count: 1 });
    expect(ids(stream)).toEqual(['5']);
  });

  test('are withheld when the ledger withholds them', async () => {
    const { stream } = await afterOrder({ kind: 'withheldTransactions', type: 'ORDER_FILL' });
    expect(ids(stream)).toEqual(['4']);
  });

  test('speak of a type that nobody has heard of', async () => {
    const { stream } = await afterOrder({ preset: 'unknownLineType' });
    expect(types(stream)).toContain('SOMETHING_UNHEARD_OF');
    expect(ids(stream)).toEqual(['4', '5']);
  });
});

describe('a heartbeat', () => {
  test('is ahead of the ledger, or of the clock', async () => {
    const broker = await FaultyBroker.with([{ kind: 'heartbeatAhead', by: 2 }, { kind: 'clockSkew', skewMs: 6_000 }]);
    const stream = await lines(broker, TRANSACTIONS, 0);
    expect(parsed(stream)[0]).toEqual({ type: 'HEARTBEAT', lastTransactionID: '5', time: '2026-01-05T13:01:06.000000000Z' });
  });
});

describe('a price', () => {
  test.each([
    ['nonTradeable', (line: unknown) => expect(dig(line, 'tradeable')).toBe(false)],
    ['zeroPrice', (line: unknown) => expect(dig(line, 'bids', 0, 'price')).toBe('0.00000')],
    ['crossedPrice', (line: unknown) => expect(Number(dig(line, 'bids', 0, 'price'))).toBeGreaterThan(Number(dig(line, 'asks', 0, 'price')))],
    ['notANumberPrice', (line: unknown) => expect(dig(line, 'closeoutAsk')).toBe('NaN')],
  ])('is a %s on the stream from the snapshot on', async (preset, check) => {
    const broker = await FaultyBroker.with([{ preset }]);
    const stream = await lines(broker, PRICING, 20);
    const prices = parsed(stream).filter(({ type }) => type === 'PRICE');
    expect(prices.length).toBeGreaterThan(1);
    for (const price of prices.slice(0, 2)) check(price);
  });
});

describe('a line', () => {
  test.each([
    ['garbage', (line: string) => expect(line).toHaveLength(40)],
    ['truncated', (line: string) => expect(line).toMatch(/^\{"type":"PRICE"/)],
    ['oversized', (line: string) => expect(line).toHaveLength(70_000)],
    ['html', (line: string) => expect(line).toContain('<html>')],
    ['notUtf8', (line: string) => expect(line).toContain('\ufffd')],
  ])('is %s in place of a price', async (form, check) => {
    const broker = await FaultyBroker.with([{ kind: 'badLine', form, bytes: 70_000, stream: 'pricing', count: 1 }]);
    const stream = await lines(broker, PRICING, 10);
    check(stream.lines[0]!);
    // A reader that is not strict takes bytes that are no UTF-8 for replacement characters, and blanks for nothing.
    if (form !== 'oversized' && form !== 'notUtf8') expect(() => JSON.parse(stream.lines[0]!) as unknown).toThrow();
    expect(JSON.parse(stream.lines[1]!)).toMatchObject({ type: 'PRICE' });
  });

  test('comes in pieces that make a whole, with nothing of the next between them', async () => {
    const broker = await FaultyBroker.with([{ kind: 'slicedLines', stream: 'pricing', bytes: 10, count: 1 }]);
    const stream = await broker.rawStream(PRICING);
    for (let second = 0; second < 40; second += 5) await broker.pass(5);
    await eventually('the pieces', () => stream.text().split('\n').length > 3);
    expect(stream.chunks.length).toBeGreaterThan(20);
    const whole = stream.text().split('\n').slice(0, -1).map((line) => JSON.parse(line) as unknown);
    expect(dig(whole[0], 'type')).toBe('PRICE');
    const times = whole.map((line) => String(dig(line, 'time')));
    expect(times).toEqual([...times].sort());
  });

  test('waits for others and goes out together with them', async () => {
    const broker = await FaultyBroker.with([{ kind: 'mergedLines', stream: 'pricing', lines: 3 }]);
    const stream = await broker.stream(PRICING);
    expect((await broker.advance({ acknowledge: 0 })).lines.pricing.lines).toBe(0);
    await broker.pass(5);
    await broker.pass(5);
    const announced = await broker.advance({ acknowledge: 0 });
    expect(announced.lines.pricing.lines).toBeGreaterThanOrEqual(3);
    await stream.until(3);
    expect(types(stream)[0]).toBe('PRICE');
  });
});

describe('a stream', () => {
  test('is cut after a line, or in the middle of one', async () => {
    for (const midLine of [false, true]) {
      const broker = await FaultyBroker.with([{ kind: 'cutStream', stream: 'pricing', midLine, count: 1 }]);
      const stream = await broker.rawStream(PRICING);
      await stream.ended;
      expect(stream.text().endsWith('\n')).toBe(!midLine);
      expect(stream.text().length).toBeGreaterThan(20);
      expect((await broker.advance({ acknowledge: 0 })).lines.pricing).toEqual({ connection: 0, lines: 0 });
      const again = await broker.stream(PRICING);
      await again.until(1);
      expect(types(again)).toEqual(['PRICE']);
    }
  });

  test('is refused at the door for a while, and then taken in again', async () => {
    const broker = await FaultyBroker.with([]);
    await broker.inject({ preset: 'streamsRefused', durationMs: 60_000 });
    await expect(broker.stream(PRICING)).rejects.toThrow('ECONNREFUSED');
    await broker.pass(61);
    const stream = await broker.stream(PRICING);
    await stream.until(1);
    expect((await broker.recorded('ended')).map(({ why }) => why)).toEqual(['time', 'time']);
  });

  test('can be refused when the broker is told to stop', async () => {
    const broker = await FaultyBroker.with([{ kind: 'refuseStreams' }]);
    await expect(broker.stream(PRICING)).rejects.toThrow('ECONNREFUSED');
  });
});
