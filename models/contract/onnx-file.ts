/**
 * ONNX files by hand: reading what the contract's checks look at, and writing graphs of plain operators.
 * Field numbers are those of onnx.proto (ModelProto, GraphProto, NodeProto, TensorProto, ValueInfoProto).
 */
import { bytesOf, integerOf, MessageWriter, packedIntegers, readFields, textOf } from './protobuf.ts';
import type { Field } from './protobuf.ts';

export interface OnnxNode {
  readonly name: string;
  readonly opType: string;
  /** '' for the operators of ONNX itself. */
  readonly domain: string;
  readonly hasSubgraph: boolean;
}

/** A number is a fixed dimension, a text names one that may vary. */
export type Dimension = number | string;

/** An input or output, as the file declares it or the runtime reports it. */
export interface TensorDescription {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly Dimension[];
}

export interface OnnxFile {
  readonly opsets: readonly { readonly domain: string; readonly version: number }[];
  readonly metadata: ReadonlyMap<string, string>;
  readonly nodes: readonly OnnxNode[];
  /** Without constants, which old files list among their inputs too. */
  readonly inputs: readonly TensorDescription[];
  readonly outputs: readonly TensorDescription[];
  /** Numbers in the file's constants: weights, biases and tables. */
  readonly constantCount: number;
  /** Names of tensors whose data lies in another file. */
  readonly externalTensors: readonly string[];
  /** Functions that the file defines for itself; operators could hide in them. */
  readonly functionCount: number;
}

/** @throws ProtobufError for bytes that are no ONNX model. */
export function readOnnxFile(bytes: Uint8Array): OnnxFile {
  const opsets: { domain: string; version: number }[] = [];
  const metadata = new Map<string, string>();
  const graph: GraphParts = { nodes: [], inputs: [], outputs: [], constants: new Map(), externalTensors: [] };
  let functionCount = 0;
  for (const field of readFields(bytes)) {
    if (field.number === 7) readGraph(bytesOf(field), graph);
    else if (field.number === 8) opsets.push(readOpset(bytesOf(field)));
    else if (field.number === 14) metadata.set(...readEntry(bytesOf(field)));
    else if (field.number === 25) functionCount += 1;
  }
  const { nodes, outputs, constants, externalTensors } = graph;
  const inputs = graph.inputs.filter(({ name }) => !constants.has(name));
  const constantCount = [...constants.values()].reduce((sum, count) => sum + count, 0);
  return { opsets, metadata, nodes, inputs, outputs, constantCount, externalTensors, functionCount };
}

function readOpset(bytes: Uint8Array): { domain: string; version: number } {
  let domain = '';
  let version = 0;
  for (const field of readFields(bytes)) {
    if (field.number === 1) domain = textOf(field);
    else if (field.number === 2) version = integerOf(field);
  }
  return { domain, version };
}

function readEntry(bytes: Uint8Array): [string, string] {
  let key = '';
  let value = '';
  for (const field of readFields(bytes)) {
    if (field.number === 1) key = textOf(field);
    else if (field.number === 2) value = textOf(field);
  }
  return [key, value];
}

interface GraphParts {
  readonly nodes: OnnxNode[];
  readonly inputs: TensorDescription[];
  readonly outputs: TensorDescription[];
  /** Name → how many numbers. */
  readonly constants: Map<string, number>;
  readonly externalTensors: string[];
}

function readGraph(bytes: Uint8Array, graph: GraphParts): void {
  for (const field of readFields(bytes)) {
    if (field.number === 1) graph.nodes.push(readNode(bytesOf(field), graph.externalTensors));
    else if (field.number === 5) graph.constants.set(...readTensor(bytesOf(field), graph.externalTensors));
    else if (field.number === 11) graph.inputs.push(readValueInfo(bytesOf(field)));
    else if (field.number === 12) graph.outputs.push(readValueInfo(bytesOf(field)));
    // Sparse initialisers carry tensors of their own; no graph of the contract has any.
    else if (field.number === 15) graph.externalTensors.push('sparse_initializer');
  }
}

/** ValueInfoProto → TypeProto → its tensor: element type, and a shape whose dimensions are numbers or names. */
function readValueInfo(bytes: Uint8Array): TensorDescription {
  let name = '';
  let type = 'no tensor';
  let shape: readonly Dimension[] = [];
  for (const field of readFields(bytes)) {
    if (field.number === 1) name = textOf(field);
    else if (field.number === 2) {
      for (const kind of readFields(bytesOf(field))) if (kind.number === 1) [type, shape] = readTensorType(bytesOf(kind));
    }
  }
  return { name, type, shape };
}

function readTensorType(bytes: Uint8Array): [string, readonly Dimension[]] {
  let type = 'undefined';
  const shape: Dimension[] = [];
  for (const field of readFields(bytes)) {
    if (field.number === 1) type = ELEMENT_NAMES.get(integerOf(field)) ?? `element type ${integerOf(field)}`;
    else if (field.number === 2) {
      for (const dimension of readFields(bytesOf(field))) if (dimension.number === 1) shape.push(readDimension(bytesOf(dimension)));
    }
  }
  return [type, shape];
}

function readDimension(bytes: Uint8Array): Dimension {
  for (const field of readFields(bytes)) {
    if (field.number === 1) return integerOf(field);
    if (field.number === 2) return textOf(field);
  }
  return '?';
}

function readNode(bytes: Uint8Array, externalTensors: string[]): OnnxNode {
  let name = '';
  let opType = '';
  let domain = '';
  let hasSubgraph = false;
  for (const field of readFields(bytes)) {
    if (field.number === 3) name = textOf(field);
    else if (field.number === 4) opType = textOf(field);
    else if (field.number === 7) domain = textOf(field);
    else if (field.number === 5) hasSubgraph = readAttribute(bytesOf(field), externalTensors) || hasSubgraph;
  }
  return { name, opType, domain, hasSubgraph };
}

