/** A small real HTTP server that answers as a test tells it to, and keeps what it was asked. */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createOandaBroker } from '../../../adapters/oanda/client.ts';
import { instantOf } from '../../../domain/time.ts';
import type { OandaOptions } from '../../../adapters/oanda/client.ts';
import type { Broker } from '../../../domain/broker.ts';
import type { Clock } from '../../../domain/clock.ts';

export const ACCOUNT_ID = '101-001-1234567-001';
/** Must never be seen anywhere but in the Authorization header. */
export const CANARY = 'canary-0f1e2d3c4b5a69788796a5b4c3d2e1f0';

interface ReceivedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export interface TestServer {
  readonly url: string;
  readonly requests: ReceivedRequest[];
  close(): Promise<void>;
}

/** The handler is called when the whole request has arrived. */
export async function startServer(handler: (request: ReceivedRequest, response: ServerResponse) => void): Promise<TestServer> {
  const requests: ReceivedRequest[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      const request = { method: incoming.method!, path: incoming.url!, headers: incoming.headers, body: Buffer.concat(chunks) };
      requests.push(request);
      handler(request, response);
    });
  });
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () => new Promise((resolve) => {
      for (const socket of sockets) socket.destroy();
      server.close(() => resolve());
    }),
  };
}

/** A clock that moves on by a millisecond each time somebody looks. */
function steppingClock(): Clock {
  let now = Date.UTC(2026, 0, 5, 12);
  return { now: () => instantOf((now += 1)), monotonicNs: () => BigInt(now) * 1_000_000n };
}

/** A client of the server; its limits are long enough for a busy machine, a test of a limit sets its own. */
export const clientOf = (server: { readonly url: string }, options: Partial<OandaOptions> = {}): Broker =>
  createOandaBroker({ restUrl: server.url, streamUrl: server.url, accountId: ACCOUNT_ID, token: CANARY, clock: steppingClock(), restDeadlineMs: 5_000, streamSilenceMsMax: 5_000, ...options });

export function replyJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', RequestID: 'request-7' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}
