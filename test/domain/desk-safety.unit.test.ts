import { describe, expect, test } from 'vitest';
import { instrumentName } from '../../domain/instruments.ts';
import { money, pips, subtract, units } from '../../domain/money.ts';
import { DAY_MS, floorMinute, MINUTE_MS, parseInstant, plusMs, SECOND_MS } from '../../domain/time.ts';
import { armedDesk, decide, decidedDesk, DeskHarness, longDesk, proposing, snapshotAnswer } from './desk-harness.ts';
import type { SafetyLimits } from '../../domain/settings.ts';
import { LIMITS, SETTINGS } from './settings.ts';

/** Sends every order that waits, until none does. */
function sendAll(desk: DeskHarness): void {
  while (desk.dispatches.length > 0) desk.send('filled');
}

describe('a foreign trade', () => {
  test('halts new exposure, is adopted into the ledger, and is never closed', () => {
    const desk = armedDesk();
    const tradeId = desk.broker.fillForeign(desk.now, '-300');
    desk.notice();
    expect(desk.told('ForeignTradeObserved')).toEqual([{ tradeId, instrument: 'EUR_USD', units: '-300', transactionId: '4' }]);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'foreignTrade', disposition: 'hold' }]);
    desk.advanceTo(parseInstant('2026-01-09T21:50:00Z'));
    expect(desk.told('OrderIntended')).toEqual([]);
    expect(desk.state.ledger.openTrades.has(tradeId)).toBe(true);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'agreed' });
  });

  test('keeps the desk from being armed until it is gone', () => {
    const desk = armedDesk();
    const tradeId = desk.broker.fillForeign(desk.now, '-300');
    desk.notice();
    expect(desk.command('resume')).toMatchObject({ accepted: false, message: expect.stringContaining(`trade ${tradeId}`) as string });
    expect(desk.command('arm')).toMatchObject({ accepted: false });
    desk.broker.closeByHand(desk.now, tradeId);
    desk.notice();
    desk.command('resume');
    expect(desk.command('arm')).toMatchObject({ accepted: true });
  });

  test('is not touched when ours beside it is flattened', () => {
    const desk = longDesk({ safety: { ...LIMITS, dispositions: { ...LIMITS.dispositions, foreignTrade: 'flatten' } } });
    const foreign = desk.broker.fillForeign(desk.now, '-300');
    desk.notice();
    expect(desk.told('OrderIntended').filter(({ leg }) => leg === 'close').map(({ tradeId }) => tradeId)).toEqual(['4']);
    sendAll(desk);
    expect([...desk.state.ledger.openTrades.keys()]).toEqual([foreign]);
  });
});

