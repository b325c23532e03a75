/**
 * The port between the desk and a policy.
 *
 * A policy never performs I/O. It answers with a deliberation: a resumable machine that asks for network
 * evaluations one at a time and ends in a proposal. Whoever drives it (ONNX Runtime live, recorded heads in a
 * replay, a script in a simulation) supplies what was asked for, so the same search runs everywhere.
 */
import type { Instant } from './time.ts';

/** Order of actions in every mask, prior and visit array. */
export const ACTIONS = ['HOLD', 'BUY', 'SELL', 'CLOSE'] as const;
export type Action = (typeof ACTIONS)[number];
/** One flag for each of ACTIONS. */
export type ActionMask = readonly [boolean, boolean, boolean, boolean];

/** What the open trade looks like, in pips, at the close of the last bar; from the ledger alone. */
export interface PositionView {
  /** 1 long, -1 short, 0 flat. */
  readonly side: -1 | 0 | 1;
  /** Pips if closed now, spread paid. */
  readonly netPips: number;
  readonly barsSinceEntry: number;
  /** Highest netPips since entry, at least 0. */
  readonly peakPips: number;
  /** Largest fall from the running peak (which starts at 0), at least 0. */
  readonly drawdownPipsMax: number;
}

/** Everything that a policy may see of one bar. */
export interface Observation {
  /** End of the newest bar. */
  readonly at: Instant;
  /** Mid closes, oldest first, exactly as many as the policy's `windowBars`. */
  readonly midCloses: Float64Array;
  /** For each of them the start of its bar, in milliseconds since 1970 UTC. */
  readonly barStarts: Float64Array;
  readonly position: PositionView;
  readonly mask: ActionMask;
  /** Counts decisions of this deployment; seeds the draw of a policy that draws. */
  readonly decisionIndex: number;
}

/** What the networks say of one node; all finite. */
export interface Heads {
  /** Hidden state or afterstate of this node. */
  readonly state: Float32Array;
  /** Value in pips. */
  readonly value: number;
  /** Reward in pips for arriving here; 0 at the root and at afterstates. */
  readonly reward: number;
  /** Action logits at decision nodes, code logits at afterstates. */
  readonly logits: Float32Array;
}

export type LeafRequest =
  | { readonly kind: 'initial'; readonly observation: Float32Array }
  /** From a state and an action straight to the next state: the deterministic kind. */
  | { readonly kind: 'recurrent'; readonly hidden: Float32Array; readonly action: number }
  | { readonly kind: 'afterstate'; readonly hidden: Float32Array; readonly action: number }
  | { readonly kind: 'chance'; readonly afterstate: Float32Array; readonly code: number };

/** `stochastic`: an action leads to an afterstate, a chance code on to the next state. `deterministic`: straight there. */
export type SearchKind = 'stochastic' | 'deterministic';

/** All that a search and the choice from it depend on, beside the mask, the networks' heads and the draw. */
export interface SearchSettings {
  readonly kind: SearchKind;
  /** Of the stochastic kind; 0 for the deterministic one. */
  readonly chanceCodes: number;
  readonly simulations: number;
  readonly discount: number;
  /** An action with a smaller share becomes HOLD: of the visits, or under Gumbel of the improved policy. */
  readonly minConfidence: number;
  /** 0 takes the most visited action; above it one is drawn in proportion to visits^(1/temperature). */
  readonly temperature: number;
  readonly selection:
    | { readonly algorithm: 'puct'; readonly pbCInit: number; readonly pbCBase: number }
    | { readonly algorithm: 'gumbel'; readonly consideredActionsMax: number; readonly maxVisitInit: number; readonly valueScale: number; readonly scale: number };
}

/** What a search leaves behind for the log: enough to run it again without the networks. */
export interface SearchRecord {
  readonly settings: SearchSettings;
  readonly priors: readonly number[];
  readonly visits: readonly number[];
  readonly q: readonly number[];
  readonly rawRootValue: number;
  readonly searchRootValue: number;
  /** Under Gumbel, what the confidence is measured on; null otherwise. */
  readonly improvedPolicy: readonly number[] | null;
  /** Gumbel numbers of this decision, one an action, scaled; null where none were drawn. */
  readonly noise: readonly number[] | null;
  /** Heads of every expansion in order, packed as float32 little-endian and base64. */
  readonly headsBase64: string;
}

/** A whole number from 0 to 2^32 - 1 that a seed and a counter gave; where several were drawn, the first of them. */
export interface Draw {
  readonly seed: number;
  readonly counter: number;
  readonly value: number;
}

/** A policy's answer for one bar. */
export interface Proposal {
  readonly action: Action;
  /** Why this action: `argmax`, `gumbel`, `draw`, `minConfidence`, `baseline`. */
  readonly rule: string;
  /** Hex SHA-256 of the input vector's bytes. */
  readonly inputHash: string;
  /** Present for a tree search. */
  readonly search: SearchRecord | null;
  /** Present when a number was drawn. */
  readonly draw: Draw | null;
}

/**
 * Why a policy will not decide on a window: it has another length, a hole, a number that is not finite, a price of 0
 * or less, or no movement.
 */
export type RefusalCode = 'wrongLength' | 'gap' | 'nonFinite' | 'nonPositive' | 'zeroDeviation';

export type DeliberationStep =
  | { readonly kind: 'evaluate'; readonly leaf: LeafRequest }
  | { readonly kind: 'proposal'; readonly proposal: Proposal }
  | { readonly kind: 'refusal'; readonly code: RefusalCode; readonly detail: string };

export interface Deliberation {
  /** The next evaluation wanted, or the end. Calling it again without `supply` gives the same step. */
  next(): DeliberationStep;
  /** Answers the evaluation that `next` asked for. */
  supply(heads: Heads): void;
}

export interface Policy {
  /** As configured: `muzero`, `hold`, `sma-cross`, `random`. */
  readonly name: string;
  readonly featureSetId: string;
  /** SHA-256 of the model manifest, or of the baseline's name and parameters. */
  readonly modelHash: string;
  /** As every surface shows it; an untrained model carries that word. */
  readonly modelLabel: string;
  /** Closes needed before it can decide. */
  readonly windowBars: number;
  deliberate(observation: Observation): Deliberation;
}

/** A number on its way into a network, or out of one, is none: no decision may rest on it. */
export class NonFiniteError extends Error {
  override readonly name = 'NonFiniteError';
}

/** Runs the networks; the ONNX Runtime adapter implements it. Rejects with NonFiniteError on a non-finite input or output. */
export interface Evaluator {
  evaluate(leaf: LeafRequest): Promise<Heads>;
  close(): Promise<void>;
}
