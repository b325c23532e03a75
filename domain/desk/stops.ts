/** Keeping our trades protected: a stop that is gone or was moved is put back once; after that the trade is closed. */
import type { Exchange, OrderRequest } from '../broker.ts';
import { isProtocolFault } from '../broker.ts';
import type { GuardVerdict } from '../events.ts';
import type { ClientOrderId } from '../ids.ts';
import { factId, stopOrderIdOf } from '../ids.ts';
import type { OpenTrade } from '../ledger.ts';
import { stopOf } from '../ledger.ts';
import { format, pipsToPrice, roundPrice } from '../money.ts';
import { requestData, stopRequest } from '../order-request.ts';
import type { StopReplacement } from '../stops.ts';
import { protectionOf } from '../stops.ts';
import { plusMs, SECOND_MS } from '../time.ts';
import type { Draft, Telling } from './draft.ts';
import { leavesTransaction, tellExchange } from './exchanges.ts';
import { THE_ONE_BEFORE } from './inputs.ts';
import type { Book, DeskState } from './state.ts';
import { ourOpenTrades } from './state.ts';
import { tellDiscrepancy } from './discrepancies.ts';

/**
 * A stop that the ledger does not show after this long is given up and its trade closed. Far shorter than an order's
 * quiet period, because here waiting is the risk: a stop that comes late finds its trade closed.
 */
const SILENCE_MS_MAX = 15 * SECOND_MS;

interface Found {
  readonly book: Book;
  readonly replacement: StopReplacement;
}

function replacementOf(state: DeskState, clientOrderId: ClientOrderId): Found | undefined {
  for (const book of state.books.values()) {
    for (const replacement of book.stops.values()) if (replacement.clientOrderId === clientOrderId) return { book, replacement };
  }
  return undefined;
}

export const isStopReplacement = (state: DeskState, clientOrderId: ClientOrderId): boolean => replacementOf(state, clientOrderId) !== undefined;

/** Ledger ids from which a replacement without an outcome must be looked for. */
export const stopWatermarks = (state: DeskState): readonly number[] =>
  [...state.books.values()].flatMap((book) => [...book.stops.values()].flatMap((replacement) => (replacement.status === 'intended' ? [replacement.watermark] : [])));

const tellingOf = (book: Book, clientOrderId: ClientOrderId): Telling => ({
  instrument: book.settings.instrument.name,
  actor: 'reconciler',
  correlationId: clientOrderId,
  causedBy: factId('StopReplacementIntended', clientOrderId),
});

/** Looks at the stop of every open trade of ours, by the ledger; it must stand where the broker stands. */
export function keepStops(draft: Draft): void {
  for (const book of draft.state.books.values()) {
    for (const trade of ourOpenTrades(draft.state, book)) {
      const replacement = book.stops.get(trade.tradeId);
      if (replacement?.status === 'intended') giveUpSilent(draft, book, replacement);
      const protection = protectionOf(draft.state.ledger, book.stops, trade.tradeId);
      if (protection === 'sound' || replacement !== undefined) continue;
      const stop = stopOf(draft.state.ledger, trade.tradeId);
      tellDiscrepancy(draft, null, {
        kind: protection === 'missing' ? 'stopMissing' : 'stopChanged',
        subject: `trade ${trade.tradeId}`,
        local: 'the stop that came with the fill',
        broker: stop === null ? 'none' : `order ${stop.orderId} at ${stop.price === null ? 'no price' : format(stop.price)}`,
        transactionIds: [trade.tradeId, ...(stop === null ? [] : [stop.orderId]), String(draft.state.ledger.lastTransactionId)],
      });
      replaceStop(draft, book, trade, stop === null ? [trade.tradeId] : [trade.tradeId, stop.orderId]);
    }
  }
}

/** Puts the stop back, unless that was tried before: then the trade is to be closed. */
export function replaceStop(draft: Draft, book: Book, trade: OpenTrade, transactionIds: readonly string[]): void {
  const known = book.stops.get(trade.tradeId);
  if (known?.status === 'intended' || known?.status === 'failed') return;
  const { settings, run, ledger } = draft.state;
  const { instrument, stopLossPips } = book.settings;
  const clientOrderId = stopOrderIdOf(settings.accountId, trade.tradeId);
  if (known !== undefined) return fail(draft, book, trade.tradeId, 'the broker shows no such stop although it was placed');
  if (settings.reconciliation.onLostStop === 'close') return fail(draft, book, trade.tradeId, 'the configuration closes a trade that has lost its stop');
  const distance = roundPrice(pipsToPrice(stopLossPips, instrument.pipLocation), instrument.displayPrecision);
  const request = stopRequest({ accountId: settings.accountId, instrument, tradeId: trade.tradeId, distance, clientOrderId, epoch: run.epoch });
  draft.tell({
    type: 'StopReplacementIntended',
    data: {
      clientOrderId,
      instrument: instrument.name,
      tradeId: trade.tradeId,
      distance: format(distance),
      transactionIds: [...transactionIds],
      watermark: String(ledger.lastTransactionId),
      ...requestData(request),
      method: 'PUT',
    },
  }, { ...tellingOf(book, clientOrderId), id: factId('StopReplacementIntended', clientOrderId), causedBy: THE_ONE_BEFORE });
  draft.tell({ type: 'AlertRaised', data: { code: 'stopLost', severity: 'critical', detail: `trade ${trade.tradeId} on ${instrument.name} was without its stop: it is put back` } }, { causedBy: THE_ONE_BEFORE });
  draft.ask({ kind: 'dispatch', clientOrderId, instrument: instrument.name, request });
  draft.ask({ kind: 'wake', key: 'resolve', at: plusMs(draft.now, SILENCE_MS_MAX) });
}

