/**
 * What the account holds: trades, orders and positions, with the indexes that keep every question cheap.
 * Only the engine changes these records; everybody else sees the bodies that the views make of them.
 */
import type { ClientExtensions } from './bodies.ts';
import { Decimal, ZERO } from './decimals.ts';
import type { EngineSettings, InstrumentSettings } from './settings.ts';
import type { Instant } from '../../../domain/time.ts';

export type PositionFill = 'DEFAULT' | 'OPEN_ONLY' | 'REDUCE_FIRST' | 'REDUCE_ONLY';
export type TimeInForce = 'GTC' | 'GTD' | 'GFD' | 'FOK' | 'IOC';
export type TriggerCondition = 'DEFAULT' | 'INVERSE' | 'BID' | 'ASK' | 'MID';
export type EntryKind = 'LIMIT' | 'STOP' | 'MARKET_IF_TOUCHED';
export type DependentKind = 'TAKE_PROFIT' | 'STOP_LOSS' | 'TRAILING_STOP_LOSS';
/** In the order in which a fill creates them. */
export const DEPENDENT_KINDS = ['TAKE_PROFIT', 'STOP_LOSS', 'TRAILING_STOP_LOSS'] as const satisfies readonly DependentKind[];

/** A price, or a distance, both in points: a stop's from the price, a trailing stop's from the market. */
export interface DependentTerms {
  readonly pricePoints: number | null;
  readonly distancePoints: number | null;
  readonly timeInForce: 'GTC' | 'GTD' | 'GFD';
  readonly gtdTime: Instant | null;
  readonly triggerCondition: TriggerCondition;
  readonly clientExtensions: ClientExtensions | null;
}

export type OnFill = { readonly [kind in DependentKind]: DependentTerms | null };
export const NO_ON_FILL: OnFill = { TAKE_PROFIT: null, STOP_LOSS: null, TRAILING_STOP_LOSS: null };

type OrderStatus =
  | { readonly state: 'PENDING' }
  | { readonly state: 'FILLED'; readonly transactionId: number; readonly at: Instant; readonly openedTradeId: number | null; readonly reducedTradeId: number | null; readonly closedTradeIds: readonly number[] }
  | { readonly state: 'CANCELLED'; readonly transactionId: number; readonly at: Instant; readonly replacedByOrderId: number | null };

interface OrderCommon {
  readonly id: number;
  readonly instrument: string;
  readonly createdAt: Instant;
  readonly requestId: string | null;
  /** The order that this one replaced. */
  readonly replacesOrderId: number | null;
  /** When the order ends by itself, and with which cancel reason. */
  readonly expiry: { readonly at: Instant; readonly reason: string } | null;
  clientExtensions: ClientExtensions | null;
  status: OrderStatus;
}

/** What every order says that may open a trade. */
export interface EntryTerms {
  readonly units: Decimal;
  readonly timeInForce: TimeInForce;
  /** The worst price in points; for a limit order its own price. */
  readonly boundPoints: number | null;
  readonly positionFill: PositionFill;
  readonly onFill: OnFill;
  readonly tradeClientExtensions: ClientExtensions | null;
}

/** Which part of the account a closing market order is aimed at. */
export type CloseTarget =
  | { readonly kind: 'trade'; readonly tradeId: number; readonly clientTradeId: string | null; readonly unitsText: string }
  | { readonly kind: 'position'; readonly side: 'long' | 'short'; readonly unitsText: string }
  | { readonly kind: 'margin' }
  | { readonly kind: 'delayed'; readonly tradeId: number; readonly clientTradeId: string | null; readonly sourceTransactionId: number };

export interface MarketOrder extends OrderCommon, EntryTerms {
  readonly type: 'MARKET';
  readonly close: CloseTarget | null;
  /** No price before this time fills it. */
  readonly fillableFrom: Instant;
}

export interface RestingOrder extends OrderCommon, Omit<EntryTerms, 'tradeClientExtensions'> {
  readonly type: EntryKind;
  readonly pricePoints: number;
  readonly gtdTime: Instant | null;
  readonly triggerCondition: TriggerCondition;
  /** Does it wait for the price to come down to its own (or below), rather than up? */
  readonly waitsForFall: boolean;
  /** The market's price at the creation of a market-if-touched order. */
  readonly initialMarketPoints: number | null;
  tradeClientExtensions: ClientExtensions | null;
  /** What a partial fill has left, with sign. */
  remainingUnits: Decimal;
}

