/**
 * Drives the desk in a scenario: feeds inputs to `step`, lets time pass timer by timer, answers its reads from a
 * scripted broker, and keeps everything that it told and asked for. Orders wait until the scenario sends them.
 */
import type { AccountSnapshot, Exchange, OrderRequest } from '../../domain/broker.ts';
import type { Answer, Consultation, Effect, Emission, Input, PolicyOutcome, Read, RunFacts } from '../../domain/desk/inputs.ts';
import { lastLook } from '../../domain/desk/orders.ts';
import type { Book, DeskState } from '../../domain/desk/state.ts';
import { evolveDesk } from '../../domain/desk/evolve.ts';
import { bookOf, initialDesk } from '../../domain/desk/state.ts';
import { step } from '../../domain/desk/step.ts';
import type { DataOf, EventType } from '../../domain/events.ts';
import type { ClientOrderId } from '../../domain/ids.ts';
import type { Action } from '../../domain/policy.ts';
import type { CommandResult, OperatorCommand } from '../../domain/safety.ts';
import type { DeskSettings } from '../../domain/settings.ts';
import { MINUTE_MS, parseInstant, plusMs } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';
import { EUR_USD, ScriptedBroker } from './scripted-broker.ts';
import { RUN, SETTINGS } from './settings.ts';

/** A Tuesday, 10:00 in New York: the market is open for hours to come. */
export const TUESDAY = parseInstant('2026-01-06T15:00:00Z');

export type InputBody = Input extends infer Each ? (Each extends Input ? Omit<Each, 'now'> : never) : never;
export type PlainVerb = Exclude<OperatorCommand['verb'], 'acknowledge'>;
export type Dispatch = Extract<Effect, { readonly kind: 'dispatch' }>;
/** What becomes of an order that is sent: what the broker does with it, and whether its answer arrives. */
export type Fate = 'filled' | 'cancelled' | 'rejected' | 'lostOnTheWay' | 'filledUnanswered' | 'refused';

const STEPS_MAX = 2_000;

export class DeskHarness {
  readonly broker = new ScriptedBroker();
  readonly emissions: Emission[] = [];
  readonly replies: Omit<CommandResult, 'events'>[] = [];
  readonly shutdowns: Extract<Effect, { readonly kind: 'shutdown' }>[] = [];
  readonly reads: Read[] = [];
  readonly reconnects: string[] = [];
  dispatches: Dispatch[] = [];
  /** Directories of models that the desk wants verified, and how often it wants one to take over. */
  readonly verifications: string[] = [];
  adoptions = 0;
  /** How often the desk wanted the HALT file gone. */
  haltFilesRemoved = 0;
  consultations: Consultation[] = [];
  timers = new Map<string, Instant>();
  state: DeskState;
  now: Instant;
  /** What the policy answers; null leaves consultations waiting. */
  policy: ((consultation: Consultation) => PolicyOutcome) | null = () => proposing('HOLD');
  /** Answers a read in place of the broker; undefined lets the broker answer, null leaves it unanswered. */
  intercept: (read: Read) => Answer | 'fails' | 'unauthorised' | null | undefined = () => undefined;
  quoting = true;
  #unanswered: Read[] = [];
  #commands = 0;

  constructor(settings: Partial<DeskSettings> = {}, now: Instant = TUESDAY) {
    this.now = now;
    this.state = initialDesk({ ...SETTINGS, ...settings });
    this.broker.open(plusMs(now, -MINUTE_MS));
  }

  get book(): Book {
    return bookOf(this.state, EUR_USD);
  }

  get mode(): string {
    return this.state.safety.mode;
  }

  // --- inputs ---

  /** One input and nothing that follows from it: reads stay open until `settle`. */
  feed(input: InputBody): void {
    const { state, emissions, effects } = step(this.state, { ...input, now: this.now });
    this.state = state;
    this.emissions.push(...emissions);
    for (const effect of effects) this.#take(effect);
  }

  /** One input, and every read, stream and consultation that follows from it. */
  give(input: InputBody): void {
    this.feed(input);
    this.settle();
  }

  settle(): void {
    for (let steps = 0; this.#unanswered.length > 0 || (this.policy !== null && this.consultations.length > 0); steps += 1) {
      if (steps >= STEPS_MAX) throw new Error(`the desk asks without end: ${JSON.stringify(this.#unanswered[0])}`);
      const read = this.#unanswered.shift();
      if (read !== undefined) this.#answer(read);
      else this.answerConsultation(this.policy!(this.consultations[0]!));
    }
  }

  /** Gives the policy's answer to the oldest open consultation. */
  answerConsultation(outcome: PolicyOutcome): void {
    const consultation = this.consultations.shift();
    if (consultation === undefined) throw new Error('nobody has asked the policy');
    this.feed({ kind: 'advice', consultation, outcome });
  }

  start(run: Partial<RunFacts> = {}): void {
    this.give({ kind: 'start', run: { ...RUN, ...run } });
  }

