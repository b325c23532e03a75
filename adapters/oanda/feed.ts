/** One connection of a v20 stream: newline-delimited JSON until it ends, falls silent or says something wrong. */
import { createLineSplitter } from './lines.ts';
import { describeError, headerOf, requestHeaders } from './http.ts';
import { WireError, decodeRefusal } from './wire.ts';
import type { Dispatcher, Pool } from 'undici';
import type { FeedEnd, FeedLine, FeedListener } from '../../domain/broker.ts';

const LINE_BYTES_MAX = 64 * 1024;
const REFUSAL_BYTES_MAX = 4 * 1024;

interface FeedOptions {
  readonly pool: Pool;
  readonly token: string;
  /** Path and query, from the root. */
  readonly path: string;
  /** @throws WireError */
  readonly decode: (line: string) => FeedLine;
  /** Until the response headers. */
  readonly connectDeadlineMs: number;
  /** Longest time without a byte; 0 for no limit. */
  readonly silenceMsMax: number;
  /** Told the status of the answer, and its Retry-After. */
  readonly answered: (status: number, retryAfter: string | null) => void;
  /** Takes what must not be seen out of a text. */
  readonly scrub: (text: string) => string;
}

/** Opens a stream. The listener hears of its end once, and of nothing more after it has closed the stream itself. */
export function openFeed(options: FeedOptions, listener: FeedListener): { close(): void } {
  const connection = new AbortController();
  let over = false;
  let watchdog: ReturnType<typeof setTimeout> | undefined;

  const finish = (): void => {
    over = true;
    clearTimeout(watchdog);
    connection.abort();
  };
  const end = (detail: string, cause: FeedEnd = 'other'): void => {
    if (over) return;
    finish();
    listener.ended(options.scrub(detail), cause);
  };
  const expectWithin = (limitMs: number, detail: string): void => {
    clearTimeout(watchdog);
    if (limitMs > 0) watchdog = setTimeout(() => end(detail), limitMs);
  };
  const heard = (): void => expectWithin(options.silenceMsMax, `no byte for ${options.silenceMsMax} ms`);

  /** Hands lines on until there are no more, and tells why. */
  const run = async (): Promise<void> => {
    expectWithin(options.connectDeadlineMs, `no answer within ${options.connectDeadlineMs} ms`);
    const opened = await open(options, connection.signal);
    if ('refused' in opened) end(opened.refused, opened.cause);
    else end(await follow(opened));
  };
  const follow = async (opened: OpenedFeed): Promise<string> => {
    const batches = linesOf(opened.body, heard);
    if (!over) {
      heard();
      listener.connected(opened.connection);
    }
    // Once the feed is over the connection is aborted, which is what ends this loop then.
    for (;;) {
      const batch = await batches.next().catch((error: unknown) => describeError(error));
      if (typeof batch === 'string') return batch;
      if (batch.done === true) return batch.value;
      for (const text of batch.value) {
        const line = decodeOrReason(options, text);
        if (typeof line === 'string') return line;
        if (over) break;
        listener.line(line);
      }
    }
  };
  // A rejection here is a fault of a listener or of this module, not of the broker: it stays unhandled and stops the process.
  void run();
  return { close: finish };
}

interface OpenedFeed {
  readonly body: Dispatcher.ResponseData['body'];
  readonly connection: number | null;
}

interface RefusedFeed {
  readonly refused: string;
  readonly cause: FeedEnd;
}

const causeOf = (status: number): FeedEnd => (status === 503 ? 'unavailable' : status === 401 || status === 403 ? 'unauthorised' : 'other');

/** Sends the request. */
async function open(options: FeedOptions, signal: AbortSignal): Promise<OpenedFeed | RefusedFeed> {
  try {
    const reply = await options.pool.request({ method: 'GET', path: options.path, headers: requestHeaders(options.token), signal });
    options.answered(reply.statusCode, headerOf(reply.headers, 'retry-after'));
    if (reply.statusCode !== 200) return { refused: `status ${reply.statusCode}: ${await refusalOf(reply.body)}`, cause: causeOf(reply.statusCode) };
    const numbered = headerOf(reply.headers, 'lockstep-connection');
    if (numbered !== null && !/^\d{1,9}$/.test(numbered)) return { refused: 'the Lockstep-Connection header is no number', cause: 'other' };
    return { body: reply.body, connection: numbered === null ? null : Number(numbered) };
  } catch (error) {
    return { refused: describeError(error), cause: 'other' };
  }
}

async function refusalOf(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes > REFUSAL_BYTES_MAX) break;
  }
  return decodeRefusal(Buffer.concat(chunks).toString('utf8'))?.detail ?? 'no v20 error in the body';
}

/** The complete lines of each chunk; returns why they stopped. */
async function* linesOf(body: AsyncIterable<Uint8Array>, heard: () => void): AsyncGenerator<readonly string[], string, undefined> {
  const splitter = createLineSplitter(LINE_BYTES_MAX);
  for await (const chunk of body) {
    heard();
    yield splitter.push(chunk);
  }
  return splitter.pendingBytes() === 0 ? 'the broker closed the stream' : 'the broker closed the stream in the middle of a line';
}

function decodeOrReason(options: FeedOptions, line: string): FeedLine | string {
  try {
    return options.decode(line);
  } catch (error) {
    if (error instanceof WireError) return `a line is not v20: ${error.message}`;
    throw error;
  }
}
