/** The account: listed, read whole or in summary, its instruments, its changes, and its configuration. */
import type { FastifyInstance } from 'fastify';
import { queryText } from './app.ts';
import { HttpError } from './errors.ts';
import { readId } from './queries.ts';
import { receiptOf, refusalFields } from './replies.ts';
import { addTransactionRoutes } from './transaction-routes.ts';
import type { Body, Json, Transaction } from '../engine/bodies.ts';
import { isBody } from '../engine/bodies.ts';
import type { Order, Trade } from '../engine/book.ts';
import { marketOf } from '../engine/book.ts';
import type { Engine } from '../engine/engine.ts';
import { orderBody, positionBody, tradeBody } from '../engine/holdings-views.ts';
import { InvalidRequest, invalidValue } from '../engine/requests.ts';
import { stateBody } from '../engine/views.ts';
import { TRANSACTIONS_MAX, atLastId, readAccount, readInstruments, readSummary } from '../reads.ts';
import type { Venue } from '../venue.ts';

/** What transactions touched. */
interface Touched {
  readonly orders: ReadonlyMap<number, Order>;
  readonly trades: ReadonlyMap<number, Trade>;
  readonly instruments: ReadonlySet<string>;
}

function touchedBy(engine: Engine, transactions: readonly Transaction[]): Touched {
  const { book } = engine;
  const orders = new Map<number, Order>();
  const trades = new Map<number, Trade>();
  const instruments = new Set<string>();
  const noteTrade = (id: unknown): void => {
    const trade = book.trades.get(Number(id));
    if (trade !== undefined) trades.set(trade.id, trade);
  };
  const noteInstrument = (name: unknown): void => {
    if (typeof name === 'string' && book.markets.has(name)) instruments.add(name);
  };
  for (const { id, type, body } of transactions) {
    const order = book.orders.get(id) ?? book.orders.get(Number(body['orderID']));
    if (order !== undefined) orders.set(order.id, order);
    if (type === 'ORDER_FILL' || type === 'DIVIDEND_ADJUSTMENT') noteInstrument(body['instrument']);
    for (const part of [body['tradeOpened'], body['tradeReduced'], body['tradesClosed']].flat()) if (isBody(part)) noteTrade(part['tradeID']);
    // Financing changes the position without a fill.
    for (const financed of [body['positionFinancings'] ?? []].flat()) if (isBody(financed)) noteInstrument(financed['instrument']);
  }
  return { orders, trades, instruments };
}

/** What happened since a transaction, sorted into the lists of GET changes. */
function changesBody(engine: Engine, sinceId: number): Body {
  if (sinceId < 1 || sinceId > engine.lastTransactionId) throw new HttpError(416, "Invalid value specified for 'sinceTransactionID'");
  if (engine.lastTransactionId - sinceId > TRANSACTIONS_MAX) throw new HttpError(416, `More than ${TRANSACTIONS_MAX} transactions lie behind 'sinceTransactionID'; read the account afresh`);
  const transactions = engine.transactions(sinceId + 1, engine.lastTransactionId);
  const { orders, trades, instruments } = touchedBy(engine, transactions);
  const ordersIn = (wanted: (order: Order) => boolean): Json => [...orders.values()].filter(wanted).map((order) => orderBody(engine, order));
  const tradesIn = (wanted: (trade: Trade) => boolean): Json => [...trades.values()].filter(wanted).map((trade) => tradeBody(engine, trade, 'ids'));
  return {
    changes: {
      // An order that was created and ended in between stands in both lists; so does a trade.
      ordersCreated: ordersIn((order) => order.id > sinceId),
      ordersCancelled: ordersIn((order) => order.status.state === 'CANCELLED'),
      ordersFilled: ordersIn((order) => order.status.state === 'FILLED'),
      ordersTriggered: [],
      tradesOpened: tradesIn((trade) => trade.id > sinceId),
      tradesReduced: tradesIn((trade) => trade.closedAt === null && trade.closingTransactionIds.some((id) => id > sinceId)),
      tradesClosed: tradesIn((trade) => trade.closedAt !== null),
      positions: [...instruments].map((instrument) => positionBody(engine, marketOf(engine.book, instrument))),
      transactions: transactions.map((each) => each.body),
    },
    state: stateBody(engine),
  };
}

function addConfiguration(app: FastifyInstance, venue: Venue): void {
  const { engine } = venue;
  app.patch('/v3/accounts/:accountId/configuration', async (request, reply) => {
    const outcome = venue.request(() => engine.configure(request.body, receiptOf(venue, request)));
    if (outcome.kind === 'invalid') throw new InvalidRequest(outcome.message);
    if (outcome.kind === 'configured') return atLastId(engine, { clientConfigureTransaction: outcome.transaction.body });
    const locked = outcome.reason === 'ACCOUNT_LOCKED' || outcome.reason === 'ACCOUNT_CONFIGURATION_LOCKED';
    return reply.code(locked ? 403 : 400).send({ clientConfigureRejectTransaction: outcome.transaction.body, ...refusalFields(venue, outcome.reason, [outcome.transaction]) });
  });
}

/** Adds the routes of the account and of its ledger. */
export function addAccountRoutes(app: FastifyInstance, venue: Venue): void {
  const account = '/v3/accounts/:accountId';
  const { engine } = venue;
  const { book } = engine;
  app.get('/v3/accounts', async () => ({ accounts: [{ id: engine.settings.accountId, tags: [] }] }));
  app.get(account, async () => readAccount(engine));
  app.get(`${account}/summary`, async () => readSummary(engine));
  app.get(`${account}/instruments`, async (request) => {
    const names = queryText(request, 'instruments')?.split(',') ?? [...book.markets.keys()];
    if (names.some((name) => !book.markets.has(name))) throw invalidValue('instruments');
    return readInstruments(engine, names);
  });
  app.get(`${account}/changes`, async (request) => atLastId(engine, changesBody(engine, readId(request, 'sinceTransactionID'))));
  addConfiguration(app, venue);
  addTransactionRoutes(app, venue);
}
