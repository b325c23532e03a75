import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LockstepClock, LockstepTimers } from '../../../adapters/clock/lockstep.ts';
import { instantOf } from '../../../domain/time.ts';
import type { Timer } from '../../../domain/clock.ts';

describe('the lockstep clock', () => {
  test('stands still until it is moved, and both of its faces show market time', () => {
    const clock = new LockstepClock(instantOf(1_000));
    expect([clock.now(), clock.monotonicNs()]).toEqual([1_000, 1_000_000_000n]);
    clock.moveTo(instantOf(1_000));
    clock.moveTo(instantOf(61_000));
    expect([clock.now(), clock.monotonicNs()]).toEqual([61_000, 61_000_000_000n]);
  });

  test('does not go back', () => {
    expect(() => new LockstepClock(instantOf(1_000)).moveTo(instantOf(999))).toThrow(RangeError);
  });
});

describe('lockstep timers', () => {
  test('fire in the order of time, then registration, and only those that are due', () => {
    fc.assert(fc.property(fc.array(fc.nat(20), { maxLength: 40 }), fc.nat(20), (times, now) => {
      const timers = new LockstepTimers();
      const fired: number[] = [];
      times.forEach((time, index) => timers.at(instantOf(time), () => fired.push(index)));
      const due = times.map((time, index) => ({ time, index })).filter(({ time }) => time <= now).sort((left, right) => left.time - right.time || left.index - right.index);
      expect(timers.fireDue(instantOf(now))).toBe(due.length);
      expect(fired).toEqual(due.map(({ index }) => index));
      expect(timers.nextAt()).toBe(times.filter((time) => time > now).sort((left, right) => left - right)[0] ?? null);
    }));
  });

  test('one armed by a callback fires in the same call when it is due', () => {
    const timers = new LockstepTimers();
    const fired: string[] = [];
    timers.at(instantOf(1), () => {
      fired.push('first');
      timers.at(instantOf(0), () => fired.push('overdue'));
      timers.at(instantOf(9), () => fired.push('later'));
    });
    timers.at(instantOf(1), () => fired.push('second'));
    expect(timers.fireDue(instantOf(5))).toBe(3);
    expect(fired).toEqual(['first', 'overdue', 'second']);
    expect(timers.nextAt()).toBe(9);
  });

  test('a cancelled one does not fire, even when an earlier callback cancels it, and cancelling twice is harmless', () => {
    const timers = new LockstepTimers();
    const fired: string[] = [];
    const victims: Timer[] = [];
    const cancelVictims = (): void => {
      for (const victim of victims) victim.cancel();
    };
    timers.at(instantOf(1), cancelVictims);
    victims.push(timers.at(instantOf(1), () => fired.push('victim')));
    timers.at(instantOf(2), () => fired.push('other'));
    expect(timers.fireDue(instantOf(3))).toBe(2);
    cancelVictims();
    expect(fired).toEqual(['other']);
    expect(timers.nextAt()).toBeNull();
  });

  test('a callback that arms itself for the present for ever is stopped', () => {
    const timers = new LockstepTimers();
    const again = (): void => void timers.at(instantOf(1), again);
    again();
    expect(() => timers.fireDue(instantOf(1))).toThrow(/due at once/);
  });

  test('timers without number are refused', () => {
    const timers = new LockstepTimers();
    for (let index = 0; index < 10_000; index += 1) timers.at(instantOf(index), () => undefined);
    expect(() => timers.at(instantOf(0), () => undefined)).toThrow(/10000 timers/);
  });
});
