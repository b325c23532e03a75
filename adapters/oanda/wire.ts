/**
 * v20 bodies as the daemon's own values.
 *
 * Only what is used is checked, and that strictly; unknown fields pass, because the broker adds some without notice.
 * Decimals must be strings. A transaction's body is kept whole.
 */
import { z } from 'zod';
import { DecimalError, ZERO_UNITS, add, money, price, ratio, units } from '../../domain/money.ts';
import { InstrumentError, instrumentName } from '../../domain/instruments.ts';
import { checkOf } from '../../domain/texts.ts';
import { MINUTE_MS, TimeError, parseInstant } from '../../domain/time.ts';
import { StrictJsonError, parseStrictJson } from './json.ts';
import type { AccountSnapshot, AccountSummary, Bar, BrokerTransaction, FeedLine, Ohlc, PositionsSnapshot, TransactionsPage } from '../../domain/broker.ts';
import type { Instrument, InstrumentName } from '../../domain/instruments.ts';
import type { Json } from '../../domain/canonical.ts';
import type { Price } from '../../domain/money.ts';
import type { Instant } from '../../domain/time.ts';

/** A body is not what v20 promises; the message names the field. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/** A body as it came over the wire, or, from a broker in this process, what its text would be read as. */
type WireBody = string | { readonly [key: string]: Json };

/** Reads a body with the given schema and mapping; every way of being wrong becomes a WireError. */
function decode<S, T>(body: WireBody, numbers: 'any' | 'exact', schema: z.ZodType<S>, map: (body: S) => T): T {
  try {
    const asRead = typeof body === 'string' ? parseStrictJson(body, numbers) : numbers === 'exact' && !isExact(body) ? parseStrictJson(JSON.stringify(body), numbers) : body;
    return map(schema.parse(asRead));
  } catch (error) {
    if (error instanceof z.ZodError) throw new WireError(issueOf(error));
    if (error instanceof StrictJsonError || error instanceof DecimalError || error instanceof TimeError || error instanceof InstrumentError) throw new WireError(error.message);
    throw error;
  }
}

/** Would its text be read with every number as it is? */
function isExact(value: Json | undefined): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.values(value).every(isExact);
}

/** The first fault that a schema found, and where. */
function issueOf({ issues }: z.ZodError, ...within: readonly string[]): string {
  const { path, message } = issues[0]!;
  return `${[...within, ...path].join('.') || 'body'}: ${message}`;
}

/** Ids are compared as integers; one beyond 2^53 could not be. */
function transactionNumber(text: string, field: string): number {
  const id = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(id)) throw new WireError(`${field}: "${text.slice(0, 40)}" is no transaction id below 2^53`);
  return id;
}

const text = z.string();

const instrumentsSchema = z.object({
  instruments: z.array(z.object({
    name: text,
    pipLocation: z.int().min(-10).max(10),
    displayPrecision: z.int().min(0).max(10),
    tradeUnitsPrecision: z.int().min(0).max(10),
    minimumTradeSize: text,
    marginRate: text,
  })),
});

/** The pairs of an account. Instruments that are no pair (indices, bonds) are none of this daemon's and are left out. */
export const decodeInstruments = (body: WireBody): readonly Instrument[] =>
  decode(body, 'any', instrumentsSchema, ({ instruments }) =>
    instruments
      .filter(({ name }) => /^[A-Z]{3}_[A-Z]{3}$/.test(name))
      .map((found) => ({
        name: instrumentName(found.name),
        base: found.name.slice(0, 3),
        quote: found.name.slice(4),
        pipLocation: found.pipLocation,
        displayPrecision: found.displayPrecision,
        tradeUnitsPrecision: found.tradeUnitsPrecision,
        minimumTradeSize: units(found.minimumTradeSize, `${found.name}.minimumTradeSize`),
        marginRate: ratio(found.marginRate, `${found.name}.marginRate`),
      })));

