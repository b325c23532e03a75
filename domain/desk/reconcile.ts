/**
 * Holding the ledger against the broker's own word of the account, and what follows from it.
 *
 * Only answers that stand at the ledger's own id are compared; an older or newer one is read again. A failed read is
 * evidence of nothing. What differs is looked at again a few times, and then ends trading rather than being given up on.
 */
import type { AccountSnapshot, AccountSummary, PositionsSnapshot } from '../broker.ts';
import type { DataOf, ReconciliationTrigger } from '../events.ts';
import { derivedId } from '../ids.ts';
import { netUnits } from '../ledger.ts';
import { absolute, format, subtract } from '../money.ts';
import type { Difference, Expectation } from '../reconciliation.ts';
import { CHECKS, compareIdentity, compareWithSnapshot, compareWithSummary, RULES } from '../reconciliation.ts';
import { formatInstant, plusMs, SECOND_MS } from '../time.ts';
import { ruleOf, tellDiscrepancy } from './discrepancies.ts';
import type { Draft } from './draft.ts';
import type { Answer, Read } from './inputs.ts';
import { THE_ONE_BEFORE } from './inputs.ts';
import { unrealisedAtBars } from './marks.ts';
import { flattenWhatIsDue, reduceToLimit } from './orders.ts';
import { readLedger, readLedgerAgain } from './reading.ts';
import type { Book } from './state.ts';
import { hasOurPosition, isForeign, ourOpenTrades } from './state.ts';
import { replaceStop } from './stops.ts';
import { wakeToRetry } from './timetable.ts';

/** The broker's reads lag its writes by up to half a second. */
const SNAPSHOT_PAUSE_MS = SECOND_MS / 2;
/** Answers read for one reconciliation before it is called failed. */
const SNAPSHOT_ATTEMPTS_MAX = 5;
/** Before a difference is looked at a second time; each further look waits twice as long. */
const CONFIRM_MS_MIN = 2 * SECOND_MS;
/** Operators whose command waits for the same comparison. */
const COMMANDS_WAITING_MAX = 16;

type SnapshotRead = Extract<Read, { what: 'snapshot' }>;
export const reconciliationIdOf = (read: SnapshotRead): string => derivedId('reconciliation', read.trigger, formatInstant(read.startedAt));

/** Asks for the broker's word to hold against the ledger, unless it is already awaited. */
export function requestReconciliation(draft: Draft, trigger: ReconciliationTrigger, whole = trigger !== 'interval'): void {
  const { live, settings } = draft.state;
  if (live.reconciliationPending) return;
  // Half an interval of grace: checks come on a raster, and the last one came a little after its mark.
  const fullAgoMs = live.lastFullAt === null ? Number.POSITIVE_INFINITY : draft.now - live.lastFullAt;
  const full = whole || fullAgoMs >= settings.reconciliation.fullIntervalMs - settings.reconciliationIntervalMs / 2;
  draft.live({ reconciliationPending: true, ...(full ? { lastFullAt: draft.now } : {}) });
  draft.ask({ kind: 'read', read: { what: 'snapshot', trigger, scope: full ? 'full' : 'light', startedAt: draft.now, attempt: 1 } });
}

/** An operator asks for a comparison; the answer comes when it has been made. */
export function reconcileForOperator(draft: Draft, commandId: number): void {
  const waiting = draft.state.live.reconcileCommands;
  if (waiting.length >= COMMANDS_WAITING_MAX) return draft.ask({ kind: 'reply', commandId, result: { accepted: false, message: `${waiting.length} commands wait for a reconciliation already` } });
  draft.live({ reconcileCommands: [...waiting, commandId] });
  requestReconciliation(draft, 'operator');
}

// --- answers ---

export const takeSnapshot = (draft: Draft, read: SnapshotRead, snapshot: AccountSnapshot): void =>
  takeAnswer(draft, read, { account: snapshot, ids: [snapshot.lastTransactionId], compare: (expectation) => compareWithSnapshot(draft.state.ledger, snapshot, expectation) });

export const takeSummary = (draft: Draft, read: SnapshotRead, { summary, positions }: Extract<Answer, { what: 'summary' }>): void =>
  takeAnswer(draft, read, { account: summary, ids: [summary.lastTransactionId, positions.lastTransactionId], compare: (expectation) => compareWithSummary(draft.state.ledger, summary, positions, expectation) });

interface Shown {
  readonly account: AccountSnapshot | AccountSummary;
  /** Ledger ids at which its parts were read. */
  readonly ids: readonly number[];
  readonly compare: (expectation: Expectation) => readonly Difference[];
}

function ourTradeIdsOf([first, ...others]: readonly Book[]): ReadonlySet<string> {
  const ids = first?.trading.ourTradeIds ?? new Set<string>();
  return others.length === 0 ? ids : new Set([...ids, ...others.flatMap(({ trading }) => [...trading.ourTradeIds])]);
}

