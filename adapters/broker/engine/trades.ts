/** Trades as the client acts on them: closed, given dependent orders, renamed. */
import type { Json, Transaction } from './bodies.ts';
import { compact, extensionsBody, isBody } from './bodies.ts';
import type { CloseTarget, DependentKind, DependentOrder, DependentTerms, Trade } from './book.ts';
import { DEPENDENT_KINDS, findTrade, marketOf } from './book.ts';
import type { Context } from './context.ts';
import { cancelOrder } from './context.ts';
import { printPoints } from './decimals.ts';
import { createDependent } from './dependents.ts';
import type { Batch } from './ledger.ts';
import { readDependentOrder } from './order-requests.ts';
import { checkLock, closingRequest, createMarketOrder, mergeExtensions } from './orders.ts';
import type { Invalid, Outcome, Receipt, Rejected } from './outcomes.ts';
import { guarded } from './outcomes.ts';
import type { Fields } from './requests.ts';
import { InvalidRequest, NOT_AN_OBJECT, RejectedRequest, echoOf, invalidValue, readCloseUnits, readExtensions } from './requests.ts';
import { replacementFields } from './transaction-bodies.ts';
import { formatInstant } from '../../../domain/time.ts';

const UNITS_TEXT_LENGTH_MAX = 64;

const named = (specifier: string): { readonly [key: string]: Json } => (specifier.startsWith('@') ? { clientTradeID: specifier.slice(1, 129) } : { tradeID: specifier.slice(0, UNITS_TEXT_LENGTH_MAX) });

function openTradeNamed({ book }: Context, specifier: string): Trade {
  const trade = findTrade(book, specifier);
  if (trade === undefined || trade.closedAt !== null) throw new RejectedRequest('TRADE_DOESNT_EXIST');
  return trade;
}

/** Closes an open trade, or a part of it, by a market order of its own. */
export function closeTrade(context: Context, specifier: string, body: unknown, receipt: Receipt): Outcome {
  if (!isBody(body)) return { kind: 'invalid', message: NOT_AN_OBJECT };
  const units = body['units'] ?? (context.settings.switches.tradeCloseDefaultUnits === 'ALL' ? 'ALL' : undefined);
  const unitsText = typeof units === 'string' ? units.slice(0, UNITS_TEXT_LENGTH_MAX) : undefined;
  const rejectFields = {
    instrument: findTrade(context.book, specifier)?.instrument,
    timeInForce: 'FOK',
    positionFill: 'REDUCE_ONLY',
    tradeClose: compact({ ...named(specifier), units: unitsText }),
    reason: 'TRADE_CLOSE',
  };
  return guarded(context, receipt, 'MARKET_ORDER_REJECT', rejectFields, (batch) => {
    checkLock(context);
    const trade = openTradeNamed(context, specifier);
    if (units === undefined) throw new RejectedRequest('CLOSE_TRADE_PARTIAL_UNITS_MISSING');
    const count = readCloseUnits(units, trade.currentUnits.abs(), marketOf(context.book, trade.instrument), 'units', 'CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE');
    const signed = trade.currentUnits.isNegative() ? count : count.neg();
    const close: CloseTarget = { kind: 'trade', tradeId: trade.id, clientTradeId: trade.clientExtensions?.id ?? null, unitsText: unitsText ?? 'ALL' };
    return createMarketOrder(context, batch, receipt, trade.instrument, closingRequest(signed), close);
  });
}

