/** Several instruments on one account: each decides for itself, and all of them share the account's limits. */
import { describe, expect, test } from 'vitest';
import { exposureWith } from '../../domain/desk/exposure.ts';
import { bookOf } from '../../domain/desk/state.ts';
import type { InstrumentName } from '../../domain/instruments.ts';
import { format, money, price, ratio } from '../../domain/money.ts';
import type { Action } from '../../domain/policy.ts';
import type { SafetyLimits } from '../../domain/settings.ts';
import { MINUTE_MS, parseInstant, plusMs, SECOND_MS } from '../../domain/time.ts';
import { armedDesk, DeskHarness, proposing } from './desk-harness.ts';
import { EUR_USD, GBP_USD, USD_JPY } from './scripted-broker.ts';
import { ROOMY, THREE } from './settings.ts';

const NAMES = [EUR_USD, GBP_USD, USD_JPY];

/** An armed desk of three whose limits differ from the roomy ones. */
const threeDesk = (limits: Partial<SafetyLimits> = {}): DeskHarness => armedDesk({ ...THREE, safety: { ...ROOMY, ...limits } });

/** Lets one minute pass in which each instrument's policy proposes an action of its own; HOLD where none is said. */
function decideEach(desk: DeskHarness, actions: { readonly [instrument: string]: Action }): void {
  desk.policy = ({ instrument }) => proposing(actions[instrument] ?? 'HOLD');
  desk.advanceMinutes(1);
  desk.policy = () => proposing('HOLD');
}

const BUY_ALL = { EUR_USD: 'BUY', GBP_USD: 'BUY', USD_JPY: 'BUY' } as const;
const intended = (desk: DeskHarness): readonly string[] => desk.told('OrderIntended').map(({ instrument }) => instrument);
const denied = (desk: DeskHarness): readonly (readonly [string, string])[] => desk.told('OrderDenied').map(({ instrument, guard }) => [instrument, guard] as const);
const verdict = (desk: DeskHarness, instrument: InstrumentName, guard: string) => {
  const told = [...desk.told('OrderIntended'), ...desk.told('OrderDenied')].find((data) => data.instrument === instrument);
  return told!.guards.find((one) => one.guard === guard)!;
};
const statusesOf = (desk: DeskHarness, instrument: InstrumentName): readonly string[] => [...bookOf(desk.state, instrument).trading.orders.values()].map(({ status }) => status);

