/** Taking a quote in: the newest price of its pair, and whether it is to be believed. */
import type { Quote } from '../broker.ts';
import { calendarFor, isMarketOpen } from '../calendar.ts';
import { withEntry } from '../maps.ts';
import { midPrice, pipsToPrice } from '../money.ts';
import type { Reach } from '../quotes.ts';
import { isTrustedAlone, noTrust, reachOf, trustQuote } from '../quotes.ts';
import { floorMinute } from '../time.ts';
import { completedByQuote, isCompletedBy } from './bars.ts';
import type { Draft } from './draft.ts';
import type { Book, DeskState } from './state.ts';
import { bookOf } from './state.ts';

const reachIn = ({ settings: { safety } }: DeskState, { market, settings: { instrument } }: Book): Reach =>
  reachOf(market.ranges, safety.outlierRangesMax, pipsToPrice(safety.spreadPipsMax, instrument.pipLocation));

export function takeQuote(draft: Draft, quote: Quote): void {
  const { live } = draft.state;
  const book = bookOf(draft.state, quote.instrument);
  const { market } = book;
  const barClose = market.bidClose === null || market.askClose === null ? null : midPrice(market.bidClose, market.askClose);
  const minute = floorMinute(quote.at);
  const minutes = live.pricedMinutes.get(quote.instrument) ?? [];
  draft.live({
    pricedMinutes: minutes.includes(minute) ? live.pricedMinutes : withEntry(live.pricedMinutes, quote.instrument, [...minutes.slice(-1), minute]),
    quotes: withEntry(live.quotes, quote.instrument, quote),
    trust: withEntry(live.trust, quote.instrument, trustQuote(live.trust.get(quote.instrument) ?? noTrust, quote, barClose, reachIn(draft.state, book))),
  });
  tellHalt(draft, quote);
  completedByQuote(draft, quote.instrument, quote.at);
}

/**
 * Does the newest of quotes that come in a row, of one instrument and with no other input of any kind between them, lead
 * to the very state that all of them lead to, and tell and ask as little? Whoever plays a market may then leave the
 * others out.
 *
 * @param quotes oldest first.
 */
export function newestSuffices(state: DeskState, quotes: readonly Quote[]): boolean {
  const newest = quotes.at(-1);
  if (newest === undefined) return true;
  const { instrument } = newest;
  const { live } = state;
  const minute = floorMinute(newest.at);
  const awaited = live.awaited.get(instrument);
  const isPlain = (quote: Quote | undefined): boolean => quote?.tradeable === true && quote.instrument === instrument;
  return isPlain(live.quotes.get(instrument)) && !live.haltedInstruments.has(instrument)
    && quotes.every((quote) => isPlain(quote) && floorMinute(quote.at) === minute && !isCompletedBy(awaited, quote.at))
    && isTrustedAlone(live.trust.get(instrument) ?? noTrust, quotes, reachIn(state, bookOf(state, instrument)));
}

/** An instrument that is halted while the market is open is told once, and once when it trades again. */
function tellHalt(draft: Draft, { instrument, tradeable, at }: Quote): void {
  const { haltedInstruments } = draft.state.live;
  const told = haltedInstruments.has(instrument);
  if (told !== tradeable || (!told && !isMarketOpen(calendarFor(draft.state.settings.calendar, instrument), at))) return;
  const rest = [...haltedInstruments].filter((other) => other !== instrument);
  draft.live({ haltedInstruments: new Set(told ? rest : [...rest, instrument]) });
  const detail = told ? `${instrument} trades again` : `${instrument} is not tradeable though the market is open: nothing is opened, closing is tried again once it trades`;
  draft.tell({ type: 'AlertRaised', data: { code: 'instrumentHalted', severity: told ? 'info' : 'warning', detail } }, { instrument });
}
