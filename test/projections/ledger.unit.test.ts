import { describe, expect, test } from 'vitest';
import type { Step } from './given.ts';
import { given, transaction } from './given.ts';

// An account of 1,000 USD that buys 3 at 1.10000 on Monday, sells 1 at 1.10100 (+0.0010), is charged financing
// of -0.0002 at 22:00 UTC (17:00 New York), and on Tuesday sells 5 at 1.09900: the 2 left lose 0.0020 and a
// short trade of 3 is opened. Sums by hand: 1000 + 0.0010 - 0.0002 - 0.0020 = 999.9988.
const STORY = [
  transaction(1, { type: 'CREATE', time: '2026-01-04T10:00:00.000000000Z', homeCurrency: 'USD' }),
  transaction(2, { type: 'TRANSFER_FUNDS', time: '2026-01-04T10:00:01.000000000Z', amount: '1000.0000', accountBalance: '1000.0000' }),
  transaction(3, { type: 'MARKET_ORDER', time: '2026-01-05T12:00:00.000000000Z', instrument: 'EUR_USD', units: '3' }),
  transaction(4, {
    type: 'ORDER_FILL', time: '2026-01-05T12:00:00.000000000Z', orderID: '3', clientOrderID: 'client-a', instrument: 'EUR_USD', units: '3', price: '1.10000', reason: 'MARKET_ORDER',
    pl: '0.0000', financing: '0.0000', commission: '0.0000', accountBalance: '1000.0000', tradeOpened: { tradeID: '4', units: '3', price: '1.10000' },
  }),
  transaction(6, {
    type: 'ORDER_FILL', time: '2026-01-05T13:00:00.000000000Z', orderID: '5', instrument: 'EUR_USD', units: '-1', price: '1.10100', reason: 'MARKET_ORDER_TRADE_CLOSE',
    pl: '0.0010', financing: '0.0000', accountBalance: '1000.0010', tradeReduced: { tradeID: '4', units: '-1', price: '1.10100', realizedPL: '0.0010', financing: '0.0000' },
  }),
  transaction(7, {
    type: 'DAILY_FINANCING', time: '2026-01-05T22:00:00.000000000Z', financing: '-0.0002', accountBalance: '1000.0008',
    positionFinancings: [{ instrument: 'EUR_USD', financing: '-0.0002', openTradeFinancings: [{ tradeID: '4', financing: '-0.0002' }] }],
  }),
  transaction(9, {
    type: 'ORDER_FILL', time: '2026-01-06T09:30:00.000000000Z', orderID: '8', clientOrderID: 'client-b', instrument: 'EUR_USD', units: '-5', price: '1.09900', reason: 'MARKET_ORDER',
    pl: '-0.0020', financing: '0.0000', accountBalance: '999.9988', fieldOfTomorrow: { nested: [1] },
    tradesClosed: [{ tradeID: '4', units: '-2', price: '1.09900', realizedPL: '-0.0020', financing: '0.0000' }], tradeOpened: { tradeID: '9', units: '-3', price: '1.09900' },
  }),
];

