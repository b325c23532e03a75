/**
 * Decisions on made-up windows, taken before the first real one: features, search and networks are compiled, their
 * tables built and their memory touched by the time a bar depends on them. Nothing of it is kept or recorded.
 */
import type { Evaluator, Observation, Policy, PositionView } from '../../domain/policy.ts';
import { instantOf, MINUTE_MS } from '../../domain/time.ts';
import { deliberate } from './deliberation.ts';

/** As many as it takes for the compiler to be done with the search; large networks need time, not turns. */
const DECISIONS = 150;
const DURATION_MS_MAX = 3_000;
const LONG: PositionView = { side: 1, netPips: 2, barsSinceEntry: 9, peakPips: 5, drawdownPipsMax: 4 };
const FLAT: PositionView = { side: 0, netPips: 0, barsSinceEntry: 0, peakPips: 0, drawdownPipsMax: 0 };

function madeUp(windowBars: number, turn: number): Observation {
  const held = turn % 2 === 1;
  return {
    at: instantOf(windowBars * MINUTE_MS),
    midCloses: Float64Array.from({ length: windowBars }, (_, bar) => 1.1 + 1e-4 * Math.sin(turn + bar * bar * 0.37)),
    barStarts: Float64Array.from({ length: windowBars }, (_, bar) => bar * MINUTE_MS),
    position: held ? LONG : FLAT,
    mask: [true, !held, true, held],
    decisionIndex: turn,
  };
}

/** @returns null, or why the policy could not decide on a sound window: then it must not decide on a real one either. */
export async function warmUp(policy: Policy, evaluator: Evaluator | null): Promise<string | null> {
  const until = performance.now() + DURATION_MS_MAX;
  for (let turn = 0; turn < DECISIONS && performance.now() < until; turn += 1) {
    const outcome = await deliberate(policy, evaluator, madeUp(policy.windowBars, turn));
    if (outcome.kind !== 'proposal') return `a made-up window got no decision: ${outcome.detail}`;
  }
  return null;
}
