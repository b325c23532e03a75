/** Mirroring the broker's ledger: every transaction once and in order, and what each one says to the desk. */
import type { BrokerTransaction, TransactionsPage } from '../broker.ts';
import type { ClientOrderId } from '../ids.ts';
import { epochOfTag } from '../ids.ts';
import type { TransactionBody } from '../ledger.ts';
import { isKnownTransactionType, netUnits, newTransactions, readBody } from '../ledger.ts';
import { absolute, format, units } from '../money.ts';
import { decideByPosition } from '../safety.ts';
import { plusMs, SECOND_MS } from '../time.ts';
import type { Order } from '../trading.ts';
import { observeTransaction } from '../trading.ts';
import type { ReconciliationTrigger } from '../events.ts';
import type { Draft } from './draft.ts';
import { factId } from './draft.ts';
import { THE_ONE_BEFORE } from './inputs.ts';
import { beginProtection } from './timetable.ts';
import { abandonSilentOrders, continueReversal, flattenWhatIsDue } from './orders.ts';
import type { Book } from './state.ts';
import { hasOurPosition, isForeign } from './state.ts';

const RETRY_MS = SECOND_MS;
/** Transactions that an account may have had before Reckoner. */
const IMPORTED_TRANSACTIONS_MAX = 100_000;

/** Asks for the transactions behind the ledger, unless that question is already out. */
export function readLedger(draft: Draft): void {
  if (draft.state.live.ledgerReadPending) return;
  draft.live({ ledgerReadPending: true });
  draft.ask({ kind: 'read', read: { what: 'transactions', since: draft.state.ledger.lastTransactionId } });
}

/** Asks for the broker's snapshot to hold against the ledger, unless one is already awaited. */
export function requestReconciliation(draft: Draft, trigger: ReconciliationTrigger): void {
  if (draft.state.live.reconciliationPending) return;
  draft.live({ reconciliationPending: true });
  draft.ask({ kind: 'read', read: { what: 'snapshot', trigger, startedAt: draft.now, attempt: 1 } });
}

/**
 * Takes a page in. New transactions are recorded; ones already recorded are only observed again, which tells
 * nothing new unless a crash came between the record and what follows from it.
 */
export function takePage(draft: Draft, page: TransactionsPage): void {
  if (isFirstImport(draft) && page.lastTransactionId > IMPORTED_TRANSACTIONS_MAX) {
    return draft.ask({ kind: 'shutdown', exitCode: 78, reason: `the account has ${page.lastTransactionId} transactions, at most ${IMPORTED_TRANSACTIONS_MAX} are imported: give Reckoner an account of its own` });
  }
  draft.live({ ledgerReadPending: false, brokerTransactionId: Math.max(draft.state.live.brokerTransactionId, page.lastTransactionId) });
  const { fresh, gapAfter } = newTransactions(draft.state.ledger, page.transactions);
  const firstFresh = fresh[0]?.id ?? Number.POSITIVE_INFINITY;
  for (const transaction of page.transactions) {
    if (transaction.id < firstFresh && transaction.id <= draft.state.ledger.lastTransactionId) observe(draft, transaction, readBody(String(transaction.id), transaction.body), false);
  }
  for (const transaction of fresh) record(draft, transaction);
  if (gapAfter !== null) {
    draft.tell({ type: 'AlertRaised', data: { code: 'ledgerGap', severity: 'warning', detail: `the broker's page jumps after transaction ${gapAfter}; reading again` } });
    draft.ask({ kind: 'wake', key: 'ledger', at: plusMs(draft.now, RETRY_MS) });
    return;
  }
  const behind = draft.state.ledger.lastTransactionId < draft.state.live.brokerTransactionId;
  if (behind && fresh.length > 0) return readLedger(draft);
  if (behind) return draft.ask({ kind: 'wake', key: 'ledger', at: plusMs(draft.now, RETRY_MS) });
  ledgerIsWhole(draft);
}

function record(draft: Draft, transaction: BrokerTransaction): void {
  const body = readBody(String(transaction.id), transaction.body);
  draft.tell({ type: 'BrokerTransactionRecorded', data: { transactionId: String(transaction.id), body: { ...transaction.body } as never } }, {
    actor: 'broker',
    occurredAt: transaction.at,
    correlationId: correlationOf(draft, body),
    id: transactionFactId(draft, transaction.id),
  });
  if (transaction.type === 'ORDER_FILL') draft.live({ fillRecorded: true });
  observe(draft, transaction, body, true);
}

const transactionFactId = (draft: Draft, transactionId: number): string => factId('BrokerTransactionRecorded', `${draft.state.settings.accountId}|${transactionId}`);

function correlationOf(draft: Draft, body: TransactionBody): string {
  const clientId = body.clientExtensions?.id ?? body.clientOrderID;
  for (const book of draft.state.books.values()) {
    for (const order of book.trading.orders.values()) {
      if (order.clientOrderId === clientId || (order.status === 'accepted' && order.orderId === body.orderID)) return order.decisionId ?? order.clientOrderId;
    }
  }
  return `transaction ${body.id}`;
}

