/** What a price stream leaves out, and when it speaks: under a clock that the test moves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import type { HandDriven } from './hand-driven.ts';
import { handDriven } from './hand-driven.ts';
import type { OpenStream } from './server.ts';
import { createMarketDrawers } from '../../../adapters/broker/bars/offer.ts';
import { ANCHOR_PATH, SECOND_PATH } from '../../../adapters/broker/bars/path.ts';
import { BarSeries } from '../../../adapters/broker/bars/series.ts';
import { RealtimeClock, nextMarketTime } from '../../../adapters/broker/clock/realtime.ts';
import { OANDA_CALENDAR } from '../../../domain/calendar.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS, instantOf, parseInstant, plusMs } from '../../../domain/time.ts';

const START = parseInstant('2026-01-06T12:00:00Z');

const opened: HandDriven[] = [];
afterEach(async () => {
  for (const { client } of opened.splice(0)) await client.close();
});

/** Ten points a second, at 30, 130, 230 … milliseconds. */
const TENTHS = Array.from({ length: 300 }, (_, index) => ({ offsetMs: 30 + 100 * index, anchor: 0, share: index / 300 }));

function rising(instrument: string, from = START): BarSeries {
  const series = new BarSeries(instrument);
  const side = (offset: number): { open: number; high: number; low: number; close: number } => ({ open: 110_000 + offset, high: 111_000 + offset, low: 110_000 + offset, close: 111_000 + offset });
  series.push({ start: from, bid: side(0), ask: side(10), volume: 0 });
  return series;
}

async function open(series: readonly BarSeries[], path: typeof ANCHOR_PATH = TENTHS): Promise<HandDriven> {
  const driven = await handDriven(series, START, path);
  opened.push(driven);
  return driven;
}

/** Lines of a kind, as milliseconds of market time after the start; all lines are waited for by a closing count. */
const heard = (stream: OpenStream, type: string, instrument?: string): number[] =>
  stream.lines.map((line): unknown => JSON.parse(line)).filter((line) => dig(line, 'type') === type && (instrument === undefined || dig(line, 'instrument') === instrument)).map((line) => Date.parse(String(dig(line, 'time'))) - START);

const PRICING = '/pricing/stream?instruments=EUR_USD&snapshot=false';

describe('a price stream', () => {
  test('sends the last price of each 250 ms, in windows of each listener’s own', async () => {
    const driven = await open([rising('EUR_USD')]);
    const first = await driven.client.stream(PRICING);
    driven.pass(100, 10);
    const second = await driven.client.stream(PRICING);
    driven.pass(1_900, 10);
    await Promise.all([first.until(9), second.until(8)]);
    // A new listener hears a heartbeat first; from 0 on the windows are [0, 250), [250, 500) and so on.
    expect(heard(first, 'PRICE')).toEqual([230, 430, 730, 930, 1_230, 1_430, 1_730, 1_930]);
    // From 100 on they are [100, 350), [350, 600) and so on.
    expect(heard(second, 'PRICE')).toEqual([330, 530, 830, 1_030, 1_330, 1_530, 1_830]);
  });

  test('counts each instrument by itself, and sends none that was not asked for', async () => {
    const driven = await open([rising('EUR_USD'), rising('USD_JPY'), rising('GBP_USD')]);
    const stream = await driven.client.stream('/pricing/stream?instruments=USD_JPY,EUR_USD&snapshot=false');
    driven.pass(1_000, 10);
    await stream.until(9);
    expect(heard(stream, 'PRICE', 'EUR_USD')).toEqual([230, 430, 730, 930]);
    expect(heard(stream, 'PRICE', 'USD_JPY')).toEqual([230, 430, 730, 930]);
    expect(stream.lines).toHaveLength(9);
  });

  test('begins with one price of each instrument unless told not to, and both streams beat every five seconds of silence', async () => {
    const driven = await open([rising('EUR_USD'), rising('GBP_USD', plusMs(START, MINUTE_MS))]);
    driven.pass(30_000, 1_000);
    const [pricing, transactions] = [await driven.client.stream('/pricing/stream?instruments=EUR_USD,GBP_USD'), await driven.client.stream('/transactions/stream')];
    driven.pass(16_000, 100);
    await Promise.all([pricing.until(4), transactions.until(4)]);
    // GBP_USD has no price before its first bar, and no more points come after 29.93 s.
    expect(heard(pricing, 'PRICE')).toEqual([29_930]);
    expect(heard(pricing, 'HEARTBEAT')).toEqual([35_000, 40_000, 45_000]);
    expect(heard(transactions, 'HEARTBEAT')).toEqual([30_100, 35_100, 40_100, 45_100]);
    expect(dig(JSON.parse(transactions.lines[0] ?? ''), 'lastTransactionID')).toBe('3');
  });

  test('refuses a missing or unknown instrument and a flag that is none', async () => {
    const driven = await open([rising('EUR_USD')]);
    for (const path of ['/pricing/stream', '/pricing/stream?instruments=', '/pricing/stream?instruments=EUR_USD,XXX_YYY', `${PRICING}&snapshot=no`]) await expect(driven.client.stream(path)).rejects.toThrow('400');
  });
});

