/** Who decides in a simulated world: the random baseline, and scripts that are as bad as a policy can be. */
import { createHash } from 'node:crypto';
import { ACTIONS, NonFiniteError } from '../../domain/policy.ts';
import type { Action, Deliberation, DeliberationStep, Evaluator, Heads, Observation, Policy } from '../../domain/policy.ts';
import { SECOND_MS } from '../../domain/time.ts';
import { createBaseline } from '../../models/baselines.ts';
import { PolicySeat } from '../../src/daemon/policy.ts';
import { Draws } from './draws.ts';
import type { World } from './world.ts';

export const WINDOW_BARS = 8;
const HASH = createHash('sha256').update('sim').digest('hex');
const THOUGHT_MS_MAX = 60 * SECOND_MS;

const proposing = (action: Action, { mask }: Observation): DeliberationStep =>
  ({ kind: 'proposal', proposal: { action: mask[ACTIONS.indexOf(action)] === true ? action : 'HOLD', rule: 'baseline', inputHash: HASH, search: null, draw: null } });

const scripted = (name: string, deliberate: (observation: Observation) => Deliberation): Policy => ({ name, featureSetId: 'none', modelHash: HASH, modelLabel: name, windowBars: WINDOW_BARS, deliberate });
const atOnce = (step: DeliberationStep): Deliberation => ({ next: () => step, supply: () => {} });

/** Wants the other side of whatever is held, at every bar. */
const contrary = (observation: Observation): DeliberationStep => proposing(observation.position.side === 1 ? 'SELL' : 'BUY', observation);

/** Every third decision ends in a number that is none. */
function nonFinite(observation: Observation): Deliberation {
  if (observation.decisionIndex % 3 === 2) throw new NonFiniteError('the value is NaN');
  return atOnce(contrary(observation));
}

/** Asks for one evaluation, whose answer takes its time. */
function slow(observation: Observation): Deliberation {
  let answered = false;
  return {
    next: () => (answered ? contrary(observation) : { kind: 'evaluate', leaf: { kind: 'initial', observation: new Float32Array(1) } }),
    supply: () => {
      answered = true;
    },
  };
}

const NO_HEADS: Heads = { state: new Float32Array(0), value: 0, reward: 0, logits: new Float32Array(0) };

const evaluatorOf = (world: World, draws: Draws): Evaluator => ({
  evaluate: () => new Promise((resolve) => {
    const process = world.running;
    world.scheduler.after(draws.spread(1, THOUGHT_MS_MAX), process, () => process?.resume(() => resolve(NO_HEADS)));
  }),
  close: async () => {},
});

function policyOf(world: World): Policy {
  switch (world.options.policy) {
    case 'random':
      return { ...createBaseline({ kind: 'random', seed: Number(world.options.seed % 4_294_967_296n), holdShare: 0.4 }) };
    case 'adversarial':
      return scripted('adversarial', (observation) => atOnce(contrary(observation)));
    case 'hold':
      return scripted('hold', (observation) => atOnce(proposing(observation.position.side === 0 ? 'BUY' : 'HOLD', observation)));
    case 'flat':
      return createBaseline({ kind: 'hold' });
    case 'nonFinite':
      return scripted('nonFinite', nonFinite);
    case 'slow':
      return scripted('slow', slow);
  }
}

export function seatOf(world: World): PolicySeat {
  const evaluator = world.options.policy === 'slow' ? evaluatorOf(world, new Draws(world.options.seed, `thoughts ${world.processes}`)) : null;
  return new PolicySeat({ kind: 'hold' }, { ok: true, policy: policyOf(world), evaluator, trained: true });
}
