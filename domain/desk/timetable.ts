/** When the desk wakes by itself: each minute's end, the checks between, and the retries. */
import type { Instant } from '../time.ts';
import { MINUTE_MS, plusMs, SECOND_MS } from '../time.ts';
import type { Draft } from './draft.ts';

/** Checks keep away from the minute's end, which belongs to the decision: they come 20 seconds after it. */
const CHECK_OFFSET_MS = 20 * SECOND_MS;
const RETRY_MS_MIN = 5 * SECOND_MS;
const RETRY_MS_MAX = 60 * SECOND_MS;

const nextMultiple = (now: Instant, intervalMs: number): Instant => plusMs(now, intervalMs - (now % intervalMs));
const nextCheck = (now: Instant, intervalMs: number): Instant => plusMs(nextMultiple(plusMs(now, -CHECK_OFFSET_MS), intervalMs), CHECK_OFFSET_MS);

export const wakeAtMinute = (draft: Draft): void => draft.ask({ kind: 'wake', key: 'minute', at: nextMultiple(draft.now, MINUTE_MS) });
export const wakeForPositionCheck = (draft: Draft): void => draft.ask({ kind: 'wake', key: 'positionCheck', at: nextCheck(draft.now, draft.state.settings.safety.positionCheckIntervalMs) });
export const wakeForReconciliation = (draft: Draft): void => draft.ask({ kind: 'wake', key: 'reconcile', at: nextCheck(draft.now, draft.state.settings.reconciliationIntervalMs) });

/** Asks again for what failed, after a pause that doubles from 5 seconds to a minute. */
export function wakeToRetry(draft: Draft, key: 'ledger' | 'history' | 'reconcile', failures: number): void {
  draft.ask({ kind: 'wake', key, at: plusMs(draft.now, Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** Math.min(failures - 1, 10))) });
}

/** The ledger stands where the broker stands: from here on stops, weekends and limits are watched, READY or not. */
export function beginProtection(draft: Draft): void {
  draft.live({ ledgerWhole: true, ...(draft.state.live.notReady === null ? {} : { notReady: 'waiting for a reconciliation that agrees' }) });
  wakeAtMinute(draft);
  wakeForPositionCheck(draft);
  wakeForReconciliation(draft);
}
