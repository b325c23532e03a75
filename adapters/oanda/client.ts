/**
 * The v20 client: the Broker port over HTTP.
 *
 * Reads answer or reject with BrokerReadError. An order request is sent once and never rejects; whether its reply is
 * an answer, a refusal or a failure is judged here and nowhere else, and a failure says nothing about the order.
 * The token goes into the Authorization header and is taken out of every text that leaves this module.
 */
import { BrokerReadError, isProtocolFault } from '../../domain/broker.ts';
import { formatInstant, instantOf } from '../../domain/time.ts';
import { ConnectPacer, Governor } from './governor.ts';
import { READS_IN_FLIGHT_MAX, createPool, describeError, exchange, jsonTextOf } from './http.ts';
import { brokerOrigins } from './hosts.ts';
import { openFeed } from './feed.ts';
import { WireError, decodeAccount, decodeCandles, decodeInstruments, decodeOrderReply, decodePositions, decodePricingLine, decodeRefusal, decodeSummary, decodeTransactionLine, decodeTransactions } from './wire.ts';
import type { Pool } from 'undici';
import type { AccountSnapshot, AccountSummary, Bar, Broker, BrokerReadFailure, Exchange, FeedListener, FeedName, OrderRequest, PositionsSnapshot, TransactionsPage } from '../../domain/broker.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Instrument, InstrumentName } from '../../domain/instruments.ts';
import type { Instant } from '../../domain/time.ts';
import type { HttpExchange, HttpRequest } from './http.ts';
import type { CandlesPage } from './wire.ts';

export interface OandaOptions {
  /** `https://api-fxpractice.oanda.com`, the live one, or http on loopback. */
  readonly restUrl: string;
  /** The streams' host, of the same environment. */
  readonly streamUrl: string;
  /** `101-001-1234567-001`. */
  readonly accountId: string;
  readonly token: string;
  /** Stamps what was sent and answered. */
  readonly clock: Clock;
  /** For a whole REST exchange, connecting included. Wall time, since sockets know no other. */
  readonly restDeadlineMs?: number;
  /** A stream ends after this time without a byte; 0 for never (lockstep, where time may stand still). */
  readonly streamSilenceMsMax?: number;
  /** False leaves out the broker's limits of requests and connections a second (lockstep, where time waits for us). */
  readonly paced?: boolean;
  /** Told the Date of each answer, between when it was asked for and when it came, by `clock`. */
  readonly onDate?: (date: Instant, sentAt: Instant, answeredAt: Instant) => void;
}

const REST_DEADLINE_MS = 10_000;
const STREAM_SILENCE_MS_MAX = 12_000;
/** The broker answers 429 from 120 a second on and asks for at most 100 on a connection. */
const REQUESTS_PER_SECOND_MAX = 100;
const REPLY_BYTES_MAX = 1024 * 1024;
/** The account with all its trades and orders; and a full page of the ledger, since a thousand fills pass 1 MiB. */
const LARGE_REPLY_BYTES_MAX = 8 * 1024 * 1024;
/** What an exchange keeps of a reply. */
const RECORDED_BYTES_MAX = 16 * 1024;
/** The broker allows 5,000, which comes close to the size limit of a reply. */
const CANDLES_A_CALL_MAX = 2_500;
const TRANSACTIONS_A_PAGE_MAX = 1_000;
/** The broker allows 20 streams for a login; a daemon needs two. */
const FEEDS_MAX = 4;
const REFUSAL_STATUSES: ReadonlySet<number> = new Set([400, 401, 403, 404]);
const TEXT_LENGTH_MAX = 300;

/**
 * Opens a client; nothing is connected before the first call.
 * @throws RangeError for an address, an account id or a token that cannot be right; the token is not shown.
 */
export function createOandaBroker(options: OandaOptions): Broker {
  const origins = brokerOrigins(options.restUrl, options.streamUrl);
  if (!/^\d{1,10}(?:-\d{1,12}){3}$/.test(options.accountId)) throw new RangeError(`broker.accountId "${options.accountId.slice(0, 40)}" is no v20 account id such as 101-001-1234567-001`);
  if (!/^[\x21-\x7e]{8,4096}$/.test(options.token)) throw new RangeError('the broker token is no line of 8 to 4096 visible ASCII characters: check the token file');
  const pacer = options.paced === false ? null : new ConnectPacer(() => performance.now(), setTimeout);
  return new OandaBroker(options, createPool(origins.rest, pacer), createPool(origins.stream, pacer), pacer);
}

