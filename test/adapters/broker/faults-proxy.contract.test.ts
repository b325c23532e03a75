import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { describe, expect, onTestFinished, test } from 'vitest';
import { FaultyBroker } from './faults-client.ts';
import { proxyPlanOf, readProxyPlan } from '../../../adapters/broker/faults/proxy-plan.ts';
import { FaultProxy } from '../../../adapters/broker/faults/tcp-proxy.ts';
import { ConfigError } from '../../../config/problems.ts';
import { folderForTest } from '../../folders.ts';

/** A server that answers every chunk with itself, and remembers what it was sent. */
async function echoServer(): Promise<{ readonly port: number; readonly received: () => string; readonly sockets: Set<Socket> }> {
  let received = '';
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      socket.write(chunk);
    });
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return { port: (server.address() as AddressInfo).port, received: () => received, sockets };
}

async function proxyTo(port: number, toxics: readonly object[] = [], seed = 1): Promise<FaultProxy> {
  const proxy = await FaultProxy.start({ to: { host: '127.0.0.1', port }, port: 0, plan: proxyPlanOf({ seed, toxics }) });
  onTestFinished(() => proxy.close());
  return proxy;
}

/** A client's socket, everything it heard and how it ended. */
function dial(proxy: FaultProxy): { readonly socket: Socket; readonly heard: () => string; readonly chunks: Buffer[]; readonly ended: Promise<string>; readonly hears: (bytes: number) => Promise<void> } {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', noDelay: true });
  const chunks: Buffer[] = [];
  let code = 'closed';
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? error.message));
  const ended = new Promise<string>((resolve) => socket.on('close', () => resolve(code)));
  onTestFinished(() => void socket.destroy());
  const length = (): number => chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  return {
    socket,
    chunks,
    ended,
    heard: () => Buffer.concat(chunks).toString('latin1'),
    async hears(bytes) {
      while (length() < bytes) await once(socket, 'data', { signal: AbortSignal.timeout(5_000) });
    },
  };
}

const strikesOf = (proxy: FaultProxy): readonly unknown[] => proxy.log.from(0).entries;