describe('three instruments that decide on one minute', () => {
  test('are asked and answered in the order of the configuration, each with a decision, an order and a trade of its own', () => {
    const desk = threeDesk();
    decideEach(desk, { EUR_USD: 'BUY', GBP_USD: 'SELL', USD_JPY: 'BUY' });
    expect(desk.told('DecisionMade').slice(-3).map(({ instrument, action }) => [instrument, action])).toEqual([['EUR_USD', 'BUY'], ['GBP_USD', 'SELL'], ['USD_JPY', 'BUY']]);
    expect(intended(desk)).toEqual(NAMES);
    for (const _ of NAMES) desk.send('filled');
    expect([...desk.state.ledger.openTrades.values()].map(({ instrument, units }) => [instrument, format(units)])).toEqual([['EUR_USD', '1000'], ['GBP_USD', '-1000'], ['USD_JPY', '1000']]);
    for (const name of NAMES) expect(statusesOf(desk, name)).toEqual(['filled']);
    expect(new Set(desk.told('OrderFilled').map(({ tradeId }) => tradeId)).size).toBe(3);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'agreed' });
  });

  test('do not deny each other by filling, in whatever order their orders leave', () => {
    const desk = threeDesk();
    decideEach(desk, BUY_ALL);
    desk.send('filled', 100, 2);
    desk.send('cancelled', 100, 0);
    desk.send('filled');
    expect(desk.told('OrderDenied')).toEqual([]);
    expect([EUR_USD, GBP_USD, USD_JPY].map((name) => statusesOf(desk, name)[0])).toEqual(['cancelled', 'filled', 'filled']);
  });

  test('are not denied by what happened to another one between question and answer, and are by what happened to them', () => {
    const desk = threeDesk();
    decideEach(desk, { EUR_USD: 'BUY', GBP_USD: 'BUY' });
    desk.send('filled');
    desk.send('filled');
    desk.policy = null;
    desk.advanceMinutes(1);
    desk.broker.fillStop(desk.now, [...desk.broker.trades.keys()][0]!, '1.09512');
    desk.notice();
    expect(desk.told('PositionAdjusted')).toMatchObject([{ instrument: 'EUR_USD' }]);
    const answers: { readonly [instrument: string]: Action } = { EUR_USD: 'HOLD', GBP_USD: 'HOLD', USD_JPY: 'SELL' };
    while (desk.consultations.length > 0) desk.answerConsultation(proposing(answers[desk.consultations[0]!.instrument]!));
    desk.settle();
    expect(denied(desk)).toEqual([]);
    expect(intended(desk).at(-1)).toBe(USD_JPY);
  });

  test.each([
    ['the account as a whole', (desk: DeskHarness) => desk.broker.append(desk.now, { type: 'DAILY_FINANCING', financing: '-0.01' }, money('-0.01'))],
    ['nobody knows whom', (desk: DeskHarness) => desk.broker.append(desk.now, { type: 'ORDER_CANCEL', orderID: '1', reason: 'x' })],
  ] as const)('are all denied when a transaction concerns %s', (_whom, happens) => {
    const desk = threeDesk();
    desk.policy = null;
    desk.advanceMinutes(1);
    happens(desk);
    desk.notice();
    while (desk.consultations.length > 0) desk.answerConsultation(proposing('BUY'));
    expect(denied(desk)).toEqual(NAMES.map((name) => [name, 'stateMoved']));
  });

  test('are denied while the broker has spoken of a transaction that the ledger does not hold', () => {
    const desk = threeDesk();
    decideEach(desk, BUY_ALL);
    desk.intercept = (read) => (read.what === 'transactions' ? null : undefined);
    desk.broker.append(desk.now, { type: 'MARKET_ORDER', instrument: 'GBP_USD', units: '1' });
    desk.feed({ kind: 'notice', transactionId: desk.broker.lastTransactionId });
    desk.send('filled');
    expect(denied(desk)).toEqual([['EUR_USD', 'stateMoved']]);
  });
});

