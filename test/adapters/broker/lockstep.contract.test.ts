import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import type { OpenStream } from './server.ts';
import { TestBroker } from './server.ts';
import { folderForTest } from '../../folders.ts';

const PRICING = '/pricing/stream?instruments=EUR_USD';
const TRANSACTIONS = '/transactions/stream';

/** A file of flat mid bars at these minutes, with prices that the test chooses. */
function barsFile(bars: readonly { readonly time: string; readonly ohlc: string }[]): string {
  const path = join(folderForTest(), 'bars.csv');
  writeFileSync(path, ['time,open,high,low,close', ...bars.map((bar) => `${bar.time},${bar.ohlc}`)].join('\n'));
  return path;
}
const FLAT = '1.10000,1.10010,1.09990,1.10000';
const flatFile = (times: readonly string[]): string => barsFile(times.map((time) => ({ time, ohlc: FLAT })));
const second = (text: string): string => text.slice(0, 19);
const types = (stream: OpenStream): unknown[] => stream.lines.map((line) => dig(JSON.parse(line), 'type'));

describe('an announcement', () => {
  test('tells a fresh daemon the present without moving time, as often as it begins again', async () => {
    const broker = await TestBroker.startForTest();
    const first = await broker.advance({ acknowledge: 0 });
    expect(first).toEqual({
      tick: 1,
      time: '2026-01-05T13:01:00.000000000Z',
      lastTransactionID: '3',
      lines: { pricing: { connection: 0, lines: 0 }, transactions: { connection: 0, lines: 0 } },
      barsDone: 0,
      barsTotal: 200,
      done: false,
    });
    expect(await broker.advance({ acknowledge: 0 })).toEqual({ ...first, tick: 2 });
  });

  test('comes at the end of each bar, until the bars are exhausted and time stays', async () => {
    const broker = await TestBroker.startForTest({ drawnBars: 3 });
    let announcement = await broker.advance({ acknowledge: 0 });
    const seen: string[] = [];
    for (let bar = 0; bar < 5; bar += 1) {
      announcement = await broker.advance({ acknowledge: announcement.tick });
      seen.push(`${second(announcement.time)} ${announcement.barsDone}/${announcement.barsTotal} ${announcement.done}`);
    }
    expect(seen).toEqual(['2026-01-05T13:02:00 1/3 false', '2026-01-05T13:03:00 2/3 false', '2026-01-05T13:04:00 3/3 true', '2026-01-05T13:04:00 3/3 true', '2026-01-05T13:04:00 3/3 true']);
    expect((await broker.send('GET', '/lockstep')).body).toEqual({ time: '2026-01-05T13:04:00.000000000Z', tick: 6, barsTotal: 3, barsDone: 3, held: false, done: true, lastTransactionID: '3' });
  });

  test('comes at the daemon’s timer when that is first, without completing the bar', async () => {
    const broker = await TestBroker.startForTest();
    const { tick } = await broker.advance({ acknowledge: 0 });
    const timer = await broker.advance({ acknowledge: tick, nextTimer: '2026-01-05T13:01:30.500Z' });
    expect(timer).toMatchObject({ time: '2026-01-05T13:01:30.500000000Z', barsDone: 0 });
    expect(await broker.advance({ acknowledge: timer.tick, nextTimer: '2026-01-05T13:09:00Z' })).toMatchObject({ time: '2026-01-05T13:02:00.000000000Z', barsDone: 1 });
  });

  test('comes at a fill, at a stop and at financing, each at its own time', async () => {
    const times = ['2026-01-05T21:57:00Z', '2026-01-05T21:58:00Z', '2026-01-05T22:05:00Z'];
    const path = barsFile([
      { time: '2026-01-05T21:55:00Z', ohlc: FLAT },
      ...times.map((time, index) => ({ time, ohlc: index === 2 ? '1.10000,1.10010,1.09800,1.09900' : FLAT })),
    ]);
    const broker = await TestBroker.startForTest({ barsFiles: { EUR_USD: path }, historyBars: 1, spreadPips: 1 });
    let { tick } = await broker.advance({ acknowledge: 0 });
    await broker.order({ units: '100', stopLossOnFill: { distance: '0.00100' } });
    const seen: unknown[] = [];
    for (let step = 0; step < 7; step += 1) {
      const announcement = await broker.advance({ acknowledge: tick });
      tick = announcement.tick;
      seen.push(`${second(announcement.time)} #${announcement.lastTransactionID}`);
    }
    expect(seen).toEqual([
      '2026-01-05T21:57:01 #6',
      '2026-01-05T21:58:00 #6',
      '2026-01-05T21:59:00 #6',
      '2026-01-05T22:00:00 #7',
      '2026-01-05T22:05:40 #8',
      '2026-01-05T22:06:00 #8',
      '2026-01-05T22:06:00 #8',
    ]);
    expect((await broker.account('GET', '/transactions/7')).body).toMatchObject({ transaction: { type: 'DAILY_FINANCING' } });
    expect((await broker.account('GET', '/transactions/8')).body).toMatchObject({ transaction: { reason: 'STOP_LOSS_ORDER', price: '1.09795' } });
  });

  test('comes when an order finds no price in time', async () => {
    const broker = await TestBroker.startForTest({ barsFiles: { EUR_USD: flatFile(['2026-01-05T12:00:00Z', '2026-01-05T12:01:00Z', '2026-01-05T12:30:00Z']) }, historyBars: 2 });
    const { tick } = await broker.advance({ acknowledge: 0 });
    await broker.order({ units: '100' });
    const cancelled = await broker.advance({ acknowledge: tick });
    expect(cancelled).toMatchObject({ time: '2026-01-05T12:04:00.000000000Z', lastTransactionID: '5' });
    expect((await broker.account('GET', '/transactions/5')).body).toMatchObject({ transaction: { type: 'ORDER_CANCEL', reason: 'MARKET_HALTED' } });
  });

  test('skips timers in a hole of more than ten minutes and keeps them in a shorter one', async () => {
    const broker = await TestBroker.startForTest({
      barsFiles: { EUR_USD: flatFile(['2026-01-05T12:00:00Z', '2026-01-05T12:01:00Z', '2026-01-05T12:12:00Z', '2026-01-05T12:24:00Z']) },
      historyBars: 1,
    });
    let announcement = await broker.advance({ acknowledge: 0 });
    const to = async (nextTimer: string): Promise<string> => {
      announcement = await broker.advance({ acknowledge: announcement.tick, nextTimer });
      return second(announcement.time);
    };
    expect(await to('2026-01-05T12:01:30Z')).toBe('2026-01-05T12:01:30');
    expect(await to('2026-01-05T12:03:00Z')).toBe('2026-01-05T12:02:00');
    expect(await to('2026-01-05T12:03:00Z')).toBe('2026-01-05T12:03:00');
    expect(await to('2026-01-05T12:30:00Z')).toBe('2026-01-05T12:13:00');
    expect(await to('2026-01-05T12:14:00Z')).toBe('2026-01-05T12:24:00');
    expect(announcement).toMatchObject({ barsDone: 2, done: false });
    expect(await to('2026-01-05T12:24:10Z')).toBe('2026-01-05T12:24:10');
  });

  test('is refused to a caller that is out of step, or whose timer is already due', async () => {
    const broker = await TestBroker.startForTest();
    const { tick } = await broker.advance({ acknowledge: 0 });
    await broker.advance({ acknowledge: tick });
    expect(await broker.send('POST', '/lockstep/advance', { acknowledge: tick, nextTimer: null })).toMatchObject({ status: 409, body: { errorMessage: 'acknowledge: tick 1 is not the last announced one, 2; begin again with 0' } });
    expect((await broker.send('POST', '/lockstep/advance', { acknowledge: 2, nextTimer: '2026-01-05T13:02:00Z' })).status).toBe(400);
    for (const body of [[], {}, { acknowledge: -1 }, { acknowledge: '1' }, { acknowledge: 2, nextTimer: 5 }, { acknowledge: 2, nextTimer: 'soon' }]) {
      expect((await broker.send('POST', '/lockstep/advance', body)).status).toBe(400);
    }
    expect((await broker.send('GET', '/lockstep')).body).toMatchObject({ tick: 2 });
  });
});

