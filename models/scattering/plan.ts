/**
 * One-dimensional wavelet scattering with the numbers of Kymatio's numpy `Scattering1D`, planned once for a window
 * length and then run without allocating. A small library of its own; this file is its front door.
 *
 *     const plan = planScattering({ J: 6, Q: 4, length: 256 });
 *     const output = new Float64Array(plan.outputLength);
 *     plan.transform(window, output);
 *     plan.paths.forEach(({ key, offset, length }) => output.subarray(offset, offset + length));
 *
 * - `parameters.ts`: J, Q, N, T, orders, oversampling, and whose numbers (Kymatio 0.3.0 or 0.4.0.dev0); the padding.
 * - `filters.ts`: the Morlet wavelets and the Gaussian low-pass, in Fourier.
 * - `cascade.ts`: which wavelet follows which, at what rate, and where each path stands in the output.
 * - `linear.ts`: filter, decimation, averaging and cutting as tables of weights.
 * - `fft.ts`: Fourier transforms of power-of-two lengths.
 *
 * Order, keys and metadata of the paths are Kymatio's; where it gives an array of paths by samples, this writes path
 * after path. Values agree within 2e-14 of the window's highest at order 0 and 1e-15 above, or 1e-9 of the value.
 *
 * Two departures keep those numbers and cost less. The window's first sample is subtracted before the
 * transform and given back by order 0: every wavelet vanishes at frequency 0, so nothing else changes, except
 * that prices (nearly all constant) lose a thousand times less to rounding. And averaging, decimating and
 * cutting off the padding is one linear map of a modulus signal, so each output sample is a dot product with a
 * fixed row instead of two more transforms.
 */
import { cascadeOf } from './cascade.ts';
import type { ScatteringPath, Step } from './cascade.ts';
import { ScatteringError } from './error.ts';
import { planRealFft } from './fft.ts';
import type { HalfSpectrum } from './fft.ts';
import { applyBand, emit } from './linear.ts';
import { resolveParameters } from './parameters.ts';
import type { ScatteringParameters } from './parameters.ts';

export { ScatteringError } from './error.ts';
export type { ScatteringParameters } from './parameters.ts';
export type { ScatteringPath } from './cascade.ts';

export interface ScatteringPlan {
  readonly length: number;
  readonly paddedLength: number;
  readonly paths: readonly ScatteringPath[];
  readonly outputLength: number;
  /**
   * Scatters one window, path after path, into `output`.
   * @throws ScatteringError for an array of another length than planned (`windowLength`, `outputLength`) and for a
   * sample that is NaN or infinite (`nonFinite`), which would spread to every path.
   */
  transform(window: Float64Array, output: Float64Array): void;
}

/**
 * Plans the scattering of windows of one length. The tables are built once for a set of parameters; a further plan
 * of the same costs only its work space. A plan belongs to one thread.
 * @throws ScatteringError (`parameter`) for parameters that name no transform, saying which and why.
 */
export function planScattering(parameters: ScatteringParameters): ScatteringPlan {
  const resolved = resolveParameters(parameters);
  const { padding, paths, first, order0, outputLength } = cascadeOf(resolved);
  const { length, averaging } = resolved;
  const { paddedLength, source } = padding;
  const signal = new Float64Array(paddedLength);
  const work: HalfSpectrum = { real: new Float64Array(paddedLength), imaginary: new Float64Array(paddedLength) };
  // One modulus and one spectrum for each order, because a parent's must outlive its children's.
  const moduli = [0, 1].map(() => new Float64Array(paddedLength));
  const bins = paddedLength / 2 + 1;
  const spectra = [0, 1, 2].map((): HalfSpectrum => ({ real: new Float64Array(bins), imaginary: new Float64Array(bins) }));
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
    paths,
    outputLength,
    transform(window, output) {
      if (window.length !== length) throw new ScatteringError('windowLength', `window has ${window.length} samples: ${length} planned`);
      if (output.length !== outputLength) throw new ScatteringError('outputLength', `output has ${output.length} places: ${outputLength} planned`);
      refuseNonFinite(window);
      const level = window[0]!;
      for (let i = 0; i < paddedLength; i += 1) signal[i] = window[source[i]!]! - level;
      windowFft.transform(signal, spectra[0]!, bins);
      emit(order0, signal, spectra[0]!, output, 0);
      const levelOut = averaging === 'global' ? level * paddedLength : level;
      for (let t = 0; t < order0.length; t += 1) output[t] = output[t]! + levelOut;
      runSteps(first, 0, output);
    },
  };
}

function refuseNonFinite(window: Float64Array): void {
  for (let i = 0; i < window.length; i += 1) {
    if (!Number.isFinite(window[i]!)) throw new ScatteringError('nonFinite', `sample ${i} of the window is ${window[i]!}`);
  }
}
