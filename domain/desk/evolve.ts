/** Folding one event into the desk: each aggregate takes what concerns it. */
import type { DataOf, DomainEvent } from '../events.ts';
import { extendExcursion, startExcursion } from '../excursion.ts';
import { evolveHealth } from '../health.ts';
import type { InstrumentName } from '../instruments.ts';
import type { Ledger } from '../ledger.ts';
import { evolveLedger } from '../ledger.ts';
import { evolveMarket } from '../market.ts';
import { withEntry } from '../maps.ts';
import type { Money } from '../money.ts';
import { maximum, price } from '../money.ts';
import type { TradingPeriod } from '../periods.ts';
import { evolvePeriod, shiftStart } from '../periods.ts';
import { evolveSafety } from '../safety.ts';
import type { DeskSettings } from '../settings.ts';
import { evolveShadow } from '../shadow.ts';
import { evolveStops } from '../stops.ts';
import type { Instant } from '../time.ts';
import { HOUR_MS } from '../time.ts';
import { evolveTrading } from '../trading.ts';
import { profitMark } from './marks.ts';
import type { Book, DeskState, Emergency, RunHistory } from './state.ts';

/** Folds one event that occurred at `at`. Total over the catalogue. */
export function evolveDesk(state: DeskState, event: DomainEvent, at: Instant): DeskState {
  const ledger = evolveLedger(state.ledger, event);
  const evolved: DeskState = {
    ...state,
    day: periodAfter('day', state, event, at, ledger),
    week: periodAfter('week', state, event, at, ledger),
    ledger,
    safety: evolveSafety(state.safety, event, at, state.settings.safety),
    books: evolveBooks(state, event, at, ledger),
    foreignTradeIds: evolveForeign(state.foreignTradeIds, event, ledger),
    unacknowledged: evolveUnacknowledged(state.unacknowledged, event, ledger),
    emergency: event.type === 'EmergencyRecordImported' ? evolveEmergency(state.emergency, event.data) : state.emergency,
    run: evolveRun(state.run, event, at),
  };
  const peak = peakAfter(state, event, evolved);
  return peak === evolved.peak ? evolved : { ...evolved, peak };
}

/** A transaction that is learnt late belongs to the period in which it happened, not to the one in which it is read; a baseline is all past. */
function periodAfter(kind: 'day' | 'week', state: DeskState, event: DomainEvent, at: Instant, ledger: Ledger): TradingPeriod {
  const before = state[kind];
  const period = before.start === null || isOfBrokerTime(event) ? evolvePeriod(kind, before, at, () => profitMark(state)) : before;
  const isOfPast = movesProfit(state.ledger, ledger) && period.start !== null && (at < period.start || event.type === 'LedgerBaselined');
  return isOfPast ? shiftStart(period, profitMark(state), profitMark({ ...state, ledger })) : period;
}

/** Whoever resumes has seen the drawdown so far: it is counted anew from there. */
function peakAfter(state: DeskState, { type }: DomainEvent, evolved: DeskState): Money | null {
  if (!evolved.run.pastImported) return null;
  if (state.peak === null || type === 'TradingResumed') return profitMark(evolved).money;
  if (evolved.ledger === state.ledger && (evolved.books === state.books || evolved.ledger.openTrades.size === 0)) return state.peak;
  return maximum(state.peak, profitMark(evolved).money);
}

/** Bars and transactions happen when the broker says. Everything else happens by our own clock, and a clock that is moved must not end a day and its losses. */
const isOfBrokerTime = ({ type }: DomainEvent): boolean => type === 'BrokerTransactionRecorded' || type === 'MarketBarClosed' || type === 'MarketBarBackfilled';

/** Most transactions are no fills, and an old account's are all told late. */
const movesProfit = (before: Ledger, after: Ledger): boolean =>
  before.openTrades !== after.openTrades || before.realisedByInstrument !== after.realisedByInstrument
  || before.realisedPl !== after.realisedPl || before.financing !== after.financing || before.commission !== after.commission;

const instrumentOf = (event: DomainEvent): string | null => ('instrument' in event.data ? event.data.instrument : null);

function evolveBooks(state: DeskState, event: DomainEvent, at: Instant, ledger: Ledger): ReadonlyMap<InstrumentName, Book> {
  const instrument = instrumentOf(event);
  let { books } = state;
  for (const [name, book] of state.books) {
    const evolved = instrument === null || instrument === name ? evolveBook(book, event, at, state.settings, ledger) : book;
    if (evolved !== book) books = withEntry(books, name, evolved);
  }
  return books;
}

/** The book itself where the event changes nothing of it: an old account brings a hundred thousand such events. */
function evolveBook(book: Book, event: DomainEvent, at: Instant, settings: DeskSettings, ledger: Ledger): Book {
  const { pipLocation } = book.settings.instrument;
  const evolved: Book = {
    settings: book.settings,
    market: evolveMarket(book.market, event, settings),
    trading: evolveTrading(book.trading, event, at),
    stops: evolveStops(book.stops, event, at),
    shadow: evolveShadow(book.shadow, event, { pipLocation, onOppositeSignal: settings.onOppositeSignal }),
    excursion: evolveExcursion(book, event, ledger, pipLocation),
    health: evolveHealth(book.health, event, settings.health),
  };
  const { market, trading, stops, shadow, excursion, health } = book;
  const isSame = evolved.market === market && evolved.trading === trading && evolved.stops === stops && evolved.shadow === shadow && evolved.excursion === excursion && evolved.health === health;
  return isSame ? book : evolved;
}

