import { describe, expect, test } from 'vitest';
import { Account, accepted, bodyAt, typesOf } from './account.ts';
import type { Body } from '../../../adapters/broker/engine/bodies.ts';
import { tradeBody } from '../../../adapters/broker/engine/holdings-views.ts';
import { accountSummaryBody, priceBody } from '../../../adapters/broker/engine/views.ts';
import { parseInstant } from '../../../domain/time.ts';

function opened(settings: ConstructorParameters<typeof Account>[0] = {}): Account {
  const account = new Account(settings);
  account.price(110_000, 110_010);
  account.fill({ units: '10', stopLossOnFill: { distance: '0.00500' }, tradeClientExtensions: { id: 'slot' } }, 110_000, 110_010);
  return account;
}

const market = (account: Account): NonNullable<ReturnType<Account['engine']['book']['markets']['get']>> => account.engine.book.markets.get('EUR_USD') ?? expect.fail();
const trade = (account: Account, id: number): Body => tradeBody(account.engine, account.engine.book.trades.get(id) ?? expect.fail(), 'full');

describe('another actor on the account', () => {
  test('trades without a request id or client ids, under the owner’s user', () => {
    const account = opened();
    accepted(account.engine.venueActions.foreignOrder({ type: 'MARKET', instrument: 'EUR_USD', units: '3' }, account.at));
    const fill = bodyAt(account.price(110_000, 110_010), 0);
    expect(fill).toMatchObject({ type: 'ORDER_FILL', userID: 1234567, units: '3', tradeOpened: { units: '3' } });
    expect([fill['requestID'], fill['clientOrderID']]).toEqual([undefined, undefined]);
  });

  test('closes our trade, and changes, removes or cancels its stop', () => {
    const account = opened();
    const { venueActions } = account.engine;
    expect(venueActions.foreignTradeOrders('5', { stopLoss: { price: '1.09000' } }, account.at)).toMatchObject({ kind: 'changed', changes: [{ role: 'cancel' }, { role: 'create', transaction: { body: { price: '1.09000' } } }] });
    expect(venueActions.foreignTradeOrders('5', { stopLoss: null }, account.at)).toMatchObject({ kind: 'changed', changes: [{ role: 'cancel' }] });
    accepted(account.engine.setTradeOrders('5', { stopLoss: { distance: '0.00400' } }, account.receipt()).kind === 'changed' ? venueActions.foreignCancel('10', account.at) : expect.fail());
    expect(trade(account, 5)['stopLossOrder']).toBeUndefined();
    accepted(venueActions.foreignTradeClose('@slot', 'ALL', account.at));
    expect(bodyAt(account.price(110_000, 110_010), 0)).toMatchObject({ reason: 'MARKET_ORDER_TRADE_CLOSE', tradesClosed: [{ tradeID: '5' }] });
  });
});

