/**
 * What must hold in every simulated world, whatever fails in it: one small function for each invariant, under the code that the
 * design's list gives it. Each looks at one kind of moment and answers with what is wrong, or null.
 */
import { isBody } from '../../adapters/broker/engine/bodies.ts';
import { calendarFor, isMarketOpen, openMinutesBetween } from '../../domain/calendar.ts';
import { canonicalJson } from '../../domain/canonical.ts';
import type { Emission } from '../../domain/desk/inputs.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import { ourOpenTrades } from '../../domain/desk/state.ts';
import type { OrderRequest } from '../../domain/broker.ts';
import type { DataOf, EventType } from '../../domain/events.ts';
import { slotIdOf } from '../../domain/ids.ts';
import { netUnits } from '../../domain/ledger.ts';
import type { EventDraft } from '../../domain/log.ts';
import { format, money, price, priceToPips, subtract, units } from '../../domain/money.ts';
import { isBeyondStops } from '../../domain/stops.ts';
import { HOUR_MS, MINUTE_MS, instantOf, parseInstant } from '../../domain/time.ts';
import { workingOrders } from '../../domain/trading.ts';
import { EXIT } from '../../src/daemon/runtime.ts';
import type { Arrival, FillSeen } from './oracle.ts';
import { magnitude, openingOf, partsOf, textIn } from './oracle.ts';
import type { SimProcess } from './process.ts';
import type { World } from './world.ts';

interface Subjects {
  /** A request's first byte is about to leave. */
  readonly departure: { readonly request: OrderRequest; readonly process: SimProcess; readonly state: DeskState | null };
  /** It has reached the broker. */
  readonly arrival: { readonly arrival: Arrival; readonly request: OrderRequest };
  /** An event has become durable. */
  readonly durable: { readonly draft: EventDraft };
  /** A step's facts are durable and its effects have been asked for. */
  readonly step: { readonly state: DeskState; readonly told: readonly Emission[]; readonly process: SimProcess };
  /** The broker has filled an order. */
  readonly fill: { readonly fill: FillSeen };
  /** The log has been folded at a start. */
  readonly restart: { readonly state: DeskState };
  /** The process has ended by itself; had its store failed before that? */
  readonly exit: { readonly exitCode: number; readonly reason: string; readonly storeFailed: boolean };
  /** Faults have been off long enough. */
  readonly calm: object;
  /** The end of the run: the last state, and what the log folds to. */
  readonly end: { readonly live: DeskState; readonly folded: DeskState };
}

export type Moment = keyof Subjects;
export type Subject<M extends Moment> = Subjects[M];

interface Invariant<M extends Moment> {
  readonly code: string;
  readonly holds: (world: World, subject: Subject<M>) => string | null;
}

/** No daily break is as long. */
const WEEKEND_MS_MIN = 12 * HOUR_MS;

/** As the world keeps the candles that were shown. */
const shownKey = ({ start, bid, ask }: DataOf<'MarketBarClosed'>): string => `${parseInstant(start)} ${[bid, ask].flatMap(({ open, high, low, close }) => [open, high, low, close]).map(Number).join(' ')}`;

/** Everything that a replay must rebuild, as text: keys in order, because how an object came about is not what it says. */
function stateText({ live: _live, settings: _settings, ...durable }: DeskState): string {
  return JSON.stringify(durable, (_key, value: unknown) => {
    if (typeof value === 'bigint') return `${value}`;
    if (value instanceof Map || value instanceof Set) return [...(value as Iterable<unknown>)];
    return isBody(value) ? Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1))) : value;
  });
}

const dataOf = <Type extends EventType>(draft: EventDraft, type: Type): DataOf<Type> | null => (draft.type === type ? (draft.data as unknown as DataOf<Type>) : null);
const limitOf = (world: World): bigint => world.settings.safety.positionUnitsMax;

// --- exposure ---

