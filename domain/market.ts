/**
 * One instrument's bars: the newest, and the window of closes that a policy sees.
 *
 * No tick is no candle, so a missing minute is not a defect. The window may cross the daily break; a weekend or
 * a hole of more than ten open minutes starts it anew, because what lies on either side is not one series.
 *
 * The broker may show a recorded minute anew with other prices. That is told once and changes the window from then
 * on; what was decided on the old one stands, since a window, once asked about, never changes.
 */
import type { TradingCalendar } from './calendar.ts';
import { openMinutesBetween, spansWeekend } from './calendar.ts';
import type { Bar, Ohlc } from './broker.ts';
import type { DataOf, DomainEvent } from './events.ts';
import { instrumentName } from './instruments.ts';
import type { Price } from './money.ts';
import { format, midPrice, price, subtract, toNumber } from './money.ts';
import type { Instant } from './time.ts';
import { formatInstant, MINUTE_MS, parseInstant, plusMs } from './time.ts';
import { emptyWindow, grownWindow } from './window.ts';

type RecordedBar = DataOf<'MarketBarClosed'>;

/** Bars whose values are remembered; a read again of more notices nothing in the older ones. */
const RECENT_BARS = 32;

export interface Market {
  /** Start of the newest bar; null before the first. */
  readonly lastBarStart: Instant | null;
  readonly bidClose: Price | null;
  readonly askClose: Price | null;
  /** The newest bars as recorded or last revised, oldest first, at most `RECENT_BARS`: to notice revisions, and how far prices go. */
  readonly recent: readonly Bar[];
  /** True ranges of the newest bars, bid side, oldest first, at most `RECENT_BARS`; as the bars first came. */
  readonly ranges: readonly Price[];
  /** Mid closes since the last break in the series, oldest first, at most `windowBars`. */
  readonly midCloses: Float64Array;
  /** For each of them the start of its bar. */
  readonly barStarts: Float64Array;
}

export interface MarketRules {
  readonly calendar: TradingCalendar;
  readonly windowBars: number;
  readonly windowGapMinutesMax: number;
}

export const emptyMarket: Market = { lastBarStart: null, bidClose: null, askClose: null, recent: [], ranges: [], midCloses: emptyWindow, barStarts: emptyWindow };

export const barEnd = (start: Instant): Instant => plusMs(start, MINUTE_MS);

/** Does the window start anew behind a stretch without bars? */
export const breaksWindow = (weekend: boolean, openMinutes: number, { windowGapMinutesMax }: Pick<MarketRules, 'windowGapMinutesMax'>): boolean =>
  weekend || openMinutes > windowGapMinutesMax;

export function evolveMarket(market: Market, event: DomainEvent, rules: MarketRules): Market {
  switch (event.type) {
    case 'MarketBarClosed':
    case 'MarketBarBackfilled':
      return withNewest(market, barOf(event.data), rules);
    case 'MarketBarRevised':
      return withRevised(market, barOf(event.data.revised), rules);
    case 'MarketGapDetected':
      return breaksWindow(event.data.cause === 'weekend', event.data.openMinutes, rules) ? { ...market, midCloses: emptyWindow, barStarts: emptyWindow } : market;
    default:
      return market;
  }
}

const closesOf = (bar: Bar): Pick<Market, 'lastBarStart' | 'bidClose' | 'askClose'> => ({ lastBarStart: bar.start, bidClose: bar.bid.close, askClose: bar.ask.close });

const midCloseOf = (bar: Bar): number => toNumber(midPrice(bar.bid.close, bar.ask.close));

function pushed<T>(list: readonly T[], item: T, countMax: number): readonly T[] {
  if (list.length < countMax) return [...list, item];
  // One copy, in which everything moves down: a list that grows behind a copy is copied twice.
  const moved = list.slice(-countMax);
  for (let index = 1; index < countMax; index += 1) moved[index - 1] = moved[index]!;
  moved[countMax - 1] = item;
  return moved;
}

/** From the higher of high and last close to the lower of low and last close. */
function trueRange({ bid: { high, low } }: Bar, lastClose: Price | null): Price {
  return subtract(lastClose !== null && lastClose > high ? lastClose : high, lastClose !== null && lastClose < low ? lastClose : low);
}

