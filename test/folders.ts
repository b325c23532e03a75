/** New folders for tests, removed when what they serve has ended. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, onTestFinished } from 'vitest';

/** `ended` is called with what removes the folder. */
function folderUntil(ended: (remove: () => void) => void): string {
  const folder = mkdtempSync(join(tmpdir(), 'reckoner-'));
  ended(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** For the test that asks for it; to be called while it runs. */
export const folderForTest = (): string => folderUntil((remove) => onTestFinished(remove));
/** For all tests of a file; to be called at its top level. */
export const folderForFile = (): string => folderUntil((remove) => afterAll(remove));
