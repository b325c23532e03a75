/** Answers that refuse an order: rows 7, 8, 10 and 14 of the fault catalogue. */
import { describe, expect, test } from 'vitest';
import { ofType } from '../e2e/log.ts';
import type { DrillOutcome } from './harness.ts';
import { drill } from './harness.ts';
import { expectSound } from './soundness.ts';

const STRUCK_FROM = '2026-01-05T13:06';
const ORDER = { kind: 'status', method: 'POST', path: '/orders', at: '+5m' };

const strikes = ({ faults }: DrillOutcome): number => faults.filter(({ record }) => record === 'strike').length;
const haltsOf = ({ log }: DrillOutcome): readonly object[] => ofType(log, 'TradingHalted').map(({ data }) => ({ cause: data.cause, disposition: data.disposition }));

/** What was sent after trading had halted. */
function intendedAfterHalt({ log }: DrillOutcome): readonly object[] {
  const types = log.events.map(({ event }) => event.type);
  const halted = types.indexOf('TradingHalted');
  if (halted < 0) throw new Error('trading never halted');
  return types.slice(halted).filter((type) => type === 'OrderIntended').map((type) => ({ type }));
}

describe('row 7: an account that is locked', () => {
  test.each([
    ['accountLocked', 'ACCOUNT_LOCKED'],
    ['orderCreationLocked', 'ACCOUNT_ORDER_CREATION_LOCKED'],
  ])('halts and holds at the first refusal under %s', async (preset, reason) => {
    const outcome = await drill({ bars: 12, faults: [{ preset, at: '+5m' }] });
    expect(ofType(outcome.log, 'OrderRejected')).toMatchObject([{ data: { reason } }]);
    expect(haltsOf(outcome)).toEqual([{ cause: 'authentication', disposition: 'hold' }]);
    expect(intendedAfterHalt(outcome)).toEqual([]);
    expectSound(outcome);
  });

  test('halts and holds at a 403 that left no transaction', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'accountForbidden', at: '+5m' }] });
    expect(strikes(outcome)).toBe(1);
    expect(haltsOf(outcome)).toEqual([{ cause: 'authentication', disposition: 'hold' }]);
    expect(intendedAfterHalt(outcome)).toEqual([]);
    expectSound(outcome);
  });
});

describe('row 8: a 400', () => {
  test('is a definite no: the order is over, and the next decision may trade', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'orderRejected', at: '+5m' }] });
    expect(strikes(outcome)).toBe(1);
    expect(ofType(outcome.log, 'OrderRejected')).toHaveLength(1);
    expect(ofType(outcome.log, 'OrderOutcomeUnknown')).toEqual([]);
    expect(haltsOf(outcome)).toEqual([]);
    expect(outcome.log.events.some(({ event, metadata }) => event.type === 'OrderFilled' && metadata.occurredAt > STRUCK_FROM)).toBe(true);
    expectSound(outcome);
  });

  test('halts when it is the third within ten minutes', async () => {
    const outcome = await drill({ bars: 20, faults: [{ ...ORDER, status: 400, errorCode: 'INSUFFICIENT_FUNDS', count: 3 }] });
    expect(ofType(outcome.log, 'OrderRejected')).toHaveLength(3);
    expect(haltsOf(outcome)).toMatchObject([{ cause: 'rejections' }]);
    expect(intendedAfterHalt(outcome)).toEqual([]);
    expectSound(outcome);
  });
});

describe('row 10: a status that only a mistake of ours can bring about', () => {
  test.each([405, 416])('halts at a %i', async (status) => {
    const outcome = await drill({ bars: 12, faults: [{ ...ORDER, status, count: 1 }] });
    expect(haltsOf(outcome)).toMatchObject([{ cause: 'protocol' }]);
    expect(ofType(outcome.log, 'OrderOutcomeUnknown')).toMatchObject([{ data: { cause: 'status' } }]);
    expectSound(outcome);
  });
});

describe('row 14: a redirect', () => {
  test('of an order is not followed: the order is unknown, and is sent to nobody else', async () => {
    const outcome = await drill({ bars: 12, faults: [{ ...ORDER, status: 307, body: 'empty', location: 'https://example.com/v3/accounts', count: 1 }] });
    expect(strikes(outcome)).toBe(1);
    expect(ofType(outcome.log, 'OrderOutcomeUnknown')).toMatchObject([{ data: { cause: 'status', detail: 'status 307' } }]);
    expect(ofType(outcome.log, 'OrderAbandoned')).toHaveLength(1);
    expectSound(outcome);
  });
});
