/**
 * Every decision of a log, made again in its order. The log is folded as a start folds it; each decision is asked for
 * with the state that its bar left, so that windows, positions and legal actions are those that the policy saw.
 */
import { ChainChecker } from '../../domain/chain.ts';
import type { LogFault } from '../../domain/chain.ts';
import { consultationOn } from '../../domain/desk/bars.ts';
import { evolveDesk } from '../../domain/desk/evolve.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import { initialDesk } from '../../domain/desk/state.ts';
import type { DataOf } from '../../domain/events.ts';
import { instrumentName } from '../../domain/instruments.ts';
import type { LogHead } from '../../domain/log.ts';
import type { ProjectedEvent } from '../../domain/projection.ts';
import type { DeskSettings } from '../../domain/settings.ts';
import { parseInstant } from '../../domain/time.ts';
import { SearchError } from '../../models/search/options.ts';
import { eventsOf } from '../daemon/recovery.ts';
import type { LogReader } from '../daemon/recovery.ts';
import type { Deciders, Seat } from './deciders.ts';
import { impossible, recompute } from './decision.ts';
import type { Recomputation } from './decision.ts';
import { Tally } from './tally.ts';
import type { DecisionsReport } from './tally.ts';

export interface ReplayParts {
  readonly log: LogReader;
  /** As of here the log is replayed; what a running daemon appends meanwhile is left alone. */
  readonly head: LogHead;
  /** Sequence of the last event to replay. */
  readonly last: number;
  readonly settings: DeskSettings;
  readonly configHash: string;
  readonly deciders: Deciders;
  /** Why a model that was found was not loaded, by its hash. */
  readonly refused: ReadonlyMap<string, string>;
  /** Told now and then how many events are done. */
  readonly progress: (done: number) => void;
}

const PROGRESS_EVENTS = 100;

/** @throws EventFormatError for an event that this build cannot read. */
export async function replayDecisions({ log, head, last, settings, configHash, deciders, refused, progress }: ReplayParts): Promise<DecisionsReport> {
  const tally = new Tally(configHash);
  const chain = new ChainChecker();
  const replay = new Replay(settings, deciders, tally);
  let fault: LogFault | null = null;
  let events = 0;
  for await (const projected of eventsOf(log)) {
    if (events > last) break;
    fault ??= chain.check(projected.recorded);
    await replay.take(projected);
    events += 1;
    if (events % PROGRESS_EVENTS === 0) progress(events);
  }
  const verdict = fault ?? (last === head.sequence ? chain.finish(head.streams) : null);
  return tally.report(events, refused, verdict?.ok === false ? verdict : null);
}

/** A decision is told within a minute of its bar's end: at most one newer bar can have come in between. */
const BARS_KEPT = 2;

class Replay {
  readonly #deciders: Deciders;
  readonly #tally: Tally;
  #state: DeskState;
  /** The desk as the newest bars of each instrument left it, which is when a policy is asked. */
  readonly #asked = new Map<string, readonly DeskState[]>();
  #seat: Seat | null = null;

  constructor(settings: DeskSettings, deciders: Deciders, tally: Tally) {
    this.#state = initialDesk(settings);
    this.#deciders = deciders;
    this.#tally = tally;
  }

  async take(projected: ProjectedEvent): Promise<void> {
    const { event, metadata } = projected;
    if (event.type === 'DecisionMade') await this.#decide(projected, event.data);
    if (event.type === 'DecisionSkipped') this.#tally.skipped(event.data.reason);
    if (event.type === 'ModelLoaded' || event.type === 'ModelSwapped') this.#seat = event.data;
    this.#state = evolveDesk(this.#state, event, parseInstant(metadata.occurredAt, 'occurredAt'));
    if (event.type === 'MarketBarClosed') this.#asked.set(event.data.instrument, [...(this.#asked.get(event.data.instrument) ?? []), this.#state].slice(-BARS_KEPT));
  }

  async #decide(projected: ProjectedEvent, recorded: DataOf<'DecisionMade'>): Promise<void> {
    const { modelHash, modelLabel, featureSetId } = recorded;
    // A log that says of no model that it was loaded leaves the decision's own word for it.
    const seat = this.#seat ?? { modelHash: modelHash ?? projected.metadata.modelHash, modelLabel, featureSetId };
    this.#tally.made(projected, recorded, seat, await this.#again(projected, recorded, seat));
  }

  async #again({ recorded: { schemaVersion }, metadata }: ProjectedEvent, decision: DataOf<'DecisionMade'>, seat: Seat): Promise<Recomputation> {
    const instrument = instrumentName(decision.instrument);
    const barStart = parseInstant(decision.barStart, 'barStart');
    const asked = this.#asked.get(instrument)?.findLast((state) => state.books.get(instrument)?.market.lastBarStart === barStart);
    if (asked === undefined) return impossible({ field: 'barStart', recorded: `${decision.instrument} ${decision.barStart}`, recomputed: 'no such bar closed before it' });
    try {
      return await recompute(decision, schemaVersion, this.#deciders.of(seat, decision, metadata.configHash), consultationOn(asked, instrument, barStart), this.#state);
    } catch (error) {
      if (!(error instanceof SearchError)) throw error;
      return impossible({ field: 'search.settings', recorded: 'a search', recomputed: error.message });
    }
  }
}
