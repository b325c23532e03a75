import { describe, expect, test } from 'vitest';
import { MemoryReadModels } from '../../adapters/memory/read-models.ts';
import type { DataOf } from '../../domain/events.ts';
import { GENESIS_HASH } from '../../domain/log.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import { stateHash } from '../../projections/state-hash.ts';
import { given, recordedOf, step, timeAt } from './given.ts';

const RECONCILIATION = '3d813cbb-47fb-52ba-91df-831e1593ac29';
const started: DataOf<'DaemonStarted'> = {
  epoch: 3, previousRun: 'crashed', downMs: 4_000, build: 'b', nodeVersion: 'v26', configHash: GENESIS_HASH, modelHash: GENESIS_HASH, modelLabel: 'untrained', accountId: '101-001-1-001', environment: 'practice',
  instruments: null,
};

describe('the read models of safety', () => {
  const steps = [
    step('TradingArmed', { operator: 'ana', reason: 'Monday', worstLoss: '5', currency: 'USD' }, { actor: 'operator ana' }),
    step('TradingHalted', { cause: 'dayLoss', detail: 'lost 5.1', disposition: 'flatten', actor: 'daemon' }),
    step('ControlAccess', { operator: 'ana', verb: 'resume', outcome: 'accepted' }),
    step('TradingResumed', { operator: 'ana', reason: 'looked at it' }, { actor: 'operator ana' }),
    step('TradingReducing', { cause: 'resume' }),
  ];

  test('one row tells the present mode, since when and why, and counts armings and halts', () => {
    expect(given(...steps)('safety')).toEqual([{ id: 'safety', mode: 'REDUCING', since: timeAt(4), cause: 'resume', detail: '', disposition: null, actor: 'daemon', armings: 1, halts: 1 }]);
    expect(given(...steps.slice(0, 2))('safety')).toEqual([expect.objectContaining({ mode: 'HALTED', cause: 'dayLoss', detail: 'lost 5.1', disposition: 'flatten', since: timeAt(1) })]);
  });

  test('a further cause joins a halt that stands: since and actor of the first stay, and a flattening is never softened', () => {
    const halted = (cause: string, detail: string, disposition: 'flatten' | 'hold', actor = 'daemon') => step('TradingHalted', { cause, detail, disposition, actor }, { actor });
    const all = [halted('foreignTrade', 'trade 7', 'hold'), halted('lossLimit', 'lost 5.1', 'flatten'), halted('operator', 'lost 5.1', 'hold', 'operator ana'), halted('lossLimit', 'lost 5.2', 'flatten')];
    const after = (count: number) => given(...all.slice(0, count))('safety')[0];
    const first = { id: 'safety', mode: 'HALTED', since: timeAt(0), actor: 'daemon', armings: 0 };
    expect(after(1)).toEqual({ ...first, cause: 'foreignTrade', detail: 'trade 7', disposition: 'hold', halts: 1 });
    expect(after(2)).toEqual({ ...first, cause: 'foreignTrade; lossLimit', detail: 'trade 7; lost 5.1', disposition: 'flatten', halts: 2 });
    expect(after(3)).toEqual({ ...first, cause: 'foreignTrade; lossLimit; operator', detail: 'trade 7; lost 5.1', disposition: 'flatten', halts: 3 });
    expect(after(4)).toEqual({ ...first, cause: 'foreignTrade; lossLimit; operator', detail: 'trade 7; lost 5.1; lost 5.2', disposition: 'flatten', halts: 4 });
  });

  test('a halt after a resumption begins afresh', () => {
    const rows = given(
      step('TradingHalted', { cause: 'lossLimit', detail: 'lost 5.1', disposition: 'flatten', actor: 'daemon' }),
      step('TradingResumed', { operator: 'ana', reason: 'looked at it' }, { actor: 'operator ana' }),
      step('TradingHalted', { cause: 'discrepancy', detail: 'balance', disposition: 'hold', actor: 'daemon' }),
    )('safety');
    expect(rows).toEqual([{ id: 'safety', mode: 'HALTED', since: timeAt(2), cause: 'discrepancy', detail: 'balance', disposition: 'hold', actor: 'daemon', armings: 0, halts: 2 }]);
  });

  test('every change of mode is kept with its place in the log, and commands that change nothing are not', () => {
    expect(given(...steps)('mode_changes').map((row) => [row['sequence'], row['event'], row['mode'], row['actor']])).toEqual([
      [0, 'TradingArmed', 'ARMED', 'operator ana'],
      [1, 'TradingHalted', 'HALTED', 'daemon'],
      [3, 'TradingResumed', 'OBSERVING', 'operator ana'],
      [4, 'TradingReducing', 'REDUCING', 'daemon'],
    ]);
  });
});

