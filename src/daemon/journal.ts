/**
 * The only writer of the log. It gives every fact its place (stream, revision, sequence), its circumstances
 * (times, run, epoch, build) and its name, and appends what one step told in one batch.
 */
import type { Clock } from '../../domain/clock.ts';
import type { Emission } from '../../domain/desk/inputs.ts';
import { THE_ONE_BEFORE } from '../../domain/desk/inputs.ts';
import { CATALOGUE, parseEvent } from '../../domain/events.ts';
import { derivedId, eventIdOf, streamOf } from '../../domain/ids.ts';
import type { EventDraft, EventStore, LogHead, RecordedEvent, StreamAppend, StreamName } from '../../domain/log.ts';
import { StoreError } from '../../domain/log.ts';
import { formatInstant } from '../../domain/time.ts';

export interface JournalOptions {
  readonly store: EventStore;
  readonly head: LogHead;
  readonly clock: Clock;
  readonly deployment: string;
  readonly accountId: string;
  readonly build: string;
  readonly configHash: string;
  readonly modelHash: string;
  /** Hold every fact against the catalogue before it is appended. Only a log that nobody will read back may do without. */
  readonly checked?: boolean;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #revisions: Map<StreamName, number>;
  #sequence: number;
  #epoch = 0;
  #runId = 'none';
  #clockOffsetMs = 0;
  #modelHash: string;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#sequence = options.head.sequence;
    this.#modelHash = options.modelHash;
    this.#revisions = new Map(options.head.streams.map((stream) => [stream.stream, stream.revision]));
  }

  /** The broker's clock minus ours, as measured last. */
  measureClockOffset(offsetMs: number): void {
    this.#clockOffsetMs = Math.round(offsetMs);
  }

  /**
   * Appends what a step told; durable when it resolves.
   * @throws StoreError when the store failed, or somebody else has written to our streams.
   */
  async append(emissions: readonly Emission[]): Promise<readonly RecordedEvent[]> {
    const batch: { stream: StreamName; expectedRevision: number; events: EventDraft[] }[] = [];
    let previousId: string | null = null;
    for (const emission of emissions) {
      const stream = streamOf(emission.event, this.#options.accountId, this.#options.deployment, emission.instrument);
      const draft = this.#draft(emission, stream, previousId);
      previousId = draft.id;
      const revision = this.#revisions.get(stream) ?? -1;
      const last = batch.at(-1);
      if (last?.stream === stream) last.events.push(draft);
      else batch.push({ stream, expectedRevision: revision, events: [draft] });
      this.#revisions.set(stream, revision + 1);
    }
    const outcome = await this.#options.store.append(batch satisfies readonly StreamAppend[]);
    if (outcome.kind === 'conflict') {
      throw new StoreError(`stream ${outcome.stream} is at revision ${outcome.actualRevision}, not ${outcome.expectedRevision}: another writer is at work on this log`);
    }
    return outcome.events;
  }

  /** @throws EventFormatError for a fact that the catalogue would refuse when it is read back. */
  #draft(emission: Emission, stream: StreamName, previousId: string | null): EventDraft {
    const { event } = emission;
    const { clock, accountId, deployment, build, configHash } = this.#options;
    const now = clock.now();
    if (event.type === 'DaemonStarted') {
      this.#epoch = event.data.epoch;
      this.#runId = derivedId('run', accountId, deployment, String(event.data.epoch), formatInstant(now));
    }
    if (event.type === 'EpochRaised') this.#epoch = event.data.epoch;
    if (event.type === 'ModelSwapped') this.#modelHash = event.data.modelHash;
    const data = this.#options.checked === false ? event.data : parseEvent(event.type, CATALOGUE[event.type].version, event.data, `an event on its way to ${stream}`).data;
    this.#sequence += 1;
    return {
      id: emission.id ?? eventIdOf(this.#runId, String(this.#sequence)),
      type: event.type,
      schemaVersion: CATALOGUE[event.type].version,
      data,
      metadata: {
        sequence: this.#sequence,
        correlationId: emission.correlationId,
        causationId: emission.causedBy === THE_ONE_BEFORE ? previousId : emission.causedBy,
        occurredAt: formatInstant(emission.occurredAt),
        recordedAt: formatInstant(now),
        monotonicNs: String(clock.monotonicNs()),
        clockOffsetMs: this.#clockOffsetMs,
        actor: emission.actor,
        runId: this.#runId,
        epoch: this.#epoch,
        build,
        configHash,
        modelHash: this.#modelHash,
      },
    };
  }
}
