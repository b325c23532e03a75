/** Orders: listed, read, placed, replaced, cancelled and renamed. */
import type { FastifyInstance } from 'fastify';
import { pathText } from './app.ts';
import { newest, notFound, readList } from './queries.ts';
import type { OrderRouteOptions } from './replies.ts';
import { orderReply, receiptOf, rejection } from './replies.ts';
import { addTradeRoutes } from './trade-routes.ts';
import { isBody } from '../engine/bodies.ts';
import type { Order } from '../engine/book.ts';
import { findOrder, pendingOrders } from '../engine/book.ts';
import type { Engine } from '../engine/engine.ts';
import { orderBody } from '../engine/holdings-views.ts';
import { InvalidRequest, invalidValue } from '../engine/requests.ts';
import { atLastId } from '../reads.ts';
import type { Venue } from '../venue.ts';

const ORDER_STATES = ['PENDING', 'FILLED', 'TRIGGERED', 'CANCELLED', 'ALL'];

function listOrders(engine: Engine, query: ReturnType<typeof readList>): Order[] {
  const state = query.state ?? 'PENDING';
  if (!ORDER_STATES.includes(state)) throw invalidValue('state');
  if (state === 'PENDING') return newest(pendingOrders(engine.book), query, () => true);
  return newest([...engine.book.orders.values()], query, (order) => state === 'ALL' || order.status.state === state);
}

function addOrderReads(app: FastifyInstance, engine: Engine): void {
  const orders = '/v3/accounts/:accountId/orders';
  app.get(orders, async (request) => atLastId(engine, { orders: listOrders(engine, readList(request, engine)).map((order) => orderBody(engine, order)) }));
  app.get('/v3/accounts/:accountId/pendingOrders', async () => atLastId(engine, { orders: pendingOrders(engine.book).reverse().map((order) => orderBody(engine, order)) }));
  app.get(`${orders}/:orderSpecifier`, async (request, reply) => {
    const order = findOrder(engine.book, pathText(request, 'orderSpecifier'));
    return order === undefined ? notFound(reply, engine, 'NO_SUCH_ORDER', 'The order ID specified does not exist') : atLastId(engine, { order: orderBody(engine, order) });
  });
}

/** Adds the routes of orders, and those of trades and positions, whose closes are orders. */
export function addOrderRoutes(app: FastifyInstance, venue: Venue, options: OrderRouteOptions): void {
  const orders = '/v3/accounts/:accountId/orders';
  const { engine } = venue;
  const orderOf = (body: unknown): unknown => (isBody(body) ? body['order'] : undefined);
  const location = (orderId: number): string => `/v3/accounts/${engine.settings.accountId}/orders/${orderId}`;
  addOrderReads(app, engine);
  app.post(orders, async (request, reply) => {
    const outcome = venue.request(() => engine.placeOrder(orderOf(request.body), receiptOf(venue, request)));
    const { status, body } = await orderReply(venue, options, outcome, 201, 'orderRejectTransaction');
    if (outcome.kind === 'accepted') reply.header('Location', location(outcome.orderId));
    return reply.code(status).send(body);
  });
  app.put(`${orders}/:orderSpecifier`, async (request, reply) => {
    const outcome = venue.request(() => engine.replaceOrder(pathText(request, 'orderSpecifier'), orderOf(request.body), receiptOf(venue, request)));
    const rejectName = outcome.kind === 'rejected' && outcome.transaction.type === 'ORDER_CANCEL_REJECT' ? 'orderCancelRejectTransaction' : 'orderRejectTransaction';
    const { status, body } = await orderReply(venue, options, outcome, 201, rejectName);
    if (outcome.kind === 'accepted') reply.header('Location', location(outcome.orderId));
    return reply.code(status).send(body);
  });
  app.put(`${orders}/:orderSpecifier/cancel`, async (request, reply) => {
    const outcome = venue.request(() => engine.cancel(pathText(request, 'orderSpecifier'), receiptOf(venue, request)));
    const { status, body } = await orderReply(venue, options, outcome, 200, 'orderCancelRejectTransaction');
    return reply.code(status).send(body);
  });
  app.put(`${orders}/:orderSpecifier/clientExtensions`, async (request, reply) => {
    const outcome = venue.request(() => engine.modifyOrderExtensions(pathText(request, 'orderSpecifier'), request.body, receiptOf(venue, request)));
    if (outcome.kind === 'invalid') throw new InvalidRequest(outcome.message);
    if (outcome.kind === 'rejected') {
      const { status, body } = rejection(venue, 'orderClientExtensionsModifyRejectTransaction', outcome.reason, outcome.transaction);
      return reply.code(status).send(body);
    }
    const [transaction] = outcome.transactions;
    return atLastId(engine, { orderClientExtensionsModifyTransaction: transaction?.body ?? null, relatedTransactionIDs: outcome.transactions.map(({ id }) => String(id)) });
  });
  addTradeRoutes(app, venue, options);
}
