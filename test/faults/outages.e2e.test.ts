/** A broker that is away, or that does not find what it has: rows 5, 9 and 11 of the fault catalogue. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { Settings } from '../e2e/processes.ts';
import { DEMO_PROFILE } from '../e2e/processes.ts';
import { Drill, drill } from './harness.ts';
import { alertsOf, haltCauses, meant, strikesOf, told } from './reading.ts';
import { expectSound } from './soundness.ts';

const BARS = 16;
const REAL: Settings = { 'broker.clock': 'system', 'calendar.alwaysOpen': 'true', 'policy.kind': 'hold' };

describe('row 5: a broker in maintenance', () => {
  test('is read only: nothing is opened, it is asked patiently, and both its ends are told', async () => {
    const outcome = await drill({ bars: BARS, faults: [{ kind: 'status', method: 'GET', status: 503, body: 'html', at: '+430s', durationMs: 230_000 }] });
    const away = { from: '13:08:30', until: '13:12' };
    expect(meant(outcome, 'open', away)).toEqual([]);
    expect(alertsOf(outcome, 'brokerUnavailable').map(({ data }) => data.severity)).toEqual(['critical', 'info']);
    expect(haltCauses(outcome)).toEqual([]);
    // The candles of four minutes, the ledger and the comparisons: a few dozen requests, each of which waits longer than the one before.
    expect(strikesOf(outcome).length).toBeLessThan(60);
    expect(meant(outcome, 'open', { from: '13:13' }).length).toBeGreaterThan(0);
    expectSound(outcome);
  });

  test('has its streams tried once a minute', async () => {
    const real = await Drill.prepare('realtime', { faults: [] });
    const daemon = real.startDaemon();
    await real.place.whenReady(daemon);
    await real.events('FeedConnected', 2, [daemon]);
    await real.inject({ kind: 'status', host: 'stream', status: 503, body: 'html' });
    await real.inject({ kind: 'cutStream', stream: 'transactions', count: 1 });
    await real.event('FeedDisconnected', () => true, [daemon]);
    const refusals = async (): Promise<number> => strikesOf({ faults: await real.faultLog() }).filter(({ id }) => id.includes('status')).length;
    await expect.poll(refusals, { timeout: 10_000 }).toBe(1);
    await sleep(8_000);
    expect(await refusals()).toBe(1);
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });
});

describe('row 9: a 404', () => {
  test('to an order that the broker took proves nothing: the ledger is asked, and shows the fill', async () => {
    const outcome = await drill({ bars: BARS, faults: [{ kind: 'status', method: 'POST', path: '/orders', status: 404, errorCode: 'NO_SUCH_ACCOUNT', executed: true, at: '+5m', count: 1 }] });
    const [opened] = meant(outcome, 'open', { from: '13:06' });
    expect(told(outcome, 'OrderRejected')).toEqual([]);
    expect(told(outcome, 'OrderOutcomeUnknown')).toMatchObject([{ at: '13:06:00', data: { clientOrderId: opened!.data.clientOrderId, cause: 'status' } }]);
    expect(told(outcome, 'OrderFilled', { from: '13:06' })[0]).toMatchObject({ at: '13:06:01', data: { clientOrderId: opened!.data.clientOrderId, late: false } });
    expectSound(outcome);
  });

  test('to an order that the broker never took opens nothing until the ledger has been silent for the quiet period', async () => {
    const outcome = await drill({ bars: BARS, faults: [{ kind: 'status', method: 'POST', path: '/orders', status: 404, errorCode: 'NO_SUCH_ACCOUNT', at: '+5m', count: 1 }], settings: { 'policy.holdShare': '0' } });
    const [unknown] = told(outcome, 'OrderOutcomeUnknown');
    const [abandoned] = told(outcome, 'OrderAbandoned');
    expect(abandoned!.data).toMatchObject({ clientOrderId: unknown!.data.clientOrderId });
    expect(abandoned!.data.quietMs).toBeGreaterThanOrEqual(120_000);
    expect(meant(outcome, 'open', { from: '13:06:01', until: abandoned!.at })).toEqual([]);
    expect(told(outcome, 'DecisionMade', { from: '13:07', until: abandoned!.at }).map(({ data }) => data.action)).toEqual(['HOLD']);
    expect(meant(outcome, 'open', { from: abandoned!.at }).length).toBeGreaterThan(0);
    expectSound(outcome);
  });

  test('to a close of a trade that is there is no proof that it is gone: it is closed at the next chance', async () => {
    const outcome = await drill({ bars: BARS, faults: [{ kind: 'status', method: 'PUT', path: '/trades/*/close', status: 404, errorCode: 'TRADE_DOESNT_EXIST', at: '+5m', count: 1 }] });
    const [first, second] = meant(outcome, 'close', { from: '13:08' });
    expect(told(outcome, 'OrderOutcomeUnknown')).toMatchObject([{ at: '13:08:00', data: { clientOrderId: first!.data.clientOrderId } }]);
    expect(second!.data.tradeId).toBe(first!.data.tradeId);
    expect(told(outcome, 'OrderFilled', { from: second!.at })[0]!.data.clientOrderId).toBe(second!.data.clientOrderId);
    expect(meant(outcome, 'open', { from: '13:06:30', until: second!.at })).toEqual([]);
    expect(haltCauses(outcome)).toEqual([]);
    expectSound(outcome);
  });
});

describe('row 11: names that do not resolve', () => {
  const withNames = { NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'unresolved-names.ts')).href}` };
  const named = ({ broker }: Drill): { readonly rest: string; readonly stream: string } => ({ rest: broker.rest.replace('127.0.0.1', 'localhost'), stream: broker.stream.replace('127.0.0.1', 'localhost') });

  test('end a start with 69 and say so; nobody is asked', async () => {
    const held = await Drill.prepare('lockstep', { faults: [] });
    const ran = await held.place.command(['run', '--config', DEMO_PROFILE], REAL, named(held), { ...withNames, NAMES_DOWN: 'true' });
    expect(ran.code).toBe(69);
    expect(ran.stderr).toContain('getaddrinfo ENOTFOUND localhost');
    expect(ran.stderr).toContain('the broker cannot be read: nothing was sent');
  });

  test('keep broken streams down and nothing is opened meanwhile; they are taken up when names resolve again', async () => {
    const real = await Drill.prepare('realtime', { faults: [] });
    const daemon = real.place.startDaemon({ address: named(real) }, REAL, DEMO_PROFILE, withNames);
    await real.place.whenReady(daemon);
    await real.events('FeedConnected', 2, [daemon]);
    daemon.process.kill('SIGUSR2');
    for (const stream of ['pricing', 'transactions']) await real.inject({ kind: 'cutStream', stream, count: 1 });
    await real.events('FeedDisconnected', 2, [daemon]);
    await sleep(3_000);
    expect(await real.events('FeedConnected', 2, [daemon])).toHaveLength(2);
    expect((await real.place.status())?.unsound).toBe('pricing stream down');
    daemon.process.kill('SIGUSR2');
    await real.events('FeedConnected', 4, [daemon]);
    const compared = await real.event('ReconciliationCompleted', ({ data }) => data.trigger === 'reconnect', [daemon]);
    expect(compared.data.outcome).toBe('agreed');
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });
});
