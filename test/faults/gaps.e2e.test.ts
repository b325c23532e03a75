/** Transactions that the broker speaks of and does not hand out: rows 21 and 25 of the fault catalogue. */
import { describe, expect, test } from 'vitest';
import { ofType } from '../e2e/log.ts';
import { drill } from './harness.ts';
import { expectSound } from './soundness.ts';

describe('row 21: a gap that is never filled', () => {
  test('halts, and the whole account is compared', async () => {
    const { log } = await drill({ bars: 16, faults: [{ preset: 'gapNeverFilled', at: '+5m' }] });
    expect(ofType(log, 'TradingHalted')).toMatchObject([{ data: { cause: 'discrepancy' } }]);
    expect(ofType(log, 'DiscrepancyDetected').map(({ data }) => data.kind)).toContain('ledgerGap');
    expect(ofType(log, 'ReconciliationCompleted').some(({ data }) => data.trigger === 'gap' && data.scope === 'full')).toBe(true);
    expect(log.verdict.ok).toBe(true);
  });
});

describe('row 25: a heartbeat that is ahead of our ledger', () => {
  test('has the ledger read at once: nothing is opened meanwhile, and half a minute without the transaction halts', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'heartbeatAhead', at: '+5m' }] });
    expect(ofType(outcome.log, 'OrderDenied')).toMatchObject([{ data: { guard: 'stateMoved' } }]);
    expect(ofType(outcome.log, 'TradingHalted')).toMatchObject([{ data: { cause: 'discrepancy' } }]);
    // The half minute counts from the first page that lacked it: that page was read in the second of the first heartbeat.
    const halted = outcome.log.events.find(({ event }) => event.type === 'TradingHalted');
    expect(halted?.metadata.occurredAt).toMatch(/T13:06:30\.0+Z$/);
    expect(ofType(outcome.log, 'DiscrepancyDetected')).toMatchObject([{ data: { kind: 'ledgerGap' } }]);
    expectSound(outcome);
  });
});
