/** The desk's exposure, reckoned from the ledger's open trades and the orders of every book. */
import type { Exposure, Holding } from '../exposure.ts';
import { exposureOf } from '../exposure.ts';
import type { ClientOrderId } from '../ids.ts';
import type { InstrumentName } from '../instruments.ts';
import type { OpenTrade } from '../ledger.ts';
import type { Money, Price, Ratio, Units } from '../money.ts';
import { absolute, add, asFactor, maximum, negate, ONE_RATIO, pipsToPrice, price, priceTimesUnits, scaleUp, shareUp, subtract, worthUp, ZERO_MONEY, ZERO_UNITS } from '../money.ts';
import type { Instant } from '../time.ts';
import { HOUR_MS } from '../time.ts';
import { isWorking } from '../trading.ts';
import { newestPrices } from './marks.ts';
import type { Book, DeskState } from './state.ts';
import { isForeign } from './state.ts';

/**
 * How long an order that was given up keeps its room. It may fill late, and its trade is closed then; until it is,
 * no limit must be exceeded by it. While its slot is taken the broker refuses it, so it counts in place of what its
 * instrument holds, never on top.
 */
const ABANDONED_RESERVED_MS = HOUR_MS;
const ONE_PRICE = price('1');

/** What one part of a book may come to: open trades, orders in flight, or a single order that was given up. */
interface Part {
  readonly longs: Units;
  readonly shorts: Units;
  readonly trades: number;
  readonly stoppedOut: Money;
}

const NOTHING: Part = { longs: ZERO_UNITS, shorts: ZERO_UNITS, trades: 0, stoppedOut: ZERO_MONEY };

/** An order that is being judged: not yet in its book. */
export interface Proposed {
  readonly instrument: InstrumentName;
  readonly units: Units;
}

/** Everything that is open or in flight, and the proposed order on top. */
export function exposureWith(state: DeskState, now: Instant, proposed: Proposed | null): Exposure {
  const rates = quotedRates(state);
  return exposureOf([...[...state.books.values()].map((book) => holdingOf(state, book, now, rates, proposed)), ...strangers(state)]);
}

function holdingOf(state: DeskState, book: Book, now: Instant, rates: ReadonlyMap<string, Ratio>, proposed: Proposed | null): Holding {
  const { name, base, quote, marginRate } = book.settings.instrument;
  let sum = NOTHING;
  let givenUp = NOTHING;
  for (const trade of state.ledger.openTrades.values()) if (trade.instrument === name) sum = plus(sum, { ...partOf(book, trade.units, stopOf(book, trade)), ...(isForeign(state, trade) ? { trades: 0 } : {}) });
  for (const order of book.trading.unsettled.values()) {
    if (order.leg !== 'open') continue;
    const rest = partOf(book, subtract(order.units, order.filledUnits), order.stopLossDistance);
    if (isWorking(order)) sum = plus(sum, rest);
    else if (!(now - order.intendedAt > ABANDONED_RESERVED_MS)) givenUp = worse(givenUp, rest);
  }
  if (proposed?.instrument === name) sum = plus(sum, partOf(book, proposed.units, null));
  const worst = worse(sum, givenUp);
  return { base, quote, ...worst, units: maximum(add(sum.longs, sum.shorts), maximum(givenUp.longs, givenUp.shorts)), unitWorth: unitWorthOf(state, book, rates), marginRate };
}

/** Trades on instruments that this desk does not know have no price here: nothing can be said of their worth. */
function strangers(state: DeskState): readonly Holding[] {
  return [...state.ledger.openTrades.values()].filter((trade) => !state.books.has(trade.instrument)).map((trade) => ({
    base: trade.instrument, quote: trade.instrument, longs: absolute(trade.units), shorts: ZERO_UNITS, units: absolute(trade.units), trades: 0, stoppedOut: ZERO_MONEY, unitWorth: null, marginRate: ONE_RATIO,
  }));
}

function partOf(book: Book, units: Units, stopLossDistance: Price | null): Part {
  const { instrument, stopLossPips, gapAllowancePips, quoteToHome } = book.settings;
  const distance = add(stopLossDistance ?? pipsToPrice(stopLossPips, instrument.pipLocation), pipsToPrice(gapAllowancePips, instrument.pipLocation));
  return {
    longs: units > 0n ? units : ZERO_UNITS,
    shorts: units < 0n ? negate(units) : ZERO_UNITS,
    trades: units === 0n ? 0 : 1,
    stoppedOut: scaleUp(priceTimesUnits(distance, absolute(units)), quoteToHome),
  };
}

/** The stop that a trade of ours was opened with; null when its order is no longer known. */
const stopOf = (book: Book, trade: OpenTrade): Price | null => book.trading.orders.get(trade.clientOrderId as ClientOrderId)?.stopLossDistance ?? null;

const plus = (left: Part, right: Part): Part => ({
  longs: add(left.longs, right.longs),
  shorts: add(left.shorts, right.shorts),
  trades: left.trades + right.trades,
  stoppedOut: add(left.stoppedOut, right.stoppedOut),
});

const worse = (left: Part, right: Part): Part => ({
  longs: maximum(left.longs, right.longs),
  shorts: maximum(left.shorts, right.shorts),
  trades: Math.max(left.trades, right.trades),
  stoppedOut: maximum(left.stoppedOut, right.stoppedOut),
});

// --- conversion into home currency ---

/**
 * Home currency for one unit of each currency that the account's own pairs quote against home, at the dearer side.
 * What they do not quote goes by the configured `quoteToHome`, which is dear by definition.
 */
function quotedRates(state: DeskState): ReadonlyMap<string, Ratio> {
  const rates = new Map<string, Ratio>();
  for (const book of state.books.values()) {
    const { base, quote } = book.settings.instrument;
    const prices = newestPrices(state, book);
    if (prices === null) continue;
    if (quote === state.settings.homeCurrency) rates.set(base, asFactor(prices.ask));
    else if (base === state.settings.homeCurrency) rates.set(quote, shareUp(ONE_PRICE, prices.bid));
  }
  return rates.set(state.settings.homeCurrency, ONE_RATIO);
}

function unitWorthOf(state: DeskState, book: Book, rates: ReadonlyMap<string, Ratio>): Ratio | null {
  const { base, quote } = book.settings.instrument;
  const quoted = rates.get(base);
  if (quoted !== undefined) return quoted;
  const prices = newestPrices(state, book);
  return prices === null ? null : scaleUp(asFactor(prices.ask), rates.get(quote) ?? book.settings.quoteToHome);
}

/** Worth of units of an instrument in home currency; null without a price. */
export function notionalOf(state: DeskState, book: Book, units: Units): Money | null {
  const unitWorth = unitWorthOf(state, book, quotedRates(state));
  return unitWorth === null ? null : worthUp(absolute(units), unitWorth);
}
