/**
 * The loader's checks of `smz-onnx/1`, as functions of what was read or computed: each answers null, or what is
 * wrong. They fail closed: comparisons are written so that a number that is none never passes.
 */
import { createHash } from 'node:crypto';
import { METADATA_SCHEMA } from './manifest.ts';
import type { GraphName, ModelDimensions, ModelManifest, Probe } from './manifest.ts';
import type { ElementType, OnnxFile, TensorDescription } from './onnx-file.ts';

/** In the contract's order; `manifest` comes before its nine. */
export const CHECKS = ['manifest', 'files', 'metadata', 'nodes', 'signature', 'expectations', 'probes', 'bounds', 'determinism', 'budget'] as const;
export type CheckName = (typeof CHECKS)[number];

type Verdict = string | null;

const OPSET_MAX = 17;
const PIPS_MAX = 300;
/** Outputs that are pips; every other one is a state or logits. */
const PIPS_OUTPUTS: ReadonlySet<string> = new Set(['value', 'reward']);
const PIPS_TOLERANCE = 1e-3;
const TOLERANCE = 1e-4;
/** Operators that draw random numbers or hide a graph in a graph. */
const FORBIDDEN = /^(Random.*|Dropout|Multinomial|Bernoulli|Loop|If|Scan)$/;

/** Check 1: sizes and SHA-256 of the files. */
export function checkFile(entry: ModelManifest['graphs'][number], bytes: Uint8Array): Verdict {
  if (bytes.length !== entry.bytes) return `${entry.file} has ${bytes.length} bytes where model.json says ${entry.bytes}`;
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return sha256 === entry.sha256 ? null : `${entry.file} hashes to ${sha256} where model.json says ${entry.sha256}`;
}

/** Check 2: the graph says of itself what the manifest says, and keeps to ONNX's own operators up to opset 17. */
export function checkMetadata(graph: GraphName, file: OnnxFile, manifest: ModelManifest): Verdict {
  const said = file.metadata.get('graph');
  if (said !== graph) return `${graph}: metadata key graph is ${quoted(said)}`;
  for (const key of METADATA_SCHEMA.keyof().options) {
    const value = file.metadata.get(key);
    if (value !== manifest[key]) return `${graph}: metadata key ${key} is ${quoted(value)} where model.json says ${quoted(manifest[key])}`;
  }
  for (const { domain, version } of file.opsets) {
    if (domain !== '') return `${graph}: operators of the domain "${domain}"; only ONNX's own are allowed`;
    if (!(version >= 1 && version <= OPSET_MAX)) return `${graph}: opset ${version}; at most ${OPSET_MAX} is allowed`;
  }
  return file.opsets.length === 1 ? null : `${graph}: ${file.opsets.length} opsets; exactly one is allowed`;
}

const quoted = (value: string | undefined): string => (value === undefined ? 'missing' : `"${value}"`);

/** Check 3: nothing random, no graph within a graph, nothing outside the file. */
export function checkNodes(graph: GraphName, file: OnnxFile): Verdict {
  for (const node of file.nodes) {
    if (node.domain !== '') return `${graph}: node ${node.name} is an operator of the domain "${node.domain}"`;
    if (FORBIDDEN.test(node.opType)) return `${graph}: node ${node.name} is a ${node.opType}, which is not allowed`;
    if (node.hasSubgraph) return `${graph}: node ${node.name} holds a graph of its own`;
  }
  if (file.functionCount > 0) return `${graph}: defines ${file.functionCount} functions of its own`;
  return file.externalTensors.length === 0 ? null : `${graph}: the data of ${file.externalTensors.join(', ')} lies in another file`;
}

export interface TensorSignature {
  readonly name: string;
  readonly type: ElementType;
  /** Dimensions after the batch. */
  readonly shape: readonly number[];
}

export interface GraphSignature {
  readonly inputs: readonly TensorSignature[];
  readonly outputs: readonly TensorSignature[];
  /** Outputs that may be there too. */
  readonly optionalOutputs: readonly TensorSignature[];
}

