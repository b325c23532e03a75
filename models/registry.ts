/** From configuration to the one policy that a deployment runs. */
import type { Policy, SearchKind, SearchSettings } from '../domain/policy.ts';
import { createBaseline } from './baselines.ts';
import type { BaselineConfig } from './baselines.ts';
import { createFeatureSet } from './features/catalogue.ts';
import { createMuZeroPolicy } from './muzero.ts';

export type PolicyConfig =
  | {
    readonly kind: 'muzero';
    readonly simulations: number;
    readonly discount: number;
    readonly minConfidence: number;
    readonly temperature: number;
    /** Of every draw. */
    readonly seed: number;
    readonly selection: SearchSettings['selection'];
  }
  | BaselineConfig;

/** What a policy has to know of a model that was loaded; the ONNX adapter's `LoadedModel` has it all. */
export interface PolicyModel {
  /** SHA-256 of the manifest's bytes. */
  readonly modelHash: string;
  readonly modelLabel: string;
  readonly featureSetId: string;
  readonly kind: SearchKind;
  /** 0 for the deterministic kind. */
  readonly chanceCodes: number;
}

/** Raised when the configuration and the model do not make a policy. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
}

/** The label of a baseline that has parameters and spells them all out. */
const SMA_CROSS = /^sma-cross ([1-9]\d{0,4})\/([1-9]\d{0,4})$/;

/**
 * The baseline of a label, where that says all there is to know of it: the hash tells. Null for others, and for
 * every policy that runs a model.
 */
export function baselineOfLabel(label: string, modelHash: string): Policy | null {
  const [, fast, slow] = SMA_CROSS.exec(label) ?? [];
  if (label !== 'hold' && !(Number(fast) < Number(slow))) return null;
  const policy = createBaseline(label === 'hold' ? { kind: 'hold' } : { kind: 'sma-cross', fastBars: Number(fast), slowBars: Number(slow) });
  return policy.modelHash === modelHash ? policy : null;
}

/**
 * @throws PolicyError when a search has no model or a baseline has one, FeatureSetError for an
 * unknown feature set; the policies' own errors for parameters out of range.
 */
export function createPolicy(config: PolicyConfig, model: PolicyModel | null): Policy {
  if (config.kind !== 'muzero') {
    if (model !== null) throw new PolicyError(`policy ${config.kind} takes no model: remove the model or choose muzero`);
    return createBaseline(config);
  }
  if (model === null) throw new PolicyError('policy muzero needs a model: name its directory or choose a baseline');
  const { simulations, discount, minConfidence, temperature, seed, selection } = config;
  const { modelHash, modelLabel, kind, chanceCodes } = model;
  const settings = { kind, chanceCodes, simulations, discount, minConfidence, temperature, selection };
  return createMuZeroPolicy({ features: createFeatureSet(model.featureSetId), modelHash, modelLabel, settings, seed });
}
