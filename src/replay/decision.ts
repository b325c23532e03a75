/**
 * One recorded decision, made again. What the policy was asked comes from the log before it, what its networks said
 * from the decision's own record; everything else in the record is computed anew and held against it.
 */
import { decisionOn } from '../../domain/desk/bars.ts';
import type { Consultation } from '../../domain/desk/inputs.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import type { DataOf } from '../../domain/events.ts';
import type { Deliberation, DeliberationStep, Evaluator, Observation, Policy, Proposal } from '../../domain/policy.ts';
import type { FeatureSet } from '../../models/features/feature-set.ts';
import { inputHashOf } from '../../models/muzero.ts';
import { SearchError } from '../../models/search/options.ts';
import { unpackHeads } from '../../models/search/record.ts';
import type { Decider } from './deciders.ts';
import { differences } from './differences.ts';
import type { Difference } from './differences.ts';
import { HeadsComparison } from './heads.ts';

type Decision = DataOf<'DecisionMade'>;

/** `none`: it could not be computed here. */
export type Finding = 'equal' | 'different' | 'none';

export interface Recomputation {
  /** What was asked, when, and of whom. */
  readonly observation: Finding;
  readonly features: Finding;
  /** The whole search, or a baseline's rule, and the action taken from it. */
  readonly choice: Finding;
  /** Null where no network is at hand, or none decides. */
  readonly heads: HeadsComparison | null;
  /** Causes before consequences: what was asked, the features, the networks' heads, the search and its choice. */
  readonly differences: readonly Difference[];
}

/** Nothing could be made again, for a reason that the log itself gives. */
export const impossible = (difference: Difference): Recomputation => ({ observation: 'different', features: 'none', choice: 'none', heads: null, differences: [difference] });

/** What was made again of an answer; null for what could not be. */
interface Again {
  readonly inputHash: string | null;
  readonly choice: Pick<Proposal, 'action' | 'rule' | 'search' | 'draw'> | null;
  readonly heads: HeadsComparison | null;
  /** Why there is no answer where one is recorded. */
  readonly failure: Difference | null;
}

const NOTHING: Again = { inputHash: null, choice: null, heads: null, failure: null };

/**
 * @param consultation what the policy was asked then.
 * @param told the desk's state when its answer was told.
 */
export async function recompute(recorded: Decision, schemaVersion: number, decider: Decider, consultation: Consultation, told: DeskState): Promise<Recomputation> {
  const again = await answerAgain(recorded, decider, consultation.observation);
  const inputHash = again.inputHash ?? recorded.inputHash;
  const choice = again.choice ?? choiceOf(recorded);
  const made = decisionOn(told, consultation, { ...choice, inputHash }, decider.answering);
  // What could not be computed stands as it is recorded, and is counted as such.
  const data = again.choice === null ? { ...made, search: recorded.search, draw: recorded.draw } : made;
  const parts = partsOf(differences(recorded, asVersion(schemaVersion, data)), again);
  return {
    observation: parts.observation.length === 0 ? 'equal' : 'different',
    features: again.inputHash === null ? 'none' : parts.features.length === 0 ? 'equal' : 'different',
    choice: parts.choice.length > 0 ? 'different' : again.choice === null ? 'none' : 'equal',
    heads: again.heads,
    differences: [...parts.observation, ...parts.features, ...parts.heads, ...parts.choice],
  };
}

const choiceOf = ({ action, rule }: Decision): NonNullable<Again['choice']> => ({ action, rule, search: null, draw: null });

/** What version 1 did not say, it cannot be held against. */
function asVersion(schemaVersion: number, data: Decision): Decision {
  if (schemaVersion > 1) return data;
  return { ...data, modelHash: null, search: data.search === null ? null : { ...data.search, settings: null, improvedPolicy: null, noise: null } };
}

function partsOf(found: readonly Difference[], { heads, failure }: Again): { readonly [part in 'observation' | 'features' | 'heads' | 'choice']: readonly Difference[] } {
  const isChoice = ({ field }: Difference): boolean => /^(search|draw|action|rule)\b/.test(field);
  return {
    observation: found.filter((difference) => difference.field !== 'inputHash' && !isChoice(difference)),
    features: found.filter(({ field }) => field === 'inputHash'),
    heads: heads === null || heads.beyond === null ? [] : [heads.beyond],
    choice: [...(failure === null ? [] : [failure]), ...found.filter(isChoice)],
  };
}

async function answerAgain(recorded: Decision, decider: Decider, observation: Observation): Promise<Again> {
  switch (decider.kind) {
    case 'unknown':
      return NOTHING;
    case 'features':
      return featuresAgain(recorded.action, decider.features, observation);
    case 'policy':
      return deliberateAgain(recorded, decider.policy, decider.evaluator, observation);
  }
}

/** The newest part of a window that may be longer than what this policy reads. */
function withWindow(observation: Observation, windowBars: number): Observation {
  const from = Math.max(0, observation.midCloses.length - windowBars);
  return { ...observation, midCloses: observation.midCloses.subarray(from), barStarts: observation.barStarts.subarray(from) };
}

const failed = (field: string, recorded: string, recomputed: string): Again => ({ ...NOTHING, failure: { field, recorded, recomputed } });

function featuresAgain(recorded: string, features: FeatureSet, observation: Observation): Again {
  const computed = features.compute(withWindow(observation, features.windowBars));
  if (!(computed instanceof Float32Array)) return failed('action', recorded, `a refusal, ${computed.code}: ${computed.detail}`);
  return { ...NOTHING, inputHash: inputHashOf(computed) };
}

async function deliberateAgain(recorded: Decision, policy: Policy, evaluator: Evaluator | null, observation: Observation): Promise<Again> {
  const seen = withWindow(observation, policy.windowBars);
  if (seen.midCloses.length < policy.windowBars) return failed('action', recorded.action, `none on ${seen.midCloses.length} of ${policy.windowBars} closes`);
  const heads = evaluator === null ? null : new HeadsComparison(evaluator);
  try {
    const step = await drive(policy.deliberate(seen), recorded, heads);
    if (step.kind === 'refusal') return failed('action', recorded.action, `a refusal, ${step.code}: ${step.detail}`);
    const { inputHash, ...choice } = step.proposal;
    return { inputHash, choice, heads, failure: null };
  } catch (error) {
    if (!(error instanceof SearchError)) throw error;
    return { ...failed('search', 'a whole search', error.message), heads };
  }
}

/** Answers the search from its record, and has the networks say the same where they are at hand. */
async function drive(deliberation: Deliberation, { search }: Decision, networks: HeadsComparison | null): Promise<Exclude<DeliberationStep, { kind: 'evaluate' }>> {
  const heads = search === null ? [] : unpackHeads(search.headsBase64);
  for (let expansion = 0; ; expansion += 1) {
    const step = deliberation.next();
    if (step.kind !== 'evaluate') return step;
    const recorded = heads[expansion];
    if (recorded === undefined) throw new SearchError(`headsBase64: holds ${heads.length} expansions, and the search goes on`);
    deliberation.supply(networks === null ? recorded : await networks.ask(expansion, step.leaf, recorded));
  }
}
