/** The dead-man beside a real daemon: progress while it lives, a close when it is gone, and a halt that the next one finds. */
import { expect, test } from 'vitest';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { until } from '../e2e/processes.ts';
import { Drill } from '../faults/harness.ts';
import { startDeadman } from './deadman.ts';
import { Emergency } from './emergency.ts';

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

test('a daemon that compares with the broker is left alone; one that was killed has its account closed, and its successor is HALTED', async () => {
  const port = await freePort();
  const drill = await Drill.prepare('realtime', { faults: [], settings: { 'policy.holdShare': '1', 'control.httpPort': String(port), 'reconciliation.intervalMs': '1000' } });
  const emergency = new Emergency(drill);
  const daemon = drill.startDaemon();
  await drill.place.whenReady(daemon);
  const [metrics, options] = [`http://127.0.0.1:${port}/metrics`, ['--runtime-dir', emergency.stateDirectory]];
  expect(await startDeadman(emergency, metrics, [...options, '--check'], { factor: 1 }).ended).toBe(0);
  // Three minutes of patience are three seconds here, in which a daemon that lives has compared three times.
  const watch = startDeadman(emergency, metrics, [...options, '--flatten-after', '240', '--notify-after', '180'], { factor: 60 });
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  expect(watch.stderr()).not.toMatch(/STILL|ACTING/);
  // A hand's trade would halt the living daemon; beside a dead one it is what is open.
  await daemon.end('SIGKILL');
  await emergency.open('EUR_USD', '100');
  await until('the close', async () => (watch.stderr().includes('ACTED: emergency-close ended with 47') ? true : null), [], 30_000);
  expect(watch.stderr()).toContain(`nobody listens on ${metrics}`);
  expect(await emergency.account()).toEqual([]);
  const next = drill.startDaemon();
  await until('the mode HALTED', async () => ((await drill.place.status())?.mode === 'HALTED' ? true : null), [next]);
  await until('progress again', async () => (watch.stderr().includes('MOVING') ? true : null), [next], 30_000);
  await next.end('SIGTERM');
});