function withNewest(market: Market, bar: Bar, rules: MarketRules): Market {
  return {
    ...closesOf(bar),
    ranges: pushed(market.ranges, trueRange(bar, market.bidClose), RECENT_BARS),
    recent: pushed(market.recent, bar, RECENT_BARS),
    midCloses: grownWindow(market.midCloses, midCloseOf(bar), rules.windowBars),
    barStarts: grownWindow(market.barStarts, bar.start, rules.windowBars),
  };
}

/** In place of the bar of its minute, or in between when that minute had none; one from before the window leaves it alone. */
function withRevised(market: Market, revised: Bar, rules: MarketRules): Market {
  const newer = market.recent.filter((bar) => bar.start > revised.start).length;
  const index = market.recent.length - newer;
  const replaced = market.recent[index - 1]?.start === revised.start ? 1 : 0;
  const recent = market.recent.toSpliced(index - replaced, replaced, revised).slice(-RECENT_BARS);
  const place = market.midCloses.length - newer;
  const inWindow = (window: Float64Array, value: number): Float64Array => (place > 0 ? Float64Array.from([...window].toSpliced(place - replaced, replaced, value).slice(-rules.windowBars)) : window);
  return {
    ...market,
    ...(newer === 0 ? closesOf(revised) : {}),
    recent,
    midCloses: inWindow(market.midCloses, midCloseOf(revised)),
    barStarts: inWindow(market.barStarts, revised.start),
  };
}

/** Fields stand in the order of canonical JSON, as in all that is told at every bar. */
const ohlcData = (ohlc: Ohlc): DataOf<'MarketBarClosed'>['bid'] => ({
  close: format(ohlc.close),
  high: format(ohlc.high),
  low: format(ohlc.low),
  open: format(ohlc.open),
});

const ohlcOf = (data: RecordedBar['bid'], side: string): Ohlc => ({
  open: price(data.open, `${side}.open`),
  high: price(data.high, `${side}.high`),
  low: price(data.low, `${side}.low`),
  close: price(data.close, `${side}.close`),
});

/** Bars by the data that tell of them, until those are folded: data that are made here need not be read here. */
const told = new WeakMap<RecordedBar, Bar>();

function barData(bar: Bar): RecordedBar {
  const data: RecordedBar = { ask: ohlcData(bar.ask), bid: ohlcData(bar.bid), granularity: 'M1', instrument: bar.instrument, start: formatInstant(bar.start), volume: bar.volume };
  told.set(data, bar);
  return data;
}

function barOf(data: RecordedBar): Bar {
  const bar = told.get(data);
  if (bar !== undefined) {
    // A log keeps the data for good: the bar must not be kept with them.
    told.delete(data);
    return bar;
  }
  return { instrument: instrumentName(data.instrument), start: parseInstant(data.start, 'start'), bid: ohlcOf(data.bid, 'bid'), ask: ohlcOf(data.ask, 'ask'), volume: data.volume };
}

const isSameOhlc = (left: Ohlc, right: Ohlc): boolean => left.open === right.open && left.high === right.high && left.low === right.low && left.close === right.close;
const isSameBar = (left: Bar, right: Bar): boolean => left === right || (left.volume === right.volume && isSameOhlc(left.bid, right.bid) && isSameOhlc(left.ask, right.ask));

/**
 * What a candle that is read again shows: a revision of the bar of its minute, one of a minute that had none, or
 * nothing new. A minute from before the remembered bars is not judged.
 */
function reviseBar(market: Market, bar: Bar): readonly DomainEvent[] {
  const oldest = market.recent[0];
  if (oldest === undefined || bar.start < oldest.start) return [];
  const recorded = market.recent.findLast(({ start }) => start === bar.start) ?? null;
  if (recorded !== null && isSameBar(recorded, bar)) return [];
  return [{ type: 'MarketBarRevised', data: { instrument: bar.instrument, start: formatInstant(bar.start), recorded: recorded === null ? null : barData(recorded), revised: barData(bar) } }];
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
