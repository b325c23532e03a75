import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ActionMask, Heads, SearchSettings } from '../../domain/policy.ts';
import { checkActing, chooseAction, sharpen } from '../../models/search/choose.ts';
import { SearchError } from '../../models/search/options.ts';
import { packHeads, searchAgain, unpackHeads } from '../../models/search/record.ts';
import type { SearchResult } from '../../models/search/tree.ts';

describe('the choice', () => {
  const result = (visits: readonly number[], q: readonly number[] = [0, 0, 0, 0], priors: readonly number[] = [0.25, 0.25, 0.25, 0.25]): SearchResult =>
    ({ visits, q, priors, rawRootValue: 0, searchRootValue: 0, gumbel: null });
  const all = [true, true, true, true] as const;
  const choose = (found: SearchResult, mask: ActionMask = all, minConfidence = 0.35): ReturnType<typeof chooseAction> => chooseAction(found, mask, { minConfidence, temperature: 0 }, 0);

  test('is the most visited action', () => {
    expect(choose(result([1, 2, 8, 4]))).toEqual({ action: 'SELL', rule: 'argmax' });
  });

  test('goes to the higher Q, then the higher prior, then the lower index', () => {
    expect(choose(result([1, 6, 6, 2], [9, 1, 2, 9])).action).toBe('SELL');
    expect(choose(result([1, 6, 6, 2], [9, 1, 1, 9], [0.1, 0.2, 0.3, 0.4])).action).toBe('SELL');
    expect(choose(result([1, 6, 6, 2], [9, 2, 1, 9])).action).toBe('BUY');
    expect(choose(result([1, 6, 6, 2], [9, 1, 1, 9], [0.1, 0.3, 0.2, 0.4])).action).toBe('BUY');
    expect(choose(result([1, 6, 6, 2])).action).toBe('BUY');
  });

  test('is to hold below the confidence asked for: 5 of 15 is too few, 6 is enough', () => {
    expect(choose(result([4, 5, 3, 3]))).toEqual({ action: 'HOLD', rule: 'minConfidence' });
    expect(choose(result([3, 6, 3, 3]))).toEqual({ action: 'BUY', rule: 'argmax' });
    expect(choose(result([3, 6, 3, 3]), all, 0.4)).toEqual({ action: 'BUY', rule: 'argmax' });
    expect(choose(result([3, 6, 3, 3]), all, 0.41)).toEqual({ action: 'HOLD', rule: 'minConfidence' });
  });

  test('never leaves the mask, not even to hold', () => {
    expect(choose(result([0, 9, 6, 0]), [true, false, true, true]).action).toBe('SELL');
    expect(choose(result([9, 2, 2, 2]), [false, false, true, true])).toEqual({ action: 'SELL', rule: 'argmax' });
    expect(() => choose(result([1, 1, 1, 1]), [false, false, false, false])).toThrow(/forbids every action/);
  });

  test('under Gumbel is the search\'s own, and its confidence is that of the improved policy, not of the visits', () => {
    const gumbel = (improvedPolicy: readonly number[], action = 2): SearchResult => ({ ...result([1, 6, 7, 1]), gumbel: { action, improvedPolicy } });
    expect(choose(gumbel([0.2, 0.2, 0.4, 0.2]))).toEqual({ action: 'SELL', rule: 'gumbel' });
    expect(choose(gumbel([0.3, 0.3, 0.3, 0.1]))).toEqual({ action: 'HOLD', rule: 'minConfidence' });
    expect(choose(gumbel([0.3, 0.3, 0.3, 0.1]), [false, true, true, true])).toEqual({ action: 'SELL', rule: 'gumbel' });
    expect(() => choose(gumbel([0, 0, 1, 0]), [true, true, false, true])).toThrow(/chose SELL, which the mask forbids/);
  });

  test('above temperature 0 is drawn in proportion to the sharpened visits', () => {
    const drawn = (draw: number, temperature = 1, mask: ActionMask = all): string => chooseAction(result([2, 0, 5, 3]), mask, { minConfidence: 0, temperature }, draw).action;
    expect([0, 0.199, 0.2, 0.699, 0.701, 0.999].map((draw) => drawn(draw))).toEqual(['HOLD', 'HOLD', 'SELL', 'SELL', 'CLOSE', 'CLOSE']);
    // 4, 25 and 9 of 38.
    expect([0.1, 0.11, 0.76, 0.77].map((draw) => drawn(draw, 0.5))).toEqual(['HOLD', 'SELL', 'SELL', 'CLOSE']);
    expect([0, 0.62, 0.63].map((draw) => drawn(draw, 1, [false, true, true, true]))).toEqual(['SELL', 'SELL', 'CLOSE']);
    expect(drawn(0.5, 0.001)).toBe('SELL');
    expect(chooseAction(result([2, 0, 5, 3]), all, { minConfidence: 0, temperature: 1 }, 0.3).rule).toBe('draw');
    expect(() => chooseAction(result([2, 0, 5, 3]), [false, true, false, false], { minConfidence: 0, temperature: 1 }, 0.3)).toThrow(/no legal action was tried/);
  });

  test('takes a drawn action only when its own share convinces', () => {
    const acting = { minConfidence: 0.35, temperature: 1 };
    expect(chooseAction(result([2, 0, 8, 5]), all, acting, 0.999)).toEqual({ action: 'HOLD', rule: 'minConfidence' });
    expect(chooseAction(result([2, 0, 7, 6]), all, acting, 0.999)).toEqual({ action: 'CLOSE', rule: 'draw' });
  });

  test('gives what rounding leaves over to the last action that was tried', () => {
    expect(chooseAction(result([5, 5, 5, 0]), all, { minConfidence: 0, temperature: 1 }, 1).action).toBe('SELL');
  });

  test('refuses confidences and temperatures that are none, and a temperature beside Gumbel\'s rule', () => {
    expect(() => checkActing({ minConfidence: 1.5, temperature: 0 }, 'puct')).toThrow(SearchError);
    expect(() => checkActing({ minConfidence: -0.1, temperature: 0 }, 'puct')).toThrow(/minConfidence = -0.1/);
    expect(() => checkActing({ minConfidence: 0, temperature: -1 }, 'puct')).toThrow(/temperature = -1: must be 0 or more/);
    expect(() => checkActing({ minConfidence: 0, temperature: Infinity }, 'puct')).toThrow(/temperature = Infinity/);
    expect(() => checkActing({ minConfidence: 0, temperature: 1 }, 'gumbel')).toThrow(/temperature = 1: must be 0 with Gumbel/);
    for (const minConfidence of [0, 1]) checkActing({ minConfidence, temperature: 2 }, 'puct');
    for (const algorithm of ['puct', 'gumbel'] as const) checkActing({ minConfidence: 0, temperature: 0 }, algorithm);
  });

  test('sharpens without overflowing', () => {
    expect(sharpen([1, 2, 4, 0], 0.5)).toEqual([1 / 21, 4 / 21, 16 / 21, 0]);
    expect(sharpen([1, 1_000, 999, 0], 1e-4)[1]).toBeGreaterThan(0.999);
  });
});

