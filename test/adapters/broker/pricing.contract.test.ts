import { describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import { TestBroker } from './server.ts';

/** The middle of a price's first level. */
const midOf = (price: unknown): number => (Number(dig(price, 'bids', 0, 'price')) + Number(dig(price, 'asks', 0, 'price'))) / 2;

describe('a pricing snapshot', () => {
  test('needs instruments that the account has, and flags that are true or false', async () => {
    const broker = await TestBroker.startForTest({ instruments: ['EUR_USD', 'USD_JPY'] });
    const refusal = async (query: string): Promise<unknown> => {
      const answer = await broker.account('GET', `/pricing${query}`);
      expect(answer.status).toBe(400);
      return answer.body['errorMessage'];
    };
    expect(await refusal('')).toBe("The request was missing required data: 'instruments'");
    expect(await refusal('?instruments=')).toBe("The request was missing required data: 'instruments'");
    expect(await refusal('?instruments=EUR_USD,GBP_USD')).toBe("Invalid value specified for 'instruments'");
    expect(await refusal('?instruments=EUR_USD&since=noon')).toBe("Invalid value specified for 'since'");
    expect(await refusal('?instruments=EUR_USD&includeHomeConversions=1')).toBe("Invalid value specified for 'includeHomeConversions'");
    expect(await refusal('?instruments=EUR_USD&includeUnitsAvailable=')).toBe("Invalid value specified for 'includeUnitsAvailable'");
  });

  test('holds the prices in the order asked for, and conversions of each currency in them', async () => {
    const broker = await TestBroker.startForTest({ instruments: ['EUR_USD', 'USD_JPY', 'GBP_USD', 'EUR_JPY'] });
    const { body } = await broker.account('GET', '/pricing?instruments=EUR_JPY,EUR_USD,USD_JPY&includeHomeConversions=true');
    expect([0, 1, 2].map((index) => dig(body, 'prices', index, 'instrument'))).toEqual(['EUR_JPY', 'EUR_USD', 'USD_JPY']);
    const [eurUsd, usdJpy] = [midOf(dig(body, 'prices', 1)), midOf(dig(body, 'prices', 2))];
    const conversions = body['homeConversions'];
    expect(Array.isArray(conversions) ? conversions.map((each) => dig(each, 'currency')) : []).toEqual(['EUR', 'JPY', 'USD']);
    expect(Number(dig(conversions, 0, 'positionValue'))).toBeCloseTo(eurUsd, 9);
    expect(Number(dig(conversions, 1, 'positionValue'))).toBeCloseTo(1 / usdJpy, 9);
    expect(Number(dig(conversions, 1, 'accountGain'))).toBeCloseTo(0.99 / usdJpy, 9);
    expect(Number(dig(conversions, 1, 'accountLoss'))).toBeCloseTo(1.01 / usdJpy, 9);
    expect(dig(conversions, 2)).toEqual({ currency: 'USD', accountGain: '1', accountLoss: '1', positionValue: '1' });
  });

  test('since a time leaves out what has not changed after it', async () => {
    const broker = await TestBroker.startForTest({ instruments: ['EUR_USD', 'GBP_USD'] });
    const { tick } = await broker.advance({ acknowledge: 0 });
    const { time } = (await broker.account('GET', '/pricing?instruments=EUR_USD')).body;
    const since = `/pricing?instruments=EUR_USD,GBP_USD&includeHomeConversions=true&since=${String(time)}`;
    expect((await broker.account('GET', since)).body).toMatchObject({ prices: [], homeConversions: [] });
    await broker.advance({ acknowledge: tick });
    const later = (await broker.account('GET', since)).body;
    expect([dig(later, 'prices', 0, 'instrument'), dig(later, 'prices', 1, 'instrument')]).toEqual(['EUR_USD', 'GBP_USD']);
    expect(later['homeConversions']).toMatchObject([{ currency: 'EUR' }, { currency: 'GBP' }]);
  });

  test('tells the units that margin allows, each way and for each positionFill', async () => {
    const broker = await TestBroker.startForTest({ instruments: ['EUR_USD'], engine: { balance: '1000' } });
    const { tick } = await broker.advance({ acknowledge: 0 });
    const available = async (): Promise<{ readonly price: unknown; readonly units: unknown }> => {
      const price = dig((await broker.account('GET', '/pricing?instruments=EUR_USD&includeUnitsAvailable=true')).body, 'prices', 0);
      return { price, units: dig(price, 'unitsAvailable') };
    };
    const flat = await available();
    // 1,000 dollars at a margin of 2 % carry 50,000 dollars' worth.
    const most = String(Math.floor(50_000 / midOf(flat.price)));
    expect(flat.units).toEqual({
      default: { long: most, short: most },
      openOnly: { long: most, short: most },
      reduceFirst: { long: most, short: most },
      reduceOnly: { long: '0', short: '0' },
    });
    await broker.order({ units: '10000' });
    await broker.advance({ acknowledge: tick });
    const held = await available();
    expect(held.units).toMatchObject({ openOnly: { short: '0' }, reduceOnly: { long: '0', short: '10000' } });
    expect(Number(dig(held.units, 'default', 'short')) - Number(dig(held.units, 'default', 'long'))).toBeGreaterThan(19_990);
  });
});

describe('a pair whose currency no other pair converts', () => {
  test('is traded at a nominal conversion', async () => {
    const broker = await TestBroker.startForTest({ instruments: ['GBP_JPY'] });
    const { tick } = await broker.advance({ acknowledge: 0 });
    expect((await broker.order({ instrument: 'GBP_JPY', units: '1000' })).status).toBe(201);
    await broker.advance({ acknowledge: tick });
    const { body } = await broker.account('GET', '/transactions/5');
    expect(dig(body, 'transaction', 'type')).toBe('ORDER_FILL');
    expect(dig((await broker.account('GET', '/pricing?instruments=GBP_JPY&includeHomeConversions=true')).body, 'homeConversions')).toMatchObject([{ currency: 'JPY', positionValue: '0.0066666667' }]);
  });

  test('leaves the quoted conversion alone where there is one', async () => {
    const broker = await TestBroker.startForTest({ instruments: ['GBP_JPY', 'USD_JPY'] });
    const { body } = await broker.account('GET', '/pricing?instruments=GBP_JPY,USD_JPY&includeHomeConversions=true');
    // Nothing converts GBP here, so it has no entry.
    expect([0, 1].map((index) => dig(body, 'homeConversions', index, 'currency'))).toEqual(['JPY', 'USD']);
    const jpy = dig(body, 'homeConversions', 0);
    expect(Number(dig(jpy, 'positionValue'))).toBeCloseTo(1 / midOf(dig(body, 'prices', 1)), 9);
  });
});
