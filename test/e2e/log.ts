/** What a test reads of a log, beside or after the daemon that writes it. */
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import type { EventOf, EventType } from '../../domain/events.ts';
import type { LogVerdict } from '../../domain/log.ts';
import type { ProjectedEvent } from '../../domain/projection.ts';
import { eventsOf } from '../../src/daemon/recovery.ts';

export interface Log {
  readonly events: readonly ProjectedEvent[];
  readonly headHash: string;
  readonly verdict: LogVerdict;
}

/** Every event, checked and parsed, and the verdict on the chains. */
export async function readLog(directory: string): Promise<Log> {
  const store = openSqliteStore({ directory, projections: [], readOnly: true });
  try {
    const events: ProjectedEvent[] = [];
    for await (const event of eventsOf(store)) events.push(event);
    return { events, headHash: (await store.head()).hash, verdict: await store.verify() };
  } finally {
    await store.close();
  }
}

/** The events of one type, in order. */
export const ofType = <Type extends EventType>(log: Log, type: Type): readonly EventOf<Type>[] =>
  log.events.flatMap(({ event }) => (event.type === type ? [event as EventOf<Type>] : []));
