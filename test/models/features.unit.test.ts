import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Observation, PositionView } from '../../domain/policy.ts';
import { MINUTE_MS, parseInstant } from '../../domain/time.ts';
import { createFeatureSet, FEATURE_SET_IDS, FeatureSetError } from '../../models/features/catalogue.ts';
import type { FeatureSet } from '../../models/features/feature-set.ts';
import { readFixture } from './golden.ts';
import type { Reference, Windows } from './kymatio.ts';
import { MONDAY, observe, walk } from './observe.ts';

const SHORT: PositionView = { side: -1, netPips: -4, barsSinceEntry: 30, peakPips: 6, drawdownPipsMax: 12 };
const SETS = FEATURE_SET_IDS.map((id) => [id, createFeatureSet(id)] as const);

function computed(features: FeatureSet, observation: Observation): Float32Array {
  const vector = features.compute(observation);
  if (!(vector instanceof Float32Array)) throw new Error(`refused: ${vector.detail}`);
  return vector;
}

/** A set's vector by the names of its columns. */
const named = (features: FeatureSet, observation: Observation): ((column: string) => number) => {
  const vector = computed(features, observation);
  return (column) => {
    const place = features.columns.indexOf(column);
    if (place < 0) throw new Error(`${features.id} has no column ${column}`);
    return vector[place]!;
  };
};

const refused = (features: FeatureSet, observation: Observation): string => {
  const outcome = features.compute(observation);
  return outcome instanceof Float32Array ? 'computed' : `${outcome.code}: ${outcome.detail}`;
};

describe('the catalogue of feature sets', () => {
  test('has these sets, of these sizes', () => {
    expect(SETS.map(([id, { windowBars, shape, length }]) => [id, windowBars, shape, length])).toEqual([
      ['swt-137', 256, [137], 137], ['swt-76', 256, [76], 76], ['micro-32x15', 92, [32, 15], 480],
    ]);
    expect(() => createFeatureSet('swt-9')).toThrow(new FeatureSetError('feature set "swt-9": only swt-137, swt-76, micro-32x15 exist'));
  });

  test('pins what an id stands for: another number needs another id', () => {
    const pins: { readonly [id: string]: readonly [first: readonly number[], last: readonly number[]] } = {
      'swt-137': [[-1.78657, -1.55892, -0.9677, -0.24873], [0.00955, -0.66667, -0.04238, 0.05082, -0.01748, 0, 1, 1]],
      'swt-76': [[-0.0546, 0.03017, 0.02517, 0.02655], [0.00955, -0.66667, -0.04238, 0.05082, -0.01748, 0, 1, 1]],
      'micro-32x15': [[0.45576, 0.49416, 0.73453, 1], [-0.60529, 0.796, -1, -0.01697, 0.00955, -0.04238, 0.05082, -0.01748]],
    };
    for (const [id, features] of SETS) {
      const vector = computed(features, observe(walk(7, features.windowBars), { position: SHORT }));
      const [first, last] = pins[id]!;
      first.forEach((value, i) => expect(vector[i]).toBeCloseTo(value, 5));
      last.forEach((value, i) => expect(vector[vector.length - last.length + i]).toBeCloseTo(value, 5));
    }
  });
});

