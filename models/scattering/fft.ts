/**
 * Discrete Fourier transforms of power-of-two length, planned once and run in place without allocating.
 *
 * Decimation in time: the input stands in bit-reversed order, the output in natural order. Callers write their
 * samples straight to the reversed places (`order`), so no pass over the data only permutes it. The sign is
 * exp(-2πi nk/N) and nothing is scaled; the unscaled inverse is `transform(imaginary, real)`, because swapping
 * the two parts before and after turns one direction into the other.
 */
import { ScatteringError } from './error.ts';

export interface Fft {
  readonly size: number;
  /** `order[i]` is the place where sample i must stand before `transform`. */
  readonly order: Int32Array;
  /** Uses the first `size` entries of both arrays. */
  transform(real: Float64Array, imaginary: Float64Array): void;
  /** The same, but leaves only |output|, in `modulus`; what stays in the two arrays has no meaning. */
  transformModulus(real: Float64Array, imaginary: Float64Array, modulus: Float64Array): void;
}

const SIZE_MAX = 1 << 17;

/** @throws ScatteringError when the size is no power of two from 1 to 131072. */
export function planFft(size: number): Fft {
  if (!Number.isInteger(size) || size < 1 || size > SIZE_MAX || (size & (size - 1)) !== 0) {
    throw new ScatteringError('fftSize', `FFT size ${size}: must be a power of two from 1 to ${SIZE_MAX}`);
  }
  const bits = Math.log2(size);
  const firstRadix = size <= 2 ? size : bits % 2 === 0 ? 4 : 8;
  const stages: RadixFourStage[] = [];
  for (let quarter = firstRadix; quarter * 4 <= size; quarter *= 4) stages.push(planStage(quarter));
  const runFirst = (real: Float64Array, imaginary: Float64Array): void => {
    if (firstRadix === 8) firstEights(real, imaginary, size);
    else if (firstRadix === 4) firstFours(real, imaginary, size);
    else if (firstRadix === 2) single2(real, imaginary);
  };
  const lastStage = stages.at(-1);
  return {
    size,
    order: bitReversal(size, bits),
    transform(real, imaginary) {
      runFirst(real, imaginary);
      for (let s = 0; s < stages.length; s += 1) runStage(stages[s]!, real, imaginary, size);
    },
    transformModulus(real, imaginary, modulus) {
      runFirst(real, imaginary);
      for (let s = 0; s < stages.length - 1; s += 1) runStage(stages[s]!, real, imaginary, size);
      if (lastStage !== undefined) runLastStageModulus(lastStage, real, imaginary, modulus);
      else for (let i = 0; i < size; i += 1) modulus[i] = modulusOf(real[i]!, imaginary[i]!);
    },
  };
}

/** Without the scaling of Math.hypot, which costs ten times as much and matters only near 1e±154. */
const modulusOf = (re: number, im: number): number => Math.sqrt(re * re + im * im);

function bitReversal(size: number, bits: number): Int32Array {
  const order = new Int32Array(size);
  order.forEach((_, i) => void (order[i] = (order[i >> 1]! >> 1) | ((i & 1) << (bits - 1))));
  return order;
}

interface RadixFourStage {
  readonly quarter: number;
  /** For each k: cos and sin of w^k, w^2k, w^3k, with w = exp(-2πi / (4·quarter)). */
  readonly twiddles: Float64Array;
}

function planStage(quarter: number): RadixFourStage {
  const twiddles = new Float64Array(quarter * 6).map((_, t) => {
    const power = Math.floor((t % 6) / 2) + 1;
    const angle = (-2 * Math.PI * Math.floor(t / 6) * power) / (4 * quarter);
    return t % 2 === 0 ? Math.cos(angle) : Math.sin(angle);
  });
  return { quarter, twiddles };
}

/** The whole transform of two samples. */
function single2(re: Float64Array, im: Float64Array): void {
  const r = re[1]!;
  const i = im[1]!;
  re[1] = re[0]! - r;
  im[1] = im[0]! - i;
  re[0] = re[0]! + r;
  im[0] = im[0]! + i;
}

