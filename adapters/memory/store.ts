/**
 * The event store in memory: for backtests, simulations and tests. It keeps the same promises as the durable
 * stores except durability, and gives the same hashes for the same events.
 */
import { planAppend } from '../../domain/append.ts';
import { canonicalJson } from '../../domain/canonical.ts';
import { ChainChecker, faultAtVerified } from '../../domain/chain.ts';
import { LogFeed } from '../../domain/feed.ts';
import { StoreError, headHash, sealEvent } from '../../domain/log.ts';
import type { AppendView, Seal } from '../../domain/append.ts';
import type { AppendOutcome, EventDraft, EventStore, LogHead, LogListener, LogVerdict, RecordedEvent, StreamAppend, StreamHead, StreamName, VerifyOptions } from '../../domain/log.ts';

export interface MemoryStoreOptions {
  /**
   * `chain` seals every event like a durable store. `none` is for backtests that only want speed: hashes are
   * empty strings, stored texts are made when somebody reads them (so drafts must not be changed after the
   * append) and carry no `prevHash`, `head` has an empty hash and `verify` refuses.
   */
  readonly hashing: 'chain' | 'none';
}

const PROGRESS_EVENTS = 2_000;

/** An event whose texts are made on demand. */
class UnhashedEvent implements RecordedEvent {
  readonly position: number;
  readonly stream: StreamName;
  readonly revision: number;
  readonly hash = '';
  readonly #draft: EventDraft;

  constructor(draft: EventDraft, stream: StreamName, revision: number) {
    this.position = draft.metadata.sequence;
    this.stream = stream;
    this.revision = revision;
    this.#draft = draft;
  }

  get id(): string {
    return this.#draft.id;
  }

  get type(): string {
    return this.#draft.type;
  }

  get schemaVersion(): number {
    return this.#draft.schemaVersion;
  }

  get dataJson(): string {
    return canonicalJson(this.#draft.data);
  }

  get metadataJson(): string {
    return canonicalJson({ ...this.#draft.metadata });
  }
}

const sealed: Seal<RecordedEvent> = (draft, stream, revision, prevHash) => {
  const { id, type, schemaVersion, dataJson, metadataJson, hash } = sealEvent(draft, stream, revision, prevHash);
  return { position: draft.metadata.sequence, stream, revision, id, type, schemaVersion, dataJson, metadataJson, hash };
};
const unhashed: Seal<RecordedEvent> = (draft, stream, revision) => new UnhashedEvent(draft, stream, revision);

export const openMemoryStore = (options: MemoryStoreOptions): EventStore => new MemoryStore(options.hashing);

/** Where each stream ends. */
const headsOf = (events: readonly RecordedEvent[]): readonly StreamHead[] => [...new Map(events.map(({ stream, revision, hash }) => [stream, { stream, revision, hash }])).values()];

class MemoryStore implements EventStore {
  readonly #hashing: MemoryStoreOptions['hashing'];
  readonly #events: RecordedEvent[] = [];
  readonly #streams = new Map<StreamName, RecordedEvent[]>();
  readonly #feed = new LogFeed(
    { headPosition: () => this.#events.length - 1, readPage: (after, countMax) => this.#events.slice(after + 1, after + 1 + countMax) },
    { soon: queueMicrotask, later: (task) => void setImmediate(task) },
  );
  readonly #view: AppendView;
  #closed = false;

  constructor(hashing: MemoryStoreOptions['hashing']) {
    this.#hashing = hashing;
    const [events, streams] = [this.#events, this.#streams];
    this.#view = {
      get sequence() {
        return events.length - 1;
      },
      headOf: (stream) => streams.get(stream)?.at(-1),
      recorded: (stream, from, countMax) => streams.get(stream)?.slice(from, from + countMax) ?? [],
    };
  }

  #checkUsable(): void {
    if (this.#closed) throw new StoreError('the memory store is closed');
  }

  #heads(): readonly StreamHead[] {
    return [...this.#streams.values()].map((events) => events.at(-1)!).map(({ stream, revision, hash }) => ({ stream, revision, hash }));
  }

  async append(batch: readonly StreamAppend[]): Promise<AppendOutcome> {
    return this.appendAtOnce(batch);
  }

  appendAtOnce(batch: readonly StreamAppend[]): AppendOutcome {
    this.#checkUsable();
    const plan = planAppend(batch, this.#view, this.#hashing === 'chain' ? sealed : unhashed);
    if (plan.kind === 'conflict') return plan;
    if (plan.kind === 'write') {
      for (const event of plan.events) {
        this.#events.push(event);
        const stream = this.#streams.get(event.stream);
        if (stream === undefined) this.#streams.set(event.stream, [event]);
        else stream.push(event);
      }
      this.#feed.publish(plan.events);
    }
    return { kind: 'appended', events: plan.events };
  }

  async readStream(stream: StreamName, fromRevision: number, countMax: number): Promise<readonly RecordedEvent[]> {
    this.#checkUsable();
    return this.#streams.get(stream)?.slice(fromRevision, fromRevision + countMax) ?? [];
  }

  async readAll(afterPosition: number, countMax: number): Promise<readonly RecordedEvent[]> {
    this.#checkUsable();
    return this.#events.slice(afterPosition + 1, afterPosition + 1 + countMax);
  }

  subscribe(afterPosition: number, listener: LogListener): { close(): void } {
    this.#checkUsable();
    return this.#feed.subscribe(afterPosition, listener);
  }

  async head(): Promise<LogHead> {
    this.#checkUsable();
    const streams = this.#heads();
    const last = this.#events.length - 1;
    return { sequence: last, position: last, streams, hash: this.#hashing === 'chain' ? headHash(streams) : '' };
  }

  async verify({ after: verified, progress, signal }: VerifyOptions = {}): Promise<LogVerdict> {
    this.#checkUsable();
    signal?.throwIfAborted();
    if (this.#hashing === 'none') throw new StoreError('a log without hashes cannot be verified: open the memory store with hashing "chain"');
    const from = verified?.position ?? -1;
    const headsThen = verified === undefined ? [] : headsOf(this.#events.slice(0, from + 1));
    const rewritten = verified === undefined ? null : faultAtVerified(verified, headsThen);
    if (rewritten !== null) return rewritten;
    const checker = new ChainChecker(headsThen);
    const unverified = this.#events.slice(from + 1);
    for (const [index, event] of unverified.entries()) {
      const fault = checker.check(event);
      if (fault !== null) return fault;
      if ((index + 1) % PROGRESS_EVENTS === 0 || index + 1 === unverified.length) progress?.(index + 1, unverified.length);
    }
    return checker.finish(this.#heads());
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#feed.close();
  }
}
