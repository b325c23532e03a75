/** Streams that repeat, mix up, lose and withhold what they say, and a replica that lags: rows 19, 20, 22 and 23 of the fault catalogue. */
import { describe, expect, test } from 'vitest';
import { ofType } from '../e2e/log.ts';
import type { DrillOutcome } from './harness.ts';
import { Drill, drill } from './harness.ts';
import { expectSound } from './soundness.ts';

const strikes = ({ faults }: DrillOutcome): number => faults.filter(({ record }) => record === 'strike').length;
const fills = ({ log }: DrillOutcome): number => ofType(log, 'OrderFilled').length;

describe('rows 19 and 20: lines of the transaction stream', () => {
  test.each(['duplicateLines', 'lateLines', 'reorderedLines', 'droppedLines'])('under %s change nothing: each transaction is taken up once, in the order of the ids', async (preset) => {
    const [calm, faulty] = [await drill({ bars: 20, faults: [] }), await drill({ bars: 20, faults: [{ preset, at: '+1m' }] })];
    expect(strikes(faulty)).toBeGreaterThan(2);
    expect(fills(faulty)).toBe(fills(calm));
    expect(ofType(faulty.log, 'TradingHalted')).toEqual([]);
    expectSound(faulty);
  });

});

describe('row 22: a replica that lags', () => {
  test('is no evidence: the fill is taken up when it shows, and nothing is sent on the strength of an old page', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'staleReads', onRequest: { method: 'POST', path: '/orders', nth: 2 } }] });
    expect(strikes(outcome)).toBeGreaterThan(3);
    expect(ofType(outcome.log, 'TradingHalted')).toEqual([]);
    expectSound(outcome);
  });
});

describe('row 23: a transaction stream that falls silent', () => {
  test('is opened again within seconds, while the price stream stays', async () => {
    const real = await Drill.prepare('realtime', { faults: [] });
    const daemon = real.startDaemon();
    await real.place.whenReady(daemon);
    await real.inject({ preset: 'transactionSilence', durationMs: 14_000 });
    const lost = await real.event('FeedDisconnected', () => true, [daemon]);
    expect(lost.data).toEqual({ feed: 'transactions', detail: 'no byte for 12000 ms' });
    const opened = await real.event('ReconciliationCompleted', ({ data }) => data.trigger === 'reconnect', [daemon]);
    expect(opened.data.outcome).toBe('agreed');
    expect((await real.faultLog()).filter(({ record }) => record === 'strike').every(({ stream }) => stream === 'transactions')).toBe(true);
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });
});
