import { describe, expect, test } from 'vitest';
import { Account, accepted, bodyAt, dig, typesOf } from './account.ts';
import type { Body, Transaction } from '../../../adapters/broker/engine/bodies.ts';
import { orderBody, tradeBody } from '../../../adapters/broker/engine/holdings-views.ts';
import { usualSettings } from '../../../adapters/broker/engine/settings.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { parseInstant } from '../../../domain/time.ts';

/** Bid and ask in points. */
type Point = readonly [number, number];
type Fields = { readonly [key: string]: unknown };

/** An account whose market stands at 1.10000 / 1.10010. */
function started(settings: ConstructorParameters<typeof Account>[0] = {}): Account {
  const account = new Account(settings);
  account.price(110_000, 110_010);
  return account;
}

const place = (account: Account, type: string, fields: Fields): number => accepted(account.order({ type, ...fields })).orderId;
const order = (account: Account, id: number): Body => orderBody(account.engine, account.engine.book.orders.get(id) ?? expect.fail());
const trade = (account: Account, id: number): Body => tradeBody(account.engine, account.engine.book.trades.get(id) ?? expect.fail(), 'full');
const told = (transactions: readonly Transaction[]): unknown[] => transactions.map(({ body }) => body['reason'] ?? body['type']);

describe('a resting order meets the first point that reaches its price', () => {
  // Type, units, price, condition; a point that just misses, a point that reaches, and the fill's price.
  const rows: readonly (readonly [string, string, string, string, Point, Point, string])[] = [
    ['LIMIT', '5', '1.09990', 'DEFAULT', [109_981, 109_991], [109_980, 109_990], '1.09990'],
    ['LIMIT', '-5', '1.10020', 'DEFAULT', [110_019, 110_029], [110_025, 110_035], '1.10025'],
    ['LIMIT', '5', '1.10000', 'INVERSE', [110_001, 110_011], [109_990, 110_000], '1.10000'],
    ['STOP', '5', '1.10050', 'DEFAULT', [110_039, 110_049], [110_060, 110_070], '1.10070'],
    ['STOP', '-5', '1.09950', 'DEFAULT', [109_951, 109_961], [109_940, 109_950], '1.09940'],
    ['STOP', '5', '1.10050', 'BID', [110_049, 110_059], [110_050, 110_060], '1.10060'],
    ['STOP', '5', '1.10050', 'MID', [110_044, 110_054], [110_045, 110_055], '1.10055'],
    ['MARKET_IF_TOUCHED', '5', '1.09990', 'DEFAULT', [109_981, 109_991], [109_960, 109_970], '1.09970'],
    ['MARKET_IF_TOUCHED', '5', '1.10050', 'DEFAULT', [110_039, 110_049], [110_060, 110_070], '1.10070'],
    ['MARKET_IF_TOUCHED', '-5', '1.10050', 'ASK', [110_039, 110_049], [110_040, 110_050], '1.10040'],
  ];
  test.each(rows)('%s of %s at %s by %s', (type, units, price, triggerCondition, misses, reaches, filledAt) => {
    const account = started();
    const id = place(account, type, { units, price, triggerCondition });
    expect(account.price(...misses)).toEqual([]);
    const caused = account.price(...reaches);
    expect(bodyAt(caused, 0)).toMatchObject({ type: 'ORDER_FILL', orderID: String(id), reason: `${type}_ORDER`, units, price: filledAt, userID: 0 });
    expect(order(account, id)).toMatchObject({ state: 'FILLED', tradeOpenedID: String(caused[0]?.id) });
  });

  test('never at the point before its receipt, even when its price is already there', () => {
    const account = started();
    place(account, 'LIMIT', { units: '5', price: '1.10020' });
    expect(account.engine.lastTransactionId).toBe(4);
    expect(bodyAt(account.price(110_005, 110_015), 0)).toMatchObject({ price: '1.10015' });
  });

  test('and a limit that its condition triggers at a worse price waits for its own', () => {
    const account = started();
    place(account, 'LIMIT', { units: '5', price: '1.10000', triggerCondition: 'BID' });
    expect(account.price(110_000, 110_012)).toEqual([]);
    expect(bodyAt(account.price(109_990, 110_000), 0)).toMatchObject({ price: '1.10000' });
  });

  test('and a stop or touched order beyond its price bound is cancelled', () => {
    const account = started();
    place(account, 'STOP', { units: '5', price: '1.10050', priceBound: '1.10060' });
    place(account, 'MARKET_IF_TOUCHED', { units: '-5', price: '1.10050', priceBound: '1.10060' });
    expect(told(account.price(110_055, 110_065))).toEqual(['BOUNDS_VIOLATION', 'BOUNDS_VIOLATION']);
  });

  test('oldest first, and several at one point', () => {
    const account = started();
    const [first, second] = [place(account, 'STOP', { units: '1', price: '1.10060' }), place(account, 'STOP', { units: '2', price: '1.10050' })];
    expect(account.price(110_090, 110_100).map(({ body }) => body['orderID'])).toEqual([String(first), String(second)]);
  });

  test('and opens with its dependent orders and its slot, or is cancelled when the slot is taken', () => {
    const account = started();
    const fields = { units: '5', price: '1.10050', tradeClientExtensions: { id: 'slot' }, stopLossOnFill: { distance: '0.00100' }, trailingStopLossOnFill: { distance: '0.00200' } };
    place(account, 'STOP', fields);
    place(account, 'STOP', fields);
    const caused = account.price(110_050, 110_060);
    expect(caused.map(({ type, body }) => [type, body['price'] ?? body['reason']])).toEqual([
      ['ORDER_FILL', '1.10060'],
      ['STOP_LOSS_ORDER', '1.09960'],
      ['TRAILING_STOP_LOSS_ORDER', 'ON_FILL'],
      ['ORDER_CANCEL', 'CLIENT_TRADE_ID_ALREADY_EXISTS'],
    ]);
    expect(trade(account, caused[0]?.id ?? 0)).toMatchObject({ clientExtensions: { id: 'slot' }, trailingStopLossOrder: { trailingStopValue: '1.09850' } });
  });
});