const withinPositionLimit: Invariant<'fill'>['holds'] = (world, { fill }) => {
  if (world.oracle.overFilled) return null;
  const limit = limitOf(world);
  return magnitude(fill.after) <= limit || magnitude(fill.after) <= magnitude(fill.before) ? null : `${fill.after} units of ours are held, ${limit} allowed`;
};

const roomForEveryOpening: Invariant<'departure'>['holds'] = (world, { request, state }) => {
  const opening = openingOf(request);
  if (opening === null || state === null || world.oracle.overFilled) return null;
  const book = state.books.values().next().value!;
  const held = netUnits(state.ledger, book.settings.instrument.name, (trade) => !state.foreignTradeIds.has(trade.tradeId));
  const others = workingOrders(book.trading).filter((order) => order.leg === 'open' && order.clientOrderId !== opening.clientOrderId);
  const total = magnitude(held) + others.reduce((sum, order) => sum + magnitude(order.units), 0n) + magnitude(units(String(opening.order['units'])));
  return total <= limitOf(world) ? null : `${total} units would be held with every opening order filled, ${limitOf(world)} allowed`;
};

const oneOpeningByState: Invariant<'step'>['holds'] = (_world, { state }) => {
  for (const book of state.books.values()) {
    const opening = workingOrders(book.trading).filter(({ leg }) => leg === 'open');
    if (opening.length > 1) return `${opening.length} opening orders are not settled`;
  }
  return null;
};

const oneOpeningAtBroker: Invariant<'arrival'>['holds'] = ({ oracle }, { arrival }) => {
  if (arrival.clientOrderId === null) return null;
  const others = [...oracle.openingInFlight.keys()].filter((id) => id !== arrival.clientOrderId);
  return others.length === 0 ? null : `order ${arrival.clientOrderId} arrives while ${others.join(', ')} may still fill`;
};

const oncePerDecision: Invariant<'arrival'>['holds'] = ({ oracle }, { arrival }) => {
  const count = arrival.decisionId === null ? 0 : (oracle.opensByDecision.get(arrival.decisionId) ?? 0);
  return count <= 1 ? null : `decision ${arrival.decisionId} has sent ${count} opening orders`;
};

const intentIsDurable: Invariant<'departure'>['holds'] = ({ oracle }, { request }) =>
  oracle.intentOf(request) === undefined ? `${request.method} ${request.path} leaves with no durable intent behind it` : null;

const onlyArmedOpens: Invariant<'departure'>['holds'] = ({ oracle }, { request, state }) => {
  if (openingOf(request) === null) return null;
  if (oracle.mode !== 'ARMED') return `an opening order leaves in ${oracle.mode}`;
  return state !== null && state.live.notReady !== null ? `an opening order leaves though not ready: ${state.live.notReady}` : null;
};

const haltSurvives: Invariant<'restart'>['holds'] = ({ oracle }, { state }) => {
  if (state.safety.mode !== oracle.mode) return `the log says ${oracle.mode}, the daemon starts in ${state.safety.mode}`;
  return oracle.mode !== 'HALTED' || [...oracle.haltCauses].every((cause) => state.safety.haltCauses.includes(cause)) ? null : 'a cause of the halt is forgotten';
};

const closesOnlyReduce: Invariant<'fill'>['holds'] = (_world, { fill }) => {
  if (!fill.closesByRequest) return null;
  const shrinks = magnitude(fill.after) <= magnitude(fill.before) && (fill.after === 0n || fill.after > 0n === fill.before > 0n);
  return shrinks && !fill.opened ? null : `a close moved our position from ${fill.before} to ${fill.after}`;
};

