import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Heads } from '../../domain/policy.ts';
import { chooseAction, MIN_CONFIDENCE_DEFAULT } from '../../models/search/choose.ts';
import { packHeads, unpackHeads } from '../../models/search/record.ts';
import { createSearch, SearchError } from '../../models/search/tree.ts';
import type { SearchKind, SearchOptions, SearchResult } from '../../models/search/tree.ts';
import { goldenPresent, readFixture, readGolden } from './golden.ts';
import { rootState, tableAfterstate, tableChance, tableNext, tableRoot } from './table-model.ts';
import type { TableCase } from './table-model.ts';

interface Case extends TableCase {
  readonly sims: number;
  readonly legal: readonly number[];
  readonly discount: number;
  readonly visits: readonly number[];
  readonly root_value: number;
  readonly q: readonly number[];
  readonly paths: readonly (readonly number[])[];
}

const STEPS_MAX = 1_000;

function runCase(kind: SearchKind, reference: Case): { readonly result: SearchResult; readonly paths: readonly (readonly number[])[] } {
  const { A, C = 0, sims, legal, discount } = reference;
  const search = createSearch({ kind, actions: A, chanceCodes: C, simulations: sims, discount, pbCInit: 1.25 }, legal.map((flag) => flag === 1));
  const paths: (readonly number[])[] = [];
  for (let i = 0; i < STEPS_MAX; i += 1) {
    const step = search.next();
    if (step.kind === 'result') return { result: step.result, paths };
    if (step.kind === 'root') {
      search.supply(tableRoot(reference));
      continue;
    }
    const expand = step.from === 'chance' ? tableChance : kind === 'stochastic' ? tableAfterstate : tableNext;
    search.supply(expand(reference, step.state, step.edge));
    paths.push(search.latestPath());
  }
  throw new Error(`no result after ${STEPS_MAX} steps`);
}

function expectAgreement(kind: SearchKind, cases: readonly Case[]): void {
  for (const reference of cases) {
    const { result, paths } = runCase(kind, reference);
    const named = `seed ${reference.seed}, ${reference.sims} simulations`;
    expect(result.visits, named).toEqual(reference.visits);
    expect(paths, named).toEqual(reference.paths);
    expect(Math.abs(result.searchRootValue - reference.root_value), named).toBeLessThanOrEqual(1e-12 * Math.abs(reference.root_value));
    result.q.forEach((q, action) => {
      expect(Math.abs(q - reference.q[action]!), named).toBeLessThanOrEqual(1e-12 * Math.abs(reference.q[action]!));
    });
    expect(result.priors.every((prior, action) => (prior > 0) === (reference.legal[action] === 1)), named).toBe(true);
  }
}

