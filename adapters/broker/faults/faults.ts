/** The faults of one local broker: who keeps them, and what stands between it and its clients. */
import type { FastifyInstance } from 'fastify';
import { addAccountFaults } from './account-faults.ts';
import { FaultLog } from './fault-log.ts';
import { addExchangeFaults } from './http-faults.ts';
import { FaultInjector } from './injector.ts';
import type { FaultPlan } from './plan.ts';
import { StreamFaults } from './stream-faults.ts';
import type { StreamTamper } from '../streams.ts';
import type { Venue } from '../venue.ts';

export interface Faults {
  readonly injector: FaultInjector;
  readonly tamper: StreamTamper;
  /** Puts faults around the routes of a server that does not listen yet. */
  around(app: FastifyInstance, host: 'rest' | 'stream'): void;
  /** Takes up the plan, when everything stands. */
  start(): void;
  close(): void;
}

/** @throws Error when the log's file cannot be opened. */
export function createFaults(venue: Venue, plan: FaultPlan, logFile: string | null): Faults {
  const log = new FaultLog(logFile);
  const injector = new FaultInjector(venue, plan.seed, log);
  addAccountFaults(injector, venue);
  return {
    injector,
    tamper: new StreamFaults(injector, venue),
    around(app, host) {
      addExchangeFaults(app, host, injector, venue);
      if (host === 'stream') addListenerFaults(app, injector);
    },
    start: () => injector.start(plan),
    close: () => log.close(),
  };
}

/** While streams are refused nobody listens on their port; connections that are open stay so. */
function addListenerFaults(app: FastifyInstance, injector: FaultInjector): void {
  let port: number | null = null;
  injector.listen({
    begun(live) {
      const address = app.server.address();
      if (live.fault.kind !== 'refuseStreams' || address === null || typeof address === 'string') return;
      port = address.port;
      app.server.close();
    },
    ended(live) {
      if (live.fault.kind !== 'refuseStreams' || port === null || injector.activeFaults('refuseStreams').length > 0) return;
      app.server.listen(port, '127.0.0.1');
      port = null;
    },
  });
}
