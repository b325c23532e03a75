/**
 * One instrument's bars: the newest, and the window of closes that a policy sees.
 *
 * No tick is no candle, so a missing minute is not a defect. The window may cross the daily break; a weekend or
 * a hole of more than ten open minutes starts it anew, because what lies on either side is not one series.
 */
import type { TradingCalendar } from './calendar.ts';
import { openMinutesBetween, spansWeekend } from './calendar.ts';
import type { Bar, Ohlc } from './broker.ts';
import type { DataOf, DomainEvent } from './events.ts';
import type { Price } from './money.ts';
import { format, midPrice, price, toNumber } from './money.ts';
import type { Instant } from './time.ts';
import { formatInstant, MINUTE_MS, parseInstant, plusMs } from './time.ts';

export interface Market {
  /** Start of the newest bar; null before the first. */
  readonly lastBarStart: Instant | null;
  readonly bidClose: Price | null;
  readonly askClose: Price | null;
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

export const emptyMarket: Market = { lastBarStart: null, bidClose: null, askClose: null, midCloses: [], barStarts: [] };

export const barEnd = (start: Instant): Instant => plusMs(start, MINUTE_MS);

/** Does the window start anew behind a stretch without bars? */
export const breaksWindow = (weekend: boolean, openMinutes: number, { windowGapMinutesMax }: Pick<MarketRules, 'windowGapMinutesMax'>): boolean =>
  weekend || openMinutes > windowGapMinutesMax;

export function evolveMarket(market: Market, event: DomainEvent, rules: MarketRules): Market {
  switch (event.type) {
    case 'MarketBarClosed':
    case 'MarketBarBackfilled': {
      const bidClose = price(event.data.bid.close, 'bid.close');
      const askClose = price(event.data.ask.close, 'ask.close');
      const mid = toNumber(midPrice(bidClose, askClose));
      const start = parseInstant(event.data.start, 'start');
      const first = market.midCloses.length < rules.windowBars ? 0 : 1;
      return { lastBarStart: start, bidClose, askClose, midCloses: [...market.midCloses.slice(first), mid], barStarts: [...market.barStarts.slice(first), start] };
    }
    case 'MarketGapDetected':
      return breaksWindow(event.data.cause === 'weekend', event.data.openMinutes, rules) ? { ...market, midCloses: [], barStarts: [] } : market;
    default:
      return market;
  }
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
 * Records one bar behind the newest: the gap before it, if open minutes or a weekend are missing, and the bar.
 * A bar that is not newer than the newest is nothing new.
 *
 * @param live whether the bar is fresh enough to decide on; others are recorded as back-filled.
 * @param downUntil end of our own absence, so that a gap before it is laid to us and not to the market.
 */
export function recordBar(market: Market, bar: Bar, live: boolean, downUntil: Instant | null, rules: MarketRules): readonly DomainEvent[] {
  if (market.lastBarStart !== null && bar.start <= market.lastBarStart) return [];
  const events: DomainEvent[] = [];
  if (market.lastBarStart !== null) {
    const from = barEnd(market.lastBarStart);
    const openMinutes = openMinutesBetween(rules.calendar, from, bar.start);
    const weekend = spansWeekend(rules.calendar, from, bar.start);
    if (openMinutes > 0 || weekend) {
      const cause = weekend ? 'weekend' : downUntil !== null && from < downUntil ? 'daemonDown' : 'noTicks';
      events.push({
        type: 'MarketGapDetected',
        data: { instrument: bar.instrument, from: formatInstant(from), until: formatInstant(bar.start), openMinutes, cause },
      });
    }
  }
  events.push({ type: live ? 'MarketBarClosed' : 'MarketBarBackfilled', data: barData(bar) });
  return events;
}
