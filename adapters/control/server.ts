/**
 * The operator's way in: HTTP over a unix socket, guarded by the file's permission and nothing else.
 * Whoever may write to the socket may stop trading; there is no way in over the network.
 */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import fastify from 'fastify';
import { BODY_BYTES_MAX, CONNECTIONS_MAX, REQUEST_MS_MAX, answerFaults, requestBounds } from './bounds.ts';
import { commandSchema } from './protocol.ts';
import type { ControlHandler } from './protocol.ts';

const SOCKET_MODE = 0o660;
const PROBE_MS_MAX = 1_000;

/** The socket's path is taken: by a daemon that answers, or by a file that is no socket. */
export class ControlSocketError extends Error {
  override readonly name = 'ControlSocketError';
}

export interface ControlServer {
  /** Stops listening, gives requests in flight the time of a request to finish, and removes the socket. */
  close(): Promise<void>;
}

export interface ControlServerOptions {
  readonly socketPath: string;
  readonly handler: ControlHandler;
  /** Told of a fault while answering; the caller was told only that there was one. */
  readonly onFault: (fault: Error) => void;
  /** Milliseconds in which a request must arrive whole; five seconds when left out. */
  readonly requestMsMax?: number;
}

/** Does anybody answer on this socket? Only a refused connection proves that nobody does. */
function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    const settle = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(PROBE_MS_MAX, () => settle(true));
    socket.once('connect', () => settle(true));
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT'));
  });
}

/** Removes what a daemon that died has left behind, and nothing else. */
async function clearStaleSocket(socketPath: string): Promise<void> {
  const found = lstatSync(socketPath, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new ControlSocketError(`${socketPath}: is no socket; move the file away or choose another control.socketPath`);
  if (await isAnswered(socketPath)) throw new ControlSocketError(`${socketPath}: another daemon answers here; stop it or give this one another deployment`);
  unlinkSync(socketPath);
}

/** @throws ControlSocketError when the path is taken. */
export async function startControlServer({ socketPath, handler, onFault, requestMsMax = REQUEST_MS_MAX }: ControlServerOptions): Promise<ControlServer> {
  const server = fastify({
    bodyLimit: BODY_BYTES_MAX,
    forceCloseConnections: 'idle',
    ...requestBounds(requestMsMax),
  });
  server.server.maxConnections = CONNECTIONS_MAX;

  answerFaults(server, onFault, 'there is only POST /commands and GET /status');

  server.post('/commands', async (request, reply) => {
    const parsed = commandSchema.safeParse(request.body);
    if (!parsed.success) return reply.code(400).send({ error: parsed.error.issues.map(({ message }) => message).join('; ') });
    return handler.command(parsed.data);
  });
  server.get('/status', () => handler.status());

  await clearStaleSocket(socketPath);
  await server.listen({ path: socketPath });
  // Connecting takes write permission, which the usual umasks give to the owner alone; the group gets it here.
  chmodSync(socketPath, SOCKET_MODE);
  const close = async (): Promise<void> => {
    // Node stops looking for slow requests once it closes, so one that drips would hold the daemon up for ever.
    const impatience = setTimeout(() => server.server.closeAllConnections(), requestMsMax);
    await server.close();
    clearTimeout(impatience);
  };
  return { close };
}