const openingsAreProtected: Invariant<'departure'>['holds'] = (world, { request }) => {
  const opening = openingOf(request);
  if (opening === null) return request.method === 'POST' ? `${request.path} is no order that may be posted` : null;
  const { order } = opening;
  const trade = order['tradeClientExtensions'];
  if (order['positionFill'] !== 'OPEN_ONLY') return 'an opening order is not OPEN_ONLY';
  if (!isBody(order['stopLossOnFill'])) return 'an opening order carries no stop';
  if (order['priceBound'] === undefined && order['price'] === undefined) return 'an opening order has no price bound';
  return isBody(trade) && trade['id'] === slotIdOf(world.accountId, world.settings.instruments[0]!.instrument.name) ? null : 'an opening order does not carry its slot';
};

/** Counted on true time; a wall clock that was moved measures another hour. */
const withinOrdersPerHour: Invariant<'departure'>['holds'] = ({ oracle, options, now }, { request }) => {
  if (openingOf(request) === null || options.faults.has('clockJump')) return null;
  const hour = oracle.openIntentsAt.filter((at) => at > now - HOUR_MS + MINUTE_MS).length;
  return hour <= options.ordersPerHourMax ? null : `${hour} opening orders within an hour, ${options.ordersPerHourMax} allowed`;
};

const withinExecutions: Invariant<'departure'>['holds'] = ({ oracle, options }, { request }) =>
  openingOf(request) === null || oracle.opensSinceOperator <= options.executionsMax ? null : `${oracle.opensSinceOperator} openings since an operator armed, ${options.executionsMax} allowed`;

const lossesStopOpening: Invariant<'departure'>['holds'] = ({ oracle, settings }, { request }) => {
  if (openingOf(request) === null) return null;
  return oracle.dayLoss < settings.safety.dailyLossMoneyMax ? null : `an opening order leaves with a loss of ${oracle.dayLoss} this trading day`;
};

const withinNotional: Invariant<'departure'>['holds'] = (world, { request }) => {
  const opening = openingOf(request);
  const quote = world.venue.engine.book.markets.get('EUR_USD')!.quote;
  if (opening === null || quote === null) return null;
  const worth = Math.abs(Number(opening.order['units'])) * (quote.ask / 100_000);
  return worth <= Number(format(world.settings.safety.orderNotionalMax)) * 1.01 ? null : `an order is worth ${worth}`;
};

const onGoodQuotesOnly: Invariant<'durable'>['holds'] = (world, { draft }) => {
  const intended = dataOf(draft, 'OrderIntended');
  if (intended === null || intended.leg !== 'open') return null;
  const { quote } = intended;
  if (quote === null || !quote.tradeable) return 'an opening order is meant without a tradeable price';
  const { instrument } = world.settings.instruments[0]!;
  const now = parseInstant(draft.metadata.occurredAt);
  const ageMs = now - parseInstant(quote.time);
  if (!(Math.abs(ageMs) <= world.settings.safety.quoteAgeMsMax)) return `an opening order is meant on a price ${ageMs} ms old`;
  if (!(priceToPips(subtract(price(quote.ask), price(quote.bid)), instrument.pipLocation) <= world.settings.safety.spreadPipsMax)) return 'an opening order is meant on a wide spread';
  return isMarketOpen(calendarFor(world.settings.calendar, instrument.name), now) ? null : 'an opening order is meant in a closed market';
};

const barsAsShown: Invariant<'durable'>['holds'] = ({ candlesShown }, { draft }) => {
  const bar = dataOf(draft, 'MarketBarClosed') ?? dataOf(draft, 'MarketBarBackfilled') ?? dataOf(draft, 'MarketBarRevised')?.revised;
  if (bar === undefined || bar === null) return null;
  const start = parseInstant(bar.start);
  if (start % MINUTE_MS !== 0) return `a bar starts at ${bar.start}, off the grid`;
  return candlesShown.has(shownKey(bar)) ? null : `the bar of ${bar.start} is none that the broker has shown complete`;
};

