/** The policy's model on the desk: the health of what it decides, and its replacement while the daemon runs. */
import { healthAlerts } from '../health.ts';
import { refuseAnonymous } from '../safety.ts';
import type { Draft, Telling } from './draft.ts';
import type { ModelFacts, ModelVerdict, SwapCommand } from './inputs.ts';
import type { DeskState, Live } from './state.ts';
import { bookOf } from './state.ts';

/** Raises an alert for each symptom that this step brought. */
export function tellHealth(draft: Draft, before: DeskState): void {
  if (draft.state.books === before.books) return;
  for (const [instrument, { health }] of before.books) {
    draft.tellAll(healthAlerts(health, bookOf(draft.state, instrument).health, instrument, draft.state.settings.health));
  }
}

// --- replacing the model ---

/** The policy that searches over a model; every other one has none to replace. */
const SEARCHING_POLICY = 'muzero';

type Swap = NonNullable<Live['modelSwap']>;

const telling = (draft: Draft, { commandId, operator }: Swap): Telling =>
  ({ actor: `operator ${operator.slice(0, 64)}`, correlationId: `run ${draft.state.run.epoch}: command ${commandId}` });

/** An operator's wish for another model: refused at once, or the model is verified beside the present one. */
export function swapModel(draft: Draft, commandId: number, command: SwapCommand): void {
  const swap = { ...command, commandId };
  const refusal = refuseAnonymous(command) ?? refuseSwap(draft.state);
  draft.tell({ type: 'ControlAccess', data: { operator: command.operator.slice(0, 64), verb: 'swap-model', outcome: refusal ?? 'accepted' } }, telling(draft, swap));
  if (refusal !== null) return draft.ask({ kind: 'reply', commandId, result: { accepted: false, message: refusal } });
  draft.live({ modelSwap: swap });
  draft.ask({ kind: 'verifyModel', directory: command.directory });
}

function refuseSwap({ live }: DeskState): string | null {
  if (live.notReady !== null) return `not ready: ${live.notReady}`;
  if (live.policy.policyName !== SEARCHING_POLICY) return `policy ${live.policy.policyName} runs no model: configure ${SEARCHING_POLICY} and start again`;
  return live.modelSwap === null ? null : `the model in ${live.modelSwap.directory} is being verified: wait for its outcome`;
}

/** A model that fails a check changes nothing; one that passes waits for the decision under way. */
export function takeVerdict(draft: Draft, verdict: ModelVerdict): void {
  const swap = underWay(draft.state);
  if (verdict.ok) return draft.ask({ kind: 'adoptModel' });
  draft.tell({ type: 'ModelRejected', data: { check: verdict.check, detail: `${swap.directory}: ${verdict.detail}`.slice(0, 2_000) } }, telling(draft, swap));
  conclude(draft, swap, false, `refused by check ${verdict.check}: ${verdict.detail}; ${draft.state.live.policy.modelLabel} goes on deciding`);
}

/** The model has taken over. */
export function takeOver(draft: Draft, model: ModelFacts): void {
  const swap = underWay(draft.state);
  const { modelHash: formerModelHash, modelLabel: formerLabel } = draft.state.live.policy;
  const { operator, reason, directory } = swap;
  draft.live({ policy: { ...draft.state.live.policy, ...model } });
  draft.tell({ type: 'ModelSwapped', data: { operator, reason, directory, formerModelHash, ...model } }, telling(draft, swap));
  conclude(draft, swap, true, `${model.modelLabel} decides in place of ${formerLabel}; a restart loads the configured model, and not armed where that is another one`);
}

function conclude(draft: Draft, { commandId }: Swap, accepted: boolean, message: string): void {
  draft.live({ modelSwap: null });
  draft.ask({ kind: 'reply', commandId, result: { accepted, message } });
}

/** @throws Error when nobody has asked for another model: whoever answers has broken an invariant. */
function underWay({ live }: DeskState): Swap {
  if (live.modelSwap === null) throw new Error('a model was verified that nobody has asked for');
  return live.modelSwap;
}