describe.each(SETS)('%s', (_id, features) => {
  const { windowBars } = features;

  test('has a name for each of its numbers, and as many as its shape says', () => {
    expect(computed(features, observe(walk(1, windowBars)))).toHaveLength(features.length);
    expect(features.shape.reduce((product, size) => product * size, 1)).toBe(features.length);
    expect(new Set(features.columns).size).toBe(features.length);
  });

  test('never changes when bars outside its window change, later ones least of all', () => {
    const series = walk(2, windowBars + 100);
    const others = walk(3, windowBars + 100);
    fc.assert(fc.property(fc.integer({ min: 0, max: 100 }), (from) => {
      const until = from + windowBars;
      const before = computed(features, observe(series.slice(from, until)));
      const mixed = Float64Array.from(others);
      mixed.set(series.subarray(from, until), from);
      expect(computed(features, observe(mixed.subarray(from, until)))).toEqual(before);
      mixed.fill(Number.NaN, until);
      expect(computed(features, observe(mixed.subarray(from, until)))).toEqual(before);
    }), { numRuns: 20 });
  });

  test('does not depend on the price level or the quote currency', () => {
    const closes = walk(4, windowBars);
    const plain = computed(features, observe(closes));
    for (const other of [closes.map((close) => close * 128), closes.map((close) => close + 150)]) {
      computed(features, observe(other)).forEach((value, i) => expect(Math.abs(value - plain[i]!)).toBeLessThan(1e-5));
    }
  });

  test('gives the same bits for the same observation, whatever was computed in between', () => {
    const twin = createFeatureSet(features.id);
    fc.assert(fc.property(fc.integer({ min: 0, max: 1e6 }), (seed) => {
      const vector = computed(features, observe(walk(seed, windowBars), { position: SHORT }));
      twin.compute(observe(walk(seed + 1, windowBars)));
      expect(twin.compute(observe(walk(seed, windowBars), { position: SHORT }))).toEqual(vector);
    }), { numRuns: 20 });
  });

  test('leaves what it handed out alone', () => {
    const first = computed(features, observe(walk(5, windowBars)));
    const kept = first.slice();
    computed(features, observe(walk(6, windowBars)));
    expect(first).toEqual(kept);
  });

  test('refuses by name a window of another length, without movement, or with a number that is no price', () => {
    expect(refused(features, observe(walk(5, windowBars - 1)))).toBe(`wrongLength: the window has ${windowBars - 1} closes and ${windowBars - 1} times: exactly ${windowBars} are read`);
    expect(refused(features, observe(walk(5, windowBars), { barStarts: new Float64Array(3) }))).toMatch(/^wrongLength: .* closes and 3 times/);
    expect(refused(features, observe(new Float64Array(windowBars).fill(1.1)))).toBe(`zeroDeviation: the ${windowBars} closes do not move from 1.1`);
    expect(refused(features, observe(new Float64Array(windowBars)))).toBe(`nonPositive: close 0 of ${windowBars} is 0, which is no price`);
    for (const [bad, code] of [[Number.NaN, 'nonFinite'], [Infinity, 'nonFinite'], [-Infinity, 'nonFinite'], [0, 'nonPositive'], [-1.1, 'nonPositive']] as const) {
      for (const place of [0, 50, windowBars - 1]) {
        const closes = walk(5, windowBars);
        closes[place] = bad;
        expect(refused(features, observe(closes))).toMatch(new RegExp(`^${code}: close ${place} of ${windowBars} is ${bad}`));
      }
    }
    const apart = walk(5, windowBars);
    apart[9] = 1e200;
    expect(refused(features, observe(apart))).toBe(`nonFinite: the ${windowBars} closes lie too far apart to be measured`);
  });

  test('refuses by name a window with a hole or out of order, but not one with missing minutes', () => {
    const shifted = (from: number, minutes: number): Observation => {
      const whole = observe(walk(5, windowBars));
      return { ...whole, barStarts: whole.barStarts.map((start, i) => start + (i < from ? 0 : minutes * MINUTE_MS)) };
    };
    expect(refused(features, shifted(40, 3))).toBe('computed');
    expect(refused(features, shifted(40, 1_499))).toBe('computed');
    expect(refused(features, shifted(40, 1_500))).toBe(`gap: bar 40 of ${windowBars} starts 1501 minutes after the one before it: 1 to 1500 make a window`);
    expect(refused(features, shifted(windowBars - 1, 2 * 1_440))).toMatch(/^gap: /);
    expect(refused(features, shifted(1, -1))).toMatch(/^gap: bar 1 of \d+ starts 0 minutes/);
    expect(refused(features, shifted(40, Number.NaN))).toMatch(/^gap: /);
  });

  test('refuses by name a position with a number that is not finite', () => {
    for (const name of ['netPips', 'barsSinceEntry', 'peakPips', 'drawdownPipsMax'] as const) {
      expect(refused(features, observe(walk(5, windowBars), { position: { ...SHORT, [name]: Number.NaN } }))).toBe(`nonFinite: the position's ${name} is NaN`);
    }
    expect(refused(features, observe(walk(5, windowBars), { position: { ...SHORT, netPips: -Infinity } }))).toBe("nonFinite: the position's netPips is -Infinity");
  });
});

