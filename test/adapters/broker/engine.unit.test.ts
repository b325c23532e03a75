import { describe, expect, test } from 'vitest';
import { Account, START, accepted, bodyAt, dig, typesOf } from './account.ts';
import { netUnits } from '../../../adapters/broker/engine/book.ts';
import { usualSettings } from '../../../adapters/broker/engine/settings.ts';
import { orderBody, positionBodies, tradeBody } from '../../../adapters/broker/engine/holdings-views.ts';
import { accountSummaryBody, priceBody } from '../../../adapters/broker/engine/views.ts';
import { OANDA_CALENDAR } from '../../../domain/calendar.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { parseInstant } from '../../../domain/time.ts';

const STOP = { stopLossOnFill: { distance: '0.00500' } };

describe('a new account', () => {
  test('is created, configured and funded under contiguous ids from 1', () => {
    const { engine } = new Account();
    expect(engine.transactions(1, 9).map(({ id, body }) => [id, body['type'], body['batchID']])).toEqual([
      [1, 'CREATE', '1'],
      [2, 'CLIENT_CONFIGURE', '1'],
      [3, 'TRANSFER_FUNDS', '3'],
    ]);
    expect(engine.transaction(3)?.body).toMatchObject({ amount: '100000.0000', accountBalance: '100000.0000', accountID: '101-001-1234567-001', userID: 1234567 });
  });

  test('refuses a balance or an account id that is none', () => {
    expect(() => new Account({ balance: 'plenty' })).toThrow('balance: "plenty"');
    expect(() => new Account({ accountId: 'mine' })).toThrow('accountId: "mine"');
  });
});

