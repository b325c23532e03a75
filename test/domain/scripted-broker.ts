/**
 * A broker of few lines for scenarios: an append-only ledger that the scenario writes, the snapshot that follows
 * from it, and one bar for every open minute of every instrument. It knows nothing of the desk and decides nothing by itself.
 */
import type { AccountSnapshot, AccountSummary, Bar, BrokerTransaction, OrderRequest, PositionsSnapshot, SnapshotOrder, SnapshotTrade, TransactionsPage } from '../../domain/broker.ts';
import type { Json } from '../../domain/canonical.ts';
import { isMarketOpen, OANDA_CALENDAR } from '../../domain/calendar.ts';
import type { InstrumentName } from '../../domain/instruments.ts';
import { instrumentName } from '../../domain/instruments.ts';
import { add, format, money, negate, price, priceTimesUnits, ratio, scaleBy, subtract, units, ZERO_MONEY } from '../../domain/money.ts';
import type { Money, Price, Units } from '../../domain/money.ts';
import { floorMinute, formatInstant, MINUTE_MS, plusMs } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

export const ACCOUNT = '101-001-1-001';
export const EUR_USD = instrumentName('EUR_USD');
export const GBP_USD = instrumentName('GBP_USD');
export const USD_JPY = instrumentName('USD_JPY');

/** Beginning of every bid, spread, and dollars for one unit of the quote currency. */
const QUOTED: { readonly [instrument: string]: { readonly bid: string; readonly spread: string; readonly toHome: string } } = {
  EUR_USD: { bid: '1.1000', spread: '0.0001', toHome: '1' },
  GBP_USD: { bid: '1.3000', spread: '0.0002', toHome: '1' },
  USD_JPY: { bid: '150.00', spread: '0.012', toHome: '0.0066' },
};

type Body = { readonly [key: string]: Json };
interface HeldTrade {
  readonly tradeId: string;
  readonly instrument: InstrumentName;
  readonly units: Units;
  readonly initialUnits: Units;
  readonly price: Price;
  readonly openedAt: Instant;
  readonly stopId: string | null;
}

/** The order of a POST, as it was sent. */
interface SentOrder {
  readonly type: 'MARKET' | 'LIMIT';
  readonly instrument: InstrumentName;
  readonly units: string;
  readonly clientExtensions: { readonly id: string; readonly tag: string };
  readonly tradeClientExtensions: { readonly id: string; readonly tag: string };
}

interface RequestedOrder {
  readonly type: string;
  readonly instrument: InstrumentName;
  readonly units: string;
  readonly clientExtensions?: { readonly id: string; readonly tag: string };
  readonly tradeClose?: { readonly tradeID: string };
}

export class ScriptedBroker {
  readonly transactions: BrokerTransaction[] = [];
  readonly trades = new Map<string, HeldTrade>();
  readonly pendingOrderIds = new Set<string>();
  readonly stopPrices = new Map<string, Price>();
  /** Minutes (epoch ms) without a candle. */
  readonly missingMinutes = new Set<number>();
  /** Bid at a minute's end where it differs from the usual one. */
  readonly bids = new Map<number, string>();
  /** How long after its minute a candle becomes complete. */
  candleDelayMs = 0;
  tradeable = true;
  balance: Money = ZERO_MONEY;
  realisedPl: Money = ZERO_MONEY;
  financing: Money = ZERO_MONEY;
  /** Changes what the next snapshots say, to bring about a disagreement. */
  distort: (snapshot: AccountSnapshot) => AccountSnapshot = (snapshot) => snapshot;

  get lastTransactionId(): number {
    return this.transactions.length;
  }

  // --- the ledger ---

