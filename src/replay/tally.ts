/** What a replay of decisions came to: counts, and the first place at which log and recomputation part. */
import type { LogFault } from '../../domain/chain.ts';
import type { DataOf } from '../../domain/events.ts';
import type { ProjectedEvent } from '../../domain/projection.ts';
import type { Seat } from './deciders.ts';
import type { Finding, Recomputation } from './decision.ts';
import type { Difference } from './differences.ts';
import type { HeadsComparison, HeadsVerdict } from './heads.ts';

type Decision = DataOf<'DecisionMade'>;
type Counts = { readonly [name: string]: number };
/** Decisions of which this part came out equal, or different, or could not be computed. */
export type Findings = { readonly [finding in Finding]: number };

/** How a model's networks answered again. */
export interface NetworksReport {
  readonly modelHash: string;
  readonly modelLabel: string;
  readonly decisions: number;
  /** `notAtHand`: no decision of it could be held against its networks. */
  readonly verdict: HeadsVerdict | 'notAtHand';
  readonly bitExact: number;
  readonly within: number;
  readonly beyond: number;
  /** Largest distance of one number, in pips or as a logit. */
  readonly deviationMax: number;
  /** Why it was not loaded though it was found. */
  readonly refusal: string | null;
}

export interface Mismatch extends Difference {
  readonly event: number;
  readonly stream: string;
  readonly revision: number;
  readonly eventId: string;
  readonly decisionId: string;
  readonly instrument: string;
  readonly barStart: string;
  /** It was made under another configuration than the replay was given. */
  readonly otherConfiguration: boolean;
}

export interface DecisionsReport {
  readonly version: 1;
  readonly events: number;
  readonly decisions: number;
  readonly byPolicy: Counts;
  readonly skipped: Counts;
  /** Decisions that were made under another configuration. */
  readonly otherConfiguration: number;
  readonly observations: Findings;
  readonly features: Findings;
  readonly searches: Findings;
  readonly baselines: Findings;
  readonly networks: readonly NetworksReport[];
  /** What the chain of hashes shows of the events that were replayed; null where it is whole. */
  readonly chainFault: LogFault | null;
  /** Decisions in which anything differs. */
  readonly different: number;
  readonly first: Mismatch | null;
  readonly equal: boolean;
}

interface Networks {
  readonly modelLabel: string;
  decisions: number;
  deviationMax: number;
  readonly verdicts: { [verdict in HeadsVerdict]: number };
}

const noFindings = (): { [finding in Finding]: number } => ({ equal: 0, different: 0, none: 0 });

export class Tally {
  readonly #configHash: string;
  readonly #byPolicy = new Map<string, number>();
  readonly #skipped = new Map<string, number>();
  readonly #networks = new Map<string, Networks>();
  readonly #observations = noFindings();
  readonly #features = noFindings();
  readonly #searches = noFindings();
  readonly #baselines = noFindings();
  #decisions = 0;
  #otherConfiguration = 0;
  #different = 0;
  #first: Mismatch | null = null;

  constructor(configHash: string) {
    this.#configHash = configHash;
  }

  skipped(reason: string): void {
    count(this.#skipped, reason);
  }

  made(projected: ProjectedEvent, decision: Decision, seat: Seat, again: Recomputation): void {
    const otherConfiguration = projected.metadata.configHash !== this.#configHash;
    this.#decisions += 1;
    if (otherConfiguration) this.#otherConfiguration += 1;
    count(this.#byPolicy, `${decision.policy} (${decision.modelLabel})`);
    this.#observations[again.observation] += 1;
    this.#features[again.features] += 1;
    (decision.search === null ? this.#baselines : this.#searches)[again.choice] += 1;
    if (decision.search !== null) this.#compared(seat, again.heads);
    const [first] = again.differences;
    if (first === undefined) return;
    this.#different += 1;
    this.#first ??= { ...placeOf(projected, decision), otherConfiguration, ...first };
  }

  report(events: number, refused: ReadonlyMap<string, string>, chainFault: LogFault | null): DecisionsReport {
    return {
      version: 1,
      events,
      decisions: this.#decisions,
      byPolicy: Object.fromEntries(this.#byPolicy),
      skipped: Object.fromEntries(this.#skipped),
      otherConfiguration: this.#otherConfiguration,
      observations: this.#observations,
      features: this.#features,
      searches: this.#searches,
      baselines: this.#baselines,
      networks: [...this.#networks].map(([modelHash, networks]) => networksReport(modelHash, networks, refused.get(modelHash) ?? null)),
      chainFault,
      different: this.#different,
      first: this.#first,
      equal: this.#different === 0 && chainFault === null,
    };
  }

  #compared({ modelHash, modelLabel }: Seat, heads: HeadsComparison | null): void {
    const networks = this.#networks.get(modelHash) ?? { modelLabel, decisions: 0, deviationMax: 0, verdicts: { 'bit-exact': 0, within: 0, beyond: 0 } };
    this.#networks.set(modelHash, networks);
    networks.decisions += 1;
    if (heads === null) return;
    networks.verdicts[heads.verdict] += 1;
    networks.deviationMax = Math.max(networks.deviationMax, heads.deviationMax);
  }
}

const count = (counts: Map<string, number>, name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);

const placeOf = ({ recorded, metadata }: ProjectedEvent, { decisionId, instrument, barStart }: Decision): Omit<Mismatch, keyof Difference | 'otherConfiguration'> =>
  ({ event: metadata.sequence, stream: recorded.stream, revision: recorded.revision, eventId: recorded.id, decisionId, instrument, barStart });

function networksReport(modelHash: string, { modelLabel, decisions, deviationMax, verdicts }: Networks, refusal: string | null): NetworksReport {
  const { 'bit-exact': bitExact, within, beyond } = verdicts;
  const verdict = beyond > 0 ? 'beyond' : within > 0 ? 'within' : bitExact > 0 ? 'bit-exact' : 'notAtHand';
  return { modelHash, modelLabel, decisions, verdict, bitExact, within, beyond, deviationMax, refusal };
}
