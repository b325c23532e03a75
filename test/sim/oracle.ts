/**
 * What is true, whatever the daemon believes: the engine's own ledger, every request as it left and as it arrived, and what is
 * durable in the log. No fault reaches in here.
 */
import type { Transaction } from '../../adapters/broker/engine/bodies.ts';
import { isBody } from '../../adapters/broker/engine/bodies.ts';
import type { OrderRequest } from '../../domain/broker.ts';
import { newYorkClock } from '../../domain/calendar.ts';
import type { DataOf, Mode } from '../../domain/events.ts';
import { epochOfTag } from '../../domain/ids.ts';
import type { EventDraft } from '../../domain/log.ts';
import { money, price, units } from '../../domain/money.ts';
import { requestHash } from '../../domain/order-request.ts';
import { parseInstant } from '../../domain/time.ts';

export interface Arrival {
  readonly at: number;
  readonly request: OrderRequest;
  /** The decision of an opening order, else null. */
  readonly decisionId: string | null;
  readonly clientOrderId: string | null;
}

export interface Intent {
  readonly at: number;
  readonly leg: 'open' | 'close' | 'stop';
  readonly clientOrderId: string;
}

/** What a fill did to our own position. */
export interface FillSeen {
  readonly transaction: Transaction;
  readonly before: bigint;
  readonly after: bigint;
  readonly closesByRequest: boolean;
  readonly opened: boolean;
}

/** A text in a body; null where it has none of that name. */
export const textIn = (value: unknown, key: string): string | null => (isBody(value) && typeof value[key] === 'string' ? value[key] : null);

export const magnitude = (value: bigint): bigint => (value < 0n ? -value : value);

/** The trades that a fill closed, reduced and opened. */
export const partsOf = (body: { readonly [key: string]: unknown }) => [...(Array.isArray(body['tradesClosed']) ? (body['tradesClosed'] as unknown[]) : []), body['tradeReduced'], body['tradeOpened']].filter(isBody);

/** The client order id of an opening order, and the decision that it names. */
export function openingOf(request: OrderRequest): { readonly clientOrderId: string; readonly decisionId: string; readonly order: { readonly [key: string]: unknown } } | null {
  if (request.method !== 'POST' || !request.path.endsWith('/orders')) return null;
  const content: unknown = JSON.parse(request.body);
  const order = isBody(content) ? content['order'] : undefined;
  if (!isBody(order)) return null;
  const extensions = order['clientExtensions'];
  return { clientOrderId: textIn(extensions, 'id') ?? '', decisionId: (textIn(extensions, 'comment') ?? '').replace('decision ', ''), order };
}

export class Oracle {
  // --- at the broker ---
  readonly arrivals: Arrival[] = [];
  readonly opensByDecision = new Map<string, number>();
  /** Orders that others placed, and the trades that those opened. */
  readonly foreignOrders = new Set<string>();
  readonly foreignTrades = new Set<string>();
  /** Opening orders that arrived, and when, until the broker's ledger has settled them or they can no longer execute. */
  readonly openingInFlight = new Map<string, number>();
  readonly #trades = new Map<string, bigint>();
  readonly #closingOrders = new Set<string>();
  readonly #orderClients = new Map<string, string>();
  /** Net units and balance after each transaction; index 0 is the account before its first. */
  readonly netAt: bigint[] = [0n];
  readonly balanceAt: bigint[] = [0n];
  ownUnits = 0n;
  /** The broker was made to break its contract with a fill too large; from then on our position may be above its limit. */
  overFilled = false;

  // --- in the log ---
  durableEvents = 0;
  mode: Mode = 'OBSERVING';
  haltCauses = new Set<string>();
  epoch = 0;
  /** The highest epoch of another that the log has recorded while ours ran. */
  epochSeen = 0;
  readonly intents = new Map<string, Intent>();
  readonly openIntentsAt: number[] = [];
  opensSinceOperator = 0;
  /** Halts that what is durable calls for and that are not durable yet, by the fault's number in the catalogue. */
  readonly haltsOwed = new Map<string, string>();
  /** The account's past before the first comparison is history and calls for nothing. */
  #pastImported = false;
  readonly #ordered = new Map<string, bigint>();
  /** Trades that we meant to close ourselves: a close carries no id of ours, so that nobody can tell whose it was. */
  readonly #closesMeant = new Set<string>();
  recordedIds = 0;
  /** Lost since the trading day began, by the transactions that are durable; negative when gained. */
  dayLoss = 0n;
  #day = 0;
  #claiming = false;
  readonly #entries = new Map<string, bigint>();
  readonly realisedAt: bigint[] = [0n];
  readonly #barStarts: number[] = [];

  /** From here on what the account's transactions tell is somebody else's doing. */
  claim(act: () => void): void {
    this.#claiming = true;
    act();
    this.#claiming = false;
  }

