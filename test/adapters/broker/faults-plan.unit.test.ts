import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ACCOUNT_FAULTS } from '../../../adapters/broker/faults/kinds.ts';
import { PRESETS, ROWS, ROWS_ELSEWHERE } from '../../../adapters/broker/faults/presets.ts';
import { planOf, readFaultPlan } from '../../../adapters/broker/faults/plan.ts';
import { drawsFor } from '../../../adapters/broker/faults/random.ts';
import { ConfigError } from '../../../config/problems.ts';
import { DAY_MS, HOUR_MS, parseInstant } from '../../../domain/time.ts';
import { folderForFile } from '../../folders.ts';

const directory = folderForFile();

let written = 0;
const write = (text: string): string => {
  const file = join(directory, `plan-${(written += 1)}.yaml`);
  writeFileSync(file, text);
  return file;
};
const problemsOf = (text: string): string => {
  try {
    readFaultPlan(write(text));
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(`${directory}/`, '').replaceAll(/plan-\d+/g, 'plan');
    throw error;
  }
  throw new Error('the plan was accepted');
};

const stormOf = (seed: number, more: object = {}): ReturnType<typeof planOf> => planOf({ seed, storm: { spanMs: DAY_MS, faultsPerHour: 2, ...more } });

describe('a fault plan', () => {
  test('names faults by kind, by preset and by row of the catalogue', () => {
    const plan = readFaultPlan(write(`seed: 7
faults:
  - kind: latency
    delayMs: 250
    path: /orders
    method: POST
    at: +90s
    count: 3
  - preset: lostResponse
    at: 2026-01-05T13:30:00Z
  - row: 46
    durationMs: 60000
`));
    expect(plan.faults.map(({ id }) => id)).toEqual(['1 latency', '2 lostResponse', '3 flappingStreams']);
    expect(plan.faults[0]?.fault).toMatchObject({ kind: 'latency', delayMs: 250, jitterMs: 0, phase: 'before', at: { afterStartMs: 90_000 }, count: 3, probability: 1, after: 0 });
    expect(plan.faults[1]?.fault).toMatchObject({ kind: 'lostResponse', method: 'POST', path: '/orders', executed: true, at: { instant: parseInstant('2026-01-05T13:30:00Z') } });
    expect(plan.faults[2]?.fault).toMatchObject({ kind: 'cutStream', probability: 0.5, durationMs: 60_000 });
    expect(plan.storm).toBeNull();
  });

  test.each([
    ['seed: 1\nfaults:\n  - kind: latancy\n', 'plan.yaml:3:11 faults.0.kind: must be one of latency, lostResponse'],
    ['seed: 1\nfaults:\n  - kind: latency\n', 'plan.yaml:3:5 faults.0.delayMs: is required; add it: Wall time by which the exchange is delayed.'],
    ['seed: 1\nfaults:\n  - kind: latency\n    delayMs: soon\n', 'plan.yaml:4:14 faults.0.delayMs: must be a whole number; Wall time by which'],
    ['seed: 1\nfaults:\n  - kind: latency\n    delayMs: 5\n    delay: 5\n', 'plan.yaml:5:5 faults.0: delay is not a known key; remove it or correct its spelling'],
    ['seed: 1\nfaults:\n  - kind: staleReads\n    at: tomorrow\n', 'plan.yaml:4:9 faults.0.at: must be a time such as 2026-01-05T13:30:00Z, or an offset such as +90s'],
    ['seed: 1\nfaults:\n  - kind: staleReads\n    probability: 1.5\n', 'plan.yaml:4:18 faults.0.probability: must be from 0 to 1'],
    ['seed: 1\nfaults:\n  - preset: lostResponse\n    delayMs: 3\n', 'plan.yaml:4:5 faults.0: delayMs cannot be given beside a preset; remove it, or spell the fault out with kind:'],
    ['seed: 1\nfaults:\n  - preset: lostLetters\n', 'plan.yaml:3:13 faults.0.preset: names no preset; take one of lostResponse,'],
    ['seed: 1\nfaults:\n  - row: 48\n', 'plan.yaml:3:10 faults.0.row: cannot be brought about by a broker; the disk is the daemon’s'],
    ['seed: 1\nfaults:\n  - row: 49\n', 'plan.yaml:3:10 faults.0.row: is no row of the fault catalogue; take one of 1, 2,'],
    ['seed: 1\nfaults:\n  - now\n', 'plan.yaml:3:5 faults.0: must be a fault with keys of its own; give kind:, preset: or row:'],
    ['faults: []\n', 'plan.yaml:1:1 seed: is required'],
    ['seed: 1\nstorm:\n  spanMs: 3600000\n  without: [sunshine]\n', 'plan.yaml:4:13 storm.without.0: must be the name of a preset'],
    ['seed: 1\nstorm:\n  spanMs: 34560000000\n  faultsPerHour: 1000\n', 'plan.yaml:3:3 storm: must hold at most 5000 faults'],
  ])('that is wrong says where and what instead: %j', (text, message) => {
    expect(problemsOf(text)).toContain(message);
  });

  test('shows everything that is wrong at once', () => {
    expect(problemsOf('seed: 1\nfaults:\n  - kind: latency\n  - row: 11\n').split('\n')).toHaveLength(2);
  });

  test('is the same from JSON, whose numbers are numbers', () => {
    expect(planOf({ seed: 7, faults: [{ kind: 'latency', delayMs: 250, count: 3 }] })).toEqual(readFaultPlan(write('{"seed": 7, "faults": [{"kind": "latency", "delayMs": 250, "count": 3}]}')));
  });
});

