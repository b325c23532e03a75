/**
 * The demo, whole: two real processes trade a market to its end, and the books agree. The market is a file of mid
 * prices over a weekend, three of them side by side, a drawn one, and, where it lies at hand, a real one.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { units } from '../../domain/money.ts';
import { parseInstant } from '../../domain/time.ts';
import { FRIDAY_BARS, FRIDAY_CLOSE, HISTORY_BARS, SUNDAY_BARS, THREE, weekendFile } from './bars.ts';
import { ofType, readLog } from './log.ts';
import type { Log } from './log.ts';
import type { Settings } from './processes.ts';
import { ROOT, Workplace } from './processes.ts';

const REAL_BARS = join(ROOT, '..', 'shared', 'data', 'lean_oanda_EURUSD_M1_quote_2014-05_2018-04.csv.gz');
const REAL_BARS_TAKEN = 2_000;
/** With this seed a position is open when Friday's flattening comes. */
const RANDOM: Settings = { 'policy.kind': 'random', 'policy.seed': '7', 'policy.holdShare': '0.5' };

const reportSchema = z.object({
  bars: z.int(),
  fills: z.int(),
  discrepancies: z.int(),
  events: z.int(),
  chainVerified: z.boolean(),
  replayEqual: z.boolean(),
  agreed: z.boolean(),
  headHash: z.string(),
  books: z.array(z.object({ figure: z.string(), log: z.string(), broker: z.string(), equal: z.boolean() })).length(5),
  parts: z.array(z.object({ part: z.string(), figure: z.string(), readModels: z.string(), replay: z.string(), broker: z.string(), equal: z.boolean() })),
});
type Report = z.infer<typeof reportSchema>;

async function demo(place: Workplace, settings: Settings, market: NodeJS.ProcessEnv): Promise<{ readonly report: Report; readonly log: Log }> {
  const { code, stdout, stderr } = await place.command(['demo', '--json'], { ...settings, 'logging.level': 'warn' }, null, market);
  expect(code, stderr.slice(-2_000)).toBe(0);
  return { report: reportSchema.parse(JSON.parse(stdout)), log: await readLog(place.dataDirectory) };
}

function expectAgreement(report: Report): void {
  expect(report).toMatchObject({ agreed: true, chainVerified: true, replayEqual: true, discrepancies: 0 });
  for (const { figure, log, broker } of report.books) expect(log, figure).toBe(broker);
  for (const { part, figure, readModels, replay, broker } of report.parts) expect([readModels, replay], `${part} ${figure}`).toEqual([broker, broker]);
}

/** Rows as stored, one text for each, so that a difference shows which one differs. */
const rowsOf = (log: Log): readonly string[] => log.events.map(({ recorded }) => JSON.stringify(recorded));

const fillSchema = z.looseObject({ type: z.literal('ORDER_FILL'), time: z.string(), units: z.string(), instrument: z.string(), tradeOpened: z.looseObject({ price: z.string() }).optional() });

/** The most dollars that open trades ever held, or owed, on one side, at the prices of their opening. */
function dollarsAtMost(log: Log): number {
  const held = new Map<string, number>();
  let most = 0;
  for (const { data } of ofType(log, 'BrokerTransactionRecorded')) {
    const fill = fillSchema.safeParse(data.body).data;
    if (fill === undefined) continue;
    const price = Number(fill.tradeOpened?.price);
    const dollars = fill.instrument === 'USD_JPY' ? Number(fill.units) : -Number(fill.units) * price;
    held.set(fill.instrument, fill.tradeOpened === undefined ? 0 : dollars);
    const sides = [...held.values()];
    most = Math.max(most, sides.reduce((sum, one) => sum + Math.max(one, 0), 0), sides.reduce((sum, one) => sum + Math.max(-one, 0), 0));
  }
  return most;
}

