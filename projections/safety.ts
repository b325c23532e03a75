/** The mode that trading is in, in one row, and every change of it. */
import type { Disposition, DomainEvent, Mode } from '../domain/events.ts';
import type { Projection } from '../domain/projection.ts';
import { count } from './cells.ts';

const KEY = 'safety';

interface ModeChange {
  readonly mode: Mode;
  readonly cause: string;
  readonly detail: string;
  readonly disposition: Disposition | null;
}

/** Null for events that leave the mode as it is. Disarming and resuming lead to OBSERVING; where a position is open, TradingReducing follows in the log. */
function modeChangeOf(event: DomainEvent): ModeChange | null {
  switch (event.type) {
    case 'TradingArmed':
      return { mode: 'ARMED', cause: `operator ${event.data.operator}`, detail: event.data.reason, disposition: null };
    case 'TradingDisarmed':
    case 'TradingResumed':
      return { mode: 'OBSERVING', cause: `operator ${event.data.operator}`, detail: event.data.reason, disposition: null };
    case 'TradingObserving':
      return { mode: 'OBSERVING', cause: event.data.cause, detail: '', disposition: null };
    case 'TradingReducing':
      return { mode: 'REDUCING', cause: event.data.cause, detail: '', disposition: null };
    case 'TradingHalted':
      return { mode: 'HALTED', cause: event.data.cause, detail: event.data.detail, disposition: event.data.disposition };
    default:
      return null;
  }
}

/** `lossLimit; foreignTrade`: each part once. */
const joined = (before: string | number | null | undefined, next: string): string => [...new Set([...String(before ?? '').split('; ').filter((part) => part !== ''), next])].join('; ');

export const safety: Projection = {
  name: 'safety',
  version: 2,
  key: 'id',
  columns: { id: 'TEXT', mode: 'TEXT', since: 'TEXT', cause: 'TEXT', detail: 'TEXT', disposition: 'TEXT', actor: 'TEXT', armings: 'INTEGER', halts: 'INTEGER' },
  keysOf: ({ event }) => (modeChangeOf(event) === null ? [] : [KEY]),
  apply(row, { event, metadata }) {
    const change = modeChangeOf(event);
    if (change === null) return row;
    // A further cause joins a halt that stands, and never softens it.
    const standing = event.type === 'TradingHalted' && row?.['mode'] === 'HALTED' ? row : null;
    const { mode } = change;
    const circumstances = standing === null
      ? { ...change, since: metadata.occurredAt, actor: metadata.actor }
      : {
          cause: joined(standing['cause'], change.cause),
          detail: joined(standing['detail'], change.detail),
          disposition: standing['disposition'] === 'flatten' ? 'flatten' : change.disposition,
          since: standing['since'] ?? metadata.occurredAt,
          actor: standing['actor'] ?? metadata.actor,
        };
    return {
      id: KEY,
      mode,
      ...circumstances,
      armings: count(row, 'armings') + (event.type === 'TradingArmed' ? 1 : 0),
      halts: count(row, 'halts') + (event.type === 'TradingHalted' ? 1 : 0),
    };
  },
};

export const modeChanges: Projection = {
  name: 'mode_changes',
  version: 1,
  key: 'id',
  columns: { id: 'TEXT', sequence: 'INTEGER', at: 'TEXT', event: 'TEXT', mode: 'TEXT', cause: 'TEXT', detail: 'TEXT', disposition: 'TEXT', actor: 'TEXT' },
  keysOf: ({ event, recorded }) => (modeChangeOf(event) === null ? [] : [recorded.id]),
  apply(row, { event, metadata }, key) {
    const change = modeChangeOf(event);
    return change === null ? row : { id: key, sequence: metadata.sequence, at: metadata.occurredAt, event: event.type, ...change, actor: metadata.actor };
  },
};
