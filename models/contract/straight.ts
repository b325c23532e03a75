/** A decision that goes straight down, to measure networks with: as many calls as a search makes, whatever they say. */
import type { LeafRequest, SearchKind } from '../../domain/policy.ts';

/**
 * The request number `call` of such a decision: the root first, then the networks behind it, in turn where there are two.
 *
 * @param vector the observation for call 0, afterwards the state that the call before gave.
 */
export function straightLeaf(kind: SearchKind, call: number, vector: Float32Array): LeafRequest {
  if (call === 0) return { kind: 'initial', observation: vector };
  if (kind === 'deterministic') return { kind: 'recurrent', hidden: vector, action: 0 };
  return call % 2 === 1 ? { kind: 'afterstate', hidden: vector, action: 0 } : { kind: 'chance', afterstate: vector, code: 0 };
}
