import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ACTIONS } from '../../domain/policy.ts';
import type { ActionMask, Heads, LeafRequest, Observation, Policy, PositionView, SearchSettings } from '../../domain/policy.ts';
import { instantOf } from '../../domain/time.ts';
import { BaselineError, createBaseline } from '../../models/baselines.ts';
import { createSwt137 } from '../../models/features/swt-137.ts';
import { createMuZeroPolicy } from '../../models/muzero.ts';
import { createPolicy, PolicyError } from '../../models/registry.ts';
import { DRAW_RANGE } from '../../models/draws.ts';
import { searchAgain, unpackHeads } from '../../models/search/record.ts';
import { SearchError } from '../../models/search/options.ts';
import { drive, proposed } from './drive.ts';
import { mix, tableAfterstate, tableChance, tableNext, tableRoot } from './table-model.ts';

const ALL: ActionMask = [true, true, true, true];
const side = (value: -1 | 0 | 1): PositionView => ({ side: value, netPips: 0, barsSinceEntry: 0, peakPips: 0, drawdownPipsMax: 0 });

function observe(closes: readonly number[], overrides: Partial<Observation> = {}): Observation {
  return { at: instantOf(0), midCloses: Float64Array.from(closes), barStarts: Float64Array.from(closes, (_, i) => i * 60_000), position: side(0), mask: ALL, decisionIndex: 0, ...overrides };
}
const wave = (phase = 0): readonly number[] => Array.from({ length: 256 }, (_, i) => 1.1 + 0.001 * Math.sin(i / 9 + phase) + 1e-6 * i);
const never = (leaf: LeafRequest): never => {
  throw new Error(`asked for ${leaf.kind}`);
};
const decide = (policy: Policy, observation: Observation): string => proposed(drive(policy.deliberate(observation), never)).action;

