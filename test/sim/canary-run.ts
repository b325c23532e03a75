/** Runs each recorded canary and says, one line of JSON each, what became of it; on a loader that can plant faults, which a test runner's is not. */
import { CANARIES } from './canaries.ts';
import { simulatorOf } from './mutate.ts';

async function report(mutant: string | null, seed: bigint): Promise<void> {
  const { simulate, drawOptions } = await simulatorOf(mutant);
  const { violations } = await simulate(drawOptions(seed));
  console.log(JSON.stringify({ mutant, code: violations[0]?.code ?? null, detail: violations[0]?.detail.slice(0, 300) ?? 'every invariant held' }));
}

for (const { mutant, seed } of CANARIES) await report(mutant, seed);
// The same seeds over the product as it is: what died there died of the mutant.
for (const seed of new Set(CANARIES.map((canary) => canary.seed))) await report(null, seed);
