/** Writes: orders, closes and cancels, answered in the broker's shapes. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { pathText } from './app.ts';
import type { Json, Transaction } from '../engine/bodies.ts';
import { isBody } from '../engine/bodies.ts';
import { marketOf } from '../engine/book.ts';
import type { Outcome } from '../engine/engine.ts';
import { InvalidRequest } from '../engine/requests.ts';
import type { Venue } from '../venue.ts';

interface OrderRouteOptions {
  /** Wait for the fill or cancel of a market order before answering: real time does, lockstep cannot. */
  readonly awaitSettlement: boolean;
  /** Longest such wait; the answer then carries the create transaction alone. */
  readonly settlementWaitMs: number;
}

interface Reply {
  readonly status: number;
  readonly body: { readonly [key: string]: Json };
}

/** Sentences for the reject reasons that a client meets most; the code itself serves for the others. */
const REASON_TEXT: { readonly [reason: string]: string } = {
  UNITS_INVALID: 'The units specified are invalid',
  UNITS_MISSING: 'Order units have not been specified',
  UNITS_PRECISION_EXCEEDED: 'The units specified contain more precision than is allowed for the Order\'s instrument',
  UNITS_MINIMUM_NOT_MET: 'The units specified are less than the minimum number of units required',
  UNITS_LIMIT_EXCEEDED: 'The units specified exceeds the maximum number of units allowed',
  TIME_IN_FORCE_INVALID: 'The TimeInForce specified is invalid',
  TRADE_DOESNT_EXIST: 'The Trade specified does not exist',
  ORDER_DOESNT_EXIST: 'The Order specified does not exist',
  CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE: 'The request to close a Trade specifies more units than the Trade has',
  CLOSEOUT_POSITION_DOESNT_EXIST: 'The Position requested to be closed out does not exist',
  CLOSEOUT_POSITION_UNITS_EXCEED_POSITION_SIZE: 'The request to closeout a Position specifies more units than the Position has',
  CLIENT_ORDER_ID_ALREADY_EXISTS: 'The client Order ID specified is already assigned to another pending Order',
};
const reasonText = (reason: string): string => REASON_TEXT[reason] ?? reason;

const isSettlement = (transaction: Transaction): boolean => transaction.type === 'ORDER_FILL' || transaction.type === 'ORDER_CANCEL';

