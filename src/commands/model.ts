/** Commands about models: look at a directory, check it, time it, and let a running daemon decide by it. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { loadOnnxModel } from '../../adapters/onnx/loader.ts';
import type { LoadedModel, ModelRejection } from '../../adapters/onnx/loader.ts';
import type { Row } from '../../domain/projection.ts';
import { CHECKS } from '../../models/contract/checks.ts';
import type { ModelExpectations } from '../../models/contract/checks.ts';
import { graphsOf, modelLabelOf, readManifest } from '../../models/contract/manifest.ts';
import type { ModelManifest } from '../../models/contract/manifest.ts';
import { readOnnxFile } from '../../models/contract/onnx-file.ts';
import type { OnnxFile, TensorDescription } from '../../models/contract/onnx-file.ts';
import { ProtobufError } from '../../models/contract/protobuf.ts';
import { straightLeaf } from '../../models/contract/straight.ts';
import { expectationsOf, ownExpectations } from '../daemon/policy.ts';
import type { ConfigOption } from './common.ts';
import { load, say, sayJson, table, UsageError, warn } from './common.ts';
import { tell } from './operate.ts';

export interface ModelOptions {
  readonly json: boolean;
}

export interface VerifyOptions extends ModelOptions {
  readonly config?: string;
}

const DECISIONS_MAX = 100_000;

async function readModelFile(directory: string, name: string): Promise<Uint8Array> {
  try {
    return await readFile(join(directory, name));
  } catch (error) {
    throw new UsageError(`${join(directory, name)} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

type ManifestFound = { readonly ok: true; readonly manifest: ModelManifest; readonly modelHash: string };

/** A manifest that breaks the contract is refused as the loader would refuse it. @throws UsageError when there is none. */
async function manifestIn(directory: string): Promise<ManifestFound | ModelRejection> {
  const bytes = await readModelFile(directory, 'model.json');
  const reading = readManifest(bytes);
  return reading.ok ? { ...reading, modelHash: createHash('sha256').update(bytes).digest('hex') } : { ok: false, check: 'manifest', detail: reading.detail };
}

// --- inspect ---

/** What the files say of themselves. Nothing is run and nothing is believed: `verify` checks it. */
export async function inspectModel(directory: string, { json }: ModelOptions): Promise<number> {
  const found = await manifestIn(directory);
  if (!found.ok) return sayRejection(found, { json });
  const { manifest, modelHash } = found;
  const { graphs: entries, probes, ...metadata } = manifest;
  const graphs = await Promise.all(entries.map(async ({ graph, file }) => ({ graph, file, ...described(file, await readModelFile(directory, file)) })));
  if (json) {
    sayJson({ version: 1, modelHash, modelLabel: modelLabelOf(manifest), metadata, probes: probes.length, graphs });
    return 0;
  }
  say(`${modelLabelOf(manifest)}  ${modelHash}`);
  say(table(Object.entries(metadata).map(([key, value]) => ({ key, value: String(value) }))));
  for (const { graph, file, inputs, outputs, operators, opsets, constants, bytes } of graphs) {
    say(`\n${graph} (${file}, ${bytes} bytes, ${constants} constants, opset ${opsets.join(', ')})`);
    say(table([...inputs.map((tensor) => tensorRow('input', tensor)), ...outputs.map((tensor) => tensorRow('output', tensor))]));
    say(Object.entries(operators).map(([operator, count]) => `${operator} × ${count}`).join(', '));
  }
  return 0;
}

const tensorRow = (side: string, { name, type, shape }: TensorDescription): Row => ({ side, name, type, shape: `[${shape.join(', ')}]` });

function parsed(file: string, bytes: Uint8Array): OnnxFile {
  try {
    return readOnnxFile(bytes);
  } catch (error) {
    if (error instanceof ProtobufError) throw new UsageError(`${file} is no ONNX file: ${error.message}`);
    throw error;
  }
}

function described(file: string, bytes: Uint8Array) {
  const { inputs, outputs, nodes, opsets, constantCount, metadata } = parsed(file, bytes);
  const operators: { [operator: string]: number } = {};
  for (const { opType } of nodes) operators[opType] = (operators[opType] ?? 0) + 1;
  return {
    bytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    opsets: opsets.map(({ domain, version }) => `${domain}${domain === '' ? '' : ' '}${version}`),
    inputs,
    outputs,
    operators,
    constants: constantCount,
    metadata: Object.fromEntries(metadata),
  };
}

// --- verify ---

/** What the configuration asks for; without one, what the model says of itself. */
async function expectationsFor(directory: string, { config: file }: VerifyOptions): Promise<ModelExpectations | ModelRejection> {
  if (file === undefined) {
    const found = await manifestIn(directory);
    if (!found.ok) return found;
    return ownExpectations(found.manifest);
  }
  const { policy } = load({ config: file }).config;
  if (policy.kind !== 'muzero') throw new UsageError(`${file} configures policy ${policy.kind}, which runs no model`);
  return expectationsOf(policy);
}

