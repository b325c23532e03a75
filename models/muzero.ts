/**
 * The policy that searches: features of the observation, a Stochastic MuZero tree over the networks, and the
 * record from which the same search runs again.
 */
import { createHash } from 'node:crypto';
import { ACTIONS } from '../domain/policy.ts';
import type { Deliberation, DeliberationStep, Heads, LeafRequest, Observation, Policy } from '../domain/policy.ts';
import type { FeatureSet } from './features/feature-set.ts';
import { chooseAction, MIN_CONFIDENCE_DEFAULT } from './search/choose.ts';
import { packHeads } from './search/record.ts';
import { createSearch, SearchError } from './search/tree.ts';
import type { SearchResult, SearchStep, TreeSearch } from './search/tree.ts';

export interface MuZeroOptions {
  readonly features: FeatureSet;
  readonly modelHash: string;
  readonly modelLabel: string;
  /** Chance codes of the networks. */
  readonly chanceCodes: number;
  readonly simulations: number;
  readonly discount: number;
  /** 0.35 by default. */
  readonly minConfidence?: number;
  /** 1.25 by default. */
  readonly pbCInit?: number;
}

const PB_C_INIT_DEFAULT = 1.25;

/** @throws SearchError for options out of range; a mask that forbids everything throws in `deliberate`. */
export function createMuZeroPolicy(options: MuZeroOptions): Policy {
  const resolved: Required<MuZeroOptions> = {
    ...options,
    minConfidence: options.minConfidence ?? MIN_CONFIDENCE_DEFAULT,
    pbCInit: options.pbCInit ?? PB_C_INIT_DEFAULT,
  };
  if (!(resolved.minConfidence >= 0 && resolved.minConfidence <= 1)) {
    throw new SearchError(`minConfidence = ${resolved.minConfidence}: must be from 0 to 1`);
  }
  // Options out of range must stop the start, not the first bar.
  startSearch(resolved, ACTIONS.map(() => true));
  return {
    name: 'muzero',
    featureSetId: options.features.id,
    modelHash: options.modelHash,
    modelLabel: options.modelLabel,
    windowBars: options.features.windowBars,
    deliberate(observation) {
      const features = options.features.compute(observation);
      return features instanceof Float32Array ? new SearchDeliberation(resolved, observation, features) : refusing(features);
    },
  };
}

const startSearch = ({ chanceCodes, simulations, discount, pbCInit }: Required<MuZeroOptions>, mask: readonly boolean[]): TreeSearch =>
  createSearch({ kind: 'stochastic', actions: ACTIONS.length, chanceCodes, simulations, discount, pbCInit }, mask);

function refusing(refusal: DeliberationStep): Deliberation {
  return {
    next: () => refusal,
    supply() {
      throw new SearchError('heads supplied to a deliberation that refused its input');
    },
  };
}

class SearchDeliberation implements Deliberation {
  readonly #options: Required<MuZeroOptions>;
  readonly #observation: Observation;
  readonly #features: Float32Array;
  readonly #search: TreeSearch;
  readonly #expansions: Heads[] = [];
  #step: DeliberationStep;

  constructor(options: Required<MuZeroOptions>, observation: Observation, features: Float32Array) {
    this.#options = options;
    this.#observation = observation;
    this.#features = features;
    this.#search = startSearch(options, observation.mask);
    this.#step = this.#stepFor(this.#search.next());
  }

  next(): DeliberationStep {
    return this.#step;
  }

  /** Heads count as float32, which is what the networks give and what the record keeps. */
  supply(heads: Heads): void {
    const rounded: Heads = { ...heads, value: Math.fround(heads.value), reward: Math.fround(heads.reward) };
    this.#search.supply(rounded);
    this.#expansions.push(rounded);
    this.#step = this.#stepFor(this.#search.next());
  }

  #stepFor(step: SearchStep): DeliberationStep {
    if (step.kind === 'result') return this.#propose(step.result);
    return { kind: 'evaluate', leaf: this.#leafFor(step) };
  }

  #leafFor(step: Exclude<SearchStep, { kind: 'result' }>): LeafRequest {
    if (step.kind === 'root') return { kind: 'initial', observation: this.#features };
    if (step.from === 'decision') return { kind: 'afterstate', hidden: step.state, action: step.edge };
    return { kind: 'chance', afterstate: step.state, code: step.edge };
  }

  #propose(result: SearchResult): DeliberationStep {
    const { simulations, discount, minConfidence } = this.#options;
    const features = this.#features;
    return {
      kind: 'proposal',
      proposal: {
        ...chooseAction(result, this.#observation.mask, minConfidence),
        inputHash: createHash('sha256').update(new Uint8Array(features.buffer, features.byteOffset, features.byteLength)).digest('hex'),
        search: { simulations, discount, ...result, headsBase64: packHeads(this.#expansions) },
        draw: null,
      },
    };
  }
}