describe('flattening', () => {
  test('happens on Friday at 16:30 New York and not a minute before', () => {
    const desk = longDesk({}, parseInstant('2026-01-09T21:20:00Z'));
    desk.advanceTo(parseInstant('2026-01-09T21:29:59Z'));
    expect(desk.dispatches).toEqual([]);
    desk.advance(SECOND_MS);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'weekend', leg: 'close', decisionId: null });
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
  });

  test('does not happen on Friday when holding over the weekend is configured', () => {
    const desk = longDesk({ fridayFlattenMinute: null }, parseInstant('2026-01-09T21:20:00Z'));
    desk.advanceTo(parseInstant('2026-01-09T21:58:00Z'));
    expect(desk.dispatches).toEqual([]);
  });

  test('refuses new exposure from Friday 16:30 on', () => {
    const desk = armedDesk({}, parseInstant('2026-01-09T21:28:00Z'));
    desk.advanceTo(parseInstant('2026-01-09T21:30:00Z'));
    decide(desk, 'BUY');
    expect(desk.told('OrderDenied')).toMatchObject([{ guard: 'weekend' }]);
  });

  test('happens after five bars without a decision, not after four', () => {
    const desk = longDesk();
    const decidedAt = plusMs(floorMinute(desk.now), 0);
    for (let minute = 0; minute < 30; minute += 1) desk.broker.missingMinutes.add(decidedAt + minute * MINUTE_MS);
    desk.advanceTo(plusMs(decidedAt, 6 * MINUTE_MS - 1));
    expect(desk.dispatches).toEqual([]);
    desk.advance(1 + MINUTE_MS);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'blind', leg: 'close' });
  });

  test('counts open minutes only: the daily break makes nobody blind', () => {
    const desk = longDesk({}, parseInstant('2026-01-06T21:55:00Z'));
    desk.advanceTo(parseInstant('2026-01-06T22:12:00Z'));
    expect(desk.told('OrderIntended')).toHaveLength(1);
  });

  test('asks a halted market again after growing pauses, and soon when a price comes back', () => {
    const desk = longDesk();
    desk.broker.tradeable = false;
    desk.policy = () => ({ kind: 'failure', detail: 'broken' });
    const askedAt: number[] = [];
    for (let minute = 0; minute < 240; minute += 1) {
      desk.advanceMinutes(1);
      if (desk.dispatches.length === 0) continue;
      askedAt.push(minute);
      desk.send('cancelled');
    }
    const pauses = askedAt.slice(1).map((minute, index) => minute - askedAt[index]!);
    expect(pauses.slice(0, 5).every((pause, index) => index === 0 || pause > pauses[index - 1]!)).toBe(true);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(61);
    expect(askedAt.length).toBeLessThan(12);
    desk.broker.tradeable = true;
    desk.advanceMinutes(2);
    expect(desk.dispatches).toHaveLength(1);
  });

  test('sends nothing while the market is closed by the calendar, and closes at the open', () => {
    const desk = longDesk({ fridayFlattenMinute: null }, parseInstant('2026-01-09T21:40:00Z'));
    desk.advanceTo(parseInstant('2026-01-11T12:00:00Z'));
    desk.broker.fillForeign(desk.now, '1');
    desk.give({ kind: 'answer', read: { what: 'positions' }, answer: { what: 'positions', snapshot: { positions: [{ instrument: instrumentName('EUR_USD'), units: units('5000') }], lastTransactionId: 5 } } });
    expect(desk.told('TradingHalted').at(-1)).toMatchObject({ cause: 'positionLimit', disposition: 'flatten' });
    expect(desk.dispatches).toEqual([]);
    desk.advanceTo(parseInstant('2026-01-11T22:06:30Z'));
    expect(desk.dispatches).toHaveLength(1);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'halt', tradeId: '4' });
  });
});

/** A day's limits that leave the others to themselves. */
const WIDE_DAY: SafetyLimits = { ...LIMITS, dailyLossMoneyMax: money('1000'), dailyLossPipsMax: pips('10000'), weeklyLossMoneyMax: money('1000'), lossesInARowMax: 100 };

/** Opens and has the stop filled at `price`, half a minute after the fill: bought at 1.10012 or near it. */
function lose(desk: DeskHarness, price: string): void {
  decide(desk, 'BUY');
  desk.send('filled');
  const [tradeId] = desk.state.ledger.openTrades.keys();
  desk.advance(30 * SECOND_MS);
  desk.broker.fillStop(desk.now, tradeId!, price);
  desk.notice();
  desk.advanceMinutes(1);
}

describe('the loss of a week', () => {
  const LOSING = { safety: { ...WIDE_DAY, weeklyLossMoneyMax: money('22') } };

  test('adds up over days, leaves no room for a trade that could exceed it, and halts when it is reached', () => {
    const desk = armedDesk(LOSING);
    lose(desk, '1.08612');
    desk.advanceTo(parseInstant('2026-01-07T15:00:30Z'));
    expect(desk.state.day.atStart).not.toEqual(desk.state.week.atStart);
    decide(desk, 'BUY');
    expect(desk.dispatches, 'a stop and its gap of 6 still fit').toHaveLength(1);
    desk.send('filled');
    const [tradeId] = desk.state.ledger.openTrades.keys();
    desk.broker.fillStop(desk.now, tradeId!, '1.09512');
    desk.notice();
    desk.advanceMinutes(1);
    decide(desk, 'BUY');
    expect(desk.told('OrderDenied').at(-1)).toMatchObject({ guard: 'worstWeekLoss' });
    expect(desk.mode).toBe('ARMED');
  });

  test('halts and flattens when it is reached', () => {
    const desk = longDesk({ safety: { ...WIDE_DAY, weeklyLossMoneyMax: money('15') } });
    const next = plusMs(floorMinute(desk.now), MINUTE_MS);
    for (let minute = 0; minute < 5; minute += 1) desk.broker.bids.set(plusMs(next, minute * MINUTE_MS), '1.08512');
    desk.advance(2 * MINUTE_MS);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'lossLimit', disposition: 'flatten', detail: "week's loss 15 has reached the limit 15" }]);
  });
});

