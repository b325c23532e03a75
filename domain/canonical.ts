/**
 * Canonical JSON: sorted keys, no blanks. What is hashed must be one byte sequence for one value.
 * Numbers must be safe integers: a float has many spellings, so events carry decimals as strings.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

export class CanonicalError extends Error {
  override readonly name = 'CanonicalError';
}

const DEPTH_MAX = 32;

/** How the keys of one kind of object are written: sorted, and each as it stands in the text, behind a comma unless it is the first. */
interface Order {
  readonly found: readonly string[];
  readonly sorted: readonly string[];
  readonly texts: readonly string[];
}

/**
 * Orders by the number of keys. A log has a few dozen kinds of objects and writes each of them a hundred thousand times
 * over: comparing keys with those of the same kind costs a fraction of sorting them.
 */
const orders = new Map<number, Order[]>();
const KINDS_OF_A_LENGTH_MAX = 16;
const KEYS_REMEMBERED_MAX = 64;

function orderOf(found: readonly string[]): Order {
  const sorted = found.toSorted();
  return { found, sorted, texts: sorted.map((key, index) => `${index === 0 ? '' : ','}${JSON.stringify(key)}:`) };
}

function rememberedOrder(keys: readonly string[]): Order {
  const { length } = keys;
  if (length > KEYS_REMEMBERED_MAX) return orderOf(keys);
  let kinds = orders.get(length);
  if (kinds === undefined) orders.set(length, (kinds = []));
  for (const kind of kinds) if (isSame(kind.found, keys)) return kind;
  if (kinds.length >= KINDS_OF_A_LENGTH_MAX) kinds.length = 0;
  const made = orderOf(keys);
  kinds.push(made);
  return made;
}

function isSame(left: readonly string[], right: readonly string[]): boolean {
  for (let index = 0; index < left.length; index += 1) if (left[index] !== right[index]) return false;
  return true;
}

/** @throws CanonicalError for a float, an unsafe integer, or nesting deeper than 32. */
export const canonicalJson = (value: Json): string => written(value, 0);

/**
 * Does the language's own writer write the value canonically? So it does when all keys stand in order and all numbers are
 * whole; it is several times as quick, and what is told at every bar is built in that order.
 */
function isInOrder(value: Json | undefined, depth: number): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true;
  if (typeof value === 'number') return Number.isSafeInteger(value);
  if (typeof value !== 'object' || depth >= DEPTH_MAX) return false;
  if (Array.isArray(value)) return value.every((item: Json) => isInOrder(item, depth + 1));
  const object = value as { readonly [key: string]: Json | undefined };
  let previous = '';
  for (const key of Object.keys(object)) {
    const item = object[key];
    if (key < previous || (item !== undefined && !isInOrder(item, depth + 1))) return false;
    previous = key;
  }
  return true;
}

function written(value: Json, depth: number): string {
  if (depth > DEPTH_MAX) throw new CanonicalError(`nested deeper than ${DEPTH_MAX}`);
  if (isInOrder(value, depth)) return JSON.stringify(value);
  if (typeof value === 'number') throw new CanonicalError(`${value} is no safe integer: write decimals as strings`);
  if (Array.isArray(value)) return `[${value.map((item: Json) => written(item, depth + 1)).join(',')}]`;
  const object = value as { readonly [key: string]: Json | undefined };
  const { sorted, texts } = rememberedOrder(Object.keys(object));
  let text = '{';
  for (let index = 0; index < sorted.length; index += 1) {
    const item = object[sorted[index]!];
    if (item === undefined) return written(withoutUndefined(object), depth);
    text += texts[index]!;
    text += written(item, depth + 1);
  }
  return `${text}}`;
}

const withoutUndefined = (object: { readonly [key: string]: Json | undefined }): Json => Object.fromEntries(Object.entries(object).filter(([, item]) => item !== undefined));
