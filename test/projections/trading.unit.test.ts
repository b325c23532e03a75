import { describe, expect, test } from 'vitest';
import type { DataOf } from '../../domain/events.ts';
import { GENESIS_HASH } from '../../domain/log.ts';
import { given, step, timeAt } from './given.ts';
import type { Step } from './given.ts';

const ORDER = '3d813cbb-47fb-52ba-91df-831e1593ac29';
const DECISION = '7d444840-9dc0-51d1-b245-5ffdce74fad2';
const OHLC = { open: '1.1', high: '1.1', low: '1.1', close: '1.1' };

const intended: DataOf<'OrderIntended'> = {
  clientOrderId: ORDER, decisionId: DECISION, cause: 'policy', leg: 'open', instrument: 'EUR_USD', units: '10', tradeId: null, reverseTo: null, referencePrice: '1.1', priceBound: '1.1005',
  stopLossDistance: '0.002', watermark: '6', quote: null, guards: [], method: 'POST', path: '/v3/accounts/x/orders', requestBody: '{}', requestHash: GENESIS_HASH,
};
const filled: DataOf<'OrderFilled'> = {
  clientOrderId: ORDER, transactionId: '8', units: '10', price: '1.10010', tradeId: '8', pl: '0', financing: '0', slippagePips: '1', slippageShare: '0.2', late: false,
};
const guard = (name: string, passed: boolean, value: string) => ({ guard: name, passed, value, limit: '1', distance: null });
const denied = (name: string, value: string, clientOrderId: string | null = null): Step =>
  step('OrderDenied', { decisionId: DECISION, clientOrderId, cause: 'policy', leg: 'open', instrument: 'EUR_USD', units: '10', guard: name, guards: [guard('mode', true, 'ARMED'), guard(name, false, value)] });

const orderAfter = (...steps: readonly Step[]) => given(...steps)('orders');
const start = step('OrderIntended', intended);
const unknown = step('OrderOutcomeUnknown', { clientOrderId: ORDER, cause: 'timeout', detail: '' });
const submitted = step('OrderSubmitted', { clientOrderId: ORDER, status: 201, requestId: null });
const abandoned = step('OrderAbandoned', { clientOrderId: ORDER, watermark: '6', lastTransactionId: '6', quietMs: 120_000 });
const cancelled = step('OrderCancelled', { clientOrderId: ORDER, reason: 'MARKET_HALTED', transactionId: '8' });

describe('the read model of orders', () => {
  test('an order is followed from its intent to its fill', () => {
    expect(orderAfter(start, submitted, step('OrderFilled', filled))).toEqual([{
      client_order_id: ORDER, status: 'filled', instrument: 'EUR_USD', cause: 'policy', leg: 'open', units: '10', filled_units: '10', reference_price: '1.1', price_bound: '1.1005',
      fill_price: '1.10010', reason: null, decision_id: DECISION, order_id: null, trade_id: '8', slippage_pips: '1', slippage_share: '0.2', pl: '0', financing: '0', late: 0,
      intended_at: timeAt(0), answered_at: timeAt(1), settled_at: timeAt(2),
    }]);
  });

  test.each([
    ['intended', [start], null],
    ['submitted', [start, submitted], null],
    ['unknown', [start, unknown], 'timeout'],
    ['unknown', [start, submitted, unknown], 'timeout'],
    ['accepted', [start, step('OrderAccepted', { clientOrderId: ORDER, orderId: '7', transactionId: '7' })], null],
    ['rejected', [start, submitted, step('OrderRejected', { clientOrderId: ORDER, reason: 'UNITS_INVALID', transactionId: null })], 'UNITS_INVALID'],
    ['cancelled', [start, unknown, cancelled], 'MARKET_HALTED'],
    ['abandoned', [start, unknown, abandoned], 'silent for 120000 ms'],
    ['denied', [start, denied('stateMoved', '7', ORDER)], 'stateMoved'],
  ] as const)('ends up %s', (status, steps, reason) => {
    expect(orderAfter(...steps)).toEqual([expect.objectContaining({ status, reason })]);
  });

  test('a fill that arrives after the order was abandoned wins, and nothing that arrives later undoes a fill', () => {
    expect(orderAfter(start, unknown, abandoned, step('OrderFilled', { ...filled, late: true }))).toEqual([expect.objectContaining({ status: 'filled', late: 1 })]);
    expect(orderAfter(start, step('OrderFilled', filled), submitted, cancelled)).toEqual([expect.objectContaining({ status: 'filled', filled_units: '10' })]);
  });

  test('a fill in two parts adds up', () => {
    const rows = orderAfter(start, step('OrderFilled', { ...filled, units: '4', pl: '0.1' }), step('OrderFilled', { ...filled, units: '6', price: '1.1002', pl: '0.2' }));
    expect(rows).toEqual([expect.objectContaining({ filled_units: '10', fill_price: '1.1002', pl: '0.3' })]);
  });

  test('a fill whose intent is not in the log still has a row, and a denial without an order has none', () => {
    expect(orderAfter(step('OrderFilled', filled))).toEqual([expect.objectContaining({ status: 'filled', instrument: null, filled_units: '10' })]);
    expect(orderAfter(denied('spread', '3', ORDER))).toEqual([]);
  });
});