/** Changes a trade's extensions. */
export function modifyTradeExtensions(context: Context, specifier: string, body: unknown, receipt: Receipt): Rejected | Invalid | { readonly kind: 'done'; readonly transaction: Transaction } {
  if (!isBody(body)) return { kind: 'invalid', message: NOT_AN_OBJECT };
  const { book } = context;
  return guarded(context, receipt, 'TRADE_CLIENT_EXTENSIONS_MODIFY_REJECT', named(specifier), (batch) => {
    const trade = openTradeNamed(context, specifier);
    const given = readExtensions(body, 'clientExtensions', 'body', 'CLIENT_TRADE');
    if (given === null) throw new RejectedRequest('CLIENT_EXTENSIONS_DATA_MISSING');
    const holder = given.id === undefined ? undefined : book.tradeByClientId.get(given.id);
    if (holder !== undefined && holder !== trade && holder.closedAt === null) throw new RejectedRequest('CLIENT_TRADE_ID_ALREADY_EXISTS');
    const oldId = trade.clientExtensions?.id;
    const transaction = batch.add('TRADE_CLIENT_EXTENSIONS_MODIFY', { tradeID: String(trade.id), clientTradeID: oldId, tradeClientExtensionsModify: extensionsBody(given) });
    trade.clientExtensions = mergeExtensions(trade.clientExtensions, given);
    if (oldId !== undefined && oldId !== trade.clientExtensions?.id) book.tradeByClientId.delete(oldId);
    if (trade.clientExtensions?.id !== undefined) book.tradeByClientId.set(trade.clientExtensions.id, trade);
    return { kind: 'done', transaction };
  });
}

const FIELD_OF: { readonly [kind in DependentKind]: string } = { TAKE_PROFIT: 'takeProfit', STOP_LOSS: 'stopLoss', TRAILING_STOP_LOSS: 'trailingStopLoss' };

/** What a request wants of one kind of dependent order. */
type Wish =
  | { readonly act: 'cancel'; readonly kind: DependentKind; readonly standing: DependentOrder }
  | { readonly act: 'set'; readonly kind: DependentKind; readonly standing: DependentOrder | null; readonly terms: DependentTerms }
  | { readonly act: 'refuse'; readonly kind: DependentKind; readonly standing: DependentOrder | null; readonly reason: string; readonly fields: Fields };

/** What was done for one kind: the answer names each transaction by it. */
interface DependentChange {
  readonly kind: DependentKind;
  readonly role: 'cancel' | 'create' | 'reject';
  readonly transaction: Transaction;
}

export type TradeOrdersOutcome =
  | Invalid
  | { readonly kind: 'no trade' }
  | { readonly kind: 'changed'; readonly changes: readonly DependentChange[] }
  | { readonly kind: 'rejected'; readonly reason: string; readonly changes: readonly DependentChange[] };

/** The sub-fields of a standing order, which a replacing request inherits where it leaves them out. */
function inherited(standing: DependentOrder, precision: number): Fields {
  const { terms } = standing;
  const { clientExtensions } = standing;
  return compact({
    price: terms.pricePoints === null ? undefined : printPoints(terms.pricePoints, precision),
    distance: terms.distancePoints === null ? undefined : printPoints(terms.distancePoints, precision),
    timeInForce: terms.timeInForce,
    gtdTime: terms.gtdTime === null ? undefined : formatInstant(terms.gtdTime),
    triggerCondition: terms.triggerCondition,
    clientExtensions: extensionsBody(clientExtensions),
  });
}

/** A price given anew takes the place of a distance, and the other way round; a time in force that of a good-till time. */
function withInheritance(given: Fields, standing: DependentOrder | null, precision: number): Fields {
  if (standing === null) return given;
  const base = { ...inherited(standing, precision) };
  if ('price' in given) delete base['distance'];
  if ('distance' in given) delete base['price'];
  if ('timeInForce' in given && given['timeInForce'] !== 'GTD') delete base['gtdTime'];
  return { ...base, ...given };
}

