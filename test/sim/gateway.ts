/** The local broker's routes without a server: the same views and replies that its HTTP side serves, at no time's cost. */
import { candlesBody } from '../../adapters/broker/candles.ts';
import type { CandleQuery } from '../../adapters/broker/candles.ts';
import type { Body } from '../../adapters/broker/engine/bodies.ts';
import { isBody } from '../../adapters/broker/engine/bodies.ts';
import type { Engine } from '../../adapters/broker/engine/engine.ts';
import { positionBodies } from '../../adapters/broker/engine/holdings-views.ts';
import { InvalidRequest } from '../../adapters/broker/engine/requests.ts';
import { accountBody, accountSummaryBody, instrumentBody } from '../../adapters/broker/engine/views.ts';
import { invalidBody } from '../../adapters/broker/http/app.ts';
import { atLastId } from '../../adapters/broker/http/queries.ts';
import type { Reply } from '../../adapters/broker/http/replies.ts';
import { orderReply } from '../../adapters/broker/http/replies.ts';
import { closePositionReply, tradeOrdersReply } from '../../adapters/broker/http/trade-routes.ts';
import { TRANSACTIONS_MAX } from '../../adapters/broker/http/transaction-routes.ts';
import type { Venue } from '../../adapters/broker/venue.ts';
import type { OrderRequest } from '../../domain/broker.ts';

/** Answers at once: what an order comes to is the ledger's to tell. */
const AT_ONCE = { awaitSettlement: false, settlementWaitMs: 0 };

export class Gateway {
  readonly #venue: Venue;
  #requests = 0;

  constructor(venue: Venue) {
    this.#venue = venue;
  }

  get engine(): Engine {
    return this.#venue.engine;
  }

  instruments(): Body {
    return atLastId(this.engine, { instruments: [...this.engine.book.markets.values()].map((market) => instrumentBody(this.engine, market)) });
  }

  account(): Body {
    return atLastId(this.engine, { account: accountBody(this.engine) });
  }

  summary(): Body {
    return atLastId(this.engine, { account: accountSummaryBody(this.engine) });
  }

  openPositions(): Body {
    return atLastId(this.engine, { positions: positionBodies(this.engine, 'open') });
  }

  transactionsSince(id: number): Body {
    const { lastTransactionId } = this.engine;
    return atLastId(this.engine, { transactions: this.engine.transactions(id + 1, Math.min(lastTransactionId, id + TRANSACTIONS_MAX)).map(({ body }) => body) });
  }

  candles(instrument: string, query: CandleQuery): Body {
    return candlesBody(this.#venue, instrument, { price: 'BA', granularity: 'M1', ...query });
  }

  /** Does what an order's request asks, and answers as the routes do. */
  async write(request: OrderRequest): Promise<Reply> {
    try {
      return await this.#write(request);
    } catch (error) {
      if (error instanceof InvalidRequest) return { status: 400, body: invalidBody(error) };
      throw error;
    }
  }

  async #write({ method, path, body }: OrderRequest): Promise<Reply> {
    const venue = this.#venue;
    const { engine } = venue;
    this.#requests += 1;
    const receipt = { at: venue.now, requestId: `42${String(this.#requests).padStart(16, '0')}` };
    const content: unknown = JSON.parse(body);
    const [collection, specifier = '', act] = path.split('/').slice(3);
    switch (`${method} ${collection} ${act ?? ''}`) {
      case 'POST orders ':
        return orderReply(venue, AT_ONCE, venue.request(() => engine.placeOrder(isBody(content) ? content['order'] : undefined, receipt)), 201, 'orderRejectTransaction');
      case 'PUT trades close':
        return orderReply(venue, AT_ONCE, venue.request(() => engine.closeTrade(specifier, content, receipt)), 200, 'orderRejectTransaction');
      case 'PUT trades orders':
        return tradeOrdersReply(venue, specifier, content, receipt) ?? { status: 404, body: atLastId(engine, { errorCode: 'NO_SUCH_TRADE', errorMessage: 'The trade ID specified does not exist' }) };
      case 'PUT positions close':
        return closePositionReply(venue, AT_ONCE, specifier, content, receipt);
      default:
        return { status: 404, body: { errorMessage: 'The request is none that the broker knows' } };
    }
  }
}