describe('the MuZero policy', () => {
  const options = {
    features: createSwt137(), modelHash: 'ab'.repeat(32), modelLabel: 'table', seed: 9,
    settings: { kind: 'stochastic', chanceCodes: 5, simulations: 15, discount: 0.997, minConfidence: 0.35, temperature: 0, selection: { algorithm: 'puct', pbCInit: 1.25, pbCBase: 19_652 } },
  } as const;
  const withSettings = (change: Partial<SearchSettings>): Policy => createMuZeroPolicy({ ...options, settings: { ...options.settings, ...change } });
  const GUMBEL = { algorithm: 'gumbel', consideredActionsMax: 16, maxVisitInit: 50, valueScale: 0.1, scale: 0 } as const;
  const policy = createMuZeroPolicy(options);
  const table = { seed: 11, A: 4, C: 5, V: 50, R: 10 };
  const answer = (leaf: LeafRequest): Heads => {
    switch (leaf.kind) {
      case 'initial': return tableRoot({ ...table, seed: mix(1, Math.round(leaf.observation[3]! * 1e6)) });
      case 'afterstate': return tableAfterstate(table, leaf.hidden, leaf.action);
      case 'recurrent': return tableNext(table, leaf.hidden, leaf.action);
      case 'chance': return tableChance(table, leaf.afterstate, leaf.code);
    }
  };

  test('asks for the root, then for one expansion a simulation, and proposes a legal action', () => {
    const kinds: string[] = [];
    const step = drive(policy.deliberate(observe(wave(), { mask: [true, false, true, false] })), (leaf) => {
      kinds.push(leaf.kind);
      return answer(leaf);
    });
    const { action, search, inputHash } = proposed(step);
    expect(kinds).toHaveLength(16);
    expect(kinds.slice(0, 2)).toEqual(['initial', 'afterstate']);
    expect(['HOLD', 'SELL']).toContain(action);
    expect(search?.visits.reduce((sum, visits) => sum + visits, 0)).toBe(15);
    expect([search?.visits[1], search?.visits[3]]).toEqual([0, 0]);
    const features = createSwt137().compute(observe(wave()));
    expect(inputHash).toBe(createHash('sha256').update(new Uint8Array((features as Float32Array).buffer)).digest('hex'));
  });

  test('searches again from its record alone and comes to the identical proposal', () => {
    fc.assert(fc.property(fc.double({ min: 0, max: 6, noNaN: true }), fc.tuple(fc.constant(true), fc.boolean(), fc.boolean(), fc.boolean()), (phase, mask) => {
      const observation = observe(wave(phase), { mask });
      const first = proposed(drive(policy.deliberate(observation), answer));
      const recorded = unpackHeads(first.search!.headsBase64);
      expect(recorded).toHaveLength(16);
      const again = proposed(drive(createMuZeroPolicy(options).deliberate(observation), (_leaf, index) => recorded[index]!));
      expect(again).toEqual(first);
    }), { numRuns: 50 });
  });

  test('without chance nodes asks for one network behind the root alone', () => {
    const kinds = new Set<string>();
    const { search, rule } = proposed(drive(withSettings({ kind: 'deterministic', chanceCodes: 0, minConfidence: 0 }).deliberate(observe(wave())), (leaf) => {
      kinds.add(leaf.kind);
      return answer(leaf);
    }));
    expect([...kinds]).toEqual(['initial', 'recurrent']);
    expect([rule, search?.settings.kind, search?.improvedPolicy, search?.noise]).toEqual(['argmax', 'deterministic', null, null]);
  });

  test('by Gumbel\'s rule measures its confidence on the improved policy, and draws nothing at scale 0', () => {
    const { search, rule, action, draw } = proposed(drive(withSettings({ selection: GUMBEL, minConfidence: 0 }).deliberate(observe(wave())), answer));
    expect([rule, draw, search?.noise]).toEqual(['gumbel', null, null]);
    expect(search?.visits.toSorted((left, right) => right - left)).toEqual([7, 6, 1, 1]);
    const share = search!.improvedPolicy![ACTIONS.indexOf(action)]!;
    const at = (minConfidence: number): string => proposed(drive(withSettings({ selection: GUMBEL, minConfidence }).deliberate(observe(wave())), answer)).rule;
    expect([at(share), at(share + 1e-9)]).toEqual(['gumbel', 'minConfidence']);
  });

  test('draws Gumbel numbers from the seed and the count of decisions, and logs them', () => {
    const noisy = withSettings({ selection: { ...GUMBEL, scale: 2 } });
    const at = (decisionIndex: number): ReturnType<typeof proposed> => proposed(drive(noisy.deliberate(observe(wave(), { decisionIndex })), answer));
    const first = at(7);
    expect(at(7)).toEqual(first);
    expect(at(8).search!.noise).not.toEqual(first.search!.noise);
    expect(first.search!.noise).toHaveLength(4);
    expect(first.draw).toMatchObject({ seed: 9, counter: 7 });
    expect(first.search!.noise![0]).toBe(2 * -Math.log(-Math.log((first.draw!.value + 0.5) / DRAW_RANGE)));
    expect(new Set(first.search!.noise).size).toBe(4);
  });

  test('above temperature 0 draws its action from the seed and the count of decisions, and logs the draw', () => {
    const warm = withSettings({ temperature: 1, minConfidence: 0 });
    const at = (decisionIndex: number): ReturnType<typeof proposed> => proposed(drive(warm.deliberate(observe(wave(), { decisionIndex })), answer));
    expect(at(3)).toEqual(at(3));
    expect(at(3)).toMatchObject({ rule: 'draw', draw: { seed: 9, counter: 3 } });
    const visits = at(0).search!.visits;
    const counts = ACTIONS.map(() => 0);
    for (let index = 0; index < 1_500; index += 1) counts[ACTIONS.indexOf(at(index).action)]! += 1;
    counts.forEach((count, i) => expect(Math.abs(count / 1_500 - visits[i]! / 15)).toBeLessThan(0.04));
  });

  test.each<[string, Partial<SearchSettings>]>([
    ['pUCT', {}], ['pUCT with a draw', { temperature: 0.7 }], ['Gumbel', { selection: GUMBEL }], ['Gumbel with noise', { selection: { ...GUMBEL, scale: 1 } }],
    ['pUCT without chance nodes', { kind: 'deterministic', chanceCodes: 0 }],
  ])('leaves a record that gives the identical search and choice, without the policy: %s', (_name, change) => {
    const mask = [true, true, false, true] as const;
    for (let index = 0; index < 20; index += 1) {
      const { action, rule, search, draw } = proposed(drive(withSettings(change).deliberate(observe(wave(index), { mask, decisionIndex: index })), answer));
      const { result, choice } = searchAgain(search!, mask, draw);
      expect(choice).toEqual({ action, rule });
      expect({ ...result, gumbel: undefined }).toEqual({ visits: search!.visits, q: search!.q, priors: search!.priors, rawRootValue: search!.rawRootValue, searchRootValue: search!.searchRootValue });
      expect(result.gumbel?.improvedPolicy ?? null).toEqual(search!.improvedPolicy);
    }
  });

  test('counts heads as float32, so that the record holds all that the search saw', () => {
    const precise = (leaf: LeafRequest): Heads => ({ ...answer(leaf), value: 0.1, reward: 0.3 });
    const { search } = proposed(drive(policy.deliberate(observe(wave())), precise));
    expect(search?.rawRootValue).toBe(Math.fround(0.1));
  });

  test('passes on what its features refuse, and takes no heads then', () => {
    const deliberation = policy.deliberate(observe(new Array<number>(256).fill(1.1)));
    expect(deliberation.next()).toMatchObject({ kind: 'refusal', code: 'zeroDeviation' });
    expect(() => deliberation.supply(tableRoot(table))).toThrow(SearchError);
  });

  test('holds when no action convinces', () => {
    const unsure = withSettings({ minConfidence: 1 });
    expect(proposed(drive(unsure.deliberate(observe(wave())), answer))).toMatchObject({ action: 'HOLD', rule: 'minConfidence' });
  });

  test('refuses options out of range at the start and an impossible mask at the bar', () => {
    expect(() => withSettings({ minConfidence: 1.5 })).toThrow(/minConfidence = 1.5/);
    expect(() => withSettings({ simulations: -1 })).toThrow(/simulations = -1/);
    expect(() => withSettings({ temperature: 1, selection: GUMBEL })).toThrow(/temperature = 1/);
    expect(() => withSettings({ selection: { ...GUMBEL, scale: -1 } })).toThrow(/scale = -1/);
    expect(() => withSettings({ selection: { ...GUMBEL, scale: Infinity } })).toThrow(/scale = Infinity/);
    expect(() => createMuZeroPolicy({ ...options, seed: 0.5 })).toThrow(/seed = 0.5/);
    expect(() => policy.deliberate(observe(wave(), { mask: [false, false, false, false] }))).toThrow(/forbids every action/);
  });
});

