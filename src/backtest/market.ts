/** The broker of a backtest: the local broker's venue in this process, answering what the daemon asks over the wire. */
import type { InProcessMarket } from '../../adapters/broker/in-process.ts';
import { ANCHOR_PATH } from '../../adapters/broker/bars/path.ts';
import type { PointOhlc } from '../../adapters/broker/bars/series.ts';
import { isMarketTradeable } from '../../adapters/broker/engine/views.ts';
import { readAccount, readInstruments, readOpenPositions, readSince, readSummary } from '../../adapters/broker/reads.ts';
import { judgeOrderReply } from '../../adapters/oanda/client.ts';
import { decodeAccount, decodeInstruments, decodePositions, decodeSummary, decodeTransactions } from '../../adapters/oanda/wire.ts';
import type { Bar, Exchange, Ohlc, OrderRequest, PositionsSnapshot, Quote } from '../../domain/broker.ts';
import type { Answer, Read } from '../../domain/desk/inputs.ts';
import type { Instrument, InstrumentName } from '../../domain/instruments.ts';
import type { Price } from '../../domain/money.ts';
import { pointsToPrice } from '../../domain/money.ts';
import type { Instant } from '../../domain/time.ts';

/** What the venue did since it was last asked, in the order in which the streams would have told it. */
export interface Happenings {
  readonly quotes: Quote[];
  /** Ids of transactions, each with its time. */
  readonly transactions: { readonly id: number; readonly at: Instant }[];
}

export class BacktestMarket {
  readonly #market: InProcessMarket;
  readonly #accountId: string;
  readonly #precision: ReadonlyMap<string, number>;
  readonly #happened: Happenings = { quotes: [], transactions: [] };
  #positionsRead: PositionsSnapshot | null = null;
  /** The bars of the last answer, by their places in the series: the newest few are asked for again each minute. */
  readonly #barsRead = new Map<InstrumentName, { readonly first: number; readonly bars: readonly Bar[] }>();

  constructor(market: InProcessMarket, instruments: readonly InstrumentName[]) {
    this.#market = market;
    const { venue } = market;
    this.#accountId = venue.engine.settings.accountId;
    this.#precision = new Map(instruments.map((name) => [name, venue.engine.book.markets.get(name)!.settings.instrument.displayPrecision]));
    venue.listen({
      price: (instrument) => {
        const quote = this.quoteOf(instrument as InstrumentName);
        if (quote !== null) this.#happened.quotes.push(quote);
      },
      transactions: (transactions) => {
        for (const { id } of transactions) this.#happened.transactions.push({ id, at: venue.now });
      },
    });
  }

  /** Takes what has happened; the next call tells of what comes after it. */
  take(): Happenings {
    return { quotes: this.#happened.quotes.splice(0), transactions: this.#happened.transactions.splice(0) };
  }

  /** The newest quote, as a stream's snapshot gives it; null before the first price and for a pair that is not followed. */
  quoteOf(instrument: InstrumentName): Quote | null {
    const precision = this.#precision.get(instrument);
    const { engine, now } = this.#market.venue;
    const market = engine.book.markets.get(instrument);
    const quote = market?.quote ?? null;
    if (precision === undefined || market === undefined || quote === null) return null;
    return { instrument, bid: pointsToPrice(quote.bid, precision), ask: pointsToPrice(quote.ask, precision), at: quote.at, tradeable: isMarketTradeable(engine, market, now) };
  }

  instruments(): readonly Instrument[] {
    return decodeInstruments(readInstruments(this.#market.venue.engine));
  }

  /** Answers a read: bars from the series, everything else from the bodies that the broker's routes answer with. */
  answer(read: Read): Answer {
    const { engine } = this.#market.venue;
    switch (read.what) {
      case 'bars':
        return { what: 'bars', bars: this.#bars(read) };
      case 'transactions':
        return { what: 'transactions', page: decodeTransactions(readSince(engine, read.since, null), this.#accountId, read.since) };
      case 'snapshot':
        if (read.scope === 'full') return { what: 'snapshot', snapshot: decodeAccount(readAccount(engine)) };
        return { what: 'summary', summary: decodeSummary(readSummary(engine)), positions: this.#positions() };
      case 'baseline':
        return { what: 'baseline', snapshot: decodeAccount(readAccount(engine)) };
      case 'positions':
        return { what: 'positions', snapshot: this.#positions() };
    }
  }

  /** Units of open positions change by transactions alone: what was read at an id holds until the next one. */
  #positions(): PositionsSnapshot {
    const { engine } = this.#market.venue;
    if (this.#positionsRead?.lastTransactionId !== engine.lastTransactionId) this.#positionsRead = decodePositions(readOpenPositions(engine));
    return this.#positionsRead;
  }

  async send(request: OrderRequest): Promise<Exchange> {
    const at = this.#market.venue.now;
    const { status, requestId, body } = await this.#market.request(request.method, request.path, request.body);
    const judged = judgeOrderReply({ status, requestId, contentType: 'application/json', contentEncoding: null, date: null, retryAfter: null, bytes: Buffer.from(body, 'utf8'), broken: null });
    return { sentAt: at, answeredAt: at, status, requestId, body, bodyTruncated: false, ...judged };
  }

  /** Complete bars: those from a time on, or the newest ones. */
  #bars({ instrument, from, countMax }: Extract<Read, { readonly what: 'bars' }>): readonly Bar[] {
    const { series, cursor } = this.#market.venue.tracks.get(instrument)!;
    const precision = this.#precision.get(instrument)!;
    const { now } = this.#market.venue;
    const complete = cursor.bar > 0 && series.end(cursor.bar - 1) > now ? cursor.bar - 1 : cursor.bar;
    const first = from === null ? Math.max(0, complete - countMax) : firstFrom(series, from, complete);
    const before = this.#barsRead.get(instrument);
    const bars: Bar[] = [];
    for (let index = first; index < complete && bars.length < countMax; index += 1) {
      bars.push(before?.bars[index - before.first] ?? {
        instrument, start: series.start(index), bid: ohlc(series.bid(index), precision), ask: ohlc(series.ask(index), precision), volume: series.volume(index) || ANCHOR_PATH.length,
      });
    }
    this.#barsRead.set(instrument, { first, bars });
    return bars;
  }
}

/** At a minute's end the bar asked for is nearly always the newest. */
function firstFrom(series: { start(index: number): Instant; firstFrom(at: Instant): number }, from: Instant, complete: number): number {
  const newest = complete - 1;
  if (newest >= 0 && series.start(newest) <= from) return series.start(newest) === from ? newest : complete;
  return series.firstFrom(from);
}

const ohlc = (points: PointOhlc, precision: number): Ohlc => {
  const price = (value: number): Price => pointsToPrice(value, precision);
  return { open: price(points.open), high: price(points.high), low: price(points.low), close: price(points.close) };
};
