import { describe, expect, test } from 'vitest';
import { cascadeOf } from '../../models/scattering/cascade.ts';
import type { Step } from '../../models/scattering/cascade.ts';
import { planFft, planRealFft } from '../../models/scattering/fft.ts';
import { applyBand, binsRead, emit, planAveraging, planBand, transformPays } from '../../models/scattering/linear.ts';
import type { Emission } from '../../models/scattering/linear.ts';
import { resolveParameters } from '../../models/scattering/parameters.ts';

const runsOf = (filter: readonly number[], decimation = 1): readonly object[] => planBand(Float64Array.from(filter), decimation, planFft(filter.length / decimation)).runs
  .map(({ first, weights, to, conjugate }) => ({ first, weights: [...weights].map((weight) => weight * filter.length), to: [...to], conjugate }));

describe('the table of a wavelet', () => {
  test('has a run of positive frequencies and one of negative, each as long as the filter has weight', () => {
    expect(runsOf([0, 1, -3, 2, 0, 0, 0, -0.5])).toEqual([
      { first: 1, weights: [1, -3, 2], to: [4, 2, 6], conjugate: false },
      { first: 1, weights: [-0.5], to: [7], conjugate: true },
    ]);
    expect(runsOf([5, 0, 0, 0, 0, 1, 0, 0])).toEqual([
      { first: 0, weights: [5], to: [0], conjugate: false },
      { first: 3, weights: [1], to: [5], conjugate: true },
    ]);
  });

  test('counts the highest frequency once, and zeros between two weights', () => {
    expect(runsOf([0, 0, 7, 0, 2, 0, 0, 0])[0]).toEqual({ first: 2, weights: [7, 0, 2], to: [2, 6, 1], conjugate: false });
    expect(runsOf([0, 0, 7, 0, 2, 0, 0, 0])[1]).toMatchObject({ weights: [], to: [] });
  });

  test('leads bins that coincide at the lower rate to one place', () => {
    expect(runsOf([0, 1, 2, 3, 4, 5, 0, 0], 2)).toEqual([
      { first: 1, weights: [1, 2, 3, 4], to: [2, 1, 3, 0], conjugate: false },
      { first: 3, weights: [5], to: [2], conjugate: true },
    ]);
  });

  test('leaves out what is 1e-19 of the peak or less, whatever the signs, and all of a filter that is zero', () => {
    expect(runsOf([0, 1e-19, -1, 1.1e-19, 0, 0, 0, 0])[0]).toMatchObject({ first: 2, weights: [-1, 1.1e-19] });
    expect(runsOf([0, 1e-19, 1, 0, 0, 0, 0, -1.1e-19])).toMatchObject([{ first: 2, weights: [1] }, { first: 1, weights: [-1.1e-19] }]);
    expect(runsOf(new Array<number>(8).fill(0))).toMatchObject([{ weights: [] }, { weights: [] }]);
  });

  test('gives the moduli of the filtered and decimated signal, whatever stood in the work space', () => {
    const filter = [0, 1, -3, 2, 0.5, 0, 0, -0.5];
    const band = planBand(Float64Array.from(filter), 2, planFft(4));
    const spectrum = { real: Float64Array.of(9, 1, -2, 3, 4), imaginary: Float64Array.of(0, 5, 6, -7, 0) };
    const work = { real: new Float64Array(8).fill(11), imaginary: new Float64Array(8).fill(-12) };
    const modulus = new Float64Array(8).fill(13);
    applyBand(band, spectrum, work, modulus);
    for (let t = 0; t < 8; t += 2) {
      let [re, im] = [0, 0];
      for (let k = 0; k < 8; k += 1) {
        const [a, b] = k <= 4 ? [spectrum.real[k]!, spectrum.imaginary[k]!] : [spectrum.real[8 - k]!, -spectrum.imaginary[8 - k]!];
        const angle = (2 * Math.PI * k * t) / 8;
        re += (filter[k]! * (a * Math.cos(angle) - b * Math.sin(angle))) / 8;
        im += (filter[k]! * (a * Math.sin(angle) + b * Math.cos(angle))) / 8;
      }
      expect(modulus[t / 2]).toBeCloseTo(Math.hypot(re, im), 12);
    }
    // The transform is of four places; what lies behind them is none of its business.
    expect([...modulus.subarray(4), ...work.real.subarray(4), ...work.imaginary.subarray(4)]).toEqual([13, 13, 13, 13, 11, 11, 11, 11, -12, -12, -12, -12]);
  });
});

