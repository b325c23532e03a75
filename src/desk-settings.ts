/** From the configuration to what the core must know. */
import { worstLoss } from '../config/checks.ts';
import type { Config } from '../config/config.ts';
import { InstrumentError } from '../domain/instruments.ts';
import type { Instrument } from '../domain/instruments.ts';
import { fixedSize } from '../domain/sizing.ts';
import type { DeskSettings, InstrumentSettings } from '../domain/settings.ts';

/**
 * @param offered the account's own instruments, as the broker describes them.
 * @throws InstrumentError when a configured pair is not among them.
 */
export function deskSettings(config: Config, offered: readonly Instrument[], windowBars: number): DeskSettings {
  const { trading, broker } = config;
  // What is named here is no limit of the core's, or is one under another name.
  const { maxOrderUnits, maxPositionUnits, dailyLossMoney, dailyLossPips, weeklyLossMoney, drawdownMoney, tradeLossMoney, restart, ...limits } = config.safety;
  return {
    deployment: config.deployment.name,
    accountId: broker.accountId,
    homeCurrency: broker.accountCurrency,
    instruments: config.instruments.map((entry): InstrumentSettings => {
      const instrument = offered.find((candidate) => candidate.name === entry.name);
      if (instrument === undefined) throw new InstrumentError(`the account does not offer ${entry.name}: remove it from instruments, or trade it on another account`);
      return { instrument, orderUnits: entry.orderUnits, stopLossPips: entry.stopLossPips, gapAllowancePips: entry.gapAllowancePips, quoteToHome: entry.quoteToHome };
    }),
    sizing: fixedSize,
    calendar: config.calendar,
    onOppositeSignal: trading.onOppositeSignal,
    entry: trading.entry === 'limit' ? { kind: 'limit', goodForMs: trading.limitGoodForMs } : { kind: 'market' },
    priceBoundPips: trading.priceBoundPips,
    windowBars,
    windowGapMinutesMax: trading.windowGapMinutesMax,
    blindBarsMax: trading.blindBarsMax,
    fridayFlattenMinute: trading.fridayFlatten.enabled ? trading.fridayFlatten.minute : null,
    blackout: trading.blackout,
    rereadBars: trading.rereadBars,
    quietPeriodMs: trading.quietPeriodMs,
    lateFillBars: trading.lateFillBars,
    safety: { ...limits, orderUnitsMax: maxOrderUnits, positionUnitsMax: maxPositionUnits, dailyLossMoneyMax: dailyLossMoney, dailyLossPipsMax: dailyLossPips, weeklyLossMoneyMax: weeklyLossMoney, drawdownMoneyMax: drawdownMoney },
    health: config.health,
    reconciliationIntervalMs: config.reconciliation.intervalMs,
    reconciliation: config.reconciliation,
    importedTransactionsMax: config.reconciliation.importedTransactionsMax,
    restart,
    worstLoss: worstLoss(config),
  };
}
