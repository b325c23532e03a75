/** Read-only queries over the read models, beside a running daemon. */
import type { DatabaseSync} from 'node:sqlite';
import { constants } from 'node:sqlite';
import type { Row } from '../../domain/projection.ts';
import { openForReading, storeError } from './database.ts';
import { quoted, toRow } from './tables.ts';

const ROWS_DEFAULT = 1_000;
const ROWS_MAX = 100_000;
const SCAN_PAGE_ROWS = 2_000;

/** A question that cannot be answered as it was put; the store is well. */
export class QueryError extends Error {
  override readonly name = 'QueryError';
}

export interface RowQuery {
  /** Columns that must equal a value. */
  readonly where?: Row;
  readonly orderBy?: { readonly column: string; readonly direction: 'ascending' | 'descending' };
  /** At most this many rows; 1,000 unless told, never over 100,000. */
  readonly limit?: number;
}

export interface ProjectionStatus {
  readonly name: string;
  /** Position of the last event in the rows; -1 for none. */
  readonly position: number;
  /** `live` rows move with the log; `behind` are catching up; `away` belong to a projection that the running build lacks. */
  readonly state: 'live' | 'behind' | 'away' | 'broken';
  /** Why it stopped; null while it works. */
  readonly broken: string | null;
}

export interface ReadModels {
  rows(projection: string, query?: RowQuery): readonly Row[];
  /** Every row, ordered by its key's UTF-8 bytes. */
  allRows(projection: string): Iterable<Row>;
  status(): readonly ProjectionStatus[];
  /** Position of the log's last event; -1 for an empty log. */
  headPosition(): number;
  /** One SELECT of the operator's; at most `limit` rows (1,000 unless told). It can change nothing and open no other file. */
  sql(query: string, limit?: number): { readonly rows: readonly Row[]; readonly truncated: boolean };
  /** Runs queries that must all see the same instant. */
  atOnce<Result>(work: () => Result): Result;
  close(): void;
}

/** @throws StoreError when the directory holds no log that this build can read. */
export function openReadModels(directory: string): ReadModels {
  const database = openForReading(directory);
  // Reading the log must not become a way to read other files: only reads are allowed from here on.
  const allowed = new Set([constants.SQLITE_SELECT, constants.SQLITE_READ, constants.SQLITE_FUNCTION, constants.SQLITE_RECURSIVE, constants.SQLITE_TRANSACTION]);
  database.setAuthorizer((action) => (allowed.has(action) ? constants.SQLITE_OK : constants.SQLITE_DENY));
  return new SqliteReadModels(database, directory);
}

class SqliteReadModels implements ReadModels {
  readonly #database: DatabaseSync;
  readonly #directory: string;

  constructor(database: DatabaseSync, directory: string) {
    this.#database = database;
    this.#directory = directory;
  }

  #shape(projection: string): { readonly key: string; readonly columns: readonly string[] } {
    const kept = this.#database.prepare('SELECT shape FROM projections WHERE name = ?').get(projection)?.['shape'];
    if (typeof kept !== 'string') throw new QueryError(`there is no read model "${projection}"; there are ${this.status().map((one) => one.name).join(', ')}`);
    const shape = JSON.parse(kept) as { readonly key: string; readonly columns: { readonly [column: string]: string } };
    return { key: shape.key, columns: Object.keys(shape.columns) };
  }

  rows(projection: string, query: RowQuery = {}): readonly Row[] {
    const { key, columns } = this.#shape(projection);
    const where = Object.entries(query.where ?? {});
    const orderBy = query.orderBy ?? { column: key, direction: 'ascending' };
    for (const column of [orderBy.column, ...where.map(([name]) => name)]) {
      if (!columns.includes(column)) throw new QueryError(`${projection} has no column "${column}"; it has ${columns.join(', ')}`);
    }
    const conditions = where.length === 0 ? '' : `WHERE ${where.map(([column]) => `${quoted(column)} IS ?`).join(' AND ')}`;
    const direction = orderBy.direction === 'descending' ? 'DESC' : 'ASC';
    const statement = this.#database.prepare(
      `SELECT ${columns.map(quoted).join(', ')} FROM ${quoted(projection)} ${conditions} ORDER BY ${quoted(orderBy.column)} ${direction}, ${quoted(key)} ${direction} LIMIT ?`,
    );
    return statement.all(...where.map(([, value]) => value), checkedLimit(query.limit)).map(toRow);
  }

  *allRows(projection: string): Generator<Row> {
    const { key, columns } = this.#shape(projection);
    const select = `SELECT ${columns.map(quoted).join(', ')} FROM ${quoted(projection)}`;
    const first = this.#database.prepare(`${select} ORDER BY ${quoted(key)} LIMIT ${SCAN_PAGE_ROWS}`);
    const next = this.#database.prepare(`${select} WHERE ${quoted(key)} > ? ORDER BY ${quoted(key)} LIMIT ${SCAN_PAGE_ROWS}`);
    for (let page = first.all(); page.length > 0; page = next.all(String(page.at(-1)![key]))) {
      for (const cells of page) yield toRow(cells);
    }
  }

  status(): readonly ProjectionStatus[] {
    const rows = this.#database
      .prepare(`SELECT name, state, CASE state WHEN 'live' THEN coalesce((SELECT max(position) FROM events), -1) ELSE position END AS position, broken FROM projections ORDER BY name`)
      .all();
    return rows.map((row) => ({ name: String(row['name']), state: row['state'] as ProjectionStatus['state'], position: Number(row['position']), broken: row['broken'] === null ? null : String(row['broken']) }));
  }

  headPosition(): number {
    return Number(this.#database.prepare('SELECT position FROM events ORDER BY position DESC LIMIT 1').get()?.['position'] ?? -1);
  }

  sql(query: string, limit?: number): { readonly rows: readonly Row[]; readonly truncated: boolean } {
    const rowsMax = checkedLimit(limit);
    const rows: Row[] = [];
    try {
      // Stepping keeps a query over the whole log from filling the memory before its rows can be counted.
      for (const cells of this.#database.prepare(query).iterate()) {
        if (rows.length === rowsMax) return { rows, truncated: true };
        rows.push(toRow(cells));
      }
    } catch (error) {
      if (error instanceof QueryError) throw error;
      throw new QueryError(`the query failed: ${error instanceof Error ? error.message : String(error)}; only SELECT is allowed`, { cause: error });
    }
    return { rows, truncated: false };
  }

  atOnce<Result>(work: () => Result): Result {
    this.#database.exec('BEGIN');
    try {
      return work();
    } finally {
      this.#database.exec('COMMIT');
    }
  }

  close(): void {
    try {
      this.#database.close();
    } catch (error) {
      throw storeError(error, `closing the read models in ${this.#directory}`);
    }
  }
}

function checkedLimit(limit = ROWS_DEFAULT): number {
  if (!Number.isInteger(limit) || limit < 1 || limit > ROWS_MAX) throw new QueryError(`a limit must be a whole number from 1 to ${ROWS_MAX}, not ${limit}`);
  return limit;
}
