/**
 * A broker of few lines for scenarios: an append-only ledger that the scenario writes, the snapshot that follows
 * from it, and one bar for every open minute. It knows nothing of the desk and decides nothing by itself.
 */
import type { AccountSnapshot, Bar, BrokerTransaction, OrderRequest, PositionsSnapshot, SnapshotTrade, TransactionsPage } from '../../domain/broker.ts';
import type { Json } from '../../domain/canonical.ts';
import { isMarketOpen, OANDA_CALENDAR } from '../../domain/calendar.ts';
import { instrumentName } from '../../domain/instruments.ts';
import { add, format, money, negate, price, priceTimesUnits, subtract, units, ZERO_MONEY } from '../../domain/money.ts';
import type { Money, Price, Units } from '../../domain/money.ts';
import { floorMinute, formatInstant, MINUTE_MS, plusMs } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

export const ACCOUNT = '101-001-1-001';
export const EUR_USD = instrumentName('EUR_USD');

type Body = { readonly [key: string]: Json };
interface HeldTrade {
  readonly tradeId: string;
  readonly units: Units;
  readonly price: Price;
  readonly stopId: string | null;
}

/** The order of a POST, as it was sent. */
interface SentOrder {
  readonly units: string;
  readonly clientExtensions: { readonly id: string; readonly tag: string };
  readonly tradeClientExtensions: { readonly id: string; readonly tag: string };
}

export class ScriptedBroker {
  readonly transactions: BrokerTransaction[] = [];
  readonly trades = new Map<string, HeldTrade>();
  readonly pendingOrderIds = new Set<string>();
  /** Minutes (epoch ms) without a candle. */
  readonly missingMinutes = new Set<number>();
  /** Bid at a minute's end where it differs from the usual one. */
  readonly bids = new Map<number, string>();
  /** How long after its minute a candle becomes complete. */
  candleDelayMs = 0;
  tradeable = true;
  balance: Money = ZERO_MONEY;
  /** Changes what the next snapshots say, to bring about a disagreement. */
  distort: (snapshot: AccountSnapshot) => AccountSnapshot = (snapshot) => snapshot;

  get lastTransactionId(): number {
    return this.transactions.length;
  }

  // --- the ledger ---

  append(at: Instant, body: Body & { readonly type: string }, moved: Money | null = null): string {
    const id = String(this.transactions.length + 1);
    if (moved !== null) this.balance = add(this.balance, moved);
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
    const orderId = this.append(at, { type: 'MARKET_ORDER', instrument: EUR_USD, units: order.units, clientExtensions: { ...order.clientExtensions } });
    return this.fillOf(at, orderId, filledUnits ?? order.units, filledAt, order.clientExtensions.id, order.clientExtensions.tag);
  }

  /** A trade that somebody else opens, without any client id. */
  fillForeign(at: Instant, count: string): string {
    const orderId = this.append(at, { type: 'MARKET_ORDER', instrument: EUR_USD, units: count });
    return this.fillOf(at, orderId, count, null, null, null);
  }

  /** A second fill of an order that is already known, which no broker should ever send. */
  fillOf(at: Instant, orderId: string, count: string, filledAt: Price | null, clientOrderId: string | null, tag: string | null): string {
    const { bid, ask } = this.pricesAt(at);
    const entry = filledAt ?? (units(count) > 0n ? ask : bid);
    const tradeId = String(this.lastTransactionId + 1);
    this.append(at, {
      type: 'ORDER_FILL', orderID: orderId, instrument: EUR_USD, units: count, price: format(entry), pl: '0', financing: '0', reason: 'MARKET_ORDER',
      ...(clientOrderId === null ? {} : { clientOrderID: clientOrderId }),
      tradeOpened: { tradeID: tradeId, units: count, price: format(entry) },
    }, ZERO_MONEY);
    const stopId = clientOrderId === null ? null : this.append(at, { type: 'STOP_LOSS_ORDER', tradeID: tradeId, ...(tag === null ? {} : { clientExtensions: { tag } }) });
    if (stopId !== null) this.pendingOrderIds.add(stopId);
    this.trades.set(tradeId, { tradeId, units: units(count), price: entry, stopId });
    return tradeId;
  }

  /** Closes the trade that a close request names, at the market. */
  fillClosing(at: Instant, request: OrderRequest): void {
    const tradeId = request.path.split('/').at(-2)!;
    const orderId = this.append(at, { type: 'MARKET_ORDER', instrument: EUR_USD, units: format(negate(this.trades.get(tradeId)!.units)), tradeClose: { tradeID: tradeId, units: 'ALL' } });
    this.close(at, tradeId, orderId, 'MARKET_ORDER_TRADE_CLOSE', null);
  }

  /** The trade's protective stop fills. */
  fillStop(at: Instant, tradeId: string, exit: string): void {
    this.close(at, tradeId, this.trades.get(tradeId)!.stopId!, 'STOP_LOSS_ORDER', price(exit));
  }

