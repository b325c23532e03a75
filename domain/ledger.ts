/**
 * The account's ledger: a fold of the broker's own transactions, each recorded once and in the order of its
 * contiguous id. Position, open trades, realised P&L, financing and balance come from here and from nowhere
 * else; an order response is never added to anything.
 *
 * Every transaction's balance is explained: balance before + what the transaction moved = the balance that the
 * broker printed, to its last decimal. A transaction that does not add up is kept, flagged, and found by the
 * next reconciliation.
 */
import { z } from 'zod';
import type { BrokerTransaction } from './broker.ts';
import type { DataOf, DomainEvent } from './events.ts';
import type { InstrumentName } from './instruments.ts';
import { instrumentName } from './instruments.ts';
import { add, money, price, priceTimesUnits, scaleBy, subtract, units, ZERO_MONEY, ZERO_UNITS } from './money.ts';
import type { Money, Price, Ratio, Units } from './money.ts';
import type { Instant } from './time.ts';
import { checkOf } from './texts.ts';
import { parseInstant } from './time.ts';
import { epochOfTag } from './ids.ts';
import type { Touched } from './touched.ts';
import { evolveTouched, untouched } from './touched.ts';

// --- what the fold reads of a body; everything else is kept verbatim in the event ---

const extensions = z.object({ id: z.string().optional(), tag: z.string().optional() });
const tradePart = z.object({ tradeID: z.string(), units: z.string(), price: z.string().optional(), realizedPL: z.string().optional(), financing: z.string().optional() });
const bodySchema = z.object({
  id: z.string(),
  type: z.string(),
  time: z.string(),
  accountBalance: z.string().optional(),
  homeCurrency: z.string().optional(),
  amount: z.string().optional(),
  pl: z.string().optional(),
  financing: z.string().optional(),
  commission: z.string().optional(),
  guaranteedExecutionFee: z.string().optional(),
  dividendAdjustment: z.string().optional(),
  instrument: z.string().optional(),
  units: z.string().optional(),
  price: z.string().optional(),
  reason: z.string().optional(),
  rejectReason: z.string().optional(),
  orderID: z.string().optional(),
  clientOrderID: z.string().optional(),
  tradeID: z.string().optional(),
  replacedByOrderID: z.string().optional(),
  replacesOrderID: z.string().optional(),
  tradeClose: z.object({ tradeID: z.string() }).optional(),
  clientExtensions: extensions.optional(),
  tradeOpened: tradePart.optional(),
  tradesClosed: z.array(tradePart).optional(),
  tradeReduced: tradePart.optional(),
});
/** The fields of a transaction that Reckoner acts on. */
export type TransactionBody = z.infer<typeof bodySchema> & { readonly [field: string]: unknown };
const isBody = checkOf(bodySchema) as (body: unknown) => body is TransactionBody;

/** Raised for a transaction body that cannot be folded. Names the transaction and the field. */
export class LedgerError extends Error {
  override readonly name = 'LedgerError';
}

/** The body that was read last: each fold and each read model asks for the same one in turn, and bodies are never changed. */
let lastRead: TransactionBody | null = null;

export function readBody(transactionId: string, body: unknown): TransactionBody {
  if (lastRead !== null && lastRead === body) return lastRead;
  if (!isBody(body)) throw new LedgerError(`transaction ${transactionId}: ${z.prettifyError(bodySchema.safeParse(body).error!).replaceAll('\n', ' ')}`);
  lastRead = body;
  return body;
}

// --- state ---

export interface OpenTrade {
  readonly tradeId: string;
  readonly instrument: InstrumentName;
  /** Signed units still open. */
  readonly units: Units;
  readonly initialUnits: Units;
  readonly price: Price;
  readonly openedAt: Instant;
  /** Client id of the order that opened it; null when it carried none. */
  readonly clientOrderId: string | null;
}

export interface PendingOrder {
  readonly orderId: string;
  /** As the transaction that created it calls it: `STOP_LOSS_ORDER` … */
  readonly type: string;
  /** The trade that it protects; null for an entry order. */
  readonly tradeId: string | null;
  readonly price: Price | null;
  /** Why it was created; null where the transaction is not in the ledger. */
  readonly reason: string | null;
  /** Signed units that a resting entry order may still fill; null for every other order, which a fill ends. */
  readonly restUnits: Units | null;
}

export interface UnexplainedBalance {
  readonly transactionId: number;
  readonly expected: Money;
  readonly reported: Money;
}

