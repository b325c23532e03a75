/** Folding events into the rows of a projection, for every store of rows alike. */
import { CATALOGUE, parseEvent } from './events.ts';
import type { DomainEvent } from './events.ts';
import type { EventDraft, Metadata, RecordedEvent } from './log.ts';
import type { ProjectedEvent, Projection, Row } from './projection.ts';

/**
 * A stored event as projections see it; null for a type or version of a later build, which read models pass
 * over (the build that knows it raises the version of each projection that uses it).
 *
 * The data is taken as it was stored, unlike where the log is traded on: checking every field of every event
 * would cost a replay more than all projections together, and rows serve people only.
 *
 * @param draft what the stored bytes were made of, where they were made just now: it saves reading them back.
 */
export function projectedOf(recorded: RecordedEvent, draft?: EventDraft): ProjectedEvent | null {
  const entry = Object.hasOwn(CATALOGUE, recorded.type) ? CATALOGUE[recorded.type as keyof typeof CATALOGUE] : undefined;
  if (entry?.version !== recorded.schemaVersion) return null;
  const { type } = recorded;
  return draft === undefined ? new StoredEvent(recorded) : { event: { type, data: draft.data } as DomainEvent, recorded, metadata: draft.metadata };
}

/** Parses the metadata only when asked: few projections look at it. */
class StoredEvent implements ProjectedEvent {
  readonly event: DomainEvent;
  readonly recorded: RecordedEvent;
  #metadata: Metadata | undefined;

  constructor(recorded: RecordedEvent) {
    this.recorded = recorded;
    this.event = { type: recorded.type, data: JSON.parse(recorded.dataJson) as unknown } as DomainEvent;
  }

  get metadata(): Metadata {
    this.#metadata ??= JSON.parse(this.recorded.metadataJson) as Metadata;
    return this.#metadata;
  }
}

/** Rows of one projection that a fold has touched; null for a row that was removed or never stood. */
export type TouchedRows = Map<string, Row | null>;

/**
 * Applies one event to a projection's rows; `load` fetches a row that this fold has not touched yet.
 *
 * @throws EventFormatError when the projection fails on an event that does not fit its own schema, and else
 * whatever the projection throws.
 */
export function foldEvent(projection: Projection, projected: ProjectedEvent, rows: TouchedRows, load: (key: string) => Row | null): void {
  try {
    for (const key of projection.keysOf(projected)) {
      const touched = rows.get(key);
      const before = touched === undefined ? load(key) : touched;
      rows.set(key, projection.apply(before, projected, key));
    }
  } catch (error) {
    const { recorded, event } = projected;
    parseEvent(recorded.type, recorded.schemaVersion, event.data, `${recorded.stream}@${recorded.revision}`);
    throw error;
  }
}
