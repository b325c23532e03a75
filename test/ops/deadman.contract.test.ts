/** The dead-man against the local broker: when it tells, when it closes, and that its own restarts buy it nothing. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { until } from '../e2e/processes.ts';
import { GETTING_ON, STANDING, fakeMetrics, startDeadman } from './deadman.ts';
import type { WatchProcess } from './deadman.ts';
import type { Emergency } from './emergency.ts';
import { held, long, prepared } from './emergency.ts';

const FLATTEN = ['--flatten-after', '180', '--every', '15'] as const;
/** Longer, in time that passes 120 times as fast, than any patience that a test gives. */
const LONG_MS = 2_500;
const whenSaid = (watch: WatchProcess, text: string): Promise<true> => until(`"${text}"`, async () => (watch.stderr().includes(text) ? true : null), [], 20_000);
const readFile = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');
const stateFile = ({ drill }: Emergency): string => join(drill.place.directory, 'deadman.json');
const stateText = (emergency: Emergency): string => readFile(stateFile(emergency));
const actedAt = (emergency: Emergency): string | null => (JSON.parse(stateText(emergency)) as { readonly actedAt: string | null }).actedAt;
const whenSeen = (emergency: Emergency): Promise<true> => until('progress', async () => (stateText(emergency).includes('"seen":true') ? true : null), [], 20_000);
const closes = async ({ drill }: Emergency): Promise<number> => (await drill.transactions()).filter(({ type }) => type === 'ORDER_FILL').length;

describe('a daemon that stands still', () => {
  test('is told of, with what is open and what stands behind it; nothing is closed by default', async () => {
    const emergency = await long();
    const [metrics, { program, heard }] = [await fakeMetrics(GETTING_ON()), emergency.notifier()];
    const watch = startDeadman(emergency, metrics.url, ['--notify', program]);
    await whenSeen(emergency);
    metrics.body = STANDING;
    await whenSaid(watch, 'STILL: the daemon has shown no progress for');
    expect(watch.stderr()).toContain('Open: 100 EUR_USD; every trade has its stop. Here: nothing is done (no --flatten-after)');
    await sleep(1_500);
    expect(await emergency.account()).toEqual(['100 EUR_USD', 'STOP_LOSS']);
    metrics.body = GETTING_ON();
    await whenSaid(watch, 'MOVING');
    watch.process.kill('SIGTERM');
    expect(await watch.ended).toBe(0);
    expect(heard()).toContain('deadman still: local account 101-001-1000001-001: the daemon has shown no progress');
    expect(heard()).toContain('deadman moving');
    expect(`${watch.stderr()}${heard()}`).not.toContain(emergency.drill.place.token);
  });

  test('has its account closed where that was asked for: once, and not again within the hour, not by a restart either', async () => {
    const emergency = await held();
    const metrics = await fakeMetrics(GETTING_ON());
    const watch = startDeadman(emergency, metrics.url, FLATTEN);
    await whenSeen(emergency);
    metrics.body = STANDING;
    await whenSaid(watch, 'ACTED: emergency-close ended with 47');
    expect(watch.stderr()).toMatch(/ACTING: no progress for \d+ s: the account is closed now: 100 EUR_USD, -50 USD_JPY/);
    expect(await emergency.account()).toEqual([]);
    expect(emergency.record()[0]).toMatchObject({ operator: 'deadman', reason: expect.stringMatching(/^deadman: no progress for \d+ s$/) as string });
    const first = actedAt(emergency);
    expect(first).not.toBeNull();

    await emergency.open('EUR_USD', '10');
    await whenSaid(watch, 'it has acted within the hour');
    watch.process.kill('SIGTERM');
    expect(await watch.ended).toBe(0);
    metrics.body = GETTING_ON();
    const again = startDeadman(emergency, metrics.url, FLATTEN);
    await sleep(500);
    metrics.body = STANDING;
    await whenSaid(again, 'it has acted within the hour');
    await sleep(1_000);
    expect(await emergency.account()).toEqual(['10 EUR_USD', 'STOP_LOSS']);
    expect(actedAt(emergency)).toBe(first);
    again.process.kill('SIGTERM');
    expect(await again.ended).toBe(0);
  });
});