  get foreignUnits(): bigint {
    return [...this.foreignTrades].reduce((sum, trade) => sum + (this.#trades.get(trade) ?? 0n), 0n);
  }

  isForeign(tradeId: string): boolean {
    return this.foreignTrades.has(tradeId);
  }

  get trades(): ReadonlyMap<string, bigint> {
    return this.#trades;
  }

  arrived(at: number, request: OrderRequest): Arrival {
    const opening = openingOf(request);
    const arrival = { at, request, decisionId: opening?.decisionId ?? null, clientOrderId: opening?.clientOrderId ?? null };
    this.arrivals.push(arrival);
    if (opening === null) return arrival;
    this.opensByDecision.set(opening.decisionId, (this.opensByDecision.get(opening.decisionId) ?? 0) + 1);
    this.openingInFlight.set(opening.clientOrderId, at);
    return arrival;
  }

  /** The broker has turned a request away and will never act on it. */
  turnedAway({ clientOrderId }: Arrival): void {
    if (clientOrderId !== null) this.openingInFlight.delete(clientOrderId);
  }

  /** Folds one transaction of the engine's. */
  transaction(transaction: Transaction): FillSeen | null {
    const { body } = transaction;
    const before = this.ownUnits;
    if (this.#claiming) this.foreignOrders.add(String(transaction.id));
    this.realisedAt[transaction.id] = (this.realisedAt.at(-1) ?? 0n) + money(textIn(body, 'pl') ?? '0');
    const reported = textIn(body, 'accountBalance');
    this.balanceAt[transaction.id] = reported === null ? (this.balanceAt.at(-1) ?? 0n) : money(reported);
    const clientId = textIn(body['clientExtensions'], 'id');
    if (clientId !== null) this.#orderClients.set(String(transaction.id), clientId);
    if (transaction.type === 'MARKET_ORDER' && textIn(body, 'reason') === 'TRADE_CLOSE') this.#closingOrders.add(String(transaction.id));
    if (transaction.type.endsWith('_REJECT') && clientId !== null) this.openingInFlight.delete(clientId);
    const orderId = textIn(body, 'orderID') ?? '';
    if (transaction.type === 'ORDER_CANCEL') this.openingInFlight.delete(this.#orderClients.get(orderId) ?? '');
    const opened = transaction.type === 'ORDER_FILL' && this.#fill(body, orderId);
    this.netAt[transaction.id] = [...this.#trades.values()].reduce((sum, held) => sum + held, 0n);
    this.ownUnits = this.netAt[transaction.id]! - this.foreignUnits;
    if (transaction.type !== 'ORDER_FILL') return null;
    return { transaction, before, after: this.ownUnits, closesByRequest: this.#closingOrders.has(orderId) && !this.foreignOrders.has(orderId), opened };
  }

  /** @returns whether it opened a trade. */
  #fill(body: { readonly [key: string]: unknown }, orderId: string): boolean {
    const closed = [...(Array.isArray(body['tradesClosed']) ? (body['tradesClosed'] as unknown[]) : []), body['tradeReduced']];
    for (const part of closed) {
      const tradeId = textIn(part, 'tradeID');
      if (tradeId === null) continue;
      const left = (this.#trades.get(tradeId) ?? 0n) + units(textIn(part, 'units') ?? '0');
      if (left === 0n) this.#trades.delete(tradeId);
      else this.#trades.set(tradeId, left);
    }
    const openedId = textIn(body['tradeOpened'], 'tradeID');
    if (openedId === null) return false;
    this.#entries.set(openedId, price(textIn(body['tradeOpened'], 'price') ?? textIn(body, 'price') ?? '0'));
    this.#trades.set(openedId, units(textIn(body['tradeOpened'], 'units') ?? '0'));
    if (this.foreignOrders.has(orderId)) this.foreignTrades.add(openedId);
    this.openingInFlight.delete(this.#orderClients.get(orderId) ?? '');
    return true;
  }

  /** Folds one event that has become durable, at a true time. */
  durable(draft: EventDraft, at: number): void {
    this.durableEvents += 1;
    const { type } = draft;
    const data: unknown = draft.data;
    switch (type) {
      case 'DaemonStarted':
        this.epoch = (data as DataOf<'DaemonStarted'>).epoch;
        break;
      case 'EpochRaised':
        this.epoch = (data as DataOf<'EpochRaised'>).epoch;
        break;
      case 'BrokerTransactionRecorded':
        this.#recorded(data as DataOf<'BrokerTransactionRecorded'>);
        break;
      case 'OrderIntended':
        this.#intended(data as DataOf<'OrderIntended'>, at);
        break;
      case 'StopReplacementIntended': {
        const { requestHash: hash, clientOrderId, path } = data as DataOf<'StopReplacementIntended'>;
        this.intents.set(`${path} ${hash}`, { at, leg: 'stop', clientOrderId });
        break;
      }
      case 'OrderFilled':
      case 'OrderPartiallyFilled':
        this.#filled(data as DataOf<'OrderFilled'>);
        break;
      case 'ReconciliationCompleted':
        this.#pastImported ||= (data as DataOf<'ReconciliationCompleted'>).outcome !== 'failed';
        break;
      default:
        this.#moved(type, data);
    }
  }

  #filled({ clientOrderId, units: filled }: DataOf<'OrderFilled'>): void {
    const left = (this.#ordered.get(clientOrderId) ?? 0n) - magnitude(units(filled));
    this.#ordered.set(clientOrderId, left);
    if (left < 0n && !this.haltCauses.has('overFill')) this.haltsOwed.set('F35', `order ${clientOrderId} was filled with more than it asked for`);
  }

  #moved(type: string, data: unknown): void {
    switch (type) {
      case 'TradingArmed':
        this.mode = 'ARMED';
        this.opensSinceOperator = 0;
        break;
      case 'TradingObserving':
      case 'TradingDisarmed':
        this.mode = 'OBSERVING';
        break;
      case 'TradingReducing':
        this.mode = 'REDUCING';
        break;
      case 'TradingResumed':
        this.mode = 'OBSERVING';
        this.haltCauses.clear();
        this.opensSinceOperator = 0;
        break;
      case 'TradingHalted':
        this.mode = 'HALTED';
        this.haltCauses.add((data as DataOf<'TradingHalted'>).cause);
        this.haltsOwed.clear();
        break;
      default:
    }
  }

  #recorded({ transactionId, body }: DataOf<'BrokerTransactionRecorded'>): void {
    const day = tradingDay(textIn(body, 'time')!);
    if (day > this.#day) [this.#day, this.dayLoss] = [day, 0n];
    if (day === this.#day) this.dayLoss -= money(textIn(body, 'pl') ?? '0') + money(textIn(body, 'financing') ?? '0');
    this.#owe(transactionId, body);
    const tag = textIn(body['clientExtensions'], 'tag');
    const epoch = tag === null ? null : epochOfTag(tag);
    if (epoch !== null && this.foreignOrders.has(transactionId)) this.epochSeen = Math.max(this.epochSeen, epoch);
  }

  /** What others did to a trade of ours calls for a halt. */
  #owe(transactionId: string, body: { readonly [key: string]: unknown }): void {
    if (!this.#pastImported || body['type'] !== 'ORDER_FILL' || !this.foreignOrders.has(textIn(body, 'orderID') ?? '')) return;
    const touched = partsOf(body).flatMap((part) => textIn(part, 'tradeID') ?? []).filter((tradeId) => tradeId !== textIn(body['tradeOpened'], 'tradeID'));
    const cause = textIn(body, 'reason') === 'MARKET_ORDER_MARGIN_CLOSEOUT' ? 'lossLimit' : 'foreignTrade';
    // A halt for the same cause is not told twice.
    if (this.haltCauses.has(cause)) return;
    if (cause === 'lossLimit') this.haltsOwed.set('F39', `transaction ${transactionId} is a margin closeout`);
    else if (touched.some((tradeId) => !this.isForeign(tradeId) && !this.#closesMeant.has(tradeId))) this.haltsOwed.set('F37', `transaction ${transactionId} closed a trade of ours by another hand`);
  }

  #intended(data: DataOf<'OrderIntended'>, at: number): void {
    this.intents.set(`${data.path} ${data.requestHash}`, { at, leg: data.leg, clientOrderId: data.clientOrderId });
    this.#ordered.set(data.clientOrderId, magnitude(units(data.units)));
    if (data.tradeId !== null) this.#closesMeant.add(data.tradeId);
    if (data.leg !== 'open') return;
    this.openIntentsAt.push(at);
    this.opensSinceOperator += 1;
  }

  /** The durable intent behind a request. */
  intentOf(request: OrderRequest): Intent | undefined {
    return this.intents.get(`${request.path} ${requestHash(request)}`);
  }

  /** What a fill realised, from where its trades were opened: price times units, a dollar a dollar. */
  profitOf({ body }: Transaction): bigint {
    const parts = [...(Array.isArray(body['tradesClosed']) ? (body['tradesClosed'] as unknown[]) : []), body['tradeReduced']].filter(isBody);
    return parts.reduce((sum, part) => {
      const entry = this.#entries.get(textIn(part, 'tradeID') ?? '') ?? 0n;
      const exit = price(textIn(part, 'price') ?? textIn(body, 'price') ?? '0');
      return sum + ((entry - exit) * units(textIn(part, 'units') ?? '0')) / 10n ** 10n;
    }, 0n);
  }

  /** Keeps the starts of the bars that are in the log. */
  rememberBar({ type, data }: EventDraft): void {
    if (type === 'MarketBarClosed' || type === 'MarketBarBackfilled') this.#barStarts.push(parseInstant((data as unknown as DataOf<'MarketBarClosed'>).start));
  }

  /** The window that a decision rests on, oldest bar first. */
  window(barStart: string, bars: number): readonly number[] {
    const newest = parseInstant(barStart);
    return [...new Set(this.#barStarts.slice(-4 * bars - 100))].filter((start) => start <= newest).sort((left, right) => left - right).slice(-bars);
  }
}

/** Days begin at 17:00 New York. */
function tradingDay(time: string): number {
  const { day, minute } = newYorkClock(parseInstant(time));
  return minute >= 17 * 60 ? day + 1 : day;
}
