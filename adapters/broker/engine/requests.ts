/** Reads the fields of requests: what is malformed, what the broker rejects with a transaction, and what it accepts. */
import type { ClientExtensions, Json } from './bodies.ts';
import { compact, isBody } from './bodies.ts';
import type { Market, PositionFill, TimeInForce, TriggerCondition } from './book.ts';
import type { Decimal } from './decimals.ts';
import { readDecimal } from './decimals.ts';
import type { Switches } from './switches.ts';
import { format } from '../../../domain/money.ts';
import { TimeError, parseInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** A request that cannot be read at all: a 400 that leaves no transaction. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest';
}

/** A request that reads well and breaks a rule: it consumes a transaction id. */
export class RejectedRequest extends Error {
  override readonly name = 'RejectedRequest';
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

export const invalidValue = (field: string): InvalidRequest => new InvalidRequest(`Invalid value specified for '${field}'`);
export const NOT_AN_OBJECT = 'Invalid JSON body, must be an object';

export type Fields = { readonly [key: string]: unknown };

const CLIENT_TEXT_LENGTH_MAX = 128;
const ECHOED_LENGTH_MAX = 256;
const POSITION_FILLS: readonly string[] = ['DEFAULT', 'OPEN_ONLY', 'REDUCE_FIRST', 'REDUCE_ONLY'] satisfies PositionFill[];
const TRIGGER_CONDITIONS: readonly string[] = ['DEFAULT', 'INVERSE', 'BID', 'ASK', 'MID'] satisfies TriggerCondition[];
const TIMES_IN_FORCE: readonly string[] = ['GTC', 'GTD', 'GFD', 'FOK', 'IOC'] satisfies TimeInForce[];

const isPositionFill = (value: string): value is PositionFill => POSITION_FILLS.includes(value);
const isTriggerCondition = (value: string): value is TriggerCondition => TRIGGER_CONDITIONS.includes(value);
const isTimeInForce = (value: string): value is TimeInForce => TIMES_IN_FORCE.includes(value);

export function optionalText(fields: Fields, name: string, place: string): string | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw invalidValue(`${place}.${name}`);
  return value;
}

export function optionalObject(fields: Fields, name: string, place: string): Fields | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (!isBody(value)) throw invalidValue(`${place}.${name}`);
  return value;
}

/** A price or distance in points; `codes` are the broker's reasons for a bad value. */
export function readPoints(text: string, market: Market, place: string, codes: { readonly invalid: string; readonly precision: string }): number {
  const value = readDecimal(text);
  if (value === null) throw invalidValue(place);
  if (!value.isPositive() || value.isZero()) throw new RejectedRequest(codes.invalid);
  const points = value.mul(10 ** market.settings.instrument.displayPrecision);
  if (!points.isInteger()) throw new RejectedRequest(codes.precision);
  if (points.greaterThan(2 ** 31)) throw new RejectedRequest(codes.invalid);
  return points.toNumber();
}

/** Units with sign, checked against the instrument's precision and limits. */
export function readUnits(fields: Fields, market: Market, switches: Switches): Decimal {
  const text = optionalText(fields, 'units', 'order');
  if (text === null) throw new RejectedRequest('UNITS_MISSING');
  const value = readDecimal(text);
  if (value === null) throw invalidValue('order.units');
  if (value.isZero()) throw new RejectedRequest('UNITS_INVALID');
  if (value.decimalPlaces() > market.settings.instrument.tradeUnitsPrecision) throw new RejectedRequest('UNITS_PRECISION_EXCEEDED');
  if (value.abs().lessThan(format(market.settings.instrument.minimumTradeSize))) throw new RejectedRequest(switches.unitsMinimumSpelling);
  if (value.abs().greaterThan(market.settings.maximumOrderUnits)) throw new RejectedRequest('UNITS_LIMIT_EXCEEDED');
  return value;
}

/** Client extensions; `code` is the prefix of the reject reasons, such as CLIENT_ORDER. */
export function readExtensions(fields: Fields, name: string, place: string, code: string): ClientExtensions | null {
  const value = optionalObject(fields, name, place);
  if (value === null) return null;
  const inner = `${place}.${name}`;
  const [id, tag, comment] = [optionalText(value, 'id', inner), optionalText(value, 'tag', inner), optionalText(value, 'comment', inner)];
  if (id !== null && (id === '' || id.length > CLIENT_TEXT_LENGTH_MAX)) throw new RejectedRequest(`${code}_ID_INVALID`);
  if (tag !== null && tag.length > CLIENT_TEXT_LENGTH_MAX) throw new RejectedRequest(`${code}_TAG_INVALID`);
  if (comment !== null && comment.length > CLIENT_TEXT_LENGTH_MAX) throw new RejectedRequest(`${code}_COMMENT_INVALID`);
  return { ...(id === null ? {} : { id }), ...(tag === null ? {} : { tag }), ...(comment === null ? {} : { comment }) };
}