/** The fill or cancel of an order, with whatever happened in the same batch; nothing when the wait ran out. */
function settled(venue: Venue, options: OrderRouteOptions, outcome: Outcome): Promise<readonly Transaction[]> | readonly Transaction[] {
  if (outcome.kind !== 'accepted' || !options.awaitSettlement || outcome.transactions.some(isSettlement)) return [];
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
function namedTransactions(transactions: readonly Transaction[], orderId: number, prefix: string): { readonly [key: string]: Json } {
  const named: { [key: string]: Json } = {};
  for (const transaction of transactions) {
    if (transaction.id === orderId) named[`${prefix}CreateTransaction`] = transaction.body;
    else if (transaction.body['orderID'] !== String(orderId)) continue;
    else if (transaction.type === 'ORDER_FILL') named[`${prefix}FillTransaction`] = transaction.body;
    else if (transaction.type === 'ORDER_CANCEL') named[`${prefix}CancelTransaction`] = transaction.body;
  }
  return named;
}

const idsOf = (transactions: readonly Transaction[]): string[] => transactions.map((transaction) => String(transaction.id));

/** The answer to a request that made, or refused to make, one order. */
async function orderReply(venue: Venue, options: OrderRouteOptions, outcome: Outcome, successStatus: number, rejectName: string): Promise<Reply> {
  const { engine } = venue;
  if (outcome.kind === 'invalid') throw new InvalidRequest(outcome.message);
  if (outcome.kind === 'rejected') {
    const missing = outcome.reason === 'TRADE_DOESNT_EXIST' || outcome.reason === 'ORDER_DOESNT_EXIST';
    const body = {
      [rejectName]: outcome.transaction.body,
      relatedTransactionIDs: idsOf([outcome.transaction]),
      lastTransactionID: String(engine.lastTransactionId),
      errorCode: outcome.reason,
      errorMessage: reasonText(outcome.reason),
    };
    return { status: missing ? 404 : 400, body };
  }
  const transactions = [...outcome.transactions, ...(await settled(venue, options, outcome))];
  const body = {
    ...namedTransactions(transactions, outcome.orderId, 'order'),
    relatedTransactionIDs: idsOf(transactions),
    lastTransactionID: String(engine.lastTransactionId),
  };
  return { status: successStatus, body };
}

async function closePositionReply(venue: Venue, options: OrderRouteOptions, request: FastifyRequest): Promise<Reply> {
  const { engine } = venue;
  const receipt = { at: venue.now, requestId: request.id };
  const instrument = pathText(request, 'instrument');
  const outcome = venue.request(() => engine.closePosition(instrument, request.body, receipt));
  if (outcome.kind === 'invalid') throw new InvalidRequest(outcome.message);
  const fields: { [key: string]: Json } = {};
  const related: Transaction[] = [];
  let refusal: string | null = null;
  for (const { side, outcome: sideOutcome } of outcome.sides) {
    if (sideOutcome.kind === 'invalid') throw new InvalidRequest(sideOutcome.message);
    if (sideOutcome.kind === 'rejected') {
      refusal ??= sideOutcome.reason;
      fields[`${side}OrderRejectTransaction`] = sideOutcome.transaction.body;
      related.push(sideOutcome.transaction);
      continue;
    }
    const transactions = [...sideOutcome.transactions, ...(await settled(venue, options, sideOutcome))];
    related.push(...transactions);
    Object.assign(fields, namedTransactions(transactions, sideOutcome.orderId, `${side}Order`));
  }
  const body = { ...fields, relatedTransactionIDs: idsOf(related), lastTransactionID: String(engine.lastTransactionId) };
  if (refusal === null) return { status: 200, body };
  // Both 400 and 404 have been recorded for a flat instrument; 404 is this broker's choice for it.
  const flat = refusal === 'CLOSEOUT_POSITION_DOESNT_EXIST' && marketOf(engine.book, instrument).openTrades.length === 0;
  return { status: flat ? 404 : 400, body: { ...body, errorCode: refusal, errorMessage: reasonText(refusal) } };
}

/** Adds every write. */
export function addOrderRoutes(app: FastifyInstance, venue: Venue, options: OrderRouteOptions): void {
  const account = '/v3/accounts/:accountId';
  const { engine } = venue;
  app.post(`${account}/orders`, async (request, reply) => {
    const order = isBody(request.body) ? request.body['order'] : undefined;
    const outcome = venue.request(() => engine.placeOrder(order, { at: venue.now, requestId: request.id }));
    const { status, body } = await orderReply(venue, options, outcome, 201, 'orderRejectTransaction');
    if (outcome.kind === 'accepted') reply.header('Location', `/v3/accounts/${engine.settings.accountId}/orders/${outcome.orderId}`);
    return reply.code(status).send(body);
  });
  app.put(`${account}/orders/:orderSpecifier/cancel`, async (request, reply) => {
    const outcome = venue.request(() => engine.cancel(pathText(request, 'orderSpecifier'), { at: venue.now, requestId: request.id }));
    const { status, body } = await orderReply(venue, options, outcome, 200, 'orderCancelRejectTransaction');
    return reply.code(status).send(body);
  });
  app.put(`${account}/trades/:tradeSpecifier/close`, async (request, reply) => {
    const outcome = venue.request(() => engine.closeTrade(pathText(request, 'tradeSpecifier'), request.body, { at: venue.now, requestId: request.id }));
    const { status, body } = await orderReply(venue, options, outcome, 200, 'orderRejectTransaction');
    return reply.code(status).send(body);
  });
  app.put(`${account}/positions/:instrument/close`, async (request, reply) => {
    const { status, body } = await closePositionReply(venue, options, request);
    return reply.code(status).send(body);
  });
}
