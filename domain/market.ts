/**
 * One instrument's bars: the newest, and the window of closes that a policy sees.
 *
 * No tick is no candle, so a missing minute is not a defect. The window may cross the daily break; a weekend or
 * a hole of more than ten open minutes starts it anew, because what lies on either side is not one series.
 *
 * The broker may show a recorded minute anew with other prices. That is told once and changes the window from then
 * on; what was decided on the old one stands, since the window of each decision was copied when it was asked for.
 */
import type { TradingCalendar } from './calendar.ts';
import { openMinutesBetween, spansWeekend } from './calendar.ts';
import type { Bar, Ohlc } from './broker.ts';
import { canonicalJson } from './canonical.ts';
import type { DataOf, DomainEvent } from './events.ts';
import type { Price } from './money.ts';
import { format, midPrice, price, subtract, toNumber } from './money.ts';
import type { Instant } from './time.ts';
import { formatInstant, MINUTE_MS, parseInstant, plusMs } from './time.ts';

type RecordedBar = DataOf<'MarketBarClosed'>;

/** Bars whose values are remembered; a read again of more notices nothing in the older ones. */
const RECENT_BARS = 32;

export interface Market {
  /** Start of the newest bar; null before the first. */
  readonly lastBarStart: Instant | null;
  readonly bidClose: Price | null;
  readonly askClose: Price | null;
  /** The newest bars as recorded or last revised, oldest first, at most `RECENT_BARS`: to notice revisions, and how far prices go. */
  readonly recent: readonly RecordedBar[];
  /** True ranges of the newest bars, bid side, oldest first, at most `RECENT_BARS`; as the bars first came. */
  readonly ranges: readonly Price[];
  /** Mid closes since the last break in the series, oldest first, at most `windowBars`. */
  readonly midCloses: readonly number[];
  /** For each of them the start of its bar. */
  readonly barStarts: readonly Instant[];
}

export interface MarketRules {
  readonly calendar: TradingCalendar;
  readonly windowBars: number;
  readonly windowGapMinutesMax: number;
}

export const emptyMarket: Market = { lastBarStart: null, bidClose: null, askClose: null, recent: [], ranges: [], midCloses: [], barStarts: [] };

export const barEnd = (start: Instant): Instant => plusMs(start, MINUTE_MS);

/** Does the window start anew behind a stretch without bars? */
export const breaksWindow = (weekend: boolean, openMinutes: number, { windowGapMinutesMax }: Pick<MarketRules, 'windowGapMinutesMax'>): boolean =>
  weekend || openMinutes > windowGapMinutesMax;

export function evolveMarket(market: Market, event: DomainEvent, rules: MarketRules): Market {
  switch (event.type) {
    case 'MarketBarClosed':
    case 'MarketBarBackfilled':
      return withNewest(market, event.data, rules);
    case 'MarketBarRevised':
      return withRevised(market, event.data.revised, rules);
    case 'MarketGapDetected':
      return breaksWindow(event.data.cause === 'weekend', event.data.openMinutes, rules) ? { ...market, midCloses: [], barStarts: [] } : market;
    default:
      return market;
  }
}

const closesOf = (bar: RecordedBar): Pick<Market, 'lastBarStart' | 'bidClose' | 'askClose'> => ({
  lastBarStart: parseInstant(bar.start, 'start'),
  bidClose: price(bar.bid.close, 'bid.close'),
  askClose: price(bar.ask.close, 'ask.close'),
});

const midCloseOf = (bar: RecordedBar): number => toNumber(midPrice(price(bar.bid.close, 'bid.close'), price(bar.ask.close, 'ask.close')));

const pushed = <T>(list: readonly T[], item: T, countMax: number): readonly T[] => [...(list.length < countMax ? list : list.slice(list.length - countMax + 1)), item];

/** From the higher of high and last close to the lower of low and last close. */
function trueRange(bar: RecordedBar, lastClose: Price | null): Price {
  const high = price(bar.bid.high, 'bid.high');
  const low = price(bar.bid.low, 'bid.low');
  return subtract(lastClose !== null && lastClose > high ? lastClose : high, lastClose !== null && lastClose < low ? lastClose : low);
}

function withNewest(market: Market, bar: RecordedBar, rules: MarketRules): Market {
  return {
    ...closesOf(bar),
    ranges: pushed(market.ranges, trueRange(bar, market.bidClose), RECENT_BARS),
    recent: pushed(market.recent, bar, RECENT_BARS),
    midCloses: pushed(market.midCloses, midCloseOf(bar), rules.windowBars),
    barStarts: pushed(market.barStarts, parseInstant(bar.start, 'start'), rules.windowBars),
  };
}

