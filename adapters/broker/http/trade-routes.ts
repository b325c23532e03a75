/** Trades and positions: listed, read, closed, and given their dependent orders. */
import type { FastifyInstance } from 'fastify';
import { pathText } from './app.ts';
import { newest, notFound, readList } from './queries.ts';
import type { OrderRouteOptions, Reply } from './replies.ts';
import { idsOf, namedTransactions, orderReply, receiptOf, refusalFields, rejection, settled } from './replies.ts';
import type { Json, Transaction } from '../engine/bodies.ts';
import type { DependentKind, Trade } from '../engine/book.ts';
import { findTrade, marketOf, openTrades } from '../engine/book.ts';
import type { Engine, Receipt } from '../engine/engine.ts';
import { positionBodies, positionBody, tradeBody, tradeState } from '../engine/holdings-views.ts';
import { InvalidRequest, invalidValue } from '../engine/requests.ts';
import { atLastId, readOpenPositions } from '../reads.ts';
import type { Venue } from '../venue.ts';

const TRADE_STATES = ['OPEN', 'CLOSED', 'CLOSE_WHEN_TRADEABLE', 'ALL'];
const NO_SUCH_TRADE = ['NO_SUCH_TRADE', 'The trade ID specified does not exist'] as const;

function listTrades(engine: Engine, query: ReturnType<typeof readList>): Trade[] {
  const state = query.state ?? 'OPEN';
  if (!TRADE_STATES.includes(state)) throw invalidValue('state');
  const trades = state === 'OPEN' ? openTrades(engine.book) : [...engine.book.trades.values()];
  return newest(trades, query, (trade) => state === 'ALL' || tradeState(trade) === state);
}

const PREFIX_OF: { readonly [kind in DependentKind]: string } = { TAKE_PROFIT: 'takeProfitOrder', STOP_LOSS: 'stopLossOrder', TRAILING_STOP_LOSS: 'trailingStopLossOrder' };
const SUFFIX_OF = { cancel: 'CancelTransaction', create: 'Transaction', reject: 'RejectTransaction' } as const;

/** Answers a change of a trade's dependent orders; null for a trade that there is not. */
export function tradeOrdersReply(venue: Venue, specifier: string, content: unknown, receipt: Receipt): Reply | null {
  const { engine } = venue;
  const outcome = venue.request(() => engine.setTradeOrders(specifier, content, receipt));
  if (outcome.kind === 'invalid') throw new InvalidRequest(outcome.message);
  if (outcome.kind === 'no trade') return null;
  const fields: { [key: string]: Json } = {};
  for (const { kind, role, transaction } of outcome.changes) fields[`${PREFIX_OF[kind]}${SUFFIX_OF[role]}`] = transaction.body;
  const related = outcome.changes.map((change) => change.transaction);
  if (outcome.kind === 'rejected') return { status: 400, body: { ...fields, ...refusalFields(venue, outcome.reason, related) } };
  return { status: 200, body: atLastId(engine, { ...fields, relatedTransactionIDs: idsOf(related) }) };
}

function addTradeReads(app: FastifyInstance, engine: Engine): void {
  const account = '/v3/accounts/:accountId';
  app.get(`${account}/trades`, async (request) => atLastId(engine, { trades: listTrades(engine, readList(request, engine)).map((trade) => tradeBody(engine, trade, 'full')) }));
  app.get(`${account}/openTrades`, async () => atLastId(engine, { trades: openTrades(engine.book).reverse().map((trade) => tradeBody(engine, trade, 'full')) }));
  app.get(`${account}/trades/:tradeSpecifier`, async (request, reply) => {
    const trade = findTrade(engine.book, pathText(request, 'tradeSpecifier'));
    return trade === undefined ? notFound(reply, engine, ...NO_SUCH_TRADE) : atLastId(engine, { trade: tradeBody(engine, trade, 'full') });
  });
}

/** The status that goes with a position that is not there: both have been recorded, so a switch decides. */
function missingPositionStatus(engine: Engine, instrument: string): number {
  const choice = engine.settings.switches.missingPositionStatus;
  if (choice !== '404 when flat') return Number(choice);
  return marketOf(engine.book, instrument).openTrades.length === 0 ? 404 : 400;
}

/** Answers a closeout of a position. @throws InvalidRequest for a request that is none. */
export async function closePositionReply(venue: Venue, options: OrderRouteOptions, instrument: string, content: unknown, receipt: Receipt): Promise<Reply> {
  const { engine } = venue;
  const outcome = venue.request(() => engine.closePosition(instrument, content, receipt));
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
  if (refusal === null) return { status: 200, body: atLastId(engine, { ...fields, relatedTransactionIDs: idsOf(related) }) };
  const status = refusal === 'CLOSEOUT_POSITION_DOESNT_EXIST' ? missingPositionStatus(engine, instrument) : 400;
  return { status, body: { ...fields, ...refusalFields(venue, refusal, related) } };
}

function addPositionRoutes(app: FastifyInstance, venue: Venue, options: OrderRouteOptions): void {
  const account = '/v3/accounts/:accountId';
  const { engine } = venue;
  app.get(`${account}/positions`, async () => atLastId(engine, { positions: positionBodies(engine, 'ever traded') }));
  app.get(`${account}/openPositions`, async () => readOpenPositions(engine));
  app.get(`${account}/positions/:instrument`, async (request, reply) => {
    const market = engine.book.markets.get(pathText(request, 'instrument'));
    if (market === undefined) throw invalidValue('instrument');
    return market.everTraded ? atLastId(engine, { position: positionBody(engine, market) }) : notFound(reply, engine, 'NO_SUCH_POSITION', 'The position requested does not exist');
  });
  app.put(`${account}/positions/:instrument/close`, async (request, reply) => {
    const { status, body } = await closePositionReply(venue, options, pathText(request, 'instrument'), request.body, receiptOf(venue, request));
    return reply.code(status).send(body);
  });
}

/** Adds the routes of trades and positions. */
export function addTradeRoutes(app: FastifyInstance, venue: Venue, options: OrderRouteOptions): void {
  const trade = '/v3/accounts/:accountId/trades/:tradeSpecifier';
  const { engine } = venue;
  addTradeReads(app, engine);
  app.put(`${trade}/close`, async (request, reply) => {
    const outcome = venue.request(() => engine.closeTrade(pathText(request, 'tradeSpecifier'), request.body, receiptOf(venue, request)));
    const { status, body } = await orderReply(venue, options, outcome, 200, 'orderRejectTransaction');
    return reply.code(status).send(body);
  });
  app.put(`${trade}/clientExtensions`, async (request, reply) => {
    const outcome = venue.request(() => engine.modifyTradeExtensions(pathText(request, 'tradeSpecifier'), request.body, receiptOf(venue, request)));
    if (outcome.kind === 'invalid') throw new InvalidRequest(outcome.message);
    if (outcome.kind === 'rejected') {
      const { status, body } = rejection(venue, 'tradeClientExtensionsModifyRejectTransaction', outcome.reason, outcome.transaction);
      return reply.code(status).send(body);
    }
    return atLastId(engine, { tradeClientExtensionsModifyTransaction: outcome.transaction.body, relatedTransactionIDs: idsOf([outcome.transaction]) });
  });
  app.put(`${trade}/orders`, async (request, reply) => {
    const answer = tradeOrdersReply(venue, pathText(request, 'tradeSpecifier'), request.body, receiptOf(venue, request));
    return answer === null ? notFound(reply, engine, ...NO_SUCH_TRADE) : reply.code(answer.status).send(answer.body);
  });
  addPositionRoutes(app, venue, options);
}
