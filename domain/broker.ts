/**
 * The port to a broker that speaks OANDA v20, and what the core needs of its answers.
 *
 * Bodies arrive checked by the adapter. A read either answers or rejects with BrokerReadError: a failed read is
 * never evidence of anything. A write never rejects: whatever happened is an Exchange, and only the ledger says
 * what became of it.
 */
import type { Instrument, InstrumentName } from './instruments.ts';
import type { Json } from './canonical.ts';
import type { Money, Price, Units } from './money.ts';
import type { Instant } from './time.ts';

export interface Ohlc {
  readonly open: Price;
  readonly high: Price;
  readonly low: Price;
  readonly close: Price;
}

/** A complete one-minute candle. */
export interface Bar {
  readonly instrument: InstrumentName;
  readonly start: Instant;
  readonly bid: Ohlc;
  readonly ask: Ohlc;
  readonly volume: number;
}

/** The best prices at a moment. */
export interface Quote {
  readonly instrument: InstrumentName;
  readonly bid: Price;
  readonly ask: Price;
  readonly at: Instant;
  readonly tradeable: boolean;
}

/** One transaction of the broker's ledger; `body` is everything it said, unknown fields included. */
export interface BrokerTransaction {
  readonly id: number;
  readonly type: string;
  readonly at: Instant;
  readonly accountId: string;
  readonly body: { readonly [key: string]: Json };
}

export interface TransactionsPage {
  /** Ascending ids, all above the one asked for. */
  readonly transactions: readonly BrokerTransaction[];
  readonly lastTransactionId: number;
}

export interface SnapshotTrade {
  readonly tradeId: string;
  readonly instrument: InstrumentName;
  readonly units: Units;
  readonly initialUnits: Units;
  readonly price: Price;
  readonly openedAt: Instant;
  readonly clientTradeId: string | null;
  /** The id of its protective stop order, if it has one. */
  readonly stopLossOrderId: string | null;
}

export interface SnapshotOrder {
  readonly orderId: string;
  /** As the broker's order calls it: `STOP_LOSS`, `LIMIT` … */
  readonly type: string;
  /** The trade that it protects; null for an entry order. */
  readonly tradeId: string | null;
  readonly price: Price | null;
  readonly clientOrderId: string | null;
}

/** What the account is and what it is worth, as the broker holds it at one transaction id. */
export interface AccountSummary {
  readonly accountId: string;
  readonly currency: string;
  readonly hedgingEnabled: boolean;
  readonly balance: Money;
  /** Over the account's life. */
  readonly realisedPl: Money;
  readonly financing: Money;
  /** Commission, and the fees of guaranteed stops. */
  readonly commission: Money;
  readonly unrealisedPl: Money;
  readonly openTrades: number;
  readonly pendingOrders: number;
  readonly lastTransactionId: number;
}

/** The account, whole. */
export interface AccountSnapshot extends Omit<AccountSummary, 'openTrades' | 'pendingOrders'> {
  readonly trades: readonly SnapshotTrade[];
  readonly pendingOrders: readonly SnapshotOrder[];
}

export interface PositionsSnapshot {
  readonly positions: readonly { readonly instrument: InstrumentName; readonly units: Units }[];
  readonly lastTransactionId: number;
}

/** Bytes to send, fixed before the intent is logged. `path` is below `/v3`. */
export interface OrderRequest {
  readonly method: 'POST' | 'PUT';
  readonly path: string;
  readonly body: string;
}

/** What came of sending a request. */
export interface Exchange {
  readonly sentAt: Instant;
  readonly answeredAt: Instant | null;
  readonly status: number | null;
  readonly requestId: string | null;
  /** The raw reply, cut at the cap. */
  readonly body: string | null;
  readonly bodyTruncated: boolean;
  /** Null when the broker gave a usable v20 answer, a refusal included. `unsent` is there when provably no byte left. */
  readonly failure: { readonly cause: 'timeout' | 'connection' | 'status' | 'unparsable'; readonly detail: string; readonly unsent?: true } | null;
  /** For a usable refusal (4xx with a v20 body): the broker's error code or message. */
  readonly refusal: string | null;
}

export type FeedName = 'pricing' | 'transactions';

/** One line of a stream. */
export type FeedLine =
  | { readonly kind: 'quote'; readonly quote: Quote }
  | { readonly kind: 'transaction'; readonly transactionId: number; readonly at: Instant }
  | { readonly kind: 'heartbeat'; readonly at: Instant; readonly lastTransactionId: number | null }
  /** Something that this build has no name for. */
  | { readonly kind: 'unknown'; readonly at: Instant; readonly type: string };

/** Why a stream ended, as far as it changes when to try again: maintenance (503), a refused token (401, 403), or anything else. */
export type FeedEnd = 'unavailable' | 'unauthorised' | 'other';

export interface FeedListener {
  /** The connection stands; in lockstep `connection` is the number that announcements count lines for. */
  connected(connection: number | null): void;
  line(line: FeedLine): void;
  /** The connection has ended; nobody reconnects but whoever listens here. */
  ended(detail: string, cause: FeedEnd): void;
}

/**
 * Why a read failed. `unauthorised` means that every further call will fail too, `unavailable` that the broker is in
 * maintenance, `limited` that it was asked too often, `protocol` that the request itself was wrong, `untrusted` that its
 * certificate is not the broker's.
 */
export type BrokerReadFailure = 'timeout' | 'connection' | 'status' | 'malformed' | 'unauthorised' | 'unavailable' | 'limited' | 'protocol' | 'untrusted';

/** A 4xx that says that the request was wrong, not its content or its moment: asking again would be wrong again. */
const OTHER_MEANINGS: readonly number[] = [400, 401, 403, 404, 408, 425, 429];
export const isProtocolFault = (status: number): boolean => status >= 400 && status < 500 && !OTHER_MEANINGS.includes(status);

export class BrokerReadError extends Error {
  override readonly name = 'BrokerReadError';
  readonly failure: BrokerReadFailure;

  constructor(failure: BrokerReadFailure, message: string) {
    super(message);
    this.failure = failure;
  }
}

export interface Broker {
  instruments(): Promise<readonly Instrument[]>;
  account(): Promise<AccountSnapshot>;
  summary(): Promise<AccountSummary>;
  positions(): Promise<PositionsSnapshot>;
  /** One page (at most 1,000) of transactions with ids above `transactionId`, unfiltered. */
  transactionsSince(transactionId: number): Promise<TransactionsPage>;
  /** Complete candles that start at or after `from`, oldest first, at most `countMax`. */
  candlesFrom(instrument: InstrumentName, from: Instant, countMax: number): Promise<readonly Bar[]>;
  /** The newest complete candles, oldest first, at most `countMax`. */
  latestCandles(instrument: InstrumentName, countMax: number): Promise<readonly Bar[]>;
  /** Sends an order request once; never retried, never rejects. */
  send(request: OrderRequest): Promise<Exchange>;
  feed(name: FeedName, instruments: readonly InstrumentName[], listener: FeedListener): { close(): void };
  close(): Promise<void>;
}
