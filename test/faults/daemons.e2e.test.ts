/** Two daemons on one account, and a daemon whose disk is full: rows 47 and 48 of the fault catalogue. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ofType, readLog } from '../e2e/log.ts';
import type { Settings } from '../e2e/processes.ts';
import { DEMO_PROFILE, Workplace } from '../e2e/processes.ts';
import { Drill } from './harness.ts';
import { expectSound } from './soundness.ts';

describe('row 47: a second daemon on the account', () => {
  test('whose epoch is higher ends the first one with 33 as soon as it trades', async () => {
    const real = await Drill.prepare('realtime', { faults: [], settings: { 'policy.kind': 'random', 'policy.holdShare': '1' } });
    const first = real.startDaemon();
    await real.place.whenReady(first);

    const other = new Workplace();
    const settings: Settings = {
      'broker.tokenFile': real.place.tokenFile, 'broker.clock': 'system', 'calendar.alwaysOpen': 'true',
      'policy.kind': 'random', 'policy.seed': '7', 'policy.holdShare': '0', 'safety.spreadPipsMax': '1000',
    };
    // Its second run: by its own log it stands one epoch above the first one.
    const run = other.startDaemon(real, settings);
    await other.whenReady(run);
    expect((await run.end('SIGTERM')).code).toBe(0);
    const second = other.startDaemon(real, settings);
    expect((await other.whenReady(second)).epoch).toBe(2);
    await other.arm('a drill');

    const { code, stderr } = await first.ended;
    expect(code, stderr.slice(-2_000)).toBe(33);
    expect(stderr).toContain('carries epoch 2, above ours (1): another daemon has taken over');
    expect(ofType(await readLog(real.place.dataDirectory), 'OrderIntended')).toEqual([]);
    expect(second.hasEnded).toBe(false);
    await second.end('SIGTERM');
  });
});

describe.skipIf(process.platform !== 'linux')('row 48: a log that takes no more', () => {
  const sizes = (directory: string): readonly number[] => readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => statSync(join(directory, name)).size);

  test('ends the daemon with 30: nothing was sent that the log does not hold, and it goes on when there is room again', async () => {
    const drill = await Drill.prepare('lockstep', { faults: [], bars: 400 });
    const daemon = drill.startDaemon();
    await drill.place.whenReady(daemon);
    await drill.place.arm('a drill');
    // No file may grow beyond the largest by more than this: the write fails as on a full disk.
    const bytesMax = Math.max(...sizes(drill.place.dataDirectory)) + 1_200 * 1_024;
    execFileSync('prlimit', ['--pid', String(daemon.process.pid), `--fsize=${bytesMax}`]);
    await drill.release();
    const { code, stderr } = await daemon.ended;
    expect(code, stderr.slice(-2_000)).toBe(30);
    const full = await readLog(drill.place.dataDirectory);
    expect(full.verdict.ok).toBe(true);
    const intended = new Set(ofType(full, 'OrderIntended').map(({ data }) => data.clientOrderId));
    const placed = (await drill.transactions()).filter(({ type }) => type === 'MARKET_ORDER').flatMap(({ clientExtensions }) => clientExtensions?.id ?? []);
    expect(placed.length).toBeGreaterThan(3);
    expect(placed.filter((id) => !intended.has(id))).toEqual([]);

    const again = await drill.startDaemon().ended;
    expect(again.code, again.stderr.slice(-2_000)).toBe(0);
    const log = await readLog(drill.place.dataDirectory);
    expect(ofType(log, 'DaemonStarted').map(({ data }) => data.previousRun)).toEqual(['none', 'crashed']);
    expectSound({ exitCode: 0, log, transactions: await drill.transactions(), faults: [], openTrades: [] });
  });

  test.each(['/sys/kernel/reckoner', '/sys/kernel'])('or cannot be written from the start (%s) ends it with 30 before anything is asked of the broker', async (directory) => {
    const place = new Workplace();
    const { code, stderr } = await place.command(['run', '--config', DEMO_PROFILE], { 'deployment.dataDirectory': directory }, { rest: 'http://127.0.0.1:9', stream: 'http://127.0.0.1:9' });
    expect(code, stderr).toBe(30);
    expect(stderr).toContain(directory);
  });
});