describe('the clock of real time', () => {
  test('follows the system’s clock, catches up with one that jumped ahead hour by hour, and goes on slowly under one that was set back', () => {
    const at = (ms: number): typeof START => instantOf(ms);
    expect(nextMarketTime(at(1_000), at(1_050), 50)).toBe(1_050);
    expect(nextMarketTime(at(0), at(10 * HOUR_MS), 50)).toBe(HOUR_MS);
    expect(nextMarketTime(at(10 * HOUR_MS), at(9 * HOUR_MS), 1_000)).toBe(10 * HOUR_MS + 750);
    expect(nextMarketTime(at(1_000), at(1_000), 0)).toBe(1_000);
  });

  async function realtime(path: typeof ANCHOR_PATH = SECOND_PATH): Promise<{ readonly driven: HandDriven; readonly clock: RealtimeClock }> {
    const instruments = ['EUR_USD', 'USD_JPY'].map(usualInstrument);
    const drawers = createMarketDrawers({ seed: 3, instruments, calendar: { ...OANDA_CALENDAR, alwaysOpen: true }, from: START, silentMinutes: false });
    const series = drawers.map((drawer, index) => {
      const each = new BarSeries(instruments[index]!.name);
      each.push(drawer.next());
      return each;
    });
    const driven = await open(series, path);
    return { driven, clock: new RealtimeClock(driven.venue, driven.hub, drawers) };
  }

  test('plays every point of a jump, so that a stop triggers where the price passed it, and streams hear only where it ended', async () => {
    const { driven, clock } = await realtime();
    clock.pump(plusMs(START, SECOND_MS), SECOND_MS);
    const pricing = await driven.client.stream('/pricing/stream?instruments=EUR_USD,USD_JPY&snapshot=false');
    const pending = driven.client.order({ units: '100', stopLossOnFill: { distance: '0.00030' } });
    // The route waits for the fill, which comes with the next point.
    while (driven.venue.engine.lastTransactionId < 4) await sleep(5);
    clock.pump(plusMs(driven.venue.now, SECOND_MS), SECOND_MS);
    expect((await pending).body).toMatchObject({ orderFillTransaction: { type: 'ORDER_FILL' } });
    const jumped = plusMs(START, 6 * HOUR_MS);
    let pumps = 0;
    for (; driven.venue.now < jumped; pumps += 1) clock.pump(jumped, 50);
    expect(pumps).toBe(6);
    await pricing.until(2 * (pumps + 1));
    expect(heard(pricing, 'PRICE')).toHaveLength(2 * (pumps + 1));
    const { engine } = driven.venue;
    const stop = engine.transactions(5, engine.lastTransactionId).find((each) => each.body['reason'] === 'STOP_LOSS_ORDER' && each.type === 'ORDER_FILL');
    const { time, price } = stop?.body as { readonly time: string; readonly price: string };
    expect(Date.parse(time)).toBeLessThan(plusMs(START, 2 * HOUR_MS));
    const minute = (await driven.client.account('GET', `/instruments/EUR_USD/candles?from=${time}&count=1&granularity=M1&price=B`)).body;
    const { l, h } = dig(minute, 'candles', 0, 'bid') as { readonly l: string; readonly h: string };
    expect([l <= price, price <= h]).toEqual([true, true]);
    const candles = (await driven.client.account('GET', '/instruments/EUR_USD/candles?granularity=M1&count=400')).body['candles'];
    expect(candles).toHaveLength(360);
  });

  test('never goes back and keeps beating when the system’s clock is set back', async () => {
    const { driven, clock } = await realtime();
    clock.pump(plusMs(START, 10 * SECOND_MS), 10 * SECOND_MS);
    const transactions = await driven.client.stream('/transactions/stream');
    const before = driven.venue.now;
    for (let second = 0; second < 20; second += 1) clock.pump(plusMs(START, -HOUR_MS), SECOND_MS);
    expect(driven.venue.now - before).toBe(15 * SECOND_MS);
    await transactions.until(3);
    expect(heard(transactions, 'HEARTBEAT').length).toBeGreaterThanOrEqual(3);
  });

  test('keeps two weeks of history and no more', async () => {
    const { driven, clock } = await realtime(ANCHOR_PATH);
    const { series } = driven.venue.tracks.get('USD_JPY')!;
    for (let day = 1; day <= 16; day += 1) {
      const until = plusMs(START, day * 24 * HOUR_MS);
      while (driven.venue.now < until) clock.pump(until, 50);
    }
    expect(series.count).toBeLessThanOrEqual(20_161);
    expect(series.count).toBeGreaterThan(15_000);
    expect((await driven.client.account('GET', '/instruments/USD_JPY/candles?granularity=H1&count=5000')).body['candles']).not.toHaveLength(0);
  }, 30_000);
});
