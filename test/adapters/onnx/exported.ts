/**
 * A model as PyTorch's exporter writes one: blocks of Linear, LayerNorm and ReLU with a residual, one-hot indices
 * through an embedding, values as softmax over 601 bins times their support, axes as constants in nodes of their own,
 * names with slashes, and the descriptions that the exporter leaves behind. The same networks are computed here in
 * plain float64 arithmetic for the probes, as a trainer computes them without the runtime.
 */
import { createHash } from 'node:crypto';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { graphsOf } from '../../../models/contract/manifest.ts';
import type { GraphName } from '../../../models/contract/manifest.ts';
import { MessageWriter } from '../../../models/contract/protobuf.ts';

const OBSERVATION = 137;
const HIDDEN = 16;
const CODES = 3;
const ACTIONS = 4;
const BINS = 601;
const EPSILON = 1e-5;
const SUPPORT = JSON.stringify({ kind: 'linear', min: -300, max: 300, bins: BINS, unit: 'pips' });
const SCALAR = JSON.stringify({ kind: 'scalar', min: -300, max: 300, bins: 1, unit: 'pips' });

const METADATA: { readonly [key: string]: string } = {
  contract: 'smz-onnx/1', kind: 'stochastic', model_version: '3', model_id: 'exported-h16', git_commit: '0123abc', training_data_id: 'drawn', feature_set_id: 'swt-137',
  obs_shape: `[${OBSERVATION}]`, action_order: 'HOLD,BUY,SELL,CLOSE', chance_codes: String(CODES), hidden_dim: String(HIDDEN), afterstate_dim: String(HIDDEN),
  value_support: SUPPORT, reward_support: SCALAR, value_transform: 'identity', discount: '0.997', policy_output: 'logits', trained_steps: '1000', seed: '7',
  created_at: '2026-02-03T04:05:06Z', exporter: 'PyTorch 2.8.0',
};

type Vector = readonly number[];

interface Dense {
  readonly inputs: number;
  readonly outputs: number;
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

interface Network {
  readonly graph: GraphName;
  readonly input: string;
  readonly index: { readonly name: string; readonly count: number } | null;
  readonly state: string;
  readonly first: Dense;
  readonly second: Dense;
  readonly heads: readonly { readonly name: string; readonly dense: Dense; readonly as: 'logits' | 'scalar' | 'bins' }[];
}

function networks(): readonly Network[] {
  const generator = xoroshiro128plus(7);
  for (let step = 0; step < 64; step += 1) generator.next();
  const uniform = (): number => generator.next() / 2 ** 31;
  const dense = (inputs: number, outputs: number, gain = 1): Dense => ({
    inputs, outputs,
    weights: Float32Array.from({ length: inputs * outputs }, () => (gain * uniform()) / Math.sqrt(inputs)),
    bias: Float32Array.from({ length: outputs }, () => 0.1 * uniform()),
  });
  const network = (graph: GraphName, input: string, inputLength: number, index: Network['index'], state: string, heads: Network['heads']): Network =>
    ({ graph, input, index, state, first: dense(inputLength + (index?.count ?? 0), HIDDEN), second: dense(HIDDEN, HIDDEN), heads });
  const policy = { name: 'policy_logits', dense: dense(HIDDEN, ACTIONS), as: 'logits' } as const;
  const value = { name: 'value', dense: dense(HIDDEN, BINS, 3), as: 'bins' } as const;
  return [
    network('initial_inference', 'observation', OBSERVATION, null, 'hidden', [policy, value]),
    network('afterstate_inference', 'hidden', HIDDEN, { name: 'action', count: ACTIONS }, 'afterstate', [{ name: 'chance_logits', dense: dense(HIDDEN, CODES), as: 'logits' }, value]),
    network('chance_inference', 'afterstate', HIDDEN, { name: 'code', count: CODES }, 'hidden', [{ name: 'reward', dense: dense(HIDDEN, 1), as: 'scalar' }, policy, value]),
  ];
}

// --- the plain arithmetic ---

const linear = ({ inputs, outputs, weights, bias }: Dense, x: Vector): Vector =>
  Array.from({ length: outputs }, (_, row) => x.reduce((sum, one, i) => sum + one * weights[row * inputs + i]!, bias[row]!));

function normalised(x: Vector): Vector {
  const mean = x.reduce((sum, one) => sum + one, 0) / x.length;
  const variance = x.reduce((sum, one) => sum + (one - mean) ** 2, 0) / x.length;
  return x.map((one) => (one - mean) / Math.sqrt(variance + EPSILON));
}

const block = (dense: Dense, x: Vector): Vector => normalised(linear(dense, x)).map((one) => Math.max(one, 0));

function expectation(logits: Vector): number {
  const highest = Math.max(...logits);
  const weights = logits.map((logit) => Math.exp(logit - highest));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.reduce((total, weight, bin) => total + (weight / sum) * (bin - 300), 0);
}

function forward({ index, state, first, second, heads }: Network, x: Vector, indexValue: number): { readonly [output: string]: Vector } {
  const oneHot = Array.from({ length: index?.count ?? 0 }, (_, i) => (i === indexValue ? 1 : 0));
  const inner = block(first, [...x, ...oneHot]);
  const outer = block(second, inner).map((one, i) => one + inner[i]!);
  return Object.fromEntries([[state, outer], ...heads.map(({ name, dense, as }): [string, Vector] => {
    const out = linear(dense, outer);
    return [name, as === 'bins' ? [expectation(out)] : out];
  })]);
}

// --- the file ---

const raw = (values: Float32Array | BigInt64Array): Uint8Array => new Uint8Array(values.buffer);
const tensor = (dimensions: Vector, values: Float32Array | BigInt64Array): MessageWriter => {
  const written = new MessageWriter();
  for (const dimension of dimensions) written.integer(1, dimension);
  return written.integer(2, values instanceof Float32Array ? 1 : 7).bytes(9, raw(values));
};

const FLOAT = { type: 1, field: 2 } as const;
const integer = (name: string, value: number): MessageWriter => new MessageWriter().text(1, name).integer(3, value).integer(20, 2);
const float = (name: string, value: number): MessageWriter => new MessageWriter().text(1, name).float(FLOAT.field, value).integer(20, FLOAT.type);

/** A graph in the making, in the exporter's manner. */
class ExportedGraph {
  readonly #graph = new MessageWriter();

