/**
 * Keeps the faults of a plan, and those that come by command: when each begins and ends, what it strikes, and the
 * record of it. The injectors beside it ask here whether a request or a line is struck, and do what the fault says.
 */
import type { FaultLog } from './fault-log.ts';
import type { Fault, FaultKind, FaultOf, Moment } from './kinds.ts';
import { ACCOUNT_FAULTS, EVENT_FAULTS } from './kinds.ts';
import type { FaultPlan } from './plan.ts';
import type { Draws } from './random.ts';
import { drawsFor } from './random.ts';
import type { Body, Json } from '../engine/bodies.ts';
import type { Venue } from '../venue.ts';
import { formatInstant, plusMs } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** A request as faults see it. */
export interface SeenRequest {
  readonly host: 'rest' | 'stream';
  readonly method: string;
  /** Below the account, without the query: `/orders`, `/instruments/EUR_USD/candles`. */
  readonly path: string;
  /** Requests with one key are drawn for in their own order, whatever else is in flight. */
  readonly key: string;
  readonly requestId: string;
}

/** A fault that is planned, active or over. */
export interface LiveFault {
  readonly id: string;
  readonly fault: Fault;
  state: 'planned' | 'active' | 'over';
  /** Since when it is active, and until when; null for not yet, and for no end. */
  from: Instant | null;
  until: Instant | null;
  strikes: number;
  readonly matches: Map<string, number>;
  matched: number;
  requests: number;
}

/** A match that the fault strikes. It counts once `hit` has been told what came of it. */
export interface Struck {
  readonly live: LiveFault;
  readonly fault: Fault;
  readonly draws: Draws;
}

interface FaultListener {
  /** Account faults act here; whoever keeps something for the fault's time begins here. */
  begun?(live: LiveFault): void;
  ended?(live: LiveFault): void;
}

const NOTHING: readonly Struck[] = [];
/** A parsed value as JSON, without the fields that are undefined. */
const jsonOf = (value: object | null): Json => JSON.parse(JSON.stringify(value)) as Json;

/** Faults that may wait, be active or be remembered at once. */
const FAULTS_MAX = 20_000;

/** Does a path match a pattern in which `*` stands for anything? */
function matchesPath(pattern: string | undefined, path: string): boolean {
  if (pattern === undefined) return true;
  const source = pattern.split('*').map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*');
  return new RegExp(`^${source}$`).test(path);
}

const matchesRequest = (scope: { readonly method?: string | undefined; readonly path?: string | undefined }, seen: SeenRequest): boolean =>
  (scope.method === undefined || scope.method === seen.method) && matchesPath(scope.path, seen.path);

/** Is the request within the scope of a fault that names one? Faults of what is answered see every request. */
const inScope = (fault: Fault, seen: SeenRequest): boolean => ('host' in fault ? fault.host === seen.host && matchesRequest(fault, seen) : seen.host === 'rest');

export class FaultInjector {
  readonly #venue: Venue;
  readonly #log: FaultLog;
  readonly #seed: number;
  readonly #listeners: FaultListener[] = [];
  /** Every fault that is not over, and of those the active ones and the ones that wait for a request. */
  readonly #faults = new Set<LiveFault>();
  readonly #active = new Set<LiveFault>();
  readonly #awaiting = new Set<LiveFault>();
  #commands = 0;

  constructor(venue: Venue, seed: number, log: FaultLog) {
    this.#venue = venue;
    this.#log = log;
    this.#seed = seed;
  }

  get log(): FaultLog {
    return this.#log;
  }

  listen(listener: FaultListener): void {
    this.#listeners.push(listener);
  }

  /** Takes up a plan, once everybody listens: its offsets count from now. */
  start(plan: FaultPlan): void {
    this.#log.append({ record: 'plan', time: formatInstant(this.#venue.now), seed: plan.seed, storm: jsonOf(plan.storm), faults: plan.faults.map(({ id, fault }) => ({ id, fault: jsonOf(fault) })) });
    for (const { id, fault } of plan.faults) this.#plan(id, fault);
  }

