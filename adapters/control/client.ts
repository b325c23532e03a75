/** The command line's side of the control socket. */
import { Client } from 'undici';
import { z } from 'zod';
import type { Json } from '../../domain/canonical.ts';
import { outcomeSchema } from './protocol.ts';
import type { ControlCommand, ControlOutcome } from './protocol.ts';

const REPLY_BYTES_MAX = 1024 * 1024;
/** Arming waits for a reconciliation, and that for the broker. */
const REPLY_MS_MAX = 30_000;

/** Nobody listens on the socket. Exit code 69. */
export class DaemonNotRunningError extends Error {
  override readonly name = 'DaemonNotRunningError';
}

/** The daemon could not be asked, or its answer was not understood; the command may or may not have been obeyed. */
export class ControlRequestError extends Error {
  override readonly name = 'ControlRequestError';
}

const errorSchema = z.object({ error: z.string() });

function failure(socketPath: string, error: unknown): Error {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'ENOENT' || code === 'ECONNREFUSED') {
    return new DaemonNotRunningError(`no daemon answers on ${socketPath}; start it with \`reckoner run\` or name its configuration`);
  }
  if (code === 'EACCES') return new ControlRequestError(`${socketPath}: permission denied; run as the daemon's user or join its group`);
  return new ControlRequestError(`${socketPath}: ${error instanceof Error ? error.message : String(error)}; ask for the status before trying again`);
}

async function ask(socketPath: string, method: 'GET' | 'POST', path: string, body?: ControlCommand): Promise<{ status: number; reply: unknown }> {
  const client = new Client('http://reckoner', { connect: { socketPath }, maxResponseSize: REPLY_BYTES_MAX, headersTimeout: REPLY_MS_MAX, bodyTimeout: REPLY_MS_MAX });
  try {
    const response = await client.request({
      method,
      path,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return { status: response.statusCode, reply: await response.body.json() };
  } catch (error) {
    throw failure(socketPath, error);
  } finally {
    await client.destroy();
  }
}

/**
 * Sends one command. A refusal is an outcome with `accepted: false`, not an error.
 * @throws DaemonNotRunningError | ControlRequestError
 */
export async function sendCommand(socketPath: string, command: ControlCommand): Promise<ControlOutcome> {
  const { status, reply } = await ask(socketPath, 'POST', '/commands', command);
  const outcome = outcomeSchema.safeParse(reply);
  if (status === 200 && outcome.success) return outcome.data;
  const refused = errorSchema.safeParse(reply);
  throw new ControlRequestError(refused.success ? refused.data.error : `${socketPath}: status ${status} and no outcome; is the daemon of the same release?`);
}

/** @throws DaemonNotRunningError | ControlRequestError */
export async function fetchStatus(socketPath: string): Promise<Json> {
  const { status, reply } = await ask(socketPath, 'GET', '/status');
  const parsed = z.json().safeParse(reply);
  if (status === 200 && parsed.success) return parsed.data;
  const refused = errorSchema.safeParse(reply);
  throw new ControlRequestError(refused.success ? refused.data.error : `${socketPath}: status ${status}; is the daemon of the same release?`);
}
