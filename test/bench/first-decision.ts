/**
 * A process of its own that starts a policy as the daemon does and takes decisions at once: prints how long the first
 * took and the median of those that followed, in milliseconds, as JSON.
 */
import { deliberate } from '../../src/daemon/deliberation.ts';
import { loadPolicy } from '../../src/daemon/policy.ts';
import { loadConfig } from '../../config/load.ts';
import { instantOf, MINUTE_MS } from '../../domain/time.ts';
import { median } from './bench-row.ts';

const FOLLOWING = 200;
const [file = '', modelDirectory = '', baseDirectory = ''] = process.argv.slice(2);
const { config } = loadConfig({ file, baseDirectory, environment: { RECKONER_POLICY_MODEL_DIRECTORY: modelDirectory } });
const loading = await loadPolicy(config.policy);
if (!loading.ok) throw new Error(`${loading.check}: ${loading.detail}`);
const { policy, evaluator } = loading;
const closes = Float64Array.from({ length: policy.windowBars }, (_, bar) => 1.2 + 2e-4 * Math.cos(bar * bar * 0.11));
const times: number[] = [];
for (let turn = 0; turn <= FOLLOWING; turn += 1) {
  const observation = {
    at: instantOf(policy.windowBars * MINUTE_MS), midCloses: closes.map((close) => close + turn * 1e-6), barStarts: closes.map((_, bar) => bar * MINUTE_MS),
    position: { side: 0, netPips: 0, barsSinceEntry: 0, peakPips: 0, drawdownPipsMax: 0 }, mask: [true, true, true, false], decisionIndex: turn,
  } as const;
  const start = performance.now();
  const outcome = await deliberate(policy, evaluator, observation);
  times.push(performance.now() - start);
  if (outcome.kind !== 'proposal') throw new Error(outcome.detail);
}
await evaluator?.close();
process.stdout.write(`${JSON.stringify({ firstMs: times[0], medianMs: median(times.slice(1)) })}\n`);
