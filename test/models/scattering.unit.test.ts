import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { planFft, planRealFft } from '../../models/scattering/fft.ts';
import { planScattering, ScatteringError } from '../../models/scattering/plan.ts';
import type { ScatteringParameters } from '../../models/scattering/plan.ts';
import { goldenDirectory, goldenPresent, readFixture, readGolden } from './golden.ts';

interface Case {
  readonly name: string;
  readonly params: { readonly J: number; readonly Q: [number, number]; readonly N: number; readonly maxOrder: 1 | 2; readonly T: number | null; readonly oversampling: number };
  readonly keys: readonly (readonly number[])[];
  readonly windows: readonly { readonly input: string; readonly Sx: readonly (readonly number[])[] }[];
}
type Windows = Readonly<Record<string, readonly number[]>>;

const ABSOLUTE_ORDER_0 = 2e-14;
const ABSOLUTE_ABOVE = 1e-15;
const RELATIVE = 1e-9;

const parametersOf = ({ params }: Case): ScatteringParameters => ({
  J: params.J, Q: params.Q, length: params.N, maxOrder: params.maxOrder, oversampling: params.oversampling,
  ...(params.T === null ? {} : { averagingScale: params.T }),
});

/** Largest deviation from the reference, as a share of what the rule allows. */
function worstShare(reference: Case, inputs: Windows): number {
  const plan = planScattering(parametersOf(reference));
  expect(plan.paths.map(({ key }) => key)).toEqual(reference.keys);
  const output = new Float64Array(plan.outputLength);
  let worst = 0;
  for (const { input, Sx } of reference.windows) {
    const window = Float64Array.from(inputs[input]!);
    plan.transform(window, output);
    const highest = window.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    plan.paths.forEach((path, i) => {
      expect(Sx[i]).toHaveLength(path.length);
      const absolute = (path.order === 0 ? ABSOLUTE_ORDER_0 : ABSOLUTE_ABOVE) * highest;
      Sx[i]!.forEach((expected, t) => {
        const share = Math.abs(output[path.offset + t]! - expected) / (absolute + RELATIVE * Math.abs(expected));
        worst = Number.isNaN(share) ? Infinity : Math.max(worst, share);
      });
    });
  }
  return worst;
}

const scatter = (parameters: ScatteringParameters, window: Float64Array): Float64Array => {
  const plan = planScattering(parameters);
  const output = new Float64Array(plan.outputLength);
  plan.transform(window, output);
  return output;
};

describe('the planned transforms', () => {
  test('agree with the definition of the discrete Fourier transform at every size', () => {
    for (let size = 1; size <= 512; size *= 2) {
      const signal = Array.from({ length: size }, (_, i) => [Math.sin(i * i + 1), Math.cos(3 * i)] as const);
      const fft = planFft(size);
      const real = new Float64Array(size);
      const imaginary = new Float64Array(size);
      signal.forEach(([re, im], i) => {
        real[fft.order[i]!] = re;
        imaginary[fft.order[i]!] = im;
      });
      const moduli = new Float64Array(size);
      fft.transformModulus(real.slice(), imaginary.slice(), moduli);
      fft.transform(real, imaginary);
      for (let k = 0; k < size; k += 1) {
        let re = 0;
        let im = 0;
        signal.forEach(([a, b], n) => {
          const angle = (-2 * Math.PI * ((n * k) % size)) / size;
          re += a * Math.cos(angle) - b * Math.sin(angle);
          im += a * Math.sin(angle) + b * Math.cos(angle);
        });
        expect(Math.hypot(real[k]! - re, imaginary[k]! - im)).toBeLessThan(1e-12 * size);
        expect(Math.abs(moduli[k]! - Math.hypot(re, im))).toBeLessThan(1e-12 * size);
      }
    }
  });

  test('give a real signal the half spectrum that the complex transform gives it', () => {
    for (const size of [2, 4, 32, 512]) {
      const signal = Float64Array.from({ length: size }, (_, i) => Math.sin(i * 1.7) + i / size);
      const fft = planFft(size);
      const real = new Float64Array(size);
      const imaginary = new Float64Array(size);
      signal.forEach((value, i) => {
        real[fft.order[i]!] = value;
      });
      fft.transform(real, imaginary);
      const half = { real: new Float64Array(size / 2 + 1), imaginary: new Float64Array(size / 2 + 1) };
      planRealFft(size).transform(signal, half, size / 2 + 1);
      for (let k = 0; k <= size / 2; k += 1) {
        expect(Math.hypot(half.real[k]! - real[k]!, half.imaginary[k]! - imaginary[k]!)).toBeLessThan(1e-12 * size);
      }
    }
  });

  test('refuse sizes that are no power of two', () => {
    for (const size of [0, 3, 48, 2.5, Number.NaN, 1 << 18]) expect(() => planFft(size)).toThrow(ScatteringError);
  });
});

