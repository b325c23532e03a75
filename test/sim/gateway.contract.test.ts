/** The simulator's broker answers orders as the local broker's own server does: the same requests, side by side. Reads are the same bodies. */
import { describe, expect, test } from 'vitest';
import { openMarket } from '../../adapters/broker/local-broker.ts';
import { OANDA_CALENDAR } from '../../domain/calendar.ts';
import { MINUTE_MS, plusMs } from '../../domain/time.ts';
import { Gateway } from './gateway.ts';

const ACCOUNT = '101-001-1000001-001';
const market = () => openMarket({ instruments: ['EUR_USD'], account: ACCOUNT, calendar: OANDA_CALENDAR, historyBars: 20, drawnBars: 60, seed: 3 });
const order = JSON.stringify({ order: { type: 'MARKET', instrument: 'EUR_USD', units: '1', timeInForce: 'FOK', stopLossOnFill: { distance: '0.00300' } } });

/** Ids of requests differ by nature. */
const withoutRequestIds = (body: unknown): unknown => JSON.parse(JSON.stringify(body, (key, value: unknown) => (key === 'requestID' ? undefined : value)));

describe('the gateway', () => {
  test('answers writes as the server does, refusals included', async () => {
    const [served, direct] = [market(), market()];
    const gateway = new Gateway(direct.venue);
    const writes = [
      { method: 'POST', path: '/orders', body: order },
      { method: 'POST', path: '/orders', body: order.replace('"1"', '"0"') },
      { method: 'POST', path: '/orders', body: '{}' },
      { method: 'PUT', path: '/trades/5/orders', body: '{"stopLoss":{"distance":"0.00200","timeInForce":"GTC"}}' },
      { method: 'PUT', path: '/trades/99/close', body: '{"units":"ALL"}' },
      { method: 'PUT', path: '/trades/99/orders', body: '{"stopLoss":null}' },
      { method: 'PUT', path: '/positions/EUR_USD/close', body: '{"longUnits":"ALL","shortUnits":"NONE"}' },
      { method: 'PUT', path: '/positions/EUR_USD/close', body: '{"longUnits":"NONE","shortUnits":"ALL"}' },
    ] as const;
    for (const { method, path, body } of writes) {
      const request = { method, path: `/accounts/${ACCOUNT}${path}`, body };
      const [reply, answer] = [await served.request(method, request.path, body), await gateway.write(request)];
      expect({ path, status: answer.status, body: withoutRequestIds(answer.body) }).toEqual({ path, status: reply.status, body: withoutRequestIds(JSON.parse(reply.body)) });
      for (const { venue } of [served, direct]) venue.playTo(plusMs(venue.now, MINUTE_MS), false);
    }
    await Promise.all([served.close(), direct.close()]);
  });
});