describe('a market order', () => {
  test('rests at its receipt and buys at the ask of the next price point, not at the standing one', () => {
    const account = new Account();
    account.price(110_000, 110_012);
    const { orderId, transactions } = accepted(account.order({ units: '100', clientExtensions: { id: 'c-1', tag: 't' } }));
    expect(typesOf(transactions)).toEqual(['MARKET_ORDER']);
    expect(transactions[0]?.body).toMatchObject({ units: '100', timeInForce: 'FOK', positionFill: 'DEFAULT', reason: 'CLIENT_ORDER', requestID: 'request-1', clientExtensions: { id: 'c-1', tag: 't' } });
    const caused = account.price(110_020, 110_034);
    expect(typesOf(caused)).toEqual(['ORDER_FILL']);
    expect(bodyAt(caused, 0)).toMatchObject({
      orderID: String(orderId),
      clientOrderID: 'c-1',
      units: '100',
      price: '1.10034',
      pl: '0.0000',
      accountBalance: '100000.0000',
      gainQuoteHomeConversionFactor: '1',
      halfSpreadCost: '0.0070',
      reason: 'MARKET_ORDER',
      requestID: 'request-1',
      tradeOpened: { tradeID: '5', units: '100', price: '1.10034', initialMarginRequired: '2.2005' },
      fullPrice: { closeoutBid: '1.10020', bids: [{ price: '1.10020', liquidity: '10000000' }] },
    });
    expect(account.price(110_100, 110_110)).toEqual([]);
  });

  test('sells at the bid', () => {
    const account = new Account();
    account.price(110_000, 110_012);
    expect(bodyAt(account.fill({ units: '-7' }, 109_990, 110_002), 0)).toMatchObject({ units: '-7', price: '1.09990', tradeOpened: { units: '-7' } });
  });

  test('is cancelled beyond its price bound and filled on it', () => {
    const account = new Account();
    account.price(110_000, 110_012);
    expect(bodyAt(account.fill({ units: '5', priceBound: '1.10020' }, 110_010, 110_021), 0)).toMatchObject({ type: 'ORDER_CANCEL', reason: 'BOUNDS_VIOLATION' });
    expect(bodyAt(account.fill({ units: '5', priceBound: '1.10020' }, 110_010, 110_020), 0)).toMatchObject({ type: 'ORDER_FILL' });
    expect(bodyAt(account.fill({ units: '-5', priceBound: '1.10010' }, 110_009, 110_020), 0)).toMatchObject({ reason: 'BOUNDS_VIOLATION' });
  });

  test('is cancelled at once while the market is closed', () => {
    const account = new Account();
    account.price(110_000, 110_012);
    account.setTime(parseInstant('2026-01-10T12:00:00Z'));
    const { transactions, orderId } = accepted(account.order({ units: '5' }));
    expect(typesOf(transactions)).toEqual(['MARKET_ORDER', 'ORDER_CANCEL']);
    expect(bodyAt(transactions, 1)).toMatchObject({ reason: 'MARKET_HALTED', orderID: String(orderId), batchID: String(orderId) });
    expect(account.engine.book.orders.get(orderId)?.status.state).toBe('CANCELLED');
  });

  test('is cancelled as halted when no price comes within its wait', () => {
    const account = new Account();
    account.price(110_000, 110_012);
    accepted(account.order({ units: '5' }));
    expect(account.wait(119)).toEqual([]);
    const caused = account.wait(2);
    expect(bodyAt(caused, 0)).toMatchObject({ type: 'ORDER_CANCEL', reason: 'MARKET_HALTED', time: '2026-01-06T17:02:01.000000000Z' });
    expect(account.price(110_000, 110_012)).toEqual([]);
  });

  test('is cancelled whole when it asks for more than is on offer, unless it takes what it gets', () => {
    const account = new Account({ balance: '100000000' });
    account.price(110_000, 110_012);
    expect(bodyAt(account.fill({ units: '10000001' }, 110_000, 110_012), 0)).toMatchObject({ reason: 'INSUFFICIENT_LIQUIDITY' });
    expect(bodyAt(account.fill({ units: '10000001', timeInForce: 'IOC' }, 110_000, 110_012), 0)).toMatchObject({ units: '10000000', requestedUnits: '10000001' });
  });

  test('is cancelled when the margin does not suffice, counting what it frees', () => {
    const account = new Account({ balance: '100' });
    account.price(110_000, 110_012);
    expect(bodyAt(account.fill({ units: '4600' }, 110_000, 110_012), 0)).toMatchObject({ reason: 'INSUFFICIENT_MARGIN' });
    expect(bodyAt(account.fill({ units: '4500' }, 110_000, 110_012), 0)).toMatchObject({ type: 'ORDER_FILL' });
    expect(bodyAt(account.fill({ units: '-8900' }, 110_000, 110_012), 0)).toMatchObject({ type: 'ORDER_FILL', tradeOpened: { units: '-4400' } });
  });

  test('finds the slot taken while an open trade has its client trade id, and free again afterwards', () => {
    const account = new Account();
    account.price(110_000, 110_012);
    const slot = { tradeClientExtensions: { id: 'slot-1' } };
    account.fill({ units: '5', ...slot }, 110_000, 110_012);
    const refused = account.fill({ units: '5', ...slot }, 110_000, 110_012);
    expect(bodyAt(refused, 0)).toMatchObject({ type: 'ORDER_CANCEL', reason: 'CLIENT_TRADE_ID_ALREADY_EXISTS' });
    accepted(account.close('@slot-1'));
    account.price(110_000, 110_012);
    expect(typesOf(account.fill({ units: '5', ...slot }, 110_000, 110_012))).toEqual(['ORDER_FILL']);
  });

  test('fills a second time under a client order id whose first order is done, and is rejected beside a pending one', () => {
    const account = new Account();
    account.price(110_000, 110_012);
    const twice = { units: '5', clientExtensions: { id: 'same' } };
    accepted(account.order(twice));
    expect(account.order(twice)).toMatchObject({ kind: 'rejected', reason: 'CLIENT_ORDER_ID_ALREADY_EXISTS' });
    account.price(110_000, 110_012);
    expect(typesOf(account.fill(twice, 110_000, 110_012))).toEqual(['ORDER_FILL']);
  });
});

