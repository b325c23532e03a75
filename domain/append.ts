/**
 * What an append means, for every store alike: which batches are written, which were written before, which
 * conflict, and which are errors. A store hands in what it holds and then only has to make the plan durable.
 */
import { GENESIS_HASH, StoreError } from './log.ts';
import { canonicalJson } from './canonical.ts';
import type { AppendOutcome, EventDraft, RecordedEvent, StreamAppend, StreamHead, StreamName } from './log.ts';

/** What a store holds when an append arrives. */
export interface AppendView {
  /** Sequence of the last event; -1 for an empty log. */
  readonly sequence: number;
  headOf(stream: StreamName): StreamHead | undefined;
  /** At most `countMax` recorded events of a stream from `fromRevision` on. */
  recorded(stream: StreamName, fromRevision: number, countMax: number): readonly RecordedEvent[];
}

export type UnplacedEvent = Omit<RecordedEvent, 'position'>;
/** Makes a draft the event of a revision; `sealEvent` of the log, or what a store builds on it. */
export type Seal<Sealed extends UnplacedEvent> = (draft: EventDraft, stream: StreamName, revision: number, prevHash: string) => Sealed;

export type AppendPlan<Sealed extends UnplacedEvent> =
  | Extract<AppendOutcome, { kind: 'conflict' }>
  /** Everything stands in the log already. */
  | { readonly kind: 'recorded'; readonly events: readonly RecordedEvent[] }
  /** To be written in this order, together with the heads that result. */
  | { readonly kind: 'write'; readonly events: readonly Sealed[]; readonly heads: readonly StreamHead[] };

const describe = (entry: StreamAppend): string => `stream ${entry.stream} from revision ${entry.expectedRevision + 1}`;

const isSameEvent = (draft: EventDraft, recorded: RecordedEvent): boolean =>
  draft.id === recorded.id && draft.type === recorded.type && draft.schemaVersion === recorded.schemaVersion && canonicalJson(draft.data) === recorded.dataJson;

/** How many of an entry's events, counted from its first, stand in the log at the revisions it names. */
function recordedPart(entry: StreamAppend, view: AppendView): readonly RecordedEvent[] {
  const recorded = view.recorded(entry.stream, entry.expectedRevision + 1, entry.events.length);
  let same = 0;
  for (const [index, draft] of entry.events.entries()) {
    const found = recorded[index];
    if (found === undefined || !isSameEvent(draft, found)) break;
    same += 1;
  }
  return recorded.slice(0, same);
}

/**
 * Decides what becomes of a batch.
 *
 * An entry without events only asserts its stream's revision. Two entries of one stream follow one another.
 *
 * @throws StoreError for a batch of which only a part is recorded, and for a sequence that is not the next.
 */
export function planAppend<Sealed extends UnplacedEvent>(batch: readonly StreamAppend[], view: AppendView, seal: Seal<Sealed>): AppendPlan<Sealed> {
  const heads = new Map<StreamName, StreamHead>();
  const fresh: Sealed[] = [];
  const recorded: RecordedEvent[] = [];
  let conflict: Extract<AppendOutcome, { kind: 'conflict' }> | undefined;
  let sequence = view.sequence;
  let missing = 0;

  for (const entry of batch) {
    const head = heads.get(entry.stream) ?? view.headOf(entry.stream);
    const revision = head?.revision ?? -1;
    if (revision !== entry.expectedRevision) {
      const found = heads.has(entry.stream) ? [] : recordedPart(entry, view);
      if (found.length > 0 && found.length < entry.events.length) {
        throw new StoreError(`append to ${describe(entry)}: ${found.length} of ${entry.events.length} events are recorded already and the rest are not: the log holds another history than the one that was appended`);
      }
      recorded.push(...found);
      // A moved stream that the batch only asserted is no missing part of a batch that was recorded before.
      if (found.length < entry.events.length) missing += 1;
      if (found.length === 0) conflict ??= { kind: 'conflict', stream: entry.stream, expectedRevision: entry.expectedRevision, actualRevision: revision };
      continue;
    }
    let last = head;
    for (const draft of entry.events) {
      sequence += 1;
      if (draft.metadata.sequence !== sequence && conflict === undefined && recorded.length === 0) {
        throw new StoreError(`append to ${describe(entry)}: ${draft.type} carries sequence ${draft.metadata.sequence}, the log's next is ${sequence}: a second writer, or a counter that was not read from the log`);
      }
      const event = seal(draft, entry.stream, (last?.revision ?? -1) + 1, last?.hash ?? GENESIS_HASH);
      last = event;
      fresh.push(event);
    }
    if (last !== undefined && entry.events.length > 0) heads.set(entry.stream, last);
  }

  if (recorded.length > 0 && (fresh.length > 0 || missing > 0)) {
    throw new StoreError(`append: ${recorded.length} events of the batch are recorded already and the rest are not: the log holds another history than the one that was appended`);
  }
  if (recorded.length > 0) return { kind: 'recorded', events: recorded };
  return conflict ?? { kind: 'write', events: fresh, heads: [...heads.values()].map(({ stream, revision, hash }) => ({ stream, revision, hash })) };
}
