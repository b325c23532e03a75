/** Mirroring the broker's ledger: every transaction once and in order, and what each one says to the desk. */
import type { AccountSnapshot, BrokerTransaction, TransactionsPage } from '../broker.ts';
import { canonicalJson } from '../canonical.ts';
import type { ReviewCause } from '../events.ts';
import type { ClientOrderId } from '../ids.ts';
import { epochOfTag, factId } from '../ids.ts';
import type { OpenTrade, TransactionBody } from '../ledger.ts';
import { isFillByHand, isKnownTransactionType, isUnknownFillReason, netUnits, newTransactions, readBody, recentBody } from '../ledger.ts';
import type { Units } from '../money.ts';
import { absolute, add, format, units } from '../money.ts';
import { decideByPosition } from '../safety.ts';
import { observeStop } from '../stops.ts';
import { formatInstant, plusMs, SECOND_MS } from '../time.ts';
import type { Order } from '../trading.ts';
import { observeTransaction, workingOrders } from '../trading.ts';
import { tellDiscrepancy } from './discrepancies.ts';
import type { Draft } from './draft.ts';
import { THE_ONE_BEFORE } from './inputs.ts';
import { beginProtection } from './timetable.ts';
import { abandonSilentOrders, continueReversal, flattenWhatIsDue } from './orders.ts';
import { readLedger } from './reading.ts';
import { requestReconciliation } from './reconcile.ts';
import type { Book } from './state.ts';
import { bookOf, hasOurPosition } from './state.ts';
import { keepStops } from './stops.ts';

const RETRY_MS = SECOND_MS;
/**
 * Takes a page in. New transactions are recorded; ones already recorded are only observed again, which tells
 * nothing new unless a crash came between the record and what follows from it.
 */
export function takePage(draft: Draft, page: TransactionsPage): void {
  draft.live({ ledgerReadPending: false, brokerTransactionId: Math.max(draft.state.live.brokerTransactionId, page.lastTransactionId) });
  if (isFirstImport(draft) && draft.state.ledger.lastTransactionId === 0 && page.lastTransactionId > draft.state.settings.importedTransactionsMax) {
    draft.live({ ledgerReadPending: true });
    return draft.ask({ kind: 'read', read: { what: 'baseline' } });
  }
  const { fresh, gapAfter } = newTransactions(draft.state.ledger, page.transactions);
  const firstFresh = fresh[0]?.id ?? Number.POSITIVE_INFINITY;
  for (const transaction of page.transactions) {
    if (transaction.id >= firstFresh || transaction.id > draft.state.ledger.lastTransactionId) break;
    if (!isMutated(draft, transaction)) observe(draft, transaction, readBody(String(transaction.id), transaction.body), isToBeJudgedAgain(draft, transaction.id));
  }
  for (const transaction of fresh) record(draft, transaction);
  // Told once for a gap, however often the page is read again.
  if (gapAfter !== null && !draft.state.live.pageJumped) {
    draft.live({ pageJumped: true });
    draft.tell({ type: 'AlertRaised', data: { code: 'ledgerGap', severity: 'warning', detail: `the broker's page jumps after transaction ${gapAfter}; reading again` } });
  }
  if (draft.state.ledger.lastTransactionId >= draft.state.live.brokerTransactionId && gapAfter === null) return ledgerIsWhole(draft);
  waitForTheRest(draft, fresh.length > 0);
  if (fresh.length > 0 && gapAfter === null) readLedger(draft);
  else draft.ask({ kind: 'wake', key: 'ledger', at: plusMs(draft.now, RETRY_MS) });
}

/** Transactions that the broker has spoken of and does not hand out: a lagging replica at first, a gap when it lasts. */
function waitForTheRest(draft: Draft, progressed: boolean): void {
  const { live, ledger, settings } = draft.state;
  const behindSince = progressed ? draft.now : (live.behindSince ?? draft.now);
  draft.live({ behindSince });
  if (draft.now - behindSince < settings.reconciliation.gapMsMax || ledger.lastTransactionId === 0 || draft.state.safety.haltCauses.includes('discrepancy')) return;
  tellDiscrepancy(draft, null, {
    kind: 'ledgerGap', subject: 'ledger', local: `transaction ${ledger.lastTransactionId}`, broker: `transaction ${live.brokerTransactionId}`, transactionIds: [String(ledger.lastTransactionId)],
  });
  draft.halt('discrepancy', `the broker spoke of transaction ${live.brokerTransactionId} and has handed out none after ${ledger.lastTransactionId} for ${draft.now - behindSince} ms`);
  requestReconciliation(draft, 'gap');
}

