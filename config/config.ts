/** The configuration as the daemon uses it: parsed, typed, frozen. `settings` is the same as canonical JSON values. */
import type { Blackout, TradingCalendar } from '../domain/calendar.ts';
import type { HealthLimits } from '../domain/health.ts';
import type { Instrument } from '../domain/instruments.ts';
import type { SearchSettings } from '../domain/policy.ts';
import type { ReconciliationSettings, SafetyLimits } from '../domain/settings.ts';
import type { Money, Pips, Ratio, Units } from '../domain/money.ts';

export interface BrokerConfig {
  readonly environment: 'practice' | 'live' | 'local';
  readonly restUrl: string;
  readonly streamUrl: string;
  readonly accountId: string;
  readonly accountCurrency: string;
  /** Absolute. Read it with `readToken`. */
  readonly tokenFile: string;
  readonly restDeadlineMs: number;
  readonly clock: 'system' | 'lockstep';
}

export interface InstrumentConfig {
  readonly name: Instrument['name'];
  readonly orderUnits: Units;
  readonly stopLossPips: Pips;
  readonly spreadPipsP999: Pips;
  readonly gapAllowancePips: Pips;
  /** Home currency for one unit of quote currency, rounded against us; exactly 1 when they are the same. */
  readonly quoteToHome: Ratio;
  /** Home currency for one unit of base currency, rounded up; null where nobody has said and no limit needs it. */
  readonly baseToHome: Ratio | null;
}

export interface TradingConfig {
  readonly onOppositeSignal: 'close' | 'reverse';
  readonly entry: 'market' | 'limit';
  readonly limitGoodForMs: number;
  readonly priceBoundPips: Pips;
  readonly windowGapMinutesMax: number;
  readonly blindBarsMax: number;
  /** `minute` counts from New York midnight. */
  readonly fridayFlatten: { readonly enabled: boolean; readonly minute: number };
  readonly blackout: Blackout;
  readonly rereadBars: number;
  readonly quietPeriodMs: number;
  readonly lateFillBars: number;
}

/** Search constants are floats here: they belong to the networks' arithmetic, not to the ledger's. */
export type PolicyConfig =
  | {
    readonly kind: 'muzero';
    readonly modelDirectory: string;
    readonly featureSetId: string;
    readonly simulations: number;
    readonly discount: number;
    readonly minConfidence: number;
    readonly temperature: number;
    readonly seed: number;
    readonly selection: SearchSettings['selection'];
  }
  | { readonly kind: 'hold' }
  | { readonly kind: 'sma-cross'; readonly fastBars: number; readonly slowBars: number }
  | { readonly kind: 'random'; readonly seed: number; readonly holdShare: number };

/** The core's limits under the names that the file gives them, and what the core is told of otherwise. */
export interface SafetyConfig extends Omit<SafetyLimits, 'orderUnitsMax' | 'positionUnitsMax' | 'dailyLossMoneyMax' | 'dailyLossPipsMax' | 'weeklyLossMoneyMax' | 'drawdownMoneyMax'> {
  readonly maxOrderUnits: Units;
  readonly maxPositionUnits: Units;
  readonly dailyLossMoney: Money;
  readonly dailyLossPips: Pips;
  readonly weeklyLossMoney: Money;
  readonly drawdownMoney: Money;
  readonly tradeLossMoney: Money;
  readonly restart: { readonly downMsMax: number; readonly crashesPerHourMax: number };
}

export interface ControlConfig {
  readonly socketPath: string;
  readonly httpHost: '127.0.0.1' | '::1';
  readonly httpPort: number | 'off';
}

export interface Config {
  readonly deployment: { readonly name: string; readonly dataDirectory: string };
  readonly broker: BrokerConfig;
  readonly instruments: readonly InstrumentConfig[];
  readonly trading: TradingConfig;
  readonly policy: PolicyConfig;
  readonly safety: SafetyConfig;
  readonly health: HealthLimits;
  readonly reconciliation: ReconciliationSettings & { readonly intervalMs: number; readonly importedTransactionsMax: number };
  readonly calendar: TradingCalendar;
  readonly control: ControlConfig;
  readonly logging: { readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' };
}
