/** Reads of the account: summaries, instruments, changes, positions, trades, orders and transactions. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { pathText, queryText } from './app.ts';
import { HttpError } from './errors.ts';
import type { Body, Json, Transaction } from '../engine/bodies.ts';
import { isBody } from '../engine/bodies.ts';
import type { Order, Trade } from '../engine/book.ts';
import { findOrder, findTrade, marketOf, openTrades, pendingOrders } from '../engine/book.ts';
import type { Engine } from '../engine/engine.ts';
import { InvalidRequest, invalidValue } from '../engine/requests.ts';
import { orderBody, positionBodies, positionBody, tradeBody } from '../engine/holdings-views.ts';
import { accountBody, accountSummaryBody, instrumentBody, stateBody } from '../engine/views.ts';
import type { Venue } from '../venue.ts';

const LIST_COUNT_DEFAULT = 50;
const LIST_COUNT_MAX = 500;
/** Transactions in one answer of sinceid, idrange and changes. */
const TRANSACTIONS_MAX = 1_000;

/** Adds the id at which the account was read. */
const atLastId = (engine: Engine, body: Body): Body => ({ ...body, lastTransactionID: String(engine.lastTransactionId) });

function readId(request: FastifyRequest, name: string): number {
  const text = queryText(request, name);
  if (text === undefined) throw new InvalidRequest(`The request was missing required data: '${name}'`);
  if (!/^\d{1,15}$/.test(text)) throw invalidValue(name);
  return Number(text);
}

interface ListQuery {
  readonly count: number;
  readonly beforeId: number;
  readonly ids: ReadonlySet<string> | null;
  readonly instrument: string | undefined;
  readonly state: string | undefined;
}

function readList(request: FastifyRequest): ListQuery {
  const count = queryText(request, 'count') ?? String(LIST_COUNT_DEFAULT);
  const beforeId = queryText(request, 'beforeID');
  if (!/^\d{1,3}$/.test(count) || Number(count) === 0 || Number(count) > LIST_COUNT_MAX) throw invalidValue('count');
  if (beforeId !== undefined && !/^\d{1,15}$/.test(beforeId)) throw invalidValue('beforeID');
  const ids = queryText(request, 'ids');
  return {
    count: Number(count),
    beforeId: beforeId === undefined ? Infinity : Number(beforeId),
    ids: ids === undefined ? null : new Set(ids.split(',')),
    instrument: queryText(request, 'instrument'),
    state: queryText(request, 'state'),
  };
}

/** Newest first, at most `count` of those that match. */
function newest<Item extends { readonly id: number; readonly instrument: string }>(items: readonly Item[], query: ListQuery, inState: (item: Item) => boolean): Item[] {
  const found: Item[] = [];
  for (let index = items.length - 1; index >= 0 && found.length < query.count; index -= 1) {
    const item = items[index];
    if (item === undefined || item.id >= query.beforeId || !inState(item)) continue;
    if (query.ids !== null && !query.ids.has(String(item.id))) continue;
    if (query.instrument !== undefined && item.instrument !== query.instrument) continue;
    found.push(item);
  }
  return found;
}

function listTrades(engine: Engine, query: ListQuery): Trade[] {
  const state = query.state ?? 'OPEN';
  if (!['OPEN', 'CLOSED', 'CLOSE_WHEN_TRADEABLE', 'ALL'].includes(state)) throw invalidValue('state');
  if (state === 'OPEN') return newest(openTrades(engine.book), query, () => true);
  return newest([...engine.book.trades.values()], query, (trade) => state === 'ALL' || (state === 'CLOSED' && trade.closedAt !== null));
}

function listOrders(engine: Engine, query: ListQuery): Order[] {
  const state = query.state ?? 'PENDING';
  if (!['PENDING', 'FILLED', 'TRIGGERED', 'CANCELLED', 'ALL'].includes(state)) throw invalidValue('state');
  if (state === 'PENDING') return newest(pendingOrders(engine.book), query, () => true);
  return newest([...engine.book.orders.values()], query, (order) => state === 'ALL' || order.status.state === state);
}

