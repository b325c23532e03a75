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

/** Mid prices with a weekend in the middle: `time,open,high,low,close`. */
export function weekendFile(place: Workplace, fridayBars = FRIDAY_BARS, sundayBars = SUNDAY_BARS): string {
  const random = xoroshiro128plus(2_026);
  const lines = ['time,open,high,low,close'];
  let points = 117_000;
  const bars = (from: number, count: number): void => {
    for (let index = 0; index < count; index += 1) {
      const [open, close] = [points, points + uniformInt(random, -6, 6)];
      const [high, low] = [Math.max(open, close) + uniformInt(random, 0, 4), Math.min(open, close) - uniformInt(random, 0, 4)];
      points = close;
      lines.push([new Date(from + index * MINUTE_MS).toISOString(), ...[open, high, low, close].map((price) => (price / 1e5).toFixed(5))].join(','));
    }
  };
  bars(FRIDAY_CLOSE - fridayBars * MINUTE_MS, fridayBars);
  bars(SUNDAY_OPEN, sundayBars);
  const file = join(place.directory, 'weekend.csv');
  writeFileSync(file, `${lines.join('\n')}\n`);
  return file;
}