const decidedOnWholeWindows: Invariant<'durable'>['holds'] = (world, { draft }) => {
  world.oracle.rememberBar(draft);
  const decision = dataOf(draft, 'DecisionMade');
  if (decision === null) return null;
  const { windowBars, windowGapMinutesMax, calendar } = world.settings;
  const starts = world.oracle.window(decision.barStart, windowBars);
  if (starts.length < windowBars) return `a decision rests on ${starts.length} bars, ${windowBars} are needed`;
  for (const [index, start] of starts.entries()) {
    const before = starts[index - 1];
    if (before === undefined) continue;
    const missing = openMinutesBetween(calendar, instantOf(before + MINUTE_MS), instantOf(start));
    if (missing > windowGapMinutesMax || start - before > WEEKEND_MS_MIN) return `a decision rests on a window with a gap of ${missing} open minutes before ${start}`;
  }
  return null;
};

const ownAccountOnly: Invariant<'durable'>['holds'] = (world, { draft }) => {
  const recorded = dataOf(draft, 'BrokerTransactionRecorded');
  return recorded === null || recorded.body['accountID'] === world.accountId ? null : `transaction ${recorded.transactionId} is of another account`;
};

const fencedOff: Invariant<'departure'>['holds'] = ({ oracle }, { request }) =>
  oracle.epochSeen > oracle.epoch ? `${request.method} ${request.path} leaves though the ledger shows epoch ${oracle.epochSeen} above ours (${oracle.epoch})` : null;

const foreignStaysUntouched: Invariant<'arrival'>['holds'] = ({ oracle }, { request }) => {
  const trade = /\/trades\/(\d+)\//.exec(request.path)?.[1];
  return trade !== undefined && oracle.isForeign(trade) ? `${request.method} ${request.path} touches a trade of somebody else's` : null;
};

/** Whatever called for a halt is not forgotten before the halt is durable, across crashes. */
const owedHaltsStopOpening: Invariant<'departure'>['holds'] = ({ oracle }, { request }) => {
  const [owed] = oracle.haltsOwed;
  return openingOf(request) === null || owed === undefined ? null : `an opening order leaves though ${owed[1]} and no halt followed (${owed[0]})`;
};

// --- ledger ---

const ledgerIsContiguous: Invariant<'durable'>['holds'] = (world, { draft }) => {
  const recorded = dataOf(draft, 'BrokerTransactionRecorded');
  if (recorded === null) return null;
  const id = Number(recorded.transactionId);
  world.oracle.recordedIds += 1;
  if (id !== world.oracle.recordedIds) return `transaction ${id} is recorded where ${world.oracle.recordedIds} belongs`;
  const theirs = world.venue.engine.transaction(id);
  return theirs !== undefined && canonicalJson(theirs.body) === canonicalJson(recorded.body) ? null : `transaction ${id} is not recorded as the broker has it`;
};

const positionIsTheirs: Invariant<'step'>['holds'] = ({ oracle }, { state }) => {
  const { ledger, books } = state;
  const held = netUnits(ledger, books.keys().next().value!);
  const theirs = oracle.netAt[ledger.lastTransactionId];
  return held === theirs ? null : `after transaction ${ledger.lastTransactionId} we hold ${held}, the broker ${theirs}`;
};

const balanceIsTheirs: Invariant<'step'>['holds'] = ({ oracle }, { state: { ledger } }) => {
  if (ledger.unexplained.length > 0) return `transaction ${ledger.unexplained[0]!.transactionId} does not add up`;
  const theirs = oracle.balanceAt[ledger.lastTransactionId];
  return ledger.balance === theirs ? null : `after transaction ${ledger.lastTransactionId} our balance is ${ledger.balance}, the broker's ${theirs}`;
};

/** A dollar account on EUR/USD: what a close realises is the price's way times the units, to the broker's last decimal. */
const profitIsExact: Invariant<'fill'>['holds'] = ({ oracle }, { fill: { transaction } }) => {
  const expected = oracle.profitOf(transaction);
  const reported = money(textIn(transaction.body, 'pl') ?? '0');
  // Each trade's part is rounded by itself, to a hundredth of a cent.
  return magnitude(expected - reported) <= 500_000n * BigInt(partsOf(transaction.body).length + 1) ? null : `fill ${transaction.id} realised ${reported}, reckoned ${expected}`;
};