const isTransactionOf = (transaction: Transaction, types: ReadonlySet<string> | null): boolean => types === null || types.has(transaction.type);

/** Pages of transactions, checked against the ids that exist. */
function transactionRange(engine: Engine, first: number, last: number, types: ReadonlySet<string> | null): Json {
  return engine.transactions(first, Math.min(last, first + TRANSACTIONS_MAX - 1)).filter((each) => isTransactionOf(each, types)).map((each) => each.body);
}

/** What happened since a transaction, sorted into the lists of GET changes. */
function changesBody(engine: Engine, sinceId: number): Body {
  if (sinceId < 1 || sinceId > engine.lastTransactionId) throw new HttpError(416, "Invalid value specified for 'sinceTransactionID'");
  if (engine.lastTransactionId - sinceId > TRANSACTIONS_MAX) throw new HttpError(416, `More than ${TRANSACTIONS_MAX} transactions lie behind 'sinceTransactionID'; read the account afresh`);
  const transactions = engine.transactions(sinceId + 1, engine.lastTransactionId);
  const orders = new Map<number, Order>();
  const trades = new Map<number, Trade>();
  const instruments = new Set<string>();
  const note = (trade: Trade | undefined): void => {
    if (trade === undefined) return;
    trades.set(trade.id, trade);
    instruments.add(trade.instrument);
  };
  for (const { id, body } of transactions) {
    const order = engine.book.orders.get(id) ?? engine.book.orders.get(Number(body['orderID']));
    if (order !== undefined) orders.set(order.id, order);
    for (const part of [body['tradeOpened'], body['tradeReduced'], body['tradesClosed']].flat()) {
      if (isBody(part)) note(engine.book.trades.get(Number(part['tradeID'])));
    }
    if (body['type'] === 'DAILY_FINANCING') for (const trade of openTrades(engine.book)) note(trade);
  }
  const ordersIn = (wanted: (order: Order) => boolean): Json => [...orders.values()].filter(wanted).map((order) => orderBody(engine, order));
  const tradesIn = (wanted: (trade: Trade) => boolean): Json => [...trades.values()].filter(wanted).map((trade) => tradeBody(engine, trade, 'ids'));
  return {
    changes: {
      ordersCreated: ordersIn((order) => order.id > sinceId && order.status.state === 'PENDING'),
      ordersCancelled: ordersIn((order) => order.status.state === 'CANCELLED'),
      ordersFilled: ordersIn((order) => order.status.state === 'FILLED'),
      ordersTriggered: [],
      tradesOpened: tradesIn((trade) => trade.id > sinceId && trade.closedAt === null),
      tradesReduced: tradesIn((trade) => trade.id <= sinceId && trade.closedAt === null && trade.closingTransactionIds.some((id) => id > sinceId)),
      tradesClosed: tradesIn((trade) => trade.closedAt !== null),
      positions: [...instruments].map((instrument) => positionBody(engine, marketOf(engine.book, instrument))),
      transactions: transactions.map((each) => each.body),
    },
    state: stateBody(engine),
  };
}

function addTransactionRoutes(app: FastifyInstance, engine: Engine): void {
  const types = (request: FastifyRequest): ReadonlySet<string> | null => {
    const text = queryText(request, 'type');
    return text === undefined ? null : new Set(text.split(','));
  };
  app.get('/v3/accounts/:accountId/transactions/sinceid', async (request) => {
    const id = readId(request, 'id');
    if (id > engine.lastTransactionId) throw new HttpError(416, "Invalid value specified for 'id'");
    return atLastId(engine, { transactions: transactionRange(engine, id + 1, engine.lastTransactionId, types(request)) });
  });
  app.get('/v3/accounts/:accountId/transactions/idrange', async (request) => {
    const [from, to] = [readId(request, 'from'), readId(request, 'to')];
    if (from < 1 || to < from || to > engine.lastTransactionId) throw new HttpError(416, "Invalid value specified for 'from' or 'to'");
    if (to - from >= TRANSACTIONS_MAX) throw new InvalidRequest("Maximum value for 'to' exceeded");
    return atLastId(engine, { transactions: transactionRange(engine, from, to, types(request)) });
  });
  app.get('/v3/accounts/:accountId/transactions/:transactionId', async (request) => {
    const text = pathText(request, 'transactionId');
    const transaction = /^\d{1,15}$/.test(text) ? engine.transaction(Number(text)) : undefined;
    if (transaction === undefined) throw new HttpError(404, 'The transaction ID specified does not exist');
    return atLastId(engine, { transaction: transaction.body });
  });
}