/** What a transaction means: for orders, for whose trade it is, for safety. `fresh` is false when it was told before. */
function observe(draft: Draft, transaction: BrokerTransaction, body: TransactionBody, fresh: boolean): void {
  for (const book of draft.state.books.values()) {
    const { instrument } = book.settings;
    const events = observeTransaction(book.trading, body, instrument.name, { pipLocation: instrument.pipLocation, lateFillBars: draft.state.settings.lateFillBars });
    for (const event of events) {
      const before = 'clientOrderId' in event.data && event.data.clientOrderId !== null ? book.trading.orders.get(event.data.clientOrderId as ClientOrderId) : undefined;
      draft.tell(event, {
        instrument: instrument.name,
        actor: 'broker',
        correlationId: before?.decisionId ?? before?.clientOrderId ?? `transaction ${body.id}`,
        occurredAt: transaction.at,
        causedBy: transactionFactId(draft, transaction.id),
      });
      if (event.type === 'OrderFilled' && before !== undefined) judgeFill(draft, book, before, event.data.units);
    }
  }
  if (!fresh) return;
  const epoch = body.clientExtensions?.tag === undefined ? null : epochOfTag(body.clientExtensions.tag);
  if (epoch !== null && epoch > draft.state.run.epoch) yieldOrSurpass(draft, transaction, epoch);
  if (isFirstImport(draft)) return;
  if (!isKnownTransactionType(body.type)) draft.halt('unknownSchema', `transaction ${body.id} has the unknown type ${body.type}`);
  if (body.type.startsWith('MARGIN_CALL_E') || body.reason === 'MARKET_ORDER_MARGIN_CLOSEOUT') draft.halt('lossLimit', `transaction ${body.id}: ${body.reason ?? body.type}`);
}

/** A higher epoch in the past is a log that this one was restored from: ours goes above it. One from now is another daemon. */
function yieldOrSurpass(draft: Draft, transaction: BrokerTransaction, epoch: number): void {
  const { startedAt } = draft.state.live;
  if (startedAt !== null && transaction.at > startedAt) {
    draft.ask({ kind: 'shutdown', exitCode: 33, reason: `transaction ${transaction.id} carries epoch ${epoch}, above ours (${draft.state.run.epoch}): another daemon has taken over` });
  } else {
    draft.tell({ type: 'EpochRaised', data: { epoch: epoch + 1, transactionId: String(transaction.id) } }, { causedBy: THE_ONE_BEFORE });
  }
}

/** An account's past before Reckoner is history to fold, not news to act on. */
const isFirstImport = (draft: Draft): boolean => !draft.state.run.pastImported;

/** A fill against its order: more units than ordered, or a second fill, halts at once. */
function judgeFill(draft: Draft, book: Book, order: Order, filledUnits: string): void {
  const filled = units(filledUnits);
  const limits = draft.state.settings.safety;
  if (order.status === 'filled' || absolute(filled) > absolute(order.units)) {
    draft.halt('overFill', `order ${order.clientOrderId} of ${format(order.units)} units was ${order.status === 'filled' ? 'filled again' : 'filled'} with ${format(filled)}`);
  }
  const position = netUnits(draft.state.ledger, book.settings.instrument.name, (trade) => !isForeign(draft.state, trade));
  if (!(absolute(position) <= limits.positionUnitsMax)) draft.halt('positionLimit', `${format(position)} units of ${book.settings.instrument.name} are held, ${format(limits.positionUnitsMax)} allowed`);
  if (draft.state.safety.slippageStrikes >= limits.slippageStrikesMax) draft.halt('slippage', `${draft.state.safety.slippageStrikes} fills slipped by more than the tolerance`);
}

/** Trades that no order of ours opened: adopted into the ledger, new exposure halted, never touched. */
function findForeignTrades(draft: Draft): void {
  for (const trade of draft.state.ledger.openTrades.values()) {
    const ours = [...draft.state.books.values()].some((book) => book.trading.ourTradeIds.has(trade.tradeId));
    if (ours || draft.state.foreignTradeIds.has(trade.tradeId)) continue;
    draft.tell({
      type: 'ForeignTradeObserved',
      data: { tradeId: trade.tradeId, instrument: trade.instrument, units: format(trade.units), transactionId: String(draft.state.ledger.lastTransactionId) },
    }, { actor: 'broker' });
    draft.halt('foreignTrade', `trade ${trade.tradeId} on ${trade.instrument} was not opened by Reckoner`);
  }
}

/** The ledger stands where the broker stands: act on what the new transactions changed. */
function ledgerIsWhole(draft: Draft): void {
  const { fillRecorded } = draft.state.live;
  draft.live({ fillRecorded: false });
  abandonSilentOrders(draft);
  findForeignTrades(draft);
  if (!draft.state.live.ledgerWhole) beginProtection(draft);
  draft.tellAll(decideByPosition(draft.state.safety, hasOurPosition(draft.state)));
  if (draft.state.live.notReady !== null) requestReconciliation(draft, 'startup');
  else if (fillRecorded) {
    for (const book of draft.state.books.values()) continueReversal(draft, book);
    requestReconciliation(draft, 'postTrade');
  }
  flattenWhatIsDue(draft);
}
