/**
 * Guards: what must hold before an order may be meant. Each is one small pure function with a code, what it saw,
 * what it allows and the distance that is left.
 *
 * They fail closed. A limit reads `if (!(value <= limit)) deny`, a missing input denies, and every opening order
 * carries the verdict of every guard, so that the log answers why it was allowed.
 */
import type { Blackout, TradingCalendar } from './calendar.ts';
import { blackoutAt, isMarketOpen, isWeekendHold } from './calendar.ts';
import type { Quote } from './broker.ts';
import type { GuardVerdict, Mode } from './events.ts';
import type { Exposure } from './exposure.ts';
import { heaviestCurrency } from './exposure.ts';
import { absolute, add, format, negate, priceToPips, shareUp, subtract } from './money.ts';
import type { AnyScaled, Money, Pips, Price, Units } from './money.ts';
import type { Safety } from './safety.ts';
import { ordersLastDay, ordersLastHour } from './safety.ts';
import type { SafetyLimits } from './settings.ts';
import type { Instant } from './time.ts';

/** Everything that the guards of an opening order may look at. */
export interface OpeningFacts {
  readonly now: Instant;
  readonly safety: Safety;
  readonly limits: SafetyLimits;
  /** Of the instrument, its own breaks included. */
  readonly calendar: TradingCalendar;
  readonly blackout: Blackout;
  readonly fridayFlattenMinute: number | null;
  readonly pipLocation: number;
  readonly orderUnits: Units;
  /** Our net units of the instrument by the ledger; what others hold is theirs. */
  readonly positionUnits: Units;
  /** Opening orders of this instrument that are not settled, and the units that they may still fill, unsigned. */
  readonly openingOrders: number;
  readonly openingUnits: Units;
  /** Worth of this order, home currency; null without a price to convert at. */
  readonly orderNotional: Money | null;
  /** Of the whole account: every instrument's open trades and orders in flight, and this order on top. */
  readonly exposure: Exposure;
  /** Balance and unrealised profit, home currency. */
  readonly equity: Money;
  /** Losses without open trades, positive when losing. */
  readonly realisedLosses: { readonly day: Money; readonly week: Money; readonly drawdown: Money };
  /** Why the broker does not trade the instrument just now; null when it has not said so. */
  readonly restriction: string | null;
  readonly quote: Quote | null;
  /** How far the quote lies from the last believed one when it is doubted, else null. */
  readonly quoteDoubt: Price | null;
  /** Loss since 17:00 New York, positive when losing. */
  readonly losses: { readonly day: { readonly money: Money; readonly pips: Pips } };
  readonly foreignTrades: number;
  /** Null when ready, else why not. */
  readonly notReady: string | null;
  /** Null when both streams stand and the last reconciliation agreed recently, else why not. */
  readonly unsound: string | null;
  readonly decidedOnTransactionId: number;
  /** The newest transaction that may have changed what the decision rests on. */
  readonly movedAtTransactionId: number;
}

type Guard = (facts: OpeningFacts) => Omit<GuardVerdict, 'guard'>;

const must = (passed: boolean, value: string, limit: string): Omit<GuardVerdict, 'guard'> => ({ passed, value, limit, distance: null });

/** value ≤ limit; a comparison that is not true denies. */
function atMost<T extends AnyScaled>(value: T, limit: T): Omit<GuardVerdict, 'guard'> {
  return { passed: value <= limit, value: format(value), limit: format(limit), distance: format(subtract(limit, value)) };
}
function atMostCount(value: number, limit: number): Omit<GuardVerdict, 'guard'> {
  return { passed: value <= limit, value: String(value), limit: String(limit), distance: Number.isFinite(limit - value) ? String(limit - value) : null };
}

const TRADING_MODES: readonly Mode[] = ['ARMED'];