describe('the drawdown from the highest profit', () => {
  const NARROW = { safety: { ...WIDE_DAY, drawdownMoneyMax: money('15') } };

  test('counts a profit that was shown and lost again', () => {
    const desk = longDesk(NARROW);
    const next = plusMs(floorMinute(desk.now), MINUTE_MS);
    for (const [minute, bid] of ['1.10812', '1.10012', '1.09312', '1.09312', '1.09312'].entries()) desk.broker.bids.set(plusMs(next, minute * MINUTE_MS), bid);
    desk.advanceMinutes(2);
    expect(desk.mode).toBe('ARMED');
    desk.advanceMinutes(2);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'lossLimit', detail: 'the drawdown of 15 has reached the limit 15' }]);
    expect(desk.replay().peak).toBe(desk.state.peak);
  });

  test('is counted anew from where an operator resumes, and from nowhere else', () => {
    const desk = longDesk(NARROW);
    desk.broker.fillStop(desk.now, '4', '1.08512');
    desk.notice();
    desk.advanceMinutes(1);
    expect(desk.mode).toBe('HALTED');
    const { peak } = desk.state;
    desk.crashAndRestart();
    expect(desk.state.peak).toBe(peak);
    desk.command('resume');
    expect(desk.state.peak).toBe(subtract(peak!, money('15')));
    desk.advanceMinutes(2);
    expect(desk.mode).toBe('OBSERVING');
  });

  test('does not begin with what the account earned before Reckoner', () => {
    const desk = new DeskHarness(NARROW);
    desk.broker.closeByHand(desk.now, desk.broker.fillForeign(desk.now, '1000000'));
    expect(desk.broker.balance).toBeLessThan(money('9985'));
    desk.now = plusMs(desk.now, SECOND_MS);
    desk.start();
    desk.advanceMinutes(2);
    expect(desk.told('TradingHalted')).toEqual([]);
  });
});

describe('trades that lose one after the other', () => {
  test('halt at the third, whatever is between them; an operator resumes and the count begins anew', () => {
    const desk = armedDesk();
    for (let trade = 0; trade < 2; trade += 1) lose(desk, '1.09912');
    expect(desk.state.safety.lossesInARow).toBe(2);
    desk.crashAndRestart();
    desk.advanceMinutes(1);
    lose(desk, '1.09912');
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'losingStreak', disposition: 'flatten', detail: '3 trades in a row have lost' }]);
    desk.command('resume');
    expect(desk.state.safety.lossesInARow).toBe(0);
    desk.advanceMinutes(2);
    expect(desk.mode).toBe('OBSERVING');
  });

  test('are no streak when one between them gains', () => {
    const desk = armedDesk();
    for (const price of ['1.09912', '1.09912', '1.10212', '1.09912', '1.09912']) lose(desk, price);
    expect(desk.state.safety.lossesInARow).toBe(2);
    expect(desk.mode).toBe('ARMED');
  });
});

describe('opening again and again', () => {
  test('halts when one more is wanted than an operator allowed at a time', () => {
    const desk = armedDesk({ safety: { ...LIMITS, executionsMax: 2 } });
    for (let trade = 0; trade < 2; trade += 1) lose(desk, '1.10212');
    expect(desk.mode).toBe('ARMED');
    decide(desk, 'BUY');
    expect(desk.dispatches).toEqual([]);
    expect(desk.told('OrderDenied').at(-1)).toMatchObject({ guard: 'executions' });
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'executions', detail: '2 orders have been opened since an operator last armed or resumed, and another was wanted' }]);
    desk.command('resume');
    desk.command('arm');
    decide(desk, 'BUY');
    expect(desk.dispatches).toHaveLength(1);
  });
});

