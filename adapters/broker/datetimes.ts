/**
 * The two ways in which v20 writes times: RFC 3339 with nanoseconds, and UNIX seconds with nanoseconds.
 *
 * Bodies are built in the first; what a client asks for with `Accept-Datetime-Format` is written when they leave.
 */
import type { Body, Json } from './engine/bodies.ts';
import { SECOND_MS, TimeError, instantOf, parseInstant } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

/** Every field that holds a time ends so: time, gtdTime, createTime, lastOrderFillTimestamp, timestamp. */
const TIME_FIELD = /time(?:stamp)?$/i;
const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.(\d{9})Z$/;
const UNIX = /^(\d{1,12})(?:\.(\d{1,9}))?$/;

/** `2017-09-23T10:09:35.108661157Z` becomes `1506161375.108661157`; anything else, such as "0" for never, stays. */
function unixText(text: string): string {
  const nanoseconds = RFC3339.exec(text)?.[1];
  return nanoseconds === undefined ? text : `${Math.floor(Date.parse(text) / SECOND_MS)}.${nanoseconds}`;
}

const withUnix = (value: Json, key: string): Json => {
  if (typeof value === 'string') return TIME_FIELD.test(key) ? unixText(value) : value;
  if (Array.isArray(value)) return value.map((each: Json) => withUnix(each, key));
  return typeof value === 'object' && value !== null ? withUnixTimes(value as Body) : value;
};

/** A body with each of its times in UNIX seconds. */
export function withUnixTimes(body: Body): Body {
  return Object.fromEntries(Object.entries(body).map(([key, value]) => [key, withUnix(value, key)]));
}

/** Reads a time in either form, whichever the client asked for; null for anything else. */
export function readDateTime(text: string): Instant | null {
  const unix = UNIX.exec(text);
  if (unix !== null) return instantOf(Number(unix[1]) * SECOND_MS + Number((unix[2] ?? '').slice(0, 3).padEnd(3, '0')));
  try {
    return parseInstant(text);
  } catch (error) {
    if (error instanceof TimeError) return null;
    throw error;
  }
}