describe('a limit of the whole account', () => {
  test.each<readonly [string, Partial<SafetyLimits>, readonly string[], string, string, string]>([
    // Two orders are in flight before the third is judged.
    ['openTrades', { openTradesMax: 2 }, ['USD_JPY'], '3', '2', '-1'],
    // 1,000 × 1.10012 + 1,000 × 1.30022 + 1,000 dollars.
    ['grossExposure', { grossExposureMax: money('3400') }, ['USD_JPY'], '3400.34', '3400', '-0.34'],
    // Euros and pounds are bought with dollars; dollars held against yen are the other side and no relief.
    ['currencyExposure', { currencyExposureMax: money('2400') }, ['GBP_USD'], 'USD 2400.34', '2400', '-0.34'],
    // 2 % of the same 3,400.34, in 10,000.
    ['margin', { marginShareMax: ratio('0.0068') }, ['USD_JPY'], '0.00680068', '0.0068', '-0.00000068'],
    // 60 pips of 1,000: 6 + 6 + 8.04 dollars, the last at the configured dearest yen.
    ['worstLoss', { dailyLossMoneyMax: money('20') }, ['USD_JPY'], '20.04', '20', '-0.04'],
  ])('%s counts what the instruments before have reserved', (guard, limits, turnedAway, value, limit, distance) => {
    const desk = threeDesk(limits);
    decideEach(desk, BUY_ALL);
    expect(denied(desk)).toEqual(turnedAway.map((name) => [name, guard]));
    expect(intended(desk)).toEqual(NAMES.filter((name) => !turnedAway.includes(name)));
    expect(verdict(desk, turnedAway[0] as InstrumentName, guard)).toEqual({ guard, passed: false, value, limit, distance });
  });

  test('on one order denies it by its own worth, at the dearer side', () => {
    const desk = threeDesk({ orderNotionalMax: money('1100.12') });
    decideEach(desk, { EUR_USD: 'SELL', GBP_USD: 'BUY' });
    expect(verdict(desk, EUR_USD, 'orderNotional')).toMatchObject({ passed: true, value: '1100.12', distance: '0' });
    expect(denied(desk)).toEqual([['GBP_USD', 'orderNotional']]);
  });

  test('is freed by an order that ended without a fill, and held by one whose outcome is unknown', () => {
    const desk = threeDesk({ openTradesMax: 1 });
    decideEach(desk, { EUR_USD: 'BUY' });
    desk.send('cancelled');
    decideEach(desk, { GBP_USD: 'BUY' });
    expect(intended(desk)).toEqual(['EUR_USD', 'GBP_USD']);
    desk.send('lostOnTheWay');
    decideEach(desk, { USD_JPY: 'BUY' });
    expect(denied(desk)).toEqual([['USD_JPY', 'openTrades']]);
  });

  test('is held by an order that was given up for as long as it may still fill late, and is not exceeded when it does', () => {
    const desk = threeDesk({ openTradesMax: 1, ordersPerDayMax: 1_000, ordersPerHourMax: 1_000 });
    decideEach(desk, { EUR_USD: 'BUY' });
    const { request } = desk.send('lostOnTheWay');
    desk.advance(130 * SECOND_MS);
    expect(statusesOf(desk, EUR_USD)).toEqual(['abandoned']);
    decideEach(desk, { GBP_USD: 'BUY' });
    expect(denied(desk)).toEqual([['GBP_USD', 'openTrades']]);
    // Its own slot it does not block: while that is taken, the broker refuses the late order.
    decideEach(desk, { EUR_USD: 'SELL' });
    expect(intended(desk)).toEqual(['EUR_USD', 'EUR_USD']);
    desk.send('cancelled');
    desk.broker.fillOpening(desk.now, request);
    desk.notice();
    expect(exposureWith(desk.state, desk.now, null).trades).toBe(1);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'lateFill', leg: 'close', instrument: 'EUR_USD' });
    desk.send('filled');
    decideEach(desk, { GBP_USD: 'BUY' });
    expect(intended(desk).at(-1)).toBe('GBP_USD');
  });

  test('forgets an order that was given up an hour after it was meant', () => {
    const desk = threeDesk({ openTradesMax: 1 });
    decideEach(desk, { EUR_USD: 'BUY' });
    const at = desk.now;
    desk.send('lostOnTheWay');
    desk.advance(59 * MINUTE_MS);
    expect(exposureWith(desk.state, desk.now, null).trades).toBe(1);
    desk.advanceTo(plusMs(at, 60 * MINUTE_MS + 1));
    expect(exposureWith(desk.state, desk.now, null).trades).toBe(0);
  });

  test('on the day’s loss lends out no profit that is not taken and counts no loss twice', () => {
    const desk = threeDesk({ dailyLossMoneyMax: money('13') });
    decideEach(desk, { EUR_USD: 'BUY' });
    desk.send('filled');
    const entry = desk.state.ledger.openTrades.values().next().value!.price;
    // The trade gains, then loses, 40 pips: 4 dollars either way.
    for (const bid of ['1.10410', '1.09610']) {
      desk.broker.bids.set(desk.now - (desk.now % MINUTE_MS) + MINUTE_MS, bid);
      decideEach(desk, { GBP_USD: 'BUY' });
      expect(desk.told('OrderIntended').at(-1)).toMatchObject({ instrument: 'GBP_USD' });
      expect(desk.told('OrderIntended').at(-1)!.guards.find(({ guard }) => guard === 'worstLoss')).toMatchObject({ value: '12', distance: '1' });
      desk.send('cancelled');
    }
    expect(entry).toBe(price('1.10012'));
    expect(desk.mode).toBe('ARMED');
  });

  test('cannot be judged where a price is missing, and then denies', () => {
    const desk = new DeskHarness(THREE);
    const { state } = desk;
    expect(exposureWith(state, desk.now, { instrument: EUR_USD, units: state.settings.instruments[0]!.orderUnits })).toMatchObject({ gross: null, margin: null, currencies: null });
    // A dollar is a dollar without any price.
    expect(exposureWith(state, desk.now, { instrument: USD_JPY, units: state.settings.instruments[2]!.orderUnits })).toMatchObject({ gross: money('1000') });
  });

  test('cannot be judged, either, with a trade on a pair that this desk does not know', () => {
    const desk = threeDesk();
    desk.broker.append(desk.now, { type: 'MARKET_ORDER', instrument: 'AUD_USD', units: '5' });
    desk.broker.append(desk.now, { type: 'ORDER_FILL', orderID: '3', instrument: 'AUD_USD', units: '5', pl: '0', tradeOpened: { tradeID: '4', units: '5', price: '0.7' } }, money('0'));
    desk.notice();
    expect(exposureWith(desk.state, desk.now, null)).toMatchObject({ gross: null, margin: null, trades: 0 });
    expect(desk.told('TradingHalted')).toContainEqual(expect.objectContaining({ cause: 'foreignTrade' }));
  });
});

