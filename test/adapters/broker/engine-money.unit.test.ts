/** Money worked out by hand: single units, yen pairs, crosses, parts, reversals, financing and margin. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Account, accepted, bodyAt } from './account.ts';
import type { Body } from '../../../adapters/broker/engine/bodies.ts';
import { Decimal, pointsToDecimal } from '../../../adapters/broker/engine/decimals.ts';
import { tradeBody } from '../../../adapters/broker/engine/holdings-views.ts';
import { usualSettings } from '../../../adapters/broker/engine/settings.ts';
import { accountSummaryBody, instrumentBody, priceBody, stateBody } from '../../../adapters/broker/engine/views.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { parseInstant } from '../../../domain/time.ts';

const trade = (account: Account, id: number): Body => tradeBody(account.engine, account.engine.book.trades.get(id) ?? expect.fail(), 'full');

describe('a single unit', () => {
  test.each([
    // 1 × (1.10210 − 1.10010) = 0.0020; short: 1 × (1.10000 − 1.10220) = −0.0022.
    ['1', '0.0020', '100000.0020'],
    ['-1', '-0.0022', '99999.9978'],
  ])('of %s makes %s', (units, pl, accountBalance) => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units }, 110_000, 110_010);
    accepted(account.close('5'));
    expect(bodyAt(account.price(110_210, 110_220), 0)).toMatchObject({ pl, accountBalance, tradesClosed: [{ tradeID: '5', units: units === '1' ? '-1' : '1', realizedPL: pl }] });
  });
});

describe('a yen pair', () => {
  test('converts gains and losses by two factors, and prints what the conversion cost', () => {
    const account = new Account({}, ['USD_JPY']);
    account.price(147_240, 147_250, 'USD_JPY');
    account.fill({ instrument: 'USD_JPY', units: '1' }, 147_240, 147_250);
    accepted(account.close('5'));
    // One pip: 0.01 JPY at mid 147.265, gains at 0.99 ⁄ 147.265 instead of 1 ⁄ 147.265 = 0.0067904797: one hundredth of it is the cost.
    expect(bodyAt(account.price(147_260, 147_270, 'USD_JPY'), 0)).toMatchObject({
      quotePL: '0.01', pl: '0.0001', gainQuoteHomeConversionFactor: '0.0067225749', lossQuoteHomeConversionFactor: '0.0068583845', plHomeConversionCost: '0.000000679', homeConversionCost: '0.000000679',
    });
    account.fill({ instrument: 'USD_JPY', units: '-10000' }, 147_260, 147_270);
    accepted(account.close('9'));
    // −10,000 × (148.27 − 147.26) = −10,100 JPY at 1.01 ⁄ 148.265 = 0.0068121269: −68.8025 USD.
    expect(bodyAt(account.price(148_260, 148_270, 'USD_JPY'), 0)).toMatchObject({ quotePL: '-10100', pl: '-68.8025', lossQuoteHomeConversionFactor: '0.0068121269' });
  });

  test('is margined and financed in dollars', () => {
    const account = new Account({ instruments: [{ ...usualSettings(usualInstrument('USD_JPY')), longRate: '0.0365', shortRate: '-0.073' }] }, []);
    account.price(150_000, 150_000, 'USD_JPY');
    account.fill({ instrument: 'USD_JPY', units: '-1000' }, 150_000, 150_000);
    // 1000 × 150 JPY at 1 ⁄ 150 = 0.0066666667, rounded first: 1000.0000 USD, of which 2 % is margin.
    expect(accountSummaryBody(account.engine)).toMatchObject({ positionValue: '1000.0000', marginUsed: '20.0000' });
    account.setTime(parseInstant('2026-01-07T22:00:00Z'));
    const caused = account.wait(0);
    // A day of 7.3 % on 150,000 JPY is 30 JPY, a loss at 1.01 ⁄ 150 = 0.0067333333: 0.2020 USD; Wednesday thrice.
    expect(caused.map(({ body }) => [body['financing'], body['accountBalance']])).toEqual([['-0.2020', '99999.7980'], ['-0.6060', '99999.1920']]);
    expect(trade(account, 5)).toMatchObject({ financing: '-0.8080' });
  });
});

describe('a cross', () => {
  test('takes its conversion from the account’s own quotes, whichever way round the pair is', () => {
    const account = new Account({}, ['EUR_GBP', 'GBP_USD', 'EUR_CHF', 'USD_CHF']);
    account.price(130_000, 130_020, 'GBP_USD');
    account.price(80_000, 80_000, 'USD_CHF');
    account.price(85_000, 85_010, 'EUR_GBP');
    account.price(93_000, 93_010, 'EUR_CHF');
    account.fill({ instrument: 'EUR_GBP', units: '1000' }, 85_000, 85_010);
    accepted(account.close('5'));
    // 1000 × (0.85110 − 0.85010) = 1 GBP, a gain at 1.3001 × 0.99 = 1.287099.
    expect(bodyAt(account.price(85_110, 85_120, 'EUR_GBP'), 0)).toMatchObject({ quotePL: '1', pl: '1.2871', gainQuoteHomeConversionFactor: '1.287099' });
    account.fill({ instrument: 'EUR_CHF', units: '1000' }, 93_000, 93_010);
    accepted(account.close('9'));
    // −0.10 CHF at 1 ⁄ 0.8 × 1.01 = 1.2625.
    expect(bodyAt(account.price(93_000, 93_010, 'EUR_CHF'), 0)).toMatchObject({ quotePL: '-0.1', pl: '-0.1263', lossQuoteHomeConversionFactor: '1.2625' });
    expect(accountSummaryBody(account.engine)).toMatchObject({ balance: '100001.1608', openTradeCount: 0 });
  });
});

describe('parts and reversals', () => {
  test('a close in three parts adds up what each part is rounded to', () => {
    const account = new Account({}, ['USD_JPY']);
    account.price(150_000, 150_000, 'USD_JPY');
    account.fill({ instrument: 'USD_JPY', units: '3' }, 150_000, 150_000);
    const parts = [1, 2, 3].map(() => {
      accepted(account.close('5', '1'));
      return bodyAt(account.price(151_000, 151_000, 'USD_JPY'), 0)['pl'];
    });
    // One yen at 0.99 ⁄ 151 = 0.0065562914 is 0.0066 each, though three yen at once would be 0.0197.
    expect(parts).toEqual(['0.0066', '0.0066', '0.0066']);
    expect(trade(account, 5)).toMatchObject({ realizedPL: '0.0198', state: 'CLOSED', averageClosePrice: '151' });
  });

  test('one fill closes two trades, reduces none and opens the rest the other way', () => {
    const account = new Account();
    account.price(110_000, 110_010);
    account.fill({ units: '3' }, 110_000, 110_010);
    account.fill({ units: '4' }, 110_050, 110_060);
    const body = bodyAt(account.fill({ units: '-10' }, 110_100, 110_110), 0);
    // 3 × 0.00090 + 4 × 0.00040 = 0.0027 + 0.0016; margin of 3 short at mid 1.10105: 0.0661.
    expect(body).toMatchObject({ pl: '0.0043', accountBalance: '100000.0043', units: '-10', tradesClosed: [{ tradeID: '5', realizedPL: '0.0027' }, { tradeID: '7', realizedPL: '0.0016' }], tradeOpened: { tradeID: '9', units: '-3', initialMarginRequired: '0.0661' } });
  });
});

describe('margin', () => {
  /** 100,000 units at 1.1 need 2,200 of margin, out of 5,000. */
  const leveraged = (): Account => {
    const account = new Account({ balance: '5000' });
    account.price(110_000, 110_000);
    account.fill({ units: '100000' }, 110_000, 110_000);
    return account;
  };
  const said = (account: Account, points: number): unknown[] => account.price(points, points).map(({ type, body }) => (type === 'ORDER_FILL' || type === 'MARKET_ORDER' ? body['reason'] : type));

  test('is called when it equals the NAV and let go when it does not', () => {
    const account = leveraged();
    // At 1.07142 the loss is 2,858.00: a NAV of 2,142.0000 and a margin of 2,142.84.
    expect(said(account, 107_143)).toEqual([]);
    expect(said(account, 107_142)).toEqual(['MARGIN_CALL_ENTER']);
    expect(accountSummaryBody(account.engine)).toMatchObject({ marginCloseoutNAV: '2142.0000', marginUsed: '2142.8400', marginCallPercent: '1.00039', marginCloseoutPercent: '0.50020', marginAvailable: '0.0000', marginCallExtensionCount: 0 });
    expect(said(account, 107_141)).toEqual([]);
    expect(said(account, 107_200)).toEqual(['MARGIN_CALL_EXIT']);
    expect(accountSummaryBody(account.engine)).not.toHaveProperty('marginCallEnterTime');
  });

  test('is extended while the call lasts into another day', () => {
    const account = leveraged();
    account.price(107_100, 107_100);
    account.setTime(parseInstant('2026-01-06T22:00:00Z'));
    expect(account.wait(0).map(({ type, body }) => [type, body['extensionNumber']])).toEqual([['DAILY_FINANCING', undefined], ['MARGIN_CALL_EXTEND', 1]]);
    expect(accountSummaryBody(account.engine)).toMatchObject({ marginCallExtensionCount: 1, lastMarginCallExtensionTime: '2026-01-06T22:00:00.000000000Z' });
  });

  test('closes everything out when half of it equals the NAV', () => {
    const account = leveraged();
    // At 1.06060 the NAV is 1,060.00 and the margin 2,121.20: 1.00057 of half of it.
    const caused = account.price(106_060, 106_060);
    expect(caused.map(({ type, body }) => [type, body['reason'], body['pl']])).toEqual([
      ['MARGIN_CALL_ENTER', undefined, undefined],
      ['MARKET_ORDER', 'MARGIN_CLOSEOUT', undefined],
      ['ORDER_FILL', 'MARKET_ORDER_MARGIN_CLOSEOUT', '-3940.0000'],
      ['MARGIN_CALL_EXIT', undefined, undefined],
    ]);
    expect(accountSummaryBody(account.engine)).toMatchObject({ balance: '1060.0000', openTradeCount: 0, marginCloseoutPercent: '0.00000' });
  });

  test('closes every instrument out at its newest price, and later those that cannot be traded', () => {
    const account = new Account({ balance: '5000' }, ['EUR_USD', 'GBP_USD']);
    account.price(110_000, 110_000);
    account.price(130_000, 130_000, 'GBP_USD');
    account.fill({ units: '80000' }, 110_000, 110_000);
    account.fill({ instrument: 'GBP_USD', units: '10000' }, 130_000, 130_000);
    account.engine.venueActions.setInstrumentStatus('GBP_USD', 'HALTED');
    // At 1.04950 the NAV is 960.00, and 1,679.20 + 260.00 of margin is more than twice that.
    const caused = account.price(104_950, 104_950);
    expect(caused.map(({ type, body }) => [type, body['instrument'] ?? body['tradeIDs']])).toEqual([
      ['MARGIN_CALL_ENTER', undefined], ['MARKET_ORDER', 'EUR_USD'], ['ORDER_FILL', 'EUR_USD'], ['DELAYED_TRADE_CLOSURE', '7'], ['MARGIN_CALL_EXIT', undefined],
    ]);
  });

  test('knows no money that is gone: a NAV below zero is closed out too', () => {
    const account = leveraged();
    expect(said(account, 104_000)).toContain('MARKET_ORDER_MARGIN_CLOSEOUT');
    expect(accountSummaryBody(account.engine)).toMatchObject({ balance: '-1000.0000', marginAvailable: '0.0000', withdrawalLimit: '0.0000' });
  });

  test('follows the client’s own rate where that is higher', () => {
    const account = leveraged();
    const configure = (body: unknown): unknown => account.engine.configure(body, account.receipt());
    expect(configure({ marginRate: '0.1' })).toMatchObject({ kind: 'rejected', reason: 'MARGIN_RATE_WOULD_TRIGGER_CLOSEOUT' });
    expect(configure({ marginRate: '0.05' })).toMatchObject({ reason: 'MARGIN_RATE_WOULD_TRIGGER_MARGIN_CALL' });
    expect(configure({ marginRate: '0.04' })).toMatchObject({ kind: 'configured' });
    const market = account.engine.book.markets.get('EUR_USD') ?? expect.fail();
    expect(instrumentBody(account.engine, market)).toMatchObject({ marginRate: '0.04' });
    expect(stateBody(account.engine)).toMatchObject({ marginUsed: '4400.0000', trades: [{ id: '5', marginUsed: '4400.0000' }] });
    configure({ marginRate: '0.01' });
    expect(stateBody(account.engine)).toMatchObject({ marginUsed: '2200.0000' });
  });
});

describe('a price', () => {
  test('shows its whole ladder, less what fills have taken', () => {
    const account = new Account({ instruments: [{ ...usualSettings(usualInstrument('EUR_USD')), ladder: [{ offsetPoints: 0, units: 500_000 }, { offsetPoints: 1, units: 10_000_000 }] }] });
    account.price(110_000, 110_010);
    account.fill({ units: '14' }, 110_000, 110_010);
    const market = account.engine.book.markets.get('EUR_USD') ?? expect.fail();
    expect(priceBody(account.engine, market, account.at)).toMatchObject({ bids: [{ price: '1.10000', liquidity: 500_000 }, { price: '1.09999', liquidity: 10_000_000 }], asks: [{ price: '1.10010', liquidity: 499_986 }, { price: '1.10011', liquidity: 10_000_000 }] });
  });
});

test('a point is worth the same by its size as by division, whatever the price', () => {
  fc.assert(fc.property(fc.integer({ min: -10_000_000, max: 10_000_000 }), fc.integer({ min: 0, max: 12 }), (points, precision) => {
    expect(pointsToDecimal(points, precision).toFixed()).toBe(new Decimal(points).div(new Decimal(10).pow(precision)).toFixed());
  }), { seed: 5 });
});
