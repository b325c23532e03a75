/**
 * The filter bank of one-dimensional wavelet scattering, as Kymatio 0.3.0's numpy `Scattering1D` defines it
 * (kymatio/scattering1d/filter_bank.py and utils.py): Morlet wavelets and a Gaussian low-pass, given by their
 * real values in Fourier, each divided by the l1 norm that it has in time.
 */
import { planFft } from './fft.ts';

const SIGMA_LOW = 0.1;
const BANDWIDTH_FACTOR = 5;
const RATIO_AT_CROSSING = Math.SQRT1_2;
/**
 * Periods on either side over which a Gaussian is folded. Kymatio computes the number from the width and a tolerance
 * of 1e-7, and comes to 1 for every width below 0.176; the widest here is 0.140 (Q = 1).
 */
const PERIODS_ASIDE = 1;
const SUPPORT_TOLERANCE = 1e-3;

/** Centre frequency and width in cycles per sample, and the power of two by which the output may be decimated. */
export interface WaveletBand {
  readonly xi: number;
  readonly sigma: number;
  readonly j: number;
}

/** Wavelets of one order from high to low frequency, for `2^scaleLog2` samples and `perOctave` wavelets an octave. */
export function waveletBands(scaleLog2: number, perOctave: number): readonly WaveletBand[] {
  const sigmaMin = SIGMA_LOW / 2 ** scaleLog2;
  const step = 2 ** (1 / perOctave);
  let xi = Math.max(1 / (1 + 2 ** (3 / perOctave)), 0.35);
  let sigma = ((xi * (1 - 1 / step)) / (1 + 1 / step)) / Math.sqrt(2 * Math.log(1 / RATIO_AT_CROSSING));
  const bands: WaveletBand[] = [];
  let elbow = sigma;
  if (sigma > sigmaMin) {
    bands.push(band(xi, sigma));
    while (sigma > sigmaMin * step) {
      xi /= step;
      sigma /= step;
      bands.push(band(xi, sigma));
    }
    elbow = xi;
  }
  for (let q = 1; q < perOctave; q += 1) bands.push(band(elbow - (q / perOctave) * elbow, sigmaMin));
  return bands;
}

function band(xi: number, sigma: number): WaveletBand {
  const highest = Math.min(xi + BANDWIDTH_FACTOR * sigma, 0.5);
  return { xi, sigma, j: Math.floor(-Math.log2(highest)) - 1 };
}

/** Width of the low-pass in cycles per sample, for an averaging scale in samples. */
export const lowPassSigma = (averagingScale: number): number => SIGMA_LOW / averagingScale;

/** A Gaussian around `centre`, folded over the neighbouring periods, at bins k/size. */
function foldedGaussian(size: number, centre: number, sigma: number): Float64Array {
  return new Float64Array(size).map((_, k) => {
    let sum = 0;
    for (let period = -PERIODS_ASIDE; period <= PERIODS_ASIDE; period += 1) {
      const distance = (k + period * size) / size - centre;
      sum += Math.exp(-(distance * distance) / (2 * sigma * sigma));
    }
    return sum / (2 * PERIODS_ASIDE + 1);
  });
}

/** Sum of the moduli of the inverse transform: 1 for a filter that is normalised. */
function timeNorm(spectrum: Float64Array): number {
  const time = inverseOfReal(spectrum);
  let norm = 0;
  for (let i = 0; i < spectrum.length; i += 1) norm += Math.hypot(time.real[i]!, time.imaginary[i]!);
  return norm;
}

/** Inverse transform (with 1/n) of a real spectrum of power-of-two length. */
function inverseOfReal(spectrum: Float64Array): { readonly real: Float64Array; readonly imaginary: Float64Array } {
  const size = spectrum.length;
  const fft = planFft(size);
  const real = new Float64Array(size);
  const imaginary = new Float64Array(size);
  spectrum.forEach((bin, k) => void (real[fft.order[k]!] = bin / size));
  fft.transform(imaginary, real);
  return { real, imaginary };
}

const dividedBy = (values: Float64Array, divisor: number): Float64Array => values.map((value) => value / divisor);

/** The Morlet wavelet at bins k/size: a Gabor minus the multiple of a low-pass that makes bin 0 vanish. */
export function morletSpectrum(size: number, { xi, sigma }: WaveletBand): Float64Array {
  const gabor = foldedGaussian(size, xi, sigma);
  const low = foldedGaussian(size, 0, sigma);
  const share = gabor[0]! / low[0]!;
  const wavelet = gabor.map((value, k) => value - share * low[k]!);
  return dividedBy(wavelet, timeNorm(wavelet));
}

/** The low-pass at bins k/size. */
export function lowPassSpectrum(size: number, sigma: number): Float64Array {
  const low = foldedGaussian(size, 0, sigma);
  return dividedBy(low, timeNorm(low));
}

/** What becomes of bins that coincide at a lower rate: 0.3.0 takes their mean, 0.4.0.dev0 their sum. */
export type Reduction = 'mean' | 'sum';

/** A filter at 1/2^level of the sampling rate. */
export function periodized(spectrum: Float64Array, level: number, reduction: Reduction): Float64Array {
  const size = spectrum.length / 2 ** level;
  const values = new Float64Array(size);
  for (let k = 0; k < spectrum.length; k += 1) values[k % size] = values[k % size]! + spectrum[k]!;
  return reduction === 'mean' ? dividedBy(values, 2 ** level) : values;
}

/** Impulse response of a real, even spectrum, whose imaginary part is rounding noise. */
export const impulseResponse = (spectrum: Float64Array): Float64Array => inverseOfReal(spectrum).real;

/**
 * Samples until the low-pass's tail weighs at most 1e-3, or half the length when it never does.
 * `length` need not be a power of two, so the response is summed as cosines, up to a factor; this runs once for a plan.
 */
export function lowPassSupport(length: number, sigma: number): number {
  const low = foldedGaussian(length, 0, sigma);
  const cosines = new Float64Array(length).map((_, i) => Math.cos((2 * Math.PI * i) / length));
  const moduli = new Float64Array(length);
  for (let i = 0; 2 * i <= length; i += 1) {
    let sum = 0;
    for (let k = 0; k < length; k += 1) sum += low[k]! * cosines[(i * k) % length]!;
    moduli[i] = Math.abs(sum);
    moduli[(length - i) % length] = moduli[i]!;
  }
  const norm = moduli.reduce((sum, value) => sum + value, 0);
  const half = Math.floor(length / 2);
  let i = half - 1;
  let residual = moduli[i]! / norm;
  // Ends at index 0 at the latest: the response from there to the middle weighs about half of the whole.
  while (residual <= SUPPORT_TOLERANCE) {
    i -= 1;
    residual += moduli[i]! / norm;
  }
  return Math.min(i + 2, half);
}
