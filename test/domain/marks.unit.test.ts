import { describe, expect, test } from 'vitest';
import { evolvePeriod, lossIn, noPeriod, shiftStart } from '../../domain/periods.ts';
import type { ProfitMark } from '../../domain/periods.ts';
import type { DataOf, DomainEvent } from '../../domain/events.ts';
import { extendExcursion, FLAT_VIEW, netPipsAt, startExcursion, viewOf } from '../../domain/excursion.ts';
import { format, money, pips, price } from '../../domain/money.ts';
import { emptyShadow, evolveShadow } from '../../domain/shadow.ts';
import type { Shadow } from '../../domain/shadow.ts';
import { parseInstant } from '../../domain/time.ts';
import golden from '../fixtures/domain/excursion.json' with { type: 'json' };

describe('an open trade, bar by bar', () => {
  test('pays the spread from its first bar: a long is worth the bid, a short the ask', () => {
    expect(format(netPipsAt(1, price('1.10010'), price('1.10000'), price('1.10010'), -4))).toBe('-1');
    expect(format(netPipsAt(-1, price('1.10000'), price('1.10000'), price('1.10010'), -4))).toBe('-1');
  });

  test('has its peak from 0 and its largest fall from the peak so far', () => {
    const closes = ['1.09990', '1.10050', '1.10020', '1.10040', '1.09980'];
    const seen = closes.reduce((all, close) => [...all, extendExcursion(all.at(-1)!, price(close), price(close), -4)], [startExcursion(1, price('1.10000'))]);
    expect(seen.map(({ barsSinceEntry, netPips, peakPips, drawdownPipsMax }) => [barsSinceEntry, format(netPips), format(peakPips), format(drawdownPipsMax)])).toEqual([
      [0, '0', '0', '0'], [1, '-1', '0', '1'], [2, '5', '5', '1'], [3, '2', '5', '3'], [4, '4', '5', '3'], [5, '-2', '5', '7'],
    ]);
  });

  test.each([['long', 1], ['short', -1]] as const)('agrees with an independent tracker for a %s', (name, side) => {
    const expected = golden[name];
    let excursion = startExcursion(side, price(golden.entryPrice));
    for (const [bar, close] of golden.closes.entries()) {
      excursion = extendExcursion(excursion, price(close), price(close), -2);
      const figures = expected.first[bar];
      if (figures !== undefined) expect(viewOf(excursion)).toEqual({ side, barsSinceEntry: bar + 1, ...figures });
    }
    expect(viewOf(excursion)).toEqual({ side, barsSinceEntry: golden.closes.length, ...expected.last });
  });

  test('is shown as flat when there is none', () => {
    expect(viewOf(null)).toBe(FLAT_VIEW);
  });
});

// --- the shadow ---

const decision = (action: DataOf<'DecisionMade'>['action'], mode: DataOf<'DecisionMade'>['mode'] = 'OBSERVING'): DomainEvent => ({ type: 'DecisionMade', data: { action, mode } as DataOf<'DecisionMade'> });
const bar = (bidOpen: string, bidClose: string, type: 'MarketBarClosed' | 'MarketBarBackfilled' = 'MarketBarClosed'): DomainEvent => {
  const side = (open: string, close: string) => ({ open, high: open, low: close, close });
  const ask = (bid: string): string => (Number(bid) + 0.0001).toFixed(5);
  return { type, data: { instrument: 'EUR_USD', granularity: 'M1', start: '2026-01-06T15:00:00Z', volume: 1, bid: side(bidOpen, bidClose), ask: side(ask(bidOpen), ask(bidClose)) } };
};
const shadow = (rules: 'close' | 'reverse', ...events: readonly DomainEvent[]): Shadow => events.reduce((folded, event) => evolveShadow(folded, event, { pipLocation: -4, onOppositeSignal: rules }), emptyShadow);