  private close(at: Instant, tradeId: string, orderId: string, reason: string, exit: Price | null): void {
    const trade = this.trades.get(tradeId)!;
    const { bid, ask } = this.pricesAt(at);
    const filledAt = exit ?? (trade.units > 0n ? bid : ask);
    const pl = priceTimesUnits(subtract(filledAt, trade.price), trade.units);
    const closed = format(negate(trade.units));
    this.append(at, {
      type: 'ORDER_FILL', orderID: orderId, instrument: EUR_USD, units: closed, price: format(filledAt), pl: format(pl), financing: '0', reason,
      tradesClosed: [{ tradeID: tradeId, units: closed, price: format(filledAt), realizedPL: format(pl) }],
    }, pl);
    this.trades.delete(tradeId);
    if (trade.stopId === null) return;
    this.pendingOrderIds.delete(trade.stopId);
    if (trade.stopId !== orderId) this.append(at, { type: 'ORDER_CANCEL', orderID: trade.stopId, reason: 'LINKED_TRADE_CLOSED' });
  }

  /** The order is accepted and then cancelled, as a market order whose price bound is missed. */
  cancel(at: Instant, request: OrderRequest, reason: string): void {
    const { clientExtensions, ...what } = orderOf(request);
    const orderId = this.append(at, { type: 'MARKET_ORDER', instrument: EUR_USD, ...what, ...(clientExtensions === undefined ? {} : { clientExtensions }) });
    this.append(at, { type: 'ORDER_CANCEL', orderID: orderId, reason, ...(clientExtensions === undefined ? {} : { clientOrderID: clientExtensions.id }) });
  }

  reject(at: Instant, request: OrderRequest, rejectReason: string): void {
    const { clientExtensions, ...what } = orderOf(request);
    this.append(at, { type: 'MARKET_ORDER_REJECT', instrument: EUR_USD, rejectReason, ...what, ...(clientExtensions === undefined ? {} : { clientExtensions }) });
  }

  // --- what it answers ---

  page(since: number): TransactionsPage {
    return { transactions: this.transactions.filter(({ id }) => id > since), lastTransactionId: this.lastTransactionId };
  }

  snapshot(): AccountSnapshot {
    const trades = [...this.trades.values()].map((trade): SnapshotTrade => ({ tradeId: trade.tradeId, instrument: EUR_USD, units: trade.units, stopLossOrderId: trade.stopId }));
    return this.distort({
      accountId: ACCOUNT, currency: 'USD', hedgingEnabled: false, balance: this.balance, realisedPl: ZERO_MONEY, financing: ZERO_MONEY, unrealisedPl: ZERO_MONEY,
      trades, pendingOrderIds: [...this.pendingOrderIds], lastTransactionId: this.lastTransactionId,
    });
  }

  positions(): PositionsSnapshot {
    const held = [...this.trades.values()].reduce((sum, trade) => add(sum, trade.units), units('0'));
    return { positions: [{ instrument: EUR_USD, units: held }], lastTransactionId: this.lastTransactionId };
  }

  /** Complete candles at `now` that start at or after `from` (null: the newest ones). */
  bars(now: Instant, from: Instant | null, countMax: number): readonly Bar[] {
    const newest = plusMs(floorMinute(plusMs(now, -this.candleDelayMs)), -MINUTE_MS);
    const oldest = from ?? plusMs(newest, -(countMax - 1) * MINUTE_MS);
    const bars: Bar[] = [];
    for (let start = oldest; start <= newest && bars.length < countMax; start = plusMs(start, MINUTE_MS)) {
      if (isMarketOpen(OANDA_CALENDAR, start) && !this.missingMinutes.has(start)) bars.push(this.barAt(start));
    }
    return bars;
  }

  barAt(start: Instant): Bar {
    const opening = this.pricesAt(start);
    const closing = this.pricesAt(plusMs(start, MINUTE_MS));
    const side = (open: Price, close: Price) => ({ open, high: open > close ? open : close, low: open < close ? open : close, close });
    return { instrument: EUR_USD, start, bid: side(opening.bid, closing.bid), ask: side(opening.ask, closing.ask), volume: 7 };
  }

  /** A spread of one pip around a price that changes with the minute, unless the scenario sets it. */
  pricesAt(at: Instant): { readonly bid: Price; readonly ask: Price } {
    const minute = floorMinute(at);
    const bid = price(this.bids.get(minute) ?? `1.1000${(minute / MINUTE_MS) % 10}`);
    return { bid, ask: add(bid, price('0.0001')) };
  }
}

interface RequestedOrder {
  readonly units: string;
  readonly clientExtensions?: { readonly id: string; readonly tag: string };
  readonly tradeClose?: { readonly tradeID: string };
}

/** What the broker's order transactions repeat of a request: its client id, or the trade that it closes. */
function orderOf(request: OrderRequest): RequestedOrder {
  if (request.method === 'PUT') return { units: '0', tradeClose: { tradeID: request.path.split('/').at(-2)! } };
  const { order } = JSON.parse(request.body) as { readonly order: SentOrder };
  return { units: order.units, clientExtensions: order.clientExtensions };
}

