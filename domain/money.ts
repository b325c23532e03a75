/**
 * Money, prices, units and pips as scaled integers: a value v is held as the bigint v × 10^10.
 *
 * Floats cannot hold 0.1, and adding up what a float nearly holds is how a ledger stops agreeing with its
 * broker in the last decimal. A bigint of a fixed scale adds exactly, compares exactly and never overflows.
 * The brands keep kinds apart: adding a price to money does not compile.
 */

declare const kind: unique symbol;
type Scaled<Kind extends string> = bigint & { readonly [kind]: Kind };

/** A price in quote currency for one unit of base currency. */
export type Price = Scaled<'Price'>;
/** An amount in the account's home currency, or in a quote currency where the name says so. */
export type Money = Scaled<'Money'>;
/** Signed units of base currency: positive is long. */
export type Units = Scaled<'Units'>;
/** A distance between two prices counted in pips. */
export type Pips = Scaled<'Pips'>;
/** A number without a dimension: a conversion factor, a share, a rate. */
export type Ratio = Scaled<'Ratio'>;
export type AnyScaled = Price | Money | Units | Pips | Ratio;

const SCALE_DIGITS = 10;
const SCALE = 10n ** BigInt(SCALE_DIGITS);
/** The scale as a float: values below 2^53 are whole numbers of it, and whole numbers are quicker as floats. */
const SCALE_FLOAT = 10 ** SCALE_DIGITS;
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);
const POWERS = Array.from({ length: SCALE_DIGITS + 1 }, (_, power) => 10 ** power);
const BIG_POWERS = POWERS.map(BigInt);
const powerOfTen = (power: number): bigint => BIG_POWERS[power] ?? 10n ** BigInt(power);
const DECIMAL_PATTERN = /^(-)?(\d{1,20})(?:\.(\d{1,30}))?$/;

/** Raised for text that is not a plain decimal. The message names the field and the remedy. */
export class DecimalError extends Error {
  override readonly name = 'DecimalError';
}

/**
 * Reads a plain decimal (`-12.5`); exponents, NaN, infinities and blanks are refused.
 * Digits beyond the tenth are refused too, unless `excessDigits` is `round` (half away from zero), which
 * suits conversion factors: the broker prints those with more digits than any price or amount has.
 */
function parseScaled(text: string, field: string, excessDigits: 'refuse' | 'round'): bigint {
  return parseShort(text) ?? parseLong(text, field, excessDigits);
}

/** So many digits surely are a whole number that a float holds. */
const SHORT_DIGITS = 15;

/** A decimal as prices, units and amounts usually are, of few digits; null for any other text. */
function parseShort(text: string): bigint | null {
  const { length } = text;
  const start = text.charCodeAt(0) === 0x2d ? 1 : 0;
  let digits = 0;
  let point = -1;
  for (let index = start; index < length; index += 1) {
    const digit = text.charCodeAt(index) - 0x30;
    if (digit >= 0 && digit <= 9) digits = digits * 10 + digit;
    else if (digit === -2 && point < 0 && index > start && index < length - 1) point = index;
    else return null;
    if (index > start + SHORT_DIGITS) return null;
  }
  const decimals = point < 0 ? 0 : length - point - 1;
  if (length === start || length - start - (point < 0 ? 0 : 1) > SHORT_DIGITS || decimals > SCALE_DIGITS) return null;
  const power = POWERS[SCALE_DIGITS - decimals]!;
  const scaled = digits * power;
  const magnitude = scaled <= Number.MAX_SAFE_INTEGER ? BigInt(scaled) : BigInt(digits) * BigInt(power);
  return start === 1 ? -magnitude : magnitude;
}

function parseLong(text: string, field: string, excessDigits: 'refuse' | 'round'): bigint {
  const match = DECIMAL_PATTERN.exec(text);
  if (match === null) throw new DecimalError(`${field}: "${text.slice(0, 40)}" is not a plain decimal such as -12.5`);
  const fraction = match[3] ?? '';
  const kept = fraction.slice(0, SCALE_DIGITS).padEnd(SCALE_DIGITS, '0');
  const excess = fraction.slice(SCALE_DIGITS);
  let magnitude = BigInt(`${match[2]}${kept}`);
  if (/[1-9]/.test(excess)) {
    if (excessDigits === 'refuse') throw new DecimalError(`${field}: "${text}" has more than ${SCALE_DIGITS} decimals`);
    if (excess.charCodeAt(0) >= 0x35) magnitude += 1n;
  }
  return match[1] === undefined ? magnitude : -magnitude;
}

