/** Minutes in which there is no market, or none to be seen: rows 29 and 30 of the fault catalogue. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MINUTE_MS, formatInstant, parseInstant, plusMs } from '../../domain/time.ts';
import type { Log } from '../e2e/log.ts';
import { readLog } from '../e2e/log.ts';
import type { Settings } from '../e2e/processes.ts';
import { DEMO_PROFILE, Workplace } from '../e2e/processes.ts';
import type { DrillOutcome } from './harness.ts';
import { Drill, drill } from './harness.ts';
import { deniedBy, meant, told } from './reading.ts';
import { expectSound } from './soundness.ts';

/** The busy policy holds a trade from 13:06 to 13:08. */
const HOLDING = '+330s';
const BARS = 16;
const QUIET: Settings = { 'logging.level': 'warn' };

describe('row 29: minutes without candles', () => {
  /** Mid prices from 08:00: 300 bars of history, then 20, five minutes without any, 20, twelve without, 25. */
  function fileWithHoles(): string {
    const start = parseInstant('2026-01-05T08:00:00Z');
    const stretches = [[0, 320], [325, 345], [357, 382]] as const;
    const price = (minute: number): number => 110_000 + (minute % 7);
    const lines = stretches.flatMap(([from, until]) => Array.from({ length: until - from }, (_each, index) => {
      const [open, close] = [price(from + index), price(from + index + 1)];
      return [formatInstant(plusMs(start, (from + index) * MINUTE_MS)), ...[open, Math.max(open, close), Math.min(open, close), close].map((points) => (points / 100_000).toFixed(5))].join(',');
    }));
    const file = join(new Workplace().directory, 'holes.csv');
    writeFileSync(file, `${['time,open,high,low,close', ...lines].join('\n')}\n`);
    return file;
  }

  const prepare = (): Promise<Drill> => Drill.prepare('lockstep', { faults: [], broker: { barsFiles: { EUR_USD: fileWithHoles() }, historyBars: 300 } });

  /** The model's window is 256 closes, so that a window begun anew shows. */
  async function runToTheEnd(held: Drill): Promise<Log> {
    const ran = await held.place.command(['run', '--config', DEMO_PROFILE], QUIET, held.address);
    expect(ran.code, ran.stderr).toBe(0);
    return readLog(held.place.dataDirectory);
  }

  test('are a gap without ticks: nothing is filled in, and behind a long one the window begins anew', async () => {
    const held = await prepare();
    await held.release();
    const log = await runToTheEnd(held);
    expect(told({ log }, 'MarketGapDetected').map(({ data: { from, until, openMinutes, cause } }) => [from.slice(11, 16), until.slice(11, 16), openMinutes, cause])).toEqual([
      ['13:20', '13:25', 5, 'noTicks'],
      ['13:45', '13:57', 12, 'noTicks'],
    ]);
    const bars = told({ log }, 'MarketBarClosed').map(({ data }) => data.start.slice(11, 16));
    expect(bars).toHaveLength(65);
    expect(bars.filter((start) => (start >= '13:20' && start < '13:25') || (start >= '13:45' && start < '13:57'))).toEqual([]);
    // No price, no candle: nothing was late. Behind the short gap decisions go on; behind the long one the window is too short.
    expect(told({ log }, 'DecisionMade').map(({ data }) => data.barStart.slice(11, 16))).toEqual(bars.slice(0, 40));
    expect(told({ log }, 'DecisionSkipped').map(({ data: { reason, detail } }) => `${reason}: ${detail}`)).toEqual(bars.slice(40).map((_start, index) => `windowIncomplete: ${index + 1} of 256 closes`));
  });

  test('are laid to us when we were away', async () => {
    const held = await prepare();
    const first = held.place.startDaemon(held, QUIET);
    await held.place.whenReady(first);
    expect((await first.end('SIGTERM')).code).toBe(0);
    await held.release();
    await held.goOn('2026-01-05T13:26:30Z');
    expect(told({ log: await runToTheEnd(held) }, 'MarketGapDetected').map(({ data }) => [data.from.slice(11, 16), data.cause])).toEqual([['13:20', 'daemonDown'], ['13:45', 'noTicks']]);
  });

  test('though prices came are an outage: nothing is decided, and an open trade is closed after five blind minutes', async () => {
    const outcome = await drill({ bars: BARS, faults: [{ preset: 'missingCandles', at: HOLDING }] });
    expect(told(outcome, 'DecisionSkipped').map(({ data }) => data.reason)).toEqual(Array<string>(10).fill('late'));
    expect(told(outcome, 'DecisionMade', { from: '13:07' })).toEqual([]);
    expect(meant(outcome, 'close', { from: '13:07' })).toMatchObject([{ at: '13:12:20', data: { cause: 'blind' } }]);
    expect(outcome.openTrades).toEqual([]);
    expectSound(outcome);
  });
});