describe('a request that breaks a rule', () => {
  const account = new Account();
  account.price(110_000, 110_012);
  const rejected: readonly (readonly [string, { readonly [key: string]: unknown }])[] = [
    ['UNITS_MISSING', {}],
    ['UNITS_INVALID', { units: '0' }],
    ['UNITS_PRECISION_EXCEEDED', { units: '1.5' }],
    ['UNITS_LIMIT_EXCEEDED', { units: '100000001' }],
    ['TIME_IN_FORCE_INVALID', { units: '1', timeInForce: 'GTC' }],
    ['PRICE_BOUND_INVALID', { units: '1', priceBound: '0' }],
    ['PRICE_BOUND_PRECISION_EXCEEDED', { units: '1', priceBound: '1.100001' }],
    ['CLIENT_ORDER_ID_INVALID', { units: '1', clientExtensions: { id: 'x'.repeat(129) } }],
    ['CLIENT_ORDER_TAG_INVALID', { units: '1', clientExtensions: { tag: 'x'.repeat(129) } }],
    ['CLIENT_TRADE_ID_INVALID', { units: '1', tradeClientExtensions: { id: '' } }],
    ['STOP_LOSS_ON_FILL_PRICE_AND_DISTANCE_BOTH_SPECIFIED', { units: '1', stopLossOnFill: { price: '1', distance: '0.1' } }],
    ['STOP_LOSS_ON_FILL_PRICE_AND_DISTANCE_BOTH_MISSING', { units: '1', stopLossOnFill: {} }],
    ['STOP_LOSS_ON_FILL_DISTANCE_PRECISION_EXCEEDED', { units: '1', stopLossOnFill: { distance: '0.000001' } }],
    ['STOP_LOSS_ON_FILL_TIME_IN_FORCE_INVALID', { units: '1', stopLossOnFill: { price: '1', timeInForce: 'FOK' } }],
    ['STOP_LOSS_ON_FILL_GTD_TIMESTAMP_MISSING', { units: '1', stopLossOnFill: { price: '1', timeInForce: 'GTD' } }],
    ['STOP_LOSS_ON_FILL_GTD_TIMESTAMP_IN_PAST', { units: '1', stopLossOnFill: { price: '1', timeInForce: 'GTD', gtdTime: '2020-01-01T00:00:00Z' } }],
    ['STOP_LOSS_ON_FILL_TRIGGER_CONDITION_INVALID', { units: '1', stopLossOnFill: { price: '1', triggerCondition: 'LAST' } }],
    ['TAKE_PROFIT_ON_FILL_PRICE_MISSING', { units: '1', takeProfitOnFill: {} }],
    ['TRAILING_STOP_LOSS_ON_FILL_PRICE_DISTANCE_MISSING', { units: '1', trailingStopLossOnFill: {} }],
    ['TRAILING_STOP_LOSS_ON_FILL_PRICE_DISTANCE_MINIMUM_NOT_MET', { units: '1', trailingStopLossOnFill: { distance: '0.00049' } }],
    ['TRAILING_STOP_LOSS_ON_FILL_PRICE_DISTANCE_MAXIMUM_EXCEEDED', { units: '1', trailingStopLossOnFill: { distance: '1.00001' } }],
  ];
  test.each(rejected)('is rejected as %s under a transaction id of its own', (reason, fields) => {
    const before = account.engine.lastTransactionId;
    const outcome = account.order(fields);
    expect(outcome).toMatchObject({ kind: 'rejected', reason, transaction: { id: before + 1, type: 'MARKET_ORDER_REJECT', body: { rejectReason: reason, reason: 'CLIENT_ORDER' } } });
    expect(account.engine.lastTransactionId).toBe(before + 1);
  });

  const invalid: readonly (readonly [string, unknown])[] = [
    ['no order', undefined],
    ['another type', { type: 'ICEBERG', instrument: 'EUR_USD', units: '1' }],
    ['an unknown instrument', { type: 'MARKET', instrument: 'EUR_XYZ', units: '1' }],
    ['units as a number', { type: 'MARKET', instrument: 'EUR_USD', units: 1 }],
    ['units with an exponent', { type: 'MARKET', instrument: 'EUR_USD', units: '1e3' }],
    ['a position fill that is none', { type: 'MARKET', instrument: 'EUR_USD', units: '1', positionFill: 'SOME' }],
    ['a stop that is no object', { type: 'MARKET', instrument: 'EUR_USD', units: '1', stopLossOnFill: '1.1' }],
  ];
  test.each(invalid)('is unreadable with %s, and uses no id', (_name, order) => {
    const before = account.engine.lastTransactionId;
    expect(account.engine.placeOrder(order, account.receipt()).kind).toBe('invalid');
    expect(account.engine.lastTransactionId).toBe(before);
  });

  test('is rejected while the instrument has no price', () => {
    expect(new Account().order({ units: '1' })).toMatchObject({ kind: 'rejected', reason: 'INSTRUMENT_PRICE_UNKNOWN' });
  });

  test('is rejected beyond the pending orders that are allowed', () => {
    const small = new Account({ pendingOrdersMax: 1 });
    small.price(110_000, 110_012);
    accepted(small.order({ units: '1' }));
    expect(small.order({ units: '1' })).toMatchObject({ reason: 'PENDING_ORDERS_ALLOWED_EXCEEDED' });
  });
});

