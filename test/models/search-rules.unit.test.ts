import { describe, expect, test } from 'vitest';
import type { Heads } from '../../domain/policy.ts';
import { GumbelRule } from '../../models/search/gumbel.ts';
import { firstHighest, NO_NODE, NodeTable, softmaxInto } from '../../models/search/nodes.ts';
import { SearchError } from '../../models/search/options.ts';
import type { GumbelSelection, PuctSelection } from '../../models/search/options.ts';
import { chooseByPuct, chooseCode, mixRootNoise } from '../../models/search/puct.ts';
import { createSearch } from '../../models/search/tree.ts';

const PUCT: PuctSelection = { algorithm: 'puct', pbCInit: 1.25, pbCBase: 19_652, rootNoise: null };
const GUMBEL: GumbelSelection = { algorithm: 'gumbel', consideredActionsMax: 16, maxVisitInit: 50, valueScale: 0.1, noise: null };
const headsOf = (value: number, logits: readonly number[], reward = 0): Heads => ({ state: new Float32Array(1), value, reward, logits: Float32Array.from(logits) });

/** A table whose root has been through the given edges, one child of the given value behind each. */
function rootWith(logits: readonly number[], value: number, children: readonly (readonly [edge: number, value: number, visits: number])[] = [], mask: readonly boolean[] | null = null): NodeTable {
  const table = new NodeTable(8, logits.length);
  table.append(headsOf(value, logits), false, 1, NO_NODE, 0, mask);
  for (const [edge, childValue, visits] of children) {
    const child = table.append(headsOf(childValue, logits), false, 1, 0, edge, null);
    for (let visit = 0; visit < visits; visit += 1) table.backUp(child);
  }
  return table;
}

describe('the highest score', () => {
  const highest = (...scores: readonly number[]): number => firstHighest(scores.length, (edge) => scores[edge]!);

  test('is the first of those that tie, and none where no score is a number above -∞', () => {
    expect([highest(1, 3, 3, 2), highest(-5, -4), highest(0, 0)]).toEqual([1, 1, 0]);
    expect([highest(Number.NaN, -1), highest(-Infinity, -1)]).toEqual([1, 1]);
    expect([highest(), highest(-Infinity), highest(Number.NaN, Number.NaN)]).toEqual([NO_NODE, NO_NODE, NO_NODE]);
  });

  test('asks for the score of every edge once, in order', () => {
    const asked: number[] = [];
    firstHighest(3, (edge) => asked.push(edge));
    expect(asked).toEqual([0, 1, 2]);
  });
});

