/**
 * Three instruments in any interleaving of decisions, fills, lost answers and late fills: what the broker holds is
 * never above a limit of the account. The oracle reckons from the broker's own trades, in floats and by hand.
 */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DeskState } from '../../domain/desk/state.ts';
import type { Price } from '../../domain/money.ts';
import { format, money, ratio, toNumber } from '../../domain/money.ts';
import { ACTIONS } from '../../domain/policy.ts';
import type { Action } from '../../domain/policy.ts';
import type { SafetyLimits } from '../../domain/settings.ts';
import { HOUR_MS } from '../../domain/time.ts';
import type { DeskHarness, Dispatch, Fate } from './desk-harness.ts';
import { armedDesk, proposing } from './desk-harness.ts';
import { EUR_USD, GBP_USD, USD_JPY } from './scripted-broker.ts';
import { ROOMY, THREE } from './settings.ts';

type Move =
  | { readonly kind: 'decide'; readonly actions: readonly Action[] }
  | { readonly kind: 'trade'; readonly actions: readonly Action[]; readonly fates: readonly Fate[]; readonly order: readonly number[] }
  | { readonly kind: 'send'; readonly index: number; readonly fate: Fate; readonly waitMs: number }
  | { readonly kind: 'lateFill' | 'stop'; readonly index: number }
  | { readonly kind: 'time'; readonly seconds: number }
  | { readonly kind: 'crash' | 'notice' | 'arm' };

const NAMES = [EUR_USD, GBP_USD, USD_JPY];
const FATES: readonly Fate[] = ['filled', 'filled', 'filled', 'filled', 'filled', 'cancelled', 'rejected', 'lostOnTheWay', 'lostOnTheWay', 'filledUnanswered'];
const side = fc.constantFrom<Action>('BUY', 'BUY', 'SELL', 'SELL', 'CLOSE', 'HOLD');
const index = fc.nat({ max: 2 });
const fate = fc.constantFrom(...FATES);
const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 14, arbitrary: fc.record({ kind: fc.constant('trade' as const), actions: fc.tuple(side, side, side), fates: fc.tuple(fate, fate, fate), order: fc.tuple(index, index, index) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('decide' as const), actions: fc.tuple(side, side, side) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('send' as const), index, fate, waitMs: fc.constantFrom(50, 50, 50, 9_000) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('lateFill' as const, 'stop' as const), index }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('time' as const), seconds: fc.integer({ min: 1, max: 200 }) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('crash' as const, 'notice' as const, 'arm' as const) }) },
);

/** Each leaves room for some of the orders and not for all; prices move within the last digit, far below the room left. */
const LIMIT_SETS: { readonly [guard: string]: Partial<SafetyLimits> } = {
  openTrades: { openTradesMax: 2 },
  grossExposure: { grossExposureMax: money('2700') },
  currencyExposure: { currencyExposureMax: money('2200') },
  margin: { marginShareMax: ratio('0.0055') },
  worstLoss: { dailyLossMoneyMax: money('16') },
};

/** Dollars for a unit at worst, the distance from entry to the end of the gap, and dollars for its quote currency. */
const REFERENCE = { EUR_USD: { worth: 1.1003, distance: 0.006, toHome: 1 }, GBP_USD: { worth: 1.3004, distance: 0.006, toHome: 1 }, USD_JPY: { worth: 1, distance: 0.6, toHome: 0.0134 } } as const;

class Scenario {
  readonly desk: DeskHarness;
  /** Opening orders that never reached the broker in time, and may yet. */
  readonly underWay: { readonly dispatch: Dispatch; readonly sentAt: number }[] = [];

  constructor(limits: SafetyLimits, reverse: boolean) {
    this.desk = armedDesk({ ...THREE, onOppositeSignal: reverse ? 'reverse' : 'close', safety: limits });
  }

