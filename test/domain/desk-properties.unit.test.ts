import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DeskState } from '../../domain/desk/state.ts';
import { hasOurPosition } from '../../domain/desk/state.ts';
import { CATALOGUE, parseEvent } from '../../domain/events.ts';
import { absolute, money } from '../../domain/money.ts';
import { ACTIONS } from '../../domain/policy.ts';
import type { Action } from '../../domain/policy.ts';
import { workingOrders } from '../../domain/trading.ts';
import { DeskHarness, proposing, snapshotAnswer, TUESDAY } from './desk-harness.ts';
import type { Fate } from './desk-harness.ts';

type Move =
  | { readonly kind: 'time'; readonly seconds: number }
  | { readonly kind: 'decide'; readonly action: Action }
  | { readonly kind: 'send'; readonly fate: Fate; readonly waitMs: number }
  | { readonly kind: 'trade'; readonly action: Action; readonly fate: Fate; readonly waitMs: number }
  | { readonly kind: 'lateFill' | 'stop' | 'foreign' | 'financing' | 'crash' | 'notice' | 'failReads' | 'staleSnapshots' | 'brokenPages' }
  | { readonly kind: 'command'; readonly verb: 'arm' | 'disarm' | 'halt' | 'resume' }
  | { readonly kind: 'feed'; readonly feed: 'pricing' | 'transactions'; readonly connected: boolean };

