/** Random numbers of which a seed and a counter alone decide each one, so that any of them can be drawn again. */
import { xoroshiro128plusFromState } from 'pure-rand/generator/xoroshiro128plus';

/** Draws are whole numbers from 0 up to this. */
export const DRAW_RANGE = 2 ** 32;
/** Steps until a state that differs in one bit has spread to all of them. */
const WARM_UP = 24;

/** The first `count` draws that belong to a counter. */
export function drawsAt(seed: number, counter: number, count: number): readonly number[] {
  const generator = xoroshiro128plusFromState([seed | 0, Math.floor(seed / DRAW_RANGE) | 0, counter | 0, Math.floor(counter / DRAW_RANGE) ^ 0x9e3779b9]);
  for (let step = 0; step < WARM_UP; step += 1) generator.next();
  return Array.from({ length: count }, () => generator.next() >>> 0);
}