  /** Takes up faults by command; offsets count from now. Answers their ids. @throws RangeError when there are too many. */
  inject(faults: readonly { readonly name: string; readonly fault: Fault }[]): readonly string[] {
    if (this.#faults.size + faults.length > FAULTS_MAX) throw new RangeError(`there are ${this.#faults.size} faults already: clear them first`);
    return faults.map(({ name, fault }) => {
      this.#commands += 1;
      const id = `command ${this.#commands} ${name}`;
      this.#note('command', id, { fault: jsonOf(fault) });
      this.#plan(id, fault);
      return id;
    });
  }

  /** Ends every fault, those included that have not begun. */
  clear(): void {
    for (const live of [...this.#faults]) this.#end(live, 'cleared');
  }

  /** Every fault that is not over. */
  status(): readonly Body[] {
    return [...this.#faults].map((live) => ({ id: live.id, state: live.state, strikes: live.strikes, from: live.from === null ? null : formatInstant(live.from), until: live.until === null ? null : formatInstant(live.until), fault: jsonOf(live.fault) }));
  }

  /** Sets off the faults that wait for this request. */
  triggerBy(seen: SeenRequest): void {
    for (const live of [...this.#awaiting]) {
      const { onRequest } = live.fault;
      if (onRequest === undefined || live.from === null || live.from > this.#venue.now || seen.host !== 'rest' || !matchesRequest(onRequest, seen)) continue;
      live.requests += 1;
      if (live.requests === onRequest.nth) this.#begin(live);
    }
  }

  /** The active faults of these kinds that strike a request. */
  requestStruck(kinds: ReadonlySet<FaultKind>, seen: SeenRequest): readonly Struck[] {
    return this.#struck(kinds, (fault) => inScope(fault, seen), seen.key);
  }

  /** The active faults of these kinds that strike a line; `matches` looks at what the fault asks for. */
  lineStruck(kinds: ReadonlySet<FaultKind>, matches: (fault: Fault) => boolean, key: string): readonly Struck[] {
    return this.#struck(kinds, matches, key);
  }

  /** The active faults of a kind, in the order in which they began. */
  activeFaults<Kind extends FaultKind>(kind: Kind): readonly FaultOf<Kind>[] {
    return [...this.#active].map(({ fault }) => fault).filter((fault): fault is FaultOf<Kind> => fault.kind === kind);
  }

  /** Records what a fault did; false when it is over in the meantime, and must do nothing. */
  hit(live: LiveFault, what: { readonly [key: string]: Json }): boolean {
    if (live.state !== 'active') return false;
    live.strikes += 1;
    this.#note('strike', live.id, what);
    if (live.fault.count !== undefined && live.strikes >= live.fault.count) this.#end(live, 'count');
    return true;
  }

  #note(record: string, id: string, more: { readonly [key: string]: Json }): void {
    this.#log.append({ record, time: formatInstant(this.#venue.now), id, ...more });
  }

  #plan(id: string, fault: Fault): void {
    const { now } = this.#venue;
    const due = fault.at === undefined ? now : this.#momentOf(fault.at, now);
    const live: LiveFault = { id, fault, state: 'planned', from: due, until: null, strikes: 0, matches: new Map(), matched: 0, requests: 0 };
    this.#faults.add(live);
    if (fault.onRequest !== undefined) this.#awaiting.add(live);
    else if (due <= now) this.#begin(live);
    else this.#venue.schedule(due, () => this.#begin(live));
  }

  #momentOf(moment: Moment, now: Instant): Instant {
    return 'instant' in moment ? moment.instant : plusMs(now, moment.afterStartMs);
  }

  #begin(live: LiveFault): void {
    if (live.state !== 'planned') return;
    const { now } = this.#venue;
    const { durationMs, kind } = live.fault;
    live.state = 'active';
    this.#awaiting.delete(live);
    this.#active.add(live);
    live.from = now;
    live.until = durationMs === undefined ? null : plusMs(now, durationMs);
    this.#note('begun', live.id, {});
    for (const listener of this.#listeners) listener.begun?.(live);
    if (ACCOUNT_FAULTS.has(kind)) this.#end(live, 'done');
    else if (live.until !== null) this.#venue.schedule(live.until, () => this.#end(live, 'time'));
  }

  #end(live: LiveFault, why: 'count' | 'time' | 'cleared' | 'done'): void {
    if (live.state === 'over') return;
    const hadBegun = live.state === 'active';
    live.state = 'over';
    for (const each of [this.#faults, this.#active, this.#awaiting]) each.delete(live);
    this.#note('ended', live.id, { why, strikes: live.strikes });
    if (hadBegun) for (const listener of this.#listeners) listener.ended?.(live);
  }

  #struck(kinds: ReadonlySet<FaultKind>, matches: (fault: Fault) => boolean, key: string): readonly Struck[] {
    if (this.#active.size === 0) return NOTHING;
    const struck: Struck[] = [];
    for (const live of this.#active) {
      const { fault } = live;
      if (EVENT_FAULTS.has(fault.kind) || !kinds.has(fault.kind) || !matches(fault)) continue;
      live.matched += 1;
      if (live.matched <= fault.after) continue;
      const nth = (live.matches.get(key) ?? 0) + 1;
      live.matches.set(key, nth);
      const draws = drawsFor(this.#seed, `${live.id} ${key} ${nth}`);
      if (fault.probability === 1 || draws.share() < fault.probability) struck.push({ live, fault, draws });
    }
    return struck;
  }
}
