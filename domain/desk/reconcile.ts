/** Holding the ledger against the broker's own word of the account, and what follows from it. */
import type { AccountSnapshot, PositionsSnapshot } from '../broker.ts';
import type { DataOf } from '../events.ts';
import { derivedId } from '../ids.ts';
import { netUnits } from '../ledger.ts';
import { absolute, format, subtract } from '../money.ts';
import { CHECKS, compareWithSnapshot } from '../reconciliation.ts';
import { formatInstant, plusMs, SECOND_MS } from '../time.ts';
import type { Draft } from './draft.ts';
import type { Read } from './inputs.ts';
import { readLedger } from './ledger-sync.ts';
import { flattenWhatIsDue } from './orders.ts';
import { isForeign } from './state.ts';
import { wakeToRetry } from './timetable.ts';

/** The broker's reads lag its writes by up to half a second. */
const SNAPSHOT_PAUSE_MS = SECOND_MS / 2;
/** Snapshots read for one reconciliation before it is called failed. */
const SNAPSHOT_ATTEMPTS_MAX = 5;

type SnapshotRead = Extract<Read, { what: 'snapshot' }>;
export const reconciliationIdOf = (read: SnapshotRead): string => derivedId('reconciliation', read.trigger, formatInstant(read.startedAt));

export function takeSnapshot(draft: Draft, read: SnapshotRead, snapshot: AccountSnapshot): void {
  const { ledger, settings, books } = draft.state;
  if (snapshot.lastTransactionId !== ledger.lastTransactionId) {
    draft.live({ brokerTransactionId: Math.max(draft.state.live.brokerTransactionId, snapshot.lastTransactionId) });
    if (read.attempt >= SNAPSHOT_ATTEMPTS_MAX) return completeReconciliation(draft, read, null, 'failed', 0, `snapshot at ${snapshot.lastTransactionId}, ledger at ${ledger.lastTransactionId}, after ${read.attempt} reads`);
    if (snapshot.lastTransactionId > ledger.lastTransactionId) readLedger(draft);
    draft.live({ snapshotToRepeat: { ...read, attempt: read.attempt + 1 } });
    return draft.ask({ kind: 'wake', key: 'snapshot', at: plusMs(draft.now, SNAPSHOT_PAUSE_MS) });
  }
  const ourTradeIds = new Set([...books.values()].flatMap((book) => [...book.trading.ourTradeIds]));
  const found = compareWithSnapshot(ledger, snapshot, { accountId: settings.accountId, currency: settings.homeCurrency, ourTradeIds });
  const reconciliationId = reconciliationIdOf(read);
  for (const discrepancy of found) draft.tell({ type: 'DiscrepancyDetected', data: { reconciliationId, ...discrepancy } }, { actor: 'reconciler' });
  completeReconciliation(draft, read, ledger.lastTransactionId, found.length === 0 ? 'agreed' : 'differed', found.length, null);
  if (found.length > 0) draft.halt('discrepancy', found.map((entry) => `${entry.kind} ${entry.subject}: here ${entry.local}, broker ${entry.broker}`).join('; '));
  if (draft.state.live.notReady !== null && found.length === 0) becomeReady(draft);
}

export function completeReconciliation(draft: Draft, read: SnapshotRead, transactionId: number | null, outcome: DataOf<'ReconciliationCompleted'>['outcome'], discrepancies: number, detail: string | null): void {
  draft.live({ reconciliationPending: false, ...(outcome === 'failed' ? {} : { discrepancies }), ...(outcome === 'failed' ? {} : { lastAgreedAt: outcome === 'agreed' ? draft.now : null }) });
  draft.tell({
    type: 'ReconciliationCompleted',
    data: {
      reconciliationId: reconciliationIdOf(read),
      trigger: read.trigger,
      startedAt: formatInstant(read.startedAt),
      durationMs: Math.max(0, draft.now - read.startedAt),
      transactionId: transactionId === null ? null : String(transactionId),
      outcome,
      checks: outcome === 'failed' ? [] : [...CHECKS],
      discrepancies,
      detail: detail?.slice(0, 2_000) ?? null,
    },
  }, { actor: 'reconciler' });
  if (outcome === 'failed' && draft.state.live.notReady !== null) wakeToRetry(draft, 'reconcile', Math.max(1, draft.state.live.failures.get('snapshot') ?? 1));
}

/** The first reconciliation agreed. */
function becomeReady(draft: Draft): void {
  draft.live({ notReady: null });
  flattenWhatIsDue(draft);
}

/** The broker's own position against the limit, what others hold taken out; both must speak of the same ledger id. */
export function takePositions(draft: Draft, snapshot: PositionsSnapshot): void {
  const { ledger, books, settings } = draft.state;
  if (snapshot.lastTransactionId > ledger.lastTransactionId) readLedger(draft);
  if (snapshot.lastTransactionId !== ledger.lastTransactionId) return;
  const limit = settings.safety.positionUnitsMax;
  for (const { instrument, units } of snapshot.positions) {
    if (!books.has(instrument)) continue;
    const ours = subtract(units, netUnits(ledger, instrument, (trade) => isForeign(draft.state, trade)));
    if (!(absolute(ours) <= limit)) draft.halt('positionLimit', `the broker shows ${format(ours)} units of ${instrument}, ${format(limit)} allowed`);
  }
  flattenWhatIsDue(draft);
}
