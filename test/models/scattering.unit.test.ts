import fc from 'fast-check';
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { planFft, planRealFft } from '../../models/scattering/fft.ts';
import { planScattering, ScatteringError } from '../../models/scattering/plan.ts';
import type { ScatteringParameters } from '../../models/scattering/plan.ts';
import { goldenDirectory, goldenPresent, readFixture, readGolden } from './golden.ts';
import { worstShare } from './kymatio.ts';
import { scatterNaively } from './naive-scattering.ts';
import type { Reference, Windows } from './kymatio.ts';

type NamedReference = Reference & { readonly name: string };

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

  test('give as many bins of a real signal as are asked for, and touch no other', () => {
    const size = 16;
    const signal = Float64Array.from({ length: size }, (_, i) => Math.sin(i * i));
    const whole = { real: new Float64Array(9), imaginary: new Float64Array(9) };
    planRealFft(size).transform(signal, whole, 9);
    for (const count of [1, 2, 8, 9]) {
      const some = { real: new Float64Array(9).fill(7), imaginary: new Float64Array(9).fill(7) };
      planRealFft(size).transform(signal, some, count);
      for (const part of ['real', 'imaginary'] as const) expect([...some[part]]).toEqual([...whole[part].slice(0, count), ...new Array<number>(9 - count).fill(7)]);
    }
    expect([whole.imaginary[0], whole.imaginary[8]]).toEqual([0, 0]);
  });

  test('use the first entries of longer arrays and touch none behind them', () => {
    for (const size of [1, 2, 4, 8, 16, 32]) {
      const fft = planFft(size);
      const arrays = [0, 1, 2].map((part) => Float64Array.from({ length: size + 9 }, (_, i) => (i < size ? Math.sin(i * i + part) : 7)));
      const [real, imaginary, modulus] = arrays as [Float64Array, Float64Array, Float64Array];
      const [exactReal, exactImaginary] = [real.slice(0, size), imaginary.slice(0, size)];
      fft.transform(exactReal, exactImaginary);
      fft.transform(real, imaginary);
      expect([...real, ...imaginary]).toEqual([...exactReal, ...new Array<number>(9).fill(7), ...exactImaginary, ...new Array<number>(9).fill(7)]);
      fft.transformModulus(real, imaginary, modulus);
      for (const array of arrays) expect([...array.subarray(size)]).toEqual(new Array<number>(9).fill(7));
    }
  });

  test('stand their samples in bit-reversed order', () => {
    expect([...planFft(8).order]).toEqual([0, 4, 2, 6, 1, 5, 3, 7]);
    expect([planFft(1).size, [...planFft(1).order], [...planFft(2).order]]).toEqual([1, [0], [0, 1]]);
  });

  test('refuse sizes that are no power of two', () => {
    for (const size of [0, -2, 3, 48, 2.5, Number.NaN, 1 << 18]) expect(() => planFft(size)).toThrow(ScatteringError);
    expect(planFft(1 << 17).size).toBe(131_072);
  });
});

