/**
 * The whole decision path, measured in the real daemon: from the last byte of a candle body to the write of the
 * POST or PUT that it caused, against the local broker in a process of its own. undici's diagnostics channels say
 * when a body is complete and when a request's head is written, so nothing of the daemon is changed to be measured.
 */
import { spawn } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { LockstepLink } from '../../adapters/clock/lockstep-link.ts';
import { fetchStatus, sendCommand } from '../../adapters/control/client.ts';
import { loadOnnxModel } from '../../adapters/onnx/loader.ts';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import { loadConfig } from '../../config/load.ts';
import type { EventDraft, RecordedEvent } from '../../domain/log.ts';
import type { Observation } from '../../domain/policy.ts';
import { instantOf } from '../../domain/time.ts';
import { createSwt137 } from '../../models/features/swt-137.ts';
import { UNTRAINED_DEFAULTS, untrainedModel } from '../../models/reference/untrained.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import { runDaemon } from '../../src/daemon/daemon.ts';
import { median } from './bench-row.ts';
import type { BenchRow } from './bench-row.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Runs of the daemon and of the reference take turns, so that a machine that slows down slows both. */
const TURNS = 4;
const BARS = 1_000;
const SIMULATIONS = 15;
const HIDDEN = 256;
/** Orders of the first minutes run on cold code. */
const WARM_UP_ORDERS = 10;
const REFERENCE_ROUNDS = 100;
/** About what lies between two bars of an accelerated run. */
const REFERENCE_PAUSE_MS = 4;

interface Rounds {
  readonly featuresMs: number[];
  readonly networksMs: number[];
  readonly appendsMs: number[];
}

interface Message {
  readonly request: { readonly method: string; readonly path: string };
}

/** Times of the candle bodies, the announcements and the order writes, as undici tells of them. */
function watch() {
  const candleToWriteMs: number[] = [];
  const boundaryToWriteMs: number[] = [];
  let candleAt: number | null = null;
  let announcedAt: number | null = null;
  const completed = (message: unknown): void => {
    const { path } = (message as Message).request;
    if (path.includes('/candles')) candleAt = performance.now();
    if (path === '/lockstep/advance') announcedAt = performance.now();
  };
  const written = (message: unknown): void => {
    const { method, path } = (message as Message).request;
    const isOrder = path.endsWith('/orders') ? method === 'POST' : path.endsWith('/close');
    if (!isOrder || candleAt === null || announcedAt === null) return;
    const now = performance.now();
    candleToWriteMs.push(now - candleAt);
    boundaryToWriteMs.push(now - announcedAt);
    candleAt = null;
  };
  subscribe('undici:request:trailers', completed);
  subscribe('undici:client:sendHeaders', written);
  const stop = (): void => {
    unsubscribe('undici:request:trailers', completed);
    unsubscribe('undici:client:sendHeaders', written);
  };
  return { candleToWriteMs, boundaryToWriteMs, stop };
}

function writeModel(directory: string): void {
  mkdirSync(directory);
  for (const [name, bytes] of untrainedModel({ ...UNTRAINED_DEFAULTS, hidden: HIDDEN }).files) writeFileSync(join(directory, name), bytes);
}

async function tradeOnce(directory: string, model: string, seed: number): Promise<ReturnType<typeof watch>> {
  const tokenFile = join(directory, 'token');
  writeFileSync(tokenFile, 'a-token-for-the-bench-alone\n', { mode: 0o600 });
  const broker = spawn(process.execPath, [join(ROOT, 'src/main.ts'), 'broker', '--clock', 'lockstep', '--hold', '--seed', String(seed), '--drawn-bars', String(BARS), '--account', '101-001-1000001-001', '--token-file', tokenFile], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: broker.stdout });
  try {
    const address = JSON.parse(await new Promise<string>((resolve) => lines.once('line', resolve))) as { rest: string; stream: string; token: string };
    const { config, hash } = loadConfig({
      file: join(ROOT, 'config/profiles/demo.yaml'),
      baseDirectory: ROOT,
      environment: {
        RECKONER_BROKER_REST_URL: address.rest,
        RECKONER_BROKER_STREAM_URL: address.stream,
        RECKONER_BROKER_TOKEN_FILE: tokenFile,
        RECKONER_DEPLOYMENT_DATA_DIRECTORY: join(directory, 'data'),
        RECKONER_POLICY_MODEL_DIRECTORY: model,
        RECKONER_SAFETY_ORDERS_PER_HOUR_MAX: '1000',
        RECKONER_SAFETY_ORDERS_PER_DAY_MAX: '10000',
      },
    });
    const link = new LockstepLink({ restUrl: address.rest, token: address.token });
    const daemon = runDaemon({ config, configHash: hash, build: 'bench', logger: pino({ level: 'silent' }) });
    while (((await fetchStatus(config.control.socketPath).catch(() => null)) as { ready?: boolean } | null)?.ready !== true) await sleep(50);
    await sendCommand(config.control.socketPath, { verb: 'arm', operator: 'bench', reason: 'measuring' });
    const watched = watch();
    await link.start();
    const exitCode = await daemon;
    watched.stop();
    await link.close();
    if (exitCode !== 0) throw new Error(`the measured daemon ended with ${exitCode}`);
    return watched;
  } finally {
    lines.close();
    broker.kill('SIGTERM');
  }
}

