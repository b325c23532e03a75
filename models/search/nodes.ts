/**
 * The nodes of one search, in flat arrays: one entry for each expansion, and the statistics of its edges in a row
 * beside it. All arithmetic is float64.
 */
import type { Heads } from '../../domain/policy.ts';
import { SearchError } from './options.ts';

export const NO_NODE = -1;

export class NodeTable {
  /** Edges in a row: the larger of actions and codes. */
  readonly width: number;
  readonly isChance: Uint8Array;
  readonly parent: Int32Array;
  readonly parentEdge: Int32Array;
  /** One for the node's own raw value, and one for each simulation that passed through. */
  readonly visits: Int32Array;
  readonly value: Float64Array;
  readonly rawValue: Float64Array;
  /** Of arriving here. */
  readonly reward: Float64Array;
  /** On this node's value, seen from its parent. */
  readonly discount: Float64Array;
  readonly child: Int32Array;
  readonly edgeVisits: Int32Array;
  /** As the network gave them; -∞ for what the mask forbids at the root. */
  readonly logit: Float64Array;
  readonly prior: Float64Array;
  readonly states: Float32Array[] = [];
  count = 0;

  constructor(nodes: number, width: number) {
    this.width = width;
    this.isChance = new Uint8Array(nodes);
    this.parent = new Int32Array(nodes).fill(NO_NODE);
    this.parentEdge = new Int32Array(nodes);
    this.visits = new Int32Array(nodes);
    this.value = new Float64Array(nodes);
    this.rawValue = new Float64Array(nodes);
    this.reward = new Float64Array(nodes);
    this.discount = new Float64Array(nodes);
    this.child = new Int32Array(nodes * width).fill(NO_NODE);
    this.edgeVisits = new Int32Array(nodes * width);
    this.logit = new Float64Array(nodes * width);
    this.prior = new Float64Array(nodes * width);
  }

  /** Adds a node behind an edge of its parent. `mask` is given for the root alone. */
  append(heads: Heads, isChance: boolean, discount: number, parent: number, edge: number, mask: readonly boolean[] | null): number {
    const node = this.count;
    this.isChance[node] = isChance ? 1 : 0;
    this.visits[node] = 1;
    this.value[node] = heads.value;
    this.rawValue[node] = heads.value;
    // Nothing is earned and nothing is discounted on the way to an afterstate: the bar has not passed yet.
    this.reward[node] = isChance ? 0 : heads.reward;
    this.discount[node] = isChance ? 1 : discount;
    const row = node * this.width;
    const { logits } = heads;
    logits.forEach((logit, i) => void (this.logit[row + i] = mask === null || mask[i] === true ? logit : -Infinity));
    softmaxInto(this.logit, this.prior, row, logits.length);
    this.states.push(heads.state);
    if (parent !== NO_NODE) {
      this.parent[node] = parent;
      this.parentEdge[node] = edge;
      this.child[parent * this.width + edge] = node;
    }
    this.count += 1;
    return node;
  }

  /** Running means from a new node up to the root, in which a node's own raw value counts as one visit; nothing is above the root. */
  backUp(leaf: number): void {
    let gain = this.rawValue[leaf]!;
    for (let node = leaf; node !== 0;) {
      const parent = this.parent[node]!;
      const edge = parent * this.width + this.parentEdge[node]!;
      gain = this.reward[node]! + this.discount[node]! * gain;
      const visits = this.visits[parent]!;
      this.value[parent] = (this.value[parent]! * visits + gain) / (visits + 1);
      this.visits[parent] = visits + 1;
      this.edgeVisits[edge] = this.edgeVisits[edge]! + 1;
      node = parent;
    }
  }

  /**
   * What lies behind an edge, or NO_NODE.
   * @throws SearchError for an edge that the node does not have, where a walk down the tree would never end.
   */
  childOf(node: number, edge: number): number {
    if (!(edge >= 0 && edge < this.width)) throw new SearchError(`edge ${edge} of node ${node}: there is none`);
    return this.child[node * this.width + edge]!;
  }

  /** Value of an edge, seen from its node; 0 while nothing lies behind it. */
  q(node: number, edge: number): number {
    const child = this.child[node * this.width + edge]!;
    return child === NO_NODE ? 0 : this.reward[child]! + this.discount[child]! * this.value[child]!;
  }

  pathTo(leaf: number): readonly number[] {
    const path: number[] = [];
    for (let node = leaf; node > 0; node = this.parent[node]!) path.push(this.parentEdge[node]!);
    return path.reverse();
  }
}

/** ONNX Runtime hands NaN through without a word; one in the tree would decide silently. */
export function checkHeads(heads: Heads, edges: number, expansion: number): void {
  const where = `heads of expansion ${expansion}`;
  if (heads.logits.length !== edges) throw new SearchError(`${where}: ${heads.logits.length} logits where ${edges} belong`);
  if (!Number.isFinite(heads.value) || !Number.isFinite(heads.reward)) {
    throw new SearchError(`${where}: value ${heads.value} and reward ${heads.reward} must be finite`);
  }
  for (let edge = 0; edge < edges; edge += 1) {
    if (!Number.isFinite(heads.logits[edge])) throw new SearchError(`${where}: logit ${edge} is ${heads.logits[edge]}, not finite`);
  }
}

/** The edge that scores highest, the first of them on ties; NO_NODE where no score is a number above -∞. */
export function firstHighest(edges: number, scoreOf: (edge: number) => number): number {
  let best = NO_NODE;
  let bestScore = -Infinity;
  for (let edge = 0; edge < edges; edge += 1) {
    const score = scoreOf(edge);
    if (score > bestScore) {
      best = edge;
      bestScore = score;
    }
  }
  return best;
}

/** Softmax of `length` numbers from `offset` on, into the same places of another array; -∞ becomes 0. */
export function softmaxInto(logits: Float64Array, target: Float64Array, offset: number, length: number): void {
  const highest = Math.max(...logits.subarray(offset, offset + length));
  let sum = 0;
  for (let i = offset; i < offset + length; i += 1) {
    const weight = Math.exp(logits[i]! - highest);
    target[i] = weight;
    sum += weight;
  }
  for (let i = offset; i < offset + length; i += 1) target[i] = target[i]! / sum;
}
