/**
 * The event store on SQLite: one file, one writer, every acknowledged event on the disk.
 *
 * Here an event's position equals its sequence, because both are dense and count from 0. Ids carry no index of
 * their own: what makes a repeated append harmless is its stream's revision, and an index over random ids would
 * cost every append a page. Every call works synchronously and returns a settled promise, so calls never
 * interleave.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { planAppend } from '../../domain/append.ts';
import { ChainChecker, faultAtVerified } from '../../domain/chain.ts';
import { LogFeed } from '../../domain/feed.ts';
import { StoreError, headHash, sealEvent } from '../../domain/log.ts';
import type { Seal } from '../../domain/append.ts';
import type { AppendOutcome, EventDraft, EventStore, LogHead, LogListener, LogVerdict, RecordedEvent, StreamAppend, StreamHead, StreamName, VerifyOptions } from '../../domain/log.ts';
import type { Projection } from '../../domain/projection.ts';
import { openForReading, openForWriting, storeError } from './database.ts';
import { readEvents } from './events.ts';
import type { EventReader } from './events.ts';
import { lockDirectory } from './lock.ts';
import type { InstanceLock } from './lock.ts';
import { Projector } from './projector.ts';
import { HeadWitness, readWitness } from './witness.ts';
import type { WitnessedHead } from './witness.ts';

const VERIFY_PAGE_EVENTS = 500;

export interface SqliteStoreOptions {
  /** Holds the database, its lock and its witness; created on the first start. */
  readonly directory: string;
  /** Kept level with the log by the writer; ignored by a read-only store. */
  readonly projections: readonly Projection[];
  /** Opens without the lock, beside a running daemon; appends are refused and a subscription ends at the present. */
  readonly readOnly?: boolean;
  /** Names whose log it is: written at the first start, refused later where it differs. */
  readonly deployment?: string;
}

/**
 * Opens the store in a directory.
 *
 * @throws StoreError when another daemon holds the directory, when the file is damaged, of a newer format or of
 * another program or deployment, and when the log is behind its witness.
 */
export function openSqliteStore(options: SqliteStoreOptions): EventStore {
  if (options.readOnly === true) return new SqliteStore(openForReading(options.directory, options.deployment), options.directory, null);
  const lock = lockDirectory(options.directory);
  let database: DatabaseSync | undefined;
  try {
    database = openForWriting(options.directory, options.deployment);
    const writer = openWriter(database, options, lock);
    return new SqliteStore(database, options.directory, writer);
  } catch (error) {
    database?.close();
    lock.release();
    throw storeError(error, `opening the store in ${options.directory}`);
  }
}

function openWriter(database: DatabaseSync, options: SqliteStoreOptions, lock: InstanceLock): Writer {
  const reader = readEvents(database);
  const heads = reader.heads();
  const sequence = reader.headPosition();
  checkHeads(heads, sequence, options.directory);
  checkWitness(reader, heads, sequence, options.directory);
  const projector = new Projector(database, options.projections, sequence);
  projector.catchUp((after, countMax) => reader.page(after, countMax));
  const witness = new HeadWitness(options.directory, { sequence, hash: headHash(heads) });
  return { lock, witness, projector };
}

/** A cheap look at the log's ends; `verify` looks at everything. */
function checkHeads(heads: readonly StreamHead[], sequence: number, directory: string): void {
  const counted = heads.reduce((sum, head) => sum + head.revision + 1, 0);
  if (counted !== sequence + 1) {
    throw new StoreError(`the log in ${directory} ends at sequence ${sequence} and its streams' heads count ${counted} events: events were removed; verify it, then restore a backup`);
  }
}

/** Refuses a log that lacks what its witness saw, or that tells it differently. */
function checkWitness(reader: EventReader, heads: readonly StreamHead[], sequence: number, directory: string): void {
  const witness = readWitness(directory);
  if (witness === null || witness.sequence < 0) return;
  const held = headHash(heads);
  if (witness.sequence > sequence) {
    throw new StoreError(
      `the log in ${directory} is behind its witness: the log ends at sequence ${sequence} with head ${held}, the witness saw sequence ${witness.sequence} with head ${witness.hash}: ` +
        'an older copy was restored or the tail was cut; bring back the newer log, or remove head.witness to accept this one after reconciling it with the broker',
    );
  }
  const then = headHash(reader.headsAt(witness.sequence, heads));
  if (then !== witness.hash) {
    throw new StoreError(`the log in ${directory} differs from its witness: at sequence ${witness.sequence} the log has head ${then}, the witness saw ${witness.hash}: the log was replaced or edited; verify it, then restore a backup`);
  }
}

