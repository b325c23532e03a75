/** When an order meets the market: prices are compared doubled, so that the mid is whole. */
import type { DependentKind, DependentOrder, DependentTerms, RestingOrder, TriggerCondition } from './book.ts';

export interface Quote {
  readonly bid: number;
  readonly ask: number;
}

/** Twice the price that the condition looks at, for an order that buys or sells. */
function doubledPrice(condition: TriggerCondition, buying: boolean, quote: Quote): number {
  switch (condition) {
    case 'BID':
      return 2 * quote.bid;
    case 'ASK':
      return 2 * quote.ask;
    case 'MID':
      return quote.bid + quote.ask;
    case 'DEFAULT':
      return 2 * (buying ? quote.ask : quote.bid);
    case 'INVERSE':
      return 2 * (buying ? quote.bid : quote.ask);
  }
}

const reaches = (doubled: number, points: number, falling: boolean): boolean => (falling ? doubled <= 2 * points : doubled >= 2 * points);

/** Is a resting order's price reached? */
export const isReached = (order: RestingOrder, quote: Quote): boolean =>
  reaches(doubledPrice(order.triggerCondition, order.units.isPositive(), quote), order.pricePoints, order.waitsForFall);

/** Would an order that closes a long (or short) trade trigger at this quote? */
export const isTriggered = (kind: DependentKind, condition: TriggerCondition, pricePoints: number, long: boolean, quote: Quote): boolean =>
  reaches(doubledPrice(condition, !long, quote), pricePoints, (kind !== 'TAKE_PROFIT') === long);

/** Does a market-if-touched order wait for a fall? It does when its price lies at or below the market's at its creation. */
export const waitsForFall = (condition: TriggerCondition, buying: boolean, pricePoints: number, quote: Quote): boolean => 2 * pricePoints <= doubledPrice(condition, buying, quote);

/** The market's price that a market-if-touched order notes at its creation. */
export const marketPoints = (buying: boolean, quote: Quote): number => (buying ? quote.ask : quote.bid);

/**
 * The price at which a dependent order rests. A stop's distance counts from the price that opens such a trade (the
 * ask for a long one), a trailing stop's from the price that closes it.
 */
export function dependentPoints(kind: DependentKind, terms: DependentTerms, long: boolean, quote: Quote): number {
  if (terms.pricePoints !== null) return terms.pricePoints;
  if (terms.distancePoints === null) throw new Error('dependent terms carry neither a price nor a distance');
  if (kind === 'TRAILING_STOP_LOSS') return long ? quote.bid - terms.distancePoints : quote.ask + terms.distancePoints;
  return long ? quote.ask - terms.distancePoints : quote.bid + terms.distancePoints;
}

/** Moves a trailing stop after the market; it never moves back. */
export function trail(order: DependentOrder, long: boolean, quote: Quote): void {
  const points = dependentPoints(order.type, order.terms, long, quote);
  if (long ? points > order.triggerPoints : points < order.triggerPoints) order.triggerPoints = points;
}
