/** The emergency close of a healthy account over real sockets, and the truth in its exit code. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { CLOSES, TOOL, held, long, prepared } from './emergency.ts';

describe('an emergency close of a healthy account', () => {
  test('leaves nothing open and nothing pending, tells who wants to know, and records every step', async () => {
    const emergency = await held();
    expect(await emergency.account()).toEqual(['-50 USD_JPY', '100 EUR_USD', 'LIMIT', 'STOP_LOSS', 'STOP_LOSS']);
    const { program, heard } = emergency.notifier();
    const { code, outcome, stderr } = await emergency.run('--notify', program, '--reason', 'a test');
    expect(code, stderr).toBe(47);
    expect(await emergency.account()).toEqual([]);
    expect(outcome).toMatchObject({ exitCode: 47, flat: true, left: [], entryOrders: 0, daemon: 'absent', requests: 3, haltFiles: [join(emergency.stateDirectory, 'HALT'), join(emergency.runtimeDirectory, 'HALT')] });
    expect(outcome?.msToFlat).toBeLessThan(5_000);
    const record = emergency.record();
    expect(record.map(({ n }) => n)).toEqual(record.map((_line, index) => index));
    expect(record.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['started', 'daemon', 'request', 'answer', 'notice', 'transaction', 'ended']));
    expect(record[0]).toMatchObject({ operator: 'ada', reason: 'a test' });
    // Protective stops went with their trades, and no sooner.
    expect(record.filter(({ type }) => type === 'ORDER_CANCEL').map(({ reason }) => reason).sort()).toEqual(['CLIENT_REQUEST', 'LINKED_TRADE_CLOSED', 'LINKED_TRADE_CLOSED']);
    expect(record.filter(({ kind, byUs }) => kind === 'transaction' && byUs !== true)).toEqual([]);
    await sleep(200);
    for (const notice of ['started: local account', 'flat: local account', 'ended: local account']) expect(heard()).toContain(`emergency-close ${notice}`);
    expect(`${stderr}${heard()}${JSON.stringify(record)}${JSON.stringify(outcome)}`).not.toContain(emergency.drill.place.token);
  });

  test('watches for three minutes before it ends with 0', async () => {
    const emergency = await held();
    const { code, stderr } = await emergency.start(['--watch', '180', '--deadline', '3600'], { fast: true }).ended;
    expect(code, stderr).toBe(0);
    expect(await emergency.account()).toEqual([]);
  });

  test('with nothing to do sends nothing, and says that it is flat', async () => {
    const emergency = await prepared();
    expect(await emergency.run()).toMatchObject({ code: 47, outcome: { flat: true, requests: 0, transactionIds: [] } });
  });

  test('in a dry run sends and writes nothing at all', async () => {
    const emergency = await held();
    const before = await emergency.drill.transactions();
    const { code, outcome } = await emergency.run('--dry-run');
    expect(code).toBe(48);
    expect(outcome?.plan.map(({ kind, key }) => `${kind} ${key.split(' ')[0]}`)).toEqual(['cancel order', 'close EUR_USD', 'close USD_JPY']);
    expect(outcome).toMatchObject({ requests: 0, haltFiles: [], record: null, kept: [{ type: 'STOP_LOSS' }, { type: 'STOP_LOSS' }] });
    expect(await emergency.drill.transactions()).toEqual(before);
    expect(existsSync(join(emergency.stateDirectory, 'HALT'))).toBe(false);
    expect(await (await prepared()).run('--dry-run')).toMatchObject({ code: 0 });
  });

  test('twice at once is harmless: what one finds closed the other has closed', async () => {
    const emergency = await held();
    const both = await Promise.all([emergency.run(), emergency.run()]);
    expect(both.map(({ code }) => code), both.map(({ stderr }) => stderr).join('\n')).toEqual([47, 47]);
    expect(await emergency.account()).toEqual([]);
    const fills = (await emergency.drill.transactions()).filter(({ type }) => type === 'ORDER_FILL');
    expect(fills).toHaveLength(4);
  });

  test('that is shared leaves a stranger’s trade and order alone with --only-ours', async () => {
    const emergency = await prepared();
    await emergency.open('EUR_USD', '7', { clientExtensions: { id: 'x', tag: 'reckoner:epoch:2' }, tradeClientExtensions: { id: 'reckoner:101-001-1000001-001:EUR_USD:slot0' } });
    await emergency.open('EUR_USD', '10');
    await emergency.wait();
    await emergency.wait({ clientExtensions: { id: 'y', tag: 'reckoner:epoch:2' } });
    const { code, outcome, stderr } = await emergency.run('--only-ours');
    expect(code, stderr).toBe(47);
    expect(outcome).toMatchObject({ flat: true, requests: 2 });
    expect(await emergency.account()).toEqual(['10 EUR_USD', 'LIMIT', 'STOP_LOSS']);
  });
});

describe('the truth in the exit code', () => {
  test('42: the token is refused, at the start and in between', async () => {
    const emergency = await long();
    const other = join(emergency.drill.place.directory, 'other');
    writeFileSync(other, 'not-the-token-of-this-broker\n', { mode: 0o600 });
    expect(await emergency.run('--token-file', other)).toMatchObject({ code: 42, outcome: { flat: null, requests: 0 } });
    await emergency.drill.inject({ kind: 'status', ...CLOSES, status: '401', errorMessage: 'Insufficient authorization to perform request.' });
    expect(await emergency.run()).toMatchObject({ code: 42 });
  });

  test('43: nobody answers', async () => {
    const emergency = await prepared();
    const { code, outcome, stderr } = await emergency.run('--url', 'http://127.0.0.1:9', '--deadline', '1');
    expect(code, stderr).toBe(43);
    // The halt does not wait for the broker.
    expect(outcome?.haltFiles).toHaveLength(2);
  });

  test('43: the account was open and cannot be read any more', async () => {
    const emergency = await long();
    await emergency.drill.inject({ kind: 'status', method: 'PUT', status: '500' });
    await emergency.drill.inject({ kind: 'status', method: 'GET', status: '503', after: '2' });
    expect(await emergency.run('--deadline', '2')).toMatchObject({ code: 43, outcome: { flat: null } });
  });

  test('44: another account, by the token or by the answer', async () => {
    const emergency = await long();
    expect(await emergency.run('--account', '101-001-1000001-009')).toMatchObject({ code: 44, outcome: { requests: 0 } });
    await emergency.drill.inject({ kind: 'accountChanged', field: 'id' });
    expect(await emergency.run()).toMatchObject({ code: 44, outcome: { requests: 0 } });
  });

  test('46: flat, but the record lies nowhere; where one directory fails the other has it', async () => {
    const emergency = await long();
    const none = join(emergency.drill.place.directory, 'none');
    const first = await emergency.run('--state-dir', none);
    expect(first, first.stderr).toMatchObject({ code: 47 });
    expect(emergency.record(emergency.runtimeDirectory).at(-1)).toMatchObject({ kind: 'notice', what: 'ended' });
    await emergency.open('EUR_USD', '100');
    const second = await emergency.run('--state-dir', none, '--runtime-dir', none);
    expect(second).toMatchObject({ code: 46, outcome: { flat: true, haltFiles: [], record: null } });
    expect(second.stderr).toContain('record: {"v":1,');
    expect(await emergency.account()).toEqual([]);
  });

  test('46: ids that the ledger never had', async () => {
    const emergency = await long();
    await emergency.drill.inject({ kind: 'burntIds', onRequest: { ...CLOSES, nth: '1' }, ids: '2' });
    expect(await emergency.run()).toMatchObject({ code: 46, outcome: { flat: true } });
  });

  test('47 when it is interrupted while it watches, 40 when it was not flat yet', async () => {
    const emergency = await long();
    const { process: child, ended } = emergency.start(['--watch', '60']);
    while ((await emergency.account()).length > 0) await sleep(50);
    await sleep(1_500);
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 47, outcome: { flat: true } });
    await emergency.open('EUR_USD', '100');
    await emergency.drill.inject({ kind: 'status', ...CLOSES, status: '500' });
    const again = emergency.start([]);
    await sleep(1_500);
    again.process.kill('SIGTERM');
    expect(await again.ended).toMatchObject({ code: 40, outcome: { flat: false } });
  });

  test.each([
    [['--account', '7'], '--account must look like'],
    [['--environment', 'demo'], '--environment must be'],
    [['--environment', 'practice'], '--url belongs to'],
    [['--url', 'http://api.example'], '--url must be http on a loopback address'],
    [['--url', 'http://127.0.0.1:1/v3'], '--url must be http on a loopback address'],
    [['--halted', 'perhaps'], '--halted must be'],
    [['--watch', '-1'], '--watch'],
    [['--pid', '0'], '--pid must be'],
    [['--token', 'secret'], 'Unknown option'],
    [['--token-file', '/nowhere'], 'cannot be read (ENOENT)'],
    [['extra'], 'extra'],
  ])('64: %j', async (options, message) => {
    const emergency = await prepared();
    const { code, stderr } = await emergency.run(...options);
    expect(code).toBe(64);
    expect(stderr).toContain(message);
    expect(existsSync(join(emergency.stateDirectory, 'HALT'))).toBe(false);
  });

  test('64: a token that others can read, and nobody there to confirm', async () => {
    const emergency = await long();
    const loose = join(emergency.drill.place.directory, 'loose');
    writeFileSync(loose, `${emergency.drill.place.token}\n`, { mode: 0o644 });
    expect((await emergency.run('--token-file', loose)).stderr).toContain('run chmod 600');
    const unconfirmed = spawnSync(process.execPath, [TOOL, ...emergency.usual.filter((option) => option !== '--yes')], { encoding: 'utf8', input: '', env: {} });
    expect(unconfirmed.status).toBe(64);
    expect(unconfirmed.stderr).toContain('there is no terminal to confirm on');
    expect(await emergency.account()).toEqual(['100 EUR_USD', 'STOP_LOSS']);
  });
});

describe('a unit of systemd that does not answer', () => {
  /** A `systemctl` that notes what it was told; the unit is active until an order of one of these kinds has come. */
  function systemctlIn(directory: string, obeyed: readonly string[], refusal: string): { readonly path: string; readonly told: () => readonly string[] } {
    const log = join(directory, 'told');
    const script = ['#!/bin/sh', `echo "$*" >> ${log}`, `case "$2" in is-active) grep -qE "password (${obeyed.join('|')}) " ${log} && echo inactive || echo active;; *) ${refusal};; esac`];
    writeFileSync(join(directory, 'systemctl'), `${script.join('\n')}\n`, { mode: 0o755 });
    return { path: `${directory}:${process.env['PATH'] ?? ''}`, told: () => readFileSync(log, 'utf8').trimEnd().split('\n') };
  }

  test.each([
    ['ends when it is told to stop', ['stop'], 'true', 'stopped', ['stop --no-block reckoner.service']],
    ['is killed when it does not', ['kill'], 'true', 'stopped', ['stop --no-block reckoner.service', 'kill --signal=SIGKILL reckoner.service']],
    ['is kept out by a higher epoch where neither is allowed', ['nothing'], 'echo Access denied >&2; exit 4', 'running', ['stop --no-block reckoner.service', 'kill --signal=SIGKILL reckoner.service']],
  ])('%s', async (_what, obeyed, refusal, daemon, orders) => {
    const emergency = await long();
    const { path, told } = systemctlIn(emergency.drill.place.directory, obeyed, refusal);
    const { code, outcome, stderr } = await emergency.start(['--unit', 'reckoner.service'], { environment: { PATH: path } }).ended;
    expect(code, stderr).toBe(47);
    expect(outcome).toMatchObject({ daemon, flat: true });
    expect(told().filter((line) => !line.includes('is-active')).map((line) => line.replace('--no-ask-password ', ''))).toEqual(orders);
    const tags = (await emergency.drill.transactions()).filter(({ type }) => type === 'MARKET_ORDER').map(({ clientExtensions }) => clientExtensions?.['tag']).at(-1);
    expect(tags).toBe(daemon === 'running' ? 'reckoner:epoch:1000' : undefined);
    if (daemon === 'running') expect(stderr).toContain('Access denied');
  });
});

