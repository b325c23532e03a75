/** Bars by instrument and UTC day: how many came in time, how many were read later, and what was missing. */
import type { ProjectedEvent, Projection, Row } from '../domain/projection.ts';
import { count } from './cells.ts';

function placeOf({ event }: ProjectedEvent): { readonly instrument: string; readonly day: string } | null {
  switch (event.type) {
    case 'MarketBarClosed':
    case 'MarketBarBackfilled':
      return { instrument: event.data.instrument, day: event.data.start.slice(0, 10) };
    case 'MarketGapDetected':
      return { instrument: event.data.instrument, day: event.data.from.slice(0, 10) };
    default:
      return null;
  }
}

export const barsDaily: Projection = {
  name: 'bars_daily',
  version: 1,
  key: 'id',
  columns: { id: 'TEXT', instrument: 'TEXT', day: 'TEXT', bars_closed: 'INTEGER', bars_backfilled: 'INTEGER', gaps: 'INTEGER', missing_minutes: 'INTEGER' },
  keysOf(projected) {
    const place = placeOf(projected);
    return place === null ? [] : [`${place.instrument} ${place.day}`];
  },
  apply(row, projected, key): Row | null {
    const place = placeOf(projected);
    if (place === null) return row;
    const { event } = projected;
    return {
      id: key,
      ...place,
      bars_closed: count(row, 'bars_closed') + (event.type === 'MarketBarClosed' ? 1 : 0),
      bars_backfilled: count(row, 'bars_backfilled') + (event.type === 'MarketBarBackfilled' ? 1 : 0),
      // A gap belongs to the day on which it began. Its minutes stay counted when a backfill closes it later.
      gaps: count(row, 'gaps') + (event.type === 'MarketGapDetected' ? 1 : 0),
      missing_minutes: count(row, 'missing_minutes') + (event.type === 'MarketGapDetected' ? event.data.openMinutes : 0),
    };
  },
};