const place: Seal<RecordedEvent> = (draft, stream, revision, prevHash) => ({ position: draft.metadata.sequence, ...sealEvent(draft, stream, revision, prevHash) });

/**
 * A log whose tail was cut together with its heads, or whose chain was made anew, is whole in itself; the witness
 * remembers how far it had come and with which head.
 */
function againstWitness(verdict: LogVerdict, witness: WitnessedHead | null, headThen: (sequence: number) => string): LogVerdict {
  if (!verdict.ok || witness === null) return verdict;
  if (witness.sequence < verdict.events) {
    if (headThen(witness.sequence) === witness.hash) return verdict;
    return { ok: false, stream: '', revision: -1, position: witness.sequence, reason: `at sequence ${witness.sequence} the witness saw the head ${witness.hash}, which this log never had: it was rewritten` };
  }
  return { ok: false, stream: '', revision: -1, position: verdict.events, reason: `the witness saw sequence ${witness.sequence} with head ${witness.hash}: the tail was removed from the log` };
}

interface Writer {
  readonly lock: InstanceLock;
  readonly witness: HeadWitness;
  readonly projector: Projector;
}

class SqliteStore implements EventStore {
  readonly #database: DatabaseSync;
  readonly #directory: string;
  readonly #writer: Writer | null;
  readonly #reader: EventReader;
  readonly #feed: LogFeed;
  readonly #heads: Map<StreamName, StreamHead>;
  readonly #insertEvent: StatementSync | null;
  readonly #moveHead: StatementSync | null;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  #sequence: number;
  #failure: StoreError | null = null;
  #witnessPending = false;
  #closed = false;

  constructor(database: DatabaseSync, directory: string, writer: Writer | null) {
    this.#database = database;
    this.#directory = directory;
    this.#writer = writer;
    this.#reader = readEvents(database);
    this.#heads = new Map(this.#reader.heads().map((head) => [head.stream, head]));
    this.#sequence = this.#reader.headPosition();
    this.#begin = database.prepare('BEGIN IMMEDIATE');
    this.#commit = database.prepare('COMMIT');
    this.#insertEvent = writer === null ? null : database.prepare('INSERT INTO events (position, stream, revision, id, type, schema_version, data, metadata, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)');
    this.#moveHead = writer === null ? null : database.prepare('INSERT OR REPLACE INTO streams (stream, revision, hash) VALUES (?, ?, ?)');
    this.#feed = new LogFeed(
      { headPosition: () => this.#reader.headPosition(), readPage: (after, countMax) => this.#reader.page(after, countMax) },
      { soon: queueMicrotask, later: (task) => void setImmediate(task) },
    );
  }

