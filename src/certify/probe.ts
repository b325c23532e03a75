/**
 * What an experiment may do at the broker: plain requests, each recorded as it went over the wire, and questions to
 * the ledger. The ledger is what an experiment believes; an answer to an order is only evidence beside it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool } from 'undici';
import { z } from 'zod';
import { exchange } from '../../adapters/oanda/http.ts';
import type { Clock } from '../../domain/clock.ts';
import { jsonOf } from '../../domain/json.ts';
import { formatInstant } from '../../domain/time.ts';

const REPLY_BYTES_MAX = 1024 * 1024;
/** What the certificate keeps of a body. */
const RECORDED_CHARACTERS_MAX = 16 * 1024;
const DEADLINE_MS = 10_000;
const POLL_MS = 100;
/** How long an order may take to be filled or cancelled, as its ledger tells it. */
const SETTLEMENT_MS_MAX = 15_000;
/** Requests of one run; far above what the experiments need. */
const EXCHANGES_MAX = 2_000;
const PAGES_MAX = 100;

/** One request and its answer, as the certificate holds it. The Authorization header is never part of it. */
export const recordedExchangeSchema = z.strictObject({
  number: z.int().positive(),
  experiment: z.string(),
  method: z.enum(['GET', 'POST', 'PUT']),
  path: z.string(),
  requestBody: z.string().nullable(),
  sentAt: z.string(),
  durationMs: z.int().nonnegative(),
  status: z.int().nullable(),
  requestId: z.string().nullable(),
  contentType: z.string().nullable(),
  retryAfter: z.string().nullable(),
  replyBody: z.string(),
  /** Why no whole answer came; null when one did. */
  broken: z.string().nullable(),
});
export type RecordedExchange = z.infer<typeof recordedExchangeSchema>;

/** What experiments read of a transaction. */
const transactionSchema = z.looseObject({
  id: z.string(),
  type: z.string(),
  reason: z.string().optional(),
  rejectReason: z.string().optional(),
  orderID: z.string().optional(),
  batchID: z.string().optional(),
  tradeID: z.string().optional(),
  clientExtensions: z.looseObject({ id: z.string().optional() }).optional(),
  clientOrderID: z.string().optional(),
  closedTradeID: z.string().optional(),
  tradeOpened: z.looseObject({ tradeID: z.string(), units: z.string() }).optional(),
});
export type Transaction = z.infer<typeof transactionSchema>;
const pageSchema = z.looseObject({ transactions: z.array(transactionSchema), lastTransactionID: z.string() });
const summarySchema = z.looseObject({ account: z.looseObject({ lastTransactionID: z.string() }) });
const tradesSchema = z.looseObject({ trades: z.array(z.looseObject({ id: z.string(), instrument: z.string(), currentUnits: z.string() })) });
const ordersSchema = z.looseObject({ orders: z.array(z.looseObject({ id: z.string(), type: z.string() })) });
const pricesSchema = z.looseObject({
  prices: z.array(z.looseObject({ instrument: z.string(), tradeable: z.boolean(), closeoutBid: z.string(), closeoutAsk: z.string() })),
});

export type OpenTrade = z.infer<typeof tradesSchema>['trades'][number];
export type PendingOrder = z.infer<typeof ordersSchema>['orders'][number];

/** An answer with its body as JSON; null when it was none. */
export interface Answer {
  readonly status: number | null;
  readonly body: unknown;
  readonly record: RecordedExchange;
}

/** The broker could not be asked, so that the experiment has no result. */
export class ProbeError extends Error {
  override readonly name = 'ProbeError';
}

export interface ProbeOptions {
  readonly pool: Pool;
  readonly token: string;
  readonly accountId: string;
  readonly instrument: string;
  readonly clock: Clock;
  /** Names this run in every client id that it sends. */
  readonly runId: string;
}

export class Probe {
  readonly instrument: string;
  readonly #options: ProbeOptions;
  readonly #exchanges: RecordedExchange[] = [];
  #experiment = 'preparation';
  #ids = 0;

  constructor(options: ProbeOptions) {
    this.#options = options;
    this.instrument = options.instrument;
  }

  /** Milliseconds since 1970, for the good-till times that an experiment writes. */
  now(): number {
    return this.#options.clock.now();
  }

  get exchanges(): readonly RecordedExchange[] {
    return this.#exchanges;
  }

  /** Says on whose behalf the following requests are recorded. */
  begin(experiment: string): void {
    this.#experiment = experiment;
  }

  /** A client id that nobody has used. */
  clientId(label: string): string {
    this.#ids += 1;
    return `certify:${this.#options.runId}:${label}:${this.#ids}`;
  }

  /** Did this run make that client id? */
  isOurs(clientId: string | undefined): boolean {
    return clientId?.startsWith(`certify:${this.#options.runId}:`) ?? false;
  }

  get(below: string): Promise<Answer> {
    return this.#ask('GET', below, null);
  }

  put(below: string, body: unknown): Promise<Answer> {
    return this.#ask('PUT', below, JSON.stringify(body));
  }

