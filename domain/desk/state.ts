/**
 * The desk's state: every aggregate side by side, folded from the log (`evolve.ts`), and beside it what is only
 * known while the process runs (quotes, connections, readiness), which no restart can need.
 */
import type { Quote } from '../broker.ts';
import type { Excursion } from '../excursion.ts';
import type { Health } from '../health.ts';
import { freshHealth } from '../health.ts';
import type { InstrumentName } from '../instruments.ts';
import type { Ledger, OpenTrade } from '../ledger.ts';
import { emptyLedger } from '../ledger.ts';
import type { Market } from '../market.ts';
import { emptyMarket } from '../market.ts';
import type { Money } from '../money.ts';
import type { TradingPeriod } from '../periods.ts';
import { noPeriod } from '../periods.ts';
import type { QuoteTrust } from '../quotes.ts';
import type { Safety } from '../safety.ts';
import { initialSafety } from '../safety.ts';
import type { DeskSettings, InstrumentSettings } from '../settings.ts';
import type { Shadow } from '../shadow.ts';
import { emptyShadow } from '../shadow.ts';
import type { StopReplacements } from '../stops.ts';
import { noStops } from '../stops.ts';
import type { Instant } from '../time.ts';
import type { Trading } from '../trading.ts';
import { emptyTrading } from '../trading.ts';
import type { Read, RunFacts, SwapCommand } from './inputs.ts';

/** One instrument's part of the desk. */
export interface Book {
  readonly settings: InstrumentSettings;
  readonly market: Market;
  readonly trading: Trading;
  readonly shadow: Shadow;
  readonly stops: StopReplacements;
  /** How our open trade has fared; null when flat. */
  readonly excursion: { readonly tradeId: string; readonly fared: Excursion } | null;
  /** How the policy fares at deciding for it. */
  readonly health: Health;
}

/** What emergency closes have done beside us, as far as their records are imported. */
export interface Emergency {
  /** The last line that is in the log, by run of the tool. */
  readonly lastSteps: ReadonlyMap<string, number>;
  readonly transactionIds: ReadonlySet<string>;
}

export interface RunHistory {
  readonly epoch: number;
  /** True from DaemonStarted until a clean DaemonStopped: at a start it means that the last run crashed. */
  readonly running: boolean;
  /** True once the present or last run had reconciled. */
  readonly ready: boolean;
  /** Build, configuration and model of the last start. */
  readonly startedIdentity: string | null;
  /**
   * The same of the last run that became ready, and its last fact. A start that fails before then ends no absence
   * and makes no new configuration a known one.
   */
  readonly readyIdentity: string | null;
  readonly readyUntil: Instant | null;
  /** A reconciliation has completed once: the account's past before Reckoner is in the ledger. */
  readonly pastImported: boolean;
  /**
   * The first transaction recorded since a comparison was last made: should the process end within a step, what its
   * transactions call for may be missing from here on. Null when nothing can be.
   */
  readonly unjudgedFrom: number | null;
  /** When crashes were found, within the last hour before the newest. */
  readonly crashesFoundAt: readonly Instant[];
}

/** Not in the log: true of this process alone. */
export interface Live {
  /** Null when ready; else what is still missing. */
  readonly notReady: string | null;
  readonly quotes: ReadonlyMap<InstrumentName, Quote>;
  /** Whether the newest quote of each instrument is believed. */
  readonly trust: ReadonlyMap<InstrumentName, QuoteTrust>;
  /** The newest two minutes that brought a quote, of each instrument. */
  readonly pricedMinutes: ReadonlyMap<InstrumentName, readonly Instant[]>;
  readonly connected: { readonly pricing: boolean; readonly transactions: boolean };
  /** Instruments told to be halted while the market is open. */
  readonly haltedInstruments: ReadonlySet<InstrumentName>;
  /** Types of stream lines that this build has no name for and that have halted this run. */
  readonly unknownLineTypes: ReadonlySet<string>;
  /** The newest span without a price stream, after it had stood; `until` is null while it lasts. */
  readonly pricingDown: { readonly from: Instant; readonly until: Instant | null } | null;
  readonly link: {
    /** Why no stream is opened, null while the breaker is closed. */
    readonly breaker: string | null;
    /** Set from the first 503 of a read until the next answer. */
    readonly unavailable: string | null;
    /** How little room is left for the log; null when there is enough. */
    readonly lowDisk: string | null;
    /** The broker's clock minus ours; null before the first measurement, and in lockstep. */
    readonly clockOffsetMs: number | null;
    /** Instruments without a price though the market is open and the stream stands. */
    readonly staleInstruments: ReadonlySet<string>;
  };
  readonly brokerTransactionId: number;
  readonly ledgerReadPending: boolean;
  /** From this transaction on what was recorded is judged once more when it is read again: a crash may have cut off what was said of it. */
  readonly judgeAgainFrom: number | null;
  /** A fill, or a stop that was put back, was recorded since the ledger was last seen whole. */
  readonly fillRecorded: boolean;
  readonly reconciliationPending: boolean;
  /** When the whole account was last asked for to be compared. */
  readonly lastFullAt: Instant | null;
  /** Since when comparisons have differed, and how many of them; null while they agree. */
  readonly unresolved: { readonly since: Instant; readonly attempts: number } | null;
  /** Since when no comparison has come about; null when the last one did. */
  readonly failingSince: Instant | null;
  /** Informative differences of the last comparison, so that each is told once. */
  readonly noted: ReadonlySet<string>;
  /** Operators' commands that wait for a comparison of the whole account. */
  readonly reconcileCommands: readonly number[];
  /** Since when transactions have been missing that the broker spoke of; null while the ledger is whole. */
  readonly behindSince: Instant | null;
  /** A page jumped, or an order's outcome was unknown, since the ledger was last seen whole. */
  readonly pageJumped: boolean;
  readonly outcomeUnknown: boolean;
  /** A snapshot that did not stand where the ledger stands, to be read again after a pause. */
  readonly snapshotToRepeat: Extract<Read, { readonly what: 'snapshot' }> | null;
  /** The ledger has stood where the broker stands since this run began: protection may act, whatever else is amiss. */
  readonly ledgerWhole: boolean;
  /** Instruments whose bars of the past have been read. */
  readonly historyRead: ReadonlySet<InstrumentName>;
  /** Reads that failed since they last succeeded, by what was asked. */
  readonly failures: ReadonlyMap<Read['what'], number>;
  readonly lastAgreedAt: Instant | null;
  /** Discrepancies of the last completed reconciliation. */
  readonly discrepancies: number;
  readonly startedAt: Instant | null;
  readonly downMs: number;
  readonly sameIdentity: boolean;
  /** When our absence before this run ended; gaps that begin before it are laid to us. */
  readonly downUntil: Instant | null;
  /** Which policy answers, as every decision records it. */
  readonly policy: Pick<RunFacts, 'policyName' | 'featureSetId' | 'modelLabel' | 'modelHash'>;
  /** The replacement of the model that is under way; null when none is. */
  readonly modelSwap: (SwapCommand & { readonly commandId: number }) | null;
  /**
   * For each instrument, the minute whose candle is awaited: how often it was asked for, whether a later price has
   * shown it complete, and whether it is known to have had prices itself.
   */
  readonly awaited: ReadonlyMap<InstrumentName, { readonly barStart: Instant; readonly attempts: number; readonly quoted: boolean; readonly priced: boolean }>;
}