/** Net units that the recorded fills before an instant come to. */
function positionAt(log: Log, epochMs: number): bigint {
  const fills = ofType(log, 'BrokerTransactionRecorded').flatMap(({ data }) => fillSchema.safeParse(data.body).data ?? []).filter(({ time }) => parseInstant(time) < epochMs);
  expect(fills.length).toBeGreaterThan(0);
  return fills.reduce((sum, fill) => sum + units(fill.units), 0n);
}

describe('the demo', () => {
  test('agrees on a file of mid prices over a weekend, holds nothing through it, and comes out the same a second time', async () => {
    const [first, second] = [new Workplace(), new Workplace()];
    const market = { RECKONER_BARS: weekendFile(first), RECKONER_SPREAD_PIPS: '1.4' };
    const one = await demo(first, RANDOM, market);
    expectAgreement(one.report);
    expect(one.report.bars).toBe(FRIDAY_BARS - HISTORY_BARS + SUNDAY_BARS);
    expect(one.report.fills).toBeGreaterThan(10);
    expect(ofType(one.log, 'MarketGapDetected').map(({ data }) => data.cause)).toContain('weekend');
    expect(ofType(one.log, 'OrderIntended').map(({ data }) => data.cause)).toContain('weekend');
    expect(positionAt(one.log, FRIDAY_CLOSE)).toBe(0n);
    const spreads = ofType(one.log, 'MarketBarClosed').map(({ data }) => Math.round((Number(data.ask.close) - Number(data.bid.close)) * 1e5));
    expect(new Set(spreads)).toEqual(new Set([14]));

    const two = await demo(second, RANDOM, market);
    expect(rowsOf(two.log)).toEqual(rowsOf(one.log));
    expect(two.report).toEqual(one.report);
  });

  test('trades three instruments on one account within its limits, agrees by instrument and by currency, and comes out the same a second time', async () => {
    const [first, second] = [new Workplace(), new Workplace()];
    const bars = THREE.map((pair) => `${pair.name}=${weekendFile(first, HISTORY_BARS + 120, 90, pair)}`).join(',');
    const market = { RECKONER_DEMO: 'three', RECKONER_BARS: bars, RECKONER_SPREAD_PIPS: '1.4' };
    // A euro and a pound together are worth more dollars than that.
    const settings: Settings = { 'safety.currencyExposureMax': '2.2' };
    const one = await demo(first, settings, market);
    expectAgreement(one.report);
    expect(one.report.bars).toBe(3 * (120 + 90));
    expect(one.report.parts.map(({ part, figure }) => `${part} ${figure}`)).toEqual([
      ...THREE.flatMap(({ name }) => [`${name} net units`, `${name} realised P&L`]), 'EUR net exposure', 'USD net exposure', 'GBP net exposure', 'JPY net exposure',
    ]);
    for (const { name } of THREE) expect(ofType(one.log, 'OrderIntended').filter(({ data }) => data.instrument === name).length, name).toBeGreaterThan(2);
    expect(ofType(one.log, 'OrderDenied').filter(({ data }) => data.guard === 'currencyExposure').length).toBeGreaterThan(0);
    expect(ofType(one.log, 'OrderDenied').filter(({ data }) => data.guard === 'stateMoved')).toEqual([]);
    expect(positionAt(one.log, FRIDAY_CLOSE)).toBe(0n);
    expect(dollarsAtMost(one.log)).toBeLessThanOrEqual(2.2);
    const two = await demo(second, settings, market);
    expect(rowsOf(two.log)).toEqual(rowsOf(one.log));
    expect(two.report).toEqual(one.report);
  });

  test('agrees, too, when it enters by limit orders that the broker ends after ten seconds', async () => {
    const place = new Workplace();
    const market = { RECKONER_BARS: weekendFile(place, HISTORY_BARS + 100, 1), RECKONER_SPREAD_PIPS: '1.4' };
    const { report, log } = await demo(place, { ...RANDOM, 'trading.entry': 'limit' }, market);
    expectAgreement(report);
    const opened = ofType(log, 'OrderIntended').filter(({ data }) => data.leg === 'open');
    expect(opened.length).toBeGreaterThan(3);
    for (const { data } of opened) expect(data.requestBody).toMatch(/"gtdTime":"2026-.*"timeInForce":"GTD".*"type":"LIMIT"/);
    const types = ofType(log, 'BrokerTransactionRecorded').map(({ data }) => data.body['type']);
    expect(types.filter((type) => type === 'LIMIT_ORDER')).toHaveLength(opened.length);
    expect(report.fills).toBeGreaterThan(3);
  });

  test('knows its profiles by name', async () => {
    const { code, stderr } = await new Workplace().command(['demo', '--profile', 'four'], {}, null);
    expect(code).toBe(64);
    expect(stderr).toContain('there is no demo profile "four": use one or three');
  });

  test('comes out the same twice on a drawn market, at the broker too', async () => {
    const run = async (): Promise<{ readonly rows: readonly string[]; readonly headHash: string; readonly ledger: unknown; readonly searched: number }> => {
      const place = new Workplace();
      const broker = await place.startBroker(['--clock', 'lockstep', '--hold', '--seed', '11', '--drawn-bars', '200', '--drawn-from', '2026-01-08T12:00:00Z']);
      // The networks of the profile decide here, so that equal runs mean equal searches too.
      const daemon = place.startDaemon(broker, { 'policy.minConfidence': '0', 'logging.level': 'warn' });
      await place.whenReady(daemon);
      await place.arm('a drawn market');
      await broker.clock.start();
      expect((await daemon.ended).code).toBe(0);
      const log = await readLog(place.dataDirectory);
      expect(log.verdict).toMatchObject({ ok: true });
      return { rows: rowsOf(log), headHash: log.headHash, ledger: await broker.transactions(), searched: ofType(log, 'DecisionMade').filter(({ data }) => data.search !== null).length };
    };
    const [one, two] = [await run(), await run()];
    expect(one.searched).toBeGreaterThan(150);
    expect(two.rows).toEqual(one.rows);
    expect(two).toEqual(one);
  });

  test('deletes what an earlier demo left, and never data or a token that no demo made', async () => {
    const place = new Workplace();
    const settings: Settings = { ...RANDOM, 'logging.level': 'warn', 'broker.tokenFile': join(place.dataDirectory, 'token') };
    const keepsake = join(place.dataDirectory, 'log.sqlite');
    mkdirSync(place.dataDirectory);
    writeFileSync(keepsake, 'a year of trading');
    const refused = await place.command(['demo'], settings, null);
    expect(refused.code).toBe(64);
    expect(refused.stderr).toContain('move that data away');
    expect(readFileSync(keepsake, 'utf8')).toBe('a year of trading');

    rmSync(keepsake);
    const market = { RECKONER_BARS: weekendFile(place, HISTORY_BARS + 3, 1), RECKONER_SPREAD_PIPS: '1.4' };
    const token = join(place.directory, 'the-real-token');
    writeFileSync(token, 'worth guarding', { mode: 0o600 });
    for (const _ of ['first', 'second']) expectAgreement((await demo(place, { ...RANDOM, 'broker.tokenFile': token }, market)).report);
    expect(readFileSync(token, 'utf8')).toBe('worth guarding');
  });

  const isThere = existsSync(REAL_BARS);
  if (!isThere) console.warn(`skipped: ${REAL_BARS} is not there, so the demo does not run on real bars`);
  test.skipIf(!isThere)('agrees on real bars of EUR/USD', async () => {
    const place = new Workplace();
    const file = join(place.directory, 'real.csv');
    writeFileSync(file, gunzipSync(readFileSync(REAL_BARS)).toString('latin1').split('\n').slice(0, REAL_BARS_TAKEN + 1).join('\n'));
    const { report } = await demo(place, RANDOM, { RECKONER_BARS: file });
    expectAgreement(report);
    expect(report.fills).toBeGreaterThan(50);
    expect(report.bars).toBeGreaterThan(1_500);
  });
});
