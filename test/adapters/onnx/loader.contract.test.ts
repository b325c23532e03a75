import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadOnnxModel } from '../../../adapters/onnx/loader.ts';
import type { LoadedModel } from '../../../adapters/onnx/loader.ts';
import { instantOf } from '../../../domain/time.ts';
import type { Heads, LeafRequest, Observation } from '../../../domain/policy.ts';
import { OnnxGraphWriter } from '../../../models/contract/onnx-file.ts';
import { MessageWriter } from '../../../models/contract/protobuf.ts';
import { createPolicy } from '../../../models/registry.ts';
import { unpackHeads } from '../../../models/search/record.ts';
import { drive, proposed } from '../../models/drive.ts';
import { edit, EXPECTED, expectRejection, initialFile, overwriteWeight, withNode } from './changed-model.ts';
import type { Files } from './changed-model.ts';

const COMMITTED = join(import.meta.dirname, '..', '..', '..', 'models', 'reference', 'untrained-h32');

async function loaded(): Promise<LoadedModel> {
  const result = await loadOnnxModel(COMMITTED, EXPECTED);
  if (!result.ok) throw new Error(`${result.check}: ${result.detail}`);
  return result;
}

describe('a sound model', () => {
  test('passes all checks and says who it is', async () => {
    const model = await loaded();
    expect(model).toMatchObject({ modelLabel: 'untrained-h32-s4', featureSetId: 'swt-137', chanceCodes: 8 });
    expect(model.modelHash).toMatch(/^[0-9a-f]{64}$/);
    expect(model.warmUpMs).toBeGreaterThan(0);
    await model.evaluator.close();
  });

  test('decides, and its record gives the same decision without the networks', async () => {
    const model = await loaded();
    const config = { kind: 'muzero', simulations: 15, discount: 0.997, minConfidence: 0.35, temperature: 0, seed: 0, selection: { algorithm: 'puct', pbCInit: 1.25, pbCBase: 19_652 } } as const;
    const observation: Observation = {
      at: instantOf(0), midCloses: Float64Array.from({ length: 256 }, (_, i) => 1.1 + 1e-4 * Math.sin(i * i)), barStarts: Float64Array.from({ length: 256 }, (_, i) => i * 60_000),
      position: { side: 1, netPips: 3, barsSinceEntry: 4, peakPips: 5, drawdownPipsMax: 2 }, mask: [true, false, true, true], decisionIndex: 0,
    };
    const deliberation = createPolicy(config, model).deliberate(observation);
    let step = deliberation.next();
    for (let call = 0; step.kind === 'evaluate' && call < 20; call += 1) {
      deliberation.supply(await model.evaluator.evaluate(step.leaf));
      step = deliberation.next();
    }
    await model.evaluator.close();
    const first = proposed(step);
    const heads = unpackHeads(first.search!.headsBase64);
    expect(heads).toHaveLength(16);
    expect(new Set(first.search!.priors).size).toBeGreaterThan(2);
    expect(proposed(drive(createPolicy(config, model).deliberate(observation), (_leaf, index) => heads[index]!))).toEqual(first);
  });

  test('without chance nodes loads too, and answers the requests of its own kind alone', async () => {
    const model = await loadOnnxModel(join(COMMITTED, '..', 'untrained-deterministic-h32'), EXPECTED);
    if (!model.ok) throw new Error(`${model.check}: ${model.detail}`);
    expect(model).toMatchObject({ modelLabel: 'untrained-deterministic-h32-s4', kind: 'deterministic', chanceCodes: 0 });
    expect(new Set(model.probeErrors.map(({ graph }) => graph))).toEqual(new Set(['initial_inference', 'recurrent_inference']));
    const root = await model.evaluator.evaluate({ kind: 'initial', observation: new Float32Array(137) });
    const next = await model.evaluator.evaluate({ kind: 'recurrent', hidden: root.state, action: 3 });
    expect([next.state.length, next.logits.length, root.reward, next.reward === 0]).toEqual([32, 4, 0, false]);
    await expect(model.evaluator.evaluate({ kind: 'recurrent', hidden: root.state, action: 4 })).rejects.toThrow(/action\[0\] is 4, not one of 0 to 3/);
    await expect(model.evaluator.evaluate({ kind: 'chance', afterstate: root.state, code: 0 })).rejects.toThrow(/no session for chance_inference/);
    await model.evaluator.close();
  });

  test('refuses numbers that are none and indices out of range before the networks see them', async () => {
    const model = await loaded();
    const { evaluator } = model;
    const bad: readonly LeafRequest[] = [
      { kind: 'initial', observation: new Float32Array(137).fill(Number.NaN) },
      { kind: 'initial', observation: new Float32Array(136) },
      { kind: 'afterstate', hidden: new Float32Array(32), action: 4 },
      { kind: 'afterstate', hidden: new Float32Array(32), action: -1 },
      { kind: 'chance', afterstate: new Float32Array(32).fill(Infinity), code: 0 },
      { kind: 'chance', afterstate: new Float32Array(32), code: 8 },
    ];
    for (const leaf of bad) await expect(evaluator.evaluate(leaf)).rejects.toThrow(/not finite|not 137|not one of/);
    const heads: Heads = await evaluator.evaluate({ kind: 'chance', afterstate: new Float32Array(32), code: 7 });
    expect([heads.state.length, heads.logits.length, Number.isFinite(heads.value)]).toEqual([32, 4, true]);
    await evaluator.close();
  });
});