/** The radix-4 stage of quarter 1, whose twiddles are all 1. */
function firstFours(re: Float64Array, im: Float64Array, size: number): void {
  for (let i = 0; i < size; i += 4) {
    const evenSumRe = re[i]! + re[i + 1]!;
    const evenSumIm = im[i]! + im[i + 1]!;
    const evenDiffRe = re[i]! - re[i + 1]!;
    const evenDiffIm = im[i]! - im[i + 1]!;
    const oddSumRe = re[i + 2]! + re[i + 3]!;
    const oddSumIm = im[i + 2]! + im[i + 3]!;
    const oddDiffRe = re[i + 2]! - re[i + 3]!;
    const oddDiffIm = im[i + 2]! - im[i + 3]!;
    re[i] = evenSumRe + oddSumRe;
    im[i] = evenSumIm + oddSumIm;
    re[i + 1] = evenDiffRe + oddDiffIm;
    im[i + 1] = evenDiffIm - oddDiffRe;
    re[i + 2] = evenSumRe - oddSumRe;
    im[i + 2] = evenSumIm - oddSumIm;
    re[i + 3] = evenDiffRe - oddDiffIm;
    im[i + 3] = evenDiffIm + oddDiffRe;
  }
}

/** Transforms of eight samples each: two radix-4 ones, joined by the eighth roots of unity. */
function firstEights(re: Float64Array, im: Float64Array, size: number): void {
  firstFours(re, im, size);
  for (let i = 0; i < size; i += 8) {
    joinEighth(re, im, i, re[i + 4]!, im[i + 4]!);
    joinEighth(re, im, i + 1, (re[i + 5]! + im[i + 5]!) * Math.SQRT1_2, (im[i + 5]! - re[i + 5]!) * Math.SQRT1_2);
    joinEighth(re, im, i + 2, im[i + 6]!, -re[i + 6]!);
    joinEighth(re, im, i + 3, (im[i + 7]! - re[i + 7]!) * Math.SQRT1_2, -(re[i + 7]! + im[i + 7]!) * Math.SQRT1_2);
  }
}

function joinEighth(re: Float64Array, im: Float64Array, place: number, oddRe: number, oddIm: number): void {
  const evenRe = re[place]!;
  const evenIm = im[place]!;
  re[place] = evenRe + oddRe;
  im[place] = evenIm + oddIm;
  re[place + 4] = evenRe - oddRe;
  im[place + 4] = evenIm - oddIm;
}

/**
 * In bit-reversed order the quarters of a block hold the samples 0, 2, 1 and 3 modulo 4. The loop over blocks is
 * the inner one, so that a twiddle is read once for all of them.
 */
function runStage({ quarter, twiddles }: RadixFourStage, re: Float64Array, im: Float64Array, size: number): void {
  const step = quarter * 4;
  for (let k = 0, t = 0; k < quarter; k += 1, t += 6) {
    const w1r = twiddles[t]!, w1i = twiddles[t + 1]!, w2r = twiddles[t + 2]!;
    const w2i = twiddles[t + 3]!, w3r = twiddles[t + 4]!, w3i = twiddles[t + 5]!;
    for (let i0 = k; i0 < size; i0 += step) {
      const i2 = i0 + quarter;
      const i1 = i2 + quarter;
      const i3 = i1 + quarter;
      const x1r = re[i1]!, x1i = im[i1]!, x2r = re[i2]!, x2i = im[i2]!, x3r = re[i3]!, x3i = im[i3]!;
      const a0r = re[i0]!, a0i = im[i0]!;
      const a1r = x1r * w1r - x1i * w1i;
      const a1i = x1r * w1i + x1i * w1r;
      const a2r = x2r * w2r - x2i * w2i;
      const a2i = x2r * w2i + x2i * w2r;
      const a3r = x3r * w3r - x3i * w3i;
      const a3i = x3r * w3i + x3i * w3r;
      const evenSumRe = a0r + a2r, evenSumIm = a0i + a2i;
      const evenDiffRe = a0r - a2r, evenDiffIm = a0i - a2i;
      const oddSumRe = a1r + a3r, oddSumIm = a1i + a3i;
      const oddDiffRe = a1r - a3r, oddDiffIm = a1i - a3i;
      re[i0] = evenSumRe + oddSumRe;
      im[i0] = evenSumIm + oddSumIm;
      re[i2] = evenDiffRe + oddDiffIm;
      im[i2] = evenDiffIm - oddDiffRe;
      re[i1] = evenSumRe - oddSumRe;
      im[i1] = evenSumIm - oddSumIm;
      re[i3] = evenDiffRe - oddDiffIm;
      im[i3] = evenDiffIm + oddDiffRe;
    }
  }
}

