/** A schema that grew, and a second daemon: rows 45 and 47 of the fault catalogue. */
import { describe, expect, test } from 'vitest';
import { ofType } from '../e2e/log.ts';
import type { DrillOutcome } from './harness.ts';
import { drill } from './harness.ts';
import { expectSound } from './soundness.ts';

const STRUCK_AT = '2026-01-05T13:06:00';
const intentsFrom = ({ log }: DrillOutcome): number => log.events.filter(({ event, metadata }) => event.type === 'OrderIntended' && metadata.occurredAt >= STRUCK_AT).length;

describe('row 45: a transaction of a type that nobody knows', () => {
  test('is stored word for word, and nothing is opened before it is acknowledged', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'unknownTransaction', at: '+5m' }] });
    expect(ofType(outcome.log, 'BrokerTransactionRecorded').map(({ data }) => data.body['type'])).toContain('CARBON_LEVY');
    expect(ofType(outcome.log, 'ReviewRequired')).toMatchObject([{ data: { cause: 'unknownType' } }]);
    expect(ofType(outcome.log, 'TradingHalted')).toMatchObject([{ data: { cause: 'unknownSchema', disposition: 'hold' } }]);
    expect(intentsFrom(outcome)).toBe(0);
    expectSound(outcome);
  });
});

describe('row 47: an order of a daemon with a higher epoch', () => {
  test('ends the lower one at once with 33, and nothing more is sent', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'higherEpochOrder', at: '+5m' }] });
    expect(outcome.exitCode).toBe(33);
    expect(ofType(outcome.log, 'DaemonStopped').at(-1)?.data).toMatchObject({ exitCode: 33 });
    expect(ofType(outcome.log, 'DaemonStopped').at(-1)?.data.reason).toContain('epoch 999999999');
    expect(intentsFrom(outcome)).toBe(0);
    expect(outcome.log.verdict.ok).toBe(true);
  });
});
