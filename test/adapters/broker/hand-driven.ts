/** A venue behind real HTTP whose time is moved by the test alone. */
import { TestBroker } from './server.ts';
import type { BarSeries } from '../../../adapters/broker/bars/series.ts';
import { ANCHOR_PATH } from '../../../adapters/broker/bars/path.ts';
import { engineSettings, usualSettings } from '../../../adapters/broker/engine/settings.ts';
import type { Switches } from '../../../adapters/broker/engine/switches.ts';
import { createFaults } from '../../../adapters/broker/faults/faults.ts';
import { NO_FAULTS } from '../../../adapters/broker/faults/plan.ts';
import { startServer } from '../../../adapters/broker/server.ts';
import { PRICE_WINDOW_MS, StreamHub } from '../../../adapters/broker/streams.ts';
import { Venue } from '../../../adapters/broker/venue.ts';
import { OANDA_CALENDAR } from '../../../domain/calendar.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { instantOf } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

export interface HandDriven {
  readonly client: TestBroker;
  readonly venue: Venue;
  readonly hub: StreamHub;
  /** Moves time on in steps, telling listeners after each. */
  pass(durationMs: number, stepMs: number): void;
}

/** Starts a broker in the manner of real time over bars of a market that is always open. */
export async function handDriven(series: readonly BarSeries[], startAt: Instant, path: typeof ANCHOR_PATH = ANCHOR_PATH, switches: Partial<Switches> = {}): Promise<HandDriven> {
  const instruments = series.map((each) => usualSettings(usualInstrument(each.instrument)));
  const settings = engineSettings({ instruments, calendar: { ...OANDA_CALENDAR, alwaysOpen: true }, fixedConversions: { JPY: '0.0066' }, switches });
  const venue = new Venue({ settings, series, startAt, path });
  const faults = createFaults(venue, NO_FAULTS, null);
  const hub = new StreamHub(venue, { tamper: faults.tamper, lockstep: false, consumersMax: 20, unreadBytesMax: 1_000_000, windowMs: PRICE_WINDOW_MS });
  const token = 'a-token-of-the-test';
  const server = await startServer({ venue, hub, faults, token, lockstep: null, port: 0, streamPort: 0, rateLimits: null, strangerStatus: 403 });
  const client = TestBroker.of({ rest: server.rest, stream: server.stream, token, account: settings.accountId, instruments: series.map((each) => each.instrument), close: () => server.close() });
  return {
    client,
    venue,
    hub,
    pass(durationMs, stepMs) {
      const until = venue.now + durationMs;
      while (venue.now < until) {
        venue.playTo(instantOf(Math.min(until, venue.now + stepMs)), false);
        hub.pulse();
      }
    },
  };
}
