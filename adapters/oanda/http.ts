/**
 * One HTTP exchange with the broker, bounded in time and size.
 *
 * Nothing is ever sent twice: HTTP/1.1 without pipelining, no retry, no redirect followed, because a second copy of
 * an order is a second position. A reply counts only when it arrived whole.
 */
import { Pool, buildConnector } from 'undici';
import type { ConnectPacer } from './governor.ts';

/** Connections to a host. Reads may hold fewer, so that an order finds one free. */
const CONNECTIONS_MAX = 8;
export const READS_IN_FLIGHT_MAX = 6;
const HEADER_BYTES_MAX = 16 * 1024;
const REQUEST_ID_LENGTH_MAX = 128;

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** Path and query, from the root. */
  readonly path: string;
  /** Sent as these bytes exactly; null for none. */
  readonly body: string | null;
  /** The reply is given up beyond this size. */
  readonly replyBytesMax: number;
  /** For the whole exchange, from the call to the last byte of the reply. */
  readonly deadlineMs: number;
  /** Aborting it gives the exchange up early; one for each exchange. */
  readonly abort: AbortController;
  /** Sent as the ClientRequestID header, which the broker repeats in the transactions it writes. */
  readonly clientRequestId?: string;
}

/** What came of it. `broken` is null when a reply arrived whole; the bytes received until then are kept. */
export interface HttpExchange {
  readonly status: number | null;
  readonly requestId: string | null;
  readonly contentType: string | null;
  readonly contentEncoding: string | null;
  /** The Date and Retry-After headers as they came. */
  readonly date: string | null;
  readonly retryAfter: string | null;
  readonly bytes: Buffer;
  /** `unsent` only where no connection ever stood, so that no byte of the request can have left. */
  readonly broken: { readonly cause: 'timeout' | 'connection' | 'unparsable' | 'untrusted'; readonly detail: string; readonly unsent: boolean } | null;
}

/** A pool that verifies certificates whatever the environment says, and never uses HTTP/2, whose streams may be resent. @param pacer null for no pace */
export function createPool(origin: string, pacer: ConnectPacer | null): Pool {
  const connect = buildConnector({ rejectUnauthorized: true, minVersion: 'TLSv1.2', allowH2: false });
  return new Pool(origin, {
    connections: CONNECTIONS_MAX,
    pipelining: 1,
    allowH2: false,
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: pacer === null ? connect : (options, callback) => pacer.open(() => connect(options, callback)),
  });
}

/** The headers of every call. Times come as RFC 3339, bodies uncompressed. */
export const requestHeaders = (token: string): Record<string, string> => ({
  authorization: `Bearer ${token}`,
  accept: 'application/json',
  'accept-encoding': 'identity',
  'accept-datetime-format': 'RFC3339',
});

/** Performs one exchange; never rejects. */
export async function exchange(pool: Pool, token: string, request: HttpRequest): Promise<HttpExchange> {
  const { signal } = request.abort;
  let expired = false;
  const timer = setTimeout(() => {
    expired = true;
    request.abort.abort();
  }, request.deadlineMs);
  const chunks: Uint8Array[] = [];
  let head: Omit<HttpExchange, 'bytes' | 'broken'> = { status: null, requestId: null, contentType: null, contentEncoding: null, date: null, retryAfter: null };
  let broken: HttpExchange['broken'] = null;
  try {
    const reply = await pool.request({
      method: request.method,
      path: request.path,
      headers: {
        ...requestHeaders(token),
        ...(request.body === null ? {} : { 'content-type': 'application/json' }),
        ...(request.clientRequestId === undefined ? {} : { ClientRequestID: request.clientRequestId }),
      },
      body: request.body === null ? null : Buffer.from(request.body, 'utf8'),
      signal,
    });
    const requestId = headerOf(reply.headers, 'requestid');
    head = {
      status: reply.statusCode,
      requestId: requestId !== null && requestId.length <= REQUEST_ID_LENGTH_MAX ? requestId : null,
      contentType: headerOf(reply.headers, 'content-type'),
      contentEncoding: headerOf(reply.headers, 'content-encoding'),
      date: headerOf(reply.headers, 'date'),
      retryAfter: headerOf(reply.headers, 'retry-after'),
    };
    let bytes = 0;
    for await (const chunk of reply.body as AsyncIterable<Uint8Array>) {
      const room = request.replyBytesMax - bytes;
      chunks.push(chunk.byteLength > room ? chunk.subarray(0, room) : chunk);
      bytes += chunk.byteLength;
      if (bytes <= request.replyBytesMax) continue;
      broken = { cause: 'unparsable', detail: `the reply is over ${request.replyBytesMax} bytes`, unsent: false };
      break;
    }
  } catch (error) {
    if (expired) broken = { cause: 'timeout', detail: `no whole reply within ${request.deadlineMs} ms`, unsent: false };
    else if (signal.aborted) broken = { cause: 'connection', detail: 'the client was closed', unsent: false };
    else broken = { cause: isUntrusted(error) ? 'untrusted' : 'connection', detail: describeError(error), unsent: neverConnected(error) };
  } finally {
    clearTimeout(timer);
  }
  return { ...head, bytes: Buffer.concat(chunks), broken };
}

const CERTIFICATE_FAULT = /^(?:ERR_TLS_CERT_ALTNAME_INVALID|CERT_\w+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(?:VERIFY|GET)_\w+)$/;
const isUntrusted = (error: unknown): boolean => CERTIFICATE_FAULT.test((error as NodeJS.ErrnoException | null)?.code ?? '');

/**
 * Did the connection fail before it stood: no address, nobody listening, a certificate that is not the broker's? Then the
 * request still waited for it. Errors of a connection that stood come from reading or writing and prove nothing.
 */
function neverConnected(error: unknown): boolean {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.every(neverConnected);
  if (!(error instanceof Error)) return false;
  const { syscall, code } = error as NodeJS.ErrnoException;
  return syscall === 'connect' || syscall === 'getaddrinfo' || code === 'UND_ERR_CONNECT_TIMEOUT' || isUntrusted(error);
}

/** The text of a reply that says it is JSON, or why it cannot be read as such. */
export function jsonTextOf(reply: HttpExchange): { readonly text: string } | { readonly unreadable: string } {
  const mediaType = /^\s*application\/json\s*(?:;\s*charset="?(utf-8)"?\s*)?$/i.test(reply.contentType ?? '');
  if (!mediaType) return { unreadable: `the content type is ${reply.contentType === null ? 'missing' : JSON.stringify(reply.contentType.slice(0, 80))}, not application/json` };
  if (reply.contentEncoding !== null && reply.contentEncoding !== 'identity') return { unreadable: `the content encoding ${JSON.stringify(reply.contentEncoding.slice(0, 40))} was not asked for` };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(reply.bytes) };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return { unreadable: 'the reply is no UTF-8' };
  }
}

/** A header's value; the first of several. */
export function headerOf(headers: Record<string, string | string[] | undefined>, name: string): string | null {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? null;
}

/** An error and its cause in one line; refused connections arrive as a group of one error for each address. */
export function describeError(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(describeError).join(', ');
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  return code === undefined || error.message.includes(code) ? error.message : `${error.message} (${code})`;
}
