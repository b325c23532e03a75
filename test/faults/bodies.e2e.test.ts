/** Bodies that are too much, or not what they seem: rows 16, 17 and 18 of the fault catalogue. */
import { describe, expect, test } from 'vitest';
import { ofType } from '../e2e/log.ts';
import type { DrillOutcome } from './harness.ts';
import { drill } from './harness.ts';
import { expectSound } from './soundness.ts';

const strikes = ({ faults }: DrillOutcome): number => faults.filter(({ record }) => record === 'strike').length;
const unread = ({ log }: DrillOutcome): string => ofType(log, 'AlertRaised').filter(({ data }) => data.code.endsWith('Unread')).map(({ data }) => data.detail).join('\n');

/** The body was discarded and read again: nothing is missing, and nobody had to halt. */
function expectReadAgain(outcome: DrillOutcome): void {
  expect(ofType(outcome.log, 'MarketBarClosed')).toHaveLength(12);
  expect(ofType(outcome.log, 'TradingHalted')).toEqual([]);
  expectSound(outcome);
}

describe('row 16: a body without measure', () => {
  test.each([
    ['hugeReply', {}, /the reply is over \d+ bytes/],
    ['gzipBomb', {}, /content encoding "gzip" was not asked for/],
    ['drippingReply', { 'broker.restDeadlineMs': '700' }, /no whole reply within 700 ms/],
  ])('is given up at its limit under %s, and read again', async (preset, settings, told) => {
    const outcome = await drill({ bars: 12, faults: [{ preset, at: '+5m' }], settings });
    expect(strikes(outcome)).toBe(1);
    expect(unread(outcome)).toMatch(told);
    expectReadAgain(outcome);
  });
});

describe('row 17: a body that nests deeply', () => {
  test('is refused before anything walks it, and read again', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'deepNesting', at: '+5m' }] });
    expect(strikes(outcome)).toBe(1);
    expect(unread(outcome)).toMatch(/nest|deep/);
    expectReadAgain(outcome);
  });
});

describe('row 18: a body that says other than it seems', () => {
  test.each([
    ['duplicateKeys', { path: '/transactions/sinceid' }, /is there twice/],
    ['prototypeKey', {}, /__proto__/],
    ['numbers', { path: '*/candles' }, /expected string/i],
    ['exponent', { path: '*/candles' }, /e[+-]?\d/],
    ['notANumber', { path: '*/candles' }, /NaN/],
  ])('is believed in nothing under %s, and read again', async (form, where, told) => {
    const outcome = await drill({ bars: 12, faults: [{ kind: 'badBody', form, method: 'GET', at: '+5m', count: 1, ...where }] });
    expect(strikes(outcome)).toBe(1);
    expect(unread(outcome)).toMatch(told);
    expectReadAgain(outcome);
  });
});
