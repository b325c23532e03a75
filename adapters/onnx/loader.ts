/**
 * Loads a model directory under the contract `smz-onnx/1`: all nine checks, in order, and nothing is kept open
 * when one of them fails. A rejection is an answer, not an exception: the daemon records it and does not trade.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { NonFiniteError } from '../../domain/policy.ts';
import type { Evaluator, SearchKind } from '../../domain/policy.ts';
import {
  checkBounds, checkBudget, checkExpectations, checkFile, checkMetadata, checkNodes, checkProbe, checkProbeShape, checkSameBits,
  checkSignature, graphEntry, probeErrorsOf,
} from '../../models/contract/checks.ts';
import type { CheckName, ModelExpectations, Outputs, ProbeError } from '../../models/contract/checks.ts';
import { dimensionsOf, graphsOf, modelLabelOf, readManifest } from '../../models/contract/manifest.ts';
import type { GraphName, ModelDimensions, ModelManifest, Probe } from '../../models/contract/manifest.ts';
import { straightLeaf } from '../../models/contract/straight.ts';
import { readOnnxFile } from '../../models/contract/onnx-file.ts';
import type { OnnxFile } from '../../models/contract/onnx-file.ts';
import { ProtobufError } from '../../models/contract/protobuf.ts';
import { closeAll, createEvaluator, NetworkError, NetworkSession } from './sessions.ts';
import type { Inputs } from './sessions.ts';

export interface LoadedModel {
  readonly ok: true;
  readonly manifest: ModelManifest;
  /** SHA-256 of `model.json`'s bytes, which name every other file by its own hash. */
  readonly modelHash: string;
  readonly modelLabel: string;
  readonly featureSetId: string;
  readonly kind: SearchKind;
  /** 0 for the deterministic kind. */
  readonly chanceCodes: number;
  /** How far each output was from its probes. */
  readonly probeErrors: readonly ProbeError[];
  /** Median time of one decision's network calls, as measured at the start. */
  readonly warmUpMs: number;
  readonly evaluator: Evaluator;
}

export interface ModelRejection {
  readonly ok: false;
  readonly check: CheckName;
  readonly detail: string;
}

/** Carries a failed check up to the one place that turns it into an answer. */
class Rejected extends Error {
  readonly check: CheckName;
  constructor(check: CheckName, detail: string) {
    super(detail);
    this.check = check;
  }
}

function pass(check: CheckName, verdict: string | null): void {
  if (verdict !== null) throw new Rejected(check, verdict);
}

/** Reads, checks and opens a model. Only the unexpected (a broken runtime, say) rejects the promise. */
export async function loadOnnxModel(directory: string, expectations: ModelExpectations): Promise<LoadedModel | ModelRejection> {
  const sessions = new Map<GraphName, NetworkSession>();
  try {
    const manifestBytes = await read(directory, 'model.json', 'manifest');
    const reading = readManifest(manifestBytes);
    if (!reading.ok) throw new Rejected('manifest', reading.detail);
    const { manifest } = reading;
    const dimensions = dimensionsOf(manifest);
    const files = await checkFiles(directory, manifest);
    await openSessions(files, dimensions, manifest, sessions);
    pass('expectations', checkExpectations(manifest, dimensions, expectations));
    const probeErrors: ProbeError[] = [];
    for (const probe of manifest.probes) probeErrors.push(...await checkRun(sessionOf(sessions, probe.graph), probe));
    const evaluator = createEvaluator(manifest.kind, sessions);
    const warmUpMs = await measure(evaluator, manifest, expectations);
    pass('budget', checkBudget(warmUpMs, expectations));
    return {
      ok: true,
      manifest,
      modelHash: createHash('sha256').update(manifestBytes).digest('hex'),
      modelLabel: modelLabelOf(manifest),
      featureSetId: manifest.feature_set_id,
      kind: manifest.kind,
      chanceCodes: dimensions.chanceCodes,
      probeErrors,
      warmUpMs,
      evaluator,
    };
  } catch (error) {
    await closeAll(sessions);
    if (error instanceof Rejected) return { ok: false, check: error.check, detail: error.message };
    // Past the probes, the only numbers that the networks see are their own.
    if (error instanceof NetworkError || error instanceof NonFiniteError) return { ok: false, check: 'bounds', detail: error.message };
    throw error;
  }
}

