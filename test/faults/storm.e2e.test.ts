/** A storm in lockstep: the same seed is the same run, on both sides of the link. */
import { describe, expect, test } from 'vitest';
import { HOUR_MS } from '../../domain/time.ts';
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

describe('a storm of faults', () => {
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
