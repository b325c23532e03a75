import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import type { OpenStream } from './server.ts';
import { TestBroker } from './server.ts';
import { drawMarkets } from '../../../adapters/broker/bars/offer.ts';
import { OANDA_CALENDAR } from '../../../domain/calendar.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { parseInstant } from '../../../domain/time.ts';
import { folderForTest } from '../../folders.ts';

const THREE = ['EUR_USD', 'USD_JPY', 'EUR_JPY'];
const PRICING = `/pricing/stream?instruments=${THREE.join(',')}`;

/** A file of flat mid bars at these minutes of 2026-01-05. */
function flatFile(minutes: readonly string[], price: string): string {
  const path = join(folderForTest(), 'bars.csv');
  writeFileSync(path, ['time,open,high,low,close', ...minutes.map((minute) => `2026-01-05T${minute}:00Z,${price},${price},${price},${price}`)].join('\n'));
  return path;
}

const clockOf = (time: unknown): string => String(time).slice(11, 19);

describe('several files played together', () => {
  /** EUR_USD begins first and pauses at 12:03; USD_JPY begins later, is silent at 12:04 and ends last. */
  const files = (): { [instrument: string]: string } => ({
    EUR_USD: flatFile(['11:58', '11:59', '12:00', '12:01', '12:02', '12:04'], '1.10000'),
    USD_JPY: flatFile(['12:00', '12:01', '12:02', '12:03', '12:30'], '150.000'),
  });

  test('begin when all have their history, and announce each bar’s end, whosever it is', async () => {
    const broker = await TestBroker.startForTest({ barsFiles: files(), historyBars: 1 });
    expect(broker.broker.instruments).toEqual(['EUR_USD', 'USD_JPY']);
    let announcement = await broker.advance({ acknowledge: 0 });
    expect(announcement).toMatchObject({ time: '2026-01-05T12:01:00.000000000Z', barsDone: 0, barsTotal: 7 });
    const seen: string[] = [];
    while (!announcement.done) {
      const timer = '2026-01-05T12:10:00Z';
      announcement = await broker.advance({ acknowledge: announcement.tick, nextTimer: announcement.time < timer ? timer : null });
      seen.push(`${clockOf(announcement.time)} ${announcement.barsDone}`);
    }
    // From 12:05 on nobody has a bar for 25 minutes: the timer inside that hole is skipped.
    expect(seen).toEqual(['12:02:00 2', '12:03:00 4', '12:04:00 5', '12:05:00 6', '12:30:00 6', '12:31:00 7']);
  });

  test('show each instrument’s own candles, those before the start included', async () => {
    const broker = await TestBroker.startForTest({ barsFiles: files(), historyBars: 1 });
    const starts = async (instrument: string): Promise<string[]> => {
      const { candles } = (await broker.account('GET', `/instruments/${instrument}/candles?granularity=M1&count=10`)).body;
      return Array.isArray(candles) ? candles.map((candle) => clockOf(dig(candle, 'time'))) : [];
    };
    expect(await starts('EUR_USD')).toEqual(['11:58:00', '11:59:00', '12:00:00']);
    expect(await starts('USD_JPY')).toEqual(['12:00:00']);
    expect((await broker.account('GET', '/instruments/GBP_USD/candles?granularity=M1')).status).toBe(400);
  });

  test('send their prices in the order of time, and of the instruments within an instant', async () => {
    const broker = await TestBroker.startForTest({ barsFiles: files(), historyBars: 1 });
    const pricing = await broker.stream('/pricing/stream?instruments=USD_JPY,EUR_USD&snapshot=false');
    const announcement = await broker.advance({ acknowledge: 0, until: '2026-01-05T12:05:00Z' });
    await pricing.until(announcement.lines.pricing.lines);
    const prices = pricing.lines.map((line): unknown => JSON.parse(line)).filter((line) => dig(line, 'type') === 'PRICE').map((line) => `${clockOf(dig(line, 'time'))} ${String(dig(line, 'instrument'))}`);
    expect(prices.slice(0, 4)).toEqual(['12:01:01 EUR_USD', '12:01:01 USD_JPY', '12:01:20 EUR_USD', '12:01:20 USD_JPY']);
    expect(prices.slice(-8)).toEqual(['12:03:01', '12:03:20', '12:03:40', '12:03:59'].map((at) => `${at} USD_JPY`).concat(['12:04:01', '12:04:20', '12:04:40', '12:04:59'].map((at) => `${at} EUR_USD`)));
  });

  test('need a common time, a file for each instrument, and no file for another', async () => {
    const apart = { EUR_USD: flatFile(['12:00', '12:01'], '1.1'), USD_JPY: flatFile(['13:00', '13:01'], '150') };
    await expect(TestBroker.startForTest({ barsFiles: apart, historyBars: 1 })).rejects.toThrow('EUR_USD: its bars end at 2026-01-05T12:02:00.000000000Z, before all instruments have 1 bars of history');
    await expect(TestBroker.startForTest({ barsFiles: files(), instruments: ['EUR_USD'] })).rejects.toThrow('USD_JPY is none of the instruments');
    await expect(TestBroker.startForTest({ barsFiles: files(), instruments: [...THREE] })).rejects.toThrow('EUR_JPY has no file');
  });
});

