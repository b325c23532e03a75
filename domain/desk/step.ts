/**
 * The desk, whole: `step(state, input) → state, facts, effects`. No clock, no randomness, no I/O and no promise;
 * the same inputs give the same facts, live, in a replay and in a simulation.
 */
import type { BrokerReadFailure, Quote } from '../broker.ts';
import type { Shown } from '../consent.ts';
import { instrumentData } from '../instruments.ts';
import { format } from '../money.ts';
import { decideCommand, decideRestart } from '../safety.ts';
import { formatInstant } from '../time.ts';
import { workingOrders } from '../trading.ts';
import { awaitMinute, haltOnLosses, instrumentOfWake, readAwaited, readHistory, takeAdvice, takeBars } from './bars.ts';
import { Draft } from './draft.ts';
import type { Answer, Effect, EmergencyLine, Emission, Input, Read, RunFacts } from './inputs.ts';
import { THE_ONE_BEFORE } from './inputs.ts';
import { takeBaseline, takePage } from './ledger-sync.ts';
import { breakerChanged, clockDisturbed, clockMeasured, diskMeasured, noteAvailability, notePricing, pollLedger, unknownLineSeen, watchLedger, watchPrices } from './link.ts';
import { swapModel, takeOver, takeVerdict, tellHealth } from './model.ts';
import { alertOnRestrictions } from './opening.ts';
import { doubtIntentsAfterCrash, flattenWhatIsDue, recordDispatchDenial, recordExchange } from './orders.ts';
import { takeQuote } from './quotes.ts';
import { againFrom, readLedger, readLedgerAgain } from './reading.ts';
import { completeReconciliation, reconcileForOperator, reconciliationIdOf, requestReconciliation, takePositions, takeSnapshot, takeSummary } from './reconcile.ts';
import { haltOnRejections } from './rejections.ts';
import { haltOnStreaks } from './streaks.ts';
import type { DeskState } from './state.ts';
import { hasOurPosition } from './state.ts';
import { isStopReplacement, recordStopDenial, recordStopExchange, stopWatermarks } from './stops.ts';
import { wakeAtMinute, wakeForPositionCheck, wakeForReconciliation, wakeToRetry } from './timetable.ts';

export interface Step {
  readonly state: DeskState;
  readonly emissions: readonly Emission[];
  readonly effects: readonly Effect[];
}

/** Malformed ledger reads in a row after which the broker is taken to speak another language. */
const MALFORMED_READS_MAX = 3;

export function step(state: DeskState, input: Input): Step {
  const draft = new Draft(state, input.now, () => correlationOf(state, input));
  take(draft, input);
  tellHealth(draft, state);
  haltOnRejections(draft, state);
  haltOnStreaks(draft, state);
  if (draft.state.books !== state.books) alertOnRestrictions(draft, state);
  // A halt that flattens does so at once, whatever told of it.
  if (draft.state.safety !== state.safety && draft.state.safety.mode === 'HALTED' && draft.state.live.ledgerWhole) flattenWhatIsDue(draft);
  return { state: draft.state, emissions: draft.emissions, effects: draft.effects };
}

function correlationOf(state: DeskState, input: Input): string {
  switch (input.kind) {
    case 'operator':
      return `run ${state.run.epoch}: command ${input.commandId}`;
    case 'answer':
      return input.read.what === 'snapshot' ? reconciliationIdOf(input.read) : `run ${state.run.epoch}: ${input.read.what} at ${formatInstant(input.now)}`;
    case 'start':
      return `run ${nextEpoch(state)}: start`;
    default:
      return `run ${state.run.epoch}: ${input.kind}${input.kind === 'wake' ? ` ${input.key}` : ''} at ${formatInstant(input.now)}`;
  }
}