describe('the life of a resting order', () => {
  test('ends at its good-till time, at the end of the day, or never', () => {
    const account = started();
    const ids = [
      place(account, 'LIMIT', { units: '1', price: '1.0', timeInForce: 'GTD', gtdTime: '2026-01-06T18:00:00.000000000Z' }),
      place(account, 'LIMIT', { units: '1', price: '1.0', timeInForce: 'GFD' }),
      place(account, 'LIMIT', { units: '1', price: '1.0' }),
    ];
    account.setTime(parseInstant('2026-01-06T22:00:00Z'));
    expect(account.wait(0).map(({ body }) => [body['orderID'], body['reason'], body['time']])).toEqual([
      [String(ids[0]), 'TIME_IN_FORCE_EXPIRED', '2026-01-06T18:00:00.000000000Z'],
      [String(ids[1]), 'TIME_IN_FORCE_EXPIRED', '2026-01-06T22:00:00.000000000Z'],
    ]);
    expect(order(account, ids[2] ?? 0)).toMatchObject({ state: 'PENDING' });
  });

  test.each(['FOK', 'IOC'])('ends with the first point when it is %s: filled where its price is met, else cancelled', (timeInForce) => {
    const account = started();
    place(account, 'LIMIT', { units: '5', price: '1.10010', timeInForce });
    expect(bodyAt(account.price(110_000, 110_010), 0)).toMatchObject({ reason: 'LIMIT_ORDER' });
    place(account, 'LIMIT', { units: '5', price: '1.10000', timeInForce });
    expect(told(account.price(110_000, 110_010))).toEqual(['BOUNDS_VIOLATION']);
  });

  test('begins on any day, but an order that must fill at once is cancelled while the market is closed', () => {
    const account = started();
    account.setTime(parseInstant('2026-01-10T12:00:00Z'));
    account.wait(0);
    expect(typesOf(accepted(account.order({ type: 'LIMIT', units: '5', price: '1.09' })).transactions)).toEqual(['LIMIT_ORDER']);
    expect(accepted(account.order({ type: 'LIMIT', units: '5', price: '1.09', timeInForce: 'FOK' })).transactions.map(({ body }) => body['reason'])).toEqual(['CLIENT_ORDER', 'MARKET_HALTED']);
  });
});

