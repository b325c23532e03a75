/** What an experiment is, and the words in which it answers. */
import type { Probe } from './probe.ts';

export const VERDICTS = ['asExpected', 'differs', 'unsafe', 'inconclusive', 'skipped'] as const;
/**
 * `asExpected`: what Reckoner takes for granted, or the answer that the local broker gives by default.
 * `differs`: another answer that Reckoner lives with; a switch of the local broker takes it over.
 * `unsafe`: something that Reckoner relies on does not hold: do not arm on this account.
 * `inconclusive`: the broker could not be asked, or its ledger did not settle in time.
 * `skipped`: the market is not in the state that the experiment needs.
 */
export type Verdict = (typeof VERDICTS)[number];

export interface Finding {
  readonly verdict: Exclude<Verdict, 'skipped'>;
  /** What was seen, for a reader. */
  readonly observed: string;
  /** Settings of the local broker that would make it behave so. */
  readonly switches: { readonly [name: string]: string | number | boolean };
}

export interface Experiment {
  readonly id: string;
  readonly question: string;
  /** What Reckoner expects. */
  readonly expected: string;
  readonly market: 'open' | 'closed' | 'any';
  /** Sends no order, and leaves a token behind with which nothing could be cleared up: such an experiment comes last. */
  readonly endsAccess?: true;
  /** @param signal the run is to end; only what waits long has to look at it. */
  run(probe: Probe, signal: AbortSignal): Promise<Finding>;
}

export const asExpected = (observed: string, switches: Finding['switches'] = {}): Finding => ({ verdict: 'asExpected', observed, switches });
export const differs = (observed: string, switches: Finding['switches'] = {}): Finding => ({ verdict: 'differs', observed, switches });
export const unsafe = (observed: string, switches: Finding['switches'] = {}): Finding => ({ verdict: 'unsafe', observed, switches });
export const inconclusive = (observed: string): Finding => ({ verdict: 'inconclusive', observed, switches: {} });