function take(draft: Draft, input: Input): void {
  switch (input.kind) {
    case 'start':
      return start(draft, input.run);
    case 'wake':
      return wake(draft, input.key);
    case 'quote':
      return quoted(draft, input.quote);
    case 'feed':
      return feedChanged(draft, input);
    case 'breaker':
      return breakerChanged(draft, input);
    case 'clockDisturbed':
      return clockDisturbed(draft, input);
    case 'clockMeasured':
      return clockMeasured(draft, input);
    case 'unaccounted':
      return draft.halt('egress', `${input.method} ${input.path} left for the broker, and no intent in the log stands behind it`);
    case 'diskMeasured':
      return diskMeasured(draft, input);
    case 'unknownLine':
      return unknownLineSeen(draft, input);
    case 'notice':
      draft.live({ brokerTransactionId: Math.max(draft.state.live.brokerTransactionId, input.transactionId) });
      if (input.transactionId > draft.state.ledger.lastTransactionId) readLedger(draft);
      return;
    case 'answer':
      return answered(draft, input.read, input.answer);
    case 'readFailed':
      return readFailed(draft, input.read, input.failure, input.detail);
    case 'advice':
      return takeAdvice(draft, input.consultation, input.outcome);
    case 'dispatchDenied':
      if (isStopReplacement(draft.state, input.clientOrderId)) return recordStopDenial(draft, input.clientOrderId, input);
      return recordDispatchDenial(draft, input.clientOrderId, input);
    case 'exchange':
      if (isStopReplacement(draft.state, input.clientOrderId)) recordStopExchange(draft, input.clientOrderId, input.request, input.exchange);
      else recordExchange(draft, input.clientOrderId, input.request, input.exchange);
      return readLedger(draft);
    case 'operator':
      return obey(draft, input);
    case 'swapModel':
      return swapModel(draft, input.commandId, input.command);
    case 'modelVerified':
      return takeVerdict(draft, input.verdict);
    case 'modelAdopted':
      return takeOver(draft, input.model);
    case 'haltFile':
      return draft.halt('emergency', input.detail);
    case 'emergencyRecord':
      return importEmergency(draft, input.lines);
    case 'stop':
      return draft.tell({ type: 'DaemonStopped', data: { reason: input.reason.slice(0, 2_000), exitCode: input.exitCode } });
  }
}

// --- starting ---

/** Above the log's own runs and above every tag that the account has seen of us. */
const nextEpoch = (state: DeskState): number => Math.max(state.run.epoch, state.ledger.epochMax) + 1;

function start(draft: Draft, run: RunFacts): void {
  const { state, now } = draft;
  const { epoch, running, readyIdentity, readyUntil, unjudgedFrom } = state.run;
  const downMs = readyUntil === null ? 0 : Math.max(0, now - readyUntil);
  const previousRun = epoch === 0 ? 'none' : running ? 'crashed' : 'clean';
  draft.live({
    startedAt: now,
    downMs,
    sameIdentity: readyIdentity === `${run.build} ${run.configHash} ${run.modelHash}`,
    downUntil: epoch === 0 ? null : now,
    policy: run,
    judgeAgainFrom: unjudgedFrom,
    notReady: 'importing the ledger',
  });
  draft.tell({
    type: 'DaemonStarted',
    data: {
      epoch: nextEpoch(state),
      previousRun,
      downMs,
      build: run.build,
      nodeVersion: run.nodeVersion,
      configHash: run.configHash,
      modelHash: run.modelHash,
      modelLabel: run.modelLabel,
      accountId: state.settings.accountId,
      environment: run.environment,
      instruments: state.settings.instruments.map(({ instrument }) => instrumentData(instrument)),
    },
  });
  draft.tellAll(decideRestart(draft.state.safety, {
    sameBuildConfigurationAndModel: draft.state.live.sameIdentity,
    downMs,
    crashesLastHour: draft.state.run.crashesFoundAt.length,
    hasPosition: hasOurPosition(draft.state),
  }, state.settings), { causedBy: THE_ONE_BEFORE });
  draft.tell({ type: 'ModelLoaded', data: { modelHash: run.modelHash, modelLabel: run.modelLabel, featureSetId: run.featureSetId, trained: run.trained } });
  doubtIntentsAfterCrash(draft);
  draft.ask({ kind: 'connectFeeds' });
  // What was recorded before a crash is read again from the oldest order still working: telling it twice is harmless.
  const watermarks = [...draft.state.books.values()].flatMap((book) => workingOrders(book.trading).map((order) => order.watermark));
  draft.live({ ledgerReadPending: true });
  draft.ask({ kind: 'read', read: { what: 'transactions', since: Math.min(againFrom(state.ledger), ...watermarks, ...stopWatermarks(draft.state), ...(unjudgedFrom === null ? [] : [unjudgedFrom - 1])) } });
  readHistory(draft);
}