describe('dependent orders', () => {
  const withTrade = (units: string): Account => {
    const account = started();
    account.fill({ units }, 110_000, 110_010);
    return account;
  };

  const trails: readonly (readonly [string, Point, string, Point, string])[] = [
    ['10', [110_100, 110_110], '1.09600', [109_600, 109_610], '1.09600'],
    ['-10', [109_900, 109_910], '1.10410', [110_400, 110_410], '1.10410'],
  ];
  test.each(trails)('a trailing stop of a trade of %s follows the market one way only', (units, favourable, trailed, hit, price) => {
    const account = withTrade(units);
    const id = place(account, 'TRAILING_STOP_LOSS', { tradeID: '5', distance: '0.00500' });
    expect(account.price(...favourable)).toEqual([]);
    expect(order(account, id)).toMatchObject({ trailingStopValue: trailed });
    expect(account.price(110_000, 110_010)).toEqual([]);
    expect(order(account, id)).toMatchObject({ trailingStopValue: trailed });
    expect(bodyAt(account.price(...hit), 0)).toMatchObject({ reason: 'TRAILING_STOP_LOSS_ORDER', price });
  });

  test('a take profit that would lose is cancelled when it triggers', () => {
    const account = withTrade('10');
    place(account, 'TAKE_PROFIT', { tradeID: '5', price: '1.10000' });
    expect(told(account.price(110_000, 110_010))).toEqual(['LOSING_TAKE_PROFIT']);
    expect(trade(account, 5)).toMatchObject({ state: 'OPEN' });
  });

  test('a stop made for a standing trade counts its distance from the market, not from the trade', () => {
    const account = withTrade('10');
    account.price(110_200, 110_210);
    expect(order(account, place(account, 'STOP_LOSS', { tradeID: '5', distance: '0.00100' }))).toMatchObject({ price: '1.10110' });
  });

  test('stand in for a trade by its client id', () => {
    const account = started();
    account.fill({ units: '10', tradeClientExtensions: { id: 'slot' } }, 110_000, 110_010);
    expect(order(account, place(account, 'STOP_LOSS', { clientTradeID: 'slot', price: '1.09000' }))).toMatchObject({ tradeID: '5', clientTradeID: 'slot' });
  });
});

describe('a ladder', () => {
  const LADDER = { ...usualSettings(usualInstrument('EUR_USD')), ladder: [{ offsetPoints: 0, units: 10 }, { offsetPoints: 2, units: 30 }] };

  test('fills level by level at the average price, which is the trade’s', () => {
    const account = started({ instruments: [LADDER] });
    const caused = account.fill({ units: '30' }, 110_000, 110_010);
    // 10 at 1.10010 and 20 at 1.10012: 1.1001133… printed, and used, to six decimals.
    expect(bodyAt(caused, 0)).toMatchObject({ units: '30', fullVWAP: '1.100113', tradeOpened: { price: '1.100113' }, fullPrice: { asks: [{ price: '1.10010', liquidity: '10' }, { price: '1.10012', liquidity: '30' }] } });
    accepted(account.close('5', '10'));
    expect(bodyAt(account.price(110_110, 110_120), 0)).toMatchObject({ pl: '0.0099', quotePL: '0.00987' });
  });

  test('is used up until the next point', () => {
    const account = started({ instruments: [LADDER] });
    accepted(account.order({ units: '35' }));
    accepted(account.order({ units: '5', timeInForce: 'IOC' }));
    accepted(account.order({ units: '5' }));
    const caused = account.price(110_000, 110_010);
    expect(caused.map(({ body }) => [body['units'] ?? body['reason'], body['price']])).toEqual([['35', '1.100114'], ['5', '1.10012'], ['INSUFFICIENT_LIQUIDITY', undefined]]);
  });

  test('stops at the bound: all or nothing is cancelled, a part is taken', () => {
    const account = started({ instruments: [LADDER] });
    expect(told(account.fill({ units: '30', priceBound: '1.10011' }, 110_000, 110_010))).toEqual(['BOUNDS_VIOLATION']);
    expect(bodyAt(account.fill({ units: '30', priceBound: '1.10011', timeInForce: 'IOC' }, 110_000, 110_010), 0)).toMatchObject({ units: '10', requestedUnits: '30' });
    expect(told(account.fill({ units: '41' }, 110_000, 110_010))).toEqual(['INSUFFICIENT_LIQUIDITY']);
  });

  test('reissues what a resting order has left as a new order in the fill’s batch', () => {
    const account = started({ instruments: [LADDER] });
    const id = place(account, 'LIMIT', { units: '25', price: '1.10010', clientExtensions: { id: 'mine' } });
    const caused = account.price(110_000, 110_010);
    expect(caused.map(({ type, body }) => [type, body['units'], body['batchID']])).toEqual([['ORDER_FILL', '10', '5'], ['LIMIT_ORDER', '15', '5']]);
    expect(bodyAt(caused, 1)).toMatchObject({ reason: 'REPLACEMENT', replacesOrderID: String(id), clientExtensions: { id: 'mine' } });
    expect(order(account, id)).toMatchObject({ state: 'FILLED' });
    expect(account.price(110_000, 110_010).map(({ body }) => body['units'])).toEqual(['10', '5']);
    expect(account.price(110_000, 110_010).map(({ body }) => body['units'])).toEqual(['5']);
  });

  test('and what is left of a touched order goes on from the side that it was touched from', () => {
    const account = started({ instruments: [LADDER] });
    place(account, 'MARKET_IF_TOUCHED', { units: '50', price: '1.09990' });
    expect(told(account.price(109_900, 109_910))).toEqual(['MARKET_IF_TOUCHED_ORDER', 'REPLACEMENT']);
    expect(account.price(109_900, 109_910).map(({ body }) => body['units'])).toEqual(['10']);
  });

  test('or leaves it under the same order, when the switch says so', () => {
    const account = started({ instruments: [LADDER], switches: { partialFill: 'keep' } });
    const id = place(account, 'LIMIT', { units: '25', price: '1.10010' });
    for (const units of ['10', '10', '5']) {
      expect(order(account, id)).toMatchObject({ state: 'PENDING' });
      expect(account.price(110_000, 110_010).map(({ body }) => [body['orderID'], body['units']])).toEqual([[String(id), units]]);
    }
    expect(order(account, id)).toMatchObject({ state: 'FILLED' });
  });

  test('lets a stop close what it can and go on', () => {
    const account = started({ instruments: [LADDER] });
    account.fill({ units: '40', stopLossOnFill: { price: '1.09900' } }, 110_000, 110_010);
    account.fill({ units: '20' }, 110_000, 110_010);
    account.engine.venueActions.limitLiquidity('EUR_USD', 15, 2);
    for (const [units, state] of [['-15', 'OPEN'], ['-15', 'OPEN'], ['-10', 'CLOSED']]) {
      expect(bodyAt(account.price(109_800, 109_810), 0)).toMatchObject({ reason: 'STOP_LOSS_ORDER', units });
      expect(trade(account, 5)).toMatchObject({ state });
    }
  });
});

