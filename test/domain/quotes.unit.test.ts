import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { price, ratio } from '../../domain/money.ts';
import type { Price } from '../../domain/money.ts';
import { isTrustedAlone, medianRange, noTrust, reachOf, tickReach, trustQuote } from '../../domain/quotes.ts';
import type { QuoteTrust, Reach } from '../../domain/quotes.ts';

const REACH: Reach = (distance) => distance <= price('0.001');
const ANYWHERE: Reach = () => true;
const at = (mid: string) => ({ bid: price(mid), ask: price(mid) });
const after = (mids: readonly string[], barClose: Price | null = null, reach: Reach = REACH): QuoteTrust =>
  mids.reduce<QuoteTrust>((trust, mid) => trustQuote(trust, at(mid), barClose, reach), noTrust);

describe('a quote', () => {
  test('is believed up to the reach from the last believed one, and doubted one step beyond', () => {
    expect(after(['1.1', '1.101'])).toEqual({ believed: price('1.101'), doubted: null });
    expect(after(['1.1', '1.1010000001'])).toEqual({ believed: price('1.1'), doubted: { mid: price('1.1010000001'), ticks: 1, distance: price('0.0010000001') } });
    expect(after(['1.1', '1.0989999999']).doubted).not.toBeNull();
  });

  test('is believed again once three ticks in a row lie near one another', () => {
    expect(after(['1.1', '1.2', '1.2005']).doubted).toMatchObject({ ticks: 2 });
    expect(after(['1.1', '1.2', '1.2005', '1.2'])).toEqual({ believed: price('1.2'), doubted: null });
    expect(after(['1.1', '1.2', '1.3', '1.2']).doubted).toMatchObject({ ticks: 1 });
  });

  test('that returns is believed at once, and what was doubted starts over', () => {
    expect(after(['1.1', '1.2', '1.2', '1.1005'])).toEqual({ believed: price('1.1005'), doubted: null });
    expect(after(['1.1', '1.2', '1.2', '1.1005', '1.2']).doubted).toMatchObject({ ticks: 1 });
  });

  test('is held against the newest bar before any was believed, and against nothing without bars', () => {
    expect(after(['1.2'], price('1.1')).doubted).toMatchObject({ ticks: 1 });
    expect(after(['1.2']).believed).toBe(price('1.2'));
    expect(after(['1.2', '9'], null, ANYWHERE).believed).toBe(price('9'));
  });
});

test('the reach is a multiple of the median range, and no less than the widest spread', () => {
  const ranges = ['0.0002', '0.0001', '0.01'].map((text) => price(text));
  expect(medianRange(ranges)).toBe(price('0.0002'));
  expect(medianRange([])).toBeNull();
  expect(tickReach(price('0.0002'), ratio('10'), price('0.0004'))).toBe(price('0.002'));
  expect(tickReach(price('0'), ratio('10'), price('0.0004'))).toBe(price('0.0004'));
  const reach = reachOf(ranges, ratio('10'), price('0.0004'));
  expect(['0', '0.0004', '0.0004000001', '0.002', '0.0020000001'].map((text) => reach(price(text)))).toEqual([true, true, true, true, false]);
  expect(reachOf([], ratio('10'), price('0.0004'))(price('9'))).toBe(true);
});

test('the newest of quotes in a row is believed alone only where all of them together leave the same trust', () => {
  const mids = fc.array(fc.integer({ min: 0, max: 40 }).map((tenthsOfReach) => price((1.1 + tenthsOfReach / 10_000).toFixed(4))), { minLength: 1, maxLength: 5 });
  let alone = 0;
  fc.assert(fc.property(mids, mids, (before, quotes) => {
    const all = (trust: QuoteTrust, each: readonly Price[]): QuoteTrust => each.reduce<QuoteTrust>((held, mid) => trustQuote(held, { bid: mid, ask: mid }, null, REACH), trust);
    const trust = all(noTrust, before);
    if (!isTrustedAlone(trust, quotes.map((mid) => ({ bid: mid, ask: mid })), REACH)) return;
    alone += 1;
    expect(all(trust, quotes.slice(-1))).toEqual(all(trust, quotes));
  }), { numRuns: 2_000, seed: 6 });
  expect(alone).toBeGreaterThan(100);
  expect(isTrustedAlone(noTrust, [at('1.1')], REACH)).toBe(false);
});
