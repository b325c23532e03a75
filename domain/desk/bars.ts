/** From a minute's end to the question put to the policy, and from its answer to a decision. */
import type { Bar } from '../broker.ts';
import { calendarFor, isMarketOpen } from '../calendar.ts';
import type { DataOf, DomainEvent } from '../events.ts';
import { FLAT_VIEW, viewOf } from '../excursion.ts';
import type { DecisionId } from '../ids.ts';
import { decisionIdOf, factId } from '../ids.ts';
import type { InstrumentName } from '../instruments.ts';
import { barEnd, recordBar } from '../market.ts';
import { withEntry, withoutEntry } from '../maps.ts';
import { format } from '../money.ts';
import type { ActionMask, PositionView, Proposal } from '../policy.ts';
import { ACTIONS } from '../policy.ts';
import { searchData } from '../search-record.ts';
import type { Instant } from '../time.ts';
import { floorMinute, formatInstant, MINUTE_MS, plusMs, SECOND_MS } from '../time.ts';
import { workingOrders } from '../trading.ts';
import type { Draft } from './draft.ts';
import type { Consultation, PolicyOutcome } from './inputs.ts';
import { lossesNow } from './marks.ts';
import { actOn, DECISION_AGE_MS_MAX } from './orders.ts';
import type { Book, DeskState, Live } from './state.ts';
import { bookOf, ourOpenTrade } from './state.ts';

/** Bars asked for at a start: the window, and room for what closed while they were read. */
const HISTORY_MARGIN_BARS = 44;
const CANDLES_PER_READ_MAX = 5_000;
/** A candle becomes complete with the first price after it: ask again a few times before the minute is given up. */
const RETRY_AFTER_MS = [5, 20, 45].map((seconds) => seconds * SECOND_MS);

const wakeKey = (instrument: InstrumentName): string => `bars ${instrument}`;
/** The instrument that a wake-up for a late candle is about; null for other keys. */
export const instrumentOfWake = (key: string): InstrumentName | null => (key.startsWith('bars ') ? (key.slice(5) as InstrumentName) : null);

// --- reading bars ---

/** Where to read from so that the newest bars come again and a revision of them is noticed. */
const rereadFrom = (draft: Draft, lastBarStart: Instant): Instant => plusMs(barEnd(lastBarStart), -draft.state.settings.rereadBars * MINUTE_MS);

/** At a start: the window before us, or everything since the newest bar when that is not long ago. */
export function readHistory(draft: Draft): void {
  for (const [instrument, book] of draft.state.books) {
    if (draft.state.live.historyRead.has(instrument)) continue;
    const countMax = draft.state.settings.windowBars + HISTORY_MARGIN_BARS;
    const last = book.market.lastBarStart;
    const from = last === null ? null : rereadFrom(draft, last);
    const missed = from === null ? Number.POSITIVE_INFINITY : (draft.now - from) / MINUTE_MS;
    const wholeAbsence = missed < CANDLES_PER_READ_MAX;
    draft.ask({ kind: 'read', read: { what: 'bars', instrument, purpose: 'history', from: wholeAbsence ? from : null, countMax: wholeAbsence ? CANDLES_PER_READ_MAX : countMax } });
  }
}

/** At each minute's end: give up the candle that has not come, and ask for the one that should be complete now. */
export function awaitMinute(draft: Draft): void {
  const barStart = plusMs(floorMinute(draft.now), -MINUTE_MS);
  for (const instrument of draft.state.books.keys()) {
    // Without its past read, a first bar would stand where the window should begin.
    if (!draft.state.live.historyRead.has(instrument)) continue;
    giveUpAwaited(draft, instrument);
    if (!isMarketOpen(calendarFor(draft.state.settings.calendar, instrument), barStart)) continue;
    const priced = draft.state.live.pricedMinutes.get(instrument)?.includes(barStart) ?? false;
    askFor(draft, instrument, { barStart, attempts: 0, quoted: false, priced });
  }
}

/** A minute that had prices must have a candle: without one within 60 seconds no decision is made on it. */
function giveUpAwaited(draft: Draft, instrument: InstrumentName): void {
  const awaited = draft.state.live.awaited.get(instrument);
  if (awaited === undefined) return;
  draft.live({ awaited: withoutEntry(draft.state.live.awaited, instrument) });
  if (!awaited.priced) return;
  const decisionId = decisionIdOf(draft.state.settings.accountId, instrument, awaited.barStart);
  draft.tell({
    type: 'DecisionSkipped',
    data: { instrument, barStart: formatInstant(awaited.barStart), reason: 'late', detail: `the minute had prices and no complete candle ${DECISION_AGE_MS_MAX / SECOND_MS} s after its end` },
  }, { instrument, correlationId: decisionId });
}