/**
 * The last stage, with the modulus of each output in place of the output. Square roots take a unit of their own,
 * so that here they run beside the multiplications; a pass of their own would cost a sixth of the whole.
 */
function runLastStageModulus({ quarter, twiddles }: RadixFourStage, re: Float64Array, im: Float64Array, modulus: Float64Array): void {
  for (let i0 = 0, t = 0; i0 < quarter; i0 += 1, t += 6) {
    const w1r = twiddles[t]!, w1i = twiddles[t + 1]!, w2r = twiddles[t + 2]!;
    const w2i = twiddles[t + 3]!, w3r = twiddles[t + 4]!, w3i = twiddles[t + 5]!;
    const i2 = i0 + quarter;
    const i1 = i2 + quarter;
    const i3 = i1 + quarter;
    const x1r = re[i1]!, x1i = im[i1]!, x2r = re[i2]!, x2i = im[i2]!, x3r = re[i3]!, x3i = im[i3]!;
    const a0r = re[i0]!, a0i = im[i0]!;
    const a1r = x1r * w1r - x1i * w1i;
    const a1i = x1r * w1i + x1i * w1r;
    const a2r = x2r * w2r - x2i * w2i;
    const a2i = x2r * w2i + x2i * w2r;
    const a3r = x3r * w3r - x3i * w3i;
    const a3i = x3r * w3i + x3i * w3r;
    const evenSumRe = a0r + a2r, evenSumIm = a0i + a2i;
    const evenDiffRe = a0r - a2r, evenDiffIm = a0i - a2i;
    const oddSumRe = a1r + a3r, oddSumIm = a1i + a3i;
    const oddDiffRe = a1r - a3r, oddDiffIm = a1i - a3i;
    modulus[i0] = modulusOf(evenSumRe + oddSumRe, evenSumIm + oddSumIm);
    modulus[i2] = modulusOf(evenDiffRe + oddDiffIm, evenDiffIm - oddDiffRe);
    modulus[i1] = modulusOf(evenSumRe - oddSumRe, evenSumIm - oddSumIm);
    modulus[i3] = modulusOf(evenDiffRe - oddDiffIm, evenDiffIm + oddDiffRe);
  }
}

/** The lower half of a real signal's spectrum: bins 0 to size/2; the others are their conjugates. */
export interface HalfSpectrum {
  readonly real: Float64Array;
  readonly imaginary: Float64Array;
}

export interface RealFft {
  readonly size: number;
  /** Reads the first `size` samples of `signal`; writes the first `binCount` bins of `spectrum`, at most size/2 + 1. */
  transform(signal: Float64Array, spectrum: HalfSpectrum, binCount: number): void;
}

/** A real transform of even size through a complex one of half the size (even samples real, odd imaginary). */
export function planRealFft(size: number): RealFft {
  const half = size / 2;
  const fft = planFft(half);
  const real = new Float64Array(half);
  const imaginary = new Float64Array(half);
  const cosines = new Float64Array(half).map((_, k) => 0.5 * Math.cos((2 * Math.PI * k) / size));
  const sines = new Float64Array(half).map((_, k) => 0.5 * Math.sin((-2 * Math.PI * k) / size));
  return {
    size,
    transform(signal, spectrum, binCount) {
      for (let i = 0; i < half; i += 1) {
        const place = fft.order[i]!;
        real[place] = signal[2 * i]!;
        imaginary[place] = signal[2 * i + 1]!;
      }
      fft.transform(real, imaginary);
      spectrum.real[0] = real[0]! + imaginary[0]!;
      spectrum.imaginary[0] = 0;
      if (binCount > half) {
        spectrum.real[half] = real[0]! - imaginary[0]!;
        spectrum.imaginary[half] = 0;
      }
      const end = Math.min(binCount, half);
      for (let k = 1; k < end; k += 1) {
        const mirror = half - k;
        const oddRe = imaginary[k]! + imaginary[mirror]!;
        const oddIm = real[mirror]! - real[k]!;
        spectrum.real[k] = 0.5 * (real[k]! + real[mirror]!) + oddRe * cosines[k]! - oddIm * sines[k]!;
        spectrum.imaginary[k] = 0.5 * (imaginary[k]! - imaginary[mirror]!) + oddRe * sines[k]! + oddIm * cosines[k]!;
      }
    },
  };
}
