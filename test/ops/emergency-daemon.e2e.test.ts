/** The emergency close beside a daemon: one that listens, one that hangs, one that is dead, and what the next one knows. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sendCommand } from '../../adapters/control/client.ts';
import { ofType, readLog } from '../e2e/log.ts';
import type { Child } from '../e2e/processes.ts';
import { until } from '../e2e/processes.ts';
import { Drill } from '../faults/harness.ts';
import { Emergency } from './emergency.ts';

const WHO = { operator: 'ada', reason: 'a test of emergencies' };
const MINUTE_AND_MORE_MS = 100_000;

interface Beside {
  readonly emergency: Emergency;
  readonly drill: Drill;
  readonly daemon: Child;
  /** Runs the tool on the daemon's own directory. */
  readonly close: (...options: readonly string[]) => ReturnType<Emergency['run']>;
  readonly haltFile: string;
}

/** A daemon that is READY, and the tool beside it. */
async function beside(settings: { readonly [path: string]: string } = { 'policy.holdShare': '1' }): Promise<Beside> {
  const drill = await Drill.prepare('realtime', { faults: [], settings });
  const emergency = new Emergency(drill);
  const daemon = drill.startDaemon();
  await drill.place.whenReady(daemon);
  return { emergency, drill, daemon, haltFile: join(emergency.stateDirectory, 'HALT'), close: (...options) => emergency.run('--runtime-dir', emergency.stateDirectory, ...options) };
}

const modeOf = async ({ place }: Drill): Promise<string | undefined> => (await place.status())?.mode;
const whenMode = (drill: Drill, mode: string, daemon: Child): Promise<true> => until(`the mode ${mode}`, async () => ((await modeOf(drill)) === mode ? true : null), [daemon]);

describe('beside a daemon that listens', () => {
  test('its own trade is closed while it records, and nobody is asked who did it', async () => {
    const { emergency, drill, daemon, haltFile, close } = await beside({ 'policy.holdShare': '0', 'safety.spreadPipsMax': '1000' });
    await drill.place.arm('a drill');
    await until('a position of its own', async () => ((await emergency.account()).some((line) => line.endsWith(' EUR_USD')) ? true : null), [daemon], MINUTE_AND_MORE_MS);
    const { code, outcome, stderr } = await close('--reason', 'it trades nonsense');
    expect(code, stderr).toBe(47);
    expect(outcome).toMatchObject({ daemon: 'halted', flat: true, haltFiles: [haltFile] });
    expect(await emergency.account()).toEqual([]);
    expect(daemon.hasEnded).toBe(false);
    expect(await modeOf(drill)).toBe('HALTED');

    // The tool's own close is in the log, by whom and when, and waits for no acknowledgement.
    await drill.event('EmergencyRecordImported', ({ data }) => data.kind === 'ended', [daemon]);
    const imported = ofType(await readLog(drill.place.dataDirectory), 'EmergencyRecordImported');
    expect(imported.map(({ data }) => data.step)).toEqual(imported.map((_event, index) => index));
    expect(JSON.parse(imported[0]!.data.line)).toMatchObject({ kind: 'started', operator: 'ada', reason: 'it trades nonsense' });
    expect(new Set(imported.flatMap(({ data }) => data.transactionIds))).toEqual(new Set(outcome?.transactionIds));
    expect(await sendCommand(drill.place.socketPath, { verb: 'resume', ...WHO })).toMatchObject({ accepted: true });
    expect(existsSync(haltFile)).toBe(false);
    expect(await modeOf(drill)).toBe('OBSERVING');

    const halts = ofType(await readLog(drill.place.dataDirectory), 'TradingHalted');
    expect(halts.map(({ data }) => data.cause)).toEqual(expect.arrayContaining(['operator', 'emergency']));
    await daemon.end('SIGTERM');
  });
});

