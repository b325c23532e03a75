/** A first look at a log: what has to be at hand before its decisions can be made again. */
import type { Config } from '../../config/config.ts';
import type { Instrument, InstrumentName } from '../../domain/instruments.ts';
import { instrumentOf, usualInstrument } from '../../domain/instruments.ts';
import type { DeskSettings } from '../../domain/settings.ts';
import { readRecorded, rowsOf } from '../daemon/recovery.ts';
import type { LogReader } from '../daemon/recovery.ts';
import { deskSettings } from '../desk-settings.ts';
import type { Seat } from './deciders.ts';

export interface Survey {
  /** As the broker described them at their last start. */
  readonly instruments: ReadonlyMap<InstrumentName, Instrument>;
  /** Every model and baseline that was to decide. */
  readonly seats: readonly Seat[];
  /** Where models lay that an operator swapped in. */
  readonly directories: readonly string[];
}

const TYPES: ReadonlySet<string> = new Set(['DaemonStarted', 'ModelLoaded', 'ModelSwapped']);

export async function survey(log: LogReader): Promise<Survey> {
  const instruments = new Map<InstrumentName, Instrument>();
  const seats: Seat[] = [];
  const directories: string[] = [];
  for await (const row of rowsOf(log)) {
    if (!TYPES.has(row.type)) continue;
    const { event } = readRecorded(row);
    if (event.type === 'DaemonStarted') for (const data of event.data.instruments ?? []) instruments.set(instrumentOf(data).name, instrumentOf(data));
    if (event.type === 'ModelLoaded' || event.type === 'ModelSwapped') seats.push(event.data);
    if (event.type === 'ModelSwapped') directories.push(event.data.directory);
  }
  return { instruments, seats, directories };
}

/**
 * The settings that the log is folded with: the configuration's, for every instrument that was ever traded. Of one
 * that is configured no more only the broker's description matters, since a fold sends no order.
 */
export function settingsFor(config: Config, { instruments }: Survey, windowBars: number): DeskSettings {
  const configured = new Set(config.instruments.map(({ name }) => name));
  const former = [...instruments.keys()].filter((name) => !configured.has(name)).map((name) => ({ ...config.instruments[0]!, name }));
  const undescribed = config.instruments.flatMap(({ name }) => (instruments.has(name) ? [] : [usualInstrument(name)]));
  return deskSettings({ ...config, instruments: [...config.instruments, ...former] }, [...instruments.values(), ...undescribed], windowBars);
}
