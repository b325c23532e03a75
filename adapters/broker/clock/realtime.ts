/** Real time: drawn markets that run on the system's clock for ever. */
import type { MarketDrawer } from '../bars/draw.ts';
import type { StreamHub } from '../streams.ts';
import type { Venue } from '../venue.ts';
import { HOUR_MS, instantOf } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** How often the market catches up with the system's clock; a fifth of a price stream's window. */
const PUMP_MS = 50;
/** History that is kept: two weeks of minutes; the oldest quarter goes when it is exceeded. */
const BARS_MAX = 20_160;
/** The most that is made up at once for a system clock that has jumped ahead: a day takes a second and a half. */
const CATCH_UP_MS_MAX = HOUR_MS;
/** How fast the market goes on while the system's clock, set back, is behind it: heartbeats then come every 6.7 s. */
const SLOW_SHARE = 0.75;

/**
 * Where the market's time moves to, `elapsedMs` of real time after it was at `market`, when the system's clock reads
 * `wall`. It never goes back, never stands still, and makes up for a jump ahead in steps that stay small.
 */
export function nextMarketTime(market: Instant, wall: Instant, elapsedMs: number): Instant {
  const target = wall > market ? Math.min(wall, market + CATCH_UP_MS_MAX) : market + SLOW_SHARE * elapsedMs;
  return instantOf(Math.floor(target));
}

/** Plays a venue along the system's clock and keeps bars drawn ahead of it. */
export class RealtimeClock {
  readonly #venue: Venue;
  readonly #hub: StreamHub;
  /** By track, in their order. */
  readonly #drawers: readonly MarketDrawer[];
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(venue: Venue, hub: StreamHub, drawers: readonly MarketDrawer[]) {
    this.#venue = venue;
    this.#hub = hub;
    this.#drawers = drawers;
  }

  start(): void {
    let last = performance.now();
    const pump = (): void => {
      const now = performance.now();
      this.pump(instantOf(Date.now()), now - last);
      last = now;
    };
    pump();
    this.#timer = setInterval(pump, PUMP_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Moves the market on. What a jump has left out is played point by point, and streams hear where it ended. */
  pump(wall: Instant, elapsedMs: number): void {
    const until = nextMarketTime(this.#venue.now, wall, elapsedMs);
    // Points must be there before time passes them.
    this.#draw(until);
    this.#venue.playTo(until, false);
    this.#draw(until);
    this.#hub.pulse();
  }

  /** Draws until every track has a bar that ends after `until` and one left to play. */
  #draw(until: Instant): void {
    for (const [index, { series, cursor }] of [...this.#venue.tracks.values()].entries()) {
      const drawer = this.#drawers[index];
      if (drawer === undefined) throw new Error(`${series.instrument} has no drawer`);
      while (series.end(series.count - 1) <= until || cursor.bar >= series.count) series.push(drawer.next());
      if (series.count <= BARS_MAX) continue;
      const dropped = Math.min(Math.floor(BARS_MAX / 4), cursor.bar);
      series.dropOldest(dropped);
      cursor.shift(dropped);
    }
  }
}
