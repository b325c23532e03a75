/** What EXPORT.md leads to: graphs with the structure that PyTorch's exporter gives, metadata, probes and manifest, as one model that loads. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadOnnxModel } from '../../../adapters/onnx/loader.ts';
import { METADATA_SCHEMA, readManifest } from '../../../models/contract/manifest.ts';
import { signatureOf } from '../../../models/contract/checks.ts';
import { readOnnxFile } from '../../../models/contract/onnx-file.ts';
import { EXPECTED } from './changed-model.ts';
import { exportedModel } from './exported.ts';
import { folderForTest } from '../../folders.ts';

const RECIPE = readFileSync(join(import.meta.dirname, '..', '..', '..', 'models', 'contract', 'EXPORT.md'), 'utf8');

function place(): string {
  const directory = folderForTest();
  for (const [name, bytes] of exportedModel()) writeFileSync(join(directory, name), bytes);
  return directory;
}

describe('an exported model', () => {
  test('loads, with its probes met by the runtime and its values in pips', async () => {
    const model = await loadOnnxModel(place(), EXPECTED);
    if (!model.ok) throw new Error(`${model.check}: ${model.detail}`);
    expect(model).toMatchObject({ modelLabel: 'exported-h16', kind: 'stochastic', chanceCodes: 3 });
    for (const { output, errorMax, tolerance } of model.probeErrors) expect(errorMax, output).toBeLessThan(tolerance);
    const heads = await model.evaluator.evaluate({ kind: 'initial', observation: new Float32Array(137).fill(0.5) });
    expect([heads.state.length, heads.logits.length, Math.abs(heads.value) <= 300]).toEqual([16, 4, true]);
    await model.evaluator.close();
  });

  test('has the structure of an export, and shows it', () => {
    const file = readOnnxFile(exportedModel().get('chance_inference.onnx')!);
    expect(new Set(file.nodes.map(({ opType }) => opType))).toEqual(new Set(['Gather', 'Concat', 'Gemm', 'LayerNormalization', 'Relu', 'Add', 'Constant', 'Squeeze', 'Softmax', 'MatMul']));
    expect(file.inputs).toEqual([{ name: 'afterstate', type: 'float32', shape: ['batch', 16] }, { name: 'code', type: 'int32', shape: ['batch'] }]);
  });
});

describe('the recipe', () => {
  test('names every key and every tensor of the contract', () => {
    for (const key of METADATA_SCHEMA.keyof().options) expect(RECIPE, key).toContain(key);
    const reading = readManifest(exportedModel().get('model.json')!);
    if (!reading.ok) throw new Error(reading.detail);
    const dimensions = { observation: [1], hidden: 1, afterstate: 1, actions: 1, chanceCodes: 1, valueBins: 1 };
    for (const graph of ['initial_inference', 'afterstate_inference', 'chance_inference', 'recurrent_inference'] as const) {
      const { inputs, outputs, optionalOutputs } = signatureOf(graph, dimensions);
      expect(RECIPE).toContain(graph);
      for (const { name } of [...inputs, ...outputs, ...optionalOutputs]) expect(RECIPE, name).toContain(`\`${name}\``);
    }
  });
});
