/**
 * The shape that all three reference networks share, told twice: as an ONNX graph and as plain arithmetic.
 *
 *   input [+ one-hot of an index] → Gemm → Relu → Gemm → Tanh = state → one Gemm for each head
 *
 * The arithmetic is float64 with each layer's result rounded once at the end; it shares nothing with the
 * runtime that will load the graph, which is what makes its results worth comparing with.
 */
import { OnnxGraphWriter } from '../contract/onnx-file.ts';
import type { Outputs } from '../contract/checks.ts';

/** A full layer: weights row by row, one row for each output. */
export interface Dense {
  readonly inputs: number;
  readonly outputs: number;
  readonly weights: Float32Array;
  readonly bias: Float32Array;
}

export interface Head {
  readonly name: string;
  readonly layer: Dense;
  /** One number a row, without a dimension of its own. */
  readonly scalar: boolean;
}

export interface Network {
  readonly name: string;
  readonly input: string;
  readonly inputLength: number;
  /** The index input and how many values it has; null where there is none. */
  readonly index: { readonly name: string; readonly count: number } | null;
  readonly trunk: readonly [Dense, Dense];
  readonly stateName: string;
  readonly heads: readonly Head[];
}

const OPSET = 17;

/** The network as the bytes of an ONNX file with a dynamic first dimension `batch`. */
export function writeNetwork(network: Network, metadata: Readonly<Record<string, string>>): Uint8Array {
  const { name, input, inputLength, index, trunk, stateName, heads } = network;
  const writer = new OnnxGraphWriter();
  const layer = (dense: Dense, label: string, from: string, to: string): void => {
    writer.constant(`${label}.weight`, [dense.outputs, dense.inputs], dense.weights);
    writer.constant(`${label}.bias`, [dense.outputs], dense.bias);
    writer.node('Gemm', [from, `${label}.weight`, `${label}.bias`], [to], { transB: 1 });
  };
  writer.input(input, 'float32', ['batch', inputLength]);
  let trunkInput = input;
  if (index !== null) {
    const { count } = index;
    writer.input(index.name, 'int32', ['batch']);
    writer.constant('eye', [count, count], Float32Array.from({ length: count * count }, (_, i) => (i % (count + 1) === 0 ? 1 : 0)));
    writer.node('Gather', ['eye', index.name], ['one_hot'], { axis: 0 });
    writer.node('Concat', [input, 'one_hot'], ['joined'], { axis: 1 });
    trunkInput = 'joined';
  }
  layer(trunk[0], 'trunk.0', trunkInput, 'trunk.0.linear');
  writer.node('Relu', ['trunk.0.linear'], ['trunk.0.active']);
  layer(trunk[1], 'trunk.1', 'trunk.0.active', 'trunk.1.linear');
  writer.node('Tanh', ['trunk.1.linear'], [stateName]);
  writer.output(stateName, 'float32', ['batch', trunk[1].outputs]);
  if (heads.some(({ scalar }) => scalar)) writer.constant('last_axis', [1], [1]);
  for (const { name: head, layer: dense, scalar } of heads) {
    layer(dense, head, stateName, scalar ? `${head}.column` : head);
    if (scalar) writer.node('Squeeze', [`${head}.column`, 'last_axis'], [head]);
    writer.output(head, 'float32', scalar ? ['batch'] : ['batch', dense.outputs]);
  }
  return writer.finish(name, OPSET, metadata);
}

/** The same network for one row; `indexValue` is read only where the network has an index. */
export function forward(network: Network, input: Float32Array, indexValue: number): Outputs {
  const joined = [...input, ...Array.from({ length: network.index?.count ?? 0 }, (_, i) => (i === indexValue ? 1 : 0))];
  const active = apply(network.trunk[0], joined).map((value) => Math.max(value, 0));
  const state = apply(network.trunk[1], active).map((value) => Math.tanh(value));
  const outputs = new Map([[network.stateName, Float32Array.from(state)]]);
  for (const { name, layer } of network.heads) outputs.set(name, Float32Array.from(apply(layer, state)));
  return outputs;
}

function apply({ inputs, outputs, weights, bias }: Dense, input: readonly number[]): number[] {
  return Array.from({ length: outputs }, (_, row) => {
    let sum = bias[row]!;
    for (let i = 0; i < inputs; i += 1) sum += weights[row * inputs + i]! * input[i]!;
    return sum;
  });
}
