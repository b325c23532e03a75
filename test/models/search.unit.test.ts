import { describe, expect, test } from 'vitest';
import type { Heads, SearchKind } from '../../domain/policy.ts';
import { sharpen } from '../../models/search/choose.ts';
import { consideredVisits } from '../../models/search/gumbel.ts';
import { SearchError } from '../../models/search/options.ts';
import type { GumbelSelection, PuctSelection, SearchOptions } from '../../models/search/options.ts';
import { createSearch } from '../../models/search/tree.ts';
import type { SearchResult } from '../../models/search/tree.ts';
import { goldenPresent, readFixture, readGolden } from './golden.ts';
import { rootState, tableAfterstate, tableChance, tableGumbel, tableNext, tableRoot } from './table-model.ts';
import type { TableCase } from './table-model.ts';

interface Case extends TableCase {
  readonly sims: number;
  readonly legal: readonly number[];
  readonly discount: number;
  readonly visits: readonly number[];
  readonly root_value: number;
  readonly q: readonly number[];
  readonly paths: readonly (readonly number[])[];
  readonly action: number;
  /** Under pUCT: visits^(1/temperature), normalised, by temperature. */
  readonly policy?: Readonly<Record<string, readonly number[]>>;
  /** Under Gumbel. */
  readonly improved_policy?: readonly number[];
  readonly gumbel?: boolean;
  readonly max_considered?: number;
}

const STEPS_MAX = 1_000;
const PUCT: PuctSelection = { algorithm: 'puct', pbCInit: 1.25, pbCBase: 19_652, rootNoise: null };
const GUMBEL: GumbelSelection = { algorithm: 'gumbel', consideredActionsMax: 16, maxVisitInit: 50, valueScale: 0.1, noise: null };

const selectionOf = (reference: Case): SearchOptions['selection'] => (reference.improved_policy === undefined ? PUCT
  : { ...GUMBEL, consideredActionsMax: reference.max_considered!, noise: reference.gumbel === true ? tableGumbel(reference) : null });