  append(at: Instant, body: Body & { readonly type: string }, moved: Money | null = null): string {
    const id = String(this.transactions.length + 1);
    if (moved !== null) this.balance = add(this.balance, moved);
    if (typeof body['pl'] === 'string') this.realisedPl = add(this.realisedPl, money(body['pl']));
    if (typeof body['financing'] === 'string') this.financing = add(this.financing, money(body['financing']));
    const whole = { id, accountID: ACCOUNT, time: formatInstant(at), ...body, ...(moved === null ? {} : { accountBalance: format(this.balance) }) };
    this.transactions.push({ id: Number(id), type: body.type, at, accountId: ACCOUNT, body: whole });
    return id;
  }

  open(at: Instant, funds = '10000'): void {
    this.append(at, { type: 'CREATE', homeCurrency: 'USD' });
    this.append(at, { type: 'TRANSFER_FUNDS', amount: funds }, money(funds));
  }

  /** Fills an opening order as it was sent; `filledUnits` and `filledAt` let it go wrong. Answers with the trade's id. */
  fillOpening(at: Instant, request: OrderRequest, filledUnits: string | null = null, filledAt: Price | null = null): string {
    const { order } = JSON.parse(request.body) as { readonly order: SentOrder };
    return this.fillOf(at, this.accept(at, request), filledUnits ?? order.units, filledAt, order.clientExtensions.id, order.clientExtensions.tag, order.instrument, `${order.type}_ORDER`);
  }

  /** Takes an opening order in, and no more yet. Answers with the order's id. */
  accept(at: Instant, request: OrderRequest): string {
    const { order } = JSON.parse(request.body) as { readonly order: SentOrder };
    return this.append(at, { type: `${order.type}_ORDER`, instrument: order.instrument, units: order.units, clientExtensions: { ...order.clientExtensions } });
  }

  /** A trade that somebody else opens, without any client id. */
  fillForeign(at: Instant, count: string): string {
    const orderId = this.append(at, { type: 'MARKET_ORDER', instrument: EUR_USD, units: count });
    return this.fillOf(at, orderId, count, null, null, null);
  }

  /** A second fill of an order that is already known, which no broker should ever send. */
  fillOf(at: Instant, orderId: string, count: string, filledAt: Price | null, clientOrderId: string | null, tag: string | null, instrument = EUR_USD, reason = 'MARKET_ORDER'): string {
    const { bid, ask } = this.pricesAt(at, instrument);
    const entry = filledAt ?? (units(count) > 0n ? ask : bid);
    const tradeId = String(this.lastTransactionId + 1);
    this.append(at, {
      type: 'ORDER_FILL', orderID: orderId, instrument, units: count, price: format(entry), pl: '0', financing: '0', reason,
      ...(clientOrderId === null ? {} : { clientOrderID: clientOrderId }),
      tradeOpened: { tradeID: tradeId, units: count, price: format(entry) },
    }, ZERO_MONEY);
    this.trades.set(tradeId, { tradeId, instrument, units: units(count), initialUnits: units(count), price: entry, openedAt: at, stopId: null });
    if (clientOrderId !== null) this.createStop(at, tradeId, this.stopPriceAt(tradeId, '0.005'), { reason: 'ON_FILL', ...(tag === null ? {} : { clientExtensions: { tag } }) });
    return tradeId;
  }

  // --- stops ---

  private stopPriceAt(tradeId: string, distance: string): Price {
    const trade = this.trades.get(tradeId)!;
    return trade.units > 0n ? subtract(trade.price, price(distance)) : add(trade.price, price(distance));
  }

  private createStop(at: Instant, tradeId: string, stopPrice: Price, more: Body): string {
    const stopId = this.append(at, { type: 'STOP_LOSS_ORDER', tradeID: tradeId, price: format(stopPrice), ...more });
    this.pendingOrderIds.add(stopId);
    this.stopPrices.set(stopId, stopPrice);
    this.trades.set(tradeId, { ...this.trades.get(tradeId)!, stopId });
    return stopId;
  }

