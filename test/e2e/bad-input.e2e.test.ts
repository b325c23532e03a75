/**
 * What must not be believed: every bad input ends with its own exit code and a message that names the place and the
 * remedy, and leaves the log as it was.
 */
import { chmodSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { ofType, readLog } from './log.ts';
import type { BrokerProcess, Outcome, Settings } from './processes.ts';
import { DEMO_PROFILE, ROOT, Workplace } from './processes.ts';

const HOLD: Settings = { 'policy.kind': 'hold', 'logging.level': 'warn' };
const SHORT_MARKET = ['--clock', 'lockstep', '--drawn-bars', '3'];

const run = (place: Workplace, broker: BrokerProcess, settings: Settings, profile = DEMO_PROFILE): Promise<Outcome> =>
  place.command(['run', '--config', profile], { ...HOLD, ...settings }, broker.address);

/** The whole profile with one line changed, as a file of its own. */
function profileWith(place: Workplace, name: string, from: string, to: string): string {
  const text = readFileSync(DEMO_PROFILE, 'utf8');
  expect(text).toContain(from);
  const file = join(place.directory, name);
  writeFileSync(file, text.replace(from, to));
  return file;
}

/** A directory whose log holds one short run that ended well. */
async function placeWithLog(): Promise<{ readonly place: Workplace; readonly broker: BrokerProcess }> {
  const place = new Workplace();
  const broker = await place.startBroker(SHORT_MARKET);
  expect((await run(place, broker, {})).code).toBe(0);
  return { place, broker };
}

const rows = (place: Workplace): readonly unknown[] => {
  const database = new DatabaseSync(join(place.dataDirectory, 'log.sqlite'), { readOnly: true });
  try {
    return database.prepare('SELECT * FROM events ORDER BY position').all();
  } finally {
    database.close();
  }
};

function change(place: Workplace, sql: string): void {
  const database = new DatabaseSync(join(place.dataDirectory, 'log.sqlite'));
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

describe('a configuration', () => {
  test('with broken YAML, an unknown key or an impossible value is refused with file, line and remedy', async () => {
    const place = new Workplace();
    const check = (profile: string, extra: NodeJS.ProcessEnv = {}): Promise<Outcome> => place.command(['config', 'check', '--config', profile], {}, null, extra);
    const changed = (name: string, from: string, to: string): Promise<Outcome> => check(profileWith(place, name, from, to));
    const [sound, ...refused] = await Promise.all([
      check(DEMO_PROFILE),
      changed('broken.yaml', 'safety:', 'safety: ['),
      changed('unknown.yaml', '  ordersPerHourMax: 20', '  ordersPerHuorMax: 20'),
      changed('near.yaml', 'stopLossPips: 30', 'stopLossPips: 20'),
      check(DEMO_PROFILE, { RECKONER_SAFETY_MAX_ORDER_UNIT: '1' }),
      check(join(place.directory, 'nowhere.yaml')),
    ]);
    expect(sound.code).toBe(0);
    expect(refused.map(({ code }) => code)).toEqual([78, 78, 78, 78, 78]);
    const messages = [
      /broken\.yaml:\d+:\d+:? .*correct the YAML/,
      /unknown\.yaml:\d+:3.*ordersPerHuorMax is not a known key.*remove it or correct its spelling/,
      /near\.yaml:\d+:\d+.*stopLossPips.*use at least 24/,
      /environment RECKONER_SAFETY_MAX_ORDER_UNIT.*names no key.*unset it/,
      /nowhere\.yaml.*cannot be read \(ENOENT\).*config\/profiles has examples/,
    ];
    for (const [index, message] of messages.entries()) expect(refused[index]!.stderr).toMatch(message);
  });
});

describe('a token file', () => {
  test('that is missing, or that others may read, is refused before anything is opened', async () => {
    const place = new Workplace();
    const broker = await place.startBroker(SHORT_MARKET);
    const missing = await run(place, broker, { 'broker.tokenFile': join(place.directory, 'nowhere') });
    expect(missing.code).toBe(78);
    expect(missing.stderr).toMatch(/nowhere: the token file cannot be opened \(ENOENT\); create it with mode 0600/);

    chmodSync(place.tokenFile, 0o644);
    const open = await run(place, broker, {});
    expect(open.code).toBe(78);
    expect(open.stderr).toMatch(/mode 0644, so others can reach it; run chmod 600/);
    expect(open.stderr).not.toContain(place.token);
    expect(() => rows(place)).toThrow();
  });
});

describe('a file of bars', () => {
  test('with a bad row is refused with file and line', async () => {
    const place = new Workplace();
    const bars = join(place.directory, 'bars.csv');
    writeFileSync(bars, 'time,open,high,low,close\n2026-01-05T08:00:00Z,1.1,1.2,1.0,1.1\n2026-01-05T08:01:00Z,1.1,1.0,1.05,1.1\n');
    const broker = await place.command(['broker', '--clock', 'lockstep', '--bars', bars, '--token-file', place.tokenFile], {}, null);
    expect(broker).toMatchObject({ code: 64, stdout: '' });
    expect(broker.stderr).toMatch(/bars\.csv:3: high is below low; correct or remove the line/);

    const settings: Settings = { ...HOLD, 'broker.tokenFile': join(place.dataDirectory, 'token') };
    const demo = await place.command(['demo'], settings, null, { RECKONER_BARS: bars });
    expect(demo.code).not.toBe(0);
    expect(demo.stderr).toMatch(/bars\.csv:3: high is below low/);
  });

  test('that cannot be read leaves the log of an earlier demo in place', async () => {
    const { place } = await placeWithLog();
    writeFileSync(join(place.dataDirectory, 'made-by-demo'), '');
    const before = rows(place);
    expect(before.length).toBeGreaterThan(0);
    const missing = join(place.directory, 'nowhere.csv');
    const demo = await place.command(['demo'], { ...HOLD, 'broker.tokenFile': join(place.dataDirectory, 'token') }, null, { RECKONER_BARS: missing });
    expect(demo.code).toBe(64);
    expect(demo.stderr).toContain(missing);
    expect(rows(place)).toEqual(before);
  });
});

describe('a model', () => {
  test('that was tampered with is refused on the record, and nothing trades', async () => {
    const place = new Workplace();
    const broker = await place.startBroker(SHORT_MARKET);
    const model = join(place.directory, 'model');
    cpSync(join(ROOT, 'models/reference/untrained-h32'), model, { recursive: true });
    const graph = join(model, 'initial_inference.onnx');
    const bytes = readFileSync(graph);
    bytes[bytes.length - 100]! ^= 1;
    writeFileSync(graph, bytes);
    const outcome = await run(place, broker, { 'policy.kind': 'muzero', 'policy.modelDirectory': model });
    expect(outcome.code).toBe(78);
    expect(outcome.stderr).toContain('the model was refused');
    expect(outcome.stderr).toContain('initial_inference');
    const log = await readLog(place.dataDirectory);
    expect(log.verdict).toMatchObject({ ok: true });
    expect(log.events.map(({ event }) => event.type)).toEqual(['ModelRejected']);
    expect(ofType(log, 'ModelRejected')[0]!.data.detail).toContain('initial_inference');

    // With a sound model the same directory starts as if for the first time.
    expect((await run(place, broker, {})).code).toBe(0);
    expect(ofType(await readLog(place.dataDirectory), 'DaemonStarted').map(({ data }) => data.previousRun)).toEqual(['none']);
  });
});

describe('a log', () => {
  test('with an edited event is not built upon: verify names the event, and the daemon refuses to start', async () => {
    const { place, broker } = await placeWithLog();
    change(place, "UPDATE events SET data = replace(data, '\"accountId\":\"101', '\"accountId\":\"102') WHERE type = 'DaemonStarted'");
    const before = rows(place);
    const verified = await place.command(['verify', '--config', DEMO_PROFILE], HOLD, broker.address);
    expect(verified.code).toBe(1);
    expect(verified.stdout).toMatch(/^BROKEN at daemon-demo@0 \(event \d+\): /);
    const started = await run(place, broker, {});
    expect(started.code).toBe(30);
    expect(started.stderr).toMatch(/daemon-demo@0.*restore a backup/);
    expect(rows(place)).toEqual(before);
  });

  test('whose tail was cut off is noticed by its witness, and the daemon refuses to start', async () => {
    const { place, broker } = await placeWithLog();
    change(place, `
      DELETE FROM events WHERE type = 'DaemonStopped';
      UPDATE streams SET revision = (SELECT max(revision) FROM events WHERE events.stream = streams.stream),
        hash = (SELECT hash FROM events WHERE events.stream = streams.stream ORDER BY revision DESC LIMIT 1);`);
    const before = rows(place);
    const started = await run(place, broker, {});
    expect(started.code).toBe(30);
    expect(started.stderr).toMatch(/behind its witness.*bring back the newer log/);
    const verified = await place.command(['verify', '--config', DEMO_PROFILE, '--json'], HOLD, broker.address);
    expect(verified.code).toBe(1);
    expect(JSON.parse(verified.stdout)).toMatchObject({ ok: false });
    expect(rows(place)).toEqual(before);
  });

  test('of a newer format, of another deployment or of no database at all is refused with the remedy', async () => {
    const { place, broker } = await placeWithLog();
    const before = rows(place);
    const other = await run(place, broker, { 'deployment.name': 'other' });
    expect(other.code).toBe(30);
    expect(other.stderr).toMatch(/is the log of the deployment "demo", not of "other"/);
    change(place, 'PRAGMA user_version = 99');
    const commands = [['run'], ['verify'], ['query', 'runs'], ['replay'], ['status']];
    for (const { code, stderr } of await Promise.all(commands.map((command) => place.command([...command, '--config', DEMO_PROFILE], HOLD, broker.address)))) {
      expect(stderr).toMatch(/log\.sqlite has format version 99 and this build reads up to \d+: run the build that wrote it/);
      expect(code).toBe(30);
    }
    expect(rows(place)).toEqual(before);

    const file = join(place.dataDirectory, 'log.sqlite');
    for (const suffix of ['-wal', '-shm']) rmSync(file + suffix, { force: true });
    writeFileSync(file, 'this is no database, though it lies where one should be. '.repeat(100));
    const garbage = await run(place, broker, {});
    expect(garbage.code).toBe(30);
    expect(garbage.stderr).toMatch(/no SQLite database: restore a backup/);
  });
});
