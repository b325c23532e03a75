/** Answers whose bodies are wrong as bytes, as JSON or as v20: what a client's parser has to withstand. */
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import type { FaultOf } from './kinds.ts';
import type { Draws } from './random.ts';
import type { Json } from '../engine/bodies.ts';
import { isBody } from '../engine/bodies.ts';

export interface BadBody {
  readonly payload: string | Buffer | Readable;
  readonly headers: { readonly [name: string]: string };
}

export const PROXY_PAGE = '<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body>\r\n</html>\r\n';
const MEMBER_BYTES = 1024 * 1024;
/** Fields of v20 whose values are one of a list. */
const ENUM_FIELDS: ReadonlySet<string> = new Set(['type', 'state', 'status', 'reason', 'timeInForce', 'positionFill', 'triggerCondition', 'guaranteedStopLossOrderMode']);
const PLAIN_DECIMAL = /"(-?\d+(?:\.\d+)?)"/g;

const plain = (payload: BadBody['payload'], headers: BadBody['headers'] = {}): BadBody => ({ payload, headers });

/** Rewrites every object of a value, the inner ones first. */
function everyObject(value: Json, rewrite: (body: { readonly [key: string]: Json }) => { readonly [key: string]: Json }): Json {
  if (Array.isArray(value)) return value.map((item: Json) => everyObject(item, rewrite));
  if (!isBody(value)) return value;
  return rewrite(Object.fromEntries(Object.entries(value).map(([key, each]) => [key, everyObject(each, rewrite)])));
}

const withUnknownFields = (body: { readonly [key: string]: Json }): { readonly [key: string]: Json } => ({ ...body, addedLastWeek: { reason: 'none', levels: ['1', '2'] } });
const withUnknownEnums = (body: { readonly [key: string]: Json }): { readonly [key: string]: Json } =>
  Object.fromEntries(Object.entries(body).map(([key, each]) => [key, ENUM_FIELDS.has(key) && typeof each === 'string' ? 'ADDED_LAST_WEEK' : each]));

/** Adds text behind the opening brace of an object; a body that is none stays. */
const withField = (text: string, field: string): string => (/^\{"/.test(text) ? `{${field},${text.slice(1)}` : text);

/** Gives the first field of money, units or ids a second value: a parser that takes the last one believes it. */
const withDuplicateKey = (text: string): string => text.replace(/"(units|currentUnits|balance|lastTransactionID)":("[^"]*")/, '"$1":$2,"$1":"66"');

/** A gzip file that inflates to so many blanks: as many members of a mebibyte as it takes. */
function gzipBomb(bytes: number): Buffer {
  const member = gzipSync(Buffer.alloc(MEMBER_BYTES, ' '), { level: 9 });
  return Buffer.concat(Array<Buffer>(Math.ceil(bytes / MEMBER_BYTES)).fill(member));
}

/** Bytes one at a time, each after a pause of wall time. */
function dripping(text: string, intervalMs: number): Readable {
  const bytes = Buffer.from(text);
  let sent = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  return new Readable({
    read() {
      timer = setTimeout(() => {
        this.push(sent < bytes.length ? bytes.subarray(sent, sent + 1) : null);
        sent += 1;
      }, intervalMs);
    },
    destroy(error, done) {
      clearTimeout(timer);
      done(error);
    },
  });
}

/** What is sent in place of a good body. */
export function badBody(fault: FaultOf<'badBody'>, draws: Draws, text: string): BadBody {
  switch (fault.form) {
    case 'garbage':
      return plain(Buffer.from(Array.from({ length: 200 }, () => draws.whole(0, 255))));
    case 'html':
      return plain(PROXY_PAGE, { 'content-type': 'text/html' });
    case 'truncated':
      return plain(text.slice(0, Math.ceil(text.length / 2)));
    case 'wrongCharset':
      return plain(Buffer.from(text, 'utf16le'), { 'content-type': 'application/json; charset=utf-16le' });
    case 'duplicateKeys':
      return plain(withDuplicateKey(text));
    case 'prototypeKey':
      return plain(withField(text, '"__proto__":{"polluted":"yes"}'));
    case 'numbers':
      return plain(text.replaceAll(PLAIN_DECIMAL, (_whole, digits: string) => digits.replace(/^(-?)0+(?=\d)/, '$1')));
    case 'exponent':
      return plain(text.replaceAll(/"(-?\d+\.\d+)"/g, (_whole, digits: string) => `"${Number(digits).toExponential()}"`));
    case 'notANumber':
      return plain(text.replaceAll(/"-?\d+\.\d+"/g, '"NaN"'));
    case 'deepNesting':
      return plain(withField(text, `"levels":${'['.repeat(fault.depth)}${']'.repeat(fault.depth)}`));
    case 'unknownFields':
      return plain(JSON.stringify(everyObject(JSON.parse(text) as Json, withUnknownFields)));
    case 'unknownEnum':
      return plain(JSON.stringify(everyObject(JSON.parse(text) as Json, withUnknownEnums)));
    case 'huge':
      return plain(text.padEnd(fault.bytes, ' '));
    case 'drip':
      return plain(dripping(text, fault.intervalMs));
    case 'gzipBomb':
      return plain(gzipBomb(fault.bytes), { 'content-encoding': 'gzip' });
  }
}