  /** The process ends without a word; `downMs` later the next one folds the log and starts. */
  crashAndRestart(downMs = 1_000, run: Partial<RunFacts> = {}): void {
    this.now = plusMs(this.now, downMs);
    this.state = this.replay();
    this.timers = new Map();
    this.consultations = [];
    this.dispatches = [];
    this.#unanswered = [];
    this.start(run);
  }

  /** The state that the log alone gives. */
  replay(): DeskState {
    let state = initialDesk(this.state.settings);
    for (const { event, occurredAt } of this.emissions) state = evolveDesk(state, event, occurredAt);
    return state;
  }

  command(verb: PlainVerb, operator = 'mara', reason = 'test'): Omit<CommandResult, 'events'> {
    return this.speak({ verb, operator, reason });
  }

  acknowledge(subject: 'trade' | 'transaction', id: string): Omit<CommandResult, 'events'> {
    return this.speak({ verb: 'acknowledge', operator: 'mara', reason: 'looked at it', subject, id });
  }

  private speak(command: OperatorCommand): Omit<CommandResult, 'events'> {
    this.#commands += 1;
    this.give({ kind: 'operator', commandId: this.#commands, command });
    return this.replies.at(-1)!;
  }

  quote(): void {
    for (const instrument of this.state.books.keys()) {
      const { bid, ask } = this.broker.pricesAt(this.now, instrument);
      this.give({ kind: 'quote', quote: { instrument, bid, ask, at: this.now, tradeable: this.broker.tradeable } });
    }
  }

  /** The transaction stream speaks of the newest transaction. */
  notice(): void {
    this.give({ kind: 'notice', transactionId: this.broker.lastTransactionId });
  }

  // --- time ---

  /** Lets time pass, timer by timer; before each one a fresh quote arrives. */
  advance(durationMs: number): void {
    this.advanceTo(plusMs(this.now, durationMs));
  }

  advanceMinutes(count: number): void {
    this.advance(count * MINUTE_MS);
  }

  advanceTo(until: Instant): void {
    for (let steps = 0; ; steps += 1) {
      const next = [...this.timers].filter(([, at]) => at <= until).sort(([, left], [, right]) => left - right)[0];
      if (next === undefined) break;
      if (steps >= STEPS_MAX * 20) throw new Error(`the timer "${next[0]}" never ends`);
      this.timers.delete(next[0]);
      this.now = next[1] > this.now ? next[1] : this.now;
      if (this.quoting) this.quote();
      this.give({ kind: 'wake', key: next[0] });
    }
    this.now = until > this.now ? until : this.now;
    if (this.quoting) this.quote();
  }

  // --- orders ---

  /** Sends the oldest order that waits (or another one of them), after the last look, and brings back what the broker answers. */
  send(fate: Fate, waitMs = 100, index = 0): Dispatch {
    const [dispatch] = this.dispatches.splice(index, 1);
    if (dispatch === undefined) throw new Error('no order waits to be sent');
    const denial = lastLook(this.state, dispatch.clientOrderId, this.now);
    if (denial !== null) {
      this.give({ kind: 'dispatchDenied', clientOrderId: dispatch.clientOrderId, ...denial });
      return dispatch;
    }
    const sentAt = this.now;
    this.#atBroker(dispatch.request, fate);
    this.now = plusMs(this.now, waitMs);
    this.exchange(dispatch, fate, sentAt);
    this.settle();
    return dispatch;
  }

  /** The answer to an order, or its absence, comes back. */
  exchange({ clientOrderId, request }: { readonly clientOrderId: ClientOrderId; readonly request: OrderRequest }, fate: Fate, sentAt: Instant = this.now): void {
    this.feed({ kind: 'exchange', clientOrderId, request, exchange: exchangeOf(fate, sentAt, this.now) });
  }

  #atBroker(request: OrderRequest, fate: Fate): void {
    if (request.path.endsWith('/orders') && request.method === 'PUT') {
      if (fate === 'rejected') this.broker.rejectStop(this.now, request, 'STOP_LOSS_ORDER_ALREADY_EXISTS');
      else if (fate === 'filled' || fate === 'filledUnanswered') this.broker.placeStop(this.now, request);
    } else if (fate === 'cancelled') this.broker.cancel(this.now, request, 'BOUNDS_VIOLATION');
    else if (fate === 'rejected') this.broker.reject(this.now, request, 'INSUFFICIENT_MARGIN');
    else if (fate !== 'lostOnTheWay' && fate !== 'refused') {
      if (request.method === 'POST') this.broker.fillOpening(this.now, request);
      else this.broker.fillClosing(this.now, request);
    }
  }

  // --- what was told ---

  /** The data of every event of a type, oldest first. */
  told<T extends EventType>(type: T): readonly DataOf<T>[] {
    return this.emissions.filter(({ event }) => event.type === type).map(({ event }) => event.data as DataOf<T>);
  }

  /** Event types, oldest first, without those that a scenario leaves out. */
  story(...leaveOut: readonly EventType[]): readonly string[] {
    return this.emissions.map(({ event }) => event.type).filter((type) => !leaveOut.includes(type));
  }

  // --- effects ---

  #take(effect: Effect): void {
    switch (effect.kind) {
      case 'connectFeeds':
        this.feed({ kind: 'feed', feed: 'pricing', connected: true, detail: '' });
        return this.feed({ kind: 'feed', feed: 'transactions', connected: true, detail: '' });
      case 'reconnectFeed':
        this.reconnects.push(effect.feed);
        return;
      case 'read':
        this.reads.push(effect.read);
        this.#unanswered.push(effect.read);
        return;
      case 'consult':
        this.consultations.push(effect.consultation);
        return;
      case 'dispatch':
        this.dispatches.push(effect);
        return;
      case 'verifyModel':
        this.verifications.push(effect.directory);
        return;
      case 'removeHaltFile':
        this.haltFilesRemoved += 1;
        return;
      case 'adoptModel':
        this.adoptions += 1;
        return;
      case 'wake':
        if (effect.at === null) this.timers.delete(effect.key);
        else this.timers.set(effect.key, effect.at);
        return;
      case 'reply':
        this.replies.push(effect.result);
        return;
      case 'shutdown':
        this.shutdowns.push(effect);
        return;
    }
  }

