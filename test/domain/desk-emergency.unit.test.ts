/** A HALT file that somebody put there, and the record of what an emergency close did beside the desk. */
import { describe, expect, test } from 'vitest';
import type { EmergencyLine } from '../../domain/desk/inputs.ts';
import { armedDesk, decide, longDesk } from './desk-harness.ts';

const RUN_ID = '192b49bf-2bf2-4717-8892-fc95432cda0b';
const line = (step: number, kind: string, transactionIds: readonly string[] = []): EmergencyLine => ({ runId: RUN_ID, step, at: '2026-01-06T15:00:00.123Z', kind, transactionIds: [...transactionIds], line: `{"n":${step}}` });

describe('a HALT file', () => {
  test('halts once, however often it is found, and keeps the desk from being armed', () => {
    const desk = armedDesk();
    desk.give({ kind: 'haltFile', detail: '/run/reckoner/HALT is there: help' });
    desk.give({ kind: 'haltFile', detail: '/run/reckoner/HALT is there: help' });
    expect(desk.told('TradingHalted')).toEqual([{ cause: 'emergency', detail: '/run/reckoner/HALT is there: help', disposition: 'hold', actor: 'daemon' }]);
    expect(desk.command('arm')).toMatchObject({ accepted: false });
    expect(desk.haltFilesRemoved).toBe(0);
  });

  test('joins a halt that stands, so that its own cause is known', () => {
    const desk = armedDesk();
    desk.command('halt');
    desk.give({ kind: 'haltFile', detail: 'HALT is there' });
    expect(desk.state.safety.haltCauses).toEqual(['operator', 'emergency']);
  });

  test('is removed by resuming and by nothing else; a refused one leaves it', () => {
    const desk = armedDesk();
    desk.give({ kind: 'haltFile', detail: 'HALT is there' });
    for (const verb of ['disarm', 'halt', 'arm'] as const) desk.command(verb);
    desk.command('resume', '');
    expect(desk.haltFilesRemoved).toBe(0);
    expect(desk.command('resume')).toMatchObject({ accepted: true });
    expect(desk.haltFilesRemoved).toBe(1);
    expect(desk.mode).toBe('OBSERVING');
  });

  test('outlives a crash, whether the file is found again or not', () => {
    const desk = armedDesk();
    desk.give({ kind: 'haltFile', detail: 'HALT is there' });
    desk.crashAndRestart();
    expect(desk.mode).toBe('HALTED');
    desk.give({ kind: 'haltFile', detail: 'HALT is there' });
    expect(desk.told('TradingHalted')).toHaveLength(1);
  });

  test('holds the position and opens nothing', () => {
    const desk = longDesk();
    desk.give({ kind: 'haltFile', detail: 'HALT is there' });
    decide(desk, 'SELL');
    expect(desk.dispatches).toEqual([]);
    expect(desk.state.ledger.openTrades.size).toBe(1);
  });
});

describe('the record of an emergency close', () => {
  test('is told line by line, once, though it is read again and again and after a restart', () => {
    const desk = armedDesk();
    desk.give({ kind: 'emergencyRecord', lines: [line(0, 'started'), line(1, 'daemon')] });
    desk.give({ kind: 'emergencyRecord', lines: [line(0, 'started'), line(1, 'daemon'), line(2, 'ended')] });
    desk.crashAndRestart();
    desk.give({ kind: 'emergencyRecord', lines: [line(0, 'started'), line(1, 'daemon'), line(2, 'ended')] });
    expect(desk.told('EmergencyRecordImported').map(({ step, kind }) => `${step} ${kind}`)).toEqual(['0 started', '1 daemon', '2 ended']);
  });

  test('acknowledges what the tool closed, and only that', () => {
    const desk = longDesk();
    desk.broker.closeByHand(desk.now, '4', '400');
    desk.notice();
    desk.broker.closeByHand(desk.now, '4');
    desk.notice();
    const [first, second] = desk.told('ReviewRequired').map(({ transactionId }) => transactionId);
    desk.give({ kind: 'emergencyRecord', lines: [line(0, 'answer', [second!])] });
    expect([...desk.state.unacknowledged]).toEqual([`transaction ${first!}`]);
    desk.acknowledge('transaction', first!);
    expect(desk.command('resume')).toMatchObject({ accepted: true });
    expect(desk.replay().unacknowledged.size).toBe(0);
  });

  test('that comes before the ledger tells of its closes asks nobody about them', () => {
    const desk = longDesk();
    desk.broker.closeByHand(desk.now, '4');
    desk.give({ kind: 'emergencyRecord', lines: [line(0, 'answer', [String(desk.broker.lastTransactionId - 1), String(desk.broker.lastTransactionId)])] });
    desk.notice();
    expect(desk.told('PositionAdjusted')).toHaveLength(1);
    expect(desk.told('ReviewRequired')).toEqual([]);
    expect(desk.mode).not.toBe('HALTED');
  });
});