/** In the order in which they are asked; the first that denies names the denial. */
const OPENING_GUARDS = Object.entries<Guard>({
  mode: ({ safety }) => must(TRADING_MODES.includes(safety.mode), safety.mode, 'ARMED'),
  ready: ({ notReady }) => must(notReady === null, notReady ?? 'ready', 'ready'),
  sound: ({ unsound }) => must(unsound === null, unsound ?? 'sound', 'sound'),
  foreignTrade: ({ foreignTrades }) => atMostCount(foreignTrades, 0),
  orderUnits: ({ orderUnits, limits }) => atMost(absolute(orderUnits), limits.orderUnitsMax),
  positionUnits: ({ orderUnits, openingUnits, positionUnits, limits }) => atMost(add(add(absolute(positionUnits), openingUnits), absolute(orderUnits)), limits.positionUnitsMax),
  oneOpening: ({ openingOrders }) => atMostCount(openingOrders, 0),
  openTrades: ({ exposure, limits }) => atMostCount(exposure.trades, limits.openTradesMax),
  orderNotional: ({ orderNotional, limits }) => reckoned(orderNotional, limits.orderNotionalMax),
  grossExposure: ({ exposure, limits }) => reckoned(exposure.gross, limits.grossExposureMax),
  currencyExposure: ({ exposure, limits }) => currencyVerdict(exposure, limits.currencyExposureMax),
  margin: ({ exposure, equity, limits }) =>
    exposure.margin === null || !(equity > 0n) ? must(false, exposure.margin === null ? 'no conversion' : 'no equity', format(limits.marginShareMax)) : atMost(shareUp(exposure.margin, equity), limits.marginShareMax),
  worstLoss: ({ exposure, realisedLosses, limits }) => atMost(add(realisedLosses.day, exposure.stoppedOut), limits.dailyLossMoneyMax),
  worstWeekLoss: ({ exposure, realisedLosses, limits }) => atMost(add(realisedLosses.week, exposure.stoppedOut), limits.weeklyLossMoneyMax),
  worstDrawdown: ({ exposure, realisedLosses, limits }) => atMost(add(realisedLosses.drawdown, exposure.stoppedOut), limits.drawdownMoneyMax),
  stateMoved: ({ decidedOnTransactionId, movedAtTransactionId }) =>
    must(movedAtTransactionId <= decidedOnTransactionId, `moved at ${movedAtTransactionId}`, `decided at ${decidedOnTransactionId}`),
  marketOpen: ({ now, calendar, quote }) =>
    must(isMarketOpen(calendar, now) && quote?.tradeable === true, `calendar ${isMarketOpen(calendar, now) ? 'open' : 'closed'}, quote ${quote === null ? 'missing' : quote.tradeable ? 'tradeable' : 'halted'}`, 'open and tradeable'),
  restriction: ({ restriction }) => must(restriction === null, restriction ?? 'none', 'none'),
  weekend: ({ now, calendar, fridayFlattenMinute }) =>
    must(fridayFlattenMinute === null || !isWeekendHold(calendar, now, fridayFlattenMinute), fridayFlattenMinute === null ? 'held by configuration' : 'clock', 'before Friday flatten'),
  blackout: ({ now, calendar, blackout }) => {
    const reason = blackoutAt(calendar, now, blackout);
    return must(reason === null, reason ?? 'none', 'none');
  },
  quoteAge: ({ now, quote, limits }) => (quote === null ? must(false, 'no quote', `${limits.quoteAgeMsMax}`) : withFloor(now - quote.at, limits.quoteAgeMsMax)),
  spread: ({ quote, limits, pipLocation }) => (quote === null ? must(false, 'no quote', format(limits.spreadPipsMax)) : spreadVerdict(quote, limits, pipLocation)),
  outlier: ({ quoteDoubt }) => must(quoteDoubt === null, quoteDoubt === null ? 'believed' : `${format(quoteDoubt)} from the last believed price`, 'believed'),
  dailyLossMoney: ({ losses, limits }) => below(losses.day.money, limits.dailyLossMoneyMax),
  dailyLossPips: ({ losses, limits }) => below(losses.day.pips, limits.dailyLossPipsMax),
  ordersPerHour: ({ safety, now, limits }) => atMostCount(ordersLastHour(safety, now) + 1, limits.ordersPerHourMax),
  ordersPerDay: ({ safety, now, limits }) => atMostCount(ordersLastDay(safety, now) + 1, limits.ordersPerDayMax),
  slippageStrikes: ({ safety, limits }) => atMostCount(safety.slippageStrikes, limits.slippageStrikesMax - 1),
  lossesInARow: ({ safety, limits }) => atMostCount(safety.lossesInARow, limits.lossesInARowMax - 1),
  executions: ({ safety, limits }) => atMostCount(safety.executions + 1, limits.executionsMax),
});

/** An amount that could be reckoned, and is within its limit. */
const reckoned = (amount: Money | null, limit: Money): Omit<GuardVerdict, 'guard'> => (amount === null ? must(false, 'no conversion', format(limit)) : atMost(amount, limit));

function currencyVerdict({ currencies }: Exposure, limit: Money): Omit<GuardVerdict, 'guard'> {
  const heaviest = currencies === null ? null : heaviestCurrency(currencies);
  const verdict = reckoned(heaviest?.amount ?? null, limit);
  return heaviest === null ? verdict : { ...verdict, value: `${heaviest.currency} ${verdict.value}` };
}

/** A quote from the future is as useless as one from the past. */
function withFloor(ageMs: number, ageMsMax: number): Omit<GuardVerdict, 'guard'> {
  const verdict = atMostCount(ageMs, ageMsMax);
  return { ...verdict, passed: verdict.passed && ageMs >= -ageMsMax };
}

function spreadVerdict(quote: Quote, limits: SafetyLimits, pipLocation: number): Omit<GuardVerdict, 'guard'> {
  const spread = priceToPips(subtract(quote.ask, quote.bid), pipLocation);
  const verdict = atMost(spread, limits.spreadPipsMax);
  return { ...verdict, passed: verdict.passed && spread >= 0n };
}

/** A loss limit is reached when the loss equals it. */
function below<T extends AnyScaled>(loss: T, limit: T): Omit<GuardVerdict, 'guard'> {
  return { passed: loss < limit, value: format(loss), limit: format(limit), distance: format(add(limit, negate(loss))) };
}

/** Every guard's verdict on an opening order, and the first that denied it. */
export function judgeOpening(facts: OpeningFacts): { readonly verdicts: readonly GuardVerdict[]; readonly deniedBy: string | null } {
  const verdicts = OPENING_GUARDS.map(([guard, judge]) => ({ guard, ...judge(facts) }));
  return { verdicts, deniedBy: verdicts.find((verdict) => !verdict.passed)?.guard ?? null };
}
