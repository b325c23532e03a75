/** Reading events and heads out of a log's database. Pages come as arrays; no cursor stays open between calls. */
import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { StoreError } from '../../domain/log.ts';
import type { RecordedEvent, StreamHead, StreamName } from '../../domain/log.ts';

const COLUMNS = 'position, stream, revision, id, type, schema_version, data, metadata, hash';

export interface EventReader {
  /** At most `countMax` events behind a position, in order. */
  page(afterPosition: number, countMax: number): readonly RecordedEvent[];
  stream(stream: StreamName, fromRevision: number, countMax: number): readonly RecordedEvent[];
  heads(): readonly StreamHead[];
  /** The heads as they were when the log ended at `sequence`, worked back from the present ones. */
  headsAt(sequence: number, heads: readonly StreamHead[]): readonly StreamHead[];
  /** Position of the last event; -1 for an empty log. */
  headPosition(): number;
}

type Cells = readonly SQLOutputValue[];

/** STRICT columns hold what they declare, so the casts only name what SQLite has enforced. */
const toEvent = (cells: Cells): RecordedEvent => ({
  position: cells[0] as number,
  stream: cells[1] as string,
  revision: cells[2] as number,
  id: cells[3] as string,
  type: cells[4] as string,
  schemaVersion: cells[5] as number,
  dataJson: cells[6] as string,
  metadataJson: cells[7] as string,
  hash: cells[8] as string,
});

const toHead = (cells: Cells): StreamHead => ({ stream: cells[0] as string, revision: cells[1] as number, hash: cells[2] as string });

export function readEvents(database: DatabaseSync): EventReader {
  const prepare = (sql: string) => {
    const statement = database.prepare(sql);
    statement.setReturnArrays(true);
    return { all: (...values: (string | number)[]) => statement.all(...values) as unknown as readonly Cells[] };
  };
  const page = prepare(`SELECT ${COLUMNS} FROM events WHERE position > ? ORDER BY position LIMIT ?`);
  const stream = prepare(`SELECT ${COLUMNS} FROM events WHERE stream = ? AND revision >= ? ORDER BY revision LIMIT ?`);
  const heads = prepare('SELECT stream, revision, hash FROM streams ORDER BY stream');
  const position = prepare('SELECT position FROM events ORDER BY position DESC LIMIT 1');
  const firstAfter = prepare('SELECT stream, min(revision) FROM events WHERE position > ? GROUP BY stream');
  const hashOf = prepare('SELECT stream, revision, hash FROM events WHERE stream = ? AND revision = ?');

  return {
    page: (afterPosition, countMax) => page.all(afterPosition, countMax).map(toEvent),
    stream: (name, fromRevision, countMax) => stream.all(name, fromRevision, countMax).map(toEvent),
    heads: () => heads.all().map(toHead),
    headPosition: () => (position.all()[0]?.[0] ?? -1) as number,
    headsAt(sequence, present) {
      const then = new Map(present.map((head) => [head.stream, head]));
      for (const [name, revision] of firstAfter.all(sequence)) {
        const first = revision as number;
        then.delete(name as string);
        if (first === 0) continue;
        const before = hashOf.all(name as string, first - 1)[0];
        if (before === undefined) throw new StoreError(`stream ${String(name)} lacks revision ${first - 1}: events were removed; verify the log, then restore a backup`);
        then.set(name as string, toHead(before));
      }
      return [...then.values()];
    },
  };
}