function takeAnswer(draft: Draft, read: SnapshotRead, shown: Shown): void {
  const { ledger, settings, books } = draft.state;
  const expectation: Expectation = {
    accountId: settings.accountId,
    currency: settings.homeCurrency,
    positionUnitsMax: settings.safety.positionUnitsMax,
    ourTradeIds: ourTradeIdsOf([...books.values()]),
  };
  const identity = compareIdentity(ledger, shown.account, expectation);
  if (identity.length > 0) return conclude(draft, read, shown, identity);
  if (shown.ids.some((id) => id !== ledger.lastTransactionId)) return readAgain(draft, read, shown.ids);
  conclude(draft, read, shown, shown.compare(expectation));
}

/** The two sides do not stand at one id: nothing can be said, and it is asked again, a few times. */
function readAgain(draft: Draft, read: SnapshotRead, ids: readonly number[]): void {
  const { ledger } = draft.state;
  const newest = Math.max(...ids);
  draft.live({ brokerTransactionId: Math.max(draft.state.live.brokerTransactionId, newest) });
  if (newest > ledger.lastTransactionId) readLedger(draft);
  if (read.attempt < SNAPSHOT_ATTEMPTS_MAX) {
    draft.live({ snapshotToRepeat: { ...read, attempt: read.attempt + 1 } });
    return draft.ask({ kind: 'wake', key: 'snapshot', at: plusMs(draft.now, SNAPSHOT_PAUSE_MS) });
  }
  // One that is behind is a stale replica and says nothing; one that stays ahead says that we are.
  const stale = newest > ledger.lastTransactionId && ledger.lastTransactionId > 0;
  if (stale) {
    tellDiscrepancy(draft, reconciliationIdOf(read), { kind: 'staleLedger', subject: 'ledger', local: String(ledger.lastTransactionId), broker: String(newest), transactionIds: [String(ledger.lastTransactionId)] });
  }
  completeReconciliation(draft, read, { outcome: 'failed', discrepancies: stale ? 1 : 0, detail: `snapshot at ${ids.join(' and ')}, ledger at ${ledger.lastTransactionId}, after ${read.attempt} reads` });
}

/** A comparison has been made: it is told, and then the rules are followed. */
function conclude(draft: Draft, read: SnapshotRead, shown: Shown, all: readonly Difference[]): void {
  const { settings, ledger } = draft.state;
  const isNote = ({ kind }: Difference): boolean => ruleOf(kind, settings) === 'note';
  const found = all.filter((entry) => !isNote(entry));
  const nameOf = ({ kind, subject, local, broker }: Difference): string => `${kind} ${subject}: here ${local}, broker ${broker}`;
  const notes = all.filter(isNote);
  for (const entry of [...found, ...notes.filter((note) => !draft.state.live.noted.has(nameOf(note)))]) tellDiscrepancy(draft, reconciliationIdOf(read), entry);
  draft.live({ noted: new Set(notes.map(nameOf)) });
  completeReconciliation(draft, read, {
    outcome: found.length === 0 ? 'agreed' : 'differed',
    ...(shown.ids.every((id) => id === ledger.lastTransactionId) ? { transactionId: ledger.lastTransactionId } : {}),
    discrepancies: found.length,
    done: found.map(({ kind, subject }) => `${ruleOf(kind, settings)} ${subject}`),
    unrealisedPl: { local: format(unrealisedAtBars(draft.state)), broker: format(shown.account.unrealisedPl) },
  });
  if (found.length > 0) return correct(draft, found, found.map(nameOf).join('; '));
  draft.live({ unresolved: null });
  if (draft.state.live.notReady !== null) becomeReady(draft);
}

/** The first reconciliation agreed. */
function becomeReady(draft: Draft): void {
  draft.live({ notReady: null });
  flattenWhatIsDue(draft);
}

// --- what is done about a difference ---

function correct(draft: Draft, found: readonly Difference[], detail: string): void {
  const { settings } = draft.state;
  for (const { kind } of found) {
    const rule = ruleOf(kind, settings);
    if (rule === 'halt' || kind === 'positionLimit') draft.halt(RULES[kind].haltCause, detail);
  }
  for (const difference of found) {
    if (difference.kind !== 'stopMissing' && difference.kind !== 'stopChanged') continue;
    for (const book of draft.state.books.values()) {
      const trade = ourOpenTrades(draft.state, book).find(({ tradeId }) => `trade ${tradeId}` === difference.subject);
      if (trade !== undefined) replaceStop(draft, book, trade, difference.transactionIds);
    }
  }
  if (found.some(({ kind }) => ruleOf(kind, settings) === 'reduce')) reduceToLimit(draft);
  const open = found.filter(({ kind }) => ruleOf(kind, settings) === 'adopt' || ruleOf(kind, settings) === 'reduce');
  if (open.length > 0) lookAgain(draft, detail);
  // One whose trade is to be closed instead may stay so for as long as its market is closed: the next regular comparison is soon enough.
  else if (isStopUnderWay(draft)) draft.ask({ kind: 'wake', key: 'reconcileAgain', at: plusMs(draft.now, CONFIRM_MS_MIN) });
  flattenWhatIsDue(draft);
}