function runCase(kind: SearchKind, reference: Case, selection = selectionOf(reference)): { readonly result: SearchResult; readonly paths: readonly (readonly number[])[] } {
  const { A, C = 0, sims, legal, discount } = reference;
  const search = createSearch({ kind, actions: A, chanceCodes: C, simulations: sims, discount, selection }, legal.map((flag) => flag === 1));
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

/** Agreement to 1e-12 of the larger of the number and one unit of its scale. */
function expectClose(found: readonly number[], expected: readonly number[], named: string): void {
  expect(found.length, named).toBe(expected.length);
  found.forEach((value, i) => expect(Math.abs(value - expected[i]!), named).toBeLessThanOrEqual(1e-12 * Math.abs(expected[i]!)));
}

function expectAgreement(kind: SearchKind, cases: readonly Case[]): void {
  for (const reference of cases) {
    const { result, paths } = runCase(kind, reference);
    const named = `seed ${reference.seed}, ${reference.sims} simulations`;
    expect(result.visits, named).toEqual(reference.visits);
    expect(paths, named).toEqual(reference.paths);
    expectClose([result.searchRootValue], [reference.root_value], named);
    expectClose(result.q, reference.q, named);
    expect(result.priors.every((prior, action) => (prior > 0) === (reference.legal[action] === 1)), named).toBe(true);
    for (const [temperature, shares] of Object.entries(reference.policy ?? {})) expectClose(sharpen(result.visits, Number(temperature)), shares, `${named}, temperature ${temperature}`);
    if (reference.improved_policy === undefined) {
      expect(result.gumbel, named).toBeNull();
      expect(result.visits.indexOf(Math.max(...result.visits)), named).toBe(reference.action);
    } else {
      expect(result.gumbel!.action, named).toBe(reference.action);
      result.gumbel!.improvedPolicy.forEach((share, i) => expect(Math.abs(share - reference.improved_policy![i]!), named).toBeLessThanOrEqual(1e-12));
    }
  }
}

describe('the search', () => {
  const fixture = readFixture<{ readonly [kind in SearchKind | 'gumbel']: readonly Case[] }>('searches.json.gz');

  test('runs on the table model that the references ran on', () => {
    expect([0, 1, 2, 287].map(rootState)).toEqual([3516831198, 1007569701, 719557884, 2920925326]);
    expect([...tableRoot({ seed: 0, A: 4, V: 50, R: 10 }).logits]).toEqual([1.66131591796875, -0.2371826171875, -1.13427734375, 0.9210205078125]);
  });

  test('visits what mctx visits with chance nodes, along the same paths', () => expectAgreement('stochastic', fixture.stochastic));
  test('visits what mctx visits without chance nodes, along the same paths', () => expectAgreement('deterministic', fixture.deterministic));
  test('visits what mctx visits by Gumbel\'s rule, along the same paths, and ends in the same action and policy', () => {
    expect(new Set(fixture.gumbel.map(({ gumbel, max_considered: considered }) => `${gumbel} ${considered}`)).size).toBe(3);
    expectAgreement('deterministic', fixture.gumbel);
  });

  const present = goldenPresent('mcts');
  test.skipIf(!present)('agrees with the whole reference set', () => {
    const cases = (name: string): readonly Case[] => readGolden<{ readonly cases: readonly Case[] }>('mcts', `${name}.json.gz`).cases;
    const [stochastic, deterministic, gumbel] = [cases('mctx_stochastic'), cases('mctx_muzero'), cases('mctx_gumbel')];
    expect([stochastic.length, deterministic.length, gumbel.length]).toEqual([403, 233, 255]);
    expectAgreement('stochastic', stochastic);
    expectAgreement('deterministic', deterministic);
    expectAgreement('deterministic', gumbel);
  });

  test('reports the raw root value beside the value it found', () => {
    const reference = fixture.stochastic.find(({ sims, V }) => sims === 15 && V === 50)!;
    const { result } = runCase('stochastic', reference);
    expect(result.rawRootValue).toBe(tableRoot(reference).value);
    expect(result.searchRootValue).not.toBe(result.rawRootValue);
  });

  const options: SearchOptions = { kind: 'stochastic', actions: 4, chanceCodes: 3, simulations: 2, discount: 1, selection: PUCT };
  const all = [true, true, true, true];
  const sound: Heads = { state: new Float32Array(1), value: 1, reward: 0, logits: new Float32Array(4) };

  test('gives the same step until it is answered', () => {
    const search = createSearch(options, all);
    expect(search.next()).toBe(search.next());
    expect(search.latestPath()).toEqual([]);
    search.supply(sound);
    expect(search.next()).toEqual({ kind: 'edge', from: 'decision', state: sound.state, edge: 0 });
    expect(search.next()).toBe(search.next());
    expect(search.latestPath()).toEqual([]);
  });

  test('hands the state of the node on whose edge it stands, afterstates and states in turn', () => {
    const search = createSearch(options, all);
    search.supply(sound);
    const afterstate: Heads = { state: Float32Array.of(7), value: 5, reward: 99, logits: Float32Array.of(0, 3, 0) };
    search.supply(afterstate);
    expect(search.next()).toEqual({ kind: 'edge', from: 'chance', state: afterstate.state, edge: 1 });
    search.supply({ ...sound, value: 3, reward: 2 });
    const step = search.next();
    if (step.kind !== 'result') throw new Error('two simulations are over');
    // The reward of an afterstate does not exist: (5 + 2 + 3) / 2 behind the action, (1 + 5 + 5) / 3 at the root.
    expect(step.result).toMatchObject({ visits: [2, 0, 0, 0], q: [5, 0, 0, 0], searchRootValue: 11 / 3 });
  });

  test('refuses heads that are not finite or of the wrong length, and heads after the end', () => {
    const bad: readonly [Heads, RegExp][] = [
      [{ ...sound, value: Number.NaN }, /expansion 0: value NaN/], [{ ...sound, reward: Infinity }, /reward Infinity/],
      [{ ...sound, logits: Float32Array.of(0, 0, Number.NaN, 0) }, /logit 2 is NaN/], [{ ...sound, logits: Float32Array.of(0, 0, 0, -Infinity) }, /logit 3 is -Infinity/],
      [{ ...sound, logits: new Float32Array(3) }, /3 logits where 4 belong/],
    ];
    for (const [heads, message] of bad) {
      expect(() => createSearch(options, all).supply(heads)).toThrow(SearchError);
      expect(() => createSearch(options, all).supply(heads)).toThrow(message);
    }
    const search = createSearch({ ...options, simulations: 1 }, all);
    search.supply(sound);
    expect(() => search.supply(sound)).toThrow(/expansion 1: 4 logits where 3 belong/);
    search.supply({ ...sound, logits: new Float32Array(3) });
    expect(() => search.supply(sound)).toThrow(/search that is over/);
  });

  test('a deterministic search has actions at every node', () => {
    const search = createSearch({ ...options, kind: 'deterministic', chanceCodes: 0 }, all);
    search.supply(sound);
    search.supply({ ...sound, reward: 4 });
    expect(search.next()).toMatchObject({ kind: 'edge', from: 'decision' });
  });

  test.each<[string, Partial<SearchOptions>, RegExp]>([
    ['no simulation', { simulations: 0 }, /^simulations = 0: must be a whole number from 1 to 10000$/],
    ['too many', { simulations: 10_001 }, /^simulations = 10001/],
    ['half a simulation', { simulations: 1.5 }, /^simulations = 1.5/],
    ['no actions', { actions: 0 }, /^actions = 0: must be a whole number from 1 to 1024$/],
    ['a discount above 1', { discount: 1.1 }, /^discount = 1.1/],
    ['a discount of 0', { discount: 0 }, /^discount = 0/],
    ['a discount that is no number', { discount: Number.NaN }, /^discount = NaN/],
    ['a stochastic model without codes', { chanceCodes: 0 }, /^chanceCodes = 0: must be a whole number from 1 to 1024$/],
    ['a deterministic model with codes', { kind: 'deterministic' }, /^chanceCodes = 3: must be a whole number from 0 to 0$/],
    ['a negative pbCInit', { selection: { ...PUCT, pbCInit: -1 } }, /^pbCInit = -1/],
    ['an infinite pbCInit', { selection: { ...PUCT, pbCInit: Infinity } }, /^pbCInit = Infinity/],
    ['pbCBase of 0', { selection: { ...PUCT, pbCBase: 0 } }, /^pbCBase = 0/],
    ['an infinite pbCBase', { selection: { ...PUCT, pbCBase: Infinity } }, /^pbCBase = Infinity/],
    ['noise of more than everything', { selection: { ...PUCT, rootNoise: { fraction: 1.1, noise: [1, 0, 0, 0] } } }, /^rootNoise.fraction = 1.1/],
    ['noise below nothing', { selection: { ...PUCT, rootNoise: { fraction: -0.1, noise: [1, 0, 0, 0] } } }, /^rootNoise.fraction = -0.1/],
    ['noise for other actions', { selection: { ...PUCT, rootNoise: { fraction: 1, noise: [1] } } }, /^rootNoise has 1 numbers: 4 actions/],
    ['noise that is none', { selection: { ...PUCT, rootNoise: { fraction: 1, noise: [1, 0, 0, Number.NaN] } } }, /^rootNoise = NaN/],
    ['nothing to consider', { selection: { ...GUMBEL, consideredActionsMax: 0 } }, /^consideredActionsMax = 0/],
    ['a negative maxVisitInit', { selection: { ...GUMBEL, maxVisitInit: -1 } }, /^maxVisitInit = -1/],
    ['a negative valueScale', { selection: { ...GUMBEL, valueScale: -1 } }, /^valueScale = -1/],
    ['Gumbel numbers for other actions', { selection: { ...GUMBEL, noise: [1] } }, /^noise has 1 numbers: 4 actions/],
    ['a Gumbel number that is none', { selection: { ...GUMBEL, noise: [0, 0, 0, Infinity] } }, /^noise = Infinity/],
  ])('refuses %s', (_name, change, message) => {
    expect(() => createSearch({ ...options, ...change }, all)).toThrow(SearchError);
    expect(() => createSearch({ ...options, ...change }, all)).toThrow(message);
  });

  test('takes the options at their limits', () => {
    for (const change of [
      { discount: 1 }, { simulations: 10_000 }, { selection: { ...PUCT, pbCInit: 0, rootNoise: { fraction: 0, noise: [0, 0, 0, 1] } } },
      { selection: { ...PUCT, rootNoise: { fraction: 1, noise: [0, 0, 0, 1] } } }, { selection: { ...GUMBEL, maxVisitInit: 0, valueScale: 0, noise: [-1, 0, 0, 1] } },
    ] as const) expect(createSearch({ ...options, ...change }, all).next()).toEqual({ kind: 'root' });
  });

  test('refuses by an error of its own name', () => {
    expect(new SearchError('why')).toMatchObject({ name: 'SearchError', message: 'why' });
  });

  test('refuses a mask that forbids everything or speaks of other actions', () => {
    expect(() => createSearch(options, [false, false, false, false])).toThrow(/forbids every action/);
    expect(() => createSearch(options, [true])).toThrow(/mask has 1 flags: 4 actions/);
  });

  test('keeps a mask that its owner changes afterwards', () => {
    const mask = [true, true, false, true];
    const search = createSearch({ ...options, simulations: 1 }, mask);
    mask.fill(false);
    search.supply(sound);
    expect(search.next()).toMatchObject({ edge: 0 });
  });
});

describe('noise at the root', () => {
  const reference: Case = { seed: 3, A: 4, C: 3, V: 1, R: 0.5, sims: 15, legal: [1, 1, 0, 1], discount: 0.997, visits: [], root_value: 0, q: [], paths: [], action: 0 };
  const noise = [0.1, 0.2, 0.6, 0.1];
  const priorsWith = (fraction: number): readonly number[] => runCase('stochastic', reference, { ...PUCT, rootNoise: { fraction, noise } }).result.priors;
  const logits = [...tableRoot(reference).logits];
  const whole = logits.map((logit) => Math.exp(logit) / logits.reduce((sum, one) => sum + Math.exp(one), 0));

  test('is mixed into the prior of all actions, then the mask takes its part out', () => {
    const mixed = whole.map((share, i) => (i === 2 ? 0 : 0.75 * share + 0.25 * noise[i]!));
    const left = mixed.reduce((sum, share) => sum + share, 0);
    priorsWith(0.25).forEach((prior, i) => expect(prior).toBeCloseTo(mixed[i]! / left, 14));
    expect(priorsWith(0.25)[2]).toBe(0);
  });

  test('changes nothing at a fraction of 0, and is the whole prior at 1', () => {
    const { priors } = runCase('stochastic', reference).result;
    priorsWith(0).forEach((prior, i) => expect(prior).toBeCloseTo(priors[i]!, 14));
    priorsWith(1).forEach((prior, i) => expect(prior).toBeCloseTo([0.25, 0.5, 0, 0.25][i]!, 14));
  });

  test('that speaks of forbidden actions alone leaves the prior as it is', () => {
    const { priors } = runCase('stochastic', reference).result;
    expect(runCase('stochastic', reference, { ...PUCT, rootNoise: { fraction: 1, noise: [0, 0, 1, 0] } }).result.priors).toEqual(priors);
  });

  test('does not reach the nodes below', () => {
    const forced: PuctSelection = { ...PUCT, rootNoise: { fraction: 1, noise: [0, 0, 0, 1] } };
    const { paths } = runCase('deterministic', { ...reference, C: 0, V: 0, R: 0, sims: 50 }, forced);
    expect(new Set(paths.map(([first]) => first))).toEqual(new Set([3]));
    expect(new Set(paths.filter((path) => path.length > 1).map((path) => path[1])).size).toBeGreaterThan(1);
  });
});

describe('Gumbel\'s rule', () => {
  test('halves its candidates round by round', () => {
    expect([...consideredVisits(4, 15)]).toEqual([0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6]);
    expect([...consideredVisits(1, 4)]).toEqual([0, 1, 2, 3]);
    expect([...consideredVisits(2, 5)]).toEqual([0, 0, 1, 1, 2]);
    expect([...consideredVisits(3, 8)]).toEqual([0, 0, 0, 1, 1, 2, 2, 3]);
    expect([...consideredVisits(8, 10)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
    expect([...consideredVisits(0, 2)]).toEqual([0, 1]);
  });

  const base = { seed: 5, A: 4, C: 6, V: 50, R: 10, discount: 0.997, visits: [], root_value: 0, q: [], paths: [], action: 0 };

  test('spreads 15 simulations over four actions as 7, 6, 1 and 1, whatever they are worth', () => {
    for (let seed = 0; seed < 20; seed += 1) {
      for (const kind of ['stochastic', 'deterministic'] as const) {
        const { result } = runCase(kind, { ...base, seed, C: kind === 'stochastic' ? 6 : 0, sims: 15, legal: [1, 1, 1, 1] }, GUMBEL);
        expect(result.visits.toSorted((left, right) => right - left)).toEqual([7, 6, 1, 1]);
        expect(result.gumbel!.improvedPolicy.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
      }
    }
  });

  test('with chance nodes, goes through afterstates in proportion to their codes', () => {
    const { paths } = runCase('stochastic', { ...base, sims: 50, legal: [0, 1, 0, 0] }, GUMBEL);
    expect(new Set(paths.map(([first]) => first))).toEqual(new Set([1]));
    expect(new Set(paths.filter((path) => path.length > 1).map((path) => path[1])).size).toBeGreaterThan(2);
  });

  test('never leaves the mask, and its noise can decide among equals', () => {
    const equal: Case = { ...base, C: 0, V: 0, R: 0, sims: 4, legal: [1, 0, 1, 1] };
    const { result } = runCase('deterministic', equal, { ...GUMBEL, noise: [0, 90, 0, 50] });
    expect(result.gumbel!.action).toBe(3);
    expect([result.visits[1], result.gumbel!.improvedPolicy[1]]).toEqual([0, 0]);
  });
});
