/** Starts a local broker: an OANDA v20 server over real HTTP that needs no account and no network. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readBarsFile } from './bars/csv.ts';
import { createMarketDrawers, drawMarkets } from './bars/offer.ts';
import { ANCHOR_PATH, SECOND_PATH } from './bars/path.ts';
import { BarSeries } from './bars/series.ts';
import { InProcessMarket } from './in-process.ts';
import { LockstepClock } from './clock/lockstep.ts';
import { RealtimeClock } from './clock/realtime.ts';
import type { EngineSettings } from './engine/settings.ts';
import { engineSettings, usualSettings } from './engine/settings.ts';
import { BrokerOptionError, nominalConversions, offeredInstruments, startBehind } from './options.ts';
import type { LocalBrokerOptions } from './options.ts';
import type { Faults } from './faults/faults.ts';
import { createFaults } from './faults/faults.ts';
import { NO_FAULTS } from './faults/plan.ts';
import { startServer } from './server.ts';
import { PRICE_WINDOW_MS, StreamHub } from './streams.ts';
import { Venue } from './venue.ts';
import { OANDA_CALENDAR } from '../../domain/calendar.ts';
import type { TradingCalendar } from '../../domain/calendar.ts';
import type { Instrument } from '../../domain/instruments.ts';
import { MINUTE_MS, instantOf } from '../../domain/time.ts';

export interface LocalBroker {
  readonly rest: string;
  readonly stream: string;
  readonly token: string;
  readonly account: string;
  readonly instruments: readonly string[];
  close(): Promise<void>;
}

const HISTORY_BARS_DEFAULT = 300;
const DRAWN_BARS_DEFAULT = 2_000;
const DRAWN_BARS_MAX = 2_000_000;
const SPREAD_PIPS_DEFAULT = 1.2;
/** A Monday in London's morning: drawn runs begin where something happens. */
const DRAWN_FROM_DEFAULT = instantOf(Date.UTC(2026, 0, 5, 8));
const REALTIME_HISTORY_MS = 7 * 24 * 60 * MINUTE_MS;
/** In real time a point comes every second of an open minute, so that a longer wait means a halted market. */
const REALTIME_ORDER_WAIT_MS = 5_000;
const REALTIME_STREAMS_MAX = 20;
const UNREAD_BYTES_MAX = 4 * 1024 * 1024;

function readToken(tokenFile: string | undefined): string {
  if (tokenFile === undefined) return randomBytes(24).toString('hex');
  const token = readFileSync(tokenFile, 'utf8').trim();
  if (token === '') throw new Error(`${tokenFile}: the token file is empty; write the token into it`);
  return token;
}

function lockstepSeries(options: LocalBrokerOptions, instruments: readonly Instrument[], calendar: TradingCalendar, historyBars: number): readonly BarSeries[] {
  const { barsFiles } = options;
  if (barsFiles !== undefined) {
    return instruments.map((instrument) => {
      const file = barsFiles[instrument.name];
      if (file === undefined) throw new BrokerOptionError(`barsFiles: ${instrument.name} has no file; give one for every instrument, or for none`);
      return readBarsFile(file, { instrument, spreadPips: options.spreadPips ?? SPREAD_PIPS_DEFAULT });
    });
  }
  const drawnBars = options.drawnBars ?? DRAWN_BARS_DEFAULT;
  if (!(Number.isInteger(drawnBars) && drawnBars >= 1 && drawnBars <= DRAWN_BARS_MAX)) throw new BrokerOptionError(`drawnBars: ${drawnBars} is not a whole number from 1 to ${DRAWN_BARS_MAX}`);
  const from = options.drawnFrom ?? DRAWN_FROM_DEFAULT;
  return drawMarkets({ seed: options.seed ?? 1, instruments, calendar, from, bars: historyBars + drawnBars, silentMinutes: true });
}

interface Parts {
  readonly settings: EngineSettings;
  readonly instruments: readonly Instrument[];
  readonly calendar: TradingCalendar;
}

interface Running {
  readonly venue: Venue;
  readonly hub: StreamHub;
  readonly faults: Faults;
  readonly lockstep: LockstepClock | null;
  readonly stop: () => void;
}

/** A market of files or drawn bars that moves in accelerated time, with nobody listening to it yet. */
function lockstepVenue(options: LocalBrokerOptions, parts: Parts): Venue {
  const historyBars = options.historyBars ?? HISTORY_BARS_DEFAULT;
  const series = lockstepSeries(options, parts.instruments, parts.calendar, historyBars);
  return new Venue({ settings: parts.settings, series, startAt: startBehind(series, historyBars), path: ANCHOR_PATH });
}

