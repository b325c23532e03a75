/**
 * Where to look next by Gumbel MuZero: the root halves its candidates step by step, every other node follows the
 * improved policy that its completed values give. Lowest index on ties.
 */
import { firstHighest, softmaxInto } from './nodes.ts';
import type { NodeTable } from './nodes.ts';
import type { GumbelSelection } from './options.ts';

const VALUE_RANGE_MIN = 1e-8;
const SCORE_MIN = -1e9;
/** The smallest normal float64: no tried action counts for nothing. */
const PRIOR_MIN = 2.2250738585072014e-308;

/**
 * How often an action must have been tried to be looked at in each simulation: rounds in which the candidates are
 * tried alike, and after each of which half of them are left.
 */
export function consideredVisits(considered: number, simulations: number): Int32Array {
  if (considered <= 1) return Int32Array.from({ length: simulations }, (_, simulation) => simulation);
  const rounds = 32 - Math.clz32(considered - 1);
  const sequence: number[] = [];
  let left = considered;
  for (let visits = 0; sequence.length < simulations;) {
    const times = Math.max(1, Math.floor(simulations / (rounds * left)));
    for (let time = 0; time < times; time += 1) {
      sequence.push(...new Array<number>(left).fill(visits));
      visits += 1;
    }
    left = Math.max(2, Math.floor(left / 2));
  }
  return Int32Array.from(sequence.slice(0, simulations));
}

export class GumbelRule {
  readonly #table: NodeTable;
  readonly #actions: number;
  readonly #mask: readonly boolean[];
  readonly #selection: GumbelSelection;
  readonly #considered: Int32Array;
  readonly #completed: Float64Array;
  readonly #improved: Float64Array;

  constructor(table: NodeTable, actions: number, simulations: number, mask: readonly boolean[], selection: GumbelSelection) {
    this.#table = table;
    this.#actions = actions;
    this.#mask = mask;
    this.#selection = selection;
    const legal = mask.filter((flag) => flag).length;
    this.#considered = consideredVisits(Math.min(selection.consideredActionsMax, legal), simulations);
    this.#completed = new Float64Array(actions);
    this.#improved = new Float64Array(actions);
  }

  choose(node: number): number {
    this.#complete(node);
    // A node's first visit is its own value; the others are simulations.
    const tried = this.#table.visits[node]! - 1;
    if (node === 0) return this.#bestAtRoot(this.#considered[tried]!);
    this.#improve(node);
    const row = node * this.#table.width;
    return firstHighest(this.#actions, (edge) => this.#improved[edge]! - this.#table.edgeVisits[row + edge]! / (1 + tried));
  }

  /** What the search ends in: its own action, among the most tried ones, and the policy that it would teach. */
  conclude(): { readonly action: number; readonly improvedPolicy: readonly number[] } {
    this.#complete(0);
    const most = Math.max(...this.#table.edgeVisits.subarray(0, this.#actions));
    const action = this.#bestAtRoot(most);
    this.#improve(0);
    return { action, improvedPolicy: [...this.#improved] };
  }

  /** The highest noise + logit + completed value among the legal actions that were tried exactly `visits` times. */
  #bestAtRoot(visits: number): number {
    const { logit, edgeVisits } = this.#table;
    const { noise } = this.#selection;
    const highest = Math.max(...logit.subarray(0, this.#actions));
    return firstHighest(this.#actions, (edge) => (this.#mask[edge] !== true || edgeVisits[edge] !== visits ? -Infinity
      : Math.max(SCORE_MIN, (noise === null ? 0 : noise[edge]!) + (logit[edge]! - highest) + this.#completed[edge]!)));
  }

  /**
   * Completed values: what was tried has its own, the rest the node's mixed value, (v + N · Σ P·Q / Σ P) / (N + 1)
   * with both sums over what was tried; then all scaled to [0, 1] times (maxVisitInit + most visits) · valueScale.
   */
  #complete(node: number): void {
    const table = this.#table;
    const row = node * table.width;
    let visits = 0;
    let most = 0;
    let priors = 0;
    let gains = 0;
    for (let edge = 0; edge < this.#actions; edge += 1) {
      const tried = table.edgeVisits[row + edge]!;
      if (tried === 0) continue;
      const prior = Math.max(PRIOR_MIN, table.prior[row + edge]!);
      visits += tried;
      most = Math.max(most, tried);
      priors += prior;
      gains += prior * table.q(node, edge);
    }
    const mixed = (table.rawValue[node]! + (visits === 0 ? 0 : visits * (gains / priors))) / (visits + 1);
    let low = Infinity;
    let high = -Infinity;
    for (let edge = 0; edge < this.#actions; edge += 1) {
      const value = table.edgeVisits[row + edge] === 0 ? mixed : table.q(node, edge);
      this.#completed[edge] = value;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    const scale = ((this.#selection.maxVisitInit + most) * this.#selection.valueScale) / Math.max(high - low, VALUE_RANGE_MIN);
    this.#completed.forEach((value, edge) => void (this.#completed[edge] = (value - low) * scale));
  }

  /** softmax(logit + completed value); needs `#complete` of the same node. */
  #improve(node: number): void {
    const row = node * this.#table.width;
    this.#completed.forEach((value, edge) => void (this.#improved[edge] = this.#table.logit[row + edge]! + value));
    softmaxInto(this.#improved, this.#improved, 0, this.#actions);
  }
}
