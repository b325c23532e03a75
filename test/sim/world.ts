/**
 * One simulated world: the market and its broker, the machine and the daemon's processes on it, an operator, the faults of a
 * seed, and the oracle that knows what is true. Everything happens in one thread on virtual time.
 *
 * After each event the process runs until it waits for the world again. `process.nextTick` says when: its queue is served once
 * no microtask is left, without a turn of the event loop.
 */
import { createHash } from 'node:crypto';
import { captureReplica } from '../../adapters/broker/faults/replica.ts';
import type { Body, Transaction } from '../../adapters/broker/engine/bodies.ts';
import { isBody } from '../../adapters/broker/engine/bodies.ts';
import type { Venue } from '../../adapters/broker/venue.ts';
import { openMemoryStore } from '../../adapters/memory/store.ts';
import type { FeedLine, FeedName, OrderRequest, Quote } from '../../domain/broker.ts';
import type { Emission } from '../../domain/desk/inputs.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import type { EventDraft, EventStore } from '../../domain/log.ts';
import type { InstrumentName } from '../../domain/instruments.ts';
import type { DeskSettings } from '../../domain/settings.ts';
import type { Instant } from '../../domain/time.ts';
import { HOUR_MS, MINUTE_MS, SECOND_MS, instantOf } from '../../domain/time.ts';
import { Draws } from './draws.ts';
import { Faults } from './faults.ts';
import { Gateway } from './gateway.ts';
import { checkAt } from './invariants.ts';
import type { Moment, Subject } from './invariants.ts';
import { Machine } from './machine.ts';
import { Market } from './market.ts';
import { happen } from './moments.ts';
import { Operator } from './operator.ts';
import { MOMENT_FAULTS, SPELL_FAULTS, downtimeMs } from './options.ts';
import type { SimOptions } from './options.ts';
import { Oracle } from './oracle.ts';
import type { Arrival } from './oracle.ts';
import type { Replied } from './process.ts';
import { SimProcess } from './process.ts';
import { Scheduler } from './scheduler.ts';
import { CONFIG_HASH, worldSettings } from './settings.ts';
import type { AppendFault } from './store.ts';

export interface Violation {
  readonly code: string;
  readonly detail: string;
  readonly at: number;
}

const INSTRUMENT = 'EUR_USD' as InstrumentName;
/** An operator starts again what has ended by itself. */
const OPERATOR_AWAY_MS_MAX = 10 * MINUTE_MS;

export class World {
  readonly options: SimOptions;
  readonly accountId: string;
  readonly configHash = CONFIG_HASH;
  readonly scheduler: Scheduler;
  readonly faults: Faults;
  readonly machine: Machine;
  readonly oracle = new Oracle();
  readonly gateway: Gateway;
  readonly settings: DeskSettings;
  readonly violations: Violation[] = [];
  /** Complete candles as they were shown, by start and content. */
  readonly candlesShown = new Set<string>();
  readonly #market: Market;
  readonly #trace: ((line: string) => void) | null;
  readonly #draws: Draws;
  readonly #requests = createHash('sha256');
  readonly #subscribers = new Map<FeedName, Set<(line: FeedLine) => void>>([['pricing', new Set()], ['transactions', new Set()]]);
  readonly log: EventStore = openMemoryStore({ hashing: 'chain' });
  readonly #operator: Operator;
  running: SimProcess | null = null;
  processes = 0;
  steps = 0;
  requests = 0;
  /** When the last order that is stuck somewhere will have executed. */
  lateUntil = 0;
  readonly #lastDecoded = new Map<string, { readonly text: string; readonly value: unknown }>();
  #touched = false;
  #calmSince: number | null = null;
  /** Events in the log when the last fault had ended. */
  eventsBeforeCalm = 0;

