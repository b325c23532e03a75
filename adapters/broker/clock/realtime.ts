/** Real time: a drawn market that runs on the system's clock for ever. */
import type { MarketDrawer } from '../bars/draw.ts';
import type { StreamHub } from '../streams.ts';
import type { Venue } from '../venue.ts';
import { instantOf } from '../../../domain/time.ts';

/** How often the market catches up with the system's clock. */
const PUMP_MS = 250;
/** History that is kept: two weeks of minutes; the oldest quarter goes when it is exceeded. */
const BARS_MAX = 20_160;

interface RealtimeClock {
  close(): void;
}

/** Plays the venue along the system's clock and keeps bars drawn ahead of it. */
export function startRealtimeClock(venue: Venue, hub: StreamHub, drawer: MarketDrawer): RealtimeClock {
  const { series, cursor } = venue;
  const pump = (): void => {
    const now = instantOf(Date.now());
    // A system clock that was set back stands still here until it has caught up.
    if (now > venue.now) venue.playTo(now, false);
    while (series.end(series.count - 1) <= now || cursor.bar >= series.count) series.push(drawer.next());
    if (series.count > BARS_MAX) {
      const dropped = Math.min(Math.floor(BARS_MAX / 4), cursor.bar);
      series.dropOldest(dropped);
      cursor.shift(dropped);
    }
    hub.heartbeats();
  };
  pump();
  const timer = setInterval(pump, PUMP_MS);
  return { close: () => clearInterval(timer) };
}
