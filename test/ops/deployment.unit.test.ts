import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { schemaKeys } from '../../config/schema.ts';
import { environmentName } from '../../config/source.ts';
import { tool } from './emergency.ts';

const UNIT_FILE = 'ops/systemd/reckoner.service';
const HARDENED = [UNIT_FILE, 'ops/systemd/reckoner-deadman.service', 'ops/systemd/reckoner-emergency-check.service'];
const EXPOSURE_MAX = 1.5;
const unit = readFileSync(UNIT_FILE, 'utf8');
const dockerfile = readFileSync('Dockerfile', 'utf8');
const runbook = readFileSync('ops/runbook.md', 'utf8');
const NO_RESTART = [30, 31, 32, 33, 64, 78];

const settingsOf = (key: string, text = unit): readonly string[] =>
  text.split('\n').filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
const knownVariables = new Set(schemaKeys().map(({ path }) => environmentName(path)));
const unknownVariables = (text: string): readonly string[] => [...text.matchAll(/\bRECKONER_[A-Z0-9_]+/g)].map(([name]) => name).filter((name) => !knownVariables.has(name));

const systemdVersion = Number(/^systemd (\d+)/.exec(spawnSync('systemd-analyze', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1] ?? 0);
if (systemdVersion < 250) console.info('systemd-analyze (250 or later) is not installed: the check of the unit’s exposure is skipped');

describe('every systemd unit', () => {
  test.skipIf(systemdVersion < 250)('is one that systemd understands', () => {
    const directory = mkdtempSync(join(tmpdir(), 'rk-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const names = readdirSync('ops/systemd');
    expect(names).toContain('reckoner-emergency-check.timer');
    // Commands are looked for where they will be installed.
    for (const name of names) writeFileSync(join(directory, name), readFileSync(join('ops/systemd', name), 'utf8').replaceAll('/opt/reckoner/node_modules/.bin/node', process.execPath));
    const { stderr, status } = spawnSync('systemd-analyze', ['verify', '--man=no', ...names.map((name) => join(directory, name))], { encoding: 'utf8' });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  test.skipIf(systemdVersion < 250).each(HARDENED)(`exposes at most ${EXPOSURE_MAX} by systemd’s own reckoning: %s`, (file) => {
    const { stdout, status } = spawnSync('systemd-analyze', ['security', '--offline=true', '--no-pager', `--threshold=${EXPOSURE_MAX * 10}`, file], { encoding: 'utf8' });
    expect(Number(/Overall exposure level for .*: ([\d.]+)/.exec(stdout)?.[1])).toBeLessThanOrEqual(EXPOSURE_MAX);
    expect(status).toBe(0);
  });
});

describe('the systemd unit', () => {
  test('never restarts a daemon that ended for a reason a human must see', () => {
    expect(settingsOf('Restart')).toEqual(['on-failure']);
    expect(settingsOf('RestartPreventExitStatus').join(' ').split(' ').map(Number)).toEqual(NO_RESTART);
  });

  test('hands the token over as a credential and keeps the runtime directory', () => {
    expect(settingsOf('LoadCredential')).toEqual(['oanda-token:/etc/reckoner/oanda-token']);
    expect(settingsOf('Environment')).toContain('RECKONER_BROKER_TOKEN_FILE=%d/oanda-token');
    expect(settingsOf('RuntimeDirectoryPreserve')).toEqual(['yes']);
  });

  test('leaves V8 its executable memory', () => {
    expect(settingsOf('MemoryDenyWriteExecute')).toEqual([]);
  });

  test('sets variables that the configuration knows', () => {
    expect(unknownVariables(unit)).toEqual([]);
  });
});

describe('the unit that flattens at the open', () => {
  const text = readFileSync('ops/systemd/reckoner-flatten-at-open.service', 'utf8');

  test('is started by a hand alone, waits without end, and tries again only where nothing is known', () => {
    expect(text).not.toContain('[Install]');
    expect(settingsOf('ExecStart', text).join()).toMatch(/ops\/emergency-close .*--token-file %d\/oanda-token .*--yes --halted wait --forever$/);
    const answers = settingsOf('RestartPreventExitStatus', text).join(' ').split(' ');
    expect(Object.keys(tool.MEANINGS).filter((code) => code !== '0' && !answers.includes(code))).toEqual(['1', '43']);
  });
});

describe('the units of the dead-man', () => {
  const [watch, check, timer] = ['deadman.service', 'emergency-check.service', 'emergency-check.timer'].map((name) => readFileSync(`ops/systemd/reckoner-${name}`, 'utf8')) as [string, string, string];

  test('have a user and a token of their own, never the daemon’s', () => {
    expect(settingsOf('User', watch)).toEqual(['reckoner-deadman']);
    expect(settingsOf('DynamicUser', check)).toEqual(['yes']);
    for (const text of [watch, check]) {
      expect(settingsOf('LoadCredential', text)).toEqual(['emergency-token:/etc/reckoner/emergency-token']);
      expect(text).not.toContain('oanda-token');
      expect(settingsOf('ExecStart', text).join()).toContain('--token-file %d/emergency-token');
    }
  });

  test('close nothing unless the operator’s file says so, and outlive every stop of the daemon', () => {
    expect(settingsOf('ExecStart', watch).join()).toMatch(/ops\/deadman .*\$DEADMAN_OPTIONS$/);
    expect(settingsOf('ExecStart', watch).join()).not.toContain('--flatten-after');
    expect(watch).not.toMatch(/^(Requires|BindsTo|PartOf)=/m);
    expect(settingsOf('Restart', watch)).toEqual(['always']);
    expect(settingsOf('KillMode', watch)).toEqual(['mixed']);
  });

  test('try the token every day by a dry run, of which both good answers are a success', () => {
    expect(settingsOf('ExecStart', check).join()).toMatch(/ops\/emergency-close .* --dry-run$/);
    expect(settingsOf('SuccessExitStatus', check)).toEqual(['48']);
    expect(settingsOf('OnCalendar', timer)).toEqual(['*-*-* 06:00:00 UTC']);
    expect(settingsOf('Persistent', timer)).toEqual(['yes']);
  });
});

const composeSchema = z.object({
  services: z.object({
    reckoner: z.object({ user: z.string(), read_only: z.boolean(), cap_drop: z.array(z.string()), security_opt: z.array(z.string()), pids_limit: z.number(), ports: z.never().optional() }),
  }),
});

describe('the container', () => {
  test('runs as nobody in particular, from an image that carries no secret and no development tool', () => {
    expect(Number(/^USER (\d+)/m.exec(dockerfile)?.[1])).toBeGreaterThanOrEqual(10_000);
    expect(dockerfile).toMatch(/npm ci --omit=dev/);
    expect(unknownVariables(dockerfile)).toEqual([]);
    expect(readFileSync('.dockerignore', 'utf8').split('\n').find((line) => !line.startsWith('#'))).toBe('*');
  });

  test('copies every folder that the image needs past the ignore file', () => {
    const allowed = new Set(readFileSync('.dockerignore', 'utf8').split('\n').filter((line) => line.startsWith('!')).map((line) => line.slice(1)));
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources]) => sources!.split(' '));
    expect(copied.length).toBeGreaterThan(5);
    expect(copied.filter((source) => !allowed.has(source))).toEqual([]);
  });

  test('is given no capability, no writable root and no open port by the compose file', () => {
    const text = readFileSync('ops/compose.yaml', 'utf8');
    const { reckoner } = composeSchema.parse(parse(text)).services;
    expect(reckoner).toMatchObject({ user: '10001:10001', read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] });
    expect(unknownVariables(text)).toEqual([]);
  });
});

describe('the runbook', () => {
  test('explains every exit code and says which ones end for good', () => {
    const codes = [...runbook.matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual([0, 1, 30, 31, 32, 33, 64, 69, 75, 78]);
    expect(runbook).toContain('systemd does not restart after 30, 31, 32, 33, 64 and 78');
  });
});