describe('several drawn instruments', () => {
  const options = { seed: 11, calendar: OANDA_CALENDAR, from: parseInstant('2026-01-05T00:00:00Z'), silentMinutes: true, bars: 5_000 };
  const draw = (names: readonly string[]): ReturnType<typeof drawMarkets> => drawMarkets({ ...options, instruments: names.map(usualInstrument) });

  test('leave the first as it is alone, reach equally far, and do not move as one', () => {
    const [alone] = draw(['EUR_USD']);
    const [first, second] = draw(['EUR_USD', 'GBP_USD']);
    const closes = (series: typeof first): number[] => Array.from({ length: series!.count }, (_, index) => series!.bid(index).close);
    const [firstCloses, secondCloses] = [closes(first), closes(second)];
    expect(firstCloses).toEqual(closes(alone));
    const [firstEnd, secondEnd] = [first!.end(first!.count - 1), second!.end(second!.count - 1)];
    expect(secondEnd - firstEnd).toBeLessThanOrEqual(10 * 60_000);
    expect(secondEnd).toBeGreaterThanOrEqual(firstEnd);
    const moves = (values: readonly number[]): number[] => values.slice(1, 4_000).map((close, index) => close - values[index]!);
    const dot = (left: readonly number[], right: readonly number[]): number => left.reduce((sum, each, index) => sum + each * right[index]!, 0);
    const [left, right] = [moves(firstCloses), moves(secondCloses)];
    expect(Math.abs(dot(left, right)) / Math.sqrt(dot(left, left) * dot(right, right))).toBeLessThan(0.1);
  });

  test.each([
    [['EUR_USD', 'USD_JPY', 'EUR_JPY'], (eurUsd: number, usdJpy: number) => eurUsd * usdJpy],
    [['EUR_USD', 'GBP_USD', 'EUR_GBP'], (eurUsd: number, gbpUsd: number) => eurUsd / gbpUsd],
  ])('close the triangle of %j at every minute’s end, to within rounding', (names, quotient) => {
    const [base, quote, cross] = draw(names);
    let compared = 0;
    for (let index = 0; index < cross!.count; index += 1) {
      const start = cross!.start(index);
      const [baseIndex, quoteIndex] = [base!.firstFrom(start), quote!.firstFrom(start)];
      if (base!.count <= baseIndex || quote!.count <= quoteIndex || base!.start(baseIndex) !== start || quote!.start(quoteIndex) !== start) continue;
      const mid = (series: typeof cross, at: number): number => (series!.bid(at).close + series!.ask(at).close) / 2 / 10 ** usualInstrument(series!.instrument).displayPrecision;
      const expected = quotient(mid(base, baseIndex), mid(quote, quoteIndex));
      expect(Math.abs(mid(cross, index) - expected) * 10 ** usualInstrument(cross!.instrument).displayPrecision).toBeLessThanOrEqual(1);
      compared += 1;
    }
    expect(compared).toBeGreaterThan(4_500);
  });
});

describe('two equal runs over three instruments', () => {
  async function play(): Promise<string> {
    const broker = await TestBroker.startForTest({ instruments: THREE, drawnBars: 60, seed: 42 });
    const kept: string[] = [];
    const pricing: OpenStream = await broker.stream(PRICING);
    const transactions = await broker.stream('/transactions/stream');
    let announcement = await broker.advance({ acknowledge: 0 });
    for (let step = 0; !announcement.done; step += 1) {
      const answers = await Promise.all(THREE.map((instrument) => broker.account('GET', `/instruments/${instrument}/candles?granularity=M1&price=MBA&count=3`)));
      if (step % 5 === 1) answers.push(await broker.order({ instrument: THREE[step % 3], units: step % 2 === 0 ? '100' : '-100', stopLossOnFill: { distance: step % 3 === 0 ? '0.00500' : '0.500' } }));
      for (const answer of answers) kept.push(JSON.stringify([answer.status, answer.headers, answer.text]));
      announcement = await broker.advance({ acknowledge: announcement.tick });
      kept.push(JSON.stringify(announcement));
      await Promise.all([pricing.until(announcement.lines.pricing.lines), transactions.until(announcement.lines.transactions.lines)]);
    }
    kept.push((await broker.account('GET', '/transactions/sinceid?id=0')).text, (await broker.account('GET', '/positions')).text);
    return [...kept, ...pricing.lines, ...transactions.lines].join('\n');
  }

  test('give equal bytes, and fills in all three', async () => {
    const [left, right] = [await play(), await play()];
    for (const instrument of THREE) expect(left).toMatch(new RegExp(`"type":"ORDER_FILL"[^\\n]*"instrument":"${instrument}"`));
    expect(right === left).toBe(true);
  });
});
