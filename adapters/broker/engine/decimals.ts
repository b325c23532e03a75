/**
 * The engine's own decimals: decimal.js for money and units, whole points for prices.
 *
 * The daemon keeps its ledger in scaled bigints. The broker keeps its account here with another library and
 * other formulas, so that agreement of the two says something about both.
 */
import { Decimal as DecimalBase } from 'decimal.js';

/** Forty digits hold any product of units, price and factor exactly; halves round away from zero. */
export const Decimal = DecimalBase.clone({ precision: 40, rounding: DecimalBase.ROUND_HALF_UP, toExpNeg: -40, toExpPos: 40 });
export type Decimal = DecimalBase;

export const ZERO = new Decimal(0);
export const ONE = new Decimal(1);

/** Decimals of an amount in the home currency (USD accounts print four). */
const MONEY_DECIMALS = 4;
/** Decimals of a printed conversion factor. The printed factor is the one that is used. */
const FACTOR_DECIMALS = 10;

const PLAIN_DECIMAL = /^-?\d{1,15}(?:\.\d{1,15})?$/;

/** A plain decimal, or null for anything else: exponents, blanks, signs of plus, numbers that are not text. */
export const readDecimal = (value: unknown): Decimal | null =>
  typeof value === 'string' && PLAIN_DECIMAL.test(value) ? new Decimal(value) : null;

export const roundMoney = (value: Decimal): Decimal => value.toDecimalPlaces(MONEY_DECIMALS);
export const roundFactor = (value: Decimal): Decimal => value.toDecimalPlaces(FACTOR_DECIMALS);

/** An amount the way the broker prints it: always four decimals, and never a negative zero. */
export const printMoney = (value: Decimal): string => (value.isZero() ? '0.0000' : value.toFixed(MONEY_DECIMALS));
/** Any other decimal in its shortest plain form. */
export const printDecimal = (value: Decimal): string => (value.isZero() ? '0' : value.toFixed());

/** Points are whole numbers of 10^-displayPrecision: 1.38676 is 138676 points of EUR_USD. */
export function printPoints(points: number, displayPrecision: number): string {
  const digits = Math.abs(points).toString().padStart(displayPrecision + 1, '0');
  const sign = points < 0 ? '-' : '';
  if (displayPrecision === 0) return sign + digits;
  return `${sign}${digits.slice(0, -displayPrecision)}.${digits.slice(-displayPrecision)}`;
}

/** What a point is at each precision; a product with it is exact, and many times quicker than the quotient. */
const POINT_SIZES = Array.from({ length: 11 }, (_, precision) => new Decimal(10).pow(-precision));
export const pointsToDecimal = (points: number, displayPrecision: number): Decimal => new Decimal(points).mul(POINT_SIZES[displayPrecision] ?? new Decimal(10).pow(-displayPrecision));

/** A price that need not be whole points, such as the average over several levels: at least the instrument's digits. */
export const printPrice = (price: Decimal, displayPrecision: number): string => price.toFixed(Math.max(price.decimalPlaces(), displayPrecision));
