/**
 * The local broker without sockets: the venue, the rule by which its time moves, and the server's own answers.
 *
 * What is read of the account and of its bars is read from the venue directly; what changes it goes through the routes
 * that serve HTTP, so that an order is answered in one process as it is over the wire.
 */
import { randomBytes } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import { Timeline } from './clock/timeline.ts';
import { createRestApp } from './server.ts';
import type { Venue } from './venue.ts';

export interface InProcessReply {
  readonly status: number;
  readonly requestId: string | null;
  readonly body: string;
}

export class InProcessMarket {
  readonly venue: Venue;
  readonly timeline: Timeline;
  readonly #app: FastifyInstance;
  readonly #authorization: string;

  constructor(venue: Venue) {
    const token = randomBytes(24).toString('hex');
    this.venue = venue;
    this.timeline = new Timeline(venue);
    this.#app = createRestApp({ venue, token, limit: null, strangerStatus: 403 }, false);
    this.#authorization = `Bearer ${token}`;
  }

  /** @param path below `/v3`. */
  async request(method: 'POST' | 'PUT', path: string, body: string): Promise<InProcessReply> {
    const reply = await this.#app.inject({
      method,
      url: `/v3${path}`,
      headers: { authorization: this.#authorization, 'content-type': 'application/json' },
      payload: body,
    });
    const requestId = reply.headers['requestid'];
    return { status: reply.statusCode, requestId: typeof requestId === 'string' ? requestId : null, body: reply.body };
  }

  async close(): Promise<void> {
    await this.#app.close();
  }
}
