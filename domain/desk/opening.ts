/** What the guards of an opening order look at, gathered from the desk: the instrument's own part and the account's. */
import { calendarFor } from '../calendar.ts';
import type { OpeningFacts } from '../guards.ts';
import { netUnits } from '../ledger.ts';
import type { Units } from '../money.ts';
import { absolute, add, subtract, ZERO_UNITS } from '../money.ts';
import type { Instant } from '../time.ts';
import { MINUTE_MS } from '../time.ts';
import { touchedLast } from '../touched.ts';
import { workingOrders } from '../trading.ts';
import { linkDoubt } from './conditions.ts';
import type { Draft } from './draft.ts';
import { exposureWith, notionalOf } from './exposure.ts';
import { THE_ONE_BEFORE } from './inputs.ts';
import { equityNow, lossesNow, realisedLosses } from './marks.ts';
import type { Book, DeskState } from './state.ts';
import { isForeign } from './state.ts';

/** Reconciliations in a row that may fail before new exposure stops. */
const AGREEMENT_INTERVALS_MAX = 3;

/** Why the desk's picture of the broker is not to be traded on; null when it is sound. */
export function unsoundness(state: DeskState, now: Instant): string | null {
  if (!state.live.connected.pricing) return 'pricing stream down';
  if (!state.live.connected.transactions) return 'transaction stream down';
  const doubt = linkDoubt(state);
  if (doubt !== null) return doubt;
  const agreed = state.live.lastAgreedAt;
  if (agreed === null || !(now - agreed <= AGREEMENT_INTERVALS_MAX * state.settings.reconciliationIntervalMs)) return 'no recent reconciliation agreed';
  return null;
}

/**
 * The newest transaction that may have changed what a decision on this instrument rests on: one about it, or about
 * the account as a whole. What the broker has spoken of and the ledger does not hold yet may be anything.
 */
export function movedLast(state: DeskState, book: Book): number {
  const { ledger, live } = state;
  return live.brokerTransactionId > ledger.lastTransactionId ? live.brokerTransactionId : touchedLast(ledger.touched, book.settings.instrument.name);
}

/** After the broker would not trade an instrument, nothing is opened there for this long, or until it has filled an opening. */
const RESTRICTION_MS = 15 * MINUTE_MS;

/** Why the broker does not trade the instrument just now; null when it has not said so lately. */
export function restrictionOf(book: Book, now: Instant): string | null {
  const { restriction } = book.trading;
  return restriction === null || now - restriction.since >= RESTRICTION_MS ? null : restriction.reason;
}

/** @param decidedOn ledger id that the decision was made on. */
export function openingFacts(state: DeskState, book: Book, orderUnits: Units, decidedOn: number, now: Instant): OpeningFacts {
  const { instrument } = book.settings;
  const opening = workingOrders(book.trading).filter((order) => order.leg === 'open');
  return {
    now,
    safety: state.safety,
    limits: state.settings.safety,
    calendar: calendarFor(state.settings.calendar, instrument.name),
    blackout: state.settings.blackout,
    fridayFlattenMinute: state.settings.fridayFlattenMinute,
    pipLocation: instrument.pipLocation,
    orderUnits,
    positionUnits: netUnits(state.ledger, instrument.name, (trade) => !isForeign(state, trade)),
    openingOrders: opening.length,
    openingUnits: opening.reduce((sum, order) => add(sum, absolute(subtract(order.units, order.filledUnits))), ZERO_UNITS),
    orderNotional: notionalOf(state, book, orderUnits),
    exposure: exposureWith(state, now, { instrument: instrument.name, units: orderUnits }),
    equity: equityNow(state),
    realisedLosses: realisedLosses(state),
    restriction: restrictionOf(book, now),
    quote: state.live.quotes.get(instrument.name) ?? null,
    quoteDoubt: state.live.trust.get(instrument.name)?.doubted?.distance ?? null,
    losses: lossesNow(state),
    foreignTrades: state.unacknowledged.size,
    notReady: state.live.notReady,
    unsound: unsoundness(state, now),
    decidedOnTransactionId: decidedOn,
    movedAtTransactionId: movedLast(state, book),
  };
}

/** An instrument that the broker will not trade is told of once. */
export function alertOnRestrictions(draft: Draft, before: DeskState): void {
  for (const [instrument, book] of draft.state.books) {
    const { restriction } = book.trading;
    if (restriction === null || restriction.reason === before.books.get(instrument)?.trading.restriction?.reason) continue;
    draft.tell({ type: 'AlertRaised', data: { code: 'instrumentRestricted', severity: 'critical', detail: `${instrument}: ${restriction.reason}; nothing is opened, closes are asked again` } }, { causedBy: THE_ONE_BEFORE });
  }
}
