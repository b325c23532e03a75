/**
 * The way to halt a daemon that does not listen: a file called HALT beside its control socket or in its data
 * directory. Its presence halts, whatever it holds; a place that cannot be looked into halts as well.
 */
import { lstatSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const HALT_FILE_NAME = 'HALT';
const TEXT_MAX = 1_000;

export interface HaltFile {
  /** Why to halt, for the log; null when no file is there. */
  find(): string | null;
  /** Removes the file wherever it is. @returns null when none is left, else why there is one and what to do. */
  remove(): string | null;
}

const reason = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? String(error);

/** What the file says of itself, on one line; whatever keeps it from being read does not keep it from halting. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8').slice(0, TEXT_MAX).replace(/\p{Cc}+/gu, ' ').trim();
  } catch (error) {
    return `it cannot be read: ${reason(error)}`;
  }
}

function findAt(path: string): string | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined ? null : `${path} is there: ${textOf(path)}`;
  } catch (error) {
    return `${path} cannot be looked for (${reason(error)}): give the daemon its directory back`;
  }
}

function removeAt(path: string): string | null {
  try {
    rmSync(path, { force: true, recursive: false });
    return null;
  } catch (error) {
    return `${path} cannot be removed (${reason(error)}): remove it by hand, then resume`;
  }
}

/** @param directories those that the tool may have written to; a directory that is not there holds no file. */
export function haltFileIn(directories: readonly string[]): HaltFile {
  const paths = [...new Set(directories)].map((directory) => join(directory, HALT_FILE_NAME));
  const first = (look: (path: string) => string | null): string | null => paths.map(look).find((found) => found !== null) ?? null;
  return { find: () => first(findAt), remove: () => first(removeAt) };
}