  #checkUsable(): void {
    if (this.#closed) throw new StoreError(`the store in ${this.#directory} is closed`);
    if (this.#failure !== null) throw this.#failure;
  }

  async append(batch: readonly StreamAppend[]): Promise<AppendOutcome> {
    this.#checkUsable();
    if (this.#writer === null) throw new StoreError(`the store in ${this.#directory} was opened read-only`);
    const view = {
      sequence: this.#sequence,
      headOf: (stream: StreamName) => this.#heads.get(stream),
      recorded: (stream: StreamName, from: number, countMax: number) => this.#reader.stream(stream, from, countMax),
    };
    const plan = planAppend(batch, view, place);
    if (plan.kind === 'conflict') return plan;
    if (plan.kind === 'write' && plan.events.length > 0) {
      // What is written is the whole batch in its order: read models need not parse what was made of it.
      this.#write(plan.events, batch.flatMap((entry) => entry.events), plan.heads, this.#writer);
      this.#feed.publish(plan.events);
    }
    return { kind: 'appended', events: plan.events };
  }

  /**
   * One transaction: events, heads, read models. After any failure in here nobody can say what the disk holds
   * (a failed fsync may lose pages that a second one reports as safe), so the store answers no further call.
   */
  #write(events: readonly RecordedEvent[], drafts: readonly EventDraft[], heads: readonly StreamHead[], writer: Writer): void {
    try {
      this.#begin.run();
      for (const event of events) {
        this.#insertEvent!.run(event.position, event.stream, event.revision, event.id, event.type, event.schemaVersion, event.dataJson, event.metadataJson, event.hash);
      }
      for (const head of heads) this.#moveHead!.run(head.stream, head.revision, head.hash);
      writer.projector.apply(events, drafts);
      this.#commit.run();
      for (const head of heads) this.#heads.set(head.stream, head);
      this.#sequence += events.length;
      this.#witnessSoon(writer);
    } catch (error) {
      this.#failure = storeError(error, `appending to the store in ${this.#directory}`);
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw this.#failure;
    }
  }

  /**
   * Moves the witness once the caller has its acknowledgement: a crash before then leaves it one append older,
   * which is as good. One write serves all the appends of a turn.
   */
  #witnessSoon(writer: Writer): void {
    if (this.#witnessPending) return;
    this.#witnessPending = true;
    setImmediate(() => this.#writeWitness(writer));
  }

  #writeWitness(writer: Writer): void {
    if (!this.#witnessPending) return;
    this.#witnessPending = false;
    try {
      writer.witness.write({ sequence: this.#sequence, hash: headHash([...this.#heads.values()]) });
    } catch (error) {
      this.#failure ??= storeError(error, `writing the head witness in ${this.#directory}`);
    }
  }

  async readStream(stream: StreamName, fromRevision: number, countMax: number): Promise<readonly RecordedEvent[]> {
    this.#checkUsable();
    return this.#reader.stream(stream, fromRevision, countMax);
  }

  async readAll(afterPosition: number, countMax: number): Promise<readonly RecordedEvent[]> {
    this.#checkUsable();
    return this.#reader.page(afterPosition, countMax);
  }

  subscribe(afterPosition: number, listener: LogListener): { close(): void } {
    this.#checkUsable();
    return this.#feed.subscribe(afterPosition, listener);
  }

  async head(): Promise<LogHead> {
    this.#checkUsable();
    // A read-only store looks each time, since the writer is another process.
    const streams = this.#writer === null ? this.#reader.heads() : [...this.#heads.values()];
    const sequence = this.#writer === null ? this.#reader.headPosition() : this.#sequence;
    return { sequence, position: sequence, streams, hash: headHash(streams) };
  }

  /** Reads on a connection and a snapshot of its own, so that appends may go on meanwhile. */
  async verify({ after: verified, progress, signal }: VerifyOptions = {}): Promise<LogVerdict> {
    this.#checkUsable();
    // Read before the snapshot is taken: a running daemon moves both, and the witness must not be the younger.
    const witness = readWitness(this.#directory);
    const database = openForReading(this.#directory);
    try {
      database.exec('BEGIN');
      const reader = readEvents(database);
      const heads = reader.heads();
      const headsThen = verified === undefined ? [] : reader.headsAt(verified.position, heads);
      const rewritten = verified === undefined ? null : faultAtVerified(verified, headsThen);
      if (rewritten !== null) return rewritten;
      const checker = new ChainChecker(headsThen);
      const from = verified?.position ?? -1;
      const total = reader.headPosition() - from;
      let after = from;
      for (let page = reader.page(after, VERIFY_PAGE_EVENTS); page.length > 0; page = reader.page(after, VERIFY_PAGE_EVENTS)) {
        for (const event of page) {
          const fault = checker.check(event);
          if (fault !== null) return fault;
        }
        after = page.at(-1)!.position;
        progress?.(after - from, total);
        await new Promise<void>((resolve) => void setImmediate(resolve));
        signal?.throwIfAborted();
      }
      return againstWitness(checker.finish(heads), witness, (sequence) => headHash(reader.headsAt(sequence, heads)));
    } catch (error) {
      throw signal?.aborted === true ? error : storeError(error, `verifying the log in ${this.#directory}`);
    } finally {
      database.close();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#feed.close();
    if (this.#writer !== null) {
      this.#writeWitness(this.#writer);
      this.#writer.witness.close();
    }
    this.#database.close();
    this.#writer?.lock.release();
  }
}
