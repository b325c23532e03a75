/** Starts a local broker: an OANDA v20 server over real HTTP that needs no account and no network. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readBarsFile } from './bars/csv.ts';
import { createMarketDrawer, drawMarket } from './bars/draw.ts';
import { ANCHOR_PATH, SECOND_PATH } from './bars/path.ts';
import { BarSeries } from './bars/series.ts';
import { LockstepClock } from './clock/lockstep.ts';
import { startRealtimeClock } from './clock/realtime.ts';
import type { EngineSettings } from './engine/settings.ts';
import { engineSettings, usualSettings } from './engine/settings.ts';
import type { Switches } from './engine/switches.ts';
import { startServer } from './server.ts';
import { StreamHub } from './streams.ts';
import { Venue } from './venue.ts';
import { OANDA_CALENDAR } from '../../domain/calendar.ts';
import type { TradingCalendar } from '../../domain/calendar.ts';
import type { Instrument } from '../../domain/instruments.ts';
import { usualInstrument } from '../../domain/instruments.ts';
import { MINUTE_MS, instantOf } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

export interface LocalBrokerOptions {
  readonly clock: 'lockstep' | 'realtime';
  /** 0 takes any free port. */
  readonly port: number;
  readonly streamPort?: number;
  /** A file that holds the token; without one a random token is made. */
  readonly tokenFile?: string;
  readonly account?: string;
  readonly instrument?: string;
  /** Lockstep: a file of one-minute bars, UTC. Without one the market is drawn. */
  readonly barsFile?: string;
  /** For files of mid prices: the spread around them. */
  readonly spreadPips?: number;
  readonly seed?: number;
  /** Lockstep without a file: bars to draw ahead of the clock, and when the drawn history begins. */
  readonly drawnBars?: number;
  readonly drawnFrom?: Instant;
  /** Bars behind the clock at the start, as candle history. */
  readonly historyBars?: number;
  /** Lockstep: stand still until POST /lockstep/start. */
  readonly hold?: boolean;
  readonly calendar?: TradingCalendar;
  /** Open on every minute, for practice on a day when the market is not. */
  readonly alwaysOpen?: boolean;
  /** A stream listener that leaves more than this unread is cut off. */
  readonly unreadBytesMax?: number;
  /** Settings of the account that differ from the usual ones. */
  readonly engine?: Partial<Pick<EngineSettings, 'balance' | 'gainFactor' | 'lossFactor' | 'fixedConversions' | 'marketOrderWaitMs'>> & { readonly switches?: Partial<Switches> };
}

export interface LocalBroker {
  readonly rest: string;
  readonly stream: string;
  readonly token: string;
  readonly account: string;
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

function lockstepSeries(options: LocalBrokerOptions, instrument: Instrument, calendar: TradingCalendar, historyBars: number): BarSeries {
  if (options.barsFile !== undefined) return readBarsFile(options.barsFile, { instrument, spreadPips: options.spreadPips ?? SPREAD_PIPS_DEFAULT });
  const drawnBars = options.drawnBars ?? DRAWN_BARS_DEFAULT;
  if (!(Number.isInteger(drawnBars) && drawnBars >= 1 && drawnBars <= DRAWN_BARS_MAX)) throw new RangeError(`drawnBars: ${drawnBars} is not a whole number from 1 to ${DRAWN_BARS_MAX}`);
  const from = options.drawnFrom ?? DRAWN_FROM_DEFAULT;
  return drawMarket({ seed: options.seed ?? 1, instrument, calendar, from, bars: historyBars + drawnBars, silentMinutes: true });
}

interface Parts {
  readonly settings: EngineSettings;
  readonly instrument: Instrument;
  readonly calendar: TradingCalendar;
}

function startLockstep(options: LocalBrokerOptions, parts: Parts): { readonly venue: Venue; readonly hub: StreamHub; readonly lockstep: LockstepClock; readonly stop: () => void } {
  const historyBars = options.historyBars ?? HISTORY_BARS_DEFAULT;
  const series = lockstepSeries(options, parts.instrument, parts.calendar, historyBars);
  const venue = new Venue({ settings: parts.settings, series, historyBars, path: ANCHOR_PATH });
  const hub = new StreamHub(venue, { lockstep: true, consumersMax: 1, unreadBytesMax: options.unreadBytesMax ?? UNREAD_BYTES_MAX });
  return { venue, hub, lockstep: new LockstepClock(venue, hub, options.hold ?? false), stop: () => {} };
}

function startRealtime(options: LocalBrokerOptions, parts: Parts): { readonly venue: Venue; readonly hub: StreamHub; readonly lockstep: null; readonly stop: () => void } {
  if (options.barsFile !== undefined) throw new Error('barsFile: a file is played by the lockstep clock only; leave it out in real time');
  const now = instantOf(Date.now());
  const drawer = createMarketDrawer({
    seed: options.seed ?? 1,
    instrument: parts.instrument,
    calendar: parts.calendar,
    from: instantOf(now - REALTIME_HISTORY_MS),
    silentMinutes: false,
  });
  const series = new BarSeries(parts.instrument.name);
  do series.push(drawer.next());
  while (series.end(series.count - 1) <= now);
  const settings = { ...parts.settings, marketOrderWaitMs: options.engine?.marketOrderWaitMs ?? REALTIME_ORDER_WAIT_MS };
  const venue = new Venue({ settings, series, historyBars: series.count - 1, path: SECOND_PATH });
  const hub = new StreamHub(venue, { lockstep: false, consumersMax: REALTIME_STREAMS_MAX, unreadBytesMax: options.unreadBytesMax ?? UNREAD_BYTES_MAX });
  const clock = startRealtimeClock(venue, hub, drawer);
  return { venue, hub, lockstep: null, stop: () => clock.close() };
}

/**
 * Starts the broker on the loopback interface and answers with its addresses and token.
 *
 * @throws BarsFileError for a bars file that cannot be read; RangeError for counts that leave nothing to play.
 */
export async function startLocalBroker(options: LocalBrokerOptions): Promise<LocalBroker> {
  const instrument = usualInstrument(options.instrument ?? 'EUR_USD');
  const calendar: TradingCalendar = { ...(options.calendar ?? OANDA_CALENDAR), ...(options.alwaysOpen === true ? { alwaysOpen: true } : {}) };
  const settings = engineSettings({
    instruments: [usualSettings(instrument)],
    calendar,
    ...(options.account === undefined ? {} : { accountId: options.account }),
    ...options.engine,
  });
  const token = readToken(options.tokenFile);
  const parts = { settings, instrument, calendar };
  const { venue, hub, lockstep, stop } = options.clock === 'lockstep' ? startLockstep(options, parts) : startRealtime(options, parts);
  const server = await startServer({ venue, hub, token, lockstep, port: options.port, streamPort: options.streamPort ?? 0 });
  return {
    rest: server.rest,
    stream: server.stream,
    token,
    account: settings.accountId,
    async close() {
      stop();
      await server.close();
    },
  };
}
