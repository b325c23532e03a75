/** The table of one projection in SQLite: its statements, and rows in and out. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { StoreError } from '../../domain/log.ts';
import type { Projection, Row } from '../../domain/projection.ts';

const NAME = /^[a-z][a-z0-9_]*$/i;
const OWN_TABLES: ReadonlySet<string> = new Set(['meta', 'events', 'streams', 'projections']);

export const quoted = (name: string): string => `"${name}"`;

/** Refuses names that could not stand in a statement or would hit a table of the log. */
function checkNames(projection: Projection): void {
  const columns = Object.keys(projection.columns);
  for (const name of [projection.name, ...columns]) {
    if (!NAME.test(name)) throw new StoreError(`projection ${projection.name}: "${name}" is no name for a table or column; use letters, digits and _`);
  }
  if (OWN_TABLES.has(projection.name)) throw new StoreError(`projection ${projection.name}: the name belongs to a table of the log`);
  if (projection.columns[projection.key] !== 'TEXT') throw new StoreError(`projection ${projection.name}: its key "${projection.key}" must be one of its TEXT columns`);
}

/** What must be equal for stored rows to be of use: the projection's version and its columns. */
export const shapeOf = (projection: Projection): string => JSON.stringify({ version: projection.version, key: projection.key, columns: projection.columns });

/** @throws StoreError for a row with a cell that no projection can have written. */
export function toRow(cells: { readonly [column: string]: SQLOutputValue }): Row {
  for (const [column, cell] of Object.entries(cells)) {
    if (cell !== null && typeof cell !== 'string' && typeof cell !== 'number') throw new StoreError(`column ${column} holds a ${typeof cell}: the table was altered; rebuild the read models`);
  }
  return { ...cells } as Row;
}

/** Rows kept in memory for each table: a fold touches the same few again and again. */
const ROWS_CACHED_MAX = 256;

export class ProjectionTable {
  readonly projection: Projection;
  /** Rows as this writer last left them, the longest untouched first; nobody else writes. */
  readonly #cached = new Map<string, Row | null>();
  readonly #columns: readonly string[];
  readonly #select: StatementSync;
  readonly #upsert: StatementSync;
  readonly #delete: StatementSync;

  /** Prepares the statements; the table must stand. */
  constructor(database: DatabaseSync, projection: Projection) {
    const table = quoted(projection.name);
    const key = quoted(projection.key);
    this.projection = projection;
    this.#columns = Object.keys(projection.columns);
    this.#select = database.prepare(`SELECT ${this.#columns.map(quoted).join(', ')} FROM ${table} WHERE ${key} = ?`);
    this.#upsert = database.prepare(`INSERT OR REPLACE INTO ${table} (${this.#columns.map(quoted).join(', ')}) VALUES (${this.#columns.map(() => '?').join(', ')})`);
    this.#delete = database.prepare(`DELETE FROM ${table} WHERE ${key} = ?`);
  }

  static create(database: DatabaseSync, projection: Projection): void {
    checkNames(projection);
    const columns = Object.entries(projection.columns).map(([name, type]) => `${quoted(name)} ${type}${name === projection.key ? ' PRIMARY KEY' : ''}`);
    database.exec(`CREATE TABLE ${quoted(projection.name)} (${columns.join(', ')}) STRICT, WITHOUT ROWID`);
  }

  static stands(database: DatabaseSync, projection: Projection): boolean {
    return database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(projection.name) !== undefined;
  }

  static drop(database: DatabaseSync, projection: Projection): void {
    checkNames(projection);
    database.exec(`DROP TABLE IF EXISTS ${quoted(projection.name)}`);
  }

  load(key: string): Row | null {
    const cached = this.#cached.get(key);
    if (cached !== undefined) return cached;
    const cells = this.#select.get(key);
    return cells === undefined ? null : toRow(cells);
  }

  /** Forgets what was stored and then rolled back. */
  forget(): void {
    this.#cached.clear();
  }

  #remember(key: string, row: Row | null): void {
    this.#cached.delete(key);
    this.#cached.set(key, row);
    if (this.#cached.size > ROWS_CACHED_MAX) this.#cached.delete(this.#cached.keys().next().value!);
  }

  /** Writes a row, or removes it where null. A column that the row lacks is an error, not a NULL. */
  store(key: string, row: Row | null): void {
    if (row === null) {
      this.#delete.run(key);
      this.#remember(key, null);
      return;
    }
    const cells = this.#columns.map((column) => {
      const cell = row[column];
      if (cell === undefined) throw new TypeError(`${this.projection.name}: the row ${key} lacks the column ${column}`);
      return cell;
    });
    if (row[this.projection.key] !== key) throw new TypeError(`${this.projection.name}: the row ${key} names itself ${String(row[this.projection.key])}`);
    this.#upsert.run(...cells);
    this.#remember(key, row);
  }
}
