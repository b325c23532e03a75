import { afterEach, expect, test } from 'vitest';
import { instantOf, plusMs } from '../../domain/time.ts';
import { Timekeeper } from '../../src/daemon/timekeeper.ts';
import type { FreshInput } from '../../src/daemon/runtime.ts';

const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const close of cleanup.splice(0)) close();
});

/** A keeper of clocks that the test moves; both run on with real time besides. */
function kept() {
  const moved = { wallMs: 0, monotonicMs: 0 };
  const clock = {
    now: () => instantOf(Math.round(1_767_700_000_000 + performance.now() + moved.wallMs)),
    monotonicNs: () => BigInt(Math.round((performance.now() + moved.monotonicMs) * 1_000_000)),
  };
  const keeper = new Timekeeper(clock);
  cleanup.push(() => keeper.close());
  const inputs: FreshInput[] = [];
  const offsets: number[] = [];
  return { moved, clock, keeper, inputs, offsets, attach: () => keeper.attach({ submit: (input) => void inputs.push(input), measured: (offsetMs) => void offsets.push(offsetMs) }) };
}

test('what was measured before anybody listened is told at once, and later only what differs by a tenth of a second', () => {
  const { clock, keeper, inputs, offsets, attach } = kept();
  const now = clock.now();
  keeper.dated(plusMs(now, 3_000), now, now);
  expect(inputs).toEqual([]);
  attach();
  expect(inputs).toEqual([{ kind: 'clockMeasured', offsetMs: 3_000 }]);
  keeper.dated(plusMs(now, 2_950), now, now);
  expect(inputs).toHaveLength(1);
  keeper.dated(plusMs(now, 40), now, now);
  expect(inputs.at(-1)).toEqual({ kind: 'clockMeasured', offsetMs: 40 });
  keeper.heartbeat(plusMs(clock.now(), -500));
  expect(offsets).toEqual([3_000, 2_950, 40, 40]);
});

test('a wall clock that leaps by a minute is told once, with both clocks', { timeout: 20_000 }, async () => {
  const { moved, inputs, attach } = kept();
  attach();
  moved.wallMs = -60_000;
  await expect.poll(() => inputs.length, { timeout: 15_000 }).toBeGreaterThan(0);
  const [told] = inputs;
  expect(told).toMatchObject({ kind: 'clockDisturbed', stalledMs: 0 });
  expect(Math.abs((told as Extract<FreshInput, { kind: 'clockDisturbed' }>).steppedMs + 60_000)).toBeLessThan(50);
});

test('a loop that stood still for longer than five seconds is told', { timeout: 20_000 }, async () => {
  const { moved, inputs, attach } = kept();
  attach();
  moved.wallMs = 7_000;
  moved.monotonicMs = 7_000;
  await expect.poll(() => inputs.length, { timeout: 15_000 }).toBeGreaterThan(0);
  const told = inputs[0] as Extract<FreshInput, { kind: 'clockDisturbed' }>;
  expect(told.kind).toBe('clockDisturbed');
  expect(told.stalledMs).toBeGreaterThanOrEqual(6_900);
});