  /** The broker's slot: a second opening is refused while a trade of the instrument is open. */
  #isTaken(instrument: string): boolean {
    return [...this.desk.broker.trades.values()].some((trade) => trade.instrument === instrument);
  }

  play(each: Move): void {
    const { desk } = this;
    switch (each.kind) {
      case 'decide':
        desk.policy = ({ instrument, observation }) => {
          const action = each.actions[NAMES.indexOf(instrument)]!;
          return proposing(observation.mask[ACTIONS.indexOf(action)] === true ? action : 'HOLD');
        };
        desk.advanceMinutes(1);
        desk.policy = () => proposing('HOLD');
        return;
      case 'trade':
        this.play({ kind: 'decide', actions: each.actions });
        for (const [at, fated] of each.fates.entries()) this.#send({ kind: 'send', index: each.order[at]!, fate: fated, waitMs: 50 });
        return;
      case 'send':
        return this.#send(each);
      case 'lateFill':
        return this.#fillLate(each.index);
      case 'stop': {
        const trade = [...desk.broker.trades.values()][each.index];
        if (trade === undefined) return;
        // Within the stop and its gap, on the losing side.
        const beyond = trade.instrument === USD_JPY ? 5_500_000_000n : 55_000_000n;
        return desk.broker.fillStop(desk.now, trade.tradeId, format((trade.price - (trade.units > 0n ? beyond : -beyond)) as Price));
      }
      case 'time':
        return desk.advance(each.seconds * 1_000);
      case 'crash':
        return desk.crashAndRestart(2_000);
      case 'notice':
        return desk.notice();
      case 'arm':
        desk.command('resume');
        desk.command('arm');
    }
  }

  #send({ index: at, fate, waitMs }: Extract<Move, { kind: 'send' }>): void {
    const { desk } = this;
    const dispatch = desk.dispatches[at] ?? desk.dispatches[0];
    if (dispatch === undefined) return;
    const { request, instrument } = dispatch;
    const isOpening = request.method === 'POST';
    const possible = isOpening ? !this.#isTaken(instrument) : desk.broker.trades.has(request.path.split('/').at(-2)!);
    const sentBefore = desk.told('BrokerExchangeRecorded').length;
    const sentAt = desk.now;
    desk.send(possible || (fate !== 'filled' && fate !== 'filledUnanswered') ? fate : 'cancelled', waitMs, desk.dispatches.indexOf(dispatch));
    const left = desk.told('BrokerExchangeRecorded').length > sentBefore;
    if (isOpening && left && fate === 'lostOnTheWay') this.underWay.push({ dispatch, sentAt });
  }

  /** A request that hung somewhere arrives after all, within the hour that its room is kept. */
  #fillLate(at: number): void {
    const { desk } = this;
    const [late] = this.underWay.splice(Math.min(at, this.underWay.length - 1), 1);
    if (late === undefined || desk.now - late.sentAt > HOUR_MS - 60_000 || this.#isTaken(late.dispatch.instrument)) return;
    desk.broker.fillOpening(desk.now, late.dispatch.request);
    desk.notice();
  }

  /** What the broker holds, reckoned by hand, against every limit. */
  holdLimits(limits: SafetyLimits): void {
    const trades = [...this.desk.broker.trades.values()];
    const sums = new Map<string, number>();
    let [gross, stopped] = [0, 0];
    for (const { instrument, units, price: entry } of trades) {
      const { worth, distance, toHome } = REFERENCE[instrument as keyof typeof REFERENCE];
      const amount = Math.abs(toNumber(units)) * worth;
      const [base, quote] = instrument.split('_');
      const [held, owed] = units > 0n ? [base, quote] : [quote, base];
      sums.set(`held ${held}`, (sums.get(`held ${held}`) ?? 0) + amount);
      sums.set(`owed ${owed}`, (sums.get(`owed ${owed}`) ?? 0) + amount);
      gross += amount;
      stopped += Math.abs(toNumber(units)) * distance * toHome;
      expect(toNumber(entry)).toBeGreaterThan(0);
      expect(Math.abs(toNumber(units))).toBeLessThanOrEqual(toNumber(limits.positionUnitsMax));
    }
    const balance = toNumber(this.desk.broker.balance);
    expect(trades.length).toBeLessThanOrEqual(limits.openTradesMax);
    expect(gross).toBeLessThanOrEqual(toNumber(limits.grossExposureMax));
    expect(Math.max(0, ...sums.values())).toBeLessThanOrEqual(toNumber(limits.currencyExposureMax));
    expect(gross * 0.02).toBeLessThanOrEqual(balance * toNumber(limits.marginShareMax));
    expect(10_000 - balance + stopped).toBeLessThanOrEqual(toNumber(limits.dailyLossMoneyMax) + 1e-9);
    expect(new Set(trades.map(({ instrument }) => instrument)).size).toBe(trades.length);
  }
}

const durable = ({ live: _live, ...kept }: DeskState): Omit<DeskState, 'live'> => kept;

describe('three instruments, in any interleaving', () => {
  test.each(Object.entries(LIMIT_SETS))('never exceed %s, nor any other limit, and fold from the log to the same state', (guard, change) => {
    const limits: SafetyLimits = { ...ROOMY, ordersPerHourMax: 10_000, ordersPerDayMax: 10_000, dailyLossPipsMax: ROOMY.dailyLossPipsMax * 100n as typeof ROOMY.dailyLossPipsMax, ...change };
    let [filled, late, turnedAway] = [0, 0, 0];
    fc.assert(fc.property(fc.array(move, { minLength: 10, maxLength: 40 }), fc.boolean(), (moves, reverse) => {
      const scenario = new Scenario(limits, reverse);
      const { desk } = scenario;
      for (const each of moves) {
        scenario.play(each);
        scenario.holdLimits(limits);
      }
      expect(durable(desk.replay())).toEqual(durable(desk.state));
      const ids = desk.told('BrokerTransactionRecorded').map(({ transactionId }) => Number(transactionId));
      expect(ids).toEqual(ids.map((_id, at) => at + 1));
      expect(desk.told('ForeignTradeObserved')).toEqual([]);
      filled += desk.told('OrderFilled').length;
      late += desk.told('OrderFilled').filter((fill) => fill.late).length;
      turnedAway += desk.told('OrderDenied').filter((denial) => denial.guard === guard).length;
    }), { numRuns: 40, seed: 20261125 });
    // The scenarios must reach what they are about.
    expect(filled).toBeGreaterThan(100);
    expect(late).toBeGreaterThan(5);
    expect(turnedAway).toBeGreaterThan(10);
  });
});
