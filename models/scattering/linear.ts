/**
 * The linear maps of a cascade, planned as tables: a wavelet with the decimation after it, applied to a half
 * spectrum, and what becomes of a signal in the output.
 */
import type { Fft, HalfSpectrum } from './fft.ts';
import { impulseResponse, periodized } from './filters.ts';
import type { Reduction } from './filters.ts';

/** Below this share of a filter's peak a bin adds less than the rounding of the bins that are kept. */
const BIN_SHARE_MIN = 1e-19;
/** The low-pass rows come out of a transform, so their far tails are rounding noise of about this share. */
const ROW_SHARE_MIN = 1e-17;

/**
 * A run of bins of a half spectrum: bin `first + i`, weighted, goes to the place `to[i]` of an inverse transform.
 * Negative frequencies are runs too, of the conjugates of positive ones.
 */
interface BinRun {
  readonly first: number;
  readonly weights: Float64Array;
  readonly to: Int32Array;
  readonly conjugate: boolean;
}

/** A wavelet and the decimation after it, applied to a half spectrum in one pass. */
export interface Band {
  readonly fft: Fft;
  readonly runs: readonly BinRun[];
}

export function planBand(filter: Float64Array, decimation: number, fft: Fft): Band {
  const size = filter.length;
  const peak = highestOf(filter);
  const runs: BinRun[] = [];
  for (const conjugate of [false, true]) {
    const binOf = (bin: number): number => (conjugate ? size - bin : bin);
    let first = size;
    let last = -1;
    for (let bin = conjugate ? 1 : 0; bin <= size / 2 - (conjugate ? 1 : 0); bin += 1) {
      if (Math.abs(filter[binOf(bin)]!) <= BIN_SHARE_MIN * peak) continue;
      first = Math.min(first, bin);
      last = bin;
    }
    // Where nothing has weight the length is negative, which counts as 0.
    const bins = Array.from({ length: last - first + 1 }, (_, i) => binOf(first + i));
    // 1/size is the inverse transform's 1/n together with the mean that decimation takes.
    const weights = Float64Array.from(bins, (k) => filter[k]! / size);
    runs.push({ first, weights, to: Int32Array.from(bins, (k) => fft.order[k % (size / decimation)]!), conjugate });
  }
  return { fft, runs };
}

const highestOf = (values: Float64Array): number => values.reduce((highest, value) => Math.max(highest, Math.abs(value)), 0);

/**
 * Rows whose dot products with a series are outputs. They stand in groups of four, interleaved (weight of entry i
 * for row r of a group at `4·i + r`), so that one pass over the series serves four outputs; the last group is
 * filled up with zeros.
 */
interface RowGroup {
  readonly weights: Float64Array;
  /** Entries outside [from, to) have no weight in any of the four rows. */
  readonly from: number;
  readonly to: number;
}

const GROUP = 4;

function planRows(count: number, size: number, shareMin: number, weightOf: (row: number, entry: number) => number): readonly RowGroup[] {
  const groups: RowGroup[] = [];
  for (let first = 0; first < count; first += GROUP) {
    const weights = new Float64Array(size * GROUP).map((_, place) => {
      const row = first + (place % GROUP);
      return row < count ? weightOf(row, Math.floor(place / GROUP)) : 0;
    });
    const floor = shareMin * highestOf(weights);
    const within = (weight: number): boolean => Math.abs(weight) > floor;
    groups.push({ weights, from: Math.floor(Math.max(weights.findIndex(within), 0) / GROUP), to: Math.floor(weights.findLastIndex(within) / GROUP) + 1 });
  }
  return groups;
}

/**
 * The low-pass at one level, decimated and cut to the window: rows over the signal itself, or over the few bins
 * of its half spectrum that the low-pass lets through.
 */
interface Averaging {
  readonly size: number;
  readonly signalRows: readonly RowGroup[];
  readonly realRows: readonly RowGroup[];
  readonly imaginaryRows: readonly RowGroup[];
}

export function planAveraging(lowPass: Float64Array, level: number, reduction: Reduction, stride: number, start: number, end: number): Averaging {
  const spectrum = periodized(lowPass, level, reduction);
  const response = impulseResponse(spectrum);
  const size = response.length;
  const count = end - start;
  const bins = size / 2 + 1;
  const binWeight = (bin: number): number => (spectrum[bin]! / size) * (bin === 0 || 2 * bin === size ? 1 : 2);
  const angle = (row: number, bin: number): number => (2 * Math.PI * ((bin * (start + row) * stride) % size)) / size;
  return {
    size,
    signalRows: planRows(count, size, ROW_SHARE_MIN, (row, i) => response[((((start + row) * stride - i) % size) + size) % size]!),
    realRows: planRows(count, bins, BIN_SHARE_MIN, (row, bin) => binWeight(bin) * Math.cos(angle(row, bin))),
    imaginaryRows: planRows(count, bins, BIN_SHARE_MIN, (row, bin) => -binWeight(bin) * Math.sin(angle(row, bin))),
  };
}

