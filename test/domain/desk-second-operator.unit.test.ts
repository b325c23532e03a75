/** Two operators and one desk: what a request survives, and what makes it void. */
import { describe, expect, test } from 'vitest';
import { MINUTE_MS, SECOND_MS } from '../../domain/time.ts';
import { DeskHarness } from './desk-harness.ts';
import { LIMITS } from './settings.ts';

function readyDesk(): DeskHarness {
  const desk = new DeskHarness({ safety: { ...LIMITS, secondOperator: 'armAndResume' } });
  desk.start();
  expect(desk.state.live.notReady).toBeNull();
  return desk;
}

describe('a request', () => {
  test('outlives a restart that changes nothing, and is carried out by another name alone', () => {
    const desk = readyDesk();
    expect(desk.command('arm', 'mara')).toMatchObject({ accepted: false, pending: true });
    desk.crashAndRestart(10 * SECOND_MS);
    expect(desk.command('arm', 'mara')).toMatchObject({ accepted: false });
    expect(desk.command('arm', 'ben')).toEqual({ accepted: true, message: 'armed, requested by mara' });
    expect(desk.mode).toBe('ARMED');
    expect(desk.told('CommandSeconded')).toMatchObject([{ operator: 'ben', requestedBy: 'mara' }]);
    expect(desk.replay().safety).toEqual(desk.state.safety);
  });

  test('stands for ten minutes by the log’s time, restarts or not', () => {
    const desk = readyDesk();
    desk.command('arm', 'mara');
    desk.crashAndRestart(10 * MINUTE_MS);
    expect(desk.command('arm', 'ben')).toMatchObject({ accepted: false });
    expect(desk.told('CommandRequestLapsed')).toMatchObject([{ operator: 'mara', cause: 'late', by: 'ben' }]);
    expect(desk.mode).toBe('OBSERVING');
  });

  test('is void under another build, configuration or model', () => {
    const desk = readyDesk();
    desk.command('arm', 'mara');
    desk.crashAndRestart(SECOND_MS, { configHash: 'f'.repeat(64) });
    expect(desk.command('arm', 'ben')).toMatchObject({ accepted: false });
    expect(desk.told('CommandRequestLapsed')).toMatchObject([{ cause: 'changed', detail: expect.stringContaining('build, configuration or model') as string }]);
  });

  test('to resume is void when another cause has joined the halt; no request touches the HALT file', () => {
    const desk = readyDesk();
    desk.command('halt', 'mara');
    expect(desk.command('resume', 'mara')).toMatchObject({ accepted: false, pending: true });
    desk.give({ kind: 'haltFile', detail: 'HALT is there' });
    expect(desk.command('resume', 'ben')).toMatchObject({ accepted: false, message: expect.stringContaining('mode HALTED for operator, now HALTED for operator, emergency') as string });
    desk.command('resume', 'ben');
    expect(desk.haltFilesRemoved).toBe(0);
    expect(desk.command('resume', 'mara')).toMatchObject({ accepted: true });
    expect([desk.mode, desk.haltFilesRemoved]).toEqual(['OBSERVING', 1]);
  });

  test('is void when a trade has been opened meanwhile by whatever hand', () => {
    const desk = readyDesk();
    desk.command('halt', 'mara');
    desk.command('resume', 'mara');
    const tradeId = desk.broker.fillForeign(desk.now, '-300');
    desk.notice();
    desk.acknowledge('trade', tradeId);
    expect(desk.command('resume', 'ben')).toMatchObject({ accepted: false, message: expect.stringContaining(`now -300 EUR_USD (trade ${tradeId})`) as string });
    expect(desk.mode).toBe('HALTED');
  });
});