  constructor(options: SimOptions, trace: ((line: string) => void) | null = null) {
    this.options = options;
    this.#trace = trace;
    this.#draws = new Draws(options.seed, 'world');
    this.#market = new Market(options);
    this.accountId = this.venue.engine.settings.accountId;
    this.scheduler = new Scheduler(this.venue.now);
    this.gateway = new Gateway(this.venue);
    this.settings = worldSettings(options, this.gateway);
    this.faults = new Faults(options);
    this.machine = new Machine(this.scheduler, this.faults.rate('clockDrift'));
    if (options.faults.has('clockDrift')) this.faults.count('clockDrift');
    this.#operator = new Operator(this, new Draws(options.seed, 'operator'));
    for (const transaction of this.venue.engine.transactions(1, this.venue.engine.lastTransactionId)) this.oracle.transaction(transaction);
    this.venue.listen({ price: () => this.#priced(), transactions: (transactions) => this.#transacted(transactions) });
  }

  get venue(): Venue {
    return this.#market.venue;
  }

  get now(): number {
    return this.scheduler.now;
  }

  get brokerNow(): Instant {
    return instantOf(this.scheduler.now);
  }

  /** Since when no fault has been left; null in the safety phase. */
  get calmSince(): number | null {
    return this.#calmSince;
  }

  // --- running ---

  /** The safety phase: everything of the seed happens. */
  async safetyPhase(): Promise<void> {
    this.#boot(0);
    this.#planSpells();
    this.#planMoments();
    this.#operator.begin();
    await this.#runTo(this.options.startAt + this.options.durationMs);
  }

  /** The liveness phase: no fault is left, and what the faults had begun is over soon. */
  async livenessPhase(): Promise<void> {
    this.faults.stop();
    this.venue.engine.venueActions.setInstrumentStatus(INSTRUMENT, 'TRADEABLE');
    this.machine.setRight();
    this.#calmSince = Math.max(this.now, this.lateUntil);
    this.eventsBeforeCalm = this.oracle.durableEvents;
    this.trace('no more faults');
    if (this.running === null) this.#boot(0);
    await this.#runTo(this.#calmSince + LIVENESS_MS);
    this.check('calm', {});
  }

  async #runTo(until: number): Promise<void> {
    for (;;) {
      if (this.violations.length > 0) return;
      const marketAt = this.#market.nextAt();
      const nextAt = this.scheduler.nextAt();
      const at = Math.min(marketAt, nextAt);
      if (at > until) break;
      if (marketAt <= nextAt) {
        this.scheduler.now = Math.max(this.now, marketAt);
        this.venue.playTo(this.brokerNow, true);
      } else {
        if (nextAt > this.venue.now) this.venue.playTo(instantOf(Math.ceil(nextAt)), false);
        this.scheduler.step();
      }
      this.steps += 1;
      if (this.#touched) await this.#settle();
    }
    this.scheduler.now = until;
    this.venue.playTo(this.brokerNow, false);
  }

  /** Lets the process run until all of it waits for the world. */
  async #settle(): Promise<void> {
    this.#touched = false;
    await new Promise<void>((resolve) => process.nextTick(resolve));
  }

  touched(): void {
    this.#touched = true;
  }

  // --- processes ---

  #boot(afterMs: number): void {
    this.scheduler.after(afterMs, null, () => {
      if (this.running !== null) return;
      this.processes += 1;
      this.trace(`process ${this.processes} starts`);
      const started = new SimProcess(this, new Draws(this.options.seed, `process ${this.processes}`));
      this.running = started;
      this.#touched = true;
      void started.start();
    });
  }

