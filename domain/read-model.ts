/** Folding events into the rows of a projection, for every store of rows alike. */
import { CATALOGUE, parseEvent } from './events.ts';
import type { Metadata, RecordedEvent } from './log.ts';
import type { ProjectedEvent, Projection, Row } from './projection.ts';

/**
 * A stored event as projections see it; null for a type or version of a later build, which read models pass
 * over (the build that knows it raises the version of each projection that uses it).
 *
 * @throws EventFormatError when the stored data does not fit its own schema.
 */
export function projectedOf(recorded: RecordedEvent): ProjectedEvent | null {
  const entry = Object.hasOwn(CATALOGUE, recorded.type) ? CATALOGUE[recorded.type as keyof typeof CATALOGUE] : undefined;
  if (entry?.version !== recorded.schemaVersion) return null;
  const event = parseEvent(recorded.type, recorded.schemaVersion, JSON.parse(recorded.dataJson), `${recorded.stream}@${recorded.revision}`);
  return { event, recorded, metadata: JSON.parse(recorded.metadataJson) as Metadata };
}

/** Rows of one projection that a fold has touched; null for a row that was removed or never stood. */
export type TouchedRows = Map<string, Row | null>;

/** Applies one event to a projection's rows; `load` fetches a row that this fold has not touched yet. */
export function foldEvent(projection: Projection, projected: ProjectedEvent, rows: TouchedRows, load: (key: string) => Row | null): void {
  for (const key of projection.keysOf(projected)) {
    const touched = rows.get(key);
    const before = touched === undefined ? load(key) : touched;
    rows.set(key, projection.apply(before, projected, key));
  }
}