  /** @param clientRequestId goes into the header of that name. */
  placeOrder(order: { readonly [field: string]: unknown }, { clientRequestId }: { readonly clientRequestId?: string } = {}): Promise<Answer> {
    return this.#ask('POST', '/orders', JSON.stringify({ order: { instrument: this.instrument, ...order } }), clientRequestId);
  }

  /** @throws ProbeError when the account cannot be read. */
  async lastTransactionId(): Promise<string> {
    return this.#read('/summary', summarySchema).then(({ account }) => account.lastTransactionID);
  }

  openTrades(): Promise<readonly OpenTrade[]> {
    return this.#read('/openTrades', tradesSchema).then(({ trades }) => trades);
  }

  pendingOrders(): Promise<readonly PendingOrder[]> {
    return this.#read('/pendingOrders', ordersSchema).then(({ orders }) => orders);
  }

  async price(): Promise<{ readonly tradeable: boolean; readonly bid: string; readonly ask: string }> {
    const { prices } = await this.#read(`/pricing?instruments=${this.instrument}`, pricesSchema);
    const price = prices.find(({ instrument }) => instrument === this.instrument);
    if (price === undefined) throw new ProbeError(`the broker gives no price of ${this.instrument}`);
    return { tradeable: price.tradeable, bid: price.closeoutBid, ask: price.closeoutAsk };
  }

  /** Every transaction after `id`, unfiltered. */
  async ledgerSince(id: string): Promise<readonly Transaction[]> {
    const all: Transaction[] = [];
    let from = id;
    for (let pages = 0; pages < PAGES_MAX; pages += 1) {
      const page = await this.#read(`/transactions/sinceid?id=${from}`, pageSchema);
      all.push(...page.transactions);
      from = page.transactions.at(-1)?.id ?? from;
      if (page.transactions.length === 0 || Number(from) >= Number(page.lastTransactionID)) return all;
    }
    throw new ProbeError(`more than ${PAGES_MAX} pages of transactions after ${id}`);
  }

  /**
   * Waits until the ledger holds what `done` looks for among the transactions after `id`.
   * @returns those transactions, or as many as came within the time.
   */
  async ledgerUntil(id: string, done: (transactions: readonly Transaction[]) => boolean, withinMs = SETTLEMENT_MS_MAX): Promise<readonly Transaction[]> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const transactions = await this.ledgerSince(id);
      if (done(transactions) || performance.now() >= deadline) return transactions;
      await sleep(POLL_MS);
    }
  }

  async #read<T>(below: string, schema: z.ZodType<T>): Promise<T> {
    const { status, body, record } = await this.get(below);
    const parsed = schema.safeParse(body);
    if (status === 200 && parsed.success) return parsed.data;
    throw new ProbeError(`GET ${below}: ${record.broken ?? `status ${status}${parsed.success ? '' : ' with a body that is not v20'}`}`);
  }

  async #ask(method: 'GET' | 'POST' | 'PUT', below: string, body: string | null, clientRequestId?: string): Promise<Answer> {
    if (this.#exchanges.length >= EXCHANGES_MAX) throw new ProbeError(`${EXCHANGES_MAX} requests have been made: something does not end`);
    const { pool, token, accountId, clock } = this.#options;
    const path = `/v3/accounts/${accountId}${below}`;
    const sentAt = clock.now();
    const startedAt = performance.now();
    const reply = await exchange(pool, token, { method, path, body, replyBytesMax: REPLY_BYTES_MAX, deadlineMs: DEADLINE_MS, abort: new AbortController(), ...(clientRequestId === undefined ? {} : { clientRequestId }) });
    const text = reply.bytes.toString('utf8').replaceAll(token, '[token]');
    const record: RecordedExchange = {
      number: this.#exchanges.length + 1,
      experiment: this.#experiment,
      method,
      path,
      requestBody: body,
      sentAt: formatInstant(sentAt),
      durationMs: Math.round(performance.now() - startedAt),
      status: reply.status,
      requestId: reply.requestId,
      contentType: reply.contentType,
      retryAfter: reply.retryAfter,
      replyBody: text.slice(0, RECORDED_CHARACTERS_MAX),
      broken: reply.broken?.detail ?? null,
    };
    this.#exchanges.push(record);
    return { status: reply.broken === null ? reply.status : null, body: jsonOf(text), record };
  }
}

/** The transactions that concern the order with this client id, its reject included. */
export const ofOrder = (transactions: readonly Transaction[], clientOrderId: string): readonly Transaction[] => {
  const created = transactions.filter((transaction) => transaction.clientExtensions?.id === clientOrderId);
  const orderIds = new Set(created.map(({ id }) => id));
  return transactions.filter((transaction) => created.includes(transaction) || transaction.clientOrderID === clientOrderId || (transaction.orderID !== undefined && orderIds.has(transaction.orderID)));
};

export const isSettlement = ({ type }: Transaction): boolean => type === 'ORDER_FILL' || type === 'ORDER_CANCEL' || type.endsWith('_REJECT');
