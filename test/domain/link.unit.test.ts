import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FeedEnd, FeedName } from '../../domain/broker.ts';
import { BREAKER_PAUSE_MS, BREAKER_WINDOW_MS, feedConnected, feedEnded, initialLink, PAUSE_MS_MAX } from '../../domain/link.ts';
import type { Link } from '../../domain/link.ts';

/** Plays a link: connections and ends with the draws that the test gives. */
class Played {
  link: Link = initialLink;
  nowMs = 1_000_000;

  end(feed: FeedName = 'pricing', cause: FeedEnd = 'other', draw = 1 - Number.EPSILON) {
    const { link, connectAtMs, breakerOpens } = feedEnded(this.link, feed, cause, this.nowMs, draw);
    this.link = link;
    return { pauseMs: connectAtMs - this.nowMs, breakerOpens };
  }

  /** Waits the pause out and connects; `lastsMs` later it may end again. */
  connect(feed: FeedName, pauseMs: number, lastsMs: number): boolean {
    this.nowMs += pauseMs;
    const { link, breakerCloses } = feedConnected(this.link, feed, this.nowMs);
    this.link = link;
    this.nowMs += lastsMs;
    return breakerCloses;
  }
}

describe('the pause before a stream is opened again', () => {
  test('is drawn between one second and a bound that doubles to a minute while connections fail', () => {
    const longest = new Played();
    expect(Array.from({ length: 8 }, () => longest.end().pauseMs)).toEqual([1_999, 3_999, 7_999, 15_999, 31_999, 59_999, 59_999, 59_999]);
    const shortest = new Played();
    expect(Array.from({ length: 8 }, () => {
      shortest.nowMs += 1_000;
      return shortest.end('pricing', 'other', 0).pauseMs;
    })).toEqual(Array(8).fill(1_000));
  });

  test('starts over after a connection that lasted ten seconds, and does not after a shorter one', () => {
    const played = new Played();
    played.connect('pricing', played.end().pauseMs, 9_999);
    expect(played.end().pauseMs).toBe(3_999);
    played.connect('pricing', 3_999, 10_000);
    expect(played.end().pauseMs).toBe(1_999);
  });

  test('is each stream’s own', () => {
    const played = new Played();
    for (let failures = 0; failures < 4; failures += 1) played.end('pricing');
    expect(played.end('transactions').pauseMs).toBe(1_999);
  });

  test.each<FeedEnd>(['unavailable', 'unauthorised'])('is a minute for a broker that is %s, which never opens the breaker', (cause) => {
    const played = new Played();
    for (let ends = 0; ends < 30; ends += 1) expect(played.end('transactions', cause, 0)).toEqual({ pauseMs: PAUSE_MS_MAX, breakerOpens: false });
  });

  test('keeps both streams together at two connections a second, whatever is drawn and however soon they end', () => {
    const life = fc.array(fc.record({ lastsMs: fc.integer({ min: 0, max: 400 }), draw: fc.double({ min: 0, max: 0.999, noNaN: true }) }), { minLength: 1, maxLength: 20 });
    fc.assert(fc.property(life, life, (pricing, transactions) => {
      const lives = { pricing: [...pricing], transactions: [...transactions] };
      const due: { atMs: number; feed: FeedName }[] = [{ atMs: 0, feed: 'pricing' }, { atMs: 0, feed: 'transactions' }];
      const connects: number[] = [];
      let link = initialLink;
      for (;;) {
        const next = due.sort((left, right) => left.atMs - right.atMs).shift();
        const end = next === undefined ? undefined : lives[next.feed].shift();
        if (next === undefined || end === undefined) break;
        connects.push(next.atMs);
        link = feedConnected(link, next.feed, next.atMs).link;
        const ended = feedEnded(link, next.feed, 'other', next.atMs + end.lastsMs, end.draw);
        link = ended.link;
        due.push({ atMs: ended.connectAtMs, feed: next.feed });
      }
      for (let index = 2; index < connects.length; index += 1) expect(connects[index]! - connects[index - 2]!).toBeGreaterThanOrEqual(1_000);
    }), { numRuns: 200, seed: 3 });
  });
});

describe('the breaker', () => {
  const opened = (): Played => {
    const played = new Played();
    for (let ends = 1; ends < 10; ends += 1) expect(played.end(ends % 2 === 0 ? 'pricing' : 'transactions').breakerOpens).toBe(false);
    return played;
  };

  test('opens with the tenth reconnect in ten minutes, and keeps both streams closed for five', () => {
    const played = opened();
    expect(played.end('pricing')).toEqual({ pauseMs: BREAKER_PAUSE_MS, breakerOpens: true });
    played.nowMs += 60_000;
    expect(played.end('transactions')).toEqual({ pauseMs: BREAKER_PAUSE_MS - 60_000, breakerOpens: false });
  });

  test('does not open when the first of the ten lies ten minutes back', () => {
    const played = new Played();
    played.end();
    played.nowMs += BREAKER_WINDOW_MS;
    for (let ends = 2; ends <= 10; ends += 1) expect(played.end().breakerOpens).toBe(false);
    expect(played.end().breakerOpens).toBe(true);
  });

  test('closes with the first connection after its pause, and counts afresh', () => {
    const played = opened();
    const { pauseMs } = played.end();
    expect(played.connect('pricing', pauseMs, 0)).toBe(true);
    expect(played.end().breakerOpens).toBe(false);
    expect(played.connect('pricing', 0, 0)).toBe(false);
  });

  test('opens anew when the first connection after its pause cannot be made', () => {
    const played = opened();
    played.nowMs += played.end().pauseMs;
    expect(played.end()).toEqual({ pauseMs: BREAKER_PAUSE_MS, breakerOpens: true });
  });
});