class OandaBroker implements Broker {
  readonly #options: OandaOptions;
  readonly #rest: Pool;
  readonly #stream: Pool;
  readonly #deadlineMs: number;
  readonly #governor: Governor;
  readonly #pacer: ConnectPacer | null;
  readonly #feeds = new Set<{ close(): void }>();
  readonly #reads = new Set<AbortController>();
  #closed: Promise<void> | null = null;

  constructor(options: OandaOptions, rest: Pool, stream: Pool, pacer: ConnectPacer | null) {
    this.#options = options;
    this.#pacer = pacer;
    this.#rest = rest;
    this.#stream = stream;
    this.#deadlineMs = options.restDeadlineMs ?? REST_DEADLINE_MS;
    this.#governor = new Governor({ requestsPerSecondMax: options.paced === false ? 0 : REQUESTS_PER_SECOND_MAX, nowMs: () => performance.now() });
  }

  async instruments(): Promise<readonly Instrument[]> {
    return this.#read('/instruments', REPLY_BYTES_MAX, decodeInstruments);
  }

  async account(): Promise<AccountSnapshot> {
    return this.#read('', LARGE_REPLY_BYTES_MAX, decodeAccount);
  }

  async summary(): Promise<AccountSummary> {
    return this.#read('/summary', REPLY_BYTES_MAX, decodeSummary);
  }

  async positions(): Promise<PositionsSnapshot> {
    return this.#read('/openPositions', REPLY_BYTES_MAX, decodePositions);
  }

  async transactionsSince(transactionId: number): Promise<TransactionsPage> {
    const page = await this.#read(`/transactions/sinceid?id=${transactionId}`, LARGE_REPLY_BYTES_MAX, (body) => decodeTransactions(body, this.#options.accountId, transactionId));
    if (page.transactions.length > TRANSACTIONS_A_PAGE_MAX) throw new BrokerReadError('malformed', `transactions since ${transactionId}: ${page.transactions.length} came, a page holds ${TRANSACTIONS_A_PAGE_MAX} at most`);
    return page;
  }

  async candlesFrom(instrument: InstrumentName, from: Instant, countMax: number): Promise<readonly Bar[]> {
    const bars: Bar[] = [];
    let pageFrom = from;
    while (bars.length < countMax) {
      const asked = Math.min(countMax - bars.length, CANDLES_A_CALL_MAX);
      const first = bars.length === 0;
      // A following page would begin with the last candle of this one; whether the count then holds it is not documented.
      const page = await this.#candles(instrument, { from: formatInstant(pageFrom), includeFirst: String(first), count: String(asked) });
      const fresh = page.bars.filter(({ start }) => (first ? start >= from : start > pageFrom));
      bars.push(...fresh);
      const newest = fresh.at(-1);
      const reachedNow = page.received < (first ? asked : asked - 1) || page.bars.length < page.received;
      if (reachedNow || newest === undefined) break;
      pageFrom = newest.start;
    }
    return bars.slice(0, countMax);
  }

  /** @throws RangeError when one call could not hold as many: `candlesFrom` pages. */
  async latestCandles(instrument: InstrumentName, countMax: number): Promise<readonly Bar[]> {
    if (!(countMax >= 1 && countMax < CANDLES_A_CALL_MAX)) throw new RangeError(`latestCandles gives 1 to ${CANDLES_A_CALL_MAX - 1} candles, not ${countMax}: page with candlesFrom`);
    // One more than wanted, because the newest is normally not complete.
    const page = await this.#candles(instrument, { count: String(countMax + 1) });
    return page.bars.slice(-countMax);
  }