  /** Somebody cancels the trade's stop. */
  cancelStop(at: Instant, tradeId: string, reason = 'CLIENT_REQUEST'): void {
    const trade = this.trades.get(tradeId)!;
    this.append(at, { type: 'ORDER_CANCEL', orderID: trade.stopId!, reason });
    this.pendingOrderIds.delete(trade.stopId!);
    this.trades.set(tradeId, { ...trade, stopId: null });
  }

  /** Somebody moves it: a new order takes the place of the old one. */
  moveStop(at: Instant, tradeId: string, stopPrice: string): void {
    const replaced = this.trades.get(tradeId)!.stopId!;
    this.cancelStop(at, tradeId, 'CLIENT_REQUEST_REPLACED');
    this.createStop(at, tradeId, price(stopPrice), { reason: 'REPLACEMENT', replacesOrderID: replaced });
  }

  /** Creates or replaces a stop as a request asks. */
  placeStop(at: Instant, request: OrderRequest): void {
    const tradeId = request.path.split('/').at(-2)!;
    const { stopLoss } = JSON.parse(request.body) as { readonly stopLoss: { readonly distance: string; readonly clientExtensions: { readonly id: string; readonly tag: string } } };
    const replaced = this.trades.get(tradeId)!.stopId;
    if (replaced !== null) this.cancelStop(at, tradeId, 'CLIENT_REQUEST_REPLACED');
    this.createStop(at, tradeId, this.stopPriceAt(tradeId, stopLoss.distance), { reason: replaced === null ? 'CLIENT_ORDER' : 'REPLACEMENT', clientExtensions: { ...stopLoss.clientExtensions } });
  }

  rejectStop(at: Instant, request: OrderRequest, rejectReason: string): void {
    const { stopLoss } = JSON.parse(request.body) as { readonly stopLoss: { readonly clientExtensions: { readonly id: string; readonly tag: string } } };
    this.append(at, { type: 'STOP_LOSS_ORDER_REJECT', tradeID: request.path.split('/').at(-2)!, rejectReason, clientExtensions: { ...stopLoss.clientExtensions } });
  }

  /** Somebody closes a trade, or a part of it (positive units). */
  closeByHand(at: Instant, tradeId: string, part: string | null = null, reason = 'MARKET_ORDER_TRADE_CLOSE'): void {
    const orderId = this.append(at, { type: 'MARKET_ORDER', instrument: EUR_USD, tradeClose: { tradeID: tradeId, units: part ?? 'ALL' } });
    this.close(at, tradeId, orderId, reason, null, part);
  }

  /** Closes what a close request names, at the market. */
  fillClosing(at: Instant, request: OrderRequest): void {
    const tradeId = request.path.split('/').at(-2)!;
    const asked = (JSON.parse(request.body) as { readonly units: string }).units;
    const { instrument, units: held } = this.trades.get(tradeId)!;
    const orderId = this.append(at, { type: 'MARKET_ORDER', instrument, units: format(negate(held)), tradeClose: { tradeID: tradeId, units: asked } });
    this.close(at, tradeId, orderId, 'MARKET_ORDER_TRADE_CLOSE', null, asked === 'ALL' ? null : asked);
  }