export interface DependentOrder extends OrderCommon {
  readonly type: DependentKind;
  readonly tradeId: number;
  readonly terms: DependentTerms;
  /** The trigger price in points; a trailing stop's moves with the market. */
  triggerPoints: number;
}

export type EntryOrder = MarketOrder | RestingOrder;
export type Order = EntryOrder | DependentOrder;

export const isDependent = (order: Order): order is DependentOrder => order.type === 'TAKE_PROFIT' || order.type === 'STOP_LOSS' || order.type === 'TRAILING_STOP_LOSS';

export interface Trade {
  readonly id: number;
  readonly instrument: string;
  readonly openedAt: Instant;
  readonly price: Decimal;
  readonly initialUnits: Decimal;
  readonly initialMargin: Decimal;
  clientExtensions: ClientExtensions | null;
  currentUnits: Decimal;
  realizedPl: Decimal;
  financing: Decimal;
  dividendAdjustment: Decimal;
  /** Sum of price × units closed, for the average close price. */
  closedValue: Decimal;
  closedAt: Instant | null;
  /** The DELAYED_TRADE_CLOSURE that will close the trade once its market can be traded. */
  delayedClosureId: number | null;
  readonly closingTransactionIds: number[];
  readonly dependents: Map<DependentKind, DependentOrder>;
}

/** Money that one side of a position has made. */
interface SideTotals {
  pl: Decimal;
  financing: Decimal;
  dividendAdjustment: Decimal;
}

/** What an instrument may be used for; buying meets the ask's state and selling the bid's. */
export const INSTRUMENT_STATUSES = ['TRADEABLE', 'HALTED', 'BID_HALTED', 'ASK_HALTED', 'REDUCE_ONLY', 'BID_REDUCE_ONLY', 'ASK_REDUCE_ONLY'] as const;
export type InstrumentStatus = (typeof INSTRUMENT_STATUSES)[number];

/** Where the rate from a market's quote currency to the home currency comes from, in order of preference. */
interface HomeRoute {
  readonly same: boolean;
  readonly direct: Market | null;
  readonly inverse: Market | null;
  readonly fixed: Decimal | null;
}

export interface Market {
  readonly settings: InstrumentSettings;
  home: HomeRoute;
  /** The newest price point, in points; null before the first. */
  quote: { readonly bid: number; readonly ask: number; readonly at: Instant } | null;
  status: InstrumentStatus;
  /** Units that fills have taken from each side since the newest point. */
  takenBid: Decimal;
  takenAsk: Decimal;
  /** Caps the offer at coming points. */
  thinMarket: { readonly units: Decimal; readonly pointsLeft: number } | null;
  /** Makes the next opening fill one of so many units, whatever was ordered. */
  nextFillUnits: Decimal | null;
  /** Open trades, oldest first: the order in which a netting account closes them. */
  openTrades: Trade[];
  pendingOrders: Order[];
  everTraded: boolean;
  readonly long: SideTotals;
  readonly short: SideTotals;
}

/** One open position in plain numbers, for the estimate that spares most price points the decimals. */
export interface RoughPosition {
  readonly market: Market;
  readonly units: number;
  /** Units × price, in quote currency. */
  readonly cost: number;
  readonly marginRate: number;
}

export interface RoughAccount {
  readonly balance: number;
  readonly positions: readonly RoughPosition[];
}

/** What locks an account, by the reason that refused requests carry. */
export const ACCOUNT_LOCKS = ['ACCOUNT_LOCKED', 'ACCOUNT_ORDER_CREATION_LOCKED', 'ACCOUNT_ORDER_CANCEL_LOCKED', 'ACCOUNT_ORDER_FILL_LOCKED', 'ACCOUNT_NEW_POSITIONS_LOCKED', 'ACCOUNT_CONFIGURATION_LOCKED'] as const;
export type AccountLock = (typeof ACCOUNT_LOCKS)[number];

export interface Book {
  readonly markets: ReadonlyMap<string, Market>;
  readonly orders: Map<number, Order>;
  readonly trades: Map<number, Trade>;
  /** Ids of client extensions: the pending order, and the newest trade, that carry them. */
  readonly pendingOrderByClientId: Map<string, Order>;
  readonly tradeByClientId: Map<string, Trade>;
  /** Grows whenever an order comes or goes, so that what is derived from the pending ones can be kept. */
  pendingRevision: number;
  /** Rebuilt when needed; whatever changes the balance, a trade or a margin rate sets it to null. */
  rough: RoughAccount | null;
  openTradeCount: number;
  alias: string;
  /** The client's own margin rate, once configured. */
  marginRate: Decimal | null;
  lock: AccountLock | null;
  marginCall: { readonly enteredAt: Instant; readonly extensions: number; readonly extendedAt: Instant | null } | null;
  /** Market orders yet to come that are accepted at once and fill late. */
  delayed: { readonly orders: number; readonly delayMs: number } | null;
  balance: Decimal;
  pl: Decimal;
  financing: Decimal;
  dividendAdjustment: Decimal;
  lastFillAt: Instant | null;
}

