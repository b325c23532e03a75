/**
 * The daemon's broker in a simulated world: the v20 client's decoders and judgement over the local broker's own answers, with
 * ways that take time and faults on them. One for each process; what has left goes on when the process dies.
 */
import { staleAnswer } from '../../adapters/broker/faults/replica.ts';
import type { Body, Json } from '../../adapters/broker/engine/bodies.ts';
import type { Reply } from '../../adapters/broker/http/replies.ts';
import { judgeOrderReply } from '../../adapters/oanda/client.ts';
import { WireError, decodeAccount, decodeCandles, decodeInstruments, decodePositions, decodeSummary, decodeTransactions } from '../../adapters/oanda/wire.ts';
import type { AccountSnapshot, AccountSummary, Bar, Broker, BrokerReadFailure, Exchange, FeedListener, FeedName, OrderRequest, PositionsSnapshot, TransactionsPage } from '../../domain/broker.ts';
import { BrokerReadError } from '../../domain/broker.ts';
import type { Instrument, InstrumentName } from '../../domain/instruments.ts';
import type { Instant } from '../../domain/time.ts';
import { SECOND_MS, formatInstant } from '../../domain/time.ts';
import { altered } from './candle-faults.ts';
import type { Draws } from './draws.ts';
import { SimFeed } from './feed.ts';
import type { OrderFault, ReadFault } from './options.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

const DEADLINE_MS = 10 * SECOND_MS;
const LATE_MS_MAX = 95 * SECOND_MS;
const RECORDED_MAX = 16 * 1024;

/** What arrives of an answer; `broken` is null when it arrived whole. */
interface Answer {
  readonly status: number | null;
  readonly text: string;
  readonly broken: { readonly cause: 'timeout' | 'connection'; readonly detail: string; readonly unsent: boolean } | null;
}

const whole = (status: number, text: string): Answer => ({ status, text, broken: null });
const NO_ANSWER: Answer = { status: null, text: '', broken: { cause: 'timeout', detail: 'no answer within the deadline', unsent: false } };
const CUT: Answer = { status: null, text: '', broken: { cause: 'connection', detail: 'the connection was reset', unsent: false } };
const UNSENT: Answer = { status: null, text: '', broken: { cause: 'connection', detail: 'no connection was made', unsent: true } };
const PROXY_PAGE = '<html><body><h1>504 Gateway Time-out</h1></body></html>';
const NOT_FOUND = JSON.stringify({ errorCode: 'NO_SUCH_ORDER', errorMessage: 'The order ID specified does not exist' });

export class SimBroker implements Broker {
  readonly #world: World;
  readonly #process: SimProcess;
  readonly #draws: Draws;
  readonly #feeds = new Set<SimFeed>();

  constructor(world: World, process: SimProcess, draws: Draws) {
    this.#world = world;
    this.#process = process;
    this.#draws = draws;
  }

  // --- reads ---

  instruments(): Promise<readonly Instrument[]> {
    return this.#read('/instruments', () => this.#world.gateway.instruments(), decodeInstruments);
  }

  account(): Promise<AccountSnapshot> {
    return this.#read('/', () => this.#world.gateway.account(), decodeAccount);
  }

  summary(): Promise<AccountSummary> {
    return this.#read('/summary', () => this.#world.gateway.summary(), decodeSummary);
  }

  positions(): Promise<PositionsSnapshot> {
    return this.#read('/openPositions', () => this.#world.gateway.openPositions(), decodePositions);
  }

  transactionsSince(id: number): Promise<TransactionsPage> {
    return this.#read('/transactions/sinceid', () => this.#world.gateway.transactionsSince(id), (text) => decodeTransactions(text, this.#world.accountId, id));
  }

  async candlesFrom(instrument: InstrumentName, from: Instant, countMax: number): Promise<readonly Bar[]> {
    const bars = await this.#candles(instrument, { from: formatInstant(from), includeFirst: 'true', count: String(Math.min(countMax, 2_500)) });
    return bars.filter(({ start }) => start >= from).slice(0, countMax);
  }