describe('a proxy without faults', () => {
  test('passes bytes both ways, whole and in order, and the ends of both sides', async () => {
    const echo = await echoServer();
    const proxy = await proxyTo(echo.port);
    const client = dial(proxy);
    const sent = Buffer.alloc(3_000_000, 'abcdefghij');
    client.socket.write(sent);
    await client.hears(sent.length);
    expect(client.heard() === sent.toString('latin1')).toBe(true);
    client.socket.end();
    expect(await client.ended).toBe('closed');
    for (let step = 0; step < 100 && proxy.open > 0; step += 1) await sleep(5);
    expect([proxy.open, echo.sockets.size]).toEqual([0, 0]);
  });

  test('keeps a fast sender waiting for a slow reader, with bounded bytes in between', async () => {
    const readers: Socket[] = [];
    const server = createServer((socket) => {
      socket.pause();
      readers.push(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = dial(await proxyTo((server.address() as AddressInfo).port));
    let sent = 0;
    const chunk = Buffer.alloc(1_000_000);
    while (sent < 200 && client.socket.write(chunk)) sent += 1;
    for (let step = 0; step < 10 && sent < 200; step += 1) {
      await Promise.race([once(client.socket, 'drain'), sleep(30)]);
      while (sent < 200 && !client.socket.writableNeedDrain) {
        client.socket.write(chunk);
        sent += 1;
      }
    }
    // What the kernel's buffers and the lane hold is far from two hundred megabytes.
    expect(sent).toBeLessThan(100);
    client.socket.destroy();
    for (const reader of readers) reader.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  test('whose server is not there resets its clients', async () => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const client = dial(await proxyTo(port));
    expect(await client.ended).toBe('ECONNRESET');
  });
});

describe('a toxic', () => {
  test('latency holds bytes back, and jitter never lets them overtake', async () => {
    const echo = await echoServer();
    const client = dial(await proxyTo(echo.port, [{ kind: 'latency', direction: 'reply', delayMs: 60, jitterMs: 60 }]));
    const startedAt = performance.now();
    for (const digit of '0123456789') {
      client.socket.write(digit);
      await sleep(5);
    }
    await client.hears(10);
    expect(performance.now() - startedAt).toBeGreaterThan(105);
    expect(client.heard()).toBe('0123456789');
  });

  test('bandwidth lets so many bytes pass in a second', async () => {
    const echo = await echoServer();
    const client = dial(await proxyTo(echo.port, [{ kind: 'bandwidth', direction: 'request', bytesPerSecond: 20_000 }]));
    const startedAt = performance.now();
    client.socket.write(Buffer.alloc(6_000, 'x'));
    await client.hears(6_000);
    expect(performance.now() - startedAt).toBeGreaterThan(240);
  });

  test('slicer cuts what it passes into pieces', async () => {
    const echo = await echoServer();
    const client = dial(await proxyTo(echo.port, [{ kind: 'slicer', direction: 'reply', bytes: 3, delayMs: 5 }]));
    client.socket.write('abcdefghij');
    await client.hears(10);
    expect(client.heard()).toBe('abcdefghij');
    expect(client.chunks.length).toBeGreaterThanOrEqual(3);
  });

  test.each([
    ['request', 0, '', ''],
    ['request', 4, 'abcd', 'abcd'],
    ['reply', 0, 'abcdefghij', ''],
    ['reply', 4, 'abcdefghij', 'abcd'],
  ])('reset of the %s after %i bytes', async (direction, afterBytes, received, heard) => {
    const echo = await echoServer();
    const client = dial(await proxyTo(echo.port, [{ kind: 'reset', direction, afterBytes }]));
    client.socket.write('abcdefghij');
    expect(await client.ended).toBe('ECONNRESET');
    expect(echo.received()).toBe(received);
    // The echo of a request that was cut may be on its way when the reset comes.
    expect(heard.startsWith(client.heard())).toBe(true);
    if (direction === 'reply') expect(client.heard()).toBe(heard);
  });

  test('limitData closes gently behind the last byte', async () => {
    const echo = await echoServer();
    const client = dial(await proxyTo(echo.port, [{ kind: 'limitData', direction: 'reply', bytes: 6 }]));
    client.socket.write('abcdefghij');
    expect(await client.ended).toBe('closed');
    expect(client.heard()).toBe('abcdef');
  });

  test.each([
    ['request', ''],
    ['reply', 'abcdefghij'],
  ])('timeout swallows the %s and leaves the connection open, or closes it after a while', async (direction, received) => {
    const echo = await echoServer();
    const proxy = await proxyTo(echo.port, [{ kind: 'timeout', direction }]);
    const client = dial(proxy);
    client.socket.write('abcdefghij');
    const open = await Promise.race([client.ended, sleep(120).then(() => 'open')]);
    expect([open, client.heard(), echo.received()]).toEqual(['open', '', received]);
    proxy.clear();
    proxy.add(proxyPlanOf({ toxics: [{ kind: 'timeout', direction, closeMs: 30 }] }).toxics[0]!);
    const second = dial(proxy);
    second.socket.write('klm');
    expect(await second.ended).toBe('closed');
    expect(second.heard()).toBe('');
  });

  test('slowClose lets the end of one side come late to the other', async () => {
    const echo = await echoServer();
    const client = dial(await proxyTo(echo.port, [{ kind: 'slowClose', direction: 'request', delayMs: 120 }]));
    client.socket.write('abc');
    await client.hears(3);
    const startedAt = performance.now();
    client.socket.end();
    await client.ended;
    expect(performance.now() - startedAt).toBeGreaterThan(110);
  });

  test('down refuses everybody until it is up again, and cuts off who was there', async () => {
    const echo = await echoServer();
    const proxy = await proxyTo(echo.port);
    const before = dial(proxy);
    before.socket.write('abc');
    await before.hears(3);
    const up = proxy.add(proxyPlanOf({ toxics: [{ kind: 'down' }] }).toxics[0]!);
    expect(await before.ended).toBe('ECONNRESET');
    expect(await dial(proxy).ended).toBe('ECONNREFUSED');
    up();
    const after = dial(proxy);
    after.socket.write('def');
    await after.hears(3);
    expect(after.heard()).toBe('def');
  });

  test('begins and ends by the clock when it is told to', async () => {
    const echo = await echoServer();
    const proxy = await proxyTo(echo.port, [{ kind: 'down', fromMs: 60, durationMs: 120 }]);
    const early = dial(proxy);
    early.socket.write('a');
    await early.hears(1);
    expect(await early.ended).toBe('ECONNRESET');
    let answered = false;
    for (let attempt = 0; attempt < 100 && !answered; attempt += 1) {
      const late = dial(proxy);
      late.socket.write('b');
      answered = await Promise.race([late.hears(1).then(() => true, () => false), late.ended.then(() => false)]);
      if (!answered) await sleep(20);
    }
    expect(answered).toBe(true);
  });

  test('draws the same for the same seed', async () => {
    const echo = await echoServer();
    const run = async (seed: number): Promise<string> => {
      const proxy = await proxyTo(echo.port, [{ kind: 'timeout', direction: 'request', closeMs: 1, probability: '0.5' }], seed);
      const heard: string[] = [];
      for (let connection = 0; connection < 12; connection += 1) {
        const client = dial(proxy);
        client.socket.write('x');
        await Promise.race([client.hears(1), client.ended]);
        heard.push(client.heard() === 'x' ? 'passed' : 'lost');
        client.socket.destroy();
      }
      expect(strikesOf(proxy)).toHaveLength(heard.filter((each) => each === 'lost').length);
      return heard.join(' ');
    };
    const [first, again, other] = [await run(5), await run(5), await run(6)];
    expect(again).toBe(first);
    expect(other).not.toBe(first);
    expect(first).toMatch(/passed.*lost|lost.*passed/);
  });
});

describe('one exchange with a broker behind the proxy', () => {
  async function exchange(toxic: object): Promise<{ broker: FaultyBroker; proxy: FaultProxy; get: () => Promise<number>; post: (msMax?: number) => Promise<number | string> }> {
    const broker = await FaultyBroker.with([]);
    const proxy = await proxyTo(Number(new URL(broker.broker.rest).port), [toxic]);
    // One connection, so that reads and writes follow each other on it.
    const agent = new Agent({ connections: 1, pipelining: 1 });
    onTestFinished(() => agent.destroy());
    const send = async (method: 'GET' | 'POST', path: string, body: string | null, msMax: number): Promise<number | string> => {
      try {
        const reply = await request(`http://127.0.0.1:${proxy.port}/v3/accounts/${broker.broker.account}${path}`, { method, dispatcher: agent, body, signal: AbortSignal.timeout(msMax), headers: { authorization: `Bearer ${broker.broker.token}` } });
        await reply.body.text();
        return reply.statusCode;
      } catch (error) {
        return error instanceof Error ? error.name : String(error);
      }
    };
    return {
      broker,
      proxy,
      get: async () => Number(await send('GET', '/summary', null, 3_000)),
      post: (msMax = 300) => send('POST', '/orders', JSON.stringify({ order: { type: 'MARKET', instrument: 'EUR_USD', units: '1' } }), msMax),
    };
  }

  test('the POST is lost on its way: the broker never hears of it', async () => {
    const { broker, proxy, get, post } = await exchange({ kind: 'timeout', direction: 'request', match: 'POST ', count: 1 });
    expect(await get()).toBe(200);
    expect(await post()).toBe('TimeoutError');
    expect(await broker.lastTransactionId()).toBe(3);
    expect(strikesOf(proxy)).toEqual([{ record: 'strike', id: '1 timeout', connection: 1, exchange: 2 }]);
    expect(await post(3_000)).toBe(201);
  });

  test('the reply is lost on its way back: the broker has acted', async () => {
    const { broker, get, post } = await exchange({ kind: 'timeout', direction: 'reply', match: 'POST ', count: 1 });
    expect(await get()).toBe(200);
    expect(await post()).toBe('TimeoutError');
    expect(await broker.lastTransactionId()).toBe(4);
    expect(await get()).toBe(200);
  });

  test('the connection is reset before the reply, or in the middle of it', async () => {
    for (const afterBytes of [0, 250]) {
      const { broker, get, post } = await exchange({ kind: 'reset', direction: 'reply', afterBytes, match: 'POST /v3/accounts', count: 1 });
      expect(await get()).toBe(200);
      expect(await post(3_000)).not.toBe(201);
      expect(await broker.lastTransactionId()).toBe(4);
    }
  });

  test('the request that a killed client had sent arrives all the same', async () => {
    const { broker, post } = await exchange({ kind: 'latency', direction: 'request', delayMs: 150, match: 'POST ' });
    expect(await post(50)).toBe('TimeoutError');
    expect(await broker.lastTransactionId()).toBe(3);
    for (let step = 0; step < 200 && (await broker.lastTransactionId()) === 3; step += 1) await sleep(5);
    expect(await broker.lastTransactionId()).toBe(4);
  });
});

describe('a proxy plan', () => {
  test('is read from a file, and what is wrong is named with its line', () => {
    const file = join(folderForTest(), 'plan.yaml');
    writeFileSync(file, 'seed: 3\ntoxics:\n  - kind: latency\n    delayMs: 20\n');
    expect(readProxyPlan(file)).toMatchObject({ seed: 3, toxics: [{ kind: 'latency', delayMs: 20, direction: 'reply', fromMs: 0 }] });
    writeFileSync(file, 'seed: 3\ntoxics:\n  - kind: lag\n  - kind: bandwidth\n');
    expect(() => readProxyPlan(file)).toThrow(ConfigError);
    expect(() => readProxyPlan(file)).toThrow(/plan\.yaml:3:11 toxics\.0\.kind: must be one of latency, bandwidth.*\n.*toxics\.1\.bytesPerSecond: is required; add it: Bytes that pass in a second\./);
  });
});