  /** Closes all that is held of the instrument that a position's close request names; `echoes` the client id that came with it. */
  fillPositionClose(at: Instant, request: OrderRequest, echoes: boolean): void {
    const instrument = request.path.split('/').at(-2) as InstrumentName;
    const { longClientExtensions, shortClientExtensions } = JSON.parse(request.body) as { readonly longClientExtensions?: object; readonly shortClientExtensions?: object };
    const held = [...this.trades.values()].filter((trade) => trade.instrument === instrument);
    const count = format(negate(held.reduce((sum, trade) => add(sum, trade.units), units('0'))));
    const orderId = this.append(at, { type: 'MARKET_ORDER', instrument, units: count, reason: 'POSITION_CLOSEOUT', ...(echoes ? { clientExtensions: { ...longClientExtensions, ...shortClientExtensions } } : {}) });
    const { bid, ask } = this.pricesAt(at, instrument);
    const parts = held.map((trade) => ({ tradeID: trade.tradeId, units: format(negate(trade.units)), price: format(trade.units > 0n ? bid : ask), realizedPL: '0' }));
    this.append(at, { type: 'ORDER_FILL', orderID: orderId, instrument, units: count, pl: '0', financing: '0', reason: 'MARKET_ORDER_POSITION_CLOSEOUT', tradesClosed: parts }, ZERO_MONEY);
    for (const trade of held) {
      this.trades.delete(trade.tradeId);
      this.pendingOrderIds.delete(trade.stopId!);
      this.append(at, { type: 'ORDER_CANCEL', orderID: trade.stopId!, reason: 'LINKED_TRADE_CLOSED' });
    }
  }

  /** The trade's protective stop fills. */
  fillStop(at: Instant, tradeId: string, exit: string): void {
    this.close(at, tradeId, this.trades.get(tradeId)!.stopId!, 'STOP_LOSS_ORDER', price(exit));
  }

  private close(at: Instant, tradeId: string, orderId: string, reason: string, exit: Price | null, part: string | null = null): void {
    const trade = this.trades.get(tradeId)!;
    const { bid, ask } = this.pricesAt(at, trade.instrument);
    const filledAt = exit ?? (trade.units > 0n ? bid : ask);
    const ended = part === null ? trade.units : trade.units > 0n ? units(part) : negate(units(part));
    const left = subtract(trade.units, ended);
    const pl = scaleBy(priceTimesUnits(subtract(filledAt, trade.price), ended), ratio(QUOTED[trade.instrument]!.toHome));
    const closed = format(negate(ended));
    const what = { tradeID: tradeId, units: closed, price: format(filledAt), realizedPL: format(pl) };
    this.append(at, {
      type: 'ORDER_FILL', orderID: orderId, instrument: trade.instrument, units: closed, price: format(filledAt), pl: format(pl), financing: '0', reason,
      ...(left === 0n ? { tradesClosed: [what] } : { tradeReduced: what }),
    }, pl);
    if (left !== 0n) return void this.trades.set(tradeId, { ...trade, units: left });
    this.trades.delete(tradeId);
    if (trade.stopId === null) return;
    this.pendingOrderIds.delete(trade.stopId);
    if (trade.stopId !== orderId) this.append(at, { type: 'ORDER_CANCEL', orderID: trade.stopId, reason: 'LINKED_TRADE_CLOSED' });
  }

  /** The order is accepted and then cancelled, as a market order whose price bound is missed. */
  cancel(at: Instant, request: OrderRequest, reason: string): void {
    const { clientExtensions, ...what } = this.#orderOf(request);
    const orderId = this.append(at, { ...what, ...(clientExtensions === undefined ? {} : { clientExtensions }) });
    this.append(at, { type: 'ORDER_CANCEL', orderID: orderId, reason, ...(clientExtensions === undefined ? {} : { clientOrderID: clientExtensions.id }) });
  }

  reject(at: Instant, request: OrderRequest, rejectReason: string): void {
    const { clientExtensions, type, ...what } = this.#orderOf(request);
    this.append(at, { type: `${type}_REJECT`, rejectReason, ...what, ...(clientExtensions === undefined ? {} : { clientExtensions }) });
  }

  // --- what it answers ---

  page(since: number): TransactionsPage {
    return { transactions: this.transactions.filter(({ id }) => id > since), lastTransactionId: this.lastTransactionId };
  }

  private account() {
    return {
      accountId: ACCOUNT, currency: 'USD', hedgingEnabled: false, balance: this.balance, realisedPl: this.realisedPl, financing: this.financing, commission: ZERO_MONEY, unrealisedPl: ZERO_MONEY,
      lastTransactionId: this.lastTransactionId,
    };
  }

