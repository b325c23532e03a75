/** Streams that end as soon as they are opened: row 46 of the fault catalogue. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { fetchStatus } from '../../adapters/control/client.ts';
import { BREAKER_PAUSE_MS, BREAKER_RECONNECTS, BREAKER_WINDOW_MS } from '../../domain/link.ts';
import { Drill } from './harness.ts';

const conditionsSchema = z.looseObject({ conditions: z.array(z.object({ condition: z.string(), detail: z.string() })), unsound: z.string().nullable() });

describe('row 46: ten reconnects within ten minutes', () => {
  test('open a breaker: no stream is opened for five minutes, nothing is opened in the market, and an alarm is raised', async () => {
    const real = await Drill.prepare('realtime', { faults: [] });
    const daemon = real.startDaemon();
    await real.place.whenReady(daemon);
    await real.inject({ kind: 'cutStream' });
    const opened = await real.event('FeedBreakerOpened', () => true, [daemon]);
    expect(opened.data).toEqual({ reconnects: BREAKER_RECONNECTS, windowMs: BREAKER_WINDOW_MS, pauseMs: BREAKER_PAUSE_MS });
    const alarm = await real.event('AlertRaised', ({ data }) => data.code === 'feedBreaker', [daemon]);
    expect(alarm.data).toEqual({ code: 'feedBreaker', severity: 'critical', detail: '10 reconnects in 600 s: none for 300 s' });
    const status = conditionsSchema.parse(await fetchStatus(real.place.socketPath));
    expect(status.conditions).toContainEqual({ condition: 'READ-ONLY', detail: alarm.data.detail });
    expect(status.unsound).not.toBeNull();

    // Each connection that stood was cut at its first line; from here on nobody knocks.
    const connections = async (): Promise<number> => (await real.faultLog()).filter(({ record }) => record === 'strike').length;
    const before = await connections();
    expect(before).toBe(BREAKER_RECONNECTS);
    await sleep(10_000);
    expect(await connections()).toBe(before);
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });
});
