/**
 * Tree search over learned networks in the manner of MuZero, with the numbers of mctx: the plain kind (every
 * edge is an action) and the stochastic kind (an action leads to an afterstate, a chance code on to the next
 * state). It is a machine that asks for one network call at a time and holds no clock, no randomness and no
 * state beyond one search; where scores tie, the lowest index wins.
 *
 * Nodes live in flat arrays, one entry for each expansion, and statistics of their edges in rows beside them.
 * The arithmetic is float64 throughout.
 */
import type { Heads } from '../../domain/policy.ts';

export type SearchKind = 'stochastic' | 'deterministic';

export interface SearchOptions {
  readonly kind: SearchKind;
  readonly actions: number;
  /** Chance codes of the stochastic kind; 0 for the deterministic one. */
  readonly chanceCodes: number;
  /** Expansions after the root's; each is one network call. */
  readonly simulations: number;
  /** Weight of the next state's value, above 0 and at most 1. The edge to an afterstate has 1. */
  readonly discount: number;
  /** Weight of the prior against the value; 1.25 in mctx. */
  readonly pbCInit: number;
}

export interface SearchResult {
  /** How often each action was tried from the root; sums to `simulations`. */
  readonly visits: readonly number[];
  /** Mean value of each action in pips; 0 where it was never tried. */
  readonly q: readonly number[];
  /** The root's policy, 0 for actions that the mask forbids. */
  readonly priors: readonly number[];
  /** What the network said of the root. */
  readonly rawRootValue: number;
  /** What the search made of it. */
  readonly searchRootValue: number;
}

export type SearchStep =
  | { readonly kind: 'root' }
  /** Expand what lies behind `edge` of the node whose state this is. */
  | { readonly kind: 'edge'; readonly from: 'decision' | 'chance'; readonly state: Float32Array; readonly edge: number }
  | { readonly kind: 'result'; readonly result: SearchResult };

export interface TreeSearch {
  /** The next expansion wanted, or the result. Calling it again without `supply` gives the same step. */
  next(): SearchStep;
  /** @throws SearchError for heads that are not finite or of the wrong length, and when nothing was asked. */
  supply(heads: Heads): void;
  /** The edges from the root to the latest expansion. */
  latestPath(): readonly number[];
}

/** Raised for options, masks and heads that no search can be run on. */
export class SearchError extends Error {
  override readonly name = 'SearchError';
}

const PB_C_BASE = 19_652;
const VALUE_RANGE_MIN = 1e-8;
const NO_NODE = -1;
const SIMULATIONS_MAX = 10_000;
const EDGES_MAX = 1_024;

function checkOptions(options: SearchOptions, mask: readonly boolean[]): void {
  const { kind, actions, chanceCodes, simulations, discount, pbCInit } = options;
  const whole = (name: string, value: number, from: number, to: number): void => {
    if (!Number.isInteger(value) || value < from || value > to) throw new SearchError(`${name} = ${value}: must be a whole number from ${from} to ${to}`);
  };
  whole('actions', actions, 1, EDGES_MAX);
  whole('chanceCodes', chanceCodes, kind === 'stochastic' ? 1 : 0, kind === 'stochastic' ? EDGES_MAX : 0);
  whole('simulations', simulations, 1, SIMULATIONS_MAX);
  if (!(discount > 0 && discount <= 1)) throw new SearchError(`discount = ${discount}: must be above 0 and at most 1`);
  if (!(pbCInit >= 0 && Number.isFinite(pbCInit))) throw new SearchError(`pbCInit = ${pbCInit}: must be 0 or more`);
  if (mask.length !== actions) throw new SearchError(`mask has ${mask.length} flags: ${actions} actions`);
  if (!mask.includes(true)) throw new SearchError('the mask forbids every action: at least one must be legal');
}

/**
 * Starts a search. `mask` holds for the root alone, since the networks know no rules.
 * @throws SearchError for options out of range or a mask that forbids everything.
 */
export function createSearch(options: SearchOptions, mask: readonly boolean[]): TreeSearch {
  checkOptions(options, mask);
  return new Tree(options, mask);
}

