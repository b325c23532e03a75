/** How an observation becomes the networks' input vector. */
import type { DeliberationStep, Observation } from '../../domain/policy.ts';

export type FeatureRefusal = Extract<DeliberationStep, { kind: 'refusal' }>;

/**
 * A feature set is named by its id, which the model's manifest repeats: two sets that differ in one number have
 * two ids, so the id is the version. It is a pure function of the observation, and of its window and position alone;
 * the same bits in give the same bits out. README.md in this room defines each column.
 */
export interface FeatureSet {
  readonly id: string;
  /** Closes that it reads, exactly. */
  readonly windowBars: number;
  /** Dimensions of the vector as a network sees it, slowest first; their product is its length. */
  readonly shape: readonly number[];
  /** Numbers that it writes. */
  readonly length: number;
  /** A name for each of them. */
  readonly columns: readonly string[];
  /** A fresh vector, all finite; or why there is none. */
  compute(observation: Observation): Float32Array | FeatureRefusal;
}
