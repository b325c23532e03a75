/** Every chance of a simulated world, drawn from its 64-bit seed: each purpose has a sequence of its own, so that a new draw moves no other. */
import { createHash } from 'node:crypto';
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

export const SEED_MAX = 2n ** 64n - 1n;

export class Draws {
  readonly #generator: ReturnType<typeof xoroshiro128plusFromState>;

  constructor(seed: bigint, purpose: string) {
    const digest = createHash('sha256').update(`${seed} ${purpose}`).digest();
    this.#generator = xoroshiro128plusFromState([0, 4, 8, 12].map((offset) => digest.readInt32BE(offset)));
  }

  /** From 0 up to 1, which it does not reach. */
  share(): number {
    return uniformFloat64(this.#generator);
  }

  chance(probability: number): boolean {
    return this.share() < probability;
  }

  /** A whole number from `from` to `to`, both included. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.share() * (to - from + 1));
  }

  /** As often between 1 and 10 as between 100 and 1,000: for times that are mostly short and sometimes very long. */
  spread(from: number, to: number): number {
    return Math.round(from * (to / from) ** this.share());
  }

  pick<Each>(from: readonly Each[]): Each {
    return from[this.whole(0, from.length - 1)]!;
  }
}