/** Adds every read of the account. */
export function addAccountRoutes(app: FastifyInstance, { engine }: Venue): void {
  const account = '/v3/accounts/:accountId';
  const { book } = engine;
  app.get('/v3/accounts', async () => ({ accounts: [{ id: engine.settings.accountId, tags: [] }] }));
  app.get(account, async () => atLastId(engine, { account: accountBody(engine) }));
  app.get(`${account}/summary`, async () => atLastId(engine, { account: accountSummaryBody(engine) }));
  app.get(`${account}/instruments`, async (request) => {
    const names = queryText(request, 'instruments')?.split(',') ?? [...book.markets.keys()];
    if (names.some((name) => !book.markets.has(name))) throw invalidValue('instruments');
    return atLastId(engine, { instruments: names.map((name) => instrumentBody(engine, marketOf(book, name))) });
  });
  app.get(`${account}/changes`, async (request) => atLastId(engine, changesBody(engine, readId(request, 'sinceTransactionID'))));

  app.get(`${account}/positions`, async () => atLastId(engine, { positions: positionBodies(engine, 'ever traded') }));
  app.get(`${account}/openPositions`, async () => atLastId(engine, { positions: positionBodies(engine, 'open') }));
  app.get(`${account}/positions/:instrument`, async (request, reply) => {
    const market = book.markets.get(pathText(request, 'instrument'));
    if (market === undefined) throw invalidValue('instrument');
    if (market.everTraded) return atLastId(engine, { position: positionBody(engine, market) });
    return reply.code(404).send({ errorCode: 'NO_SUCH_POSITION', errorMessage: 'The position requested does not exist', lastTransactionID: String(engine.lastTransactionId) });
  });

  app.get(`${account}/trades`, async (request) => atLastId(engine, { trades: listTrades(engine, readList(request)).map((trade) => tradeBody(engine, trade, 'full')) }));
  app.get(`${account}/openTrades`, async () => atLastId(engine, { trades: openTrades(book).reverse().map((trade) => tradeBody(engine, trade, 'full')) }));
  app.get(`${account}/trades/:tradeSpecifier`, async (request, reply) => {
    const trade = findTrade(book, pathText(request, 'tradeSpecifier'));
    if (trade !== undefined) return atLastId(engine, { trade: tradeBody(engine, trade, 'full') });
    return reply.code(404).send({ errorCode: 'NO_SUCH_TRADE', errorMessage: 'The trade ID specified does not exist', lastTransactionID: String(engine.lastTransactionId) });
  });

  app.get(`${account}/orders`, async (request) => atLastId(engine, { orders: listOrders(engine, readList(request)).map((order) => orderBody(engine, order)) }));
  app.get(`${account}/pendingOrders`, async () => atLastId(engine, { orders: pendingOrders(book).reverse().map((order) => orderBody(engine, order)) }));
  app.get(`${account}/orders/:orderSpecifier`, async (request, reply) => {
    const order = findOrder(book, pathText(request, 'orderSpecifier'));
    if (order !== undefined) return atLastId(engine, { order: orderBody(engine, order) });
    return reply.code(404).send({ errorCode: 'NO_SUCH_ORDER', errorMessage: 'The order ID specified does not exist', lastTransactionID: String(engine.lastTransactionId) });
  });
  addTransactionRoutes(app, engine);
}
