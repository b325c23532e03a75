/** A start from a checkpoint knows what a start from the log's beginning knows; one that does not fit is not used. */
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { databaseFile } from '../../adapters/sqlite/database.ts';
import { loadConfig } from '../../config/load.ts';
import { evolveDesk } from '../../domain/desk/evolve.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import { initialDesk } from '../../domain/desk/state.ts';
import { usualInstrument } from '../../domain/instruments.ts';
import type { ProjectedEvent } from '../../domain/projection.ts';
import type { DeskSettings } from '../../domain/settings.ts';
import { parseInstant } from '../../domain/time.ts';
import { Checkpoints } from '../../src/daemon/checkpoint.ts';
import type { OpenLog } from '../../src/daemon/opening.ts';
import { openLog, proveBeside } from '../../src/daemon/opening.ts';
import { deskSettings } from '../../src/desk-settings.ts';
import { Drill, drill } from '../faults/harness.ts';
import { GENESIS_HASH } from '../../domain/log.ts';
import { folderForTest } from '../folders.ts';
import { DEMO_PROFILE, ROOT } from './processes.ts';

const HEAD = { sequence: 7, position: 7, hash: GENESIS_HASH };
const settingsOf = (): DeskSettings => deskSettings(loadConfig({ file: DEMO_PROFILE, environment: {}, baseDirectory: ROOT }).config, [usualInstrument('EUR_USD')], 256);
const folded = (from: DeskState, events: readonly ProjectedEvent[]): DeskState => events.reduce((state, { event, metadata }) => evolveDesk(state, event, parseInstant(metadata.occurredAt)), from);

/** A state as it comes back from the disk. */
function throughDisk(checkpoints: Checkpoints, state: DeskState): DeskState {
  checkpoints.write(HEAD, state);
  const read = checkpoints.read();
  if (read === null || 'unusable' in read) throw new Error('the checkpoint is not there');
  return read.restore(state.settings)!;
}

describe('a checkpoint', () => {
  test('and what came after it leave the desk that the whole log leaves, at whichever event it was taken', async () => {
    const { log } = await drill({ bars: 40, faults: [{ preset: 'foreignTrade', at: '+600s' }, { kind: 'status', method: 'POST', path: '/orders', status: 503, at: '+900s', count: 2 }] });
    const whole = folded(initialDesk(settingsOf()), log.events);
    expect(whole.books.get(usualInstrument('EUR_USD').name)!.trading.orders.size).toBeGreaterThan(3);
    const checkpoints = new Checkpoints(folderForTest(), GENESIS_HASH);
    let state = initialDesk(settingsOf());
    for (const [index, event] of log.events.entries()) {
      state = folded(state, [event]);
      if (index % 23 !== 0) continue;
      const restored = throughDisk(checkpoints, state);
      expect(restored).toEqual(state);
      expect(folded(restored, log.events.slice(index + 1))).toEqual(whole);
    }
  });

  test.each<[string, (directory: string, file: string) => Checkpoints, string]>([
    ['under another configuration', (directory) => new Checkpoints(directory, '1'.repeat(64)), 'other code, under another configuration or on another Node'],
    ['cut short', (directory, file) => (writeFileSync(file, readFileSync(file).subarray(0, -1)), new Checkpoints(directory, GENESIS_HASH)), 'its content does not match its hash'],
    ['of another format', (directory, file) => (writeFileSync(file, readFileSync(file, 'latin1').replace('checkpoint/1', 'checkpoint/2'), 'latin1'), new Checkpoints(directory, GENESIS_HASH)), 'of another format'],
    ['empty', (directory, file) => (writeFileSync(file, ''), new Checkpoints(directory, GENESIS_HASH)), 'it is damaged'],
  ])('that is read %s is not used', (_how, read, why) => {
    const directory = folderForTest();
    new Checkpoints(directory, GENESIS_HASH).write(HEAD, initialDesk(settingsOf()));
    expect(read(directory, join(directory, 'desk.checkpoint')).read()).toEqual({ unusable: expect.stringContaining(why) as string });
  });

  test('of a log that is too long to be proved whole at once has the rest proved beside the daemon', async () => {
    const real = await Drill.prepare('realtime', { faults: [] });
    const daemon = real.startDaemon();
    await real.place.whenReady(daemon);
    expect((await daemon.end('SIGTERM')).code).toBe(0);
    const { config, hash } = loadConfig({ file: DEMO_PROFILE, environment: real.place.environment(real.settings, real.address), baseDirectory: ROOT });
    const open = (wholeEventsMax: number): Promise<OpenLog> => openLog({ config, configHash: hash, logger: pino({ level: 'silent' }) }, wholeEventsMax);
    const short = await open(100);
    expect(short.isProvedWhole).toBe(true);
    await short.store.close();
    const database = new DatabaseSync(databaseFile(real.place.dataDirectory));
    database.exec("UPDATE events SET data = replace(data, '\"accountId\":\"101', '\"accountId\":\"102') WHERE position = 0");
    database.close();
    await expect(open(100)).rejects.toThrow(/broken at daemon-demo@0/);
    const long = await open(1);
    expect(long.isProvedWhole).toBe(false);
    expect(await new Promise<string>((resolve) => void proveBeside(long.store, resolve))).toMatch(/^the log is broken at daemon-demo@0: .*restore a backup/);
    const told: string[] = [];
    proveBeside(long.store, (detail) => told.push(detail))();
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(told).toEqual([]);
    await long.store.close();
  });

  test('restores nothing where the broker has described an instrument otherwise since', () => {
    const checkpoints = new Checkpoints(folderForTest(), GENESIS_HASH);
    const settings = settingsOf();
    checkpoints.write(HEAD, initialDesk(settings));
    const read = checkpoints.read();
    if (read === null || 'unusable' in read) throw new Error('the checkpoint is not there');
    expect(read.head).toEqual(HEAD);
    const [entry] = settings.instruments;
    expect(read.restore({ ...settings, instruments: [{ ...entry!, instrument: { ...entry!.instrument, pipLocation: -2 } }] })).toBeNull();
  });

  test('is taken up by the next start, which agrees with the broker; without it, or with a damaged one, the start takes longer and knows the same', async () => {
    const real = await Drill.prepare('realtime', { faults: [] });
    const file = join(real.place.dataDirectory, 'desk.checkpoint');
    const saying = async (): Promise<string> => {
      const daemon = real.startDaemon({ RECKONER_LOGGING_LEVEL: 'info' });
      await real.place.whenReady(daemon);
      const { code, stderr } = await daemon.end('SIGTERM');
      expect(code).toBe(0);
      return stderr;
    };
    expect(await saying()).not.toContain('checkpoint');
    expect(await saying()).toContain('taken up from a checkpoint');
    const bytes = readFileSync(file);
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(file, bytes);
    expect(await saying()).toContain('the checkpoint is not used: the log is verified from its beginning');
    for (const name of readdirSync(real.place.dataDirectory).filter((entry) => /^(?:log|head)\./.test(entry))) rmSync(join(real.place.dataDirectory, name));
    expect(await saying(), 'of another log').toMatch(/the log was rewritten.*the checkpoint is not used/);
    rmSync(file);
    expect(await saying()).not.toContain('checkpoint');
  });
});
