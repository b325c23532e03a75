import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { emptyWindow, grownWindow } from '../../domain/window.ts';

test('a window holds the newest numbers and never changes, whichever of its forebears is grown again', () => {
  const growth = fc.record({ from: fc.nat(), value: fc.double({ noNaN: true }) });
  fc.assert(fc.property(fc.integer({ min: 1, max: 40 }), fc.array(growth, { maxLength: 400 }), (countMax, growths) => {
    const windows = [{ window: emptyWindow, expected: [] as readonly number[] }];
    for (const { from, value } of growths) {
      // Mostly the newest window grows, as it does in a desk; sometimes an older one, as in a step that is taken again.
      const parent = windows[from % 3 === 0 ? from % windows.length : windows.length - 1]!;
      windows.push({ window: grownWindow(parent.window, value, countMax), expected: [...parent.expected, value].slice(-countMax) });
    }
    for (const { window, expected } of windows) expect([...window]).toEqual(expected);
  }), { numRuns: 60, seed: 1 });
});

test('a thousand windows in a row share a few buffers', () => {
  const buffers = new Set<ArrayBufferLike>();
  let window = emptyWindow;
  for (let value = 0; value < 1_200; value += 1) {
    window = grownWindow(window, value, 200);
    buffers.add(window.buffer);
  }
  expect(buffers.size).toBeLessThan(10);
  expect([window.length, window[0], window[199]]).toEqual([200, 1_000, 1_199]);
});
