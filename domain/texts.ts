/**
 * Checking what the broker sends by the thousand. A schema of texts, objects and lists says what is wrong with a body,
 * and builds a copy of each one that is right; the check made of it here only looks.
 */
import { z } from 'zod';

type Check = (value: unknown) => boolean;

/**
 * The check that a schema makes: true for exactly those values that it accepts.
 * @throws TypeError for a schema that asks for more than its shape, which a look at the shape could not answer.
 */
export function checkOf(schema: z.core.$ZodType): Check {
  if (schema instanceof z.ZodString && (schema.def.checks ?? []).length === 0) return isText;
  if (schema instanceof z.ZodOptional) return optional(checkOf(schema.def.innerType));
  if (schema instanceof z.ZodArray && (schema.def.checks ?? []).length === 0) return listOf(checkOf(schema.def.element));
  if (schema instanceof z.ZodObject && (schema.def.checks ?? []).length === 0 && !isStrict(schema)) return objectOf(Object.entries(schema.def.shape as z.core.$ZodShape).map(([key, member]) => [key, checkOf(member)]));
  throw new TypeError(`a schema of the kind ${schema._zod.def.type} is none of texts, objects and lists alone`);
}

/** A member that is not named passes in a plain object and in a loose one. */
const isStrict = (schema: z.ZodObject): boolean => schema.def.catchall !== undefined && !(schema.def.catchall instanceof z.ZodUnknown);

const isText: Check = (value) => typeof value === 'string';
const isOptionalText: Check = (value) => value === undefined || typeof value === 'string';
const optional = (inner: Check): Check => (inner === isText ? isOptionalText : (value) => value === undefined || inner(value));
const listOf = (element: Check): Check => (value) => Array.isArray(value) && value.every(element);

function objectOf(members: readonly (readonly [string, Check])[]): Check {
  // Nearly all members are texts: looking at them here spares a call for each.
  const texts = members.filter(([, check]) => check === isText).map(([key]) => key);
  const optionalTexts = members.filter(([, check]) => check === isOptionalText).map(([key]) => key);
  const others = members.filter(([, check]) => check !== isText && check !== isOptionalText);
  return (value) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const object = value as { readonly [key: string]: unknown };
    for (const key of texts) if (typeof object[key] !== 'string') return false;
    for (const key of optionalTexts) if (!isOptionalText(object[key])) return false;
    for (const [key, check] of others) if (!check(object[key])) return false;
    return true;
  };
}