async function read(directory: string, file: string, check: CheckName): Promise<Uint8Array> {
  try {
    return await readFile(join(directory, file));
  } catch (error) {
    throw new Rejected(check, `${join(directory, file)} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Checks 1 to 3, on the bytes alone: nothing is handed to the runtime before they pass. */
async function checkFiles(directory: string, manifest: ModelManifest): Promise<ReadonlyMap<GraphName, Uint8Array>> {
  const files = new Map<GraphName, Uint8Array>();
  for (const graph of graphsOf(manifest.kind)) {
    const entry = graphEntry(manifest, graph);
    const bytes = await read(directory, entry.file, 'files');
    pass('files', checkFile(entry, bytes));
    files.set(graph, bytes);
  }
  const parsed = [...files].map(([graph, bytes]): [GraphName, OnnxFile] => [graph, parse(graph, bytes)]);
  for (const [graph, file] of parsed) pass('metadata', checkMetadata(graph, file, manifest));
  for (const [graph, file] of parsed) pass('nodes', checkNodes(graph, file));
  return files;
}

function parse(graph: GraphName, bytes: Uint8Array): OnnxFile {
  try {
    return readOnnxFile(bytes);
  } catch (error) {
    if (error instanceof ProtobufError) throw new Rejected('metadata', `${graph} is no ONNX file: ${error.message}`);
    throw error;
  }
}

/** Check 4. A file that the runtime itself refuses has no signature either. */
async function openSessions(
  files: ReadonlyMap<GraphName, Uint8Array>, dimensions: ModelDimensions, manifest: ModelManifest, sessions: Map<GraphName, NetworkSession>,
): Promise<void> {
  for (const [graph, bytes] of files) {
    let session: NetworkSession;
    try {
      session = await NetworkSession.open(graph, dimensions, bytes);
    } catch (error) {
      throw new Rejected('signature', `${graph}: ONNX Runtime refuses it: ${error instanceof Error ? error.message : String(error)}`);
    }
    sessions.set(graph, session);
    pass('signature', checkSignature(graph, dimensions, session.inputs, session.outputs));
  }
  for (const probe of manifest.probes) pass('signature', checkProbeShape(probe, dimensions));
}

function sessionOf(sessions: ReadonlyMap<GraphName, NetworkSession>, graph: GraphName): NetworkSession {
  const session = sessions.get(graph);
  if (session === undefined) throw new Error(`no session for ${graph}`);
  return session;
}

const BATCH = 4;
const BATCH_ROW = 2;

/** Checks 6 to 8 on one probe. Bounds come first, so that NaN is called what it is and not a distance. */
async function checkRun(session: NetworkSession, probe: Probe): Promise<readonly ProbeError[]> {
  const inputs = inputsOf(session, probe);
  const outputs = await runProbe(session, inputs, 1);
  pass('bounds', checkBounds(probe.graph, outputs));
  pass('probes', checkProbe(probe, outputs));
  pass('determinism', checkSameBits(probe.graph, 'on the second run', outputs, await runProbe(session, inputs, 1)));
  const batched = await runProbe(session, batchOf(inputs), BATCH);
  pass('bounds', checkBounds(probe.graph, batched));
  const row = new Map([...batched].map(([name, values]) => {
    const width = values.length / BATCH;
    return [name, values.subarray(BATCH_ROW * width, (BATCH_ROW + 1) * width)];
  }));
  pass('determinism', checkSameBits(probe.graph, `as row ${BATCH_ROW} of a batch of ${BATCH}`, outputs, row));
  return probeErrorsOf(probe, outputs);
}

async function runProbe(session: NetworkSession, inputs: Inputs, batch: number): Promise<Outputs> {
  try {
    return await session.run(inputs, batch);
  } catch (error) {
    if (error instanceof NetworkError || error instanceof NonFiniteError) throw new Rejected('probes', error.message);
    throw new Rejected('probes', `${session.graph}: ONNX Runtime fails on a probe: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function inputsOf(session: NetworkSession, probe: Probe): Inputs {
  return Object.fromEntries(session.inputs.map(({ name, type }) => {
    const values = probe.inputs[name] ?? [];
    return [name, type === 'int32' ? Int32Array.from(values) : Float32Array.from(values)];
  }));
}

/** The probe in one row; the others hold scaled copies of it, so that a mix-up of rows shows. */
function batchOf(inputs: Inputs): Inputs {
  return Object.fromEntries(Object.entries(inputs).map(([name, values]): [string, Float32Array | Int32Array] => {
    if (values instanceof Int32Array) return [name, Int32Array.from({ length: BATCH }, (_, row) => (row === BATCH_ROW ? values[0]! : 0))];
    const rows = new Float32Array(values.length * BATCH);
    for (let row = 0; row < BATCH; row += 1) rows.set(values.map((value) => (row === BATCH_ROW ? value : value * (row + 1) * 0.4)), row * values.length);
    return [name, rows];
  }));
}

const WARM_UP_DECISIONS = 5;

/** Median time of a decision's network calls, as one that goes straight down makes them. */
async function measure(evaluator: Evaluator, manifest: ModelManifest, { simulations }: ModelExpectations): Promise<number> {
  const observation = Float32Array.from(manifest.probes.find(({ graph }) => graph === 'initial_inference')?.inputs['observation'] ?? []);
  const times: number[] = [];
  for (let decision = 0; decision < WARM_UP_DECISIONS; decision += 1) {
    const startedMs = performance.now();
    let vector: Float32Array = observation;
    for (let call = 0; call <= simulations; call += 1) vector = (await evaluator.evaluate(straightLeaf(manifest.kind, call, vector))).state;
    times.push(performance.now() - startedMs);
  }
  return times.sort((left, right) => left - right)[Math.floor(times.length / 2)]!;
}