const partsSumUp: Invariant<'fill'>['holds'] = (_world, { fill: { transaction } }) => {
  const { body } = transaction;
  const sum = partsOf(body).reduce((total, part) => total + units(textIn(part, 'units') ?? '0'), 0n);
  return sum === units(textIn(body, 'units') ?? '0') ? null : `fill ${transaction.id} of ${textIn(body, 'units')} units has parts of ${sum}`;
};

const profitIsTheirs: Invariant<'step'>['holds'] = ({ oracle }, { state: { ledger } }) => {
  const theirs = oracle.realisedAt[ledger.lastTransactionId];
  return ledger.realisedPl === theirs ? null : `after transaction ${ledger.lastTransactionId} we realised ${ledger.realisedPl}, the broker ${theirs}`;
};

const replayIsLive: Invariant<'end'>['holds'] = (_world, { live, folded }) => {
  const [then, now] = [stateText(live), stateText(folded)];
  if (then === now) return null;
  const at = Array.from({ length: then.length }, (_, index) => index).find((index) => then[index] !== now[index]) ?? then.length;
  return `the log folds to another state: …${then.slice(Math.max(0, at - 60), at + 60)}… was live, …${now.slice(Math.max(0, at - 60), at + 60)}… is folded`;
};

const everythingIsKept: Invariant<'restart'>['holds'] = ({ oracle }, { state }) =>
  state.ledger.lastTransactionId === oracle.recordedIds ? null : `${oracle.recordedIds} transactions are durable, the daemon starts with ${state.ledger.lastTransactionId}`;

const failedStoreSendsNothing: Invariant<'departure'>['holds'] = (_world, { process, request }) => (process.storeFailed ? `${request.method} ${request.path} leaves after an append failed` : null);

const failedStoreEnds: Invariant<'step'>['holds'] = (_world, { process, told }) => (process.storeFailed && told.length > 0 ? 'facts are told after an append failed' : null);

/** Exit 32 is the desk's own word that it broke. */
const keepsItsOwnInvariants: Invariant<'exit'>['holds'] = (_world, { exitCode, reason }) => (exitCode === EXIT.invariant ? reason : null);

const failedStoreExits: Invariant<'exit'>['holds'] = (_world, { exitCode, reason, storeFailed }) =>
  storeFailed === (exitCode === EXIT.store) ? null : `the process ended with ${exitCode} (${reason}), its store ${storeFailed ? 'failed' : 'did not fail'}`;

// --- liveness ---

/** Three regular comparisons. */
const AGREED_MS_MAX = 3 * MINUTE_MS;

/** A trade that has lost its stop for good differs from what was agreed until a market opens in which it can be closed. */
const comesRight: Invariant<'calm'>['holds'] = (world) => {
  const state = world.running?.state ?? null;
  if (state === null) return 'no daemon runs';
  const waitsForTheMarket = !isMarketOpen(world.settings.calendar, world.brokerNow) && [...state.books.values()].some((book) => ourOpenTrades(state, book).some(({ tradeId }) => isBeyondStops(state.ledger, book.stops, tradeId)));
  const mustAgree = state.safety.mode !== 'HALTED' && !waitsForTheMarket;
  if (mustAgree && state.live.notReady !== null) return `neither halted nor ready: ${state.live.notReady}`;
  const agreedAt = state.live.lastAgreedAt;
  if (mustAgree && !(agreedAt !== null && world.machine.now() - agreedAt <= AGREED_MS_MAX)) return `ledger and broker were last found to agree at ${agreedAt}`;
  const held = netUnits(state.ledger, state.books.keys().next().value!);
  const theirs = world.oracle.netAt.at(-1);
  if (held !== theirs) return `we hold ${held}, the broker ${theirs}`;
  return state.live.connected.pricing && state.live.connected.transactions ? null : 'a stream is down';
};