describe('the record', () => {
  const float32 = fc.float({ noNaN: true, noDefaultInfinity: true });
  const heads = fc.record({ value: float32, reward: float32, logits: fc.array(float32, { minLength: 1, maxLength: 8 }) });

  test('reads back to the same numbers, bit for bit', () => {
    fc.assert(fc.property(fc.array(heads, { maxLength: 20 }), (expansions) => {
      const packed = packHeads(expansions.map(({ value, reward, logits }) => ({ state: Float32Array.of(7), value, reward, logits: Float32Array.from(logits) })));
      expect(unpackHeads(packed)).toEqual(expansions.map(({ value, reward, logits }) => ({ state: new Float32Array(0), value, reward, logits: Float32Array.from(logits) })));
    }));
  });

  test('refuses text that is cut off or made up', () => {
    const packed = packHeads([{ state: new Float32Array(0), value: 1, reward: 2, logits: Float32Array.of(1, 2, 3) }]);
    const bytes = Buffer.from(packed, 'base64');
    expect(() => unpackHeads(bytes.subarray(0, 20).toString('base64'))).toThrow(/expansion 0 is cut off/);
    expect(() => unpackHeads(bytes.subarray(0, 4).toString('base64'))).toThrow(/expansion 0/);
    expect(() => unpackHeads(bytes.subarray(0, 8).toString('base64'))).toThrow(/expansion 0 is cut off or names NaN logits/);
    expect(() => unpackHeads(bytes.subarray(0, 7).toString('base64'))).toThrow(/7 bytes/);
    expect(() => unpackHeads('***')).toThrow(SearchError);
  });
});