describe('the search', () => {
  const fixture = readFixture<{ readonly stochastic: readonly Case[]; readonly deterministic: readonly Case[] }>('searches.json.gz');

  test('runs on the table model that the references ran on', () => {
    expect([0, 1, 2, 287].map(rootState)).toEqual([3516831198, 1007569701, 719557884, 2920925326]);
    expect([...tableRoot({ seed: 0, A: 4, V: 50, R: 10 }).logits]).toEqual([1.66131591796875, -0.2371826171875, -1.13427734375, 0.9210205078125]);
  });

  test('visits what mctx visits with chance nodes, along the same paths', () => expectAgreement('stochastic', fixture.stochastic));
  test('visits what mctx visits without chance nodes, along the same paths', () => expectAgreement('deterministic', fixture.deterministic));

  const present = goldenPresent('mcts');
  test.skipIf(!present)('agrees with the whole reference set', () => {
    const stochastic = readGolden<{ readonly cases: readonly Case[] }>('mcts', 'mctx_stochastic.json.gz').cases;
    const deterministic = readGolden<{ readonly cases: readonly Case[] }>('mcts', 'mctx_muzero.json.gz').cases;
    expect([stochastic.length, deterministic.length]).toEqual([403, 233]);
    expectAgreement('stochastic', stochastic);
    expectAgreement('deterministic', deterministic);
  });

  test('reports the raw root value beside the value it found', () => {
    const reference = fixture.stochastic.find(({ sims, V }) => sims === 15 && V === 50)!;
    const { result } = runCase('stochastic', reference);
    expect(result.rawRootValue).toBe(tableRoot(reference).value);
    expect(result.searchRootValue).not.toBe(result.rawRootValue);
  });

  const options: SearchOptions = { kind: 'stochastic', actions: 4, chanceCodes: 3, simulations: 2, discount: 1, pbCInit: 1.25 };
  const all = [true, true, true, true];
  const sound: Heads = { state: new Float32Array(1), value: 1, reward: 0, logits: new Float32Array(4) };

  test('gives the same step until it is answered', () => {
    const search = createSearch(options, all);
    expect(search.next()).toBe(search.next());
    search.supply(sound);
    expect(search.next()).toEqual({ kind: 'edge', from: 'decision', state: sound.state, edge: 0 });
    expect(search.next()).toBe(search.next());
  });

  test('refuses heads that are not finite or of the wrong length, and heads after the end', () => {
    const bad: readonly Heads[] = [
      { ...sound, value: Number.NaN }, { ...sound, reward: Infinity }, { ...sound, logits: Float32Array.of(0, 0, Number.NaN, 0) },
      { ...sound, logits: Float32Array.of(0, -Infinity, 0, 0) }, { ...sound, logits: new Float32Array(3) },
    ];
    for (const heads of bad) expect(() => createSearch(options, all).supply(heads)).toThrow(SearchError);
    const search = createSearch({ ...options, simulations: 1 }, all);
    search.supply(sound);
    search.supply({ ...sound, logits: new Float32Array(3) });
    expect(() => search.supply(sound)).toThrow(/search that is over/);
  });

  test('refuses a mask that forbids everything and options out of range', () => {
    expect(() => createSearch(options, [false, false, false, false])).toThrow(/forbids every action/);
    expect(() => createSearch(options, [true])).toThrow(/mask has 1 flags/);
    expect(() => createSearch({ ...options, simulations: 0 }, all)).toThrow(/^simulations = 0/);
    expect(() => createSearch({ ...options, discount: 1.1 }, all)).toThrow(/^discount = 1.1/);
    expect(() => createSearch({ ...options, discount: Number.NaN }, all)).toThrow(/^discount/);
    expect(() => createSearch({ ...options, pbCInit: Number.NaN }, all)).toThrow(/^pbCInit/);
    expect(() => createSearch({ ...options, chanceCodes: 0 }, all)).toThrow(/^chanceCodes/);
  });
});

describe('the choice', () => {
  const result = (visits: readonly number[], q: readonly number[] = [0, 0, 0, 0], priors: readonly number[] = [0.25, 0.25, 0.25, 0.25]): SearchResult =>
    ({ visits, q, priors, rawRootValue: 0, searchRootValue: 0 });
  const all = [true, true, true, true] as const;

  test('is the most visited action', () => {
    expect(chooseAction(result([1, 2, 8, 4]), all, MIN_CONFIDENCE_DEFAULT)).toEqual({ action: 'SELL', rule: 'argmax' });
  });

  test('goes to the higher Q, then the higher prior, then the lower index', () => {
    expect(chooseAction(result([1, 6, 6, 2], [9, 1, 2, 9]), all, 0.35).action).toBe('SELL');
    expect(chooseAction(result([1, 6, 6, 2], [9, 1, 1, 9], [0.1, 0.2, 0.3, 0.4]), all, 0.35).action).toBe('SELL');
    expect(chooseAction(result([1, 6, 6, 2]), all, 0.35).action).toBe('BUY');
  });

  test('is to hold below the confidence asked for: 5 of 15 is too few, 6 is enough', () => {
    expect(chooseAction(result([4, 5, 3, 3]), all, 0.35)).toEqual({ action: 'HOLD', rule: 'minConfidence' });
    expect(chooseAction(result([3, 6, 3, 3]), all, 0.35)).toEqual({ action: 'BUY', rule: 'argmax' });
    expect(chooseAction(result([3, 6, 3, 3]), all, 0.4)).toEqual({ action: 'BUY', rule: 'argmax' });
    expect(chooseAction(result([3, 6, 3, 3]), all, 0.41)).toEqual({ action: 'HOLD', rule: 'minConfidence' });
  });

  test('never leaves the mask, not even to hold', () => {
    expect(chooseAction(result([0, 9, 6, 0]), [true, false, true, true], 0.35).action).toBe('SELL');
    expect(chooseAction(result([9, 2, 2, 2]), [false, false, true, true], 0.35)).toEqual({ action: 'SELL', rule: 'argmax' });
    expect(() => chooseAction(result([1, 1, 1, 1]), [false, false, false, false], 0.35)).toThrow(/forbids every action/);
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
    expect(() => unpackHeads(bytes.subarray(0, 7).toString('base64'))).toThrow(/7 bytes/);
    expect(() => unpackHeads('***')).toThrow(SearchError);
  });
});
