/** Prices into money: conversion factors, unrealised P&L, margin. */
import type { Book, Market, Trade } from './book.ts';
import { openTrades } from './book.ts';
import { Decimal, ONE, ZERO, pointsToDecimal, roundFactor, roundMoney } from './decimals.ts';
import type { EngineSettings } from './settings.ts';

export const midDecimal = (market: Market): Decimal | null =>
  market.quote === null ? null : pointsToDecimal(market.quote.bid + market.quote.ask, market.settings.instrument.displayPrecision).div(2);

/** Home units for one unit of `currency` at mid, or null when neither a quoted pair nor a setting gives it. */
function homeMid(book: Book, settings: EngineSettings, currency: string): Decimal | null {
  if (currency === settings.currency) return ONE;
  const direct = book.markets.get(`${currency}_${settings.currency}`);
  const directMid = direct === undefined ? null : midDecimal(direct);
  if (directMid !== null) return directMid;
  const inverse = book.markets.get(`${settings.currency}_${currency}`);
  const inverseMid = inverse === undefined ? null : midDecimal(inverse);
  if (inverseMid !== null) return ONE.div(inverseMid);
  const fixed = settings.fixedConversions[currency];
  return fixed === undefined ? null : new Decimal(fixed);
}

export interface HomeFactors {
  readonly gain: Decimal;
  readonly loss: Decimal;
  /** For values rather than profits: the mid itself. */
  readonly value: Decimal;
}

/** The factors that a fill prints and uses, rounded to ten decimals first. */
export function homeFactors(book: Book, settings: EngineSettings, currency: string): HomeFactors | null {
  const mid = homeMid(book, settings, currency);
  if (mid === null) return null;
  if (currency === settings.currency) return { gain: ONE, loss: ONE, value: ONE };
  return { gain: roundFactor(mid.mul(settings.gainFactor)), loss: roundFactor(mid.mul(settings.lossFactor)), value: roundFactor(mid) };
}

/** @throws Error when the factors are unknown: the engine takes no order on such an instrument. */
export function knownFactors(book: Book, settings: EngineSettings, currency: string): HomeFactors {
  const factors = homeFactors(book, settings, currency);
  if (factors === null) throw new Error(`no conversion from ${currency} to ${settings.currency} is known`);
  return factors;
}

/** A quote-currency amount in home currency, with the gain or the loss factor by its sign, to four decimals. */
export const toHome = (amount: Decimal, factors: HomeFactors): Decimal => roundMoney(amount.mul(amount.isNegative() ? factors.loss : factors.gain));

/** What closing `units` of a trade at `points` would make, in quote currency. */
export function quotePl(market: Market, trade: Trade, units: Decimal, points: number): Decimal {
  return units.mul(pointsToDecimal(points - trade.pricePoints, market.settings.instrument.displayPrecision));
}

/** P&L of an open trade at the price that would close it: the bid for a long one, the ask for a short one. */
export function unrealizedPl(book: Book, settings: EngineSettings, trade: Trade): Decimal {
  const market = book.markets.get(trade.instrument);
  if (market === undefined || market.quote === null) return ZERO;
  const points = trade.currentUnits.isNegative() ? market.quote.ask : market.quote.bid;
  return toHome(quotePl(market, trade, trade.currentUnits, points), knownFactors(book, settings, market.settings.instrument.quote));
}

/** Absolute value of units at mid, in home currency. */
function positionValue(book: Book, settings: EngineSettings, market: Market, units: Decimal): Decimal {
  const mid = midDecimal(market);
  if (mid === null) return ZERO;
  return roundMoney(units.abs().mul(mid).mul(knownFactors(book, settings, market.settings.instrument.quote).value));
}

export const marginOf = (book: Book, settings: EngineSettings, market: Market, units: Decimal): Decimal =>
  roundMoney(positionValue(book, settings, market, units).mul(market.settings.marginRate));

export interface AccountValue {
  readonly unrealizedPl: Decimal;
  readonly nav: Decimal;
  readonly marginUsed: Decimal;
  readonly marginAvailable: Decimal;
  readonly positionValue: Decimal;
}

/** The price-dependent figures of the account, as sums over its open trades. */
export function accountValue(book: Book, settings: EngineSettings): AccountValue {
  let [unrealized, margin, value] = [ZERO, ZERO, ZERO];
  for (const trade of openTrades(book)) {
    const market = book.markets.get(trade.instrument);
    if (market === undefined) continue;
    unrealized = unrealized.plus(unrealizedPl(book, settings, trade));
    margin = margin.plus(marginOf(book, settings, market, trade.currentUnits));
    value = value.plus(positionValue(book, settings, market, trade.currentUnits));
  }
  const nav = book.balance.plus(unrealized);
  return { unrealizedPl: unrealized, nav, marginUsed: margin, marginAvailable: Decimal.max(nav.minus(margin), ZERO), positionValue: value };
}
