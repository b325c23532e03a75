import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DataOf, DomainEvent } from '../../domain/events.ts';
import { actionEntropyBits, evolveHealth, freshHealth, healthAlerts, holdShare, symptoms } from '../../domain/health.ts';
import type { Health, HealthLimits } from '../../domain/health.ts';
import { ACTIONS } from '../../domain/policy.ts';
import type { Action, ActionMask } from '../../domain/policy.ts';
import { DeskHarness, proposing } from './desk-harness.ts';

const LIMITS: HealthLimits = { decisionsWindow: 10, holdShareMax: 0.8, actionEntropyBitsMin: 0.5 };
const ALL: ActionMask = [true, true, true, true];
const decided = (action: Action, mask: ActionMask = ALL): DomainEvent => ({ type: 'DecisionMade', data: { action, mask: [...mask] } as DataOf<'DecisionMade'> });
const skipped = (reason: DataOf<'DecisionSkipped'>['reason']): DomainEvent => ({ type: 'DecisionSkipped', data: { reason } as DataOf<'DecisionSkipped'> });
const loaded = (modelHash: string): DomainEvent => ({ type: 'ModelLoaded', data: { modelHash } as DataOf<'ModelLoaded'> });

/** Folds events and gathers the alerts that each brings, as `code` at `index`. */
function fold(events: readonly DomainEvent[], limits = LIMITS): { readonly health: Health; readonly alerts: readonly string[] } {
  let health = freshHealth;
  const alerts: string[] = [];
  for (const [index, event] of events.entries()) {
    const next = evolveHealth(health, event, limits);
    for (const alert of healthAlerts(health, next, 'EUR_USD', limits)) if (alert.type === 'AlertRaised') alerts.push(`${alert.data.code}@${index}`);
    health = next;
  }
  return { health, alerts };
}
const times = (count: number, ...actions: readonly Action[]): readonly DomainEvent[] => Array.from({ length: count }, (_, i) => decided(actions[i % actions.length]!));

describe('the health of a policy', () => {
  test('says nothing before its window is full, and then counts exactly that window', () => {
    const nine = fold(times(9, 'HOLD')).health;
    expect([holdShare(nine, LIMITS), actionEntropyBits(nine, LIMITS), symptoms(nine, LIMITS)]).toEqual([null, null, []]);
    const mixed = fold([...times(30, 'BUY', 'CLOSE'), ...times(4, 'HOLD'), ...times(2, 'SELL')]).health;
    // The last ten: two pairs of BUY and CLOSE, four times HOLD, twice SELL.
    expect([holdShare(mixed, LIMITS), mixed.counts, mixed.seen]).toEqual([0.4, [4, 2, 2, 2], 36]);
    expect(actionEntropyBits(mixed, LIMITS)).toBeCloseTo(-(0.4 * Math.log2(0.4) + 3 * 0.2 * Math.log2(0.2)), 12);
  });

  test('counts its window after any decisions, and again from any state before', () => {
    const actions = fc.array(fc.constantFrom<Action>('HOLD', 'BUY', 'SELL', 'CLOSE'), { maxLength: 60 });
    fc.assert(fc.property(actions, actions, fc.nat(), (first, second, cut) => {
      const kept = first.slice(0, cut % (first.length + 1));
      const middle = fold(kept.map((action) => decided(action))).health;
      for (const more of [first.slice(kept.length), second]) {
        const { counts, seen } = more.reduce((health, action) => evolveHealth(health, decided(action), LIMITS), middle);
        const all = [...kept, ...more];
        expect([seen, counts]).toEqual([all.length, ACTIONS.map((action) => all.slice(-LIMITS.decisionsWindow).filter((other) => other === action).length)]);
      }
    }), { seed: 2 });
  });

  test('alerts once when the share of HOLD goes above its limit, and again after it has recovered', () => {
    const { alerts } = fold([...times(8, 'HOLD'), ...times(2, 'BUY', 'SELL'), decided('HOLD'), decided('HOLD'), ...times(8, 'HOLD'), ...times(4, 'BUY', 'SELL'), ...times(10, 'HOLD')]);
    expect(alerts.filter((alert) => alert.startsWith('holdCollapse'))).toEqual(['holdCollapse@18', 'holdCollapse@32']);
    expect(fold([...times(8, 'HOLD'), ...times(2, 'BUY', 'SELL')]).alerts).toEqual([]);
  });

  test('alerts at an entropy below the floor, whichever action it has collapsed into', () => {
    const { health, alerts } = fold(times(11, 'BUY'));
    expect(alerts).toEqual(['actionEntropyLow@9']);
    expect(actionEntropyBits(health, LIMITS)).toBe(0);
    expect(fold(times(12, 'HOLD')).alerts).toEqual(['holdCollapse@9', 'actionEntropyLow@9']);
  });

  test('does not count a decision that had no choice', () => {
    const { health } = fold([...times(9, 'BUY'), decided('HOLD', [true, false, false, false]), decided('HOLD', [true, false, false, true])]);
    expect([health.seen, health.counts]).toEqual([10, [1, 9, 0, 0]]);
  });

  test('alerts at numbers that are none and at late decisions, once until a decision is made again', () => {
    const { alerts, health } = fold([skipped('nonFinite'), skipped('nonFinite'), skipped('late'), skipped('halted'), decided('HOLD', [true, false, false, false]), skipped('late'), skipped('zeroDeviation')]);
    expect(alerts).toEqual(['nonFinite@0', 'decisionLate@2', 'decisionLate@5']);
    expect(health.trouble).toBe('late');
  });

  test('begins anew with another model, not with the same one', () => {
    const events = [loaded('a'), ...times(6, 'HOLD'), loaded('a')];
    expect(fold(events).health.seen).toBe(6);
    expect(fold([...events, { type: 'ModelSwapped', data: { modelHash: 'b' } as DataOf<'ModelSwapped'> }]).health).toEqual({ ...freshHealth, modelHash: 'b' });
  });

  test('a share or an entropy that is no number counts as ill', () => {
    const ill = { ...freshHealth, seen: 10, counts: [Number.NaN, 0, 0, 0] };
    expect(symptoms(ill, LIMITS).map(({ code }) => code)).toEqual(['holdCollapse', 'actionEntropyLow']);
  });
});

