import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLineSplitter, LineError } from '../../../adapters/oanda/lines.ts';

function pushAll(chunks: readonly Uint8Array[], lineBytesMax = 1_000_000): { lines: string[]; pendingBytes: number } {
  const splitter = createLineSplitter(lineBytesMax);
  return { lines: chunks.flatMap((chunk) => splitter.push(chunk)), pendingBytes: splitter.pendingBytes() };
}

/** Cuts bytes at the given places. */
function cutAt(bytes: Buffer, places: readonly number[]): Uint8Array[] {
  const borders = [0, ...places.map((place) => place % (bytes.byteLength + 1)).sort((left, right) => left - right), bytes.byteLength];
  return borders.slice(1).map((border, index) => bytes.subarray(borders[index], border));
}

describe('lines of a stream', () => {
  test('any chunking gives the same lines', () => {
    const line = fc.string({ unit: 'binary', maxLength: 30 }).filter((text) => !/[\r\n]/.test(text) && text.trim() !== '' && text.isWellFormed());
    fc.assert(fc.property(fc.array(line, { maxLength: 12 }), fc.array(fc.nat(2_000), { maxLength: 30 }), fc.constantFrom('\n', '\r\n', '\n\n'), (lines, places, ending) => {
      const bytes = Buffer.from(lines.map((text) => text + ending).join(''));
      expect(pushAll(cutAt(bytes, places))).toEqual({ lines, pendingBytes: 0 });
    }), { numRuns: 300 });
  });

  test('a line without its end is held back and counted', () => {
    expect(pushAll([Buffer.from('{"a":1}\n{"b"')])).toEqual({ lines: ['{"a":1}'], pendingBytes: 4 });
  });

  test('a line of the limit passes and one byte more does not, in one chunk or in many', () => {
    expect(pushAll([Buffer.from(`${'x'.repeat(64)}\n`)], 64).lines).toEqual(['x'.repeat(64)]);
    expect(() => pushAll([Buffer.from(`${'x'.repeat(65)}\n`)], 64)).toThrow(LineError);
    expect(() => pushAll(Array.from({ length: 65 }, () => Buffer.from('x')), 64)).toThrow(/over 64 bytes/);
  });

  test('bytes that are no UTF-8 are refused', () => {
    expect(() => pushAll([Buffer.from([0x7b, 0xff, 0x7d, 0x0a])])).toThrow(/no UTF-8/);
  });
});
