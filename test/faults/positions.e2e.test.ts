/** Positions and money that change otherwise than ordered: rows 34 to 41, 43 and 44 of the fault catalogue. */
import { describe, expect, test } from 'vitest';
import { units } from '../../domain/money.ts';
import { ofType } from '../e2e/log.ts';
import type { DrillOutcome } from './harness.ts';
import { drill } from './harness.ts';
import { expectSound } from './soundness.ts';

/** The market begins at 13:01; the busy policy is flat at +5m, opens then, and holds one unit from a second later until +7m. */
const FLAT = '+5m';
const HOLDING = '+6m';
const AT_FLAT = '2026-01-05T13:06:00';
const AT_HOLDING = '2026-01-05T13:07:00';

const intentsAfter = ({ log }: DrillOutcome, from: string, leg: 'open' | 'close'): number =>
  log.events.filter(({ event, metadata }) => event.type === 'OrderIntended' && event.data.leg === leg && metadata.occurredAt > from).length;
const haltCauses = ({ log }: DrillOutcome): readonly string[] => ofType(log, 'TradingHalted').map(({ data }) => data.cause);
const comparisons = ({ log }: DrillOutcome): readonly string[] => ofType(log, 'ReconciliationCompleted').map(({ data }) => data.outcome);
const alerts = ({ log }: DrillOutcome): string => ofType(log, 'AlertRaised').map(({ data }) => data.detail).join('\n');
const written = ({ transactions }: DrillOutcome, type: string): number => transactions.filter((transaction) => transaction.type === type).length;

describe('row 34: a partial fill', () => {
  test('is the position as far as it goes, and its decision asks for no more', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'partialFill', at: FLAT }], settings: { 'instruments.0.orderUnits': '3', 'safety.maxOrderUnits': '3', 'safety.maxPositionUnits': '3', 'safety.tradeLossMoney': '1' } });
    const partial = ofType(outcome.log, 'OrderFilled').find(({ data }) => data.units === '1');
    const order = ofType(outcome.log, 'OrderIntended').find(({ data }) => data.clientOrderId === partial?.data.clientOrderId);
    expect(order?.data).toMatchObject({ leg: 'open', units: '3' });
    const closes = ofType(outcome.log, 'OrderIntended').filter(({ data }) => data.leg === 'close' && data.tradeId === partial?.data.tradeId);
    expect(closes).toMatchObject([{ data: { units: '-1' } }]);
    expect(haltCauses(outcome)).toEqual([]);
    expect(comparisons(outcome)).not.toContain('differed');
    expectSound(outcome, units('3'));
  });
});

describe('row 35: an over-fill', () => {
  test('is taken for the truth that it is, halts, and goes down to nothing where the disposition says so', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'overFill', at: FLAT }] });
    expect(ofType(outcome.log, 'OrderFilled').map(({ data }) => data.units)).toContain('1000');
    expect(haltCauses(outcome)).toEqual(['overFill', 'positionLimit']);
    expect(ofType(outcome.log, 'OrderIntended').at(-1)?.data).toMatchObject({ leg: 'close', cause: 'halt', units: '-1000' });
    expect(outcome.openTrades).toEqual([]);
    expect(intentsAfter(outcome, `${AT_FLAT}.5`, 'open')).toBe(0);
    expectSound(outcome, units('1000'));
  });

  test('is reduced to the limit where the halt holds what is allowed', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'overFill', at: FLAT }], settings: { 'safety.dispositions.overFill': 'hold', 'safety.dispositions.positionLimit': 'hold' } });
    expect(haltCauses(outcome)).toEqual(['overFill', 'positionLimit']);
    expect(ofType(outcome.log, 'OrderIntended').at(-1)?.data).toMatchObject({ leg: 'close', cause: 'oversize', units: '-999' });
    expect(outcome.openTrades).toMatchObject([{ currentUnits: '1' }]);
    expectSound(outcome, units('1000'));
  });
});

describe('row 36: a fill of an order that is not ours', () => {
  test('is adopted as a foreign trade, halts new exposure, and is never touched', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'foreignTrade', at: HOLDING }] });
    expect(ofType(outcome.log, 'ForeignTradeObserved')).toMatchObject([{ data: { units: '10' } }]);
    expect(haltCauses(outcome)).toEqual(['foreignTrade']);
    expect(outcome.openTrades.map(({ currentUnits }) => currentUnits)).toContain('10');
    expect(intentsAfter(outcome, AT_HOLDING, 'open')).toBe(0);
    expect(comparisons(outcome)).not.toContain('differed');
    expectSound(outcome, units('11'));
  });

  test('costs us nothing of our own while an order of ours is on its way', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'foreignTrade', at: FLAT }] });
    expect(haltCauses(outcome)).toEqual(['foreignTrade']);
    expectSound(outcome, units('11'));
  });
});

describe('row 37: a trade of ours that a human closes', () => {
  test('leaves the strategy flat, and nothing is opened before an operator has acknowledged it', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'manualClose', at: HOLDING }] });
    expect(ofType(outcome.log, 'PositionAdjusted')).toMatchObject([{ data: { units: '-1' } }]);
    expect(ofType(outcome.log, 'ReviewRequired')).toMatchObject([{ data: { cause: 'manualClose' } }]);
    expect(haltCauses(outcome)).toEqual(['foreignTrade']);
    expect(outcome.openTrades).toEqual([]);
    expect(intentsAfter(outcome, AT_HOLDING, 'open') + intentsAfter(outcome, AT_HOLDING, 'close')).toBe(0);
    expectSound(outcome);
  });
});