describe('the wavelet sets', () => {
  const { inputs, cases } = readFixture<{ readonly inputs: Windows; readonly cases: readonly (Reference & { readonly name: string })[] }>('scattering.json.gz');
  /** Order 0 moves and scales with its window, the others scale: that brings Kymatio's numbers for prices to ours. */
  const standardised = (order: number, value: number, mean: number, deviation: number): number => (order === 0 ? value - mean : value) / deviation;

  test.each([['swt-137', 'k0.3.0_J2_Q6_o2_T16'], ['swt-76', 'k0.3.0_J6_Q4_o2']])('%s holds the coefficients that Kymatio gives for the same window', (id, name) => {
    const reference = cases.find((each) => each.name === name)!;
    const { input, Sx } = reference.windows.find((each) => each.input === 'walk_a')!;
    const closes = Float64Array.from(inputs[input]!);
    const mean = closes.reduce((sum, close) => sum + close, 0) / closes.length;
    const deviation = Math.sqrt(closes.reduce((sum, close) => sum + (close - mean) ** 2, 0) / closes.length);
    const vector = computed(createFeatureSet(id), observe(closes));
    const expected = Sx.flatMap((samples, path) => {
      const scaled = samples.map((value) => standardised(reference.meta.order[path]!, value, mean, deviation));
      return id === 'swt-137' ? scaled : [scaled.reduce((sum, value) => sum + value, 0) / scaled.length];
    });
    expect(expected).toHaveLength(vector.length - 9);
    expected.forEach((value, i) => expect(Math.abs(vector[i]! - value)).toBeLessThan(1e-6 * Math.max(1, Math.abs(value))));
  });

  test('name their columns by order, wavelets and sample', () => {
    const all = createFeatureSet('swt-137').columns;
    expect([all[0], all[15], all[16], all[127], all[128], all[136]]).toEqual(['S0_t0', 'S0_t15', 'S1_0_t0', 'S1_6_t15', 'position_net', 'position_open']);
    const means = createFeatureSet('swt-76').columns;
    expect([means[0], means[1], means[23], means[66], means[67]]).toEqual(['S0', 'S1_0', 'S2_0_3', 'S2_16_6', 'position_net']);
  });
});

