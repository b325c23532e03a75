/** For each mutant a seed that kills it, and the invariant that breaks; recorded once, replayed with every test. */
export interface Canary {
  readonly mutant: string;
  readonly seed: bigint;
  readonly code: string;
}

export const CANARIES: readonly Canary[] = [];