describe('the table of nodes', () => {
  test('keeps each node\'s numbers in its own row, and knows the way to it', () => {
    const table = new NodeTable(4, 3);
    expect([table.append(headsOf(1, [0, 1, 2], 8), false, 0.5, NO_NODE, 0, [true, false, true]), table.count]).toEqual([0, 1]);
    expect(table.append(headsOf(2, [3, 4], 9), true, 0.5, 0, 2, null)).toBe(1);
    expect(table.append(headsOf(3, [5, 6, 7], 10), false, 0.5, 1, 1, null)).toBe(2);
    expect([...table.logit]).toEqual([0, -Infinity, 2, 3, 4, 0, 5, 6, 7, 0, 0, 0]);
    expect([...table.child]).toEqual([-1, -1, 1, -1, 2, -1, -1, -1, -1, -1, -1, -1]);
    expect([[...table.parent], [...table.parentEdge], [...table.isChance]]).toEqual([[-1, 0, 1, -1], [0, 2, 1, 0], [0, 1, 0, 0]]);
    expect([[...table.reward], [...table.discount], [...table.visits]]).toEqual([[8, 0, 10, 0], [0.5, 1, 0.5, 0], [1, 1, 1, 0]]);
    expect([0, 1, 2].map((node) => table.pathTo(node))).toEqual([[], [2], [2, 1]]);
    expect([table.childOf(0, 2), table.childOf(0, 0), table.childOf(1, 1)]).toEqual([1, NO_NODE, 2]);
    expect(table.states).toHaveLength(3);
  });

  test('says no edge that a node does not have', () => {
    const table = rootWith([0, 0, 0], 0);
    expect([table.childOf(0, 0), table.childOf(0, 2)]).toEqual([NO_NODE, NO_NODE]);
    for (const edge of [-1, 3, Number.NaN]) expect(() => table.childOf(0, edge)).toThrow(new SearchError(`edge ${edge} of node 0: there is none`));
  });

  test('backs a gain up as a running mean, discounted and with the rewards on the way', () => {
    const table = new NodeTable(3, 2);
    table.append(headsOf(10, [0, 0]), false, 1, NO_NODE, 0, null);
    table.append(headsOf(4, [0, 0], 1), false, 0.5, 0, 1, null);
    table.backUp(1);
    // 1 + 0.5·4 = 3 reaches the root: (10 + 3) / 2.
    expect([[...table.value], [...table.visits], [...table.edgeVisits]]).toEqual([[6.5, 4, 0], [2, 1, 0], [0, 1, 0, 0, 0, 0]]);
    table.append(headsOf(20, [0, 0], 2), false, 0.5, 1, 0, null);
    table.backUp(2);
    // 2 + 0.5·20 = 12 reaches the child: (4 + 12) / 2; 1 + 0.5·12 = 7 the root: (2·6.5 + 7) / 3.
    expect([[...table.value], [...table.visits], [...table.edgeVisits]]).toEqual([[20 / 3, 8, 20], [3, 2, 1], [0, 2, 1, 0, 0, 0]]);
    expect([table.q(0, 1), table.q(0, 0), table.q(1, 0)]).toEqual([5, 0, 12]);
    table.backUp(0);
    expect([...table.visits]).toEqual([3, 2, 1]);
  });

  test('has a softmax that stands in its own places, sums to 1 and gives nothing to -∞', () => {
    const target = new Float64Array(6).fill(9);
    softmaxInto(Float64Array.of(50, 1_000, 1_000 + Math.log(3), -Infinity, 2_000, 50), target, 1, 3);
    expect([...target].map((share) => Math.round(share * 1e12) / 1e12)).toEqual([9, 0.25, 0.75, 0, 9, 9]);
    // A softmax does not change when all logits move together.
    softmaxInto(Float64Array.of(-1_000, -1_000), target, 0, 2);
    expect([target[0], target[1]]).toEqual([0.5, 0.5]);
  });
});

