/** What the desk asks for, done: reads, orders and the policy's opinion. Every result goes back in as an input. */
import type { HaltFile } from '../../adapters/control/halt-file.ts';
import type { Broker, FeedName } from '../../domain/broker.ts';
import { BrokerReadError } from '../../domain/broker.ts';
import type { Answer, Effect, Read } from '../../domain/desk/inputs.ts';
import { lastLook } from '../../domain/desk/orders.ts';
import type { Clock } from '../../domain/clock.ts';
import type { CommandResult } from '../../domain/safety.ts';
import { deliberate } from './deliberation.ts';
import type { PolicySeat } from './policy.ts';
import type { Runtime } from './runtime.ts';

export interface EffectParts {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly seat: PolicySeat;
  /** Opens both streams; resolves when both stand or, live, when the attempt is under way. */
  readonly connectFeeds: (runtime: Runtime) => Promise<void>;
  /** Ends a stream that stands, so that it is opened anew; in lockstep streams are the broker's to end. */
  readonly reconnectFeed: (feed: FeedName, detail: string) => void;
  readonly reply: (commandId: number, result: Omit<CommandResult, 'events'>) => void;
  readonly haltFile: HaltFile;
}

type Running = Exclude<Effect, { readonly kind: 'wake' | 'shutdown' }>;

/** Lanes of the live daemon: a slow candle read must not hold up the ledger, nor the ledger an order, nor an order another instrument's. */
export function liveLaneOf(effect: Running): string {
  switch (effect.kind) {
    case 'read':
      return effect.read.what;
    case 'dispatch':
      return `${effect.request.method === 'POST' ? 'open' : 'close'} ${effect.instrument}`;
    // Between two decisions: after the one under way, before the next one.
    case 'adoptModel':
      return 'consult';
    default:
      return effect.kind;
  }
}

export const performWith = (parts: EffectParts) => async (effect: Running, runtime: Runtime): Promise<void> => {
  switch (effect.kind) {
    case 'connectFeeds':
      return parts.connectFeeds(runtime);
    case 'reconnectFeed':
      return parts.reconnectFeed(effect.feed, effect.detail);
    case 'reply':
      return parts.reply(effect.commandId, effect.result);
    case 'read':
      return read(parts.broker, effect.read, runtime);
    case 'consult': {
      const outcome = await deliberate(parts.seat.policy, parts.seat.evaluator, effect.consultation.observation);
      return runtime.submit({ kind: 'advice', consultation: effect.consultation, outcome });
    }
    case 'verifyModel':
      return runtime.submit({ kind: 'modelVerified', verdict: await parts.seat.verify(effect.directory) });
    case 'adoptModel':
      return runtime.submit({ kind: 'modelAdopted', model: await parts.seat.adopt() });
    case 'removeHaltFile': {
      const kept = parts.haltFile.remove();
      return kept === null ? undefined : runtime.submit({ kind: 'haltFile', detail: kept });
    }
    case 'dispatch': {
      const halt = effect.request.method === 'POST' ? parts.haltFile.find() : null;
      if (halt !== null) runtime.submit({ kind: 'haltFile', detail: halt });
      const denial = halt === null ? lastLook(runtime.state, effect.clientOrderId, parts.clock.now()) : { guard: 'haltFile', value: 'found', limit: 'none' };
      if (denial !== null) return runtime.submit({ kind: 'dispatchDenied', clientOrderId: effect.clientOrderId, ...denial });
      const exchange = await parts.broker.send(effect.request);
      return runtime.submit({ kind: 'exchange', clientOrderId: effect.clientOrderId, request: effect.request, exchange });
    }
  }
};

async function read(broker: Broker, question: Read, runtime: Runtime): Promise<void> {
  try {
    runtime.submit({ kind: 'answer', read: question, answer: await ask(broker, question) });
  } catch (error) {
    if (!(error instanceof BrokerReadError)) throw error;
    runtime.submit({ kind: 'readFailed', read: question, failure: error.failure, detail: error.message });
  }
}

async function ask(broker: Broker, question: Read): Promise<Answer> {
  switch (question.what) {
    case 'transactions':
      return { what: 'transactions', page: await broker.transactionsSince(question.since) };
    case 'bars':
      return {
        what: 'bars',
        bars: question.from === null ? await broker.latestCandles(question.instrument, question.countMax) : await broker.candlesFrom(question.instrument, question.from, question.countMax),
      };
    case 'snapshot':
      if (question.scope === 'full') return { what: 'snapshot', snapshot: await broker.account() };
      return { what: 'summary', summary: await broker.summary(), positions: await broker.positions() };
    case 'baseline':
      return { what: 'baseline', snapshot: await broker.account() };
    case 'positions':
      return { what: 'positions', snapshot: await broker.positions() };
  }
}
