/** One direction of a proxied connection: what came in goes out in order, as late, as slowly and as far as its toxics say. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Draws } from './random.ts';
import type { Toxic } from './proxy-plan.ts';

/** Bytes that wait in a lane; beyond them the sender is kept waiting. */
const QUEUED_BYTES_MAX = 256 * 1024;
const RESET_PAUSE_MS = 10;
const PIECE_BYTES_MAX = 16 * 1024;
/** A slow lane sends at least so many pieces a second, so that it is slow and not bursty. */
const PIECES_PER_SECOND = 20;

/** A toxic that strikes a connection or one exchange on it. */
export interface StruckToxic {
  readonly toxic: Toxic;
  readonly draws: Draws;
  /** Bytes that have passed under it. */
  passed: number;
}

interface Queued {
  readonly bytes: Buffer;
  /** Wall time, in milliseconds of the monotonic clock. */
  readonly dueMs: number;
}

interface LaneOptions {
  readonly from: Socket;
  readonly to: Socket;
  readonly direction: 'request' | 'reply';
  /** The toxics that strike these bytes, in order; asked for each chunk as it comes. */
  readonly struckBy: (chunk: Buffer) => readonly StruckToxic[];
  /** Ends both sides at once: with a reset, or gently. */
  readonly end: (how: 'reset' | 'close') => void;
}

export class Lane {
  readonly #options: LaneOptions;
  readonly #queue: Queued[] = [];
  readonly #gone = new AbortController();
  #struck: readonly StruckToxic[] = [];
  #queuedBytes = 0;
  #lastDueMs = 0;
  #sending = false;
  /** What happens behind the last byte: nothing yet, the end of this direction, or that of the connection. */
  #afterwards: 'nothing' | 'end' | 'destroy' | 'reset' | 'close' = 'nothing';

  constructor(options: LaneOptions) {
    this.#options = options;
    const { from } = options;
    from.on('data', (chunk: Buffer) => this.#receive(chunk));
    from.on('end', () => this.#finish('end'));
    from.on('close', () => this.#finish('destroy'));
  }

  /** Gives up whatever waits. */
  stop(): void {
    this.#gone.abort();
    this.#queue.length = 0;
  }

  #ofKind<Kind extends Toxic['kind']>(kind: Kind): readonly (StruckToxic & { readonly toxic: Extract<Toxic, { readonly kind: Kind }> })[] {
    const { direction } = this.#options;
    return this.#struck.filter((each): each is StruckToxic & { readonly toxic: Extract<Toxic, { readonly kind: Kind }> } => each.toxic.kind === kind && (!('direction' in each.toxic) || each.toxic.direction === direction));
  }

  #finish(afterwards: 'end' | 'destroy' | 'reset' | 'close'): void {
    if (this.#afterwards !== 'reset' && this.#afterwards !== 'close') this.#afterwards = afterwards;
    void this.#send();
  }

  #receive(chunk: Buffer): void {
    if (this.#gone.signal.aborted || this.#afterwards !== 'nothing') return;
    this.#struck = this.#options.struckBy(chunk);
    const [timeout] = this.#ofKind('timeout');
    if (timeout !== undefined) return this.#swallow(timeout.toxic.closeMs);
    const allowed = this.#allowed(chunk);
    if (allowed === null) this.#push(chunk);
    else {
      this.#push(chunk.subarray(0, allowed.bytes));
      this.#finish(allowed.how);
    }
  }

  /** Bytes that vanish; the connection stays open, or is closed after a while. */
  #swallow(closeMs: number | undefined): void {
    if (closeMs !== undefined) setTimeout(() => this.#options.end('close'), closeMs).unref();
  }

  /** How much of a chunk passes before the connection ends; null for all of it. */
  #allowed(chunk: Buffer): { readonly bytes: number; readonly how: 'reset' | 'close' } | null {
    for (const struck of [...this.#ofKind('reset'), ...this.#ofKind('limitData')]) {
      const { toxic } = struck;
      const limit = toxic.kind === 'reset' ? toxic.afterBytes : toxic.bytes;
      const left = limit - struck.passed;
      struck.passed += chunk.length;
      if (chunk.length >= left) return { bytes: Math.max(0, left), how: toxic.kind === 'reset' ? 'reset' : 'close' };
    }
    return null;
  }

  #push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    const delayMs = this.#ofKind('latency').reduce((sum, { toxic, draws }) => sum + toxic.delayMs + draws.whole(0, toxic.jitterMs), 0);
    // Bytes never overtake each other, however the jitter falls.
    this.#lastDueMs = Math.max(this.#lastDueMs, performance.now() + delayMs);
    this.#queue.push({ bytes, dueMs: this.#lastDueMs });
    this.#queuedBytes += bytes.length;
    if (this.#queuedBytes > QUEUED_BYTES_MAX) this.#options.from.pause();
    void this.#send();
  }

  /** Sends what waits, as it falls due, and then does what is to be done behind the last byte. */
  async #send(): Promise<void> {
    if (this.#sending || this.#gone.signal.aborted) return;
    this.#sending = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        await this.#pause(next.dueMs - performance.now());
        await this.#write(next.bytes);
        this.#queuedBytes -= next.bytes.length;
        if (this.#queuedBytes <= QUEUED_BYTES_MAX / 2) this.#options.from.resume();
      }
      await this.#afterLastByte();
    } catch (error) {
      // The connection ended while its bytes waited: there is nobody left to send them to.
      if (!this.#gone.signal.aborted) throw error;
    } finally {
      this.#sending = false;
    }
  }

  async #afterLastByte(): Promise<void> {
    const afterwards = this.#afterwards;
    if (afterwards === 'nothing') return;
    if (afterwards === 'reset' || afterwards === 'close') {
      // What was written is given the time to arrive: a reset takes the bytes along that nobody has read yet.
      await this.#pause(RESET_PAUSE_MS);
      return this.#options.end(afterwards);
    }
    await this.#pause(this.#ofKind('slowClose').reduce((sum, { toxic }) => sum + toxic.delayMs, 0));
    if (afterwards === 'end') this.#options.to.end();
    else this.#options.to.destroySoon();
  }

  async #pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#gone.signal });
  }

  async #write(bytes: Buffer): Promise<void> {
    const { to } = this.#options;
    const [slicer] = this.#ofKind('slicer');
    const [slow] = this.#ofKind('bandwidth');
    const rate = slow?.toxic.bytesPerSecond ?? Infinity;
    const size = Math.max(1, Math.min(slicer?.toxic.bytes ?? PIECE_BYTES_MAX, Math.ceil(rate / PIECES_PER_SECOND)));
    for (let start = 0; start < bytes.length; start += size) {
      const piece = bytes.subarray(start, start + size);
      if (!to.write(piece)) await once(to, 'drain', { signal: this.#gone.signal });
      await this.#pause((piece.length / rate) * 1_000);
      if (start + size < bytes.length) await this.#pause(slicer?.toxic.delayMs ?? 0);
    }
  }
}
