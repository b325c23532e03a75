/**
 * The desk's state: every aggregate side by side, folded from the log, and beside it what is only known while
 * the process runs (quotes, connections, readiness), which no restart can need.
 */
import type { Quote } from '../broker.ts';
import type { Read, RunFacts } from './inputs.ts';
import type { DomainEvent } from '../events.ts';
import type { Excursion } from '../excursion.ts';
import { extendExcursion, startExcursion } from '../excursion.ts';
import type { InstrumentName } from '../instruments.ts';
import type { Ledger, OpenTrade } from '../ledger.ts';
import { emptyLedger, evolveLedger } from '../ledger.ts';
import type { Market } from '../market.ts';
import { emptyMarket, evolveMarket } from '../market.ts';
import { price } from '../money.ts';
import type { Safety } from '../safety.ts';
import { evolveSafety, initialSafety } from '../safety.ts';
import type { DeskSettings, InstrumentSettings } from '../settings.ts';
import type { Shadow } from '../shadow.ts';
import { emptyShadow, evolveShadow } from '../shadow.ts';
import type { Instant } from '../time.ts';
import { HOUR_MS } from '../time.ts';
import type { Trading } from '../trading.ts';
import { emptyTrading, evolveTrading } from '../trading.ts';
import type { TradingDay } from '../day.ts';
import { evolveDay, noDay, shiftStart } from '../day.ts';
import { profitMark } from './marks.ts';

/** One instrument's part of the desk. */
export interface Book {
  readonly settings: InstrumentSettings;
  readonly market: Market;
  readonly trading: Trading;
  readonly shadow: Shadow;
  /** How our open trade has fared; null when flat. */
  readonly excursion: { readonly tradeId: string; readonly fared: Excursion } | null;
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
  /** When crashes were found, within the last hour before the newest. */
  readonly crashesFoundAt: readonly Instant[];
}

/** Not in the log: true of this process alone. */
export interface Live {
  /** Null when ready; else what is still missing. */
  readonly notReady: string | null;
  readonly quotes: ReadonlyMap<InstrumentName, Quote>;
  readonly connected: { readonly pricing: boolean; readonly transactions: boolean };
  readonly brokerTransactionId: number;
  readonly ledgerReadPending: boolean;
  /** A fill was recorded since the ledger was last seen whole. */
  readonly fillRecorded: boolean;
  readonly reconciliationPending: boolean;
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
  readonly policy: Pick<RunFacts, 'policyName' | 'featureSetId' | 'modelLabel'>;
  /** For each instrument, the minute whose candle is awaited and how often it was asked for. */
  readonly awaited: ReadonlyMap<InstrumentName, { readonly barStart: Instant; readonly attempts: number; readonly quoted: boolean }>;
}

export interface DeskState {
  readonly settings: DeskSettings;
  readonly ledger: Ledger;
  readonly safety: Safety;
  readonly day: TradingDay;
  readonly books: ReadonlyMap<InstrumentName, Book>;
  readonly foreignTradeIds: ReadonlySet<string>;
  readonly run: RunHistory;
  readonly live: Live;
}

export function initialDesk(settings: DeskSettings): DeskState {
  return {
    settings,
    ledger: emptyLedger,
    safety: initialSafety,
    day: noDay,
    books: new Map(settings.instruments.map((instrument) => [
      instrument.instrument.name,
      { settings: instrument, market: emptyMarket, trading: emptyTrading, shadow: emptyShadow, excursion: null },
    ])),
    foreignTradeIds: new Set(),
    run: { epoch: 0, running: false, ready: false, startedIdentity: null, readyIdentity: null, readyUntil: null, pastImported: false, crashesFoundAt: [] },
    live: {
      notReady: 'starting',
      quotes: new Map(),
      connected: { pricing: false, transactions: false },
      brokerTransactionId: 0,
      ledgerReadPending: false,
      fillRecorded: false,
      reconciliationPending: false,
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
      policy: { policyName: 'none', featureSetId: 'none', modelLabel: 'none' },
      awaited: new Map(),
    },
  };
}

// --- evolve ---

/** Folds one event that occurred at `at`. Total over the catalogue. */
export function evolveDesk(state: DeskState, event: DomainEvent, at: Instant): DeskState {
  const ledger = evolveLedger(state.ledger, event);
  const day = evolveDay(state.day, at, () => profitMark(state));
  return {
    ...state,
    // A transaction that is learnt late belongs to the day on which it happened, not to the one in which it is read.
    day: ledger !== state.ledger && day.start !== null && at < day.start ? shiftStart(day, profitMark(state), profitMark({ ...state, ledger })) : day,
    ledger,
    safety: evolveSafety(state.safety, event, at, state.settings.safety),
    books: evolveBooks(state, event, at, ledger),
    foreignTradeIds: evolveForeign(state.foreignTradeIds, event, ledger),
    run: evolveRun(state.run, event, at),
  };
}