describe('the catalogue', () => {
  test('has a preset for each of its 48 rows, or says who else brings it about', () => {
    const rows = Array.from({ length: 48 }, (_, index) => index + 1);
    expect(rows.filter((row) => ROWS[row] === undefined && ROWS_ELSEWHERE[row] === undefined)).toEqual([]);
    for (const name of Object.values(ROWS)) expect(PRESETS).toHaveProperty(name);
  });

  test.each(Object.keys(PRESETS))('spells %s right', (preset) => {
    expect(planOf({ seed: 1, faults: [{ preset }] }).faults).toHaveLength(PRESETS[preset]!.length);
  });

  test('ends each preset by itself, so that a storm of them ends', () => {
    const endless = Object.keys(PRESETS).filter((preset) => planOf({ seed: 1, faults: [{ preset }] }).faults.some(({ fault }) => fault.durationMs === undefined && fault.count === undefined && !ACCOUNT_FAULTS.has(fault.kind)));
    expect(endless).toEqual([]);
  });
});

describe('a storm', () => {
  test('is the same for the same seed and another for another', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_294_967_295 }), (seed) => {
        expect(stormOf(seed)).toEqual(stormOf(seed));
        expect(stormOf(seed)).not.toEqual(stormOf(seed === 0 ? 1 : seed - 1));
      }),
      { numRuns: 20 },
    );
  });

  test('switches half of the presets off, begins its faults within its span and leaves out what it is told to', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), (seed) => {
        const plan = stormOf(seed, { fromMs: HOUR_MS, without: ['manualClose', 'foreignTrade'] });
        const { storm } = plan;
        expect(storm?.on.length).toBe(Math.ceil((Object.keys(PRESETS).length - 2) / 2));
        expect(storm?.off).toHaveLength(Object.keys(PRESETS).length - 2 - storm!.on.length);
        expect(storm?.faults).toBe(48);
        const names = new Set(plan.faults.map(({ id }) => id.split(' ')[1]!));
        expect([...names].filter((name) => !storm?.on.includes(name))).toEqual([]);
        for (const { fault } of plan.faults) {
          const { at } = fault;
          if (at === undefined || !('afterStartMs' in at)) throw new Error('the fault has no offset');
          expect(at.afterStartMs).toBeGreaterThanOrEqual(HOUR_MS);
          expect(at.afterStartMs).toBeLessThan(HOUR_MS + DAY_MS);
        }
      }),
      { numRuns: 20 },
    );
  });

  test('draws over five days as well as over a day', () => {
    expect(stormOf(3, { spanMs: 5 * DAY_MS, faultsPerHour: 6 }).storm?.faults).toBe(720);
  });
});

describe('draws', () => {
  test('depend on their purpose and the seed alone', () => {
    const [draws, again, other] = [drawsFor(1, 'a'), drawsFor(1, 'a'), drawsFor(1, 'b')];
    const shares = Array.from({ length: 5 }, () => draws.share());
    expect(Array.from({ length: 5 }, () => again.share())).toEqual(shares);
    expect(other.share()).not.toBe(shares[0]);
    expect(drawsFor(2, 'a').share()).not.toBe(shares[0]);
  });
});