describe('micro-32x15', () => {
  const features = createFeatureSet('micro-32x15');
  const { windowBars } = features;
  const half = (ratio: number): number => (2 / Math.PI) * Math.atan(ratio);

  test('measures changes in steps of its window, and the place in the range of an hour', () => {
    // Up and down by 1 all along, then up by 3 at the end.
    const closes = Float64Array.from({ length: windowBars }, (_, i) => 100 + (i % 2));
    closes[windowBars - 1] = 103;
    const step = Math.sqrt((windowBars - 2 + 9) / (windowBars - 1));
    const at = named(features, observe(closes));
    expect(at('lag0_change_1')).toBeCloseTo(half(3 / step), 6);
    expect(at('lag0_change_5')).toBeCloseTo(half(3 / (step * Math.sqrt(5))), 6);
    expect(at('lag0_change_60')).toBeCloseTo(half(2 / (step * Math.sqrt(60))), 6);
    expect(at('lag0_range_60')).toBe(1);
    expect([at('lag1_range_60'), at('lag2_range_60')]).toEqual([-1, 1]);
    const recent = Math.sqrt((14 + 9) / 15);
    expect(at('lag0_activity_15')).toBeCloseTo((recent - step) / (recent + step), 6);
    expect(at('lag1_activity_15')).toBeCloseTo((1 - step) / (1 + step), 6);
    expect(at('lag31_change_1')).toBeCloseTo(half((closes[60]! - closes[59]!) / step), 6);
    expect(at('lag31_change_60')).toBeCloseTo(half((closes[60]! - closes[0]!) / (step * Math.sqrt(60))), 6);
  });

  test('looks back for its range over exactly sixty closes', () => {
    const closes = new Float64Array(windowBars).fill(100);
    closes[31] = 200;
    closes[windowBars - 1] = 101;
    expect(named(features, observe(closes))('lag0_range_60')).toBe(1);
    closes[32] = 200;
    expect(named(features, observe(closes))('lag0_range_60')).toBeCloseTo(-0.98, 6);
  });

  test('puts a lag without any movement in the middle of its range and at the quiet end', () => {
    const closes = new Float64Array(windowBars).fill(100);
    closes[0] = 99;
    const at = named(features, observe(closes));
    expect([at('lag0_range_60'), at('lag0_change_1'), at('lag0_activity_15')]).toEqual([0, 0, -1]);
  });

  const WEEK = 7_200;
  test.each<[string, number, number]>([
    ['2026-01-04T22:00:00Z', 0, 0],
    ['2026-01-05T21:59:00Z', 1_439, 1_439],
    ['2026-01-05T22:00:00Z', 1_440, 0],
    ['2026-01-09T21:59:00Z', 7_199, 1_439],
    // In summer the week opens an hour earlier by UTC.
    ['2026-07-05T21:00:00Z', 0, 0],
    ['2026-07-08T16:30:00Z', 4_050, 1_170],
    // Only a market that is always open has bars here: they stand where the week's circle closes.
    ['2026-01-10T12:00:00Z', WEEK, 840],
    ['2026-01-04T21:59:00Z', WEEK, 1_439],
  ])('puts the bar of %s at minute %i of the week and %i of the day', (text, week, day) => {
    const newest = parseInstant(text);
    const starts = Float64Array.from({ length: windowBars }, (_, i) => newest - (windowBars - 1 - i) * MINUTE_MS);
    const at = named(features, observe(walk(1, windowBars), { barStarts: starts }));
    const [weekAngle, dayAngle] = [(2 * Math.PI * week) / WEEK, (2 * Math.PI * day) / 1_440];
    expect(at('lag0_week_sin')).toBeCloseTo(Math.sin(weekAngle), 6);
    expect(at('lag0_week_cos')).toBeCloseTo(Math.cos(weekAngle), 6);
    expect(at('lag0_day_sin')).toBeCloseTo(Math.sin(dayAngle), 6);
    expect(at('lag0_day_cos')).toBeCloseTo(Math.cos(dayAngle), 6);
  });

  test('takes each lag’s clock from its own bar, and the position is the same at all of them', () => {
    const starts = Float64Array.from({ length: windowBars }, (_, i) => MONDAY + (i + (i < 70 ? 0 : 30)) * MINUTE_MS);
    const at = named(features, observe(walk(1, windowBars), { barStarts: starts, position: SHORT }));
    const dayAngle = (lag: number): number => (2 * Math.PI * (1_200 + windowBars - 1 - lag + (lag > 21 ? 0 : 30))) / 1_440;
    for (const lag of [0, 21, 22, 31]) expect(at(`lag${lag}_day_sin`)).toBeCloseTo(Math.sin(dayAngle(lag)), 6);
    const held = ['side', 'net', 'bars', 'from_peak', 'drawdown', 'amddp1'];
    const expected = [-1, half(-4 / 150), half(30 / 2_000), half(-10 / 150), half(12 / 150), half(-4.12 / 150)];
    for (let lag = 0; lag < 32; lag += 1) held.forEach((name, i) => expect(at(`lag${lag}_position_${name}`)).toBeCloseTo(expected[i]!, 6));
  });

  test('stays within -1 and 1, whatever the market does', () => {
    fc.assert(fc.property(fc.array(fc.double({ min: 0.5, max: 2, noNaN: true }), { minLength: windowBars, maxLength: windowBars }), (closes) => {
      const outcome = features.compute(observe(Float64Array.from(closes)));
      if (outcome instanceof Float32Array) expect(outcome.every((value) => Math.abs(value) <= 1)).toBe(true);
      else expect(new Set(closes).size).toBe(1);
    }), { numRuns: 50 });
  });
});
