/** Options of the command line, read: what cannot be meant is refused by the option's name. */
import { UsageError } from './common.ts';

/** @throws UsageError */
export function numberOption(text: string, option: string, least: number, most: number): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= least && value <= most)) throw new UsageError(`--${option} must be a number from ${least} to ${most}, not "${text}"`);
  return value;
}

/** @throws UsageError */
export function wholeOption(text: string, option: string, least: number, most: number): number {
  const value = numberOption(text, option, least, most);
  if (!Number.isInteger(value)) throw new UsageError(`--${option} must be a whole number, not "${text}"`);
  return value;
}

/** The spread around a file of mid prices. @throws UsageError */
export const spreadOption = (text: string): number => numberOption(text, 'spread-pips', 0, 1_000);

/**
 * Files of bars by instrument: `FILE` holds the one instrument that there is, `NAME=FILE` one of several.
 *
 * @param names the instruments asked for; the first of none is `otherwise`.
 * @throws UsageError for a file that does not say what it holds, and for two of one instrument.
 */
export function filesByInstrument(given: readonly string[], names: readonly string[], otherwise: string): { readonly [instrument: string]: string } {
  const files: { [instrument: string]: string } = {};
  for (const text of given) {
    const named = /^([A-Z0-9]+_[A-Z0-9]+)=(.+)$/.exec(text);
    if (named === null && (given.length > 1 || names.length > 1)) throw new UsageError(`--bars ${text} does not say which instrument it holds: give --bars NAME=FILE for each`);
    const name = named?.[1] ?? names[0] ?? otherwise;
    if (name in files) throw new UsageError(`--bars gives ${name} two files; give one`);
    files[name] = named?.[2] ?? text;
  }
  return files;
}
