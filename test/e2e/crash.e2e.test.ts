/**
 * `kill -9` at ten drawn moments of one run, each followed by a restart. Half of the kills come while an order is
 * on its way, two while the daemon is still starting; after half of them the market goes on without us.
 *
 * The moments are drawn from CRASH_SEED, or from a fresh seed that is printed. Processes share a machine, so a seed
 * gives the same plan, not the same instruction.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { describe, expect, test } from 'vitest';
import type { EventType, Mode } from '../../domain/events.ts';
import { units } from '../../domain/money.ts';
import { HOUR_MS, MINUTE_MS, parseInstant, plusMs } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';
import { ofType, readLog } from './log.ts';
import type { Log } from './log.ts';
import type { BrokerProcess, Settings, Status, Transaction } from './processes.ts';
import { DEMO_PROFILE, Workplace } from './processes.ts';

interface Kill {
  /** When: on the nth order meant, on the nth fact recorded while trading, or this soon after the start was recorded. */
  readonly moment: { readonly kind: 'order' | 'fact'; readonly nth: number; readonly delayMs: number } | { readonly kind: 'start'; readonly delayMs: number };
  /** How long the market goes on before the restart. */
  readonly absentMinutes: number;
}

const BARS = 1_500;
const DOWN_MS_MAX = 5 * MINUTE_MS;
const CRASHES_PER_HOUR_MAX = 3;
/** Longer than the quiet period after which an order counts as never placed. */
const LAST_MS = 5 * MINUTE_MS;

const SETTINGS: Settings = {
  'policy.kind': 'random',
  'policy.seed': '7',
  'policy.holdShare': '0.5',
  'safety.ordersPerHourMax': '1000',
  'safety.ordersPerDayMax': '10000',
  // Fills after an absence land where the market went; here that is no reason to stop.
  'safety.slippageShareMax': '1',
  'safety.slippageStrikesMax': '100',
  // Every fact leaves a line, so that a kill can be put between any two.
  'logging.level': 'debug',
};

/**
 * Ten kills in a drawn order. Two groups stay together: a start that is killed after a long absence, which must not
 * make the absence forgotten, and three crashes on end, which must not come back armed.
 */
function drawKills(seed: number): readonly Kill[] {
  const random = xoroshiro128plus(seed);
  const draw = (from: number, to: number): number => uniformInt(random, from, to);
  const shuffled = <Item>(items: readonly Item[]): Item[] => items.map((item) => ({ item, at: draw(0, 1_000_000) })).sort((left, right) => left.at - right.at).map(({ item }) => item);
  const onOrder = (nth: number, absentMinutes: number): Kill => ({ moment: { kind: 'order', nth, delayMs: 0 }, absentMinutes });
  const onFact = (absentMinutes: number): Kill => ({ moment: { kind: 'fact', nth: draw(20, 400), delayMs: draw(0, 8) }, absentMinutes });
  const onStart = (delayMs: number): Kill => ({ moment: { kind: 'start', delayMs }, absentMinutes: 0 });
  // It comes first, before crashes pile up: they would hide that only the absence forbids arming.
  const absent = [onOrder(draw(1, 30), draw(6, 30)), onStart(0)];
  const groups: readonly (readonly Kill[])[] = [
    [onFact(0), onStart(draw(0, 40)), onOrder(1, 0)],
    [onOrder(draw(1, 30), draw(6, 30))],
    [onOrder(draw(1, 30), draw(1, 4))],
    [onOrder(draw(1, 30), 0)],
    [onFact(draw(1, 30))],
    [onFact(draw(1, 30))],
  ];
  return [...absent, ...shuffled(groups).flat()];
}

interface Restart {
  readonly epoch: number;
  /** Null for a start that was killed before it was READY. */
  readonly readyMode: Mode | null;
}

/** Starts, arms where an operator would have to, and kills as planned. */
async function liveUntilKilled(place: Workplace, broker: BrokerProcess, kill: Kill): Promise<Restart | null> {
  const daemon = place.startDaemon(broker, SETTINGS);
  const { moment } = kill;
  let status: Status | null = null;
  if (moment.kind === 'start') await daemon.line('"daemon started"');
  else {
    status = await place.whenReady(daemon);
    if (status.mode !== 'ARMED') await place.arm('trading goes on after a crash');
    // The first line of trading may come before this one is waited for: one fact more or less is as random.
    await daemon.line(moment.kind === 'order' ? '"order intended"' : '"level"', moment.nth);
  }
  await sleep(moment.delayMs);
  const { signal } = await daemon.end('SIGKILL');
  expect(signal).toBe('SIGKILL');
  return status === null ? null : { epoch: status.epoch, readyMode: status.mode };
}

