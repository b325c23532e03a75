/** Marking the account: realised by the ledger, open trades at the last logged bar or at a quote in hand. */
import type { ProfitMark } from '../day.ts';
import { dayLoss } from '../day.ts';
import { cumulativeProfit, unrealisedQuote } from '../ledger.ts';
import type { Ledger, OpenTrade } from '../ledger.ts';
import { netPipsAt } from '../excursion.ts';
import { barEnd } from '../market.ts';
import { add, priceToPips, ratioOf, scaleBy, subtract, ZERO_PIPS } from '../money.ts';
import type { Money, Pips, Price } from '../money.ts';
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

/** Loss since 17:00 New York as guards see it, at the newest prices; positive when losing. */
export const dayLossNow = (state: DeskState): ProfitMark => dayLoss(state.day, markWith(state, (book) => newestPrices(state, book)));

/** What the account is worth at the newest prices: balance and what open trades have gained or lost. */
export const equityNow = (state: DeskState): Money => add(state.ledger.balance, subtract(markWith(state, (book) => newestPrices(state, book)).money, cumulativeProfit(state.ledger)));

/** Unrealised profit of all open trades at the last logged bars, home currency. */
export const unrealisedAtBars = (state: DeskState): Money => subtract(profitMark(state).money, cumulativeProfit(state.ledger));