export function signatureOf(graph: GraphName, dimensions: ModelDimensions): GraphSignature {
  const floats = (name: string, ...shape: number[]): TensorSignature => ({ name, type: 'float32', shape });
  const index = (name: string): TensorSignature => ({ name, type: 'int32', shape: [] });
  const { observation, hidden, afterstate, actions, chanceCodes, valueBins } = dimensions;
  switch (graph) {
    case 'initial_inference':
      return {
        inputs: [floats('observation', ...observation)],
        outputs: [floats('hidden', hidden), floats('policy_logits', actions), floats('value')],
        optionalOutputs: [floats('value_logits', valueBins)],
      };
    case 'afterstate_inference':
      return {
        inputs: [floats('hidden', hidden), index('action')],
        outputs: [floats('afterstate', afterstate), floats('chance_logits', chanceCodes), floats('value')],
        optionalOutputs: [],
      };
    case 'chance_inference':
      return {
        inputs: [floats('afterstate', afterstate), index('code')],
        outputs: [floats('hidden', hidden), floats('reward'), floats('policy_logits', actions), floats('value')],
        optionalOutputs: [],
      };
    case 'recurrent_inference':
      return {
        inputs: [floats('hidden', hidden), index('action')],
        // No output may share a name with an input.
        outputs: [floats('hidden_next', hidden), floats('reward'), floats('policy_logits', actions), floats('value')],
        optionalOutputs: [],
      };
  }
}

/** Check 4: names, types and dimensions; the dimensions agree across graphs because all come from one manifest. */
export function checkSignature(
  graph: GraphName, dimensions: ModelDimensions, inputs: readonly TensorDescription[], outputs: readonly TensorDescription[],
): Verdict {
  const signature = signatureOf(graph, dimensions);
  return checkTensors(`${graph}: input`, signature.inputs, [], inputs)
    ?? checkTensors(`${graph}: output`, signature.outputs, signature.optionalOutputs, outputs);
}

function checkTensors(
  where: string, required: readonly TensorSignature[], optional: readonly TensorSignature[], found: readonly TensorDescription[],
): Verdict {
  for (const { name } of required) {
    if (!found.some((tensor) => tensor.name === name)) return `${where} ${name} is missing`;
  }
  for (const tensor of found) {
    const expected = [...required, ...optional].find(({ name }) => name === tensor.name);
    if (expected === undefined) return `${where} ${tensor.name} is not part of the contract`;
    if (tensor.type !== expected.type) return `${where} ${tensor.name} is ${tensor.type}, not ${expected.type}`;
    const [batch, ...rest] = tensor.shape;
    const matches = batch === 'batch' && rest.length === expected.shape.length && rest.every((dimension, i) => dimension === expected.shape[i]);
    if (!matches) return `${where} ${tensor.name} has the shape [${tensor.shape.join(', ')}], not [${['batch', ...expected.shape].join(', ')}]`;
  }
  return null;
}

/** What the daemon's configuration needs of a model. */
export interface ModelExpectations {
  readonly featureSetId: string;
  /** Dimensions of the input vector, slowest first. */
  readonly observationShape: readonly number[];
  readonly discount: number;
  /** Network calls of one decision after the first. */
  readonly simulations: number;
  /** For those calls and the first together. */
  readonly decisionBudgetMs: number;
}

/** Check 5: the model was made for this daemon's features and discount. */
export function checkExpectations(manifest: ModelManifest, dimensions: ModelDimensions, expectations: ModelExpectations): Verdict {
  const { featureSetId, observationShape, discount } = expectations;
  if (manifest.feature_set_id !== featureSetId) return `made for the features ${manifest.feature_set_id}, configured are ${featureSetId}`;
  const [read, given] = [dimensions.observation, observationShape].map((shape) => shape.join(' × '));
  if (read !== given) return `reads ${read} features, ${featureSetId} has ${given}`;
  if (Number(manifest.discount) !== discount) return `made for the discount ${manifest.discount}, configured is ${discount}`;
  return null;
}

/** One row of a graph's outputs, by name. */
export type Outputs = ReadonlyMap<string, Float32Array>;

