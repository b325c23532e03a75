/**
 * The only writer of the log. It gives every fact its place (stream, revision, sequence), its circumstances
 * (times, run, epoch, build) and its name, and appends what one step told in one batch.
 */
import type { Clock } from '../../domain/clock.ts';
import type { Emission } from '../../domain/desk/inputs.ts';
import { THE_ONE_BEFORE } from '../../domain/desk/inputs.ts';
import type { EventType } from '../../domain/events.ts';
import { CATALOGUE, parseEvent } from '../../domain/events.ts';
import { derivedId, streamOf } from '../../domain/ids.ts';
import type { InstrumentName } from '../../domain/instruments.ts';
import type { AppendOutcome, EventDraft, EventStore, LogHead, RecordedEvent, StreamAppend, StreamHead, StreamName, VerifiedHead } from '../../domain/log.ts';
import { headHash, StoreError } from '../../domain/log.ts';
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
  /** Of what is durable. */
  readonly #heads: Map<StreamName, StreamHead>;
  #sequence: number;
  #position: number;
  #epoch = 0;
  #runId = 'none';
  #clockOffsetMs = 0;
  #modelHash: string;
  readonly #streams = new Map<EventType, Map<InstrumentName | null, StreamName>>();
  #printed = { monotonicNs: 0n, text: '0' };

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#sequence = options.head.sequence;
    this.#position = options.head.position;
    this.#modelHash = options.modelHash;
    this.#heads = new Map(options.head.streams.map((head) => [head.stream, head]));
    this.#revisions = new Map(options.head.streams.map((stream) => [stream.stream, stream.revision]));
  }

  /** Where the log ends, as far as it is durable. */
  head(): VerifiedHead {
    const heads = [...this.#heads.values()];
    return { sequence: heads.reduce((sum, { revision }) => sum + revision + 1, -1), position: this.#position, hash: headHash(heads) };
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
    return this.#durable(recordedBy(await this.#options.store.append(this.#batchOf(emissions))));
  }

  /** The same without a promise where the store has nothing to wait for. */
  record(emissions: readonly Emission[]): Promise<readonly RecordedEvent[]> | undefined {
    const { store } = this.#options;
    if (store.appendAtOnce === undefined) return this.append(emissions);
    this.#durable(recordedBy(store.appendAtOnce(this.#batchOf(emissions))));
    return undefined;
  }

  #durable(events: readonly RecordedEvent[]): readonly RecordedEvent[] {
    for (const event of events) this.#heads.set(event.stream, event);
    this.#position = events.at(-1)?.position ?? this.#position;
    return events;
  }

  #batchOf(emissions: readonly Emission[]): readonly StreamAppend[] {
    const batch: { stream: StreamName; expectedRevision: number; events: EventDraft[] }[] = [];
    let previousId: string | null = null;
    for (const emission of emissions) {
      const stream = this.#streamOf(emission);
      const draft = this.#draft(emission, stream, previousId);
      previousId = draft.id;
      const revision = this.#revisions.get(stream) ?? -1;
      const last = batch.at(-1);
      if (last?.stream === stream) last.events.push(draft);
      else batch.push({ stream, expectedRevision: revision, events: [draft] });
      this.#revisions.set(stream, revision + 1);
    }
    return batch;
  }

  /** Streams are few: their names are put together once. */
  #streamOf({ event, instrument }: Emission): StreamName {
    const ofType = this.#streams.get(event.type) ?? new Map<InstrumentName | null, StreamName>();
    const known = ofType.get(instrument);
    if (known !== undefined) return known;
    const stream = streamOf(event, this.#options.accountId, this.#options.deployment, instrument);
    this.#streams.set(event.type, ofType.set(instrument, stream));
    return stream;
  }

  /** In market time many facts are told at one instant. */
  #print(monotonicNs: bigint): string {
    if (monotonicNs !== this.#printed.monotonicNs) this.#printed = { monotonicNs, text: String(monotonicNs) };
    return this.#printed.text;
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
      id: emission.id ?? derivedId('event', this.#runId, String(this.#sequence)),
      type: event.type,
      schemaVersion: CATALOGUE[event.type].version,
      data,
      metadata: {
        sequence: this.#sequence,
        correlationId: emission.correlationId,
        causationId: emission.causedBy === THE_ONE_BEFORE ? previousId : emission.causedBy,
        occurredAt: formatInstant(emission.occurredAt),
        recordedAt: formatInstant(now),
        monotonicNs: this.#print(clock.monotonicNs()),
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

function recordedBy(outcome: AppendOutcome): readonly RecordedEvent[] {
  if (outcome.kind === 'conflict') {
    throw new StoreError(`stream ${outcome.stream} is at revision ${outcome.actualRevision}, not ${outcome.expectedRevision}: another writer is at work on this log`);
  }
  return outcome.events;
}
