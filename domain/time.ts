/**
 * Time as the core sees it: whole milliseconds since 1970 UTC, always handed in from outside.
 * The broker's own nanosecond strings are kept verbatim where they are recorded; this is only for arithmetic.
 */

declare const instant: unique symbol;
/** Milliseconds since 1970-01-01T00:00:00Z, an integer. */
export type Instant = number & { readonly [instant]: true };

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 86_400_000;

const RFC3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?Z$/;

/** Raised for text that is no UTC time of the form 2026-09-23T21:14:07.570329138Z. */
export class TimeError extends Error {
  override readonly name = 'TimeError';
}

export function instantOf(epochMs: number): Instant {
  if (!Number.isSafeInteger(epochMs)) throw new TimeError(`${epochMs} is not a whole number of milliseconds`);
  return epochMs as Instant;
}

/** Reads an RFC 3339 UTC time; digits beyond the millisecond are cut, never rounded up into the future. */
export function parseInstant(text: string, field = 'time'): Instant {
  const match = RFC3339.exec(text);
  if (match === null) throw new TimeError(`${field}: "${text.slice(0, 40)}" is not a UTC time such as 2026-09-23T21:14:07Z`);
  const [, year, month, day, hour, minute, second, fraction = ''] = match;
  const midnight = Date.UTC(Number(year), Number(month) - 1, Number(day));
  const isDate = Number(month) >= 1 && Number(month) <= 12 && new Date(midnight).getUTCDate() === Number(day);
  if (!isDate || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) throw new TimeError(`${field}: "${text}" is no time of the calendar`);
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, '0'));
  return (midnight + Number(hour) * HOUR_MS + Number(minute) * MINUTE_MS + Number(second) * SECOND_MS + milliseconds) as Instant;
}

/** RFC 3339 with nine digits, the way the broker prints times: 2026-09-23T21:14:07.570000000Z. */
export const formatInstant = (at: Instant): string => `${new Date(at).toISOString().slice(0, -1)}000000Z`;

export const plusMs = (at: Instant, durationMs: number): Instant => instantOf(at + durationMs);
/** The start of the minute that holds `at`. */
export const floorMinute = (at: Instant): Instant => (at - (((at % MINUTE_MS) + MINUTE_MS) % MINUTE_MS)) as Instant;
