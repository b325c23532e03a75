/**
 * A complete model under `smz-onnx/1` with weights straight from a seed: something for the demo, the tests and
 * the benchmarks to run, which knows nothing of any market and says so wherever it is shown.
 *
 * Only multiplications and additions make the weights, so the same seed gives the same bytes on any machine.
 */
import { createHash } from 'node:crypto';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { ACTIONS } from '../../domain/policy.ts';
import type { SearchKind } from '../../domain/policy.ts';
import { signatureOf } from '../contract/checks.ts';
import { ACTION_ORDER, CONTRACT, dimensionsOf } from '../contract/manifest.ts';
import type { GraphName, ModelManifest, ModelMetadata, Probe } from '../contract/manifest.ts';
import { forward, writeNetwork } from './network.ts';
import type { Dense, Head, Network } from './network.ts';

export interface UntrainedOptions {
  readonly kind: SearchKind;
  /** Width of every layer, of the hidden state and of the afterstate; even. */
  readonly hidden: number;
  /** Of the stochastic kind; the deterministic one has none. */
  readonly chanceCodes: number;
  readonly seed: number;
}

export const UNTRAINED_DEFAULTS: UntrainedOptions = { kind: 'stochastic', hidden: 32, chanceCodes: 8, seed: 4 };

export interface ModelFiles {
  readonly modelId: string;
  /** File name → bytes; `model.json` among them. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

const OBSERVATION = 137;
const SCATTERING = 128;
const PATH_SAMPLES = 16;
const PROBES_PER_GRAPH = 2;
const SCALAR_SUPPORT = JSON.stringify({ kind: 'scalar', min: -300, max: 300, bins: 1, unit: 'pips' });

/**
 * How strongly each kind of feature speaks. Order 1 is some ten times smaller than order 0 and changes faster;
 * without a gain of its own the policy would see little but the drift of the whole window.
 */
const INPUT_GAINS = { order0: 1, order1: 25, position: 2 };
const TRUNK_GAINS = [1, 1.4] as const;
/** How far an action or a code shifts the first layer's units: enough to switch some of them off. */
const INDEX_GAIN = 1;
/** Spread of the policy logits before the bias, and the bias that makes holding the usual answer. */
const POLICY_GAIN = 2;
const POLICY_BIAS = [2.5, 0, 0, 0];
const CHANCE_GAIN = 1;
/** Values and rewards come out at a few pips. */
const PIPS_GAIN = 2;

/** Uniform numbers in [-1, 1), 2^-31 apart. */
type Uniform = () => number;

function uniformFrom(seed: number): Uniform {
  const generator = xoroshiro128plus(seed);
  // The first outputs of neighbouring seeds resemble one another.
  for (let step = 0; step < 64; step += 1) generator.next();
  return () => generator.next() / 2 ** 31;
}

/** Uniform weights whose sum over inputs of unit variance has the standard deviation `gain`. */
function dense(uniform: Uniform, inputs: number, outputs: number, gain: number, bias: readonly number[] = []): Dense {
  const scale = gain * Math.sqrt(3 / inputs);
  return {
    inputs,
    outputs,
    weights: Float32Array.from({ length: inputs * outputs }, () => uniform() * scale),
    bias: Float32Array.from({ length: outputs }, (_, i) => bias[i] ?? 0),
  };
}

/**
 * Two layers that are odd in the vector, whatever the index: the first layer's units come in pairs that see the
 * vector with opposite signs, the second subtracts them. Random layers without that lean to one side, and the
 * policy would prefer one action on every bar.
 */
function oddTrunk(uniform: Uniform, vectorLength: number, indexCount: number, hidden: number): [Dense, Dense] {
  const inputs = vectorLength + indexCount;
  const first = dense(uniform, inputs, hidden, TRUNK_GAINS[0]);
  const second = dense(uniform, hidden, hidden, TRUNK_GAINS[1]);
  for (let unit = 0; unit < hidden; unit += 2) {
    const shift = uniform() / 2;
    first.bias.fill(shift, unit, unit + 2);
    for (let i = 0; i < inputs; i += 1) {
      const isVector = i < vectorLength;
      const weight = isVector ? first.weights[unit * inputs + i]! : uniform() * INDEX_GAIN;
      first.weights[unit * inputs + i] = weight;
      first.weights[(unit + 1) * inputs + i] = isVector ? -weight : weight;
    }
    for (let row = 0; row < hidden; row += 1) second.weights[row * hidden + unit + 1] = -second.weights[row * hidden + unit]!;
  }
  return [first, second];
}

/** Gives each kind of feature its gain, and takes the mean off the weights of each order-1 path: it then answers
 * to changes along the path, not to the path's level, which is always positive. */
function tuneToFeatures({ outputs, inputs, weights }: Dense): void {
  for (let row = 0; row < outputs; row += 1) {
    for (let path = 0; path < SCATTERING; path += PATH_SAMPLES) {
      const from = row * inputs + path;
      const samples = weights.subarray(from, from + PATH_SAMPLES);
      const mean = path === 0 ? 0 : samples.reduce((sum, weight) => sum + weight, 0) / PATH_SAMPLES;
      const gain = path === 0 ? INPUT_GAINS.order0 : INPUT_GAINS.order1;
      samples.forEach((weight, i) => {
        samples[i] = (weight - mean) * gain;
      });
    }
    for (let i = row * inputs + SCATTERING; i < (row + 1) * inputs; i += 1) weights[i] = weights[i]! * INPUT_GAINS.position;
  }
}

function networks({ kind, hidden, chanceCodes, seed }: UntrainedOptions): ReadonlyMap<GraphName, Network> {
  const uniform = uniformFrom(seed);
  const pips = (name: string): Head => ({ name, layer: dense(uniform, hidden, 1, PIPS_GAIN), scalar: true });
  const logits = (name: string, outputs: number, gain: number, bias: readonly number[] = []): Head =>
    ({ name, layer: dense(uniform, hidden, outputs, gain, bias), scalar: false });

  const observed = oddTrunk(uniform, OBSERVATION, 0, hidden);
  tuneToFeatures(observed[0]);
  const initial: Network = {
    name: 'initial_inference', input: 'observation', inputLength: OBSERVATION, index: null, trunk: observed, stateName: 'hidden',
    heads: [logits('policy_logits', ACTIONS.length, POLICY_GAIN, POLICY_BIAS), pips('value')],
  };
  /** A network from one state to the next, which a bar's reward comes with. */
  const step = (name: GraphName, input: string, index: NonNullable<Network['index']>, stateName: string): Network => ({
    name, input, inputLength: hidden, index, trunk: oddTrunk(uniform, hidden, index.count, hidden), stateName,
    heads: [pips('reward'), logits('policy_logits', ACTIONS.length, POLICY_GAIN, POLICY_BIAS), pips('value')],
  });
  const action = { name: 'action', count: ACTIONS.length };
  if (kind === 'deterministic') return new Map([['initial_inference', initial], ['recurrent_inference', step('recurrent_inference', 'hidden', action, 'hidden_next')]]);
  const afterstate: Network = {
    name: 'afterstate_inference', input: 'hidden', inputLength: hidden, index: action,
    trunk: oddTrunk(uniform, hidden, ACTIONS.length, hidden), stateName: 'afterstate',
    heads: [logits('chance_logits', chanceCodes, CHANCE_GAIN), pips('value')],
  };
  const chance = step('chance_inference', 'afterstate', { name: 'code', count: chanceCodes }, 'hidden');
  return new Map([['initial_inference', initial], ['afterstate_inference', afterstate], ['chance_inference', chance]]);
}

/** Its directory; with the seed behind it, its model id. */
export const untrainedName = (kind: SearchKind, hidden: number): string => `untrained-${kind === 'stochastic' ? '' : `${kind}-`}h${hidden}`;

function metadataOf({ kind, hidden, chanceCodes, seed }: UntrainedOptions): ModelMetadata {
  const isStochastic = kind === 'stochastic';
  return {
    contract: CONTRACT,
    kind,
    model_version: '1',
    model_id: `${untrainedName(kind, hidden)}-s${seed}`,
    git_commit: 'none',
    training_data_id: 'none',
    feature_set_id: 'swt-137',
    obs_shape: JSON.stringify([OBSERVATION]),
    action_order: ACTION_ORDER,
    chance_codes: isStochastic ? String(chanceCodes) : '0',
    hidden_dim: String(hidden),
    afterstate_dim: isStochastic ? String(hidden) : '0',
    value_support: SCALAR_SUPPORT,
    reward_support: SCALAR_SUPPORT,
    value_transform: 'identity',
    discount: '0.997',
    policy_output: 'logits',
    trained_steps: '0',
    seed: String(seed),
    // A fixed date: the files are a function of the options alone.
    created_at: '2026-01-01T00:00:00Z',
    exporter: 'models/reference/write-untrained.ts',
  };
}

function probesOf(network: Network, graph: GraphName, metadata: ModelMetadata, uniform: Uniform): readonly Probe[] {
  const { outputs } = signatureOf(graph, dimensionsOf(metadata));
  return Array.from({ length: PROBES_PER_GRAPH }, (_, i) => {
    const input = Float32Array.from({ length: network.inputLength }, () => uniform());
    const index = network.index === null ? 0 : (i * 3 + 1) % network.index.count;
    const computed = forward(network, input, index);
    return {
      graph,
      inputs: { [network.input]: [...input], ...(network.index === null ? {} : { [network.index.name]: [index] }) },
      outputs: Object.fromEntries(outputs.map(({ name }) => [name, [...computed.get(name) ?? []]])),
    };
  });
}

/** Builds the graphs and their manifest. */
export function untrainedModel(options: UntrainedOptions): ModelFiles {
  const metadata = metadataOf(options);
  const files = new Map<string, Uint8Array>();
  const graphs: ModelManifest['graphs'][number][] = [];
  const probes: Probe[] = [];
  const probeInputs = uniformFrom(options.seed + 1);
  for (const [graph, network] of networks(options)) {
    const file = `${graph}.onnx`;
    const bytes = writeNetwork(network, { ...metadata, graph });
    files.set(file, bytes);
    graphs.push({ graph, file, bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') });
    probes.push(...probesOf(network, graph, metadata, probeInputs));
  }
  const manifest: ModelManifest = { ...metadata, trained: false, graphs, probes };
  files.set('model.json', new TextEncoder().encode(`${JSON.stringify(manifest, null, 1)}\n`));
  return { modelId: metadata.model_id, files };
}
