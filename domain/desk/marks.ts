/** Marking the account: realised by the ledger, open trades at the last logged bar or at a quote in hand. */
import { cumulativeProfit, unrealisedQuote } from '../ledger.ts';
import type { Ledger, OpenTrade } from '../ledger.ts';
import { netPipsAt } from '../excursion.ts';
import { barEnd } from '../market.ts';
import { add, priceToPips, ratioOf, scaleBy, subtract, ZERO_MONEY, ZERO_PIPS } from '../money.ts';
import type { Money, Pips, Price } from '../money.ts';
import type { ProfitMark } from '../periods.ts';
import { lossIn } from '../periods.ts';
import type { DeskSettings } from '../settings.ts';
import type { Book, DeskState } from './state.ts';

export interface Prices {
  readonly bid: Price;
  readonly ask: Price;
}

const barPrices = (book: Book): Prices | null => (book.market.bidClose === null || book.market.askClose === null ? null : { bid: book.market.bidClose, ask: book.market.askClose });

/** The newest of quote and bar: a stream that has gone quiet must not hide what the candles show. */
export function newestPrices(state: DeskState, book: Book): Prices | null {
  const quote = state.live.quotes.get(book.settings.instrument.name);
  const { lastBarStart } = book.market;
  return quote !== undefined && (lastBarStart === null || quote.at >= barEnd(lastBarStart)) ? quote : barPrices(book);
}

function markTrade(trade: OpenTrade, book: Book, prices: Prices): ProfitMark {
  const { instrument, quoteToHome } = book.settings;
  const money: Money = scaleBy(unrealisedQuote(trade, prices.bid, prices.ask), quoteToHome);
  const pips: Pips = netPipsAt(trade.units > 0n ? 1 : -1, trade.price, prices.bid, prices.ask, instrument.pipLocation);
  return { money, pips: scaleBy(pips, ratioOf(trade.units, trade.initialUnits)) };
}

/** What each ledger had realised, by the settings that it was asked with: it is asked at every bar and changes by transactions. */
const realised = new WeakMap<Ledger, { readonly settings: DeskSettings; readonly mark: ProfitMark }>();

function realisedMark({ ledger, settings }: DeskState): ProfitMark {
  const known = realised.get(ledger);
  if (known?.settings === settings) return known.mark;
  let pips = ZERO_PIPS;
  for (const { instrument } of settings.instruments) pips = add(pips, priceToPips(ledger.realisedByInstrument.get(instrument.name) ?? (0n as Price), instrument.pipLocation));
  const mark = { money: cumulativeProfit(ledger), pips };
  realised.set(ledger, { settings, mark });
  return mark;
}

/** Profit since the account began, open trades marked at `pricesOf`; trades of unknown instruments are not marked. */
function markWith(state: DeskState, pricesOf: (book: Book) => Prices | null): ProfitMark {
  let { money, pips } = realisedMark(state);
  for (const trade of state.ledger.openTrades.values()) {
    const book = state.books.get(trade.instrument);
    const prices = book === undefined ? null : pricesOf(book);
    if (book === undefined || prices === null) continue;
    const mark = markTrade(trade, book, prices);
    money = add(money, mark.money);
    pips = add(pips, mark.pips);
  }
  return { money, pips };
}

/** At the last logged bars: a fold of the log alone. */
export const profitMark = (state: DeskState): ProfitMark => markWith(state, barPrices);

/** What limits on losses are held against; each positive when losing. */
export interface Losses {
  readonly day: ProfitMark;
  readonly week: ProfitMark;
  /** Below the highest profit. */
  readonly drawdown: Money;
}

const lossesAt = ({ day, week, peak }: DeskState, mark: ProfitMark): Losses => ({ day: lossIn(day, mark), week: lossIn(week, mark), drawdown: peak === null ? ZERO_MONEY : subtract(peak, mark.money) });

/** With open trades at the newest prices. */
export const lossesNow = (state: DeskState): Losses => lossesAt(state, markWith(state, (book) => newestPrices(state, book)));

/** The same in money, with open trades left out. */
export interface RealisedLosses {
  readonly day: Money;
  readonly week: Money;
  readonly drawdown: Money;
}

/** Whoever adds what open trades lose from their entry to their stop neither counts a loss twice nor lends out a profit that is not taken. */
export function realisedLosses(state: DeskState): RealisedLosses {
  const { day, week, drawdown } = lossesAt(state, { money: cumulativeProfit(state.ledger), pips: ZERO_PIPS });
  return { day: day.money, week: week.money, drawdown };
}

/** What the account is worth at the newest prices: balance and what open trades have gained or lost. */
export const equityNow = (state: DeskState): Money => add(state.ledger.balance, subtract(markWith(state, (book) => newestPrices(state, book)).money, cumulativeProfit(state.ledger)));

/** Unrealised profit of all open trades at the last logged bars, home currency. */
export const unrealisedAtBars = (state: DeskState): Money => subtract(profitMark(state).money, cumulativeProfit(state.ledger));