const instrumentOf = (event: DomainEvent): string | null => ('instrument' in event.data ? event.data.instrument : null);

function evolveBooks(state: DeskState, event: DomainEvent, at: Instant, ledger: Ledger): ReadonlyMap<InstrumentName, Book> {
  const instrument = instrumentOf(event);
  const books = new Map<InstrumentName, Book>();
  for (const [name, book] of state.books) books.set(name, instrument === null || instrument === name ? evolveBook(book, event, at, state.settings, ledger) : book);
  return books;
}

function evolveBook(book: Book, event: DomainEvent, at: Instant, settings: DeskSettings, ledger: Ledger): Book {
  const { pipLocation } = book.settings.instrument;
  return {
    settings: book.settings,
    market: evolveMarket(book.market, event, settings),
    trading: evolveTrading(book.trading, event, at),
    shadow: evolveShadow(book.shadow, event, { pipLocation, onOppositeSignal: settings.onOppositeSignal }),
    excursion: evolveExcursion(book, event, ledger, pipLocation),
  };
}

function evolveExcursion(book: Book, event: DomainEvent, ledger: Ledger, pipLocation: number): Book['excursion'] {
  const current = book.excursion !== null && ledger.openTrades.has(book.excursion.tradeId) ? book.excursion : null;
  switch (event.type) {
    case 'OrderFilled': {
      const trade = event.data.tradeId === null ? undefined : ledger.openTrades.get(event.data.tradeId);
      if (trade === undefined || current?.tradeId === trade.tradeId) return current;
      return book.settings.instrument.name === trade.instrument ? { tradeId: trade.tradeId, fared: startExcursion(trade.units > 0n ? 1 : -1, trade.price) } : current;
    }
    case 'MarketBarClosed':
    case 'MarketBarBackfilled':
      return current === null ? null : { tradeId: current.tradeId, fared: extendExcursion(current.fared, price(event.data.bid.close), price(event.data.ask.close), pipLocation) };
    default:
      return current;
  }
}

function evolveForeign(known: ReadonlySet<string>, event: DomainEvent, ledger: Ledger): ReadonlySet<string> {
  if (event.type === 'ForeignTradeObserved') return new Set([...known, event.data.tradeId]);
  if (event.type !== 'BrokerTransactionRecorded' || known.size === 0) return known;
  const open = [...known].filter((tradeId) => ledger.openTrades.has(tradeId));
  return open.length === known.size ? known : new Set(open);
}

function evolveRun(run: RunHistory, event: DomainEvent, at: Instant): RunHistory {
  const readyUntil = run.ready ? at : run.readyUntil;
  switch (event.type) {
    case 'DaemonStarted': {
      const { epoch, previousRun, build, configHash, modelHash } = event.data;
      const recent = run.crashesFoundAt.filter((earlier) => earlier > at - HOUR_MS);
      return { ...run, epoch, running: true, ready: false, startedIdentity: `${build} ${configHash} ${modelHash}`, crashesFoundAt: previousRun === 'crashed' ? [...recent, at] : recent };
    }
    case 'EpochRaised':
      return { ...run, epoch: event.data.epoch, readyUntil };
    // Told by a start that went no further: it must not shorten an absence.
    case 'ModelRejected':
      return run;
    case 'ReconciliationCompleted': {
      const { outcome } = event.data;
      const pastImported = run.pastImported || outcome !== 'failed';
      return outcome === 'agreed' ? { ...run, pastImported, ready: true, readyIdentity: run.startedIdentity, readyUntil: at } : { ...run, pastImported, readyUntil };
    }
    case 'DaemonStopped':
      return { ...run, running: event.data.exitCode !== 0, readyUntil };
    default:
      return run.ready ? { ...run, readyUntil } : run;
  }
}

// --- views ---

/** Our open trade in an instrument, by the ledger; null when flat. One slot holds at most one trade. */
export function ourOpenTrade(state: DeskState, book: Book): OpenTrade | null {
  for (const trade of state.ledger.openTrades.values()) {
    if (trade.instrument === book.settings.instrument.name && book.trading.ourTradeIds.has(trade.tradeId)) return trade;
  }
  return null;
}

/** Units of a trade that we did not open do not count against our own limits' causes. */
export const isForeign = (state: DeskState, trade: OpenTrade): boolean => state.foreignTradeIds.has(trade.tradeId);

export const hasOurPosition = (state: DeskState): boolean => [...state.books.values()].some((book) => ourOpenTrade(state, book) !== null);

/** @throws Error for an instrument that is not configured: whoever asks has broken an invariant. */
export function bookOf(state: DeskState, instrument: InstrumentName): Book {
  const book = state.books.get(instrument);
  if (book === undefined) throw new Error(`${instrument} is not configured`);
  return book;
}