/** A transaction that reads otherwise than when it was recorded: what else was built on is not known either. */
function isMutated(draft: Draft, transaction: BrokerTransaction): boolean {
  const recorded = recentBody(draft.state.ledger, transaction.id);
  if (recorded === undefined) return false;
  const [then, now] = [canonicalJson(recorded), canonicalJson(transaction.body)];
  if (then === now) return false;
  const id = String(transaction.id);
  if (draft.state.safety.haltCauses.includes('discrepancy')) return true;
  tellDiscrepancy(draft, null, { kind: 'transactionMutated', subject: `transaction ${id}`, local: then.slice(0, 2_000), broker: now.slice(0, 2_000), transactionIds: [id] });
  draft.halt('discrepancy', `transaction ${id} reads otherwise than when it was recorded`);
  return true;
}

/** The broker's snapshot stands for the account's past. */
export function takeBaseline(draft: Draft, snapshot: AccountSnapshot): void {
  draft.live({ ledgerReadPending: false });
  if (draft.state.ledger.lastTransactionId === 0) {
    draft.tell({
      type: 'LedgerBaselined',
      data: {
        transactionId: String(snapshot.lastTransactionId),
        currency: snapshot.currency,
        balance: format(snapshot.balance),
        realisedPl: format(snapshot.realisedPl),
        financing: format(snapshot.financing),
        commission: format(snapshot.commission),
        trades: snapshot.trades.map((trade) => ({
          tradeId: trade.tradeId,
          instrument: trade.instrument,
          units: format(trade.units),
          initialUnits: format(trade.initialUnits),
          price: format(trade.price),
          openedAt: formatInstant(trade.openedAt),
          clientTradeId: trade.clientTradeId,
        })),
        pendingOrders: snapshot.pendingOrders.map((order) => ({
          // Transactions call it by a longer name than orders do.
          orderId: order.orderId, type: `${order.type}_ORDER`, tradeId: order.tradeId, price: order.price === null ? null : format(order.price), clientOrderId: order.clientOrderId,
        })),
      },
    }, { actor: 'broker' });
  }
  readLedger(draft);
}

function record(draft: Draft, transaction: BrokerTransaction): void {
  const body = readBody(String(transaction.id), transaction.body);
  draft.tell({ type: 'BrokerTransactionRecorded', data: { transactionId: String(transaction.id), body: transaction.body } }, {
    actor: 'broker',
    occurredAt: transaction.at,
    correlationId: correlationOf(draft, body),
    id: transactionFactId(draft, transaction.id),
  });
  if (transaction.type === 'ORDER_FILL') {
    draft.live({ fillRecorded: true });
    if (body.tradeOpened === undefined && body.tradeReduced === undefined && (body.tradesClosed ?? []).length === 0) {
      draft.tell({ type: 'AlertRaised', data: { code: 'emptyFill', severity: 'critical', detail: `the fill ${body.id} opens, reduces and closes no trade` } }, { causedBy: THE_ONE_BEFORE });
    }
  }
  observe(draft, transaction, body, true);
}

const isToBeJudgedAgain = ({ state: { live } }: Draft, transactionId: number): boolean => live.judgeAgainFrom !== null && transactionId >= live.judgeAgainFrom;

const transactionFactId = (draft: Draft, transactionId: number): string => factId('BrokerTransactionRecorded', `${draft.state.settings.accountId}|${transactionId}`);

function correlationOf(draft: Draft, body: TransactionBody): string {
  const clientId = body.clientExtensions?.id ?? body.clientOrderID;
  for (const { trading } of draft.state.books.values()) {
    const accepted = (order: Order): boolean => order.status === 'accepted' && order.orderId === body.orderID;
    const order = trading.orders.get(clientId as ClientOrderId) ?? [...trading.unsettled.values()].find(accepted);
    if (order !== undefined) return order.decisionId ?? order.clientOrderId;
  }
  return `transaction ${body.id}`;
}

