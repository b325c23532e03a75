/** The decision's own bars: the scattering window, the tree beside its networks, and both with the features. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import FFT from 'fft.js';
import { loadOnnxModel } from '../../adapters/onnx/loader.ts';
import type { LoadedModel } from '../../adapters/onnx/loader.ts';
import type { Heads, LeafRequest, Observation } from '../../domain/policy.ts';
import { instantOf } from '../../domain/time.ts';
import { createSwt137 } from '../../models/features/swt-137.ts';
import { createPolicy } from '../../models/registry.ts';
import { UNTRAINED_DEFAULTS, untrainedModel } from '../../models/reference/untrained.ts';
import { planScattering } from '../../models/scattering/plan.ts';
import { createSearch } from '../../models/search/tree.ts';
import { interleavedMediansMs } from './bench-row.ts';
import type { BenchRow } from './bench-row.ts';

const SIMULATIONS = 15;
const HIDDEN = 256;
const PUCT = { algorithm: 'puct', pbCInit: 1.25, pbCBase: 19_652 } as const;
const WINDOW = Float64Array.from({ length: 256 }, (_, i) => 1.1 + 1e-4 * Math.sin(i * i * 0.37) + 1e-6 * i);
const OBSERVATION: Observation = {
  at: instantOf(0), midCloses: WINDOW, barStarts: WINDOW.map((_, i) => i * 60_000), position: { side: 1, netPips: 3, barsSinceEntry: 12, peakPips: 8, drawdownPipsMax: 5 },
  mask: [true, true, true, true], decisionIndex: 0,
};

export async function benchRows(): Promise<BenchRow[]> {
  return [await scatteringRow(), ...await decisionRows()];
}

/** Repeats a short call, so that the clock's own grain does not show. */
const repeated = (times: number, call: () => unknown) => (): void => {
  for (let i = 0; i < times; i += 1) call();
};

async function scatteringRow(): Promise<BenchRow> {
  const transforms = 100;
  const windows = 10;
  const fft = new FFT(512);
  const spectrum = fft.createComplexArray() as number[];
  const signal = fft.createComplexArray() as number[];
  for (let i = 0; i < signal.length; i += 1) signal[i] = Math.sin(i * i);
  const plan = planScattering({ J: 6, Q: 4, length: 256 });
  const output = new Float64Array(plan.outputLength);
  const medians = await interleavedMediansMs({
    transforms: repeated(transforms, () => fft.transform(spectrum, signal) as unknown),
    windows: repeated(windows, () => plan.transform(WINDOW, output)),
  }, 300);
  const transformUs = (medians.transforms / transforms) * 1e3;
  const windowUs = (medians.windows / windows) * 1e3;
  const ratio = windowUs / transformUs;
  return {
    what: 'scattering window, J=6 Q=4 N=256', bar: '≤ 40 × a 512-point transform of fft.js',
    measured: `${windowUs.toFixed(1)} µs, a transform ${transformUs.toFixed(2)} µs`, ratio, limit: 40, ok: ratio <= 40,
  };
}

async function loadWide(): Promise<LoadedModel> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-model-'));
  try {
    for (const [name, bytes] of untrainedModel({ ...UNTRAINED_DEFAULTS, hidden: HIDDEN }).files) writeFileSync(join(directory, name), bytes);
    const model = await loadOnnxModel(directory, { featureSetId: 'swt-137', observationShape: [137], discount: 0.997, simulations: SIMULATIONS, decisionBudgetMs: 1_000 });
    if (!model.ok) throw new Error(`the bench's own model was turned away by ${model.check}: ${model.detail}`);
    return model;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function decisionRows(): Promise<BenchRow[]> {
  const model = await loadWide();
  const features = createSwt137();
  const policy = createPolicy({ kind: 'muzero', simulations: SIMULATIONS, discount: 0.997, minConfidence: 0.35, temperature: 0, seed: 0, selection: PUCT }, model);
  const leaves: LeafRequest[] = [];
  const heads: Heads[] = [];
  const decide = async (): Promise<void> => {
    const deliberation = policy.deliberate(OBSERVATION);
    leaves.length = 0;
    heads.length = 0;
    for (let step = deliberation.next(); step.kind === 'evaluate'; step = deliberation.next()) {
      const answer = await model.evaluator.evaluate(step.leaf);
      leaves.push(step.leaf);
      heads.push(answer);
      deliberation.supply(answer);
    }
  };
  await decide();
  const recordedLeaves = [...leaves];
  const recordedHeads = [...heads];
  const networks = async (): Promise<void> => {
    for (const leaf of recordedLeaves) await model.evaluator.evaluate(leaf);
  };
  const trees = 10;
  const medians = await interleavedMediansMs({
    networks,
    trees: repeated(trees, () => {
      const search = createSearch({ kind: 'stochastic', actions: 4, chanceCodes: model.chanceCodes, simulations: SIMULATIONS, discount: 0.997, selection: { ...PUCT, rootNoise: null } }, OBSERVATION.mask);
      for (const answer of recordedHeads) search.supply(answer);
    }),
    reference: async () => {
      features.compute(OBSERVATION);
      await networks();
    },
    decision: decide,
  }, 200);
  await model.evaluator.close();
  const treeMs = medians.trees / trees;
  const share = treeMs / medians.networks;
  const whole = medians.decision / medians.reference;
  return [
    {
      what: `tree's share of a ${SIMULATIONS}-simulation decision, hidden ${HIDDEN}`, bar: '≤ 15 % of the network time',
      measured: `tree ${(treeMs * 1e3).toFixed(1)} µs, ${recordedLeaves.length} network calls ${medians.networks.toFixed(3)} ms`, ratio: share, limit: 0.15, ok: share <= 0.15,
    },
    {
      what: `policy's decision, observation to proposal, hidden ${HIDDEN}`, bar: '≤ 1.3 × (features + 16 network calls)',
      measured: `${medians.decision.toFixed(3)} ms, features and calls ${medians.reference.toFixed(3)} ms`, ratio: whole, limit: 1.3, ok: whole <= 1.3,
    },
  ];
}