export const price = (text: string, field = 'price'): Price => parseScaled(text, field, 'refuse') as Price;
export const money = (text: string, field = 'amount'): Money => parseScaled(text, field, 'refuse') as Money;
export const units = (text: string, field = 'units'): Units => parseScaled(text, field, 'refuse') as Units;
export const pips = (text: string, field = 'pips'): Pips => parseScaled(text, field, 'refuse') as Pips;
export const ratio = (text: string, field = 'ratio'): Ratio => parseScaled(text, field, 'round') as Ratio;

export const ZERO_MONEY = 0n as Money;
export const ZERO_UNITS = 0n as Units;
export const ZERO_PIPS = 0n as Pips;
export const ONE_RATIO = SCALE as Ratio;

/** Adds values of one kind. */
export const add = <T extends AnyScaled>(left: T, right: T): T => ((left as bigint) + (right as bigint)) as T;
/** Subtracts values of one kind. */
export const subtract = <T extends AnyScaled>(left: T, right: T): T => ((left as bigint) - (right as bigint)) as T;
export const negate = <T extends AnyScaled>(value: T): T => -(value as bigint) as T;
export const absolute = <T extends AnyScaled>(value: T): T => (value < 0n ? -(value as bigint) : value) as T;
export const maximum = <T extends AnyScaled>(left: T, right: T): T => (left > right ? left : right);
export const minimum = <T extends AnyScaled>(left: T, right: T): T => (left < right ? left : right);

/** Divides, rounding half away from zero, so that gains and losses round alike. */
function divideRounded(numerator: bigint, denominator: bigint): bigint {
  const negative = numerator < 0n !== denominator < 0n;
  const n = numerator < 0n ? -numerator : numerator;
  const d = denominator < 0n ? -denominator : denominator;
  const quotient = (n * 2n + d) / (d * 2n);
  return negative ? -quotient : quotient;
}

/** units × price difference = an amount in quote currency; exact unless both carry over five decimals. */
export const priceTimesUnits = (value: Price, count: Units): Money => divideRounded(value * count, SCALE) as Money;
/** Any value times a dimensionless factor, rounded to the scale. */
export const scaleBy = <T extends AnyScaled>(value: T, factor: Ratio): T => (factor === ONE_RATIO ? value : (divideRounded(value * factor, SCALE) as T));
/** The share that `part` is of `whole`; a zero `whole` is the caller's error. */
export function ratioOf<T extends AnyScaled>(part: T, whole: T): Ratio {
  if (whole === 0n) throw new DecimalError('ratio of a part to a whole of zero');
  return part === whole ? ONE_RATIO : divideRounded(part * SCALE, whole) as Ratio;
}
/** Divides what is not negative by what is positive, rounded up: what is held against a limit must not be rounded away. */
const divideUp = (numerator: bigint, denominator: bigint): bigint => (numerator + denominator - 1n) / denominator;
/** A value times a factor, neither negative, rounded up to the scale. */
export const scaleUp = <T extends AnyScaled>(value: T, factor: Ratio): T => divideUp(value * factor, SCALE) as T;
/** The share that `part` is of a positive `whole`, rounded up. */
export const shareUp = <T extends AnyScaled>(part: T, whole: T): Ratio => divideUp(part * SCALE, whole) as Ratio;
/** Units at an amount for each, neither negative, rounded up to the scale. */
export const worthUp = (count: Units, unitWorth: Ratio): Money => divideUp(count * unitWorth, SCALE) as Money;
/** A price as the factor that turns an amount of base currency into quote currency. */
export const asFactor = (value: Price): Ratio => value as bigint as Ratio;
/** The prices that were counted and printed last: a market goes through the same few hundred again and again. */
const SLOTS = 1_024;
const PIPETTE = SCALE_FLOAT / 10 ** 5;
const slotOf = (scaled: number): number => (scaled / PIPETTE) & (SLOTS - 1);
const counted = { numbers: new Float64Array(SLOTS), values: Array.from({ length: SLOTS }, () => 0n) };
const printed = { numbers: new Float64Array(SLOTS), texts: Array.from({ length: SLOTS }, () => '0') };