export interface DeskState {
  readonly settings: DeskSettings;
  readonly ledger: Ledger;
  readonly safety: Safety;
  readonly day: TradingPeriod;
  readonly week: TradingPeriod;
  /** The highest profit, marks included, since the account's past was read or an operator last resumed; null before. */
  readonly peak: Money | null;
  readonly books: ReadonlyMap<InstrumentName, Book>;
  readonly foreignTradeIds: ReadonlySet<string>;
  /** Foreign trades and transactions that stop new exposure until an operator acknowledges them, by `trade 7` or `transaction 9`. */
  readonly unacknowledged: ReadonlySet<string>;
  readonly emergency: Emergency;
  readonly run: RunHistory;
  readonly live: Live;
}

export function initialDesk(settings: DeskSettings): DeskState {
  return {
    settings,
    ledger: emptyLedger,
    safety: initialSafety,
    day: noPeriod,
    week: noPeriod,
    peak: null,
    books: new Map(settings.instruments.map((instrument) => [
      instrument.instrument.name,
      { settings: instrument, market: emptyMarket, trading: emptyTrading, shadow: emptyShadow, stops: noStops, excursion: null, health: freshHealth },
    ])),
    foreignTradeIds: new Set(),
    unacknowledged: new Set(),
    emergency: { lastSteps: new Map(), transactionIds: new Set() },
    run: { epoch: 0, running: false, ready: false, startedIdentity: null, readyIdentity: null, readyUntil: null, pastImported: false, unjudgedFrom: null, crashesFoundAt: [] },
    live: {
      notReady: 'starting',
      quotes: new Map(),
      trust: new Map(),
      pricedMinutes: new Map(),
      connected: { pricing: false, transactions: false },
      haltedInstruments: new Set(),
      unknownLineTypes: new Set(),
      pricingDown: null,
      link: { breaker: null, unavailable: null, lowDisk: null, clockOffsetMs: null, staleInstruments: new Set() },
      brokerTransactionId: 0,
      ledgerReadPending: false,
      judgeAgainFrom: null,
      fillRecorded: false,
      reconciliationPending: false,
      lastFullAt: null,
      unresolved: null,
      failingSince: null,
      noted: new Set(),
      reconcileCommands: [],
      behindSince: null,
      pageJumped: false,
      outcomeUnknown: false,
      snapshotToRepeat: null,
      ledgerWhole: false,
      historyRead: new Set(),
      failures: new Map(),
      lastAgreedAt: null,
      discrepancies: 0,
      startedAt: null,
      downMs: 0,
      sameIdentity: false,
      downUntil: null,
      policy: { policyName: 'none', featureSetId: 'none', modelLabel: 'none', modelHash: 'none' },
      modelSwap: null,
      awaited: new Map(),
    },
  };
}

// --- views ---

/** Our open trades in an instrument, by the ledger, oldest first. A slot holds one, unless its order filled in parts. */
export const ourOpenTrades = (state: DeskState, book: Book): readonly OpenTrade[] =>
  [...state.ledger.openTrades.values()].filter((trade) => trade.instrument === book.settings.instrument.name && book.trading.ourTradeIds.has(trade.tradeId));

/** The oldest of them; null when flat. */
export const ourOpenTrade = (state: DeskState, book: Book): OpenTrade | null => ourOpenTrades(state, book)[0] ?? null;

/** Units of a trade that we did not open do not count against our own limits' causes. */
export const isForeign = (state: DeskState, trade: OpenTrade): boolean => state.foreignTradeIds.has(trade.tradeId);

export const hasOurPosition = (state: DeskState): boolean => [...state.books.values()].some((book) => ourOpenTrade(state, book) !== null);

/** @throws Error for an instrument that is not configured: whoever asks has broken an invariant. */
export function bookOf(state: DeskState, instrument: InstrumentName): Book {
  const book = state.books.get(instrument);
  if (book === undefined) throw new Error(`${instrument} is not configured`);
  return book;
}
