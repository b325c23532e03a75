/**
 * Feature rows of a long series on all cores. Each row depends on its own window alone, so how the windows are
 * shared out changes nothing; the rows come back in the order of their bars.
 */
import { Worker } from 'node:worker_threads';
import type { CloseSeries, FeatureRows } from '../../models/features/rows.ts';

export interface WorkerInput {
  readonly featureSetId: string;
  /** In shared memory: every worker reads the same. */
  readonly series: CloseSeries;
  /** Whether the rows are wanted as text, which takes longer to make than the numbers. */
  readonly asCsv: boolean;
}

/** The rows of some windows; `csv` is empty unless asked for. */
export interface Stretch extends FeatureRows {
  readonly csv: string;
}

/** Windows that a worker takes at a time. */
const STRETCH_WINDOWS = 2_048;
/** Stretches given to a worker before its first comes back, so that it never waits for its next. */
const AHEAD = 2;

/** A worker and what it was asked, oldest first: it answers in that order. */
class Thread {
  readonly #worker: Worker;
  readonly #asked: PromiseWithResolvers<Stretch>[] = [];

  constructor(input: WorkerInput) {
    this.#worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: input });
    this.#worker.on('message', (stretch: Stretch) => this.#asked.shift()?.resolve(stretch));
    this.#worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    this.#worker.on('exit', (code) => this.#fail(new Error(`a feature worker ended with ${code}`)));
  }

  rowsOf(ends: Int32Array): Promise<Stretch> {
    const asked = Promise.withResolvers<Stretch>();
    // It may fail before its turn to be awaited has come; whoever awaits it still sees the failure.
    asked.promise.catch(() => undefined);
    this.#asked.push(asked);
    this.#worker.postMessage(ends);
    return asked.promise;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #fail(error: Error): void {
    for (const { reject } of this.#asked.splice(0)) reject(error);
  }
}

/**
 * Computes the rows of `ends`, stretch by stretch, on at most `workers` threads; few stretches are in memory at once.
 * @throws what a worker threw. No worker outlives the generator.
 */
export async function* rowsOnAllCores({ featureSetId, series, asCsv }: WorkerInput, ends: Int32Array, workers: number): AsyncGenerator<Stretch> {
  const stretches = Math.ceil(ends.length / STRETCH_WINDOWS);
  const count = Math.min(workers, stretches);
  const input: WorkerInput = { featureSetId, asCsv, series: { barStarts: inSharedMemory(series.barStarts), midCloses: inSharedMemory(series.midCloses) } };
  const threads = Array.from({ length: count }, () => new Thread(input));
  const answers: Promise<Stretch>[] = [];
  try {
    for (let sent = 0, taken = 0; taken < stretches; taken += 1) {
      for (; sent < Math.min(taken + AHEAD * count, stretches); sent += 1) {
        answers.push(threads[sent % count]!.rowsOf(ends.slice(sent * STRETCH_WINDOWS, (sent + 1) * STRETCH_WINDOWS)));
      }
      yield await answers.shift()!;
    }
  } finally {
    await Promise.all(threads.map((thread) => thread.end()));
  }
}

function inSharedMemory(values: Float64Array): Float64Array {
  const shared = new Float64Array(new SharedArrayBuffer(values.byteLength));
  shared.set(values);
  return shared;
}
