/** The desk's own link to the broker: what is told when it is doubtful, and what is asked again until it is sound. */
import type { BrokerReadFailure } from '../broker.ts';
import { calendarFor, isMarketOpen, isOptionalMinute } from '../calendar.ts';
import { formatInstant, plusMs, SECOND_MS } from '../time.ts';
import type { Draft } from './draft.ts';
import type { Input } from './inputs.ts';
import { THE_ONE_BEFORE } from './inputs.ts';
import { readLedger } from './reading.ts';
import { requestReconciliation } from './reconcile.ts';
import type { DeskState } from './state.ts';

/** While no transaction stream speaks, the ledger is asked this often. */
const LEDGER_POLL_MS = 5 * SECOND_MS;

const changeLink = (draft: Draft, change: Partial<DeskState['live']['link']>): void => draft.live({ link: { ...draft.state.live.link, ...change } });

/** Too many reconnects have closed both streams, or a connection stands again after that. */
export function breakerChanged(draft: Draft, { change }: Extract<Input, { readonly kind: 'breaker' }>): void {
  if (change === null) {
    changeLink(draft, { breaker: null });
    return draft.tell({ type: 'FeedBreakerClosed', data: {} });
  }
  const detail = `${change.reconnects} reconnects in ${change.windowMs / SECOND_MS} s: none for ${change.pauseMs / SECOND_MS} s`;
  changeLink(draft, { breaker: detail });
  draft.tell({ type: 'FeedBreakerOpened', data: change });
  draft.tell({ type: 'AlertRaised', data: { code: 'feedBreaker', severity: 'critical', detail } }, { causedBy: THE_ONE_BEFORE });
}

/** Types that a run remembers; a stream that invents more of them halts at each. */
const UNKNOWN_TYPES_MAX = 100;

/** A line of a type that nobody knows: it halts once, and whoever resumes has acknowledged the type for this run. */
export function unknownLineSeen(draft: Draft, { type }: Extract<Input, { readonly kind: 'unknownLine' }>): void {
  const { unknownLineTypes } = draft.state.live;
  if (unknownLineTypes.has(type)) return;
  if (unknownLineTypes.size < UNKNOWN_TYPES_MAX) draft.live({ unknownLineTypes: new Set([...unknownLineTypes, type]) });
  draft.halt('unknownSchema', `a stream sent a line of the unknown type ${type}`);
}

/** The price stream came or went: a gap in the bars of that time may be ours. */
export function notePricing(draft: Draft, connected: boolean): void {
  const { pricingDown } = draft.state.live;
  if (!connected) draft.live({ pricingDown: { from: draft.now, until: null } });
  else if (pricingDown !== null) draft.live({ pricingDown: { ...pricingDown, until: draft.now } });
}

/** The transaction stream is down: until it stands again the ledger is asked by ourselves. */
export const watchLedger = (draft: Draft): void => draft.ask({ kind: 'wake', key: 'ledgerPoll', at: plusMs(draft.now, LEDGER_POLL_MS) });

export function pollLedger(draft: Draft): void {
  const { connected, failures } = draft.state.live;
  if (connected.transactions) return;
  // A read that fails has its own, growing pauses.
  if (!failures.has('transactions')) readLedger(draft);
  watchLedger(draft);
}

/** The clocks have something to say: a loop that stood still, a wall clock that was moved. */
export function clockDisturbed(draft: Draft, { stalledMs, steppedMs, monotonicMs }: Extract<Input, { readonly kind: 'clockDisturbed' }>): void {
  const clocks = `wall ${formatInstant(draft.now)}, monotonic ${monotonicMs} ms`;
  if (steppedMs !== 0) draft.tell({ type: 'AlertRaised', data: { code: 'clockStepped', severity: 'warning', detail: `the wall clock moved by ${steppedMs} ms: ${clocks}` } });
  if (stalledMs === 0) return;
  draft.tell({ type: 'AlertRaised', data: { code: 'loopStalled', severity: 'critical', detail: `nothing was done for ${stalledMs} ms: ${clocks}` } });
  // Whatever was known may be old: nothing is opened until ledger and broker have agreed again.
  draft.live({ lastAgreedAt: null });
  if (!draft.state.live.ledgerWhole) return;
  readLedger(draft);
  requestReconciliation(draft, 'reconnect');
}