  async latestCandles(instrument: InstrumentName, countMax: number): Promise<readonly Bar[]> {
    return (await this.#candles(instrument, { count: String(countMax + 1) })).slice(-countMax);
  }

  #candles(instrument: InstrumentName, query: { readonly [name: string]: string }): Promise<readonly Bar[]> {
    const world = this.#world;
    return this.#read('/candles', () => world.candlesServed(altered(world.gateway.candles(instrument, query), world.faults, world.now)), (text) => decodeCandles(text, instrument).bars);
  }

  /** One read: there and back, answered as things stand when it arrives. */
  async #read<T>(path: string, body: () => Body, decode: (text: string) => T): Promise<T> {
    await this.#process.point(`before read ${path}`);
    const fault = this.#world.faults.during('deadLink', this.#world.now) ? 'readLost' : this.#world.faults.readFault();
    const sentAt = this.#process.clock.now();
    const answer = await this.#travel<Answer>((arrive) => this.#answerRead(fault, path, body, arrive));
    await this.#process.point(`after read ${path}`);
    if (answer.broken !== null) throw new BrokerReadError(answer.broken.cause, `GET ${path}: ${answer.broken.detail}`);
    this.#process.dated(this.#world.brokerNow, sentAt);
    if (answer.status !== 200) throw new BrokerReadError(failureOf(answer.status!), `GET ${path}: status ${answer.status}`);
    try {
      return this.#world.decoded(path, answer.text, decode);
    } catch (error) {
      if (error instanceof WireError) throw new BrokerReadError('malformed', `GET ${path}: ${error.message}`);
      throw error;
    }
  }

  #answerRead(fault: ReadFault | null, path: string, body: () => Body, answer: (after: number, answer: Answer) => void): void {
    const way = this.#way(fault === 'readSlow');
    const served = (): string => this.#world.disguised(JSON.stringify(this.#asReplica(path, body())));
    const holed = (): string => this.#world.disguised(JSON.stringify(this.#withHole(this.#asReplica(path, body()))));
    switch (fault) {
      case 'readLost':
        return this.#draws.chance(0.5) ? answer(DEADLINE_MS, NO_ANSWER) : answer(way, CUT);
      case 'readStatus':
        return answer(way, whole(this.#draws.pick([500, 502, 504]), PROXY_PAGE));
      case 'readLimited':
        return answer(way, whole(429, '{"errorMessage":"too many requests"}'));
      case 'readMaintenance':
        return answer(way, whole(503, '{"errorMessage":"maintenance"}'));
      case 'holedPage':
        return answer(way, whole(200, holed()));
      case 'readGarbage':
        return answer(way, whole(200, served().slice(0, -3)));
      default:
        return answer(way, whole(200, served()));
    }
  }

  /** Reads of the account from a replica that has stopped following. */
  #asReplica(path: string, body: Body): Body {
    const { faults, now } = this.#world;
    if (faults.replica === null || !faults.during('staleReads', now) || path === '/candles' || path === '/instruments') return body;
    return staleAnswer(faults.replica, path, body)?.body ?? body;
  }

  /** A page of the ledger in which a transaction is missing. */
  #withHole(body: Body): Body {
    const { transactions } = body;
    if (!Array.isArray(transactions) || transactions.length === 0) return body;
    const hole = this.#draws.whole(0, transactions.length - 1);
    return { ...body, transactions: transactions.filter((_each, index) => index !== hole) as Json[] };
  }

  // --- orders ---

  async send(request: OrderRequest): Promise<Exchange> {
    await this.#process.point(`before ${request.method} ${request.path}`);
    this.#world.departed(request, this.#process);
    const sentAt = this.#process.clock.now();
    const fault = this.#world.faults.during('deadLink', this.#world.now) ? 'unsent' : this.#world.faults.orderFault();
    const answered = this.#travel<Answer>((arrive) => this.#deliver(fault, request, arrive));
    await this.#process.point(`after ${request.method} ${request.path}`);
    const { status, text, broken } = await answered;
    const requestId = status === null ? null : 'sim';
    if (status !== null) this.#process.dated(this.#world.brokerNow, sentAt);
    const judged = judgeOrderReply({ status, requestId, contentType: text.startsWith('<') ? 'text/html' : 'application/json', contentEncoding: null, date: null, retryAfter: null, bytes: Buffer.from(text), broken });
    return { sentAt, answeredAt: status === null ? null : this.#process.clock.now(), status, requestId, body: status === null ? null : text.slice(0, RECORDED_MAX), bodyTruncated: text.length > RECORDED_MAX, ...judged };
  }

  #deliver(fault: OrderFault | null, request: OrderRequest, answer: (after: number, answer: Answer) => void): void {
    const world = this.#world;
    const back = this.#way(fault === 'slow');
    if (fault === 'unsent') return answer(back, UNSENT);
    const broken = (): void => (this.#draws.chance(0.5) ? answer(DEADLINE_MS, NO_ANSWER) : answer(back, CUT));
    if (fault === 'lostRequest') return broken();
    const turnedAway = TURNED_AWAY[fault ?? ''];
    world.scheduler.after(this.#way(false), null, () => {
      const arrival = world.arrived(request);
      if (turnedAway !== undefined) {
        world.oracle.turnedAway(arrival);
        return answer(back, whole(turnedAway, PROXY_PAGE));
      }
      const execute = (reply: (reply: Reply) => void): void => void world.gateway.write(request).then(reply);
      const late = (): void => world.scheduleLate(this.#draws.whole(SECOND_MS, LATE_MS_MAX), () => execute(() => {}));
      if (fault === 'lateExecution') {
        late();
        return this.#draws.chance(0.5) ? answer(back, whole(504, PROXY_PAGE)) : broken();
      }
      if (fault === 'notFoundYet') {
        late();
        return answer(back, whole(404, NOT_FOUND));
      }
      if (fault === 'lateFill') world.delayNextOrder(this.#draws.whole(SECOND_MS, LATE_MS_MAX));
      execute(({ status, body }) => {
        if (fault === 'lostResponse') return broken();
        if (fault === 'statusExecuted') return answer(back, whole(this.#draws.pick([500, 502, 504]), PROXY_PAGE));
        if (fault === 'notFoundExecuted') return answer(back, whole(404, NOT_FOUND));
        const text = JSON.stringify(body);
        answer(back, whole(status, fault === 'garbage' ? text.slice(0, Math.ceil(text.length / 2)) : text));
      });
    });
  }

  // --- streams ---

  feed(name: FeedName, instruments: readonly InstrumentName[], listener: FeedListener): { close(): void } {
    const feed = new SimFeed(this.#world, this.#process, name, instruments, listener, this.#draws);
    this.#feeds.add(feed);
    return {
      close: () => {
        this.#feeds.delete(feed);
        feed.close();
      },
    };
  }

  /** Ends the streams that stand, as a reset connection does. */
  cut(): void {
    for (const feed of [...this.#feeds]) feed.end('the connection was reset', 'other');
  }

  async close(): Promise<void> {
    for (const feed of this.#feeds) feed.close();
  }

  // --- ways ---

  #way(slow: boolean): number {
    return slow ? this.#draws.whole(SECOND_MS, 12 * SECOND_MS) : this.#draws.whole(1, this.#world.options.latencyMsMax);
  }

  /** Resolves with what arrives within the deadline; what comes later is not waited for. */
  #travel<T extends Answer>(begin: (answer: (after: number, what: T) => void) => void): Promise<T | Answer> {
    const { scheduler } = this.#world;
    return new Promise((resolve) => {
      const deadline = scheduler.after(DEADLINE_MS, this.#process, () => this.#process.resume(() => resolve(NO_ANSWER)));
      begin((after, what) => {
        scheduler.after(after, this.#process, () => {
          if (deadline.cancelled) return;
          deadline.cancelled = true;
          this.#process.resume(() => resolve(what));
        });
      });
    });
  }
}

const TURNED_AWAY: { readonly [fault: string]: number | undefined } = { statusUnexecuted: 500, limited: 429, maintenance: 503 };

function failureOf(status: number): BrokerReadFailure {
  if (status === 503) return 'unavailable';
  return status === 429 ? 'limited' : 'status';
}
