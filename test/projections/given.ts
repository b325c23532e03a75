/** Folds domain events into all read models, by way of sealed events as a store would hold them. */
import { MemoryReadModels } from '../../adapters/memory/read-models.ts';
import { CATALOGUE } from '../../domain/events.ts';
import type { DataOf, DomainEvent, EventType } from '../../domain/events.ts';
import { GENESIS_HASH, sealEvent } from '../../domain/log.ts';
import type { EventDraft, Metadata, RecordedEvent } from '../../domain/log.ts';
import type { Row } from '../../domain/projection.ts';
import type { Json } from '../../domain/canonical.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';

export type Step = { readonly event: DomainEvent; readonly metadata?: Partial<Metadata> };

export const step = <T extends EventType>(type: T, data: DataOf<T>, metadata: Partial<Metadata> = {}): Step => ({ event: { type, data } as DomainEvent, metadata });

export const transaction = (id: number, body: { readonly [field: string]: Json }): Step =>
  step('BrokerTransactionRecorded', { transactionId: String(id), body: { id: String(id), ...body } });

/** Sequence n happened n seconds after 12:00:00. */
export const timeAt = (sequence: number): string => `2026-01-05T12:00:${String(sequence).padStart(2, '0')}.000000000Z`;

export function draftFrom({ event, metadata = {} }: Step, sequence: number): EventDraft {
  return {
    id: `event-${sequence}`,
    type: event.type,
    schemaVersion: CATALOGUE[event.type].version,
    data: event.data,
    metadata: {
      sequence, correlationId: 'c', causationId: null, occurredAt: timeAt(sequence), recordedAt: timeAt(sequence), monotonicNs: '0', clockOffsetMs: 0, actor: 'daemon', runId: 'run-1', epoch: 1,
      build: 'test', configHash: GENESIS_HASH, modelHash: GENESIS_HASH, ...metadata,
    },
  };
}

export const recordedOf = (one: Step, sequence: number): RecordedEvent => ({ position: sequence, ...sealEvent(draftFrom(one, sequence), 'test-stream', sequence, GENESIS_HASH) });

export function given(...steps: readonly Step[]): (projection: string) => readonly Row[] {
  const models = new MemoryReadModels(ALL_PROJECTIONS);
  models.fold(steps.map(recordedOf));
  return (projection) => [...models.allRows(projection)];
}
