/** The control routes of faults; like those of lockstep they stand outside /v3. */
import type { FastifyInstance } from 'fastify';
import { queryText } from './app.ts';
import { HttpError } from './errors.ts';
import { EntryError } from '../faults/documents.ts';
import type { FaultInjector } from '../faults/injector.ts';
import { readFault } from '../faults/plan.ts';

export function addFaultRoutes(app: FastifyInstance, injector: FaultInjector): void {
  app.get('/faults', async () => ({ faults: injector.status() }));
  app.get('/faults/log', async (request) => {
    const from = queryText(request, 'from') ?? '0';
    if (!/^\d{1,9}$/.test(from)) throw new HttpError(400, 'from: give the number of the first entry, counted from 0');
    return injector.log.from(Number(from));
  });
  app.post('/faults', async (request) => {
    try {
      return { ids: injector.inject(readFault(request.body)) };
    } catch (error) {
      if (error instanceof EntryError) throw new HttpError(400, error.message);
      if (error instanceof RangeError) throw new HttpError(409, error.message);
      throw error;
    }
  });
  app.post('/faults/clear', async () => {
    injector.clear();
    return { faults: injector.status() };
  });
}
