/** Two real pairs of the same days, played together. The files stay where they are; what a test needs of them goes into a folder of its own. */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import { TestBroker } from './server.ts';

const DATA = join(import.meta.dirname, '../../../../shared/data');
const EUR_USD = join(DATA, 'mt4_EURUSD_M1_2020-08_10.csv.gz');
/** Closes alone, on a clock that was four hours behind UTC in the European summer. */
const AUD_JPY = join(DATA, 'oanda_AUDJPY_M1_bidclose_2020_NYtime.csv.gz');
const present = existsSync(EUR_USD) && existsSync(AUD_JPY);

const FROM = '2020-09-01T00:00';
const TO = '2020-09-03T00:00';
const HISTORY_BARS = 300;

const linesOf = (path: string): string[] => gunzipSync(readFileSync(path)).toString('utf8').split('\n');
const within = (time: string): boolean => time >= FROM && time < TO;

/** Rows of `time,open,high,low,close` within the two days. */
function rows(): { readonly eurUsd: string[]; readonly audJpy: string[] } {
  const eurUsd = linesOf(EUR_USD).map((line) => line.trim().split(',')).map(([time = '', ...prices]) => [time.replace(' ', 'T'), ...prices.slice(0, 4)]).filter(([time = '']) => within(time));
  const audJpy = linesOf(AUD_JPY).slice(1).filter((line) => line >= '2020-08-31' && line < '2020-09-03').map((line) => {
    const [time = '', close = ''] = line.trim().split(',');
    return [new Date(Date.parse(`${time.replace(' ', 'T')}:00Z`) + 4 * 3_600_000).toISOString().slice(0, 16), close, close, close, close];
  }).filter(([time = '']) => within(time));
  const text = (cells: readonly (readonly string[])[]): string[] => cells.map(([time, ...prices]) => [`${String(time)}:00Z`, ...prices].join(','));
  return { eurUsd: text(eurUsd), audJpy: text(audJpy) };
}

describe.skipIf(!present)('two real pairs (skipped where ../shared/data is absent)', () => {
  let folder = '';
  let files: { readonly [instrument: string]: string } = {};
  let real: ReturnType<typeof rows> = { eurUsd: [], audJpy: [] };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'pairs-'));
    real = rows();
    files = { EUR_USD: join(folder, 'eurusd.csv'), AUD_JPY: join(folder, 'audjpy.csv') };
    for (const [name, lines] of [['EUR_USD', real.eurUsd], ['AUD_JPY', real.audJpy]] as const) writeFileSync(files[name] ?? '', ['time,open,high,low,close', ...lines].join('\n'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Plays both days, trading the one pair and the other, and sums up everything that was heard. */
  async function play(): Promise<{ readonly digest: string; readonly bars: number; readonly times: readonly string[]; readonly fills: number }> {
    const broker = await TestBroker.start({ barsFiles: files, historyBars: HISTORY_BARS, spreadPips: 1 });
    try {
      const pricing = await broker.stream('/pricing/stream?instruments=EUR_USD,AUD_JPY');
      let announcement = await broker.advance({ acknowledge: 0 });
      for (let hour = 0; !announcement.done; hour += 1) {
        await broker.order({ instrument: hour % 2 === 0 ? 'EUR_USD' : 'AUD_JPY', units: hour % 3 === 0 ? '100' : '-100' });
        const until = new Date(Date.parse(announcement.time) + 3_600_000).toISOString();
        announcement = await broker.advance({ acknowledge: announcement.tick, until });
        // The listener keeps up: what it leaves unread is bounded.
        await pricing.until(announcement.lines.pricing.lines);
      }
      const ledger = await broker.account('GET', '/transactions/sinceid?id=0');
      const prices = pricing.lines.map((line): unknown => JSON.parse(line)).filter((line) => dig(line, 'type') === 'PRICE');
      return {
        digest: createHash('sha256').update(pricing.lines.join('\n')).update(ledger.text).digest('hex'),
        bars: announcement.barsDone,
        times: prices.map((price) => String(dig(price, 'time'))),
        fills: ledger.text.split('"type":"ORDER_FILL"').length - 1,
      };
    } finally {
      await broker.close();
    }
  }

  test('come in one order of time, every bar of both, and twice the same', async () => {
    const [first, second] = [await play(), await play()];
    expect(real.eurUsd.length).toBeGreaterThan(2_000);
    expect(real.audJpy.length).toBeGreaterThan(2_000);
    // One pair's history may be complete a few minutes before the other's: those bars are behind the clock too.
    const ahead = real.eurUsd.length + real.audJpy.length - 2 * HISTORY_BARS;
    expect(first.bars).toBeLessThanOrEqual(ahead);
    expect(first.bars).toBeGreaterThan(ahead - 60);
    expect([...first.times].sort()).toEqual(first.times);
    // Four points a bar, after a snapshot of each.
    expect(first.times).toHaveLength(4 * first.bars + 2);
    expect(first.fills).toBeGreaterThan(20);
    expect(second).toEqual(first);
  });

  test('make the hours that their minutes hold', async () => {
    const broker = await TestBroker.start({ barsFiles: files, historyBars: HISTORY_BARS, spreadPips: 0 });
    try {
      await broker.advance({ acknowledge: 0, until: '2020-09-03T00:00:00Z' });
      for (const [instrument, lines, decimals] of [['EUR_USD', real.eurUsd, 5], ['AUD_JPY', real.audJpy, 3]] as const) {
        const hours = new Map<string, number[][]>();
        for (const line of lines) {
          const [time = '', ...prices] = line.split(',');
          const key = `${time.slice(0, 13)}:00:00.000000000Z`;
          hours.set(key, [...(hours.get(key) ?? []), prices.map(Number)]);
        }
        const { candles } = (await broker.account('GET', `/instruments/${instrument}/candles?granularity=H1&price=B&count=100`)).body;
        const found = Array.isArray(candles) ? candles.map((candle) => [dig(candle, 'time'), ...['o', 'h', 'l', 'c'].map((key) => dig(candle, 'bid', key))]) : [];
        const expected = [...hours].map(([time, minutes]) => [time, ...[minutes[0]![0]!, Math.max(...minutes.map((minute) => minute[1]!)), Math.min(...minutes.map((minute) => minute[2]!)), minutes.at(-1)![3]!].map((price) => price.toFixed(decimals))]);
        expect(found).toEqual(expected);
      }
    } finally {
      await broker.close();
    }
  });
});
