/**
 * A checkpoint: what the desk knew at a point of the log up to which everything had been verified. A start that finds
 * one verifies and folds only what came after it.
 *
 * It is a shortcut and never a source: it holds for the very code, configuration and Node that wrote it, and the log
 * must have had the same head at that point. In every other case the log is verified and folded from its beginning.
 */
import { createHash, hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { deserialize, serialize } from 'node:v8';
import { z } from 'zod';
import type { Book, DeskState } from '../../domain/desk/state.ts';
import { initialDesk } from '../../domain/desk/state.ts';
import type { ClientOrderId } from '../../domain/ids.ts';
import { jsonOf } from '../../domain/json.ts';
import { LayeredMap } from '../../domain/layered-map.ts';
import type { VerifiedHead } from '../../domain/log.ts';
import type { DeskSettings } from '../../domain/settings.ts';
import type { Order, Trading } from '../../domain/trading.ts';
import { writeWhole } from '../whole-file.ts';

const FILE_NAME = 'desk.checkpoint';
const DOMAIN = join(import.meta.dirname, '..', '..', 'domain');

/** Everything of the desk that is a fold of the log; settings come from the configuration, and the rest from the run. */
interface Folded extends Omit<DeskState, 'settings' | 'live' | 'books'> {
  readonly books: ReadonlyMap<string, FoldedBook>;
}

/** Plain maps alone are written: an object with a class of its own would come back as another one. */
interface FoldedBook extends Omit<Book, 'settings' | 'trading'> {
  readonly trading: Omit<Trading, 'orders'> & { readonly orders: ReadonlyMap<ClientOrderId, Order> };
}

export interface Checkpoint {
  readonly head: VerifiedHead;
  /** The desk as it was; null where the broker has described its instruments otherwise since, on which folding rests too. */
  restore(settings: DeskSettings): DeskState | null;
}

const headerSchema = z.strictObject({ format: z.literal('reckoner-checkpoint/1'), identity: z.string(), instruments: z.string(), sequence: z.int().min(0), position: z.int().min(0), headHash: z.string(), foldedHash: z.string() });

/** Names the code that folds: a checkpoint of other code may mean something else. */
function codeHash(): string {
  const digest = createHash('sha256');
  const files = readdirSync(DOMAIN, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts')).sort();
  for (const name of files) digest.update(`${name}\0`).update(readFileSync(join(DOMAIN, name))).update('\0');
  return digest.digest('hex');
}

const instrumentsHash = ({ instruments }: DeskSettings): string => hash('sha256', JSON.stringify(instruments, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value)));

/** Writes and reads the checkpoint of one data directory. */
export class Checkpoints {
  readonly #directory: string;
  readonly #identity: string;

  constructor(directory: string, configHash: string) {
    this.#directory = directory;
    this.#identity = `${codeHash()} ${configHash} ${process.version}`;
  }

  /** The former one stands until this one is on the disk. @throws whatever the file system says. */
  write(head: VerifiedHead, state: DeskState): void {
    const folded = serialize(foldedOf(state));
    const header = { format: 'reckoner-checkpoint/1', identity: this.#identity, instruments: instrumentsHash(state.settings), sequence: head.sequence, position: head.position, headHash: head.hash, foldedHash: hash('sha256', folded) };
    writeWhole(join(this.#directory, FILE_NAME), `${JSON.stringify(header)}\n`, folded);
  }

  /** The checkpoint, or why there is none to go by: null where none was ever written. */
  read(): Checkpoint | { readonly unusable: string } | null {
    const bytes = bytesOf(join(this.#directory, FILE_NAME));
    if (bytes === null) return null;
    const end = bytes.indexOf('\n');
    const header = headerSchema.safeParse(jsonOf(bytes.toString('utf8', 0, Math.max(end, 0))));
    if (!header.success) return { unusable: 'it is damaged, or of another format' };
    const folded = bytes.subarray(end + 1);
    if (hash('sha256', folded) !== header.data.foldedHash) return { unusable: 'it is damaged: its content does not match its hash' };
    if (header.data.identity !== this.#identity) return { unusable: 'it was written by other code, under another configuration or on another Node' };
    const { sequence, position, headHash, instruments } = header.data;
    return { head: { sequence, position, hash: headHash }, restore: (settings) => (instrumentsHash(settings) === instruments ? deskOf(settings, deserialize(folded) as Folded) : null) };
  }
}

function foldedOf(state: DeskState): Folded {
  const { settings: _settings, live: _live, books, ...rest } = state;
  return { ...rest, books: new Map([...books].map(([name, { settings: _instrument, trading, ...book }]) => [name, { ...book, trading: { ...trading, orders: new Map(trading.orders) } }])) };
}

/** @throws Error where the checkpoint lacks an instrument: the same configuration has the same ones. */
function deskOf(settings: DeskSettings, { books, ...rest }: Folded): DeskState {
  const desk = initialDesk(settings);
  return {
    ...desk,
    ...rest,
    books: new Map([...desk.books].map(([name, book]) => {
      const folded = books.get(name);
      if (folded === undefined) throw new Error(`the checkpoint lacks ${name}`);
      return [name, { ...folded, trading: { ...folded.trading, orders: LayeredMap.of(folded.trading.orders) }, settings: book.settings }];
    })),
  };
}

function bytesOf(file: string): Buffer | null {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

/** So many events are verified and folded again at a start, at most. */
export const EVENTS_BETWEEN = 10_000;

export interface KeeperOptions {
  readonly checkpoints: Checkpoints;
  /** Where the log ends, with what is durable. */
  readonly head: () => VerifiedHead;
  readonly failed: (error: unknown) => void;
}

/** Writes a checkpoint now and then. One that cannot be written costs the next start some seconds, and nothing else. */
export class CheckpointKeeper {
  readonly #options: KeeperOptions;
  #events = 0;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /** Told after each durable step. */
  observed(state: DeskState, events: number): void {
    this.#events += events;
    if (this.#events < EVENTS_BETWEEN) return;
    this.#events = 0;
    const head = this.#options.head();
    // Behind whatever the step has asked for: an order must not wait for it. The state never changes.
    setImmediate(() => this.write(state, head));
  }

  write(state: DeskState, head = this.#options.head()): void {
    try {
      this.#options.checkpoints.write(head, state);
    } catch (error) {
      this.#options.failed(error);
    }
  }
}