export interface Ledger {
  /** Id of the last transaction folded; 0 before the first. */
  readonly lastTransactionId: number;
  /** Id up to which the broker's snapshot stands for the transactions; 0 when they were all read. */
  readonly baselineId: number;
  readonly currency: string | null;
  readonly balance: Money;
  /** Sums since the account began. */
  readonly realisedPl: Money;
  readonly financing: Money;
  readonly commission: Money;
  readonly transfers: Money;
  readonly openTrades: ReadonlyMap<string, OpenTrade>;
  readonly pendingOrders: ReadonlyMap<string, PendingOrder>;
  /** Transactions that did not add up and that no reconciliation has told of yet; the first few kept. */
  readonly unexplained: readonly UnexplainedBalance[];
  /** Highest epoch in any of our order tags. */
  readonly epochMax: number;
  /** The newest bodies, to hold against the same ones when they are read again; the first is `lastTransactionId`'s. */
  readonly recentBodies: RecentBodies;
  /** Pips realised, each trade weighted by the share of it that was closed; by instrument. */
  readonly realisedByInstrument: ReadonlyMap<InstrumentName, Price>;
  /** Which instrument was last touched by which transaction. */
  readonly touched: Touched;
}

type RecordedBody = DataOf<'BrokerTransactionRecorded'>['body'];
/** Newest first; shared between the ledgers of two transactions, so that keeping them costs nothing. */
interface BodyList {
  readonly body: RecordedBody;
  readonly length: number;
  readonly before: BodyList | null;
}
/** `older` is let go when `newer` has grown to its length. */
interface RecentBodies {
  readonly newer: BodyList | null;
  readonly older: BodyList | null;
}

export const emptyLedger: Ledger = {
  lastTransactionId: 0,
  baselineId: 0,
  currency: null,
  balance: ZERO_MONEY,
  realisedPl: ZERO_MONEY,
  financing: ZERO_MONEY,
  commission: ZERO_MONEY,
  transfers: ZERO_MONEY,
  openTrades: new Map(),
  pendingOrders: new Map(),
  unexplained: [],
  epochMax: 0,
  recentBodies: { newer: null, older: null },
  realisedByInstrument: new Map(),
  touched: untouched,
};

const UNEXPLAINED_KEPT_MAX = 100;
/** Bodies kept, at least, for comparison with later readings; twice as many before the older ones are let go. */
export const RECENT_BODIES = 64;
/** Transactions that create an order; it is pending until filled or cancelled, a market order as a rule at once. */
const ORDER_TYPES = new Set([
  'MARKET_ORDER', 'FIXED_PRICE_ORDER', 'LIMIT_ORDER', 'STOP_ORDER', 'MARKET_IF_TOUCHED_ORDER', 'TAKE_PROFIT_ORDER', 'STOP_LOSS_ORDER', 'TRAILING_STOP_LOSS_ORDER', 'GUARANTEED_STOP_LOSS_ORDER',
]);
const STOP_TYPES = new Set(['STOP_LOSS_ORDER', 'GUARANTEED_STOP_LOSS_ORDER']);
/** Every transaction type of the broker's that this build understands; another one stops new exposure. */
const KNOWN_TYPES = new Set([
  ...ORDER_TYPES, 'CREATE', 'CLOSE', 'REOPEN', 'CLIENT_CONFIGURE', 'CLIENT_CONFIGURE_REJECT', 'TRANSFER_FUNDS', 'TRANSFER_FUNDS_REJECT',
  'MARKET_ORDER_REJECT', 'LIMIT_ORDER_REJECT', 'STOP_ORDER_REJECT', 'MARKET_IF_TOUCHED_ORDER_REJECT',
  'TAKE_PROFIT_ORDER_REJECT', 'STOP_LOSS_ORDER_REJECT', 'TRAILING_STOP_LOSS_ORDER_REJECT', 'GUARANTEED_STOP_LOSS_ORDER_REJECT', 'ORDER_FILL', 'ORDER_CANCEL',
  'ORDER_CANCEL_REJECT', 'ORDER_CLIENT_EXTENSIONS_MODIFY', 'ORDER_CLIENT_EXTENSIONS_MODIFY_REJECT', 'TRADE_CLIENT_EXTENSIONS_MODIFY',
  'TRADE_CLIENT_EXTENSIONS_MODIFY_REJECT', 'MARGIN_CALL_ENTER', 'MARGIN_CALL_EXTEND', 'MARGIN_CALL_EXIT', 'DELAYED_TRADE_CLOSURE', 'DAILY_FINANCING',
  'DIVIDEND_ADJUSTMENT', 'RESET_RESETTABLE_PL',
]);
export const isKnownTransactionType = (type: string): boolean => KNOWN_TYPES.has(type);