class Tree implements TreeSearch {
  readonly #options: SearchOptions;
  readonly #mask: readonly boolean[];
  /** Edges in a row: the larger of actions and codes. */
  readonly #width: number;
  readonly #isChance: Uint8Array;
  readonly #parent: Int32Array;
  readonly #parentEdge: Int32Array;
  readonly #visits: Int32Array;
  readonly #value: Float64Array;
  readonly #rawValue: Float64Array;
  /** Of arriving here. */
  readonly #reward: Float64Array;
  /** On this node's value, seen from its parent. */
  readonly #discount: Float64Array;
  readonly #child: Int32Array;
  readonly #edgeVisits: Int32Array;
  readonly #prior: Float64Array;
  readonly #states: Float32Array[] = [];
  #count = 0;
  #step: SearchStep = { kind: 'root' };
  #leafParent = NO_NODE;
  #leafEdge = 0;

  constructor(options: SearchOptions, mask: readonly boolean[]) {
    const nodes = options.simulations + 1;
    this.#options = options;
    this.#mask = [...mask];
    this.#width = Math.max(options.actions, options.chanceCodes);
    this.#isChance = new Uint8Array(nodes);
    this.#parent = new Int32Array(nodes).fill(NO_NODE);
    this.#parentEdge = new Int32Array(nodes);
    this.#visits = new Int32Array(nodes);
    this.#value = new Float64Array(nodes);
    this.#rawValue = new Float64Array(nodes);
    this.#reward = new Float64Array(nodes);
    this.#discount = new Float64Array(nodes);
    this.#child = new Int32Array(nodes * this.#width).fill(NO_NODE);
    this.#edgeVisits = new Int32Array(nodes * this.#width);
    this.#prior = new Float64Array(nodes * this.#width);
  }

  next(): SearchStep {
    return this.#step;
  }

  supply(heads: Heads): void {
    if (this.#step.kind === 'result') throw new SearchError('heads supplied to a search that is over');
    const node = this.#append(heads);
    if (node > 0) this.#backUp(node);
    this.#step = this.#count <= this.#options.simulations ? this.#descend() : { kind: 'result', result: this.#result() };
  }

  latestPath(): readonly number[] {
    const path: number[] = [];
    for (let node = this.#count - 1; node > 0; node = this.#parent[node]!) path.push(this.#parentEdge[node]!);
    return path.reverse();
  }

  #append(heads: Heads): number {
    const node = this.#count;
    const parent = this.#leafParent;
    const fromDecision = parent !== NO_NODE && this.#isChance[parent] === 0;
    const isChance = this.#options.kind === 'stochastic' && fromDecision;
    const edges = isChance ? this.#options.chanceCodes : this.#options.actions;
    checkHeads(heads, edges, node);
    this.#isChance[node] = isChance ? 1 : 0;
    this.#visits[node] = 1;
    this.#value[node] = heads.value;
    this.#rawValue[node] = heads.value;
    // Nothing is earned and nothing is discounted on the way to an afterstate: the bar has not passed yet.
    this.#reward[node] = isChance ? 0 : heads.reward;
    this.#discount[node] = isChance ? 1 : this.#options.discount;
    softmaxInto(heads.logits, node === 0 ? this.#mask : null, this.#prior, node * this.#width);
    this.#states.push(heads.state);
    if (parent !== NO_NODE) {
      this.#parent[node] = parent;
      this.#parentEdge[node] = this.#leafEdge;
      this.#child[parent * this.#width + this.#leafEdge] = node;
    }
    this.#count += 1;
    return node;
  }

  /** Running means, in which a node's own raw value counts as one visit, also at the root. */
  #backUp(leaf: number): void {
    let gain = this.#rawValue[leaf]!;
    for (let node = leaf; node > 0;) {
      const parent = this.#parent[node]!;
      const edge = parent * this.#width + this.#parentEdge[node]!;
      gain = this.#reward[node]! + this.#discount[node]! * gain;
      const visits = this.#visits[parent]!;
      this.#value[parent] = (this.#value[parent]! * visits + gain) / (visits + 1);
      this.#visits[parent] = visits + 1;
      this.#edgeVisits[edge] = this.#edgeVisits[edge]! + 1;
      node = parent;
    }
  }

  #descend(): SearchStep {
    for (let node = 0; ;) {
      const edge = this.#isChance[node] === 1 ? this.#chooseCode(node) : this.#chooseAction(node);
      const child = this.#child[node * this.#width + edge]!;
      if (child === NO_NODE) {
        this.#leafParent = node;
        this.#leafEdge = edge;
        return { kind: 'edge', from: this.#isChance[node] === 1 ? 'chance' : 'decision', state: this.#states[node]!, edge };
      }
      node = child;
    }
  }

  #q(node: number, edge: number): number {
    const child = this.#child[node * this.#width + edge]!;
    return child === NO_NODE ? 0 : this.#reward[child]! + this.#discount[child]! * this.#value[child]!;
  }

