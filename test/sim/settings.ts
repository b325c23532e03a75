/** The desk's settings in a simulated world: the demo's profile, with limits that a seed moves. */
import { join } from 'node:path';
import { decodeInstruments } from '../../adapters/oanda/wire.ts';
import { loadConfig } from '../../config/load.ts';
import { money, units } from '../../domain/money.ts';
import type { DeskSettings } from '../../domain/settings.ts';
import { SECOND_MS } from '../../domain/time.ts';
import { deskSettings } from '../../src/desk-settings.ts';
import type { Gateway } from './gateway.ts';
import type { SimOptions } from './options.ts';
import { WINDOW_BARS } from './policies.ts';

const ROOT = join(import.meta.dirname, '../..');
const LOADED = loadConfig({ file: join(ROOT, 'config/profiles/demo.yaml'), baseDirectory: ROOT, environment: {} });
export const CONFIG_HASH = LOADED.hash;

export function worldSettings(options: SimOptions, gateway: Gateway): DeskSettings {
  const settings = deskSettings(LOADED.config, decodeInstruments(JSON.stringify(gateway.instruments())), options.policy === 'random' || options.policy === 'flat' ? 1 : WINDOW_BARS);
  const most = units(String(options.orderUnits));
  const { safety } = settings;
  return {
    ...settings,
    onOppositeSignal: options.onOppositeSignal,
    entry: options.entry === 'limit' ? { kind: 'limit', goodForMs: 30 * SECOND_MS } : { kind: 'market' },
    instruments: settings.instruments.map((each) => ({ ...each, orderUnits: most })),
    safety: {
      ...safety,
      orderUnitsMax: most,
      positionUnitsMax: most,
      orderNotionalMax: money('10'),
      grossExposureMax: money('10'),
      currencyExposureMax: money('10'),
      dailyLossMoneyMax: money(options.dailyLossMoney),
      ordersPerHourMax: options.ordersPerHourMax,
      ordersPerDayMax: 10_000,
      executionsMax: options.executionsMax,
    },
    restart: { ...settings.restart, crashesPerHourMax: options.crashesPerHourMax },
  };
}
