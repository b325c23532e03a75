/** Fault plans and the fault proxy as an operator meets them: on the command line. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { Workplace } from '../e2e/processes.ts';

const ACCOUNT = '101-001-1000001-001';

test('a broker takes a plan, says what its seed made of it, and records every fault in a file', async () => {
  const place = new Workplace();
  const [plan, log] = [join(place.directory, 'plan.yaml'), join(place.directory, 'faults.jsonl')];
  writeFileSync(plan, `seed: 7
faults:
  - kind: status
    path: /summary
    status: 503
    body: html
    count: 1
storm:
  fromMs: 600000
  spanMs: 3600000
  presets: [staleReads, foreignTrade]
`);
  const broker = await place.startBroker(['--clock', 'lockstep', '--faults', plan, '--fault-log', log]);
  const status = async (): Promise<number> => (await fetch(`${broker.address.rest}/v3/accounts/${ACCOUNT}/summary`, { headers: { authorization: `Bearer ${place.token}` } })).status;
  expect([await status(), await status()]).toEqual([503, 200]);
  const { stderr } = await broker.end('SIGTERM');
  expect(stderr.split('\n').slice(0, 2)).toEqual(['faults: seed 7, 5 planned', 'storm: 4 draws over 3600000 ms from +600000 ms']);
  expect(stderr).toMatch(/storm on: (staleReads|foreignTrade)\nstorm off: (staleReads|foreignTrade)\n/);
  const entries = readFileSync(log, 'utf8').trimEnd().split('\n').map((line) => z.looseObject({ record: z.string() }).parse(JSON.parse(line)));
  expect(entries.map(({ record }) => record)).toEqual(['plan', 'begun', 'strike', 'ended']);
});

test('a plan that is wrong ends the broker with the line and the remedy', async () => {
  const place = new Workplace();
  const plan = join(place.directory, 'plan.yaml');
  writeFileSync(plan, 'seed: 7\nfaults:\n  - preset: sunshine\n');
  const { code, stderr } = await place.command(['broker', '--faults', plan], {}, null);
  expect(code).toBe(78);
  expect(stderr).toContain('plan.yaml:3:13 faults.0.preset: names no preset; take one of lostResponse');
});

test('the proxy passes a broker’s answers on until its toxic strikes', async () => {
  const place = new Workplace();
  const broker = await place.startBroker(['--clock', 'lockstep']);
  const plan = join(place.directory, 'toxics.yaml');
  writeFileSync(plan, 'toxics:\n  - kind: reset\n    match: "GET /v3"\n    after: 1\n    count: 1\n');
  const proxy = place.start(['fault-proxy', '--to', new URL(broker.address.rest).host, '--plan', plan]);
  const { host, port } = z.object({ host: z.string(), port: z.int() }).parse(JSON.parse(await proxy.firstLine()));
  const get = async (): Promise<number | string> => fetch(`http://${host}:${port}/v3/accounts`, { headers: { authorization: `Bearer ${place.token}`, connection: 'close' } }).then((reply) => reply.status, () => 'broken');
  expect([await get(), await get(), await get()]).toEqual([200, 'broken', 200]);
  expect((await proxy.end('SIGTERM')).code).toBe(0);
  const { code, stderr } = await place.command(['fault-proxy', '--to', 'nowhere'], {}, null);
  expect([code, stderr]).toEqual([64, 'reckoner: --to must be a server such as 127.0.0.1:8700, not "nowhere"\n']);
});
