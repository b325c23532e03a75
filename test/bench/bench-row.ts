/** One measured bar, and the few statistics that benches share. */

export interface BenchRow {
  readonly what: string;
  /** The bar in words: `≤ 1.5 × write + fdatasync`. */
  readonly bar: string;
  /** Absolute figures beside the ratio, for the reader; they do not travel between machines. */
  readonly measured: string;
  readonly ratio: number;
  readonly limit: number;
  readonly ok: boolean;
}

/** The middle value; the mean of the middle two of an even count. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError('the median of no values');
  const sorted = values.toSorted((left, right) => left - right);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/**
 * Runs each part once a round, in turn, so that a machine that slows down slows all of them; the first tenth of the
 * rounds warms up. Gives each part's median in milliseconds.
 */
export async function interleavedMediansMs<Name extends string>(parts: { readonly [N in Name]: () => unknown }, rounds: number): Promise<{ readonly [N in Name]: number }> {
  const names = Object.keys(parts) as Name[];
  const times = new Map<Name, number[]>(names.map((name) => [name, []]));
  const warmUp = Math.ceil(rounds / 10);
  for (let round = 0; round < rounds + warmUp; round += 1) {
    for (const name of names) {
      const start = performance.now();
      await parts[name]();
      if (round >= warmUp) times.get(name)!.push(performance.now() - start);
    }
  }
  return Object.fromEntries(names.map((name) => [name, median(times.get(name)!)])) as { [N in Name]: number };
}
