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
export function canonicalJson(value: Json, depth = 0): string {
  if (depth > DEPTH_MAX) throw new CanonicalError(`nested deeper than ${DEPTH_MAX}`);
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new CanonicalError(`${value} is no safe integer: write decimals as strings`);
    return String(Object.is(value, -0) ? 0 : value);
  }
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item, depth + 1)).join(',')}]`;
  const object = value as { readonly [key: string]: Json | undefined };
  let text = '';
  for (const key of Object.keys(object).sort()) {
    const item = object[key];
    if (item !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonicalJson(item, depth + 1)}`;
  }
  return `{${text}}`;
}