describe('nothing is closed', () => {
  /** Watches a position for longer than its patience. @returns what was said of it. */
  async function nothingIsDone(emergency: Emergency, body: () => string): Promise<string> {
    const metrics = await fakeMetrics(GETTING_ON());
    const watch = startDeadman(emergency, metrics.url, FLATTEN);
    await whenSeen(emergency);
    metrics.body = body;
    await sleep(LONG_MS);
    watch.process.kill('SIGTERM');
    expect(await watch.ended, watch.stderr()).toBe(0);
    expect(watch.stderr()).not.toContain('ACTING');
    expect(await closes(emergency)).toBe(1);
    return watch.stderr();
  }

  test('on an answer that is none of the daemon’s, on an account that cannot be read, or with a memory that says nothing', async () => {
    const [answered, unread, torn] = await Promise.all([long(), long(), long()]);
    await unread.drill.inject({ kind: 'status', method: 'GET', status: '503' });
    writeFileSync(stateFile(torn), 'torn');
    const said = await Promise.all([nothingIsDone(answered, () => '<html>somebody else</html>'), nothingIsDone(unread, STANDING), nothingIsDone(torn, STANDING)]);
    expect(said[0]).toContain('BLIND');
    expect(said[1]).toContain('Open: not known. Here: what is open is not known, and nothing is done');
    expect(said[2]).toContain('as if it had just acted');
  });

  test('while the action could not be remembered, and then it is', async () => {
    const emergency = await long();
    const [metrics, directory] = [await fakeMetrics(GETTING_ON()), join(emergency.drill.place.directory, 'state')];
    mkdirSync(directory);
    const watch = startDeadman(emergency, metrics.url, [...FLATTEN, '--state-file', join(directory, 'state.json')]);
    await until('progress', async () => (readFile(join(directory, 'state.json')).includes('"seen":true') ? true : null), [], 20_000);
    // A directory in the file's place: it can be written beside, and not replaced.
    rmSync(join(directory, 'state.json'));
    mkdirSync(join(directory, 'state.json', 'in the way'), { recursive: true });
    metrics.body = STANDING;
    await whenSaid(watch, 'the state file cannot be kept');
    await sleep(500);
    expect(await closes(emergency)).toBe(1);
    rmSync(join(directory, 'state.json'), { recursive: true });
    await whenSaid(watch, 'ACTED');
    expect(await emergency.account()).toEqual([]);
  });

  test('for a daemon that was never seen to get on, however long it is silent; another account’s memory is refused', async () => {
    const emergency = await long();
    const watch = startDeadman(emergency, 'http://127.0.0.1:9/metrics', FLATTEN);
    await whenSaid(watch, 'never seen to get on');
    expect(watch.stderr()).toContain('nobody listens on http://127.0.0.1:9/metrics');
    await sleep(1_000);
    expect(await closes(emergency)).toBe(1);
    watch.process.kill('SIGTERM');
    expect(await watch.ended).toBe(0);
    writeFileSync(stateFile(emergency), JSON.stringify({ v: 1, account: '101-001-1-009', seen: true, actedAt: null }));
    expect(await startDeadman(emergency, 'http://127.0.0.1:9/metrics', FLATTEN).ended).toBe(64);
  });
});

test('a silent port is no dead daemon while its control socket answers, nor is one at another port', async () => {
  const emergency = await long();
  const metrics = await fakeMetrics(GETTING_ON());
  const first = startDeadman(emergency, metrics.url, FLATTEN);
  await whenSeen(emergency);
  const control = createServer((_request, response) => response.end('{}'));
  await new Promise<void>((resolve) => control.listen(join(emergency.runtimeDirectory, 'control.sock'), () => resolve()));
  onTestFinished(() => void control.close());
  metrics.close();
  await whenSaid(first, 'yet the daemon answers on');
  await sleep(LONG_MS);
  first.process.kill('SIGTERM');
  expect(await first.ended).toBe(0);
  expect(first.stderr()).not.toMatch(/STILL|ACTING/);
  control.close();
  const second = startDeadman(emergency, 'http://127.0.0.1:9/metrics', FLATTEN);
  await whenSaid(second, 'never seen to get on');
  expect(await closes(emergency)).toBe(1);
});

describe('the check', () => {
  test('says what does not work, in this order: the daemon, the token, the files', async () => {
    const emergency = await prepared();
    const metrics = await fakeMetrics(STANDING);
    const check = (url: string, ...options: string[]) => startDeadman(emergency, url, ['--check', ...options], { factor: 1 });
    const other = join(emergency.drill.place.directory, 'other');
    writeFileSync(other, 'not-the-token-of-this-broker\n', { mode: 0o600 });
    const nowhere = join(emergency.drill.place.directory, 'none');
    const refused = check(metrics.url, '--token-file', other);
    const hung = check((await fakeMetrics(null)).url);
    const tried = [check(metrics.url), check('http://127.0.0.1:9/metrics'), check(metrics.url, '--state-file', join(nowhere, 'state.json')), check(metrics.url, '--flatten-after', '120', '--runtime-dir', nowhere), refused, hung];
    expect(await Promise.all(tried.map(({ ended }) => ended))).toEqual([0, 50, 52, 52, 51, 50]);
    expect(existsSync(stateFile(emergency))).toBe(false);
    expect(refused.stderr()).toContain('the broker refuses the token');
    expect(hung.stderr()).toContain('it does not answer within 5000 ms');
  });
});
