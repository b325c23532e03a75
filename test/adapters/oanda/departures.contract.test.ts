/** What leaves for the broker is seen on its way to the socket, whoever sends it. */
import { expect, onTestFinished, test } from 'vitest';
import type { Departure } from '../../../adapters/oanda/departures.ts';
import { watchDepartures } from '../../../adapters/oanda/departures.ts';
import { ACCOUNT_ID, clientOf, replyJson, startServer } from './server.ts';

test('orders of the client and of anybody else in the process are seen, once each and before an answer; reads and other hosts are not', async () => {
  const seen: Departure[] = [];
  const seenAtServer: number[] = [];
  const server = await startServer((_request, response) => {
    seenAtServer.push(seen.length);
    replyJson(response, 201, { lastTransactionID: '8' });
  });
  const other = await startServer((_request, response) => replyJson(response, 200, {}));
  const broker = clientOf(server);
  onTestFinished(async () => {
    await broker.close();
    await Promise.all([server.close(), other.close()]);
  });
  const end = watchDepartures({ restUrl: server.url, accountId: ACCOUNT_ID }, (departure) => seen.push(departure));
  const path = `/accounts/${ACCOUNT_ID}/orders`;
  await broker.send({ method: 'POST', path, body: '{}' });
  await broker.send({ method: 'PUT', path: `/accounts/${ACCOUNT_ID}/trades/7/close`, body: '{"units":"ALL"}' });
  await fetch(`${server.url}/v3${path}`, { method: 'POST', body: '{}' });
  await fetch(`${server.url}/v3/accounts/${ACCOUNT_ID}/summary`);
  await fetch(`${server.url}/v3/accounts/101-001-9999999-001/orders`, { method: 'POST', body: '{}' });
  await fetch(`${other.url}/v3${path}`, { method: 'POST', body: '{}' });
  expect(seen).toEqual([{ method: 'POST', path }, { method: 'PUT', path: `/accounts/${ACCOUNT_ID}/trades/7/close` }, { method: 'POST', path }]);
  expect(seenAtServer.slice(0, 3)).toEqual([1, 2, 3]);
  end();
  await broker.send({ method: 'POST', path, body: '{}' });
  expect(seen).toHaveLength(3);
});
