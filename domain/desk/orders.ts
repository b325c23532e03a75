/**
 * From a decision to orders, and from what came of sending them to what is known about them.
 *
 * Opening passes every guard; closing a trade that the ledger shows is always allowed.
 */
import type { Exchange, OrderRequest } from '../broker.ts';
import { isProtocolFault } from '../broker.ts';
import { calendarFor, isMarketOpen, isWeekendHold, openMinutesBetween } from '../calendar.ts';
import type { GuardVerdict, OrderCause } from '../events.ts';
import { judgeOpening } from '../guards.ts';
import type { ClientOrderId, DecisionId } from '../ids.ts';
import { clientOrderIdOf, closeOrderIdOf, factId, flattenOrderIdOf } from '../ids.ts';
import type { OpenTrade } from '../ledger.ts';
import { netUnits } from '../ledger.ts';
import { barEnd } from '../market.ts';
import type { Units } from '../money.ts';
import { absolute, add, format, formatFixed, minimum, negate, pipsToPrice, roundPrice, subtract, ZERO_UNITS } from '../money.ts';
import { closingPositionRequest, closingRequest, openingRequest, requestData } from '../order-request.ts';
import type { Action } from '../policy.ts';
import type { Instant } from '../time.ts';
import { floorMinute, formatInstant, MINUTE_MS, plusMs, SECOND_MS } from '../time.ts';
import { isBeyondStops } from '../stops.ts';
import { workingOrders } from '../trading.ts';
import type { Draft, Telling } from './draft.ts';
import { leavesTransaction, tellExchange } from './exchanges.ts';
import { THE_ONE_BEFORE } from './inputs.ts';
import { movedLast, openingFacts } from './opening.ts';
import { lastLookAtStop } from './stops.ts';
import type { Book, DeskState } from './state.ts';
import { ourOpenTrade, ourOpenTrades } from './state.ts';

/** How long after a bar's end a decision on it may still act. */
export const DECISION_AGE_MS_MAX = MINUTE_MS;
const RESOLVE_INTERVAL_MS = 5 * SECOND_MS;

interface DecisionContext {
  readonly decisionId: DecisionId;
  readonly transactionId: number;
}

// --- opening ---

function openTrade(draft: Draft, book: Book, side: 1 | -1, context: DecisionContext): void {
  const { instrument, stopLossPips } = book.settings;
  const size = draft.state.settings.sizing(book.settings);
  const units = side === 1 ? size : negate(size);
  const facts = openingFacts(draft.state, book, units, context.transactionId, draft.now);
  const { verdicts, deniedBy } = judgeOpening(facts);
  const telling = { instrument: instrument.name, correlationId: context.decisionId, causedBy: factId('DecisionMade', context.decisionId) };
  if (deniedBy !== null || facts.quote === null) {
    draft.tell({
      type: 'OrderDenied',
      data: { decisionId: context.decisionId, clientOrderId: null, cause: 'policy', leg: 'open', instrument: instrument.name, units: format(units), guard: deniedBy ?? 'quoteAge', guards: [...verdicts] },
    }, telling);
    return;
  }
  const { accountId, priceBoundPips, entry } = draft.state.settings;
  const clientOrderId = clientOrderIdOf(context.decisionId, 'open');
  const reference = side === 1 ? facts.quote.ask : facts.quote.bid;
  const collar = pipsToPrice(priceBoundPips, instrument.pipLocation);
  const priceBound = roundPrice(side === 1 ? add(reference, collar) : subtract(reference, collar), instrument.displayPrecision);
  const stopLossDistance = roundPrice(pipsToPrice(stopLossPips, instrument.pipLocation), instrument.displayPrecision);
  const request = openingRequest({ accountId, instrument, units, priceBound, goodTill: entry.kind === 'limit' ? plusMs(draft.now, entry.goodForMs) : null, stopLossDistance, clientOrderId, decisionId: context.decisionId, epoch: draft.state.run.epoch });
  draft.tell({
    type: 'OrderIntended',
    data: {
      clientOrderId,
      decisionId: context.decisionId,
      cause: 'policy',
      leg: 'open',
      instrument: instrument.name,
      units: format(units),
      tradeId: null,
      referencePrice: format(reference),
      priceBound: format(priceBound),
      stopLossDistance: format(stopLossDistance),
      reverseTo: null,
      watermark: String(draft.state.ledger.lastTransactionId),
      quote: { bid: format(facts.quote.bid), ask: format(facts.quote.ask), time: formatInstant(facts.quote.at), tradeable: facts.quote.tradeable },
      guards: [...verdicts],
      ...requestData(request),
    },
  }, { ...telling, id: factId('OrderIntended', clientOrderId) });
  draft.ask({ kind: 'dispatch', clientOrderId, instrument: instrument.name, request });
}

