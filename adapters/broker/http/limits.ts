/**
 * The broker's limits on a client: 120 requests a second, 2 new connections a second.
 *
 * They count real time, whatever the market's clock does, and one account of them holds for both hosts. What the
 * broker answers beyond them is a 429; its body, and whether it carries Retry-After, are not established.
 */
import type { Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { HttpError } from './errors.ts';
import { SECOND_MS } from '../../../domain/time.ts';

export interface RateLimits {
  readonly requestsPerSecond: number;
  readonly connectionsPerSecond: number;
  /** Seconds that a 429 tells to wait in Retry-After; null leaves the header out. */
  readonly retryAfterSeconds: number | null;
}

export const OANDA_RATE_LIMITS: RateLimits = { requestsPerSecond: 120, connectionsPerSecond: 2, retryAfterSeconds: null };

/** Allows `perSecond` events in any second; those that it refuses do not count. */
export class SlidingSecond {
  readonly #perSecond: number;
  #allowedAt: number[] = [];

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
  }

  allows(nowMs: number): boolean {
    this.#allowedAt = this.#allowedAt.filter((at) => nowMs - at < SECOND_MS);
    if (this.#allowedAt.length >= this.#perSecond) return false;
    this.#allowedAt.push(nowMs);
    return true;
  }
}

/** Makes the function that puts servers under one account of the limits. */
export function rateLimiter(limits: RateLimits): (app: FastifyInstance) => void {
  const requests = new SlidingSecond(limits.requestsPerSecond);
  const connections = new SlidingSecond(limits.connectionsPerSecond);
  const surplus = new WeakSet<Socket>();
  return (app) => {
    app.server.on('connection', (socket) => {
      if (!connections.allows(performance.now())) surplus.add(socket);
    });
    app.addHook('onRequest', async (request, reply) => {
      const isSurplus = surplus.has(request.raw.socket);
      if (!isSurplus && requests.allows(performance.now())) return;
      if (limits.retryAfterSeconds !== null) reply.header('Retry-After', String(limits.retryAfterSeconds));
      if (isSurplus) reply.header('Connection', 'close');
      throw new HttpError(429, isSurplus ? 'Too many new connections' : 'Too many requests');
    });
  };
}
