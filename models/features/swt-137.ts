/**
 * The feature set `swt-137`: 128 scattering coefficients of the last 256 mid closes (J=2, Q=6, T=16: 8 paths of
 * 16 samples, path by path), then the nine position features.
 *
 * The closes are standardised with the window's own mean and population deviation first, so the price level and
 * the quote currency drop out; a window without any movement has no deviation and is refused.
 */
import type { Observation } from '../../domain/policy.ts';
import { planScattering } from '../scattering/plan.ts';
import type { FeatureRefusal, FeatureSet } from './feature-set.ts';
import { POSITION_FEATURES, writePositionFeatures } from './position.ts';

const WINDOW_BARS = 256;

/** Builds the set with its own scattering plan (some tens of milliseconds); computing then takes microseconds. */
export function createSwt137(): FeatureSet {
  const plan = planScattering({ J: 2, Q: 6, length: WINDOW_BARS, averagingScale: 16 });
  const standardised = new Float64Array(WINDOW_BARS);
  const coefficients = new Float64Array(plan.outputLength);
  const length = plan.outputLength + POSITION_FEATURES;
  return {
    id: 'swt-137',
    windowBars: WINDOW_BARS,
    length,
    compute({ midCloses, position }) {
      const refusal = standardise(midCloses, standardised);
      if (refusal !== null) return refusal;
      plan.transform(standardised, coefficients);
      const features = new Float32Array(length);
      features.set(coefficients);
      writePositionFeatures(position, features, plan.outputLength);
      return features.every((value) => Number.isFinite(value)) ? features : nonFinite('the position or a coefficient is not finite');
    },
  };
}

const nonFinite = (detail: string): FeatureRefusal => ({ kind: 'refusal', code: 'nonFinite', detail });

/** Everything is taken relative to the first close, so that a constant window has a deviation of exactly 0. */
function standardise(closes: Observation['midCloses'], target: Float64Array): FeatureRefusal | null {
  if (closes.length !== target.length) {
    throw new RangeError(`midCloses has ${closes.length} closes: swt-137 reads exactly ${target.length}`);
  }
  const first = closes[0]!;
  let sum = 0;
  for (let i = 0; i < closes.length; i += 1) sum += closes[i]! - first;
  const mean = sum / closes.length;
  let squares = 0;
  for (let i = 0; i < closes.length; i += 1) {
    const distance = closes[i]! - first - mean;
    squares += distance * distance;
  }
  const deviation = Math.sqrt(squares / closes.length);
  if (!Number.isFinite(deviation)) return nonFinite(`a close among the ${closes.length} is not finite`);
  if (deviation === 0) return { kind: 'refusal', code: 'zeroDeviation', detail: `all ${closes.length} closes are ${first}` };
  for (let i = 0; i < closes.length; i += 1) target[i] = (closes[i]! - first - mean) / deviation;
  return null;
}
