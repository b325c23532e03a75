import { describe, expect, test } from 'vitest';
import type { Quote } from '../../domain/broker.ts';
import { OANDA_CALENDAR } from '../../domain/calendar.ts';
import type { Exposure } from '../../domain/exposure.ts';
import type { OpeningFacts } from '../../domain/guards.ts';
import { judgeOpening } from '../../domain/guards.ts';
import { money, pips, price, ratio, units } from '../../domain/money.ts';
import { initialSafety } from '../../domain/safety.ts';
import type { Safety } from '../../domain/safety.ts';
import { DAY_MS, HOUR_MS, parseInstant, plusMs } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';
import { EUR_USD } from './scripted-broker.ts';
import { LIMITS } from './settings.ts';

const NOW = parseInstant('2026-01-06T15:00:00Z');
const ARMED: Safety = { ...initialSafety, mode: 'ARMED' };
const quote = (change: Partial<Quote> = {}): Quote => ({ instrument: EUR_USD, bid: price('1.10000'), ask: price('1.10010'), at: NOW, tradeable: true, ...change });
const orders = (...agoMs: readonly number[]): Safety => ({ ...ARMED, intendedAt: agoMs.map((ms) => plusMs(NOW, -ms)) });

/** An order for 1,000 EUR_USD and nothing besides. */
const EXPOSURE: Exposure = { trades: 1, gross: money('1100'), margin: money('22'), stoppedOut: money('6'), currencies: new Map([['EUR', money('1100')], ['USD', money('1100')]]) };

/** Facts on which every guard passes. */
const FINE: OpeningFacts = {
  now: NOW, safety: ARMED, limits: { ...LIMITS, ordersPerHourMax: 3, ordersPerDayMax: 4 }, calendar: OANDA_CALENDAR, blackout: { afterOpenMinutes: 10, beforeCloseMinutes: 15 }, fridayFlattenMinute: 16 * 60 + 30, pipLocation: -4,
  orderUnits: units('1000'), positionUnits: units('0'), openingOrders: 0, openingUnits: units('0'), orderNotional: money('1100'), exposure: EXPOSURE, equity: money('10000'), realisedLosses: { day: money('0'), week: money('0'), drawdown: money('0') }, restriction: null,
  quote: quote(), quoteDoubt: null, losses: { day: { money: money('0'), pips: pips('0') } }, foreignTrades: 0, notReady: null,
  unsound: null, decidedOnTransactionId: 7, movedAtTransactionId: 7,
};

const verdictOf = (guard: string, change: Partial<OpeningFacts>) => judgeOpening({ ...FINE, ...change }).verdicts.find((verdict) => verdict.guard === guard)!;
const lost = (amount: string, count = '0'): Partial<OpeningFacts> => ({ losses: { day: { money: money(amount), pips: pips(count) } } });
const realised = (change: Partial<OpeningFacts['realisedLosses']>): Partial<OpeningFacts> => ({ realisedLosses: { ...FINE.realisedLosses, ...change } });
const exposed = (change: Partial<Exposure>): Partial<OpeningFacts> => ({ exposure: { ...EXPOSURE, ...change } });
const at = (text: string): { readonly now: Instant; readonly quote: Quote } => ({ now: parseInstant(text), quote: quote({ at: parseInstant(text) }) });

