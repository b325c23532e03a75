/**
 * A backtest and the demo are one system: on the same bars, with the same configuration, they decide, order and fill alike,
 * event by event. And what a backtest says of its trades is what the broker booked.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { add, format, money, ZERO_MONEY } from '../../domain/money.ts';
import type { EventType } from '../../domain/events.ts';
import { weekendFile } from './bars.ts';
import { ofType, readLog } from './log.ts';
import type { Log } from './log.ts';
import { DEMO_PROFILE, Workplace } from './processes.ts';

const SAME: readonly EventType[] = ['MarketBarClosed', 'MarketGapDetected', 'DecisionMade', 'DecisionSkipped', 'OrderIntended', 'OrderDenied', 'OrderFilled', 'OrderCancelled', 'BrokerTransactionRecorded', 'TradingHalted'];
const RANDOM = { 'policy.kind': 'random', 'policy.seed': '7', 'policy.holdShare': '0.5' } as const;

const resultSchema = z.object({
  bars: z.int(),
  realised: z.string(),
  openTrades: z.int(),
  decisions: z.record(z.string(), z.int()),
  trades: z.array(z.object({ tradeId: z.string(), pl: z.string(), financing: z.string(), closeReason: z.string() })),
  statistics: z.object({ trades: z.int(), won: z.int(), lost: z.int() }),
  headHash: z.string(),
});

const told = (log: Log, type: EventType): readonly unknown[] => ofType(log, type).map(({ data }) => data);

async function backtest(place: Workplace, bars: string, more: readonly string[]): Promise<z.infer<typeof resultSchema>> {
  const { code, stdout, stderr } = await place.command(['backtest', '--config', DEMO_PROFILE, '--bars', bars, '--policy', 'random:7,0.5', '--json', ...more], {}, null);
  expect(code, stderr.slice(-2_000)).toBe(0);
  return resultSchema.parse(JSON.parse(stdout));
}

describe('a backtest', () => {
  test('equals the demo on the same bars, event by event, and a second backtest to the last hash', async () => {
    const place = new Workplace();
    const bars = weekendFile(place);
    const { code, stderr } = await place.command(['demo', '--json'], { ...RANDOM, 'logging.level': 'warn' }, null, { RECKONER_BARS: bars });
    expect(code, stderr.slice(-2_000)).toBe(0);
    const logDirectory = join(place.directory, 'backtest');
    const result = await backtest(place, bars, ['--log', logDirectory, '--trades', join(place.directory, 'trades.csv')]);
    const [demoLog, backtestLog] = [await readLog(place.dataDirectory), await readLog(logDirectory)];
    for (const type of SAME) expect(told(backtestLog, type), type).toEqual(told(demoLog, type));
    expect(told(demoLog, 'OrderFilled').length).toBeGreaterThan(20);

    const realised = result.trades.reduce((sum, { pl, financing }) => add(sum, add(money(pl), money(financing))), ZERO_MONEY);
    expect(format(realised)).toBe(result.realised);
    expect(result.statistics.trades).toBe(result.trades.length);
    expect(readFileSync(join(place.directory, 'trades.csv'), 'utf8').trim().split('\n')).toHaveLength(result.trades.length + 1);
    expect((await backtest(place, bars, [])).headHash).toBe(result.headHash);
  });

  test('says what is wrong with what it is given', async () => {
    const place = new Workplace();
    const bars = weekendFile(place);
    const run = (more: readonly string[]) => place.command(['backtest', ...more], {}, null);
    expect(await run(['--bars', join(place.directory, 'none.csv')])).toMatchObject({ code: 64, stderr: expect.stringContaining('none.csv') as string });
    expect(await run(['--bars', bars, '--policy', join(place.directory, 'no-model')])).toMatchObject({ code: 64, stderr: expect.stringContaining('no-model') as string });
    expect(await run(['--bars', bars, '--policy', 'sma-cross:50,20'])).toMatchObject({ code: 78, stderr: expect.stringContaining('slowBars') as string });
    expect(await run(['--bars', bars, '--no-hashing', '--log', join(place.directory, 'log')])).toMatchObject({ code: 64, stderr: expect.stringContaining('--no-hashing') as string });
  });
});
