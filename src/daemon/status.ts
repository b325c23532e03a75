/** What the daemon says of itself: mode, positions, profit and how far each limit is away. */
import type { Json } from '../../domain/canonical.ts';
import { stands, standsUntil } from '../../domain/consent.ts';
import { conditionsOf } from '../../domain/desk/conditions.ts';
import { exposureWith } from '../../domain/desk/exposure.ts';
import { restrictionOf, unsoundness } from '../../domain/desk/opening.ts';
import { equityNow, lossesNow, realisedLosses, unrealisedAtBars } from '../../domain/desk/marks.ts';
import type { Book, DeskState } from '../../domain/desk/state.ts';
import { ourOpenTrade } from '../../domain/desk/state.ts';
import { actionEntropyBits, holdShare } from '../../domain/health.ts';
import { barEnd } from '../../domain/market.ts';
import { netUnits } from '../../domain/ledger.ts';
import type { Exposure } from '../../domain/exposure.ts';
import { absolute, add, format, shareUp, subtract } from '../../domain/money.ts';
import type { Money, Pips, Ratio } from '../../domain/money.ts';
import { ordersLastDay, ordersLastHour } from '../../domain/safety.ts';
import type { Instant } from '../../domain/time.ts';
import { formatInstant } from '../../domain/time.ts';
import { workingOrders } from '../../domain/trading.ts';

/** READY: reconciled, and in a mode that follows the policy. */
export const readinessOf = (state: DeskState): { readonly ready: true } | { readonly ready: false; readonly reason: string } =>
  state.live.notReady !== null ? { ready: false, reason: state.live.notReady } : state.safety.mode === 'HALTED' ? { ready: false, reason: `halted: ${state.safety.cause}` } : { ready: true };

export function statusOf(state: DeskState, now: Instant, bars: { readonly done: number; readonly total: number } | null): Json {
  const { safety, ledger, live, settings, run } = state;
  const readiness = readinessOf(state);
  const exposure = exposureWith(state, now, null);
  return {
    version: 1,
    at: formatInstant(now),
    deployment: settings.deployment,
    account: settings.accountId,
    epoch: run.epoch,
    policy: live.policy.policyName,
    model: live.policy.modelLabel,
    mode: safety.mode,
    modeSince: safety.since === null ? null : formatInstant(safety.since),
    modeCause: safety.cause,
    ready: readiness.ready,
    notReadyReason: readiness.ready ? null : readiness.reason,
    unsound: unsoundness(state, now),
    conditions: conditionsOf(state).map(({ condition, detail }) => ({ condition, detail })),
    clockOffsetMs: live.link.clockOffsetMs,
    balance: format(ledger.balance),
    currency: settings.homeCurrency,
    realisedPl: format(ledger.realisedPl),
    financing: format(ledger.financing),
    unrealisedPl: format(unrealisedAtBars(state)),
    lastTransactionId: ledger.lastTransactionId,
    foreignTrades: [...state.foreignTradeIds],
    unacknowledged: [...state.unacknowledged],
    request: requestOf(state, now),
    worstLoss: format(settings.worstLoss),
    instruments: [...state.books.values()].map((book) => instrumentStatus(state, book, now)),
    limits: limitsOf(state, now, exposure),
    currencies: currenciesOf(exposure, settings.safety.currencyExposureMax),
    bars: bars === null ? null : { done: bars.done, total: bars.total },
  };
}

/** What waits for a second operator; null when nothing does. */
function requestOf({ safety: { request } }: DeskState, now: Instant): Json {
  if (request === null || !stands(request, now)) return null;
  const { verb, operator, reason, at } = request;
  return { verb, operator, reason, at: formatInstant(at), until: formatInstant(standsUntil(request)) };
}

/** Each limit of the account as a whole with what stands against it, orders in flight included, and what is left. */
function limitsOf(state: DeskState, now: Instant, exposure: Exposure): Json {
  const { safety, settings } = state;
  const { day, week, drawdown } = lossesNow(state);
  const amount = <T extends Money | Pips | Ratio>(limit: string, value: T | null, max: T): Json =>
    value === null ? { limit, value: 'no conversion', max: format(max), distance: null } : { limit, value: format(value), max: format(max), distance: format(subtract(max, value)) };
  const count = (limit: string, value: number, max: number): Json => ({ limit, value: String(value), max: String(max), distance: String(max - value) });
  const limits = settings.safety;
  const equity = equityNow(state);
  return [
    count('openTrades', exposure.trades, limits.openTradesMax),
    amount('grossExposure', exposure.gross, limits.grossExposureMax),
    amount('margin', exposure.margin === null || !(equity > 0n) ? null : shareUp(exposure.margin, equity), limits.marginShareMax),
    amount('worstLoss', add(realisedLosses(state).day, exposure.stoppedOut), limits.dailyLossMoneyMax),
    amount('dailyLossMoney', day.money, limits.dailyLossMoneyMax),
    amount('dailyLossPips', day.pips, limits.dailyLossPipsMax),
    amount('weeklyLossMoney', week.money, limits.weeklyLossMoneyMax),
    amount('drawdownMoney', drawdown, limits.drawdownMoneyMax),
    count('ordersPerHour', ordersLastHour(safety, now), limits.ordersPerHourMax),
    count('ordersPerDay', ordersLastDay(safety, now), limits.ordersPerDayMax),
    count('slippageStrikes', safety.slippageStrikes, limits.slippageStrikesMax),
    count('lossesInARow', safety.lossesInARow, limits.lossesInARowMax),
    count('executions', safety.executions, limits.executionsMax),
  ];
}

/** What is held, or owed, of each currency at worst, against the limit that each of them has. */
const currenciesOf = ({ currencies }: Exposure, max: Money): Json =>
  currencies === null ? null : [...currencies].map(([currency, amount]) => ({ currency, exposure: format(amount), max: format(max), distance: format(subtract(max, amount)) }));

function instrumentStatus(state: DeskState, book: Book, now: Instant): Json {
  const { instrument } = book.settings;
  const quote = state.live.quotes.get(instrument.name) ?? null;
  const quoteAgeMs = quote === null ? null : now - quote.at;
  const { lastBarStart } = book.market;
  const units = netUnits(state.ledger, instrument.name);
  const { positionUnitsMax } = state.settings.safety;
  return {
    instrument: instrument.name,
    units: format(units),
    unitsMax: format(positionUnitsMax),
    unitsDistance: format(subtract(positionUnitsMax, absolute(units))),
    ourTrade: ourOpenTrade(state, book)?.tradeId ?? null,
    netPips: book.excursion === null ? null : format(book.excursion.fared.netPips),
    shadowPips: format(book.shadow.closedPips),
    quote: quote === null ? null : { bid: format(quote.bid), ask: format(quote.ask), at: formatInstant(quote.at), tradeable: quote.tradeable, ageMs: quoteAgeMs, stale: !(quoteAgeMs !== null && quoteAgeMs <= state.settings.safety.quoteAgeMsMax) },
    lastBarEnd: lastBarStart === null ? null : formatInstant(barEnd(lastBarStart)),
    windowBars: `${book.market.midCloses.length} of ${state.settings.windowBars}`,
    restriction: restrictionOf(book, now),
    decisions: book.trading.decisions,
    holdShare: holdShare(book.health, state.settings.health),
    actionEntropyBits: actionEntropyBits(book.health, state.settings.health),
    workingOrders: workingOrders(book.trading).map((order) => ({ clientOrderId: order.clientOrderId, leg: order.leg, status: order.status })),
  };
}
