/** The steps of one transform in the order in which they run, and the paths that they write. */
import { planFft, planRealFft } from './fft.ts';
import type { RealFft } from './fft.ts';
import { lowPassSigma, lowPassSpectrum, morletSpectrum, periodized, waveletBands } from './filters.ts';
import type { WaveletBand } from './filters.ts';
import { binsRead, planAveraging, planBand, transformPays } from './linear.ts';
import type { Band, Emission } from './linear.ts';
import { planPadding } from './parameters.ts';
import type { Padding, ResolvedParameters } from './parameters.ts';

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

/** One wavelet after its parent's modulus. */
export interface Step {
  readonly band: Band;
  readonly emission: Emission;
  readonly offset: number;
  /** Null where nobody needs the modulus's spectrum. */
  readonly realFft: RealFft | null;
  /** So many bins of that spectrum are needed. */
  readonly binCount: number;
  readonly children: readonly Step[];
}

export interface Cascade {
  readonly padding: Padding;
  readonly paths: readonly ScatteringPath[];
  readonly first: readonly Step[];
  readonly order0: Emission;
  readonly outputLength: number;
}

/** Builds each thing once for a key and hands the same one out again; the oldest makes way beyond `countMax`. */
function memoized<Key, T>(build: (key: Key) => T, nameOf: (key: Key) => string, countMax: number): (key: Key) => T {
  const built = new Map<string, T>();
  return (key) => {
    const name = nameOf(key);
    const found = built.get(name);
    if (found !== undefined) return found;
    const made = build(key);
    if (built.size >= countMax) built.delete(built.keys().next().value!);
    built.set(name, made);
    return made;
  };
}

/** Levels of decimation; more than any window allows. */
const LEVELS_MAX = 32;
const byLevel = <T>(build: (level: number) => T): ((level: number) => T) => memoized(build, String, LEVELS_MAX);

function planEmissions(resolved: ResolvedParameters, padding: Padding): (level: number) => Emission {
  const { averaging, log2T, oversampling, reduction } = resolved;
  if (averaging === 'none') return (level) => ({ kind: 'copy', start: padding.start[level]!, length: padding.end[level]! - padding.start[level]! });
  if (averaging === 'global') return (level) => ({ kind: 'sum', size: padding.paddedLength / 2 ** level, length: 1 });
  const lowPass = lowPassSpectrum(padding.paddedLength, lowPassSigma(resolved.T));
  return byLevel((level) => {
    const exponent = Math.max(log2T - level - oversampling, 0);
    const start = padding.start[level + exponent]!;
    const end = padding.end[level + exponent]!;
    return { kind: 'average', averaging: planAveraging(lowPass, level, reduction, 2 ** exponent, start, end), length: end - start };
  });
}

function planCascade(resolved: ResolvedParameters): Cascade {
  const padding = planPadding(resolved);
  const { J, Q1, Q2, maxOrder, log2T, oversampling, reduction } = resolved;
  const emissionAt = planEmissions(resolved, padding);
  const fftAt = byLevel((level) => planFft(padding.paddedLength / 2 ** level));
  const realFftAt = byLevel((level) => planRealFft(padding.paddedLength / 2 ** level));
  const bands1 = waveletBands(J, Q1);
  const bands2 = maxOrder === 2 ? waveletBands(J, Q2) : [];
  const spectra2 = bands2.map((wavelet) => morletSpectrum(padding.paddedLength, wavelet));
  // The averaging scale caps a path's own j. Where no low-pass follows it is 2^J, which no wavelet's j reaches.
  const levelOf = (j: number, above: number): number => Math.max(Math.min(j, log2T) - oversampling, above);

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
      const band2 = planBand(periodized(spectra2[n2]!, level, reduction), 2 ** (level2 - level), fftAt(level2));
      const emission2 = emissionAt(level2);
      children.push(stepOf(level2, band2, emission2, place([n1, n2], [wavelet, wavelet2], emission2), []));
    });
    return stepOf(level, band, emission, rootOffset, children);
  });
  return { padding, paths, first, order0, outputLength: offset };
}

const CASCADES_MAX = 16;
/** The tables of a transform: built once for a set of parameters, however many plans run it. */
export const cascadeOf: (resolved: ResolvedParameters) => Cascade = memoized(planCascade, JSON.stringify, CASCADES_MAX);
