/** Feature rows as CSV: `bar_start` as an RFC 3339 time, then the set's columns. */
import type { FeatureSet } from '../../models/features/feature-set.ts';
import type { CloseSeries, FeatureRows } from '../../models/features/rows.ts';

export const TIME_COLUMN = 'bar_start';
/** Every float32 reads back from so many digits. */
const FLOAT32_DIGITS = 9;

export const csvHeader = ({ columns }: FeatureSet): string => `${[TIME_COLUMN, ...columns].join(',')}\n`;

/** One line a row, each ended. */
export function csvLines({ bars, values }: FeatureRows, { barStarts }: CloseSeries, { length }: FeatureSet): string {
  let lines = '';
  for (let row = 0; row < bars.length; row += 1) {
    lines += new Date(barStarts[bars[row]!]!).toISOString().replace('.000Z', 'Z');
    for (let place = row * length; place < (row + 1) * length; place += 1) lines += `,${Number(values[place]!.toPrecision(FLOAT32_DIGITS))}`;
    lines += '\n';
  }
  return lines;
}
