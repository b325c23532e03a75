/** What an order would do to the account if it filled now, and why it may not. */
import type { EntryOrder, Market, Trade } from './book.ts';
import { DEPENDENT_KINDS, netUnits, pendingCount } from './book.ts';
import type { Context } from './context.ts';
import { Decimal, ZERO } from './decimals.ts';
import type { FillPlan } from './fills.ts';
import { dependentPoints, isTriggered, marketPoints } from './triggers.ts';
import { accountValue, marginOf } from './valuation.ts';
import type { Instant } from '../../../domain/time.ts';

type Planned = { readonly refusal: string } | FillPlan;

/** Takes up to `signedUnits` from the oldest opposite trades. */
function closeOldest(market: Market, signedUnits: Decimal): { readonly closes: FillPlan['closes']; readonly left: Decimal } {
  const closes: { trade: Trade; units: Decimal }[] = [];
  let left = signedUnits.abs();
  for (const trade of market.openTrades) {
    if (left.isZero()) break;
    if (trade.currentUnits.isNegative() === signedUnits.isNegative()) continue;
    const units = Decimal.min(left, trade.currentUnits.abs());
    closes.push({ trade, units });
    left = left.minus(units);
  }
  return { closes, left };
}

/** Applies positionFill on a netting account. */
export function planFill(context: Context, order: EntryOrder, market: Market, units: Decimal): Planned {
  const { switches } = context.settings;
  const refused = { refusal: switches.positionFillRefusal };
  const close = order.type === 'MARKET' ? order.close : null;
  if (close?.kind === 'trade' || close?.kind === 'delayed') {
    const trade = context.book.trades.get(close.tradeId);
    if (trade === undefined || trade.closedAt !== null) return refused;
    if (close.kind === 'trade' && switches.tradeCloseOrder === 'oldest first' && market.openTrades[0] !== trade) return { refusal: 'FIFO_VIOLATION' };
    return { closes: [{ trade, units: Decimal.min(units.abs(), trade.currentUnits.abs()) }], opening: ZERO };
  }
  const { closes, left } = closeOldest(market, units);
  if (close !== null) return closes.length === 0 ? { refusal: 'POSITION_CLOSEOUT_FAILED' } : { closes, opening: ZERO };
  if (order.positionFill === 'OPEN_ONLY') return closes.length > 0 ? refused : { closes, opening: units };
  if (order.positionFill === 'REDUCE_ONLY') return left.isZero() ? { closes, opening: ZERO } : refused;
  return { closes, opening: units.isNegative() ? left.neg() : left };
}

/** The reason why this side of the market cannot be used at all, or null. */
export function sideHalted(market: Market, buying: boolean): string | null {
  if (market.status === 'HALTED') return 'MARKET_HALTED';
  if (buying) return market.status === 'ASK_HALTED' ? 'INSTRUMENT_ASK_HALTED' : null;
  return market.status === 'BID_HALTED' ? 'INSTRUMENT_BID_HALTED' : null;
}

/** The reason why this side may not open, or null. */
function sideReduceOnly({ status }: Market, buying: boolean): string | null {
  if (buying) return status === 'REDUCE_ONLY' || status === 'ASK_REDUCE_ONLY' ? 'INSTRUMENT_ASK_REDUCE_ONLY' : null;
  return status === 'REDUCE_ONLY' || status === 'BID_REDUCE_ONLY' ? 'INSTRUMENT_BID_REDUCE_ONLY' : null;
}

/** Why the dependent orders that the fill would create forbid it, or null. */
function refuseOnFill({ book }: Context, order: EntryOrder, market: Market, long: boolean, at: Instant): string | null {
  const { quote } = market;
  if (quote === null) return null;
  const openPoints = marketPoints(long, quote);
  for (const kind of DEPENDENT_KINDS) {
    const terms = order.onFill[kind];
    if (terms === null) continue;
    if (terms.gtdTime !== null && terms.gtdTime <= at) return `${kind}_ON_FILL_GTD_TIMESTAMP_IN_PAST`;
    const clientId = terms.clientExtensions?.id;
    if (clientId !== undefined && book.pendingOrderByClientId.has(clientId)) return `${kind}_ON_FILL_CLIENT_ORDER_ID_ALREADY_EXISTS`;
    if (kind === 'TRAILING_STOP_LOSS') continue;
    const points = dependentPoints(kind, terms, long, quote);
    const losing = kind === 'TAKE_PROFIT' && (long ? points <= openPoints : points >= openPoints);
    if (points <= 0 || losing || isTriggered(kind, terms.triggerCondition, points, long, quote)) return `${kind}_ON_FILL_LOSS`;
  }
  return null;
}

/** Would opening so many units, after closing some, need more margin than there is? */
export function lacksMargin({ book, settings }: Context, market: Market, plan: FillPlan): boolean {
  const value = accountValue(book, settings);
  const freed = plan.closes.reduce((sum, close) => sum.plus(marginOf(book, settings, market, close.units)), ZERO);
  return marginOf(book, settings, market, plan.opening).greaterThan(value.nav.minus(value.marginUsed).plus(freed));
}

/** Why an opening fill may not happen, or null. */
export function refuseOpening(context: Context, order: EntryOrder, market: Market, plan: FillPlan, at: Instant): string | null {
  const { book, settings } = context;
  const long = plan.opening.isPositive();
  const reduceOnly = sideReduceOnly(market, long);
  if (reduceOnly !== null) return reduceOnly;
  if (book.lock === 'ACCOUNT_NEW_POSITIONS_LOCKED') return book.lock;
  const clientTradeId = order.tradeClientExtensions?.id;
  if (settings.switches.slotTaken !== 'ignore' && clientTradeId !== undefined && book.tradeByClientId.get(clientTradeId)?.closedAt === null) return 'CLIENT_TRADE_ID_ALREADY_EXISTS';
  const onFill = refuseOnFill(context, order, market, long, at);
  if (onFill !== null) return onFill;
  const leaving = plan.closes.filter((close) => close.units.equals(close.trade.currentUnits.abs())).length;
  if (book.openTradeCount - leaving >= settings.openTradesMax) return 'OPEN_TRADES_ALLOWED_EXCEEDED';
  const { maximumPositionSize } = market.settings;
  const held = plan.closes.length > 0 ? ZERO : netUnits(market).abs();
  if (maximumPositionSize !== '0' && held.plus(plan.opening.abs()).greaterThan(maximumPositionSize)) return 'POSITION_SIZE_EXCEEDED';
  const hanging = DEPENDENT_KINDS.filter((kind) => order.onFill[kind] !== null).length;
  // The order that fills leaves as its dependents come.
  if (pendingCount(book) - 1 + hanging > settings.pendingOrdersMax) return 'PENDING_ORDERS_ALLOWED_EXCEEDED';
  return lacksMargin(context, market, plan) ? 'INSUFFICIENT_MARGIN' : null;
}