describe('the venue', () => {
  test('closes every position out at the standing prices', () => {
    const account = opened();
    const caused = account.engine.venueActions.forceMarginCloseout(account.at);
    expect(typesOf(caused)).toEqual(['MARKET_ORDER', 'ORDER_FILL', 'ORDER_CANCEL']);
    expect(bodyAt(caused, 0)).toMatchObject({ reason: 'MARGIN_CLOSEOUT', marginCloseout: { reason: 'MARGIN_CHECK_VIOLATION' }, units: '-10', userID: 0 });
    expect(bodyAt(caused, 1)).toMatchObject({ reason: 'MARKET_ORDER_MARGIN_CLOSEOUT', price: '1.10000', pl: '-0.0010' });
  });

  test('halts an instrument: market orders are cancelled, resting ones wait, and prices say so', () => {
    const account = opened();
    account.engine.venueActions.setInstrumentStatus('EUR_USD', 'HALTED');
    expect(priceBody(account.engine, market(account), account.at)).toMatchObject({ tradeable: false });
    expect(bodyAt(accepted(account.order({ units: '1' })).transactions, 1)).toMatchObject({ reason: 'MARKET_HALTED' });
    expect(account.price(109_000, 109_010)).toEqual([]);
    account.engine.venueActions.setInstrumentStatus('EUR_USD', 'TRADEABLE');
    expect(bodyAt(account.price(109_000, 109_010), 0)).toMatchObject({ reason: 'STOP_LOSS_ORDER', price: '1.09000' });
  });

  test.each([
    ['ASK_HALTED', '1', 'INSTRUMENT_ASK_HALTED'],
    ['BID_HALTED', '-1', 'INSTRUMENT_BID_HALTED'],
  ] as const)('halts one side with %s', (status, units, reason) => {
    const account = opened();
    account.engine.venueActions.setInstrumentStatus('EUR_USD', status);
    expect(bodyAt(accepted(account.order({ units })).transactions, 1)).toMatchObject({ reason });
    accepted(account.order({ units: units === '1' ? '-1' : '1' }));
    expect(bodyAt(account.price(110_000, 110_010), 0)).toMatchObject({ type: 'ORDER_FILL' });
  });

  test('makes an instrument reduce-only: closing goes on, opening is cancelled', () => {
    const account = opened();
    account.engine.venueActions.setInstrumentStatus('EUR_USD', 'REDUCE_ONLY');
    expect(bodyAt(account.fill({ units: '1' }, 110_000, 110_010), 0)).toMatchObject({ reason: 'INSTRUMENT_ASK_REDUCE_ONLY' });
    expect(bodyAt(account.fill({ units: '-11' }, 110_000, 110_010), 0)).toMatchObject({ reason: 'INSTRUMENT_BID_REDUCE_ONLY' });
    expect(bodyAt(account.fill({ units: '-10' }, 110_000, 110_010), 0)).toMatchObject({ type: 'ORDER_FILL', tradesClosed: [{ tradeID: '5' }] });
  });

  test('closes a trade later that it could not close while the market was halted', () => {
    const account = opened();
    const { venueActions } = account.engine;
    venueActions.setInstrumentStatus('EUR_USD', 'HALTED');
    expect(bodyAt(venueActions.delayTradeClosure([5], account.at), 0)).toMatchObject({ type: 'DELAYED_TRADE_CLOSURE', tradeIDs: '5' });
    expect(trade(account, 5)).toMatchObject({ state: 'CLOSE_WHEN_TRADEABLE' });
    expect(account.price(110_000, 110_010)).toEqual([]);
    venueActions.setInstrumentStatus('EUR_USD', 'TRADEABLE');
    const caused = account.price(110_020, 110_030);
    expect(caused.map(({ body }) => [body['type'], body['reason']])).toEqual([
      ['MARKET_ORDER', 'DELAYED_TRADE_CLOSE'],
      ['ORDER_FILL', 'MARKET_ORDER_DELAYED_TRADE_CLOSE'],
      ['ORDER_CANCEL', 'LINKED_TRADE_CLOSED'],
    ]);
    expect(bodyAt(caused, 0)).toMatchObject({ delayedTradeClose: { tradeID: '5', clientTradeID: 'slot', sourceTransactionID: '7' } });
    expect(() => venueActions.delayTradeClosure([5], account.at)).toThrow('trade 5 is not open');
  });

  test('a closeout at a weekend waits for the market', () => {
    const account = opened();
    account.setTime(parseInstant('2026-01-10T12:00:00Z'));
    account.wait(0);
    expect(typesOf(account.engine.venueActions.forceMarginCloseout(account.at))).toEqual(['DELAYED_TRADE_CLOSURE']);
    account.setTime(parseInstant('2026-01-11T22:30:00Z'));
    expect(account.price(110_000, 110_010).map(({ body }) => body['reason'])).toEqual(['DELAYED_TRADE_CLOSE', 'MARKET_ORDER_DELAYED_TRADE_CLOSE', 'LINKED_TRADE_CLOSED']);
  });

  test('locks the account in its several ways, and unlocks it', () => {
    const account = opened();
    const { venueActions } = account.engine;
    venueActions.lockAccount('ACCOUNT_LOCKED');
    expect(account.order({ units: '1' })).toMatchObject({ kind: 'rejected', reason: 'ACCOUNT_LOCKED' });
    expect(account.close('5')).toMatchObject({ kind: 'rejected', reason: 'ACCOUNT_LOCKED' });
    expect(account.engine.cancel('6', account.receipt())).toMatchObject({ kind: 'rejected', reason: 'ACCOUNT_LOCKED' });
    venueActions.lockAccount('ACCOUNT_ORDER_CREATION_LOCKED');
    expect(account.close('5')).toMatchObject({ kind: 'rejected', reason: 'ACCOUNT_ORDER_CREATION_LOCKED' });
    expect(account.order({ units: '1' })).toMatchObject({ kind: 'rejected', reason: 'ACCOUNT_ORDER_CREATION_LOCKED', transaction: { type: 'MARKET_ORDER_REJECT' } });
    venueActions.lockAccount('ACCOUNT_NEW_POSITIONS_LOCKED');
    expect(bodyAt(account.fill({ units: '1' }, 110_000, 110_010), 0)).toMatchObject({ reason: 'ACCOUNT_NEW_POSITIONS_LOCKED' });
    expect(bodyAt(account.fill({ units: '-4' }, 110_000, 110_010), 0)).toMatchObject({ type: 'ORDER_FILL', tradeReduced: { units: '-4' } });
    venueActions.lockAccount('ACCOUNT_ORDER_FILL_LOCKED');
    expect(bodyAt(account.fill({ units: '1' }, 110_000, 110_010), 0)).toMatchObject({ reason: 'ACCOUNT_ORDER_FILL_LOCKED' });
    venueActions.lockAccount(null);
    expect(bodyAt(account.fill({ units: '1' }, 110_000, 110_010), 0)).toMatchObject({ type: 'ORDER_FILL' });
  });

  test('moves money in and out, and refuses to pay out more than there is', () => {
    const account = opened();
    const { venueActions } = account.engine;
    expect(bodyAt(venueActions.transferFunds('250.5', account.at, 'top up'), 0)).toMatchObject({ type: 'TRANSFER_FUNDS', amount: '250.5000', comment: 'top up', accountBalance: '100250.5000' });
    expect(bodyAt(venueActions.transferFunds('-100251', account.at), 0)).toMatchObject({ type: 'TRANSFER_FUNDS_REJECT', rejectReason: 'INSUFFICIENT_FUNDS' });
    expect(accountSummaryBody(account.engine)).toMatchObject({ balance: '100250.5000' });
    expect(() => venueActions.transferFunds('much', account.at)).toThrow('amount: "much"');
  });

  test('adjusts for a dividend on every open trade', () => {
    const account = opened();
    const caused = account.engine.venueActions.adjustDividend('EUR_USD', '-0.25', account.at);
    expect(bodyAt(caused, 0)).toMatchObject({
      type: 'DIVIDEND_ADJUSTMENT',
      dividendAdjustment: '-2.5000',
      accountBalance: '99997.5000',
      openTradeDividendAdjustments: [{ tradeID: '5', dividendAdjustment: '-2.5000', quoteDividendAdjustment: '-2.5' }],
    });
    expect(trade(account, 5)).toMatchObject({ dividendAdjustment: '-2.5000' });
  });
});