/** The last run: to the end of the market, where the daemon ends by itself. */
async function liveToTheEnd(place: Workplace, broker: BrokerProcess): Promise<Restart> {
  const daemon = place.startDaemon(broker, { ...SETTINGS, 'logging.level': 'warn' });
  const status = await place.whenReady(daemon);
  if (status.mode !== 'ARMED') await place.arm('the last stretch');
  const { code, stderr } = await daemon.ended;
  expect(code, stderr.slice(-2_000)).toBe(0);
  return { epoch: status.epoch, readyMode: status.mode };
}

async function goOnWithoutUs(broker: BrokerProcess, minutes: number): Promise<void> {
  if (minutes === 0) return;
  const { time } = await broker.clock.status();
  await broker.clock.advance({ acknowledge: 0, nextTimer: null, until: plusMs(time, minutes * MINUTE_MS) });
}

/** What a run could know at its start, worked out from the log without the daemon's own folds. */
interface Start {
  readonly epoch: number;
  readonly previousRun: string;
  /** Since the last fact of a run that had become READY. */
  readonly absentMs: number;
  readonly crashesLastHour: number;
  readonly modeBefore: Mode;
}

function startsOf(log: Log): readonly Start[] {
  const starts: Start[] = [];
  const crashes: Instant[] = [];
  let mode: Mode = 'OBSERVING';
  let lastReadyAt: Instant | null = null;
  let ready = false;
  for (const { event, metadata } of log.events) {
    const at = parseInstant(metadata.occurredAt);
    switch (event.type) {
      case 'DaemonStarted':
        ready = false;
        if (event.data.previousRun === 'crashed') crashes.push(at);
        starts.push({ epoch: event.data.epoch, previousRun: event.data.previousRun, absentMs: lastReadyAt === null ? 0 : at - lastReadyAt, crashesLastHour: crashes.filter((crash) => crash > at - HOUR_MS).length, modeBefore: mode });
        break;
      case 'ReconciliationCompleted':
        if (event.data.outcome === 'agreed') ready = true;
        break;
      case 'TradingArmed':
        mode = 'ARMED';
        break;
      case 'TradingObserving':
        mode = 'OBSERVING';
        break;
      case 'TradingReducing':
        mode = 'REDUCING';
        break;
      case 'TradingHalted':
        mode = 'HALTED';
        break;
      default:
    }
    if (ready) lastReadyAt = at;
  }
  return starts;
}

function expectRestartsByTheRule(log: Log, restarts: readonly Restart[]): void {
  const starts = startsOf(log);
  expect(starts.map(({ epoch }) => epoch)).toEqual(starts.map((_, index) => index + 1));
  expect(starts.map(({ previousRun }) => previousRun)).toEqual(['none', ...Array<string>(starts.length - 1).fill('crashed')]);
  for (const { epoch, readyMode } of restarts.slice(1)) {
    const start = starts[epoch - 1]!;
    const strict = start.absentMs >= DOWN_MS_MAX || start.crashesLastHour >= CRASHES_PER_HOUR_MAX;
    const told = `epoch ${epoch}: ${start.absentMs} ms absent, ${start.crashesLastHour} crashes, ${start.modeBefore} before`;
    expect(readyMode === 'ARMED', told).toBe(start.modeBefore === 'ARMED' && !strict);
  }
  const causes = [...ofType(log, 'TradingObserving'), ...ofType(log, 'TradingReducing')].map(({ data }) => data.cause).join('\n');
  expect(causes).toMatch(/down for \d+ ms/);
  expect(causes).toMatch(/[3-9] crashes in an hour/);
}

/** The mirror: every transaction once, in order, word for word. */
function expectSameLedger(log: Log, transactions: readonly Transaction[]): void {
  const recorded = ofType(log, 'BrokerTransactionRecorded');
  expect(recorded.map(({ data }) => data.transactionId)).toEqual(transactions.map((_, index) => String(index + 1)));
  expect(recorded.map(({ data }) => data.body)).toEqual(transactions);
}