const summaryFields = {
  id: text,
  currency: text.regex(/^[A-Z]{3}$/),
  hedgingEnabled: z.boolean(),
  balance: text,
  unrealizedPL: text,
  pl: text,
  financing: text,
  commission: text.default('0'),
  guaranteedExecutionFees: text.default('0'),
};
const summarySchema = z.object({ account: z.object({ ...summaryFields, openTradeCount: z.int().min(0), pendingOrderCount: z.int().min(0) }), lastTransactionID: text });
const idOf = z.object({ id: text.optional() }).optional();
const accountSchema = z.object({
  account: z.object({
    ...summaryFields,
    trades: z.array(z.object({
      id: text, instrument: text, currentUnits: text, initialUnits: text, price: text, openTime: text, stopLossOrderID: text.optional(), clientExtensions: idOf,
    })),
    orders: z.array(z.object({ id: text, type: text, tradeID: text.optional(), price: text.optional(), clientExtensions: idOf })),
  }),
  lastTransactionID: text,
});

/** Which account it is, is for the reconciliation to judge: another one must halt, not look like a bad line. */
const summaryOf = (account: z.infer<z.ZodObject<typeof summaryFields>>, lastTransactionID: string) => ({
  accountId: account.id,
  currency: account.currency,
  hedgingEnabled: account.hedgingEnabled,
  balance: money(account.balance, 'account.balance'),
  realisedPl: money(account.pl, 'account.pl'),
  financing: money(account.financing, 'account.financing'),
  commission: add(money(account.commission, 'account.commission'), money(account.guaranteedExecutionFees, 'account.guaranteedExecutionFees')),
  unrealisedPl: money(account.unrealizedPL, 'account.unrealizedPL'),
  lastTransactionId: transactionNumber(lastTransactionID, 'lastTransactionID'),
});

export const decodeSummary = (body: WireBody): AccountSummary =>
  decode(body, 'any', summarySchema, ({ account, lastTransactionID }) => ({
    ...summaryOf(account, lastTransactionID), openTrades: account.openTradeCount, pendingOrders: account.pendingOrderCount,
  }));

export const decodeAccount = (body: WireBody): AccountSnapshot =>
  decode(body, 'any', accountSchema, ({ account, lastTransactionID }) => ({
    ...summaryOf(account, lastTransactionID),
    trades: account.trades.map((trade, index) => ({
      tradeId: trade.id,
      instrument: instrumentName(trade.instrument),
      units: units(trade.currentUnits, `account.trades.${index}.currentUnits`),
      initialUnits: units(trade.initialUnits, `account.trades.${index}.initialUnits`),
      price: price(trade.price, `account.trades.${index}.price`),
      openedAt: parseInstant(trade.openTime, `account.trades.${index}.openTime`),
      clientTradeId: trade.clientExtensions?.id ?? null,
      stopLossOrderId: trade.stopLossOrderID ?? null,
    })),
    pendingOrders: account.orders.map((order, index) => ({
      orderId: order.id,
      type: order.type,
      tradeId: order.tradeID ?? null,
      price: order.price === undefined ? null : price(order.price, `account.orders.${index}.price`),
      clientOrderId: order.clientExtensions?.id ?? null,
    })),
  }));

const side = z.object({ units: text });
const positionsSchema = z.object({ positions: z.array(z.object({ instrument: text, long: side, short: side })), lastTransactionID: text });

/** Net units of each open position: on a netting account one of the sides is zero. */
export const decodePositions = (body: WireBody): PositionsSnapshot =>
  decode(body, 'any', positionsSchema, ({ positions, lastTransactionID }) => ({
    positions: positions
      .map((found, index) => ({
        instrument: instrumentName(found.instrument),
        units: add(units(found.long.units, `positions.${index}.long.units`), units(found.short.units, `positions.${index}.short.units`)),
      }))
      .filter((found) => found.units !== ZERO_UNITS),
    lastTransactionId: transactionNumber(lastTransactionID, 'lastTransactionID'),
  }));

const transactionSchema = z.looseObject({ id: text, type: text, time: text, accountID: text });
type WireTransaction = z.infer<typeof transactionSchema>;
const isTransaction = checkOf(transactionSchema) as (found: unknown) => found is WireTransaction;
const transactionsSchema = z.object({ transactions: z.array(z.unknown()), lastTransactionID: text });

