/** For each mutant a seed that kills it, and the invariant that breaks; recorded once, replayed with every test. */
export interface Canary {
  readonly mutant: string;
  readonly seed: bigint;
  readonly code: string;
}

export const CANARIES: readonly Canary[] = [
  { mutant: 'M1', seed: 6n, code: 'S4' },
  { mutant: 'M2', seed: 60n, code: 'S3' },
  { mutant: 'M3', seed: 4n, code: 'L2' },
  { mutant: 'M4', seed: 1n, code: 'DESK' },
  { mutant: 'M5', seed: 26n, code: 'DESK' },
  { mutant: 'M6', seed: 1n, code: 'S5' },
  { mutant: 'M7', seed: 3n, code: 'L11' },
  { mutant: 'M8', seed: 1n, code: 'L11' },
  { mutant: 'M10', seed: 12n, code: 'S12' },
  { mutant: 'M11', seed: 1n, code: 'S13' },
  { mutant: 'M12', seed: 23n, code: 'S13' },
  { mutant: 'M13', seed: 1n, code: 'L4' },
  { mutant: 'M15', seed: 4n, code: 'L6' },
  { mutant: 'M16', seed: 1n, code: 'S2' },
  { mutant: 'M19', seed: 2n, code: 'S6' },
  { mutant: 'M21', seed: 17n, code: 'S15' },
  { mutant: 'M23', seed: 9n, code: 'L2' },
  { mutant: 'M24', seed: 4n, code: 'L2' },
  { mutant: 'M24b', seed: 9n, code: 'F39' },
  { mutant: 'M20', seed: 291n, code: 'V1' },
  { mutant: 'D1', seed: 41n, code: 'V1' },
  { mutant: 'D2', seed: 6342n, code: 'REST' },
  { mutant: 'D3', seed: 3473n, code: 'F39' },
  { mutant: 'D4', seed: 324n, code: 'F39' },
];
