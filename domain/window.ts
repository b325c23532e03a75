/**
 * Windows over a series of numbers that only ever grows: each is a view of the newest few, and never changes.
 *
 * A step of a thousand bars would copy a thousand windows if each had its numbers to itself. So they share a buffer:
 * a number is written behind the last one, where no window looks yet. Whoever grows an older window gets a buffer of
 * his own.
 */

export const emptyWindow: Float64Array = new Float64Array(0);

/** A buffer is begun with so much room, in windows: more of it costs memory, less of it copies. */
const ROOM_WINDOWS = 4;
const BUFFER_NUMBERS_MIN = 64;

/** How many numbers of a shared buffer have been written. */
const written = new WeakMap<ArrayBufferLike, number>();

/** The window with a number behind its last one, and without its first one when it would hold more than `countMax`. */
export function grownWindow(window: Float64Array, value: number, countMax: number): Float64Array {
  const end = window.byteOffset / Float64Array.BYTES_PER_ELEMENT + window.length;
  const isNewest = written.get(window.buffer) === end && window.byteOffset + window.byteLength < window.buffer.byteLength;
  const kept = window.length < countMax ? window : window.subarray(window.length - countMax + 1);
  if (!isNewest) return begun(kept, value);
  const grown = new Float64Array(window.buffer, kept.byteOffset, kept.length + 1);
  grown[kept.length] = value;
  written.set(window.buffer, end + 1);
  return grown;
}

/** The same numbers in a buffer of their own, with room behind them. */
function begun(kept: Float64Array, value: number): Float64Array {
  const numbers = new Float64Array(Math.max(BUFFER_NUMBERS_MIN, (1 + ROOM_WINDOWS) * (kept.length + 1)));
  numbers.set(kept);
  numbers[kept.length] = value;
  written.set(numbers.buffer, kept.length + 1);
  return numbers.subarray(0, kept.length + 1);
}