// --- closing ---

function closeTrade(draft: Draft, book: Book, trade: OpenTrade, cause: OrderCause, clientOrderId: ClientOrderId, decisionId: DecisionId | null, reverseTo: 'BUY' | 'SELL' | null, excess: Units | null = null): void {
  const { instrument } = book.settings;
  const { accountId } = draft.state.settings;
  const part = excess === null ? null : formatFixed(absolute(excess), instrument.tradeUnitsPrecision);
  const byPosition = mustCloseOldestFirst(draft.state, book, trade.tradeId);
  const request = byPosition ? closingPositionRequest(accountId, instrument, trade.units > 0n ? 1 : -1, part, clientOrderId, draft.state.run.epoch) : closingRequest(accountId, trade.tradeId, part);
  draft.tell({
    type: 'OrderIntended',
    data: {
      clientOrderId,
      decisionId,
      cause,
      leg: 'close',
      instrument: instrument.name,
      units: format(negate(excess ?? (byPosition ? netUnits(draft.state.ledger, instrument.name) : trade.units))),
      tradeId: trade.tradeId,
      referencePrice: null,
      priceBound: null,
      stopLossDistance: null,
      reverseTo,
      watermark: String(draft.state.ledger.lastTransactionId),
      quote: null,
      guards: [],
      ...requestData(request),
    },
  }, {
    instrument: instrument.name,
    correlationId: decisionId ?? clientOrderId,
    id: factId('OrderIntended', clientOrderId),
    ...(decisionId === null ? {} : { causedBy: factId('DecisionMade', decisionId) }),
  });
  draft.ask({ kind: 'dispatch', clientOrderId, instrument: instrument.name, request });
}

/**
 * The broker refused to close this trade before an older one, and nothing else is open there: then the position as a
 * whole is closed. Where a trade of somebody else's is open too, closing the position would touch it; that is left alone.
 */
function mustCloseOldestFirst(state: DeskState, book: Book, tradeId: string): boolean {
  return book.trading.outOfTurnTradeIds.has(tradeId) && [...state.ledger.openTrades.values()].every((trade) => trade.instrument !== book.settings.instrument.name || book.trading.ourTradeIds.has(trade.tradeId));
}

/** A close that nobody answered for is asked again after this: it names its trade, so that a late twin finds nothing. */
const DOUBTED_CLOSE_MS_MAX = 10 * SECOND_MS;

const isBeingClosed = (book: Book, tradeId: string, now: Instant): boolean =>
  workingOrders(book.trading).some((order) => order.leg === 'close' && order.tradeId === tradeId && !(order.status === 'unknown' && now - order.since > DOUBTED_CLOSE_MS_MAX));

/** Turns the policy's action into orders. In OBSERVING nothing leaves: the shadow position follows by itself. */
export function actOn(draft: Draft, book: Book, action: Action, context: DecisionContext): void {
  if (draft.state.safety.mode === 'OBSERVING' || action === 'HOLD') return;
  const [oldest, ...younger] = ourOpenTrades(draft.state, book);
  const wanted = action === 'BUY' ? 1 : action === 'SELL' ? -1 : 0;
  if (oldest === undefined) {
    if (wanted !== 0) openTrade(draft, book, wanted, context);
    return;
  }
  const held = oldest.units > 0n ? 1 : -1;
  if (wanted === held || isBeingClosed(book, oldest.tradeId, draft.now)) return;
  const reverses = wanted !== 0 && draft.state.settings.onOppositeSignal === 'reverse' && draft.state.safety.mode === 'ARMED';
  const reverseTo = reverses ? (wanted === 1 ? 'BUY' : 'SELL') : null;
  closeTrade(draft, book, oldest, 'policy', clientOrderIdOf(context.decisionId, 'close'), context.decisionId, reverseTo);
  for (const trade of younger) {
    if (!isBeingClosed(book, trade.tradeId, draft.now)) closeTrade(draft, book, trade, 'policy', closeOrderIdOf(context.decisionId, trade.tradeId), context.decisionId, reverseTo);
  }
}

