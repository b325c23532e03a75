/** The control routes of lockstep; they stand outside /v3 because no real broker has them. */
import type { FastifyInstance } from 'fastify';
import type { AdvanceRequest, LockstepClock } from '../clock/lockstep.ts';
import { LockstepError } from '../clock/lockstep.ts';
import { HttpError } from './errors.ts';
import { isBody } from '../engine/bodies.ts';
import { TimeError, parseInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

function readTime(value: unknown, field: string): Instant | null {
  if (value === undefined || value === null) return null;
  if (typeof value !== 'string') throw new HttpError(400, `${field}: give a UTC time or null`);
  try {
    return parseInstant(value, field);
  } catch (error) {
    if (error instanceof TimeError) throw new HttpError(400, error.message);
    throw error;
  }
}

function readAdvance(body: unknown): AdvanceRequest {
  if (!isBody(body)) throw new HttpError(400, 'body: give {"acknowledge": 0, "nextTimer": null}');
  const acknowledge = body['acknowledge'];
  if (typeof acknowledge !== 'number' || !Number.isSafeInteger(acknowledge) || acknowledge < 0) throw new HttpError(400, 'acknowledge: give the tick last announced, 0 at first');
  return { acknowledge, nextTimer: readTime(body['nextTimer'], 'nextTimer'), until: readTime(body['until'], 'until') };
}

export function addLockstepRoutes(app: FastifyInstance, clock: LockstepClock): void {
  app.get('/lockstep', async () => clock.status());
  app.post('/lockstep/start', async () => {
    clock.start();
    return clock.status();
  });
  app.post('/lockstep/advance', async (request, reply) => {
    const gone = new AbortController();
    const onClose = (): void => gone.abort();
    request.raw.socket.once('close', onClose);
    try {
      const announcement = await clock.advance(readAdvance(request.body), gone.signal);
      if (announcement === null) reply.hijack();
      return announcement;
    } catch (error) {
      if (error instanceof LockstepError) throw new HttpError(error.status, error.message);
      throw error;
    } finally {
      request.raw.socket.off('close', onClose);
    }
  });
}