describe('the table of an averaging', () => {
  // Impulse response 1 + cos(πn/4).
  const LOW_PASS = Float64Array.of(8, 4, 0, 0, 0, 0, 0, 4);
  const rounded = (values: Iterable<number>): readonly number[] => Array.from(values, (value) => Math.round(value * 1e12) / 1e12 + 0);

  test('has for each output a row over the signal, and one over the bins that the low-pass lets through', () => {
    const { size, signalRows, realRows, imaginaryRows } = planAveraging(LOW_PASS, 0, 'mean', 2, 1, 4);
    expect(size).toBe(8);
    const half = Math.SQRT1_2;
    const bump = [2, 1 + half, 1, 1 - half, 0, 1 - half, 1, 1 + half];
    expect(signalRows).toHaveLength(1);
    expect(signalRows[0]).toMatchObject({ from: 0, to: 8 });
    expect(rounded(signalRows[0]!.weights)).toEqual(rounded([0, 1, 2, 3, 4, 5, 6, 7].flatMap((i) => [bump[(10 - i) % 8]!, bump[(12 - i) % 8]!, bump[(14 - i) % 8]!, 0])));
    expect(realRows).toHaveLength(1);
    expect(realRows[0]).toMatchObject({ from: 0, to: 2 });
    expect(rounded(realRows[0]!.weights)).toEqual([1, 1, 1, 0, 0, -1, 0, 0, ...new Array<number>(12).fill(0)]);
    expect(imaginaryRows[0]).toMatchObject({ from: 1, to: 2 });
    expect(rounded(imaginaryRows[0]!.weights)).toEqual([0, 0, 0, 0, -1, 0, 1, 0, ...new Array<number>(12).fill(0)]);
  });

  test('counts the first and the last bin once and every other for itself and its mirror', () => {
    const { realRows } = planAveraging(Float64Array.of(1, 1, 1, 1, 1, 1, 1, 1), 0, 'mean', 1, 0, 1);
    expect(rounded(realRows[0]!.weights).filter((_, i) => i % 4 === 0)).toEqual([0.125, 0.25, 0.25, 0.25, 0.125]);
  });

  test('reads nothing where every weight is zero', () => {
    const { imaginaryRows } = planAveraging(Float64Array.of(1, 0, 0, 0, 0, 0, 0, 0), 0, 'mean', 1, 0, 4);
    expect(imaginaryRows[0]).toMatchObject({ from: 0, to: 0 });
  });

  test('leaves out the entries that are too small a share of the largest weight, however large that is', () => {
    const ends = (bin: number): readonly number[] => [1, 1e6, 1e-6].map((scale) => planAveraging(Float64Array.of(8, 4, bin, 0, 0, 0, bin, 4).map((value) => value * scale), 0, 'mean', 1, 0, 1).realRows[0]!.to);
    // The weight of bin 2 is a quarter of its value, that of bin 0 is 1; the least share is 1e-19.
    expect([ends(4.1e-19), ends(3.9e-19)]).toEqual([[3, 3, 3], [2, 2, 2]]);
  });

  test('stands four outputs in a group, and as many groups as they need', () => {
    expect([1, 4, 5, 8].map((count) => planAveraging(LOW_PASS, 0, 'mean', 1, 0, count).signalRows.length)).toEqual([1, 1, 2, 2]);
  });

  test.each([['mean', 0, 1, 0, 8], ['mean', 0, 2, 1, 4], ['sum', 1, 1, 0, 7], ['mean', 1, 2, 1, 6], ['mean', 2, 4, 0, 1]] as const)('by %s, at level %i and one sample in %i, is the convolution with the impulse response, over the signal and over its bins alike', (reduction, level, stride, start, end) => {
    const whole = Float64Array.from({ length: 32 }, (_, k) => Math.exp(-(Math.min(k, 32 - k) ** 2) / 8));
    const size = 32 / 2 ** level;
    const averaging = planAveraging(whole, level, reduction, stride, start, end);
    const emission: Emission = { kind: 'average', averaging, length: end - start };
    const signal = Float64Array.from({ length: size }, (_, i) => Math.sin(i * i) + i / 7);
    const spectrum = { real: new Float64Array(size / 2 + 1), imaginary: new Float64Array(size / 2 + 1) };
    planRealFft(size).transform(signal, spectrum, size / 2 + 1);
    const folded = Array.from({ length: size }, (_, k) => Array.from({ length: 2 ** level }, (_unused, l) => whole[k + l * size]!).reduce((sum, bin) => sum + bin, 0) / (reduction === 'mean' ? 2 ** level : 1));
    const response = (n: number): number => folded.reduce((sum, bin, k) => sum + (bin / size) * Math.cos((2 * Math.PI * k * n) / size), 0);
    for (const given of [null, spectrum]) {
      const output = new Float64Array(12).fill(77);
      // Where the bins are given, the signal is not looked at.
      emit(emission, given === null ? signal : signal.map(() => Number.NaN), given, output, 2);
      for (let t = start; t < end; t += 1) expect(output[2 + t - start]).toBeCloseTo(signal.reduce((sum, value, i) => sum + value * response(t * stride - i), 0), 12);
      expect([...output.subarray(0, 2), ...output.subarray(2 + end - start)].every((value) => value === 77)).toBe(true);
    }
  });

  test('pays for a transform when bins and transform together cost less than the signal\'s rows', () => {
    const rows = (from: number, to: number): { readonly weights: Float64Array; readonly from: number; readonly to: number } => ({ weights: new Float64Array(0), from, to });
    // 4·(2 + 2) for the bins of one part, 4·1 for those of the other and 8·3 for the transform: 44 in all, as much as 11 entries of the signal.
    const pays = (from: number, to: number): boolean => transformPays({ size: 8, realRows: [rows(0, 2), rows(1, 3)], imaginaryRows: [rows(1, 2)], signalRows: [rows(from, to)] });
    expect([pays(0, 11), pays(0, 12), pays(5, 16), pays(5, 17), pays(0, 0)]).toEqual([false, true, false, true, false]);
  });

  test('says how many bins it reads, which are none where nothing is averaged', () => {
    const averaging = planAveraging(LOW_PASS, 0, 'mean', 2, 1, 4);
    expect(binsRead({ kind: 'average', averaging, length: 3 })).toBe(2);
    expect(binsRead({ kind: 'average', averaging: { ...averaging, realRows: [] }, length: 3 })).toBe(2);
    expect(binsRead({ kind: 'average', averaging: { ...averaging, imaginaryRows: [], realRows: [...averaging.realRows, { weights: new Float64Array(0), from: 0, to: 1 }] }, length: 3 })).toBe(2);
    expect([binsRead({ kind: 'copy', start: 3, length: 9 }), binsRead({ kind: 'sum', size: 9, length: 1 })]).toEqual([0, 0]);
  });
});