describe('the guards of an opening order', () => {
  test('pass together on facts that are fine, and every verdict is recorded', () => {
    const { verdicts, deniedBy } = judgeOpening(FINE);
    expect(deniedBy).toBeNull();
    expect(verdicts.map(({ guard }) => guard)).toEqual([
      'mode', 'ready', 'sound', 'foreignTrade', 'orderUnits', 'positionUnits', 'oneOpening', 'openTrades', 'orderNotional', 'grossExposure', 'currencyExposure',
      'margin', 'worstLoss', 'worstWeekLoss', 'worstDrawdown', 'stateMoved', 'marketOpen', 'restriction', 'weekend', 'blackout', 'quoteAge', 'spread', 'outlier',
      'dailyLossMoney', 'dailyLossPips', 'ordersPerHour', 'ordersPerDay', 'slippageStrikes', 'lossesInARow', 'executions',
    ]);
    expect(verdicts.every(({ passed }) => passed)).toBe(true);
  });

  test('name the first that denies, and still record what all the others saw', () => {
    const { verdicts, deniedBy } = judgeOpening({ ...FINE, quote: null, notReady: 'importing', ...lost('99') });
    expect(deniedBy).toBe('ready');
    expect(verdicts.filter(({ passed }) => !passed).map(({ guard }) => guard)).toEqual(['ready', 'marketOpen', 'quoteAge', 'spread', 'dailyLossMoney']);
    expect(verdicts).toHaveLength(30);
  });

  /** Each guard: the facts at its limit, and one step beyond. */
  test.each<readonly [string, Partial<OpeningFacts>, Partial<OpeningFacts>]>([
    ['mode', {}, { safety: { ...ARMED, mode: 'OBSERVING' } }],
    ['mode', {}, { safety: { ...ARMED, mode: 'REDUCING' } }],
    ['mode', {}, { safety: { ...ARMED, mode: 'HALTED' } }],
    ['ready', {}, { notReady: 'importing the ledger' }],
    ['sound', {}, { unsound: 'pricing stream down' }],
    ['foreignTrade', { foreignTrades: 0 }, { foreignTrades: 1 }],
    ['orderUnits', { orderUnits: units('-1000') }, { orderUnits: units('-1000.0000000001') }],
    ['orderUnits', { orderUnits: units('1000') }, { orderUnits: units('1000.0000000001') }],
    ['positionUnits', { orderUnits: units('400'), positionUnits: units('600') }, { orderUnits: units('400'), positionUnits: units('601') }],
    ['positionUnits', { orderUnits: units('-400'), positionUnits: units('-600') }, { orderUnits: units('-400'), positionUnits: units('-601') }],
    ['positionUnits', { orderUnits: units('400'), positionUnits: units('300'), openingUnits: units('300') }, { orderUnits: units('400'), positionUnits: units('300'), openingUnits: units('301') }],
    ['positionUnits', { orderUnits: units('-400'), positionUnits: units('600') }, { orderUnits: units('-400'), positionUnits: units('601') }],
    ['oneOpening', { openingOrders: 0 }, { openingOrders: 1 }],
    ['openTrades', exposed({ trades: 1 }), exposed({ trades: 2 })],
    ['orderNotional', { orderNotional: money('2000') }, { orderNotional: money('2000.0000000001') }],
    ['grossExposure', exposed({ gross: money('2000') }), exposed({ gross: money('2000.0000000001') })],
    ['currencyExposure', exposed({ currencies: new Map([['EUR', money('1')], ['USD', money('4000')]]) }), exposed({ currencies: new Map([['EUR', money('4000.0000000001')], ['USD', money('1')]]) })],
    ['margin', exposed({ margin: money('3000') }), exposed({ margin: money('3000.0000000001') })],
    ['margin', { equity: money('22'), limits: { ...FINE.limits, marginShareMax: ratio('1') } }, { equity: money('21.9999'), limits: { ...FINE.limits, marginShareMax: ratio('1') } }],
    ['worstLoss', realised({ day: money('14') }), realised({ day: money('14.0000000001') })],
    ['worstWeekLoss', realised({ week: money('54') }), realised({ week: money('54.0000000001') })],
    ['worstDrawdown', realised({ drawdown: money('94') }), realised({ drawdown: money('94.0000000001') })],
    ['restriction', {}, { restriction: 'INSTRUMENT_HALTED' }],
    ['stateMoved', {}, { movedAtTransactionId: 8 }],
    ['marketOpen', at('2026-01-06T21:58:59.999Z'), at('2026-01-06T21:59:00Z')],
    ['marketOpen', at('2026-01-06T22:05:00Z'), at('2026-01-06T22:04:59.999Z')],
    ['marketOpen', {}, { quote: quote({ tradeable: false }) }],
    ['weekend', at('2026-01-09T21:29:59.999Z'), at('2026-01-09T21:30:00Z')],
    ['blackout', at('2026-01-11T22:15:00Z'), at('2026-01-11T22:14:59.999Z')],
    ['blackout', { ...at('2026-01-09T21:43:59.999Z'), fridayFlattenMinute: null }, { ...at('2026-01-09T21:44:00Z'), fridayFlattenMinute: null }],
    ['blackout', at('2026-01-01T22:05:00Z'), at('2026-01-01T21:58:00Z')],
    ['outlier', {}, { quoteDoubt: price('0.0001') }],
    ['quoteAge', { quote: quote({ at: plusMs(NOW, -5_000) }) }, { quote: quote({ at: plusMs(NOW, -5_001) }) }],
    ['quoteAge', { quote: quote({ at: plusMs(NOW, 5_000) }) }, { quote: quote({ at: plusMs(NOW, 5_001) }) }],
    ['spread', { quote: quote({ ask: price('1.10040') }) }, { quote: quote({ ask: price('1.100400001') }) }],
    ['spread', { quote: quote({ ask: price('1.10000') }) }, { quote: quote({ ask: price('1.09999') }) }],
    ['dailyLossMoney', lost('19.9999'), lost('20')],
    ['dailyLossPips', lost('0', '99.9'), lost('0', '100')],
    ['ordersPerHour', { safety: orders(HOUR_MS, HOUR_MS - 1, 0) }, { safety: orders(HOUR_MS - 1, 1, 0) }],
    ['ordersPerDay', { safety: orders(DAY_MS, DAY_MS - 1, HOUR_MS, HOUR_MS) }, { safety: orders(DAY_MS - 1, HOUR_MS, HOUR_MS, HOUR_MS) }],
    ['slippageStrikes', { safety: { ...ARMED, slippageStrikes: 2 } }, { safety: { ...ARMED, slippageStrikes: 3 } }],
    ['lossesInARow', { safety: { ...ARMED, lossesInARow: 2 } }, { safety: { ...ARMED, lossesInARow: 3 } }],
    ['executions', { safety: { ...ARMED, executions: 39 } }, { safety: { ...ARMED, executions: 40 } }],
  ])('%s passes at its limit and denies one step beyond', (guard, allowed, beyond) => {
    expect(verdictOf(guard, allowed).passed).toBe(true);
    expect(judgeOpening({ ...FINE, ...beyond }).deniedBy).toBe(guard);
  });

  test.each<readonly [string, Partial<OpeningFacts>]>([
    ['foreignTrade', { foreignTrades: Number.NaN }],
    ['openTrades', exposed({ trades: Number.NaN })],
    ['orderNotional', { orderNotional: null }],
    ['grossExposure', exposed({ gross: null })],
    ['currencyExposure', exposed({ currencies: null })],
    ['currencyExposure', exposed({ currencies: new Map() })],
    ['margin', exposed({ margin: null })],
    ['margin', { equity: money('0') }],
    ['margin', { equity: money('-5') }],
    ['oneOpening', { openingOrders: Number.NaN }],
    ['stateMoved', { movedAtTransactionId: Number.NaN }],
    ['stateMoved', { decidedOnTransactionId: Number.NaN, movedAtTransactionId: Number.NaN }],
    ['quoteAge', { quote: quote({ at: Number.NaN as Instant }) }],
    ['quoteAge', { quote: null }],
    ['quoteAge', { limits: { ...LIMITS, quoteAgeMsMax: Number.NaN } }],
    ['spread', { quote: null }],
    ['marketOpen', { quote: null }],
    ['ordersPerHour', { limits: { ...LIMITS, ordersPerHourMax: Number.NaN } }],
    ['ordersPerDay', { limits: { ...LIMITS, ordersPerDayMax: Number.NaN } }],
    ['slippageStrikes', { safety: { ...ARMED, slippageStrikes: Number.NaN } }],
    ['lossesInARow', { safety: { ...ARMED, lossesInARow: Number.NaN } }],
    ['executions', { safety: { ...ARMED, executions: Number.NaN } }],
  ])('%s denies what is missing or is no number', (guard, change) => {
    expect(verdictOf(guard, change).passed).toBe(false);
  });

  test('say what they saw, what they allow and what is left, negative when it is exceeded', () => {
    expect(verdictOf('spread', {})).toEqual({ guard: 'spread', passed: true, value: '1', limit: '4', distance: '3' });
    expect(verdictOf('dailyLossMoney', lost('25'))).toEqual({ guard: 'dailyLossMoney', passed: false, value: '25', limit: '20', distance: '-5' });
    expect(verdictOf('currencyExposure', {})).toEqual({ guard: 'currencyExposure', passed: true, value: 'EUR 1100', limit: '4000', distance: '2900' });
    expect(verdictOf('margin', {})).toEqual({ guard: 'margin', passed: true, value: '0.0022', limit: '0.3', distance: '0.2978' });
    expect(verdictOf('worstLoss', realised({ day: money('-3') }))).toMatchObject({ value: '3', limit: '20', distance: '17' });
    expect(verdictOf('grossExposure', exposed({ gross: null }))).toEqual({ guard: 'grossExposure', passed: false, value: 'no conversion', limit: '2000', distance: null });
    expect(verdictOf('quoteAge', { quote: null })).toEqual({ guard: 'quoteAge', passed: false, value: 'no quote', limit: '5000', distance: null });
    expect(verdictOf('outlier', { quoteDoubt: price('0.0125') }).value).toBe('0.0125 from the last believed price');
    expect(verdictOf('blackout', at('2026-01-01T21:58:00Z'))).toEqual({ guard: 'blackout', passed: false, value: 'a holiday', limit: 'none', distance: null });
    expect(verdictOf('marketOpen', { quote: quote({ tradeable: false }) }).value).toBe('calendar open, quote halted');
  });

  test('let a position be held over the weekend only by configuration', () => {
    expect(verdictOf('weekend', { ...at('2026-01-09T21:45:00Z'), fridayFlattenMinute: null }).passed).toBe(true);
  });
});
