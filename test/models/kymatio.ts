/** Holding a planned transform against what Kymatio gave for the same parameters and windows. */
import { expect } from 'vitest';
import { planScattering } from '../../models/scattering/plan.ts';
import type { ScatteringParameters, ScatteringPath } from '../../models/scattering/plan.ts';

export type Windows = Readonly<Record<string, readonly number[]>>;
/** One number or null (where an order has none) for each order, for each path. */
type PerOrder = readonly (readonly (number | null)[])[];

export interface Reference {
  readonly kymatio: NonNullable<ScatteringParameters['kymatio']>;
  readonly params: { readonly J: number; readonly Q: [number, number]; readonly N: number; readonly maxOrder: 1 | 2; readonly T: number | 'global' | null; readonly oversampling: number };
  readonly derived: { readonly nPadded: number };
  readonly meta: { readonly order: readonly number[]; readonly key: readonly (readonly number[])[]; readonly j: PerOrder; readonly xi: PerOrder; readonly sigma: PerOrder };
  readonly windows: readonly { readonly input: string; readonly Sx: readonly (readonly number[])[] }[];
}

const ABSOLUTE_ORDER_0 = 2e-14;
const ABSOLUTE_ABOVE = 1e-15;
const RELATIVE = 1e-9;
/** The two releases compute the centres in different orders, so their last bits differ. */
const METADATA_RELATIVE = 1e-12;

const parametersOf = ({ kymatio, params }: Reference): ScatteringParameters => ({
  J: params.J, Q: params.Q, length: params.N, maxOrder: params.maxOrder, oversampling: params.oversampling, kymatio,
  ...(params.T === null ? {} : { averagingScale: params.T }),
});

function expectMetadata(paths: readonly ScatteringPath[], { meta }: Reference): void {
  const present = (row: readonly (number | null)[]): readonly number[] => row.filter((value) => value !== null);
  expect(paths.map(({ order }) => order)).toEqual(meta.order);
  expect(paths.map(({ key }) => key)).toEqual(meta.key);
  expect(paths.map(({ j }) => j)).toEqual(meta.j.map(present));
  paths.forEach((path, i) => {
    for (const name of ['xi', 'sigma'] as const) {
      const expected = present(meta[name][i]!);
      expect(path[name]).toHaveLength(expected.length);
      expected.forEach((value, k) => expect(Math.abs(path[name][k]! - value)).toBeLessThanOrEqual(METADATA_RELATIVE * value));
    }
  });
}

/** Checks order, keys, metadata and lengths; gives the largest deviation of a value as a share of what is allowed. */
export function worstShare(reference: Reference, inputs: Windows): number {
  const plan = planScattering(parametersOf(reference));
  expect(plan.paddedLength).toBe(reference.derived.nPadded);
  expectMetadata(plan.paths, reference);
  const output = new Float64Array(plan.outputLength);
  // A global path is a sum over the padded signal, and so is its rounding.
  const summed = reference.params.T === 'global' ? plan.paddedLength : 1;
  let worst = 0;
  for (const { input, Sx } of reference.windows) {
    const window = Float64Array.from(inputs[input]!);
    plan.transform(window, output);
    const highest = window.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    let offset = 0;
    plan.paths.forEach((path, i) => {
      expect([path.offset, path.length]).toEqual([offset, Sx[i]!.length]);
      offset += path.length;
      const absolute = (path.order === 0 ? ABSOLUTE_ORDER_0 : ABSOLUTE_ABOVE) * summed * highest;
      Sx[i]!.forEach((expected, t) => {
        const share = Math.abs(output[path.offset + t]! - expected) / (absolute + RELATIVE * Math.abs(expected));
        worst = Number.isNaN(share) ? Infinity : Math.max(worst, share);
      });
    });
    expect(offset).toBe(plan.outputLength);
  }
  return worst;
}
