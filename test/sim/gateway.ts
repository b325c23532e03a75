/** The local broker's routes without a server: the same views and replies that its HTTP side serves, at no time's cost. */
import { candlesBody } from '../../adapters/broker/candles.ts';
import type { CandleQuery } from '../../adapters/broker/candles.ts';
import type { Body } from '../../adapters/broker/engine/bodies.ts';
import { isBody } from '../../adapters/broker/engine/bodies.ts';
import type { Engine } from '../../adapters/broker/engine/engine.ts';
import { InvalidRequest } from '../../adapters/broker/engine/requests.ts';
import { invalidBody } from '../../adapters/broker/http/app.ts';
import type { Reply } from '../../adapters/broker/http/replies.ts';
import { orderReply } from '../../adapters/broker/http/replies.ts';
import { closePositionReply, tradeOrdersReply } from '../../adapters/broker/http/trade-routes.ts';
import { atLastId, readAccount, readInstruments, readOpenPositions, readSince, readSummary } from '../../adapters/broker/reads.ts';
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
    return readInstruments(this.engine);
  }

  account(): Body {
    return readAccount(this.engine);
  }

  summary(): Body {
    return readSummary(this.engine);
  }

  openPositions(): Body {
    return readOpenPositions(this.engine);
  }

  transactionsSince(id: number): Body {
    return readSince(this.engine, id, null);
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