/** Collects the tensors of an attribute (fields 5 and 10; sparse ones in 22 and 23); true when it holds a graph (6, 11). */
function readAttribute(bytes: Uint8Array, externalTensors: string[]): boolean {
  let hasGraph = false;
  for (const field of readFields(bytes)) {
    if (field.number === 5 || field.number === 10) readTensor(bytesOf(field), externalTensors);
    else if (field.number === 22 || field.number === 23) externalTensors.push('sparse_tensor');
    else if (field.number === 6 || field.number === 11) hasGraph = true;
  }
  return hasGraph;
}

/** Its name and how many numbers it has; a tensor without dimensions is one number. */
function readTensor(bytes: Uint8Array, externalTensors: string[]): [string, number] {
  let name = '';
  let count = 1;
  let external = false;
  for (const field of readFields(bytes)) {
    if (field.number === 1) count *= dimensionsOf(field).reduce((product, dimension) => product * dimension, 1);
    else if (field.number === 8) name = textOf(field);
    // external_data entries, or data_location = EXTERNAL.
    else if (field.number === 13 || (field.number === 14 && integerOf(field) === 1)) external = true;
  }
  if (external) externalTensors.push(name);
  return [name, count];
}

/** One dimension, or several packed into one field as most writers do. */
const dimensionsOf = (field: Field): readonly number[] => (field.value?.kind === 'bytes' ? packedIntegers(field.value.value) : [integerOf(field)]);

const IR_VERSION = 8;
const ELEMENT_FLOAT32 = 1;
const ELEMENT_INT32 = 6;
const ELEMENT_INT64 = 7;
const ATTRIBUTE_FLOAT = 1;
const ATTRIBUTE_INTEGER = 2;

export type ElementType = 'float32' | 'int32';
const ELEMENT_NAMES: ReadonlyMap<number, string> = new Map([[ELEMENT_FLOAT32, 'float32'], [ELEMENT_INT32, 'int32'], [ELEMENT_INT64, 'int64'], [9, 'bool'], [10, 'float16'], [11, 'float64']]);

/** Collects the parts of one graph in the order in which they were named, and writes it as a model file. */
export class OnnxGraphWriter {
  readonly #graph = new MessageWriter();
  #nodeCount = 0;

  input(name: string, type: ElementType, dimensions: readonly Dimension[]): this {
    this.#graph.bytes(11, valueInfo(name, type, dimensions));
    return this;
  }

  output(name: string, type: ElementType, dimensions: readonly Dimension[]): this {
    this.#graph.bytes(12, valueInfo(name, type, dimensions));
    return this;
  }

  /** A constant; whole numbers are written as int64, which is what operators take their axes as. */
  constant(name: string, dimensions: readonly number[], values: Float32Array | readonly number[]): this {
    const isFloat = values instanceof Float32Array;
    const raw = new DataView(new ArrayBuffer(values.length * (isFloat ? 4 : 8)));
    values.forEach((value: number, i: number) => {
      if (isFloat) raw.setFloat32(i * 4, value, true);
      else raw.setBigInt64(i * 8, BigInt(value), true);
    });
    const tensor = new MessageWriter();
    for (const dimension of dimensions) tensor.integer(1, dimension);
    tensor.integer(2, isFloat ? ELEMENT_FLOAT32 : ELEMENT_INT64).text(8, name).bytes(9, new Uint8Array(raw.buffer));
    this.#graph.bytes(5, tensor.finish());
    return this;
  }

  /** Whole-number attributes are written as integers, others as floats. */
  node(opType: string, inputs: readonly string[], outputs: readonly string[], attributes: Readonly<Record<string, number>> = {}): this {
    const node = new MessageWriter();
    for (const input of inputs) node.text(1, input);
    for (const output of outputs) node.text(2, output);
    node.text(3, `${opType}_${this.#nodeCount}`).text(4, opType);
    for (const [name, value] of Object.entries(attributes)) {
      const attribute = new MessageWriter().text(1, name);
      if (Number.isInteger(value)) attribute.integer(3, value).integer(20, ATTRIBUTE_INTEGER);
      else attribute.float(2, value).integer(20, ATTRIBUTE_FLOAT);
      node.bytes(5, attribute.finish());
    }
    this.#graph.bytes(1, node.finish());
    this.#nodeCount += 1;
    return this;
  }

  finish(graphName: string, opset: number, metadata: Readonly<Record<string, string>>): Uint8Array {
    const model = new MessageWriter().integer(1, IR_VERSION);
    model.bytes(7, this.#graph.text(2, graphName).finish());
    model.bytes(8, new MessageWriter().text(1, '').integer(2, opset).finish());
    for (const [key, value] of Object.entries(metadata)) {
      model.bytes(14, new MessageWriter().text(1, key).text(2, value).finish());
    }
    return model.finish();
  }
}

function valueInfo(name: string, type: ElementType, dimensions: readonly Dimension[]): Uint8Array {
  const shape = new MessageWriter();
  for (const dimension of dimensions) {
    const written = typeof dimension === 'number' ? new MessageWriter().integer(1, dimension) : new MessageWriter().text(2, dimension);
    shape.bytes(1, written.finish());
  }
  const tensor = new MessageWriter().integer(1, type === 'float32' ? ELEMENT_FLOAT32 : ELEMENT_INT32).bytes(2, shape.finish());
  return new MessageWriter().text(1, name).bytes(2, new MessageWriter().bytes(1, tensor.finish()).finish()).finish();
}
