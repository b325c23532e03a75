/** Many seeds at once: shared out among worker threads, each with a world at a time. */
import { Worker } from 'node:worker_threads';
import type { Outcome } from './simulate.ts';

export interface Share {
  readonly first: bigint;
  readonly count: number;
  readonly hours: number;
}

/** What a worker says of one seed. */
export interface SeedReport extends Pick<Outcome, 'violations' | 'events' | 'requests' | 'processes' | 'transactions' | 'struck'> {
  readonly seed: bigint;
}

/** Runs `count` seeds from `first` on. @param told of each as it is done, in no order. */
export async function simulateMany({ first, count, hours }: Share, workers: number, told: (report: SeedReport) => void): Promise<void> {
  const each = Math.ceil(count / workers);
  const shares = Array.from({ length: workers }, (_, index): Share => ({ first: first + BigInt(index * each), count: Math.max(0, Math.min(each, count - index * each)), hours }));
  await Promise.all(shares.filter((share) => share.count > 0).map((share) => runShare(share, told)));
}

function runShare(share: Share, told: (report: SeedReport) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: share });
    worker.on('message', told);
    worker.on('error', reject);
    worker.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a worker ended with ${code}`))));
  });
}
