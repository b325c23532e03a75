import type { FeatureSet } from './feature-set.ts';
import { createSwt } from './swt.ts';

/** `swt-76`: 67 scattering paths (J=6, Q=4, each the mean of its four samples), nine of the position. */
export const createSwt76 = (): FeatureSet =>
  createSwt({ id: 'swt-76', scattering: { J: 6, Q: 4, length: 256 }, samples: 'mean' });