function fail(draft: Draft, book: Book, tradeId: string, reason: string): void {
  const clientOrderId = stopOrderIdOf(draft.state.settings.accountId, tradeId);
  const { name } = book.settings.instrument;
  draft.tell({ type: 'StopReplacementFailed', data: { clientOrderId, instrument: name, tradeId, reason: reason.slice(0, 2_000), transactionId: null } }, { ...tellingOf(book, clientOrderId), ...(draft.emissions.length > 0 ? { causedBy: THE_ONE_BEFORE } : {}) });
  draft.tell({ type: 'AlertRaised', data: { code: 'stopLost', severity: 'critical', detail: `trade ${tradeId} on ${name} has no stop: it is closed (${reason.slice(0, 1_000)})` } }, { causedBy: THE_ONE_BEFORE });
}

function giveUpSilent(draft: Draft, book: Book, replacement: Extract<StopReplacement, { readonly status: 'intended' }>): void {
  const silentMs = draft.now - replacement.intendedAt;
  if (!(silentMs < SILENCE_MS_MAX)) return fail(draft, book, replacement.tradeId, `no trace of the stop in the ledger for ${silentMs} ms`);
  draft.ask({ kind: 'wake', key: 'resolve', at: plusMs(replacement.intendedAt, SILENCE_MS_MAX) });
}

/**
 * The dispatcher's last look at a stop, immediately before the bytes leave.
 *
 * @returns undefined when the id is no stop's; the guard that denies, or null to send.
 */
export function lastLookAtStop(state: DeskState, clientOrderId: ClientOrderId): Pick<GuardVerdict, 'guard' | 'value' | 'limit'> | null | undefined {
  const found = replacementOf(state, clientOrderId);
  if (found === undefined) return undefined;
  const { status, tradeId } = found.replacement;
  if (status !== 'intended') return { guard: 'intended', value: status, limit: 'intended' };
  return state.ledger.openTrades.has(tradeId) ? null : { guard: 'stateMoved', value: `trade ${tradeId} is closed`, limit: 'open' };
}

/** The dispatcher denied it: nothing was sent. */
export function recordStopDenial(draft: Draft, clientOrderId: ClientOrderId, denial: Pick<GuardVerdict, 'guard' | 'value'>): void {
  const found = replacementOf(draft.state, clientOrderId);
  if (found?.replacement.status !== 'intended') return;
  const { book, replacement } = found;
  draft.tell({
    type: 'StopReplacementFailed',
    data: { clientOrderId, instrument: book.settings.instrument.name, tradeId: replacement.tradeId, reason: `not sent: ${denial.guard}, ${denial.value}`, transactionId: null },
  }, tellingOf(book, clientOrderId));
}

/** What came of sending it: the raw exchange, and a refusal that leaves no transaction. Everything else is the ledger's to say. */
export function recordStopExchange(draft: Draft, clientOrderId: ClientOrderId, request: OrderRequest, exchange: Exchange): void {
  const found = replacementOf(draft.state, clientOrderId);
  if (found === undefined) throw new Error(`an exchange for ${clientOrderId}, which was never intended`);
  const { book, replacement } = found;
  tellExchange(draft, clientOrderId, request, exchange, { ...tellingOf(book, clientOrderId), actor: 'broker' });
  if (exchange.failure?.unsent === true && replacement.status === 'intended') return fail(draft, book, replacement.tradeId, `not sent: ${exchange.failure.detail}`);
  if (exchange.status !== null && isProtocolFault(exchange.status)) draft.halt('protocol', `the broker answered a stop with ${exchange.status}`);
  if (exchange.status === 401 || exchange.status === 403) draft.halt('authentication', `the broker answered ${exchange.status}: ${exchange.refusal ?? ''}`);
  if (replacement.status === 'intended' && exchange.refusal !== null && !leavesTransaction(exchange)) fail(draft, book, replacement.tradeId, exchange.refusal);
}
