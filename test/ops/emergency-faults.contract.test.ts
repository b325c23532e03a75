/** The emergency close against a broker, a line and a market that fail in every way that they can. */
import { describe, expect, test } from 'vitest';
import { CLOSES, held, long } from './emergency.ts';

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
    const emergency = await held({ toxics: [toxic] });
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