  snapshot(): AccountSnapshot {
    const trades = [...this.trades.values()].map((trade): SnapshotTrade => ({
      tradeId: trade.tradeId, instrument: trade.instrument, units: trade.units, initialUnits: trade.initialUnits, price: trade.price, openedAt: trade.openedAt, clientTradeId: null, stopLossOrderId: trade.stopId,
    }));
    const tradeOf = (orderId: string): string | null => [...this.trades.values()].find(({ stopId }) => stopId === orderId)?.tradeId ?? null;
    const pendingOrders = [...this.pendingOrderIds].map((orderId): SnapshotOrder => ({ orderId, type: 'STOP_LOSS', tradeId: tradeOf(orderId), price: this.stopPrices.get(orderId) ?? null, clientOrderId: null }));
    return this.distort({ ...this.account(), trades, pendingOrders });
  }

  /** The account's sums alone; a distorted snapshot distorts them alike. */
  summary(): AccountSummary {
    const { trades, pendingOrders, ...account } = this.snapshot();
    return { ...account, openTrades: trades.length, pendingOrders: pendingOrders.length };
  }

  positions(): PositionsSnapshot {
    const held = new Map<InstrumentName, Units>();
    for (const { instrument, units: count } of this.trades.values()) held.set(instrument, add(held.get(instrument) ?? units('0'), count));
    return { positions: [...held].map(([instrument, count]) => ({ instrument, units: count })), lastTransactionId: this.lastTransactionId };
  }

  /** Complete candles at `now` that start at or after `from` (null: the newest ones). */
  bars(now: Instant, from: Instant | null, countMax: number, instrument = EUR_USD): readonly Bar[] {
    const newest = plusMs(floorMinute(plusMs(now, -this.candleDelayMs)), -MINUTE_MS);
    const oldest = from ?? plusMs(newest, -(countMax - 1) * MINUTE_MS);
    const bars: Bar[] = [];
    for (let start = oldest; start <= newest && bars.length < countMax; start = plusMs(start, MINUTE_MS)) {
      if (isMarketOpen(OANDA_CALENDAR, start) && !this.missingMinutes.has(start)) bars.push(this.barAt(start, instrument));
    }
    return bars;
  }

  barAt(start: Instant, instrument = EUR_USD): Bar {
    const opening = this.pricesAt(start, instrument);
    const closing = this.pricesAt(plusMs(start, MINUTE_MS), instrument);
    const side = (open: Price, close: Price) => ({ open, high: open > close ? open : close, low: open < close ? open : close, close });
    return { instrument, start, bid: side(opening.bid, closing.bid), ask: side(opening.ask, closing.ask), volume: 7 };
  }

  /** A spread of one or two pips around a price that changes with the minute, unless the scenario sets that of EUR_USD. */
  pricesAt(at: Instant, instrument = EUR_USD): { readonly bid: Price; readonly ask: Price } {
    const minute = floorMinute(at);
    const quoted = QUOTED[instrument]!;
    const set = instrument === EUR_USD ? this.bids.get(minute) : undefined;
    const bid = price(set ?? `${quoted.bid}${(minute / MINUTE_MS) % 10}`);
    return { bid, ask: add(bid, price(quoted.spread)) };
  }

  /** What the broker's order transactions repeat of a request: its client id, or the trade that it closes. */
  #orderOf(request: OrderRequest): RequestedOrder {
    if (request.method === 'PUT') {
      const tradeID = request.path.split('/').at(-2)!;
      return { type: 'MARKET_ORDER', instrument: this.trades.get(tradeID)?.instrument ?? EUR_USD, units: '0', tradeClose: { tradeID } };
    }
    const { order } = JSON.parse(request.body) as { readonly order: SentOrder };
    return { type: `${order.type}_ORDER`, instrument: order.instrument, units: order.units, clientExtensions: order.clientExtensions };
  }
}
