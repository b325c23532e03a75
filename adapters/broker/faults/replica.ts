/**
 * A replica that has stopped following: it answers reads of the account from the moment at which it stopped, with
 * the last transaction id of that moment, while writes and streams go on.
 */
import type { Body, Json } from '../engine/bodies.ts';
import { isBody } from '../engine/bodies.ts';
import { marketOf, openTrades, pendingOrders } from '../engine/book.ts';
import type { Engine } from '../engine/engine.ts';
import { orderBody, positionBodies, positionBody, tradeBody } from '../engine/holdings-views.ts';
import { accountBody, accountSummaryBody } from '../engine/views.ts';

export interface Replica {
  readonly lastTransactionId: number;
  /** Snapshots by path below the account. */
  readonly answers: ReadonlyMap<string, Body>;
}

const idOf = (body: Body): string => (typeof body['id'] === 'string' ? body['id'] : '');

export function captureReplica(engine: Engine): Replica {
  const { book, lastTransactionId } = engine;
  const at = (body: Body): Body => ({ ...body, lastTransactionID: String(lastTransactionId) });
  const trades = openTrades(book).reverse().map((trade) => tradeBody(engine, trade, 'full'));
  const orders = pendingOrders(book).reverse().map((order) => orderBody(engine, order));
  const positions = [...book.markets.values()].filter((market) => market.everTraded);
  return {
    lastTransactionId,
    answers: new Map([
      ['/', at({ account: accountBody(engine) })],
      ['/summary', at({ account: accountSummaryBody(engine) })],
      ['/positions', at({ positions: positionBodies(engine, 'ever traded') })],
      ['/openPositions', at({ positions: positionBodies(engine, 'open') })],
      ['/openTrades', at({ trades })],
      ['/trades', at({ trades })],
      ['/pendingOrders', at({ orders })],
      ['/orders', at({ orders })],
      ...positions.map(({ settings: { instrument } }): [string, Body] => [`/positions/${instrument.name}`, at({ position: positionBody(engine, marketOf(book, instrument.name)) })]),
      ...trades.map((trade): [string, Body] => [`/trades/${idOf(trade)}`, at({ trade })]),
      ...orders.map((order): [string, Body] => [`/orders/${idOf(order)}`, at({ order })]),
    ]),
  };
}

const known = (replica: Replica, item: Json): boolean => !isBody(item) || Number(item['id']) <= replica.lastTransactionId;

/** What the replica answers where the account itself would have given `answer`; null where it has nothing to say. */
export function staleAnswer(replica: Replica, path: string, answer: Body): { readonly status: number; readonly body: Body } | null {
  const snapshot = replica.answers.get(path);
  if (snapshot !== undefined) return { status: 200, body: snapshot };
  const lastTransactionID = String(replica.lastTransactionId);
  const { transactions, transaction } = answer;
  if (Array.isArray(transactions)) return { status: 200, body: { ...answer, transactions: transactions.filter((item: Json) => known(replica, item)), lastTransactionID } };
  if (isBody(transaction) && !known(replica, transaction)) return { status: 404, body: { errorMessage: 'The transaction ID specified does not exist', lastTransactionID } };
  if (/^\/(?:trades|orders)\/[^/]+$/.test(path)) return { status: 404, body: { errorCode: path.startsWith('/trades') ? 'NO_SUCH_TRADE' : 'NO_SUCH_ORDER', errorMessage: 'The ID specified does not exist', lastTransactionID } };
  return null;
}
