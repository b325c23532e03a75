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

/** Every row of the log in order, a page at a time. */
export async function* rowsOf(store: LogReader): AsyncGenerator<RecordedEvent> {
  for (let after = -1; ; ) {
    const page = await store.readAll(after, PAGE_EVENTS);
    if (page.length === 0) return;
    yield* page;
    after = page.at(-1)!.position;
  }
}

/** Every event of the log in order. */
export async function* eventsOf(store: LogReader): AsyncGenerator<ProjectedEvent> {
  for await (const recorded of rowsOf(store)) yield readRecorded(recorded);
}

/** The desk as the log leaves it. */
export async function recoverDesk(store: EventStore, settings: DeskSettings): Promise<DeskState> {
  let state = initialDesk(settings);
  for await (const { event, metadata } of eventsOf(store)) state = evolveDesk(state, event, parseInstant(metadata.occurredAt, 'occurredAt'));
  return state;
}
