/** The deterministic table model that the reference searches were run on: unsigned 32-bit hashing in place of networks. */
import type { Heads } from '../../domain/policy.ts';

export interface TableCase {
  readonly seed: number;
  readonly A: number;
  readonly C?: number;
  /** Value and reward scales. */
  readonly V: number;
  readonly R: number;
}

function scramble(value: number): number {
  let x = value;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

export const mix = (state: number, tag: number): number => scramble(state ^ scramble((tag + 0x9e3779b9) | 0));
const fraction = (hash: number): number => (hash >>> 16) / 65536;

export const rootState = (seed: number): number => mix(0x51ed5eed, seed);

/** A state's 32 bits as two float32 numbers, which hold 16 bits each exactly. */
const pack = (state: number): Float32Array => Float32Array.of(state >>> 16, state & 0xffff);
const unpack = (packed: Float32Array): number => (packed[0]! * 65536 + packed[1]!) >>> 0;

const heads = (state: number, value: number, reward: number, logitTag: number, count: number): Heads => ({
  state: pack(state), value, reward, logits: Float32Array.from({ length: count }, (_, i) => 4 * fraction(mix(state, logitTag + i)) - 2),
});
const centred = (scale: number, hash: number): number => scale * (2 * fraction(hash) - 1);

const decision = ({ A, V, R }: TableCase, state: number): Heads =>
  heads(state, centred(V, mix(state, 0x2000)), centred(R, mix(state, 0x3000)), 0x1000, A);
const afterstate = ({ C = 0, V }: TableCase, state: number): Heads => heads(state, centred(V, mix(state, 0x5000)), 0, 0x4000, C);

export const tableRoot = (table: TableCase): Heads => decision(table, rootState(table.seed));
export const tableAfterstate = (table: TableCase, hidden: Float32Array, action: number): Heads => afterstate(table, mix(unpack(hidden), 0x7000 + action));
export const tableChance = (table: TableCase, packed: Float32Array, code: number): Heads => decision(table, mix(unpack(packed), 0x8000 + code));
export const tableNext = (table: TableCase, hidden: Float32Array, action: number): Heads => decision(table, mix(unpack(hidden), 0x6000 + action));

/** The Gumbel numbers of a case that explores. */
export const tableGumbel = ({ seed, A }: TableCase): readonly number[] =>
  Array.from({ length: A }, (_, i) => -Math.log(-Math.log((65536 * fraction(mix(rootState(seed), 0x9000 + i)) + 0.5) / 65536)));
