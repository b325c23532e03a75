/**
 * Drawn markets side by side.
 *
 * Each dollar pair walks by itself, on a sequence of its own. A cross whose two dollar pairs are drawn beside it
 * follows them: its mid is their quotient at the same four points of every minute, so that no triangle of pairs is
 * open by more than spreads and rounding. A cross that is drawn without them walks by itself.
 */
import type { DrawOptions, MarketDrawer } from './draw.ts';
import { createMarketDrawer, sequenceOf, spreadPips } from './draw.ts';
import { barAnchors } from './path.ts';
import type { PointOhlc, SourceBar } from './series.ts';
import { BarSeries } from './series.ts';
import { newYorkClock } from '../../../domain/calendar.ts';
import type { Instrument } from '../../../domain/instruments.ts';

/** The pairs that a broker in real time offers when it is not told otherwise. */
export const USUAL_PAIRS: readonly string[] = ['EUR_USD', 'GBP_USD', 'AUD_USD', 'NZD_USD', 'USD_CHF', 'USD_CAD', 'USD_JPY', 'EUR_JPY', 'GBP_JPY', 'EUR_GBP'];

type OfferOptions = Omit<DrawOptions, 'instrument' | 'sequence'> & { readonly instruments: readonly Instrument[] };

const HUB = 'USD';
const ANCHORS = [0, 1, 2, 3] as const;

/** An instrument and where it stands in the offer. */
interface Place {
  readonly sequence: number;
  readonly instrument: Instrument;
}

/** A leg walking bar by bar; while it is silent its last close stands. */
class Leg {
  readonly #drawer: MarketDrawer;
  readonly #instrument: Instrument;
  #ahead: SourceBar;
  #lastDollars: number;

  constructor(drawer: MarketDrawer, instrument: Instrument) {
    this.#drawer = drawer;
    this.#instrument = instrument;
    this.#ahead = drawer.next();
    this.#lastDollars = this.#dollars(this.#ahead)[0] ?? 0;
  }

  get nextStart(): SourceBar['start'] {
    return this.#ahead.start;
  }

  /** Dollars for a unit of the leg's other currency at the four anchors of the minute that starts at `start`. */
  take(start: SourceBar['start']): readonly number[] {
    if (this.#ahead.start > start) return ANCHORS.map(() => this.#lastDollars);
    const dollars = this.#dollars(this.#ahead);
    this.#lastDollars = dollars.at(-1) ?? this.#lastDollars;
    this.#ahead = this.#drawer.next();
    return dollars;
  }

  #dollars(bar: SourceBar): readonly number[] {
    const [bids, asks] = barAnchors(bar.bid, bar.ask);
    const scale = 2 * 10 ** this.#instrument.displayPrecision;
    const prices = ANCHORS.map((anchor) => (bids[anchor] + asks[anchor]) / scale);
    return this.#instrument.quote === HUB ? prices : prices.map((price) => 1 / price);
  }
}

/** The dollar pair of a currency among the instruments offered. */
function legOf(currency: string, instruments: readonly Instrument[]): Place | null {
  const sequence = instruments.findIndex(({ base, quote }) => (base === currency && quote === HUB) || (base === HUB && quote === currency));
  const instrument = instruments[sequence];
  return instrument === undefined ? null : { sequence, instrument };
}

function createCrossDrawer(options: OfferOptions, cross: Place, base: Place, quote: Place): MarketDrawer {
  const legDrawer = (leg: Place): Leg => new Leg(createMarketDrawer({ ...options, ...leg }), leg.instrument);
  const [baseLeg, quoteLeg] = [legDrawer(base), legDrawer(quote)];
  const uniform = sequenceOf(options.seed, cross.sequence);
  const { displayPrecision, pipLocation } = cross.instrument;
  const halfPipPoints = 10 ** (displayPrecision + pipLocation) / 2;
  return {
    next() {
      const start = baseLeg.nextStart < quoteLeg.nextStart ? baseLeg.nextStart : quoteLeg.nextStart;
      const [dollarsForBase, dollarsForQuote] = [baseLeg.take(start), quoteLeg.take(start)];
      const mids = ANCHORS.map((anchor) => ((dollarsForBase[anchor] ?? 0) / (dollarsForQuote[anchor] ?? 1)) * 10 ** displayPrecision);
      const half = spreadPips(newYorkClock(start).minute, uniform) * halfPipPoints;
      const side = (offset: number): PointOhlc => {
        const points = mids.map((mid) => Math.round(mid + offset));
        return { open: points[0] ?? 0, high: Math.max(...points), low: Math.min(...points), close: points[3] ?? 0 };
      };
      return { start, bid: side(-half), ask: side(half), volume: 0 };
    },
  };
}

/** A drawer for each instrument, in their order. A dollar pair that stands first is drawn as it would be alone. */
export function createMarketDrawers(options: OfferOptions): readonly MarketDrawer[] {
  const { instruments, ...shared } = options;
  return instruments.map((instrument, sequence) => {
    const alone = (): MarketDrawer => createMarketDrawer({ ...shared, instrument, sequence });
    if (instrument.base === HUB || instrument.quote === HUB) return alone();
    const [base, quote] = [legOf(instrument.base, instruments), legOf(instrument.quote, instruments)];
    return base === null || quote === null ? alone() : createCrossDrawer(options, { sequence, instrument }, base, quote);
  });
}

/** Draws `bars` bars of the first instrument, and of each other as far as those reach. Equal options give equal bars. */
export function drawMarkets(options: OfferOptions & { readonly bars: number }): readonly BarSeries[] {
  let until = 0;
  return createMarketDrawers(options).map((drawer, index) => {
    const series = new BarSeries(options.instruments[index]?.name ?? '');
    const isWhole = (): boolean => (index === 0 ? series.count === options.bars : series.end(series.count - 1) >= until);
    do series.push(drawer.next());
    while (!isWhole());
    if (index === 0) until = series.end(series.count - 1);
    return series;
  });
}
