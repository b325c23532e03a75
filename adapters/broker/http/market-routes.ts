/** Prices and candles, and the two streams. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { pathText, queryText, timesFor } from './app.ts';
import { HttpError } from './errors.ts';
import { readTime } from './queries.ts';
import type { CandleQuery } from '../candles.ts';
import { CANDLE_PARAMETERS, candlesBody, readFlag } from '../candles.ts';
import type { Body } from '../engine/bodies.ts';
import { InvalidRequest, invalidValue } from '../engine/requests.ts';
import { pricingBody } from '../pricing.ts';
import type { StreamHub, StreamName } from '../streams.ts';
import type { Venue } from '../venue.ts';

function readInstruments(request: FastifyRequest, venue: Venue): readonly string[] {
  const text = queryText(request, 'instruments');
  if (text === undefined || text === '') throw new InvalidRequest("The request was missing required data: 'instruments'");
  const names = [...new Set(text.split(','))];
  if (names.some((name) => !venue.engine.book.markets.has(name))) throw invalidValue('instruments');
  return names;
}

const queryFlag = (request: FastifyRequest, name: string, byDefault: boolean): boolean => readFlag(queryText(request, name), name, byDefault);

const readCandleQuery = (request: FastifyRequest): CandleQuery =>
  Object.fromEntries(CANDLE_PARAMETERS.map((name) => [name, queryText(request, name)]));

/** Adds candles and price snapshots. */
export function addMarketRoutes(app: FastifyInstance, venue: Venue): void {
  const candles = async (request: FastifyRequest): Promise<Body> => candlesBody(venue, pathText(request, 'instrument'), readCandleQuery(request));
  app.get('/v3/instruments/:instrument/candles', candles);
  app.get('/v3/accounts/:accountId/instruments/:instrument/candles', candles);
  app.get('/v3/accounts/:accountId/pricing', async (request) => {
    return pricingBody(venue, {
      instruments: readInstruments(request, venue),
      since: readTime(request, 'since'),
      includeHomeConversions: queryFlag(request, 'includeHomeConversions', false),
      includeUnitsAvailable: queryFlag(request, 'includeUnitsAvailable', false),
    });
  });
}

/** Adds the streams, which a server of their own offers. */
export function addStreamRoutes(app: FastifyInstance, venue: Venue, hub: StreamHub): void {
  const open = (request: FastifyRequest, reply: FastifyReply, name: StreamName, instruments: readonly string[], snapshot: boolean): void => {
    if (!hub.hasRoom()) throw new HttpError(429, 'The maximum number of active streams has been reached');
    reply.hijack();
    const headers = { RequestID: request.id, Date: new Date(venue.now).toUTCString() };
    hub.open(name, reply.raw, { instruments, snapshot, headers, withTimes: timesFor(request) });
  };
  app.get('/v3/accounts/:accountId/pricing/stream', async (request, reply) => {
    open(request, reply, 'pricing', readInstruments(request, venue), queryFlag(request, 'snapshot', true));
  });
  app.get('/v3/accounts/:accountId/transactions/stream', async (request, reply) => {
    open(request, reply, 'transactions', [], false);
  });
}
