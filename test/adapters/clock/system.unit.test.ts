import { expect, test } from 'vitest';
import { SystemClock, SystemTimers } from '../../../adapters/clock/system.ts';
import { instantOf, plusMs } from '../../../domain/time.ts';
import type { Clock } from '../../../domain/clock.ts';
import type { Instant } from '../../../domain/time.ts';

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('the system clock reads whole milliseconds and its monotonic face never goes back', () => {
  const clock = new SystemClock();
  expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1_000);
  const readings = Array.from({ length: 100 }, () => clock.monotonicNs());
  expect(readings).toEqual([...readings].sort((left, right) => Number(left - right)));
});

test('a timer fires once, not before its time', async () => {
  const clock = new SystemClock();
  const fired: Instant[] = [];
  const when = plusMs(clock.now(), 30);
  await new Promise<void>((resolve) => {
    new SystemTimers(clock).at(when, () => {
      fired.push(clock.now());
      resolve();
    });
  });
  await sleep(40);
  expect(fired).toHaveLength(1);
  expect(fired[0]).toBeGreaterThanOrEqual(when);
});

test('a timer in the past fires at once, and a cancelled one not at all', async () => {
  const clock = new SystemClock();
  const timers = new SystemTimers(clock);
  const fired: string[] = [];
  timers.at(plusMs(clock.now(), -5_000), () => fired.push('past'));
  timers.at(plusMs(clock.now(), 20), () => fired.push('cancelled')).cancel();
  await sleep(50);
  expect(fired).toEqual(['past']);
});

test('a timer an hour away fires within a second after the wall clock is stepped to its time, and can be cancelled after a slice', async () => {
  let now = instantOf(0);
  const clock: Clock = { now: () => now, monotonicNs: () => 0n };
  const timers = new SystemTimers(clock);
  const fired: string[] = [];
  timers.at(instantOf(3_600_000), () => fired.push('stepped'));
  const later = timers.at(instantOf(7_200_000), () => fired.push('later'));
  now = instantOf(3_600_000);
  await sleep(1_050);
  expect(fired).toEqual(['stepped']);
  later.cancel();
  now = instantOf(7_200_000);
  await sleep(1_050);
  expect(fired).toEqual(['stepped']);
});

test('a timer a tenth of a second away fires though the wall clock is set back by a day', async () => {
  const real = new SystemClock();
  let offsetMs = 0;
  const clock: Clock = { now: () => plusMs(real.now(), offsetMs), monotonicNs: () => real.monotonicNs() };
  const fired: string[] = [];
  new SystemTimers(clock).at(plusMs(clock.now(), 100), () => fired.push('due'));
  offsetMs = -86_400_000;
  await sleep(300);
  expect(fired).toEqual(['due']);
});
