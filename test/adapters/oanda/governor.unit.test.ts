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
  test('leave a fifth of the limit to closes, which are never refused for being too many', () => {
    const { atOnce } = governed();
    expect(atOnce('read', 100)).toBe(16);
    expect(atOnce('close', 500)).toBe(500);
  });

  test('come back with time, as many a second as the rate', () => {
    const { time, atOnce } = governed();
    expect(atOnce('open', 16)).toBe(16);
    time.nowMs += 100;
    expect(atOnce('read', 50)).toBe(8);
  });

  test('that would wait longer than two seconds fail and say how long it would be', () => {
    const { governor, atOnce } = governed();
    atOnce('close', 400);
    expect(governor.admit('read')).toEqual({ admitted: false, failure: 'limited', detail: 'too many requests: this one would have to wait 4813 ms' });
  });

  test('are fewer than the limit in any second, however many are asked for', () => {
    const { time, atOnce } = governed();
    const perTenth: number[] = [];
    for (let tenth = 0; tenth < 30; tenth += 1) {
      perTenth.push(atOnce('read', 1));
      while (atOnce('read', 1) === 1) perTenth[tenth]! += 1;
      time.nowMs += 100;
    }
    for (let from = 0; from + 10 <= perTenth.length; from += 1) expect(perTenth.slice(from, from + 10).reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(96);
  });

  test('have no limit where none is set', () => {
    expect(governed(0).atOnce('read', 5_000)).toBe(5_000);
  });
});

describe('a 429', () => {
  test('halves the rate each time down to five a second, and a quiet minute doubles it up to where it was', () => {
    const { time, governor } = governed();
    governor.answered(429, null);
    expect(governor.ratePerSecond).toBe(40);
    for (let again = 0; again < 6; again += 1) governor.answered(429, null);
    expect(governor.ratePerSecond).toBe(5);
    for (const rate of [10, 20, 40, 80, 80]) {
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

describe('connections', () => {
  /** A pacer and its timers, which the test lets pass; `opened` tells which connection opened when. */
  function paced() {
    let nowMs = 50_000;
    const waiting: { readonly atMs: number; readonly callback: () => void }[] = [];
    const pacer = new ConnectPacer(() => nowMs, (callback, ms) => void waiting.push({ atMs: nowMs + ms, callback }));
    const opened: (readonly [string, number])[] = [];
    const open = (name: string): void => pacer.open(() => opened.push([name, nowMs - 50_000]));
    const pass = (): void => {
      for (let next = waiting.sort((left, right) => left.atMs - right.atMs).shift(); next !== undefined; next = waiting.sort((left, right) => left.atMs - right.atMs).shift()) {
        nowMs = next.atMs;
        next.callback();
      }
    };
    return { pacer, opened, open, pass };
  }

  test('open two in any second, over all pools', () => {
    const { opened, open, pass } = paced();
    ['a', 'b', 'c', 'd', 'e'].forEach(open);
    pass();
    expect(opened).toEqual([['a', 0], ['b', 0], ['c', 1_100], ['d', 1_100], ['e', 2_200]]);
  });

  test('that an order waits for go before those that asked earlier', () => {
    const { pacer, opened, open, pass } = paced();
    ['a', 'b', 'c', 'd', 'e'].forEach(open);
    const sent = pacer.hurry();
    open('order');
    sent();
    pass();
    expect(opened.slice(0, 3)).toEqual([['a', 0], ['b', 0], ['order', 1_100]]);
    expect(opened.map(([name]) => name).sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'order']);
    for (let index = 2; index < opened.length; index += 1) expect(opened[index]![1] - opened[index - 2]![1]).toBeGreaterThanOrEqual(1_000);
  });
});
