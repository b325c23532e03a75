/** A small market for end-to-end tests: mid prices over a weekend. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { MINUTE_MS } from '../../domain/time.ts';
import type { Workplace } from './processes.ts';

/** Of these the broker keeps the first 300 as history. */
export const HISTORY_BARS = 300;
/** OANDA closes at 16:59 in New York, in winter 21:59 UTC, and opens on Sunday at 17:05. */
export const FRIDAY_CLOSE = Date.UTC(2026, 0, 9, 21, 59);
const SUNDAY_OPEN = Date.UTC(2026, 0, 11, 22, 5);
export const FRIDAY_BARS = HISTORY_BARS + 120;
export const SUNDAY_BARS = 330;

interface Pair {
  readonly name: string;
  /** First price, in points of the last decimal. */
  readonly points: number;
  readonly decimals: number;
  readonly seed: number;
}

const EUR_USD: Pair = { name: 'EUR_USD', points: 117_000, decimals: 5, seed: 2_026 };
export const THREE: readonly Pair[] = [EUR_USD, { name: 'GBP_USD', points: 135_000, decimals: 5, seed: 2_027 }, { name: 'USD_JPY', points: 150_000, decimals: 3, seed: 2_028 }];

/** Mid prices with a weekend in the middle: `time,open,high,low,close`. */
export function weekendFile(place: Workplace, fridayBars = FRIDAY_BARS, sundayBars = SUNDAY_BARS, pair = EUR_USD): string {
  const random = xoroshiro128plus(pair.seed);
  const lines = ['time,open,high,low,close'];
  let { points } = pair;
  const bars = (from: number, count: number): void => {
    for (let index = 0; index < count; index += 1) {
      const [open, close] = [points, points + uniformInt(random, -6, 6)];
      const [high, low] = [Math.max(open, close) + uniformInt(random, 0, 4), Math.min(open, close) - uniformInt(random, 0, 4)];
      points = close;
      lines.push([new Date(from + index * MINUTE_MS).toISOString(), ...[open, high, low, close].map((price) => (price / 10 ** pair.decimals).toFixed(pair.decimals))].join(','));
    }
  };
  bars(FRIDAY_CLOSE - fridayBars * MINUTE_MS, fridayBars);
  bars(SUNDAY_OPEN, sundayBars);
  const file = join(place.directory, `weekend-${pair.name}.csv`);
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