const faultsOf = (options: LocalBrokerOptions, venue: Venue): Faults => createFaults(venue, options.faults ?? NO_FAULTS, options.faultLogFile ?? null);

function startLockstep(options: LocalBrokerOptions, parts: Parts): Running {
  const venue = lockstepVenue(options, parts);
  const faults = faultsOf(options, venue);
  const hub = new StreamHub(venue, { tamper: faults.tamper, lockstep: true, consumersMax: 1, unreadBytesMax: options.unreadBytesMax ?? UNREAD_BYTES_MAX, windowMs: 0 });
  return { venue, hub, faults, lockstep: new LockstepClock(venue, hub, options.hold ?? false), stop: () => {} };
}

function startRealtime(options: LocalBrokerOptions, parts: Parts): Running {
  if (options.barsFiles !== undefined) throw new BrokerOptionError('barsFiles: files are played by the lockstep clock only; leave them out in real time');
  const { instruments, calendar } = parts;
  const now = instantOf(Date.now());
  const drawers = createMarketDrawers({ seed: options.seed ?? 1, instruments, calendar, from: instantOf(now - REALTIME_HISTORY_MS), silentMinutes: false });
  // With no silent minutes every series has the same ones.
  const series = drawers.map((drawer, index) => {
    const each = new BarSeries(instruments[index]?.name ?? '');
    do each.push(drawer.next());
    while (each.end(each.count - 1) <= now);
    return each;
  });
  const settings = { ...parts.settings, marketOrderWaitMs: options.engine?.marketOrderWaitMs ?? REALTIME_ORDER_WAIT_MS };
  const historyBars = Math.min(...series.map((each) => each.count)) - 1;
  const venue = new Venue({ settings, series, startAt: startBehind(series, historyBars), path: SECOND_PATH });
  const faults = faultsOf(options, venue);
  const hub = new StreamHub(venue, { tamper: faults.tamper, lockstep: false, consumersMax: REALTIME_STREAMS_MAX, unreadBytesMax: options.unreadBytesMax ?? UNREAD_BYTES_MAX, windowMs: PRICE_WINDOW_MS });
  const clock = new RealtimeClock(venue, hub, drawers);
  clock.start();
  return { venue, hub, faults, lockstep: null, stop: () => clock.close() };
}

function partsOf(options: LocalBrokerOptions): Parts {
  const instruments = offeredInstruments(options);
  const calendar: TradingCalendar = { ...(options.calendar ?? OANDA_CALENDAR), ...(options.alwaysOpen === true ? { alwaysOpen: true } : {}) };
  const settings = engineSettings({
    instruments: instruments.map(usualSettings),
    calendar,
    ...(options.account === undefined ? {} : { accountId: options.account }),
    fixedConversions: nominalConversions(instruments, 'USD'),
    ...options.engine,
  });
  return { settings, instruments, calendar };
}

/** The same market without a server, for whoever plays it in one process. @throws as `startLocalBroker` does. */
export const openMarket = (options: Omit<LocalBrokerOptions, 'clock' | 'port'>): InProcessMarket => {
  const lockstep: LocalBrokerOptions = { ...options, clock: 'lockstep', port: 0 };
  return new InProcessMarket(lockstepVenue(lockstep, partsOf(lockstep)));
};

/**
 * Starts the broker on the loopback interface and answers with its addresses and token.
 *
 * @throws BarsFileError for a bars file that cannot be read; InstrumentError for a name that is none; BrokerOptionError
 *   for options that contradict each other or leave nothing to play.
 */
export async function startLocalBroker(options: LocalBrokerOptions): Promise<LocalBroker> {
  if (options.rateLimits !== undefined && options.clock === 'lockstep') throw new BrokerOptionError('rateLimits: they count real seconds, and accelerated time has its own; leave them out in lockstep');
  const parts = partsOf(options);
  const { settings, instruments } = parts;
  const token = readToken(options.tokenFile);
  const { venue, hub, faults, lockstep, stop } = options.clock === 'lockstep' ? startLockstep(options, parts) : startRealtime(options, parts);
  const server = await startServer({
    venue,
    hub,
    faults,
    token,
    lockstep,
    port: options.port,
    streamPort: options.streamPort ?? 0,
    rateLimits: options.rateLimits ?? null,
    strangerStatus: options.strangerStatus ?? 403,
  });
  faults.start();
  return {
    rest: server.rest,
    stream: server.stream,
    token,
    account: settings.accountId,
    instruments: instruments.map(({ name }) => name),
    async close() {
      stop();
      await server.close();
      faults.close();
    },
  };
}
