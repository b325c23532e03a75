/** What goes on too long without a human: trades that lose one after the other, and a policy that opens again and again. */
import type { Draft } from './draft.ts';
import type { DeskState } from './state.ts';

/** Looks at what this step told: the last loss of a row, and an opening that was one too many. */
export function haltOnStreaks(draft: Draft, before: DeskState): void {
  const { safety, settings: { safety: { lossesInARowMax, executionsMax } } } = draft.state;
  if (safety.lossesInARow > before.safety.lossesInARow && !(safety.lossesInARow < lossesInARowMax)) draft.halt('losingStreak', `${safety.lossesInARow} trades in a row have lost`);
  const wantedMore = draft.emissions.some(({ event }) => event.type === 'OrderDenied' && event.data.guard === 'executions');
  if (wantedMore) draft.halt('executions', `${executionsMax} orders have been opened since an operator last armed or resumed, and another was wanted`);
}