/** Check 6: what the runtime computes for a probe is what the manifest says. */
export function checkProbe(probe: Probe, outputs: Outputs): Verdict {
  for (const [name, expected] of Object.entries(probe.outputs)) {
    const found = outputs.get(name);
    if (found?.length !== expected.length) return `${probe.graph}: output ${name} has ${found?.length ?? 0} numbers, its probe ${expected.length}`;
    const tolerance = toleranceOf(name);
    for (const [i, value] of expected.entries()) {
      if (!(Math.abs(found[i]! - value) <= tolerance)) return `${probe.graph}: output ${name}[${i}] is ${found[i]!}, its probe ${value}`;
    }
  }
  return null;
}

export interface ProbeError {
  readonly graph: GraphName;
  readonly output: string;
  /** The largest distance between what the runtime computed and what the manifest says. */
  readonly errorMax: number;
  readonly tolerance: number;
}

/** How far a probe that passed was off, output by output. */
export function probeErrorsOf({ graph, outputs: expected }: Probe, found: Outputs): readonly ProbeError[] {
  return Object.entries(expected).map(([output, values]) => ({
    graph,
    output,
    errorMax: values.reduce((most, value, i) => Math.max(most, Math.abs((found.get(output)?.[i] ?? Number.NaN) - value)), 0),
    tolerance: toleranceOf(output),
  }));
}

const toleranceOf = (output: string): number => (PIPS_OUTPUTS.has(output) ? PIPS_TOLERANCE : TOLERANCE);

/** Check 7: every output is a number, and what is in pips is within ±300. */
export function checkBounds(graph: GraphName, outputs: Outputs): Verdict {
  for (const [name, values] of outputs) {
    const limit = PIPS_OUTPUTS.has(name) ? PIPS_MAX : Number.MAX_VALUE;
    const place = values.findIndex((value) => !(Math.abs(value) <= limit));
    if (place !== -1) return `${graph}: output ${name}[${place}] is ${values[place]!}, not a number within ±${limit}`;
  }
  return null;
}

/** Check 8: two runs that should agree do so to the last bit. */
export function checkSameBits(graph: GraphName, what: string, left: Outputs, right: Outputs): Verdict {
  for (const [name, values] of left) {
    const others = right.get(name);
    const place = values.findIndex((value, i) => !Object.is(value, others?.[i]));
    if (place !== -1) return `${graph}: output ${name}[${place}] is ${values[place]!}, but ${others?.[place] ?? 'missing'} ${what}`;
  }
  return null;
}

/** Check 9: a decision's network calls fit into its budget. */
export function checkBudget(decisionMs: number, expectations: ModelExpectations): Verdict {
  const { decisionBudgetMs, simulations } = expectations;
  return decisionMs <= decisionBudgetMs ? null
    : `${simulations + 1} network calls take ${decisionMs.toFixed(2)} ms, the budget of a decision is ${decisionBudgetMs} ms`;
}

/** Check 4's other half: probes name exactly the contract's tensors, in the sizes that the manifest declares. */
export function checkProbeShape(probe: Probe, dimensions: ModelDimensions): Verdict {
  const { inputs, outputs } = signatureOf(probe.graph, dimensions);
  for (const [side, given, wanted] of [['input', probe.inputs, inputs], ['output', probe.outputs, outputs]] as const) {
    for (const { name, shape } of wanted) {
      const expected = shape.reduce((product, dimension) => product * dimension, 1);
      if (given[name]?.length !== expected) return `probe of ${probe.graph}: ${side} ${name} has ${given[name]?.length ?? 0} numbers, not ${expected}`;
    }
  }
  return null;
}

/** The manifest's entry for a graph; `readManifest` has made sure that there is one. */
export function graphEntry(manifest: ModelManifest, graph: GraphName): ModelManifest['graphs'][number] {
  const entry = manifest.graphs.find((candidate) => candidate.graph === graph);
  if (entry === undefined) throw new Error(`the manifest lists no ${graph}`);
  return entry;
}
