/**
 * The log: envelope, chain and the port that stores implement.
 *
 * A stream is a chain: each event's hash covers the hash before it. The whole log has one dense sequence,
 * given by its single writer and covered by the hashes. Where an event lies in a particular store (`position`)
 * is that store's own business and is hashed nowhere.
 */
import { hash } from 'node:crypto';
import { canonicalJson } from './canonical.ts';
import type { Json } from './canonical.ts';

/** Category, a dash, and what it is about: `trading-101-001-1-001.EUR_USD`. */
export type StreamName = string;

/** Why, when and by whom an event was recorded. Times as the ports gave them. */
export interface Metadata {
  /** Dense over the deployment, from 0. */
  readonly sequence: number;
  /** The bar, command or run that began the chain. */
  readonly correlationId: string;
  /** The event that directly caused this one; null for an input from outside. */
  readonly causationId: string | null;
  /** The source's clock, RFC 3339. */
  readonly occurredAt: string;
  /** Our wall clock at the append, RFC 3339. */
  readonly recordedAt: string;
  readonly monotonicNs: string;
  /** Broker's clock minus ours, measured; whole milliseconds. */
  readonly clockOffsetMs: number;
  /** `market`, `model`, `daemon`, `broker`, `reconciler`, or `operator NAME`. */
  readonly actor: string;
  readonly runId: string;
  /** Raised at every start; the highest one owns the account. */
  readonly epoch: number;
  readonly build: string;
  readonly configHash: string;
  readonly modelHash: string;
}

/** An event on its way into a store. */
export interface EventDraft {
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly data: Json;
  readonly metadata: Metadata;
}

/** An event as stored. `dataJson` and `metadataJson` are the exact bytes that were hashed. */
export interface RecordedEvent {
  readonly position: number;
  readonly stream: StreamName;
  readonly revision: number;
  readonly id: string;
  readonly type: string;
  readonly schemaVersion: number;
  readonly dataJson: string;
  /** Canonical JSON of Metadata with `prevHash`. */
  readonly metadataJson: string;
  readonly hash: string;
}

/** `prevHash` of a stream's first event. */
export const GENESIS_HASH = '0'.repeat(64);

/** SHA-256 over the stored bytes, each field behind its length so that no two rows share a preimage. */
export function hashEvent({ stream, revision, id, type, schemaVersion, dataJson, metadataJson }: Omit<RecordedEvent, 'position' | 'hash'>): string {
  return hash('sha256', `${lengthPrefixed(stream)}${lengthPrefixed(String(revision))}${lengthPrefixed(id)}${lengthPrefixed(type)}${lengthPrefixed(String(schemaVersion))}${lengthPrefixed(dataJson)}${lengthPrefixed(metadataJson)}`);
}

const lengthPrefixed = (field: string): string => `${Buffer.byteLength(field)}:${field}`;

/** Canonical JSON of metadata: members named here in their order, so that the language's own printer, which is faster, writes the same bytes. */
export function metadataJson(metadata: Metadata, prevHash: string): string {
  const { actor, build, causationId, clockOffsetMs, configHash, correlationId, epoch, modelHash, monotonicNs, occurredAt, recordedAt, runId, sequence } = metadata;
  // Numbers are all that it would let through; which one it is and why, canonical JSON says.
  if (!Number.isSafeInteger(clockOffsetMs) || !Number.isSafeInteger(epoch) || !Number.isSafeInteger(sequence)) return canonicalJson({ ...metadata, prevHash });
  return JSON.stringify({ actor, build, causationId, clockOffsetMs, configHash, correlationId, epoch, modelHash, monotonicNs, occurredAt, prevHash, recordedAt, runId, sequence });
}

/** Gives a draft its place in a stream: canonical bytes, the previous hash and its own. */
export function sealEvent(draft: EventDraft, stream: StreamName, revision: number, prevHash: string): Omit<RecordedEvent, 'position'> {
  const { id, type, schemaVersion } = draft;
  const event = { stream, revision, id, type, schemaVersion, dataJson: canonicalJson(draft.data), metadataJson: metadataJson(draft.metadata, prevHash), hash: '' };
  event.hash = hashEvent(event);
  return event;
}

export interface StreamHead {
  readonly stream: StreamName;
  readonly revision: number;
  readonly hash: string;
}

/** One hash for the whole log: SHA-256 over the sorted lines `stream revision hash`. */
export function headHash(heads: readonly StreamHead[]): string {
  const lines = heads.map((head) => `${head.stream} ${head.revision} ${head.hash}\n`).sort();
  return hash('sha256', lines.join(''));
}

export interface StreamAppend {
  readonly stream: StreamName;
  /** Revision of the stream's last event; -1 when it must not exist yet. */
  readonly expectedRevision: number;
  readonly events: readonly EventDraft[];
}

export type AppendOutcome =
  | { readonly kind: 'appended'; readonly events: readonly RecordedEvent[] }
  /** Somebody else wrote to the stream; nothing of this batch's rest was written. */
  | { readonly kind: 'conflict'; readonly stream: StreamName; readonly expectedRevision: number; readonly actualRevision: number };

export interface LogHead {
  /** -1 for an empty log. */
  readonly sequence: number;
  readonly position: number;
  readonly streams: readonly StreamHead[];
  readonly hash: string;
}

export type LogVerdict =
  | { readonly ok: true; readonly events: number; readonly headHash: string }
  | { readonly ok: false; readonly stream: StreamName; readonly revision: number; readonly position: number; readonly reason: string };

/** A point of the log that one has verified up to: where its last event lay then, and its head hash. */
export type VerifiedHead = Pick<LogHead, 'sequence' | 'position' | 'hash'>;

export interface VerifyOptions {
  /** Verifies what came after this alone, and that the log had this very head then. */
  readonly after?: VerifiedHead;
  /** Events done, of those that there are to verify. */
  readonly progress?: (done: number, total: number) => void;
  /** Ends it early: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A live view of the log: everything after a position, then a caught-up signal, then each new event. */
export interface LogListener {
  event(event: RecordedEvent): void;
  caughtUp(): void;
  /** The subscription has ended by itself; the log must be read again by whoever needs it. */
  failed(error: Error): void;
}

/**
 * Where events are kept. Appends are durable when they resolve.
 *
 * A batch commits in order. A store that cannot commit several streams at once may, on a crash, leave a prefix
 * of it; readers must live with any prefix. The same events at the same revisions again are a success and are
 * not written twice; a batch that matches in part, or a sequence that is not the next, is an error.
 */
export interface EventStore {
  append(batch: readonly StreamAppend[]): Promise<AppendOutcome>;
  /** The same of a store that has nothing to wait for; every other store is without it. */
  appendAtOnce?(batch: readonly StreamAppend[]): AppendOutcome;
  /** At most `countMax` events of a stream from `fromRevision` on. */
  readStream(stream: StreamName, fromRevision: number, countMax: number): Promise<readonly RecordedEvent[]>;
  /** At most `countMax` events of the log behind `afterPosition` (-1 for all), in order. */
  readAll(afterPosition: number, countMax: number): Promise<readonly RecordedEvent[]>;
  subscribe(afterPosition: number, listener: LogListener): { close(): void };
  head(): Promise<LogHead>;
  /** Recomputes every hash and checks chains, revisions and the sequence. */
  verify(options?: VerifyOptions): Promise<LogVerdict>;
  close(): Promise<void>;
}

/** The store has failed or cannot be trusted: the daemon must end (exit 30). */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}
