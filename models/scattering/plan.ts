/**
 * One-dimensional wavelet scattering with the numbers of Kymatio 0.3.0's numpy front end, planned once for a
 * window length and then run without allocating.
 *
 * Two departures keep those numbers and cost less. The window's first sample is subtracted before the
 * transform and given back by order 0: every wavelet vanishes at frequency 0, so nothing else changes, except
 * that prices (nearly all constant) lose a thousand times less to rounding. And averaging, decimating and
 * cutting off the padding is one linear map of a modulus signal, so each output sample is a dot product with a
 * fixed row instead of two more transforms.
 */
import { planFft, planRealFft, ScatteringError } from './fft.ts';
import type { Fft, HalfSpectrum, RealFft } from './fft.ts';
import {
  impulseResponse, lowPassSigma, lowPassSpectrum, lowPassSupport, morletSpectrum, periodized, waveletBands,
} from './filters.ts';
import type { WaveletBand } from './filters.ts';

export interface ScatteringParameters {
  /** Largest wavelet scale is 2^J samples. */
  readonly J: number;
  /** Wavelets per octave of order 1 and order 2; a single number means 1 for order 2. */
  readonly Q: number | readonly [number, number];
  /** Samples in a window. */
  readonly length: number;
  /** Averaging scale T in samples, 1 to `length`; 2^J by default; 0 leaves every path unaveraged. */
  readonly averagingScale?: number;
  /** 2 by default. */
  readonly maxOrder?: 1 | 2;
  /** Every output keeps 2^oversampling times more samples; 0 by default. */
  readonly oversampling?: number;
}

/** One row of the output: order 0 first, then order 1 from high to low frequency, then order 2 by parent. */
export interface ScatteringPath {
  readonly order: 0 | 1 | 2;
  /** Wavelet indices: (), (n1) or (n1, n2). */
  readonly key: readonly number[];
  readonly xi: readonly number[];
  readonly sigma: readonly number[];
  readonly j: readonly number[];
  /** Where the path begins in the output, and how many samples it has. */
  readonly offset: number;
  readonly length: number;
}

export interface ScatteringPlan {
  readonly length: number;
  readonly paddedLength: number;
  readonly paths: readonly ScatteringPath[];
  readonly outputLength: number;
  /**
   * Scatters one window, path after path, into `output`. NaN and infinity spread to every path: check before.
   * @throws ScatteringError when either array has another length than planned.
   */
  transform(window: Float64Array, output: Float64Array): void;
}

const LENGTH_MIN = 4;
const LENGTH_MAX = 16_384;
const WAVELETS_PER_OCTAVE_MAX = 64;
/** Below this share of a filter's peak a bin adds less than the rounding of the bins that are kept. */
const BIN_SHARE_MIN = 1e-19;
/** The low-pass rows come out of a transform, so their far tails are rounding noise of about this share. */
const ROW_SHARE_MIN = 1e-17;

interface Resolved {
  readonly J: number;
  readonly Q1: number;
  readonly Q2: number;
  readonly length: number;
  readonly averaged: boolean;
  readonly T: number;
  readonly log2T: number;
  readonly maxOrder: 1 | 2;
  readonly oversampling: number;
}

function resolve(parameters: ScatteringParameters): Resolved {
  const { J, Q, length, averagingScale = 2 ** J, maxOrder = 2, oversampling = 0 } = parameters;
  const [Q1, Q2] = typeof Q === 'number' ? [Q, 1] : Q;
  const wholeIn = (name: string, value: number, from: number, to: number): void => {
    if (!Number.isInteger(value) || value < from || value > to) {
      throw new ScatteringError(`${name} = ${value}: must be a whole number from ${from} to ${to}`);
    }
  };
  wholeIn('length', length, LENGTH_MIN, LENGTH_MAX);
  wholeIn('J', J, 1, Math.floor(Math.log2(length)));
  wholeIn('Q[0]', Q1, 1, WAVELETS_PER_OCTAVE_MAX);
  wholeIn('Q[1]', Q2, 1, WAVELETS_PER_OCTAVE_MAX);
  wholeIn('maxOrder', maxOrder, 1, 2);
  wholeIn('oversampling', oversampling, 0, 16);
  const averaged = averagingScale !== 0;
  const T = averaged ? averagingScale : 2 ** J;
  if (!(T >= 1 && T <= length)) throw new ScatteringError(`averagingScale = ${T}: must be 0 or from 1 to ${length}`);
  return { J, Q1, Q2, length, averaged, T, log2T: Math.floor(Math.log2(T)), maxOrder, oversampling };
}

interface Padding {
  readonly paddedLength: number;
  /** For each padded sample the index of the window's sample it repeats. */
  readonly source: Int32Array;
  /** Where the window begins and ends after decimation by 2^level. */
  readonly start: readonly number[];
  readonly end: readonly number[];
}

