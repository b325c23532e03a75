/** Observations made from closes alone: a bar a minute, a flat account, everything allowed. */
import type { Observation, PositionView } from '../../domain/policy.ts';
import { instantOf, MINUTE_MS, parseInstant } from '../../domain/time.ts';

/** Monday, 13:00 in New York. */
export const MONDAY = parseInstant('2026-01-05T18:00:00Z');
export const FLAT: PositionView = { side: 0, netPips: 0, barsSinceEntry: 0, peakPips: 0, drawdownPipsMax: 0 };

export function observe(midCloses: Float64Array, changed: Partial<Observation> = {}): Observation {
  return {
    at: instantOf(MONDAY + midCloses.length * MINUTE_MS), midCloses, barStarts: Float64Array.from(midCloses, (_, i) => MONDAY + i * MINUTE_MS),
    position: FLAT, mask: [true, true, true, true], decisionIndex: 0, ...changed,
  };
}

/** A repeatable walk around 1.1 in steps of up to a pip. */
export function walk(seed: number, length: number): Float64Array {
  let price = 1.1;
  return Float64Array.from({ length }, (_, i) => (price += 1e-4 * Math.sin(seed + i * i * 0.37)));
}
