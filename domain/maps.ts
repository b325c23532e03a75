/** Changed copies of small maps: entry by entry, which is several times quicker than the `Map` constructor's way. */

export function withEntry<K, V>(map: ReadonlyMap<K, V>, key: K, value: V): ReadonlyMap<K, V> {
  const copy = new Map<K, V>();
  for (const [each, held] of map) copy.set(each, held);
  return copy.set(key, value);
}

/** The map itself where it has no such entry. */
export function withoutEntry<K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> {
  if (!map.has(key)) return map;
  const copy = new Map<K, V>();
  for (const [each, held] of map) if (each !== key) copy.set(each, held);
  return copy;
}