describe('until', () => {
  test('moves time over bars, fills and timers with nobody acknowledging, and announces at the end', async () => {
    const broker = await TestBroker.startForTest();
    await broker.order({ units: '100' });
    const announcement = await broker.advance({ acknowledge: 0, nextTimer: '2026-01-05T13:02:00Z', until: '2026-01-05T13:30:15Z' });
    expect(announcement).toMatchObject({ tick: 1, time: '2026-01-05T13:30:15.000000000Z', lastTransactionID: '5', barsDone: 29 });
    expect(await broker.advance({ acknowledge: 0, until: '2026-01-05T13:00:00Z' })).toMatchObject({ tick: 2, time: announcement.time });
    expect(await broker.advance({ acknowledge: 0, until: '2027-01-01T00:00:00Z' })).toMatchObject({ barsDone: 200, done: true });
  });
});

describe('a held clock', () => {
  test('answers nobody until it is started, and forgets a caller that hangs up', async () => {
    const broker = await TestBroker.startForTest({ hold: true });
    expect((await broker.send('GET', '/lockstep')).body).toMatchObject({ held: true, tick: 0 });
    const gone = new AbortController();
    const lost = broker.advance({ acknowledge: 0 }, gone.signal);
    const refused = expect(lost).rejects.toThrow();
    let answered = false;
    const waiting = broker.advance({ acknowledge: 0 }).then((announcement) => {
      answered = true;
      return announcement;
    });
    await sleep(50);
    gone.abort();
    await refused;
    await sleep(50);
    expect(answered).toBe(false);
    expect((await broker.send('POST', '/lockstep/start')).body).toMatchObject({ held: false });
    expect(await waiting).toMatchObject({ tick: 1, time: '2026-01-05T13:01:00.000000000Z' });
  });
});