describe('the number of logits in a record', () => {
  const withLogits = (count: number): string => packHeads([{ state: new Float32Array(0), value: 0, reward: 0, logits: new Float32Array(count) }]);
  const named = (count: number): string => Buffer.from(Float32Array.of(0, 0, count, 0, 0, 0, 0).buffer).toString('base64');

  test('is from 1 to 1024', () => {
    expect([1, 1_024].map((count) => unpackHeads(withLogits(count))[0]!.logits.length)).toEqual([1, 1_024]);
    for (const count of [0, 1_025]) expect(() => unpackHeads(withLogits(count))).toThrow(new SearchError(`headsBase64: expansion 0 is cut off or names ${count} logits`));
  });

  test('is whole, and no more than follow', () => {
    for (const count of [-1, 1.5, 5, Infinity]) expect(() => unpackHeads(named(count))).toThrow(new SearchError(`headsBase64: expansion 0 is cut off or names ${count} logits`));
    expect(unpackHeads(named(4))[0]!.logits).toHaveLength(4);
  });
});

describe('a recorded search', () => {
  const settings: SearchSettings = { kind: 'deterministic', chanceCodes: 0, simulations: 2, discount: 1, minConfidence: 0, temperature: 0, selection: { algorithm: 'puct', pbCInit: 1.25, pbCBase: 19_652 } };
  const heads = (value: number): Heads => ({ state: new Float32Array(0), value, reward: 0, logits: Float32Array.of(0, 3, 0, 0) });
  const all = [true, true, true, true] as const;

  test('runs again from its settings and heads', () => {
    const { result, choice } = searchAgain({ settings, noise: null, headsBase64: packHeads([1, 2, 3].map(heads)) }, all, null);
    expect(result.visits.reduce((sum, count) => sum + count, 0)).toBe(2);
    expect(choice).toEqual({ action: 'BUY', rule: 'argmax' });
  });

  test('by Gumbel\'s rule runs again with the numbers that were drawn', () => {
    const gumbel: SearchSettings = { ...settings, selection: { algorithm: 'gumbel', consideredActionsMax: 16, maxVisitInit: 50, valueScale: 0.1, scale: 1 } };
    const headsBase64 = packHeads([1, 2, 2].map(heads));
    expect(searchAgain({ settings: gumbel, noise: [0, 0, 0, 90], headsBase64 }, all, null).choice.action).toBe('CLOSE');
    expect(searchAgain({ settings: gumbel, noise: null, headsBase64 }, all, null).choice.action).toBe('BUY');
  });

  test('is drawn from as it was', () => {
    const warm = { ...settings, temperature: 1 };
    const again = (value: number): string => searchAgain({ settings: warm, noise: null, headsBase64: packHeads([{ ...heads(0), logits: new Float32Array(4) }, heads(-1), heads(-1)]) }, all, { seed: 1, counter: 2, value }).choice.action;
    expect([0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1].map(again)).toEqual(['HOLD', 'HOLD', 'BUY', 'BUY']);
  });

  test('with too few heads or too many is none', () => {
    expect(() => searchAgain({ settings, noise: null, headsBase64: packHeads([heads(1), heads(2)]) }, all, null)).toThrow(/ends before the 2 simulations do/);
    expect(() => searchAgain({ settings, noise: null, headsBase64: packHeads([1, 2, 3, 4].map(heads)) }, all, null)).toThrow(/search that is over/);
  });
});