describe('position fill on a netting account', () => {
  const withLong = (): Account => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '10' }, 110_000, 110_010);
    account.fill({ units: '20' }, 110_100, 110_110);
    return account;
  };

  test('REDUCE_FIRST closes the oldest trades first and opens the remainder', () => {
    const account = withLong();
    const body = bodyAt(account.fill({ units: '-35', positionFill: 'REDUCE_FIRST' }, 110_200, 110_210), 0);
    expect(dig(body, 'tradesClosed')).toMatchObject([
      { tradeID: '5', units: '-10', price: '1.10200', realizedPL: '0.0190' },
      { tradeID: '7', units: '-20', realizedPL: '0.0180' },
    ]);
    expect(body).toMatchObject({ units: '-35', pl: '0.0370', quotePL: '0.037', accountBalance: '100000.0370', tradeOpened: { units: '-5', price: '1.10200' } });
    expect(body['tradeReduced']).toBeUndefined();
  });

  test('DEFAULT reduces part of a trade after closing older ones', () => {
    const account = withLong();
    const body = bodyAt(account.fill({ units: '-12' }, 110_200, 110_210), 0);
    expect(body).toMatchObject({ tradesClosed: [{ tradeID: '5', units: '-10' }], tradeReduced: { tradeID: '7', units: '-2', realizedPL: '0.0018' }, pl: '0.0208' });
    expect(body['tradeOpened']).toBeUndefined();
    const trade = account.engine.book.trades.get(7);
    expect(trade === undefined ? null : tradeBody(account.engine, trade, 'full')).toMatchObject({ state: 'OPEN', currentUnits: '18', initialUnits: '20', realizedPL: '0.0018', averageClosePrice: '1.102' });
  });

  test('REDUCE_ONLY never opens: the whole order is cancelled when it is larger than the position, or there is none', () => {
    const account = withLong();
    expect(bodyAt(account.fill({ units: '-31', positionFill: 'REDUCE_ONLY' }, 110_200, 110_210), 0)).toMatchObject({ type: 'ORDER_CANCEL' });
    expect(bodyAt(account.fill({ units: '-30', positionFill: 'REDUCE_ONLY' }, 110_200, 110_210), 0)).toMatchObject({ type: 'ORDER_FILL' });
    expect(bodyAt(account.fill({ units: '-1', positionFill: 'REDUCE_ONLY' }, 110_200, 110_210), 0)).toMatchObject({ type: 'ORDER_CANCEL', reason: 'FIFO_VIOLATION' });
  });

  test('OPEN_ONLY extends a position and never reduces one', () => {
    const account = withLong();
    expect(bodyAt(account.fill({ units: '5', positionFill: 'OPEN_ONLY' }, 110_200, 110_210), 0)).toMatchObject({ type: 'ORDER_FILL' });
    expect(bodyAt(account.fill({ units: '-5', positionFill: 'OPEN_ONLY' }, 110_200, 110_210), 0)).toMatchObject({ type: 'ORDER_CANCEL' });
    expect(positionBodies(account.engine, 'open')).toMatchObject([{ long: { units: '35', tradeIDs: ['5', '7', '9'] }, short: { units: '0' } }]);
  });
});

