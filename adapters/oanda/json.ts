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
const SPACE = /\s*/y;

/** The text is no JSON that the daemon may act on; the message names the key or the offset. */
export class StrictJsonError extends Error {
  override readonly name = 'StrictJsonError';
}

/**
 * Parses a text, then walks it once for what the parser lets through.
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
  const { lossy } = inspect(text);
  // A reviver costs more than all the rest, and hardly a body needs one.
  return numbers === 'exact' && lossy ? (JSON.parse(text, keepDigits) as Json) : value;
}

/** Would reading it as a number lose a digit, or its spelling? */
const isLossy = (source: string): boolean => !(INTEGER.test(source) && Number.isSafeInteger(Number(source)));

/** A reviver: numbers that a float or an unsafe integer would change stay text. */
function keepDigits(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number') return value;
  const source = context?.source;
  return source === undefined || isLossy(source) ? (source ?? String(value)) : value;
}

/** Walks a text that is known to be JSON: strings that a colon follows are keys, all else is plain. */
function inspect(text: string): { readonly lossy: boolean } {
  let lossy = false;
  /** The keys seen in each open object; null for an open array. */
  const open: (Set<string> | null)[] = [];
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index]!;
    if (character === '"') {
      const end = endOfString(text, index);
      SPACE.lastIndex = end;
      SPACE.test(text);
      if (text[SPACE.lastIndex] === ':') noteKey(open.at(-1), text.slice(index, end), index);
      index = end - 1;
    } else if (character === '{' || character === '[') {
      if (open.length === DEPTH_MAX) throw new StrictJsonError(`nested deeper than ${DEPTH_MAX} at offset ${index}`);
      open.push(character === '{' ? new Set() : null);
    } else if (character === '}' || character === ']') {
      open.pop();
    } else if (character === '-' || (character >= '0' && character <= '9')) {
      NUMBER.lastIndex = index;
      const [source] = NUMBER.exec(text)!;
      lossy ||= isLossy(source);
      index += source.length - 1;
    }
  }
  return { lossy };
}

/** The index behind the closing quote. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); ; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
}

function noteKey(keys: Set<string> | null | undefined, quoted: string, offset: number): void {
  const key = quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
  if (FORBIDDEN_KEYS.has(key)) throw new StrictJsonError(`the key ${key} at offset ${offset} is refused`);
  if (keys === null || keys === undefined) throw new StrictJsonError(`a key outside an object at offset ${offset}`);
  if (keys.has(key)) throw new StrictJsonError(`the key "${key.slice(0, 40)}" at offset ${offset} is there twice`);
  keys.add(key);
}
