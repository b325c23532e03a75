/** Everything that can happen to the desk, and everything that it can ask for. */
import type { AccountSnapshot, AccountSummary, Bar, BrokerReadFailure, Exchange, FeedName, OrderRequest, PositionsSnapshot, Quote, TransactionsPage } from '../broker.ts';
import type { DataOf, DomainEvent, ReconciliationScope, ReconciliationTrigger } from '../events.ts';
import type { ClientOrderId, DecisionId } from '../ids.ts';
import type { InstrumentName } from '../instruments.ts';
import type { Observation, Proposal, RefusalCode } from '../policy.ts';
import type { CommandResult, OperatorCommand } from '../safety.ts';
import type { Instant } from '../time.ts';

/** Who is running: recorded at every start, compared at the next. */
export interface RunFacts {
  readonly build: string;
  readonly nodeVersion: string;
  readonly configHash: string;
  readonly modelHash: string;
  readonly modelLabel: string;
  readonly policyName: string;
  readonly featureSetId: string;
  readonly trained: boolean;
  readonly environment: string;
}

export type BarsPurpose = 'history' | 'boundary';

/** Why a policy gave no proposal: it refused the input, a network took or gave a number that is none, or the model failed. */
export type PolicyOutcome =
  | { readonly kind: 'proposal'; readonly proposal: Proposal }
  | { readonly kind: 'refusal'; readonly code: RefusalCode; readonly detail: string }
  | { readonly kind: 'nonFinite'; readonly detail: string }
  | { readonly kind: 'failure'; readonly detail: string };

export type Read =
  | { readonly what: 'transactions'; readonly since: number }
  | { readonly what: 'bars'; readonly instrument: InstrumentName; readonly purpose: BarsPurpose; readonly from: Instant | null; readonly countMax: number }
  /** A light one is answered by a summary with the positions, a full one by the account. */
  | { readonly what: 'snapshot'; readonly trigger: ReconciliationTrigger; readonly scope: ReconciliationScope; readonly startedAt: Instant; readonly attempt: number }
  /** The account as it stands, in place of transactions that are too many to read. */
  | { readonly what: 'baseline' }
  | { readonly what: 'positions' };

export type Answer =
  | { readonly what: 'transactions'; readonly page: TransactionsPage }
  | { readonly what: 'bars'; readonly bars: readonly Bar[] }
  | { readonly what: 'snapshot' | 'baseline'; readonly snapshot: AccountSnapshot }
  | { readonly what: 'summary'; readonly summary: AccountSummary; readonly positions: PositionsSnapshot }
  | { readonly what: 'positions'; readonly snapshot: PositionsSnapshot };

export type Consultation = {
  readonly instrument: InstrumentName;
  readonly barStart: Instant;
  readonly decisionId: DecisionId;
  readonly observation: Observation;
  /** Ledger id that the observation was made at. */
  readonly transactionId: number;
  readonly shadow: boolean;
};

/** An operator wants another model to decide. */
export interface SwapCommand {
  readonly operator: string;
  readonly reason: string;
  /** Where the model lies; absolute. */
  readonly directory: string;
}

export type EmergencyLine = DataOf<'EmergencyRecordImported'>;

export type ModelFacts = Pick<RunFacts, 'modelHash' | 'modelLabel' | 'featureSetId' | 'trained'>;
export type ModelVerdict = { readonly ok: true } | { readonly ok: false; readonly check: string; readonly detail: string };