describe('the shadow position', () => {
  test('opens at the next bar’s open, on the side that would be paid', () => {
    expect(shadow('close', decision('BUY')).position).toBeNull();
    expect(shadow('close', decision('BUY'), bar('1.10000', '1.10030')).position).toMatchObject({ side: 1, entryPrice: price('1.1001'), barsSinceEntry: 1, netPips: pips('2') });
    expect(shadow('close', decision('SELL'), bar('1.10000', '1.10030', 'MarketBarBackfilled')).position).toMatchObject({ side: -1, entryPrice: price('1.1'), netPips: pips('-4') });
  });

  test('closes on CLOSE and on the opposite signal, and counts the pips', () => {
    const long = [decision('BUY'), bar('1.10000', '1.10030')] as const;
    for (const action of ['CLOSE', 'SELL'] as const) {
      expect(shadow('close', ...long, decision(action), bar('1.10060', '1.10070'))).toEqual({ wanted: 'HOLD', position: null, closedPips: pips('5'), closedTrades: 1 });
    }
    expect(shadow('reverse', ...long, decision('SELL'), bar('1.10060', '1.10070'))).toMatchObject({ closedPips: pips('5'), closedTrades: 1, position: { side: -1, entryPrice: price('1.1006') } });
  });

  test('does nothing on the same signal, on HOLD, and on CLOSE when flat', () => {
    const long = [decision('BUY'), bar('1.10000', '1.10030')] as const;
    expect(shadow('reverse', ...long, decision('BUY'), bar('1.10060', '1.10070'))).toMatchObject({ closedTrades: 0, position: { entryPrice: price('1.1001'), barsSinceEntry: 2 } });
    expect(shadow('reverse', ...long, decision('HOLD'), bar('1.10060', '1.10070'))).toMatchObject({ closedTrades: 0, position: { side: 1 } });
    expect(shadow('close', decision('CLOSE'), bar('1.1', '1.1'))).toEqual(emptyShadow);
  });

  test('acts once on a decision, and only on one made while observing', () => {
    expect(shadow('close', decision('BUY'), bar('1.1', '1.1'), decision('CLOSE'), bar('1.1', '1.1'), bar('1.1', '1.1'))).toMatchObject({ closedTrades: 1, position: null });
    expect(shadow('close', decision('BUY', 'ARMED'), bar('1.1', '1.1')).position).toBeNull();
  });

  test.each(['TradingArmed', 'TradingHalted', 'TradingReducing'] as const)('ends with %s, keeping what it has counted', (type) => {
    const kept = shadow('close', decision('BUY'), bar('1.1', '1.1'), decision('CLOSE'), bar('1.1', '1.1'), decision('BUY'), bar('1.1', '1.1'), { type, data: {} } as DomainEvent);
    expect(kept).toMatchObject({ wanted: 'HOLD', position: null, closedTrades: 1, closedPips: pips('-1') });
  });

  test('is left alone by everything else', () => {
    expect(evolveShadow(emptyShadow, { type: 'TradingObserving', data: { cause: 'flat' } }, { pipLocation: -4, onOppositeSignal: 'close' })).toBe(emptyShadow);
  });
});

// --- the day ---

const mark = (amount: string, count = '0'): ProfitMark => ({ money: money(amount), pips: pips(count) });
const at = parseInstant;

describe('the trading day', () => {
  const tuesday = evolvePeriod('day', noPeriod, at('2026-01-06T15:00:00Z'), () => mark('100', '10'));

  test('begins with the profit so far, and ends at 17:00 New York', () => {
    expect(tuesday).toEqual({ start: at('2026-01-05T22:00:00Z'), nextStart: at('2026-01-06T22:00:00Z'), atStart: mark('100', '10') });
    expect(evolvePeriod('day', tuesday, at('2026-01-06T21:59:59.999Z'), () => mark('999'))).toBe(tuesday);
    expect(evolvePeriod('day', tuesday, at('2026-01-06T22:00:00Z'), () => mark('90'))).toMatchObject({ start: at('2026-01-06T22:00:00Z'), atStart: mark('90') });
  });

  test('is 23 or 25 hours long when the clocks change', () => {
    const spring = evolvePeriod('day', noPeriod, at('2025-03-08T23:00:00Z'), () => mark('0'));
    expect([spring.start, spring.nextStart]).toEqual([at('2025-03-08T22:00:00Z'), at('2025-03-09T21:00:00Z')]);
    const autumn = evolvePeriod('day', noPeriod, at('2025-11-01T22:00:00Z'), () => mark('0'));
    expect([autumn.start, autumn.nextStart]).toEqual([at('2025-11-01T21:00:00Z'), at('2025-11-02T22:00:00Z')]);
  });

  test('does not begin again with an event of an earlier day', () => {
    expect(evolvePeriod('day', tuesday, at('2026-01-05T12:00:00Z'), () => mark('999'))).toBe(tuesday);
  });

  test('has lost what the profit has fallen by, in money and in pips', () => {
    expect(lossIn(tuesday, mark('88', '13'))).toEqual(mark('12', '-3'));
  });

  test('is not charged with what happened before it and is learnt late', () => {
    const shifted = shiftStart(tuesday, mark('100', '10'), mark('95', '4'));
    expect(lossIn(shifted, mark('95', '4'))).toEqual(mark('0'));
  });
});

describe('the trading week', () => {
  const week = evolvePeriod('week', noPeriod, at('2026-01-06T15:00:00Z'), () => mark('100', '10'));

  test('begins on Sunday at 17:00 New York and lasts to the next one', () => {
    expect([week.start, week.nextStart]).toEqual([at('2026-01-04T22:00:00Z'), at('2026-01-11T22:00:00Z')]);
    expect(evolvePeriod('week', week, at('2026-01-11T21:59:59.999Z'), () => mark('999'))).toBe(week);
    expect(evolvePeriod('week', week, at('2026-01-11T22:00:00Z'), () => mark('90'))).toMatchObject({ start: at('2026-01-11T22:00:00Z'), atStart: mark('90') });
    expect(evolvePeriod('week', noPeriod, at('2026-01-04T21:59:59Z'), () => mark('0')).start, 'a Sunday before 17:00').toBe(at('2025-12-28T22:00:00Z'));
  });

  test('is an hour shorter or longer when the clocks change', () => {
    const spring = evolvePeriod('week', noPeriod, at('2025-03-07T12:00:00Z'), () => mark('0'));
    expect([spring.start, spring.nextStart]).toEqual([at('2025-03-02T22:00:00Z'), at('2025-03-09T21:00:00Z')]);
    const autumn = evolvePeriod('week', noPeriod, at('2025-10-31T12:00:00Z'), () => mark('0'));
    expect([autumn.start, autumn.nextStart]).toEqual([at('2025-10-26T21:00:00Z'), at('2025-11-02T22:00:00Z')]);
  });
});
