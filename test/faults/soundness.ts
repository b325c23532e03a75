/** What holds after every drill, whatever failed in it. */
import { expect } from 'vitest';
import { units } from '../../domain/money.ts';
import type { Units } from '../../domain/money.ts';
import { ofType } from '../e2e/log.ts';
import type { DrillOutcome } from './harness.ts';

/** The mirror is the broker's ledger word for word, and no chain is broken. */
function expectSameLedger({ log, transactions }: DrillOutcome): void {
  const recorded = ofType(log, 'BrokerTransactionRecorded');
  expect(recorded.map(({ data }) => data.body)).toEqual(transactions);
  expect(log.verdict.ok).toBe(true);
}

/** Each decision has at most one opening order, at the broker and in the log. */
function expectNoOrderTwice({ log, transactions }: DrillOutcome): void {
  const intended = ofType(log, 'OrderIntended').filter(({ data }) => data.leg === 'open').map(({ data }) => data.decisionId);
  expect(intended).toEqual([...new Set(intended)]);
  const placed = transactions.filter(({ type }) => type === 'MARKET_ORDER').flatMap(({ clientExtensions }) => clientExtensions?.id ?? []);
  expect(placed).toEqual([...new Set(placed)]);
}

/** The position, as the fills add up, was never above its limit. */
function expectWithinLimit({ transactions }: DrillOutcome, limit: Units): void {
  let held = 0n;
  for (const { type, units: filled } of transactions) {
    if (type !== 'ORDER_FILL' || filled === undefined) continue;
    held += units(filled);
    expect(held <= limit && -held <= limit, `${held} units are held`).toBe(true);
  }
}

/** Ledger, orders and position after a drill in which nobody else traded. */
export function expectSound(outcome: DrillOutcome, limit = units('1')): void {
  expectSameLedger(outcome);
  expectNoOrderTwice(outcome);
  expectWithinLimit(outcome, limit);
}
