/** Desk settings for scenarios: one pair, small limits, every number easy to reckon with by hand. */
import { fixedSize } from '../../domain/sizing.ts';
import { OANDA_CALENDAR } from '../../domain/calendar.ts';
import type { RunFacts } from '../../domain/desk/inputs.ts';
import { usualInstrument } from '../../domain/instruments.ts';
import { GENESIS_HASH } from '../../domain/log.ts';
import { money, pips, ratio, units } from '../../domain/money.ts';
import type { DeskSettings, InstrumentSettings, SafetyLimits } from '../../domain/settings.ts';
import { ACCOUNT } from './scripted-broker.ts';

export const LIMITS: SafetyLimits = {
  orderUnitsMax: units('1000'),
  positionUnitsMax: units('1000'),
  orderNotionalMax: money('2000'),
  grossExposureMax: money('2000'),
  currencyExposureMax: money('4000'),
  openTradesMax: 1,
  marginShareMax: ratio('0.3'),
  quoteAgeMsMax: 5_000,
  spreadPipsMax: pips('4'),
  outlierRangesMax: ratio('10'),
  pricesStaleMsMax: 300_000,
  clockSkewMsWarn: 1_000,
  clockSkewMsMax: 5_000,
  dailyLossMoneyMax: money('20'),
  dailyLossPipsMax: pips('100'),
  weeklyLossMoneyMax: money('60'),
  drawdownMoneyMax: money('100'),
  ordersPerHourMax: 40,
  ordersPerDayMax: 200,
  slippageShareMax: ratio('0.1'),
  slippageStrikesMax: 3,
  lossesInARowMax: 3,
  executionsMax: 40,
  positionCheckIntervalMs: 30_000,
  diskFreeBytesMin: 1_000,
  secondOperator: 'none',
  dispositions: {
    lossLimit: 'flatten', overFill: 'flatten', positionLimit: 'flatten', slippage: 'hold', losingStreak: 'flatten', executions: 'flatten', model: 'flatten', data: 'flatten',
    foreignTrade: 'hold', authentication: 'hold', unknownSchema: 'hold', protocol: 'hold', egress: 'hold', rejections: 'hold', discrepancy: 'hold', operator: 'hold', emergency: 'hold',
  },
};

const trading1000 = (name: string, quoteToHome: string): InstrumentSettings => ({
  instrument: usualInstrument(name), orderUnits: units('1000'), stopLossPips: pips('50'), gapAllowancePips: pips('10'), quoteToHome: ratio(quoteToHome),
});

export const SETTINGS: DeskSettings = {
  deployment: 'test',
  accountId: ACCOUNT,
  homeCurrency: 'USD',
  instruments: [trading1000('EUR_USD', '1')],
  sizing: fixedSize,
  calendar: OANDA_CALENDAR,
  onOppositeSignal: 'close',
  entry: { kind: 'market' },
  priceBoundPips: pips('5'),
  windowBars: 4,
  windowGapMinutesMax: 10,
  blindBarsMax: 5,
  fridayFlattenMinute: 16 * 60 + 30,
  blackout: { afterOpenMinutes: 10, beforeCloseMinutes: 15 },
  rereadBars: 3,
  quietPeriodMs: 120_000,
  lateFillBars: 1,
  safety: LIMITS,
  health: { decisionsWindow: 1_000, holdShareMax: 0.999, actionEntropyBitsMin: 0.01 },
  reconciliationIntervalMs: 60_000,
  // Every comparison is of the whole account, unless a scenario is about the light ones.
  reconciliation: { fullIntervalMs: 0, attemptsMax: 3, unresolvedMsMax: 30_000, failingMsMax: 300_000, gapMsMax: 30_000, onLostStop: 'recreate' },
  importedTransactionsMax: 100_000,
  restart: { downMsMax: 300_000, crashesPerHourMax: 3 },
  worstLoss: money('26'),
};

/** Limits that three orders of 1,000 units just fit into. */
export const ROOMY: SafetyLimits = { ...LIMITS, openTradesMax: 3, grossExposureMax: money('4000'), dailyLossMoneyMax: money('50') };

/** Three pairs on one account: worth 1,100, 1,300 and 1,000 dollars, each stopped out for 6, 6 and 8.04. */
export const THREE: Partial<DeskSettings> = { instruments: [trading1000('EUR_USD', '1'), trading1000('GBP_USD', '1'), trading1000('USD_JPY', '0.0134')], safety: ROOMY };

export const RUN: RunFacts = {
  build: 'build-1', nodeVersion: 'v26.0.0', configHash: GENESIS_HASH, modelHash: GENESIS_HASH, modelLabel: 'scripted', policyName: 'scripted',
  featureSetId: 'none', trained: true, environment: 'local',
};