const multiplications = (groups: readonly RowGroup[]): number => groups.reduce((sum, { from, to }) => sum + GROUP * (to - from), 0);

/** Whether a transform of the signal costs less than what rows over its bins save, counting multiplications. */
export function transformPays({ size, signalRows, realRows, imaginaryRows }: Averaging): boolean {
  return multiplications(realRows) + multiplications(imaginaryRows) + size * Math.log2(size) < multiplications(signalRows);
}

/** How a signal at one level becomes output: averaged, the window's own samples, or the sum of the first `size`. */
export type Emission =
  | { readonly kind: 'average'; readonly averaging: Averaging; readonly length: number }
  | { readonly kind: 'copy'; readonly start: number; readonly length: number }
  | { readonly kind: 'sum'; readonly size: number; readonly length: 1 };

/** Bins of the signal's half spectrum that its averaging would read. */
export const binsRead = (emission: Emission): number => emission.kind !== 'average' ? 0
  : [...emission.averaging.realRows, ...emission.averaging.imaginaryRows].reduce((count, { to }) => Math.max(count, to), 0);

/** |inverse transform of (spectrum × wavelet), decimated|, into the first `band.fft.size` places of `modulus`. */
export function applyBand({ fft, runs }: Band, spectrum: HalfSpectrum, { real, imaginary }: HalfSpectrum, modulus: Float64Array): void {
  real.fill(0, 0, fft.size);
  imaginary.fill(0, 0, fft.size);
  for (let r = 0; r < runs.length; r += 1) addRun(runs[r]!, spectrum, real, imaginary);
  fft.transformModulus(imaginary, real, modulus);
}

function addRun({ first, weights, to, conjugate }: BinRun, spectrum: HalfSpectrum, real: Float64Array, imaginary: Float64Array): void {
  const sourceReal = spectrum.real;
  const sourceImaginary = spectrum.imaginary;
  const sign = conjugate ? -1 : 1;
  for (let i = 0; i < weights.length; i += 1) {
    const place = to[i]!;
    const weight = weights[i]!;
    real[place] = real[place]! + sourceReal[first + i]! * weight;
    imaginary[place] = imaginary[place]! + sourceImaginary[first + i]! * (weight * sign);
  }
}

/** Writes a path's samples; `spectrum` is the signal's own where that is the cheaper way to average, else null. */
export function emit(emission: Emission, signal: Float64Array, spectrum: HalfSpectrum | null, output: Float64Array, offset: number): void {
  const end = offset + emission.length;
  if (emission.kind === 'copy') {
    for (let t = 0; t < emission.length; t += 1) output[offset + t] = signal[emission.start + t]!;
    return;
  }
  if (emission.kind === 'sum') {
    let sum = 0;
    for (let i = 0; i < emission.size; i += 1) sum += signal[i]!;
    output[offset] = sum;
    return;
  }
  output.fill(0, offset, end);
  if (spectrum === null) {
    addRows(emission.averaging.signalRows, signal, output, offset, end);
  } else {
    addRows(emission.averaging.realRows, spectrum.real, output, offset, end);
    addRows(emission.averaging.imaginaryRows, spectrum.imaginary, output, offset, end);
  }
}

/** Adds each row's dot product to its place; the zero rows that fill up the last group have none. */
function addRows(groups: readonly RowGroup[], series: Float64Array, output: Float64Array, offset: number, end: number): void {
  for (let g = 0; g < groups.length; g += 1) {
    const { weights, from, to } = groups[g]!;
    let a = 0;
    let b = 0;
    let c = 0;
    let d = 0;
    for (let i = from, w = from * GROUP; i < to; i += 1, w += GROUP) {
      const value = series[i]!;
      a += weights[w]! * value;
      b += weights[w + 1]! * value;
      c += weights[w + 2]! * value;
      d += weights[w + 3]! * value;
    }
    const place = offset + g * GROUP;
    output[place] = output[place]! + a;
    if (place + 1 < end) output[place + 1] = output[place + 1]! + b;
    if (place + 2 < end) output[place + 2] = output[place + 2]! + c;
    if (place + 3 < end) output[place + 3] = output[place + 3]! + d;
  }
}