/** A body is kept whole, so it is looked at and not copied: an old account sends a hundred thousand. */
function checkedTransaction(found: unknown, field: string): WireTransaction {
  if (isTransaction(found)) return found;
  throw new WireError(issueOf(transactionSchema.safeParse(found).error!, field));
}

function transactionOf(found: WireTransaction, accountId: string, field: string): BrokerTransaction {
  if (found.type === '') throw new WireError(`${field}.type: the transaction has none`);
  if (found.accountID !== accountId) throw new WireError(`${field}.accountID: the transaction is of another account`);
  return {
    id: transactionNumber(found.id, `${field}.id`),
    type: found.type,
    at: parseInstant(found.time, `${field}.time`),
    accountId,
    body: found as { readonly [key: string]: Json },
  };
}

/** A page of transactions above `sinceId`, put in the order of their ids; an id twice or too low is refused. */
export const decodeTransactions = (body: WireBody, accountId: string, sinceId: number): TransactionsPage =>
  decode(body, 'exact', transactionsSchema, ({ transactions, lastTransactionID }) => {
    const found = transactions
      .map((each, index) => transactionOf(checkedTransaction(each, `transactions.${index}`), accountId, `transactions.${index}`))
      .sort((left, right) => left.id - right.id);
    let previous = sinceId;
    for (const { id } of found) {
      if (id <= previous) throw new WireError(id <= sinceId ? `transaction ${id} was not asked for: only ids above ${sinceId} were` : `transaction ${id} is there twice`);
      previous = id;
    }
    return { transactions: found, lastTransactionId: transactionNumber(lastTransactionID, 'lastTransactionID') };
  });

const ohlcSchema = z.object({ o: text, h: text, l: text, c: text });
const candlesSchema = z.object({
  instrument: text,
  granularity: text,
  candles: z.array(z.object({ complete: z.boolean(), volume: z.int().min(0), time: text, bid: ohlcSchema, ask: ohlcSchema })),
});

/** Zero and negative prices are data faults, whatever else is right. */
function positivePrice(decimal: string, field: string): Price {
  const value = price(decimal, field);
  if (!(value > 0n)) throw new WireError(`${field}: ${decimal} is no price`);
  return value;
}

function ohlcOf(found: z.infer<typeof ohlcSchema>, field: string): Ohlc {
  const ohlc = { open: positivePrice(found.o, `${field}.o`), high: positivePrice(found.h, `${field}.h`), low: positivePrice(found.l, `${field}.l`), close: positivePrice(found.c, `${field}.c`) };
  const inside = (value: Price): boolean => value >= ohlc.low && value <= ohlc.high;
  if (!(inside(ohlc.open) && inside(ohlc.close))) throw new WireError(`${field}: open and close are not between low and high`);
  return ohlc;
}

export interface CandlesPage {
  /** Complete ones, oldest first. */
  readonly bars: readonly Bar[];
  /** Candles in the answer, the incomplete ones counted. */
  readonly received: number;
}

/** One-minute bid and ask candles; out of order, off the minute grid or of anything else asked for is refused. */
export const decodeCandles = (body: string, instrument: InstrumentName): CandlesPage =>
  decode(body, 'any', candlesSchema, (page) => {
    if (page.instrument !== instrument || page.granularity !== 'M1') throw new WireError('instrument, granularity: the candles are not those asked for');
    const bars: Bar[] = [];
    let previous = Number.NEGATIVE_INFINITY;
    for (const [index, candle] of page.candles.entries()) {
      const field = `candles.${index}`;
      const start = parseInstant(candle.time, `${field}.time`);
      if (start % MINUTE_MS !== 0 || !/:00(?:\.0+)?Z$/.test(candle.time)) throw new WireError(`${field}.time: ${candle.time} is no whole minute`);
      if (!(start > previous)) throw new WireError(`${field}.time: ${candle.time} is out of order`);
      previous = start;
      if (candle.complete) bars.push({ instrument, start, bid: ohlcOf(candle.bid, `${field}.bid`), ask: ohlcOf(candle.ask, `${field}.ask`), volume: candle.volume });
    }
    return { bars, received: page.candles.length };
  });

