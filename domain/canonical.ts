/**
 * Canonical JSON: sorted keys, no blanks. What is hashed must be one byte sequence for one value.
 * Numbers must be safe integers: a float has many spellings, so events carry decimals as strings.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

export class CanonicalError extends Error {
  override readonly name = 'CanonicalError';
}

const DEPTH_MAX = 32;

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
  let text = '';
  for (const key of Object.keys(object).sort()) {
    const item = object[key];
    if (item !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${written(item, depth + 1)}`;
  }
  return `{${text}}`;
}
