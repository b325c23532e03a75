/** Outcomes of the engine in the broker's reply shapes. */
import type { FastifyRequest } from 'fastify';
import type { Body, Json, Transaction } from '../engine/bodies.ts';
import { isBody } from '../engine/bodies.ts';
import { LEDGER_ONLY_FIELDS } from '../engine/fills.ts';
import type { Outcome, Receipt } from '../engine/engine.ts';
import { InvalidRequest } from '../engine/requests.ts';
import type { Venue } from '../venue.ts';

export interface OrderRouteOptions {
  /** Wait for the fill or cancel of an order that the next price ends: real time does, lockstep cannot. */
  readonly awaitSettlement: boolean;
  /** Longest such wait; the answer then carries the create transaction alone. */
  readonly settlementWaitMs: number;
}

export interface Reply {
  readonly status: number;
  readonly body: Body;
}

/** Sentences for the reject reasons that a client meets most; the code itself serves for the others. */
const REASON_TEXT: { readonly [reason: string]: string } = {
  UNITS_INVALID: 'The units specified are invalid',
  UNITS_MISSING: 'Order units have not been specified',
  UNITS_PRECISION_EXCEEDED: "The units specified contain more precision than is allowed for the Order's instrument",
  UNITS_MINIMUM_NOT_MET: 'The units specified are less than the minimum number of units required',
  UNITS_LIMIT_EXCEEDED: 'The units specified exceeds the maximum number of units allowed',
  PRICE_MISSING: 'A price has not been specified',
  PRICE_INVALID: 'The price specified is invalid',
  PRICE_PRECISION_EXCEEDED: 'The price specified contains more precision than is allowed for the instrument',
  TIME_IN_FORCE_INVALID: 'The TimeInForce specified is invalid',
  TRADE_DOESNT_EXIST: 'The Trade specified does not exist',
  ORDER_DOESNT_EXIST: 'The Order specified does not exist',
  CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE: 'The request to close a Trade specifies more units than the Trade has',
  CLOSEOUT_POSITION_DOESNT_EXIST: 'The Position requested to be closed out does not exist',
  CLOSEOUT_POSITION_UNITS_EXCEED_POSITION_SIZE: 'The request to closeout a Position specifies more units than the Position has',
  CLIENT_ORDER_ID_ALREADY_EXISTS: 'The client Order ID specified is already assigned to another pending Order',
  CLIENT_TRADE_ID_ALREADY_EXISTS: 'The client Trade ID specified is already assigned to another open Trade',
  TAKE_PROFIT_ORDER_ALREADY_EXISTS: 'The Trade already has a Take Profit Order',
  STOP_LOSS_ORDER_ALREADY_EXISTS: 'The Trade already has a Stop Loss Order',
  TRAILING_STOP_LOSS_ORDER_ALREADY_EXISTS: 'The Trade already has a Trailing Stop Loss Order',
  PENDING_ORDERS_ALLOWED_EXCEEDED: 'The maximum number of pending Orders allowed for the Account has been reached',
  INSUFFICIENT_MARGIN: 'The Account has insufficient margin for the Order',
  ACCOUNT_LOCKED: 'The Account is locked',
  ACCOUNT_ORDER_CREATION_LOCKED: 'The Account is locked for Order creation',
};
const reasonText = (reason: string): string => REASON_TEXT[reason] ?? reason;

export const receiptOf = (venue: Venue, request: FastifyRequest): Receipt => ({ at: venue.now, requestId: request.id });
export const idsOf = (transactions: readonly Transaction[]): string[] => transactions.map((transaction) => String(transaction.id));

/** What an error answer says besides its transactions. */
export const refusalFields = (venue: Venue, reason: string, related: readonly Transaction[]): Body => ({
  relatedTransactionIDs: idsOf(related),
  lastTransactionID: String(venue.engine.lastTransactionId),
  errorCode: reason,
  errorMessage: reasonText(reason),
});

const statusOf = (reason: string): number => (reason === 'TRADE_DOESNT_EXIST' || reason === 'ORDER_DOESNT_EXIST' ? 404 : 400);

/** A rejection under the name that the route gives its reject transaction. */
export const rejection = (venue: Venue, name: string, reason: string, transaction: Transaction): Reply => ({
  status: statusOf(reason),
  body: { [name]: transaction.body, ...refusalFields(venue, reason, [transaction]) },
});

/** A fill as the answer to a request has it: without the fields that only reads of the ledger show. */
function withoutLedgerFields(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutLedgerFields);
  if (!isBody(value)) return value;
  const kept: { [key: string]: Json } = {};
  for (const [key, each] of Object.entries(value)) if (!LEDGER_ONLY_FIELDS.includes(key)) kept[key] = withoutLedgerFields(each);
  return kept;
}

const isSettlement = (transaction: Transaction): boolean => transaction.type === 'ORDER_FILL' || transaction.type === 'ORDER_CANCEL';

/** The fill or cancel of an order, with whatever happened in the same batch; nothing when the wait ran out. */
export function settled(venue: Venue, options: OrderRouteOptions, outcome: Outcome): Promise<readonly Transaction[]> | readonly Transaction[] {
  if (outcome.kind !== 'accepted' || !options.awaitSettlement || !outcome.settlesSoon) return [];
  const ownId = String(outcome.orderId);
  if (outcome.transactions.some((each) => isSettlement(each) && each.body['orderID'] === ownId)) return [];
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve([]), options.settlementWaitMs);
    timer.unref();
    venue.onSettled(outcome.orderId, (transaction) => {
      clearTimeout(timer);
      const { engine } = venue;
      resolve(engine.transactions(transaction.id, engine.lastTransactionId).filter((each) => each.body['batchID'] === transaction.body['batchID']));
    });
  });
}

/** Names an order's transactions for an answer: `orderCreateTransaction`, `longOrderFillTransaction` and so on. */
export function namedTransactions(transactions: readonly Transaction[], orderId: number, prefix: string): Body {
  const named: { [key: string]: Json } = {};
  const ownId = String(orderId);
  for (const { id, type, body } of transactions) {
    if (id === orderId) named[`${prefix}CreateTransaction`] = body;
    else if (body['replacesOrderID'] === ownId) named[`${prefix}ReissueTransaction`] = body;
    else if (type === 'ORDER_CANCEL' && body['replacedByOrderID'] === ownId) named[`${prefix}CancelTransaction`] = body;
    else if (body['orderID'] !== ownId) continue;
    else if (type === 'ORDER_FILL') named[`${prefix}FillTransaction`] = withoutLedgerFields(body);
    // An order that replaced another and is cancelled itself has a name of its own for that.
    else if (type === 'ORDER_CANCEL') named[`${prefix}CancelTransaction` in named ? 'replacingOrderCancelTransaction' : `${prefix}CancelTransaction`] = body;
  }
  return named;
}

/** The answer to a request that made, or refused to make, one order. */
export async function orderReply(venue: Venue, options: OrderRouteOptions, outcome: Outcome, successStatus: number, rejectName: string): Promise<Reply> {
  if (outcome.kind === 'invalid') throw new InvalidRequest(outcome.message);
  if (outcome.kind === 'rejected') return rejection(venue, rejectName, outcome.reason, outcome.transaction);
  const transactions = [...outcome.transactions, ...(await settled(venue, options, outcome))];
  const body = {
    ...namedTransactions(transactions, outcome.orderId, 'order'),
    relatedTransactionIDs: idsOf(transactions),
    lastTransactionID: String(venue.engine.lastTransactionId),
  };
  return { status: successStatus, body };
}
