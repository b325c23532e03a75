/** Reads order requests: what is malformed, what the broker rejects with a transaction, and what it accepts. */
import type { ClientExtensions, Json } from './bodies.ts';
import { compact, isBody } from './bodies.ts';
import type { DependentKind, DependentTerms, Market, PositionFill, TriggerCondition } from './book.ts';
import type { Decimal } from './decimals.ts';
import { readDecimal } from './decimals.ts';
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

export interface MarketOrderRequest {
  readonly units: Decimal;
  readonly timeInForce: 'FOK' | 'IOC';
  readonly boundPoints: number | null;
  readonly positionFill: PositionFill;
  readonly clientExtensions: ClientExtensions | null;
  readonly tradeClientExtensions: ClientExtensions | null;
  readonly stopLossOnFill: DependentTerms | null;
  readonly takeProfitOnFill: DependentTerms | null;
}

type Fields = { readonly [key: string]: unknown };

const POSITION_FILLS: readonly string[] = ['DEFAULT', 'OPEN_ONLY', 'REDUCE_FIRST', 'REDUCE_ONLY'] satisfies PositionFill[];
const TRIGGER_CONDITIONS: readonly string[] = ['DEFAULT', 'INVERSE', 'BID', 'ASK', 'MID'] satisfies TriggerCondition[];
const CLIENT_TEXT_LENGTH_MAX = 128;

const isPositionFill = (value: string): value is PositionFill => POSITION_FILLS.includes(value);
const isTriggerCondition = (value: string): value is TriggerCondition => TRIGGER_CONDITIONS.includes(value);

function optionalText(fields: Fields, name: string, place: string): string | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw invalidValue(`${place}.${name}`);
  return value;
}

function optionalObject(fields: Fields, name: string, place: string): Fields | null {
  const value = fields[name];
  if (value === undefined || value === null) return null;
  if (!isBody(value)) throw invalidValue(`${place}.${name}`);
  return value;
}

/** A price or distance in points; `codes` are the broker's reasons for a bad value. */
function readPoints(text: string, market: Market, place: string, codes: { readonly invalid: string; readonly precision: string }): number {
  const value = readDecimal(text);
  if (value === null) throw invalidValue(place);
  if (!value.isPositive() || value.isZero()) throw new RejectedRequest(codes.invalid);
  const points = value.mul(10 ** market.settings.instrument.displayPrecision);
  if (!points.isInteger()) throw new RejectedRequest(codes.precision);
  if (points.greaterThan(2 ** 31)) throw new RejectedRequest(codes.invalid);
  return points.toNumber();
}

/** Units with sign, checked against the instrument's precision and limits. */
function readUnits(text: string, market: Market, place: string): Decimal {
  const value = readDecimal(text);
  if (value === null) throw invalidValue(place);
  if (value.isZero()) throw new RejectedRequest('UNITS_INVALID');
  if (value.decimalPlaces() > market.settings.instrument.tradeUnitsPrecision) throw new RejectedRequest('UNITS_PRECISION_EXCEEDED');
  if (value.abs().lessThan(format(market.settings.instrument.minimumTradeSize))) throw new RejectedRequest('UNITS_MINIMUM_NOT_MET');
  if (value.abs().greaterThan(market.settings.maximumOrderUnits)) throw new RejectedRequest('UNITS_LIMIT_EXCEEDED');
  return value;
}

/** Client extensions; `code` is the prefix of the reject reasons, such as CLIENT_ORDER. */
function readExtensions(fields: Fields, name: string, place: string, code: string): ClientExtensions | null {
  const value = optionalObject(fields, name, place);
  if (value === null) return null;
  const inner = `${place}.${name}`;
  const [id, tag, comment] = [optionalText(value, 'id', inner), optionalText(value, 'tag', inner), optionalText(value, 'comment', inner)];
  if (id !== null && (id === '' || id.length > CLIENT_TEXT_LENGTH_MAX)) throw new RejectedRequest(`${code}_ID_INVALID`);
  if (tag !== null && tag.length > CLIENT_TEXT_LENGTH_MAX) throw new RejectedRequest(`${code}_TAG_INVALID`);
  if (comment !== null && comment.length > CLIENT_TEXT_LENGTH_MAX) throw new RejectedRequest(`${code}_COMMENT_INVALID`);
  return { ...(id === null ? {} : { id }), ...(tag === null ? {} : { tag }), ...(comment === null ? {} : { comment }) };
}

function readGtdTime(fields: Fields, place: string, codePrefix: string, now: Instant): Instant {
  const text = optionalText(fields, 'gtdTime', place);
  if (text === null) throw new RejectedRequest(`${codePrefix}GTD_TIMESTAMP_MISSING`);
  let at: Instant;
  try {
    at = parseInstant(text, `${place}.gtdTime`);
  } catch (error) {
    if (error instanceof TimeError) throw invalidValue(`${place}.gtdTime`);
    throw error;
  }
  if (at <= now) throw new RejectedRequest(`${codePrefix}GTD_TIMESTAMP_IN_PAST`);
  return at;
}

