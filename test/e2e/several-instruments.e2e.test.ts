/** One daemon, one account, three pairs on one pricing stream, in accelerated time. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { ofType, readLog } from './log.ts';
import type { Settings } from './processes.ts';
import { Workplace } from './processes.ts';

const PAIRS = ['EUR_USD', 'USD_JPY', 'EUR_JPY'];
/** The profile's own pair, and two more like it. */
const SETTINGS: Settings = {
  'policy.kind': 'random',
  'policy.seed': '7',
  'policy.holdShare': '0.5',
  'logging.level': 'warn',
  ...Object.fromEntries(PAIRS.flatMap((name, index) => [
    [`instruments.${index}.name`, name],
    [`instruments.${index}.orderUnits`, '1'],
    [`instruments.${index}.stopLossPips`, '30'],
    [`instruments.${index}.spreadPipsP999`, '8'],
  ])),
};

const fill = z.looseObject({ type: z.literal('ORDER_FILL'), instrument: z.string() });

test('a daemon trades three pairs to the market’s end, and a second run is the same', async () => {
  const run = async (): Promise<{ readonly rows: readonly string[]; readonly headHash: string; readonly ledger: unknown; readonly filled: ReadonlySet<string> }> => {
    const place = new Workplace();
    const broker = await place.startBroker(['--clock', 'lockstep', '--hold', '--seed', '11', '--instrument', PAIRS.join(','), '--drawn-bars', '150', '--drawn-from', '2026-01-08T12:00:00Z']);
    const daemon = place.startDaemon(broker, SETTINGS);
    await place.whenReady(daemon);
    await place.arm('three pairs');
    await broker.clock.start();
    const { code, stderr } = await daemon.ended;
    expect(code, stderr.slice(-2_000)).toBe(0);
    const log = await readLog(place.dataDirectory);
    expect(log.verdict).toMatchObject({ ok: true });
    const fills = ofType(log, 'BrokerTransactionRecorded').flatMap(({ data }) => fill.safeParse(data.body).data ?? []);
    return { rows: log.events.map(({ recorded }) => JSON.stringify(recorded)), headHash: log.headHash, ledger: await broker.transactions(), filled: new Set(fills.map((each) => each.instrument)) };
  };
  const [one, two] = [await run(), await run()];
  expect([...one.filled].sort()).toEqual([...PAIRS].sort());
  expect(two.rows).toEqual(one.rows);
  expect(two).toEqual(one);
});