/** The good-till time of a GTD order; `prefix` is TIME_IN_FORCE_ or that of an on-fill order. */
export function readGtdTime(fields: Fields, place: string, prefix: string, now: Instant): Instant {
  const text = optionalText(fields, 'gtdTime', place);
  if (text === null) throw new RejectedRequest(`${prefix}GTD_TIMESTAMP_MISSING`);
  let at: Instant;
  try {
    at = parseInstant(text, `${place}.gtdTime`);
  } catch (error) {
    if (error instanceof TimeError) throw invalidValue(`${place}.gtdTime`);
    throw error;
  }
  if (at <= now) throw new RejectedRequest(`${prefix}GTD_TIMESTAMP_IN_PAST`);
  return at;
}

/** A time in force that the order's type allows; `code` is the reject reason for one that it does not. */
export function readTimeInForce(fields: Fields, place: string, usual: TimeInForce, allowed: readonly TimeInForce[], code: string): TimeInForce {
  const text = optionalText(fields, 'timeInForce', place) ?? usual;
  if (!isTimeInForce(text)) throw invalidValue(`${place}.timeInForce`);
  if (!allowed.includes(text)) throw new RejectedRequest(code);
  return text;
}

export function readPositionFill(fields: Fields): PositionFill {
  const text = optionalText(fields, 'positionFill', 'order') ?? 'DEFAULT';
  if (!isPositionFill(text)) throw invalidValue('order.positionFill');
  return text;
}

/** A trigger condition; unlike other words, the broker has a reject reason for one that it does not know. */
export function readTriggerCondition(fields: Fields, place: string, prefix: string): TriggerCondition {
  const text = optionalText(fields, 'triggerCondition', place) ?? 'DEFAULT';
  if (!isTriggerCondition(text)) throw new RejectedRequest(`${prefix}TRIGGER_CONDITION_INVALID`);
  return text;
}

/** How much to close: "ALL", or a positive number no larger than what is held. */
export function readCloseUnits(value: unknown, held: Decimal, market: Market, place: string, exceeds: string): Decimal {
  if (value === 'ALL') return held;
  const units = readDecimal(value);
  if (units === null) throw invalidValue(place);
  if (units.isNegative() || units.isZero()) throw new RejectedRequest('UNITS_INVALID');
  if (units.decimalPlaces() > market.settings.instrument.tradeUnitsPrecision) throw new RejectedRequest('UNITS_PRECISION_EXCEEDED');
  if (units.greaterThan(held)) throw new RejectedRequest(exceeds);
  return units;
}

const ENTRY_TEXTS = ['instrument', 'units', 'timeInForce', 'positionFill'];
const RESTING_TEXTS = [...ENTRY_TEXTS, 'price', 'gtdTime', 'triggerCondition'];
const DEPENDENT_TEXTS = ['tradeID', 'clientTradeID', 'timeInForce', 'gtdTime', 'triggerCondition'];
/** The text fields that each type's reject transaction has. */
const ECHOED_TEXTS: { readonly [type: string]: readonly string[] } = {
  MARKET: [...ENTRY_TEXTS, 'priceBound'],
  LIMIT: RESTING_TEXTS,
  STOP: [...RESTING_TEXTS, 'priceBound'],
  MARKET_IF_TOUCHED: [...RESTING_TEXTS, 'priceBound'],
  TAKE_PROFIT: [...DEPENDENT_TEXTS, 'price'],
  STOP_LOSS: [...DEPENDENT_TEXTS, 'price', 'distance'],
  GUARANTEED_STOP_LOSS: [...DEPENDENT_TEXTS, 'price', 'distance'],
  TRAILING_STOP_LOSS: [...DEPENDENT_TEXTS, 'distance'],
};
const ENTRY_OBJECTS = ['clientExtensions', 'tradeClientExtensions', 'takeProfitOnFill', 'stopLossOnFill', 'trailingStopLossOnFill'];
const ECHOED_INNER = ['id', 'tag', 'comment', 'price', 'distance', 'timeInForce', 'gtdTime'];

const cut = (value: unknown): string | undefined => (typeof value === 'string' ? value.slice(0, ECHOED_LENGTH_MAX) : undefined);

/** What the reject transaction of an order of this type repeats of the request: the text fields it has, cut to a bounded length. */
export function echoOf(fields: Fields, type: string): { readonly [key: string]: Json } {
  const echo: { [key: string]: Json | undefined } = {};
  for (const name of ECHOED_TEXTS[type] ?? []) echo[name] = cut(fields[name]);
  for (const name of 'tradeID' in echo ? ['clientExtensions'] : ENTRY_OBJECTS) {
    const value = fields[name];
    if (isBody(value)) echo[name] = compact(Object.fromEntries(ECHOED_INNER.map((inner) => [inner, cut(value[inner])])));
  }
  return compact(echo);
}
