/** One window, decided by the bundled models through ONNX Runtime under every kind of search: what must come out the same each time. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { canonicalJson } from '../../domain/canonical.ts';
import type { SearchSettings } from '../../domain/policy.ts';
import { searchData } from '../../domain/search-record.ts';
import { deliberate } from '../../src/daemon/deliberation.ts';
import { loadPolicy } from '../../src/daemon/policy.ts';
import { observe, walk } from '../models/observe.ts';

const REFERENCE = join(import.meta.dirname, '..', '..', 'models', 'reference');
const PUCT: SearchSettings['selection'] = { algorithm: 'puct', pbCInit: 1.25, pbCBase: 19_652 };
const GUMBEL: SearchSettings['selection'] = { algorithm: 'gumbel', consideredActionsMax: 16, maxVisitInit: 50, valueScale: 0.1, scale: 1 };
const SETUPS = [
  { model: 'untrained-h32', selection: PUCT, temperature: 0 },
  { model: 'untrained-h32', selection: PUCT, temperature: 1 },
  { model: 'untrained-h32', selection: GUMBEL, temperature: 0 },
  { model: 'untrained-deterministic-h32', selection: PUCT, temperature: 0 },
] as const;

const OBSERVATION = observe(walk(1, 256), {
  position: { side: 1, netPips: 3, barsSinceEntry: 12, peakPips: 8, drawdownPipsMax: 5 }, mask: [true, false, true, true], decisionIndex: 41,
});

/** A hash of everything that each setup's decision records, `times` over. */
export async function decisionHashes(times: number): Promise<readonly (readonly string[])[]> {
  const found: string[][] = [];
  for (const { model, selection, temperature } of SETUPS) {
    const loading = await loadPolicy({
      kind: 'muzero', modelDirectory: join(REFERENCE, model), featureSetId: 'swt-137', simulations: 15, discount: 0.997, minConfidence: 0, temperature, seed: 3, selection,
    });
    if (!loading.ok) throw new Error(`${model} was refused by ${loading.check}: ${loading.detail}`);
    const hashes: string[] = [];
    for (let i = 0; i < times; i += 1) {
      const outcome = await deliberate(loading.policy, loading.evaluator, OBSERVATION);
      if (outcome.kind !== 'proposal' || outcome.proposal.search === null) throw new Error(`no proposal: ${JSON.stringify(outcome)}`);
      const { action, rule, inputHash, draw, search } = outcome.proposal;
      hashes.push(createHash('sha256').update(canonicalJson({ action, rule, inputHash, draw: draw === null ? null : { ...draw }, search: searchData(search) })).digest('hex'));
    }
    await loading.evaluator?.close();
    found.push(hashes);
  }
  return found;
}