describe('stream lines', () => {
  test('are counted on the present connection, snapshot and heartbeats included', async () => {
    const broker = await TestBroker.startForTest();
    const [pricing, transactions] = [await broker.stream(PRICING), await broker.stream(TRANSACTIONS)];
    expect([pricing.connection, transactions.connection]).toEqual([1, 1]);
    const first = await broker.advance({ acknowledge: 0 });
    expect(first.lines).toEqual({ pricing: { connection: 1, lines: 1 }, transactions: { connection: 1, lines: 1 } });
    await broker.order({ units: '100' });
    const filled = await broker.advance({ acknowledge: first.tick });
    expect(filled.lines).toEqual({ pricing: { connection: 1, lines: 2 }, transactions: { connection: 1, lines: 3 } });
    const bar = await broker.advance({ acknowledge: filled.tick });
    expect(bar.lines).toEqual({ pricing: { connection: 1, lines: 5 }, transactions: { connection: 1, lines: 4 } });
    await Promise.all([pricing.until(5), transactions.until(4)]);
    expect(pricing.lines.map((line) => String(dig(JSON.parse(line), 'time')).slice(11, 19))).toEqual(['13:00:59', '13:01:01', '13:01:20', '13:01:40', '13:01:59']);
    expect(types(transactions)).toEqual(['HEARTBEAT', 'MARKET_ORDER', 'ORDER_FILL', 'HEARTBEAT']);
    expect(JSON.parse(transactions.lines[3] ?? '')).toEqual({ type: 'HEARTBEAT', lastTransactionID: '5', time: '2026-01-05T13:02:00.000000000Z' });
    expect((await broker.account('GET', '/transactions/5')).text).toContain(transactions.lines[2]);
  });

  test('begin anew on a new connection, which replaces the old one', async () => {
    const broker = await TestBroker.startForTest();
    const old = await broker.stream(PRICING);
    const first = await broker.advance({ acknowledge: 0 });
    await broker.advance({ acknowledge: first.tick });
    const fresh = await broker.stream(PRICING);
    await old.ended;
    expect(fresh.connection).toBe(2);
    const next = await broker.advance({ acknowledge: 2 });
    expect(next.lines.pricing).toEqual({ connection: 2, lines: 5 });
    await fresh.until(5);
    fresh.close();
    await sleep(50);
    expect((await broker.advance({ acknowledge: next.tick })).lines.pricing).toEqual({ connection: 0, lines: 0 });
  });

  test('leave out the snapshot when asked to', async () => {
    const broker = await TestBroker.startForTest();
    const pricing = await broker.stream(`${PRICING}&snapshot=false`);
    expect((await broker.advance({ acknowledge: 0 })).lines.pricing.lines).toBe(1);
    await pricing.until(1);
    expect(types(pricing)).toEqual(['HEARTBEAT']);
  });

  test('end for a listener that leaves too much unread', async () => {
    const broker = await TestBroker.startForTest({ drawnBars: 20_000, unreadBytesMax: 100_000 });
    const { rest, stream, token, account } = broker.broker;
    expect(rest).not.toBe(stream);
    const { request } = await import('undici');
    const slow = await request(`${stream}/v3/accounts/${account}${PRICING}`, { headers: { authorization: `Bearer ${token}` } });
    // Nobody reads: the sockets' own buffers fill first, then the broker's.
    const announcement = await broker.advance({ acknowledge: 0, until: '2026-01-20T00:00:00Z' });
    expect(announcement.lines.pricing).toEqual({ connection: 0, lines: 0 });
    slow.body.on('error', () => {});
    slow.body.destroy();
  });
});