/** Asks for every bar behind the newest, and a few before it again; the awaited one should be the last of them. */
function readBehindNewest(draft: Draft, instrument: InstrumentName, awaitedStart: Instant): void {
  const last = bookOf(draft.state, instrument).market.lastBarStart;
  draft.ask({ kind: 'read', read: { what: 'bars', instrument, purpose: 'boundary', from: last === null ? awaitedStart : rereadFrom(draft, last), countMax: CANDLES_PER_READ_MAX } });
}

type Awaited = DeskState['live']['awaited'] extends ReadonlyMap<InstrumentName, infer Candle> ? Candle : never;

/** Asks again for the awaited candle. */
export function readAwaited(draft: Draft, instrument: InstrumentName): void {
  const awaited = draft.state.live.awaited.get(instrument);
  if (awaited !== undefined) askFor(draft, instrument, awaited);
}

/** Asks for a candle, and sets the next reminder. */
function askFor(draft: Draft, instrument: InstrumentName, awaited: Awaited): void {
  readBehindNewest(draft, instrument, awaited.barStart);
  const retryAfterMs = RETRY_AFTER_MS[awaited.attempts];
  draft.live({ awaited: withEntry(draft.state.live.awaited, instrument, { ...awaited, attempts: awaited.attempts + 1 }) });
  if (retryAfterMs !== undefined) draft.ask({ kind: 'wake', key: wakeKey(instrument), at: plusMs(barEnd(awaited.barStart), retryAfterMs) });
}

/** Does a price of this time show the awaited candle complete, as none has before? */
export const isCompletedBy = (awaited: Awaited | undefined, quotedAt: Instant): awaited is Awaited => awaited !== undefined && !awaited.quoted && quotedAt >= barEnd(awaited.barStart);

/** A price of a later minute completes the awaited candle: no need to wait for the reminder. */
export function completedByQuote(draft: Draft, instrument: InstrumentName, quotedAt: Instant): void {
  const awaited = draft.state.live.awaited.get(instrument);
  if (!isCompletedBy(awaited, quotedAt)) return;
  draft.live({ awaited: withEntry(draft.state.live.awaited, instrument, { ...awaited, quoted: true }) });
  const last = bookOf(draft.state, instrument).market.lastBarStart;
  if (last === null || last < awaited.barStart) readBehindNewest(draft, instrument, awaited.barStart);
}

// --- taking bars in ---

/** Records what is new. Only the newest bar, fresh and asked for at a minute's end, leads to a decision. */
export function takeBars(draft: Draft, instrument: InstrumentName, bars: readonly Bar[], purpose: 'history' | 'boundary'): void {
  if (purpose === 'history') draft.live({ historyRead: new Set(draft.state.live.historyRead).add(instrument) });
  const newest = bars.at(-1);
  const absence = { daemonUntil: draft.state.live.downUntil, feed: draft.state.live.pricingDown };
  const rules = { ...draft.state.settings, calendar: calendarFor(draft.state.settings.calendar, instrument) };
  for (const bar of bars) {
    const { market } = bookOf(draft.state, instrument);
    // A minute that was given up is told as skipped: nothing is decided on it any more.
    const awaited = draft.state.live.awaited.get(instrument)?.barStart ?? bar.start;
    const live = purpose === 'boundary' && bar === newest && bar.start >= awaited && draft.now >= barEnd(bar.start) && draft.now - barEnd(bar.start) <= DECISION_AGE_MS_MAX;
    const events = recordBar(market, bar, live, absence, rules);
    // What is read again says nothing new, as a rule.
    if (events.length === 0) continue;
    const decisionId = decisionIdOf(draft.state.settings.accountId, instrument, bar.start);
    for (const event of events) {
      const recorded = event.type === 'MarketBarClosed' || event.type === 'MarketBarBackfilled';
      draft.tell(event, { instrument, actor: 'market', occurredAt: occurredAt(draft, event, bar), correlationId: decisionId, ...(recorded ? { id: factId('bar', decisionId) } : {}) });
    }
    if (events.at(-1)?.type === 'MarketBarClosed') barClosed(draft, instrument, bar.start, decisionId);
  }
}

