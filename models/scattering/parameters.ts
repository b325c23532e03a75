/** What names a scattering transform, and the padding that follows from it. */
import { ScatteringError } from './error.ts';
import { lowPassSigma, lowPassSupport } from './filters.ts';
import type { Reduction } from './filters.ts';

export interface ScatteringParameters {
  /** Largest wavelet scale is 2^J samples. */
  readonly J: number;
  /** Wavelets per octave of order 1 and order 2; a single number means 1 for order 2. */
  readonly Q: number | readonly [number, number];
  /** Samples in a window. */
  readonly length: number;
  /**
   * Averaging scale T in samples, 1 to `length`, whole or not; 2^J by default. 0 leaves every path unaveraged;
   * `global` adds up the whole padded path to one number, which only 0.4.0.dev0 knows.
   */
  readonly averagingScale?: number | 'global';
  /** 2 by default. */
  readonly maxOrder?: 1 | 2;
  /** Every output keeps 2^oversampling times more samples; 0 by default. */
  readonly oversampling?: number;
  /** Whose numbers: `0.3.0` (0.2 gives the same) by default. The other differs by a power of two for each path. */
  readonly kymatio?: '0.3.0' | '0.4.0.dev0';
}

/** `local`: a low-pass and decimation; `global`: one sum; `none`: the moduli themselves. */
type Averaging = 'local' | 'global' | 'none';

/** The same, with nothing left open and everything in range. */
export interface ResolvedParameters {
  readonly J: number;
  readonly Q1: number;
  readonly Q2: number;
  readonly length: number;
  readonly averaging: Averaging;
  /** Width of the low-pass, which sets the padding even where nothing is averaged. */
  readonly T: number;
  readonly log2T: number;
  readonly maxOrder: 1 | 2;
  readonly oversampling: number;
  readonly reduction: Reduction;
}

const LENGTH_MIN = 4;
const LENGTH_MAX = 16_384;
const WAVELETS_PER_OCTAVE_MAX = 64;
const OVERSAMPLING_MAX = 16;
/** How a release brings a filter to a lower rate: the one place where they differ. */
const REDUCTIONS: { readonly [release: string]: Reduction } = { '0.3.0': 'mean', '0.4.0.dev0': 'sum' };

/** @throws ScatteringError (`parameter`) that names the parameter and its range. */
export function resolveParameters(parameters: ScatteringParameters): ResolvedParameters {
  const { J, Q, length, averagingScale = 2 ** J, maxOrder = 2, oversampling = 0, kymatio = '0.3.0' } = parameters;
  const [Q1, Q2] = typeof Q === 'number' ? [Q, 1] : Q;
  wholeIn('length', length, LENGTH_MIN, LENGTH_MAX);
  wholeIn('J', J, 1, Math.floor(Math.log2(length)));
  wholeIn('Q[0]', Q1, 1, WAVELETS_PER_OCTAVE_MAX);
  wholeIn('Q[1]', Q2, 1, WAVELETS_PER_OCTAVE_MAX);
  wholeIn('maxOrder', maxOrder, 1, 2);
  wholeIn('oversampling', oversampling, 0, OVERSAMPLING_MAX);
  const reduction = REDUCTIONS[kymatio];
  if (reduction === undefined) throw refused('kymatio', kymatio, `one of ${Object.keys(REDUCTIONS).join(', ')}`);
  if (averagingScale === 'global' && kymatio !== '0.4.0.dev0') throw refused('averagingScale', averagingScale, 'a number in the numbers of 0.3.0, which has no global average');
  const averaging = averagingScale === 'global' ? 'global' : averagingScale === 0 ? 'none' : 'local';
  const T = averaging === 'local' ? Number(averagingScale) : 2 ** J;
  if (!(T >= 1 && T <= length)) throw refused('averagingScale', T, `0 or from 1 to ${length}`);
  return { J, Q1, Q2, length, averaging, T, log2T: Math.floor(Math.log2(T)), maxOrder, oversampling, reduction };
}

const refused = (name: string, value: number | string, range: string): ScatteringError =>
  new ScatteringError('parameter', `${name} = ${value}: must be ${range}`);

function wholeIn(name: string, value: number, from: number, to: number): void {
  if (!Number.isInteger(value) || value < from || value > to) throw refused(name, value, `a whole number from ${from} to ${to}`);
}

/** A window made longer by reflection on both sides, the edges not repeated. */
export interface Padding {
  /** A power of two. */
  readonly paddedLength: number;
  /** For each padded sample the index of the window's sample that it repeats. */
  readonly source: Int32Array;
  /** Where the window begins and ends after decimation by 2^level. */
  readonly start: readonly number[];
  readonly end: readonly number[];
}

/** Three times the low-pass's support on each side, as far as one reflection of the window reaches. */
export function planPadding({ length, J, T, log2T }: ResolvedParameters): Padding {
  const wanted = 3 * lowPassSupport(length, lowPassSigma(T));
  // At most 3·length − 2, so that neither side is longer than the window less its edge.
  const paddedLength = 2 ** Math.min(Math.ceil(Math.log2(length + 2 * wanted)), Math.floor(Math.log2(3 * length - 2)));
  const left = Math.floor((paddedLength - length) / 2);
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