export async function verifyModel(directory: string, options: VerifyOptions): Promise<number> {
  const expectations = await expectationsFor(directory, options);
  const model = 'ok' in expectations ? expectations : await loadOnnxModel(directory, expectations);
  if (!model.ok) return sayRejection(model, options);
  await model.evaluator.close();
  const { modelHash, modelLabel, kind, warmUpMs, probeErrors } = model;
  const errors = worstErrors(probeErrors);
  if (options.json) {
    sayJson({ version: 1, ok: true, modelHash, modelLabel, kind, checks: CHECKS, warmUpMs, probeErrors: errors });
    return 0;
  }
  say(`ok: ${modelLabel}  ${modelHash}`);
  say(`checks  ${CHECKS.join(', ')}`);
  say(table(errors.map(({ graph, output, errorMax, tolerance }) => ({ graph, output, 'largest error': errorMax.toExponential(2), allowed: tolerance.toExponential(0) }))));
  say(`a decision's network calls take ${warmUpMs.toFixed(2)} ms`);
  return 0;
}

function sayRejection({ check, detail }: ModelRejection, { json }: ModelOptions): number {
  if (json) sayJson({ version: 1, ok: false, check, detail });
  else say(`REFUSED by check ${check}: ${detail}`);
  return 1;
}

/** The largest error of each output over all its probes. */
function worstErrors(errors: LoadedModel['probeErrors']): LoadedModel['probeErrors'] {
  const worst = new Map<string, LoadedModel['probeErrors'][number]>();
  for (const error of errors) {
    const key = `${error.graph} ${error.output}`;
    if (error.errorMax >= (worst.get(key)?.errorMax ?? 0)) worst.set(key, error);
  }
  return [...worst.values()];
}

// --- bench ---

export interface BenchOptions extends VerifyOptions {
  readonly decisions: string;
}

/** Times a decision's network calls, graph by graph and as a whole; the first decision is told apart. */
export async function benchModel(directory: string, options: BenchOptions): Promise<number> {
  const decisions = Number(options.decisions);
  if (!Number.isInteger(decisions) || decisions < 1 || decisions > DECISIONS_MAX) throw new UsageError(`--decisions must be a whole number from 1 to ${DECISIONS_MAX}, not "${options.decisions}"`);
  const expectations = await expectationsFor(directory, options);
  if ('ok' in expectations) return sayRejection(expectations, options);
  const model = await loadOnnxModel(directory, expectations);
  if (!model.ok) return sayRejection(model, options);
  const { simulations } = expectations;
  const times = await timeDecisions(model, simulations, decisions);
  await model.evaluator.close();
  const rows = [...times].map(([what, taken]) => ({ what, calls: taken.length, ...spread(taken) }));
  const { modelLabel, modelHash } = model;
  if (options.json) sayJson({ version: 1, modelHash, modelLabel, simulations, decisions, rows });
  else {
    say(`${modelLabel}, ${simulations} simulations, ${decisions} decisions, one thread`);
    say(table(rows.map(({ what, calls, firstMs, medianMs, p99Ms }) => ({ what, calls, 'first ms': firstMs.toFixed(3), 'median ms': medianMs.toFixed(3), 'p99 ms': p99Ms.toFixed(3) }))));
    warn('times do not travel: compare them on one machine only');
  }
  return 0;
}

async function timeDecisions({ evaluator, kind, manifest }: LoadedModel, simulations: number, decisions: number): Promise<ReadonlyMap<string, readonly number[]>> {
  const times = new Map<string, number[]>([...graphsOf(kind).map((graph): [string, number[]] => [graph, []]), ['decision', []]]);
  const observation = Float32Array.from(manifest.probes.find(({ graph }) => graph === 'initial_inference')?.inputs['observation'] ?? []);
  for (let decision = 0; decision < decisions; decision += 1) {
    const startedMs = performance.now();
    let vector: Float32Array = observation;
    for (let call = 0; call <= simulations; call += 1) {
      const leaf = straightLeaf(kind, call, vector);
      const calledMs = performance.now();
      vector = (await evaluator.evaluate(leaf)).state;
      times.get(`${leaf.kind}_inference`)?.push(performance.now() - calledMs);
    }
    times.get('decision')?.push(performance.now() - startedMs);
  }
  return times;
}

function spread(taken: readonly number[]): { readonly firstMs: number; readonly medianMs: number; readonly p99Ms: number } {
  const sorted = taken.toSorted((left, right) => left - right);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
  return { firstMs: taken[0] ?? Number.NaN, medianMs: at(0.5), p99Ms: at(0.99) };
}

// --- swap ---

export interface SwapOptions extends ConfigOption, ModelOptions {
  readonly directory: string;
  readonly operator: string;
  readonly reason: string;
}

/** Asks the running daemon to verify a model and let it decide. */
export const swapModel = ({ directory, operator, reason, ...options }: SwapOptions): Promise<number> =>
  tell(load(options).config.control.socketPath, options.json, { verb: 'swap-model', operator, reason, directory: resolve(directory) });