/** The second leg of a reversal: once the first has filled, on the state of now and through the guards afresh. */
export function continueReversal(draft: Draft, book: Book): void {
  const { reversal, orders } = book.trading;
  if (reversal === null || orders.get(reversal.closeOrderId)?.status !== 'filled') return;
  if (orders.has(clientOrderIdOf(reversal.decisionId, 'open')) || ourOpenTrade(draft.state, book) !== null) return;
  if (!(draft.now - barEnd(reversal.barStart) <= DECISION_AGE_MS_MAX)) return;
  openTrade(draft, book, reversal.side, { decisionId: reversal.decisionId, transactionId: draft.state.ledger.lastTransactionId });
}

/** Why our trade must be closed now without asking the policy; null when it may stay. */
function flattenCause(state: DeskState, book: Book, trade: OpenTrade, now: Instant): OrderCause | null {
  const { settings, safety } = state;
  if (book.trading.lateTradeIds.has(trade.tradeId)) return 'lateFill';
  if (isBeyondStops(state.ledger, book.stops, trade.tradeId)) return 'unprotected';
  if (settings.fridayFlattenMinute !== null && isWeekendHold(settings.calendar, now, settings.fridayFlattenMinute)) return 'weekend';
  if (safety.mode === 'HALTED') return safety.disposition === 'flatten' ? 'halt' : null;
  const lastDecisionAt = book.trading.lastDecisionBarStart === null ? trade.openedAt : Math.max(barEnd(book.trading.lastDecisionBarStart), trade.openedAt);
  // A span holds no more open minutes than minutes, which settles nearly every question.
  if (now - lastDecisionAt <= settings.blindBarsMax * MINUTE_MS) return null;
  return openMinutesBetween(calendarFor(settings.calendar, trade.instrument), lastDecisionAt as Instant, now) > settings.blindBarsMax ? 'blind' : null;
}

/** Between two attempts to close a trade that was refused: doubling from a minute to an hour. */
const REFUSED_CLOSE_WAIT_MS_MAX = 60 * MINUTE_MS;

/**
 * May a close be tried (again)? A refused one waits for a tradeable price newer than the attempt, or out a pause
 * that doubles: a halted market must not be asked every minute of a holiday, and never asking again is worse.
 */
function mayTryClosing(state: DeskState, book: Book, tradeId: string, now: Instant): boolean {
  const attempts = [...book.trading.orders.values()].filter((order) => order.leg === 'close' && order.tradeId === tradeId);
  const last = attempts.at(-1);
  if (last === undefined) return true;
  const waitMs = Math.min(REFUSED_CLOSE_WAIT_MS_MAX, MINUTE_MS * 2 ** Math.min(attempts.length - 1, 10));
  const quote = state.live.quotes.get(book.settings.instrument.name);
  const priced = quote?.tradeable === true && quote.at > last.intendedAt && now - last.intendedAt >= MINUTE_MS;
  return priced || now - last.intendedAt >= waitMs;
}

/** Closes what may not stay open: at most one such order for a trade and minute, so that a refusal is asked again. */
export function flattenWhatIsDue(draft: Draft): void {
  for (const [instrument, book] of draft.state.books) {
    if (!isMarketOpen(calendarFor(draft.state.settings.calendar, instrument), draft.now)) continue;
    for (const trade of ourOpenTrades(draft.state, book)) flattenIfDue(draft, book, trade);
  }
}

function flattenIfDue(draft: Draft, book: Book, trade: OpenTrade): void {
  if (isBeingClosed(book, trade.tradeId, draft.now)) return;
  const cause = flattenCause(draft.state, book, trade, draft.now);
  if (cause === null) return;
  const clientOrderId = flattenOrderIdOf(draft.state.settings.accountId, trade.tradeId, floorMinute(draft.now));
  if (book.trading.orders.has(clientOrderId) || !mayTryClosing(draft.state, book, trade.tradeId, draft.now)) return;
  closeTrade(draft, book, trade, cause, clientOrderId, null, null);
}

