import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Config } from '../../config/config.ts';
import { UNTRAINED_DEFAULTS, untrainedModel } from '../../models/reference/untrained.ts';
import type { UntrainedOptions } from '../../models/reference/untrained.ts';
import { deliberate } from '../../src/daemon/deliberation.ts';
import { loadPolicy, PolicySeat } from '../../src/daemon/policy.ts';
import { observe, walk } from '../models/observe.ts';
import { folderForTest } from '../folders.ts';

const BUNDLED = join(import.meta.dirname, '..', '..', 'models', 'reference', 'untrained-h32');
const CONFIG: Config['policy'] = {
  kind: 'muzero', modelDirectory: BUNDLED, featureSetId: 'swt-137', simulations: 15, discount: 0.997, minConfidence: 0, temperature: 0, seed: 0,
  selection: { algorithm: 'puct', pbCInit: 1.25, pbCBase: 19_652 },
};
const OBSERVATION = observe(walk(1, 256), { mask: [true, true, true, false] });

function written(options: Partial<UntrainedOptions>, spoil = false): string {
  const directory = folderForTest();
  for (const [name, bytes] of untrainedModel({ ...UNTRAINED_DEFAULTS, ...options }).files) writeFileSync(join(directory, name), spoil && name !== 'model.json' ? bytes.subarray(1) : bytes);
  return directory;
}
async function seated(config = CONFIG): Promise<PolicySeat> {
  const loading = await loadPolicy(config);
  if (!loading.ok) throw new Error(loading.detail);
  return new PolicySeat(config, loading);
}
const answer = (seat: PolicySeat): ReturnType<typeof deliberate> => deliberate(seat.policy, seat.evaluator, OBSERVATION);

describe('the seat of the policy', () => {
  test('lets a verified model of either kind take over, and the one before keeps deciding until then', async () => {
    const seat = await seated();
    const first = await answer(seat);
    for (const kind of ['stochastic', 'deterministic'] as const) {
      const former = seat.policy.modelHash;
      expect(await seat.verify(written({ kind, seed: 9 }))).toEqual({ ok: true });
      expect(seat.policy.modelHash).toBe(former);
      const facts = await seat.adopt();
      expect(facts).toMatchObject({ modelHash: seat.policy.modelHash, modelLabel: kind === 'stochastic' ? 'untrained-h32-s9' : 'untrained-deterministic-h32-s9', featureSetId: 'swt-137', trained: false });
      expect(facts.modelHash).not.toBe(former);
      const outcome = await answer(seat);
      expect(outcome).toMatchObject({ kind: 'proposal', proposal: { search: { settings: { kind } } } });
      expect(outcome).not.toEqual(first);
    }
    await seat.close();
  });

  test('keeps its model when another fails a check', async () => {
    const seat = await seated();
    const first = await answer(seat);
    expect(await seat.verify(written({ seed: 9 }, true))).toMatchObject({ ok: false, check: 'files' });
    expect(await seat.verify(join(BUNDLED, 'nowhere'))).toMatchObject({ ok: false, check: 'manifest' });
    await expect(seat.adopt()).rejects.toThrow('no verified model waits to take over');
    expect(await answer(seat)).toEqual(first);
    await seat.close();
  });

  test('lets the last one verified take over, and none when that one failed', async () => {
    const seat = await seated();
    await seat.verify(written({ seed: 9 }));
    expect(await seat.verify(written({ seed: 10 }))).toEqual({ ok: true });
    expect(await seat.adopt()).toMatchObject({ modelLabel: 'untrained-h32-s10' });
    await seat.verify(written({ seed: 9 }));
    await seat.verify(join(BUNDLED, 'nowhere'));
    await expect(seat.adopt()).rejects.toThrow('no verified model waits');
    await seat.close();
  });

  test('keeps its model when loading another fails in a way that no check foresees', async () => {
    const config = { ...CONFIG, simulations: 0 };
    const loading = await loadPolicy(CONFIG);
    if (!loading.ok) throw new Error(loading.detail);
    const seat = new PolicySeat(config, loading);
    expect(await seat.verify(BUNDLED)).toMatchObject({ ok: false, check: 'load', detail: expect.stringContaining('simulations = 0') as string });
    expect((await answer(seat)).kind).toBe('proposal');
    await seat.close();
  });

  test('of a baseline has no model to replace', async () => {
    const seat = await seated({ kind: 'hold' });
    expect(await seat.verify(BUNDLED)).toEqual({ ok: false, check: 'policy', detail: 'policy hold runs no model' });
    await seat.close();
  });
});

describe('a deliberation', () => {
  test('over numbers that are none says so, apart from other failures', async () => {
    const seat = await seated();
    const evaluator = { evaluate: async (leaf: Parameters<NonNullable<PolicySeat['evaluator']>['evaluate']>[0]) => {
      const heads = await seat.evaluator!.evaluate(leaf);
      return { ...heads, state: heads.state.fill(Number.NaN) };
    }, close: async () => undefined };
    expect(await deliberate(seat.policy, evaluator, OBSERVATION)).toEqual({ kind: 'nonFinite', detail: 'afterstate_inference: input hidden[0] is NaN, not finite' });
    expect(await deliberate(seat.policy, null, OBSERVATION)).toMatchObject({ kind: 'failure', detail: expect.stringContaining('none is loaded') as string });
    expect(await deliberate(seat.policy, seat.evaluator, { ...OBSERVATION, mask: [false, false, false, false] })).toMatchObject({ kind: 'failure', detail: expect.stringContaining('forbids every action') as string });
    await seat.close();
  });
});