const emptySide = (): SideTotals => ({ pl: ZERO, financing: ZERO, dividendAdjustment: ZERO });

export function createBook(settings: EngineSettings): Book {
  const markets = new Map<string, Market>();
  for (const instrument of settings.instruments) {
    markets.set(instrument.instrument.name, {
      settings: instrument,
      home: { same: false, direct: null, inverse: null, fixed: null },
      quote: null,
      status: 'TRADEABLE',
      takenBid: ZERO,
      takenAsk: ZERO,
      thinMarket: null,
      nextFillUnits: null,
      openTrades: [],
      pendingOrders: [],
      everTraded: false,
      long: emptySide(),
      short: emptySide(),
    });
  }
  for (const market of markets.values()) {
    const currency = market.settings.instrument.quote;
    const fixed = settings.fixedConversions[currency];
    market.home = {
      same: currency === settings.currency,
      direct: markets.get(`${currency}_${settings.currency}`) ?? null,
      inverse: markets.get(`${settings.currency}_${currency}`) ?? null,
      fixed: fixed === undefined ? null : new Decimal(fixed),
    };
  }
  return {
    markets,
    orders: new Map(),
    trades: new Map(),
    pendingOrderByClientId: new Map(),
    tradeByClientId: new Map(),
    pendingRevision: 0,
    rough: null,
    openTradeCount: 0,
    alias: settings.alias,
    marginRate: null,
    lock: null,
    marginCall: null,
    delayed: null,
    balance: ZERO,
    pl: ZERO,
    financing: ZERO,
    dividendAdjustment: ZERO,
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
  book.pendingRevision += 1;
  marketOf(book, order.instrument).pendingOrders.push(order);
  if (order.clientExtensions?.id !== undefined) book.pendingOrderByClientId.set(order.clientExtensions.id, order);
}

/** An order gives up its client id; an older pending one may have the same, where duplicates are taken. */
export function releaseClientId(book: Book, clientId: string): void {
  const other = pendingOrders(book).findLast((order) => order.clientExtensions?.id === clientId);
  if (other === undefined) book.pendingOrderByClientId.delete(clientId);
  else book.pendingOrderByClientId.set(clientId, other);
}

/** Takes an order out of the pending ones: it has been filled or cancelled. */
export function finishOrder(book: Book, order: Order, status: Exclude<OrderStatus, { state: 'PENDING' }>): void {
  if (order.status.state !== 'PENDING') throw new Error(`order ${order.id} is already ${order.status.state}`);
  order.status = status;
  book.pendingRevision += 1;
  const market = marketOf(book, order.instrument);
  market.pendingOrders = market.pendingOrders.filter((other) => other !== order);
  const clientId = order.clientExtensions?.id;
  if (clientId !== undefined && book.pendingOrderByClientId.get(clientId) === order) releaseClientId(book, clientId);
  if (!isDependent(order)) return;
  const dependents = book.trades.get(order.tradeId)?.dependents;
  if (dependents?.get(order.type) === order) dependents.delete(order.type);
}

export const sideOf = (units: Decimal): 'long' | 'short' => (units.isNegative() ? 'short' : 'long');
export const netUnits = (market: Market): Decimal => market.openTrades.reduce((sum, trade) => sum.plus(trade.currentUnits), ZERO);
/** The rate that margin is computed with: the higher of the instrument's and the client's own. */
export const marginRateOf = (book: Book, market: Market): Decimal => Decimal.max(market.settings.marginRate, book.marginRate ?? ZERO);

/** Every pending order of the account, oldest first. */
export function pendingOrders(book: Book): Order[] {
  const all = [...book.markets.values()].flatMap((market) => market.pendingOrders);
  return all.sort((left, right) => left.id - right.id);
}

/** How many orders are pending, without listing them. */
export function pendingCount(book: Book): number {
  let count = 0;
  for (const market of book.markets.values()) count += market.pendingOrders.length;
  return count;
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
