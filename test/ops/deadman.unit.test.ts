/** What the dead-man makes of what it sees: what counts as progress, and when it may close. */
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { describe, expect, test } from 'vitest';
import { createMetrics } from '../../adapters/control/metrics.ts';
import { LockstepClock } from '../../adapters/clock/lockstep.ts';
import { parseInstant } from '../../domain/time.ts';
import { DEADMAN, deadman } from './deadman.ts';
import type { Account, Facts, Look } from './deadman.ts';
import { olderNode } from './emergency.ts';

const AT = parseInstant('2026-01-06T15:00:00Z');
const source = readFileSync(DEADMAN, 'utf8');
const older = olderNode();

describe('the dead-man', () => {
  test('needs nothing but Node itself and the emergency close beside it', () => {
    const required = [...source.matchAll(/\brequire\('([^']+)'\)|\bimport\(/g)].map(([, name]) => name ?? 'import()');
    expect(required.length).toBeGreaterThan(5);
    expect(required.filter((name) => !(name.startsWith('node:') && builtinModules.includes(name.slice(5))))).toEqual(['./emergency-close']);
    expect(statSync(DEADMAN).mode & 0o111).toBe(0o111);
  });

  test.skipIf(older === null)('runs on the older Node of this machine', () => {
    expect(spawnSync(older!, [DEADMAN, '--help'], { encoding: 'utf8', cwd: '/', env: {} })).toMatchObject({ status: 0, stderr: '' });
  });

  test('explains every exit code and every option in its help, and every exit code in the runbook', () => {
    const { stdout, status } = spawnSync(process.execPath, [DEADMAN, '--help'], { encoding: 'utf8', cwd: '/', env: {} });
    expect(status).toBe(0);
    for (const [code, meaning] of Object.entries(deadman.MEANINGS)) expect(stdout).toContain(`${code.padStart(2)}  ${meaning}`);
    const [, table] = /const OPTIONS = \{([\s\S]*?)\n\};/.exec(source) ?? [];
    const options = [...(table ?? '').matchAll(/'?([a-z-]+)'?: (?:text|flag|\{)/g)].map(([, name]) => `--${name!}`);
    expect(options.length).toBeGreaterThan(10);
    expect(options.filter((option) => option !== '--help' && !stdout.includes(option))).toEqual([]);
    const [, section] = /## Dead-man([\s\S]*?)\n## /.exec(readFileSync('ops/runbook.md', 'utf8')) ?? [];
    expect([...(section ?? '').matchAll(/^\| `(\d+)` \|/gm)].map(([, code]) => code)).toEqual(Object.keys(deadman.MEANINGS));
  });

  test.each([
    ['no account', [], '--account must look like'],
    ['too little patience', ['--account', '101-001-1-001', '--environment', 'practice', '--flatten-after', '60'], 'at least 120'],
    ['a close before anybody is told', ['--account', '101-001-1-001', '--environment', 'practice', '--flatten-after', '120', '--notify-after', '300'], 'somebody is told first'],
    ['metrics of another machine', ['--account', '101-001-1-001', '--environment', 'practice', '--metrics', 'http://10.0.0.1:9464/metrics'], 'loopback'],
    ['a stray word', ['stray', '--account', '101-001-1-001'], 'Unexpected argument'],
    ['a stray word before the close’s options', ['stray', '--account', '101-001-1-001', '--', '--only-ours'], 'only what follows --'],
  ])('refuses %s', (_what, options, message) => {
    const { stderr, status } = spawnSync(process.execPath, [DEADMAN, ...options], { encoding: 'utf8', env: {} });
    expect(status).toBe(64);
    expect(stderr).toContain(message);
  });
});

describe('progress', () => {
  const registry = () => createMetrics({ clock: new LockstepClock(AT), build: 'b', configHash: 'c', modelLabel: 'm', accountCurrency: 'USD' });

  test('is the newest time in the daemon’s own metrics, by the names that they have', async () => {
    const metrics = registry();
    expect(deadman.progressIn(await metrics.exposition())).toBe(0);
    metrics.reconciled({ outcome: 'agreed', discrepancies: 0, durationMs: 3 }, AT);
    expect(deadman.progressIn(await metrics.exposition())).toBe(AT / 1_000);
    metrics.barClosed('EUR_USD', parseInstant('2026-01-06T14:59:00Z'));
    metrics.barClosed('USD_JPY', parseInstant('2026-01-06T15:01:00Z'));
    expect(deadman.progressIn(await metrics.exposition())).toBe(AT / 1_000 + 60);
    metrics.reconciled({ outcome: 'failed', discrepancies: 0, durationMs: 3 }, parseInstant('2026-01-06T16:00:00Z'));
    expect(deadman.progressIn(await metrics.exposition())).toBe(AT / 1_000 + 60);
  });

  test('is not in what somebody else answers', () => {
    for (const text of ['', '<html>', 'up 1\n', 'reckoner_last_reconciliation_timestamp_seconds NaN\n']) expect(deadman.progressIn(text)).toBeNull();
  });

  const answer = (seconds: number): Look => ({ kind: 'answer', seconds });
  const watched = (looks: readonly (readonly [number, Look])[]) => {
    const stillness = new deadman.Stillness(30_000);
    const moved = looks.map(([atSeconds, look]) => stillness.take(look, atSeconds * 1_000));
    return { moved: moved.lastIndexOf(true), ms: stillness.ms };
  };

  test.each<readonly [string, readonly (readonly [number, Look])[], { moved: number; ms: number }]>([
    ['a time that moves is progress, the first one seen is not', [[0, answer(100)], [15, answer(160)]], { moved: 1, ms: 0 }],
    ['a time that stands, and a port that is silent, are not', [[0, answer(100)], [15, answer(100)], [30, { kind: 'silent' }]], { moved: -1, ms: 30_000 }],
    ['an answer that cannot be read is evidence of nothing: it neither counts nor excuses', [[0, answer(100)], [15, answer(100)], [30, { kind: 'unclear' }], [45, answer(100)]], { moved: -1, ms: 30_000 }],
    ['a time in which nobody looked counts for two looks at most', [[0, answer(100)], [15, answer(100)], [4_000, answer(100)]], { moved: -1, ms: 45_000 }],
    ['a restart is none before it has compared something', [[0, answer(100)], [15, { kind: 'silent' }], [30, answer(0)], [45, answer(0)]], { moved: -1, ms: 45_000 }],
    ['a restart that has compared something is', [[0, answer(100)], [15, { kind: 'silent' }], [30, answer(0)], [45, answer(145)]], { moved: 3, ms: 0 }],
    ['a clock that was set back is none, and from there on it moves again', [[0, answer(1_000)], [15, answer(400)], [30, answer(460)]], { moved: 2, ms: 0 }],
  ])('%s', (_what, looks, expected) => {
    expect(watched(looks)).toEqual(expected);
  });
});

describe('a close', () => {
  const OPEN: Account = { holdings: [{ units: '100', instrument: 'EUR_USD' }], unprotected: [], tradeable: ['EUR_USD'] };
  const DUE: Facts = { stillMs: 300_000, flattenAfterMs: 300_000, account: OPEN, seen: true, sinceActionMs: null, remembers: true };

  test('is due when everything speaks for it, and says what is closed', () => {
    expect(deadman.judge(DUE)).toEqual({ act: true, why: 'the account is closed now: 100 EUR_USD' });
    expect(deadman.judge({ ...DUE, sinceActionMs: 3_600_000 }).act).toBe(true);
  });

  test.each<readonly [string, Partial<Facts>, string]>([
    ['when the policy is to hold', { flattenAfterMs: null }, '--flatten-after'],
    ['before its time', { stillMs: 299_999 }, 'closed after 300 s'],
    ['on an account that could not be read', { account: null }, 'not known'],
    ['of nothing', { account: { ...OPEN, holdings: [] } }, 'nothing is open'],
    ['while no market trades', { account: { ...OPEN, tradeable: [] } }, 'does not trade'],
    ['of a daemon that was never seen alive', { seen: false }, '--metrics'],
    ['within the hour of the last one', { sinceActionMs: 3_599_999 }, 'within the hour'],
    ['when the last one lies in the future', { sinceActionMs: -5_000 }, 'within the hour'],
    ['that could not be remembered', { remembers: false }, 'state file'],
  ])('is not due %s', (_what, change, why) => {
    const verdict = deadman.judge({ ...DUE, ...change });
    expect(verdict.act).toBe(false);
    expect(verdict.why).toContain(why);
  });
});
