/** What the broker's refusals of our orders mean for trading as a whole. */
import { MINUTE_MS } from '../time.ts';
import { rejectedTooOften, REJECTIONS_MAX, REJECTIONS_SPAN_MS } from '../safety.ts';
import type { Draft } from './draft.ts';
import type { DeskState } from './state.ts';

const ACCOUNT_LOCKED = /^ACCOUNT_(?:\w+_)?LOCKED$/;

/** Looks at what this step told: a locked account halts at once, the third rejection within ten minutes halts too. */
export function haltOnRejections(draft: Draft, before: DeskState): void {
  if (draft.emissions.length === 0) return;
  for (const { event } of [...draft.emissions]) {
    if (event.type !== 'OrderRejected' && event.type !== 'OrderCancelled') continue;
    if (ACCOUNT_LOCKED.test(event.data.reason)) draft.halt('authentication', `the broker says ${event.data.reason}`);
  }
  const { rejectedAt } = draft.state.safety;
  if (rejectedAt === before.safety.rejectedAt || !rejectedTooOften(draft.state.safety, draft.now)) return;
  draft.halt('rejections', `the broker rejected ${REJECTIONS_MAX} orders within ${REJECTIONS_SPAN_MS / MINUTE_MS} minutes`);
}
