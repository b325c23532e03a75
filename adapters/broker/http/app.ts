/** What REST and stream servers share: the token, request ids, and errors in the broker's form. */
import { hash, timingSafeEqual } from 'node:crypto';
import fastify from 'fastify';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HttpError } from './errors.ts';
import { withRfc3339Times, withUnixTimes } from '../datetimes.ts';
import type { Body, Json } from '../engine/bodies.ts';
import { isBody } from '../engine/bodies.ts';
import { InvalidRequest, invalidValue } from '../engine/requests.ts';
import type { Venue } from '../venue.ts';
import { formatInstant } from '../../../domain/time.ts';

const BODY_BYTES_MAX = 64 * 1024;
const REQUESTS_REMEMBERED_MAX = 10_000;

/**
 * Request ids that depend on what is asked and when, not on the order in which sockets deliver it: two lockstep
 * runs give equal ids even when their reads race. They are 18 digits, like the broker's.
 */
function createRequestIds(venue: Venue): (method: string, url: string) => string {
  let at = venue.now;
  let seen = new Map<string, number>();
  return (method, url) => {
    if (at !== venue.now || seen.size > REQUESTS_REMEMBERED_MAX) {
      at = venue.now;
      seen = new Map();
    }
    const key = `${method} ${url}`;
    const occurrence = (seen.get(key) ?? 0) + 1;
    seen.set(key, occurrence);
    const digest = digestOf(`${formatInstant(at)} ${key} ${occurrence}`);
    return `42${(digest.readBigUInt64BE() % 10n ** 16n).toString().padStart(16, '0')}`;
  };
}

const digestOf = (text: string): Buffer => hash('sha256', text, 'buffer');

/** The single text value of a query parameter; repeated ones are refused. */
export function queryText(request: FastifyRequest, name: string): string | undefined {
  const value = isBody(request.query) ? request.query[name] : undefined;
  if (value === undefined || typeof value === 'string') return value;
  throw invalidValue(name);
}

/** A path parameter; its absence is a mistake in the route. */
export function pathText(request: FastifyRequest, name: string): string {
  const value = isBody(request.params) ? request.params[name] : undefined;
  if (typeof value !== 'string') throw new Error(`the route has no parameter ${name}`);
  return value;
}

/** How a request wants times to be written. @throws InvalidRequest for a format that does not exist. */
export function timesFor(request: FastifyRequest): (body: Body) => Body {
  const format = request.headers['accept-datetime-format'] ?? 'RFC3339';
  if (format === 'RFC3339') return (body) => body;
  if (format === 'UNIX') return withUnixTimes;
  throw invalidValue('Accept-Datetime-Format');
}

/** Remembers an app's routes, to tell a path that does not exist from a method that it does not take. */
function rememberMethods(app: FastifyInstance): (url: string) => readonly string[] {
  const routes: { readonly method: string; readonly path: RegExp }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) routes.push({ method: each, path: new RegExp(`^${url.replace(/:\w+/g, '[^/]+')}$`) });
  });
  return (url) => routes.filter(({ path }) => path.test(url.split('?')[0] ?? '')).map(({ method }) => method);
}

/** Is this account of the client's? A malformed id is told apart from one of somebody else's. */
function checkAccount(request: FastifyRequest, accountId: string, strangerStatus: 403 | 404): void {
  const account = isBody(request.params) ? request.params['accountId'] : undefined;
  if (account === undefined || account === accountId) return;
  if (typeof account !== 'string' || !/^\d+-\d+-\d+-\d+$/.test(account)) throw invalidValue('accountID');
  throw new HttpError(strangerStatus, strangerStatus === 403 ? 'The provided request was forbidden.' : 'The account ID specified does not exist');
}

export interface AppOptions {
  readonly venue: Venue;
  readonly token: string;
  /** Answers to another account's id: 403 by the broker's site, 404 by its Swagger file. */
  readonly strangerStatus: 403 | 404;
  /** Puts the server under the limits on requests and connections; null for none. */
  readonly limit: ((app: FastifyInstance) => void) | null;
}

/** What a 400 says to a request that is none. */
export const invalidBody = ({ message }: InvalidRequest): Body => ({ errorCode: 'oanda::rest::core::InvalidParameterException', errorMessage: message });

/** Makes a server that checks the token, stamps request ids, writes times as asked, and answers errors as the broker does. */
export function createApp({ venue, token, strangerStatus, limit }: AppOptions): FastifyInstance {
  const requestId = createRequestIds(venue);
  const app = fastify({
    bodyLimit: BODY_BYTES_MAX,
    genReqId: (request) => requestId(request.method ?? '', request.url ?? ''),
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 256 },
  });
  const methodsOf = rememberMethods(app);
  const expected = digestOf(`Bearer ${token}`);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('RequestID', request.id);
    // The broker's own time: the system's would make two equal runs differ.
    reply.header('Date', new Date(venue.now).toUTCString());
  });
  limit?.(app);
  app.addHook('onRequest', async (request) => {
    if (!timingSafeEqual(digestOf(request.headers.authorization ?? ''), expected)) {
      throw new HttpError(401, 'Insufficient authorization to perform request.');
    }
    timesFor(request);
    checkAccount(request, venue.engine.settings.accountId, strangerStatus);
  });
  app.addHook('preSerialization', async (request, _reply, payload: unknown) =>
    request.headers['accept-datetime-format'] === 'UNIX' && isBody(payload) ? withUnixTimes(payload as Body) : payload,
  );
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => {
    // Routes that need a body say so themselves; cancels and starts come without one.
    if (body === '') return done(null, undefined);
    try {
      return done(null, withRfc3339Times(JSON.parse(String(body)) as Json));
    } catch {
      return done(new InvalidRequest('Invalid JSON body, must be an object'), undefined);
    }
  });
  app.setNotFoundHandler((request, reply) => {
    const methods = methodsOf(request.url);
    if (methods.length === 0) return reply.code(404).send({ errorMessage: 'The requested resource does not exist' });
    return reply.code(405).header('Allow', methods.join(', ')).send({ errorMessage: 'The method is not allowed for the requested resource' });
  });
  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof InvalidRequest) return reply.code(400).send(invalidBody(error));
    if (error instanceof HttpError) return reply.code(error.status).send({ errorMessage: error.message });
    const status = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500;
    return reply.code(status).send({ errorMessage: error instanceof Error ? error.message : 'internal error' });
  });
  return app;
}