describe('limits of the account', () => {
  test('on the size of a position and on open trades cancel the fill that would break them', () => {
    const capped = started({ instruments: [{ ...usualSettings(usualInstrument('EUR_USD')), maximumPositionSize: '15' }], openTradesMax: 2 });
    expect(told(capped.fill({ units: '16' }, 110_000, 110_010))).toEqual(['POSITION_SIZE_EXCEEDED']);
    capped.fill({ units: '5' }, 110_000, 110_010);
    expect(told(capped.fill({ units: '11' }, 110_000, 110_010))).toEqual(['POSITION_SIZE_EXCEEDED']);
    capped.fill({ units: '5' }, 110_000, 110_010);
    expect(told(capped.fill({ units: '1' }, 110_000, 110_010))).toEqual(['OPEN_TRADES_ALLOWED_EXCEEDED']);
    // A reversal closes both and opens one.
    expect(bodyAt(capped.fill({ units: '-20' }, 110_000, 110_010), 0)).toMatchObject({ tradeOpened: { units: '-10' } });
  });
});

test('a fill whose dependent orders would be too many is cancelled', () => {
  const account = started({ pendingOrdersMax: 2 });
  place(account, 'LIMIT', { units: '1', price: '1.0' });
  const both = { stopLossOnFill: { price: '1.0' }, takeProfitOnFill: { price: '1.2' } };
  expect(told(account.fill({ units: '1', ...both }, 110_000, 110_010))).toEqual(['PENDING_ORDERS_ALLOWED_EXCEEDED']);
  expect(told(account.fill({ units: '1', stopLossOnFill: { price: '1.0' } }, 110_000, 110_010))).toEqual(['MARKET_ORDER', 'ON_FILL']);
});

describe('a change of names', () => {
  test('moves the client id of an order and of a trade', () => {
    const account = started();
    const id = place(account, 'LIMIT', { units: '1', price: '1.0', clientExtensions: { id: 'old' } });
    place(account, 'LIMIT', { units: '1', price: '1.0', clientExtensions: { id: 'taken' } });
    const rename = (body: unknown): unknown => account.engine.modifyOrderExtensions(String(id), body, account.receipt());
    expect(rename({ clientExtensions: { id: 'taken' } })).toMatchObject({ kind: 'rejected', reason: 'CLIENT_ORDER_ID_ALREADY_EXISTS' });
    expect(rename({ clientExtensions: { id: 'new' }, tradeClientExtensions: { id: 'slot' } })).toMatchObject({ kind: 'accepted' });
    expect(account.engine.cancel('@old', account.receipt())).toMatchObject({ reason: 'ORDER_DOESNT_EXIST' });
    const fill = bodyAt(account.price(99_000, 99_010), 0);
    expect(fill).toMatchObject({ clientOrderID: 'new', tradeOpened: { clientExtensions: { id: 'slot' } } });
    const tradeId = String(dig(fill, 'tradeOpened', 'tradeID'));
    expect(account.engine.modifyTradeExtensions(tradeId, { clientExtensions: { id: 'other' } }, account.receipt())).toMatchObject({ kind: 'done', transaction: { body: { clientTradeID: 'slot' } } });
    expect(account.close('@slot')).toMatchObject({ reason: 'TRADE_DOESNT_EXIST' });
    accepted(account.close('@other'));
  });
});