describe('the loss of a day', () => {
  test('halts when it reaches the limit, and flattens', () => {
    const desk = longDesk();
    const next = plusMs(floorMinute(desk.now), MINUTE_MS);
    for (let minute = 0; minute < 5; minute += 1) desk.broker.bids.set(plusMs(next, minute * MINUTE_MS), '1.08012');
    desk.advance(2 * MINUTE_MS);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'lossLimit', disposition: 'flatten', detail: "day's loss 20 has reached the limit 20" }]);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'halt', leg: 'close' });
  });

  test('stays a loss after the close and after a restart, and denies what an operator arms again', () => {
    const desk = longDesk();
    desk.broker.fillStop(desk.now, '4', '1.07912');
    desk.notice();
    desk.advance(30 * SECOND_MS);
    expect(desk.mode).toBe('HALTED');
    desk.crashAndRestart();
    desk.command('resume');
    desk.command('arm');
    decide(desk, 'BUY');
    expect(desk.dispatches).toEqual([]);
    expect(desk.mode).toBe('HALTED');
  });

  test('begins anew at 17:00 New York', () => {
    const desk = longDesk({}, parseInstant('2026-01-06T21:40:00Z'));
    desk.broker.fillStop(desk.now, '4', '1.07912');
    desk.notice();
    desk.advance(30 * SECOND_MS);
    expect(desk.mode).toBe('HALTED');
    desk.advanceTo(parseInstant('2026-01-06T22:06:30Z'));
    desk.command('resume');
    desk.advanceMinutes(5);
    expect(desk.mode).toBe('OBSERVING');
  });

  test('is not ended by a clock of ours that is ahead', () => {
    const desk = longDesk();
    desk.broker.fillStop(desk.now, '4', '1.08512');
    desk.notice();
    const { day } = desk.state;
    desk.now = plusMs(desk.now, DAY_MS);
    desk.command('disarm');
    expect(desk.told('TradingDisarmed')).toHaveLength(1);
    expect(desk.state.day).toEqual(day);
  });

  test('is charged with what happened in it, not with what it only learns', () => {
    const desk = longDesk({ safety: { ...LIMITS, dailyLossMoneyMax: money('10') }, reconciliation: { ...SETTINGS.reconciliation, failingMsMax: 3_600_000 } }, parseInstant('2026-01-06T21:50:00Z'));
    desk.intercept = (read) => (read.what === 'transactions' ? 'fails' : undefined);
    desk.advanceTo(parseInstant('2026-01-06T21:57:30Z'));
    desk.broker.fillStop(desk.now, '4', '1.08512');
    desk.advanceTo(parseInstant('2026-01-06T22:08:30Z'));
    desk.intercept = () => undefined;
    desk.advanceMinutes(2);
    expect(desk.told('PositionAdjusted')).toMatchObject([{ pl: '-15' }]);
    expect(desk.state.day.start).toBe(parseInstant('2026-01-06T22:00:00Z'));
    expect(desk.mode).toBe('ARMED');
  });

  test('does not count a withdrawal', () => {
    const desk = longDesk();
    desk.broker.append(desk.now, { type: 'TRANSFER_FUNDS', amount: '-9000' }, money('-9000'));
    desk.notice();
    desk.advanceMinutes(2);
    expect(desk.state.ledger.balance).toBe(money('1000'));
    expect(desk.mode).toBe('ARMED');
  });
});

describe('REDUCING', () => {
  test('after disarm with a position closes, never opens, and ends in OBSERVING when flat', () => {
    const desk = longDesk({ onOppositeSignal: 'reverse' });
    expect(desk.command('disarm')).toMatchObject({ accepted: true, message: 'reducing until flat, then observing' });
    expect(desk.mode).toBe('REDUCING');
    desk.policy = null;
    desk.advanceMinutes(1);
    expect(desk.consultations[0]!.observation.mask).toEqual([true, false, false, true]);
    desk.answerConsultation(proposing('CLOSE'));
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ leg: 'close', reverseTo: null });
    desk.send('filled');
    expect(desk.mode).toBe('OBSERVING');
    expect(desk.told('TradingObserving')).toEqual([{ cause: 'flat' }]);
  });

  test('ends when a stop closes the position, too', () => {
    const desk = longDesk();
    desk.command('disarm');
    desk.broker.fillStop(desk.now, '4', '1.09512');
    desk.notice();
    expect(desk.mode).toBe('OBSERVING');
  });

  test('ends although the page with the fill broke off behind it', () => {
    const desk = longDesk();
    desk.command('disarm');
    desk.broker.fillStop(desk.now, '4', '1.09512');
    desk.broker.append(desk.now, { type: 'CLIENT_CONFIGURE' });
    desk.broker.append(desk.now, { type: 'CLIENT_CONFIGURE' });
    const whole = desk.broker.page(5);
    let pages = 0;
    desk.intercept = (read) => {
      if (read.what !== 'transactions') return undefined;
      pages += 1;
      return pages > 1 ? undefined : { what: 'transactions', page: { ...whole, transactions: whole.transactions.filter(({ id }) => id !== 7) } };
    };
    desk.notice();
    expect(desk.told('AlertRaised')).toMatchObject([{ code: 'ledgerGap' }]);
    desk.advance(SECOND_MS);
    expect(desk.mode).toBe('OBSERVING');
  });

  test('takes over what a fill after disarming has opened', () => {
    const desk = decidedDesk('BUY');
    const { request } = desk.send('lostOnTheWay');
    desk.command('disarm');
    expect(desk.mode).toBe('OBSERVING');
    desk.broker.fillOpening(desk.now, request);
    desk.notice();
    expect(desk.told('OrderFilled')).toMatchObject([{ late: false }]);
    expect(desk.mode).toBe('REDUCING');
    decide(desk, 'CLOSE');
    desk.send('filled');
    expect(desk.mode).toBe('OBSERVING');
  });
});