function expectNoOrderTwice(log: Log, transactions: readonly Transaction[]): void {
  const opening = ofType(log, 'OrderIntended').filter(({ data }) => data.leg === 'open');
  const decisions = opening.map(({ data }) => data.decisionId);
  expect(new Set(decisions).size).toBe(decisions.length);
  expect(decisions).not.toContain(null);
  const meant = new Set(opening.map(({ data }) => data.clientOrderId));
  const sent = transactions.filter(({ type }) => type === 'MARKET_ORDER').flatMap(({ clientExtensions }) => clientExtensions?.id ?? []);
  expect(new Set(sent).size).toBe(sent.length);
  expect(sent.filter((id) => !meant.has(id))).toEqual([]);
  expect(sent.length).toBeGreaterThan(40);
}

const ENDS: ReadonlySet<EventType> = new Set(['OrderFilled', 'OrderCancelled', 'OrderRejected', 'OrderAbandoned', 'OrderDenied']);

/** Every order meant has come to an end, but for those of the market's last minutes, which nobody waits for. */
function expectNoOrderLeftOpen(log: Log): void {
  const open = new Map<string, Instant>();
  for (const { event, metadata } of log.events) {
    if (event.type === 'OrderIntended') open.set(event.data.clientOrderId, parseInstant(metadata.occurredAt));
    else if (ENDS.has(event.type) && 'clientOrderId' in event.data && event.data.clientOrderId !== null) open.delete(event.data.clientOrderId);
  }
  const end = parseInstant(log.events.at(-1)!.metadata.occurredAt);
  expect([...open].filter(([, at]) => at < end - LAST_MS)).toEqual([]);
}

/** Orders that one run meant and a later one saw end. */
function ordersUnderWayAtACrash(log: Log): number {
  const meantIn = new Map<string, number>();
  let count = 0;
  for (const { event, metadata } of log.events) {
    if (event.type === 'OrderIntended') meantIn.set(event.data.clientOrderId, metadata.epoch);
    else if (ENDS.has(event.type) && 'clientOrderId' in event.data) {
      const epoch = meantIn.get(event.data.clientOrderId ?? '');
      if (epoch !== undefined && epoch !== metadata.epoch) count += 1;
    }
  }
  return count;
}

function expectPositionWithinLimit(transactions: readonly Transaction[]): void {
  let position = 0n;
  for (const { id, type, units: filled } of transactions) {
    if (type !== 'ORDER_FILL' || filled === undefined) continue;
    position += units(filled);
    expect(position <= units('1') && position >= units('-1'), `position ${position} after transaction ${id}`).toBe(true);
  }
}

describe('a daemon that is killed', () => {
  test('ten times at drawn moments loses nothing, repeats nothing and comes back in the mode that the rules allow', async () => {
    const seed = Number(process.env['CRASH_SEED'] ?? Date.now() % 2 ** 31);
    console.log(`crash test: CRASH_SEED=${seed} draws these moments again`);
    const kills = drawKills(seed);
    expect(kills).toHaveLength(10);
    const place = new Workplace();
    const broker = await place.startBroker(['--clock', 'lockstep', '--seed', String(seed % 1_000), '--drawn-bars', String(BARS)]);

    const restarts: Restart[] = [];
    for (const kill of kills) {
      const lived = await liveUntilKilled(place, broker, kill);
      if (lived !== null) restarts.push(lived);
      await goOnWithoutUs(broker, kill.absentMinutes);
    }
    restarts.push(await liveToTheEnd(place, broker));

    const log = await readLog(place.dataDirectory);
    const transactions = await broker.transactions();
    expect(log.verdict).toMatchObject({ ok: true, events: log.events.length });
    expect(ofType(log, 'TradingHalted')).toEqual([]);
    expectSameLedger(log, transactions);
    expectNoOrderTwice(log, transactions);
    expectNoOrderLeftOpen(log);
    expectPositionWithinLimit(transactions);
    expectRestartsByTheRule(log, restarts);
    // Otherwise no kill came while an order was on its way, and the test has shown less than it says.
    expect(ordersUnderWayAtACrash(log)).toBeGreaterThan(0);

    const replayed = await place.command(['replay', '--config', DEMO_PROFILE, '--json'], SETTINGS, broker.address);
    expect(replayed).toMatchObject({ code: 0 });
    expect(JSON.parse(replayed.stdout)).toMatchObject({ equal: true, events: log.events.length });
  });
});
