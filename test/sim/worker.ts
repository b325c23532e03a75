/** A worker thread's share of the seeds. */
import { parentPort, workerData } from 'node:worker_threads';
import type { SeedReport, Share } from './many.ts';
import { drawOptions } from './options.ts';
import { simulate } from './simulate.ts';

const { first, count, hours } = workerData as Share;
for (let index = 0; index < count; index += 1) {
  const seed = first + BigInt(index);
  const { violations, events, requests, processes, transactions, struck } = await simulate(drawOptions(seed, hours));
  parentPort!.postMessage({ seed, violations, events, requests, processes, transactions, struck } satisfies SeedReport);
}