describe('HALTED', () => {
  test('goes on mirroring, reconciling and recording bars, and decides nothing', () => {
    const desk = longDesk();
    desk.command('halt');
    desk.broker.append(desk.now, { type: 'DAILY_FINANCING', financing: '-0.12' }, money('-0.12'));
    const reconciled = desk.told('ReconciliationCompleted').length;
    const bars = desk.told('MarketBarClosed').length;
    const decisions = desk.told('DecisionMade').length;
    desk.notice();
    desk.advanceMinutes(3);
    expect(desk.state.ledger.financing).toBe(money('-0.12'));
    expect(desk.told('ReconciliationCompleted').length).toBeGreaterThan(reconciled);
    expect(desk.told('MarketBarClosed')).toHaveLength(bars + 3);
    expect(desk.told('DecisionMade')).toHaveLength(decisions);
    expect(desk.told('DecisionSkipped').slice(-3)).toMatchObject([{ reason: 'halted' }, { reason: 'halted' }, { reason: 'halted' }]);
    expect(desk.told('OrderIntended')).toHaveLength(1);
  });

  test('follows from an unknown kind of transaction, a margin call, and a refused token', () => {
    const unknown = armedDesk();
    unknown.broker.append(unknown.now, { type: 'CRYPTO_AIRDROP' });
    unknown.notice();
    expect(unknown.told('TradingHalted')).toMatchObject([{ cause: 'unknownSchema', disposition: 'hold' }]);
    const margin = armedDesk();
    margin.broker.append(margin.now, { type: 'MARGIN_CALL_ENTER' });
    margin.notice();
    expect(margin.told('TradingHalted')).toMatchObject([{ cause: 'lossLimit', disposition: 'flatten' }]);
    const refused = armedDesk();
    refused.intercept = (read) => (read.what === 'positions' ? 'unauthorised' : undefined);
    refused.advance(MINUTE_MS);
    expect(refused.told('TradingHalted')).toMatchObject([{ cause: 'authentication' }]);
  });

  test('follows from the third ledger page in a row that cannot be read as one', () => {
    const desk = armedDesk();
    for (const expected of ['ARMED', 'ARMED', 'HALTED']) {
      desk.feed({ kind: 'readFailed', read: { what: 'transactions', since: 2 }, failure: 'malformed', detail: 'transactions[0].id: expected a string' });
      expect(desk.mode).toBe(expected);
    }
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'unknownSchema', disposition: 'hold' }]);
  });

  test('that holds a position still does not hold it over the weekend', () => {
    const desk = longDesk({}, parseInstant('2026-01-09T21:20:00Z'));
    desk.command('halt');
    desk.advanceTo(parseInstant('2026-01-09T21:29:59Z'));
    expect(desk.dispatches).toEqual([]);
    desk.advance(SECOND_MS);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'weekend', leg: 'close' });
  });

  test('follows from a position above the limit at the broker, what others hold taken out', () => {
    const desk = longDesk();
    const shown = (count: string, lastTransactionId: number): void =>
      desk.give({ kind: 'answer', read: { what: 'positions' }, answer: { what: 'positions', snapshot: { positions: [{ instrument: instrumentName('EUR_USD'), units: units(count) }], lastTransactionId } } });
    shown('1001', 4);
    shown('1000', 5);
    expect(desk.mode).toBe('ARMED');
    shown('1001', 5);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'positionLimit', disposition: 'flatten' }]);
  });

  test('follows from a disagreement that lasts while flat, which is told and never corrected', () => {
    const desk = armedDesk();
    desk.broker.distort = (snapshot) => ({ ...snapshot, balance: money('9999') });
    const { ledger } = desk.state;
    desk.advance(MINUTE_MS + 20 * SECOND_MS);
    expect(desk.told('DiscrepancyDetected')[0]).toMatchObject({ kind: 'balance', local: '10000', broker: '9999' });
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'discrepancy', disposition: 'hold' }]);
    expect(desk.state.ledger).toBe(ledger);
  });
});

