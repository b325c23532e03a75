/**
 * The policy that searches: features of the observation, a MuZero tree over the networks, and the record from
 * which the same search runs again.
 */
import { createHash } from 'node:crypto';
import { ACTIONS } from '../domain/policy.ts';
import type { Deliberation, DeliberationStep, Draw, Heads, LeafRequest, Observation, Policy, SearchSettings } from '../domain/policy.ts';
import { DRAW_RANGE, drawsAt } from './draws.ts';
import type { FeatureSet } from './features/feature-set.ts';
import { checkActing } from './search/choose.ts';
import { SearchError } from './search/options.ts';
import { chooseWith, packHeads, searchWith } from './search/record.ts';
import type { SearchResult, SearchStep, TreeSearch } from './search/tree.ts';

export interface MuZeroOptions {
  readonly features: FeatureSet;
  readonly modelHash: string;
  readonly modelLabel: string;
  readonly settings: SearchSettings;
  /** Of every draw; nothing is drawn at temperature 0 without Gumbel noise. */
  readonly seed: number;
}

/** @throws SearchError for options out of range; a mask that forbids everything throws in `deliberate`. */
export function createMuZeroPolicy(options: MuZeroOptions): Policy {
  const { settings, seed, features } = options;
  if (!Number.isSafeInteger(seed)) throw new SearchError(`seed = ${seed}: must be a whole number`);
  const { selection } = settings;
  if (selection.algorithm === 'gumbel' && !(selection.scale >= 0 && Number.isFinite(selection.scale))) {
    throw new SearchError(`scale = ${selection.scale}: must be 0 or more`);
  }
  checkActing(settings, selection.algorithm);
  // Options out of range must stop the start, not the first bar.
  searchWith(settings, null, [true, true, true, true]);
  return {
    name: 'muzero',
    featureSetId: features.id,
    modelHash: options.modelHash,
    modelLabel: options.modelLabel,
    windowBars: features.windowBars,
    deliberate(observation) {
      const computed = features.compute(observation);
      return computed instanceof Float32Array ? new SearchDeliberation(options, observation, computed) : refusing(computed);
    },
  };
}

function refusing(refusal: DeliberationStep): Deliberation {
  return {
    next: () => refusal,
    supply() {
      throw new SearchError('heads supplied to a deliberation that refused its input');
    },
  };
}

/** What chance adds to one decision: Gumbel numbers for the search, or the draw for the choice; usually neither. */
interface Chance {
  readonly draw: Draw | null;
  readonly noise: readonly number[] | null;
}

function chanceOf({ settings, seed }: MuZeroOptions, counter: number): Chance {
  const { selection, temperature } = settings;
  const scale = selection.algorithm === 'gumbel' ? selection.scale : 0;
  if (scale === 0 && temperature === 0) return { draw: null, noise: null };
  const draws = drawsAt(seed, counter, scale === 0 ? 1 : ACTIONS.length);
  return { draw: { seed, counter, value: draws[0]! }, noise: scale === 0 ? null : draws.map((value) => scale * gumbelOf(value)) };
}

/** A Gumbel(0, 1) number from a draw, by inverting its distribution in the middle of the draw's stretch. */
const gumbelOf = (value: number): number => -Math.log(-Math.log((value + 0.5) / DRAW_RANGE));

/** Hex SHA-256 of the bytes that the networks read. */
export const inputHashOf = (features: Float32Array): string =>
  createHash('sha256').update(new Uint8Array(features.buffer, features.byteOffset, features.byteLength)).digest('hex');

class SearchDeliberation implements Deliberation {
  readonly #settings: SearchSettings;
  readonly #observation: Observation;
  readonly #features: Float32Array;
  readonly #chance: Chance;
  readonly #search: TreeSearch;
  readonly #expansions: Heads[] = [];
  #step: DeliberationStep;

  constructor(options: MuZeroOptions, observation: Observation, features: Float32Array) {
    this.#settings = options.settings;
    this.#observation = observation;
    this.#features = features;
    this.#chance = chanceOf(options, observation.decisionIndex);
    this.#search = searchWith(options.settings, this.#chance.noise, observation.mask);
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
    if (step.from === 'chance') return { kind: 'chance', afterstate: step.state, code: step.edge };
    return { kind: this.#settings.kind === 'stochastic' ? 'afterstate' : 'recurrent', hidden: step.state, action: step.edge };
  }

  #propose({ gumbel, ...result }: SearchResult): DeliberationStep {
    const settings = this.#settings;
    const { draw, noise } = this.#chance;
    return {
      kind: 'proposal',
      proposal: {
        ...chooseWith(settings, { ...result, gumbel }, this.#observation.mask, draw),
        inputHash: inputHashOf(this.#features),
        search: { settings, ...result, improvedPolicy: gumbel?.improvedPolicy ?? null, noise, headsBase64: packHeads(this.#expansions) },
        draw,
      },
    };
  }
}