describe('the read models of reconciliation and runs', () => {
  test('reconciliations are counted by trigger and outcome, and discrepancies are listed', () => {
    const completed: DataOf<'ReconciliationCompleted'> = {
      reconciliationId: RECONCILIATION, trigger: 'interval', scope: 'full', startedAt: timeAt(0), durationMs: 80, transactionId: '9', outcome: 'differed', checks: ['position'], discrepancies: 2, done: ['adopt EUR_USD'],
      unrealisedPl: null, detail: null,
    };
    const found: DataOf<'DiscrepancyDetected'> = { reconciliationId: RECONCILIATION, kind: 'positionUnits', subject: 'EUR_USD', local: '3', broker: '4', severity: 'critical', rule: 'adopt', transactionIds: ['7', '9'] };
    const rows = given(step('DiscrepancyDetected', found), step('DiscrepancyDetected', { ...found, kind: 'balance' }), step('ReconciliationCompleted', completed), step('ReconciliationCompleted', { ...completed, discrepancies: 1, transactionId: '12' }), step('ReconciliationCompleted', { ...completed, trigger: 'startup', outcome: 'agreed', discrepancies: 0 }));
    expect(rows('reconciliations')).toEqual([
      { id: 'interval differed', trigger: 'interval', outcome: 'differed', reconciliations: 2, discrepancies: 3, last_id: RECONCILIATION, last_at: timeAt(3), last_transaction_id: '12', last_scope: 'full', last_duration_ms: 80, last_done: 'adopt EUR_USD', last_detail: null },
      expect.objectContaining({ id: 'startup agreed', reconciliations: 1, discrepancies: 0 }),
    ]);
    expect(rows('discrepancies')).toEqual([
      { id: 'event-0', sequence: 0, at: timeAt(0), reconciliation_id: RECONCILIATION, kind: 'positionUnits', subject: 'EUR_USD', local: '3', broker: '4', severity: 'critical', rule: 'adopt', transaction_ids: '7,9' },
      expect.objectContaining({ id: 'event-1', kind: 'balance' }),
    ]);
  });

  test('a run is one row; its end is filled in when it comes, and stays open after a crash', () => {
    const rows = given(
      step('DaemonStarted', started, { epoch: 3, runId: 'run-3' }),
      step('DaemonStarted', { ...started, epoch: 4, previousRun: 'crashed' }, { epoch: 4, runId: 'run-4' }),
      step('DaemonStopped', { reason: 'SIGTERM', exitCode: 0 }, { epoch: 4, runId: 'run-4' }),
    )('runs');
    expect(rows.map((row) => [row['epoch'], row['run_id'], row['started_at'], row['stopped_at'], row['stop_reason'], row['exit_code']])).toEqual([
      [3, 'run-3', timeAt(0), null, null, null],
      [4, 'run-4', timeAt(1), timeAt(2), 'SIGTERM', 0],
    ]);
    expect(rows[0]).toMatchObject({ model_label: 'untrained', previous_run: 'crashed', down_ms: 4_000 });
  });

  test('a run whose epoch was raised after its start is still one row, and its end finds it', () => {
    const rows = given(
      step('DaemonStarted', started, { epoch: 3, runId: 'run-3' }),
      step('EpochRaised', { epoch: 6, transactionId: '12' }, { epoch: 3, runId: 'run-3' }),
      step('DaemonStopped', { reason: 'SIGTERM', exitCode: 31 }, { epoch: 6, runId: 'run-3' }),
    )('runs');
    expect(rows).toEqual([expect.objectContaining({ run_id: 'run-3', epoch: 3, started_at: timeAt(0), stopped_at: timeAt(2), stop_reason: 'SIGTERM', exit_code: 31 })]);
  });
});

describe('the state hash', () => {
  const steps = [step('DaemonStarted', started), step('TradingObserving', { cause: 'firstStart' })];
  const hashOf = (count: number) => {
    const models = new MemoryReadModels(ALL_PROJECTIONS);
    models.fold(steps.slice(0, count).map(recordedOf));
    return stateHash(ALL_PROJECTIONS, models);
  };

  test('equal rows give equal hashes, and one changed projection changes its own hash and the total only', () => {
    expect(hashOf(2)).toEqual(hashOf(2));
    const [before, after] = [hashOf(1), hashOf(2)];
    expect(after.total).not.toBe(before.total);
    expect(after.byProjection['safety']).not.toBe(before.byProjection['safety']);
    expect(after.byProjection['runs']).toBe(before.byProjection['runs']);
  });

  test('rows out of key order are refused, because their hash would depend on the store', () => {
    const projection = ALL_PROJECTIONS.find((one) => one.name === 'runs')!;
    expect(() => stateHash([projection], { allRows: () => [{ id: 'b' }, { id: 'a' }] })).toThrow(/not in key order/);
  });
});
