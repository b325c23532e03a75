import { describe, expect, test } from 'vitest';
import { planRealFft } from '../../models/scattering/fft.ts';
import { lowPassSigma, lowPassSpectrum, lowPassSupport, morletSpectrum, periodized, waveletBands } from '../../models/scattering/filters.ts';
import { planPadding, resolveParameters } from '../../models/scattering/parameters.ts';
import { planScattering } from '../../models/scattering/plan.ts';
import { goldenPresent, readFixture, readGolden } from './golden.ts';
import type { Windows } from './kymatio.ts';
import { supportNaively } from './naive-scattering.ts';

/** A filter at each level of decimation that the transform uses, real values in Fourier. */
type Levels = readonly (readonly number[])[];
interface Filters {
  readonly J: number;
  readonly Q: number;
  readonly nPadded: number;
  readonly phi: Levels;
  readonly psi1: Readonly<Record<string, readonly number[]>>;
  readonly psi2: Readonly<Record<string, Levels>>;
}
interface Trace {
  readonly input: string;
  readonly padded: readonly number[];
  readonly fftRe: readonly number[];
  readonly fftIm: readonly number[];
  /** Moduli of some wavelets over the padded signal, before averaging. */
  readonly U1: Readonly<Record<string, readonly number[]>>;
}

const worst = (actual: ArrayLike<number>, expected: readonly number[]): number => {
  expect(actual).toHaveLength(expected.length);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(actual[i]! - value)), 0);
};
const PARAMETERS = { J: 6, Q: 4, length: 256 };

function expectFilters({ J, Q, nPadded, phi, psi1, psi2 }: Filters): void {
  const low = lowPassSpectrum(nPadded, lowPassSigma(2 ** J));
  phi.forEach((values, level) => expect(worst(periodized(low, level, 'mean'), values)).toBeLessThan(1e-14));
  const [bands1, bands2] = [waveletBands(J, Q), waveletBands(J, 1)];
  for (const [n, values] of Object.entries(psi1)) expect(worst(morletSpectrum(nPadded, bands1[Number(n)]!), values)).toBeLessThan(1e-14);
  for (const [n, levels] of Object.entries(psi2)) {
    const wavelet = morletSpectrum(nPadded, bands2[Number(n)]!);
    levels.forEach((values, level) => expect(worst(periodized(wavelet, level, 'mean'), values)).toBeLessThan(1e-14));
  }
}

function expectTrace(trace: Trace, inputs: Windows): void {
  const window = Float64Array.from(inputs[trace.input]!);
  const { paddedLength, source, start, end } = planPadding(resolveParameters(PARAMETERS));
  const padded = Float64Array.from(source, (place) => window[place]!);
  expect([...padded]).toEqual(trace.padded);
  const half = { real: new Float64Array(paddedLength / 2 + 1), imaginary: new Float64Array(paddedLength / 2 + 1) };
  planRealFft(paddedLength).transform(padded, half, paddedLength / 2 + 1);
  // The sum of 512 prices near 200 is 1e5: an absolute 1e-9 is the rounding of that.
  expect(worst(half.real, trace.fftRe.slice(0, paddedLength / 2 + 1))).toBeLessThan(1e-9);
  expect(worst(half.imaginary, trace.fftIm.slice(0, paddedLength / 2 + 1))).toBeLessThan(1e-9);
  const plan = planScattering({ ...PARAMETERS, averagingScale: 0 });
  const output = new Float64Array(plan.outputLength);
  plan.transform(window, output);
  expect(output.subarray(0, 256)).toEqual(window);
  for (const [n, modulus] of Object.entries(trace.U1)) {
    const { offset, length } = plan.paths.find(({ key }) => key.length === 1 && key[0] === Number(n))!;
    const level = Math.log2(paddedLength / modulus.length);
    expect(worst(output.subarray(offset, offset + length), modulus.slice(start[level], end[level]))).toBeLessThan(1e-12);
  }
}