// --- time ---

function wake(draft: Draft, key: string): void {
  const { live } = draft.state;
  switch (key) {
    case 'minute':
      wakeAtMinute(draft);
      awaitMinute(draft);
      watchPrices(draft);
      return flattenWhatIsDue(draft);
    case 'positionCheck':
      wakeForPositionCheck(draft);
      haltOnLosses(draft);
      flattenWhatIsDue(draft);
      return draft.ask({ kind: 'read', read: { what: 'positions' } });
    case 'reconcile':
      wakeForReconciliation(draft);
      return requestReconciliation(draft, live.notReady === null ? 'interval' : 'startup');
    case 'reconcileAgain':
      return requestReconciliation(draft, live.notReady === null ? 'interval' : 'startup', true);
    case 'snapshot':
      if (live.snapshotToRepeat !== null) draft.ask({ kind: 'read', read: live.snapshotToRepeat });
      return draft.live({ snapshotToRepeat: null });
    case 'history':
      return readHistory(draft);
    case 'ledgerPoll':
      return pollLedger(draft);
    case 'ledger':
    case 'resolve':
      return readLedger(draft);
    default: {
      const instrument = instrumentOfWake(key);
      if (instrument === null) throw new Error(`no timer is called "${key}"`);
      return readAwaited(draft, instrument);
    }
  }
}

// --- streams ---

function quoted(draft: Draft, quote: Quote): void {
  const before = draft.state.live.quotes.get(quote.instrument);
  takeQuote(draft, quote);
  // What could not be closed while the instrument was halted is asked again as soon as it trades.
  if (before?.tradeable === false && quote.tradeable && draft.state.live.ledgerWhole) flattenWhatIsDue(draft);
}

function feedChanged(draft: Draft, input: Extract<Input, { kind: 'feed' }>): void {
  const { connected } = draft.state.live;
  if (input.feed === 'transactions' && !input.connected) watchLedger(draft);
  if (connected[input.feed] === input.connected) return;
  draft.live({ connected: { ...connected, [input.feed]: input.connected } });
  if (input.feed === 'pricing') notePricing(draft, input.connected);
  if (!input.connected) return draft.tell({ type: 'FeedDisconnected', data: { feed: input.feed, detail: input.detail.slice(0, 2_000) } });
  draft.tell({ type: 'FeedConnected', data: { feed: input.feed } });
  // Streams replay nothing: what passed while ours was down is in the ledger.
  if (draft.state.live.notReady !== null || input.feed !== 'transactions') return;
  readLedgerAgain(draft);
  requestReconciliation(draft, 'reconnect');
}

// --- answers of the broker ---

function answered(draft: Draft, read: Read, answer: Answer): void {
  noteAvailability(draft, null, '');
  if (draft.state.live.failures.has(read.what)) {
    const failures = new Map(draft.state.live.failures);
    failures.delete(read.what);
    draft.live({ failures });
  }
  if (read.what === 'transactions' && answer.what === 'transactions') return takePage(draft, answer.page);
  if (read.what === 'bars' && answer.what === 'bars') return takeBars(draft, read.instrument, answer.bars, read.purpose);
  if (read.what === 'snapshot' && answer.what === 'snapshot') return takeSnapshot(draft, read, answer.snapshot);
  if (read.what === 'snapshot' && answer.what === 'summary') return takeSummary(draft, read, answer);
  if (read.what === 'baseline' && answer.what === 'baseline') return takeBaseline(draft, answer.snapshot);
  if (read.what === 'positions' && answer.what === 'positions') return takePositions(draft, answer.snapshot);
  throw new Error(`an answer about ${answer.what} to a question about ${read.what}`);
}

