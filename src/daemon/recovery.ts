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
function readRecorded(recorded: RecordedEvent): ProjectedEvent {
  const where = `${recorded.stream}@${recorded.revision}`;
  return {
    recorded,
    event: parseEvent(recorded.type, recorded.schemaVersion, JSON.parse(recorded.dataJson), where),
    metadata: JSON.parse(recorded.metadataJson) as Metadata,
  };
}

/** Every event of the log behind a position in order, a page at a time. */
export async function* eventsOf(store: EventStore, afterPosition = -1): AsyncGenerator<ProjectedEvent> {
  for (let after = afterPosition; ; ) {
    const page = await store.readAll(after, PAGE_EVENTS);
    if (page.length === 0) return;
    for (const recorded of page) yield readRecorded(recorded);
    after = page.at(-1)!.position;
  }
}

/** The desk as the log leaves it, @param known the desk as it was left at a position; null for the log's beginning. */
export async function recoverDesk(store: EventStore, settings: DeskSettings, known: { readonly position: number; readonly state: DeskState } | null): Promise<DeskState> {
  let state = known?.state ?? initialDesk(settings);
  for await (const { event, metadata } of eventsOf(store, known?.position)) state = evolveDesk(state, event, parseInstant(metadata.occurredAt, 'occurredAt'));
  return state;
}
