/** Decisions of a desk in scenarios: positions, modes, revised bars, crashes and other models, each asked for again as it was then. */
import { describe, expect, test } from 'vitest';
import { LockstepClock } from '../../../adapters/clock/lockstep.ts';
import { openMemoryStore } from '../../../adapters/memory/store.ts';
import { GENESIS_HASH } from '../../../domain/log.ts';
import type { EventStore } from '../../../domain/log.ts';
import type { Policy } from '../../../domain/policy.ts';
import type { DeskSettings } from '../../../domain/settings.ts';
import { MINUTE_MS, plusMs } from '../../../domain/time.ts';
import type { BaselineConfig } from '../../../models/baselines.ts';
import { createPolicy } from '../../../models/registry.ts';
import { deliberateAtOnce } from '../../../src/daemon/deliberation.ts';
import { Journal } from '../../../src/daemon/journal.ts';
import { Deciders } from '../../../src/replay/deciders.ts';
import { replayDecisions } from '../../../src/replay/decisions.ts';
import type { DecisionsReport } from '../../../src/replay/tally.ts';
import { DeskHarness, TUESDAY } from '../../domain/desk-harness.ts';
import { ACCOUNT } from '../../domain/scripted-broker.ts';
import { RUN, SETTINGS, THREE } from '../../domain/settings.ts';
import { allOf, nthOf, rewrite, setAt } from './logs.ts';
import type { Change } from './logs.ts';

const CROSS: BaselineConfig = { kind: 'sma-cross', fastBars: 2, slowBars: 4 };
const RANDOM: BaselineConfig = { kind: 'random', seed: 3, holdShare: 0.2 };

const runOf = ({ name, featureSetId, modelHash, modelLabel }: Policy) => ({ policyName: name, featureSetId, modelHash, modelLabel });
const answersOf = (policy: Policy): DeskHarness['policy'] => ({ observation }) =>
  deliberateAtOnce(policy, { ...observation, midCloses: observation.midCloses.subarray(-policy.windowBars), barStarts: observation.barStarts.subarray(-policy.windowBars) });

/** A desk that a baseline decides for, with prices that rise and fall by a few pips. */
function deskOf(config: BaselineConfig, settings: Partial<DeskSettings> = {}): DeskHarness {
  const policy = createPolicy(config, null);
  const desk = new DeskHarness(settings);
  for (let minute = -400; minute < 400; minute += 1) desk.broker.bids.set(plusMs(TUESDAY, minute * MINUTE_MS), (1.1 + 0.0004 * Math.sin(minute / 5)).toFixed(5));
  desk.policy = answersOf(policy);
  desk.start(runOf(policy));
  desk.advanceMinutes(3);
  return desk;
}

/** Lets minutes pass, and whatever is ordered fill. */
function trade(desk: DeskHarness, minutes: number): void {
  for (let minute = 0; minute < minutes; minute += 1) {
    desk.advanceMinutes(1);
    while (desk.dispatches.length > 0) desk.send('filled');
  }
}

async function logOf(desk: DeskHarness): Promise<EventStore> {
  const store = openMemoryStore({ hashing: 'chain' });
  const journal = new Journal({ store, head: await store.head(), clock: new LockstepClock(desk.now), deployment: 'test', accountId: ACCOUNT, build: 'test', configHash: RUN.configHash, modelHash: RUN.modelHash });
  await journal.append(desk.emissions);
  return store;
}

async function replayed(log: EventStore, config: BaselineConfig, settings: Partial<DeskSettings> = {}): Promise<DecisionsReport> {
  const head = await log.head();
  const deciders = new Deciders(config, GENESIS_HASH, new Map());
  return replayDecisions({ log, head, last: head.sequence, settings: { ...SETTINGS, windowBars: 8, ...settings }, configHash: GENESIS_HASH, deciders, refused: new Map(), progress: () => undefined });
}