  /** pUCT. Values are scaled by what this node and its tried edges span; an edge never tried counts as the lowest. */
  #chooseAction(node: number): number {
    const { actions, pbCInit } = this.#options;
    const row = node * this.#width;
    let low = this.#value[node]!;
    let high = low;
    for (let edge = 0; edge < actions; edge += 1) {
      if (this.#edgeVisits[row + edge] === 0) continue;
      const q = this.#q(node, edge);
      if (q < low) low = q;
      if (q > high) high = q;
    }
    const range = Math.max(high - low, VALUE_RANGE_MIN);
    const visits = this.#visits[node]!;
    const exploration = Math.sqrt(visits) * (pbCInit + Math.log((visits + PB_C_BASE + 1) / PB_C_BASE));
    let best = NO_NODE;
    let bestScore = -Infinity;
    for (let edge = 0; edge < actions; edge += 1) {
      if (node === 0 && this.#mask[edge] !== true) continue;
      const tried = this.#edgeVisits[row + edge]!;
      const scaled = tried === 0 ? 0 : (this.#q(node, edge) - low) / range;
      const score = scaled + (exploration * this.#prior[row + edge]!) / (tried + 1);
      if (score > bestScore) {
        best = edge;
        bestScore = score;
      }
    }
    return best;
  }

  /** Codes in proportion to their probability, without a draw: the one that lags its share the most. */
  #chooseCode(node: number): number {
    const row = node * this.#width;
    let best = 0;
    let bestScore = -Infinity;
    for (let code = 0; code < this.#options.chanceCodes; code += 1) {
      const score = this.#prior[row + code]! / (this.#edgeVisits[row + code]! + 1);
      if (score > bestScore) {
        best = code;
        bestScore = score;
      }
    }
    return best;
  }

  #result(): SearchResult {
    const edges = Array.from({ length: this.#options.actions }, (_, edge) => edge);
    return {
      visits: edges.map((edge) => this.#edgeVisits[edge]!),
      q: edges.map((edge) => this.#q(0, edge)),
      priors: edges.map((edge) => this.#prior[edge]!),
      rawRootValue: this.#rawValue[0]!,
      searchRootValue: this.#value[0]!,
    };
  }
}

/** ONNX Runtime hands NaN through without a word; one in the tree would decide silently. */
function checkHeads(heads: Heads, edges: number, expansion: number): void {
  const where = `heads of expansion ${expansion}`;
  if (heads.logits.length !== edges) throw new SearchError(`${where}: ${heads.logits.length} logits where ${edges} belong`);
  if (!Number.isFinite(heads.value) || !Number.isFinite(heads.reward)) {
    throw new SearchError(`${where}: value ${heads.value} and reward ${heads.reward} must be finite`);
  }
  for (let edge = 0; edge < edges; edge += 1) {
    if (!Number.isFinite(heads.logits[edge])) throw new SearchError(`${where}: logit ${edge} is ${heads.logits[edge]}, not finite`);
  }
}

function softmaxInto(logits: Float32Array, mask: readonly boolean[] | null, target: Float64Array, offset: number): void {
  let highest = -Infinity;
  for (let i = 0; i < logits.length; i += 1) {
    if ((mask === null || mask[i] === true) && logits[i]! > highest) highest = logits[i]!;
  }
  let sum = 0;
  for (let i = 0; i < logits.length; i += 1) {
    const weight = mask === null || mask[i] === true ? Math.exp(logits[i]! - highest) : 0;
    target[offset + i] = weight;
    sum += weight;
  }
  for (let i = 0; i < logits.length; i += 1) target[offset + i] = target[offset + i]! / sum;
}
