/** Reads order requests of every type into terms, checked against the instrument and the account's rules. */
import type { ClientExtensions } from './bodies.ts';
import { DEPENDENT_KINDS } from './book.ts';
import type { DependentKind, DependentTerms, EntryKind, EntryTerms, Market, OnFill, TimeInForce, TriggerCondition } from './book.ts';
import type { Switches } from './switches.ts';
import type { Fields } from './requests.ts';
import {
  RejectedRequest, optionalObject, optionalText, readExtensions, readGtdTime, readPoints, readPositionFill, readTimeInForce, readTriggerCondition, readUnits,
} from './requests.ts';
import type { Instant } from '../../../domain/time.ts';

export interface MarketRequest extends EntryTerms {
  readonly clientExtensions: ClientExtensions | null;
}

export interface RestingRequest extends EntryTerms {
  readonly clientExtensions: ClientExtensions | null;
  readonly pricePoints: number;
  readonly gtdTime: Instant | null;
  readonly triggerCondition: TriggerCondition;
}

/** What reading needs besides the fields. */
export interface ReadingContext {
  readonly market: Market;
  readonly now: Instant;
  readonly switches: Switches;
}

const FIELD_OF: { readonly [kind in DependentKind]: string } = { TAKE_PROFIT: 'takeProfitOnFill', STOP_LOSS: 'stopLossOnFill', TRAILING_STOP_LOSS: 'trailingStopLossOnFill' };
const RESTING_TIMES: readonly TimeInForce[] = ['GTC', 'GTD', 'GFD'];
const ALL_TIMES: readonly TimeInForce[] = ['GTC', 'GTD', 'GFD', 'FOK', 'IOC'];

/** The broker's reject reasons for the price and distance of a dependent order: another set for on-fill orders. */
interface TermCodes {
  readonly priceMissing: string;
  readonly bothMissing: string;
  readonly bothSpecified: string;
  readonly distanceMissing: string;
  readonly distance: string;
  readonly price: string;
  readonly time: string;
  readonly prefix: string;
  readonly clientOrder: string;
  readonly guaranteed: string;
}

const onFillCodes = (kind: DependentKind): TermCodes => {
  const prefix = `${kind}_ON_FILL_`;
  return {
    priceMissing: `${prefix}PRICE_MISSING`,
    bothMissing: `${prefix}PRICE_AND_DISTANCE_BOTH_MISSING`,
    bothSpecified: `${prefix}PRICE_AND_DISTANCE_BOTH_SPECIFIED`,
    distanceMissing: `${prefix}PRICE_DISTANCE_MISSING`,
    // The broker's words for a stop loss on fill lack the PRICE_ that those for a trailing one have.
    distance: kind === 'STOP_LOSS' ? `${prefix}DISTANCE` : `${prefix}PRICE_DISTANCE`,
    price: `${prefix}PRICE`,
    time: prefix,
    prefix,
    clientOrder: `${prefix}CLIENT_ORDER`,
    guaranteed: 'STOP_LOSS_ON_FILL_GUARANTEED_NOT_ALLOWED',
  };
};

const ORDER_CODES: TermCodes = {
  priceMissing: 'PRICE_MISSING',
  bothMissing: 'STOP_LOSS_ORDER_PRICE_AND_DISTANCE_BOTH_MISSING',
  bothSpecified: 'STOP_LOSS_ORDER_PRICE_AND_DISTANCE_BOTH_SPECIFIED',
  distanceMissing: 'PRICE_DISTANCE_MISSING',
  distance: 'PRICE_DISTANCE',
  price: 'PRICE',
  time: 'TIME_IN_FORCE_',
  prefix: '',
  clientOrder: 'CLIENT_ORDER',
  guaranteed: 'STOP_LOSS_ORDER_GUARANTEED_NOT_ALLOWED',
};

const pipPoints = (market: Market, pips: number): number => pips * 10 ** (market.settings.instrument.displayPrecision + market.settings.instrument.pipLocation);

function readTerms(value: Fields, kind: DependentKind, codes: TermCodes, place: string, { market, now }: ReadingContext): DependentTerms {
  if (value['guaranteed'] === true) throw new RejectedRequest(codes.guaranteed);
  const priceText = kind === 'TRAILING_STOP_LOSS' ? null : optionalText(value, 'price', place);
  const distanceText = kind === 'TAKE_PROFIT' ? null : optionalText(value, 'distance', place);
  if (kind === 'TAKE_PROFIT' && priceText === null) throw new RejectedRequest(codes.priceMissing);
  if (kind === 'TRAILING_STOP_LOSS' && distanceText === null) throw new RejectedRequest(codes.distanceMissing);
  if (priceText === null && distanceText === null) throw new RejectedRequest(codes.bothMissing);
  if (priceText !== null && distanceText !== null) throw new RejectedRequest(codes.bothSpecified);
  const timeInForce = readTimeInForce(value, place, 'GTC', RESTING_TIMES, `${codes.prefix}TIME_IN_FORCE_INVALID`);
  const triggerCondition = readTriggerCondition(value, place, codes.prefix);
  const points = (text: string, field: string, code: string): number => readPoints(text, market, `${place}.${field}`, { invalid: `${code}_INVALID`, precision: `${code}_PRECISION_EXCEEDED` });
  const distancePoints = distanceText === null ? null : points(distanceText, 'distance', codes.distance);
  if (kind === 'TRAILING_STOP_LOSS' && distancePoints !== null) {
    if (distancePoints < pipPoints(market, market.settings.minimumTrailingStopPips)) throw new RejectedRequest(`${codes.distance}_MINIMUM_NOT_MET`);
    if (distancePoints > pipPoints(market, market.settings.maximumTrailingStopPips)) throw new RejectedRequest(`${codes.distance}_MAXIMUM_EXCEEDED`);
  }
  return {
    pricePoints: priceText === null ? null : points(priceText, 'price', codes.price),
    distancePoints,
    timeInForce: timeInForce === 'GTD' || timeInForce === 'GFD' ? timeInForce : 'GTC',
    gtdTime: timeInForce === 'GTD' ? readGtdTime(value, place, codes.time, now) : null,
    triggerCondition,
    clientExtensions: readExtensions(value, 'clientExtensions', place, codes.clientOrder),
  };
}