describe('a stop loss on fill', () => {
  test('is created in the batch of the fill, at its distance from the fill price, after the take profit', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    const caused = account.fill({ units: '10', ...STOP, takeProfitOnFill: { price: '1.11000' } }, 110_000, 110_010);
    expect(typesOf(caused)).toEqual(['ORDER_FILL', 'TAKE_PROFIT_ORDER', 'STOP_LOSS_ORDER']);
    expect(new Set(caused.map(({ body }) => body['batchID'])).size).toBe(1);
    expect(bodyAt(caused, 2)).toMatchObject({ tradeID: '5', price: '1.09510', distance: '0.00500', reason: 'ON_FILL', timeInForce: 'GTC', orderFillTransactionID: '5' });
    expect(account.engine.book.orders.get(7)?.status.state).toBe('PENDING');
  });

  test('triggers on the bid for a long trade and fills beyond its price in a gap, cancelling the take profit in the batch', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '10', ...STOP, takeProfitOnFill: { price: '1.11000' } }, 110_000, 110_010);
    expect(account.price(109_511, 109_700)).toEqual([]);
    const caused = account.price(109_400, 109_412);
    expect(typesOf(caused)).toEqual(['ORDER_FILL', 'ORDER_CANCEL']);
    expect(bodyAt(caused, 0)).toMatchObject({ orderID: '7', userID: 0, units: '-10', price: '1.09400', pl: '-0.0610', reason: 'STOP_LOSS_ORDER', tradesClosed: [{ tradeID: '5', units: '-10' }] });
    expect(bodyAt(caused, 0)['requestID']).toBeUndefined();
    expect(bodyAt(caused, 1)).toMatchObject({ orderID: '6', reason: 'LINKED_TRADE_CLOSED', closedTradeID: '5', tradeCloseTransactionID: '8', batchID: '8' });
    expect(account.price(109_000, 109_010)).toEqual([]);
  });

  test('triggers on the ask for a short trade', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '-10', ...STOP }, 110_000, 110_010);
    expect(account.price(110_480, 110_499)).toEqual([]);
    expect(bodyAt(account.price(110_480, 110_500), 0)).toMatchObject({ reason: 'STOP_LOSS_ORDER', price: '1.10500', units: '10' });
  });

  test('follows its trigger condition and still fills at the side that closes the trade', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '10', stopLossOnFill: { price: '1.09500', triggerCondition: 'MID' } }, 110_000, 110_010);
    expect(account.price(109_490, 109_511)).toEqual([]);
    expect(bodyAt(account.price(109_490, 109_510), 0)).toMatchObject({ reason: 'STOP_LOSS_ORDER', price: '1.09490' });
  });

  test('cancels the whole entry when it already lies beyond the market', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    const caused = account.fill({ units: '10', stopLossOnFill: { price: '1.10000' } }, 110_000, 110_010);
    expect(caused.map(({ body }) => [body['type'], body['reason']])).toEqual([['ORDER_CANCEL', 'STOP_LOSS_ON_FILL_LOSS']]);
    expect(bodyAt(account.fill({ units: '-10', stopLossOnFill: { price: '1.10010' } }, 110_000, 110_010), 0)).toMatchObject({ reason: 'STOP_LOSS_ON_FILL_LOSS' });
    expect(bodyAt(account.fill({ units: '10', takeProfitOnFill: { price: '1.10010' } }, 110_000, 110_010), 0)).toMatchObject({ reason: 'TAKE_PROFIT_ON_FILL_LOSS' });
  });

  test('outlives a reduction and closes what is left', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '10', ...STOP }, 110_000, 110_010);
    accepted(account.close('5', '4'));
    account.price(110_000, 110_010);
    expect(bodyAt(account.price(109_500, 109_510), 0)).toMatchObject({ units: '-6', reason: 'STOP_LOSS_ORDER' });
  });

  test('ends at 17:00 New York when it is good for the day', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '10', stopLossOnFill: { distance: '0.00500', timeInForce: 'GFD' } }, 110_000, 110_010);
    account.setTime(parseInstant('2026-01-06T22:00:00Z'));
    const caused = account.wait(0);
    expect(caused.map(({ body }) => [body['type'], body['reason'] ?? null])).toEqual([['ORDER_CANCEL', 'TIME_IN_FORCE_EXPIRED'], ['DAILY_FINANCING', null]]);
  });
});