describe('hold', () => {
  test('holds, or does what alone is legal', () => {
    const hold = createBaseline({ kind: 'hold' });
    expect(decide(hold, observe([1.1]))).toBe('HOLD');
    expect(decide(hold, observe([1.1], { mask: [false, false, false, true] }))).toBe('CLOSE');
    expect(() => hold.deliberate(observe([1.1], { mask: [false, false, false, false] }))).toThrow(BaselineError);
  });
});

describe('sma-cross', () => {
  const cross = createBaseline({ kind: 'sma-cross', fastBars: 2, slowBars: 4 });
  const rising = [1, 2, 3, 4];
  const falling = [4, 3, 2, 1];

  test('buys when the fast mean is above, sells when it is below', () => {
    expect(decide(cross, observe(rising))).toBe('BUY');
    expect(decide(cross, observe(falling))).toBe('SELL');
    expect(decide(cross, observe(rising, { position: side(-1) }))).toBe('BUY');
  });

  test('holds when it already stands on that side, and when the means are equal', () => {
    expect(decide(cross, observe(rising, { position: side(1) }))).toBe('HOLD');
    expect(decide(cross, observe(falling, { position: side(-1) }))).toBe('HOLD');
    for (const held of [-1, 0, 1] as const) expect(decide(cross, observe([0.1, 0.1, 0.1, 0.1], { position: side(held) }))).toBe('HOLD');
  });

  test('leaves the wrong side where it may not turn round', () => {
    expect(decide(cross, observe(rising, { position: side(-1), mask: [true, false, false, true] }))).toBe('CLOSE');
    expect(decide(cross, observe(rising, { mask: [true, false, true, false] }))).toBe('HOLD');
    expect(decide(cross, observe(rising, { mask: [false, false, false, true] }))).toBe('CLOSE');
  });

  test('refuses closes that are not finite, windows of another length and periods that cannot cross', () => {
    expect(cross.deliberate(observe([1, Number.NaN, 3, 4])).next()).toMatchObject({ kind: 'refusal', code: 'nonFinite' });
    expect(() => cross.deliberate(observe([1, 2, 3]))).toThrow(/3 closes/);
    expect(() => createBaseline({ kind: 'sma-cross', fastBars: 5, slowBars: 5 })).toThrow(/slowBars = 5/);
    expect(() => createBaseline({ kind: 'sma-cross', fastBars: 0, slowBars: 5 })).toThrow(/fastBars = 0/);
  });

  test('has a hash of its own for its periods', () => {
    expect(cross.modelHash).toBe(createBaseline({ kind: 'sma-cross', fastBars: 2, slowBars: 4 }).modelHash);
    expect(cross.modelHash).not.toBe(createBaseline({ kind: 'sma-cross', fastBars: 1, slowBars: 4 }).modelHash);
    expect(cross.windowBars).toBe(4);
  });
});

