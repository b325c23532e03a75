/**
 * Faults of the exchanges with the broker's servers, as hooks around the routes: before the broker acts on a request,
 * and after it has, before the answer leaves. Control routes, outside /v3, are never struck.
 */
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ANSWER_KINDS, changedAnswer } from './bad-answers.ts';
import type { BadBody } from './bad-bodies.ts';
import { PROXY_PAGE, badBody } from './bad-bodies.ts';
import { repeatLater } from './late-execution.ts';
import type { FaultInjector, LiveFault, SeenRequest, Struck } from './injector.ts';
import type { FaultKind, FaultOf } from './kinds.ts';
import type { Replica } from './replica.ts';
import { captureReplica, staleAnswer } from './replica.ts';
import type { Body } from '../engine/bodies.ts';
import { compact, isBody } from '../engine/bodies.ts';
import { timesFor } from '../http/app.ts';
import type { Venue } from '../venue.ts';
import { plusMs } from '../../../domain/time.ts';

const EXCHANGE_KINDS: ReadonlySet<FaultKind> = new Set<FaultKind>(['latency', 'lostResponse', 'status', 'lateExecution', 'badBody', 'staleReads', 'clockSkew', ...ANSWER_KINDS]);
const ACCOUNT_PATH = /^\/v3\/accounts\/[^/]+(\/.*)?$/;

/** Below the account: `/orders`; what lies outside an account keeps its own path below /v3. */
function pathOf(url: string): string {
  const path = url.split('?', 1)[0] ?? '';
  const below = ACCOUNT_PATH.exec(path);
  return below === null ? path.slice('/v3'.length) : (below[1] ?? '/');
}

const nameOf = (seen: SeenRequest): Body => ({ method: seen.method, path: seen.path, requestId: seen.requestId });

function seenOf(host: SeenRequest['host'], request: FastifyRequest): SeenRequest {
  const instrument = isBody(request.params) ? request.params['instrument'] : undefined;
  const key = `${host} ${request.method} ${request.routeOptions.url ?? 'unknown'} ${typeof instrument === 'string' ? instrument : ''}`;
  return { host, method: request.method, path: pathOf(request.url), key, requestId: request.id };
}

/** Breaks the connection now, or leaves it open with no answer ever. */
function silence(reply: FastifyReply, cut: boolean): void {
  reply.hijack();
  if (cut) reply.raw.socket?.destroy();
}

function errorBody(fault: FaultOf<'status'>): string {
  if (fault.body === 'html') return PROXY_PAGE;
  return fault.body === 'empty' ? '' : JSON.stringify(compact({ errorCode: fault.errorCode, errorMessage: fault.errorMessage }));
}

function setStatus(fault: FaultOf<'status'>, reply: FastifyReply): string {
  reply.code(fault.status).header('content-type', fault.body === 'v20' ? 'application/json; charset=utf-8' : 'text/html');
  if (fault.retryAfterSeconds !== undefined) reply.header('retry-after', String(fault.retryAfterSeconds));
  if (fault.location !== undefined) reply.header('location', fault.location);
  return errorBody(fault);
}

/** A body of which the first `bytes` leave before the connection breaks. */
function brokenOff(reply: FastifyReply, whole: Buffer, bytes: number): Readable {
  reply.header('content-length', whole.length);
  let begun = false;
  return new Readable({
    read() {
      if (begun) return;
      begun = true;
      reply.raw.flushHeaders();
      if (bytes > 0) this.push(whole.subarray(0, bytes));
      // What was written is given the time to leave: a connection that breaks at once takes its last bytes along.
      setTimeout(() => reply.raw.socket?.destroy(), 10);
    },
  });
}

/** An answer on its way out. */
interface Outgoing {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly seen: SeenRequest;
  payload: string | Buffer | Readable;
}

class ExchangeFaults {
  readonly #injector: FaultInjector;
  readonly #venue: Venue;
  readonly #host: SeenRequest['host'];
  readonly #struck = new WeakMap<FastifyRequest, readonly Struck[]>();
  readonly #replicas = new Map<LiveFault, Replica>();

  constructor(injector: FaultInjector, venue: Venue, host: SeenRequest['host']) {
    this.#injector = injector;
    this.#venue = venue;
    this.#host = host;
    injector.listen({
      begun: (live) => {
        if (live.fault.kind === 'staleReads' && host === 'rest') this.#replicas.set(live, captureReplica(venue.engine));
      },
      ended: (live) => this.#replicas.delete(live),
    });
  }

