import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkBounds, checkMetadata, checkNodes, checkProbe, checkSameBits, checkSignature, graphEntry, signatureOf } from '../../models/contract/checks.ts';
import { dimensionsOf, graphsOf, modelLabelOf, readManifest } from '../../models/contract/manifest.ts';
import type { ModelManifest } from '../../models/contract/manifest.ts';
import { OnnxGraphWriter, readOnnxFile } from '../../models/contract/onnx-file.ts';
import { integerOf, MessageWriter, ProtobufError, readFields, textOf } from '../../models/contract/protobuf.ts';
import { UNTRAINED_DEFAULTS, untrainedModel, untrainedName } from '../../models/reference/untrained.ts';

const REFERENCE = join(import.meta.dirname, '..', '..', 'models', 'reference');
const { files, modelId } = untrainedModel(UNTRAINED_DEFAULTS);
const manifestBytes = files.get('model.json')!;

function manifestOf(bytes: Uint8Array): ModelManifest {
  const reading = readManifest(bytes);
  if (!reading.ok) throw new Error(reading.detail);
  return reading.manifest;
}
const manifest = manifestOf(manifestBytes);
const dimensions = dimensionsOf(manifest);
const initial = readOnnxFile(files.get('initial_inference.onnx')!);

describe('the committed reference models', () => {
  test.each(['stochastic', 'deterministic'] as const)('are what the seed gives, byte for byte: the %s one', (kind) => {
    const directory = join(REFERENCE, untrainedName(kind, 32));
    const made = untrainedModel({ ...UNTRAINED_DEFAULTS, kind }).files;
    expect(readdirSync(directory).toSorted()).toEqual([...made.keys()].toSorted());
    for (const [name, bytes] of made) expect(Buffer.compare(readFileSync(join(directory, name)), bytes), name).toBe(0);
  });

  test('without chance nodes have no codes and no afterstates, and say that they were never trained', () => {
    const deterministic = manifestOf(untrainedModel({ ...UNTRAINED_DEFAULTS, kind: 'deterministic' }).files.get('model.json')!);
    expect(deterministic).toMatchObject({ kind: 'deterministic', chance_codes: '0', afterstate_dim: '0', trained: false });
    expect(deterministic.graphs.map(({ graph }) => graph)).toEqual(graphsOf('deterministic'));
    expect(modelLabelOf(deterministic)).toBe('untrained-deterministic-h32-s4');
  });

  test('is small, and says that it was never trained', () => {
    expect([...files.values()].reduce((sum, bytes) => sum + bytes.length, 0)).toBeLessThan(300_000);
    expect([modelId, manifest.trained, manifest.trained_steps]).toEqual(['untrained-h32-s4', false, '0']);
    expect(modelLabelOf(manifest)).toContain('untrained');
    expect(modelLabelOf({ ...manifest, model_id: 'mine' })).toBe('mine (untrained)');
    expect(modelLabelOf({ ...manifest, model_id: 'mine', trained: true })).toBe('mine');
  });

  test('differs with the seed', () => {
    const other = untrainedModel({ ...UNTRAINED_DEFAULTS, seed: 5 });
    expect(Buffer.compare(other.files.get('chance_inference.onnx')!, files.get('chance_inference.onnx')!)).not.toBe(0);
  });
});

describe('protobuf', () => {
  test('reads what it writes', () => {
    fc.assert(fc.property(fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 }), fc.string(), fc.uint8Array(), (number, text, bytes) => {
      const message = new MessageWriter().integer(1, number).text(2, text).bytes(300, bytes).float(4, 1.5).finish();
      const [first, second, third, fourth] = [...readFields(message)];
      expect(integerOf(first!)).toBe(number);
      expect(textOf(second!)).toBe(new TextDecoder().decode(new TextEncoder().encode(text)));
      expect(third).toEqual({ number: 300, value: { kind: 'bytes', value: bytes } });
      expect(fourth).toEqual({ number: 4, value: null });
    }));
  });

  test('stops with a place at bytes that make no message, and never otherwise', () => {
    expect(() => [...readFields(Uint8Array.of(0x0a, 5, 1))]).toThrow(/byte 2: a field of 5 bytes is cut off/);
    expect(() => [...readFields(Uint8Array.of(0x80))]).toThrow(/byte 1: a number is cut off/);
    expect(() => [...readFields(new Uint8Array(12).fill(0xff))]).toThrow(/runs over/);
    expect(() => [...readFields(Uint8Array.of(0x0b))]).toThrow(/wire type 3/);
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        readOnnxFile(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtobufError);
      }
    }));
  });
});

