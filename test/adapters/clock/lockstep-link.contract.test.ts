import { createServer } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { LockstepError, LockstepLink } from '../../../adapters/clock/lockstep-link.ts';
import { parseInstant } from '../../../domain/time.ts';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const TOKEN = 'canary-of-the-link-0123456789';
const TIME = '2026-01-05T12:00:00.000000000Z';
const ANNOUNCEMENT = { tick: 4, time: TIME, lastTransactionID: '12', lines: { pricing: { connection: 1, lines: 9 }, transactions: { connection: 2, lines: 3 } }, barsDone: 5, barsTotal: 60, done: false };

const cleanup: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanup.splice(0).reverse()) await close();
});

interface Received {
  readonly line: string;
  readonly authorization: string | undefined;
  readonly body: string;
}

async function serve(answer: (response: ServerResponse) => void): Promise<{ link: LockstepLink; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      received.push({ line: `${request.method} ${request.url}`, authorization: request.headers.authorization, body });
      answer(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const link = new LockstepLink({ restUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: TOKEN, deadlineMs: 80 });
  cleanup.push(() => new Promise((resolve) => {
    server.closeAllConnections();
    server.close(resolve);
  }), () => link.close());
  return { link, received };
}

const json = (body: unknown, status = 200) => (response: ServerResponse): void => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
};

const failure = async (promise: Promise<unknown>): Promise<LockstepError> => {
  const error: unknown = await promise.then(() => null, (reason: unknown) => reason);
  expect(error).toBeInstanceOf(LockstepError);
  return error as LockstepError;
};

describe('advancing', () => {
  test('sends the acknowledgement and the next timer, and reads the announcement', async () => {
    const { link, received } = await serve(json(ANNOUNCEMENT));
    expect(await link.advance({ acknowledge: 3, nextTimer: parseInstant('2026-01-05T12:01:00.25Z') })).toEqual({
      tick: 4, time: parseInstant(TIME), lastTransactionId: 12, lines: ANNOUNCEMENT.lines, barsDone: 5, barsTotal: 60, done: false,
    });
    expect(received).toEqual([{ line: 'POST /lockstep/advance', authorization: `Bearer ${TOKEN}`, body: '{"acknowledge":3,"nextTimer":"2026-01-05T12:01:00.250000000Z"}' }]);
  });

  test('says so when no timer is armed, and until when time is to move on its own', async () => {
    const { link, received } = await serve(json(ANNOUNCEMENT));
    await link.advance({ acknowledge: 0, nextTimer: null, until: parseInstant(TIME) });
    expect(received[0]!.body).toBe(`{"acknowledge":0,"nextTimer":null,"until":"${TIME}"}`);
  });

  test('waits while the clock is held, beyond the deadline of other calls', async () => {
    const { link } = await serve((response) => void setTimeout(() => json(ANNOUNCEMENT)(response), 200));
    expect((await link.advance({ acknowledge: 0, nextTimer: null })).tick).toBe(4);
  });

  test('rejects when the link is closed while it waits', async () => {
    const { link } = await serve(() => undefined);
    const waiting = failure(link.advance({ acknowledge: 0, nextTimer: null }));
    await new Promise((resolve) => setTimeout(resolve, 30));
    await link.close();
    expect((await waiting).message).toBe('POST /lockstep/advance: the link was closed');
  });

  test.each([
    ['no time', json({ ...ANNOUNCEMENT, time: 'soon' }), /time/],
    ['an id as a number', json({ ...ANNOUNCEMENT, lastTransactionID: 12 }), /lastTransactionID/],
    ['no lines of a stream', json({ ...ANNOUNCEMENT, lines: { pricing: { connection: 1, lines: 1 } } }), /transactions/],
    ['a fraction of a line', json({ ...ANNOUNCEMENT, barsDone: 0.5 }), /barsDone/],
    ['no JSON', (response: ServerResponse) => void response.end('<html>'), /no JSON/],
    ['another status', json({ errorMessage: TOKEN }, 404), /status 404/],
    ['a huge body', json({ note: 'x'.repeat(70_000) }), /over 65536 bytes/],
    ['a closed connection', (response: ServerResponse) => void response.socket!.destroy(), /POST \/lockstep\/advance/],
  ])('rejects an answer with %s', async (_what, answer, message) => {
    const { link } = await serve(answer);
    const error = await failure(link.advance({ acknowledge: 0, nextTimer: null }));
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain(TOKEN);
  });
});

test('the status is read, and a broker that does not give it in time is an error', async () => {
  const { link, received } = await serve(json({ time: TIME, tick: 4, barsTotal: 60, barsDone: 5, held: true, done: false, lastTransactionID: '12' }));
  expect(await link.status()).toEqual({ time: parseInstant(TIME), tick: 4, barsTotal: 60, barsDone: 5, held: true, done: false, lastTransactionId: 12 });
  expect(received[0]!.line).toBe('GET /lockstep');
  const silent = await serve(() => undefined);
  expect((await failure(silent.link.status())).message).toBe('GET /lockstep: no answer within 80 ms');
});

test('start releases the clock, whatever the body of the answer', async () => {
  const { link, received } = await serve((response) => {
    response.writeHead(204);
    response.end();
  });
  await link.start();
  expect(received[0]).toMatchObject({ line: 'POST /lockstep/start', body: '' });
});

test.each(['https://api-fxpractice.oanda.com', 'http://10.0.0.1:80', 'https://127.0.0.1', 'nowhere'])('%s has no clock to move', (restUrl) => {
  expect(() => new LockstepLink({ restUrl, token: TOKEN })).toThrow(LockstepError);
});
