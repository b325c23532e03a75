/** Answers that are good v20 and say something wrong: candles, prices, accounts and transactions. */
import type { LiveFault } from './injector.ts';
import type { FaultKind, FaultOf } from './kinds.ts';
import { badPrice, isPrintedPrice, movedPrice } from './prices.ts';
import type { Body, Json } from '../engine/bodies.ts';
import { isBody } from '../engine/bodies.ts';
import { MINUTE_MS, instantOf, parseInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

export const ANSWER_KINDS: ReadonlySet<FaultKind> = new Set<FaultKind>(['badCandles', 'badPrice', 'accountChanged', 'withheldTransactions', 'alteredTransactions']);

/** An answer changed by a fault, or null when there is nothing in it that the fault is about. */
export type Changed = Body | null;

const listOf = (value: Json | undefined): readonly Json[] | null => (Array.isArray(value) ? value : null);
const bodyOf = (value: Json | undefined): Body | null => (isBody(value) ? (value) : null);

/** A time as the client wants it written: RFC 3339, or seconds since 1970. */
const timeOf = (text: string): Instant => (/^\d+\.\d+$/.test(text) ? instantOf(Math.floor(Number(text) * 1_000)) : parseInstant(text));

/** Rewrites some of a list; null when none is rewritten. A rewrite to `'gone'` takes the item out. */
function changedList(list: readonly Json[] | null, rewrite: (body: Body) => Body | 'gone' | null): Json[] | null {
  if (list === null) return null;
  let changes = 0;
  const kept = list.flatMap((item): Json[] => {
    const body = bodyOf(item);
    const changed = body === null ? null : rewrite(body);
    if (changed === null) return [item];
    changes += 1;
    return changed === 'gone' ? [] : [changed];
  });
  return changes === 0 ? null : kept;
}

type Ohlc = { readonly [part: string]: Json };

function eachSide(candle: Body, rewrite: (ohlc: Ohlc, side: string) => Ohlc): Body {
  const sides = ['bid', 'mid', 'ask'].flatMap((side) => {
    const ohlc = bodyOf(candle[side]);
    return ohlc === null ? [] : [[side, rewrite(ohlc, side)] as const];
  });
  return { ...candle, ...Object.fromEntries(sides) };
}

const eachPrice = (ohlc: Ohlc, rewrite: (text: string) => string): Ohlc =>
  Object.fromEntries(Object.entries(ohlc).map(([part, text]) => [part, isPrintedPrice(text) ? rewrite(text) : text]));

/** Moves a whole candle, so that open and close stay between low and high. */
const movedCandle = (candle: Body, pips: number): Body => eachSide(candle, (ohlc) => eachPrice(ohlc, (text) => movedPrice(text, pips)));

/** A candle that a fault is about, the way the fault has it; null for the others. */
function badCandle(fault: FaultOf<'badCandles'>, live: LiveFault, candle: Body, newest: boolean, now: Instant): Body | 'gone' | null {
  const { time, complete } = candle;
  if (typeof time !== 'string' || complete !== true || live.from === null) return null;
  const start = timeOf(time);
  const end = start + MINUTE_MS;
  // Candles that were complete before the fault began are not touched: they have been seen as they are.
  if (end <= live.from) return null;
  switch (fault.form) {
    case 'incomplete':
      return end + fault.ageMs > now ? { ...candle, complete: false } : null;
    case 'late':
      return end + fault.ageMs > now ? 'gone' : null;
    case 'missing':
      return 'gone';
    case 'revised':
      return end + fault.ageMs <= now ? movedCandle(candle, fault.pips) : null;
    case 'crossed':
      return newest ? eachSide(candle, (ohlc, side) => (side === 'bid' ? eachPrice(ohlc, (text) => movedPrice(text, fault.pips)) : ohlc)) : null;
    case 'zero':
      return newest ? eachSide(candle, (ohlc) => eachPrice(ohlc, (text) => text.replaceAll(/[1-9]/g, '0'))) : null;
    case 'outlier':
      return newest ? movedCandle(candle, fault.pips) : null;
  }
}

function badCandles(fault: FaultOf<'badCandles'>, live: LiveFault, answer: Body, now: Instant): Changed {
  const candles = listOf(answer['candles']);
  if (candles === null || (fault.instrument !== undefined && fault.instrument !== answer['instrument'])) return null;
  const newest = candles.findLast((candle) => bodyOf(candle)?.['complete'] === true);
  const changed = changedList(candles, (candle) => badCandle(fault, live, candle, candle === newest, now));
  return changed === null ? null : { ...answer, candles: changed };
}

function badPrices(fault: FaultOf<'badPrice'>, answer: Body, now: Instant): Changed {
  const prices = changedList(listOf(answer['prices']), (price) => badPrice(fault, price, now));
  return prices === null ? null : { ...answer, prices };
}

function changedAccount({ field }: FaultOf<'accountChanged'>, answer: Body): Changed {
  const account = bodyOf(answer['account']);
  const change = { id: { id: '101-001-9999999-001' }, currency: { currency: 'EUR' }, hedging: { hedgingEnabled: true } }[field];
  if (account !== null) return { ...answer, account: { ...account, ...change } };
  const accounts = field === 'id' ? changedList(listOf(answer['accounts']), (each) => ({ ...each, ...change })) : null;
  return accounts === null ? null : { ...answer, accounts };
}

/** Rewrites the transactions of an answer, wherever it has them: in a page, alone, or among the changes. */
function changedTransactions(answer: Body, rewrite: (transaction: Body) => Body | 'gone' | null): Changed {
  const page = changedList(listOf(answer['transactions']), rewrite);
  if (page !== null) return { ...answer, transactions: page };
  const changes = bodyOf(answer['changes']);
  const among = changes === null ? null : changedList(listOf(changes['transactions']), rewrite);
  if (changes !== null && among !== null) return { ...answer, changes: { ...changes, transactions: among } };
  return null;
}

const isOf = (fault: { readonly type?: string | undefined }, live: LiveFault, transaction: Body): boolean =>
  (fault.type === undefined || fault.type === transaction['type']) && typeof transaction['time'] === 'string' && live.from !== null && timeOf(transaction['time']) >= live.from;

/** What a fault makes of an answer. */
export function changedAnswer(live: LiveFault, answer: Body, now: Instant): Changed {
  const { fault } = live;
  switch (fault.kind) {
    case 'badCandles':
      return badCandles(fault, live, answer, now);
    case 'badPrice':
      return badPrices(fault, answer, now);
    case 'accountChanged':
      return changedAccount(fault, answer);
    case 'withheldTransactions':
      return changedTransactions(answer, (transaction) => (isOf(fault, live, transaction) ? 'gone' : null));
    case 'alteredTransactions':
      return changedTransactions(answer, (transaction) => (fault.type === undefined || fault.type === transaction['type'] ? { ...transaction, userID: Number(transaction['userID'] ?? 0) + 1 } : null));
    default:
      return null;
  }
}