describe('an ONNX file', () => {
  test('shows its metadata, operators and opset', () => {
    expect(initial.opsets).toEqual([{ domain: '', version: 17 }]);
    expect(initial.metadata.get('graph')).toBe('initial_inference');
    expect(initial.nodes.map(({ opType }) => opType)).toEqual(['Gemm', 'Relu', 'Gemm', 'Tanh', 'Gemm', 'Gemm', 'Squeeze']);
    expect(checkMetadata('initial_inference', initial, manifest)).toBeNull();
    expect(checkNodes('initial_inference', initial)).toBeNull();
  });

  test('is refused for another graph, other metadata, other operators', () => {
    const meta = (...entries: [string, string][]): typeof initial => ({ ...initial, metadata: new Map([...initial.metadata, ...entries]) });
    expect(checkMetadata('chance_inference', initial, manifest)).toMatch(/metadata key graph is "initial_inference"/);
    expect(checkMetadata('initial_inference', meta(['discount', '0.9']), manifest)).toMatch(/key discount is "0.9" where model.json says "0.997"/);
    expect(checkMetadata('initial_inference', { ...initial, metadata: new Map([['graph', 'initial_inference']]) }, manifest)).toMatch(/contract is missing/);
    expect(checkMetadata('initial_inference', { ...initial, opsets: [{ domain: '', version: 18 }] }, manifest)).toMatch(/opset 18/);
    expect(checkMetadata('initial_inference', { ...initial, opsets: [...initial.opsets, { domain: 'com.microsoft', version: 1 }] }, manifest)).toMatch(/"com.microsoft"/);
    expect(checkMetadata('initial_inference', { ...initial, opsets: [] }, manifest)).toMatch(/0 opsets/);
  });

  test('is refused for chance, graphs within graphs, functions and data elsewhere', () => {
    const node = initial.nodes[0]!;
    for (const opType of ['RandomNormal', 'RandomUniformLike', 'Dropout', 'Multinomial', 'Bernoulli', 'Loop', 'If']) {
      expect(checkNodes('initial_inference', { ...initial, nodes: [{ ...node, opType }] })).toContain(opType);
    }
    expect(checkNodes('initial_inference', { ...initial, nodes: [{ ...node, hasSubgraph: true }] })).toMatch(/graph of its own/);
    expect(checkNodes('initial_inference', { ...initial, nodes: [{ ...node, domain: 'x' }] })).toMatch(/domain "x"/);
    expect(checkNodes('initial_inference', { ...initial, functionCount: 1 })).toMatch(/1 functions/);
    const external = new MessageWriter().text(8, 'w').integer(14, 1).finish();
    const nested = new MessageWriter().text(1, 'body').bytes(6, new Uint8Array(0)).finish();
    const graph = new MessageWriter().bytes(5, external).bytes(1, new MessageWriter().text(4, 'Foo').bytes(5, nested).finish()).finish();
    const read = readOnnxFile(new MessageWriter().bytes(7, graph).bytes(25, new Uint8Array(0)).finish());
    expect(read).toMatchObject({ externalTensors: ['w'], functionCount: 1, nodes: [{ opType: 'Foo', hasSubgraph: true }] });
    expect(checkNodes('initial_inference', { ...initial, externalTensors: ['w'] })).toMatch(/w lies in another file/);
  });

  test('is refused for data elsewhere wherever a tensor may stand: in a node\'s attributes, and as a sparse one', () => {
    const read = (graph: MessageWriter): typeof initial => readOnnxFile(new MessageWriter().bytes(7, graph.finish()).finish());
    const withAttribute = (attribute: MessageWriter): typeof initial =>
      read(new MessageWriter().bytes(1, new MessageWriter().text(3, 'c').text(4, 'Constant').bytes(5, attribute.text(1, 'value').finish()).finish()));
    const inside = new MessageWriter().text(8, 'near').bytes(9, new Uint8Array(4)).finish();
    const located = new MessageWriter().text(8, 'far').integer(14, 1).finish();
    const listed = new MessageWriter().text(8, 'away').bytes(13, new MessageWriter().text(1, 'location').text(2, '/etc/passwd').finish()).finish();
    for (const [file, names] of [
      [withAttribute(new MessageWriter().bytes(5, located)), ['far']],
      [withAttribute(new MessageWriter().bytes(10, inside).bytes(10, located).bytes(10, listed)), ['far', 'away']],
      [withAttribute(new MessageWriter().bytes(22, new Uint8Array(0))), ['sparse_tensor']],
      [withAttribute(new MessageWriter().bytes(23, new Uint8Array(0))), ['sparse_tensor']],
      [read(new MessageWriter().bytes(15, new Uint8Array(0))), ['sparse_initializer']],
    ] as const) {
      expect(file.externalTensors).toEqual(names);
      expect(checkNodes('initial_inference', file)).toBe(`initial_inference: the data of ${names.join(', ')} lies in another file`);
    }
    expect(checkNodes('initial_inference', withAttribute(new MessageWriter().bytes(5, inside).bytes(10, inside)))).toBeNull();
    // A graph after a tensor in the same attributes is still a graph.
    expect(withAttribute(new MessageWriter().bytes(6, new Uint8Array(0)).bytes(5, inside)).nodes[0]).toMatchObject({ opType: 'Constant', hasSubgraph: true });
  });

  test('writes the attributes and dimensions that it was given', () => {
    const bytes = new OnnxGraphWriter().input('x', 'float32', ['batch', 3]).node('LeakyRelu', ['x'], ['y'], { alpha: 0.25 }).output('y', 'float32', ['batch', 3]).finish('g', 17, { a: 'b' });
    expect(readOnnxFile(bytes)).toMatchObject({ nodes: [{ name: 'LeakyRelu_0', opType: 'LeakyRelu' }], metadata: new Map([['a', 'b']]) });
  });
});