describe('row 38: a stop of ours that a human', () => {
  test.each([['cancels', 'stopCancelled'], ['moves', 'stopMoved']])('%s is put back once', async (_what, preset) => {
    const outcome = await drill({ bars: 12, faults: [{ preset, at: HOLDING }] });
    expect(ofType(outcome.log, 'StopReplacementIntended')).toHaveLength(1);
    expect(ofType(outcome.log, 'StopReplaced')).toHaveLength(1);
    expect(alerts(outcome)).toContain('was without its stop: it is put back');
    expectSound(outcome);
  });

  test('cancels again costs the trade: it is closed', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'stopCancelled', at: HOLDING }, { preset: 'stopCancelled', at: '+390s' }] });
    expect(ofType(outcome.log, 'StopReplacementIntended')).toHaveLength(1);
    expect(ofType(outcome.log, 'OrderIntended').filter(({ data }) => data.cause === 'unprotected')).toMatchObject([{ data: { leg: 'close', units: '-1' } }]);
    expectSound(outcome);
  });
});

describe('row 39: a margin closeout', () => {
  test('is adopted, halts for good and tells', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'marginCloseout', at: HOLDING }] });
    expect(ofType(outcome.log, 'DiscrepancyDetected').map(({ data }) => data.kind)).toContain('marginCloseout');
    expect(new Set(haltCauses(outcome))).toEqual(new Set(['lossLimit']));
    expect(outcome.openTrades).toEqual([]);
    expect(intentsAfter(outcome, AT_HOLDING, 'open')).toBe(0);
    expectSound(outcome);
  });
});

describe('row 40: what the broker books by itself', () => {
  test('is in the ledger, and positions and balance go on agreeing', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'dividend', at: HOLDING }, { preset: 'deposit', at: HOLDING }, { preset: 'withdrawal', at: HOLDING }, { preset: 'delayedTradeClosure', at: '+7m' }] });
    expect([written(outcome, 'DIVIDEND_ADJUSTMENT'), written(outcome, 'TRANSFER_FUNDS'), written(outcome, 'DELAYED_TRADE_CLOSURE')]).toEqual([1, 3, 1]);
    expect(ofType(outcome.log, 'PositionAdjusted')).toMatchObject([{ data: { reason: 'MARKET_ORDER_DELAYED_TRADE_CLOSE' } }]);
    expect(new Set(comparisons(outcome))).toEqual(new Set(['agreed']));
    expect(haltCauses(outcome)).toEqual([]);
    expectSound(outcome);
  });
});

describe('row 41: an account that is another', () => {
  test.each([['id', 'otherAccount', 'account'], ['currency', 'currencyChanged', 'currency'], ['hedging', 'hedgingTurnedOn', 'hedging']])('by its %s halts at the next snapshot', async (_field, preset, kind) => {
    const outcome = await drill({ bars: 12, faults: [{ preset, at: FLAT }] });
    expect(new Set(ofType(outcome.log, 'DiscrepancyDetected').map(({ data }) => data.kind))).toEqual(new Set([kind]));
    expect(haltCauses(outcome)).toEqual(['discrepancy']);
    expect(intentsAfter(outcome, `${AT_FLAT}.5`, 'open')).toBe(0);
    expectSound(outcome);
  });
});

describe('row 43: a definite no', () => {
  test.each([['for want of liquidity', 'insufficientLiquidity', 'INSUFFICIENT_LIQUIDITY'], ['beyond the price bound', 'boundsViolation', 'BOUNDS_VIOLATION']])('%s is an answer: nothing is unknown and the decision is not tried again', async (_why, preset, reason) => {
    const outcome = await drill({ bars: 12, faults: [{ preset, at: FLAT }] });
    expect(ofType(outcome.log, 'OrderCancelled').map(({ data }) => data.reason)).toContain(reason);
    expect(ofType(outcome.log, 'OrderOutcomeUnknown')).toEqual([]);
    expectSound(outcome);
  });
});

describe('row 44: a close of a trade that is closed already', () => {
  test('is refused, the ledger tells who closed it, and no unit is sold twice', async () => {
    // The stream is silent, so that our close is sent without knowing of the other.
    const outcome = await drill({ bars: 12, faults: [{ kind: 'dropLines', stream: 'transactions', at: '+410s', durationMs: '20000' }, { preset: 'manualClose', at: '+410s' }] });
    expect(ofType(outcome.log, 'OrderRejected').map(({ data }) => data.reason).join()).toMatch(/^\w*TRADE_DOESNT_EXIST\b[^,]*$/);
    expect(ofType(outcome.log, 'PositionAdjusted')).toMatchObject([{ data: { units: '-1' } }]);
    expect(ofType(outcome.log, 'OrderOutcomeUnknown')).toEqual([]);
    expect(outcome.openTrades).toEqual([]);
    expectSound(outcome);
  });
});
