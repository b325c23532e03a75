/** From visits to one action. */
import { ACTIONS } from '../../domain/policy.ts';
import type { Action, ActionMask } from '../../domain/policy.ts';
import { SearchError } from './tree.ts';
import type { SearchResult } from './tree.ts';

/** Share of the visits that the best action needs; 6 of 15 at least. */
export const MIN_CONFIDENCE_DEFAULT = 0.35;

/**
 * The legal action with the most visits; ties go to the higher Q, then the higher prior, then the lower index.
 * A top share below `minConfidence` means HOLD, unless the mask forbids holding.
 * @throws SearchError when the mask forbids every action.
 */
export function chooseAction(
  result: SearchResult, mask: ActionMask, minConfidence: number,
): { readonly action: Action; readonly rule: 'argmax' | 'minConfidence' } {
  let best = -1;
  let total = 0;
  for (let i = 0; i < ACTIONS.length; i += 1) {
    total += result.visits[i]!;
    if (mask[i] === true && (best === -1 || precedes(result, i, best))) best = i;
  }
  if (best === -1) throw new SearchError('the mask forbids every action: at least one must be legal');
  // Written so that a share that is not a number does not pass.
  if (mask[0] && !(result.visits[best]! / total >= minConfidence)) return { action: 'HOLD', rule: 'minConfidence' };
  return { action: ACTIONS[best]!, rule: 'argmax' };
}

function precedes(result: SearchResult, left: number, right: number): boolean {
  const { visits, q, priors } = result;
  if (visits[left] !== visits[right]) return visits[left]! > visits[right]!;
  if (q[left] !== q[right]) return q[left]! > q[right]!;
  return priors[left]! > priors[right]!;
}
