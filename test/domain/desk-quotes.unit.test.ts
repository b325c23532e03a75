/** Which quotes a market that is played may leave out: those of which nothing is left behind a newer one. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Quote } from '../../domain/broker.ts';
import { newestSuffices } from '../../domain/desk/quotes.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import type { Step } from '../../domain/desk/step.ts';
import { step } from '../../domain/desk/step.ts';
import type { Price } from '../../domain/money.ts';
import { add, price } from '../../domain/money.ts';
import type { Instant } from '../../domain/time.ts';
import { floorMinute, MINUTE_MS, plusMs, SECOND_MS } from '../../domain/time.ts';
import { DeskHarness } from './desk-harness.ts';
import { EUR_USD } from './scripted-broker.ts';

const quoteOf = (points: number, at: Instant, tradeable = true): Quote => {
  const bid = add(price('1.1'), BigInt(points * 100_000) as Price);
  return { instrument: EUR_USD, bid, ask: add(bid, price('0.0001')), at, tradeable };
};

/** What comes of quotes, one step each at its own time. */
function played(state: DeskState, quotes: readonly Quote[]): Step {
  const told: Step = { state, emissions: [], effects: [] };
  return quotes.reduce((before, quote): Step => {
    const after = step(before.state, { kind: 'quote', quote, now: quote.at });
    return { state: after.state, emissions: [...before.emissions, ...after.emissions], effects: [...before.effects, ...after.effects] };
  }, told);
}

/** A desk with bars and a believed price, at a minute's start. */
function quotedDesk(awaiting: boolean): DeskHarness {
  const desk = new DeskHarness();
  desk.start();
  desk.advanceMinutes(4);
  if (awaiting) {
    desk.intercept = (read) => (read.what === 'bars' ? null : undefined);
    desk.quoting = false;
    desk.advanceMinutes(1);
  }
  desk.give({ kind: 'quote', quote: quoteOf(8, plusMs(floorMinute(desk.now), -SECOND_MS)) });
  return desk;
}

describe('the newest of quotes in a row', () => {
  const quote = fc.record({ points: fc.integer({ min: -60, max: 60 }), seconds: fc.integer({ min: 0, max: 40 }), tradeable: fc.integer({ min: 0, max: 9 }).map((share) => share > 0) });
  const earlier = fc.array(quote, { maxLength: 3 });
  const quotes = fc.array(quote, { minLength: 1, maxLength: 4 });

  test.each([false, true])('suffices only where all of them lead to the same state and tell nothing (a candle awaited: %s)', (awaiting) => {
    const desk = quotedDesk(awaiting);
    let sufficed = 0;
    fc.assert(fc.property(earlier, quotes, fc.integer({ min: 1, max: 40 }), (before, after, calm) => {
      let at = floorMinute(desk.now);
      const inRow = (drawn: typeof before): readonly Quote[] => drawn.map(({ points, seconds, tradeable }) => {
        at = plusMs(at, seconds * SECOND_MS);
        return quoteOf(Math.trunc(points / calm), at, tradeable);
      });
      const { state } = played(desk.state, inRow(before));
      const row = inRow(after);
      if (!newestSuffices(state, row)) return;
      sufficed += 1;
      expect(played(state, row.slice(-1))).toEqual(played(state, row));
      expect(played(state, row)).toMatchObject({ emissions: [], effects: [] });
    }), { numRuns: 1_000, seed: 3 });
    expect(sufficed).toBeGreaterThan(awaiting ? 20 : 100);
  });

  test('does not where another one of them said more', () => {
    const desk = quotedDesk(false);
    const at = floorMinute(desk.now);
    const later = plusMs(at, 20 * SECOND_MS);
    expect(newestSuffices(desk.state, [quoteOf(8, at), quoteOf(9, later)])).toBe(true);
    expect(newestSuffices(desk.state, [quoteOf(8, at, false), quoteOf(9, later)]), 'a halt').toBe(false);
    expect(newestSuffices(desk.state, [quoteOf(2_000, at), quoteOf(9, later)]), 'an outlier').toBe(false);
    expect(newestSuffices(desk.state, [quoteOf(8, at), quoteOf(9, plusMs(at, MINUTE_MS))]), 'the price of another minute').toBe(false);
    const awaiting = quotedDesk(true);
    expect(newestSuffices(awaiting.state, [quoteOf(9, floorMinute(awaiting.now))]), 'the price that completes a candle').toBe(false);
    expect(newestSuffices({ ...desk.state, live: { ...desk.state.live, quotes: new Map() } }, [quoteOf(9, at)]), 'the first price').toBe(false);
  });
});
