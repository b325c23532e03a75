/**
 * JSON from the wire, read with suspicion.
 *
 * The language's own parser takes the last of two equal keys (`"units":"1","units":"66"` is 66), makes a `__proto__`
 * key that later copies into a prototype, nests a million deep and rounds long numbers without a word. What decides
 * about money is refused in each of these cases.
 */
import type { Json } from '../../domain/canonical.ts';

/** Nesting that is still accepted; v20 bodies stay below ten, and canonical JSON has the same limit. */
const DEPTH_MAX = 32;
const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
const NUMBER = /-?\d[\d.eE+-]*/y;
const INTEGER = /^-?\d{1,16}$/;
/** Integers of no more characters are safe. */
const SAFE_LENGTH = 15;
const SPACE = /\s*/y;

/** The text is no JSON that the daemon may act on; the message names the key or the offset. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';
}

/**
 * Parses a text, then looks for what the parser lets through: each key of the text has a colon, and as many keys must
 * stand in the value.
 *
 * @param numbers `exact` keeps every number that is not a safe integer as the text that it was sent as: for bodies
 *   that are recorded, where no digit may be lost. `any` leaves numbers to the schema.
 * @throws StrictJsonError
 */
export function parseStrictJson(text: string, numbers: 'any' | 'exact'): Json {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new StrictJsonError('the text is no JSON');
  }
  const { colons, depth, lossy } = survey(text);
  if (depth > DEPTH_MAX || keysIn(value) !== colons) throw faultOf(text);
  // A reviver costs more than all the rest, and hardly a body needs one.
  return numbers === 'exact' && lossy ? (JSON.parse(text, keepDigits) as Json) : value;
}

/** How many keys a value has, down to its leaves; NaN when one of them is refused. */
function keysIn(value: Json): number {
  if (typeof value !== 'object' || value === null) return 0;
  return Array.isArray(value) ? (value as readonly Json[]).reduce<number>((sum, item) => sum + keysIn(item), 0) : keysOf(value as { readonly [key: string]: Json });
}

function keysOf(object: { readonly [key: string]: Json }): number {
  let count = 0;
  // What the parser makes inherits nothing that could be enumerated.
  for (const key in object) count += FORBIDDEN_KEYS.has(key) ? Number.NaN : 1 + keysIn(object[key]!);
  return count;
}

/** Would reading it as a number lose a digit, or its spelling? */
const isLossy = (source: string): boolean => !(INTEGER.test(source) && Number.isSafeInteger(Number(source)));

/** A reviver: numbers that a float or an unsafe integer would change stay text. */
function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number') return value;
  const source = context?.source;
  return source === undefined || isLossy(source) ? (source ?? String(value)) : value;
}

const [QUOTE, BACKSLASH, COLON, MINUS, ZERO, NINE] = [0x22, 0x5c, 0x3a, 0x2d, 0x30, 0x39];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Counts over a text that is known to be JSON; a full page has half a million characters, so each is looked at once and as a number. */
function survey(text: string): { readonly colons: number; readonly depth: number; readonly lossy: boolean } {
  const { length } = text;
  let [colons, open, depth, lossy] = [0, 0, 0, false];
  for (let index = 0; index < length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === QUOTE) {
      for (index += 1; ; index += 1) {
        const within = text.charCodeAt(index);
        if (within === QUOTE) break;
        if (within === BACKSLASH) index += 1;
      }
    } else if (code === COLON) colons += 1;
    else if (code === OPEN_OBJECT || code === OPEN_LIST) {
      open += 1;
      if (open > depth) depth = open;
    } else if (code === CLOSE_OBJECT || code === CLOSE_LIST) open -= 1;
    else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      const end = endOfInteger(text, index);
      NUMBER.lastIndex = index;
      const source = end === null ? NUMBER.exec(text)![0] : null;
      lossy ||= source !== null && isLossy(source);
      index = (end ?? index + source!.length) - 1;
    }
  }
  return { colons, depth, lossy };
}

/** The index behind an integer that is surely safe; null for every other number. */
function endOfInteger(text: string, start: number): number | null {
  let end = start + 1;
  let code = text.charCodeAt(end);
  while (code >= ZERO && code <= NINE) {
    end += 1;
    code = text.charCodeAt(end);
  }
  const isWhole = code !== 0x2e && code !== 0x65 && code !== 0x45;
  return isWhole && end - start <= SAFE_LENGTH ? end : null;
}

/** What is refused in a text that is known to be JSON, and where: strings that a colon follows are keys, all else is plain. */
function faultOf(text: string): StrictJsonError {
  /** The keys seen in each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]!;
    if (character === '"') {
      const end = endOfString(text, index);
      SPACE.lastIndex = end;
      SPACE.test(text);
      const fault = text[SPACE.lastIndex] === ':' ? faultOfKey(open.at(-1)!, text.slice(index, end), index) : null;
      if (fault !== null) return new StrictJsonError(fault);
      index = end - 1;
    } else if (character === '{' || character === '[') {
      if (open.length === DEPTH_MAX) return new StrictJsonError(`nested deeper than ${DEPTH_MAX} at offset ${index}`);
      open.push(character === '{' ? new Set() : null);
    } else if (character === '}' || character === ']') open.pop();
  }
  return new StrictJsonError('the text has another number of keys than its value');
}

/** The index behind the closing quote. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
}

function faultOfKey(keys: Set<string>, quoted: string, offset: number): string | null {
  const key = JSON.parse(quoted) as string;
  if (FORBIDDEN_KEYS.has(key)) return `the key ${key} at offset ${offset} is refused`;
  if (keys.has(key)) return `the key "${key.slice(0, 40)}" at offset ${offset} is there twice`;
  keys.add(key);
  return null;
}