describe('a take profit', () => {
  test('triggers on the bid of a long trade at or above its price', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '10', takeProfitOnFill: { price: '1.10100' } }, 110_000, 110_010);
    expect(account.price(110_099, 110_120)).toEqual([]);
    expect(bodyAt(account.price(110_105, 110_120), 0)).toMatchObject({ reason: 'TAKE_PROFIT_ORDER', price: '1.10105', pl: '0.0095' });
  });
});

describe('closing a trade', () => {
  const withTrade = (): Account => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '10', ...STOP, tradeClientExtensions: { id: 'slot' } }, 110_000, 110_010);
    return account;
  };

  test('makes a reduce-only market order that fills at the next price and cancels the stop', () => {
    const account = withTrade();
    const { transactions } = accepted(account.close('@slot'));
    expect(bodyAt(transactions, 0)).toMatchObject({ type: 'MARKET_ORDER', reason: 'TRADE_CLOSE', units: '-10', positionFill: 'REDUCE_ONLY', tradeClose: { tradeID: '5', clientTradeID: 'slot', units: 'ALL' } });
    const caused = account.price(110_050, 110_060);
    expect(caused.map(({ body }) => [body['type'], body['reason']])).toEqual([['ORDER_FILL', 'MARKET_ORDER_TRADE_CLOSE'], ['ORDER_CANCEL', 'LINKED_TRADE_CLOSED']]);
    expect(bodyAt(caused, 0)).toMatchObject({ pl: '0.0040', accountBalance: '100000.0040' });
  });

  test('in part leaves the rest open', () => {
    const account = withTrade();
    accepted(account.close('5', '4'));
    expect(bodyAt(account.price(110_050, 110_060), 0)).toMatchObject({ units: '-4', tradeReduced: { tradeID: '5', units: '-4' } });
  });

  test.each([
    ['CLOSE_TRADE_UNITS_EXCEED_TRADE_SIZE', '5', '11'],
    ['UNITS_INVALID', '5', '-1'],
    ['UNITS_PRECISION_EXCEEDED', '5', '0.5'],
    ['TRADE_DOESNT_EXIST', '99', 'ALL'],
    ['TRADE_DOESNT_EXIST', '@other', 'ALL'],
  ])('is rejected as %s for trade %s and units %s', (reason, specifier, units) => {
    expect(withTrade().close(specifier, units)).toMatchObject({ kind: 'rejected', reason, transaction: { type: 'MARKET_ORDER_REJECT' } });
  });

  test('a second time is rejected, and a close that still waits when the stop hits is cancelled with the trade', () => {
    const account = withTrade();
    accepted(account.close('5'));
    const caused = account.price(109_000, 109_010);
    expect(caused.map(({ body }) => [body['type'], body['reason']])).toEqual([['ORDER_FILL', 'STOP_LOSS_ORDER'], ['ORDER_CANCEL', 'LINKED_TRADE_CLOSED']]);
    expect(account.close('5')).toMatchObject({ reason: 'TRADE_DOESNT_EXIST' });
  });
});

