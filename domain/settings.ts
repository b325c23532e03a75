/** What the desk must know of its configuration, in the core's own types. */
import type { Blackout, TradingCalendar } from './calendar.ts';
import type { SecondOperator } from './consent.ts';
import type { Disposition } from './events.ts';
import type { HealthLimits } from './health.ts';
import type { Instrument } from './instruments.ts';
import type { Money, Pips, Ratio, Units } from './money.ts';
import type { Sizing } from './sizing.ts';

/** Causes of a halt that configuration gives a disposition for. */
export const HALT_CAUSES = ['lossLimit', 'overFill', 'positionLimit', 'slippage', 'losingStreak', 'executions', 'model', 'data', 'foreignTrade', 'authentication', 'unknownSchema', 'protocol', 'egress', 'rejections', 'discrepancy', 'operator', 'emergency'] as const;
export type HaltCause = (typeof HALT_CAUSES)[number];

export interface InstrumentSettings {
  readonly instrument: Instrument;
  readonly orderUnits: Units;
  readonly stopLossPips: Pips;
  /** How far beyond its stop a trade may be closed when the market jumps. */
  readonly gapAllowancePips: Pips;
  /** Conservative price of one unit of quote currency in home currency; for estimates, never for the ledger. */
  readonly quoteToHome: Ratio;
}

export interface SafetyLimits {
  readonly orderUnitsMax: Units;
  readonly positionUnitsMax: Units;
  /** Worth of one order, home currency. */
  readonly orderNotionalMax: Money;
  /** Worth of all open trades and orders in flight together, home currency. */
  readonly grossExposureMax: Money;
  /** Worth of what they hold of any one currency, on the heavier side, home currency. */
  readonly currencyExposureMax: Money;
  readonly openTradesMax: number;
  /** Margin that they need, as a share of the account's equity. */
  readonly marginShareMax: Ratio;
  readonly quoteAgeMsMax: number;
  readonly spreadPipsMax: Pips;
  /** A quote farther from the last believed one than so many median true ranges is doubted until three ticks agree. */
  readonly outlierRangesMax: Ratio;
  /** Without a price for so long while the market is open the price stream is taken for stale. */
  readonly pricesStaleMsMax: number;
  readonly clockSkewMsWarn: number;
  /** With a broker's clock farther from ours nothing is opened. */
  readonly clockSkewMsMax: number;
  readonly dailyLossMoneyMax: Money;
  readonly dailyLossPipsMax: Pips;
  readonly weeklyLossMoneyMax: Money;
  /** Below the highest profit since the past was read, or since an operator last resumed. */
  readonly drawdownMoneyMax: Money;
  readonly ordersPerHourMax: number;
  readonly ordersPerDayMax: number;
  /** Adverse slippage above this share of the distance to the price bound is a strike. */
  readonly slippageShareMax: Ratio;
  readonly slippageStrikesMax: number;
  /** Trades in a row that may close with a loss before an operator must resume. */
  readonly lossesInARowMax: number;
  /** Opening orders that may be meant before an operator must resume. */
  readonly executionsMax: number;
  readonly positionCheckIntervalMs: number;
  /** With less room for the log nothing is opened. */
  readonly diskFreeBytesMin: number;
  /** Which commands take two people. */
  readonly secondOperator: SecondOperator;
  readonly dispositions: { readonly [Cause in HaltCause]: Disposition };
}

export interface ReconciliationSettings {
  /** Between two comparisons of the whole account. */
  readonly fullIntervalMs: number;
  /** Comparisons that may differ, and the time for which they may, before trading ends. */
  readonly attemptsMax: number;
  readonly unresolvedMsMax: number;
  /** Without a comparison that came about for this long, a position of ours is only reduced. */
  readonly failingMsMax: number;
  /** How long transactions that the broker spoke of may be missing. */
  readonly gapMsMax: number;
  /** What a lost stop means: put back once, or the trade closed at once. */
  readonly onLostStop: 'recreate' | 'close';
}

/**
 * How a position is opened: at the market, or by a limit order at the price bound. The latter fills as the former
 * does, and when it is late, the broker itself refuses it.
 */
export type Entry = { readonly kind: 'market' } | { readonly kind: 'limit'; readonly goodForMs: number };

export interface DeskSettings {
  readonly deployment: string;
  readonly accountId: string;
  readonly homeCurrency: string;
  readonly instruments: readonly InstrumentSettings[];
  /** How large an opening order is. */
  readonly sizing: Sizing;
  readonly calendar: TradingCalendar;
  /** What BUY means while short, and SELL while long. */
  readonly onOppositeSignal: 'close' | 'reverse';
  readonly entry: Entry;
  /** Distance from the expected price to the worst price that an opening order accepts. */
  readonly priceBoundPips: Pips;
  /** Closes that the policy's window needs. */
  readonly windowBars: number;
  readonly windowGapMinutesMax: number;
  /** Open minutes with a position and no decision after which it is closed. */
  readonly blindBarsMax: number;
  /** Minute of a New York Friday from which no position is held; null holds over the weekend. */
  readonly fridayFlattenMinute: number | null;
  /** When nothing is opened though the market is open. */
  readonly blackout: Blackout;
  /** Bars before the newest that are read again, to notice revisions. */
  readonly rereadBars: number;
  /** Silence of the ledger after which an order of unknown outcome is taken for never placed. */
  readonly quietPeriodMs: number;
  /** A fill later than this many bars after its decision is closed, not kept. */
  readonly lateFillBars: number;
  readonly safety: SafetyLimits;
  readonly health: HealthLimits;
  /** Between two comparisons of positions and sums. */
  readonly reconciliationIntervalMs: number;
  readonly reconciliation: ReconciliationSettings;
  /** Transactions of an account's past that are read one by one; with more, its snapshot stands for them. */
  readonly importedTransactionsMax: number;
  readonly restart: { readonly downMsMax: number; readonly crashesPerHourMax: number };
  /** The most that the limits allow to be lost before trading stops; shown before arming. */
  readonly worstLoss: Money;
}
