/**
 * The matching engine of a netting account: pure, with no clock, no I/O and no randomness.
 *
 * Price points and requests go in with their times; transactions come out. Every order rests until the next price
 * point of its instrument: market orders fill there, on the ask when they buy and on the bid when they sell, and
 * the others when the point reaches their price. A stop fills at the point's own price, so a gap fills beyond it.
 * Orders that meet the same point are served oldest first.
 *
 * **Invariant:** time never runs backwards: every input carries a time at or after the one before it.
 */
import type { ConfigureOutcome } from './account.ts';
import { configure, openAccount } from './account.ts';
import type { VenueActions } from './actions.ts';
import { createVenueActions } from './actions.ts';
import type { Transaction } from './bodies.ts';
import type { Book } from './book.ts';
import { createBook, marketOf, pendingOrders } from './book.ts';
import type { Context } from './context.ts';
import { cancelOrder } from './context.ts';
import { nextNewYorkMinute } from './days.ts';
import { ZERO } from './decimals.ts';
import { settleFinancing } from './financing.ts';
import { createLedger } from './ledger.ts';
import { checkMargin, closeDelayed, extendMarginCall } from './margin.ts';
import { meetOrders } from './matching.ts';
import { cancelByClient, modifyOrderExtensions, placeOrder, replaceOrder } from './orders.ts';
import type { Invalid, Outcome, Receipt, Rejected } from './outcomes.ts';
import type { PositionOutcome } from './positions.ts';
import { closePosition } from './positions.ts';
import type { EngineSettings } from './settings.ts';
import type { TradeOrdersOutcome } from './trades.ts';
import { closeTrade, modifyTradeExtensions, setTradeOrders } from './trades.ts';
import { formatInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

export type { Outcome, Receipt } from './outcomes.ts';

/** A price point; bid and ask are whole points of 10^-displayPrecision. */
export interface Tick {
  readonly instrument: string;
  readonly bid: number;
  readonly ask: number;
  readonly at: Instant;
}

export interface Engine {
  readonly settings: EngineSettings;
  readonly openedAt: Instant;
  /** The account's records, for views; changed by the engine alone. */
  readonly book: Readonly<Book>;
  readonly lastTransactionId: number;
  /** What others than the client do: drills and fault plans. */
  readonly venueActions: VenueActions;
  transaction(id: number): Transaction | undefined;
  /** Transactions with ids from `first` to `last`, both included. */
  transactions(first: number, last: number): readonly Transaction[];
  /** When the account next changes by itself if no price comes: financing, or the end of an order's life. */
  nextTimedEventAt(): Instant;
  /** Lets every timed event up to and including `at` happen. */
  advanceTo(at: Instant): readonly Transaction[];
  /** Takes a price point (after the timed events before it) and returns what it caused. */
  tick(tick: Tick): readonly Transaction[];
  /** A POST of `order`, whatever its content. */
  placeOrder(order: unknown, receipt: Receipt): Outcome;
  replaceOrder(specifier: string, order: unknown, receipt: Receipt): Outcome;
  cancel(specifier: string, receipt: Receipt): Outcome;
  modifyOrderExtensions(specifier: string, body: unknown, receipt: Receipt): Outcome;
  closeTrade(specifier: string, body: unknown, receipt: Receipt): Outcome;
  setTradeOrders(specifier: string, body: unknown, receipt: Receipt): TradeOrdersOutcome;
  modifyTradeExtensions(specifier: string, body: unknown, receipt: Receipt): Rejected | Invalid | { readonly kind: 'done'; readonly transaction: Transaction };
  closePosition(instrument: string, body: unknown, receipt: Receipt): PositionOutcome;
  configure(body: unknown, receipt: Receipt): ConfigureOutcome;
}

const NOTHING: readonly Transaction[] = [];

/** The earliest end of life among pending orders, or null. */
function nextExpiry(book: Book): Instant | null {
  let earliest: Instant | null = null;
  for (const market of book.markets.values()) {
    for (const { expiry } of market.pendingOrders) if (expiry !== null && (earliest === null || expiry.at < earliest)) earliest = expiry.at;
  }
  return earliest;
}

class NettingEngine implements Engine {
  readonly openedAt: Instant;
  readonly venueActions: VenueActions;
  readonly #context: Context;
  #financingAt: Instant;
  #timedEventAt: Instant;
  #expiriesOf = 0;
  #latest: Instant;

  constructor(settings: EngineSettings, openedAt: Instant) {
    this.#context = { settings, book: createBook(settings), ledger: createLedger(settings) };
    openAccount(this.#context, openedAt);
    this.openedAt = openedAt;
    this.#latest = openedAt;
    this.#financingAt = nextNewYorkMinute(openedAt, settings.switches.financingMinute);
    this.#timedEventAt = this.#financingAt;
    this.venueActions = createVenueActions(this.#context, (at, act) => this.#at(at, act));
  }

  get settings(): EngineSettings {
    return this.#context.settings;
  }

  get book(): Readonly<Book> {
    return this.#context.book;
  }

  get lastTransactionId(): number {
    return this.#context.ledger.lastId;
  }

  transaction(id: number): Transaction | undefined {
    return this.#context.ledger.get(id);
  }

  transactions(first: number, last: number): readonly Transaction[] {
    return this.#context.ledger.range(first, last);
  }

  nextTimedEventAt(): Instant {
    return this.#timedEventAt;
  }

  advanceTo(until: Instant): readonly Transaction[] {
    const first = this.lastTransactionId + 1;
    while (this.#timedEventAt <= until) {
      const due = this.#timedEventAt;
      this.#at(due, () => this.#timedEvent(due));
    }
    return this.#since(first);
  }

  tick(point: Tick): readonly Transaction[] {
    const first = this.lastTransactionId + 1;
    if (this.#timedEventAt <= point.at) this.advanceTo(point.at);
    this.#moveTime(point.at);
    if (!(point.bid > 0 && point.bid <= point.ask)) throw new Error(`${point.instrument}: bid ${point.bid} and ask ${point.ask} points are no price`);
    const { book } = this.#context;
    const market = marketOf(book, point.instrument);
    market.quote = point;
    market.takenBid = ZERO;
    market.takenAsk = ZERO;
    if (market.thinMarket !== null) {
      const { units, pointsLeft } = market.thinMarket;
      market.thinMarket = pointsLeft === 0 ? null : { units, pointsLeft: pointsLeft - 1 };
    }
    // Most points meet neither an order nor a trade, and a backtest plays millions of them.
    if (market.openTrades.length > 0) closeDelayed(this.#context, market, point.at);
    if (market.pendingOrders.length > 0) meetOrders(this.#context, market, point.at);
    if (book.openTradeCount > 0 || book.marginCall !== null) checkMargin(this.#context, point.at);
    this.#findTimedEvent();
    return this.#since(first);
  }

  placeOrder(order: unknown, receipt: Receipt): Outcome {
    return this.#at(receipt.at, () => placeOrder(this.#context, order, receipt));
  }

  replaceOrder(specifier: string, order: unknown, receipt: Receipt): Outcome {
    return this.#at(receipt.at, () => replaceOrder(this.#context, specifier, order, receipt));
  }

  cancel(specifier: string, receipt: Receipt): Outcome {
    return this.#at(receipt.at, () => cancelByClient(this.#context, specifier, receipt));
  }

  modifyOrderExtensions(specifier: string, body: unknown, receipt: Receipt): Outcome {
    return this.#at(receipt.at, () => modifyOrderExtensions(this.#context, specifier, body, receipt));
  }

  closeTrade(specifier: string, body: unknown, receipt: Receipt): Outcome {
    return this.#at(receipt.at, () => closeTrade(this.#context, specifier, body, receipt));
  }

  setTradeOrders(specifier: string, body: unknown, receipt: Receipt): TradeOrdersOutcome {
    return this.#at(receipt.at, () => setTradeOrders(this.#context, specifier, body, receipt));
  }

  modifyTradeExtensions(specifier: string, body: unknown, receipt: Receipt): ReturnType<Engine['modifyTradeExtensions']> {
    return this.#at(receipt.at, () => modifyTradeExtensions(this.#context, specifier, body, receipt));
  }

  closePosition(instrument: string, body: unknown, receipt: Receipt): PositionOutcome {
    return this.#at(receipt.at, () => closePosition(this.#context, instrument, body, receipt));
  }

  configure(body: unknown, receipt: Receipt): ConfigureOutcome {
    return this.#at(receipt.at, () => configure(this.#context, body, receipt));
  }

  #timedEvent(due: Instant): void {
    const { book, ledger } = this.#context;
    for (const order of pendingOrders(book)) {
      if (order.expiry === null || order.expiry.at > due) continue;
      cancelOrder(this.#context, ledger.begin({ at: due, requestId: order.requestId, byClient: false }), order, order.expiry.reason);
    }
    if (this.#financingAt > due) return;
    settleFinancing(this.#context, due);
    extendMarginCall(this.#context, due);
    this.#financingAt = nextNewYorkMinute(due, this.settings.switches.financingMinute);
  }

  #moveTime(time: Instant): void {
    if (time < this.#latest) throw new Error(`time runs backwards: ${formatInstant(time)} after ${formatInstant(this.#latest)}`);
    this.#latest = time;
  }

  /** Acts at a time, and afterwards finds out anew when the next timed event is due. */
  #at<Result>(time: Instant, act: () => Result): Result {
    this.#moveTime(time);
    const result = act();
    this.#findTimedEvent();
    return result;
  }

  #findTimedEvent(): void {
    const { book } = this.#context;
    if (this.#expiriesOf === book.pendingRevision && this.#timedEventAt > this.#latest) return;
    this.#expiriesOf = book.pendingRevision;
    const expiry = nextExpiry(book);
    this.#timedEventAt = expiry !== null && expiry < this.#financingAt ? expiry : this.#financingAt;
  }

  #since(first: number): readonly Transaction[] {
    return this.lastTransactionId < first ? NOTHING : this.transactions(first, this.lastTransactionId);
  }
}

/** Opens an account at `openedAt`; nothing can happen to it before. */
export const createEngine = (settings: EngineSettings, openedAt: Instant): Engine => new NettingEngine(settings, openedAt);
