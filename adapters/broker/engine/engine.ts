/**
 * The matching engine of a netting account: pure, with no clock, no I/O and no randomness.
 *
 * Price points and requests go in with their times; transactions come out. A market order rests until the next
 * price point of its instrument and fills there, on the ask when it buys and on the bid when it sells. Stops and
 * take profits trigger at a point and fill at that point's own price, so a gap fills beyond the stop. Orders that
 * meet the same point are served oldest first.
 *
 * **Invariant:** time never runs backwards: every input carries a time at or after the one before it.
 */
import type { Body, Json, Transaction } from './bodies.ts';
import { compact, extensionsBody, isBody } from './bodies.ts';
import type { Book, CloseTarget, DependentTerms, MarketOrder, Order } from './book.ts';
import { addOrder, createBook, findOrder, findTrade, marketOf, netUnits, pendingOrders } from './book.ts';
import type { Decimal } from './decimals.ts';
import { printDecimal, printMoney, printPoints, readDecimal } from './decimals.ts';
import type { Context } from './fills.ts';
import { cancelOrder, settleMarketOrder, triggerDependent } from './fills.ts';
import { nextTradingDayStart, settleFinancing } from './financing.ts';
import type { Batch } from './ledger.ts';
import { createLedger } from './ledger.ts';
import type { MarketOrderRequest } from './requests.ts';
import { InvalidRequest, RejectedRequest, echoOf, invalidValue, readMarketOrder } from './requests.ts';
import type { EngineSettings } from './settings.ts';
import { homeFactors } from './valuation.ts';
import { isMarketOpen } from '../../../domain/calendar.ts';
import { formatInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** A price point; bid and ask are whole points of 10^-displayPrecision. */
export interface Tick {
  readonly instrument: string;
  readonly bid: number;
  readonly ask: number;
  readonly at: Instant;
}

/** When a request came in, and the id that its transactions carry. */
export interface Receipt {
  readonly at: Instant;
  readonly requestId: string;
}

export type Outcome =
  | { readonly kind: 'accepted'; readonly orderId: number; readonly transactions: readonly Transaction[] }
  | { readonly kind: 'rejected'; readonly reason: string; readonly transaction: Transaction }
  /** Unreadable: nothing happened and no transaction id was used. */
  | { readonly kind: 'invalid'; readonly message: string };

type PositionSide = 'long' | 'short';
type PositionOutcome = { readonly kind: 'invalid'; readonly message: string } | { readonly kind: 'sides'; readonly sides: readonly { readonly side: PositionSide; readonly outcome: Outcome }[] };

export interface Engine {
  readonly settings: EngineSettings;
  readonly openedAt: Instant;
  /** The account's records, for views; changed by the engine alone. */
  readonly book: Readonly<Book>;
  readonly lastTransactionId: number;
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
  closeTrade(specifier: string, body: unknown, receipt: Receipt): Outcome;
  closePosition(instrument: string, body: unknown, receipt: Receipt): PositionOutcome;
  cancel(specifier: string, receipt: Receipt): Outcome;
}

const NOTHING: readonly Transaction[] = [];

/** Opens the account: it is created, configured and funded. */
function openAccount(context: Context, openedAt: Instant): void {
  const { settings, ledger, book } = context;
  const [siteId, divisionId, userId, accountNumber] = settings.accountId.split('-').map(Number);
  const balance = readDecimal(settings.balance);
  if (balance === null || balance.isNegative()) throw new Error(`balance: "${settings.balance}" is no amount such as 100000`);
  if (siteId === undefined || divisionId === undefined || userId === undefined || !Number.isSafeInteger(accountNumber)) {
    throw new Error(`accountId: "${settings.accountId}" is no account id such as 101-001-1234567-001`);
  }
  const opening = ledger.begin({ at: openedAt, requestId: null, byClient: true });
  opening.add('CREATE', { divisionID: divisionId, siteID: siteId, accountUserID: userId, accountNumber, homeCurrency: settings.currency });
  opening.add('CLIENT_CONFIGURE', { alias: settings.alias });
  book.balance = balance;
  ledger
    .begin({ at: openedAt, requestId: null, byClient: true })
    .add('TRANSFER_FUNDS', { amount: printMoney(balance), fundingReason: 'CLIENT_FUNDING', accountBalance: printMoney(balance) });
}

const termsBody = (terms: DependentTerms | null, precision: number): Body | undefined =>
  terms === null
    ? undefined
    : compact({
        price: terms.pricePoints === null ? undefined : printPoints(terms.pricePoints, precision),
        distance: terms.distancePoints === null ? undefined : printPoints(terms.distancePoints, precision),
        timeInForce: terms.timeInForce,
        gtdTime: terms.gtdTime === null ? undefined : formatInstant(terms.gtdTime),
        triggerCondition: terms.triggerCondition === 'DEFAULT' ? undefined : terms.triggerCondition,
        clientExtensions: extensionsBody(terms.clientExtensions),
      });

/** The part of a MARKET_ORDER that says what it closes. */
function closeFields(close: CloseTarget | null, instrument: string): { readonly [key: string]: Json | undefined } {
  if (close === null) return {};
  if (close.kind === 'trade') {
    return { tradeClose: compact({ tradeID: String(close.tradeId), clientTradeID: close.clientTradeId ?? undefined, units: close.unitsText }) };
  }
  return { [`${close.side}PositionCloseout`]: { instrument, units: close.unitsText } };
}

const CLOSE_REASON = { trade: 'TRADE_CLOSE', position: 'POSITION_CLOSEOUT' } as const;
const orderReason = (close: CloseTarget | null): string => (close === null ? 'CLIENT_ORDER' : CLOSE_REASON[close.kind]);

const CLOSING_REQUEST: Omit<MarketOrderRequest, 'units'> = {
  timeInForce: 'FOK',
  boundPoints: null,
  positionFill: 'REDUCE_ONLY',
  clientExtensions: null,
  tradeClientExtensions: null,
  stopLossOnFill: null,
  takeProfitOnFill: null,
};

/** Creates a market order, and cancels it at once while the market is closed. */
function createMarketOrder(context: Context, batch: Batch, receipt: Receipt, instrument: string, request: MarketOrderRequest, close: CloseTarget | null): Outcome {
  const { settings, book } = context;
  const precision = marketOf(book, instrument).settings.instrument.displayPrecision;
  const transaction = batch.add('MARKET_ORDER', {
    instrument,
    units: printDecimal(request.units),
    timeInForce: request.timeInForce,
    priceBound: request.boundPoints === null ? undefined : printPoints(request.boundPoints, precision),
    positionFill: request.positionFill,
    ...closeFields(close, instrument),
    clientExtensions: extensionsBody(request.clientExtensions),
    tradeClientExtensions: extensionsBody(request.tradeClientExtensions),
    takeProfitOnFill: termsBody(request.takeProfitOnFill, precision),
    stopLossOnFill: termsBody(request.stopLossOnFill, precision),
    reason: orderReason(close),
  });
  const order: MarketOrder = {
    ...request,
    id: transaction.id,
    type: 'MARKET',
    instrument,
    createdAt: receipt.at,
    requestId: receipt.requestId,
    expiry: { at: (receipt.at + settings.marketOrderWaitMs) as Instant, reason: 'MARKET_HALTED' },
    status: { state: 'PENDING' },
    close,
  };
  addOrder(book, order);
  if (!isMarketOpen(settings.calendar, receipt.at)) cancelOrder(context, batch, order, 'MARKET_HALTED');
  return { kind: 'accepted', orderId: order.id, transactions: batch.transactions };
}

/** Runs the reading of a request, and turns what it throws into the outcome that the broker gives. */
function guarded(context: Context, receipt: Receipt, rejectType: string, rejectFields: { readonly [key: string]: Json | undefined }, act: (batch: Batch) => Outcome): Outcome {
  const batch = context.ledger.begin({ at: receipt.at, requestId: receipt.requestId, byClient: true });
  try {
    return act(batch);
  } catch (error) {
    if (error instanceof InvalidRequest) return { kind: 'invalid', message: error.message };
    if (!(error instanceof RejectedRequest)) throw error;
    return { kind: 'rejected', reason: error.reason, transaction: batch.add(rejectType, { ...rejectFields, rejectReason: error.reason }) };
  }
}

function placeOrder(context: Context, order: unknown, receipt: Receipt): Outcome {
  const { book, settings } = context;
  if (!isBody(order)) return { kind: 'invalid', message: "The request was missing required data: 'order'" };
  if (order['type'] !== undefined && order['type'] !== 'MARKET') return { kind: 'invalid', message: invalidValue('order.type').message };
  const instrument = order['instrument'];
  const market = typeof instrument === 'string' ? book.markets.get(instrument) : undefined;
  if (typeof instrument !== 'string' || market === undefined) return { kind: 'invalid', message: invalidValue('order.instrument').message };
  return guarded(context, receipt, 'MARKET_ORDER_REJECT', { ...echoOf(order), reason: 'CLIENT_ORDER' }, (batch) => {
    const request = readMarketOrder(order, market, receipt.at);
    const clientId = request.clientExtensions?.id;
    if (clientId !== undefined && book.pendingOrderByClientId.has(clientId)) throw new RejectedRequest('CLIENT_ORDER_ID_ALREADY_EXISTS');
    if (pendingOrders(book).length >= settings.pendingOrdersMax) throw new RejectedRequest('PENDING_ORDERS_ALLOWED_EXCEEDED');
    if (market.quote === null || homeFactors(book, settings, market.settings.instrument.quote) === null) throw new RejectedRequest('INSTRUMENT_PRICE_UNKNOWN');
    return createMarketOrder(context, batch, receipt, instrument, request, null);
  });
}

/** Reads how much to close: "ALL", or a positive number no larger than what is held. */
function readCloseUnits(value: unknown, held: Decimal, precision: number, place: string, exceeds: string): Decimal {
  if (value === 'ALL') return held;
  const units = readDecimal(value);
  if (units === null) throw invalidValue(place);
  if (units.isNegative() || units.isZero()) throw new RejectedRequest('UNITS_INVALID');
  if (units.decimalPlaces() > precision) throw new RejectedRequest('UNITS_PRECISION_EXCEEDED');
  if (units.greaterThan(held)) throw new RejectedRequest(exceeds);
  return units;
}

function closeTrade(context: Context, specifier: string, body: unknown, receipt: Receipt): Outcome {
  if (!isBody(body)) return { kind: 'invalid', message: 'Invalid JSON body, must be an object' };
  const units = body['units'] ?? 'ALL';
  const unitsText = typeof units === 'string' ? units.slice(0, 64) : undefined;
  const trade = findTrade(context.book, specifier);
  const named = specifier.startsWith('@') ? { clientTradeID: specifier.slice(1, 129) } : { tradeID: specifier.slice(0, 64) };
  const rejectFields = {
    instrument: trade?.instrument,
    timeInForce: 'FOK',
    positionFill: 'REDUCE_ONLY',
    tradeClose: compact({ ...named, units: unitsText }),
    reason: 'TRADE_CLOSE',
  };
  return guarded(context, receipt, 'MARKET_ORDER_REJECT', rejectFields, (batch) => {
    if (trade === undefined || trade.closedAt !== null) throw new RejectedRequest('TRADE_DOESNT_EXIST');
    const { tradeUnitsPrecision } = marketOf(context.book, trade.instrument).settings.instrument;
    const count = readCloseUnits(units, trade.currentUnits.abs(), tradeUnitsPrecision, 'units', 'CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE');
    const signed = trade.currentUnits.isNegative() ? count : count.neg();
    const close: CloseTarget = { kind: 'trade', tradeId: trade.id, clientTradeId: trade.clientExtensions?.id ?? null, unitsText: unitsText ?? 'ALL' };
    return createMarketOrder(context, batch, receipt, trade.instrument, { ...CLOSING_REQUEST, units: signed }, close);
  });
}

function closePosition(context: Context, instrument: string, body: unknown, receipt: Receipt): PositionOutcome {
  const market = context.book.markets.get(instrument);
  if (market === undefined) return { kind: 'invalid', message: invalidValue('instrument').message };
  if (!isBody(body)) return { kind: 'invalid', message: 'Invalid JSON body, must be an object' };
  const held = netUnits(market);
  const heldSide: PositionSide | null = held.isZero() ? null : held.isNegative() ? 'short' : 'long';
  const named = { long: body['longUnits'], short: body['shortUnits'] };
  if (named.long === 'NONE' && named.short === 'NONE') return { kind: 'invalid', message: "The request was missing required data: 'longUnits' or 'shortUnits'" };
  const nothingNamed = named.long === undefined && named.short === undefined;
  const wantedOf = (side: PositionSide): unknown => named[side] ?? (nothingNamed && side === (heldSide ?? 'long') ? 'ALL' : 'NONE');
  const asked = (['long', 'short'] as const).filter((side) => wantedOf(side) !== 'NONE');
  // Naming a side that is not held spoils the whole request: nothing is closed under an error answer.
  const spoilt = asked.filter((side) => side !== heldSide);
  const sides: { side: PositionSide; outcome: Outcome }[] = [];
  for (const side of spoilt.length > 0 ? spoilt : asked) {
    const wanted = wantedOf(side);
    const unitsText = typeof wanted === 'string' ? wanted.slice(0, 64) : '';
    const rejectFields = { instrument, timeInForce: 'FOK', positionFill: 'REDUCE_ONLY', [`${side}PositionCloseout`]: { instrument, units: unitsText }, reason: 'POSITION_CLOSEOUT' };
    const outcome = guarded(context, receipt, 'MARKET_ORDER_REJECT', rejectFields, (batch) => {
      if (side !== heldSide) throw new RejectedRequest('CLOSEOUT_POSITION_DOESNT_EXIST');
      const place = `${side}Units`;
      const count = readCloseUnits(wanted, held.abs(), market.settings.instrument.tradeUnitsPrecision, place, 'CLOSEOUT_POSITION_UNITS_EXCEED_POSITION_SIZE');
      const units = side === 'long' ? count.neg() : count;
      return createMarketOrder(context, batch, receipt, instrument, { ...CLOSING_REQUEST, units }, { kind: 'position', side, unitsText });
    });
    if (outcome.kind === 'invalid') return outcome;
    sides.push({ side, outcome });
  }
  return { kind: 'sides', sides };
}

function cancel(context: Context, specifier: string, receipt: Receipt): Outcome {
  const order = findOrder(context.book, specifier);
  const named = specifier.startsWith('@') ? { clientOrderID: specifier.slice(1, 129) } : { orderID: specifier.slice(0, 64) };
  return guarded(context, receipt, 'ORDER_CANCEL_REJECT', named, (batch) => {
    if (order === undefined || order.status.state !== 'PENDING') throw new RejectedRequest('ORDER_DOESNT_EXIST');
    cancelOrder(context, batch, order, 'CLIENT_REQUEST');
    return { kind: 'accepted', orderId: order.id, transactions: batch.transactions };
  });
}

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
  readonly #context: Context;
  #financingAt: Instant;
  #timedEventAt: Instant;
  #latest: Instant;

  constructor(settings: EngineSettings, openedAt: Instant) {
    this.#context = { settings, book: createBook(settings.instruments), ledger: createLedger(settings) };
    openAccount(this.#context, openedAt);
    this.openedAt = openedAt;
    this.#latest = openedAt;
    this.#financingAt = nextTradingDayStart(openedAt);
    this.#timedEventAt = this.#financingAt;
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
    const market = marketOf(this.#context.book, point.instrument);
    market.quote = point;
    // Most points meet no order, and a backtest plays millions of them.
    if (market.pendingOrders.length > 0) this.#at(point.at, () => this.#meetOrders([...market.pendingOrders]));
    return this.#since(first);
  }

  placeOrder(order: unknown, receipt: Receipt): Outcome {
    return this.#at(receipt.at, () => placeOrder(this.#context, order, receipt));
  }

  closeTrade(specifier: string, body: unknown, receipt: Receipt): Outcome {
    return this.#at(receipt.at, () => closeTrade(this.#context, specifier, body, receipt));
  }

  closePosition(instrument: string, body: unknown, receipt: Receipt): PositionOutcome {
    return this.#at(receipt.at, () => closePosition(this.#context, instrument, body, receipt));
  }

  cancel(specifier: string, receipt: Receipt): Outcome {
    return this.#at(receipt.at, () => cancel(this.#context, specifier, receipt));
  }

  /** Serves the orders that were pending when a point came, oldest first. */
  #meetOrders(orders: readonly Order[]): void {
    for (const order of orders) {
      // An earlier order at this point may have cancelled this one.
      if (order.status.state !== 'PENDING') continue;
      if (order.type === 'MARKET') settleMarketOrder(this.#context, order);
      else triggerDependent(this.#context, order);
    }
  }

  #timedEvent(due: Instant): void {
    const { book, ledger } = this.#context;
    for (const order of pendingOrders(book)) {
      if (order.expiry === null || order.expiry.at > due) continue;
      cancelOrder(this.#context, ledger.begin({ at: due, requestId: order.requestId, byClient: false }), order, order.expiry.reason);
    }
    if (this.#financingAt > due) return;
    settleFinancing(this.#context, due);
    this.#financingAt = nextTradingDayStart(due);
  }

  #moveTime(time: Instant): void {
    if (time < this.#latest) throw new Error(`time runs backwards: ${formatInstant(time)} after ${formatInstant(this.#latest)}`);
    this.#latest = time;
  }

  /** Acts at a time, and afterwards finds out anew when the next timed event is due. */
  #at<Result>(time: Instant, act: () => Result): Result {
    this.#moveTime(time);
    const result = act();
    const expiry = nextExpiry(this.#context.book);
    this.#timedEventAt = expiry !== null && expiry < this.#financingAt ? expiry : this.#financingAt;
    return result;
  }

  #since(first: number): readonly Transaction[] {
    return this.lastTransactionId < first ? NOTHING : this.transactions(first, this.lastTransactionId);
  }
}

/** Opens an account at `openedAt`; nothing can happen to it before. */
export const createEngine = (settings: EngineSettings, openedAt: Instant): Engine => new NettingEngine(settings, openedAt);
