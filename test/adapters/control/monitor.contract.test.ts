import { execFileSync } from 'node:child_process';
import { request } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import { createMetrics } from '../../../adapters/control/metrics.ts';
import { startMonitorServer } from '../../../adapters/control/monitor.ts';
import type { Readiness } from '../../../adapters/control/monitor.ts';
import { money, units } from '../../../domain/money.ts';
import { instantOf } from '../../../domain/time.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

let nowMs = 1_800_000_000_000;
const clock = { now: () => instantOf(nowMs), monotonicNs: () => 0n };
const freshMetrics = () => createMetrics({ clock, build: '0.1.0', configHash: 'c'.repeat(64), modelLabel: 'untrained', accountCurrency: 'USD' });

async function start(readiness: () => Readiness = () => ({ ready: true })) {
  const metrics = freshMetrics();
  const server = await startMonitorServer({ host: '127.0.0.1', port: 0, readiness, metrics, onFault: () => undefined });
  closers.push(() => server.close());
  const ask = async (path: string, options: { method?: 'GET' | 'POST'; host?: string } = {}) => {
    const { method = 'GET', host } = options;
    const response = await request(`http://127.0.0.1:${server.port}${path}`, { method, ...(host === undefined ? {} : { headers: { host } }) });
    return { status: response.statusCode, text: await response.body.text() };
  };
  return { metrics, ask };
}

const hasPromtool = ((): boolean => {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    console.info('promtool is not installed: its check of the metrics is skipped');
    return false;
  }
})();

describe('the metrics', () => {
  test('show the model that decides now, and no other', async () => {
    const metrics = freshMetrics();
    const shown = async (): Promise<readonly string[]> => [...(await metrics.exposition()).matchAll(/^reckoner_build_info\{.*model="([^"]*)"\} (\d)$/gm)].map(([, model, value]) => `${model} ${value}`);
    expect(await shown()).toEqual(['untrained 1']);
    metrics.modelChanged('retrained');
    expect(await shown()).toEqual(['retrained 1']);
  });
});

describe('the monitor’s port', () => {
  test('says alive whatever the state, and ready only when it is, with the reason otherwise', async () => {
    let readiness: Readiness = { ready: false, reason: 'reconciling' };
    const { ask } = await start(() => readiness);
    expect((await ask('/health')).status).toBe(200);
    expect(await ask('/ready')).toEqual({ status: 503, text: '{"ready":false,"reason":"reconciling"}' });
    readiness = { ready: true };
    expect((await ask('/ready')).status).toBe(200);
  });

  test('answers loopback names alone, so that no web page can ask under its own', async () => {
    const { ask } = await start();
    expect((await ask('/metrics', { host: 'evil.example:80' })).status).toBe(421);
    expect((await ask('/metrics', { host: '127.0.0.1.evil.example' })).status).toBe(421);
    expect((await ask('/health', { host: 'localhost:9464' })).status).toBe(200);
  });

  test('knows no commands', async () => {
    const { ask } = await start();
    for (const path of ['/commands', '/health', '/metrics']) expect((await ask(path, { method: 'POST' })).status).toBe(404);
    expect((await ask('/status')).status).toBe(404);
  });
});

describe('the metrics', () => {
  test('show what the daemon reported', async () => {
    const { metrics, ask } = await start();
    metrics.eventRecorded('MarketBarClosed');
    metrics.eventRecorded('MarketBarClosed');
    metrics.modeChanged('ARMED');
    metrics.modeChanged('HALTED');
    metrics.readyChanged(true);
    metrics.conditionsChanged(['READ-ONLY']);
    metrics.clockMeasured(-1_500);
    metrics.barClosed('EUR_USD', instantOf(nowMs - 20_000));
    metrics.decisionMade(7);
    metrics.orderEnded('filled');
    metrics.orderDenied('spread');
    metrics.balanceChanged(money('100000.1234'));
    metrics.positionChanged('EUR_USD', units('-1'));
    metrics.reconciled({ outcome: 'differed', discrepancies: 2, durationMs: 40 }, instantOf(nowMs));
    metrics.reconciled({ outcome: 'agreed', discrepancies: 0, durationMs: 50 }, instantOf(nowMs - 5_000));
    const { text } = await ask('/metrics');
    expect(text.split('\n')).toEqual(expect.arrayContaining([
      'reckoner_events_total{type="MarketBarClosed"} 2',
      'reckoner_condition{condition="READ-ONLY"} 1',
      'reckoner_condition{condition="STALE"} 0',
      'reckoner_clock_offset_seconds -1.5',
      'reckoner_mode{mode="ARMED"} 0',
      'reckoner_mode{mode="HALTED"} 1',
      'reckoner_ready 1',
      'reckoner_last_bar_timestamp_seconds{instrument="EUR_USD"} 1799999980',
      'reckoner_decision_duration_seconds_bucket{le="0.005"} 0',
      'reckoner_decision_duration_seconds_bucket{le="0.01"} 1',
      'reckoner_orders_total{outcome="filled"} 1',
      'reckoner_denials_total{guard="spread"} 1',
      'reckoner_balance{currency="USD"} 100000.1234',
      'reckoner_position_units{instrument="EUR_USD"} -1',
      'reckoner_reconciliations_total{outcome="differed"} 1',
      'reckoner_discrepancies_total 2',
      'reckoner_last_reconciliation_timestamp_seconds 1799999995',
    ]));
  });

  test('let a quote grow old when nothing follows it', async () => {
    const { metrics, ask } = await start();
    metrics.quoteSeen('EUR_USD', instantOf(nowMs));
    nowMs += 61_000;
    expect((await ask('/metrics')).text).toContain('reckoner_quote_age_seconds{instrument="EUR_USD"} 61\n');
  });

  test('are separate for each registry', async () => {
    const [one, other] = [freshMetrics(), freshMetrics()];
    one.orderDenied('spread');
    expect(await other.exposition()).not.toContain('reckoner_denials_total{');
  });

  test.skipIf(!hasPromtool)('pass promtool’s check', async () => {
    const metrics = freshMetrics();
    metrics.eventRecorded('MarketBarClosed');
    metrics.decisionMade(7);
    expect(execFileSync('promtool', ['check', 'metrics'], { input: await metrics.exposition(), encoding: 'utf8' })).toBe('');
  });
});