const isStopUnderWay = ({ state }: Draft): boolean => [...state.books.values()].some((book) => [...book.stops.values()].some(({ status }) => status === 'intended'));

/** A difference may be a read that lagged: it is looked at again, with the transactions behind it, until it has lasted too long. */
function lookAgain(draft: Draft, detail: string): void {
  const { attemptsMax, unresolvedMsMax } = draft.state.settings.reconciliation;
  const unresolved = { since: draft.state.live.unresolved?.since ?? draft.now, attempts: (draft.state.live.unresolved?.attempts ?? 0) + 1 };
  draft.live({ unresolved });
  if (unresolved.attempts >= attemptsMax || draft.now - unresolved.since >= unresolvedMsMax) return escalate(draft, `unresolved after ${unresolved.attempts} comparisons: ${detail}`);
  readLedgerAgain(draft);
  draft.ask({ kind: 'wake', key: 'reconcileAgain', at: plusMs(draft.now, CONFIRM_MS_MIN * 2 ** Math.min(unresolved.attempts - 1, 5)) });
}

/** Trading does not go on over what is not understood: a position of ours is only reduced, without one it halts. */
function escalate(draft: Draft, detail: string): void {
  const { mode } = draft.state.safety;
  if (mode === 'HALTED') return;
  if (!hasOurPosition(draft.state)) return draft.halt('discrepancy', detail);
  if (mode !== 'REDUCING') draft.tell({ type: 'TradingReducing', data: { cause: detail.slice(0, 2_000) } }, { causedBy: THE_ONE_BEFORE });
}

// --- the end of a reconciliation ---

type Completed = Pick<DataOf<'ReconciliationCompleted'>, 'outcome'> & {
  readonly transactionId?: number;
  readonly discrepancies?: number;
  readonly done?: readonly string[];
  readonly unrealisedPl?: DataOf<'ReconciliationCompleted'>['unrealisedPl'];
  readonly detail?: string;
};

export function completeReconciliation(draft: Draft, read: SnapshotRead, completed: Completed): void {
  const { outcome, transactionId, discrepancies = 0, done = [], unrealisedPl = null, detail } = completed;
  draft.tell({
    type: 'ReconciliationCompleted',
    data: {
      reconciliationId: reconciliationIdOf(read),
      trigger: read.trigger,
      scope: read.scope,
      startedAt: formatInstant(read.startedAt),
      durationMs: Math.max(0, draft.now - read.startedAt),
      transactionId: transactionId === undefined ? null : String(transactionId),
      outcome,
      checks: outcome === 'failed' ? [] : [...CHECKS[read.scope]],
      discrepancies,
      done: done.slice(0, 100).map((text) => text.slice(0, 2_000)),
      unrealisedPl,
      detail: detail?.slice(0, 2_000) ?? null,
    },
  }, { actor: 'reconciler' });
  const failed = outcome === 'failed';
  draft.live({
    reconciliationPending: false,
    failingSince: failed ? (draft.state.live.failingSince ?? draft.now) : null,
    ...(failed ? {} : { discrepancies, lastAgreedAt: outcome === 'agreed' ? draft.now : null }),
  });
  replyToOperators(draft, read, completed);
  if (!failed) return;
  reduceWhileFailing(draft);
  if (draft.state.live.notReady !== null) wakeToRetry(draft, 'reconcile', Math.max(1, draft.state.live.failures.get('snapshot') ?? 1));
}

/** Nothing is opened while comparisons fail; when they have for long, what is open is only reduced. Without a position nothing is at stake. */
function reduceWhileFailing(draft: Draft): void {
  const { live, safety, settings } = draft.state;
  if (live.failingSince === null || safety.mode !== 'ARMED' || !hasOurPosition(draft.state)) return;
  if (draft.now - live.failingSince < settings.reconciliation.failingMsMax) return;
  draft.tell({ type: 'TradingReducing', data: { cause: `no reconciliation has come about since ${formatInstant(live.failingSince)}` } }, { causedBy: THE_ONE_BEFORE });
}

function replyToOperators(draft: Draft, read: SnapshotRead, { outcome, discrepancies = 0, transactionId, detail }: Completed): void {
  const { reconcileCommands } = draft.state.live;
  if (reconcileCommands.length === 0) return;
  if (read.scope === 'light') return requestReconciliation(draft, 'operator');
  draft.live({ reconcileCommands: [] });
  const message = outcome === 'failed' ? `failed: ${detail ?? ''}` : `${outcome} at transaction ${transactionId ?? 0}${discrepancies === 0 ? '' : `: ${discrepancies} differences`}`;
  for (const commandId of reconcileCommands) draft.ask({ kind: 'reply', commandId, result: { accepted: outcome === 'agreed', message } });
}

// --- the position check between reconciliations ---

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
