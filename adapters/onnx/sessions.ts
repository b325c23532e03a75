/** ONNX Runtime's side of the networks: sessions, tensors in and out, and what may not pass either way. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { NonFiniteError } from '../../domain/policy.ts';
import type { Evaluator, Heads, LeafRequest, SearchKind } from '../../domain/policy.ts';
import { graphsOf } from '../../models/contract/manifest.ts';
import type { GraphName, ModelDimensions } from '../../models/contract/manifest.ts';
import { signatureOf } from '../../models/contract/checks.ts';
import type { GraphSignature, Outputs } from '../../models/contract/checks.ts';
import type { TensorDescription } from '../../models/contract/onnx-file.ts';

/** One thread and one order of execution, so that the same input gives the same bits. */
const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
};

/** Raised when a network is given or gives something that no decision may rest on. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
}

/** Inputs of one row or several, by name: floats flattened row by row, or one index a row. */
export type Inputs = Readonly<Record<string, Float32Array | Int32Array>>;

export class NetworkSession {
  readonly graph: GraphName;
  readonly #signature: GraphSignature;
  readonly #session: InferenceSession;
  readonly #outputNames: readonly string[];
  /** How many values each index input has. */
  readonly #indexCount: number;

  private constructor(graph: GraphName, dimensions: ModelDimensions, session: InferenceSession) {
    this.graph = graph;
    this.#signature = signatureOf(graph, dimensions);
    this.#session = session;
    this.#outputNames = this.#signature.outputs.map(({ name }) => name);
    this.#indexCount = graph === 'chance_inference' ? dimensions.chanceCodes : dimensions.actions;
  }

  static async open(graph: GraphName, dimensions: ModelDimensions, bytes: Uint8Array): Promise<NetworkSession> {
    return new NetworkSession(graph, dimensions, await InferenceSession.create(bytes, SESSION_OPTIONS));
  }

  get inputs(): readonly TensorDescription[] {
    return describe(this.#session.inputMetadata);
  }

  get outputs(): readonly TensorDescription[] {
    return describe(this.#session.outputMetadata);
  }

  /**
   * Runs the network on `batch` rows and gives back what the contract names.
   * @throws NonFiniteError for a number that is not finite, NetworkError for an input of the wrong size or an index
   * out of range.
   */
  async run(inputs: Inputs, batch: number): Promise<Outputs> {
    const feeds: Record<string, Tensor> = {};
    for (const { name, type, shape } of this.#signature.inputs) {
      const data = inputs[name];
      const length = shape.reduce((product, dimension) => product * dimension, batch);
      if (data?.length !== length) throw new NetworkError(`${this.graph}: input ${name} has ${data?.length ?? 0} numbers, not ${length}`);
      this.#checkInput(name, type, data);
      feeds[name] = new Tensor(type, data, [batch, ...shape]);
    }
    const results = await this.#session.run(feeds, this.#outputNames);
    const outputs = new Map<string, Float32Array>();
    for (const name of this.#outputNames) {
      const data = results[name]?.data;
      if (!(data instanceof Float32Array)) throw new NetworkError(`${this.graph}: output ${name} is not float32`);
      outputs.set(name, data);
    }
    return outputs;
  }

  async close(): Promise<void> {
    await this.#session.release();
  }

  /** ONNX Runtime passes NaN through, and takes -1 for the last row of a table: both must stop here. */
  #checkInput(name: string, type: string, data: Float32Array | Int32Array): void {
    for (let i = 0; i < data.length; i += 1) {
      const value = data[i]!;
      if (!Number.isFinite(value)) throw new NonFiniteError(`${this.graph}: input ${name}[${i}] is ${value}, not finite`);
      if (type === 'int32' && !(value >= 0 && value < this.#indexCount)) {
        throw new NetworkError(`${this.graph}: input ${name}[${i}] is ${value}, not one of 0 to ${this.#indexCount - 1}`);
      }
    }
  }
}

function describe(metadata: readonly InferenceSession.ValueMetadata[]): readonly TensorDescription[] {
  return metadata.map((value) => (value.isTensor
    ? { name: value.name, type: value.type, shape: value.shape }
    : { name: value.name, type: 'no tensor', shape: [] }));
}

export type Sessions = ReadonlyMap<GraphName, NetworkSession>;

/** Closes what is open, the rest too when one refuses. */
export async function closeAll(sessions: Sessions): Promise<void> {
  await Promise.all([...sessions.values()].map((session) => session.close()));
}

/** The port of a policy's networks, over the open sessions of a model. It answers the requests of its kind alone. */
export function createEvaluator(kind: SearchKind, sessions: Sessions): Evaluator {
  for (const graph of graphsOf(kind)) session(sessions, graph);
  return {
    async evaluate(leaf: LeafRequest): Promise<Heads> {
      switch (leaf.kind) {
        case 'initial':
          return run(sessions, 'initial_inference', { observation: leaf.observation }, 'hidden', 'policy_logits');
        case 'recurrent':
          return run(sessions, 'recurrent_inference', { hidden: leaf.hidden, action: Int32Array.of(leaf.action) }, 'hidden_next', 'policy_logits');
        case 'afterstate':
          return run(sessions, 'afterstate_inference', { hidden: leaf.hidden, action: Int32Array.of(leaf.action) }, 'afterstate', 'chance_logits');
        case 'chance':
          return run(sessions, 'chance_inference', { afterstate: leaf.afterstate, code: Int32Array.of(leaf.code) }, 'hidden', 'policy_logits');
      }
    },
    close: () => closeAll(sessions),
  };
}

function session(sessions: Sessions, graph: GraphName): NetworkSession {
  const found = sessions.get(graph);
  if (found === undefined) throw new NetworkError(`no session for ${graph} among ${[...sessions.keys()].join(', ')}`);
  return found;
}

async function run(sessions: Sessions, graph: GraphName, inputs: Inputs, state: string, logits: string): Promise<Heads> {
  return headsOf(graph, await session(sessions, graph).run(inputs, 1), state, logits);
}

function headsOf(graph: GraphName, outputs: Outputs, state: string, logits: string): Heads {
  const finite = (name: string): Float32Array => {
    const values = outputs.get(name);
    if (values === undefined) throw new NetworkError(`${graph}: output ${name} is missing`);
    const place = values.findIndex((value) => !Number.isFinite(value));
    if (place !== -1) throw new NonFiniteError(`${graph}: output ${name}[${place}] is ${values[place]!}, not finite`);
    return values;
  };
  const number = (name: string): number => finite(name)[0] ?? Number.NaN;
  return { state: finite(state), value: number('value'), reward: outputs.has('reward') ? number('reward') : 0, logits: finite(logits) };
}