  node(scope: string, opType: string, inputs: readonly string[], outputs: readonly string[], ...attributes: readonly MessageWriter[]): void {
    const node = new MessageWriter();
    for (const input of inputs) node.text(1, input);
    for (const output of outputs) node.text(2, output);
    node.text(3, `/${scope}/${opType}`).text(4, opType);
    for (const attribute of attributes) node.bytes(5, attribute.finish());
    this.#graph.bytes(1, node.text(6, 'model.py(41): forward').finish());
  }

  constant(name: string, value: number): void {
    const attribute = new MessageWriter().text(1, 'value').bytes(5, tensor([1], BigInt64Array.of(BigInt(value))).finish()).integer(20, 4);
    this.node(name, 'Constant', [], [name], attribute);
  }

  weights(name: string, dimensions: Vector, values: Float32Array): void {
    this.#graph.bytes(5, tensor(dimensions, values).text(8, name).finish());
  }

  value(field: 11 | 12 | 13, name: string, type: 1 | 6, rest: Vector): void {
    const shape = new MessageWriter().bytes(1, new MessageWriter().text(2, 'batch').finish());
    for (const dimension of rest) shape.bytes(1, new MessageWriter().integer(1, dimension).finish());
    const tensorType = new MessageWriter().integer(1, type).bytes(2, shape.finish());
    this.#graph.bytes(field, new MessageWriter().text(1, name).bytes(2, new MessageWriter().bytes(1, tensorType.finish()).finish()).finish());
  }