describe('closing a position', () => {
  const withPosition = (): Account => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '10' }, 110_000, 110_010);
    account.fill({ units: '20' }, 110_000, 110_010);
    return account;
  };
  const close = (account: Account, body: unknown): unknown => account.engine.closePosition('EUR_USD', body, account.receipt());

  test('closes every trade of the side with one fill', () => {
    const account = withPosition();
    expect(close(account, { longUnits: 'ALL', shortUnits: 'NONE' })).toMatchObject({ kind: 'sides', sides: [{ side: 'long', outcome: { kind: 'accepted' } }] });
    const caused = account.price(110_100, 110_110);
    expect(bodyAt(caused, 0)).toMatchObject({ reason: 'MARKET_ORDER_POSITION_CLOSEOUT', units: '-30', tradesClosed: [{ tradeID: '5' }, { tradeID: '7' }] });
    expect(netUnits(account.engine.book.markets.get('EUR_USD') ?? expect.fail()).isZero()).toBe(true);
  });

  test('in part closes the oldest first', () => {
    const account = withPosition();
    close(account, { longUnits: '15' });
    expect(bodyAt(account.price(110_100, 110_110), 0)).toMatchObject({ tradesClosed: [{ tradeID: '5' }], tradeReduced: { tradeID: '7', units: '-5' } });
  });

  test('is rejected for a side that is not held, and for more than is held', () => {
    const account = withPosition();
    expect(close(account, { longUnits: 'NONE', shortUnits: 'ALL' })).toMatchObject({ sides: [{ side: 'short', outcome: { reason: 'CLOSEOUT_POSITION_DOESNT_EXIST' } }] });
    expect(close(account, { longUnits: '31' })).toMatchObject({ sides: [{ outcome: { reason: 'CLOSEOUT_POSITION_UNITS_EXCEED_POSITION_SIZE' } }] });
    expect(close(account, { longUnits: 'NONE', shortUnits: 'NONE' })).toMatchObject({ kind: 'invalid' });
    expect(close(account, undefined)).toMatchObject({ kind: 'invalid' });
  });
});

describe('cancelling an order', () => {
  test('ends a pending order by id or by client id, and is rejected afterwards', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    const { orderId } = accepted(account.order({ units: '10', clientExtensions: { id: 'mine' } }));
    const { transactions } = accepted(account.engine.cancel('@mine', account.receipt()));
    expect(bodyAt(transactions, 0)).toMatchObject({ type: 'ORDER_CANCEL', reason: 'CLIENT_REQUEST', clientOrderID: 'mine' });
    expect(account.engine.cancel(String(orderId), account.receipt())).toMatchObject({ kind: 'rejected', reason: 'ORDER_DOESNT_EXIST', transaction: { type: 'ORDER_CANCEL_REJECT' } });
    const order = account.engine.book.orders.get(orderId);
    expect(order === undefined ? null : orderBody(account.engine, order)).toMatchObject({ state: 'CANCELLED', cancellingTransactionID: '5' });
  });
});

describe('daily financing', () => {
  test('is charged at 17:00 New York by units × price × rate / 365, three days on Wednesday', () => {
    const usual = usualSettings(usualInstrument('EUR_USD'));
    const account = new Account({ instruments: [{ ...usual, longRate: '-0.03' }], balance: '10000000' });
    account.price(115_826, 115_826);
    account.fill({ units: '100000' }, 115_826, 115_826);
    account.setTime(parseInstant('2026-01-06T22:00:00Z'));
    const tuesday = account.wait(0);
    expect(bodyAt(tuesday, 0)).toMatchObject({
      type: 'DAILY_FINANCING',
      financing: '-9.5199',
      accountBalance: '9999990.4801',
      userID: 0,
      positionFinancings: [{ instrument: 'EUR_USD', financing: '-9.5199', openTradeFinancings: [{ tradeID: '5', financing: '-9.5199' }] }],
    });
    account.setTime(parseInstant('2026-01-07T22:00:00Z'));
    expect(bodyAt(account.wait(0), 0)).toMatchObject({ financing: '-28.5598' });
    const trade = account.engine.book.trades.get(5);
    expect(trade === undefined ? null : tradeBody(account.engine, trade, 'ids')).toMatchObject({ financing: '-38.0797' });
  });

  test('charges nothing at the weekend and nothing without a position', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.setTime(parseInstant('2026-01-08T12:00:00Z'));
    expect(account.wait(0)).toEqual([]);
    account.fill({ units: '100' }, 110_000, 110_010);
    account.setTime(parseInstant('2026-01-12T00:00:00Z'));
    const caused = account.wait(0);
    expect(caused.map(({ body }) => body['time'])).toEqual(['2026-01-08T22:00:00.000000000Z', '2026-01-09T22:00:00.000000000Z']);
  });

  test('happens before a later price point and follows daylight saving', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '100' }, 110_000, 110_010);
    account.setTime(parseInstant('2026-07-07T21:30:00Z'));
    const caused = account.price(110_000, 110_010);
    expect(bodyAt(caused, caused.length - 1)).toMatchObject({ time: '2026-07-07T21:00:00.000000000Z' });
  });
});