describe('the streams', () => {
  test('stop new exposure while one is down, and have the ledger read and reconciled when it is back', () => {
    const desk = armedDesk();
    desk.give({ kind: 'feed', feed: 'transactions', connected: false, detail: 'silent for 12 s' });
    decide(desk, 'BUY');
    expect(desk.told('OrderDenied')).toMatchObject([{ guard: 'sound' }]);
    desk.broker.append(desk.now, { type: 'CLIENT_CONFIGURE' });
    desk.give({ kind: 'feed', feed: 'transactions', connected: true, detail: '' });
    expect(desk.state.ledger.lastTransactionId).toBe(3);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ trigger: 'reconnect', outcome: 'agreed' });
  });

  test('are told of once: the same condition again is nothing new', () => {
    const desk = armedDesk();
    const before = desk.emissions.length;
    desk.give({ kind: 'feed', feed: 'pricing', connected: true, detail: '' });
    expect(desk.emissions).toHaveLength(before);
  });
});

describe('the mirror of the ledger', () => {
  test('cuts a page at a gap, tells of it once however often it is read, and skips nothing', () => {
    const desk = armedDesk();
    for (let count = 0; count < 5; count += 1) desk.broker.append(desk.now, { type: 'CLIENT_CONFIGURE' });
    let gaps = 0;
    desk.intercept = (read) => {
      if (read.what !== 'transactions' || gaps >= 2) return undefined;
      gaps += 1;
      const page = desk.broker.page(read.since);
      return { what: 'transactions', page: { ...page, transactions: page.transactions.filter(({ id }) => id !== 4) } };
    };
    desk.notice();
    expect(desk.state.ledger.lastTransactionId).toBe(3);
    desk.advance(3 * SECOND_MS);
    expect(desk.state.ledger.lastTransactionId).toBe(7);
    expect(desk.told('BrokerTransactionRecorded').map(({ transactionId }) => Number(transactionId))).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(desk.told('AlertRaised').filter(({ code }) => code === 'ledgerGap')).toHaveLength(1);
  });

  test('asks again when a page ends before the newest transaction that the broker spoke of', () => {
    const desk = armedDesk();
    desk.give({ kind: 'notice', transactionId: 3 });
    expect(desk.state.ledger.lastTransactionId).toBe(2);
    desk.broker.append(desk.now, { type: 'CLIENT_CONFIGURE' });
    desk.advance(SECOND_MS);
    expect(desk.state.ledger.lastTransactionId).toBe(3);
  });

  test('reads a snapshot again that is newer than the ledger, together with what is missing', () => {
    const desk = armedDesk();
    desk.broker.append(desk.now, { type: 'CLIENT_CONFIGURE' });
    desk.advance(MINUTE_MS);
    expect(desk.state.ledger.lastTransactionId).toBe(3);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'agreed', transactionId: '3' });
  });

  test('calls a reconciliation failed after five snapshots that are never of its own id, and stops nothing else', () => {
    const desk = armedDesk();
    desk.intercept = (read) => (read.what === 'snapshot' ? snapshotAnswer({ ...desk.broker.snapshot(), lastTransactionId: 1 }) : undefined);
    desk.advance(MINUTE_MS);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'failed', detail: 'snapshot at 1, ledger at 2, after 5 reads' });
    expect(desk.mode).toBe('ARMED');
    desk.advance(3 * MINUTE_MS);
    decide(desk, 'BUY');
    expect(desk.told('OrderDenied')).toMatchObject([{ guard: 'sound' }]);
  });

  test('gives way to a daemon of a higher epoch', () => {
    const desk = armedDesk();
    desk.broker.append(desk.now, { type: 'MARKET_ORDER', clientExtensions: { tag: 'reckoner:epoch:2' } });
    desk.notice();
    expect(desk.shutdowns).toMatchObject([{ exitCode: 33 }]);
  });
});