  finish(metadata: { readonly [key: string]: string }): Uint8Array {
    const model = new MessageWriter().integer(1, 8).text(2, 'pytorch').text(3, '2.8.0').bytes(7, this.#graph.text(2, 'main_graph').finish());
    model.bytes(8, new MessageWriter().text(1, '').integer(2, 17).finish());
    for (const [key, value] of Object.entries(metadata)) model.bytes(14, new MessageWriter().text(1, key).text(2, value).finish());
    return model.finish();
  }
}

function write({ graph: name, input, index, state, first, second, heads }: Network): Uint8Array {
  const graph = new ExportedGraph();
  const gemm = (scope: string, from: string, to: string, dense: Dense): void => {
    graph.weights(`${scope}.weight`, [dense.outputs, dense.inputs], dense.weights);
    graph.weights(`${scope}.bias`, [dense.outputs], dense.bias);
    graph.node(scope, 'Gemm', [from, `${scope}.weight`, `${scope}.bias`], [to], float('alpha', 1), float('beta', 1), integer('transB', 1));
  };
  const normalisedBlock = (scope: string, from: string, dense: Dense): string => {
    gemm(`${scope}.0`, from, `/${scope}/Gemm_output_0`, dense);
    graph.weights(`${scope}.1.weight`, [HIDDEN], new Float32Array(HIDDEN).fill(1));
    graph.weights(`${scope}.1.bias`, [HIDDEN], new Float32Array(HIDDEN));
    graph.node(scope, 'LayerNormalization', [`/${scope}/Gemm_output_0`, `${scope}.1.weight`, `${scope}.1.bias`], [`/${scope}/LayerNormalization_output_0`], integer('axis', -1), float('epsilon', EPSILON));
    graph.node(scope, 'Relu', [`/${scope}/LayerNormalization_output_0`], [`/${scope}/Relu_output_0`]);
    return `/${scope}/Relu_output_0`;
  };
  graph.value(11, input, 1, [first.inputs - (index?.count ?? 0)]);
  let from = input;
  if (index !== null) {
    graph.value(11, index.name, 6, []);
    graph.weights('eye', [index.count, index.count], Float32Array.from({ length: index.count ** 2 }, (_, i) => (i % (index.count + 1) === 0 ? 1 : 0)));
    graph.node('embedding', 'Gather', ['eye', index.name], ['/Gather_output_0']);
    graph.node('cat', 'Concat', [input, '/Gather_output_0'], ['/Concat_output_0'], integer('axis', 1));
    from = '/Concat_output_0';
  }
  const inner = normalisedBlock('trunk', from, first);
  const outer = normalisedBlock('block', inner, second);
  graph.node('block', 'Add', [outer, inner], [state]);
  graph.value(12, state, 1, [HIDDEN]);
  for (const { name: head, dense, as } of heads) writeHead(graph, gemm, state, head, dense, as);
  graph.value(13, inner, 1, [HIDDEN]);
  return graph.finish({ ...METADATA, graph: name });
}

function writeHead(graph: ExportedGraph, gemm: (scope: string, from: string, to: string, dense: Dense) => void, state: string, head: string, dense: Dense, as: 'logits' | 'scalar' | 'bins'): void {
  const to = as === 'logits' ? head : as === 'bins' ? 'value_logits' : `/${head}/Gemm_output_0`;
  gemm(head, state, to, dense);
  graph.value(12, head, 1, as === 'logits' ? [dense.outputs] : []);
  if (as === 'scalar') {
    graph.constant(`/${head}/Constant_output_0`, -1);
    graph.node(head, 'Squeeze', [to, `/${head}/Constant_output_0`], [head]);
  }
  if (as === 'bins') {
    graph.weights('support', [BINS, 1], Float32Array.from({ length: BINS }, (_, bin) => bin - 300));
    graph.node(head, 'Softmax', ['value_logits'], [`/${head}/Softmax_output_0`], integer('axis', -1));
    graph.node(head, 'MatMul', [`/${head}/Softmax_output_0`, 'support'], [`/${head}/MatMul_output_0`]);
    graph.constant(`/${head}/Constant_output_0`, -1);
    graph.node(head, 'Squeeze', [`/${head}/MatMul_output_0`, `/${head}/Constant_output_0`], [head]);
  }
}

/** The whole directory: graphs, and a manifest with the hashes and two probes for each graph. */
export function exportedModel(): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const all = networks();
  const probes = all.flatMap((network) => [0, 1].map((row) => {
    const length = network.first.inputs - (network.index?.count ?? 0);
    const input = Array.from({ length }, (_, i) => Math.fround(Math.sin(i * 1.7 + row)));
    const index = row + 1;
    return { graph: network.graph, inputs: { [network.input]: input, ...(network.index === null ? {} : { [network.index.name]: [index] }) }, outputs: forward(network, input, index) };
  }));
  const graphs = all.map((network) => {
    const bytes = write(network);
    files.set(`${network.graph}.onnx`, bytes);
    return { graph: network.graph, file: `${network.graph}.onnx`, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  });
  if (graphs.length !== graphsOf('stochastic').length) throw new Error('a graph is missing');
  return files.set('model.json', new TextEncoder().encode(JSON.stringify({ ...METADATA, trained: true, graphs, probes })));
}
