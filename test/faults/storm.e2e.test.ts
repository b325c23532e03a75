/** A storm in lockstep: the same seed is the same run, on both sides of the link. */
import { describe, expect, test } from 'vitest';
import { DAY_MS, HOUR_MS, MINUTE_MS, parseInstant } from '../../domain/time.ts';
import { ofType } from '../e2e/log.ts';
import { drill } from './harness.ts';
import { expectSound } from './soundness.ts';

/** Faults that a daemon lives through without a halt, and whose effect does not hang on real time. */
const PRESETS = [
  'lostResponse', 'lostResponseAfterHeaders', 'gatewayTimeoutAfterAcceptance', 'badGatewayAfterAcceptance', 'unexecutedOrder', 'lateExecution', 'lateFill', 'createdThenCancelled',
  'serverError', 'replyCutMidBody', 'readCutMidBody', 'garbageReply', 'htmlReply', 'truncatedReply', 'wrongCharsetReply', 'duplicateKeys', 'prototypeKey', 'numbersForStrings', 'deepNesting',
  'duplicateLines', 'lateLines', 'reorderedLines', 'droppedLines', 'staleReads', 'transactionSilence', 'onlyHeartbeats', 'nonTradeable', 'widePrice', 'lateCandle', 'incompleteCandle',
  'revisedCandles', 'instrumentHalted', 'insufficientLiquidity', 'boundsViolation', 'deposit',
];
const STORM = { bars: 60, faults: [], storm: { spanMs: 0.8 * HOUR_MS, faultsPerHour: 20, presets: PRESETS } };

/** Five market days, and an hour and a half behind the last fault. */
const WEEK = { bars: 5 * 24 * 60, faults: [], storm: { spanMs: 5 * DAY_MS - 2 * HOUR_MS, faultsPerHour: 4, presets: PRESETS } };
/** Within this after the last strike, a comparison has agreed. */
const CALM_MS = 2 * MINUTE_MS;

describe('a storm of faults', () => {
  test('over five market days ends, once the faults stop, with ledger and broker agreed, no order twice and no position above its limit', async () => {
    const outcome = await drill({ ...WEEK, seed: 31 });
    expect(outcome.exitCode).toBe(0);
    const strikes = outcome.faults.filter(({ record }) => record === 'strike');
    expect(strikes.length).toBeGreaterThan(500);
    expect(new Set(strikes.map(({ id }) => id)).size).toBeGreaterThan(100);
    const stoppedAt = Math.max(...strikes.map(({ time }) => parseInstant(time)));
    const after = outcome.log.events.filter(({ event, metadata }) => event.type === 'ReconciliationCompleted' && parseInstant(metadata.occurredAt) > stoppedAt);
    expect(after[0]?.event.data).toMatchObject({ outcome: 'agreed', discrepancies: 0 });
    expect(parseInstant(after[0]!.metadata.occurredAt) - stoppedAt).toBeLessThanOrEqual(CALM_MS);
    expectSound(outcome);
  });

  test('with one seed gives one fault log and one daemon log, byte for byte', async () => {
    const [first, again] = [await drill({ ...STORM, seed: 21 }), await drill({ ...STORM, seed: 21 })];
    expect(first.faults.filter(({ record }) => record === 'strike').length).toBeGreaterThan(10);
    expect(again.faults).toEqual(first.faults);
    expect(again.log.headHash).toBe(first.log.headHash);
  });

  test.each([22, 23])('with seed %i ends with the ledger equal to the broker’s, no order twice and no position above its limit', async (seed) => {
    const outcome = await drill({ ...STORM, seed });
    expect(outcome.exitCode).toBe(0);
    expect(ofType(outcome.log, 'OrderOutcomeUnknown').length + ofType(outcome.log, 'DecisionSkipped').length + ofType(outcome.log, 'OrderDenied').length).toBeGreaterThan(0);
    expectSound(outcome);
  });
});