/** In place of the bar of its minute, or in between when that minute had none; one from before the window leaves it alone. */
function withRevised(market: Market, revised: RecordedBar, rules: MarketRules): Market {
  const newer = market.recent.filter((bar) => bar.start > revised.start).length;
  const index = market.recent.length - newer;
  const replaced = market.recent[index - 1]?.start === revised.start ? 1 : 0;
  const recent = market.recent.toSpliced(index - replaced, replaced, revised).slice(-RECENT_BARS);
  const place = market.midCloses.length - newer;
  const inWindow = <T>(window: readonly T[], value: T): readonly T[] => (place > 0 ? window.toSpliced(place - replaced, replaced, value).slice(-rules.windowBars) : window);
  return {
    ...market,
    ...(newer === 0 ? closesOf(revised) : {}),
    recent,
    midCloses: inWindow(market.midCloses, midCloseOf(revised)),
    barStarts: inWindow(market.barStarts, parseInstant(revised.start, 'start')),
  };
}

const ohlcData = (ohlc: Ohlc): DataOf<'MarketBarClosed'>['bid'] => ({
  open: format(ohlc.open),
  high: format(ohlc.high),
  low: format(ohlc.low),
  close: format(ohlc.close),
});

const barData = (bar: Bar): DataOf<'MarketBarClosed'> => ({
  instrument: bar.instrument,
  granularity: 'M1',
  start: formatInstant(bar.start),
  bid: ohlcData(bar.bid),
  ask: ohlcData(bar.ask),
  volume: bar.volume,
});

/**
 * What a candle that is read again shows: a revision of the bar of its minute, one of a minute that had none, or
 * nothing new. A minute from before the remembered bars is not judged.
 */
function reviseBar(market: Market, bar: Bar): readonly DomainEvent[] {
  const revised = barData(bar);
  const oldest = market.recent[0];
  if (oldest === undefined || revised.start < oldest.start) return [];
  const recorded = market.recent.find(({ start }) => start === revised.start) ?? null;
  if (recorded !== null && canonicalJson(recorded) === canonicalJson(revised)) return [];
  return [{ type: 'MarketBarRevised', data: { instrument: bar.instrument, start: revised.start, recorded, revised } }];
}

interface Absence {
  /** End of the absence of the daemon itself; null for a first run. */
  readonly daemonUntil: Instant | null;
  /** The newest span without a price stream; `until` is null while it lasts. */
  readonly feed: { readonly from: Instant; readonly until: Instant | null } | null;
}

function causeOfAbsence({ daemonUntil, feed }: Absence, from: Instant, until: Instant): 'daemonDown' | 'feed' | null {
  if (daemonUntil !== null && from < daemonUntil) return 'daemonDown';
  return feed !== null && feed.from < until && (feed.until === null || from < feed.until) ? 'feed' : null;
}

/**
 * Records one bar behind the newest: the gap before it, if open minutes or a weekend are missing, and the bar.
 * A bar that is not newer than the newest may revise what is recorded.
 *
 * @param live whether the bar is fresh enough to decide on; others are recorded as back-filled.
 * @param absence when we ourselves did not listen, so that a gap is laid to us and not to the market; null for never.
 */
export function recordBar(market: Market, bar: Bar, live: boolean, absence: Absence | null, rules: MarketRules): readonly DomainEvent[] {
  if (market.lastBarStart !== null && bar.start <= market.lastBarStart) return reviseBar(market, bar);
  const events: DomainEvent[] = [];
  if (market.lastBarStart !== null) {
    const from = barEnd(market.lastBarStart);
    const openMinutes = openMinutesBetween(rules.calendar, from, bar.start);
    const weekend = spansWeekend(rules.calendar, from, bar.start);
    if (openMinutes > 0 || weekend) {
      const cause = weekend ? 'weekend' : ((absence === null ? null : causeOfAbsence(absence, from, bar.start)) ?? 'noTicks');
      events.push({
        type: 'MarketGapDetected',
        data: { instrument: bar.instrument, from: formatInstant(from), until: formatInstant(bar.start), openMinutes, cause },
      });
    }
  }
  events.push({ type: live ? 'MarketBarClosed' : 'MarketBarBackfilled', data: barData(bar) });
  return events;
}