/** The sum that the path is held against: features, 16 network calls and two durable appends, each by itself. */
async function reference(directory: string, modelDirectory: string, rounds: Rounds): Promise<void> {
  const features = createSwt137();
  const observation: Observation = {
    at: instantOf(0),
    midCloses: Float64Array.from({ length: 256 }, (_, i) => 1.1 + 1e-4 * Math.sin(i * i * 0.37) + 1e-6 * i),
    barStarts: Float64Array.from({ length: 256 }, (_, i) => i * 60_000),
    position: { side: 0, netPips: 0, barsSinceEntry: 0, peakPips: 0, drawdownPipsMax: 0 },
    mask: [true, true, true, false],
    decisionIndex: 0,
  };
  const input = features.compute(observation);
  const model = await loadOnnxModel(modelDirectory, { featureSetId: features.id, observationShape: [features.length], discount: 0.997, simulations: SIMULATIONS, decisionBudgetMs: 5_000 });
  if (!model.ok || !(input instanceof Float32Array)) throw new Error('the bench model or its input was refused');
  const networks = async (): Promise<void> => {
    let hidden = (await model.evaluator.evaluate({ kind: 'initial', observation: input })).state;
    for (let call = 0; call < SIMULATIONS; call += 1) {
      hidden = (await model.evaluator.evaluate(call % 2 === 0 ? { kind: 'afterstate', hidden, action: call % 4 } : { kind: 'chance', afterstate: hidden, code: 0 })).state;
    }
  };
  const measured = openSqliteStore({ directory: join(directory, 'data'), projections: [], readOnly: true });
  const logged = await measured.readAll(300, 2_000);
  await measured.close();
  const intended = logged.findIndex((event, index) => event.type === 'OrderIntended' && logged[index - 1]?.type === 'DecisionMade');
  if (intended < 1) throw new Error('the measured run meant no order among the events that were looked at');
  const bar = logged.slice(0, intended).findLast((event) => event.type === 'MarketBarClosed')!;
  mkdirSync(join(directory, 'append'));
  const store = openSqliteStore({ directory: join(directory, 'append'), projections: ALL_PROJECTIONS, deployment: 'bench' });
  let sequence = -1;
  /** The very facts of one decision, appended again in a log of their own. */
  const append = async (facts: readonly RecordedEvent[]): Promise<void> => {
    const expectedRevision = sequence;
    const events = facts.map((fact): EventDraft => {
      sequence += 1;
      const { prevHash: _prevHash, ...metadata } = JSON.parse(fact.metadataJson) as EventDraft['metadata'] & { prevHash: string };
      return { id: fact.id, type: fact.type, schemaVersion: fact.schemaVersion, data: JSON.parse(fact.dataJson) as EventDraft['data'], metadata: { ...metadata, sequence } };
    });
    const start = performance.now();
    await store.append([{ stream: 'bench-1', expectedRevision, events }]);
    appendedMs += performance.now() - start;
  };
  let appendedMs = 0;
  // In the daemon these come once a bar, after a pause, never in a hot loop; so they do here.
  for (let round = 0; round < REFERENCE_ROUNDS; round += 1) {
    await sleep(REFERENCE_PAUSE_MS);
    appendedMs = 0;
    await append([bar]);
    const start = performance.now();
    features.compute(observation);
    const featuresDone = performance.now();
    await networks();
    rounds.networksMs.push(performance.now() - featuresDone);
    rounds.featuresMs.push(featuresDone - start);
    await append(logged.slice(intended - 1, intended + 1));
    rounds.appendsMs.push(appendedMs);
  }
  await store.close();
  await model.evaluator.close();
}

export async function benchRows(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    const model = join(directory, 'model');
    writeModel(model);
    const samples: number[] = [];
    const boundaries: number[] = [];
    const rounds: Rounds = { featuresMs: [], networksMs: [], appendsMs: [] };
    for (let turn = 0; turn < TURNS; turn += 1) {
      const own = join(directory, String(turn));
      mkdirSync(own);
      const { candleToWriteMs, boundaryToWriteMs } = await tradeOnce(own, model, turn + 1);
      samples.push(...candleToWriteMs.slice(WARM_UP_ORDERS));
      boundaries.push(...boundaryToWriteMs.slice(WARM_UP_ORDERS));
      await reference(own, model, rounds);
    }
    const [featuresMs, networksMs, appendsMs] = [median(rounds.featuresMs), median(rounds.networksMs), median(rounds.appendsMs)];
    const sum = featuresMs + networksMs + appendsMs;
    const middle = median(samples);
    const p99 = samples.toSorted((left, right) => left - right)[Math.ceil(samples.length * 0.99) - 1]!;
    const boundary = median(boundaries);
    return [
      {
        what: `decision: candle body → order write, hidden ${HIDDEN}, ${samples.length} orders`,
        bar: '≤ 1.3 × (features + 16 network calls + 2 durable appends)',
        measured: `${middle.toFixed(2)} ms; ${featuresMs.toFixed(2)} + ${networksMs.toFixed(2)} + ${appendsMs.toFixed(2)} ms; minute boundary → write ${boundary.toFixed(2)} ms`,
        ratio: middle / sum,
        limit: 1.3,
        ok: middle / sum <= 1.3,
      },
      { what: 'decision: p99 of the same', bar: '≤ 5 × its median', measured: `${p99.toFixed(2)} ms`, ratio: p99 / middle, limit: 5, ok: p99 / middle <= 5 },
    ];
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
