/** Safeguards that watch the daemon itself: what leaves it, and the room that its log has. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { Drill } from './harness.ts';

test('an order that leaves the process without an intent in the log halts, whichever code sent it', async () => {
  const real = await Drill.prepare('realtime', { faults: [] });
  const daemon = real.startDaemon({
    NODE_OPTIONS: `--import=${pathToFileURL(join(import.meta.dirname, 'stray-order.ts')).href}`,
    STRAY_ORDER_URL: `${real.broker.rest}/v3/accounts/101-001-1000001-001/orders`,
    STRAY_ORDER_TOKEN_FILE: real.place.tokenFile,
  });
  await real.place.whenReady(daemon);
  daemon.process.kill('SIGUSR2');
  const halted = await real.event('TradingHalted', ({ data }) => data.cause === 'egress', [daemon]);
  expect(halted.data).toMatchObject({ disposition: 'hold', detail: 'POST /accounts/101-001-1000001-001/orders left for the broker, and no intent in the log stands behind it' });
  await real.event('ForeignTradeObserved', () => true, [daemon]);
  expect((await daemon.end('SIGTERM')).code).toBe(31);
});

test('with too little room for the log nothing is opened, and an armed daemon is one that reduces', async () => {
  const real = await Drill.prepare('realtime', { faults: [], settings: { 'safety.diskFreeBytesMin': '999999999999999', 'policy.holdShare': '0' } });
  const daemon = real.startDaemon();
  await real.place.whenReady(daemon);
  await real.event('AlertRaised', ({ data }) => data.code === 'diskLow' && data.severity === 'critical', [daemon]);
  await real.place.arm('a drill');
  const denied = await real.event('OrderDenied', () => true, [daemon]);
  expect(denied.data.guards.filter(({ passed }) => !passed).map(({ guard, value }) => `${guard}: ${value}`).join()).toMatch(/^sound: read only: \d+ bytes are free for the log, 999999999999999 wanted/);
  expect((await daemon.end('SIGTERM')).code).toBe(0);
});