export type Input = { readonly now: Instant } & (
  | { readonly kind: 'start'; readonly run: RunFacts }
  | { readonly kind: 'wake'; readonly key: string }
  | { readonly kind: 'quote'; readonly quote: Quote }
  | { readonly kind: 'feed'; readonly feed: FeedName; readonly connected: boolean; readonly detail: string }
  /** Reconnecting has become too frequent and stops for a while; null when a connection stands after that. */
  | { readonly kind: 'breaker'; readonly change: { readonly reconnects: number; readonly windowMs: number; readonly pauseMs: number } | null }
  /** What the two clocks say of one another; 0 for what did not happen. */
  | { readonly kind: 'clockDisturbed'; readonly stalledMs: number; readonly steppedMs: number; readonly monotonicMs: number }
  /** The broker's clock minus ours. */
  | { readonly kind: 'clockMeasured'; readonly offsetMs: number }
  /** A request that could change something left for the broker, and no intent in the log stands behind it. */
  | { readonly kind: 'unaccounted'; readonly method: string; readonly path: string }
  /** Room that is left for the log. */
  | { readonly kind: 'diskMeasured'; readonly freeBytes: number }
  /** A stream sent a line of a type that this build has no name for. */
  | { readonly kind: 'unknownLine'; readonly type: string }
  /** The broker spoke of its newest transaction id. */
  | { readonly kind: 'notice'; readonly transactionId: number }
  | { readonly kind: 'answer'; readonly read: Read; readonly answer: Answer }
  | { readonly kind: 'readFailed'; readonly read: Read; readonly failure: BrokerReadFailure; readonly detail: string }
  | { readonly kind: 'advice'; readonly consultation: Consultation; readonly outcome: PolicyOutcome }
  | { readonly kind: 'dispatchDenied'; readonly clientOrderId: ClientOrderId; readonly guard: string; readonly value: string; readonly limit: string }
  | { readonly kind: 'exchange'; readonly clientOrderId: ClientOrderId; readonly request: OrderRequest; readonly exchange: Exchange }
  | { readonly kind: 'operator'; readonly commandId: number; readonly command: OperatorCommand }
  | { readonly kind: 'swapModel'; readonly commandId: number; readonly command: SwapCommand }
  /** The model that was asked for has been loaded beside the present one, or refused. */
  | { readonly kind: 'modelVerified'; readonly verdict: ModelVerdict }
  /** It decides from now on. Advice that came before this was the former's, whatever comes after is its own. */
  | { readonly kind: 'modelAdopted'; readonly model: ModelFacts }
  /** A HALT file was found: whoever put it there could not, or would not, speak to us. */
  | { readonly kind: 'haltFile'; readonly detail: string }
  /** Lines of an emergency close that happened beside us, as its record has them. */
  | { readonly kind: 'emergencyRecord'; readonly lines: readonly EmergencyLine[] }
  | { readonly kind: 'stop'; readonly reason: string; readonly exitCode: number }
);

export type Effect =
  | { readonly kind: 'connectFeeds' }
  /** Ends a stream that stands, so that it is opened anew. */
  | { readonly kind: 'reconnectFeed'; readonly feed: FeedName; readonly detail: string }
  | { readonly kind: 'read'; readonly read: Read }
  | { readonly kind: 'consult'; readonly consultation: Consultation }
  | { readonly kind: 'dispatch'; readonly clientOrderId: ClientOrderId; readonly instrument: InstrumentName; readonly request: OrderRequest }
  /** Load and check a model beside the present one. */
  | { readonly kind: 'verifyModel'; readonly directory: string }
  /** Let the verified model take over, after every consultation that was asked for before. */
  | { readonly kind: 'adoptModel' }
  /** A timer: one per key, a later one replaces it, and null ends it. */
  | { readonly kind: 'wake'; readonly key: string; readonly at: Instant | null }
  /** Remove the HALT file: an operator has resumed, and that is in the log. */
  | { readonly kind: 'removeHaltFile' }
  | { readonly kind: 'reply'; readonly commandId: number; readonly result: Omit<CommandResult, 'events'> }
  | { readonly kind: 'shutdown'; readonly exitCode: number; readonly reason: string };

/** Said of a fact that follows from the one told just before it in the same step. */
export const THE_ONE_BEFORE: unique symbol = Symbol('the one before');

/** A fact on its way into the log. */
export interface Emission {
  readonly event: DomainEvent;
  readonly instrument: InstrumentName | null;
  readonly actor: string;
  readonly occurredAt: Instant;
  /** The bar's decision, the command or the run that began the chain. */
  readonly correlationId: string;
  /** Fixed where the fact has a name of its own; otherwise the journal gives the next one. */
  readonly id: string | null;
  /** Id of the event that caused this one, or the one told just before it; null for what came from outside. */
  readonly causedBy: string | typeof THE_ONE_BEFORE | null;
}
