/**
 * One daemon for a data directory. The lock is SQLite's own exclusive lock on a small file of its own, held by
 * an open transaction: the kernel frees it when the process ends in whatever way, kill -9 included, so there is
 * never a stale lock to remove by hand.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../../domain/log.ts';
import { sqliteCode, storeError } from './database.ts';

const SQLITE_BUSY = 5;

export interface InstanceLock {
  release(): void;
}

/** @throws StoreError at once when another process (or another store of this one) holds the directory. */
export function lockDirectory(directory: string): InstanceLock {
  const file = join(directory, 'instance.lock');
  let holder: DatabaseSync | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    holder = new DatabaseSync(file, { timeout: 0 });
    holder.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    holder?.close();
    if (sqliteCode(error) === SQLITE_BUSY) {
      throw new StoreError(`${directory} is in use by another daemon: stop that one first, or give this one a data directory of its own`, { cause: error });
    }
    throw storeError(error, `locking ${file}`);
  }
  const held = holder;
  return { release: () => held.close() };
}
