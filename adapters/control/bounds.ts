/** Bounds of the daemon's own HTTP servers, and what they answer when something is wrong. */
import type { FastifyInstance } from 'fastify';

/** Bytes of a request body; a command is a few hundred. */
export const BODY_BYTES_MAX = 64 * 1024;
const HEADER_BYTES_MAX = 8 * 1024;
export const CONNECTIONS_MAX = 16;
/** A request that has not arrived whole after this time is dropped, and so is a connection without a next one. */
export const REQUEST_MS_MAX = 5_000;

/**
 * Server options that drop slow requests. Node times a body only when its server was created with a header timeout
 * that is not longer, and looks for slow requests only once in an interval; both are therefore set here.
 */
export function requestBounds(requestMsMax: number) {
  return {
    requestTimeout: requestMsMax,
    keepAliveTimeout: requestMsMax,
    http: {
      requestTimeout: requestMsMax,
      headersTimeout: requestMsMax,
      connectionsCheckingInterval: Math.max(50, requestMsMax / 5),
      maxHeaderSize: HEADER_BYTES_MAX,
    },
  };
}

/** A caller's mistake is named to the caller, a fault of ours to whoever reads our log. */
export function answerFaults(server: FastifyInstance, onFault: (fault: Error) => void, notFound: string): void {
  server.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status < 500) return reply.code(status).send({ error: error.message });
    onFault(error);
    return reply.code(500).send({ error: 'the daemon could not answer; its log says why' });
  });
  server.setNotFoundHandler((_request, reply) => reply.code(404).send({ error: notFound }));
}
