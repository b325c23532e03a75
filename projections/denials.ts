/** What each guard stopped: how often, and what it saw the last time. */
import type { Projection } from '../domain/projection.ts';
import { count } from './cells.ts';

export const denials: Projection = {
  name: 'denials',
  version: 1,
  key: 'guard',
  columns: { guard: 'TEXT', denials: 'INTEGER', last_value: 'TEXT', last_limit: 'TEXT', last_instrument: 'TEXT', last_leg: 'TEXT', last_cause: 'TEXT', last_units: 'TEXT', last_at: 'TEXT' },
  keysOf: ({ event }) => (event.type === 'OrderDenied' ? [event.data.guard] : []),
  apply(row, { event, metadata }, key) {
    if (event.type !== 'OrderDenied') return row;
    const verdict = event.data.guards.find((guard) => guard.guard === key);
    return {
      guard: key,
      denials: count(row, 'denials') + 1,
      last_value: verdict?.value ?? null,
      last_limit: verdict?.limit ?? null,
      last_instrument: event.data.instrument,
      last_leg: event.data.leg,
      last_cause: event.data.cause,
      last_units: event.data.units,
      last_at: metadata.occurredAt,
    };
  },
};
