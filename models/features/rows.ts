/** A feature set over a long series of bars: which bars end a whole window, and a row for each of them. */
import { openMinutesBetween, spansWeekend } from '../../domain/calendar.ts';
import { FLAT_VIEW } from '../../domain/excursion.ts';
import { barEnd, breaksWindow } from '../../domain/market.ts';
import type { MarketRules } from '../../domain/market.ts';
import type { RefusalCode } from '../../domain/policy.ts';
import { instantOf } from '../../domain/time.ts';
import type { FeatureSet } from './feature-set.ts';

/** Bars as a window sees them, oldest first; both columns have one entry a bar. */
export interface CloseSeries {
  /** Milliseconds since 1970 UTC. */
  readonly barStarts: Float64Array;
  readonly midCloses: Float64Array;
}

/** Indices of the bars that end a whole window, by the rule that the desk's own window follows. */
export function windowEnds({ barStarts }: CloseSeries, rules: MarketRules): Int32Array {
  const ends = new Int32Array(barStarts.length);
  let count = 0;
  let closes = 0;
  for (let bar = 0; bar < barStarts.length; bar += 1) {
    if (bar > 0 && isBroken(barStarts[bar - 1]!, barStarts[bar]!, rules)) closes = 0;
    closes += 1;
    if (closes < rules.windowBars) continue;
    ends[count] = bar;
    count += 1;
  }
  return ends.slice(0, count);
}

function isBroken(startBefore: number, start: number, rules: MarketRules): boolean {
  const [from, until] = [barEnd(instantOf(startBefore)), instantOf(start)];
  if (from === until) return false;
  return breaksWindow(spansWeekend(rules.calendar, from, until), openMinutesBetween(rules.calendar, from, until), rules);
}

export interface FeatureRows {
  /** Bars whose window gave a vector, ascending. */
  readonly bars: Int32Array;
  /** Their vectors, row after row. */
  readonly values: Float32Array;
  /** How many of the other bars were refused, by code. */
  readonly refused: { readonly [Code in RefusalCode]?: number };
}

/** Computes a row for each of `ends`, of a flat account. Nothing but its own window goes into a row. */
export function featureRows(features: FeatureSet, { barStarts, midCloses }: CloseSeries, ends: Int32Array): FeatureRows {
  const bars = new Int32Array(ends.length);
  const values = new Float32Array(ends.length * features.length);
  const refused: { [Code in RefusalCode]?: number } = {};
  let count = 0;
  for (const end of ends) {
    const from = end + 1 - features.windowBars;
    const row = features.compute({
      at: barEnd(instantOf(barStarts[end]!)), midCloses: midCloses.subarray(from, end + 1), barStarts: barStarts.subarray(from, end + 1),
      position: FLAT_VIEW, mask: [true, true, true, false], decisionIndex: 0,
    });
    if (row instanceof Float32Array) {
      bars[count] = end;
      values.set(row, count * features.length);
      count += 1;
    } else refused[row.code] = (refused[row.code] ?? 0) + 1;
  }
  return { bars: bars.slice(0, count), values: values.subarray(0, count * features.length), refused };
}