describe('the rule of pUCT', () => {
  const all = [true, true, true];

  test('follows the prior while nothing was tried, the first on ties', () => {
    expect(chooseByPuct(rootWith([0, 2, 1], 0), 0, 3, all, PUCT)).toBe(1);
    expect(chooseByPuct(rootWith([1, 1, 1], 0), 0, 3, all, PUCT)).toBe(0);
    expect(chooseByPuct(rootWith([1, 1, 1], 0), 0, 3, [false, true, true], PUCT)).toBe(1);
    expect(chooseByPuct(rootWith([1, 1, 1], 0), 0, 3, [false, true, true], { ...PUCT, pbCInit: 0, pbCBase: 1e300 })).toBe(1);
  });

  test('scores an edge by where its value lies between the lowest and the highest, the node\'s own included', () => {
    const choose = (pbCInit: number, children: readonly (readonly [number, number, number])[], mask = all): number => chooseByPuct(rootWith([0, 0, 0], 0, children), 0, 3, mask, { ...PUCT, pbCInit, pbCBase: 1e9 });
    // The root stands at (0 + 6 - 3) / 3 = 1: edge 1 is worth 1 and edge 2 nothing, as much as the untried edge 0.
    expect(choose(0, [[1, 6, 1], [2, -3, 1]])).toBe(1);
    // 4 visits (the root's own and three more) weigh a third of the prior by √4·c: 2c/3 for the untried, 1 + 2c/9 and 2c/6 for the tried ones. They tie at c = 9/4.
    expect([choose(2.2, [[1, 6, 2], [2, -3, 1]]), choose(2.3, [[1, 6, 2], [2, -3, 1]])]).toEqual([1, 0]);
    // Below everything that was tried stands the root itself: 0, 100, 100 and 90 have the mean 72.5, so 90 is worth 7/11 and ties at c = 36/11.
    expect([3.2, 3.3].map((pbCInit) => choose(pbCInit, [[0, 100, 2], [1, 90, 1]], [true, true, false]))).toEqual([0, 1]);
  });

  test('weighs the prior more the more often a node was visited', () => {
    const table = rootWith([0, 0, 0], 0, [[1, 6, 2], [2, -3, 1]]);
    // ln((4 + 1 + 1) / 1) = 1.79, against 2.25 where edges 0 and 1 tie.
    expect([0.4, 0.5].map((pbCInit) => chooseByPuct(table, 0, 3, all, { ...PUCT, pbCInit, pbCBase: 1 }))).toEqual([1, 0]);
  });

  test('forbids nothing below the root', () => {
    const table = rootWith([0, 0, 0], 0, [[1, 0, 1]]);
    expect([chooseByPuct(table, 0, 3, [false, true, true], PUCT), chooseByPuct(table, 1, 3, [false, true, true], PUCT)]).toEqual([2, 0]);
  });

  test('takes values that differ by less than 1e-8 for nearly equal', () => {
    // 1e-9 above the lowest counts for a tenth, not for the whole: the prior of the others wins.
    expect(chooseByPuct(rootWith([0, 0, 0], 0, [[1, 1e-9, 1]]), 0, 3, all, { ...PUCT, pbCInit: 0.5 })).toBe(0);
  });
});

describe('noise at the root', () => {
  test('is mixed into priors that no logit is too large for', () => {
    const table = rootWith([1_000, 1_000, 1_000], 0);
    mixRootNoise(table, [true, true, false], Float32Array.of(1_000, 1_000, 1_000), { fraction: 0.5, noise: [0.4, 0.1, 0.5] });
    // 1/6 + 0.2 and 1/6 + 0.05 of 7/12.
    expect([...table.prior.subarray(0, 3)].map((prior) => Math.round(prior * 1e12) / 1e12)).toEqual([0.628571428571, 0.371428571429, 0]);
  });
});

describe('the rule of codes', () => {
  test('takes the one that lags its share the most, the first on ties', () => {
    const table = rootWith([0, 0, 0], 0);
    table.prior.set([0.25, 0.5, 0.25]);
    const taken: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      const code = chooseCode(table, 0, 3);
      taken.push(code);
      table.edgeVisits[code] = table.edgeVisits[code]! + 1;
    }
    expect(taken).toEqual([1, 0, 1, 2, 1, 0, 1, 2]);
  });
});

