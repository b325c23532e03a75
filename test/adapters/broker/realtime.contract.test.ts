import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dig } from './account.ts';
import { TestBroker } from './server.ts';
import { startLocalBroker } from '../../../adapters/broker/local-broker.ts';
import { folderForFile } from '../../folders.ts';

const folder = folderForFile();
let broker: TestBroker;
beforeAll(async () => {
  writeFileSync(join(folder, 'token'), 'a-token-of-the-test\n');
  broker = await TestBroker.start({ clock: 'realtime', alwaysOpen: true, tokenFile: join(folder, 'token') });
});
afterAll(() => broker.close());

describe('a market in real time', () => {
  test('runs on the system’s clock with a week of minutes behind it', async () => {
    expect(broker.broker.token).toBe('a-token-of-the-test');
    const answer = await broker.account('GET', '/instruments/EUR_USD/candles?granularity=M1&count=5000');
    const candles = answer.body['candles'];
    expect(candles).toHaveLength(5_000);
    const newest = Date.parse(String(dig(candles, 4_999, 'time')));
    expect(Date.now() - newest).toBeLessThan(130_000);
    const weekAgo = new Date(Date.now() - 7 * 86_400_000 + 120_000).toISOString();
    expect((await broker.account('GET', `/instruments/EUR_USD/candles?granularity=M1&count=1&from=${weekAgo}`)).body['candles']).toHaveLength(1);
  });

  test('offers the usual pairs, each with a price of now and its own history, on 100,000 dollars', async () => {
    const { instruments } = broker.broker;
    expect([...instruments].sort()).toEqual(['AUD_USD', 'EUR_GBP', 'EUR_JPY', 'EUR_USD', 'GBP_JPY', 'GBP_USD', 'NZD_USD', 'USD_CAD', 'USD_CHF', 'USD_JPY']);
    expect(await broker.account('GET', '/summary')).toMatchObject({ body: { account: { balance: '100000.0000', currency: 'USD', hedgingEnabled: false } } });
    const { prices, homeConversions } = (await broker.account('GET', `/pricing?instruments=${instruments.join(',')}&includeHomeConversions=true`)).body;
    expect(prices).toHaveLength(10);
    expect(homeConversions).toHaveLength(8);
    for (const [index, instrument] of instruments.entries()) {
      expect(dig(prices, index)).toMatchObject({ instrument, tradeable: true });
      expect(Date.now() - Date.parse(String(dig(prices, index, 'time')))).toBeLessThan(130_000);
      expect((await broker.account('GET', `/instruments/${instrument}/candles?granularity=H4&count=50`)).body['candles']).not.toHaveLength(0);
    }
  });

  test('answers an order after the next price point, with its fill', async () => {
    const answer = await broker.order({ units: '100', stopLossOnFill: { distance: '0.05000' }, tradeClientExtensions: { id: 'slot' } });
    expect(answer).toMatchObject({ status: 201, body: { orderCreateTransaction: { type: 'MARKET_ORDER' }, orderFillTransaction: { type: 'ORDER_FILL', tradeOpened: { units: '100' } } } });
    expect(answer.body['relatedTransactionIDs']).toEqual(['4', '5', '6']);
    expect(await broker.account('PUT', '/trades/@slot/close', { units: 'ALL' })).toMatchObject({ status: 200, body: { orderFillTransaction: { reason: 'MARKET_ORDER_TRADE_CLOSE' }, relatedTransactionIDs: ['7', '8', '9'] } });
  });

  test('streams prices and heartbeats as time passes', async () => {
    const [pricing, transactions] = [await broker.stream('/pricing/stream?instruments=EUR_USD'), await broker.stream('/transactions/stream')];
    await Promise.all([pricing.until(2), transactions.until(1)]);
    // Only lockstep counts lines, and so only lockstep numbers its connections.
    expect(pricing.connection).toBeNaN();
    expect(JSON.parse(pricing.lines[1] ?? '')).toMatchObject({ type: 'PRICE', instrument: 'EUR_USD', tradeable: true });
    expect(JSON.parse(transactions.lines[0] ?? '')).toMatchObject({ type: 'HEARTBEAT', lastTransactionID: '9' });
    pricing.close();
    transactions.close();
  });

  test('has no lockstep to control and plays no file', async () => {
    expect((await broker.send('GET', '/lockstep')).status).toBe(404);
    await expect(startLocalBroker({ clock: 'realtime', port: 0, barsFiles: { EUR_USD: 'bars.csv' } })).rejects.toThrow('barsFiles');
  });

  test('gives no stream beyond the twentieth', async () => {
    const streams = await Promise.all(Array.from({ length: 20 }, (_, index) => broker.stream(index < 7 ? '/transactions/stream' : '/pricing/stream?instruments=GBP_USD,EUR_GBP')));
    await expect(broker.stream('/transactions/stream')).rejects.toThrow('429');
    for (const stream of streams) stream.close();
  });
});
