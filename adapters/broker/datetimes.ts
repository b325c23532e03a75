/**
 * The two ways in which v20 writes times: RFC 3339 with nanoseconds, and UNIX seconds with nanoseconds.
 *
 * Bodies are read and built in the first. The second is taken from a request where it comes in, and written where an
 * answer leaves when the client asks for it with `Accept-Datetime-Format`.
 */
import type { Body, Json } from './engine/bodies.ts';
import { SECOND_MS, TimeError, instantOf, parseInstant } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

/** Every field that holds a time is named so: time, gtdTime, createTime, lastOrderFillTimestamp; from and to of a list's span. */
const TIME_FIELD = /time(?:stamp)?$|^(?:from|to)$/i;
const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.(\d{9})Z$/;
const UNIX = /^(\d{1,12})(?:\.(\d{1,9}))?$/;

/** `2017-09-23T10:09:35.108661157Z` becomes `1506161375.108661157`; anything else, such as "0" for never, stays. */
function unixText(text: string): string {
  const nanoseconds = RFC3339.exec(text)?.[1];
  return nanoseconds === undefined ? text : `${Math.floor(Date.parse(text) / SECOND_MS)}.${nanoseconds}`;
}

/** The other way; what is no number of seconds stays. */
function rfc3339Text(text: string): string {
  const [, seconds, fraction = ''] = UNIX.exec(text) ?? [];
  return seconds === undefined ? text : `${new Date(Number(seconds) * SECOND_MS).toISOString().slice(0, 19)}.${fraction.padEnd(9, '0')}Z`;
}

function rewritten(value: Json, key: string, rewrite: (text: string) => string): Json {
  if (typeof value === 'string') return TIME_FIELD.test(key) ? rewrite(value) : value;
  if (Array.isArray(value)) return value.map((each: Json) => rewritten(each, key, rewrite));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, rewritten(each, name, rewrite)]));
}

/** An answer with each of its times in UNIX seconds. */
export const withUnixTimes = (body: Body): Body => rewritten(body, '', unixText) as Body;

/** A request's body with each of its times in RFC 3339, however they came. */
export const withRfc3339Times = (body: Json): Json => rewritten(body, '', rfc3339Text);

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