describe('row 30: a market that is closed', () => {
  /** The market plays the last hour of a Friday (it closes at 21:59 UTC) and the first three quarters of an hour of a Sunday (from 22:05). */
  const overTheWeekend = (settings: Settings): Promise<DrillOutcome> => drill({ bars: 100, faults: [], settings, broker: { historyBars: 260, drawnFrom: parseInstant('2026-01-09T16:40:00Z') } });

  test('finds us flat over the weekend: closed from 16:30 New York on Friday, and nothing is opened until ten minutes into Sunday', async () => {
    const outcome = await overTheWeekend({});
    expect(meant(outcome, 'close', { from: '21:30', until: '22:15' })).toMatchObject([{ at: '21:30:00', data: { cause: 'weekend' } }]);
    expect(meant(outcome, 'open', { from: '21:30', until: '22:15' })).toEqual([]);
    expect(new Set(deniedBy(outcome, { from: '21:30', until: '21:59' }))).toEqual(new Set(['weekend']));
    expect(new Set(deniedBy(outcome, { from: '22:05', until: '22:15' }))).toEqual(new Set(['blackout']));
    expect(meant(outcome, 'open', { from: '22:15' }).length).toBeGreaterThan(0);
    expect(told(outcome, 'MarketGapDetected').filter(({ data }) => data.cause === 'weekend')).toHaveLength(1);
    expectSound(outcome);
  });

  test('has nothing opened within fifteen minutes of its close where a position may be held over the weekend, and is not knocked at while it is closed', async () => {
    const outcome = await overTheWeekend({ 'trading.fridayFlatten.enabled': 'false' });
    expect(meant(outcome, 'open', { from: '21:30', until: '21:44' }).length).toBeGreaterThan(0);
    expect(meant(outcome, 'open', { from: '21:44', until: '22:15' })).toEqual([]);
    expect(new Set(deniedBy(outcome, { from: '21:44', until: '21:59' }))).toEqual(new Set(['blackout']));
    expect(told(outcome, 'OrderIntended', { from: '21:59:01', until: '22:05' })).toEqual([]);
    expectSound(outcome);
  });

  test('is closed by the broker’s word too, whatever the calendar says', async () => {
    const outcome = await drill({ bars: BARS, faults: [{ preset: 'nonTradeable', at: HOLDING, durationMs: 300_000 }] });
    const halted = { from: '13:06:40', until: '13:11:30' };
    expect(deniedBy(outcome, halted)).toEqual(['marketOpen', 'marketOpen']);
    expect(meant(outcome, 'open', halted)).toEqual([]);
    expectSound(outcome);
  });

  test('counts a holiday as closed to whatever would open', async () => {
    const outcome = await drill({ bars: 20, faults: [], broker: { historyBars: 260, drawnFrom: parseInstant('2025-12-31T18:30:00Z') } });
    expect(outcome.log.events.at(-1)!.metadata.occurredAt.slice(0, 13)).toBe('2025-12-31T23');
    expect(meant(outcome, 'open')).toEqual([]);
    expect(new Set(deniedBy(outcome))).toEqual(new Set(['blackout']));
    expectSound(outcome);
  });
});
