/** Drives a deliberation to its end with whatever answers its evaluations. */
import type { Deliberation, DeliberationStep, Heads, LeafRequest, Proposal } from '../../domain/policy.ts';

const EVALUATIONS_MAX = 10_001;

export function drive(deliberation: Deliberation, answer: (leaf: LeafRequest, index: number) => Heads): Exclude<DeliberationStep, { kind: 'evaluate' }> {
  for (let index = 0; index < EVALUATIONS_MAX; index += 1) {
    const step = deliberation.next();
    if (step.kind !== 'evaluate') return step;
    deliberation.supply(answer(step.leaf, index));
  }
  throw new Error(`no end after ${EVALUATIONS_MAX} evaluations`);
}

export function proposed(step: DeliberationStep): Proposal {
  if (step.kind !== 'proposal') throw new Error(`expected a proposal, got ${JSON.stringify(step)}`);
  return step.proposal;
}
