/** Clocks that disagree, and a process that stands still: rows 31 to 33 of the fault catalogue. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fetchStatus } from '../../adapters/control/client.ts';
import { DAY_MS } from '../../domain/time.ts';
import { ofType, readLog } from '../e2e/log.ts';
import { Drill } from './harness.ts';

const statusSchema = z.looseObject({ unsound: z.string().nullable(), limits: z.array(z.looseObject({ limit: z.string(), value: z.string() })) });
const statusOf = async (drill: Drill): Promise<z.infer<typeof statusSchema>> => statusSchema.parse(await fetchStatus(drill.place.socketPath));

describe('row 31: a broker whose clock differs from ours', () => {
  test('by more than a second is told, and by more than five opens nothing', async () => {
    const real = await Drill.prepare('realtime', { faults: [{ kind: 'clockSkew', skewMs: -3_000 }], settings: { 'policy.holdShare': '0', 'reconciliation.intervalMs': '1000' } });
    const daemon = real.startDaemon();
    await real.place.whenReady(daemon);
    await real.events('FeedConnected', 2, [daemon]);
    await real.event('AlertRaised', ({ data }) => data.code === 'clockSkew' && data.severity === 'warning', [daemon]);
    expect((await statusOf(real)).unsound).toBeNull();
    await real.clear();
    await real.inject({ kind: 'clockSkew', skewMs: -7_000 });
    await real.event('AlertRaised', ({ data }) => data.code === 'clockSkew' && data.severity === 'critical', [daemon]);
    // Armed no earlier, so that the first minute that could open finds the clocks apart.
    await real.place.arm('a drill');
    const denied = await real.event('OrderDenied', () => true, [daemon]);
    expect(denied.data.guards.find(({ guard }) => guard === 'sound')!.value).toMatch(/^the broker's clock is -\d{4} ms from ours$/);
    await real.clear();
    await expect.poll(async () => (await statusOf(real)).unsound, { timeout: 60_000 }).toBeNull();
    expect((await daemon.end('SIGTERM')).code).toBe(0);
    const told = ofType(await readLog(real.place.dataDirectory), 'AlertRaised').filter(({ data }) => data.code === 'clockSkew').map(({ data }) => data.severity);
    expect(told.at(-1)).toBe('info');
  });
});

describe('row 32: a wall clock that jumps', () => {
  test('is told with both clocks, makes no stream look silent, and does not end the trading day and its loss', async () => {
    const real = await Drill.prepare('realtime', { faults: [] });
    const daemon = real.startDaemon({ NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'movable-clock.ts')).href}`, CLOCK_STEP_MS: String(DAY_MS) });
    await real.place.whenReady(daemon);
    await real.inject({ kind: 'foreignTrade', units: 1_000 });
    await real.event('ForeignTradeObserved', () => true, [daemon]);
    await real.inject({ kind: 'manualClose' });
    await real.event('BrokerTransactionRecorded', ({ data }) => data.body['reason'] === 'MARKET_ORDER_TRADE_CLOSE', [daemon]);
    const lossOf = async (): Promise<string> => (await statusOf(real)).limits.find(({ limit }) => limit === 'dailyLossMoney')!.value;
    const loss = await lossOf();
    expect(Number(loss)).toBeGreaterThan(0);

    daemon.process.kill('SIGUSR2');
    const told = await real.event('AlertRaised', ({ data }) => data.code === 'clockStepped', [daemon]);
    expect(told.data.detail).toMatch(/^the wall clock moved by 86(?:399|400)\d{3} ms: wall \S+Z, monotonic \d+ ms$/);
    await real.event('AlertRaised', ({ data }) => data.code === 'clockSkew' && data.severity === 'critical', [daemon]);
    expect((await statusOf(real)).unsound).not.toBeNull();
    expect(await lossOf()).toBe(loss);
    await daemon.end('SIGTERM');
    const log = await readLog(real.place.dataDirectory);
    // Silence is measured on the monotonic clock. A minute's end that falls in here finds the prices a day old, and has that stream opened anew.
    expect(ofType(log, 'FeedDisconnected').filter(({ data }) => data.detail.startsWith('no byte for'))).toEqual([]);
    expect(log.verdict.ok).toBe(true);
  });
});

describe('row 33: a process that stands still for more than five seconds', () => {
  test('tells it when it goes on, and compares with the broker before anything is opened', async () => {
    const real = await Drill.prepare('realtime', { faults: [] });
    const daemon = real.startDaemon();
    await real.place.whenReady(daemon);
    daemon.process.kill('SIGSTOP');
    await sleep(6_500);
    daemon.process.kill('SIGCONT');
    const stalled = await real.event('AlertRaised', ({ data }) => data.code === 'loopStalled', [daemon]);
    expect(stalled.data.severity).toBe('critical');
    const compared = await real.event('ReconciliationCompleted', ({ data }) => data.trigger === 'reconnect', [daemon]);
    expect(compared.data).toMatchObject({ scope: 'full', outcome: 'agreed' });
    await daemon.end('SIGTERM');
    const { events } = await readLog(real.place.dataDirectory);
    const [from, to] = [events.findIndex(({ event }) => event.type === 'AlertRaised' && event.data.code === 'loopStalled'), events.findIndex(({ event }) => event.type === 'ReconciliationCompleted' && event.data.trigger === 'reconnect')];
    expect(from).toBeLessThan(to);
    expect(events.slice(from, to).filter(({ event }) => event.type === 'OrderIntended')).toEqual([]);
  });
});
