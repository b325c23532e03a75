/**
 * The event store behind a disk that fails: an append may be lost, be kept without being acknowledged, or be cut off by the
 * end of the process, which leaves the beginning of the batch. Whatever the memory store holds is what is durable.
 */
import type { AppendOutcome, EventDraft, EventStore, LogHead, LogListener, LogVerdict, RecordedEvent, StreamAppend, StreamName } from '../../domain/log.ts';
import { StoreError } from '../../domain/log.ts';

export type AppendFault = 'appendLost' | 'appendUnacknowledged' | 'noSpace' | 'ioError';

export interface StorePoints {
  /** What becomes of an append; with `killAfter` the process ends when so many of its events are durable. */
  readonly appending: (events: number) => { readonly fault: AppendFault | null; readonly killAfter: number | null };
  readonly durable: (drafts: readonly EventDraft[]) => void;
  readonly refused: () => void;
  /** Resolves unless the process ends here. */
  readonly appended: () => Promise<void>;
  readonly kill: (label: string) => Promise<never>;
}

const MESSAGES: { readonly [Fault in AppendFault]: string } = { appendLost: 'the append was lost', appendUnacknowledged: 'the disk did not answer', noSpace: 'ENOSPC: no space is left on the device', ioError: 'EIO: the disk failed' };

/** The first `count` events of a batch, as batches. */
function beginning(batch: readonly StreamAppend[], count: number): readonly StreamAppend[] {
  const kept: StreamAppend[] = [];
  let left = count;
  for (const append of batch) {
    if (left <= 0) break;
    kept.push({ ...append, events: append.events.slice(0, left) });
    left -= append.events.length;
  }
  return kept;
}

export class FaultyStore implements EventStore {
  readonly #inner: EventStore;
  readonly #points: StorePoints;
  /** After a failure nobody can say what the disk holds: like the durable store this one answers no further append. */
  #failed: AppendFault | null = null;

  constructor(inner: EventStore, points: StorePoints) {
    this.#inner = inner;
    this.#points = points;
  }

  async append(batch: readonly StreamAppend[]): Promise<AppendOutcome> {
    if (this.#failed !== null) this.#refuse(this.#failed);
    const drafts = batch.flatMap(({ events }) => events);
    const { fault, killAfter } = this.#points.appending(drafts.length);
    if (killAfter !== null) {
      const kept = beginning(batch, killAfter);
      if (kept.length > 0) await this.#commit(kept);
      return this.#points.kill(`append, ${killAfter} of ${drafts.length} events kept`);
    }
    if (fault !== null && fault !== 'appendUnacknowledged') return this.#refuse(fault);
    const outcome = await this.#commit(batch);
    if (fault !== null) return this.#refuse(fault);
    await this.#points.appended();
    return outcome;
  }

  async #commit(batch: readonly StreamAppend[]): Promise<AppendOutcome> {
    const outcome = await this.#inner.append(batch);
    if (outcome.kind === 'appended') this.#points.durable(batch.flatMap(({ events }) => events));
    return outcome;
  }

  #refuse(fault: AppendFault): never {
    this.#failed = fault;
    this.#points.refused();
    throw new StoreError(MESSAGES[fault]);
  }

  readStream(stream: StreamName, fromRevision: number, countMax: number): Promise<readonly RecordedEvent[]> {
    return this.#inner.readStream(stream, fromRevision, countMax);
  }

  readAll(afterPosition: number, countMax: number): Promise<readonly RecordedEvent[]> {
    return this.#inner.readAll(afterPosition, countMax);
  }

  subscribe(afterPosition: number, listener: LogListener): { close(): void } {
    return this.#inner.subscribe(afterPosition, listener);
  }

  head(): Promise<LogHead> {
    return this.#inner.head();
  }

  verify(): Promise<LogVerdict> {
    return this.#inner.verify();
  }

  /** The process ends; what is durable stays. */
  async close(): Promise<void> {}
}