/** Closes of our trades, the youngest first, what is above an instrument's position limit, and nothing of anybody else's. */
export function reduceToLimit(draft: Draft): void {
  const { settings } = draft.state;
  for (const [instrument, book] of draft.state.books) {
    if (!isMarketOpen(calendarFor(settings.calendar, instrument), draft.now)) continue;
    const trades = ourOpenTrades(draft.state, book);
    let excess = subtract(absolute(trades.reduce((sum, trade) => add(sum, trade.units), ZERO_UNITS)), settings.safety.positionUnitsMax);
    for (const trade of trades.toReversed()) {
      if (!(excess > 0n)) break;
      const part = minimum(excess, absolute(trade.units));
      excess = subtract(excess, part);
      const clientOrderId = flattenOrderIdOf(settings.accountId, trade.tradeId, floorMinute(draft.now));
      if (isBeingClosed(book, trade.tradeId, draft.now) || book.trading.orders.has(clientOrderId) || !mayTryClosing(draft.state, book, trade.tradeId, draft.now)) continue;
      closeTrade(draft, book, trade, 'oversize', clientOrderId, null, null, trade.units > 0n ? part : negate(part));
    }
  }
}

// --- sending ---

const bookOfOrder = (state: DeskState, clientOrderId: ClientOrderId): Book | undefined => [...state.books.values()].find((book) => book.trading.orders.has(clientOrderId));

/**
 * The dispatcher's last look, immediately before the bytes leave: has anything changed since the intent?
 *
 * @returns the guard that denies, or null to send.
 */
export function lastLook(state: DeskState, clientOrderId: ClientOrderId, now: Instant): Pick<GuardVerdict, 'guard' | 'value' | 'limit'> | null {
  const stop = lastLookAtStop(state, clientOrderId);
  if (stop !== undefined) return stop;
  const book = bookOfOrder(state, clientOrderId);
  const order = book?.trading.orders.get(clientOrderId);
  if (book === undefined || order?.status !== 'intended') return { guard: 'intended', value: order?.status ?? 'unknown order', limit: 'intended' };
  if (order.leg === 'close') {
    const open = order.tradeId !== null && state.ledger.openTrades.has(order.tradeId);
    return open ? null : { guard: 'stateMoved', value: `trade ${order.tradeId ?? ''} is closed`, limit: 'open' };
  }
  if (state.safety.mode !== 'ARMED') return { guard: 'mode', value: state.safety.mode, limit: 'ARMED' };
  const moved = movedLast(state, book);
  if (!(moved <= order.watermark)) return { guard: 'stateMoved', value: `moved at ${moved}`, limit: `decided at ${order.watermark}` };
  if (!(now - order.intendedAt <= DECISION_AGE_MS_MAX)) return { guard: 'intentAge', value: `${now - order.intendedAt}`, limit: `${DECISION_AGE_MS_MAX}` };
  return null;
}

/** The dispatcher denied an intent: nothing was sent. */
export function recordDispatchDenial(draft: Draft, clientOrderId: ClientOrderId, denial: Pick<GuardVerdict, 'guard' | 'value' | 'limit'>): void {
  const book = bookOfOrder(draft.state, clientOrderId);
  const order = book?.trading.orders.get(clientOrderId);
  if (book === undefined || order === undefined) return;
  const { guard, value, limit } = denial;
  const verdict = { guard, value, limit, passed: false, distance: null };
  draft.tell({
    type: 'OrderDenied',
    data: { decisionId: order.decisionId, clientOrderId, cause: order.cause, leg: order.leg, instrument: book.settings.instrument.name, units: format(order.units), guard, guards: [verdict] },
  }, { instrument: book.settings.instrument.name, correlationId: order.decisionId ?? clientOrderId, causedBy: factId('OrderIntended', clientOrderId) });
}

