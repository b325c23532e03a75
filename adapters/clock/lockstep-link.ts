/**
 * The daemon's end of the local broker's control routes.
 *
 * The daemon acknowledges what it has worked through and names its next timer; the broker moves time to whatever
 * comes first and announces it, with the number of lines that it has sent on each stream until then.
 */
import { Pool } from 'undici';
import { z } from 'zod';
import { formatInstant, parseInstant, TimeError } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

/** A reply here is a few hundred bytes. */
const REPLY_BYTES_MAX = 64 * 1024;

/** How many lines the broker has sent on the current connection of a stream; connection 0 means that there is none. */
interface SentLines {
  readonly connection: number;
  readonly lines: number;
}

/** One step of market time. */
export interface Announcement {
  /** To be acknowledged by the next advance. */
  readonly tick: number;
  readonly time: Instant;
  readonly lastTransactionId: number;
  readonly lines: { readonly pricing: SentLines; readonly transactions: SentLines };
  readonly barsDone: number;
  readonly barsTotal: number;
  /** No bar is left and time stands still. */
  readonly done: boolean;
}

interface LockstepStatus {
  readonly time: Instant;
  readonly tick: number;
  readonly barsTotal: number;
  readonly barsDone: number;
  /** Time waits for `start`. */
  readonly held: boolean;
  readonly done: boolean;
  readonly lastTransactionId: number;
}

interface AdvanceRequest {
  /** The tick announced last, 0 on the first call. */
  readonly acknowledge: number;
  readonly nextTimer: Instant | null;
  /** Moves time on to this instant with nobody acknowledging. */
  readonly until?: Instant;
}

interface LockstepLinkOptions {
  /** The local broker's REST address: plain http on a loopback host. */
  readonly restUrl: string;
  readonly token: string;
  /** Wall-clock limit of `status` and `start`; an advance may wait for as long as the clock is held. */
  readonly deadlineMs?: number;
}

/** The control routes failed, answered otherwise than agreed, or the link was closed. The daemon cannot go on. */
export class LockstepError extends Error {
  override readonly name = 'LockstepError';
}

const count = z.int().min(0);
const transactionId = z.string().regex(/^\d{1,16}$/).transform(Number);
const instant = z.string().transform((text, context) => {
  try {
    return parseInstant(text);
  } catch (error) {
    if (!(error instanceof TimeError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
    return z.NEVER;
  }
});
const sentLines = z.object({ connection: count, lines: count });
const announcementSchema = z
  .object({ tick: count, time: instant, lastTransactionID: transactionId, lines: z.object({ pricing: sentLines, transactions: sentLines }), barsDone: count, barsTotal: count, done: z.boolean() })
  .transform(({ lastTransactionID, ...rest }) => ({ ...rest, lastTransactionId: lastTransactionID }));
const statusSchema = z
  .object({ time: instant, tick: count, barsTotal: count, barsDone: count, held: z.boolean(), done: z.boolean(), lastTransactionID: transactionId })
  .transform(({ lastTransactionID, ...rest }) => ({ ...rest, lastTransactionId: lastTransactionID }));

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** HTTP client of the control routes. */
export class LockstepLink {
  readonly #pool: Pool;
  readonly #token: string;
  readonly #deadlineMs: number;
  readonly #closing = new AbortController();

  /** @throws LockstepError for an address that is not plain http on loopback: no other broker has a clock to move. */
  constructor(options: LockstepLinkOptions) {
    const url = URL.canParse(options.restUrl) ? new URL(options.restUrl) : null;
    if (url === null || url.protocol !== 'http:' || !LOOPBACK.test(url.hostname)) {
      throw new LockstepError('lockstep needs the local broker: give broker.restUrl as http://127.0.0.1:<port>');
    }
    // A held clock answers an advance when it is released, however late; so no timeout of the pool's own.
    this.#pool = new Pool(url.origin, { connections: 4, allowH2: false, headersTimeout: 0, bodyTimeout: 0 });
    this.#token = options.token;
    this.#deadlineMs = options.deadlineMs ?? 10_000;
  }

  /**
   * Acknowledges a tick and waits for the next announcement, for as long as the broker's clock is held.
   * @throws LockstepError when the broker is gone, answers otherwise than agreed, or the link is closed meanwhile.
   */
  async advance(request: AdvanceRequest): Promise<Announcement> {
    const body = {
      acknowledge: request.acknowledge,
      nextTimer: request.nextTimer === null ? null : formatInstant(request.nextTimer),
      ...(request.until === undefined ? {} : { until: formatInstant(request.until) }),
    };
    return this.#call('POST', '/lockstep/advance', JSON.stringify(body), announcementSchema, null);
  }

  /** Where market time stands. @throws LockstepError as `advance`, or past the deadline. */
  async status(): Promise<LockstepStatus> {
    return this.#call('GET', '/lockstep', null, statusSchema, this.#deadlineMs);
  }

  /** Releases a held clock. @throws LockstepError as `advance`, or past the deadline. */
  async start(): Promise<void> {
    await this.#call('POST', '/lockstep/start', null, z.unknown(), this.#deadlineMs);
  }

  /** Ends the calls in flight, which then reject, and the connections. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#pool.destroy();
  }

  async #call<T>(method: 'GET' | 'POST', path: string, body: string | null, schema: z.ZodType<T>, deadlineMs: number | null): Promise<T> {
    const text = await this.#exchange(method, path, body, deadlineMs);
    let json: unknown;
    try {
      json = text === '' ? null : JSON.parse(text);
    } catch {
      throw new LockstepError(`${method} ${path}: the answer is no JSON; is this the local broker?`);
    }
    const parsed = schema.safeParse(json);
    if (!parsed.success) throw new LockstepError(`${method} ${path}: ${z.prettifyError(parsed.error)}`);
    return parsed.data;
  }

  async #exchange(method: 'GET' | 'POST', path: string, body: string | null, deadlineMs: number | null): Promise<string> {
    const signal = deadlineMs === null ? this.#closing.signal : AbortSignal.any([this.#closing.signal, AbortSignal.timeout(deadlineMs)]);
    const headers: Record<string, string> = { authorization: `Bearer ${this.#token}` };
    if (body !== null) headers['content-type'] = 'application/json';
    try {
      const reply = await this.#pool.request({ method, path, body, headers, signal });
      const text = await readText(reply.body);
      if (reply.statusCode === 200 || reply.statusCode === 204) return text;
      throw new LockstepError(`${method} ${path}: status ${reply.statusCode}; is the broker's clock in lockstep, and the token its own?`);
    } catch (error) {
      if (error instanceof LockstepError) throw error;
      const reason = this.#closing.signal.aborted ? 'the link was closed' : signal.aborted ? `no answer within ${deadlineMs} ms` : describe(error);
      throw new LockstepError(`${method} ${path}: ${reason}`, { cause: error });
    }
  }
}

async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > REPLY_BYTES_MAX) throw new LockstepError(`the answer is over ${REPLY_BYTES_MAX} bytes; is this the local broker?`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error));