/** A bar is of its minute's end and a gap of the bar that ended it; a revision happened when it was seen. */
const occurredAt = (draft: Draft, event: DomainEvent, bar: Bar): Instant =>
  event.type === 'MarketBarRevised' ? draft.now : event.type === 'MarketGapDetected' ? bar.start : barEnd(bar.start);

function barClosed(draft: Draft, instrument: InstrumentName, barStart: Instant, decisionId: DecisionId): void {
  haveCome(draft, instrument, barStart);
  haltOnLosses(draft);
  consult(draft, instrument, barStart, decisionId);
}

/** The candle that was awaited is there: nobody needs to be reminded of it. */
function haveCome(draft: Draft, instrument: InstrumentName, barStart: Instant): void {
  const awaited = draft.state.live.awaited.get(instrument);
  if (awaited === undefined || awaited.barStart > barStart) return;
  draft.live({ awaited: withoutEntry(draft.state.live.awaited, instrument) });
  draft.ask({ kind: 'wake', key: wakeKey(instrument), at: null });
}

/** The limits on losses: reaching one halts and, by default, flattens. */
export function haltOnLosses(draft: Draft): void {
  const { dailyLossMoneyMax, dailyLossPipsMax, weeklyLossMoneyMax, drawdownMoneyMax } = draft.state.settings.safety;
  const { day, week, drawdown } = lossesNow(draft.state);
  if (!(day.money < dailyLossMoneyMax)) draft.halt('lossLimit', `day's loss ${format(day.money)} has reached the limit ${format(dailyLossMoneyMax)}`);
  if (!(day.pips < dailyLossPipsMax)) draft.halt('lossLimit', `day's loss of ${format(day.pips)} pips has reached the limit ${format(dailyLossPipsMax)}`);
  if (!(week.money < weeklyLossMoneyMax)) draft.halt('lossLimit', `week's loss ${format(week.money)} has reached the limit ${format(weeklyLossMoneyMax)}`);
  if (!(drawdown < drawdownMoneyMax)) draft.halt('lossLimit', `the drawdown of ${format(drawdown)} has reached the limit ${format(drawdownMoneyMax)}`);
}

// --- consulting the policy ---

const skip = (draft: Draft, instrument: InstrumentName, barStart: Instant, decisionId: DecisionId, reason: DataOf<'DecisionSkipped'>['reason'], detail: string): void =>
  draft.tell({ type: 'DecisionSkipped', data: { instrument, barStart: formatInstant(barStart), reason, detail: detail.slice(0, 2_000) } }, { instrument, correlationId: decisionId, causedBy: factId('bar', decisionId) });

function consult(draft: Draft, instrument: InstrumentName, barStart: Instant, decisionId: DecisionId): void {
  const { state } = draft;
  const book = bookOf(state, instrument);
  if (state.live.notReady !== null) return skip(draft, instrument, barStart, decisionId, 'notReady', state.live.notReady);
  if (state.safety.mode === 'HALTED') return skip(draft, instrument, barStart, decisionId, 'halted', state.safety.cause);
  const { midCloses } = book.market;
  if (midCloses.length < state.settings.windowBars) return skip(draft, instrument, barStart, decisionId, 'windowIncomplete', `${midCloses.length} of ${state.settings.windowBars} closes`);
  draft.ask({ kind: 'consult', consultation: consultationOn(state, instrument, barStart) });
}

/**
 * What the policy is asked about a bar. It follows from the log alone, so that a replay asks the same.
 *
 * @param state as the bar's own event left it.
 */
export function consultationOn(state: DeskState, instrument: InstrumentName, barStart: Instant): Consultation {
  const book = bookOf(state, instrument);
  const { midCloses, barStarts } = book.market;
  const { view, shadow } = positionSeen(state, book);
  return {
    instrument,
    barStart,
    decisionId: decisionIdOf(state.settings.accountId, instrument, barStart),
    transactionId: state.ledger.lastTransactionId,
    shadow,
    observation: { at: barEnd(barStart), midCloses, barStarts, position: view, mask: legalActions(state, book, view), decisionIndex: book.trading.decisions },
  };
}