/** What came of sending: the raw exchange, and what it means. The ledger is asked in every case. */
export function recordExchange(draft: Draft, clientOrderId: ClientOrderId, request: OrderRequest, exchange: Exchange): void {
  const book = bookOfOrder(draft.state, clientOrderId);
  const order = book?.trading.orders.get(clientOrderId);
  if (book === undefined || order === undefined) throw new Error(`an exchange for ${clientOrderId}, which was never intended`);
  const instrument = book.settings.instrument.name;
  const telling: Telling = { instrument, correlationId: order.decisionId ?? clientOrderId, actor: 'broker', causedBy: THE_ONE_BEFORE };
  const { status, requestId } = exchange;
  tellExchange(draft, clientOrderId, request, exchange, { ...telling, causedBy: factId('OrderIntended', clientOrderId) });
  if (exchange.failure?.unsent === true) return recordDispatchDenial(draft, clientOrderId, { guard: 'connection', value: exchange.failure.detail, limit: 'a connection' });
  if (exchange.failure !== null || status === null) {
    if (status !== null && isProtocolFault(status)) draft.halt('protocol', `the broker answered an order with ${status}`);
    // The ledger may have told of the order while its answer was awaited: then nothing about it is unknown.
    if (order.status !== 'intended') return;
    const failure = exchange.failure ?? { cause: 'connection' as const, detail: 'no status' };
    draft.tell({ type: 'OrderOutcomeUnknown', data: { clientOrderId, cause: failure.cause, detail: failure.detail.slice(0, 2_000) } }, telling);
    draft.ask({ kind: 'wake', key: 'resolve', at: plusMs(draft.now, RESOLVE_INTERVAL_MS) });
  } else {
    draft.tell({ type: 'OrderSubmitted', data: { clientOrderId, status, requestId } }, telling);
    if (exchange.refusal !== null && !leavesTransaction(exchange)) {
      draft.tell({ type: 'OrderRejected', data: { clientOrderId, reason: exchange.refusal.slice(0, 2_000), transactionId: null } }, telling);
    }
    if (status === 401 || status === 403) draft.halt('authentication', `the broker answered ${status}: ${exchange.refusal ?? ''}`);
  }
}

/**
 * Orders on which the ledger has been silent for the whole quiet period: an answered one becomes doubtful, a
 * doubtful one is taken for never placed.
 */
export function abandonSilentOrders(draft: Draft): void {
  let waiting = false;
  for (const book of draft.state.books.values()) {
    for (const order of book.trading.unsettled.values()) {
      if (order.status !== 'unknown' && order.status !== 'submitted') continue;
      const quietMs = draft.now - (order.status === 'unknown' ? order.since : order.intendedAt);
      if (order.status === 'submitted' || quietMs < draft.state.settings.quietPeriodMs) waiting = true;
      if (quietMs < draft.state.settings.quietPeriodMs) continue;
      if (order.status === 'submitted') {
        draft.tell({ type: 'OrderOutcomeUnknown', data: { clientOrderId: order.clientOrderId, cause: 'silence', detail: 'the broker answered, and its ledger tells nothing of the order' } }, {
          instrument: book.settings.instrument.name,
          correlationId: order.decisionId ?? order.clientOrderId,
          causedBy: factId('OrderIntended', order.clientOrderId),
        });
        continue;
      }
      draft.tell({
        type: 'OrderAbandoned',
        data: { clientOrderId: order.clientOrderId, watermark: String(order.watermark), lastTransactionId: String(draft.state.ledger.lastTransactionId), quietMs },
      }, { instrument: book.settings.instrument.name, correlationId: order.decisionId ?? order.clientOrderId, causedBy: factId('OrderIntended', order.clientOrderId) });
      draft.tell({ type: 'AlertRaised', data: { code: 'orderAbandoned', severity: 'critical', detail: `order ${order.clientOrderId}: no trace in the ledger for ${quietMs} ms` } }, { causedBy: THE_ONE_BEFORE });
    }
  }
  if (waiting) draft.ask({ kind: 'wake', key: 'resolve', at: plusMs(draft.now, RESOLVE_INTERVAL_MS) });
}

/** After a crash: an intent without an answer may have been sent. */
export function doubtIntentsAfterCrash(draft: Draft): void {
  for (const book of draft.state.books.values()) {
    for (const order of workingOrders(book.trading)) {
      if (order.status !== 'intended') continue;
      draft.tell({ type: 'OrderOutcomeUnknown', data: { clientOrderId: order.clientOrderId, cause: 'crash', detail: 'the daemon ended between the intent and an answer' } }, {
        instrument: book.settings.instrument.name,
        correlationId: order.decisionId ?? order.clientOrderId,
        causedBy: factId('OrderIntended', order.clientOrderId),
      });
    }
  }
}

