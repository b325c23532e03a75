/** Two operators at the command line: a request, a restart, and the other name that carries it out. */
import { expect, test } from 'vitest';
import { ofType, readLog } from './log.ts';
import type { Outcome, Settings } from './processes.ts';
import { DEMO_PROFILE, Workplace } from './processes.ts';

const SETTINGS: Settings = { 'broker.clock': 'system', 'calendar.alwaysOpen': 'true', 'policy.kind': 'hold', 'safety.secondOperator': 'armAndResume' };

test('arming is a request until another operator says the same; a restart forgets it not, and stopping takes one person', async () => {
  const place = new Workplace();
  const broker = await place.startBroker(['--clock', 'realtime', '--always-open', '--instrument', 'EUR_USD']);
  const tell = (verb: string, operator: string, ...rest: string[]): Promise<Outcome> => place.command([verb, '--config', DEMO_PROFILE, '--operator', operator, '--reason', `${operator} has looked`, ...rest], SETTINGS, broker.address);
  let daemon = place.startDaemon(broker, SETTINGS);
  await place.whenReady(daemon);

  const asked = await tell('arm', 'ada', '--yes');
  expect(asked.code).toBe(75);
  expect(asked.stdout).toMatch(/^requested: arm is requested, and takes another operator: mode OBSERVING, position flat, worst loss .* \(mode OBSERVING\)\n$/);
  await daemon.end('SIGTERM');
  daemon = place.startDaemon(broker, SETTINGS);
  await place.whenReady(daemon);

  const status = await place.command(['status', '--config', DEMO_PROFILE, '--json'], SETTINGS, broker.address);
  expect(JSON.parse(status.stdout)).toMatchObject({ live: { mode: 'OBSERVING', request: { verb: 'arm', operator: 'ada', reason: 'ada has looked' } } });
  const twice = await tell('arm', 'Ada', '--yes');
  expect([twice.code, twice.stdout]).toEqual([1, expect.stringContaining('refused: ada has requested this at')]);
  const seconded = await tell('arm', 'ben', '--yes');
  expect([seconded.code, seconded.stdout]).toEqual([0, 'ok: armed, requested by ada (mode ARMED)\n']);
  expect(seconded.stderr).toMatch(/ada has requested to arm \(ada has looked\); until \S+ another operator may carry it out/);

  expect((await tell('halt', 'ada')).stdout).toBe('ok: halted (mode HALTED)\n');
  expect((await tell('resume', 'ben')).code).toBe(75);
  expect((await tell('resume', 'ada', '--json')).code).toBe(0);
  await daemon.end('SIGTERM');
  const log = await readLog(place.dataDirectory);
  expect(ofType(log, 'CommandSeconded').map(({ data }) => `${data.verb}: ${data.requestedBy}, ${data.operator}`)).toEqual(['arm: ada, ben', 'resume: ben, ada']);
  expect(ofType(log, 'CommandRequested').map(({ data }) => data.reason)).toEqual(['ada has looked', 'ben has looked']);
});
