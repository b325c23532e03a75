import type { FeatureSet } from './feature-set.ts';
import { createSwt } from './swt.ts';

/** `swt-137`: 128 scattering coefficients (J=2, Q=6, T=16: 8 paths of 16 samples, path by path), nine of the position. */
export const createSwt137 = (): FeatureSet =>
  createSwt({ id: 'swt-137', scattering: { J: 2, Q: 6, length: 256, averagingScale: 16 }, samples: 'all' });
