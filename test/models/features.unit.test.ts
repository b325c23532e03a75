import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Observation, PositionView } from '../../domain/policy.ts';
import { instantOf } from '../../domain/time.ts';
import { amddp1Pips, arctangentScale, writePositionFeatures } from '../../models/features/position.ts';
import { createSwt137 } from '../../models/features/swt-137.ts';
import { planScattering } from '../../models/scattering/plan.ts';
import { readFixture } from './golden.ts';

const FLAT: PositionView = { side: 0, netPips: 0, barsSinceEntry: 0, peakPips: 0, drawdownPipsMax: 0 };
const LONG: PositionView = { side: 1, netPips: 3, barsSinceEntry: 12, peakPips: 8, drawdownPipsMax: 5 };

const observe = (midCloses: Float64Array, position: PositionView = FLAT): Observation =>
  ({ at: instantOf(0), midCloses, position, mask: [true, true, true, true], decisionIndex: 0 });
const walk = (seed: number, length = 256): Float64Array => {
  let price = 1.1;
  return Float64Array.from({ length }, (_, i) => (price += 1e-4 * Math.sin(seed + i * i * 0.37)));
};

const features = createSwt137();
function computed(observation: Observation): Float32Array {
  const vector = features.compute(observation);
  if (!(vector instanceof Float32Array)) throw new Error(`refused: ${vector.detail}`);
  return vector;
}

describe('swt-137', () => {
  test('is 128 coefficients of the standardised window, path by path, then nine features of the position', () => {
    const closes = walk(1);
    const mean = closes.reduce((sum, close) => sum + close, 0) / 256;
    const deviation = Math.sqrt(closes.reduce((sum, close) => sum + (close - mean) ** 2, 0) / 256);
    const plan = planScattering({ J: 2, Q: 6, length: 256, averagingScale: 16 });
    const coefficients = new Float64Array(plan.outputLength);
    plan.transform(closes.map((close) => (close - mean) / deviation), coefficients);
    const vector = computed(observe(closes, LONG));
    expect(vector).toHaveLength(features.length);
    expect(features.length).toBe(137);
    coefficients.forEach((value, i) => expect(Math.abs(vector[i]! - value)).toBeLessThan(1e-6));
    expect(plan.paths.map(({ offset }) => offset)).toEqual([0, 16, 32, 48, 64, 80, 96, 112]);
    const tail = new Float32Array(9);
    writePositionFeatures(LONG, tail, 0);
    expect(vector.subarray(128)).toEqual(tail);
  });

  test('sees its window alone: what comes before or after changes nothing', () => {
    const series = walk(2, 400);
    const others = walk(3, 400);
    fc.assert(fc.property(fc.integer({ min: 0, max: 144 }), (from) => {
      const mixed = Float64Array.from(others);
      mixed.set(series.subarray(from, from + 256), from);
      expect(computed(observe(mixed.slice(from, from + 256)))).toEqual(computed(observe(series.slice(from, from + 256))));
      expect(computed(observe(mixed.subarray(from, from + 256)))).toEqual(computed(observe(series.slice(from, from + 256))));
    }), { numRuns: 20 });
  });

  test('does not depend on the price level or the quote currency', () => {
    const closes = walk(4);
    const plain = computed(observe(closes));
    for (const other of [closes.map((close) => close * 128), closes.map((close) => close + 150)]) {
      computed(observe(other)).forEach((value, i) => expect(Math.abs(value - plain[i]!)).toBeLessThan(1e-5));
    }
  });

  test('gives the same bits for the same observation', () => {
    const twin = createSwt137();
    fc.assert(fc.property(fc.integer({ min: 0, max: 1e6 }), (seed) => {
      expect(twin.compute(observe(walk(seed), LONG))).toEqual(features.compute(observe(walk(seed), LONG)));
    }), { numRuns: 20 });
  });

  test('refuses a window without movement and numbers that are none', () => {
    expect(features.compute(observe(new Float64Array(256).fill(1.1)))).toMatchObject({ kind: 'refusal', code: 'zeroDeviation' });
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      const closes = walk(5);
      closes[100] = bad;
      expect(features.compute(observe(closes))).toMatchObject({ kind: 'refusal', code: 'nonFinite' });
      expect(features.compute(observe(walk(5), { ...LONG, netPips: bad === Infinity ? Number.NaN : bad, peakPips: Number.NaN }))).toMatchObject({ code: 'nonFinite' });
    }
    expect(() => features.compute(observe(walk(5, 255)))).toThrow(/255 closes/);
  });
});

interface Tracker {
  readonly side: 'long' | 'short';
  readonly columns: readonly string[];
  readonly rows: readonly (readonly number[])[];
  readonly amddp1: number;
}

describe('the position features', () => {
  const fixture = readFixture<{ readonly arctangent: Readonly<Record<string, number>>; readonly trades: readonly Tracker[] }>('position.json');

  test('scale by an arctangent', () => {
    for (const [name, expected] of Object.entries(fixture.arctangent)) {
      const [value, scale] = name.split('/').map(Number);
      expect(arctangentScale(value!, scale!)).toBeCloseTo(expected, 14);
    }
  });

  test('agree with the original tracker where the definitions are the same', () => {
    for (const { side, columns, rows, amddp1 } of fixture.trades) {
      for (const [index, row] of rows.entries()) {
        const column = (name: string): number => row[columns.indexOf(name)]!;
        const isLast = index === rows.length - 1;
        const view: PositionView = {
          side: side === 'long' ? 1 : -1, netPips: column('equity_pips'), barsSinceEntry: isLast ? 59 : index + 1, peakPips: column('peak'), drawdownPipsMax: column('max_dd'),
        };
        const target = new Float32Array(9);
        writePositionFeatures(view, target, 0);
        const close = (place: number, expected: number): void => expect(Math.abs(target[place]! - expected)).toBeLessThan(1.5e-7);
        close(0, column('f0_equity'));
        close(1, column('f1_bars'));
        // The original divided by a peak of 0 and let efficiency run below -1.
        if (view.peakPips > 0) close(2, Math.max(column('f2_eff'), -1));
        else close(2, 0);
        close(3, column('f3_from_peak'));
        // Its drawdown feature measured something else than its own drawdown column, so only the formula is checked here.
        close(4, arctangentScale(column('max_dd'), 150));
        expect(column('dd_sum')).toBe(column('max_dd'));
        close(5, column('f5_amddp'));
        expect([...target.subarray(6)]).toEqual([column('is_long'), column('is_short'), 1]);
        if (isLast) expect(amddp1Pips(view)).toBeCloseTo(amddp1, 10);
      }
    }
  });

  test('are nine zeros for a flat account', () => {
    const target = new Float32Array(11).fill(5);
    writePositionFeatures(FLAT, target, 1);
    expect([...target]).toEqual([5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
  });

  test('stay within (-1, 1), however far the price runs', () => {
    const pips = fc.double({ min: -1e9, max: 1e9, noNaN: true });
    fc.assert(fc.property(fc.constantFrom(-1 as const, 1 as const), pips, fc.nat(), fc.double({ min: 0, max: 1e9, noNaN: true }), (side, netPips, barsSinceEntry, peakPips) => {
      const target = new Float32Array(9);
      writePositionFeatures({ side, netPips, barsSinceEntry, peakPips: Math.max(peakPips, netPips), drawdownPipsMax: Math.max(peakPips - netPips, 0) }, target, 0);
      expect(target.every((value) => Math.abs(value) <= 1)).toBe(true);
    }));
  });
});
