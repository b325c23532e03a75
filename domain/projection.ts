/**
 * The port of read models. A projection is a table as data and a pure function over its rows; whoever stores
 * the rows (SQLite beside the log, memory in a test) decides how they are kept.
 */
import type { DomainEvent } from './events.ts';
import type { Metadata, RecordedEvent } from './log.ts';

export type CellType = 'TEXT' | 'INTEGER';
export type Row = { readonly [column: string]: string | number | null };

export interface ProjectedEvent {
  readonly event: DomainEvent;
  readonly recorded: RecordedEvent;
  readonly metadata: Metadata;
}

export interface Projection {
  /** Also the table's name. */
  readonly name: string;
  /** Raised when the meaning of a row changes; rows of another version are rebuilt. */
  readonly version: number;
  readonly columns: { readonly [column: string]: CellType };
  /** The column that names a row; TEXT. */
  readonly key: string;
  /** The rows that an event touches; empty for none. */
  keysOf(projected: ProjectedEvent): readonly string[];
  /** The row after the event; null removes it. Pure: no clock, no I/O, no memory between calls. */
  apply(row: Row | null, projected: ProjectedEvent, key: string): Row | null;
}