function planPadding({ length, J, T, log2T }: Resolved): Padding {
  const wanted = 3 * lowPassSupport(length, lowPassSigma(T));
  const paddedLength = 2 ** Math.min(Math.ceil(Math.log2(length + 2 * wanted)), Math.floor(Math.log2(3 * length - 2)));
  const left = Math.floor((paddedLength - length) / 2);
  if (paddedLength - length - left >= length) throw new ScatteringError(`length = ${length}: too short to be padded by reflection`);
  const source = new Int32Array(paddedLength);
  for (let i = 0; i < paddedLength; i += 1) {
    const t = i - left;
    source[i] = t < 0 ? -t : t >= length ? 2 * (length - 1) - t : t;
  }
  const start = [left];
  const end = [left + length];
  for (let level = 1; level <= Math.max(log2T, J); level += 1) {
    start.push(Math.ceil(start[level - 1]! / 2));
    end.push(Math.ceil(end[level - 1]! / 2));
  }
  return { paddedLength, source, start, end };
}

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
interface Band {
  readonly fft: Fft;
  readonly runs: readonly BinRun[];
}

function planBand(filter: Float64Array, decimation: number, fft: Fft): Band {
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
    const bins = Array.from({ length: Math.max(last - first + 1, 0) }, (_, i) => binOf(first + i));
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
    const weights = new Float64Array(size * GROUP);
    for (let r = 0; r < Math.min(GROUP, count - first); r += 1) {
      for (let i = 0; i < size; i += 1) weights[i * GROUP + r] = weightOf(first + r, i);
    }
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

function planAveraging(lowPass: Float64Array, level: number, stride: number, start: number, end: number): Averaging {
  const spectrum = periodized(lowPass, level);
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
function transformPays({ size, signalRows, realRows, imaginaryRows }: Averaging): boolean {
  return multiplications(realRows) + multiplications(imaginaryRows) + size * Math.log2(size) < multiplications(signalRows);
}

/** How a signal at one level becomes output: averaged, or the window's own samples. */
type Emission =
  | { readonly kind: 'average'; readonly averaging: Averaging; readonly length: number }
  | { readonly kind: 'copy'; readonly start: number; readonly length: number };

/** Bins of the signal's half spectrum that its averaging would read. */
const binsRead = (emission: Emission): number => emission.kind === 'copy' ? 0
  : [...emission.averaging.realRows, ...emission.averaging.imaginaryRows].reduce((count, { to }) => Math.max(count, to), 0);

interface Step {
  readonly band: Band;
  readonly emission: Emission;
  readonly offset: number;
  /** Null where nobody needs the modulus's spectrum. */
  readonly realFft: RealFft | null;
  /** So many bins of that spectrum are needed. */
  readonly binCount: number;
  readonly children: readonly Step[];
}

interface Cascade {
  readonly paths: readonly ScatteringPath[];
  readonly first: readonly Step[];
  readonly order0: Emission;
  readonly outputLength: number;
}

/** Builds each thing once for a key and hands the same one out again. */
function memoized<T>(build: (key: number) => T): (key: number) => T {
  const built = new Map<number, T>();
  return (key) => {
    const found = built.get(key);
    if (found !== undefined) return found;
    const made = build(key);
    built.set(key, made);
    return made;
  };
}

function planEmissions(resolved: Resolved, padding: Padding): (level: number) => Emission {
  const { averaged, log2T, oversampling } = resolved;
  if (!averaged) {
    return (level) => ({ kind: 'copy', start: padding.start[level]!, length: padding.end[level]! - padding.start[level]! });
  }
  const lowPass = lowPassSpectrum(padding.paddedLength, lowPassSigma(resolved.T));
  return memoized((level) => {
    const exponent = Math.max(log2T - level - oversampling, 0);
    const start = padding.start[level + exponent]!;
    const end = padding.end[level + exponent]!;
    return { kind: 'average', averaging: planAveraging(lowPass, level, 2 ** exponent, start, end), length: end - start };
  });
}

function planCascade(resolved: Resolved, padding: Padding): Cascade {
  const { J, Q1, Q2, maxOrder, averaged, log2T, oversampling } = resolved;
  const emissionAt = planEmissions(resolved, padding);
  const fftAt = memoized((level) => planFft(padding.paddedLength / 2 ** level));
  const realFftAt = memoized((level) => planRealFft(padding.paddedLength / 2 ** level));
  const bands1 = waveletBands(J, Q1);
  const bands2 = maxOrder === 2 ? waveletBands(J, Q2) : [];
  const spectra2 = bands2.map((wavelet) => morletSpectrum(padding.paddedLength, wavelet));
  // An unaveraged path is decimated by its own j alone; the averaging scale caps that of the others.
  const levelOf = (j: number, above: number): number => Math.max((averaged ? Math.min(j, log2T) : j) - oversampling, above);

  const stepOf = (level: number, band: Band, emission: Emission, offset: number, children: readonly Step[]): Step => {
    const transformed = children.length > 0 || (emission.kind === 'average' && transformPays(emission.averaging));
    const binCount = Math.max(binsRead(emission), ...children.flatMap((child) => child.band.runs.map((run) => run.first + run.weights.length)));
    return { band, emission, offset, realFft: transformed ? realFftAt(level) : null, binCount, children };
  };

  let offset = 0;
  const paths: ScatteringPath[] = [];
  const place = (key: readonly number[], wavelets: readonly WaveletBand[], { length }: Emission): number => {
    const order = key.length as 0 | 1 | 2;
    paths.push({ order, key, xi: wavelets.map((w) => w.xi), sigma: wavelets.map((w) => w.sigma), j: wavelets.map((w) => w.j), offset, length });
    offset += length;
    return offset - length;
  };

  const order0 = emissionAt(0);
  place([], [], order0);
  const roots = bands1.map((wavelet, n1) => {
    const level = levelOf(wavelet.j, 0);
    const emission = emissionAt(level);
    const band = planBand(morletSpectrum(padding.paddedLength, wavelet), 2 ** level, fftAt(level));
    return { wavelet, n1, level, emission, band, offset: place([n1], [wavelet], emission) };
  });
  const first = roots.map(({ wavelet, n1, level, emission, band, offset: rootOffset }): Step => {
    const children: Step[] = [];
    bands2.forEach((wavelet2, n2) => {
      if (wavelet2.j <= wavelet.j) return;
      const level2 = levelOf(wavelet2.j, level);
      const band2 = planBand(periodized(spectra2[n2]!, level), 2 ** (level2 - level), fftAt(level2));
      const emission2 = emissionAt(level2);
      children.push(stepOf(level2, band2, emission2, place([n1, n2], [wavelet, wavelet2], emission2), []));
    });
    return stepOf(level, band, emission, rootOffset, children);
  });
  return { paths, first, order0, outputLength: offset };
}

/**
 * Plans the scattering of windows of one length.
 * @throws ScatteringError for parameters that name no valid transform, saying which and why.
 */
export function planScattering(parameters: ScatteringParameters): ScatteringPlan {
  const resolved = resolve(parameters);
  const padding = planPadding(resolved);
  const cascade = planCascade(resolved, padding);
  const { length } = resolved;
  const { paddedLength, source } = padding;
  const signal = new Float64Array(paddedLength);
  const work: HalfSpectrum = { real: new Float64Array(paddedLength), imaginary: new Float64Array(paddedLength) };
  // One modulus and one spectrum for each order, because a parent's must outlive its children's.
  const moduli = [0, 1].map(() => new Float64Array(paddedLength));
  const spectra = [0, 1, 2].map((): HalfSpectrum => ({ real: new Float64Array(paddedLength / 2 + 1), imaginary: new Float64Array(paddedLength / 2 + 1) }));
  const windowFft = planRealFft(paddedLength);

  const runSteps = (steps: readonly Step[], depth: number, output: Float64Array): void => {
    const modulus = moduli[depth]!;
    const own = spectra[depth + 1]!;
    for (let s = 0; s < steps.length; s += 1) {
      const { band, emission, offset, realFft, binCount, children } = steps[s]!;
      applyBand(band, spectra[depth]!, work, modulus);
      if (realFft !== null) realFft.transform(modulus, own, binCount);
      emit(emission, modulus, realFft === null ? null : own, output, offset);
      runSteps(children, depth + 1, output);
    }
  };
  return {
    length,
    paddedLength,
    paths: cascade.paths,
    outputLength: cascade.outputLength,
    transform(window, output) {
      if (window.length !== length) throw new ScatteringError(`window has ${window.length} samples: ${length} planned`);
      if (output.length !== cascade.outputLength) throw new ScatteringError(`output has ${output.length} places: ${cascade.outputLength} planned`);
      const level0 = window[0]!;
      for (let i = 0; i < paddedLength; i += 1) signal[i] = window[source[i]!]! - level0;
      windowFft.transform(signal, spectra[0]!, paddedLength / 2 + 1);
      emit(cascade.order0, signal, spectra[0]!, output, 0);
      for (let t = 0; t < cascade.order0.length; t += 1) output[t] = output[t]! + level0;
      runSteps(cascade.first, 0, output);
    },
  };
}

/** |inverse transform of (spectrum × wavelet), decimated|, into the first `band.fft.size` places of `modulus`. */
function applyBand({ fft, runs }: Band, spectrum: HalfSpectrum, { real, imaginary }: HalfSpectrum, modulus: Float64Array): void {
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

function emit(emission: Emission, signal: Float64Array, spectrum: HalfSpectrum | null, output: Float64Array, offset: number): void {
  const end = offset + emission.length;
  if (emission.kind === 'copy') {
    for (let t = 0; t < emission.length; t += 1) output[offset + t] = signal[emission.start + t]!;
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