/** The dependent orders that a fill is to create. */
function readOnFill(fields: Fields, context: ReadingContext): OnFill {
  if (optionalObject(fields, 'guaranteedStopLossOnFill', 'order') !== null) throw new RejectedRequest('STOP_LOSS_ON_FILL_GUARANTEED_NOT_ALLOWED');
  const read = (kind: DependentKind): DependentTerms | null => {
    const value = optionalObject(fields, FIELD_OF[kind], 'order');
    return value === null ? null : readTerms(value, kind, onFillCodes(kind), `order.${FIELD_OF[kind]}`, context);
  };
  const onFill = { TAKE_PROFIT: read('TAKE_PROFIT'), STOP_LOSS: read('STOP_LOSS'), TRAILING_STOP_LOSS: read('TRAILING_STOP_LOSS') };
  const ids = DEPENDENT_KINDS.flatMap((kind) => onFill[kind]?.clientExtensions?.id ?? []);
  if (new Set(ids).size < ids.length) throw new RejectedRequest('ORDERS_ON_FILL_DUPLICATE_CLIENT_ORDER_IDS');
  return onFill;
}

function readBound(fields: Fields, market: Market): number | null {
  const text = optionalText(fields, 'priceBound', 'order');
  return text === null ? null : readPoints(text, market, 'order.priceBound', { invalid: 'PRICE_BOUND_INVALID', precision: 'PRICE_BOUND_PRECISION_EXCEEDED' });
}

/**
 * Reads a market order whose instrument is known.
 *
 * @throws InvalidRequest for fields of the wrong form; RejectedRequest with the broker's reason otherwise.
 */
export function readMarketOrder(fields: Fields, context: ReadingContext): MarketRequest {
  const positionFill = readPositionFill(fields);
  return {
    units: readUnits(fields, context.market, context.switches),
    timeInForce: readTimeInForce(fields, 'order', 'FOK', ['FOK', 'IOC'], 'TIME_IN_FORCE_INVALID'),
    boundPoints: readBound(fields, context.market),
    positionFill,
    clientExtensions: readExtensions(fields, 'clientExtensions', 'order', 'CLIENT_ORDER'),
    tradeClientExtensions: readExtensions(fields, 'tradeClientExtensions', 'order', 'CLIENT_TRADE'),
    onFill: readOnFill(fields, context),
  };
}

/** Reads a limit, stop or market-if-touched order whose instrument is known; throws as `readMarketOrder` does. */
export function readRestingOrder(fields: Fields, type: EntryKind, context: ReadingContext): RestingRequest {
  const { market, now, switches } = context;
  const positionFill = readPositionFill(fields);
  const units = readUnits(fields, market, switches);
  const priceText = optionalText(fields, 'price', 'order');
  if (priceText === null) throw new RejectedRequest('PRICE_MISSING');
  const pricePoints = readPoints(priceText, market, 'order.price', { invalid: 'PRICE_INVALID', precision: 'PRICE_PRECISION_EXCEEDED' });
  const timeInForce = readTimeInForce(fields, 'order', 'GTC', type === 'MARKET_IF_TOUCHED' ? RESTING_TIMES : ALL_TIMES, 'TIME_IN_FORCE_INVALID');
  const partialFill = optionalText(fields, 'partialFill', 'order');
  if (partialFill !== null && partialFill !== 'DEFAULT' && partialFill !== 'DEFAULT_FILL') throw new RejectedRequest('ORDER_PARTIAL_FILL_OPTION_INVALID');
  return {
    units,
    pricePoints,
    timeInForce,
    gtdTime: timeInForce === 'GTD' ? readGtdTime(fields, 'order', 'TIME_IN_FORCE_', now) : null,
    boundPoints: type === 'LIMIT' ? pricePoints : readBound(fields, market),
    positionFill,
    triggerCondition: readTriggerCondition(fields, 'order', ''),
    clientExtensions: readExtensions(fields, 'clientExtensions', 'order', 'CLIENT_ORDER'),
    tradeClientExtensions: readExtensions(fields, 'tradeClientExtensions', 'order', 'CLIENT_TRADE'),
    onFill: readOnFill(fields, context),
  };
}

/** Reads a take profit, stop loss or trailing stop for a trade in `context.market`; throws as `readMarketOrder` does. */
export const readDependentOrder = (fields: Fields, kind: DependentKind, place: string, context: ReadingContext): DependentTerms => readTerms(fields, kind, ORDER_CODES, place, context);