describe('the desk', () => {
  const health: HealthLimits = { decisionsWindow: 10, holdShareMax: 0.9, actionEntropyBitsMin: 0 };
  const codes = (desk: DeskHarness): readonly string[] => desk.told('AlertRaised').map(({ code }) => code);

  test('raises an alert at a policy that only holds, once, names the instrument, and a restart forgets nothing', () => {
    const desk = new DeskHarness({ health });
    desk.start();
    desk.advanceMinutes(16);
    expect(codes(desk)).toEqual(['holdCollapse']);
    expect(desk.told('AlertRaised')[0]).toMatchObject({ severity: 'warning', detail: 'EUR_USD: 100.00 % of the last 10 decisions are HOLD, 90 % allowed' });
    desk.crashAndRestart();
    desk.advanceMinutes(5);
    expect(codes(desk)).toEqual(['holdCollapse']);
    expect(desk.replay().books).toEqual(desk.state.books);
  });

  test('at a number that is none denies, alerts and halts', () => {
    const desk = new DeskHarness({ health });
    desk.start();
    desk.command('arm');
    desk.advanceMinutes(5);
    desk.policy = () => ({ kind: 'nonFinite', detail: 'chance_inference: output value[0] is NaN, not finite' });
    desk.advanceMinutes(3);
    expect(desk.told('DecisionSkipped').filter(({ reason }) => reason === 'nonFinite')).toMatchObject([{ detail: 'chance_inference: output value[0] is NaN, not finite' }]);
    expect([codes(desk), desk.mode, desk.told('TradingHalted')[0]?.cause]).toEqual([['nonFinite'], 'HALTED', 'model']);
    expect(desk.told('OrderIntended')).toEqual([]);
  });

  test('at an input that is none alerts and decides nothing, and goes on', () => {
    const desk = new DeskHarness({ health });
    desk.start();
    desk.policy = () => ({ kind: 'refusal', code: 'nonFinite', detail: 'a close among the 4 is not finite' });
    desk.advanceMinutes(8);
    expect([codes(desk), desk.mode, desk.told('DecisionMade')]).toEqual([['nonFinite'], 'OBSERVING', []]);
    desk.policy = () => proposing('HOLD');
    desk.advanceMinutes(2);
    expect(desk.told('DecisionMade').length).toBeGreaterThan(0);
  });

  test('alerts at an answer that comes later than its bar allows', () => {
    const desk = new DeskHarness({ health });
    desk.start();
    desk.advanceMinutes(5);
    desk.policy = null;
    desk.advanceMinutes(1);
    expect(desk.consultations).toHaveLength(1);
    desk.advance(61_000);
    desk.answerConsultation(proposing('BUY'));
    expect(desk.told('DecisionSkipped').at(-1)).toMatchObject({ reason: 'late' });
    expect(codes(desk)).toEqual(['decisionLate']);
  });
});
