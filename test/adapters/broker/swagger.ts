/** Checks bodies against the definitions of the broker's own Swagger file, where it is at hand. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isBody } from '../../../adapters/broker/engine/bodies.ts';

const FILE = join(import.meta.dirname, '../../../../shared/reference/oanda-v20-swagger.json');
export const swaggerPresent = existsSync(FILE);

/** On the wire, and recorded from the real broker, though the 2018 file does not know them. */
const WIRE_ONLY = new Set([
  'requestedUnits', 'quotePL', 'baseFinancing', 'quoteGuaranteedExecutionFee', 'closedTradeID', 'tradeCloseTransactionID',
  'guaranteedStopLossOrderMode', 'tags', 'financing', 'clientTradeID', 'triggerCondition', 'distance',
]);

function definitions(): { readonly [name: string]: unknown } {
  const file: unknown = JSON.parse(readFileSync(FILE, 'utf8'));
  const found = isBody(file) ? file['definitions'] : undefined;
  if (!isBody(found)) throw new Error(`${FILE} has no definitions`);
  return found;
}

let loaded: { readonly [name: string]: unknown } | null = null;

function propertiesOf(name: string): { readonly [key: string]: unknown } {
  loaded ??= definitions();
  const definition = loaded[name];
  const properties = isBody(definition) ? definition['properties'] : undefined;
  if (!isBody(properties)) throw new Error(`the Swagger file defines no ${name}`);
  return properties;
}

const typeOf = (value: unknown): string => (Array.isArray(value) ? 'array' : value === null ? 'null' : Number.isInteger(value) ? 'integer' : typeof value);

function checkValue(schema: unknown, value: unknown, place: string): string[] {
  if (!isBody(schema)) return [];
  const reference = schema['$ref'];
  if (typeof reference === 'string') {
    const name = reference.slice('#/definitions/'.length);
    loaded ??= definitions();
    const target = loaded[name];
    return isBody(target) && isBody(target['properties']) ? violations(name, value, place) : checkValue(target, value, place);
  }
  // Inside a fill's fullPrice the real broker prints liquidity as a string.
  if (/fullPrice\..*\.liquidity$/.test(place)) return typeof value === 'string' ? [] : [`${place} is no string`];
  const type = schema['type'];
  if (typeof type === 'string' && typeOf(value) !== type) return [`${place} is ${typeOf(value)}, not ${type}`];
  return Array.isArray(value) ? value.flatMap((item, index) => checkValue(schema['items'], item, `${place}.${index}`)) : [];
}

/** What a body has against the definition: fields of a wrong type, and fields that nobody knows. */
export function violations(definition: string, value: unknown, place: string = definition): string[] {
  if (!isBody(value)) return [`${place} is ${typeOf(value)}, not object`];
  const properties = propertiesOf(definition);
  return Object.entries(value).flatMap(([key, each]) => {
    if (key in properties) return checkValue(properties[key], each, `${place}.${key}`);
    return WIRE_ONLY.has(key) ? [] : [`${place}.${key} is unknown`];
  });
}