describe('conversion to the home currency', () => {
  test('prints and uses mid × 0.99 for gains and mid × 1.01 for losses of a yen pair', () => {
    const account = new Account({}, ['USD_JPY']);
    account.price(150_000, 150_010, 'USD_JPY');
    account.fill({ instrument: 'USD_JPY', units: '1000' }, 150_000, 150_010);
    accepted(account.close('5'));
    const won = bodyAt(account.price(150_500, 150_510, 'USD_JPY'), 0);
    expect(won).toMatchObject({ gainQuoteHomeConversionFactor: '0.0065778546', lossQuoteHomeConversionFactor: '0.0067107405', quotePL: '490', pl: '3.2231' });
    account.fill({ instrument: 'USD_JPY', units: '1000' }, 150_500, 150_510);
    accepted(account.close('9'));
    expect(bodyAt(account.price(150_500, 150_510, 'USD_JPY'), 0)).toMatchObject({ quotePL: '-10', pl: '-0.0671' });
  });

  test('takes the rate of a cross from the quoted dollar pair, or from a fixed setting', () => {
    const quoted = new Account({}, ['EUR_JPY', 'USD_JPY']);
    quoted.price(160_000, 160_020, 'EUR_JPY');
    expect(quoted.order({ instrument: 'EUR_JPY', units: '1' })).toMatchObject({ reason: 'INSTRUMENT_PRICE_UNKNOWN' });
    quoted.price(150_000, 150_000, 'USD_JPY');
    expect(bodyAt(quoted.fill({ instrument: 'EUR_JPY', units: '1' }, 160_000, 160_020), 0)).toMatchObject({ gainQuoteHomeConversionFactor: '0.0066' });
    const fixed = new Account({ fixedConversions: { JPY: '0.0067' } }, ['EUR_JPY']);
    fixed.price(160_000, 160_020, 'EUR_JPY');
    expect(bodyAt(fixed.fill({ instrument: 'EUR_JPY', units: '1' }, 160_000, 160_020), 0)).toMatchObject({ gainQuoteHomeConversionFactor: '0.006633' });
  });
});

describe('the account', () => {
  test('values its trades at the price that closes them', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '1000' }, 110_000, 110_010);
    account.price(110_110, 110_130);
    expect(accountSummaryBody(account.engine)).toMatchObject({
      balance: '100000.0000',
      unrealizedPL: '1.0000',
      NAV: '100001.0000',
      marginUsed: '22.0240',
      marginAvailable: '99978.9760',
      openTradeCount: 1,
      openPositionCount: 1,
      hedgingEnabled: false,
      lastTransactionID: '5',
    });
  });

  test('marks prices as not tradeable while the market is closed', () => {
    const account = new Account();
    const market = account.engine.book.markets.get('EUR_USD') ?? expect.fail();
    expect(priceBody(account.engine, market, account.at)).toBeNull();
    account.price(110_000, 110_010);
    expect(priceBody(account.engine, market, account.at)).toMatchObject({ tradeable: true, bids: [{ price: '1.10000', liquidity: 10_000_000 }] });
    expect(priceBody(account.engine, market, parseInstant('2026-01-10T12:00:00Z'))).toMatchObject({ tradeable: false });
  });

  test('refuses time that runs backwards and prices that are none', () => {
    const account = new Account({ calendar: OANDA_CALENDAR });
    account.price(110_000, 110_010);
    expect(() => account.engine.tick({ instrument: 'EUR_USD', bid: 1, ask: 2, at: START })).toThrow('time runs backwards');
    expect(() => account.price(110_010, 110_000)).toThrow('are no price');
    expect(() => account.price(1, 2, 'GBP_USD')).toThrow('no instrument GBP_USD');
  });
});