describe('read models of decisions, denials and bars', () => {
  const decision = (mode: 'ARMED' | 'OBSERVING', action: 'BUY' | 'HOLD', minute: number): Step =>
    step('DecisionMade', {
      decisionId: `7d444840-9dc0-51d1-b245-5ffdce74fad${minute}`, instrument: 'EUR_USD', barStart: `2026-01-05T12:0${minute}:00Z`, mode, policy: 'sma-cross', featureSetId: 'f', modelLabel: 'baseline', modelHash: GENESIS_HASH,
      inputHash: GENESIS_HASH, mask: [true, true, true, false], action, rule: 'baseline', lastTransactionId: '6',
      position: { side: 0, netPips: '0', barsSinceEntry: 0, peakPips: '0', drawdownPipsMax: '0', shadow: false }, search: null, draw: null,
    });

  test('decisions are counted by instrument, action, mode and rule, with the last one named', () => {
    const rows = given(decision('ARMED', 'HOLD', 1), decision('ARMED', 'HOLD', 2), decision('ARMED', 'BUY', 3), decision('OBSERVING', 'HOLD', 4))('decisions');
    expect(rows.map((row) => [row['action'], row['mode'], row['decisions'], row['last_bar_start']])).toEqual([
      ['BUY', 'ARMED', 1, '2026-01-05T12:03:00Z'],
      ['HOLD', 'ARMED', 2, '2026-01-05T12:02:00Z'],
      ['HOLD', 'OBSERVING', 1, '2026-01-05T12:04:00Z'],
    ]);
    expect(rows[1]!['last_decision_id']).toBe('7d444840-9dc0-51d1-b245-5ffdce74fad2');
  });

  test('skipped decisions are counted by reason', () => {
    const skip = (reason: 'late' | 'halted', detail: string): Step => step('DecisionSkipped', { instrument: 'EUR_USD', barStart: '2026-01-05T12:00:00Z', reason, detail });
    expect(given(skip('late', 'a'), skip('late', 'b'), skip('halted', 'c'))('decision_skips').map((row) => [row['reason'], row['skips'], row['last_detail']])).toEqual([['halted', 1, 'c'], ['late', 2, 'b']]);
  });

  test('denials are counted by guard, with what the guard saw last', () => {
    expect(given(denied('spread', '2.1'), denied('orders', '11'), denied('spread', '3.5'))('denials')).toEqual([
      expect.objectContaining({ guard: 'orders', denials: 1, last_value: '11' }),
      { guard: 'spread', denials: 2, last_value: '3.5', last_limit: '1', last_instrument: 'EUR_USD', last_leg: 'open', last_cause: 'policy', last_units: '10', last_at: timeAt(2) },
    ]);
  });

  test('bars of holidays are optional, bars outside the hours are counted apart, and revisions beside them', () => {
    const data = (start: string) => ({ instrument: 'NZD_USD', granularity: 'M1' as const, start, bid: OHLC, ask: OHLC, volume: 1 });
    const weekend: DataOf<'MarketGapDetected'> = { instrument: 'NZD_USD', from: '2025-12-25T22:00:00Z', until: '2025-12-25T22:05:00Z', openMinutes: 0, cause: 'weekend' };
    const [row] = given(
      step('MarketBarClosed', data('2025-12-25T21:58:00Z')),
      step('MarketGapDetected', weekend),
      step('MarketBarClosed', data('2025-12-25T22:05:00Z')),
      step('MarketBarRevised', { instrument: 'NZD_USD', start: '2025-12-25T22:05:00Z', recorded: data('2025-12-25T22:05:00Z'), revised: { ...data('2025-12-25T22:05:00Z'), volume: 2 } }),
      step('MarketBarRevised', { instrument: 'NZD_USD', start: '2025-12-25T22:03:00Z', recorded: null, revised: data('2025-12-25T22:03:00Z') }),
    )('bars_daily');
    // Of the day only 22:05 to midnight is expected.
    expect(row).toMatchObject({ bars_closed: 2, bars_revised: 2, minutes_expected: 115, bars_expected: 1, bars_optional: 1, bars_outside: 1, gaps: 0 });
  });

  test('bars are counted by instrument and UTC day, gaps on the day on which they begin', () => {
    const bar = (type: 'MarketBarClosed' | 'MarketBarBackfilled', from: string): Step => step(type, { instrument: 'EUR_USD', granularity: 'M1', start: from, bid: OHLC, ask: OHLC, volume: 1 });
    const rows = given(
      bar('MarketBarClosed', '2026-01-05T23:58:00Z'),
      step('MarketGapDetected', { instrument: 'EUR_USD', from: '2026-01-05T23:59:00Z', until: '2026-01-06T00:02:00Z', openMinutes: 3, cause: 'feed' }),
      bar('MarketBarBackfilled', '2026-01-06T00:00:00Z'),
      bar('MarketBarClosed', '2026-01-06T00:02:00Z'),
    )('bars_daily');
    const ofDay = (day: string) => ({ id: `EUR_USD ${day}`, instrument: 'EUR_USD', day, bars_revised: 0, minutes_expected: 1_434, bars_optional: 0, bars_outside: 0 });
    expect(rows).toEqual([
      { ...ofDay('2026-01-05'), bars_closed: 1, bars_backfilled: 0, bars_expected: 1, gaps: 1, missing_minutes: 3, longest_gap_minutes: 3 },
      { ...ofDay('2026-01-06'), bars_closed: 1, bars_backfilled: 1, bars_expected: 2, gaps: 0, missing_minutes: 0, longest_gap_minutes: 0 },
    ]);
  });
});
