import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../../config/load.ts';
import type { Evaluator, LeafRequest, Policy } from '../../../domain/policy.ts';
import { createBaseline } from '../../../models/baselines.ts';
import { expectationsOf, loadPolicy } from '../../../src/daemon/policy.ts';
import { warmUp } from '../../../src/daemon/warm-up.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const demo = loadConfig({ file: join(ROOT, 'config/profiles/demo.yaml'), baseDirectory: ROOT, environment: {} }).config.policy;

describe('a model for a feature set', () => {
  test('must read what the set writes, in its shape', () => {
    const shapes = ['swt-137', 'swt-76', 'micro-32x15'].map((featureSetId) => expectationsOf({ featureSetId, discount: 0.997, simulations: 15 }).observationShape);
    expect(shapes).toEqual([[137], [76], [32, 15]]);
  });
});

describe('the warm-up', () => {
  test('runs the real features, search and networks before the first bar, and is over in time', async () => {
    const loading = await loadPolicy(demo);
    if (!loading.ok) throw new Error(loading.detail);
    const asked: LeafRequest['kind'][] = [];
    const counting: Evaluator = {
      evaluate: (leaf) => {
        asked.push(leaf.kind);
        return loading.evaluator!.evaluate(leaf);
      },
      close: async () => undefined,
    };
    expect(await warmUp(loading.policy, counting)).toBeNull();
    await loading.evaluator!.close();
    expect(asked.filter((kind) => kind === 'initial').length).toBeGreaterThan(0);
    expect(new Set(asked)).toEqual(new Set(['initial', 'afterstate', 'chance']));
  });

  test('shows every policy windows that it can decide on, flat and with a position', async () => {
    const positions = new Set<number>();
    const baseline = createBaseline({ kind: 'sma-cross', fastBars: 3, slowBars: 9 });
    const watching: Policy = {
      ...baseline,
      deliberate(observation) {
        positions.add(observation.position.side);
        return baseline.deliberate(observation);
      },
    };
    expect(await warmUp(watching, null)).toBeNull();
    expect(positions).toEqual(new Set([0, 1]));
  });

  test('tells why a policy that cannot decide must not be started', async () => {
    const loading = await loadPolicy(demo);
    if (!loading.ok) throw new Error(loading.detail);
    await loading.evaluator!.close();
    expect(await warmUp(loading.policy, null)).toMatch(/^a made-up window got no decision: policy muzero asks for a network and none is loaded$/);
    const broken: Evaluator = { evaluate: () => Promise.reject(new Error('the network is gone')), close: async () => undefined };
    expect(await warmUp(loading.policy, broken)).toBe('a made-up window got no decision: the network is gone');
  });
});
