/** The simulated market: the local broker's venue over drawn bars, drawn as far as time has come. */
import { createMarketDrawers } from '../../adapters/broker/bars/offer.ts';
import { ANCHOR_PATH } from '../../adapters/broker/bars/path.ts';
import { BarSeries } from '../../adapters/broker/bars/series.ts';
import { engineSettings, usualSettings } from '../../adapters/broker/engine/settings.ts';
import { isMarketTradeable } from '../../adapters/broker/engine/views.ts';
import { Venue } from '../../adapters/broker/venue.ts';
import { OANDA_CALENDAR } from '../../domain/calendar.ts';
import type { Quote } from '../../domain/broker.ts';
import { usualInstrument } from '../../domain/instruments.ts';
import { pointsToPrice } from '../../domain/money.ts';
import { MINUTE_MS, plusMs } from '../../domain/time.ts';
import type { SimOptions } from './options.ts';

const EUR_USD = usualInstrument('EUR_USD');
const HISTORY_MS = 120 * MINUTE_MS;
/** Behind a weekend the history begins before it. */
const WEEKEND_MS = 50 * 60 * MINUTE_MS;
const SUNDAY = 0;
const AHEAD_BARS = 30;

export class Market {
  readonly venue: Venue;
  readonly #series = new BarSeries('EUR_USD');
  readonly #draw: () => void;

  constructor({ seed, startAt }: SimOptions) {
    const [drawer] = createMarketDrawers({ seed: Number(seed % 2_147_483_647n), instruments: [EUR_USD], calendar: OANDA_CALENDAR, from: plusMs(startAt, new Date(startAt).getUTCDay() === SUNDAY ? -WEEKEND_MS : -HISTORY_MS), silentMinutes: true });
    this.#draw = () => this.#series.push(drawer!.next());
    do this.#draw();
    while (this.#series.start(this.#series.count - 1) < startAt);
    this.#drawAhead();
    const settings = engineSettings({ accountId: '101-001-1000001-001', instruments: [usualSettings(EUR_USD)], calendar: OANDA_CALENDAR });
    this.venue = new Venue({ settings, series: [this.#series], startAt, path: ANCHOR_PATH });
  }

  /** When the market or the account next moves by itself. */
  nextAt(): number {
    const { cursor } = this.venue.tracks.get('EUR_USD')!;
    if (cursor.bar + 2 > this.#series.count) this.#drawAhead();
    return Math.min(cursor.peek()?.at ?? Infinity, this.venue.engine.nextTimedEventAt());
  }

  #drawAhead(): void {
    for (let bar = 0; bar < AHEAD_BARS; bar += 1) this.#draw();
  }

  quote(): Quote | null {
    const { engine, now } = this.venue;
    const market = engine.book.markets.get('EUR_USD')!;
    if (market.quote === null) return null;
    const { bid, ask, at } = market.quote;
    return { instrument: EUR_USD.name, bid: pointsToPrice(bid, EUR_USD.displayPrecision), ask: pointsToPrice(ask, EUR_USD.displayPrecision), at, tradeable: isMarketTradeable(engine, market, now) };
  }
}