function readWish(context: Context, trade: Trade, kind: DependentKind, body: Fields, receipt: Receipt): Wish | null {
  const given = body[FIELD_OF[kind]];
  const standing = trade.dependents.get(kind) ?? null;
  if (given === undefined) return null;
  if (given === null) return standing === null ? null : { act: 'cancel', kind, standing };
  if (!isBody(given)) throw invalidValue(FIELD_OF[kind]);
  const market = marketOf(context.book, trade.instrument);
  const fields = withInheritance(given, standing, market.settings.instrument.displayPrecision);
  try {
    const terms = readDependentOrder(fields, kind, FIELD_OF[kind], { market, now: receipt.at, switches: context.settings.switches });
    const holder = terms.clientExtensions?.id === undefined ? undefined : context.book.pendingOrderByClientId.get(terms.clientExtensions.id);
    if (holder !== undefined && holder !== standing) throw new RejectedRequest('CLIENT_ORDER_ID_ALREADY_EXISTS');
    return { act: 'set', kind, standing, terms };
  } catch (error) {
    if (!(error instanceof RejectedRequest)) throw error;
    return { act: 'refuse', kind, standing, reason: error.reason, fields };
  }
}

function carryOut(context: Context, batch: Batch, trade: Trade, wish: Exclude<Wish, { act: 'refuse' }>): DependentChange[] {
  const { kind, standing } = wish;
  const role = 'cancel';
  const found = (id: number): Transaction => context.ledger.get(id) ?? missing(id);
  if (wish.act === 'cancel') return [{ kind, role, transaction: found(cancelOrder(context, batch, wish.standing, 'CLIENT_REQUEST')) }];
  const cancelId = standing === null ? null : cancelOrder(context, batch, standing, 'CLIENT_REQUEST_REPLACED', { replacedByOrderId: batch.nextId() + 1 });
  const origin = replacementFields(standing === null || cancelId === null ? null : { replacesOrderId: standing.id, cancellingTransactionId: cancelId });
  const created: DependentChange = { kind, role: 'create', transaction: found(createDependent(context, batch, trade, kind, wish.terms, origin).id) };
  return cancelId === null ? [created] : [{ kind, role, transaction: found(cancelId) }, created];
}

function missing(id: number): never {
  throw new Error(`transaction ${id} was just written and is not there`);
}

/**
 * Sets a trade's dependent orders: null cancels one, an object creates or replaces it, and what is absent stays.
 * One wish that cannot be had refuses them all.
 */
export function setTradeOrders(context: Context, specifier: string, body: unknown, receipt: Receipt): TradeOrdersOutcome {
  if (!isBody(body)) return { kind: 'invalid', message: NOT_AN_OBJECT };
  const trade = findTrade(context.book, specifier);
  if (trade === undefined || trade.closedAt !== null) return { kind: 'no trade' };
  const batch = context.ledger.begin({ at: receipt.at, requestId: receipt.requestId, byClient: true });
  const wishes: Wish[] = [];
  try {
    for (const kind of DEPENDENT_KINDS) {
      const wish = readWish(context, trade, kind, body, receipt);
      if (wish !== null) wishes.push(wish);
    }
  } catch (error) {
    if (error instanceof InvalidRequest) return { kind: 'invalid', message: error.message };
    throw error;
  }
  const { lock } = context.book;
  const locked = lock === 'ACCOUNT_LOCKED' || lock === 'ACCOUNT_ORDER_CREATION_LOCKED' ? lock : null;
  const refused = wishes.flatMap((wish) => (wish.act === 'refuse' ? [wish] : wish.act === 'set' && locked !== null ? [{ ...wish, act: 'refuse' as const, reason: locked, fields: {} }] : []));
  const [first] = refused;
  if (first === undefined) {
    return { kind: 'changed', changes: wishes.flatMap((wish) => (wish.act === 'refuse' ? [] : carryOut(context, batch, trade, wish))) };
  }
  const changes = refused.map(({ kind, standing, reason, fields }): DependentChange => ({
    kind,
    role: 'reject',
    transaction: batch.add(`${kind}_ORDER_REJECT`, {
      ...echoOf(fields, kind),
      tradeID: String(trade.id),
      clientTradeID: trade.clientExtensions?.id,
      reason: standing === null ? 'CLIENT_ORDER' : 'REPLACEMENT',
      intendedReplacesOrderID: standing === null ? undefined : String(standing.id),
      rejectReason: reason,
    }),
  }));
  return { kind: 'rejected', reason: first.reason, changes };
}
