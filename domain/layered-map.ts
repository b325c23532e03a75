/**
 * A map that never changes: what a change gives is another one, which shares all entries with it but the latest.
 *
 * A copy of a thousand entries for each change would cost more than the changes. So a few of them lie in a layer above a
 * map that many layers share; only when the layer has grown is everything copied. Entries stand in the order of a `Map`.
 */

/** Changes in a layer: more of them make each change dearer, fewer make copies more frequent. */
const LAYER_MAX = 32;

const GONE: unique symbol = Symbol('gone');
type Layer<K, V> = ReadonlyMap<K, V | typeof GONE>;

/** Whatever can be told from the absence of an entry. */
type Held = string | number | bigint | boolean | symbol | object | null;

export class LayeredMap<K, V extends Held> implements ReadonlyMap<K, V> {
  readonly #base: ReadonlyMap<K, V>;
  readonly #layer: Layer<K, V>;
  readonly size: number;

  private constructor(base: ReadonlyMap<K, V>, layer: Layer<K, V>, size: number) {
    this.#base = base;
    this.#layer = layer;
    this.size = size;
  }

  static of<K, V extends Held>(entries: Iterable<readonly [K, V]> = []): LayeredMap<K, V> {
    const base = new Map<K, V>(entries);
    return new LayeredMap<K, V>(base, new Map(), base.size);
  }

  get(key: K): V | undefined {
    const value = this.#layer.get(key);
    if (value !== undefined) return value === GONE ? undefined : value;
    return this.#base.get(key);
  }

  has(key: K): boolean {
    const value = this.#layer.get(key);
    return value === undefined ? this.#base.has(key) : value !== GONE;
  }

  /** With an entry, in the place of its key's former one, or at the end. */
  with(key: K, value: V): LayeredMap<K, V> {
    // An entry that has gone and comes again stands at the end, where the map below would not have it.
    if (this.#layer.size >= LAYER_MAX || this.#layer.get(key) === GONE) return LayeredMap.of(this).#put(key, value);
    return this.#put(key, value);
  }

  /** Without an entry; itself where there is none. */
  without(key: K): LayeredMap<K, V> {
    if (!this.has(key)) return this;
    if (this.#layer.size >= LAYER_MAX) return LayeredMap.of(this).without(key);
    const layer = copyOf(this.#layer);
    if (this.#base.has(key)) layer.set(key, GONE);
    else layer.delete(key);
    return new LayeredMap(this.#base, layer, this.size - 1);
  }

  #put(key: K, value: V): LayeredMap<K, V> {
    return new LayeredMap(this.#base, copyOf(this.#layer).set(key, value), this.has(key) ? this.size : this.size + 1);
  }

  *entries(): MapIterator<[K, V]> {
    for (const [key, below] of this.#base) {
      const above = this.#layer.get(key);
      if (above !== GONE) yield [key, above ?? below];
    }
    for (const [key, value] of this.#layer) if (value !== GONE && !this.#base.has(key)) yield [key, value];
  }

  *keys(): MapIterator<K> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<V> {
    for (const [key, below] of this.#base) {
      const above = this.#layer.get(key);
      if (above !== GONE) yield above ?? below;
    }
    for (const [key, value] of this.#layer) if (value !== GONE && !this.#base.has(key)) yield value;
  }

  [Symbol.iterator](): MapIterator<[K, V]> {
    return this.entries();
  }

  forEach(act: (value: V, key: K, map: ReadonlyMap<K, V>) => void): void {
    for (const [key, value] of this.entries()) act(value, key, this);
  }
}

const copyOf = <K, V>(layer: Layer<K, V>): Map<K, V | typeof GONE> => {
  const copy = new Map<K, V | typeof GONE>();
  for (const [key, value] of layer) copy.set(key, value);
  return copy;
};
