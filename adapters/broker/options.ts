/** What a local broker can be told, and what follows from it. */
import { nominalPrice } from './bars/draw.ts';
import { USUAL_PAIRS } from './bars/offer.ts';
import type { BarSeries } from './bars/series.ts';
import type { RateLimits } from './http/limits.ts';
import type { FaultPlan } from './faults/plan.ts';
import type { EngineSettings } from './engine/settings.ts';
import type { Switches } from './engine/switches.ts';
import type { TradingCalendar } from '../../domain/calendar.ts';
import type { Instrument } from '../../domain/instruments.ts';
import { usualInstrument } from '../../domain/instruments.ts';
import { formatInstant, instantOf } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

/** Options that contradict each other or leave nothing to play. The message names the option and the remedy. */
export class BrokerOptionError extends Error {
  override readonly name = 'BrokerOptionError';
}

export interface LocalBrokerOptions {
  readonly clock: 'lockstep' | 'realtime';
  /** 0 takes any free port. */
  readonly port: number;
  readonly streamPort?: number;
  /** A file that holds the token; without one a random token is made. */
  readonly tokenFile?: string;
  readonly account?: string;
  /**
   * What it offers, in the order in which points of one instant come. Without it: the instruments of the files, else
   * the usual pairs in real time and EUR_USD in lockstep.
   */
  readonly instruments?: readonly string[];
  /** Lockstep: files of one-minute bars, UTC, by instrument; all of them or none. Without them the market is drawn. */
  readonly barsFiles?: { readonly [instrument: string]: string };
  /** For files of mid prices: the spread around them. */
  readonly spreadPips?: number;
  readonly seed?: number;
  /** Lockstep without files: bars to draw ahead of the clock for the first instrument, the others as far; and when the drawn history begins. */
  readonly drawnBars?: number;
  readonly drawnFrom?: Instant;
  /** Bars behind the clock at the start, of every instrument at least, as candle history. */
  readonly historyBars?: number;
  /** Lockstep: stand still until POST /lockstep/start. */
  readonly hold?: boolean;
  readonly calendar?: TradingCalendar;
  /** Open on every minute, for practice on a day when the market is not. */
  readonly alwaysOpen?: boolean;
  /** A stream listener that leaves more than this unread is cut off. */
  readonly unreadBytesMax?: number;
  /** Real time: limit the client as the broker does; without it no limit holds, which suits tests on loopback. */
  readonly rateLimits?: RateLimits;
  /** The status for an account that is not the client's; which one the broker gives is not established. 403 by default. */
  readonly strangerStatus?: 403 | 404;
  /** Faults to inject; none when left out. */
  readonly faults?: FaultPlan;
  /** A file to which the plan and every fault injected are appended, as JSON lines. */
  readonly faultLogFile?: string;
  /** Settings of the account that differ from the usual ones. */
  readonly engine?: Partial<Pick<EngineSettings, 'balance' | 'gainFactor' | 'lossFactor' | 'fixedConversions' | 'marketOrderWaitMs'>> & { readonly switches?: Partial<Switches> };
}

/** More pairs than the real broker has. */
const INSTRUMENTS_MAX = 100;

/** What is offered, each once. @throws BrokerOptionError; InstrumentError for a name that is none. */
export function offeredInstruments(options: LocalBrokerOptions): readonly Instrument[] {
  const files = options.barsFiles === undefined ? undefined : Object.keys(options.barsFiles);
  const names = options.instruments ?? files ?? (options.clock === 'realtime' ? USUAL_PAIRS : ['EUR_USD']);
  const stray = files?.find((name) => !names.includes(name));
  if (stray !== undefined) throw new BrokerOptionError(`barsFiles: ${stray} is none of the instruments; add it to them or leave its file out`);
  if (names.length === 0 || names.length > INSTRUMENTS_MAX) throw new BrokerOptionError(`instruments: ${names.length} are offered; give 1 to ${INSTRUMENTS_MAX}`);
  return [...new Set(names)].map(usualInstrument);
}

/**
 * Conversions that the instruments themselves do not give: home units for one unit of a currency that some are priced
 * in, at the price that drawn markets live near. So one yen cross can be traded alone, with P&L of the right size.
 */
export function nominalConversions(instruments: readonly Instrument[], home: string): { readonly [currency: string]: string } {
  const conversions: { [currency: string]: string } = {};
  for (const { quote } of instruments) {
    const isGiven = quote === home || instruments.some((each) => (each.base === quote && each.quote === home) || (each.base === home && each.quote === quote));
    const [direct, inverse] = [nominalPrice(`${quote}_${home}`), nominalPrice(`${home}_${quote}`)];
    const rate = direct ?? (inverse === undefined ? undefined : 1 / inverse);
    if (!isGiven && rate !== undefined) conversions[quote] = rate.toFixed(10);
  }
  return conversions;
}

/**
 * The first time at which every series has `historyBars` bars behind it.
 *
 * @throws BrokerOptionError when a series has none left to play then.
 */
export function startBehind(series: readonly BarSeries[], historyBars: number): Instant {
  const starts = series.map((each) => {
    if (!(historyBars >= 0 && historyBars < each.count)) {
      throw new BrokerOptionError(`historyBars: ${historyBars} of ${each.count} bars of ${each.instrument} leave none to play; give more bars or less history`);
    }
    return historyBars === 0 ? each.start(0) : each.end(historyBars - 1);
  });
  const startAt = instantOf(Math.max(...starts));
  const over = series.find((each) => each.start(each.count - 1) < startAt);
  if (over === undefined) return startAt;
  throw new BrokerOptionError(`${over.instrument}: its bars end at ${formatInstant(over.end(over.count - 1))}, before all instruments have ${historyBars} bars of history (${formatInstant(startAt)}); give files of one time or less history`);
}