/** The broker's clock against ours, as newly measured. */
export function clockMeasured(draft: Draft, { offsetMs }: Extract<Input, { readonly kind: 'clockMeasured' }>): void {
  const { clockSkewMsWarn, clockSkewMsMax } = draft.state.settings.safety;
  const levelOf = (offset: number | null): 'critical' | 'warning' | 'info' =>
    offset === null || Math.abs(offset) <= clockSkewMsWarn ? 'info' : Math.abs(offset) <= clockSkewMsMax ? 'warning' : 'critical';
  const before = levelOf(draft.state.live.link.clockOffsetMs);
  const severity = levelOf(offsetMs);
  changeLink(draft, { clockOffsetMs: offsetMs });
  if (severity === before) return;
  const what = severity === 'info' ? 'agrees with ours again' : severity === 'warning' ? 'differs from ours' : 'differs so far from ours that nothing is opened';
  draft.tell({ type: 'AlertRaised', data: { code: 'clockSkew', severity, detail: `the broker's clock ${what}: ${offsetMs} ms` } });
}

/** A log that finds no room ends the daemon with whatever is open: so nothing more is opened while there is still some. */
export function diskMeasured(draft: Draft, { freeBytes }: Extract<Input, { readonly kind: 'diskMeasured' }>): void {
  const { diskFreeBytesMin } = draft.state.settings.safety;
  const isLow = !(freeBytes >= diskFreeBytesMin);
  if (isLow === (draft.state.live.link.lowDisk !== null)) return;
  const detail = `${freeBytes} bytes are free for the log, ${diskFreeBytesMin} wanted`;
  changeLink(draft, { lowDisk: isLow ? detail : null });
  draft.tell({ type: 'AlertRaised', data: { code: 'diskLow', severity: isLow ? 'critical' : 'info', detail } });
  if (isLow && draft.state.safety.mode === 'ARMED') draft.tell({ type: 'TradingReducing', data: { cause: `disk: ${detail}` } }, { causedBy: THE_ONE_BEFORE });
}

/** A read failed or succeeded: maintenance begins with the first 503 and ends with the first answer. */
export function noteAvailability(draft: Draft, failure: BrokerReadFailure | null, detail: string): void {
  const { unavailable } = draft.state.live.link;
  if (failure === null) {
    if (unavailable === null) return;
    changeLink(draft, { unavailable: null });
    return draft.tell({ type: 'AlertRaised', data: { code: 'brokerUnavailable', severity: 'info', detail: 'the broker answers again' } });
  }
  if (failure !== 'unavailable' || unavailable !== null) return;
  changeLink(draft, { unavailable: 'the broker is in maintenance' });
  // Weekends are when brokers are maintained; anything else is worth waking somebody.
  const severity = isMarketOpen(draft.state.settings.calendar, draft.now) ? 'critical' : 'info';
  draft.tell({ type: 'AlertRaised', data: { code: 'brokerUnavailable', severity, detail: detail.slice(0, 2_000) } });
}

/**
 * At each minute's end: prices that have not come though the market is open and its stream alive. Told once for an
 * outage; the stream is opened again, since a snapshot comes with it.
 */
export function watchPrices(draft: Draft): void {
  const { live, settings } = draft.state;
  const stale = new Set<string>();
  for (const instrument of draft.state.books.keys()) {
    const since = live.quotes.get(instrument)?.at ?? live.startedAt ?? draft.now;
    if (!live.connected.pricing || draft.now - since <= settings.safety.pricesStaleMsMax) continue;
    const calendar = calendarFor(settings.calendar, instrument);
    const open = [plusMs(draft.now, -settings.safety.pricesStaleMsMax), draft.now].every((at) => isMarketOpen(calendar, at) && !isOptionalMinute(calendar, at));
    if (open) stale.add(instrument);
  }
  const { staleInstruments } = live.link;
  const fresh = [...stale].filter((instrument) => !staleInstruments.has(instrument));
  if (fresh.length > 0 || stale.size < staleInstruments.size) changeLink(draft, { staleInstruments: stale });
  if (fresh.length === 0) return;
  const detail = `the stream lives and has brought no price of ${fresh.join(', ')} for ${settings.safety.pricesStaleMsMax / SECOND_MS} s`;
  draft.tell({ type: 'AlertRaised', data: { code: 'pricesStale', severity: 'warning', detail } });
  draft.ask({ kind: 'reconnectFeed', feed: 'pricing', detail });
}
