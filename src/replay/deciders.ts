/** Who made a recorded decision, put together again: from the configuration where it is the recorded one, else from the record. */
import type { LoadedModel } from '../../adapters/onnx/loader.ts';
import type { Config } from '../../config/config.ts';
import type { Live } from '../../domain/desk/state.ts';
import type { DataOf } from '../../domain/events.ts';
import type { Evaluator, Policy, SearchSettings } from '../../domain/policy.ts';
import { searchRecordOf } from '../../domain/search-record.ts';
import { createFeatureSet, FEATURE_SET_IDS } from '../../models/features/catalogue.ts';
import type { FeatureSet } from '../../models/features/feature-set.ts';
import { createMuZeroPolicy } from '../../models/muzero.ts';
import { baselineOfLabel, createPolicy } from '../../models/registry.ts';

type Decision = DataOf<'DecisionMade'>;

/** The model or baseline that decides at a point of the log, as its last `ModelLoaded` or `ModelSwapped` says. */
export type Seat = Pick<DataOf<'ModelLoaded'>, 'modelHash' | 'modelLabel' | 'featureSetId'>;

/** Which policy answered, as every decision records it. */
type Answering = Live['policy'];

export type Decider =
  | { readonly kind: 'policy'; readonly answering: Answering; readonly policy: Policy; readonly evaluator: Evaluator | null }
  /** Its search is not recorded whole: what it looked at can be computed, what it made of that cannot. */
  | { readonly kind: 'features'; readonly answering: Answering; readonly features: FeatureSet }
  /** Nobody here knows how it decides. */
  | { readonly kind: 'unknown'; readonly answering: Answering };

interface SearchSetup {
  readonly settings: SearchSettings;
  readonly seed: number;
}

export class Deciders {
  readonly #config: Config['policy'];
  readonly #configHash: string;
  readonly #models: ReadonlyMap<string, LoadedModel>;
  readonly #featureSets = new Map<string, FeatureSet>();
  readonly #baseline: Policy | null;

  constructor(config: Config['policy'], configHash: string, models: ReadonlyMap<string, LoadedModel>) {
    this.#config = config;
    this.#configHash = configHash;
    this.#models = models;
    this.#baseline = config.kind === 'muzero' ? null : createPolicy(config, null);
  }

  /**
   * @param configHash of the configuration that the decision was made under.
   * @throws SearchError for recorded settings that no search can have had.
   */
  of(seat: Seat, decision: Decision, configHash: string): Decider {
    if (this.#isSearch(seat, decision)) return this.#search(seat, decision, configHash);
    const baseline = this.#baseline?.modelHash === seat.modelHash ? this.#baseline : baselineOfLabel(seat.modelLabel, seat.modelHash);
    if (baseline === null) return { kind: 'unknown', answering: { policyName: decision.policy, ...identityOf(seat) } };
    return { kind: 'policy', answering: answeringOf(baseline), policy: baseline, evaluator: null };
  }

  #isSearch({ modelHash }: Seat, decision: Decision): boolean {
    return this.#models.has(modelHash) || decision.search !== null || decision.policy === 'muzero';
  }

  #search(seat: Seat, decision: Decision, configHash: string): Decider {
    const model = this.#models.get(seat.modelHash) ?? null;
    const { modelHash, modelLabel, featureSetId } = model ?? seat;
    const answering = { policyName: 'muzero', modelHash, modelLabel, featureSetId };
    const features = this.#features(featureSetId);
    if (features === null) return { kind: 'unknown', answering };
    const setup = this.#setupOf(decision, configHash, model);
    if (setup === null) return { kind: 'features', answering, features };
    return { kind: 'policy', answering, policy: createMuZeroPolicy({ features, modelHash, modelLabel, ...setup }), evaluator: model?.evaluator ?? null };
  }

  /** The configuration has the settings where it is the one that was decided under; elsewhere the record has to be believed. */
  #setupOf({ search, draw }: Decision, configHash: string, model: LoadedModel | null): SearchSetup | null {
    const recorded = search === null ? null : (searchRecordOf(search)?.settings ?? null);
    const shape = model ?? recorded;
    if (shape === null) return null;
    const { kind, chanceCodes } = shape;
    if (configHash === this.#configHash && this.#config.kind === 'muzero') {
      const { simulations, discount, minConfidence, temperature, selection, seed } = this.#config;
      return { settings: { kind, chanceCodes, simulations, discount, minConfidence, temperature, selection }, seed };
    }
    return recorded === null ? null : { settings: { ...recorded, kind, chanceCodes }, seed: draw?.seed ?? 0 };
  }

  #features(id: string): FeatureSet | null {
    if (!FEATURE_SET_IDS.includes(id)) return null;
    const known = this.#featureSets.get(id) ?? createFeatureSet(id);
    this.#featureSets.set(id, known);
    return known;
  }
}

const identityOf = ({ modelHash, modelLabel, featureSetId }: Seat): Seat => ({ modelHash, modelLabel, featureSetId });
const answeringOf = (policy: Policy): Answering => ({ policyName: policy.name, ...identityOf(policy) });

/** Closes that the longest window of a log's policies holds; a shorter one is the newest part of it. */
export function windowBarsOf(config: Config['policy'], seats: readonly Seat[]): number {
  const baselines = [...(config.kind === 'muzero' ? [] : [createPolicy(config, null)]), ...seats.flatMap(({ modelLabel, modelHash }) => baselineOfLabel(modelLabel, modelHash) ?? [])];
  return Math.max(...[...FEATURE_SET_IDS.map(createFeatureSet), ...baselines].map(({ windowBars }) => windowBars));
}
