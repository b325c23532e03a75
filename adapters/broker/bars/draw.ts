/**
 * A drawn market: a seeded, repeatable stand-in for a real one, good enough to exercise a daemon.
 *
 * The mid is a random walk in pipettes whose step follows the hour: quiet after New York's close, livelier in
 * Tokyo, liveliest while London and New York overlap. Mild trend regimes of one to five hours pull it along, and a
 * weak anchor keeps it near its first price. Minutes pass without a tick (no bar), more often in quiet hours.
 * Bars exist only while the calendar's market is open.
 *
 * Spread: 1.0 to 1.6 pips; within 20 minutes of 17:00 New York it widens to between 2 and 8 pips. About 2.5 % of
 * the bars of a week lie there, so the 99.9th percentile of the spread lies between 6 and 8 pips
 * (SPREAD_PIPS_P999_MAX).
 */
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import type { SourceBar } from './series.ts';
import { isMarketOpen, newYorkClock } from '../../../domain/calendar.ts';
import type { TradingCalendar } from '../../../domain/calendar.ts';
import type { Instrument } from '../../../domain/instruments.ts';
import { MINUTE_MS, floorMinute, instantOf } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** No spread of a drawn market is wider, so its 99.9th percentile is not either. */
export const SPREAD_PIPS_P999_MAX = 8;

export interface DrawOptions {
  readonly seed: number;
  readonly instrument: Instrument;
  readonly calendar: TradingCalendar;
  /** The first bar starts at or after this. */
  readonly from: Instant;
  /** Leave some minutes without a tick, and so without a bar. */
  readonly silentMinutes: boolean;
  /** Which of the seed's sequences to draw from, 0 without one: markets of one seed must not move as one. */
  readonly sequence?: number;
}

/** Prices near which drawn markets live, in units of the quote currency. */
const FIRST_PRICES: { readonly [instrument: string]: number } = {
  EUR_USD: 1.1, GBP_USD: 1.27, AUD_USD: 0.66, NZD_USD: 0.6, USD_JPY: 150, USD_CAD: 1.36, USD_CHF: 0.88,
  EUR_JPY: 162, GBP_JPY: 190, AUD_JPY: 99, EUR_GBP: 0.866, EUR_CHF: 0.968,
};

/** Near what drawn markets trade at, for an instrument of theirs. */
export const nominalPrice = (instrument: string): number | undefined => FIRST_PRICES[instrument];

/** A generator's sequences are 2^64 draws apart, so that no two of them ever meet. */
export function sequenceOf(seed: number, sequence: number): () => number {
  const rng = xoroshiro128plus(seed);
  for (let jump = 0; jump < sequence; jump += 1) rng.jump();
  return () => uniformFloat64(rng);
}

interface HourCharacter {
  /** Standard deviation of a minute's move. */
  readonly volatilityPips: number;
  /** Probability of a minute without a tick. */
  readonly silence: number;
}

/** The character of an hour by New York's clock, so that it follows daylight saving as the market does. */
function hourCharacter(hour: number): HourCharacter {
  if (hour >= 8 && hour < 12) return { volatilityPips: 1.6, silence: 0.002 };
  if (hour >= 3 && hour < 8) return { volatilityPips: 1.2, silence: 0.004 };
  if (hour >= 12 && hour < 17) return { volatilityPips: 0.9, silence: 0.01 };
  if (hour >= 19 || hour < 3) return { volatilityPips: 0.7, silence: 0.02 };
  return { volatilityPips: 0.4, silence: 0.06 };
}

const ROLLOVER_MINUTE = 17 * 60;
const ROLLOVER_REACH_MINUTES = 20;
const REGIME_MINUTES_MIN = 60;
const REGIME_MINUTES_SPAN = 240;
/** A trend moves by up to this share of a minute's volatility. */
const TREND_SHARE = 0.12;
/** The share of its distance from the first price that the walk loses each minute. */
const ANCHOR_SHARE = 0.00005;
/** Steps inside a minute from which its extremes come. */
const STEPS = 8;
const CLOSED_MINUTES_MAX = 14 * 1440;

/** The spread of a minute by New York's clock. */
export function spreadPips(newYorkMinute: number, uniform: () => number): number {
  const distance = Math.abs(newYorkMinute - ROLLOVER_MINUTE);
  if (distance > ROLLOVER_REACH_MINUTES) return 1 + 0.6 * uniform();
  const closeness = 1 - distance / (ROLLOVER_REACH_MINUTES + 1);
  return 2 + (SPREAD_PIPS_P999_MAX - 2) * (0.4 * closeness + 0.6 * uniform());
}

/** Draws one bar after another, for ever. */
export interface MarketDrawer {
  next(): SourceBar;
}

export function createMarketDrawer(options: DrawOptions): MarketDrawer {
  const uniform = sequenceOf(options.seed, options.sequence ?? 0);
  // Twelve uniforms less six: a near-normal number from sums alone, the same on every machine.
  const normal = (): number => {
    let sum = 0;
    for (let draw = 0; draw < 12; draw += 1) sum += uniform();
    return sum - 6;
  };
  const { instrument, calendar } = options;
  const pipPoints = 10 ** (instrument.displayPrecision + instrument.pipLocation);
  const firstMid = Math.round((FIRST_PRICES[instrument.name] ?? (instrument.quote === 'JPY' ? 150 : 1)) * 10 ** instrument.displayPrecision);
  let mid = firstMid;
  let minute = floorMinute(instantOf(options.from + MINUTE_MS - 1));
  let regimeMinutes = 0;
  let trend = 0;

  const nextOpenMinute = (): Instant => {
    for (let closed = 0; closed <= CLOSED_MINUTES_MAX; closed += 1) {
      const at = minute;
      minute = instantOf(minute + MINUTE_MS);
      if (!isMarketOpen(calendar, at)) continue;
      const silent = uniform() < hourCharacter(Math.floor(newYorkClock(at).minute / 60)).silence;
      if (!silent || !options.silentMinutes) return at;
    }
    throw new Error(`the calendar has no open minute in the ${CLOSED_MINUTES_MAX} before ${new Date(minute).toISOString()}`);
  };

  return {
    next() {
      const start = nextOpenMinute();
      const newYorkMinute = newYorkClock(start).minute;
      const { volatilityPips } = hourCharacter(Math.floor(newYorkMinute / 60));
      if (regimeMinutes === 0) {
        regimeMinutes = REGIME_MINUTES_MIN + Math.floor(REGIME_MINUTES_SPAN * uniform());
        trend = TREND_SHARE * (2 * uniform() - 1);
      }
      regimeMinutes -= 1;
      const drift = (trend * volatilityPips * pipPoints - ANCHOR_SHARE * (mid - firstMid)) / STEPS;
      const half = (spreadPips(newYorkMinute, uniform) * pipPoints) / 2;
      const path = Array.from({ length: STEPS + 1 }, (_, step) => {
        if (step > 0) mid += drift + (normal() * volatilityPips * pipPoints) / Math.sqrt(STEPS);
        // A walk that came near zero would make no market: the floor is a tenth of the first price.
        mid = Math.max(mid, firstMid / 10);
        return mid;
      });
      const side = (offset: number): SourceBar['bid'] => {
        const points = path.map((each) => Math.round(each + offset));
        return { open: points[0] ?? 0, high: Math.max(...points), low: Math.min(...points), close: points[STEPS] ?? 0 };
      };
      return { start, bid: side(-half), ask: side(half), volume: 0 };
    },
  };
}