describe('executions gone wrong', () => {
  test('an accepted market order fills late', () => {
    const account = opened();
    account.engine.venueActions.delayMarketOrders(1, 180_000);
    const first = accepted(account.order({ units: '1' }));
    accepted(account.order({ units: '2' }));
    expect(account.price(110_000, 110_010).map(({ body }) => body['units'])).toEqual(['2']);
    account.wait(177);
    expect(account.price(110_000, 110_010)).toEqual([]);
    account.wait(1);
    expect(bodyAt(account.price(110_040, 110_050), 0)).toMatchObject({ orderID: String(first.orderId), units: '1', price: '1.10050' });
  });

  test('a thin market fills in part what takes parts, and nothing of what takes all or nothing', () => {
    const account = opened();
    account.engine.venueActions.limitLiquidity('EUR_USD', 4, 2);
    expect(bodyAt(account.fill({ units: '7', timeInForce: 'IOC' }, 110_000, 110_010), 0)).toMatchObject({ units: '4', requestedUnits: '7', fullPrice: { asks: [{ liquidity: '4' }] } });
    expect(bodyAt(account.fill({ units: '7' }, 110_000, 110_010), 0)).toMatchObject({ reason: 'INSUFFICIENT_LIQUIDITY' });
    expect(bodyAt(account.fill({ units: '7' }, 110_000, 110_010), 0)).toMatchObject({ units: '7' });
  });

  test.each([
    ['more', '25'],
    ['less', '3'],
  ])('a fill of %s units than were ordered', (_how, units) => {
    const account = opened();
    account.engine.venueActions.forceNextFill('EUR_USD', units);
    expect(bodyAt(account.fill({ units: '-10', positionFill: 'REDUCE_FIRST' }, 110_000, 110_010), 0)).toMatchObject({ units: `-${units}`, requestedUnits: '-10' });
    expect(bodyAt(account.fill({ units: '1' }, 110_000, 110_010), 0)).toMatchObject({ units: '1' });
  });

  test('ids that nothing has leave a gap in every read', () => {
    const account = opened();
    const before = account.engine.lastTransactionId;
    account.engine.venueActions.burnTransactionIds(2);
    const { orderId } = accepted(account.order({ units: '1' }));
    expect(orderId).toBe(before + 3);
    expect(account.engine.transaction(before + 1)).toBeUndefined();
    expect(account.engine.transactions(before, orderId).map(({ id }) => id)).toEqual([before, orderId]);
    expect(bodyAt([account.engine.transaction(orderId) ?? expect.fail()], 0)).toMatchObject({ batchID: String(orderId) });
  });

  test('a transaction of a type that nobody knows', () => {
    const account = opened();
    expect(bodyAt(account.engine.venueActions.writeUnknownTransaction('LOYALTY_BONUS', { amount: '1.0000' }, account.at), 0)).toMatchObject({ id: '7', type: 'LOYALTY_BONUS', amount: '1.0000', userID: 0 });
  });
});