const level = z.object({ price: text });
const priceLineSchema = z.object({ instrument: text, time: text, bids: z.array(level), asks: z.array(level), closeoutBid: text, closeoutAsk: text, tradeable: z.boolean() });
const pricingLineSchema = z.discriminatedUnion('type', [
  priceLineSchema.extend({ type: z.literal('PRICE') }),
  z.object({ type: z.literal('HEARTBEAT'), time: text }),
]);

const bestOf = (ladder: readonly { readonly price: string }[], closeout: string, field: string, better: (left: Price, right: Price) => boolean): Price =>
  ladder.map((each, index) => positivePrice(each.price, `${field}.${index}.price`)).reduce<Price | null>((best, each) => (best === null || better(each, best) ? each : best), null)
  ?? positivePrice(closeout, field);

const KNOWN_LINES = ['PRICE', 'HEARTBEAT'];
const typedLineSchema = z.object({ type: text.min(1), time: text });
const TYPE_LENGTH_MAX = 64;

/**
 * A line of the pricing stream; one of a type that nobody knows yet is handed on as such. A side without a ladder has no
 * price to trade at: the closeout price stands for it.
 */
export function decodePricingLine(line: string, instruments: ReadonlySet<InstrumentName>): FeedLine {
  const unknown = decode(line, 'any', typedLineSchema, ({ type, time }): FeedLine | null => (KNOWN_LINES.includes(type) ? null : { kind: 'unknown', at: parseInstant(time), type: type.slice(0, TYPE_LENGTH_MAX) }));
  return unknown ?? decode(line, 'any', pricingLineSchema, (found): FeedLine => {
    const at = parseInstant(found.time);
    if (found.type === 'HEARTBEAT') return { kind: 'heartbeat', at, lastTransactionId: null };
    const instrument = instrumentName(found.instrument);
    if (!instruments.has(instrument)) throw new WireError(`instrument: a price of ${instrument} was not asked for`);
    return {
      kind: 'quote',
      quote: {
        instrument,
        bid: bestOf(found.bids, found.closeoutBid, 'bids', (left, right) => left > right),
        ask: bestOf(found.asks, found.closeoutAsk, 'asks', (left, right) => left < right),
        at,
        tradeable: found.tradeable && found.bids.length > 0 && found.asks.length > 0,
      },
    };
  });
}

const transactionLineSchema = z.object({ type: text.min(1), time: text, id: text.default(''), accountID: text.default(''), lastTransactionID: text.default('') });

/** A line of the transactions stream: a wake-up only, since bodies are read through `sinceid`. */
export const decodeTransactionLine = (line: string, accountId: string): FeedLine =>
  decode(line, 'any', transactionLineSchema, (found): FeedLine => {
    const at: Instant = parseInstant(found.time);
    if (found.type === 'HEARTBEAT') return { kind: 'heartbeat', at, lastTransactionId: transactionNumber(found.lastTransactionID, 'lastTransactionID') };
    if (found.accountID !== accountId) throw new WireError('accountID: the transaction is of another account');
    return { kind: 'transaction', transactionId: transactionNumber(found.id, 'id'), at };
  });

const errorBodySchema = z.looseObject({ errorMessage: text.optional(), errorCode: text.optional() });

export interface Refusal {
  /** Its code, else its message. */
  readonly detail: string;
  /** It carries the transaction by which the ledger itself refused. */
  readonly inLedger: boolean;
}

/** What a v20 refusal says; null when the body is no v20 refusal. */
export function decodeRefusal(body: string): Refusal | null {
  try {
    return decode(body, 'any', errorBodySchema, (found) => {
      const rejected = Object.keys(found).find((key) => /RejectTransaction$/.test(key));
      const detail = found.errorCode ?? found.errorMessage ?? rejected;
      return detail === undefined ? null : { detail, inLedger: rejected !== undefined };
    });
  } catch (error) {
    if (error instanceof WireError) return null;
    throw error;
  }
}

const orderReplySchema = z.object({ lastTransactionID: text });

/** Checks that a 2xx reply to an order request is v20's: JSON, and with the ledger's position in it. */
export const decodeOrderReply = (body: string): void =>
  decode(body, 'any', orderReplySchema, ({ lastTransactionID }) => void transactionNumber(lastTransactionID, 'lastTransactionID'));