const FILL_REASONS = new Set([
  'LIMIT_ORDER', 'STOP_ORDER', 'MARKET_IF_TOUCHED_ORDER', 'TAKE_PROFIT_ORDER', 'STOP_LOSS_ORDER', 'GUARANTEED_STOP_LOSS_ORDER', 'TRAILING_STOP_LOSS_ORDER', 'MARKET_ORDER',
  'MARKET_ORDER_TRADE_CLOSE', 'MARKET_ORDER_POSITION_CLOSEOUT', 'MARKET_ORDER_MARGIN_CLOSEOUT', 'MARKET_ORDER_DELAYED_TRADE_CLOSE',
]);
/** Fills that the broker makes by itself: every other one that closes a trade of ours without an order of ours is somebody's hand. */
const FILLS_WITHOUT_A_HAND = new Set(['STOP_LOSS_ORDER', 'GUARANTEED_STOP_LOSS_ORDER', 'TRAILING_STOP_LOSS_ORDER', 'TAKE_PROFIT_ORDER', 'MARKET_ORDER_MARGIN_CLOSEOUT', 'MARKET_ORDER_DELAYED_TRADE_CLOSE']);
/** A fill reason that this build does not know may mean anything: nothing is traded past it. */
export const isUnknownFillReason = (body: TransactionBody): boolean => body.type === 'ORDER_FILL' && body.reason !== undefined && !FILL_REASONS.has(body.reason);
export const isFillByHand = (reason: string): boolean => !FILLS_WITHOUT_A_HAND.has(reason);

// --- evolve ---

/** Folds one event; events of other streams leave the ledger as it is. */
export function evolveLedger(ledger: Ledger, event: DomainEvent): Ledger {
  if (event.type === 'DiscrepancyDetected' && event.data.kind === 'unexplainedBalance') return { ...ledger, unexplained: ledger.unexplained.filter((entry) => unexplainedSubject(entry) !== event.data.subject) };
  if (event.type === 'LedgerBaselined') return baselined(event.data);
  if (event.type !== 'BrokerTransactionRecorded') return ledger;
  const id = Number(event.data.transactionId);
  if (id !== ledger.lastTransactionId + 1) throw new LedgerError(`transaction ${id} cannot follow ${ledger.lastTransactionId}: the ledger must be contiguous`);
  const body = readBody(event.data.transactionId, event.data.body);
  const before = { ...ledger, lastTransactionId: id, recentBodies: withRecent(ledger.recentBodies, event.data.body) };
  return foldTouched(foldTags(foldOrders(foldTrades(foldBalance(before, body), body), body), body), body);
}

function withRecent({ newer, older }: RecentBodies, body: RecordedBody): RecentBodies {
  const isFull = newer?.length === RECENT_BODIES;
  return isFull ? { newer: { body, length: 1, before: null }, older: newer } : { newer: { body, length: (newer?.length ?? 0) + 1, before: newer }, older };
}

/** What the ledger is when the broker's snapshot stands for everything before it. */
function baselined(data: DataOf<'LedgerBaselined'>): Ledger {
  return {
    ...emptyLedger,
    lastTransactionId: Number(data.transactionId),
    baselineId: Number(data.transactionId),
    touched: { ...untouched, account: Number(data.transactionId) },
    currency: data.currency,
    balance: money(data.balance),
    realisedPl: money(data.realisedPl),
    financing: money(data.financing),
    commission: money(data.commission),
    openTrades: new Map(data.trades.map((trade): [string, OpenTrade] => [trade.tradeId, {
      tradeId: trade.tradeId,
      instrument: instrumentName(trade.instrument),
      units: units(trade.units),
      initialUnits: units(trade.initialUnits),
      price: price(trade.price),
      openedAt: parseInstant(trade.openedAt),
      clientOrderId: null,
    }])),
    pendingOrders: new Map(data.pendingOrders.map((order): [string, PendingOrder] => [order.orderId, {
      orderId: order.orderId, type: order.type, tradeId: order.tradeId, price: order.price === null ? null : price(order.price), reason: null, restUnits: null,
    }])),
  };
}

