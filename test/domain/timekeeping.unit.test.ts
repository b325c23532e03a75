import { describe, expect, test } from 'vitest';
import { instantOf, parseInstant, plusMs } from '../../domain/time.ts';
import { judgeInterval, offsetOfDate, withSample } from '../../domain/timekeeping.ts';

const NOON = parseInstant('2026-01-06T12:00:00Z');
const after = (wallMs: number, monotonicMs: number) => judgeInterval({ wall: NOON, monotonicMs: 500 }, { wall: plusMs(NOON, wallMs), monotonicMs: 500 + monotonicMs }, 1_000);

describe('an interval of a second', () => {
  test.each([
    ['that took a second is nothing', 1_000, 1_000, { stalledMs: 0, steppedMs: 0 }],
    ['that took six by both clocks is not yet a stall', 6_000, 6_000, { stalledMs: 0, steppedMs: 0 }],
    ['that took a millisecond more is one', 6_001, 6_001, { stalledMs: 5_001, steppedMs: 0 }],
    ['in which the machine was suspended shows on the wall clock alone', 3_601_000, 1_000, { stalledMs: 3_600_000, steppedMs: 3_600_000 }],
    ['in which the wall clock was set back is a step and no stall', -59_000, 1_000, { stalledMs: 0, steppedMs: -60_000 }],
    ['in which the wall clock was set forward a little is a step', 3_000, 1_000, { stalledMs: 0, steppedMs: 2_000 }],
    ['whose clocks differ by a second is neither', 2_000, 1_000, { stalledMs: 0, steppedMs: 0 }],
  ])('%s', (_what, wallMs, monotonicMs, expected) => {
    expect(after(wallMs, monotonicMs)).toEqual(expected);
  });
});

describe('the date of an answer', () => {
  const date = NOON;
  const offset = (sentAfterMs: number, answeredAfterMs: number): number => offsetOfDate(date, plusMs(NOON, sentAfterMs), plusMs(NOON, answeredAfterMs));

  test('says nothing against clocks that could be equal: it names a whole second, and the answer took its time', () => {
    expect([offset(0, 10), offset(999, 1_500), offset(-300, 0), offset(-5_000, 5_000)]).toEqual([0, 0, 0, 0]);
  });

  test('shows the least difference that explains it', () => {
    expect(offset(-2_100, -2_000)).toBe(2_000);
    expect(offset(7_999, 8_020)).toBe(-7_000);
  });
});

test('of the newest eight measurements the smallest holds, because the wire only adds', () => {
  let samples: readonly number[] = [];
  const offsets = [-700, -40, 90, -3_000, -2_500, -2_600, -2_700, -2_800, -2_900, -3_100, -2_950].map((offsetMs) => {
    const next = withSample(samples, offsetMs);
    samples = next.samples;
    return next.offsetMs;
  });
  expect(offsets).toEqual([-700, -40, -40, -40, -40, -40, -40, -40, -40, 90, -2_500]);
  expect(instantOf(samples.length)).toBe(8);
});