  /** Before the broker acts: whatever delays the request, answers in its place or loses it. A reply that was sent ends the request here. */
  async before(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    if (!request.url.startsWith('/v3')) return undefined;
    const seen = seenOf(this.#host, request);
    this.#injector.triggerBy(seen);
    const struck = this.#injector.requestStruck(EXCHANGE_KINDS, seen);
    if (struck.length === 0) return undefined;
    this.#struck.set(request, struck);
    for (const each of struck) if (await this.#before(each, request, reply, seen)) return reply;
    return undefined;
  }

  /** After the broker has acted: whatever delays, changes or loses the answer. */
  async after(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
    const struck = this.#struck.get(request);
    if (struck === undefined || (typeof payload !== 'string' && payload !== null && payload !== undefined)) return payload;
    const outgoing: Outgoing = { request, reply, seen: seenOf(this.#host, request), payload: typeof payload === 'string' ? payload : '' };
    for (const each of struck) if (typeof outgoing.payload === 'string') await this.#after(each, outgoing, outgoing.payload);
    return outgoing.payload;
  }

  /** Does what a fault does beforehand; true when that was the whole exchange. */
  async #before({ live, fault, draws }: Struck, request: FastifyRequest, reply: FastifyReply, seen: SeenRequest): Promise<boolean> {
    switch (fault.kind) {
      case 'latency':
        if (fault.phase === 'before' && this.#injector.hit(live, nameOf(seen))) await sleep(fault.delayMs + draws.whole(0, fault.jitterMs));
        return false;
      case 'status':
        if (fault.executed || !this.#injector.hit(live, nameOf(seen))) return false;
        reply.send(setStatus(fault, reply));
        return true;
      case 'lostResponse':
        if (fault.executed || !this.#injector.hit(live, nameOf(seen))) return false;
        silence(reply, fault.cut !== 'never');
        return true;
      case 'lateExecution':
        if (!this.#injector.hit(live, { ...nameOf(seen), delayMs: fault.delayMs })) return false;
        repeatLater(this.#venue, request, fault.delayMs);
        if (fault.reply === 'lost') silence(reply, true);
        else reply.code(504).header('content-type', 'text/html').send(PROXY_PAGE);
        return true;
      default:
        return false;
    }
  }

  async #after({ live, fault, draws }: Struck, outgoing: Outgoing, text: string): Promise<void> {
    const { reply, seen } = outgoing;
    switch (fault.kind) {
      case 'latency':
        if (fault.phase === 'after' && this.#injector.hit(live, nameOf(seen))) await sleep(fault.delayMs + draws.whole(0, fault.jitterMs));
        return;
      case 'status':
        if (fault.executed && this.#injector.hit(live, nameOf(seen))) outgoing.payload = setStatus(fault, reply);
        return;
      case 'lostResponse':
        if (fault.executed && this.#injector.hit(live, nameOf(seen))) this.#lose(fault, outgoing, text);
        return;
      case 'badBody':
        if (this.#injector.hit(live, nameOf(seen))) setBody(outgoing, badBody(fault, draws, text));
        return;
      case 'clockSkew':
        if (this.#injector.hit(live, nameOf(seen))) reply.header('Date', new Date(plusMs(this.#venue.now, fault.skewMs)).toUTCString());
        return;
      case 'staleReads':
        this.#answerStale(live, outgoing, text);
        return;
      default:
        this.#change(live, outgoing, text);
    }
  }

  #lose(fault: FaultOf<'lostResponse'>, outgoing: Outgoing, text: string): void {
    const { reply } = outgoing;
    const whole = Buffer.from(text);
    if (fault.cut === 'beforeFirstByte') reply.raw.socket?.destroy();
    else outgoing.payload = fault.cut === 'never' ? new Readable({ read: () => {} }) : brokenOff(reply, whole, fault.cut === 'afterHeaders' ? 0 : Math.ceil(whole.length / 2));
  }

  #answerStale(live: LiveFault, outgoing: Outgoing, text: string): void {
    const { reply, seen } = outgoing;
    const replica = this.#replicas.get(live);
    const answer = seen.method === 'GET' && reply.statusCode < 400 ? bodyIn(text) : null;
    const stale = replica === undefined || answer === null ? null : staleAnswer(replica, seen.path, answer);
    if (stale === null || !this.#injector.hit(live, { ...nameOf(seen), lastTransactionID: stale.body['lastTransactionID'] ?? null })) return;
    reply.code(stale.status);
    outgoing.payload = JSON.stringify(timesFor(outgoing.request)(stale.body));
  }

  #change(live: LiveFault, outgoing: Outgoing, text: string): void {
    const answer = outgoing.reply.statusCode < 400 ? bodyIn(text) : null;
    const changed = answer === null ? null : changedAnswer(live, answer, this.#venue.now);
    if (changed !== null && this.#injector.hit(live, nameOf(outgoing.seen))) outgoing.payload = JSON.stringify(changed);
  }
}

function setBody(outgoing: Outgoing, bad: BadBody): void {
  for (const [name, value] of Object.entries(bad.headers)) outgoing.reply.header(name, value);
  outgoing.payload = bad.payload;
}

/** The body of an answer that is a JSON object, or null. */
function bodyIn(text: string): Body | null {
  if (!text.startsWith('{')) return null;
  const value: unknown = JSON.parse(text);
  return isBody(value) ? (value as Body) : null;
}

/** Puts the faults of requests around every route of a server that does not listen yet. */
export function addExchangeFaults(app: FastifyInstance, host: SeenRequest['host'], injector: FaultInjector, venue: Venue): void {
  const faults = new ExchangeFaults(injector, venue, host);
  app.addHook('preHandler', (request, reply) => faults.before(request, reply));
  app.addHook('onSend', (request, reply, payload) => faults.after(request, reply, payload));
}
