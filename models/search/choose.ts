/** From a search's result to one action. */
import { ACTIONS } from '../../domain/policy.ts';
import type { Action, ActionMask } from '../../domain/policy.ts';
import { SearchError } from './options.ts';
import type { SearchResult } from './tree.ts';

export interface ActingOptions {
  /** Share that an action needs to be taken, of the visits or under Gumbel of the improved policy; 0.35 is 6 of 15 visits. */
  readonly minConfidence: number;
  /** 0 takes the most visited action; above it one is drawn. Gumbel's rule has its own way to explore and takes 0 alone. */
  readonly temperature: number;
}

export interface Choice {
  readonly action: Action;
  readonly rule: 'argmax' | 'gumbel' | 'draw' | 'minConfidence';
}

/** @throws SearchError for options out of range, or a temperature beside Gumbel's rule. */
export function checkActing({ minConfidence, temperature }: ActingOptions, algorithm: 'puct' | 'gumbel'): void {
  if (!(minConfidence >= 0 && minConfidence <= 1)) throw new SearchError(`minConfidence = ${minConfidence}: must be from 0 to 1`);
  if (!(temperature >= 0 && Number.isFinite(temperature))) throw new SearchError(`temperature = ${temperature}: must be 0 or more`);
  if (algorithm === 'gumbel' && temperature !== 0) throw new SearchError(`temperature = ${temperature}: must be 0 with Gumbel's rule, which explores by its noise`);
}

/**
 * The action to take: Gumbel's own; else the one with the most visits (ties go to the higher Q, then the higher
 * prior, then the lower index), or above temperature 0 the drawn one. Whichever it is, a share of its own below
 * `minConfidence` means HOLD, unless the mask forbids holding.
 *
 * @param draw from 0 up to 1; read only above temperature 0.
 * @throws SearchError when the mask forbids every action.
 */
export function chooseAction(result: SearchResult, mask: ActionMask, { minConfidence, temperature }: ActingOptions, draw: number): Choice {
  if (!mask.includes(true)) throw new SearchError('the mask forbids every action: at least one must be legal');
  const { index, share, rule } = favourite(result, mask, temperature, draw);
  // Written so that a share that is not a number does not pass.
  if (mask[0] && !(share >= minConfidence)) return { action: 'HOLD', rule: 'minConfidence' };
  return { action: ACTIONS[index]!, rule };
}

function favourite(result: SearchResult, mask: ActionMask, temperature: number, draw: number): { readonly index: number; readonly share: number; readonly rule: Choice['rule'] } {
  const { visits, gumbel } = result;
  if (gumbel !== null) {
    if (mask[gumbel.action] !== true) throw new SearchError(`the search chose ${ACTIONS[gumbel.action]}, which the mask forbids`);
    return { index: gumbel.action, share: gumbel.improvedPolicy[gumbel.action]!, rule: 'gumbel' };
  }
  const total = visits.reduce((sum, count) => sum + count, 0);
  const index = temperature === 0 ? mostVisited(result, mask) : drawn(visits, mask, temperature, draw);
  return { index, share: visits[index]! / total, rule: temperature === 0 ? 'argmax' : 'draw' };
}

function mostVisited(result: SearchResult, mask: ActionMask): number {
  let best = -1;
  mask.forEach((legal, i) => {
    if (legal && (best === -1 || precedes(result, i, best))) best = i;
  });
  return best;
}

function precedes({ visits, q, priors }: SearchResult, left: number, right: number): boolean {
  return (visits[left]! - visits[right]! || q[left]! - q[right]! || priors[left]! - priors[right]!) > 0;
}

/** visits^(1/temperature), normalised; relative to the most visited, so that a low temperature does not overflow. */
export function sharpen(visits: readonly number[], temperature: number): readonly number[] {
  const most = visits.reduce((so, count) => Math.max(so, count), 0);
  const weights = visits.map((count) => (count / most) ** (1 / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** The legal action whose stretch of the running sum holds the draw; the last one tried takes what rounding leaves over. */
function drawn(visits: readonly number[], mask: ActionMask, temperature: number, draw: number): number {
  const shares = sharpen(visits.map((count, i) => (mask[i] === true ? count : 0)), temperature);
  let sum = 0;
  let last = -1;
  for (const [i, share] of shares.entries()) {
    if (!(share > 0)) continue;
    sum += share;
    last = i;
    if (draw < sum) return i;
  }
  if (last === -1) throw new SearchError('no legal action was tried: nothing can be drawn');
  return last;
}