describe('random', () => {
  const random = createBaseline({ kind: 'random', seed: 7, holdShare: 0.9 });
  const at = (decisionIndex: number, mask: ActionMask = ALL): Observation => observe([1.1], { decisionIndex, mask });

  test('draws the same for the same seed and counter, and records the draw', () => {
    const twin = createBaseline({ kind: 'random', seed: 7, holdShare: 0.9 });
    const draw = proposed(random.deliberate(at(41)).next()).draw;
    expect(proposed(twin.deliberate(at(41)).next()).draw).toEqual(draw);
    expect(draw).toMatchObject({ seed: 7, counter: 41 });
    expect(Number.isInteger(draw?.value)).toBe(true);
    expect(proposed(createBaseline({ kind: 'random', seed: 8, holdShare: 0.9 }).deliberate(at(41)).next()).draw?.value).not.toBe(draw?.value);
  });

  test('holds nine times in ten and spreads the rest evenly', () => {
    const counts = new Map(ACTIONS.map((action) => [action, 0]));
    for (let i = 0; i < 6_000; i += 1) {
      const { action } = proposed(random.deliberate(at(i)).next());
      counts.set(action, counts.get(action)! + 1);
    }
    expect(Math.abs(counts.get('HOLD')! - 5_400)).toBeLessThan(100);
    for (const action of ['BUY', 'SELL', 'CLOSE'] as const) expect(Math.abs(counts.get(action)! - 200)).toBeLessThan(60);
  });

  test('never leaves the mask', () => {
    fc.assert(fc.property(fc.nat(), fc.tuple(fc.boolean(), fc.boolean(), fc.boolean(), fc.boolean()).filter((mask) => mask.includes(true)), (index, mask) => {
      expect(mask[ACTIONS.indexOf(proposed(random.deliberate(at(index, mask)).next()).action)]).toBe(true);
    }));
  });

  test('refuses a share that is none', () => {
    expect(() => createBaseline({ kind: 'random', seed: 1, holdShare: 1.5 })).toThrow(/holdShare = 1.5/);
    expect(() => createBaseline({ kind: 'random', seed: 1.5, holdShare: 0.5 })).toThrow(/seed = 1.5/);
  });
});

describe('the registry', () => {
  const model = { modelHash: 'cd'.repeat(32), modelLabel: 'm', featureSetId: 'swt-137', kind: 'stochastic', chanceCodes: 8 } as const;
  const muzero = { kind: 'muzero', simulations: 15, discount: 0.997, minConfidence: 0.35, temperature: 0, seed: 0, selection: { algorithm: 'puct', pbCInit: 1.25, pbCBase: 19_652 } } as const;

  test('makes each policy that a configuration names', () => {
    expect(createPolicy(muzero, model)).toMatchObject({ name: 'muzero', windowBars: 256, featureSetId: 'swt-137', modelLabel: 'm', modelHash: model.modelHash });
    expect(createPolicy({ kind: 'hold' }, null)).toMatchObject({ name: 'hold', windowBars: 1 });
    expect(createPolicy({ kind: 'sma-cross', fastBars: 3, slowBars: 9 }, null)).toMatchObject({ name: 'sma-cross', windowBars: 9 });
    expect(createPolicy({ kind: 'random', seed: 1, holdShare: 0.5 }, null)).toMatchObject({ name: 'random' });
  });

  test('refuses a search without a model, a baseline with one and features that do not exist', () => {
    expect(() => createPolicy(muzero, null)).toThrow(PolicyError);
    expect(() => createPolicy({ kind: 'hold' }, model)).toThrow(/takes no model/);
    expect(() => createPolicy(muzero, { ...model, featureSetId: 'swt-9' })).toThrow(/"swt-9"/);
  });
});