/** Points of 10^-displayPrecision as a price: 138676 points of EUR_USD are 1.38676. */
export function pointsToPrice(points: number, displayPrecision: number): Price {
  const power = POWERS[SCALE_DIGITS - displayPrecision]!;
  const scaled = points * power;
  if (!Number.isSafeInteger(scaled)) return (BigInt(points) * BigInt(power)) as Price;
  const slot = slotOf(scaled);
  if (counted.numbers[slot] !== scaled) {
    counted.numbers[slot] = scaled;
    counted.values[slot] = BigInt(scaled);
  }
  return counted.values[slot] as Price;
}

/** The mean of two prices, rounded to the scale (exact for any price that a broker prints). */
export function midPrice(bid: Price, ask: Price): Price {
  const sum = bid + ask;
  return ((sum & 1n) === 0n ? sum >> 1n : divideRounded(sum, 2n)) as Price;
}
/** A price distance in pips, for an instrument whose pip is 10^pipLocation. */
export function priceToPips(distance: Price, pipLocation: number): Pips {
  return (pipLocation <= 0 ? distance * powerOfTen(-pipLocation) : divideRounded(distance, powerOfTen(pipLocation))) as Pips;
}
/** A distance in pips as a price distance, rounded to the scale. */
export function pipsToPrice(distance: Pips, pipLocation: number): Price {
  return (pipLocation <= 0 ? divideRounded(distance, powerOfTen(-pipLocation)) : distance * powerOfTen(pipLocation)) as Price;
}

/** The shortest plain decimal of a value: `-12.5`, `0`, `1.38676`. Reads back to the same value. */
export function format(value: AnyScaled): string {
  const magnitude: bigint = value < 0n ? -value : value;
  const text = magnitude <= SAFE ? formatShort(Number(magnitude)) : `${magnitude / SCALE}${fractionText(Number(magnitude % SCALE))}`;
  return value < 0n ? `-${text}` : text;
}

/** @param scaled a value that is not negative and a whole number that a float holds. */
function formatShort(scaled: number): string {
  const slot = slotOf(scaled);
  if (printed.numbers[slot] !== scaled) {
    printed.numbers[slot] = scaled;
    printed.texts[slot] = printShort(scaled);
  }
  return printed.texts[slot]!;
}

function printShort(scaled: number): string {
  let fraction = scaled % SCALE_FLOAT;
  const whole = (scaled - fraction) / SCALE_FLOAT;
  if (fraction === 0) return String(whole);
  let decimals = SCALE_DIGITS;
  if (fraction % 100_000 === 0) [fraction, decimals] = [fraction / 100_000, decimals - 5];
  while (fraction % 10 === 0) [fraction, decimals] = [fraction / 10, decimals - 1];
  return `${whole}.${String(fraction).padStart(decimals, '0')}`;
}

/** The point and what stands behind it; nothing for a whole number. */
function fractionText(scaled: number): string {
  if (scaled === 0) return '';
  let [fraction, decimals] = scaled % 100_000 === 0 ? [scaled / 100_000, SCALE_DIGITS - 5] : [scaled, SCALE_DIGITS];
  while (fraction % 10 === 0) [fraction, decimals] = [fraction / 10, decimals - 1];
  return `.${String(fraction).padStart(decimals, '0')}`;
}

/** A value with exactly `decimals` digits behind the point, rounded half away from zero. */
export function formatFixed(value: AnyScaled, decimals: number): string {
  if (!Number.isInteger(decimals) || decimals < 0 || decimals > SCALE_DIGITS) {
    throw new DecimalError(`decimals must be 0 to ${SCALE_DIGITS}, not ${decimals}`);
  }
  const step = 10n ** BigInt(SCALE_DIGITS - decimals);
  const rounded = (divideRounded(value, step) * step) as Money;
  const [whole, fraction = ''] = format(rounded).split('.');
  return decimals === 0 ? whole! : `${whole}.${fraction.padEnd(decimals, '0')}`;
}

/** Rounds a price to the number of decimals that an instrument displays, half away from zero. */
export function roundPrice(value: Price, displayPrecision: number): Price {
  const step = 10n ** BigInt(SCALE_DIGITS - displayPrecision);
  return (divideRounded(value, step) * step) as Price;
}

/** The nearest float, for features and displays; never for accounting. */
export const toNumber = (value: AnyScaled): number => Number(value) / Number(SCALE);
