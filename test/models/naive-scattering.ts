/**
 * Scattering written down as its definition reads, with sums in place of fast transforms and none of the planned
 * one's tables: slow, and an independent witness for parameters that no reference file covers.
 */
import type { ScatteringParameters } from '../../models/scattering/plan.ts';

interface Signal {
  readonly re: readonly number[];
  readonly im: readonly number[];
}
interface Wavelet {
  readonly spectrum: readonly number[];
  readonly j: number;
}

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);
const real = (re: readonly number[]): Signal => ({ re, im: re.map(() => 0) });

/** Σ signal[n]·exp(sign·2πi·kn/N), divided by `divisor`. */
function fourier({ re, im }: Signal, sign: 1 | -1, divisor: number): Signal {
  const size = re.length;
  const cosines = range(size).map((i) => Math.cos((2 * Math.PI * i) / size));
  const sines = range(size).map((i) => sign * Math.sin((2 * Math.PI * i) / size));
  const sumOver = (term: (n: number, turn: number) => number) => (k: number): number => range(size).reduce((sum, n) => sum + term(n, (k * n) % size), 0) / divisor;
  return {
    re: range(size).map(sumOver((n, turn) => re[n]! * cosines[turn]! - im[n]! * sines[turn]!)),
    im: range(size).map(sumOver((n, turn) => re[n]! * sines[turn]! + im[n]! * cosines[turn]!)),
  };
}
const forward = (signal: Signal): Signal => fourier(signal, -1, 1);
const inverse = (signal: Signal): Signal => fourier(signal, 1, signal.re.length);
const moduli = ({ re, im }: Signal): readonly number[] => re.map((value, i) => Math.hypot(value, im[i]!));

/** Bins that coincide at 1/2^level of the rate, added up or averaged. */
function folded(bins: readonly number[], level: number, how: 'mean' | 'sum'): readonly number[] {
  const size = bins.length / 2 ** level;
  return range(size).map((k) => range(2 ** level).reduce((sum, l) => sum + bins[k + l * size]!, 0) / (how === 'mean' ? 2 ** level : 1));
}

function gaussian(size: number, centre: number, sigma: number): readonly number[] {
  const periods = Math.min(Math.ceil(Math.sqrt(-2 * sigma ** 2 * Math.log(1e-7)) + 1), 5);
  return range(size).map((k) => range(2 * periods - 1).reduce((sum, p) => sum + Math.exp(-(((k + (p + 1 - periods) * size) / size - centre) ** 2) / (2 * sigma ** 2)), 0) / (2 * periods - 1));
}
function normalised(bins: readonly number[]): readonly number[] {
  const norm = moduli(inverse(real(bins))).reduce((sum, value) => sum + value, 0);
  return bins.map((bin) => bin / norm);
}

function wavelets(size: number, J: number, Q: number): readonly Wavelet[] {
  const least = 0.1 / 2 ** J;
  const step = 2 ** (1 / Q);
  let xi = Math.max(1 / (1 + 2 ** (3 / Q)), 0.35);
  let sigma = (xi * ((1 - 1 / step) / (1 + 1 / step))) / Math.sqrt(2 * Math.log(Math.SQRT2));
  const pairs: [number, number][] = [];
  let elbow = sigma;
  if (sigma > least) {
    pairs.push([xi, sigma]);
    while (sigma > least * step) {
      xi /= step;
      sigma /= step;
      pairs.push([xi, sigma]);
    }
    elbow = xi;
  }
  for (let q = 1; q < Q; q += 1) pairs.push([elbow - (q / Q) * elbow, least]);
  return pairs.map(([centre, width]) => {
    const [gabor, low] = [gaussian(size, centre, width), gaussian(size, 0, width)];
    return { spectrum: normalised(gabor.map((value, k) => value - (gabor[0]! / low[0]!) * low[k]!)), j: Math.floor(-Math.log2(Math.min(centre + 5 * width, 0.5))) - 1 };
  });
}

/** Samples until the low-pass's tail weighs at most a thousandth of the whole, or half the length. */
export function supportNaively(length: number, T: number): number {
  const tail = moduli(inverse(real(gaussian(length, 0, 0.1 / T))));
  const norm = tail.reduce((sum, value) => sum + value, 0);
  const half = Math.floor(length / 2);
  const first = range(half).find((i) => tail.slice(i, half).reduce((sum, value) => sum + value, 0) / norm <= 1e-3);
  return first === undefined ? half : first + 1;
}

function paddedLength(length: number, T: number): number {
  const support = supportNaively(length, T);
  return 2 ** Math.min(Math.ceil(Math.log2(length + 6 * support)), Math.floor(Math.log2(3 * length - 2)));
}

/** One row a path, in Kymatio's order. */
export function scatterNaively(parameters: ScatteringParameters, window: readonly number[]): readonly (readonly number[])[] {
  const { J, Q, length, averagingScale = 2 ** J, maxOrder = 2, oversampling = 0, kymatio = '0.3.0' } = parameters;
  const [Q1, Q2] = typeof Q === 'number' ? [Q, 1] : Q;
  const how = kymatio === '0.3.0' ? 'mean' : 'sum';
  const local = averagingScale !== 'global' && averagingScale !== 0;
  const T = local ? averagingScale : 2 ** J;
  const log2T = Math.floor(Math.log2(T));
  const size = paddedLength(length, T);
  const left = Math.floor((size - length) / 2);
  const cut = (level: number): readonly [number, number] => range(level).reduce<readonly [number, number]>(([from, to]) => [Math.ceil(from / 2), Math.ceil(to / 2)], [left, left + length]);
  const phi = normalised(gaussian(size, 0, 0.1 / T));
  const filtered = (spectrum: Signal, filter: readonly number[], decimation: number): Signal =>
    inverse({ re: folded(spectrum.re.map((bin, k) => bin * filter[k]!), decimation, 'mean'), im: folded(spectrum.im.map((bin, k) => bin * filter[k]!), decimation, 'mean') });
  const output = (signal: readonly number[], level: number): readonly number[] => {
    if (averagingScale === 'global') return [signal.reduce((sum, value) => sum + value, 0)];
    if (!local) return signal.slice(...cut(level));
    const decimation = Math.max(log2T - level - oversampling, 0);
    return filtered(forward(real(signal)), folded(phi, level, how), decimation).re.slice(...cut(level + decimation));
  };
  const levelOf = (j: number): number => (local ? Math.min(j, log2T) : j);
  const padded = range(size).map((i) => window[Math.abs(i - left) < length ? Math.abs(i - left) : 2 * (length - 1) - (i - left)]!);
  const spectrum = forward(real(padded));
  const first = wavelets(size, J, Q1).map(({ spectrum: filter, j }) => {
    const level = Math.max(levelOf(j) - oversampling, 0);
    return { j, level, signal: moduli(filtered(spectrum, filter, level)) };
  });
  const second = maxOrder === 1 ? [] : wavelets(size, J, Q2);
  const children = first.flatMap((parent) => second.filter(({ j }) => j > parent.j).map(({ spectrum: filter, j }) => {
    const decimation = Math.max(levelOf(j) - parent.level - oversampling, 0);
    return output(moduli(filtered(forward(real(parent.signal)), folded(filter, parent.level, how), decimation)), parent.level + decimation);
  }));
  return [output(padded, 0), ...first.map(({ signal, level }) => output(signal, level)), ...children];
}