  #answer(read: Read): void {
    const scripted = this.intercept(read);
    if (scripted === null) return;
    if (scripted === 'fails') return this.feed({ kind: 'readFailed', read, failure: 'timeout', detail: `${read.what} timed out` });
    if (scripted === 'unauthorised') return this.feed({ kind: 'readFailed', read, failure: 'unauthorised', detail: 'the token is refused' });
    this.feed({ kind: 'answer', read, answer: scripted ?? this.#brokersAnswer(read) });
  }

  #brokersAnswer(read: Read): Answer {
    switch (read.what) {
      case 'transactions':
        return { what: 'transactions', page: this.broker.page(read.since) };
      case 'bars':
        return { what: 'bars', bars: this.broker.bars(this.now, read.from, read.countMax, read.instrument) };
      case 'snapshot':
        return read.scope === 'full' ? { what: 'snapshot', snapshot: this.broker.snapshot() } : { what: 'summary', summary: this.broker.summary(), positions: this.broker.positions() };
      case 'baseline':
        return { what: 'baseline', snapshot: this.broker.snapshot() };
      case 'positions':
        return { what: 'positions', snapshot: this.broker.positions() };
    }
  }
}

function exchangeOf(fate: Fate, sentAt: Instant, answeredAt: Instant): Exchange {
  const answered = { sentAt, answeredAt, requestId: '42', bodyTruncated: false, failure: null };
  switch (fate) {
    case 'lostOnTheWay':
    case 'filledUnanswered':
      return { sentAt, answeredAt: null, status: null, requestId: null, body: null, bodyTruncated: false, failure: { cause: 'timeout', detail: 'no answer in 10 s' }, refusal: null };
    case 'rejected':
      return { ...answered, status: 400, body: '{"orderRejectTransaction":{}}', refusal: 'INSUFFICIENT_MARGIN' };
    case 'refused':
      return { ...answered, status: 404, body: '{"errorMessage":"no such trade"}', refusal: 'no such trade' };
    case 'filled':
    case 'cancelled':
      return { ...answered, status: 201, body: '{}', refusal: null };
  }
}

export const proposing = (action: Action): PolicyOutcome => ({
  kind: 'proposal',
  proposal: { action, rule: 'baseline', inputHash: '0'.repeat(64), search: null, draw: null },
});

export const snapshotAnswer = (snapshot: AccountSnapshot): Answer => ({ what: 'snapshot', snapshot });

/** A desk that is ready, armed, with a full window, just after a minute's bar was decided on. */
export function armedDesk(settings: Partial<DeskSettings> = {}, now: Instant = TUESDAY): DeskHarness {
  const desk = new DeskHarness(settings, now);
  desk.start();
  desk.advanceMinutes(1);
  desk.command('arm');
  return desk;
}

/** An armed desk in whose next minute the policy acts; its order waits to be sent. */
export function decidedDesk(action: Action, settings: Partial<DeskSettings> = {}, now: Instant = TUESDAY): DeskHarness {
  const desk = armedDesk(settings, now);
  decide(desk, action);
  return desk;
}

/** Lets one minute pass in which the policy proposes an action; before and after it holds. */
export function decide(desk: DeskHarness, action: Action): void {
  desk.policy = () => proposing(action);
  desk.advanceMinutes(1);
  desk.policy = () => proposing('HOLD');
}

/** An armed desk that is long, its trade filled and reconciled. */
export function longDesk(settings: Partial<DeskSettings> = {}, now: Instant = TUESDAY): DeskHarness {
  const desk = decidedDesk('BUY', settings, now);
  desk.send('filled');
  return desk;
}
