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

/** The day that was read or printed last, as far as its `T`; nearly every time belongs to it, or to the one before it: the past is read today. */
let lastDay = { midnight: 0, text: '1970-01-01T' };
let dayBefore = lastDay;

function turnTo(midnight: number): void {
  const next = dayBefore.midnight === midnight ? dayBefore : { midnight, text: new Date(midnight).toISOString().slice(0, -'00:00:00.000Z'.length) };
  [lastDay, dayBefore] = [next, lastDay];
}

const TWO_DIGITS = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));

/** The two digits at a place, or NaN: what `formatInstant` prints is read without a pattern. */
function twoDigits(text: string, index: number): number {
  const [tens, ones] = [text.charCodeAt(index) - 0x30, text.charCodeAt(index + 1) - 0x30];
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? 10 * tens + ones : Number.NaN;
}

/** A whole second of the last day, as `formatInstant` prints it; null for any other text. */
function secondOfLastDay(text: string): Instant | null {
  if (!text.endsWith('.000000000Z') || !text.startsWith(lastDay.text) || text.length !== lastDay.text.length + '00:00:00.000000000Z'.length) return null;
  const clock = lastDay.text.length;
  const [hour, minute, second] = [twoDigits(text, clock), twoDigits(text, clock + 3), twoDigits(text, clock + 6)];
  const isTime = hour < 24 && minute < 60 && second < 60 && text[clock + 2] === ':' && text[clock + 5] === ':';
  return isTime ? ((lastDay.midnight + hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS) as Instant) : null;
}

/** Reads an RFC 3339 UTC time; digits beyond the millisecond are cut, never rounded up into the future. */
export function parseInstant(text: string, field = 'time'): Instant {
  if (text.startsWith(dayBefore.text)) [lastDay, dayBefore] = [dayBefore, lastDay];
  return secondOfLastDay(text) ?? parseAny(text, field);
}

function parseAny(text: string, field: string): Instant {
  const match = RFC3339.exec(text);
  if (match === null) throw new TimeError(`${field}: "${text.slice(0, 40)}" is not a UTC time such as 2026-09-23T21:14:07Z`);
  const [, year, month, day, hour, minute, second, fraction = ''] = match;
  const midnight = Date.UTC(Number(year), Number(month) - 1, Number(day));
  const isDate = Number(month) >= 1 && Number(month) <= 12 && new Date(midnight).getUTCDate() === Number(day);
  if (!isDate || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) throw new TimeError(`${field}: "${text}" is no time of the calendar`);
  if (midnight !== lastDay.midnight) turnTo(midnight);
  const milliseconds = Number(fraction.slice(0, 3).padEnd(3, '0'));
  return (midnight + Number(hour) * HOUR_MS + Number(minute) * MINUTE_MS + Number(second) * SECOND_MS + milliseconds) as Instant;
}

/** The instants printed last, each in the place of its minute: what one minute brings is printed again and again. */
const printed = Array.from({ length: 8 }, () => ({ at: Number.NaN, text: '' }));

/** RFC 3339 with nine digits, the way the broker prints times: 2026-09-23T21:14:07.570000000Z. */
export function formatInstant(at: Instant): string {
  const last = printed[Math.floor(at / MINUTE_MS) & 7]!;
  if (last.at === at) return last.text;
  last.text = printInstant(at);
  last.at = at;
  return last.text;
}

function printInstant(at: Instant): string {
  let ofDay = at - lastDay.midnight;
  if (!(ofDay >= 0 && ofDay < DAY_MS)) {
    turnTo(Math.floor(at / DAY_MS) * DAY_MS);
    ofDay = at - lastDay.midnight;
  }
  const milliseconds = ofDay % SECOND_MS;
  const seconds = (ofDay - milliseconds) / SECOND_MS;
  const minutes = Math.floor(seconds / 60);
  const clock = `${TWO_DIGITS[Math.floor(minutes / 60)]!}:${TWO_DIGITS[minutes % 60]!}:${TWO_DIGITS[seconds % 60]!}`;
  return `${lastDay.text}${clock}.${milliseconds === 0 ? '000' : String(milliseconds).padStart(3, '0')}000000Z`;
}

export const plusMs = (at: Instant, durationMs: number): Instant => instantOf(at + durationMs);
/** The start of the minute that holds `at`. */
export const floorMinute = (at: Instant): Instant => (at - (((at % MINUTE_MS) + MINUTE_MS) % MINUTE_MS)) as Instant;
