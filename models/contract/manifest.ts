/**
 * `model.json`: what a model says of itself under the contract `smz-onnx/1`.
 *
 * The contract's keys are texts, letter for letter what each graph carries in its metadata_props, so that
 * manifest and graphs can be compared without interpreting either. Beside them stand the files with size and
 * hash, whether the model was trained at all, and probes: inputs with the outputs that another implementation
 * computed for them.
 */
import { z } from 'zod';
import { ACTIONS } from '../../domain/policy.ts';
import type { SearchKind } from '../../domain/policy.ts';

export const CONTRACT = 'smz-onnx/1';
export const ACTION_ORDER = ACTIONS.join(',');
const GRAPHS = ['initial_inference', 'afterstate_inference', 'chance_inference', 'recurrent_inference'] as const;
export type GraphName = (typeof GRAPHS)[number];
const GRAPHS_OF: { readonly [kind in SearchKind]: readonly GraphName[] } = {
  stochastic: ['initial_inference', 'afterstate_inference', 'chance_inference'],
  deterministic: ['initial_inference', 'recurrent_inference'],
};
/** The graphs that a model of this kind consists of. */
export const graphsOf = (kind: SearchKind): readonly GraphName[] => GRAPHS_OF[kind];

const name = z.string().min(1).max(200);
const wholeText = z.string().regex(/^\d{1,12}$/, 'must be a whole number as text');
const decimalText = z.string().regex(/^\d{1,6}(\.\d{1,12})?$/, 'must be a plain decimal as text');
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits');

/** A text that is JSON of a given shape. */
const jsonText = <T>(schema: z.ZodType<T>): z.ZodType<string, string> =>
  z.string().max(400).refine((text) => {
    try {
      return schema.safeParse(JSON.parse(text)).success;
    } catch {
      return false;
    }
  }, 'is no JSON text of the form that the contract gives');

const support = jsonText(z.strictObject({
  kind: z.enum(['linear', 'scalar']), min: z.number(), max: z.number(), bins: z.int().min(1), unit: z.literal('pips'),
}));

/** Dimensions after the batch, slowest first. */
const observationShape = z.array(z.int().min(1).max(100_000)).min(1).max(3);

/** The keys that manifest and metadata_props share, all but `graph`. */
export const METADATA_SCHEMA = z.object({
  contract: z.literal(CONTRACT),
  kind: z.enum(['stochastic', 'deterministic']),
  model_version: name,
  model_id: name,
  git_commit: name,
  training_data_id: name,
  feature_set_id: name,
  obs_shape: jsonText(observationShape),
  action_order: z.literal(ACTION_ORDER),
  /** 0 for the deterministic kind, which has neither codes nor afterstates. */
  chance_codes: wholeText,
  hidden_dim: wholeText,
  afterstate_dim: wholeText,
  value_support: support,
  reward_support: support,
  value_transform: z.enum(['identity', 'h']),
  discount: decimalText,
  policy_output: z.literal('logits'),
  trained_steps: wholeText,
  seed: wholeText,
  created_at: z.iso.datetime(),
  exporter: name,
});

const tensorValues = z.record(name, z.array(z.number()).min(1).max(100_000));

const MANIFEST_SCHEMA = METADATA_SCHEMA.extend({
  /** False for weights straight from the seed; must agree with `trained_steps`. */
  trained: z.boolean(),
  graphs: z.array(z.strictObject({
    graph: z.enum(GRAPHS),
    file: z.string().regex(/^[\w.-]{1,100}$/, 'must be a plain file name'),
    bytes: z.int().min(1),
    sha256,
  })).min(1).max(GRAPHS.length),
  /** One row each, without the batch dimension; at least one for every graph. */
  probes: z.array(z.strictObject({ graph: z.enum(GRAPHS), inputs: tensorValues, outputs: tensorValues })).min(1).max(64),
}).strict();

export type ModelManifest = Readonly<z.infer<typeof MANIFEST_SCHEMA>>;
export type ModelMetadata = Readonly<z.infer<typeof METADATA_SCHEMA>>;
export type Probe = ModelManifest['probes'][number];

export type ManifestReading = { readonly ok: true; readonly manifest: ModelManifest } | { readonly ok: false; readonly detail: string };

/** Reads `model.json`; what is wrong with it comes back as text naming the key. */
export function readManifest(bytes: Uint8Array): ManifestReading {
  let raw: unknown;
  try {
    raw = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    return { ok: false, detail: `model.json is no JSON text: ${error instanceof Error ? error.message : String(error)}` };
  }
  const parsed = MANIFEST_SCHEMA.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return { ok: false, detail: `model.json: ${issue?.path.join('.') || 'top level'}: ${issue?.message ?? 'invalid'}` };
  }
  const manifest = parsed.data;
  const contradiction = contradictionIn(manifest);
  if (contradiction !== null) return { ok: false, detail: `model.json: ${contradiction}` };
  return { ok: true, manifest };
}

/** What no single key can say. */
function contradictionIn({ kind, graphs, probes, trained, trained_steps: steps, chance_codes: codes, afterstate_dim: afterstate }: ModelManifest): string | null {
  const wanted = graphsOf(kind);
  const foreign = [...graphs, ...probes].find(({ graph }) => !wanted.includes(graph));
  if (foreign !== undefined) return `${foreign.graph} is no graph of a ${kind} model`;
  if (graphs.length > wanted.length) return `${graphs.length} entries in graphs for the ${wanted.length} graphs of a ${kind} model`;
  const missing = wanted.find((graph) => !graphs.some((entry) => entry.graph === graph) || !probes.some((probe) => probe.graph === graph));
  if (missing !== undefined) return `${missing} needs one entry in graphs and one in probes`;
  for (const [key, text] of [['chance_codes', codes], ['afterstate_dim', afterstate]] as const) {
    if (Number(text) > 0 !== (kind === 'stochastic')) return `${key} is ${text} in a ${kind} model`;
  }
  return trained === Number(steps) > 0 ? null : `trained is ${trained} with trained_steps ${steps}`;
}

export interface ModelDimensions {
  /** Dimensions of the input vector, slowest first. */
  readonly observation: readonly number[];
  readonly hidden: number;
  readonly afterstate: number;
  readonly actions: number;
  readonly chanceCodes: number;
  readonly valueBins: number;
}

export function dimensionsOf(metadata: ModelMetadata): ModelDimensions {
  const observation = observationShape.parse(JSON.parse(metadata.obs_shape));
  const { bins } = z.object({ bins: z.number() }).parse(JSON.parse(metadata.value_support));
  return {
    observation,
    hidden: Number(metadata.hidden_dim),
    afterstate: Number(metadata.afterstate_dim),
    actions: ACTIONS.length,
    chanceCodes: Number(metadata.chance_codes),
    valueBins: bins,
  };
}

/** What every surface shows for the model; one that was never trained says so. */
export function modelLabelOf({ model_id: id, trained }: ModelManifest): string {
  return trained || id.includes('untrained') ? id : `${id} (untrained)`;
}
