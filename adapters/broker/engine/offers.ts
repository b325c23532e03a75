/** What is on offer at a price point: the ladder, less what fills have taken from it since the point came. */
import type { Market } from './book.ts';
import { Decimal, ZERO, pointsToDecimal } from './decimals.ts';

/** Digits of an average over several levels; the printed average is the one that is used. */
const AVERAGE_DECIMALS = 6;

interface Level {
  readonly points: number;
  readonly units: Decimal;
}

/** The levels that buying (asks) or selling (bids) meets, best first; empty without a price. */
export function levelsOf(market: Market, buying: boolean): readonly Level[] {
  if (market.quote === null) return [];
  const best = buying ? market.quote.ask : market.quote.bid;
  let taken = buying ? market.takenAsk : market.takenBid;
  let cap = market.thinMarket?.units ?? null;
  const levels: Level[] = [];
  for (const { offsetPoints, units } of market.settings.ladder) {
    const whole = cap === null ? new Decimal(units) : Decimal.min(units, cap);
    if (cap !== null) cap = cap.minus(whole);
    const gone = Decimal.min(taken, whole);
    taken = taken.minus(gone);
    const points = buying ? best + offsetPoints : best - offsetPoints;
    if (whole.greaterThan(gone) && points > 0) levels.push({ points, units: whole.minus(gone) });
  }
  return levels;
}

export interface Offer {
  /** Always positive. */
  readonly units: Decimal;
  /** Average price over the levels. */
  readonly price: Decimal;
}

/** What `wanted` units (positive) would get, at prices no worse than `boundPoints`; no units when nothing is within it. */
export function offerFor(market: Market, buying: boolean, wanted: Decimal, boundPoints: number | null): Offer {
  const precision = market.settings.instrument.displayPrecision;
  let left = wanted;
  let value = ZERO;
  for (const level of levelsOf(market, buying)) {
    if (left.isZero() || (boundPoints !== null && (buying ? level.points > boundPoints : level.points < boundPoints))) break;
    const units = Decimal.min(left, level.units);
    if (units.equals(wanted)) return { units, price: pointsToDecimal(level.points, precision) };
    value = value.plus(units.mul(level.points));
    left = left.minus(units);
  }
  const units = wanted.minus(left);
  if (units.isZero()) return { units, price: ZERO };
  return { units, price: pointsToDecimal(1, precision).mul(value).div(units).toDecimalPlaces(Math.max(AVERAGE_DECIMALS, precision)) };
}

/** Takes units off the offer until the next point. */
export function takeOffer(market: Market, buying: boolean, units: Decimal): void {
  if (buying) market.takenAsk = market.takenAsk.plus(units);
  else market.takenBid = market.takenBid.plus(units);
}