  /** @throws RangeError only for a path that does not lie below the account: then nothing was sent. */
  async send(request: OrderRequest): Promise<Exchange> {
    const path = this.#orderPath(request.path);
    const { clock } = this.#options;
    // A POST is the only request that can open; a PUT closes a trade or sets its stop.
    const admission = this.#governor.admit(request.method === 'POST' ? 'open' : 'close');
    if (!admission.admitted) return unsentExchange(clock.now(), admission.detail);
    if (admission.waitMs > 0) await sleep(admission.waitMs);
    const sentAt = clock.now();
    const sent = this.#pacer?.hurry();
    const reply = await this.#exchange({ method: request.method, path, body: request.body, replyBytesMax: REPLY_BYTES_MAX, deadlineMs: this.#deadlineMs, abort: new AbortController() }).finally(() => sent?.());
    const judged = judgeOrderReply(reply);
    const received = this.#scrub(reply.bytes.toString('utf8'));
    const recorded = cutToBytes(received, RECORDED_BYTES_MAX);
    return {
      sentAt,
      answeredAt: reply.status === null ? null : clock.now(),
      status: reply.status,
      requestId: reply.requestId === null ? null : this.#scrub(reply.requestId),
      body: reply.status === null ? null : recorded,
      bodyTruncated: recorded.length < received.length || (reply.status !== null && reply.broken !== null),
      failure: judged.failure === null ? null : { ...judged.failure, detail: this.#shown(judged.failure.detail) },
      refusal: judged.refusal === null ? null : this.#shown(judged.refusal),
    };
  }

  feed(name: FeedName, instruments: readonly InstrumentName[], listener: FeedListener): { close(): void } {
    if (this.#feeds.size >= FEEDS_MAX) throw new RangeError(`${FEEDS_MAX} streams are open: close one before opening another`);
    const wanted = new Set(instruments);
    const pricing = name === 'pricing';
    const query = new URLSearchParams({ instruments: instruments.join(','), snapshot: 'true' });
    const opened = openFeed({
      pool: this.#stream,
      token: this.#options.token,
      path: this.#accountPath(pricing ? `/pricing/stream?${query.toString()}` : '/transactions/stream'),
      decode: pricing ? (line) => decodePricingLine(line, wanted) : (line) => decodeTransactionLine(line, this.#options.accountId),
      connectDeadlineMs: this.#deadlineMs,
      silenceMsMax: this.#options.streamSilenceMsMax ?? STREAM_SILENCE_MS_MAX,
      answered: (status, retryAfter) => this.#governor.answered(status, retryAfter),
      scrub: (text) => this.#shown(text),
    }, {
      connected: (connection) => listener.connected(connection),
      line: (line) => listener.line(line),
      ended: (detail, cause) => {
        this.#feeds.delete(handle);
        listener.ended(detail, cause);
      },
    });
    const handle = {
      close: (): void => {
        this.#feeds.delete(handle);
        opened.close();
      },
    };
    this.#feeds.add(handle);
    return handle;
  }

  /** Ends the feeds quietly and the reads with an error; an order in flight keeps its time to be answered. */
  async close(): Promise<void> {
    this.#closed ??= this.#closeOnce();
    await this.#closed;
  }

  async #closeOnce(): Promise<void> {
    for (const feed of [...this.#feeds]) feed.close();
    for (const read of this.#reads) read.abort();
    await Promise.all([this.#stream.destroy(), this.#rest.close()]);
  }

  async #candles(instrument: InstrumentName, query: Record<string, string>): Promise<CandlesPage> {
    const parameters = new URLSearchParams({ price: 'BA', granularity: 'M1', ...query });
    return this.#read(`/instruments/${instrument}/candles?${parameters.toString()}`, REPLY_BYTES_MAX, (body) => decodeCandles(body, instrument));
  }

  /** One exchange, and what its headers say of our pace and our clock. */
  async #exchange(request: HttpRequest): Promise<HttpExchange> {
    const { clock, onDate, token } = this.#options;
    const sentAt = onDate === undefined ? null : clock.now();
    const reply = await exchange(this.#rest, token, request);
    if (reply.status !== null) this.#governor.answered(reply.status, reply.retryAfter);
    const date = Date.parse(reply.date ?? '');
    if (sentAt !== null && Number.isSafeInteger(date)) onDate?.(instantOf(date), sentAt, clock.now());
    return reply;
  }

  /** One read: bounded, judged, decoded. */
  async #read<T>(pathBelowAccount: string, replyBytesMax: number, decode: (body: string) => T): Promise<T> {
    const path = this.#accountPath(pathBelowAccount);
    const failed = (failure: BrokerReadFailure, detail: string): BrokerReadError => new BrokerReadError(failure, `GET ${path}: ${this.#shown(detail)}`);
    if (this.#reads.size >= READS_IN_FLIGHT_MAX) throw failed('connection', `${READS_IN_FLIGHT_MAX} reads are in flight already`);
    const abort = new AbortController();
    this.#reads.add(abort);
    try {
      const admission = this.#governor.admit('read');
      if (!admission.admitted) throw failed(admission.failure, admission.detail);
      if (admission.waitMs > 0) await sleep(admission.waitMs);
      const reply = await this.#exchange({ method: 'GET', path, body: null, replyBytesMax, deadlineMs: this.#deadlineMs, abort });
      if (reply.status === 401) throw failed('unauthorised', 'status 401: the broker does not accept the token');
      if (reply.broken !== null) throw failed(reply.broken.cause === 'unparsable' ? 'malformed' : reply.broken.cause, reply.broken.detail);
      const content = jsonTextOf(reply);
      if (reply.status !== 200) throw this.#refusedRead(failed, reply, 'text' in content ? decodeRefusal(content.text)?.detail ?? null : null);
      if (!('text' in content)) throw failed('malformed', content.unreadable);
      return decode(content.text);
    } catch (error) {
      if (error instanceof WireError) throw failed('malformed', describeError(error));
      throw error;
    } finally {
      this.#reads.delete(abort);
    }
  }

  /** A 403 counts as the broker's word only when the broker said it: a proxy's page has no v20 body. */
  #refusedRead(failed: (failure: BrokerReadFailure, detail: string) => BrokerReadError, reply: HttpExchange, refusal: string | null): BrokerReadError {
    const status = reply.status!;
    const detail = `status ${status}: ${refusal ?? 'no v20 error in the body'}`;
    if (status === 503) return failed('unavailable', detail);
    if (status === 429) return failed('limited', detail);
    if (status === 403 && refusal !== null) return failed('unauthorised', detail);
    return failed(isProtocolFault(status) ? 'protocol' : 'status', detail);
  }

  #accountPath(below: string): string {
    return `/v3/accounts/${this.#options.accountId}${below}`;
  }

  #orderPath(path: string): string {
    const prefix = `/accounts/${this.#options.accountId}/`;
    if (!path.startsWith(prefix) || !/^(?:\/[A-Za-z0-9@_:.~%-]+)+$/.test(path) || path.includes('..')) throw new RangeError(`the order path ${JSON.stringify(path.slice(0, 120))} does not lie below ${prefix}`);
    return `/v3${path}`;
  }

  #scrub(text: string): string {
    return text.replaceAll(this.#options.token, '[token]');
  }

  /** A text fit for errors and logs: one bounded line without the token. */
  #shown(text: string): string {
    return this.#scrub(text).replace(/\p{Cc}+/gu, ' ').slice(0, TEXT_LENGTH_MAX);
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** An order that was not let out, or could not be: nothing of it has left. */
const unsentExchange = (at: Instant, detail: string): Exchange =>
  ({ sentAt: at, answeredAt: null, status: null, requestId: null, body: null, bodyTruncated: false, failure: { cause: 'connection', detail, unsent: true }, refusal: null });

type JudgedReply = Pick<Exchange, 'failure' | 'refusal'>;

/**
 * A reply to an order is an answer (2xx with the ledger's position), a refusal (a 4xx that the broker itself gave; a 404
 * only with the ledger's transaction) or a failure: everything else, a 201 cut off in its body included, leaves open
 * whether the order exists.
 */
export function judgeOrderReply(reply: HttpExchange): JudgedReply {
  const failure = (cause: NonNullable<Exchange['failure']>['cause'], detail: string): JudgedReply => ({ failure: { cause, detail }, refusal: null });
  if (reply.broken !== null) {
    const judged = failure(reply.broken.cause === 'untrusted' ? 'connection' : reply.broken.cause, reply.broken.detail);
    return reply.broken.unsent ? { ...judged, failure: { ...judged.failure!, unsent: true } } : judged;
  }
  const status = reply.status!;
  const success = status >= 200 && status < 300;
  if (!success && !REFUSAL_STATUSES.has(status)) return failure('status', `status ${status}`);
  const content = jsonTextOf(reply);
  if (!('text' in content)) return failure('unparsable', `status ${status}: ${content.unreadable}`);
  if (!success) {
    const refusal = decodeRefusal(content.text);
    if (refusal === null) return failure('unparsable', `status ${status}: no v20 error in the body`);
    // Not found is what a stale or misled server says too.
    if (status === 404 && !refusal.inLedger) return failure('status', `status 404: ${refusal.detail}, and no transaction that refuses it`);
    return { failure: null, refusal: refusal.detail };
  }
  try {
    decodeOrderReply(content.text);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    return failure('unparsable', `status ${status}: ${error.message}`);
  }
  return { failure: null, refusal: null };
}

/** The longest beginning of a text that fits, cut between characters. */
function cutToBytes(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.byteLength <= bytesMax) return text;
  let end = bytesMax;
  while ((bytes[end]! & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