describe('decisions of a baseline', () => {
  test('come out of the log again: observing, armed with positions, reducing, after a crash, in a halt none', async () => {
    const desk = deskOf(CROSS);
    trade(desk, 20);
    desk.command('arm');
    trade(desk, 40);
    desk.crashAndRestart(30_000, runOf(createPolicy(CROSS, null)));
    while (desk.state.ledger.openTrades.size === 0) trade(desk, 1);
    desk.command('disarm');
    trade(desk, 5);
    desk.command('halt');
    trade(desk, 2);
    const decisions = desk.told('DecisionMade');
    expect(new Set(decisions.map(({ mode }) => mode))).toEqual(new Set(['OBSERVING', 'ARMED', 'REDUCING']));
    expect(new Set(decisions.map(({ position }) => `${position.side} ${position.shadow}`)).size).toBe(6);
    expect(desk.told('DecisionSkipped').at(-1)).toMatchObject({ reason: 'halted' });
    const report = await replayed(await logOf(desk), CROSS);
    expect(report).toMatchObject({ equal: true, first: null, decisions: decisions.length, byPolicy: { 'sma-cross (sma-cross 2/4)': decisions.length }, networks: [] });
    expect(report.skipped['halted']).toBe(2);
    for (const findings of [report.observations, report.features, report.baselines]) expect(findings).toEqual({ equal: decisions.length, different: 0, none: 0 });
  });

  test('stand on the windows of their time where a candle was revised later', async () => {
    const desk = deskOf(CROSS);
    trade(desk, 4);
    desk.broker.bids.set(plusMs(desk.now, -2 * MINUTE_MS), '1.10500');
    trade(desk, 8);
    expect(desk.told('MarketBarRevised').length).toBeGreaterThan(0);
    expect(await replayed(await logOf(desk), CROSS)).toMatchObject({ equal: true, decisions: desk.told('DecisionMade').length });
  });

  test('of several instruments are asked for with the state that their own bars left', async () => {
    const desk = deskOf(RANDOM, THREE);
    desk.command('arm');
    trade(desk, 30);
    const decisions = desk.told('DecisionMade');
    expect(new Set(decisions.map(({ instrument }) => instrument)).size).toBe(3);
    const log = await logOf(desk);
    expect(await replayed(log, RANDOM, THREE)).toMatchObject({ equal: true, decisions: decisions.length, baselines: { equal: decisions.length } });
  });

  test('are those of whoever decided then: by its label where that says it all, else it is said that they were not computed', async () => {
    const desk = deskOf(CROSS);
    trade(desk, 5);
    const second = createPolicy(RANDOM, null);
    desk.policy = answersOf(second);
    desk.crashAndRestart(1_000, runOf(second));
    trade(desk, 6);
    const third = createPolicy({ kind: 'hold' }, null);
    desk.policy = answersOf(third);
    desk.crashAndRestart(1_000, runOf(third));
    trade(desk, 7);
    const log = await logOf(desk);
    const byPolicy = { 'sma-cross (sma-cross 2/4)': expect.any(Number) as number, 'random (random 3)': 6, 'hold (hold)': 7 };
    expect(await replayed(log, RANDOM)).toMatchObject({ equal: true, byPolicy, baselines: { none: 0 }, features: { none: 0 } });
    expect(await replayed(log, CROSS)).toMatchObject({ equal: true, byPolicy, observations: { different: 0, none: 0 }, baselines: { none: 6, different: 0 }, features: { none: 6 } });
  });

  test.each<readonly [string, Change, string, string]>([
    ['a close', nthOf('MarketBarClosed', 9, (data) => setAt(data, 'ask.close', '1.2')), 'inputHash', ''],
    ['an action', nthOf('DecisionMade', 9, (data) => setAt(data, 'action', data['action'] === 'HOLD' ? 'BUY' : 'HOLD')), 'action', ''],
    ['its counter', nthOf('DecisionMade', 9, (data) => setAt(data, 'draw', { seed: 3, counter: 9, value: '7' })), 'draw', ''],
    ['a gap that ends the window', nthOf('MarketGapDetected', 0, (data) => setAt(data, 'openMinutes', 11)), 'action', 'none on 1 of 4 closes'],
  ])('are found to rest on %s', async (_what, change, field, recomputed) => {
    const desk = deskOf(CROSS);
    desk.broker.missingMinutes.add(plusMs(desk.now, 12 * MINUTE_MS));
    trade(desk, 20);
    const report = await replayed(await rewrite(await allOf(await logOf(desk)), change), CROSS);
    expect(report).toMatchObject({ equal: false, chainFault: null, first: { field } });
    if (recomputed !== '') expect(report.first?.recomputed).toBe(recomputed);
  });
});