/** A failed read is evidence of nothing: it is asked again, and what depends on it waits. Told once for an outage. */
function readFailed(draft: Draft, read: Read, failure: BrokerReadFailure, detail: string): void {
  const failures = (draft.state.live.failures.get(read.what) ?? 0) + 1;
  draft.live({ failures: new Map(draft.state.live.failures).set(read.what, failures) });
  if (failures === 1) draft.tell({ type: 'AlertRaised', data: { code: `${read.what}Unread`, severity: failure === 'untrusted' ? 'critical' : 'warning', detail: detail.slice(0, 2_000) } });
  noteAvailability(draft, failure, detail);
  if (failure === 'unauthorised') draft.halt('authentication', detail);
  if (failure === 'protocol') draft.halt('protocol', detail);
  switch (read.what) {
    case 'transactions':
      draft.live({ ledgerReadPending: false });
      if (failure === 'malformed' && failures >= MALFORMED_READS_MAX) draft.halt('unknownSchema', detail);
      return wakeToRetry(draft, 'ledger', failures);
    case 'baseline':
      draft.live({ ledgerReadPending: false });
      return wakeToRetry(draft, 'ledger', failures);
    case 'snapshot':
      return completeReconciliation(draft, read, { outcome: 'failed', detail });
    case 'bars':
      if (read.purpose === 'history') wakeToRetry(draft, 'history', failures);
      return;
    case 'positions':
      return;
  }
}

// --- emergencies ---

/** Each line once, however often its record is read. */
function importEmergency(draft: Draft, lines: readonly EmergencyLine[]): void {
  for (const line of lines) {
    if (line.step <= (draft.state.emergency.lastSteps.get(line.runId) ?? -1)) continue;
    draft.tell({ type: 'EmergencyRecordImported', data: line }, { actor: 'emergency-close' });
  }
}

// --- operators ---

/** What an operator who asks now has before them, as far as a second one must find it unchanged. */
function shownOf({ safety, ledger, settings, run }: DeskState): Shown {
  return {
    mode: safety.mode,
    modeSince: safety.since === null ? null : formatInstant(safety.since),
    causes: [...safety.haltCauses],
    position: [...ledger.openTrades.values()].map(({ tradeId, instrument, units }) => ({ tradeId, instrument, units: format(units) })),
    worstLoss: format(settings.worstLoss),
    currency: settings.homeCurrency,
    identity: run.startedIdentity ?? 'none',
  };
}

function obey(draft: Draft, input: Extract<Input, { kind: 'operator' }>): void {
  const { live, safety, settings, unacknowledged } = draft.state;
  const { events, accepted, pending, message } = decideCommand(safety, input.command, {
    ready: live.notReady === null && live.unresolved === null,
    notReadyReason: live.notReady ?? 'ledger and broker differ',
    hasPosition: hasOurPosition(draft.state),
    unacknowledged,
    shown: shownOf(draft.state),
    now: draft.now,
  }, settings);
  draft.tellAll(events, { actor: `operator ${input.command.operator.slice(0, 64)}` });
  if (accepted && input.command.verb === 'resume') draft.ask({ kind: 'removeHaltFile' });
  if (accepted && input.command.verb === 'reconcile') return reconcileForOperator(draft, input.commandId);
  draft.ask({ kind: 'reply', commandId: input.commandId, result: { accepted, ...(pending === undefined ? {} : { pending }), message } });
  if (live.ledgerWhole) flattenWhatIsDue(draft);
}
