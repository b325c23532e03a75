import { describe, expect, test } from 'vitest';
import { ConnectPacer, Governor } from '../../../adapters/oanda/governor.ts';
import type { Urgency } from '../../../adapters/oanda/governor.ts';

/** A governor whose time the test moves. */
function governed(requestsPerSecondMax = 100) {
  const time = { nowMs: 10_000 };
  const governor = new Governor({ requestsPerSecondMax, nowMs: () => time.nowMs });
  /** How many of `count` go ahead at once; the rest waits or is refused. */
  const atOnce = (urgency: Urgency, count: number): number =>
    Array.from({ length: count }, () => governor.admit(urgency)).filter((admission) => admission.admitted && admission.waitMs === 0).length;
  return { time, governor, atOnce };
}

describe('requests', () => {
  test('keep a fifth of the budget for closes, which are never refused for being too many', () => {
    const { atOnce } = governed();
    expect(atOnce('read', 100)).toBe(80);
    expect(atOnce('close', 500)).toBe(500);
  });

  test('come back with time, as many a second as the rate', () => {
    const { time, atOnce } = governed();
    expect(atOnce('open', 80)).toBe(80);
    time.nowMs += 100;
    expect(atOnce('read', 50)).toBe(10);
  });

  test('that would wait longer than two seconds fail and say how long it would be', () => {
    const { governor, atOnce } = governed();
    atOnce('close', 400);
    expect(governor.admit('read')).toEqual({ admitted: false, failure: 'limited', detail: 'too many requests: this one would have to wait 3210 ms' });
  });

  test('have no limit where none is set', () => {
    expect(governed(0).atOnce('read', 5_000)).toBe(5_000);
  });
});

describe('a 429', () => {
  test('halves the rate each time down to five a second, and a quiet minute doubles it up to where it was', () => {
    const { time, governor } = governed();
    governor.answered(429, null);
    expect(governor.ratePerSecond).toBe(50);
    for (let again = 0; again < 6; again += 1) governor.answered(429, null);
    expect(governor.ratePerSecond).toBe(5);
    for (const rate of [10, 20, 40, 80, 100, 100]) {
      time.nowMs += 60_000;
      expect(governor.admit('read')).toEqual({ admitted: true, waitMs: 0 });
      expect(governor.ratePerSecond).toBe(rate);
    }
  });

  test.each([['30', 30_000], ['999999', 60_000], [null, 1_000], ['soon', 1_000]])('with Retry-After %s makes reads and opens wait %i ms, and no close', (retryAfter, waitMs) => {
    const { time, governor } = governed();
    governor.answered(429, retryAfter);
    time.nowMs += waitMs - 1 > 2_000 ? 0 : waitMs;
    if (waitMs > 2_000) {
      expect(governor.admit('read')).toMatchObject({ failure: 'limited', detail: expect.stringContaining(String(waitMs)) as string });
      expect(governor.admit('open')).toMatchObject({ failure: 'limited' });
      time.nowMs += waitMs;
    }
    expect(governor.admit('close')).toEqual({ admitted: true, waitMs: 0 });
    expect(governor.admit('read')).toEqual({ admitted: true, waitMs: 0 });
  });
});

describe('a 401', () => {
  test('shuts the door for everything; one request a minute tries it, and an answer opens it', () => {
    const { time, governor } = governed();
    governor.answered(401, null);
    for (const urgency of ['read', 'open', 'close'] as const) expect(governor.admit(urgency)).toMatchObject({ failure: 'unauthorised' });
    time.nowMs += 60_000;
    expect(governor.admit('read')).toEqual({ admitted: true, waitMs: 0 });
    expect(governor.admit('close')).toMatchObject({ failure: 'unauthorised' });
    governor.answered(200, null);
    expect(governor.admit('close')).toEqual({ admitted: true, waitMs: 0 });
  });
});

test('connections fill the pools in a burst and come two a second from then on', () => {
  let nowMs = 0;
  const pacer = new ConnectPacer(8, () => nowMs);
  expect(Array.from({ length: 11 }, () => pacer.nextWaitMs())).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 500, 1_000, 1_500]);
  nowMs = 60_000;
  expect(Array.from({ length: 9 }, () => pacer.nextWaitMs())).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 500]);
});