const nothingStaysUnknown: Invariant<'calm'>['holds'] = (world) => {
  const unknown = [...(world.running?.state?.books.values() ?? [])].flatMap((book) => workingOrders(book.trading)).filter(({ status }) => status === 'unknown' || status === 'intended');
  return unknown.length === 0 ? null : `order ${unknown[0]!.clientOrderId} is still ${unknown[0]!.status}`;
};

/** Nothing goes round without a pause: so many facts are far more than the calm minutes need. */
const CALM_EVENTS_MAX = 300;
const comesToRest: Invariant<'calm'>['holds'] = ({ oracle, eventsBeforeCalm }) => {
  const events = oracle.durableEvents - eventsBeforeCalm;
  return events <= CALM_EVENTS_MAX ? null : `${events} events were recorded though nothing was wrong any more`;
};

// --- the table ---

const INVARIANTS: { readonly [M in Moment]: readonly Invariant<M>[] } = {
  departure: [
    { code: 'S2', holds: roomForEveryOpening },
    { code: 'S5', holds: intentIsDurable },
    { code: 'S6', holds: onlyArmedOpens },
    { code: 'S8', holds: openingsAreProtected },
    { code: 'S9', holds: withinOrdersPerHour },
    { code: 'S9', holds: withinExecutions },
    { code: 'S10', holds: lossesStopOpening },
    { code: 'S11', holds: withinNotional },
    { code: 'S15', holds: fencedOff },
    { code: 'F39', holds: owedHaltsStopOpening },
    { code: 'L11', holds: failedStoreSendsNothing },
  ],
  arrival: [
    { code: 'S3', holds: oneOpeningAtBroker },
    { code: 'S4', holds: oncePerDecision },
    { code: 'F37', holds: foreignStaysUntouched },
  ],
  durable: [
    { code: 'S12', holds: onGoodQuotesOnly },
    { code: 'S13', holds: barsAsShown },
    { code: 'S13', holds: decidedOnWholeWindows },
    { code: 'S14', holds: ownAccountOnly },
    { code: 'L1', holds: ledgerIsContiguous },
  ],
  step: [
    { code: 'S3', holds: oneOpeningByState },
    { code: 'L2', holds: positionIsTheirs },
    { code: 'L3', holds: balanceIsTheirs },
    { code: 'L4', holds: profitIsTheirs },
    { code: 'L11', holds: failedStoreEnds },
  ],
  fill: [
    { code: 'S1', holds: withinPositionLimit },
    { code: 'S7', holds: closesOnlyReduce },
    { code: 'L4', holds: profitIsExact },
    { code: 'L5', holds: partsSumUp },
  ],
  restart: [
    { code: 'S6', holds: haltSurvives },
    { code: 'L9', holds: everythingIsKept },
  ],
  exit: [
    { code: 'DESK', holds: keepsItsOwnInvariants },
    { code: 'L11', holds: failedStoreExits },
  ],
  calm: [
    { code: 'V1', holds: comesRight },
    { code: 'V4', holds: nothingStaysUnknown },
    { code: 'REST', holds: comesToRest },
  ],
  end: [{ code: 'L6', holds: replayIsLive }],
};

export function checkAt<M extends Moment>(moment: M, world: World, subject: Subject<M>): { readonly code: string; readonly detail: string } | null {
  for (const { code, holds } of INVARIANTS[moment]) {
    const detail = holds(world, subject);
    if (detail !== null) return { code, detail };
  }
  return null;
}

/** The codes that are looked after, each once. */
export const CODES: readonly string[] = [...new Set(Object.values(INVARIANTS).flatMap((each) => each.map(({ code }) => code)))];
