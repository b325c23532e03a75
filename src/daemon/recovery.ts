/** Folding the log: what the daemon knows when it starts, and what a replay rebuilds. */
import type { DeskState } from '../../domain/desk/state.ts';
import { evolveDesk } from '../../domain/desk/evolve.ts';
import { initialDesk } from '../../domain/desk/state.ts';
import { parseEvent } from '../../domain/events.ts';
import type { EventStore, Metadata, RecordedEvent } from '../../domain/log.ts';
import type { DeskSettings } from '../../domain/settings.ts';
import { parseInstant } from '../../domain/time.ts';
import type { ProjectedEvent } from '../../domain/projection.ts';

const PAGE_EVENTS = 2_000;

/** An event as stored, read and checked. @throws EventFormatError naming stream and revision. */
export function readRecorded(recorded: RecordedEvent): ProjectedEvent {
  const where = `${recorded.stream}@${recorded.revision}`;
  return {
    recorded,
    event: parseEvent(recorded.type, recorded.schemaVersion, JSON.parse(recorded.dataJson), where),
    metadata: JSON.parse(recorded.metadataJson) as Metadata,
  };
}

/** As much of a store as reading it takes. */
export type LogReader = Pick<EventStore, 'head' | 'readAll'>;

/** Every row of the log behind a position in order, a page at a time. */
export async function* rowsOf(store: LogReader, afterPosition = -1): AsyncGenerator<RecordedEvent> {
  for (let after = afterPosition; ; ) {
    const page = await store.readAll(after, PAGE_EVENTS);
    if (page.length === 0) return;
    yield* page;
    after = page.at(-1)!.position;
  }
}

/** Every event of the log behind a position in order. */
export async function* eventsOf(store: LogReader, afterPosition = -1): AsyncGenerator<ProjectedEvent> {
  for await (const recorded of rowsOf(store, afterPosition)) yield readRecorded(recorded);
}

/** The desk as the log leaves it. @param known how it was left at a position; null for the log's beginning. */
export async function recoverDesk(store: LogReader, settings: DeskSettings, known: { readonly position: number; readonly state: DeskState } | null): Promise<DeskState> {
  let state = known?.state ?? initialDesk(settings);
  for await (const { event, metadata } of eventsOf(store, known?.position)) state = evolveDesk(state, event, parseInstant(metadata.occurredAt, 'occurredAt'));
  return state;
}