/** What a transaction means: for orders, for whose trade it is, for safety. `unjudged` is false when all that follows from it was told before. */
function observe(draft: Draft, transaction: BrokerTransaction, body: TransactionBody, unjudged: boolean): void {
  for (const book of draft.state.books.values()) {
    const { instrument } = book.settings;
    const events = observeTransaction(book.trading, body, instrument.name, {
      pipLocation: instrument.pipLocation,
      lateFillBars: draft.state.settings.lateFillBars,
      haltedSince: draft.state.safety.mode === 'HALTED' ? draft.state.safety.since : null,
    });
    const stop = observeStop(book.stops, body, instrument.name);
    if (stop?.type === 'StopReplaced') draft.live({ fillRecorded: true });
    if (stop !== null) draft.tell(stop, { instrument: instrument.name, actor: 'broker', occurredAt: transaction.at, causedBy: transactionFactId(draft, transaction.id) });
    for (const event of events) {
      if (event.type === 'PositionAdjusted' && isFillByHand(event.data.reason) && !isFirstImport(draft) && !draft.state.emergency.transactionIds.has(body.id)) requireReview(draft, transaction.id, 'manualClose', `trade ${event.data.tradeIds.join(', ')} of ours was closed by another hand: ${event.data.reason}`);
      const before = 'clientOrderId' in event.data && event.data.clientOrderId !== null ? book.trading.orders.get(event.data.clientOrderId as ClientOrderId) : undefined;
      draft.tell(event, {
        instrument: instrument.name,
        actor: 'broker',
        correlationId: before?.decisionId ?? before?.clientOrderId ?? `transaction ${body.id}`,
        occurredAt: transaction.at,
        causedBy: transactionFactId(draft, transaction.id),
      });
      if ((event.type === 'OrderFilled' || event.type === 'OrderPartiallyFilled') && before !== undefined) judgeFill(draft, book, before, event.data.units);
    }
  }
  if (!unjudged) return;
  judgeOrdersFilled(draft, body);
  const epoch = body.clientExtensions?.tag === undefined ? null : epochOfTag(body.clientExtensions.tag);
  if (epoch !== null && epoch >= draft.state.run.epoch && !isOurOrder(draft, body)) yieldOrSurpass(draft, transaction, epoch);
  if (isFirstImport(draft)) return;
  if (!isKnownTransactionType(body.type)) requireReview(draft, transaction.id, 'unknownType', `transaction ${body.id} has the unknown type ${body.type}`);
  else if (isUnknownFillReason(body)) requireReview(draft, transaction.id, 'unknownReason', `the fill ${body.id} has the unknown reason ${body.reason ?? ''}`);
  if (body.type.startsWith('MARGIN_CALL_E') || body.reason === 'MARKET_ORDER_MARGIN_CLOSEOUT') {
    tellDiscrepancy(draft, null, { kind: 'marginCloseout', subject: `transaction ${body.id}`, local: 'enough margin', broker: body.reason ?? body.type, transactionIds: [body.id] });
    draft.halt('lossLimit', `transaction ${body.id}: ${body.reason ?? body.type}`);
  }
}

/** Stored as it is and halted on: nothing is opened past it before an operator has acknowledged it. */
function requireReview(draft: Draft, transactionId: number, cause: ReviewCause, detail: string): void {
  const id = String(transactionId);
  // Told once; but a crash may have kept the review and lost the halt.
  if (!draft.state.unacknowledged.has(`transaction ${id}`)) draft.tell({ type: 'ReviewRequired', data: { transactionId: id, cause, detail: detail.slice(0, 2_000) } }, { actor: 'broker', causedBy: transactionFactId(draft, transactionId) });
  draft.halt(cause === 'manualClose' ? 'foreignTrade' : 'unknownSchema', detail);
}

const isOurOrder = (draft: Draft, body: TransactionBody): boolean => [...draft.state.books.values()].some((book) => book.trading.orders.has(body.clientExtensions?.id as ClientOrderId));

/**
 * An epoch in the past that is not below ours is that of a log which ours does not know: ours goes above it, so that
 * whoever still writes that log gives way. A higher one from now is another daemon, and we give way.
 */
function yieldOrSurpass(draft: Draft, transaction: BrokerTransaction, epoch: number): void {
  const { startedAt } = draft.state.live;
  if (startedAt === null || transaction.at <= startedAt) {
    draft.tell({ type: 'EpochRaised', data: { epoch: epoch + 1, transactionId: String(transaction.id) } }, { causedBy: THE_ONE_BEFORE });
  } else if (epoch > draft.state.run.epoch) {
    draft.ask({ kind: 'shutdown', exitCode: 33, reason: `transaction ${transaction.id} carries epoch ${epoch}, above ours (${draft.state.run.epoch}): another daemon has taken over` });
  }
}

/** An account's past before Reckoner is history to fold, not news to act on. */
const isFirstImport = (draft: Draft): boolean => !draft.state.run.pastImported;

