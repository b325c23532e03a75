/** What a monitor may ask over loopback TCP: alive, ready, metrics. Nothing here changes anything. */
import fastify from 'fastify';
import { CONNECTIONS_MAX, REQUEST_MS_MAX, answerFaults, requestBounds } from './bounds.ts';
import type { MetricsRegistry } from './metrics.ts';

export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

export interface MonitorOptions {
  /** A loopback address; anything else is refused. */
  readonly host: '127.0.0.1' | '::1';
  /** 0 takes any free port. */
  readonly port: number;
  readonly readiness: () => Readiness;
  readonly metrics: Pick<MetricsRegistry, 'contentType' | 'exposition'>;
  readonly onFault: (fault: Error) => void;
}

export interface MonitorServer {
  readonly port: number;
  close(): Promise<void>;
}

/** A page in a browser can reach a loopback port under a name of its own; its Host header gives it away. */
const ALLOWED_HOST = /^(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/;

/** Serves `GET /health`, `GET /ready` (503 with the reason until ready) and `GET /metrics`. */
export async function startMonitorServer({ host, port, readiness, metrics, onFault }: MonitorOptions): Promise<MonitorServer> {
  const server = fastify({
    bodyLimit: 1,
    forceCloseConnections: true,
    ...requestBounds(REQUEST_MS_MAX),
  });
  server.server.maxConnections = CONNECTIONS_MAX;

  server.addHook('onRequest', async (request, reply) => {
    if (!ALLOWED_HOST.test(request.headers.host ?? '')) await reply.code(421).send({ error: 'this host name is not served here' });
  });
  answerFaults(server, onFault, 'there is only GET /health, /ready and /metrics');

  server.get('/health', () => ({ status: 'alive' }));
  server.get('/ready', (_request, reply) => {
    const state = readiness();
    return reply.code(state.ready ? 200 : 503).send(state);
  });
  server.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.exposition()));

  await server.listen({ host, port });
  const address = server.server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has an address with a port');
  return { port: address.port, close: () => server.close() };
}
