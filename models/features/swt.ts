/** The wavelet sets: scattering of the standardised mid closes, then the nine position features. */
import { planScattering } from '../scattering/plan.ts';
import type { ScatteringParameters, ScatteringPath } from '../scattering/plan.ts';
import type { FeatureSet } from './feature-set.ts';
import { POSITION_COLUMNS, POSITION_FEATURES, writePositionFeatures } from './position.ts';
import { refuseWindow, standardise } from './window.ts';

export interface SwtDefinition {
  readonly id: string;
  readonly scattering: ScatteringParameters;
  /** Every sample of a path, path by path; or the mean of each path's samples. */
  readonly samples: 'all' | 'mean';
}

/** Builds the set; its scattering tables take some tens of milliseconds the first time, computing microseconds. */
export function createSwt({ id, scattering, samples }: SwtDefinition): FeatureSet {
  const plan = planScattering(scattering);
  const standardised = new Float64Array(plan.length);
  const coefficients = new Float64Array(plan.outputLength);
  const columns = [...plan.paths.flatMap((path) => columnsOf(path, samples)), ...POSITION_COLUMNS];
  const marketFeatures = columns.length - POSITION_FEATURES;
  return {
    id,
    windowBars: plan.length,
    shape: [columns.length],
    length: columns.length,
    columns,
    compute(observation) {
      const refused = refuseWindow(observation, plan.length) ?? standardise(observation.midCloses, standardised);
      if (refused !== null) return refused;
      plan.transform(standardised, coefficients);
      const features = new Float32Array(columns.length);
      if (samples === 'all') features.set(coefficients);
      else plan.paths.forEach((path, place) => { features[place] = meanOf(coefficients, path); });
      writePositionFeatures(observation.position, features, marketFeatures);
      return features;
    },
  };
}

function columnsOf({ order, key, length }: ScatteringPath, samples: SwtDefinition['samples']): readonly string[] {
  const name = [`S${order}`, ...key].join('_');
  return samples === 'mean' ? [name] : Array.from({ length }, (_, t) => `${name}_t${t}`);
}

function meanOf(coefficients: Float64Array, { offset, length }: ScatteringPath): number {
  let sum = 0;
  for (let t = offset; t < offset + length; t += 1) sum += coefficients[t]!;
  return sum / length;
}