const canAsk = spawnSync('script', ['--version'], { encoding: 'utf8' }).stdout?.includes('util-linux') ?? false;
if (!canAsk) console.info('script (util-linux) is not installed: the question on a terminal is not tried');

describe.skipIf(!canAsk)('on a terminal', () => {
  test.each([['the account’s last four digits close it', '1001', 47, []], ['anything else does nothing', 'yes', 48, ['100 EUR_USD', 'STOP_LOSS']], ['neither does Ctrl-C', '\u0003', 48, ['100 EUR_USD', 'STOP_LOSS']]])('%s', async (_what, typed, code, left) => {
    const emergency = await long();
    const command = [process.execPath, TOOL, ...emergency.usual.filter((option) => option !== '--yes' && option !== '--json')].join(' ');
    const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
    let shown = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (!shown.includes('to close: ') && `${shown}${text}`.includes('to close: ')) child.stdin.write(`${typed}\r`);
      shown += text;
    });
    const [status] = (await once(child, 'close')) as [number];
    expect(status, shown).toBe(code);
    expect(shown).toContain('LOCAL account 101-001-1000001-001, ALL of it:');
    expect(await emergency.account()).toEqual(left);
    expect(existsSync(join(emergency.stateDirectory, 'HALT'))).toBe(code === 47);
  });
});

describe.skipIf(process.platform !== 'linux')('a disk that is full', () => {
  test('takes a HALT file by its name, and the record goes to standard error', async () => {
    const emergency = await long();
    const { process: child, ended } = emergency.start([], { environment: { PATH: process.env['PATH'] } });
    spawnSync('prlimit', ['--pid', String(child.pid), '--fsize=0']);
    const { code, stderr } = await ended;
    expect(code, stderr).toBe(46);
    expect(existsSync(join(emergency.runtimeDirectory, 'HALT'))).toBe(true);
    expect(await emergency.account()).toEqual([]);
  });
});