/** An order that filled in parts left several trades: the excursion is the position's, and ends with the last of them. */
function excursionHeld({ excursion, trading }: Book, ledger: Ledger): Book['excursion'] {
  if (excursion === null || ledger.openTrades.has(excursion.tradeId)) return excursion;
  for (const trade of ledger.openTrades.values()) {
    if (trading.ourTradeIds.has(trade.tradeId)) return { ...excursion, tradeId: trade.tradeId };
  }
  return null;
}

function evolveExcursion(book: Book, event: DomainEvent, ledger: Ledger, pipLocation: number): Book['excursion'] {
  const current = excursionHeld(book, ledger);
  switch (event.type) {
    case 'OrderFilled':
    case 'OrderPartiallyFilled': {
      const trade = event.data.tradeId === null ? undefined : ledger.openTrades.get(event.data.tradeId);
      if (trade === undefined || current !== null) return current;
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

/** Names, in acknowledgements and refusals, of what waits for an operator. */
const nameOf = { trade: (id: string): string => `trade ${id}`, transaction: (id: string): string => `transaction ${id}` };

function evolveUnacknowledged(waiting: ReadonlySet<string>, event: DomainEvent, ledger: Ledger): ReadonlySet<string> {
  const without = (name: string): ReadonlySet<string> => new Set([...waiting].filter((other) => other !== name));
  switch (event.type) {
    case 'ForeignTradeObserved':
      return new Set([...waiting, nameOf.trade(event.data.tradeId)]);
    case 'ReviewRequired':
      return new Set([...waiting, nameOf.transaction(event.data.transactionId)]);
    case 'ForeignTradeAcknowledged':
      return without(nameOf.trade(event.data.tradeId));
    case 'TransactionAcknowledged':
      return without(nameOf.transaction(event.data.transactionId));
    // What the emergency close did is no stranger's doing: its record acknowledges it.
    case 'EmergencyRecordImported':
      return event.data.transactionIds.reduce((left, id) => (left.has(nameOf.transaction(id)) ? new Set([...left].filter((name) => name !== nameOf.transaction(id))) : left), waiting);
    case 'BrokerTransactionRecorded': {
      // A foreign trade that has closed needs no more acknowledging.
      if (waiting.size === 0) return waiting;
      const left = [...waiting].filter((name) => !name.startsWith('trade ') || ledger.openTrades.has(name.slice('trade '.length)));
      return left.length === waiting.size ? waiting : new Set(left);
    }
    default:
      return waiting;
  }
}

const evolveEmergency = ({ lastSteps, transactionIds }: Emergency, { runId, step, transactionIds: theirs }: DataOf<'EmergencyRecordImported'>): Emergency => ({
  lastSteps: new Map(lastSteps).set(runId, Math.max(step, lastSteps.get(runId) ?? -1)),
  transactionIds: theirs.length === 0 ? transactionIds : new Set([...transactionIds, ...theirs]),
});

/** Stopped as asked: 0, and 31 while halted. Any other end counts as a crash. */
const CLEAN_EXIT_CODES = [0, 31];

/** An identity ends in the model's hash. */
const withModel = (identity: string | null, modelHash: string): string | null => (identity === null ? null : `${identity.slice(0, identity.lastIndexOf(' '))} ${modelHash}`);

function evolveRun(run: RunHistory, event: DomainEvent, at: Instant): RunHistory {
  const readyUntil = run.ready ? at : run.readyUntil;
  switch (event.type) {
    case 'BrokerTransactionRecorded':
      if (!run.ready && run.unjudgedFrom !== null) return run;
      return { ...run, readyUntil, unjudgedFrom: run.unjudgedFrom ?? Number(event.data.transactionId) };
    // Who resumes or acknowledges has been told.
    case 'TradingResumed':
    case 'TransactionAcknowledged':
      return { ...run, readyUntil, unjudgedFrom: null };
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
      const unjudgedFrom = outcome === 'failed' ? run.unjudgedFrom : null;
      return outcome === 'agreed' ? { ...run, pastImported, unjudgedFrom, ready: true, readyIdentity: run.startedIdentity, readyUntil: at } : { ...run, pastImported, unjudgedFrom, readyUntil };
    }
    case 'ModelSwapped': {
      const startedIdentity = withModel(run.startedIdentity, event.data.modelHash);
      // A restart loads the configured model: where that is another one, it is not the run that was armed.
      return { ...run, startedIdentity, readyIdentity: run.ready ? startedIdentity : run.readyIdentity, readyUntil };
    }
    case 'DaemonStopped':
      return { ...run, running: !CLEAN_EXIT_CODES.includes(event.data.exitCode), readyUntil };
    default:
      return run.ready ? { ...run, readyUntil } : run;
  }
}
