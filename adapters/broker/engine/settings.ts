import type { Switches } from './switches.ts';
import { switchesWith } from './switches.ts';
import type { Instrument } from '../../../domain/instruments.ts';
import type { TradingCalendar } from '../../../domain/calendar.ts';

/** Sunday first. Wednesday is charged three days, since its value date crosses the weekend. */
type DaysCharged = readonly [number, number, number, number, number, number, number];

/** Units on offer at a price `offsetPoints` worse than the best one. */
export interface LadderLevel {
  readonly offsetPoints: number;
  readonly units: number;
}

/** An instrument with what the broker adds to it: margin, financing and depth. */
export interface InstrumentSettings {
  readonly instrument: Instrument;
  /** Margin for a unit of position value, a plain decimal such as "0.02". */
  readonly marginRate: string;
  /** Yearly financing of a long and of a short position, as plain decimals; negative is paid by the client. */
  readonly longRate: string;
  readonly shortRate: string;
  readonly daysCharged: DaysCharged;
  /**
   * What is on offer at each price point, best level first. Fills take from it until the next point comes; a
   * fill-or-kill order above it is cancelled. Deeper levels fill at prices beyond the point's own.
   */
  readonly ladder: readonly LadderLevel[];
  readonly maximumOrderUnits: string;
  /** Largest net position, "0" for no cap. */
  readonly maximumPositionSize: string;
  readonly minimumTrailingStopPips: number;
  readonly maximumTrailingStopPips: number;
}

/** What decides an account's behaviour; nothing here changes while the engine runs. */
export interface EngineSettings {
  /** `{siteID}-{divisionID}-{userID}-{accountNumber}`. */
  readonly accountId: string;
  readonly alias: string;
  readonly currency: string;
  /** The opening deposit, a plain decimal. */
  readonly balance: string;
  readonly instruments: readonly InstrumentSettings[];
  readonly calendar: TradingCalendar;
  /**
   * Factors from a quote currency other than the home currency to home: mid × gain for gains, mid × loss for
   * losses. The recorded division uses 0.99 and 1.01. Amounts already in the home currency convert at 1.
   */
  readonly gainFactor: string;
  readonly lossFactor: string;
  /** Home units for one unit of a currency, used where no quoted pair gives it. */
  readonly fixedConversions: { readonly [currency: string]: string };
  /** How long an order that must fill at once may wait for a price before it is cancelled as MARKET_HALTED. */
  readonly marketOrderWaitMs: number;
  readonly openTradesMax: number;
  readonly pendingOrdersMax: number;
  /** The answers to what is not established about the real broker. */
  readonly switches: Switches;
}

export function usualSettings(instrument: Instrument): InstrumentSettings {
  return {
    instrument,
    marginRate: '0.02',
    longRate: '-0.0232',
    shortRate: '0.0068',
    daysCharged: [0, 1, 1, 3, 1, 1, 0],
    ladder: [{ offsetPoints: 0, units: 10_000_000 }],
    maximumOrderUnits: '100000000',
    maximumPositionSize: '0',
    minimumTrailingStopPips: 5,
    maximumTrailingStopPips: 10_000,
  };
}

export function engineSettings(
  required: Pick<EngineSettings, 'instruments' | 'calendar'> & Partial<Omit<EngineSettings, 'switches'>> & { readonly switches?: Partial<Switches> },
): EngineSettings {
  const { switches, ...rest } = required;
  return {
    accountId: '101-001-1234567-001',
    alias: 'Primary',
    currency: 'USD',
    balance: '100000',
    gainFactor: '0.99',
    lossFactor: '1.01',
    fixedConversions: {},
    marketOrderWaitMs: 120_000,
    openTradesMax: 1_000,
    pendingOrdersMax: 1_000,
    ...rest,
    switches: switchesWith(switches),
  };
}