describe('what becomes of a signal', () => {
  test('is a copy of the window\'s own samples, or the sum of the first ones, and nothing beside them', () => {
    const signal = Float64Array.of(1, 2, 4, 8, 16, 32, 64, 128);
    const into = (emission: Emission): readonly number[] => {
      const output = new Float64Array(6).fill(7);
      emit(emission, signal, null, output, 1);
      return [...output];
    };
    expect(into({ kind: 'copy', start: 2, length: 3 })).toEqual([7, 4, 8, 16, 7, 7]);
    expect(into({ kind: 'sum', size: 5, length: 1 })).toEqual([7, 31, 7, 7, 7, 7]);
  });

  test('stays in its own places when it overflows', () => {
    for (const count of [1, 2, 3, 4, 5]) {
      const averaging = planAveraging(Float64Array.of(1, 1, 1, 1, 1, 1, 1, 1), 0, 'mean', 1, 0, count);
      const output = new Float64Array(12).fill(7);
      emit({ kind: 'average', averaging, length: count }, new Float64Array(8).fill(Infinity), null, output, 2);
      expect([...output].map((value) => value === 7)).toEqual(Array.from({ length: 12 }, (_, i) => i < 2 || i >= 2 + count));
    }
  });
});

describe('the cascade', () => {
  const parameters = { J: 4, Q: 2, length: 64 };
  const everyStep = (steps: readonly Step[]): readonly Step[] => steps.flatMap((step) => [step, ...everyStep(step.children)]);

  test('transforms a modulus where wavelets follow or where it pays for the averaging, and nowhere else', () => {
    const seen = new Set<string>();
    for (const changed of [{ averagingScale: 0 }, { averagingScale: 4 }, { oversampling: 4 }]) {
      for (const step of everyStep(cascadeOf(resolveParameters({ ...parameters, ...changed })).first)) {
        const pays = step.emission.kind === 'average' && transformPays(step.emission.averaging);
        seen.add(`${step.children.length > 0} ${pays}`);
        expect(step.realFft !== null).toBe(step.children.length > 0 || pays);
      }
    }
    expect([...seen].toSorted()).toEqual(['false false', 'false true', 'true false', 'true true']);
  });

  test('asks for as many bins of a spectrum as its averaging and its wavelets read, the last of which they do read', () => {
    for (const step of everyStep(cascadeOf(resolveParameters(parameters)).first)) {
      const read = new Set<number>();
      if (step.emission.kind === 'average') for (const { from, to } of [...step.emission.averaging.realRows, ...step.emission.averaging.imaginaryRows]) for (let bin = from; bin < to; bin += 1) read.add(bin);
      for (const { band } of step.children) for (const { first, weights } of band.runs) for (let i = 0; i < weights.length; i += 1) read.add(first + i);
      expect(step.binCount).toBe(Math.max(...read) + 1);
    }
  });

  test('shares the averaging of a level among all its paths', () => {
    const { first } = cascadeOf(resolveParameters(parameters));
    const byLength = Map.groupBy(everyStep(first), ({ band }) => band.fft.size);
    expect(byLength.size).toBeGreaterThan(2);
    for (const steps of byLength.values()) expect(new Set(steps.map(({ emission }) => emission)).size).toBe(1);
  });

  test('is built once for its parameters, until sixteen others have been asked for since', () => {
    const at = (averagingScale: number): object => cascadeOf(resolveParameters({ J: 2, Q: 1, length: 16, averagingScale }));
    const first = at(1.5);
    for (let i = 1; i < 16; i += 1) at(1.5 + i / 4);
    expect(at(1.5)).toBe(first);
    const second = at(1.75);
    at(9);
    // The seventeenth drives out the oldest, and the oldest alone.
    expect(at(1.75)).toBe(second);
    expect(at(1.5)).not.toBe(first);
  });
});
