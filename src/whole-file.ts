/** Files that are there whole or not at all: one that a crash cut short must not be taken for one. */
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';

/**
 * On the disk when it returns; a former file of the name stands until then. Nobody else can read it.
 * @throws whatever the file system says.
 */
export function writeWhole(file: string, ...parts: readonly (string | Uint8Array)[]): void {
  const temporary = `${file}.${process.pid}.tmp`;
  const descriptor = openSync(temporary, 'w', 0o600);
  try {
    for (const part of parts) writeFileSync(descriptor, part);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
}
