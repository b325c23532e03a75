import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LayeredMap } from '../../domain/layered-map.ts';
import { withEntry, withoutEntry } from '../../domain/maps.ts';

const change = fc.record({ from: fc.nat(), key: fc.integer({ min: 0, max: 60 }), value: fc.option(fc.nat(), { freq: 3 }), removes: fc.boolean() });

describe('a layered map', () => {
  test('holds what a map would, in its order, and never changes, whichever of its forebears is changed again', () => {
    fc.assert(fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
      const versions = [{ layered: LayeredMap.of<number, number | null>(), plain: new Map<number, number | null>() }];
      for (const { from, key, value, removes } of changes) {
        const parent = versions[from % 4 === 0 ? from % versions.length : versions.length - 1]!;
        const plain = new Map(parent.plain);
        if (removes && from % 3 === 0) plain.delete(key);
        else plain.set(key, value);
        versions.push({ layered: removes && from % 3 === 0 ? parent.layered.without(key) : parent.layered.with(key, value), plain });
      }
      for (const { layered, plain } of versions) {
        expect([...layered]).toEqual([...plain]);
        expect([[...layered.keys()], [...layered.values()], layered.size]).toEqual([[...plain.keys()], [...plain.values()], plain.size]);
        for (let key = 0; key <= 60; key += 1) expect([layered.has(key), layered.get(key)]).toEqual([plain.has(key), plain.get(key)]);
      }
    }), { numRuns: 60, seed: 3 });
  });

  test('is itself without what it does not hold, and walks its entries for whoever asks', () => {
    const map = LayeredMap.of<string, number>([['a', 1], ['b', 2]]).with('c', 3);
    expect(map.without('d')).toBe(map);
    const walked: [string, number][] = [];
    map.forEach((value, key) => walked.push([key, value]));
    expect(walked).toEqual([...map]);
  });
});

test('a small map is copied with an entry or without it', () => {
  const map = new Map([['a', 1], ['b', 2]]);
  expect([...withEntry(map, 'a', 3)]).toEqual([['a', 3], ['b', 2]]);
  expect([...withEntry(map, 'c', 3)]).toEqual([['a', 1], ['b', 2], ['c', 3]]);
  expect([...withoutEntry(map, 'a')]).toEqual([['b', 2]]);
  expect(withoutEntry(map, 'c')).toBe(map);
  expect([...map]).toEqual([['a', 1], ['b', 2]]);
});