describe('a model is turned away', () => {
  test('without a manifest, or with one that is none', async () => {
    await expectRejection('manifest', /contract/, (_files, manifest) => { manifest['contract'] = 'other'; });
    expect(await loadOnnxModel(join(tmpdir(), 'no-such-model'), EXPECTED)).toMatchObject({ ok: false, check: 'manifest' });
  });

  test('by check 1 for a byte that changed or a file that is missing', async () => {
    const flip = (files: Files): void => {
      const bytes = files.get(initialFile)!.slice();
      bytes[bytes.length >> 1]! ^= 1;
      files.set(initialFile, bytes);
    };
    await expectRejection('files', /hashes to/, flip, { rehash: false });
    await expectRejection('files', /bytes where model.json says/, (files) => { files.set(initialFile, files.get(initialFile)!.subarray(1)); }, { rehash: false });
    await expectRejection('files', /cannot be read/, (files) => { files.delete(initialFile); }, { rehash: false });
  });

  test('by check 2 for other metadata, a newer opset, a foreign domain or a file that is no ONNX', async () => {
    await expectRejection('metadata', /key discount/, (_files, manifest) => { manifest['discount'] = '0.99'; });
    await expectRejection('metadata', /opset 18/, (files) => edit(files, 8, () => new MessageWriter().text(1, '').integer(2, 18).finish()));
    await expectRejection('metadata', /domain "com.microsoft"/, (files) => edit(files, 8, () => new MessageWriter().text(1, 'com.microsoft').integer(2, 1).finish()));
    await expectRejection('metadata', /no ONNX file/, (files) => { files.set(initialFile, new Uint8Array(100).fill(0xff)); });
    await expectRejection('metadata', /key graph/, (files) => { files.set(initialFile, files.get('chance_inference.onnx')!); });
  });

  test('by check 3 for an operator that is not allowed', async () => {
    await expectRejection('nodes', /RandomNormalLike/, (files) => edit(files, 7, (graph) => withNode(graph, 'RandomNormalLike')));
    await expectRejection('nodes', /domain "com.microsoft"/, (files) => edit(files, 7, (graph) => withNode(graph, 'Gelu', 'com.microsoft')));
  });

  test('by check 4 for tensors of other names or sizes, or probes that do not fit', async () => {
    await expectRejection('signature', /input observation is missing/, (files, manifest) => {
      const metadata = Object.fromEntries(Object.entries(manifest).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
      files.set(initialFile, new OnnxGraphWriter().input('x', 'float32', ['batch', 137]).node('Relu', ['x'], ['hidden']).output('hidden', 'float32', ['batch', 137]).finish('g', 17, { ...metadata, graph: 'initial_inference' }));
    });
    await expectRejection('signature', /refuses it/, (files) => edit(files, 7, (graph) => withNode(graph, 'NoSuchOperator')));
    await expectRejection('signature', /probe of initial_inference/, (_files, manifest) => { manifest.probes[0]!.inputs['observation']!.pop(); });
  });

  test('by check 5 when the daemon is set up for another', async () => {
    const unchanged = (): void => undefined;
    await expectRejection('expectations', /discount 0.997, configured is 0.9/, unchanged, { expectations: { discount: 0.9 } });
    await expectRejection('expectations', /swt-137, configured are other/, unchanged, { expectations: { featureSetId: 'other' } });
    await expectRejection('expectations', /reads 137 features, swt-137 has 8 × 16/, unchanged, { expectations: { observationShape: [8, 16] } });
  });

  test('by check 6 for a probe that it does not reproduce', async () => {
    await expectRejection('probes', /afterstate_inference: output value\[0\]/, (_files, manifest) => { manifest.probes.find(({ graph }) => graph === 'afterstate_inference')!.outputs['value']![0]! += 0.01; });
    await expectRejection('probes', /hidden\[3\]/, (_files, manifest) => { manifest.probes[0]!.outputs['hidden']![3]! += 2e-4; });
    await expectRejection('probes', /not one of 0 to 7/, (_files, manifest) => { manifest.probes.find(({ graph }) => graph === 'chance_inference')!.inputs['code']![0] = -1; });
  });

  test('by check 7 for weights that are no numbers or values beyond ±300 pips', async () => {
    await expectRejection('bounds', /initial_inference: output value\[0\] is NaN/, (files) => { files.set(initialFile, overwriteWeight(files.get(initialFile)!, 'value.bias', Number.NaN)); });
    await expectRejection('bounds', /initial_inference: output value\[0\] is 399/, (files) => { files.set(initialFile, overwriteWeight(files.get(initialFile)!, 'value.bias', 400)); });
  });

  test('by check 8 when a row depends on the rows beside it', async () => {
    await expectRejection('determinism', /initial_inference: output value\[0\] .* as row 2 of a batch of 4/, (files, manifest) => {
      const metadata = Object.fromEntries(Object.entries(manifest).filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
      const graph = new OnnxGraphWriter().input('observation', 'float32', ['batch', 137]).constant('axis', [1], [1]);
      for (const [name, width] of [['hidden', 32], ['policy_logits', 4], ['zero', 1]] as const) {
        graph.constant(`${name}.weight`, [137, width], new Float32Array(137 * width)).node('MatMul', ['observation', `${name}.weight`], [name]);
      }
      graph.node('ReduceMax', ['observation'], ['highest'], { keepdims: 0 }).node('Squeeze', ['zero', 'axis'], ['flat']).node('Add', ['flat', 'highest'], ['value']);
      graph.output('hidden', 'float32', ['batch', 32]).output('policy_logits', 'float32', ['batch', 4]).output('value', 'float32', ['batch']);
      files.set(initialFile, graph.finish('g', 17, { ...metadata, graph: 'initial_inference' }));
      for (const probe of manifest.probes.filter(({ graph: name }) => name === 'initial_inference')) {
        probe.outputs = { hidden: new Array<number>(32).fill(0), policy_logits: [0, 0, 0, 0], value: [Math.max(...probe.inputs['observation']!)] };
      }
    });
  });

  test('by check 9 when a decision does not fit into its budget', async () => {
    await expectRejection('budget', /the budget of a decision is 0.0001 ms/, () => undefined, { expectations: { decisionBudgetMs: 0.0001 } });
  });
});
