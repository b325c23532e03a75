/** What happens when an order meets a price point: it fills, is cancelled, or waits on. */
import type { DependentOrder, EntryOrder, MarketOrder, Market, RestingOrder } from './book.ts';
import { isDependent, marketOf } from './book.ts';
import type { Context } from './context.ts';
import { cancelOrder } from './context.ts';
import type { Decimal} from './decimals.ts';
import { ZERO } from './decimals.ts';
import { executeFill } from './fills.ts';
import type { Batch } from './ledger.ts';
import { offerFor } from './offers.ts';
import type { Offer } from './offers.ts';
import { reissueOrder } from './orders.ts';
import { planFill, refuseOpening, sideHalted } from './plans.ts';
import { fillReason } from './transaction-bodies.ts';
import { isReached, isTriggered, trail } from './triggers.ts';
import { quotePl } from './valuation.ts';
import type { Instant } from '../../../domain/time.ts';

const isImmediate = (order: EntryOrder): boolean => order.timeInForce === 'FOK' || order.timeInForce === 'IOC';

/** What the market offers an entry, or the reason why it gets nothing; `null` lets a resting order wait on. */
function offerOrRefusal(context: Context, order: EntryOrder, market: Market, wanted: Decimal): Offer | string | null {
  const buying = wanted.isPositive();
  const lock = context.book.lock;
  if (lock === 'ACCOUNT_LOCKED' || lock === 'ACCOUNT_ORDER_FILL_LOCKED') return lock;
  const halted = sideHalted(market, buying);
  if (halted !== null) return isImmediate(order) ? halted : null;
  const offer = offerFor(market, buying, wanted.abs(), order.boundPoints);
  const whole = offer.units.equals(wanted.abs());
  if (whole || (!offer.units.isZero() && order.timeInForce !== 'FOK')) return offer;
  const unbound = order.boundPoints === null ? offer : offerFor(market, buying, wanted.abs(), null);
  const outOfBound = unbound.units.greaterThan(offer.units) && (unbound.units.equals(wanted.abs()) || offer.units.isZero());
  if (order.type === 'LIMIT' && outOfBound) return isImmediate(order) ? context.settings.switches.immediateLimitMissed : null;
  if (outOfBound) return 'BOUNDS_VIOLATION';
  return isImmediate(order) ? 'INSUFFICIENT_LIQUIDITY' : null;
}

/** The units that the next opening fill is forced to, if a drill asks for it. */
function forcedUnits(order: EntryOrder, market: Market, wanted: Decimal): Decimal | null {
  if (market.nextFillUnits === null || (order.type === 'MARKET' && order.close !== null)) return null;
  return wanted.isNegative() ? market.nextFillUnits.neg() : market.nextFillUnits;
}

/**
 * Fills an entry order, or a market order that closes, at the market's newest price point.
 *
 * @returns false when a resting order has to wait on
 */
export function settleEntry(context: Context, order: EntryOrder, batch: Batch): boolean {
  const market = marketOf(context.book, order.instrument);
  const refuse = (reason: string): true => {
    cancelOrder(context, batch, order, reason);
    return true;
  };
  const requested = order.type === 'MARKET' ? order.units : order.remainingUnits;
  const forced = forcedUnits(order, market, requested);
  const wanted = forced ?? requested;
  const offer = offerOrRefusal(context, order, market, wanted);
  if (offer === null) return false;
  if (typeof offer === 'string') return refuse(offer);
  const buying = wanted.isPositive();
  const units = buying ? offer.units : offer.units.neg();
  const plan = planFill(context, order, market, units);
  if ('refusal' in plan) return refuse(plan.refusal);
  const refusal = plan.opening.isZero() ? null : refuseOpening(context, order, market, plan, batch.at);
  if (refusal !== null) return refuse(refusal);
  const rest = forced === null ? requested.minus(units) : ZERO;
  const reissues = !rest.isZero() && order.type !== 'MARKET' && !isImmediate(order);
  const keeps = reissues && context.settings.switches.partialFill === 'keep';
  const reason = order.type === 'MARKET' ? fillReason(order.close) : `${order.type}_ORDER`;
  if (forced !== null) market.nextFillUnits = null;
  executeFill(context, batch, { order, market, plan, price: offer.price, buying, reason, requested, finishes: !keeps });
  if (!reissues) return true;
  if (keeps) order.remainingUnits = rest;
  else reissueOrder(context, batch, order, rest);
  return true;
}

function meetMarketOrder(context: Context, order: MarketOrder, at: Instant): void {
  if (at < order.fillableFrom) return;
  settleEntry(context, order, context.ledger.begin({ at, requestId: order.requestId, byClient: true }));
}

function meetRestingOrder(context: Context, order: RestingOrder, market: Market, at: Instant): void {
  if (market.quote === null) return;
  if (isReached(order, market.quote)) {
    settleEntry(context, order, context.ledger.begin({ at, requestId: null, byClient: false }));
    return;
  }
  if (isImmediate(order)) cancelOrder(context, context.ledger.begin({ at, requestId: order.requestId, byClient: true }), order, context.settings.switches.immediateLimitMissed);
}

/** Fills a dependent order if the point triggers it; a gap fills beyond its price. */
function meetDependent(context: Context, order: DependentOrder, market: Market, at: Instant): void {
  const trade = context.book.trades.get(order.tradeId);
  if (market.quote === null || trade === undefined) throw new Error(`order ${order.id} guards no trade at a known price`);
  const long = trade.currentUnits.isPositive();
  if (order.type === 'TRAILING_STOP_LOSS') trail(order, long, market.quote);
  if (!isTriggered(order.type, order.terms.triggerCondition, order.triggerPoints, long, market.quote)) return;
  const lock = context.book.lock;
  if (sideHalted(market, !long) !== null || lock === 'ACCOUNT_LOCKED' || lock === 'ACCOUNT_ORDER_FILL_LOCKED') return;
  const held = trade.currentUnits.abs();
  const offer = offerFor(market, !long, held, null);
  if (offer.units.isZero()) return;
  const batch = context.ledger.begin({ at, requestId: null, byClient: false });
  const signed = long ? offer.units : offer.units.neg();
  if (order.type === 'TAKE_PROFIT' && quotePl(trade, signed, offer.price).isNegative()) {
    cancelOrder(context, batch, order, 'LOSING_TAKE_PROFIT');
    return;
  }
  const plan = { closes: [{ trade, units: offer.units }], opening: ZERO };
  executeFill(context, batch, { order, market, plan, price: offer.price, buying: !long, reason: `${order.type}_ORDER`, requested: trade.currentUnits.neg(), finishes: offer.units.equals(held) });
}

/** Serves the orders that were pending when a point came, oldest first. */
export function meetOrders(context: Context, market: Market, at: Instant): void {
  if (market.status === 'HALTED') return;
  // Filled and cancelled orders leave by a new array, and new ones join the end of whichever is current.
  const orders = market.pendingOrders;
  const count = orders.length;
  for (let index = 0; index < count; index += 1) {
    const order = orders[index];
    // An earlier order at this point may have ended this one.
    if (order === undefined || order.status.state !== 'PENDING') continue;
    if (isDependent(order)) meetDependent(context, order, market, at);
    else if (order.type === 'MARKET') meetMarketOrder(context, order, at);
    else meetRestingOrder(context, order, market, at);
  }
}
