/** Prices into money: conversion factors, unrealised P&L, margin. */
import type { Book, Market, Trade } from './book.ts';
import { marginRateOf, openTrades } from './book.ts';
import { Decimal, ONE, ZERO, pointsToDecimal, roundFactor, roundMoney } from './decimals.ts';
import type { EngineSettings } from './settings.ts';

export const midDecimal = (market: Market): Decimal | null =>
  market.quote === null ? null : pointsToDecimal(market.quote.bid + market.quote.ask, market.settings.instrument.displayPrecision).div(2);

/** Home units for one unit of the market's quote currency at mid, or null when neither a quoted pair nor a setting gives it. */
function homeMid(market: Market): Decimal | null {
  const { same, direct, inverse, fixed } = market.home;
  if (same) return ONE;
  const directMid = direct === null ? null : midDecimal(direct);
  if (directMid !== null) return directMid;
  const inverseMid = inverse === null ? null : midDecimal(inverse);
  return inverseMid === null ? fixed : ONE.div(inverseMid);
}

export interface HomeFactors {
  readonly gain: Decimal;
  readonly loss: Decimal;
  /** For values rather than profits: the mid itself. */
  readonly value: Decimal;
}

const HOME: HomeFactors = { gain: ONE, loss: ONE, value: ONE };

/** The factors of a market's quote currency that a fill prints and uses, rounded to ten decimals first. */
export function homeFactors(market: Market, settings: EngineSettings): HomeFactors | null {
  if (market.home.same) return HOME;
  const mid = homeMid(market);
  if (mid === null) return null;
  return { gain: roundFactor(mid.mul(settings.gainFactor)), loss: roundFactor(mid.mul(settings.lossFactor)), value: roundFactor(mid) };
}

/** @throws Error when the factors are unknown: the engine takes no order on such an instrument. */
export function knownFactors(market: Market, settings: EngineSettings): HomeFactors {
  const factors = homeFactors(market, settings);
  if (factors === null) throw new Error(`no conversion from ${market.settings.instrument.quote} to ${settings.currency} is known`);
  return factors;
}

/** A quote-currency amount in home currency, with the gain or the loss factor by its sign, to four decimals. */
export const toHome = (amount: Decimal, factors: HomeFactors): Decimal => roundMoney(amount.mul(amount.isNegative() ? factors.loss : factors.gain));

/** What the spread between the conversion factors costs on an amount, against converting at mid. */
export const conversionCost = (amount: Decimal, factors: HomeFactors): Decimal => amount.mul(factors.value.minus(amount.isNegative() ? factors.loss : factors.gain));

/** What closing `units` of a trade at `price` would make, in quote currency. */
export const quotePl = (trade: Trade, units: Decimal, price: Decimal): Decimal => units.mul(price.minus(trade.price));

/** P&L of an open trade at the price that would close it: the bid for a long one, the ask for a short one. */
export function unrealizedPl(market: Market, settings: EngineSettings, trade: Trade): Decimal {
  if (market.quote === null) return ZERO;
  const points = trade.currentUnits.isNegative() ? market.quote.ask : market.quote.bid;
  const price = pointsToDecimal(points, market.settings.instrument.displayPrecision);
  return toHome(quotePl(trade, trade.currentUnits, price), knownFactors(market, settings));
}

/** Absolute value of units at mid, in home currency. */
function positionValue(market: Market, settings: EngineSettings, units: Decimal): Decimal {
  const mid = midDecimal(market);
  if (mid === null) return ZERO;
  return roundMoney(units.abs().mul(mid).mul(knownFactors(market, settings).value));
}

export const marginOf = (book: Book, settings: EngineSettings, market: Market, units: Decimal): Decimal =>
  roundMoney(positionValue(market, settings, units).mul(marginRateOf(book, market)));

export interface AccountValue {
  readonly unrealizedPl: Decimal;
  readonly nav: Decimal;
  readonly marginUsed: Decimal;
  readonly marginAvailable: Decimal;
  readonly positionValue: Decimal;
  /** The closeout's own figures: trades and currencies at mid. */
  readonly closeoutUnrealizedPl: Decimal;
  readonly closeoutNav: Decimal;
}

/** P&L of an open trade for the margin closeout, which values price and currency at mid. */
function midPl(market: Market, settings: EngineSettings, trade: Trade): Decimal {
  const mid = midDecimal(market);
  return mid === null ? ZERO : roundMoney(quotePl(trade, trade.currentUnits, mid).mul(knownFactors(market, settings).value));
}

/** The price-dependent figures of the account, as sums over its open trades. */
export function accountValue(book: Book, settings: EngineSettings): AccountValue {
  let [unrealized, atMid, margin, value] = [ZERO, ZERO, ZERO, ZERO];
  for (const trade of openTrades(book)) {
    const market = book.markets.get(trade.instrument);
    if (market === undefined) continue;
    unrealized = unrealized.plus(unrealizedPl(market, settings, trade));
    atMid = atMid.plus(midPl(market, settings, trade));
    margin = margin.plus(marginOf(book, settings, market, trade.currentUnits));
    value = value.plus(positionValue(market, settings, trade.currentUnits));
  }
  const nav = book.balance.plus(unrealized);
  const available = nav.minus(margin);
  return {
    unrealizedPl: unrealized,
    nav,
    marginUsed: margin,
    marginAvailable: settings.switches.marginAvailableFloor === 'zero' ? Decimal.max(available, ZERO) : available,
    positionValue: value,
    closeoutUnrealizedPl: atMid,
    closeoutNav: book.balance.plus(atMid),
  };
}

/** Margin used as a share of the closeout's NAV: 1 is a margin call, 2 a closeout. A NAV that is gone counts as 2. */
export function marginShare(value: AccountValue): Decimal {
  if (value.marginUsed.isZero()) return ZERO;
  return value.closeoutNav.isPositive() && !value.closeoutNav.isZero() ? value.marginUsed.div(value.closeoutNav) : new Decimal(2);
}
