/** The HTTP side of the local broker: one port for REST and lockstep, one for streams, as the real one has two hosts. */
import type { FastifyInstance } from 'fastify';
import type { LockstepClock } from './clock/lockstep.ts';
import type { Faults } from './faults/faults.ts';
import { addAccountRoutes } from './http/account-routes.ts';
import { createApp } from './http/app.ts';
import type { AppOptions } from './http/app.ts';
import { addFaultRoutes } from './http/fault-routes.ts';
import type { RateLimits } from './http/limits.ts';
import { rateLimiter } from './http/limits.ts';
import { addLockstepRoutes } from './http/lockstep-routes.ts';
import { addMarketRoutes, addStreamRoutes } from './http/market-routes.ts';
import { addOrderRoutes } from './http/order-routes.ts';
import type { StreamHub } from './streams.ts';
import type { Venue } from './venue.ts';
import { SECOND_MS } from '../../domain/time.ts';

interface ServerOptions {
  readonly venue: Venue;
  readonly hub: StreamHub;
  readonly faults: Faults;
  readonly token: string;
  /** Null in real time, where there is nothing to control. */
  readonly lockstep: LockstepClock | null;
  /** 0 takes any free port. */
  readonly port: number;
  readonly streamPort: number;
  /** Null for a client without limits. */
  readonly rateLimits: RateLimits | null;
  readonly strangerStatus: 403 | 404;
}

interface BrokerServer {
  /** Base addresses, without a path. */
  readonly rest: string;
  readonly stream: string;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';

async function listen(app: FastifyInstance, port: number): Promise<string> {
  await app.listen({ host: HOST, port });
  const address = app.server.address();
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port');
  return `http://${HOST}:${address.port}`;
}

/**
 * The REST side, listening nowhere yet.
 * @param awaitSettlement wait for the fill or cancel of a market order before answering: real time does, market time that
 *   stands still until it is answered cannot.
 */
export function createRestApp(options: AppOptions, awaitSettlement: boolean): FastifyInstance {
  const { venue } = options;
  const rest = createApp(options);
  addAccountRoutes(rest, venue);
  addMarketRoutes(rest, venue);
  // The engine ends an order that finds no price; a little later the answer is surely there.
  addOrderRoutes(rest, venue, { awaitSettlement, settlementWaitMs: venue.engine.settings.marketOrderWaitMs + SECOND_MS });
  return rest;
}

/** Starts both servers on the loopback interface. */
export async function startServer(options: ServerOptions): Promise<BrokerServer> {
  const { venue, hub, faults, token, lockstep } = options;
  const limit = options.rateLimits === null ? null : rateLimiter(options.rateLimits);
  const app: AppOptions = { venue, token, limit, strangerStatus: options.strangerStatus };
  const rest = createRestApp(app, lockstep === null);
  if (lockstep !== null) addLockstepRoutes(rest, lockstep);
  addFaultRoutes(rest, faults.injector);
  faults.around(rest, 'rest');
  const stream = createApp(app);
  faults.around(stream, 'stream');
  addStreamRoutes(stream, venue, hub);
  const restAddress = await listen(rest, options.port);
  try {
    const streamAddress = await listen(stream, options.streamPort);
    return {
      rest: restAddress,
      stream: streamAddress,
      async close() {
        hub.close();
        await Promise.all([rest.close(), stream.close()]);
      },
    };
  } catch (error) {
    await rest.close();
    throw error;
  }
}