describe('Gumbel\'s rule', () => {
  const ruleOf = (table: NodeTable, selection: Partial<GumbelSelection> = {}, mask: readonly boolean[] = [true, true, true]): GumbelRule => new GumbelRule(table, 3, 6, mask, { ...GUMBEL, ...selection });

  test('begins with the highest logit and noise together, the first on ties', () => {
    expect([ruleOf(rootWith([0, 2, 1], 0)).choose(0), ruleOf(rootWith([0, 2, 1], 0), { noise: [0, 0, 1.1] }).choose(0), ruleOf(rootWith([1, 1, 1], 0)).choose(0)]).toEqual([1, 2, 0]);
  });

  test('is not changed by what all logits have in common, however much it is', () => {
    expect(ruleOf(rootWith([1e20, 1e20, 1e20], 0), { noise: [0, 1, 2] }).choose(0)).toBe(2);
    expect(ruleOf(rootWith([-1e20, -1e20, -1e20], 0), { noise: [0, 2, 1] }).choose(0)).toBe(1);
  });

  test('never leaves the mask, not even where every legal score is as low as can be told', () => {
    const mask = [false, true, true];
    expect(ruleOf(rootWith([0, 0, 0], 0, [], mask), { noise: [0, -2e9, -2e9] }, mask).choose(0)).toBe(1);
    expect(ruleOf(rootWith([0, 0, 0], 0, [], mask), { noise: [0, -2e9, -0.5e9] }, mask).choose(0)).toBe(2);
  });

  test('ends in an action and a policy that completed values make', () => {
    // Two simulations went to edge 1 and one to edge 2; the root's own value is 2. Mixed: (2 + 3·(6 + 3) / 2) / 4 = 3.875
    // for edge 0; in units of (50 + 2)·0.1 = 5.2 the three stand at 0.875 / 3, 1 and 0.
    const table = rootWith([0, 0, 0], 2, [[1, 6, 2], [2, 3, 1]]);
    const { action, improvedPolicy } = ruleOf(table).conclude();
    const weights = [0.875 / 3, 1, 0].map((share) => Math.exp(5.2 * share));
    expect(action).toBe(1);
    improvedPolicy.forEach((share, i) => expect(share).toBeCloseTo(weights[i]! / weights.reduce((sum, one) => sum + one, 0), 14));
    // Only what was tried most often can be the action, whatever the noise says of the rest.
    expect(ruleOf(table, { noise: [90, 0, 90] }).conclude().action).toBe(1);
  });

  test('weighs what was tried by its prior when it completes the rest', () => {
    // Priors 1/4 and 1/2 of what was tried: (0.25·6 + 0.5·3) / 0.75 = 4 over 3 simulations, and 2 once, make 3.5.
    const { improvedPolicy } = ruleOf(rootWith([0, 0, Math.log(2)], 2, [[1, 6, 2], [2, 3, 1]])).conclude();
    const weights = [0.5 / 3, 1, 0].map((share, i) => (i === 2 ? 2 : 1) * Math.exp(5.2 * share));
    improvedPolicy.forEach((share, i) => expect(share).toBeCloseTo(weights[i]! / weights.reduce((sum, one) => sum + one, 0), 6));
  });

  test('below the root follows the improved policy less what was tried already, the first on ties', () => {
    const table = rootWith([0, 0, 0], 0, [[1, 0, 1]]);
    expect(ruleOf(table).choose(1)).toBe(0);
    const second = table.append(headsOf(0, [0, 0, 0]), false, 1, 1, 0, null);
    table.backUp(second);
    expect(ruleOf(table).choose(1)).toBe(1);
  });

  test('takes values that differ by less than 1e-8 for nearly equal', () => {
    const share = (difference: number): number => ruleOf(rootWith([0, 0, 0], 0, [[1, difference, 1]])).conclude().improvedPolicy[1]!;
    // The others stand half way between the root's value and the one that was tried; the whole of that distance counts
    // (50 + 1)·0.1, but half of 1e-9 only a twentieth of it.
    expect(share(1)).toBeCloseTo(Math.exp(5.1) / (Math.exp(5.1) + 2), 12);
    expect(share(1e-9)).toBeCloseTo(Math.exp(0.255) / (Math.exp(0.255) + 2), 6);
  });

  test('that names no edge ends the search with an error instead of an endless walk', () => {
    const search = createSearch({ kind: 'deterministic', actions: 3, chanceCodes: 0, simulations: 4, discount: 1, selection: { ...GUMBEL, maxVisitInit: 1e308, valueScale: 1e308 } }, [true, true, true]);
    expect(() => {
      for (let i = 0; i < 5; i += 1) search.supply(headsOf(i, [0, 0, 0]));
    }).toThrow(/^edge -1 of node 0: there is none$/);
  });
});
