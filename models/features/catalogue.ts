/** Every feature set that this build can compute, by id. */
import type { FeatureSet } from './feature-set.ts';
import { createMicro32x15 } from './micro-32x15.ts';
import { createSwt137 } from './swt-137.ts';
import { createSwt76 } from './swt-76.ts';

const FEATURE_SETS: ReadonlyMap<string, () => FeatureSet> = new Map([
  ['swt-137', createSwt137],
  ['swt-76', createSwt76],
  ['micro-32x15', createMicro32x15],
]);

export const FEATURE_SET_IDS: readonly string[] = [...FEATURE_SETS.keys()];

/** Raised for an id that no feature set has. */
export class FeatureSetError extends Error {
  override readonly name = 'FeatureSetError';
}

/** @throws FeatureSetError for an unknown id, listing those that exist. */
export function createFeatureSet(id: string): FeatureSet {
  const create = FEATURE_SETS.get(id);
  if (create === undefined) throw new FeatureSetError(`feature set "${id.slice(0, 40)}": only ${FEATURE_SET_IDS.join(', ')} exist`);
  return create();
}
