/**
 * What the account holds: trades, orders and positions, with the indexes that keep every question cheap.
 * Only the engine changes these records; everybody else sees the bodies that `views.ts` makes of them.
 */
import type { ClientExtensions } from './bodies.ts';
import type { Decimal } from './decimals.ts';
import { ZERO } from './decimals.ts';
import type { InstrumentSettings } from './settings.ts';
import type { Instant } from '../../../domain/time.ts';

export type PositionFill = 'DEFAULT' | 'OPEN_ONLY' | 'REDUCE_FIRST' | 'REDUCE_ONLY';
export type DependentKind = 'STOP_LOSS' | 'TAKE_PROFIT';
export type TriggerCondition = 'DEFAULT' | 'INVERSE' | 'BID' | 'ASK' | 'MID';

/** A price, or for stops a distance from the trade's price, both in points. */
export interface DependentTerms {
  readonly pricePoints: number | null;
  readonly distancePoints: number | null;
  readonly timeInForce: 'GTC' | 'GTD' | 'GFD';
  readonly gtdTime: Instant | null;
  readonly triggerCondition: TriggerCondition;
  readonly clientExtensions: ClientExtensions | null;
}

type OrderStatus =
  | { readonly state: 'PENDING' }
  | { readonly state: 'FILLED'; readonly transactionId: number; readonly at: Instant; readonly openedTradeId: number | null; readonly reducedTradeId: number | null; readonly closedTradeIds: readonly number[] }
  | { readonly state: 'CANCELLED'; readonly transactionId: number; readonly at: Instant };

interface OrderCommon {
  readonly id: number;
  readonly instrument: string;
  readonly createdAt: Instant;
  readonly requestId: string | null;
  readonly clientExtensions: ClientExtensions | null;
  /** When the order ends by itself, and with which cancel reason. */
  readonly expiry: { readonly at: Instant; readonly reason: string } | null;
  status: OrderStatus;
}

/** Which part of the account a closing market order is aimed at. */
export type CloseTarget =
  | { readonly kind: 'trade'; readonly tradeId: number; readonly clientTradeId: string | null; readonly unitsText: string }
  | { readonly kind: 'position'; readonly side: 'long' | 'short'; readonly unitsText: string };

export interface MarketOrder extends OrderCommon {
  readonly type: 'MARKET';
  readonly units: Decimal;
  readonly timeInForce: 'FOK' | 'IOC';
  readonly boundPoints: number | null;
  readonly positionFill: PositionFill;
  readonly close: CloseTarget | null;
  readonly stopLossOnFill: DependentTerms | null;
  readonly takeProfitOnFill: DependentTerms | null;
  readonly tradeClientExtensions: ClientExtensions | null;
}

export interface DependentOrder extends OrderCommon {
  readonly type: DependentKind;
  readonly tradeId: number;
  readonly pricePoints: number;
  readonly terms: DependentTerms;
}

export type Order = MarketOrder | DependentOrder;

export interface Trade {
  readonly id: number;
  readonly instrument: string;
  readonly openedAt: Instant;
  readonly pricePoints: number;
  readonly initialUnits: Decimal;
  readonly initialMargin: Decimal;
  readonly clientExtensions: ClientExtensions | null;
  currentUnits: Decimal;
  realizedPl: Decimal;
  financing: Decimal;
  /** Sum of price × units closed, for the average close price. */
  closedValue: Decimal;
  closedAt: Instant | null;
  readonly closingTransactionIds: number[];
  readonly dependents: Map<DependentKind, DependentOrder>;
}

/** Money that one side of a position has made. */
interface SideTotals {
  pl: Decimal;
  financing: Decimal;
}

export interface Market {
  readonly settings: InstrumentSettings;
  /** The newest price point, in points; null before the first. */
  quote: { readonly bid: number; readonly ask: number; readonly at: Instant } | null;
  /** Open trades, oldest first: the order in which a netting account closes them. */
  openTrades: Trade[];
  pendingOrders: Order[];
  everTraded: boolean;
  readonly long: SideTotals;
  readonly short: SideTotals;
}

