/**
 * Draws that depend on what is drawn for, not on what was drawn before: two requests that race draw the same numbers
 * whichever comes first.
 */
import { createHash } from 'node:crypto';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

export interface Draws {
  /** From 0 up to 1, which it does not reach. */
  share(): number;
  /** A whole number from `from` to `to`, both included. */
  whole(from: number, to: number): number;
}

/** The draws for one purpose, such as "the third POST that fault 2 meets". */
export function drawsFor(seed: number, purpose: string): Draws {
  const generator = xoroshiro128plus(createHash('sha256').update(`${seed} ${purpose}`).digest().readInt32BE());
  return { share: () => uniformFloat64(generator), whole: (from, to) => uniformInt(generator, from, to) };
}