describe('two equal runs', () => {
  /** Plays a short day with orders, closes, rejects and a reconnect, and keeps every byte that comes back. */
  async function play(): Promise<string> {
    const broker = await TestBroker.startForTest({ drawnBars: 60, seed: 42 });
    const kept: string[] = [];
    const keep = (answer: { readonly text: string; readonly status: number; readonly headers: { readonly [name: string]: unknown } }): void => {
      kept.push(JSON.stringify([answer.status, answer.headers, answer.text]));
    };
    let pricing = await broker.stream(PRICING);
    const transactions = await broker.stream(TRANSACTIONS);
    let announcement = await broker.advance({ acknowledge: 0 });
    const streams: OpenStream[] = [pricing, transactions];
    for (let step = 0; !announcement.done; step += 1) {
      // Reads that race must not change what any of them answers.
      for (const answer of await Promise.all([broker.account('GET', '/summary'), broker.account('GET', '/instruments/EUR_USD/candles?granularity=M1&price=BA&count=3'), broker.account('GET', '/openTrades')])) keep(answer);
      if (step % 7 === 1) keep(await broker.order({ units: step % 2 === 0 ? '100' : '-100', stopLossOnFill: { distance: '0.00030' }, clientExtensions: { id: `order-${step}` } }));
      if (step % 11 === 5) keep(await broker.account('PUT', '/positions/EUR_USD/close', { longUnits: 'ALL' }));
      if (step === 20) {
        pricing = await broker.stream(PRICING);
        streams.push(pricing);
      }
      announcement = await broker.advance({ acknowledge: announcement.tick });
      kept.push(JSON.stringify(announcement));
      await Promise.all([pricing.until(announcement.lines.pricing.lines), transactions.until(announcement.lines.transactions.lines)]);
    }
    keep(await broker.account('GET', '/transactions/sinceid?id=0'));
    return [...kept, ...streams.flatMap((stream) => stream.lines)].join('\n');
  }

  test('give equal bytes: bodies, headers, ids and stream lines', async () => {
    const [left, right] = [await play(), await play()];
    expect(left).toContain('STOP_LOSS_ORDER');
    expect(left.length).toBeGreaterThan(50_000);
    expect(right === left).toBe(true);
  });
});
