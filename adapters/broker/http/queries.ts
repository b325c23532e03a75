/** Reads query parameters, and the lists of orders and trades that they ask for. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { queryText } from './app.ts';
import { readDateTime } from '../datetimes.ts';
import type { Engine } from '../engine/engine.ts';
import { InvalidRequest, invalidValue } from '../engine/requests.ts';
import { atLastId } from '../reads.ts';
import type { Instant } from '../../../domain/time.ts';

const LIST_COUNT_DEFAULT = 50;
const LIST_COUNT_MAX = 500;

/** A 404 for something that the account does not have, in the broker's shape. */
export const notFound = (reply: FastifyReply, engine: Engine, errorCode: string, errorMessage: string): FastifyReply => reply.code(404).send(atLastId(engine, { errorCode, errorMessage }));

export function readId(request: FastifyRequest, name: string): number {
  const text = queryText(request, name);
  if (text === undefined) throw new InvalidRequest(`The request was missing required data: '${name}'`);
  if (!/^\d{1,15}$/.test(text)) throw invalidValue(name);
  return Number(text);
}

/** A time in either of the broker's forms: RFC 3339, or seconds since 1970 with a fraction. */
export function readTime(request: FastifyRequest, name: string): Instant | null {
  const text = queryText(request, name);
  if (text === undefined) return null;
  const at = readDateTime(text);
  if (at === null) throw invalidValue(name);
  return at;
}

/** A whole number with a default and a largest value. */
export function readCount(request: FastifyRequest, name: string, usual: number, max: number): number {
  const text = queryText(request, name) ?? String(usual);
  if (!/^\d{1,6}$/.test(text) || Number(text) === 0 || Number(text) > max) throw invalidValue(name);
  return Number(text);
}

interface ListQuery {
  readonly count: number;
  readonly beforeId: number;
  readonly ids: ReadonlySet<string> | null;
  readonly instrument: string | undefined;
  readonly state: string | undefined;
}

export function readList(request: FastifyRequest, engine: Engine): ListQuery {
  const beforeId = queryText(request, 'beforeID');
  if (beforeId !== undefined && !/^\d{1,15}$/.test(beforeId)) throw invalidValue('beforeID');
  const instrument = queryText(request, 'instrument');
  if (instrument !== undefined && !engine.book.markets.has(instrument)) throw invalidValue('instrument');
  const ids = queryText(request, 'ids');
  return {
    count: readCount(request, 'count', LIST_COUNT_DEFAULT, LIST_COUNT_MAX),
    beforeId: beforeId === undefined ? Infinity : Number(beforeId),
    ids: ids === undefined ? null : new Set(ids.split(',')),
    instrument,
    state: queryText(request, 'state'),
  };
}

/** Newest first, at most `count` of those that match. */
export function newest<Item extends { readonly id: number; readonly instrument: string }>(items: readonly Item[], query: ListQuery, inState: (item: Item) => boolean): Item[] {
  const found: Item[] = [];
  for (let index = items.length - 1; index >= 0 && found.length < query.count; index -= 1) {
    const item = items[index];
    if (item === undefined || item.id >= query.beforeId || !inState(item)) continue;
    if (query.ids !== null && !query.ids.has(String(item.id))) continue;
    if (query.instrument !== undefined && item.instrument !== query.instrument) continue;
    found.push(item);
  }
  return found;
}