describe('scattering', () => {
  const fixture = readFixture<{ readonly inputs: Windows; readonly cases: readonly NamedReference[] }>('scattering.json.gz');
  const others = ['scattering-0.4.0.dev0.json.gz', 'scattering-stages.json.gz'].flatMap((file) => readFixture<{ readonly cases: readonly NamedReference[] }>(file).cases);

  test.each([...fixture.cases, ...others].map((reference) => [reference.name, reference] as const))('gives the numbers, order and metadata of %s', (_name, reference) => {
    expect(worstShare(reference, fixture.inputs)).toBeLessThanOrEqual(1);
  });

  const present = goldenPresent('wst');
  test.skipIf(!present)('gives the numbers, order and metadata of every file of the whole reference set', () => {
    const inputs = readGolden<Windows>('wst', 'inputs.json.gz');
    const files = readdirSync(goldenDirectory('wst')).filter((file) => /^k0\.(3\.0|4\.0\.dev0)_J/.test(file));
    expect(files.length).toBeGreaterThanOrEqual(32);
    for (const file of files) expect(worstShare(readGolden<Reference>('wst', file), inputs), file).toBeLessThanOrEqual(1);
  });

  test.each<ScatteringParameters>([
    { J: 3, Q: 2, length: 32 },
    { J: 1, Q: 1, length: 4 },
    { J: 2, Q: 3, length: 37, averagingScale: 5.5, kymatio: '0.4.0.dev0' },
    { J: 4, Q: [1, 2], length: 30, averagingScale: 1 },
    { J: 5, Q: [2, 2], length: 40, oversampling: 1, kymatio: '0.4.0.dev0' },
    { J: 4, Q: [3, 2], length: 33, oversampling: 3, averagingScale: 33 },
    { J: 4, Q: [1, 3], length: 26, averagingScale: 0 },
    { J: 4, Q: [1, 3], length: 26, averagingScale: 0, oversampling: 1, kymatio: '0.4.0.dev0' },
    { J: 5, Q: 1, length: 35, averagingScale: 'global', kymatio: '0.4.0.dev0' },
    { J: 3, Q: 8, length: 50, maxOrder: 1, averagingScale: 3 },
    { J: 1, Q: [12, 3], length: 20 },
    // 3·42 − 2 lies just below a power of two: the padding stops one short of it.
    { J: 5, Q: 1, length: 42 },
  ])('agrees with the definition, summed term by term, for %o', (parameters) => {
    const window = Array.from({ length: parameters.length }, (_, i) => Math.sin(i * i * 0.7) + i / parameters.length);
    const expected = scatterNaively(parameters, window);
    const plan = planScattering(parameters);
    const output = scatter(parameters, Float64Array.from(window));
    expect(plan.paths.map(({ length }) => length)).toEqual(expected.map(({ length }) => length));
    const allowed = parameters.averagingScale === 'global' ? 1e-11 : 1e-13;
    expected.flat().forEach((value, i) => expect(Math.abs(output[i]! - value)).toBeLessThan(allowed));
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

  const SMALL: ScatteringParameters = { J: 3, Q: 2, length: 64 };
  const codeOf = (call: () => unknown): string => {
    try {
      call();
    } catch (error) {
      if (error instanceof ScatteringError) return `${error.code}: ${error.message}`;
      throw error;
    }
    return 'accepted';
  };

  test.each<[Partial<ScatteringParameters>, string]>([
    [{ length: 3, J: 1 }, 'length = 3: must be a whole number from 4 to 16384'],
    [{ length: 16_385 }, 'length = 16385: must be a whole number from 4 to 16384'],
    [{ length: 64.5 }, 'length = 64.5: must be a whole number from 4 to 16384'],
    [{ J: 0 }, 'J = 0: must be a whole number from 1 to 6'],
    [{ J: 7 }, 'J = 7: must be a whole number from 1 to 6'],
    [{ J: Number.NaN }, 'J = NaN: must be a whole number from 1 to 6'],
    [{ Q: 0 }, 'Q[0] = 0: must be a whole number from 1 to 64'],
    [{ Q: [65, 1] }, 'Q[0] = 65: must be a whole number from 1 to 64'],
    [{ Q: [1, 0] }, 'Q[1] = 0: must be a whole number from 1 to 64'],
    [{ Q: [1, 65] }, 'Q[1] = 65: must be a whole number from 1 to 64'],
    [{ maxOrder: 3 as 2 }, 'maxOrder = 3: must be a whole number from 1 to 2'],
    [{ maxOrder: 0 as 1 }, 'maxOrder = 0: must be a whole number from 1 to 2'],
    [{ oversampling: -1 }, 'oversampling = -1: must be a whole number from 0 to 16'],
    [{ oversampling: 17 }, 'oversampling = 17: must be a whole number from 0 to 16'],
    [{ averagingScale: 0.99 }, 'averagingScale = 0.99: must be 0 or from 1 to 64'],
    [{ averagingScale: 64.5 }, 'averagingScale = 64.5: must be 0 or from 1 to 64'],
    [{ averagingScale: Number.NaN }, 'averagingScale = NaN: must be 0 or from 1 to 64'],
    [{ averagingScale: 'global' }, 'averagingScale = global: must be a number in the numbers of 0.3.0, which has no global average'],
    [{ kymatio: '0.5.0' as '0.3.0' }, 'kymatio = 0.5.0: must be one of 0.3.0, 0.4.0.dev0'],
  ])('refuses %o, saying which parameter and its range', (changed, message) => {
    expect(codeOf(() => planScattering({ ...SMALL, ...changed }))).toBe(`parameter: ${message}`);
  });

  test.each<Partial<ScatteringParameters>>([
    { length: 4, J: 1, Q: 1 }, { J: 6 }, { J: 1 }, { Q: 64 }, { Q: [1, 64] }, { maxOrder: 1 }, { oversampling: 16 }, { averagingScale: 1 }, { averagingScale: 64 }, { averagingScale: 6.5 },
  ])('takes %o, the last that is still in range', (changed) => {
    const plan = planScattering({ ...SMALL, ...changed });
    const output = new Float64Array(plan.outputLength);
    plan.transform(Float64Array.from({ length: plan.length }, (_, i) => Math.sin(i * i)), output);
    expect(output.every((value) => Number.isFinite(value))).toBe(true);
    expect(output.some((value) => value !== 0)).toBe(true);
  });

  test('refuses by an error of its own name, with a code', () => {
    expect(new ScatteringError('fftSize', 'why')).toMatchObject({ name: 'ScatteringError', code: 'fftSize', message: 'why' });
  });

  test('refuses a window or an output of another length, and a sample that is no number, by name', () => {
    const plan = planScattering(SMALL);
    const output = new Float64Array(plan.outputLength);
    expect(codeOf(() => plan.transform(new Float64Array(63), output))).toBe('windowLength: window has 63 samples: 64 planned');
    expect(codeOf(() => plan.transform(new Float64Array(64), output.subarray(1)))).toBe(`outputLength: output has ${output.length - 1} places: ${output.length} planned`);
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      for (const place of [0, 31, 63]) {
        const window = new Float64Array(64).fill(1);
        window[place] = bad;
        expect(codeOf(() => plan.transform(window, output))).toBe(`nonFinite: sample ${place} of the window is ${bad}`);
      }
    }
    expect(codeOf(() => planFft(3))).toBe('fftSize: FFT size 3: must be a power of two from 1 to 131072');
  });

  test('differs between the two releases by a power of two for each path, exactly', () => {
    const window = Float64Array.from(fixture.inputs['walk_b']!);
    const parameters = { J: 6, Q: 4, length: 256 };
    const [older, newer] = [scatter(parameters, window), scatter({ ...parameters, kymatio: '0.4.0.dev0' }, window)];
    for (const { order, j, offset, length } of planScattering(parameters).paths) {
      const factor = 2 ** (order === 0 ? 0 : order === 1 ? j[0]! : j[0]! + j[1]!);
      for (let t = offset; t < offset + length; t += 1) expect(newer[t]).toBe(older[t]! * factor);
    }
  });

  test('gives a further plan of the same parameters the same bits, also after many others were planned', () => {
    const window = Float64Array.from({ length: 64 }, (_, i) => Math.cos(i * i));
    const before = scatter(SMALL, window);
    const twin = planScattering(SMALL);
    expect(twin.paths).toBe(planScattering({ ...SMALL }).paths);
    for (let scale = 2; scale < 40; scale += 1) planScattering({ ...SMALL, averagingScale: scale });
    expect(planScattering(SMALL).paths).not.toBe(twin.paths);
    expect(scatter(SMALL, window)).toEqual(before);
  });
});
