/** Taking a quote in: the newest price of its pair, and whether it is to be believed. */
import type { Quote } from '../broker.ts';
import { calendarFor, isMarketOpen } from '../calendar.ts';
import { midPrice, pipsToPrice } from '../money.ts';
import { medianRange, noTrust, tickReach, trustQuote } from '../quotes.ts';
import { floorMinute } from '../time.ts';
import { completedByQuote } from './bars.ts';
import type { Draft } from './draft.ts';
import { bookOf } from './state.ts';

export function takeQuote(draft: Draft, quote: Quote): void {
  const { live, settings } = draft.state;
  const { market, settings: { instrument } } = bookOf(draft.state, quote.instrument);
  const range = medianRange(market.ranges);
  const reach = range === null ? null : tickReach(range, settings.safety.outlierRangesMax, pipsToPrice(settings.safety.spreadPipsMax, instrument.pipLocation));
  const barClose = market.bidClose === null || market.askClose === null ? null : midPrice(market.bidClose, market.askClose);
  const minute = floorMinute(quote.at);
  const minutes = live.pricedMinutes.get(quote.instrument) ?? [];
  draft.live({
    pricedMinutes: minutes.includes(minute) ? live.pricedMinutes : new Map(live.pricedMinutes).set(quote.instrument, [...minutes.slice(-1), minute]),
    quotes: new Map(live.quotes).set(quote.instrument, quote),
    trust: new Map(live.trust).set(quote.instrument, trustQuote(live.trust.get(quote.instrument) ?? noTrust, quote, barClose, reach)),
  });
  tellHalt(draft, quote);
  completedByQuote(draft, quote.instrument, quote.at);
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