describe('beside a daemon that hangs', () => {
  test('it is ended where it can be named, and the next one is HALTED until an operator resumes it', async () => {
    const { emergency, drill, daemon, haltFile, close } = await beside();
    daemon.process.kill('SIGSTOP');
    await emergency.open('EUR_USD', '100');
    const { code, outcome, stderr } = await close('--pid', String(daemon.process.pid));
    expect(code, stderr).toBe(47);
    expect(outcome?.daemon).toBe('stopped');
    expect(await emergency.account()).toEqual([]);
    expect((await daemon.ended).signal).toBe('SIGKILL');

    const next = drill.startDaemon();
    await whenMode(drill, 'HALTED', next);
    expect(existsSync(haltFile)).toBe(true);
    expect(await sendCommand(drill.place.socketPath, { verb: 'arm', ...WHO })).toMatchObject({ accepted: false });
    const log = await readLog(drill.place.dataDirectory);
    expect(ofType(log, 'EmergencyRecordImported').at(-1)?.data.kind).toBe('notice');
    expect(ofType(log, 'TradingHalted').map(({ data }) => data.cause)).toContain('emergency');

    // Restarted once more: the record is not told twice.
    await next.end('SIGTERM');
    const again = drill.startDaemon();
    await whenMode(drill, 'HALTED', again);
    const length = ofType(log, 'EmergencyRecordImported').length;
    expect(ofType(await readLog(drill.place.dataDirectory), 'EmergencyRecordImported')).toHaveLength(length);
    await again.end('SIGTERM');
  });

  test('and cannot be named finds the halt and a higher epoch when it wakes up, and gives way with 33', async () => {
    const { emergency, daemon, close } = await beside();
    daemon.process.kill('SIGSTOP');
    await emergency.open('EUR_USD', '100');
    const { code, outcome, stderr } = await close();
    expect(code, stderr).toBe(47);
    expect(outcome?.daemon).toBe('unknown');
    expect(stderr).toContain('a higher epoch');
    expect(await emergency.account()).toEqual([]);
    daemon.process.kill('SIGCONT');
    expect((await daemon.ended).code).toBe(33);
  });
});

describe('beside a daemon that is dead', () => {
  test('its damaged store is left alone, and the account is closed all the same', async () => {
    const { emergency, drill, daemon, close } = await beside();
    await daemon.end('SIGKILL');
    for (const name of readdirSync(drill.place.dataDirectory).filter((each) => /\.(db|sqlite)/.test(each))) writeFileSync(join(drill.place.dataDirectory, name), 'no database at all');
    await emergency.open('EUR_USD', '100');
    await emergency.wait();
    const { code, outcome, stderr } = await close();
    expect(code, stderr).toBe(47);
    expect(outcome?.daemon).toBe('absent');
    expect(await emergency.account()).toEqual([]);
    expect((await drill.startDaemon().ended).code).toBe(30);
  });
});

describe('a HALT file', () => {
  test('put there by hand halts a daemon that runs, and only resuming takes it away', async () => {
    const { drill, daemon, haltFile } = await beside();
    await drill.place.arm('a drill');
    writeFileSync(haltFile, 'what is this thing doing\n');
    await whenMode(drill, 'HALTED', daemon);
    const [halt] = ofType(await readLog(drill.place.dataDirectory), 'TradingHalted');
    expect(halt?.data).toMatchObject({ cause: 'emergency', disposition: 'hold' });
    expect(halt?.data.detail).toContain('what is this thing doing');
    expect(existsSync(haltFile)).toBe(true);
    expect(await sendCommand(drill.place.socketPath, { verb: 'resume', ...WHO })).toMatchObject({ accepted: true, mode: 'OBSERVING' });
    expect(existsSync(haltFile)).toBe(false);
    await daemon.end('SIGTERM');
  });
});

describe('a HALT file in accelerated time', () => {
  test('is looked for before each opening order: the next one is denied, and none follows', async () => {
    const drill = await Drill.prepare('lockstep', { faults: [], bars: 200 });
    const emergency = new Emergency(drill);
    const ended = drill.run();
    await until('a trade', async () => ((await emergency.account()).length > 0 ? true : null));
    writeFileSync(join(emergency.stateDirectory, 'HALT'), 'stop\n');
    const { exitCode, log } = await ended;
    expect(exitCode).toBe(0);
    const denied = ofType(log, 'OrderDenied').filter(({ data }) => data.guard === 'haltFile');
    expect(denied).toMatchObject([{ data: { leg: 'open' } }]);
    const halted = log.events.findIndex(({ event }) => event.type === 'TradingHalted' && event.data.cause === 'emergency');
    expect(halted).toBeGreaterThan(0);
    expect(log.events.slice(halted).filter(({ event }) => event.type === 'OrderIntended' && event.data.leg === 'open')).toEqual([]);
    // Nothing of the denied order ever reached the broker.
    const sent = new Set((await drill.transactions()).flatMap(({ clientExtensions }) => clientExtensions?.id ?? []));
    expect(sent.has(denied[0]!.data.clientOrderId!)).toBe(false);
    expect(sent.size).toBeGreaterThan(0);
  });
});