/** A recorded body by its id; undefined for one that is older than those kept. */
export function recentBody(ledger: Ledger, transactionId: number): RecordedBody | undefined {
  let { newer: list, older } = ledger.recentBodies;
  if (transactionId > ledger.lastTransactionId) return undefined;
  for (let id = ledger.lastTransactionId; list !== null; id -= 1) {
    if (id === transactionId) return list.body;
    list = list.before;
    if (list !== null || older === null) continue;
    list = older;
    older = null;
  }
  return undefined;
}

/** How a discrepancy names a transaction that did not add up. It is told once; from then on the balances themselves are compared. */
export const unexplainedSubject = (entry: UnexplainedBalance): string => `transaction ${entry.transactionId}`;

const amountOf = (text: string | undefined, field: string): Money => (text === undefined ? ZERO_MONEY : money(text, field));

function foldBalance(ledger: Ledger, body: TransactionBody): Ledger {
  const field = (name: string): string => `transaction ${body.id} ${name}`;
  const currency = body.type === 'CREATE' && body.homeCurrency !== undefined ? body.homeCurrency : ledger.currency;
  if (body.accountBalance === undefined) return currency === ledger.currency ? ledger : { ...ledger, currency };
  const pl = amountOf(body.pl, field('pl'));
  const financing = amountOf(body.financing, field('financing'));
  const commission = add(amountOf(body.commission, field('commission')), amountOf(body.guaranteedExecutionFee, field('guaranteedExecutionFee')));
  const transferred = add(amountOf(body.amount, field('amount')), amountOf(body.dividendAdjustment, field('dividendAdjustment')));
  const reported = money(body.accountBalance, field('accountBalance'));
  const expected = subtract(add(add(add(ledger.balance, pl), financing), transferred), commission);
  const explained = expected === reported;
  return {
    ...ledger,
    currency,
    balance: reported,
    realisedPl: add(ledger.realisedPl, pl),
    financing: add(ledger.financing, financing),
    commission: add(ledger.commission, commission),
    transfers: add(ledger.transfers, transferred),
    unexplained: explained || ledger.unexplained.length >= UNEXPLAINED_KEPT_MAX
      ? ledger.unexplained
      : [...ledger.unexplained, { transactionId: ledger.lastTransactionId, expected, reported }],
  };
}

function foldTrades(ledger: Ledger, body: TransactionBody): Ledger {
  if (body.type !== 'ORDER_FILL') return ledger;
  const openTrades = new Map(ledger.openTrades);
  const realisedByInstrument = new Map(ledger.realisedByInstrument);
  const instrument = instrumentName(body.instrument ?? '');
  const closing = [...(body.tradesClosed ?? []), ...(body.tradeReduced === undefined ? [] : [body.tradeReduced])];
  for (const part of closing) {
    const trade = openTrades.get(part.tradeID);
    if (trade === undefined) throw new LedgerError(`transaction ${body.id} closes trade ${part.tradeID}, which the ledger does not hold`);
    const closed = units(part.units, `transaction ${body.id} units`);
    const remaining = add(trade.units, closed);
    const moved = subtract(price(part.price ?? body.price ?? '', `transaction ${body.id} price`), trade.price);
    const weighted = priceShare(moved, closed, trade.initialUnits);
    realisedByInstrument.set(instrument, add(realisedByInstrument.get(instrument) ?? (0n as Price), weighted));
    if (remaining === ZERO_UNITS) openTrades.delete(part.tradeID);
    else openTrades.set(part.tradeID, { ...trade, units: remaining });
  }
  if (body.tradeOpened !== undefined) {
    const opened = units(body.tradeOpened.units, `transaction ${body.id} tradeOpened.units`);
    openTrades.set(body.tradeOpened.tradeID, {
      tradeId: body.tradeOpened.tradeID,
      instrument,
      units: opened,
      initialUnits: opened,
      price: price(body.tradeOpened.price ?? body.price ?? '', `transaction ${body.id} tradeOpened.price`),
      openedAt: parseInstant(body.time, `transaction ${body.id} time`),
      clientOrderId: body.clientOrderID ?? null,
    });
  }
  return { ...ledger, openTrades, realisedByInstrument };
}

/** Price gained by closing `closed` (sign of the fill) of a trade, weighted by its share of the trade. */
function priceShare(moved: Price, closed: Units, initial: Units): Price {
  const share = (-(closed as bigint) * 10n ** 10n) / (initial < 0n ? -initial : initial);
  return scaleBy(moved, share as Ratio);
}

