/** What commands share: finding the configuration, answering in text or JSON, and one exit code for each failure. */
import { ConfigError } from '../../config/problems.ts';
import type { LoadedConfig } from '../../config/load.ts';
import { loadConfig } from '../../config/load.ts';
import { TokenError } from '../../config/token.ts';
import { ControlRequestError, DaemonNotRunningError } from '../../adapters/control/client.ts';
import { LockstepError } from '../../adapters/clock/lockstep-link.ts';
import { QueryError } from '../../adapters/sqlite/read-models.ts';
import { CertificateError } from '../certify/certificate.ts';
import { ProbeError } from '../certify/probe.ts';
import { BarsFileError } from '../../adapters/broker/bars/csv.ts';
import { BrokerOptionError } from '../../adapters/broker/options.ts';
import { BrokerReadError } from '../../domain/broker.ts';
import { EventFormatError } from '../../domain/events.ts';
import { InstrumentError } from '../../domain/instruments.ts';
import { StoreError } from '../../domain/log.ts';
import type { Row } from '../../domain/projection.ts';
import { FeatureSetError } from '../../models/features/catalogue.ts';
import { EXIT } from '../daemon/runtime.ts';
import manifest from '../../package.json' with { type: 'json' };

/** Recorded with every event as the build that wrote it. */
export const BUILD = `reckoner ${manifest.version}`;
export const DEFAULT_CONFIG_FILE = 'reckoner.yaml';

export interface ConfigOption {
  readonly config: string;
}

export const load = (options: ConfigOption): LoadedConfig => loadConfig({ file: options.config, environment: process.env });

/** Data goes to stdout, alone; everything else to stderr. */
export const say = (line: string): void => void process.stdout.write(`${line}\n`);
export const sayJson = (value: unknown): void => say(JSON.stringify(value, null, 2));
export const warn = (line: string): void => void process.stderr.write(`${line}\n`);

/** Raised for a command that cannot be carried out as it was put (exit 64). */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The exit code that goes with a failure; each class of error has one meaning. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ConfigError || error instanceof TokenError || error instanceof InstrumentError || error instanceof FeatureSetError || error instanceof CertificateError) return EXIT.config;
  if (error instanceof StoreError || error instanceof EventFormatError) return EXIT.store;
  if (error instanceof UsageError || error instanceof QueryError || error instanceof BarsFileError || error instanceof BrokerOptionError) return EXIT.usage;
  if (error instanceof DaemonNotRunningError || error instanceof LockstepError || error instanceof BrokerReadError || error instanceof ProbeError) return EXIT.unreachable;
  if (error instanceof ControlRequestError) return EXIT.tryAgain;
  return 1;
}

/** Rows as aligned columns. */
export function table(rows: readonly Row[]): string {
  if (rows.length === 0) return '(no rows)';
  const columns = Object.keys(rows[0]!);
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? '')))];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]!.length)));
  return cells.map((line) => line.map((cell, index) => cell.padEnd(widths[index]!)).join('  ').trimEnd()).join('\n');
}

/** Counts by name, in the order of the names. */
export const listed = (counts: { readonly [name: string]: number }): string =>
  Object.entries(counts).sort().map(([name, count]) => `${name} ${count}`).join(', ') || 'none';

/** Rows as CSV; a cell with a comma, a quote or a line break is quoted. */
export function csv(rows: readonly Row[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const quote = (cell: string): string => (/[",\n\r]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? '')))].map((line) => line.map(quote).join(',')).join('\n');
}
