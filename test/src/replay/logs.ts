/** Logs to replay: written anew with one value changed, each with a chain of hashes of its own that is whole. */
import { openMemoryStore } from '../../../adapters/memory/store.ts';
import type { Json } from '../../../domain/canonical.ts';
import type { EventDraft, EventStore, Metadata, RecordedEvent } from '../../../domain/log.ts';

interface Data {
  [key: string]: Json;
}
export interface Row {
  readonly type: string;
  schemaVersion: number;
  data: Data;
  readonly metadata: { configHash: string };
}
/** Changes a row in place. */
export type Change = (row: Row, index: number) => void;

/** The value at a path such as `search.visits.1`. */
export function valueAt(data: Data, path: string): Json {
  return path.split('.').reduce<Json>((value, key) => (value as Data)[key]!, data);
}

export function setAt(data: Data, path: string, value: Json): void {
  const keys = path.split('.');
  const last = keys.pop()!;
  (keys.length === 0 ? data : (valueAt(data, keys.join('.')) as Data))[last] = value;
}

function draftOf(event: RecordedEvent, index: number, change: Change): EventDraft {
  const { prevHash: _prevHash, ...metadata } = JSON.parse(event.metadataJson) as Metadata & { readonly prevHash: string };
  const row = { type: event.type, schemaVersion: event.schemaVersion, data: JSON.parse(event.dataJson) as Data, metadata };
  change(row, index);
  return { id: event.id, ...row };
}

/** Writes events into an empty store, changed. */
export async function rewrite(events: readonly RecordedEvent[], change: Change, into: EventStore = openMemoryStore({ hashing: 'chain' })): Promise<EventStore> {
  const batch = events.map((event, index) => ({ stream: event.stream, expectedRevision: event.revision - 1, events: [draftOf(event, index, change)] }));
  const outcome = await into.append(batch);
  if (outcome.kind !== 'appended') throw new Error(`the rewritten log was not appended: ${JSON.stringify(outcome)}`);
  return into;
}

export async function allOf(store: Pick<EventStore, 'readAll'>): Promise<readonly RecordedEvent[]> {
  return store.readAll(-1, 1_000_000);
}

/** Changes the `nth` event of a type alone. */
export function nthOf(type: string, nth: number, change: (data: Data, row: Row) => void): Change {
  let seen = 0;
  return (row) => {
    if (row.type !== type) return;
    if (seen === nth) change(row.data, row);
    seen += 1;
  };
}