describe('scattering', () => {
  const fixture = readFixture<{ readonly inputs: Windows; readonly cases: readonly Case[] }>('scattering.json.gz');

  test.each(fixture.cases.map((reference) => [reference.name, reference] as const))('gives Kymatio 0.3.0 numbers for %s', (_name, reference) => {
    expect(worstShare(reference, fixture.inputs)).toBeLessThanOrEqual(1);
  });

  const present = goldenPresent('wst');
  test.skipIf(!present)('gives Kymatio 0.3.0 numbers for the whole reference set', () => {
    const inputs = readGolden<Windows>('wst', 'inputs.json.gz');
    const files = readdirSync(goldenDirectory('wst')).filter((file) => /^k0\.3\.0_J/.test(file));
    expect(files.length).toBeGreaterThanOrEqual(16);
    for (const file of files) {
      const raw = readGolden<Omit<Case, 'keys'> & { readonly meta: { readonly key: Case['keys'] } }>('wst', file);
      expect(worstShare({ ...raw, keys: raw.meta.key }, inputs), file).toBeLessThanOrEqual(1);
    }
  });

  test('has the sizes that the product relies on', () => {
    const product = planScattering({ J: 2, Q: 6, length: 256, averagingScale: 16 });
    expect([product.paths.length, product.outputLength, product.paddedLength]).toEqual([8, 128, 512]);
    const full = planScattering({ J: 6, Q: 4, length: 256 });
    expect([0, 1, 2].map((order) => full.paths.filter((path) => path.order === order).length)).toEqual([1, 22, 44]);
    expect(full.outputLength).toBe(268);
  });

  test('makes exactly nothing of a constant window above order 0', () => {
    const output = scatter({ J: 6, Q: 4, length: 256 }, new Float64Array(256).fill(1.23456));
    expect([...output.subarray(0, 4)]).toEqual([1.23456, 1.23456, 1.23456, 1.23456]);
    expect(output.subarray(4).every((value) => value === 0)).toBe(true);
  });

  test('scales with its input, to the last bit for a power of two', () => {
    const window = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 64, maxLength: 64 });
    const plan = planScattering({ J: 3, Q: 2, length: 64 });
    fc.assert(fc.property(window, fc.constantFrom(-4, -1, 0.5, 8), (values, factor) => {
      const small = values.map((value) => (Math.abs(value) < 1e-100 ? 0 : value));
      const plain = new Float64Array(plan.outputLength);
      const scaled = new Float64Array(plan.outputLength);
      plan.transform(Float64Array.from(small), plain);
      plan.transform(Float64Array.from(small, (value) => value * factor), scaled);
      for (const path of plan.paths) {
        const expected = path.order === 0 ? factor : Math.abs(factor);
        for (let t = path.offset; t < path.offset + path.length; t += 1) {
          expect(Math.abs(scaled[t]! - plain[t]! * expected)).toBeLessThanOrEqual(factor === -1 || path.order === 0 ? 1e-15 : 0);
        }
      }
    }), { numRuns: 50 });
  });

  test('keeps nothing from one window to the next', () => {
    const plan = planScattering({ J: 6, Q: 4, length: 256 });
    const first = Float64Array.from(fixture.inputs['walk_a']!);
    const before = new Float64Array(plan.outputLength);
    const after = new Float64Array(plan.outputLength);
    plan.transform(first, before);
    plan.transform(Float64Array.from(fixture.inputs['huge_1e6']!), after);
    plan.transform(first, after);
    expect(after).toEqual(before);
  });

  test('refuses parameters that name no transform, saying which', () => {
    expect(() => planScattering({ J: 9, Q: 4, length: 256 })).toThrow(/^J = 9/);
    expect(() => planScattering({ J: 2, Q: 0, length: 256 })).toThrow(/^Q\[0\] = 0/);
    expect(() => planScattering({ J: 2, Q: 4, length: 256, averagingScale: 257 })).toThrow(/averagingScale = 257/);
    expect(() => planScattering({ J: 2, Q: 4, length: 3 })).toThrow(/^length = 3/);
    const plan = planScattering({ J: 2, Q: 4, length: 64 });
    expect(() => plan.transform(new Float64Array(63), new Float64Array(plan.outputLength))).toThrow(/63 samples: 64 planned/);
    expect(() => plan.transform(new Float64Array(64), new Float64Array(3))).toThrow(/3 places/);
  });
});