function foldOrders(ledger: Ledger, body: TransactionBody): Ledger {
  const creates = ORDER_TYPES.has(body.type);
  const ended = body.type === 'ORDER_FILL' || body.type === 'ORDER_CANCEL' ? ledger.pendingOrders.get(body.orderID ?? '') : undefined;
  if (!creates && ended === undefined) return ledger;
  const pendingOrders = new Map(ledger.pendingOrders);
  if (creates) {
    // What a partial fill has left may go on as a new order in place of the one that filled.
    if (body.replacesOrderID !== undefined) pendingOrders.delete(body.replacesOrderID);
    pendingOrders.set(body.id, pendingOrder(body));
  } else if (ended !== undefined) {
    const rest = body.type === 'ORDER_FILL' ? restAfter(ended, body) : null;
    if (rest === null) pendingOrders.delete(ended.orderId);
    else pendingOrders.set(ended.orderId, { ...ended, restUnits: rest });
  }
  return { ...ledger, pendingOrders };
}

const pendingOrder = (body: TransactionBody): PendingOrder => ({
  orderId: body.id,
  type: body.type,
  tradeId: body.tradeID ?? null,
  price: body.price === undefined ? null : price(body.price, `transaction ${body.id} price`),
  reason: body.reason ?? null,
  restUnits: body.type === 'MARKET_ORDER' || body.units === undefined ? null : units(body.units, `transaction ${body.id} units`),
});

/** Units that a resting order may still fill after a fill; null when it is over. */
function restAfter(order: PendingOrder, body: TransactionBody): Units | null {
  if (order.restUnits === null) return null;
  const rest = subtract(order.restUnits, units(body.units ?? '0', `transaction ${body.id} units`));
  return rest !== ZERO_UNITS && rest > 0n === order.restUnits > 0n ? rest : null;
}

function foldTags(ledger: Ledger, body: TransactionBody): Ledger {
  const epoch = body.clientExtensions?.tag === undefined ? null : epochOfTag(body.clientExtensions.tag);
  return epoch === null || epoch <= ledger.epochMax ? ledger : { ...ledger, epochMax: epoch };
}

const foldTouched = (ledger: Ledger, body: TransactionBody): Ledger => ({
  ...ledger,
  touched: evolveTouched(ledger.touched, body, ORDER_TYPES.has(body.type), {
    instrumentOfTrade: (tradeId) => ledger.openTrades.get(tradeId)?.instrument,
    isPending: (orderId) => ledger.pendingOrders.has(orderId),
  }),
});

// --- views ---

/** Net units of an instrument: the sum of its open trades, of those that `counts` picks when it is given. */
export function netUnits(ledger: Ledger, instrument: InstrumentName, counts: (trade: OpenTrade) => boolean = () => true): Units {
  let sum = ZERO_UNITS;
  for (const trade of ledger.openTrades.values()) if (trade.instrument === instrument && counts(trade)) sum = add(sum, trade.units);
  return sum;
}

/** The order that protects a trade at the broker; null when it has none. A guaranteed one protects as well. */
export function stopOf(ledger: Ledger, tradeId: string): PendingOrder | null {
  for (const order of ledger.pendingOrders.values()) if (order.tradeId === tradeId && STOP_TYPES.has(order.type)) return order;
  return null;
}

/** Profit since the account began: realised, financing, less fees. Transfers are not profit and not loss. */
export const cumulativeProfit = (ledger: Ledger): Money => subtract(add(ledger.realisedPl, ledger.financing), ledger.commission);

/** What a trade would realise at the given prices, in quote currency: longs close on the bid, shorts on the ask. */
export function unrealisedQuote(trade: OpenTrade, bid: Price, ask: Price): Money {
  return priceTimesUnits(subtract(trade.units > 0n ? bid : ask, trade.price), trade.units);
}

// --- decide ---

/**
 * Which transactions of a page are new, in order: those that continue the ledger without a gap. A page that
 * jumps is cut there (`gapAfter` says where): it must be read again, never skipped over.
 */
export function newTransactions(ledger: Ledger, page: readonly BrokerTransaction[]): { readonly fresh: readonly BrokerTransaction[]; readonly gapAfter: number | null } {
  const fresh: BrokerTransaction[] = [];
  let last = ledger.lastTransactionId;
  for (const transaction of page) {
    if (transaction.id <= last) continue;
    if (transaction.id !== last + 1) return { fresh, gapAfter: last };
    fresh.push(transaction);
    last = transaction.id;
  }
  return { fresh, gapAfter: null };
}
