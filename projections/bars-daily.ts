/**
 * Bars by instrument and UTC day against OANDA's own hours: what came in time, what was read later or revised, what was
 * expected and what was missing. A day's coverage is bars_expected / minutes_expected.
 */
import { calendarFor, isMarketOpen, isOptionalMinute, OANDA_CALENDAR, openMinutesBetween } from '../domain/calendar.ts';
import type { ProjectedEvent, Projection, Row } from '../domain/projection.ts';
import { DAY_MS, parseInstant, plusMs } from '../domain/time.ts';
import { count } from './cells.ts';

function placeOf({ event }: ProjectedEvent): { readonly instrument: string; readonly day: string } | null {
  switch (event.type) {
    case 'MarketBarClosed':
    case 'MarketBarBackfilled':
    case 'MarketBarRevised':
      return { instrument: event.data.instrument, day: event.data.start.slice(0, 10) };
    case 'MarketGapDetected':
      return { instrument: event.data.instrument, day: event.data.from.slice(0, 10) };
    default:
      return null;
  }
}

/** Which minute of the calendar a bar fills, if it is a new one. */
function minuteOf(event: ProjectedEvent['event'], instrument: string): 'expected' | 'optional' | 'outside' | null {
  const isNew = event.type === 'MarketBarClosed' || event.type === 'MarketBarBackfilled' || (event.type === 'MarketBarRevised' && event.data.recorded === null);
  if (!isNew) return null;
  const calendar = calendarFor(OANDA_CALENDAR, instrument);
  const start = parseInstant(event.data.start);
  return isOptionalMinute(calendar, start) ? 'optional' : isMarketOpen(calendar, start) ? 'expected' : 'outside';
}

function expectedMinutes(instrument: string, day: string): number {
  const midnight = parseInstant(`${day}T00:00:00Z`);
  return openMinutesBetween(calendarFor(OANDA_CALENDAR, instrument), midnight, plusMs(midnight, DAY_MS));
}

export const barsDaily: Projection = {
  name: 'bars_daily',
  version: 2,
  key: 'id',
  columns: {
    id: 'TEXT', instrument: 'TEXT', day: 'TEXT', bars_closed: 'INTEGER', bars_backfilled: 'INTEGER', bars_revised: 'INTEGER', minutes_expected: 'INTEGER', bars_expected: 'INTEGER',
    bars_optional: 'INTEGER', bars_outside: 'INTEGER', gaps: 'INTEGER', missing_minutes: 'INTEGER', longest_gap_minutes: 'INTEGER',
  },
  keysOf(projected) {
    const place = placeOf(projected);
    return place === null ? [] : [`${place.instrument} ${place.day}`];
  },
  apply(row, projected, key): Row | null {
    const place = placeOf(projected);
    if (place === null) return row;
    const { event } = projected;
    const minute = minuteOf(event, place.instrument);
    // A gap belongs to the day on which it began. Its minutes stay counted when a backfill closes it later.
    const gapMinutes = event.type === 'MarketGapDetected' ? event.data.openMinutes : 0;
    const plus = (column: string, holds: boolean): number => count(row, column) + (holds ? 1 : 0);
    return {
      id: key,
      ...place,
      bars_closed: plus('bars_closed', event.type === 'MarketBarClosed'),
      bars_backfilled: plus('bars_backfilled', event.type === 'MarketBarBackfilled'),
      bars_revised: plus('bars_revised', event.type === 'MarketBarRevised'),
      minutes_expected: row === null ? expectedMinutes(place.instrument, place.day) : count(row, 'minutes_expected'),
      bars_expected: plus('bars_expected', minute === 'expected'),
      bars_optional: plus('bars_optional', minute === 'optional'),
      bars_outside: plus('bars_outside', minute === 'outside'),
      gaps: plus('gaps', gapMinutes > 0),
      missing_minutes: count(row, 'missing_minutes') + gapMinutes,
      longest_gap_minutes: Math.max(count(row, 'longest_gap_minutes'), gapMinutes),
    };
  },
};
