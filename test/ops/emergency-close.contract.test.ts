/** The emergency close against a broker over real sockets: a healthy one, and one that fails in every way that it can. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { Drill } from '../faults/harness.ts';
import type { DrillPlan } from '../faults/harness.ts';
import { Emergency, TOOL } from './emergency.ts';

const CLOSES = { method: 'PUT', path: '/positions/*' };
const TWO_PAIRS: Partial<DrillPlan> = { broker: { instruments: ['EUR_USD', 'USD_JPY'] } };

const prepared = async (plan: Partial<DrillPlan> = {}): Promise<Emergency> => new Emergency(await Drill.prepare('realtime', { faults: [], ...plan }));

/** An account with a position in each of two pairs, stops behind them, and an entry order. */
async function held(): Promise<Emergency> {
  const emergency = await prepared(TWO_PAIRS);
  await emergency.open('EUR_USD', '100');
  await emergency.open('USD_JPY', '-50');
  await emergency.wait();
  expect(await emergency.account()).toEqual(['-50 USD_JPY', '100 EUR_USD', 'LIMIT', 'STOP_LOSS', 'STOP_LOSS']);
  return emergency;
}

/** An account that is long 100 EUR/USD behind a stop. */
async function long(plan: Partial<DrillPlan> = {}, extra?: object): Promise<Emergency> {
  const emergency = await prepared(plan);
  await emergency.open('EUR_USD', '100', extra);
  return emergency;
}

