/** What a search is run with: which model, how many expansions, and by which rule it picks where to look next. */
import type { SearchKind } from '../../domain/policy.ts';

/** Prior and value weighed against each other (pUCT), as MuZero and Stochastic MuZero do it. */
export interface PuctSelection {
  readonly algorithm: 'puct';
  /** Weight of the prior against the value; 1.25 in mctx. */
  readonly pbCInit: number;
  /** Visits over which that weight grows by ln 2; 19652 in mctx. */
  readonly pbCBase: number;
  /** Training only: noise over all actions, mixed into the root's prior before the mask. Null leaves the prior as it is. */
  readonly rootNoise: { readonly fraction: number; readonly noise: readonly number[] } | null;
}

/** Sequential halving at the root and completed values below it, as Gumbel MuZero does it. */
export interface GumbelSelection {
  readonly algorithm: 'gumbel';
  /** Actions that sequential halving starts with, at most; 16 in mctx. */
  readonly consideredActionsMax: number;
  /** 50 and 0.1 in mctx: completed values are scaled by (maxVisitInit + most visits) · valueScale. */
  readonly maxVisitInit: number;
  readonly valueScale: number;
  /** One Gumbel(0, 1) number for each action, scaled; null is none, which searches without exploring. */
  readonly noise: readonly number[] | null;
}

export interface SearchOptions {
  readonly kind: SearchKind;
  readonly actions: number;
  /** Chance codes of the stochastic kind; 0 for the deterministic one. */
  readonly chanceCodes: number;
  /** Expansions after the root's; each is one network call. */
  readonly simulations: number;
  /** Weight of the next state's value, above 0 and at most 1. The edge to an afterstate has 1. */
  readonly discount: number;
  readonly selection: PuctSelection | GumbelSelection;
}

/** Raised for options, masks and heads that no search can be run on. */
export class SearchError extends Error {
  override readonly name = 'SearchError';
}

const SIMULATIONS_MAX = 10_000;
const EDGES_MAX = 1_024;

/** @throws SearchError naming the option that is out of range, or the mask that forbids everything. */
export function checkOptions(options: SearchOptions, mask: readonly boolean[]): void {
  const { kind, actions, chanceCodes, simulations, discount, selection } = options;
  whole('actions', actions, 1, EDGES_MAX);
  whole('chanceCodes', chanceCodes, kind === 'stochastic' ? 1 : 0, kind === 'stochastic' ? EDGES_MAX : 0);
  whole('simulations', simulations, 1, SIMULATIONS_MAX);
  if (!(discount > 0 && discount <= 1)) throw new SearchError(`discount = ${discount}: must be above 0 and at most 1`);
  if (selection.algorithm === 'puct') checkPuct(selection, actions);
  else checkGumbel(selection, actions);
  if (mask.length !== actions) throw new SearchError(`mask has ${mask.length} flags: ${actions} actions`);
  if (!mask.includes(true)) throw new SearchError('the mask forbids every action: at least one must be legal');
}

function checkPuct({ pbCInit, pbCBase, rootNoise }: PuctSelection, actions: number): void {
  notNegative('pbCInit', pbCInit);
  if (!(pbCBase > 0 && Number.isFinite(pbCBase))) throw new SearchError(`pbCBase = ${pbCBase}: must be above 0`);
  if (rootNoise === null) return;
  const { fraction, noise } = rootNoise;
  if (!(fraction >= 0 && fraction <= 1)) throw new SearchError(`rootNoise.fraction = ${fraction}: must be from 0 to 1`);
  if (noise.length !== actions) throw new SearchError(`rootNoise has ${noise.length} numbers: ${actions} actions`);
  for (const share of noise) notNegative('rootNoise', share);
}

function checkGumbel({ consideredActionsMax, maxVisitInit, valueScale, noise }: GumbelSelection, actions: number): void {
  whole('consideredActionsMax', consideredActionsMax, 1, EDGES_MAX);
  notNegative('maxVisitInit', maxVisitInit);
  notNegative('valueScale', valueScale);
  if (noise === null) return;
  if (noise.length !== actions) throw new SearchError(`noise has ${noise.length} numbers: ${actions} actions`);
  for (const one of noise) if (!Number.isFinite(one)) throw new SearchError(`noise = ${one}: must be finite`);
}

function whole(name: string, value: number, from: number, to: number): void {
  if (!Number.isInteger(value) || value < from || value > to) throw new SearchError(`${name} = ${value}: must be a whole number from ${from} to ${to}`);
}

function notNegative(name: string, value: number): void {
  if (!(value >= 0 && Number.isFinite(value))) throw new SearchError(`${name} = ${value}: must be 0 or more`);
}
