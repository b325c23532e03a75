/**
 * Policies without a network, to compare a model with and to run the daemon without one. Each is a pure function
 * of its observation: nothing is kept from bar to bar.
 */
import { hash } from 'node:crypto';
import { canonicalJson } from '../domain/canonical.ts';
import { ACTIONS } from '../domain/policy.ts';
import type { Action, ActionMask, Deliberation, DeliberationStep, Observation, Policy, Proposal } from '../domain/policy.ts';
import { DRAW_RANGE, drawsAt } from './draws.ts';

export type BaselineConfig =
  /** Never trades. */
  | { readonly kind: 'hold' }
  /** Long while the fast mean of closes is above the slow one, short while it is below. */
  | { readonly kind: 'sma-cross'; readonly fastBars: number; readonly slowBars: number }
  /** HOLD with probability `holdShare`, otherwise any other legal action alike. */
  | { readonly kind: 'random'; readonly seed: number; readonly holdShare: number };

/** Raised for parameters that name no policy and for a mask that forbids every action. */
export class BaselineError extends Error {
  override readonly name = 'BaselineError';
}

const WINDOW_BARS_MAX = 100_000;

const sha256 = (data: string | Uint8Array): string => hash('sha256', data);
const NO_INPUT_HASH = sha256('');

/** @throws BaselineError for parameters out of range, naming the parameter. */
export function createBaseline(config: BaselineConfig): Policy {
  switch (config.kind) {
    case 'hold':
      return baseline(config.kind, config.kind, {}, 'none', 1, ({ mask }) => proposal(legalOr(mask, 'HOLD'), 'baseline', NO_INPUT_HASH));
    case 'sma-cross':
      return smaCross(config.fastBars, config.slowBars);
    case 'random':
      return random(config.seed, config.holdShare);
  }
}

function baseline(
  name: string, label: string, parameters: Readonly<Record<string, string>>, featureSetId: string, windowBars: number,
  decide: (observation: Observation) => DeliberationStep,
): Policy {
  return {
    name,
    featureSetId,
    modelHash: sha256(canonicalJson({ name, parameters })),
    modelLabel: label,
    windowBars,
    deliberate(observation) {
      if (!observation.mask.includes(true)) throw new BaselineError('the mask forbids every action: at least one must be legal');
      if (observation.midCloses.length !== windowBars) {
        throw new BaselineError(`midCloses has ${observation.midCloses.length} closes: ${name} reads exactly ${windowBars}`);
      }
      return immediate(decide(observation));
    },
  };
}

const immediate = (step: DeliberationStep): Deliberation => ({
  next: () => step,
  supply() {
    throw new BaselineError('heads supplied to a policy that asks for none');
  },
});

const proposal = (action: Action, rule: 'baseline' | 'draw', inputHash: string, draw: Proposal['draw'] = null): DeliberationStep =>
  ({ kind: 'proposal', proposal: { action, rule, inputHash, search: null, draw } });

const isLegal = (mask: ActionMask, action: Action): boolean => mask[ACTIONS.indexOf(action)] === true;

/** The wish if the mask allows it, else HOLD, else the first action that is legal. */
function legalOr(mask: ActionMask, wish: Action): Action {
  if (isLegal(mask, wish)) return wish;
  return ACTIONS.find((action) => isLegal(mask, action)) ?? 'HOLD';
}

function smaCross(fastBars: number, slowBars: number): Policy {
  if (!Number.isInteger(fastBars) || fastBars < 1) throw new BaselineError(`fastBars = ${fastBars}: must be a whole number from 1`);
  if (!Number.isInteger(slowBars) || slowBars <= fastBars || slowBars > WINDOW_BARS_MAX) {
    throw new BaselineError(`slowBars = ${slowBars}: must be a whole number above fastBars = ${fastBars}, at most ${WINDOW_BARS_MAX}`);
  }
  const parameters = { fastBars: String(fastBars), slowBars: String(slowBars) };
  return baseline('sma-cross', `sma-cross ${fastBars}/${slowBars}`, parameters, 'mid-closes', slowBars, (observation) => {
    const { midCloses, mask, position } = observation;
    const lead = meanLead(midCloses, fastBars);
    if (!Number.isFinite(lead)) {
      return { kind: 'refusal', code: 'nonFinite', detail: `a close among the ${slowBars} is not finite` };
    }
    const inputHash = sha256(new Uint8Array(midCloses.buffer, midCloses.byteOffset, midCloses.byteLength));
    return proposal(crossAction(Math.sign(lead), position.side, mask), 'baseline', inputHash);
  });
}

/** Fast mean less slow mean, relative to the first close, so that a constant window leads by exactly 0. */
function meanLead(closes: Float64Array, fastBars: number): number {
  const first = closes[0]!;
  const fastFrom = closes.length - fastBars;
  let slow = 0;
  let fast = 0;
  for (let i = 0; i < fastFrom; i += 1) slow += closes[i]! - first;
  for (let i = fastFrom; i < closes.length; i += 1) fast += closes[i]! - first;
  return fast / fastBars - (slow + fast) / closes.length;
}

/** Where turning round is not allowed but closing is, leaving the wrong side comes first. */
function crossAction(trend: number, side: Observation['position']['side'], mask: ActionMask): Action {
  if (trend === 0 || trend === side) return legalOr(mask, 'HOLD');
  const wish: Action = trend > 0 ? 'BUY' : 'SELL';
  return !isLegal(mask, wish) && side !== 0 && isLegal(mask, 'CLOSE') ? 'CLOSE' : legalOr(mask, wish);
}

function random(seed: number, holdShare: number): Policy {
  if (!Number.isSafeInteger(seed)) throw new BaselineError(`seed = ${seed}: must be a whole number`);
  if (!(holdShare >= 0 && holdShare <= 1)) throw new BaselineError(`holdShare = ${holdShare}: must be from 0 to 1`);
  return baseline('random', `random ${seed}`, { seed: String(seed), holdShare: String(holdShare) }, 'none', 1, ({ mask, decisionIndex }) => {
    const value = drawsAt(seed, decisionIndex, 1)[0]!;
    return proposal(pick(value / DRAW_RANGE, mask, holdShare), 'draw', NO_INPUT_HASH, { seed, counter: decisionIndex, value });
  });
}

function pick(share: number, mask: ActionMask, holdShare: number): Action {
  const others = ACTIONS.filter((action) => action !== 'HOLD' && isLegal(mask, action));
  if (others.length === 0) return 'HOLD';
  const held = mask[0] ? holdShare : 0;
  if (share < held) return 'HOLD';
  return others[Math.min(Math.floor(((share - held) / (1 - held)) * others.length), others.length - 1)]!;
}