  processKilled(label: string): void {
    const downMs = downtimeMs(this.#draws);
    this.trace(`process ${this.processes} is killed at: ${label}; away for ${downMs} ms`);
    this.running = null;
    this.#boot(downMs);
  }

  processEnded(exitCode: number, reason: string, storeFailed: boolean): void {
    this.trace(`process ${this.processes} ends with ${exitCode}: ${reason.split('\n')[0]}`);
    this.running = null;
    this.check('exit', { exitCode, reason, storeFailed });
    this.#boot(this.calmSince === null ? this.#draws.whole(SECOND_MS, OPERATOR_AWAY_MS_MAX) : SECOND_MS);
  }

  recovered(state: DeskState): void {
    this.check('restart', { state });
  }

  // --- what the process does ---

  observed(state: DeskState, told: readonly Emission[], process: SimProcess): void {
    if (this.#trace !== null) for (const { event } of told) this.trace(`  ${event.type} ${JSON.stringify(event.data).slice(0, 220)}`);
    this.check('step', { state, told, process });
  }

  replied(result: Replied): void {
    this.trace(`  operator is told: ${result.accepted ? 'accepted' : 'refused'}, ${result.message}`);
  }

  departed(request: OrderRequest, process: SimProcess): void {
    this.trace(`  ${request.method} ${request.path} leaves`);
    this.#requests.update(`${this.now} ${request.method} ${request.path} ${request.body}\n`);
    this.requests += 1;
    this.check('departure', { request, process, state: process.state });
    process.departs(request.method, request.path);
  }

  arrived(request: OrderRequest): Arrival {
    const arrival = this.oracle.arrived(this.now, request);
    this.check('arrival', { arrival, request });
    return arrival;
  }

  appending(events: number): { readonly fault: AppendFault | null; readonly killAfter: number | null } {
    if (this.faults.killsHere(events)) return { fault: null, killAfter: this.#draws.whole(0, events) };
    return { fault: this.faults.appendFault(), killAfter: null };
  }

  durable(drafts: readonly EventDraft[]): void {
    for (const draft of drafts) {
      this.oracle.durable(draft, this.now);
      this.check('durable', { draft });
    }
  }

  // --- the broker's side ---

  candlesServed(body: Body): Body {
    const candles = body['candles'];
    if (Array.isArray(candles)) for (const candle of candles) if (isBody(candle) && candle['complete'] === true) this.candlesShown.add(candleKey(candle));
    return body;
  }

  /** Another account's id stands in every body while the account is mistaken for another. */
  disguised(text: string): string {
    return this.faults.during('accountMismatch', this.now) ? text.replaceAll(this.accountId, '101-001-9999999-001') : text;
  }

  subscribe(name: FeedName, listener: (line: FeedLine) => void): () => void {
    const listeners = this.#subscribers.get(name)!;
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  priceSnapshot(instruments: readonly InstrumentName[]): readonly FeedLine[] {
    return instruments.includes(INSTRUMENT) ? this.#priceLine() : [];
  }

  lastTransactionIdShown(): number {
    return this.venue.engine.lastTransactionId;
  }

  #priceLine(): readonly FeedLine[] {
    const quote = this.#market.quote();
    return quote === null ? [] : [{ kind: 'quote', quote: this.#spoilt(quote) }];
  }

  #spoilt(quote: Quote): Quote {
    const { faults, now } = this;
    const nonTradeable = faults.during('nonTradeable', now) ? { ...quote, tradeable: false } : quote;
    const stale = faults.during('stalePrices', now) ? { ...nonTradeable, at: instantOf(quote.at - 30 * SECOND_MS) } : nonTradeable;
    return faults.during('widePrices', now) ? { ...stale, ask: (stale.ask + 5_000_000n * 10n) as Quote['ask'] } : stale;
  }

  #priced(): void {
    if (this.#subscribers.get('pricing')!.size === 0) return;
    for (const line of this.#priceLine()) for (const send of [...this.#subscribers.get('pricing')!]) send(line);
  }

  #transacted(transactions: readonly Transaction[]): void {
    for (const transaction of transactions) {
      this.trace(`    broker: ${transaction.id} ${transaction.type} ${JSON.stringify(transaction.body['reason'] ?? '')} ${JSON.stringify(transaction.body['units'] ?? '')}`);
      const fill = this.oracle.transaction(transaction);
      if (fill !== null) this.check('fill', { fill });
      for (const send of [...this.#subscribers.get('transactions')!]) send({ kind: 'transaction', transactionId: transaction.id, at: instantOf(Math.max(transaction.at, 0)) });
    }
  }

  /** An answer that reads like the last one to the same question says the same: nothing is read twice. */
  decoded<T>(path: string, text: string, decode: (text: string) => T): T {
    const last = this.#lastDecoded.get(path);
    if (last?.text === text && path !== '/transactions/sinceid') return last.value as T;
    const value = decode(text);
    this.#lastDecoded.set(path, { text, value });
    return value;
  }

  // --- what else happens ---

  scheduleLate(afterMs: number, act: () => void): void {
    this.lateUntil = Math.max(this.lateUntil, this.now + afterMs);
    this.scheduler.after(afterMs, null, act);
  }

  delayNextOrder(delayMs: number): void {
    this.lateUntil = Math.max(this.lateUntil, this.now + delayMs + MINUTE_MS);
    this.venue.engine.venueActions.delayMarketOrders(1, delayMs);
  }

  #planSpells(): void {
    const draws = new Draws(this.options.seed, 'spells');
    for (const name of SPELL_FAULTS) {
      this.#repeat(draws, this.faults.rate(name), () => {
        const lastsMs = draws.spread(2 * SECOND_MS, 10 * MINUTE_MS);
        this.trace(`${name} for ${lastsMs} ms`);
        if (name === 'staleReads') this.faults.replica = captureReplica(this.venue.engine);
        if (name === 'instrumentHalted') this.#haltInstrument(lastsMs);
        if (name === 'thinMarket') this.venue.engine.venueActions.limitLiquidity(INSTRUMENT, draws.pick([0, 1, 2]), Math.ceil(lastsMs / 15_000));
        if (name === 'deadLink') this.running?.cutStreams();
        this.faults.begin(name, this.now + lastsMs);
      });
    }
  }

  #haltInstrument(lastsMs: number): void {
    const { venueActions } = this.venue.engine;
    venueActions.setInstrumentStatus(INSTRUMENT, this.#draws.pick(['HALTED', 'REDUCE_ONLY', 'BID_HALTED']));
    this.scheduler.after(lastsMs, null, () => venueActions.setInstrumentStatus(INSTRUMENT, 'TRADEABLE'));
  }

  #planMoments(): void {
    for (const name of MOMENT_FAULTS) {
      const draws = new Draws(this.options.seed, name);
      this.#repeat(draws, this.faults.rate(name), () => {
        if (!happen(this, name, draws)) return;
        this.faults.count(name);
      });
    }
    const disk = new Draws(this.options.seed, 'lowDisk');
    this.#repeat(disk, this.faults.rate('lowDisk'), () => {
      this.faults.count('lowDisk');
      this.running?.diskMeasured(disk.pick([0, 10 ** 12]));
    });
  }

  /** So often an hour, while faults are on. */
  #repeat(draws: Draws, perHour: number, act: () => void): void {
    if (!(perHour > 0)) return;
    this.scheduler.after(Math.round((-Math.log(1 - draws.share()) * HOUR_MS) / perHour), null, () => {
      if (!this.faults.on) return;
      act();
      this.#repeat(draws, perHour, act);
    });
  }

  /** Does something as somebody else on the account, and lets the oracle know whose it is. */
  foreign(act: () => void): void {
    this.oracle.claim(() => this.venue.request(act));
  }

  // --- judging ---

  check<M extends Moment>(moment: M, subject: Subject<M>): void {
    if (this.violations.length > 0) return;
    const found = checkAt(moment, this, subject);
    if (found !== null) this.violated(found.code, found.detail);
  }

  violated(code: string, detail: string): void {
    this.trace(`VIOLATION ${code}: ${detail}`);
    this.violations.push({ code, detail, at: this.now });
  }

  trace(line: string): void {
    this.#trace?.(`${new Date(this.now).toISOString()} ${line}`);
  }

  /** Of everything that was sent, with when it left. */
  requestsHash(): string {
    return this.#requests.copy().digest('hex');
  }
}

/** A candle's start and its eight prices. */
function candleKey(candle: { readonly [key: string]: unknown }): string {
  const prices = ['bid', 'ask'].flatMap((side) => {
    const ohlc = candle[side];
    return isBody(ohlc) ? [ohlc['o'], ohlc['h'], ohlc['l'], ohlc['c']] : [];
  });
  return `${Date.parse(String(candle['time']))} ${prices.map(Number).join(' ')}`;
}

/** The longest that anything takes to come right: the quiet period behind the last order, a stream's breaker, and two minutes. */
const LIVENESS_MS = 8 * MINUTE_MS;