/** An order that is filled with more than it asked for has halted, unless a crash came between. */
function judgeOrdersFilled(draft: Draft, body: TransactionBody): void {
  if (body.type !== 'ORDER_FILL' || body.clientOrderID === undefined) return;
  for (const book of draft.state.books.values()) {
    const order = book.trading.orders.get(body.clientOrderID as ClientOrderId);
    if (order !== undefined && absolute(order.filledUnits) > absolute(order.units)) haltOnOverFill(draft, order, order.filledUnits);
  }
}

const haltOnOverFill = (draft: Draft, order: Order, all: Units): void => draft.halt('overFill', `order ${order.clientOrderId} of ${format(order.units)} units was filled with ${format(all)} in all`);

/** A fill against its order: more units than ordered, in one fill or in several, halt at once. */
function judgeFill(draft: Draft, book: Book, order: Order, filledUnits: string): void {
  const filled = units(filledUnits);
  const limits = draft.state.settings.safety;
  const all = add(order.filledUnits, filled);
  if (absolute(all) > absolute(order.units)) haltOnOverFill(draft, order, all);
  // Only what is known as ours counts: a stranger's fill in the same page is found to be foreign later, and must not cost us our own trade.
  const { ourTradeIds } = bookOf(draft.state, book.settings.instrument.name).trading;
  const position = netUnits(draft.state.ledger, book.settings.instrument.name, (trade) => ourTradeIds.has(trade.tradeId));
  if (!(absolute(position) <= limits.positionUnitsMax)) draft.halt('positionLimit', `${format(position)} units of ${book.settings.instrument.name} are held, ${format(limits.positionUnitsMax)} allowed`);
  if (draft.state.safety.slippageStrikes >= limits.slippageStrikesMax) draft.halt('slippage', `${draft.state.safety.slippageStrikes} fills slipped by more than the tolerance`);
}

/** Trades that no order of ours opened: adopted into the ledger, new exposure halted, never touched. */
function findForeignTrades(draft: Draft): void {
  for (const trade of draft.state.ledger.openTrades.values()) {
    const ours = [...draft.state.books.values()].some((book) => book.trading.ourTradeIds.has(trade.tradeId));
    if (ours) continue;
    if (!draft.state.foreignTradeIds.has(trade.tradeId)) tellForeignTrade(draft, trade);
    else if (draft.state.live.judgeAgainFrom === null || !draft.state.unacknowledged.has(`trade ${trade.tradeId}`)) continue;
    draft.halt('foreignTrade', `trade ${trade.tradeId} on ${trade.instrument} was not opened by Reckoner`);
  }
}

function tellForeignTrade(draft: Draft, trade: OpenTrade): void {
  draft.tell({
    type: 'ForeignTradeObserved',
    data: { tradeId: trade.tradeId, instrument: trade.instrument, units: format(trade.units), transactionId: String(draft.state.ledger.lastTransactionId) },
  }, { actor: 'broker' });
  tellDiscrepancy(draft, null, {
    kind: 'foreignTrade', subject: `trade ${trade.tradeId}`, local: 'no order of ours', broker: `${format(trade.units)} ${trade.instrument}`, transactionIds: [trade.tradeId],
  });
}

/** The ledger stands where the broker stands: act on what the new transactions changed. */
function ledgerIsWhole(draft: Draft): void {
  const { fillRecorded, pageJumped, outcomeUnknown } = draft.state.live;
  abandonSilentOrders(draft);
  const stillUnknown = [...draft.state.books.values()].some((book) => workingOrders(book.trading).some(({ status }) => status === 'unknown'));
  draft.live({ fillRecorded: false, pageJumped: false, behindSince: null, outcomeUnknown: stillUnknown });
  findForeignTrades(draft);
  if (draft.state.live.judgeAgainFrom !== null) draft.live({ judgeAgainFrom: null });
  if (!draft.state.live.ledgerWhole) beginProtection(draft);
  keepStops(draft);
  draft.tellAll(decideByPosition(draft.state.safety, hasOurPosition(draft.state)));
  if (fillRecorded) for (const book of draft.state.books.values()) continueReversal(draft, book);
  // A difference that is being looked into has its next comparison already.
  if (draft.state.live.unresolved !== null) return flattenWhatIsDue(draft);
  if (draft.state.live.notReady !== null) requestReconciliation(draft, 'startup');
  else if (fillRecorded) requestReconciliation(draft, 'postTrade');
  else if (outcomeUnknown && !stillUnknown) requestReconciliation(draft, 'unknownOutcome');
  else if (pageJumped) requestReconciliation(draft, 'gap');
  flattenWhatIsDue(draft);
}