describe('the manifest', () => {
  const changed = (change: (raw: Record<string, unknown>) => void): ReturnType<typeof readManifest> => {
    const raw = JSON.parse(new TextDecoder().decode(manifestBytes)) as Record<string, unknown>;
    change(raw);
    return readManifest(new TextEncoder().encode(JSON.stringify(raw)));
  };

  test('gives the dimensions that the graphs must have', () => {
    expect(dimensions).toEqual({ observation: [137], hidden: 32, afterstate: 32, actions: 4, chanceCodes: 8, valueBins: 1 });
    for (const graph of graphsOf('stochastic')) {
      const bytes = files.get(graphEntry(manifest, graph).file)!;
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(graphEntry(manifest, graph).sha256);
    }
  });

  test('is refused with the key that is wrong', () => {
    expect(changed((raw) => { raw['contract'] = 'smz-onnx/2'; })).toMatchObject({ ok: false, detail: expect.stringContaining('contract') as string });
    expect(changed((raw) => { raw['kind'] = 'other'; })).toMatchObject({ ok: false, detail: expect.stringContaining('kind') as string });
    expect(changed((raw) => { raw['kind'] = 'deterministic'; })).toMatchObject({ ok: false, detail: 'model.json: afterstate_inference is no graph of a deterministic model' });
    expect(changed((raw) => { raw['graphs'] = [...(raw['graphs'] as unknown[]), (raw['graphs'] as unknown[])[0]]; })).toMatchObject({ ok: false, detail: 'model.json: 4 entries in graphs for the 3 graphs of a stochastic model' });
    expect(changed((raw) => { raw['chance_codes'] = '0'; })).toMatchObject({ ok: false, detail: 'model.json: chance_codes is 0 in a stochastic model' });
    expect(changed((raw) => { raw['afterstate_dim'] = '0'; })).toMatchObject({ ok: false, detail: 'model.json: afterstate_dim is 0 in a stochastic model' });
    expect(changed((raw) => { raw['action_order'] = 'BUY,HOLD,SELL,CLOSE'; })).toMatchObject({ ok: false, detail: expect.stringContaining('action_order') as string });
    expect(changed((raw) => { raw['obs_shape'] = '[4,4,4,4]'; })).toMatchObject({ ok: false, detail: expect.stringContaining('obs_shape') as string });
    expect(changed((raw) => { raw['obs_shape'] = '[32,15]'; })).toMatchObject({ ok: true });
    expect(changed((raw) => { raw['obs_shape'] = '137'; })).toMatchObject({ ok: false, detail: expect.stringContaining('obs_shape') as string });
    expect(changed((raw) => { raw['trained'] = true; })).toMatchObject({ ok: false, detail: expect.stringContaining('trained_steps 0') as string });
    expect(changed((raw) => { raw['surprise'] = 1; })).toMatchObject({ ok: false });
    expect(changed((raw) => { raw['probes'] = (raw['probes'] as { graph: string }[]).map((probe) => ({ ...probe, graph: 'initial_inference' })); })).toMatchObject({ ok: false, detail: expect.stringContaining('afterstate_inference') as string });
    expect(changed((raw) => { (raw['graphs'] as { file: string }[])[0]!.file = '../elsewhere.onnx'; })).toMatchObject({ ok: false, detail: expect.stringContaining('file') as string });
    expect(readManifest(new TextEncoder().encode('{'))).toMatchObject({ ok: false, detail: expect.stringContaining('no JSON') as string });
  });
});