/** The position that the policy is shown: ours by the ledger; while OBSERVING and flat, the shadow's. */
function positionSeen(state: DeskState, book: Book): { readonly view: PositionView; readonly shadow: boolean } {
  if (ourOpenTrade(state, book) !== null) return { view: viewOf(book.excursion?.fared ?? null), shadow: false };
  if (state.safety.mode === 'OBSERVING') return { view: viewOf(book.shadow.position), shadow: true };
  return { view: FLAT_VIEW, shadow: false };
}

/** HOLD is always legal. One trade a slot: no adding to a position, and nothing new while an order is out. */
function legalActions(state: DeskState, book: Book, view: PositionView): ActionMask {
  if (workingOrders(book.trading).length > 0) return [true, false, false, false];
  const mayOpen = state.safety.mode !== 'REDUCING';
  if (view.side === 0) return [true, mayOpen, mayOpen, false];
  return [true, view.side === -1 && mayOpen, view.side === 1 && mayOpen, true];
}

/** The policy has answered, refused or failed: at most one decision for a bar, and none on an old one. */
export function takeAdvice(draft: Draft, consultation: Consultation, outcome: PolicyOutcome): void {
  const { instrument, barStart, decisionId, observation } = consultation;
  const { trading } = bookOf(draft.state, instrument);
  if (trading.lastDecisionBarStart !== null && barStart <= trading.lastDecisionBarStart) return;
  if (outcome.kind === 'failure' || outcome.kind === 'nonFinite') {
    skip(draft, instrument, barStart, decisionId, outcome.kind === 'nonFinite' ? 'nonFinite' : 'modelFailed', outcome.detail);
    return draft.halt('model', outcome.detail);
  }
  if (outcome.kind === 'refusal') return skip(draft, instrument, barStart, decisionId, outcome.code, outcome.detail);
  if (!(draft.now - barEnd(barStart) <= DECISION_AGE_MS_MAX)) return skip(draft, instrument, barStart, decisionId, 'late', `${draft.now - barEnd(barStart)} ms after the bar's end`);
  if (draft.state.safety.mode === 'HALTED') return skip(draft, instrument, barStart, decisionId, 'halted', draft.state.safety.cause);
  // What the policy saw was the shadow's position: nothing that it wants of that may become an order.
  if (consultation.shadow && draft.state.safety.mode !== 'OBSERVING') return skip(draft, instrument, barStart, decisionId, 'late', `the mode became ${draft.state.safety.mode} while the policy deliberated on the shadow position`);
  const { proposal } = outcome;
  if (observation.mask[ACTIONS.indexOf(proposal.action)] !== true) {
    const detail = `the policy proposed ${proposal.action}, which was not legal`;
    skip(draft, instrument, barStart, decisionId, 'illegalAction', detail);
    return draft.halt('model', detail);
  }
  draft.tell({ type: 'DecisionMade', data: decisionOn(draft.state, consultation, proposal, draft.state.live.policy) }, {
    instrument,
    actor: 'model',
    correlationId: decisionId,
    id: factId('DecisionMade', decisionId),
    causedBy: factId('bar', decisionId),
  });
  actOn(draft, bookOf(draft.state, instrument), proposal.action, { decisionId, transactionId: consultation.transactionId });
}

/**
 * A decision as it is recorded: what was asked, by whom it was answered, and what was proposed. In the order of
 * canonical JSON, as all that is told at every bar.
 */
export function decisionOn(state: DeskState, consultation: Consultation, proposal: Proposal, answering: Live['policy']): DataOf<'DecisionMade'> {
  const { observation } = consultation;
  const { position } = observation;
  return {
    action: proposal.action,
    barStart: formatInstant(consultation.barStart),
    decisionId: consultation.decisionId,
    draw: proposal.draw === null ? null : { seed: proposal.draw.seed, counter: proposal.draw.counter, value: String(proposal.draw.value) },
    featureSetId: answering.featureSetId,
    inputHash: proposal.inputHash,
    instrument: consultation.instrument,
    lastTransactionId: String(consultation.transactionId),
    mask: [...observation.mask],
    mode: state.safety.mode,
    modelHash: answering.modelHash,
    modelLabel: answering.modelLabel,
    policy: answering.policyName,
    position: {
      barsSinceEntry: position.barsSinceEntry,
      drawdownPipsMax: String(position.drawdownPipsMax),
      netPips: String(position.netPips),
      peakPips: String(position.peakPips),
      shadow: consultation.shadow,
      side: position.side,
    },
    rule: proposal.rule,
    search: proposal.search === null ? null : searchData(proposal.search),
  };
}