/** The terms of a stop loss or take profit that is made when the entry fills. */
function readOnFill(fields: Fields, kind: DependentKind, market: Market, now: Instant): DependentTerms | null {
  const name = kind === 'STOP_LOSS' ? 'stopLossOnFill' : 'takeProfitOnFill';
  const value = optionalObject(fields, name, 'order');
  if (value === null) return null;
  const place = `order.${name}`;
  const prefix = `${kind}_ON_FILL_`;
  const priceText = optionalText(value, 'price', place);
  const distanceText = kind === 'STOP_LOSS' ? optionalText(value, 'distance', place) : null;
  if (kind === 'TAKE_PROFIT' && priceText === null) throw new RejectedRequest(`${prefix}PRICE_MISSING`);
  if (priceText === null && distanceText === null) throw new RejectedRequest(`${prefix}PRICE_AND_DISTANCE_BOTH_MISSING`);
  if (priceText !== null && distanceText !== null) throw new RejectedRequest(`${prefix}PRICE_AND_DISTANCE_BOTH_SPECIFIED`);
  const timeInForce = optionalText(value, 'timeInForce', place) ?? 'GTC';
  if (timeInForce !== 'GTC' && timeInForce !== 'GTD' && timeInForce !== 'GFD') throw new RejectedRequest(`${prefix}TIME_IN_FORCE_INVALID`);
  const triggerCondition = optionalText(value, 'triggerCondition', place) ?? 'DEFAULT';
  if (!isTriggerCondition(triggerCondition)) throw new RejectedRequest(`${prefix}TRIGGER_CONDITION_INVALID`);
  const points = (text: string, field: string, code: string): number =>
    readPoints(text, market, `${place}.${field}`, { invalid: `${prefix}${code}_INVALID`, precision: `${prefix}${code}_PRECISION_EXCEEDED` });
  return {
    pricePoints: priceText === null ? null : points(priceText, 'price', 'PRICE'),
    distancePoints: distanceText === null ? null : points(distanceText, 'distance', 'DISTANCE'),
    timeInForce,
    gtdTime: timeInForce === 'GTD' ? readGtdTime(value, place, prefix, now) : null,
    triggerCondition,
    clientExtensions: readExtensions(value, 'clientExtensions', place, `${prefix}CLIENT_ORDER`),
  };
}

/**
 * Reads the `order` of a POST whose instrument is known.
 *
 * @throws InvalidRequest for fields of the wrong form; RejectedRequest with the broker's reason otherwise.
 */
export function readMarketOrder(fields: Fields, market: Market, now: Instant): MarketOrderRequest {
  const unitsText = optionalText(fields, 'units', 'order');
  const boundText = optionalText(fields, 'priceBound', 'order');
  const timeInForce = optionalText(fields, 'timeInForce', 'order') ?? 'FOK';
  const positionFill = optionalText(fields, 'positionFill', 'order') ?? 'DEFAULT';
  if (!isPositionFill(positionFill)) throw invalidValue('order.positionFill');
  if (unitsText === null) throw new RejectedRequest('UNITS_MISSING');
  const units = readUnits(unitsText, market, 'order.units');
  if (timeInForce !== 'FOK' && timeInForce !== 'IOC') throw new RejectedRequest('TIME_IN_FORCE_INVALID');
  if (optionalObject(fields, 'trailingStopLossOnFill', 'order') !== null) throw new RejectedRequest('TRAILING_STOP_LOSS_ORDERS_NOT_SUPPORTED');
  return {
    units,
    timeInForce,
    boundPoints:
      boundText === null ? null : readPoints(boundText, market, 'order.priceBound', { invalid: 'PRICE_BOUND_INVALID', precision: 'PRICE_BOUND_PRECISION_EXCEEDED' }),
    positionFill,
    clientExtensions: readExtensions(fields, 'clientExtensions', 'order', 'CLIENT_ORDER'),
    tradeClientExtensions: readExtensions(fields, 'tradeClientExtensions', 'order', 'CLIENT_TRADE'),
    stopLossOnFill: readOnFill(fields, 'STOP_LOSS', market, now),
    takeProfitOnFill: readOnFill(fields, 'TAKE_PROFIT', market, now),
  };
}

const ECHOED_TEXTS = ['instrument', 'units', 'priceBound', 'timeInForce', 'positionFill'] as const;
const ECHOED_OBJECTS = ['clientExtensions', 'tradeClientExtensions', 'stopLossOnFill', 'takeProfitOnFill'] as const;

/** What a reject transaction repeats of the request: the known text fields, cut to a bounded length. */
export function echoOf(fields: Fields): { readonly [key: string]: Json } {
  const cut = (value: unknown): string | undefined => (typeof value === 'string' ? value.slice(0, 256) : undefined);
  const echo: { [key: string]: Json | undefined } = {};
  for (const name of ECHOED_TEXTS) echo[name] = cut(fields[name]);
  for (const name of ECHOED_OBJECTS) {
    const value = fields[name];
    if (!isBody(value)) continue;
    echo[name] = compact({
      id: cut(value['id']),
      tag: cut(value['tag']),
      comment: cut(value['comment']),
      price: cut(value['price']),
      distance: cut(value['distance']),
      timeInForce: cut(value['timeInForce']),
    });
  }
  return compact(echo);
}
