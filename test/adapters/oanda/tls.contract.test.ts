import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { afterEach, expect, test, vi } from 'vitest';
import { createPool, exchange } from '../../../adapters/oanda/http.ts';
import type { AddressInfo } from 'node:net';

afterEach(() => vi.unstubAllEnvs());

test('row 13: a certificate that nobody vouches for is refused, even where the environment turns verification off', async () => {
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  const pem = readFileSync(new URL('./self-signed.pem', import.meta.url));
  let requests = 0;
  const server = createServer({ key: pem, cert: pem }, (_request, response) => {
    requests += 1;
    response.end('{}');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const pool = createPool(`https://localhost:${(server.address() as AddressInfo).port}`, null);
  try {
    const outcome = await exchange(pool, 'a-token-never-sent', { method: 'GET', path: '/v3/accounts', body: null, replyBytesMax: 100, deadlineMs: 2_000, abort: new AbortController() });
    expect(outcome).toMatchObject({ status: null, broken: { cause: 'untrusted', detail: expect.stringMatching(/self.signed/i) as string, unsent: true } });
    expect(requests).toBe(0);
  } finally {
    await pool.destroy();
    server.close();
  }
});