describe('the checks on what the runtime computes', () => {
  const probe = manifest.probes.find(({ graph }) => graph === 'chance_inference')!;
  const exact = new Map(Object.entries(probe.outputs).map(([name, values]) => [name, Float32Array.from(values)]));
  const withValue = (name: string, value: number): typeof exact => new Map(exact).set(name, Float32Array.of(value, ...exact.get(name)!.subarray(1)));

  test('let a probe differ by 1e-3 pips and 1e-4 elsewhere', () => {
    expect(checkProbe(probe, exact)).toBeNull();
    expect(checkProbe(probe, withValue('value', probe.outputs['value']![0]! + 9e-4))).toBeNull();
    expect(checkProbe(probe, withValue('value', probe.outputs['value']![0]! + 1.1e-3))).toMatch(/output value\[0\]/);
    expect(checkProbe(probe, withValue('hidden', probe.outputs['hidden']![0]! + 1.1e-4))).toMatch(/output hidden\[0\]/);
    expect(checkProbe(probe, withValue('reward', Number.NaN))).toMatch(/output reward\[0\] is NaN/);
    expect(checkProbe(probe, new Map())).toMatch(/has 0 numbers/);
  });

  test('hold values and rewards within ±300 pips and everything else finite', () => {
    expect(checkBounds('chance_inference', exact)).toBeNull();
    expect(checkBounds('chance_inference', withValue('reward', -300.1))).toMatch(/reward\[0\]/);
    expect(checkBounds('chance_inference', withValue('policy_logits', 301))).toBeNull();
    expect(checkBounds('chance_inference', withValue('policy_logits', Number.NaN))).toMatch(/policy_logits\[0\] is NaN/);
    expect(checkBounds('chance_inference', withValue('hidden', Infinity))).toMatch(/hidden\[0\]/);
  });

  test('tell two runs apart by one bit, the sign of zero included', () => {
    expect(checkSameBits('chance_inference', 'again', exact, new Map(exact))).toBeNull();
    expect(checkSameBits('chance_inference', 'again', withValue('reward', 0), withValue('reward', -0))).toMatch(/reward\[0\]/);
    expect(checkSameBits('chance_inference', 'again', exact, new Map())).toMatch(/missing again/);
  });

  test('want exactly the tensors of the contract', () => {
    const { inputs, outputs } = signatureOf('initial_inference', dimensions);
    const described = (tensors: typeof inputs): { name: string; type: string; shape: (string | number)[] }[] => tensors.map(({ name, type, shape }) => ({ name, type, shape: ['batch', ...shape] }));
    const verdict = (ins = described(inputs), outs = described(outputs)): string | null => checkSignature('initial_inference', dimensions, ins, outs);
    expect(verdict()).toBeNull();
    expect(verdict(described(inputs), [...described(outputs), { name: 'value_logits', type: 'float32', shape: ['batch', 1] }])).toBeNull();
    expect(verdict([])).toMatch(/input observation is missing/);
    expect(verdict(described(inputs), [...described(outputs), { name: 'extra', type: 'float32', shape: ['batch'] }])).toMatch(/output extra/);
    expect(verdict([{ name: 'observation', type: 'float64', shape: ['batch', 137] }])).toMatch(/is float64, not float32/);
    expect(verdict([{ name: 'observation', type: 'float32', shape: [1, 137] }])).toMatch(/\[1, 137\], not \[batch, 137\]/);
    expect(verdict([{ name: 'observation', type: 'float32', shape: ['batch', 128] }])).toMatch(/\[batch, 128\]/);
  });
});
