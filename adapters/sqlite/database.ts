/** Opening the log's SQLite file: settings, the format's version, and errors in words that name a remedy. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../../domain/log.ts';

/** Written into the file's header, so that another program's database is never taken for a log: "RKNR". */
const APPLICATION_ID = 0x52_4b_4e_52;
/** Raised when the tables change; an older build refuses a file of a newer one. */
const FORMAT_VERSION = 1;
const BUSY_TIMEOUT_MS = 5_000;
/** An append touches about five pages and each is written whole: half of SQLite's usual 4096 is written faster. */
const PAGE_BYTES = 2_048;

/** SQLite's primary result codes that matter here. */
const SQLITE_BUSY = 5;
const SQLITE_CORRUPT = 11;
const SQLITE_IOERR = 10;
const SQLITE_FULL = 13;
const SQLITE_NOMEM = 7;
const SQLITE_NOTADB = 26;

const TABLES = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    data TEXT NOT NULL,
    metadata TEXT NOT NULL,
    hash TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX events_of_stream ON events (stream, revision);
  CREATE TABLE streams (stream TEXT PRIMARY KEY, revision INTEGER NOT NULL, hash TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE projections (
    name TEXT PRIMARY KEY,
    shape TEXT NOT NULL,
    state TEXT NOT NULL,
    position INTEGER NOT NULL,
    broken TEXT
  ) STRICT, WITHOUT ROWID;
`;

export const databaseFile = (directory: string): string => join(directory, 'log.sqlite');

/** The primary result code of an error that SQLite raised; null for any other error. */
export function sqliteCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}

/** Is the disk or the file to blame, and not the statement? SQLite may have ended the transaction by itself. */
export function isMediaFailure(error: unknown): boolean {
  const code = sqliteCode(error);
  return code === SQLITE_IOERR || code === SQLITE_FULL || code === SQLITE_NOMEM || code === SQLITE_CORRUPT || code === SQLITE_NOTADB;
}

/** Puts an error of SQLite into a StoreError that says what to do. */
export function storeError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const remedies = new Map<number, string>([
    [SQLITE_FULL, 'the disk is full: free some space and start again'],
    [SQLITE_IOERR, 'the disk failed: check it, and verify the log before trading on it'],
    [SQLITE_CORRUPT, 'the file is damaged: restore a backup and let reconciliation fill in the rest'],
    [SQLITE_NOTADB, 'the file is no SQLite database: restore a backup, or name another data directory'],
    [SQLITE_BUSY, 'another process keeps the database locked: end it and start again'],
  ]);
  const remedy = remedies.get(sqliteCode(error) ?? -1) ?? 'the store cannot be trusted until this is understood';
  return new StoreError(`${doing}: ${message}; ${remedy}`, { cause: error });
}

function pragmaNumber(database: DatabaseSync, name: string): number {
  const row = database.prepare(`PRAGMA ${name}`).get();
  return Number(row?.[name]);
}

/** Checks that an existing file is a log that this build can read. */
function checkFormat(database: DatabaseSync, file: string): void {
  if (pragmaNumber(database, 'application_id') !== APPLICATION_ID) {
    throw new StoreError(`${file} is a database of another program, not a Reckoner log: name another data directory`);
  }
  const version = pragmaNumber(database, 'user_version');
  if (version > FORMAT_VERSION) {
    throw new StoreError(`${file} has format version ${version} and this build reads up to ${FORMAT_VERSION}: run the build that wrote it, or a later one`);
  }
}

function createTables(database: DatabaseSync, deployment: string): void {
  database.exec('BEGIN IMMEDIATE');
  database.exec(TABLES);
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${FORMAT_VERSION};`);
  database.prepare('INSERT INTO meta (name, value) VALUES (?, ?)').run('deployment', deployment);
  database.exec('COMMIT');
}

const isEmpty = (database: DatabaseSync): boolean => database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get()?.['tables'] === 0;

/** @throws StoreError when the directory holds the log of another deployment. */
function checkDeployment(database: DatabaseSync, file: string, deployment: string | undefined): void {
  const held = database.prepare("SELECT value FROM meta WHERE name = 'deployment'").get()?.['value'];
  if (typeof held !== 'string') throw new StoreError(`${file} names no deployment: its meta table was altered; restore a backup`);
  if (deployment !== undefined && held !== deployment) {
    throw new StoreError(`${file} is the log of the deployment "${held}", not of "${deployment}": name another data directory`);
  }
}

/**
 * Opens the log for writing, creating directory and file on the first start.
 * The caller holds the instance lock.
 */
export function openForWriting(directory: string, deployment: string | undefined): DatabaseSync {
  const file = databaseFile(directory);
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
    if (!isEmpty(database)) checkFormat(database, file);
    if (isEmpty(database)) database.exec(`PRAGMA page_size = ${PAGE_BYTES}`);
    // FULL makes every commit wait until the write-ahead log is on the disk: an acknowledged event survives power loss.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -16000;');
    if (isEmpty(database)) createTables(database, deployment ?? 'default');
    checkDeployment(database, file, deployment);
    return database;
  } catch (error) {
    database?.close();
    throw storeError(error, `opening ${file}`);
  }
}

/** Opens an existing log without being able to change it; needs no lock and may run beside the daemon. */
export function openForReading(directory: string, deployment?: string): DatabaseSync {
  const file = databaseFile(directory);
  if (!existsSync(file)) throw new StoreError(`${file} does not exist: name the data directory of a daemon that has run`);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    if (isEmpty(database)) throw new StoreError(`${file} is empty: the daemon that created it ended before its first event`);
    checkFormat(database, file);
    database.exec('PRAGMA trusted_schema = OFF; PRAGMA query_only = ON;');
    checkDeployment(database, file, deployment);
    return database;
  } catch (error) {
    database?.close();
    throw storeError(error, `opening ${file}`);
  }
}