describe('an emergency close of a healthy account', () => {
  test('leaves nothing open and nothing pending, tells who wants to know, and records every step', async () => {
    const emergency = await held();
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

describe('a broker that', () => {
  test('is in maintenance for a while is asked again until it answers', async () => {
    const emergency = await held();
    await emergency.drill.inject({ kind: 'status', status: '503', body: 'html', durationMs: '3000' });
    const { code, stderr } = await emergency.run();
    expect(code, stderr).toBe(47);
    expect(stderr).toContain('OPEN: the broker cannot be read (status 503');
    expect(await emergency.account()).toEqual([]);
  });

  test('closes and loses the answer is believed by its account: nothing is closed twice', async () => {
    const emergency = await long();
    await emergency.drill.inject({ kind: 'lostResponse', ...CLOSES, count: '1' });
    const { code, outcome, stderr } = await emergency.run();
    expect(code, stderr).toBe(47);
    expect(await emergency.account()).toEqual([]);
    expect((await emergency.drill.transactions()).filter(({ type }) => type === 'ORDER_FILL')).toHaveLength(2);
    // The close carries the run's name, so that the ledger lays it to us without an answer.
    expect(outcome?.transactionIds.length).toBeGreaterThan(1);
  });

  test.each([['is cut off after its status', { kind: 'lostResponse', cut: 'midBody' }], ['does nothing and answers garbage', { kind: 'status', status: '502', body: 'html' }], ['never answers', { kind: 'lostResponse', cut: 'never', executed: 'false' }]])('on the first close %s gets another one', async (_what, fault) => {
    const emergency = await long();
    await emergency.drill.inject({ ...fault, ...CLOSES, count: '1' });
    const { code, stderr } = await emergency.run();
    expect(code, stderr).toBe(47);
    expect(await emergency.account()).toEqual([]);
  });

  test('says 404 to a close is looked at again, and asked again while there is something', async () => {
    const emergency = await long();
    await emergency.drill.inject({ kind: 'status', ...CLOSES, status: '404', errorCode: 'CLOSEOUT_POSITION_DOESNT_EXIST', count: '2' });
    const { code, outcome, stderr } = await emergency.run();
    expect(code, stderr).toBe(47);
    expect(outcome?.requests).toBe(3);
    expect(await emergency.account()).toEqual([]);
  });

  test('fails one pair’s close for good does not keep the other open', async () => {
    const emergency = await held();
    await emergency.drill.inject({ kind: 'status', method: 'PUT', path: '/positions/EUR_USD/close', status: '500' });
    const { code, outcome } = await emergency.run('--deadline', '2');
    expect(code).toBe(40);
    expect(outcome).toMatchObject({ flat: false, left: [{ key: 'EUR_USD long', units: '100' }] });
    expect(await emergency.account()).toEqual(['100 EUR_USD', 'STOP_LOSS']);
  });

  test('refuses beyond the deadline is asked again for ever, where that was wanted', async () => {
    const emergency = await long();
    await emergency.drill.inject({ kind: 'status', ...CLOSES, status: '500', durationMs: '2000' });
    const { code, stderr } = await emergency.start(['--deadline', '10', '--watch', '180', '--forever'], { fast: true }).ended;
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('OPEN: still open: 100 EUR_USD');
    expect(await emergency.account()).toEqual([]);
  });

  test('asks for patience gets it', async () => {
    const emergency = await long();
    await emergency.drill.inject({ kind: 'status', ...CLOSES, status: '429', retryAfterSeconds: '2', count: '1' });
    const { code, outcome, stderr } = await emergency.run();
    expect(code, stderr).toBe(47);
    expect(outcome?.msToFlat).toBeGreaterThan(2_000);
  });

  test('shows an account as it was before is not believed', async () => {
    const emergency = await long();
    await emergency.drill.inject({ kind: 'staleReads', onRequest: { ...CLOSES, nth: '1' }, durationMs: '2000' });
    const { code, stderr } = await emergency.run();
    expect(code, stderr).toBe(47);
    expect(await emergency.account()).toEqual([]);
  });

  test('has no liquidity for all of it at once is given parts', async () => {
    const emergency = await long();
    await emergency.drill.inject({ kind: 'thinMarket', units: '30', points: '3' });
    const { code, stderr } = await emergency.run();
    expect(code, stderr).toBe(47);
    expect(stderr).toContain('INSUFFICIENT_LIQUIDITY');
    expect(stderr).toMatch(/close EUR_USD long \(100, (50|25)\)/);
    expect(await emergency.account()).toEqual([]);
  });

  test('fills an order late, during the watch, has that closed as well', async () => {
    const emergency = await long();
    const { process: child, ended } = emergency.start(['--watch', '6']);
    await new Promise<void>((resolve) => child.stderr!.on('data', (text: string) => text.includes('FLAT: ') && resolve()));
    await emergency.open('EUR_USD', '30');
    const { code, stderr } = await ended;
    expect(code, stderr).toBe(47);
    expect(stderr).toContain('REOPENED: a late fill or order: 30 EUR_USD');
    expect(await emergency.account()).toEqual([]);
  });

  test('fills our own close late is sent a second one, which finds nothing to close', async () => {
    const emergency = await long();
    await emergency.drill.inject({ kind: 'lateFill', orders: '1', delayMs: '3000' });
    const { code, stderr } = await emergency.run('--watch', '4');
    expect(code, stderr).toBe(47);
    expect(await emergency.account()).toEqual([]);
    expect((await emergency.drill.transactions()).filter(({ type }) => type === 'ORDER_FILL').map(({ units }) => units)).toEqual(['100', '-100']);
  });

  test('is away when the watch ends is waited for, so that the end is known', async () => {
    const emergency = await long();
    const { process: child, ended } = emergency.start(['--watch', '3']);
    await new Promise<void>((resolve) => child.stderr!.on('data', (text: string) => text.includes('FLAT: ') && resolve()));
    await emergency.drill.inject({ kind: 'status', status: '503', body: 'html', durationMs: '4000' });
    const { code, stderr } = await ended;
    expect(code, stderr).toBe(47);
    expect(stderr).toContain('broker: status 503');
  });

  test('cancels nothing leaves entry orders: 45', async () => {
    const emergency = await held();
    await emergency.drill.inject({ kind: 'accountLock', lock: 'ACCOUNT_ORDER_CANCEL_LOCKED' });
    const { code, outcome } = await emergency.run('--deadline', '2');
    expect(code).toBe(45);
    expect(outcome).toMatchObject({ flat: true, entryOrders: 1 });
  });
});

describe('a line that', () => {
  test.each([
    ['delays every byte', { kind: 'latency', delayMs: '300', jitterMs: '300' }],
    ['cuts every other answer short', { kind: 'limitData', bytes: '700', probability: '0.5' }],
    ['resets half of all connections', { kind: 'reset', afterBytes: '200', probability: '0.5' }],
    ['sends bytes one by one', { kind: 'slicer', bytes: '7', delayMs: '1' }],
  ])('%s changes nothing but the time that it takes', async (_what, toxic) => {
    const emergency = await prepared({ ...TWO_PAIRS, toxics: [toxic] });
    await emergency.open('EUR_USD', '100');
    await emergency.open('USD_JPY', '-50');
    await emergency.wait();
    const { code, stderr } = await emergency.run('--deadline', '60');
    expect(code, stderr).toBe(47);
    expect(await emergency.account()).toEqual([]);
    // Two opened, two closed, whatever was asked how often.
    expect((await emergency.drill.transactions()).filter(({ type }) => type === 'ORDER_FILL')).toHaveLength(4);
  });
});

describe('a market that is halted', () => {
  test('is told with the risk and ends with 41 where it is not to be waited for; what trades is closed', async () => {
    const emergency = await held();
    await emergency.drill.inject({ kind: 'instrumentStatus', instrument: 'USD_JPY', status: 'HALTED' });
    const { code, outcome, stderr } = await emergency.run('--halted', 'exit');
    expect(code, stderr).toBe(41);
    expect(stderr).toMatch(/CLOSED: the market takes no close of USD_JPY short\. Every open trade has its stop/);
    expect(outcome?.left).toMatchObject([{ key: 'USD_JPY short' }]);
    expect(await emergency.account()).toEqual(['-50 USD_JPY', 'STOP_LOSS']);
  });

  test('is waited for, beyond the deadline, and closed when it trades again; a missing stop is named', async () => {
    const emergency = await long({}, {});
    await emergency.drill.inject({ kind: 'instrumentStatus', status: 'HALTED', durationMs: '6000' });
    const { code, outcome, stderr } = await emergency.run('--deadline', '2');
    expect(code, stderr).toBe(47);
    expect(stderr).toMatch(/WITHOUT A STOP: trade \d+ \(100 EUR_USD\)/);
    expect(outcome?.msToFlat).toBeGreaterThan(3_000);
    expect(await emergency.account()).toEqual([]);
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
