/** How an observation becomes the networks' input vector. */
import type { DeliberationStep, Observation } from '../../domain/policy.ts';

export type FeatureRefusal = Extract<DeliberationStep, { kind: 'refusal' }>;

/**
 * A feature set is named by its id, which the model's manifest repeats: two sets that differ in one number have
 * two ids. It is a pure function of the observation; the same bits in give the same bits out.
 */
export interface FeatureSet {
  readonly id: string;
  /** Closes that it reads, exactly. */
  readonly windowBars: number;
  /** Numbers that it writes. */
  readonly length: number;
  /** A fresh vector, all finite; or why there is none. */
  compute(observation: Observation): Float32Array | FeatureRefusal;
}
