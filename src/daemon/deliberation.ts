/** Driving a policy's deliberation with real networks: one evaluation asked for, one supplied, until it ends. */
import type { PolicyOutcome } from '../../domain/desk/inputs.ts';
import { NonFiniteError } from '../../domain/policy.ts';
import type { Evaluator, Observation, Policy } from '../../domain/policy.ts';

/** Far above any configured number of simulations; a policy that asks on is broken. */
const EVALUATIONS_MAX = 100_000;

/** Asks the policy about one observation. A failing network is an outcome, not an exception. */
export async function deliberate(policy: Policy, evaluator: Evaluator | null, observation: Observation): Promise<PolicyOutcome> {
  try {
    const deliberation = policy.deliberate(observation);
    for (let evaluations = 0; evaluations < EVALUATIONS_MAX; evaluations += 1) {
      const next = deliberation.next();
      if (next.kind !== 'evaluate') return next;
      if (evaluator === null) return withoutNetwork(policy);
      deliberation.supply(await evaluator.evaluate(next.leaf));
    }
    return { kind: 'failure', detail: `policy ${policy.name} asked for more than ${EVALUATIONS_MAX} evaluations` };
  } catch (error) {
    return failureOf(error);
  }
}

/** Asks a policy that needs no networks. */
export function deliberateAtOnce(policy: Policy, observation: Observation): PolicyOutcome {
  try {
    const next = policy.deliberate(observation).next();
    return next.kind === 'evaluate' ? withoutNetwork(policy) : next;
  } catch (error) {
    return failureOf(error);
  }
}

const withoutNetwork = (policy: Policy): PolicyOutcome => ({ kind: 'failure', detail: `policy ${policy.name} asks for a network and none is loaded` });

function failureOf(error: unknown): PolicyOutcome {
  if (error instanceof NonFiniteError) return { kind: 'nonFinite', detail: error.message };
  return { kind: 'failure', detail: error instanceof Error ? error.message : String(error) };
}