const FATES: readonly Fate[] = ['filled', 'filled', 'cancelled', 'rejected', 'lostOnTheWay', 'filledUnanswered', 'refused'];

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('time' as const), seconds: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('decide' as const), action: fc.constantFrom(...ACTIONS) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('send' as const), fate: fc.constantFrom(...FATES), waitMs: fc.constantFrom(50, 9_000, 70_000) }) },
  { weight: 12, arbitrary: fc.record({ kind: fc.constant('trade' as const), action: fc.constantFrom('BUY' as const, 'SELL' as const, 'CLOSE' as const), fate: fc.constantFrom(...FATES), waitMs: fc.constantFrom(50, 50, 50, 9_000, 70_000) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('lateFill' as const, 'stop' as const, 'financing' as const, 'crash' as const, 'notice' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('failReads' as const, 'staleSnapshots' as const, 'brokenPages' as const, 'foreign' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('command' as const), verb: fc.constantFrom('arm' as const, 'arm' as const, 'arm' as const, 'arm' as const, 'disarm' as const, 'halt' as const, 'resume' as const, 'resume' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('feed' as const), feed: fc.constantFrom('pricing' as const, 'transactions' as const), connected: fc.boolean() }) },
);

/** What the log must give back; `live` is the process's own. */
const durable = ({ live: _live, ...kept }: DeskState): Omit<DeskState, 'live'> => kept;

function play(desk: DeskHarness, step: Move): void {
  const lost = desk.told('OrderAbandoned').at(-1);
  switch (step.kind) {
    case 'time':
      // Faulty reads last until time has passed.
      desk.advance(step.seconds * 1_000);
      desk.intercept = () => undefined;
      return;
    case 'trade':
      play(desk, { kind: 'decide', action: step.action });
      return play(desk, { kind: 'send', fate: step.fate, waitMs: step.waitMs });
    case 'decide':
      desk.policy = ({ observation }) => proposing(observation.mask[ACTIONS.indexOf(step.action)] === true ? step.action : 'HOLD');
      desk.advanceMinutes(1);
      desk.policy = () => proposing('HOLD');
      return;
    case 'send':
      if (desk.dispatches.length > 0) sendAsItMay(desk, step.fate, step.waitMs);
      return;
    case 'lateFill': {
      const intent = desk.told('OrderIntended').find(({ clientOrderId }) => clientOrderId === lost?.clientOrderId);
      if (intent?.leg !== 'open' || desk.broker.trades.size > 0) return;
      desk.broker.fillOpening(desk.now, { method: 'POST', path: intent.path, body: intent.requestBody });
      return desk.notice();
    }
    case 'stop': {
      const trade = [...desk.broker.trades.values()].find(({ stopId }) => stopId !== null);
      if (trade !== undefined) desk.broker.fillStop(desk.now, trade.tradeId, '1.09987');
      return;
    }
    case 'foreign':
      desk.broker.fillForeign(desk.now, '-7');
      return;
    case 'financing':
      desk.broker.append(desk.now, { type: 'DAILY_FINANCING', financing: '-0.0123' }, money('-0.0123'));
      return;
    case 'crash':
      return desk.crashAndRestart(2_000);
    case 'notice':
      return desk.notice();
    case 'command':
      desk.command(step.verb);
      return;
    case 'feed':
      return desk.give({ kind: 'feed', feed: step.feed, connected: step.connected, detail: 'scenario' });
    default:
      return interfere(desk, step.kind);
  }
}

/** The slot at the broker lets one opening order fill while a trade of it is open; a close needs its trade. */
function sendAsItMay(desk: DeskHarness, fate: Fate, waitMs: number): void {
  const { request } = desk.dispatches[0]!;
  const possible = request.method === 'POST' ? desk.broker.trades.size === 0 : desk.broker.trades.has(request.path.split('/').at(-2)!);
  desk.send(possible || (fate !== 'filled' && fate !== 'filledUnanswered') ? fate : 'rejected', waitMs);
}

function interfere(desk: DeskHarness, kind: 'failReads' | 'staleSnapshots' | 'brokenPages'): void {
  desk.intercept = (read) => {
    if (kind === 'failReads' && read.what !== 'positions') return 'fails';
    if (kind === 'staleSnapshots' && read.what === 'snapshot') return snapshotAnswer({ ...desk.broker.snapshot(), lastTransactionId: desk.broker.lastTransactionId - 1 });
    if (kind === 'brokenPages' && read.what === 'transactions') {
      const page = desk.broker.page(read.since);
      return { what: 'transactions', page: { ...page, transactions: page.transactions.filter((_transaction, index) => index !== 1) } };
    }
    return undefined;
  };
}

/** What must hold at every moment, whatever happened. */
function holdInvariants(desk: DeskHarness, armedBefore: boolean, intentsBefore: number): void {
  const { state } = desk;
  // One that was given up may come alive beside another, but then the ledger shows it: it is neither sent nor unknown.
  const opening = workingOrders(desk.book.trading).filter(({ leg, status }) => leg === 'open' && status !== 'accepted');
  expect(opening.length).toBeLessThanOrEqual(1);
  const decisions = desk.told('DecisionMade').map(({ barStart }) => barStart);
  expect(new Set(decisions).size).toBe(decisions.length);
  const ids = desk.told('BrokerTransactionRecorded').map(({ transactionId }) => Number(transactionId));
  expect(ids).toEqual(ids.map((_id, index) => index + 1));
  for (const intent of desk.told('OrderIntended').slice(intentsBefore)) {
    if (intent.leg === 'open') expect(armedBefore).toBe(true);
    else expect(desk.book.trading.ourTradeIds.has(intent.tradeId!)).toBe(true);
  }
  if (state.live.notReady === null && state.ledger.lastTransactionId === desk.broker.lastTransactionId) {
    expect(state.ledger.balance).toBe(desk.broker.balance);
    expect(new Set(state.ledger.openTrades.keys())).toEqual(new Set(desk.broker.trades.keys()));
    expect(`${state.safety.mode} ${hasOurPosition(state) ? 'held' : 'flat'}`).not.toMatch(/REDUCING flat|OBSERVING held/);
  }
  for (const trade of desk.broker.trades.values()) expect(absolute(trade.units) <= state.settings.safety.positionUnitsMax).toBe(true);
}

describe('any sequence of inputs', () => {
  const sequences = fc.record({ moves: fc.array(move, { minLength: 5, maxLength: 30 }), reverse: fc.boolean() });

  test('folds from the log to the very state that the steps reached, and keeps the invariants', () => {
    let filled = 0;
    fc.assert(fc.property(sequences, ({ moves, reverse }) => {
      const desk = new DeskHarness({ onOppositeSignal: reverse ? 'reverse' : 'close' }, TUESDAY);
      desk.start();
      desk.command('arm');
      for (const each of moves) {
        const armedBefore = desk.mode === 'ARMED' || each.kind === 'command';
        const intentsBefore = desk.told('OrderIntended').length;
        play(desk, each);
        holdInvariants(desk, armedBefore, intentsBefore);
      }
      expect(durable(desk.replay())).toEqual(durable(desk.state));
      filled += desk.told('OrderFilled').length;
    }), { numRuns: 250, seed: 20260106 });
    expect(filled).toBeGreaterThan(100);
  });

  test('tells only events that the catalogue can read back', () => {
    const types = new Set<string>();
    fc.assert(fc.property(sequences, ({ moves, reverse }) => {
      const desk = new DeskHarness({ onOppositeSignal: reverse ? 'reverse' : 'close' });
      desk.start();
      desk.command('arm');
      for (const each of moves) play(desk, each);
      for (const { event } of desk.emissions) {
        if (types.has(event.type) && event.type.startsWith('Market')) continue;
        types.add(event.type);
        expect(parseEvent(event.type, CATALOGUE[event.type].version, JSON.parse(JSON.stringify(event.data)), 'scenario')).toEqual(event);
      }
    }), { numRuns: 60, seed: 7 });
    expect(types.size).toBeGreaterThan(22);
  });

  test('settles once the faults have stopped: ready or halted, the ledger whole, no order in doubt', () => {
    fc.assert(fc.property(sequences, ({ moves }) => {
      const desk = new DeskHarness();
      desk.start();
      desk.command('arm');
      for (const each of moves) play(desk, each);
      desk.intercept = () => undefined;
      for (let round = 0; round < 6; round += 1) {
        while (desk.dispatches.length > 0) sendAsItMay(desk, 'filled', 50);
        desk.advance(125_000);
      }
      expect(desk.state.live.notReady).toBeNull();
      expect(desk.state.ledger.lastTransactionId).toBe(desk.broker.lastTransactionId);
      expect(workingOrders(desk.book.trading).filter(({ status }) => status === 'unknown')).toEqual([]);
      expect(desk.told('ReconciliationCompleted').at(-1)?.outcome).toBe('agreed');
      if (desk.mode === 'HALTED' && desk.state.safety.disposition === 'flatten') expect(hasOurPosition(desk.state)).toBe(false);
    }), { numRuns: 120, seed: 11 });
  });
});
