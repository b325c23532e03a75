/** The configured policy, with its networks loaded and checked where it has any. */
import { loadOnnxModel } from '../../adapters/onnx/loader.ts';
import type { Config } from '../../config/config.ts';
import type { Evaluator, Policy } from '../../domain/policy.ts';
import { createFeatureSet, createPolicy } from '../../models/registry.ts';

/** Network time allowed for one decision; a bar is a minute, and most of it belongs to the broker. */
const DECISION_BUDGET_MS = 5_000;

export type PolicyLoading =
  | { readonly ok: true; readonly policy: Policy; readonly evaluator: Evaluator | null; readonly trained: boolean }
  | { readonly ok: false; readonly check: string; readonly detail: string };

/** A model that fails a check is a value, so that the refusal can be logged before the daemon ends. */
export async function loadPolicy(config: Config['policy']): Promise<PolicyLoading> {
  if (config.kind !== 'muzero') return { ok: true, policy: createPolicy(config, null), evaluator: null, trained: true };
  const loaded = await loadOnnxModel(config.modelDirectory, {
    featureSetId: config.featureSetId,
    observationShape: [createFeatureSet(config.featureSetId).length],
    discount: config.discount,
    simulations: config.simulations,
    decisionBudgetMs: DECISION_BUDGET_MS,
  });
  if (!loaded.ok) return loaded;
  return { ok: true, policy: createPolicy(config, loaded), evaluator: loaded.evaluator, trained: Number(loaded.manifest.trained_steps) > 0 };
}