export interface Book {
  readonly markets: ReadonlyMap<string, Market>;
  readonly orders: Map<number, Order>;
  readonly trades: Map<number, Trade>;
  /** Ids of client extensions: the pending order, and the newest trade, that carry them. */
  readonly pendingOrderByClientId: Map<string, Order>;
  readonly tradeByClientId: Map<string, Trade>;
  balance: Decimal;
  pl: Decimal;
  financing: Decimal;
  lastFillAt: Instant | null;
}

export function createBook(instruments: readonly InstrumentSettings[]): Book {
  const markets = new Map<string, Market>();
  for (const settings of instruments) {
    markets.set(settings.instrument.name, {
      settings,
      quote: null,
      openTrades: [],
      pendingOrders: [],
      everTraded: false,
      long: { pl: ZERO, financing: ZERO },
      short: { pl: ZERO, financing: ZERO },
    });
  }
  return {
    markets,
    orders: new Map(),
    trades: new Map(),
    pendingOrderByClientId: new Map(),
    tradeByClientId: new Map(),
    balance: ZERO,
    pl: ZERO,
    financing: ZERO,
    lastFillAt: null,
  };
}

/** @throws Error for an instrument the account does not have: callers check names that come from outside. */
export function marketOf(book: Book, instrument: string): Market {
  const market = book.markets.get(instrument);
  if (market === undefined) throw new Error(`the engine has no instrument ${instrument}`);
  return market;
}

export function addOrder(book: Book, order: Order): void {
  book.orders.set(order.id, order);
  marketOf(book, order.instrument).pendingOrders.push(order);
  if (order.clientExtensions?.id !== undefined) book.pendingOrderByClientId.set(order.clientExtensions.id, order);
}

/** Takes an order out of the pending ones: it has been filled or cancelled. */
export function finishOrder(book: Book, order: Order, status: Exclude<OrderStatus, { state: 'PENDING' }>): void {
  if (order.status.state !== 'PENDING') throw new Error(`order ${order.id} is already ${order.status.state}`);
  order.status = status;
  const market = marketOf(book, order.instrument);
  market.pendingOrders = market.pendingOrders.filter((other) => other !== order);
  const clientId = order.clientExtensions?.id;
  if (clientId !== undefined && book.pendingOrderByClientId.get(clientId) === order) book.pendingOrderByClientId.delete(clientId);
  if (order.type !== 'MARKET') {
    const dependents = book.trades.get(order.tradeId)?.dependents;
    if (dependents?.get(order.type) === order) dependents.delete(order.type);
  }
}

export const sideOf = (units: Decimal): 'long' | 'short' => (units.isNegative() ? 'short' : 'long');
export const netUnits = (market: Market): Decimal => market.openTrades.reduce((sum, trade) => sum.plus(trade.currentUnits), ZERO);

/** Every pending order of the account, oldest first. */
export function pendingOrders(book: Book): Order[] {
  const all = [...book.markets.values()].flatMap((market) => market.pendingOrders);
  return all.sort((left, right) => left.id - right.id);
}

/** Every open trade of the account, oldest first. */
export function openTrades(book: Book): Trade[] {
  const all = [...book.markets.values()].flatMap((market) => market.openTrades);
  return all.sort((left, right) => left.id - right.id);
}

/** Finds an order by its id or by `@` and the client id of a pending one. */
export function findOrder(book: Book, specifier: string): Order | undefined {
  if (specifier.startsWith('@')) return book.pendingOrderByClientId.get(specifier.slice(1));
  return /^\d{1,15}$/.test(specifier) ? book.orders.get(Number(specifier)) : undefined;
}

/** Finds a trade by its id or by `@` and its client id. */
export function findTrade(book: Book, specifier: string): Trade | undefined {
  if (specifier.startsWith('@')) return book.tradeByClientId.get(specifier.slice(1));
  return /^\d{1,15}$/.test(specifier) ? book.trades.get(Number(specifier)) : undefined;
}