describe('read models of the ledger, from transaction bodies alone', () => {
  const rows = given(...STORY);

  test('the account shows the last printed balance and the sums that explain it', () => {
    expect(rows('account')).toEqual([{
      id: 'account', currency: 'USD', balance: '999.9988', realised_pl: '-0.001', financing: '-0.0002', commission: '0', transfers: '1000', transactions: 7,
      last_transaction_id: '9', last_transaction_at: '2026-01-06T09:30:00.000000000Z',
    }]);
  });

  test('the position is what fills opened, reduced and closed: 3 - 1 - 2 - 3', () => {
    expect(rows('positions')).toEqual([{
      instrument: 'EUR_USD', net_units: '-3', realised_pl: '-0.001', fills: 3, last_price: '1.09900', last_fill_at: '2026-01-06T09:30:00.000000000Z', last_transaction_id: '9',
    }]);
  });

  test('the exposure of each currency is what open trades bought and owe, at the prices of their opening', () => {
    expect(rows('exposures')).toEqual([
      { currency: 'EUR', net_amount: '-3', open_trades: '{"9":["-3","1.099"]}', last_transaction_id: '9' },
      { currency: 'USD', net_amount: '3.297', open_trades: '{"9":["-3","1.099"]}', last_transaction_id: '9' },
    ]);
    expect(given(...STORY.slice(0, 5))('exposures').map(({ currency, net_amount: net }) => `${String(currency)} ${String(net)}`)).toEqual(['EUR 2', 'USD -2.2']);
  });

  test('exposures add up over pairs, and are zero once everything is closed', () => {
    const fill = (id: number, instrument: string, part: object) => transaction(id, { type: 'ORDER_FILL', time: '2026-01-06T12:00:00.000000000Z', orderID: '1', instrument, ...part });
    const opened = [
      fill(10, 'EUR_USD', { tradeOpened: { tradeID: '10', units: '1000', price: '1.10000' } }),
      fill(11, 'EUR_JPY', { tradeOpened: { tradeID: '11', units: '500', price: '160.000' } }),
      fill(12, 'USD_JPY', { tradeOpened: { tradeID: '12', units: '-2000', price: '150.000' } }),
    ];
    const nets = (...steps: readonly Step[]) => Object.fromEntries(given(...steps)('exposures').map(({ currency, net_amount: net }) => [String(currency), String(net)]));
    expect(nets(...opened)).toEqual({ EUR: '1500', JPY: '220000', USD: '-3100' });
    const part = (tradeID: string, units: string, price: string) => ({ tradesClosed: [{ tradeID, units, price }] });
    const closed = [fill(13, 'EUR_USD', part('10', '-1000', '1.05')), fill(14, 'EUR_JPY', part('11', '-500', '170')), fill(15, 'USD_JPY', part('12', '2000', '140'))];
    expect(nets(...opened, ...closed)).toEqual({ EUR: '0', JPY: '0', USD: '0' });
    expect(nets(...opened, fill(16, 'EUR_USD', part('4', '-1', '1.2')))).toEqual({ EUR: '1500', JPY: '220000', USD: '-3100' });
  });

  test('a trade carries its own profit and financing from opening through reduction to close', () => {
    expect(rows('trades')).toEqual([
      {
        trade_id: '4', state: 'CLOSED', instrument: 'EUR_USD', initial_units: '3', current_units: '0', open_price: '1.10000', open_time: '2026-01-05T12:00:00.000000000Z', client_order_id: 'client-a',
        realised_pl: '-0.001', financing: '-0.0002', close_price: '1.09900', close_time: '2026-01-06T09:30:00.000000000Z', close_reason: 'MARKET_ORDER', close_transaction_id: '9',
      },
      {
        trade_id: '9', state: 'OPEN', instrument: 'EUR_USD', initial_units: '-3', current_units: '-3', open_price: '1.09900', open_time: '2026-01-06T09:30:00.000000000Z', client_order_id: 'client-b',
        realised_pl: '0', financing: '0', close_price: null, close_time: null, close_reason: null, close_transaction_id: null,
      },
    ]);
  });

  test('a trade that was only reduced is open and tells nothing of a close', () => {
    expect(given(...STORY.slice(0, 5))('trades')).toEqual([{
      trade_id: '4', state: 'OPEN', instrument: 'EUR_USD', initial_units: '3', current_units: '2', open_price: '1.10000', open_time: '2026-01-05T12:00:00.000000000Z', client_order_id: 'client-a',
      realised_pl: '0.001', financing: '0', close_price: null, close_time: null, close_reason: null, close_transaction_id: null,
    }]);
  });

  test('the trading day turns at 17:00 New York, so financing at 22:00 UTC in winter is booked on the next one', () => {
    expect(rows('daily_pnl').map((row) => [row['day'], row['realised_pl'], row['financing'], row['net_pnl'], row['transfers'], row['fills'], row['closing_balance']])).toEqual([
      ['2026-01-04', '0', '0', '0', '1000', 0, '1000'],
      ['2026-01-05', '0.001', '0', '0.001', '0', 2, '1000.001'],
      ['2026-01-06', '-0.002', '-0.0002', '-0.0022', '0', 1, '999.9988'],
    ]);
    expect(rows('daily_pnl')[1]!['starts_at']).toBe('2026-01-04T22:00:00.000000000Z');
  });

  test('commission and guaranteed execution fees are costs, and a dividend adjustment is no profit', () => {
    const costs = given(
      transaction(1, { type: 'TRANSFER_FUNDS', time: '2026-07-01T20:59:59.000000000Z', amount: '10', accountBalance: '10' }),
      transaction(2, { type: 'ORDER_FILL', time: '2026-07-01T21:00:00.000000000Z', instrument: 'EUR_USD', pl: '1', commission: '0.25', guaranteedExecutionFee: '0.1', accountBalance: '10.65' }),
      transaction(3, { type: 'DIVIDEND_ADJUSTMENT', time: '2026-07-01T21:00:01.000000000Z', dividendAdjustment: '-0.05', accountBalance: '10.6' }),
    );
    expect(costs('account')[0]).toMatchObject({ realised_pl: '1', commission: '0.35', transfers: '9.95', balance: '10.6' });
    expect(costs('daily_pnl').map((row) => [row['day'], row['net_pnl'], row['transfers']])).toEqual([['2026-07-01', '0', '10'], ['2026-07-02', '0.65', '-0.05']]);
  });

  test('a trade that was opened before the log began closes with what is known of it', () => {
    const adopted = given(transaction(50, {
      type: 'ORDER_FILL', time: '2026-01-05T12:00:00.000000000Z', instrument: 'EUR_USD', units: '-1', pl: '0.5', accountBalance: '5', reason: 'STOP_LOSS_ORDER',
      tradesClosed: [{ tradeID: '40', units: '-1', price: '1.2', realizedPL: '0.5', financing: '0' }],
    }));
    expect(adopted('trades')).toEqual([expect.objectContaining({ trade_id: '40', state: 'CLOSED', open_price: null, initial_units: null, current_units: '0', realised_pl: '0.5' })]);
  });

  test('a malformed amount stops the fold and names transaction and field', () => {
    expect(() => given(transaction(2, { type: 'TRANSFER_FUNDS', time: '2026-01-04T10:00:01.000000000Z', amount: '1e3', accountBalance: '1000' }))).toThrow(/transaction 2 amount/);
  });
});
