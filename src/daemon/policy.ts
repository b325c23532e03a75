/** The configured policy, with its networks loaded and checked where it has any, and the model that replaces them. */
import { loadOnnxModel } from '../../adapters/onnx/loader.ts';
import type { Config } from '../../config/config.ts';
import type { ModelFacts, ModelVerdict } from '../../domain/desk/inputs.ts';
import type { Evaluator, Policy } from '../../domain/policy.ts';
import type { ModelExpectations } from '../../models/contract/checks.ts';
import type { ModelManifest } from '../../models/contract/manifest.ts';
import { createFeatureSet } from '../../models/features/catalogue.ts';
import { createPolicy } from '../../models/registry.ts';
import { warmUp } from './warm-up.ts';

/** Network time allowed for one decision; a bar is a minute, and most of it belongs to the broker. */
const DECISION_BUDGET_MS = 5_000;

interface LoadedPolicy {
  readonly ok: true;
  readonly policy: Policy;
  readonly evaluator: Evaluator | null;
  readonly trained: boolean;
}

export type PolicyLoading = LoadedPolicy | { readonly ok: false; readonly check: string; readonly detail: string };

/** What a search that is set up like this needs of its model. */
export function expectationsOf({ featureSetId, discount, simulations }: { readonly featureSetId: string; readonly discount: number; readonly simulations: number }): ModelExpectations {
  return { featureSetId, observationShape: createFeatureSet(featureSetId).shape, discount, simulations, decisionBudgetMs: DECISION_BUDGET_MS };
}

/** As many as a decision has where nobody has configured another number. */
const SIMULATIONS = 15;

/** What a model says of itself, where no configuration asks for anything. @throws FeatureSetError */
export const ownExpectations = (manifest: ModelManifest): ModelExpectations =>
  expectationsOf({ featureSetId: manifest.feature_set_id, discount: Number(manifest.discount), simulations: SIMULATIONS });

/** A model that fails a check is a value, so that the refusal can be logged before the daemon ends. */
export async function loadPolicy(config: Config['policy']): Promise<PolicyLoading> {
  if (config.kind !== 'muzero') return { ok: true, policy: createPolicy(config, null), evaluator: null, trained: true };
  const loaded = await loadOnnxModel(config.modelDirectory, expectationsOf(config));
  if (!loaded.ok) return loaded;
  const { evaluator } = loaded;
  const policy = createPolicy(config, loaded);
  const failure = await warmUp(policy, evaluator);
  if (failure === null) return { ok: true, policy, evaluator, trained: Number(loaded.manifest.trained_steps) > 0 };
  await evaluator.close();
  return { ok: false, check: 'warm-up', detail: failure };
}

/** Who decides. Another model can be verified beside the present one, and takes over in one step. */
export class PolicySeat {
  readonly #config: Config['policy'];
  #present: LoadedPolicy;
  #candidate: LoadedPolicy | null = null;

  constructor(config: Config['policy'], present: LoadedPolicy) {
    this.#config = config;
    this.#present = present;
  }

  get policy(): Policy {
    return this.#present.policy;
  }

  get evaluator(): Evaluator | null {
    return this.#present.evaluator;
  }

  /**
   * Loads and checks the model in a directory, which then waits; one that waited before gives way. Whatever goes wrong
   * is the new model's fault and its refusal: the present one must go on deciding.
   */
  async verify(directory: string): Promise<ModelVerdict> {
    await this.#candidate?.evaluator?.close();
    this.#candidate = null;
    const loading = await this.#load(directory);
    if (!loading.ok) return loading;
    this.#candidate = loading;
    return { ok: true };
  }

  async #load(directory: string): Promise<PolicyLoading> {
    if (this.#config.kind !== 'muzero') return { ok: false, check: 'policy', detail: `policy ${this.#config.kind} runs no model` };
    try {
      return await loadPolicy({ ...this.#config, modelDirectory: directory });
    } catch (error) {
      return { ok: false, check: 'load', detail: error instanceof Error ? error.message : String(error) };
    }
  }

  /**
   * Lets the verified model decide from now on and closes the former one; nothing may be deliberating.
   * @throws Error when none waits.
   */
  async adopt(): Promise<ModelFacts> {
    if (this.#candidate === null) throw new Error('no verified model waits to take over');
    const former = this.#present;
    this.#present = this.#candidate;
    this.#candidate = null;
    await former.evaluator?.close();
    const { modelHash, modelLabel, featureSetId } = this.#present.policy;
    return { modelHash, modelLabel, featureSetId, trained: this.#present.trained };
  }

  async close(): Promise<void> {
    await this.#candidate?.evaluator?.close();
    await this.#present.evaluator?.close();
  }
}