describe('the stages of scattering', () => {
  const { filters, trace } = readFixture<{ readonly filters: Filters; readonly trace: Trace }>('scattering-stages.json.gz');
  const { inputs } = readFixture<{ readonly inputs: Windows }>('scattering.json.gz');

  test('have the filters of Kymatio at every level', () => expectFilters(filters));
  test('have the padding, the spectrum and the moduli of Kymatio for one window', () => expectTrace(trace, inputs));

  const present = goldenPresent('wst');
  test.skipIf(!present)('have every filter and modulus of the whole reference set', () => {
    type Listed = Omit<Filters, 'psi1' | 'psi2'> & { readonly psi1: Levels; readonly psi2: readonly Levels[] };
    const all = readGolden<Listed>('wst', 'k0.3.0_filters_J6_Q4_N256.json.gz');
    expect([all.psi1.length, all.psi2.length]).toEqual([22, 7]);
    expectFilters({ ...all, psi1: Object.fromEntries(all.psi1.entries()), psi2: Object.fromEntries(all.psi2.entries()) });
    expectTrace(readGolden<Trace>('wst', 'k0.3.0_trace_J6_Q4_walk_a.json.gz'), inputs);
  });

  test('bring a filter to a lower rate by the mean or the sum of the bins that coincide', () => {
    const bins = Float64Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...periodized(bins, 0, 'mean')]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...periodized(bins, 1, 'mean')]).toEqual([3, 4, 5, 6]);
    expect([...periodized(bins, 2, 'sum')]).toEqual([16, 20]);
  });

  test('have a low-pass that adds up to 1 in time, and wavelets that vanish at frequency 0', () => {
    expect(lowPassSpectrum(64, 0.1)[0]).toBeCloseTo(1, 14);
    for (const band of waveletBands(3, 2)) expect(Math.abs(morletSpectrum(64, band)[0]!)).toBeLessThan(1e-19);
  });

  test('have bands from high to low, falling by 2^(1/Q), then evenly spaced ones of the least width', () => {
    const bands = waveletBands(3, 2);
    const ratios = bands.slice(1).map(({ xi }, i) => bands[i]!.xi / xi);
    ratios.slice(0, -1).forEach((ratio) => expect(ratio).toBeCloseTo(Math.SQRT2, 12));
    expect(bands.at(-1)!.xi).toBeCloseTo(bands.at(-2)!.xi / 2, 12);
    expect(bands.at(-1)!.sigma).toBe(0.1 / 8);
    expect(waveletBands(1, 1)).toHaveLength(2);
    // A wavelet wider than the widest allowed leaves only the evenly spaced ones.
    expect(waveletBands(1, 8).map(({ sigma }) => sigma)).toEqual(Array.from({ length: 7 }, () => 0.05));
  });

  test('know when the low-pass outlasts its window', () => {
    // Counted once by the definition, in another language: tail by tail, without the shortcuts of this one.
    const counted = [[256, 64, 128], [1024, 64, 317], [255, 4, 22], [64, 8, 32], [300, 64, 150]] as const;
    for (const [length, scale, support] of counted) expect(lowPassSupport(length, lowPassSigma(scale))).toBe(support);
  });

  test('count the tail of the low-pass as its definition does, at every length', () => {
    for (let length = 4; length < 48; length += 1) {
      for (const scale of [1, 2.5, 3, 4, 8].filter((samples) => samples <= length)) expect([length, scale, lowPassSupport(length, lowPassSigma(scale))]).toEqual([length, scale, supportNaively(length, scale)]);
    }
  });

  test('pad the shortest window by one reflection on each side', () => {
    expect(planPadding(resolveParameters({ J: 2, Q: 1, length: 4 }))).toMatchObject({ paddedLength: 8, start: [2, 1, 1], end: [6, 3, 2] });
  });
});