describe('conversion into home currency', () => {
  const cross = (homeCurrency: string) => armedDesk({ ...THREE, homeCurrency });
  const worthOf = (desk: DeskHarness, instrument: InstrumentName): string => format(exposureWith(desk.state, desk.now, { instrument, units: desk.state.settings.instruments[0]!.orderUnits }).gross!);

  test('goes by the account’s own pairs, at the dearer side and rounded up, else by what is configured', () => {
    const desk = threeDesk();
    expect(worthOf(desk, EUR_USD)).toBe('1100.11');
    expect(worthOf(desk, USD_JPY)).toBe('1000');
    // At home in euros, EUR_USD quotes the dollar: a pound is 1.30021 dollars of 1 / 1.10001 euros.
    const euros = cross('EUR');
    expect(worthOf(euros, EUR_USD)).toBe('1000');
    expect(worthOf(euros, USD_JPY)).toBe('909.0826448');
    expect(worthOf(euros, GBP_USD)).toBe('1181.9983456');
    // At home in francs nothing is quoted: the dollars that a euro costs go at the configured rate, and so do the yen of a dollar.
    const francs = cross('CHF');
    expect(worthOf(francs, EUR_USD)).toBe('1100.11');
    expect(worthOf(francs, USD_JPY)).toBe('2010.1742');
  });
});

describe('protection with three positions', () => {
  const held = (): DeskHarness => {
    const desk = threeDesk();
    decideEach(desk, BUY_ALL);
    for (const _ of NAMES) desk.send('filled');
    return desk;
  };

  test('flattens all of them on Friday, and each one’s stop closes it alone', () => {
    const desk = armedDesk(THREE, parseInstant('2026-01-09T21:20:00Z'));
    decideEach(desk, BUY_ALL);
    for (const _ of NAMES) desk.send('filled');
    desk.broker.fillStop(desk.now, [...desk.broker.trades.values()].find(({ instrument }) => instrument === GBP_USD)!.tradeId, '1.29500');
    desk.notice();
    desk.advanceTo(parseInstant('2026-01-09T21:30:00Z'));
    expect(desk.told('OrderIntended').slice(3).map(({ instrument, cause, leg }) => [instrument, cause, leg])).toEqual([['EUR_USD', 'weekend', 'close'], ['USD_JPY', 'weekend', 'close']]);
    desk.send('filled');
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
  });

  test('closes the one that is blind and leaves the others', () => {
    const desk = held();
    desk.intercept = (read) => (read.what === 'bars' && read.instrument === GBP_USD ? 'fails' : undefined);
    desk.advanceMinutes(7);
    expect(desk.told('OrderIntended').slice(3)).toMatchObject([{ instrument: 'GBP_USD', cause: 'blind', leg: 'close' }]);
  });

  test('keeps an order of unknown outcome in doubt over a restart, in its own book and in the account’s reserve', () => {
    const desk = threeDesk({ openTradesMax: 2 });
    decideEach(desk, { EUR_USD: 'BUY', GBP_USD: 'BUY' });
    desk.send('filled');
    const { request } = desk.dispatches[0]!;
    desk.crashAndRestart();
    expect(statusesOf(desk, EUR_USD)).toEqual(['filled']);
    expect(statusesOf(desk, GBP_USD)).toEqual(['unknown']);
    decideEach(desk, { USD_JPY: 'BUY' });
    expect(denied(desk)).toEqual([['USD_JPY', 'openTrades']]);
    desk.broker.fillOpening(desk.now, request);
    desk.notice();
    expect(statusesOf(desk, GBP_USD)).toEqual(['filled', 'intended']);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ instrument: 'GBP_USD', cause: 'lateFill' });
    expect(desk.state.foreignTradeIds.size).toBe(0);
  });
});
