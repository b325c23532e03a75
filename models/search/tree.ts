/**
 * Tree search over learned networks in the manner of MuZero, with the numbers of mctx: the plain kind (every
 * edge is an action) and the stochastic kind (an action leads to an afterstate, a chance code on to the next
 * state), each by pUCT or by Gumbel's rule. It is a machine that asks for one network call at a time and holds no
 * clock, no randomness and no state beyond one search; where scores tie, the lowest index wins.
 */
import type { Heads } from '../../domain/policy.ts';
import { GumbelRule } from './gumbel.ts';
import { checkHeads, NO_NODE, NodeTable } from './nodes.ts';
import { checkOptions, SearchError } from './options.ts';
import type { SearchOptions } from './options.ts';
import { chooseByPuct, chooseCode, mixRootNoise } from './puct.ts';

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
  /** Gumbel's own action and the policy that its completed values give; null under pUCT, which leaves it to the visits. */
  readonly gumbel: { readonly action: number; readonly improvedPolicy: readonly number[] } | null;
}

export type SearchStep =
  | { readonly kind: 'root' }
  /** Expand what lies behind `edge` of the node whose state this is. */
  | { readonly kind: 'edge'; readonly from: 'decision' | 'chance'; readonly state: Float32Array; readonly edge: number }
  | { readonly kind: 'result'; readonly result: SearchResult };

export interface TreeSearch {
  /** The next expansion wanted, or the result. Calling it again without `supply` gives the same step. */
  next(): SearchStep;
  /** @throws SearchError for heads that are not finite or of the wrong length, when nothing was asked, and where no edge has a score that is a number. */
  supply(heads: Heads): void;
  /** The edges from the root to the latest expansion. */
  latestPath(): readonly number[];
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
  readonly #table: NodeTable;
  readonly #gumbel: GumbelRule | null;
  /** Which edge of a decision node to follow. */
  readonly #chooseAction: (node: number) => number;
  #step: SearchStep = { kind: 'root' };
  #leafParent = NO_NODE;
  #leafEdge = 0;

  constructor(options: SearchOptions, mask: readonly boolean[]) {
    const { actions, chanceCodes, simulations, selection } = options;
    this.#options = options;
    this.#mask = [...mask];
    this.#table = new NodeTable(simulations + 1, Math.max(actions, chanceCodes));
    if (selection.algorithm === 'puct') {
      this.#gumbel = null;
      this.#chooseAction = (node) => chooseByPuct(this.#table, node, actions, this.#mask, selection);
    } else {
      const rule = new GumbelRule(this.#table, actions, simulations, this.#mask, selection);
      this.#gumbel = rule;
      this.#chooseAction = (node) => rule.choose(node);
    }
  }

  next(): SearchStep {
    return this.#step;
  }

  supply(heads: Heads): void {
    if (this.#step.kind === 'result') throw new SearchError('heads supplied to a search that is over');
    const node = this.#append(heads);
    this.#table.backUp(node);
    this.#step = this.#table.count <= this.#options.simulations ? this.#descend() : { kind: 'result', result: this.#result() };
  }

  latestPath(): readonly number[] {
    return this.#table.pathTo(this.#table.count - 1);
  }

  #append(heads: Heads): number {
    const { kind, actions, chanceCodes, discount, selection } = this.#options;
    const parent = this.#leafParent;
    const isRoot = parent === NO_NODE;
    const isChance = kind === 'stochastic' && !isRoot && this.#table.isChance[parent] === 0;
    checkHeads(heads, isChance ? chanceCodes : actions, this.#table.count);
    const node = this.#table.append(heads, isChance, discount, parent, this.#leafEdge, isRoot ? this.#mask : null);
    if (isRoot && selection.algorithm === 'puct' && selection.rootNoise !== null) mixRootNoise(this.#table, this.#mask, heads.logits, selection.rootNoise);
    return node;
  }

  #descend(): SearchStep {
    const table = this.#table;
    for (let node = 0; ;) {
      const isChance = table.isChance[node] === 1;
      const edge = isChance ? chooseCode(table, node, this.#options.chanceCodes) : this.#chooseAction(node);
      const child = table.childOf(node, edge);
      if (child === NO_NODE) {
        this.#leafParent = node;
        this.#leafEdge = edge;
        return { kind: 'edge', from: isChance ? 'chance' : 'decision', state: table.states[node]!, edge };
      }
      node = child;
    }
  }

  #result(): SearchResult {
    const table = this.#table;
    const edges = Array.from({ length: this.#options.actions }, (_, edge) => edge);
    return {
      visits: edges.map((edge) => table.edgeVisits[edge]!),
      q: edges.map((edge) => table.q(0, edge)),
      priors: edges.map((edge) => table.prior[edge]!),
      rawRootValue: table.rawValue[0]!,
      searchRootValue: table.value[0]!,
      gumbel: this.#gumbel?.conclude() ?? null,
    };
  }
}
