/** Seeded worlds: the invariants hold in each, and one seed is one world. */
import { describe, expect, test } from 'vitest';
import { FAULTS, drawOptions } from './options.ts';
import { KNOWN_FAILURES, REGRESSIONS } from './regressions.ts';
import { simulate } from './simulate.ts';

const SHARES = [0, 1, 2, 3];
const SEEDS_A_SHARE = 40;
const FIRST = 1n;
/** Far above what a share takes on a machine that does something else besides. */
const SHARE_MS_MAX = 300_000;

describe('a simulated hour with faults', () => {
  test.each(SHARES)('breaks no invariant, share %i of the seeds', async (share) => {
    const broken: string[] = [];
    for (let index = 0; index < SEEDS_A_SHARE; index += 1) {
      const seed = FIRST + BigInt(share * SEEDS_A_SHARE + index);
      const { violations } = await simulate(drawOptions(seed, 1));
      broken.push(...violations.map(({ code, detail }) => `seed ${seed} ${code}: ${detail}`));
    }
    expect(broken).toEqual([]);
  }, SHARE_MS_MAX);

  test('without a fault trades, and breaks none either', async () => {
    const { violations, requests, processes } = await simulate({ ...drawOptions(2n, 1), faults: new Map(), policy: 'adversarial', ordersPerHourMax: 1_000, executionsMax: 1_000 });
    expect(violations).toEqual([]);
    expect(requests).toBeGreaterThan(30);
    expect(processes).toBeGreaterThan(0);
  });
});

describe('one seed', () => {
  test.each([11n, 12n, 13n, 14n])('%s gives one log and one sequence of requests, byte for byte', async (seed) => {
    const [first, again] = [await simulate(drawOptions(seed, 1)), await simulate(drawOptions(seed, 1))];
    expect(again.digest).toBe(first.digest);
    expect(again.steps).toBe(first.steps);
  }, SHARE_MS_MAX);

  test('switches half of the faults off, and another seed another half', () => {
    const [one, other] = [drawOptions(1n), drawOptions(2n)];
    expect(one.faults.size).toBe(Math.floor(FAULTS.length / 2));
    expect([...other.faults.keys()].sort()).not.toEqual([...one.faults.keys()].sort());
  });

  test('of 64 bits differs from one that shares its low half', () => {
    expect([...drawOptions(1n + 2n ** 40n).faults]).not.toEqual([...drawOptions(1n).faults]);
  });
});

describe('a seed that once broke an invariant', () => {
  test.each(REGRESSIONS)('$seed holds: $what', async ({ seed }) => {
    expect((await simulate(drawOptions(seed))).violations).toEqual([]);
  }, SHARE_MS_MAX);

  test.runIf(KNOWN_FAILURES.length > 0).each(KNOWN_FAILURES)('$seed still breaks $code: $what', async ({ seed, code }) => {
    expect((await simulate(drawOptions(seed))).violations.map((violation) => violation.code)).toContain(code);
  }, SHARE_MS_MAX);
});
