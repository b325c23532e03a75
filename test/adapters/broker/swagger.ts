/** Checks bodies against the definitions of the broker's own Swagger file, where it is at hand. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isBody } from '../../../adapters/broker/engine/bodies.ts';

const FILE = join(import.meta.dirname, '../../../../shared/reference/oanda-v20-swagger.json');
export const swaggerPresent = existsSync(FILE);

/** On the wire, and recorded from the real broker, though the 2018 file does not know them. */
const WIRE_ONLY = new Set([
  'requestedUnits', 'quotePL', 'baseFinancing', 'quoteGuaranteedExecutionFee', 'closedTradeID', 'tradeCloseTransactionID',
  'guaranteedStopLossOrderMode', 'tags', 'financing', 'clientTradeID', 'triggerCondition', 'distance', 'dividendAdjustment', 'partialFill',
  'homeConversionFactors', 'plHomeConversionCost', 'baseFinancingHomeConversionCost', 'guaranteedExecutionFeeHomeConversionCost', 'homeConversionCost',
]);

/** Words that the site has taken up since the file was written. */
const WORDS_SINCE = new Set(['UNITS_MINIMUM_NOT_MET']);

interface Swagger {
  readonly definitions: { readonly [name: string]: unknown };
  readonly paths: { readonly [path: string]: unknown };
}

let loaded: Swagger | null = null;

function swagger(): Swagger {
  if (loaded !== null) return loaded;
  const file: unknown = JSON.parse(readFileSync(FILE, 'utf8'));
  const [definitions, paths] = isBody(file) ? [file['definitions'], file['paths']] : [];
  if (!isBody(definitions) || !isBody(paths)) throw new Error(`${FILE} has no definitions or no paths`);
  loaded = { definitions, paths };
  return loaded;
}

const pascal = (type: string): string => type.toLowerCase().replace(/(^|_)([a-z])/g, (_match, _line, letter: string) => letter.toUpperCase());

/** The file types lists of orders and transactions by their base, which has no fields of its own: the body's type tells more. */
function definitionFor(name: string, value: unknown): string {
  const type = isBody(value) ? value['type'] : undefined;
  if (typeof type !== 'string') return name;
  if (name === 'Transaction') return `${pascal(type)}Transaction`;
  return name === 'Order' ? `${pascal(type)}Order` : name;
}

const typeOf = (value: unknown): string => (Array.isArray(value) ? 'array' : value === null ? 'null' : Number.isInteger(value) ? 'integer' : typeof value);

function checkValue(schema: unknown, value: unknown, place: string): string[] {
  if (!isBody(schema)) return [];
  const reference = schema['$ref'];
  if (typeof reference === 'string') {
    const name = definitionFor(reference.slice('#/definitions/'.length), value);
    const target = swagger().definitions[name];
    return isBody(target) && isBody(target['properties']) ? violations(name, value, place) : checkValue(target, value, place);
  }
  // Inside a fill's fullPrice the real broker prints liquidity as a string.
  if (/fullPrice\..*\.liquidity$/.test(place)) return typeof value === 'string' ? [] : [`${place} is no string`];
  const type = schema['type'];
  if (typeof type === 'string' && typeOf(value) !== type) return [`${place} is ${typeOf(value)}, not ${type}`];
  const words = schema['enum'];
  if (Array.isArray(words) && typeof value === 'string' && !words.includes(value) && !WORDS_SINCE.has(value)) return [`${place} is ${value}, which is none of its words`];
  return Array.isArray(value) ? value.flatMap((item, index) => checkValue(schema['items'], item, `${place}.${index}`)) : [];
}

function checkFields(properties: { readonly [key: string]: unknown }, value: { readonly [key: string]: unknown }, place: string): string[] {
  return Object.entries(value).flatMap(([key, each]) => {
    if (key in properties) return checkValue(properties[key], each, `${place}.${key}`);
    return WIRE_ONLY.has(key) ? [] : [`${place}.${key} is unknown`];
  });
}

/** What a body has against the definition: fields of a wrong type, words of no enumeration, and fields that nobody knows. */
export function violations(definition: string, value: unknown, place: string = definition): string[] {
  if (!isBody(value)) return [`${place} is ${typeOf(value)}, not object`];
  const found = swagger().definitions[definition];
  const properties = isBody(found) ? found['properties'] : undefined;
  if (!isBody(properties)) throw new Error(`the Swagger file defines no ${definition}`);
  return checkFields(properties, value, place);
}

/** The answers that the file gives a shape for: `GET /accounts/{accountID}/orders` and the status as a key. */
function responseProperties(method: string, path: string, status: number): { readonly [key: string]: unknown } | null {
  const methods = swagger().paths[path];
  const operation = isBody(methods) ? methods[method.toLowerCase()] : undefined;
  const responses = isBody(operation) ? operation['responses'] : undefined;
  if (!isBody(responses)) throw new Error(`the Swagger file has no ${method} ${path}`);
  const response = responses[String(status)];
  if (!isBody(response)) throw new Error(`the Swagger file has no ${status} for ${method} ${path}`);
  const schema = response['schema'];
  const properties = isBody(schema) ? schema['properties'] : undefined;
  return isBody(properties) ? properties : null;
}

/** Every error may carry these, whatever the file says of its status. */
const ERROR_FIELDS = { errorCode: { type: 'string' }, errorMessage: { type: 'string' }, lastTransactionID: { type: 'string' } };

/** What a whole answer has against the file's response for its route and status. */
export function responseViolations(method: string, path: string, status: number, body: { readonly [key: string]: unknown }): string[] {
  const properties = responseProperties(method, path, status) ?? {};
  return checkFields(status < 400 ? properties : { ...ERROR_FIELDS, relatedTransactionIDs: { type: 'array', items: { type: 'string' } }, ...properties }, body, `${method} ${path} ${status}`);
}
