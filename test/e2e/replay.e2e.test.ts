/**
 * `replay --decisions` over what real daemons recorded: every decision comes out again, with the model that made it,
 * and one altered value in the database ends it with 1 and is named, whether or not the hashes were made to fit.
 */
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { sendCommand } from '../../adapters/control/client.ts';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import { canonicalJson } from '../../domain/canonical.ts';
import type { Json } from '../../domain/canonical.ts';
import { UNTRAINED_DEFAULTS, untrainedModel } from '../../models/reference/untrained.ts';
import { packHeads, unpackHeads } from '../../models/search/record.ts';
import { allOf, nthOf, rewrite, setAt, valueAt } from '../src/replay/logs.ts';
import type { Change, Row } from '../src/replay/logs.ts';
import { ofType, readLog } from './log.ts';
import type { Outcome, Settings } from './processes.ts';
import { DEMO_PROFILE, ROOT, until, Workplace } from './processes.ts';

/** The networks of the profile decide here, not the confidence that an untrained model never has. */
const SEARCH: Settings = { 'policy.minConfidence': '0', 'logging.level': 'warn' };
const RANDOM: Settings = { 'policy.kind': 'random', 'policy.seed': '7', 'policy.holdShare': '0.5', 'logging.level': 'warn' };
const MARKET = ['--clock', 'lockstep', '--hold', '--seed', '11', '--drawn-from', '2026-01-08T12:00:00Z', '--drawn-bars'];

/** Records an armed run; `meanwhile` acts on the daemon once some bars have passed. */
async function record(place: Workplace, settings: Settings, bars: number, meanwhile: () => Promise<void> = () => Promise.resolve()): Promise<void> {
  const broker = await place.startBroker([...MARKET, String(bars)]);
  const daemon = place.startDaemon(broker, settings);
  await place.whenReady(daemon);
  await place.arm('a market to replay');
  await broker.clock.start();
  await until('the first bars', async () => ((await broker.clock.status()).barsDone >= bars / 4 ? true : null), [daemon]);
  await meanwhile();
  expect((await daemon.ended).code).toBe(0);
  await broker.end('SIGTERM');
}

const reportSchema = z.looseObject({
  equal: z.boolean(), decisions: z.int(), events: z.int(), different: z.int(),
  networks: z.array(z.looseObject({ modelLabel: z.string(), verdict: z.string(), decisions: z.int(), bitExact: z.int() })),
  chainFault: z.looseObject({ stream: z.string(), reason: z.string() }).nullable(),
  first: z.looseObject({ event: z.int(), decisionId: z.string(), field: z.string(), recorded: z.string(), recomputed: z.string() }).nullable(),
});

const replay = (place: Workplace, settings: Settings, ...rest: readonly string[]): Promise<Outcome> => place.command(['replay', '--decisions', '--config', DEMO_PROFILE, ...rest], settings, null);

async function report(place: Workplace, settings: Settings, code: number, ...rest: readonly string[]): Promise<z.infer<typeof reportSchema>> {
  const outcome = await replay(place, settings, '--json', ...rest);
  expect(outcome, outcome.stderr).toMatchObject({ code, stderr: '' });
  return reportSchema.parse(JSON.parse(outcome.stdout));
}

/** A copy of the data in which one event is another, and nothing else. */
function altered(place: Workplace, name: string, change: Change): Settings {
  const directory = join(place.directory, name);
  cpSync(place.dataDirectory, directory, { recursive: true });
  const database = new DatabaseSync(join(directory, 'log.sqlite'));
  const update = database.prepare('UPDATE events SET data = ? WHERE position = ?');
  for (const [index, { position, type, data }] of z.array(z.object({ position: z.int(), type: z.string(), data: z.string() })).parse(database.prepare('SELECT position, type, data FROM events ORDER BY position').all()).entries()) {
    const row: Row = { type, schemaVersion: 0, data: JSON.parse(data) as Row['data'], metadata: { configHash: '' } };
    change(row, index);
    const text = canonicalJson(row.data);
    if (text !== data) update.run(text, position);
  }
  database.close();
  return { 'deployment.dataDirectory': directory };
}

/** The same, with every hash made to fit. */
async function forged(place: Workplace, name: string, change: Change): Promise<Settings> {
  const directory = join(place.directory, name);
  mkdirSync(directory);
  const from = openSqliteStore({ directory: place.dataDirectory, projections: [], readOnly: true });
  const into = openSqliteStore({ directory, projections: [], deployment: 'demo' });
  await rewrite(await allOf(from), change, into);
  await Promise.all([from.close(), into.close()]);
  return { 'deployment.dataDirectory': directory };
}

const decision = (nth: number, path: string, value: Json): Change => nthOf('DecisionMade', nth, (data) => setAt(data, path, value));

const decisionHead = (nth: number): Change => nthOf('DecisionMade', nth, (data) => {
  const heads = unpackHeads(valueAt(data, 'search.headsBase64') as string).map((one, index) => (index === 5 ? { ...one, value: one.value + 0.25 } : one));
  setAt(data, 'search.headsBase64', packHeads(heads));
});

const fileHash = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

describe('a replay of decisions', () => {
  test('makes every search again, each with the model that was in its seat, and finds what was altered', async () => {
    const place = new Workplace();
    const swapped = join(place.directory, 'swapped');
    mkdirSync(swapped);
    for (const [name, bytes] of untrainedModel({ ...UNTRAINED_DEFAULTS, seed: 5 }).files) writeFileSync(join(swapped, name), bytes);
    await record(place, SEARCH, 200, async () => {
      expect(await sendCommand(place.socketPath, { verb: 'swap-model', directory: swapped, operator: 'ada', reason: 'halfway' })).toMatchObject({ accepted: true });
    });
    const log = await readLog(place.dataDirectory);
    const decisions = ofType(log, 'DecisionMade').map(({ data }) => data);
    const before = decisions.filter(({ modelLabel }) => modelLabel === 'untrained-h32-s4').length;
    expect(before).toBeGreaterThan(20);
    expect(decisions.length - before).toBeGreaterThan(20);
    expect(new Set(decisions.map(({ position }) => position.side)).size).toBeGreaterThan(1);
    const database = join(place.dataDirectory, 'log.sqlite');
    const bytes = fileHash(database);

    const whole = await replay(place, SEARCH);
    expect(whole, whole.stdout).toMatchObject({ code: 0, stderr: '' });
    expect(whole.stdout).toMatch(new RegExp(`^decisions     ${decisions.length}: muzero \\(untrained-h32-s4\\) ${before}, muzero \\(untrained-h32-s5\\) ${decisions.length - before}$`, 'm'));
    expect(whole.stdout).toMatch(new RegExp(`^networks      untrained-h32-s4 \\w{12}: bit-exact in ${before} decisions$`, 'm'));
    expect(whole.stdout).toMatch(new RegExp(`^networks      untrained-h32-s5 \\w{12}: bit-exact in ${decisions.length - before} decisions\\nequal\\n$`, 'm'));

    const tenth = log.events.filter(({ event }) => event.type === 'DecisionMade')[9]!.metadata.sequence;
    expect(await report(place, SEARCH, 0, '--until', String(tenth))).toMatchObject({ equal: true, decisions: 10, events: tenth + 1, networks: [{ modelLabel: 'untrained-h32-s4', bitExact: 10 }] });
    const moved = join(place.directory, 'moved');
    renameSync(swapped, moved);
    expect(await report(place, SEARCH, 0)).toMatchObject({ equal: true, networks: [{ verdict: 'bit-exact' }, { modelLabel: 'untrained-h32-s5', verdict: 'notAtHand' }] });
    expect(await report(place, SEARCH, 0, '--model', moved)).toMatchObject({ equal: true, networks: [{ verdict: 'bit-exact' }, { verdict: 'bit-exact', bitExact: decisions.length - before }] });

    const named = (nth: number) => expect.objectContaining({ decisionId: decisions[nth]!.decisionId }) as unknown;
    const close = await replay(place, { ...SEARCH, ...altered(place, 'close', nthOf('MarketBarClosed', 30, (data) => setAt(data, 'bid.close', '1.25'))) });
    expect(close).toMatchObject({ code: 1, stderr: '' });
    expect(close.stdout).toMatch(/CHAIN BROKEN at bars-oanda\.EUR_USD\.M1@\d+ \(event \d+\): the content does not match its hash/);
    expect(close.stdout).toMatch(/^DIFFERENT: \d+ of \d+ decisions, the first at event \d+ \(trading-\S+@\d+, decision [\w-]+ on EUR_USD 2026-\S+Z\):\ninputHash is recorded as [0-9a-f]{64} and comes out as [0-9a-f]{64}$/m);
    expect(await report(place, { ...SEARCH, ...altered(place, 'visits', decision(12, 'search.visits.2', 14)) }, 1)).toMatchObject({ different: 1, first: named(12), chainFault: { reason: expect.stringContaining('edited') as string } });
    expect(await report(place, { ...SEARCH, ...await forged(place, 'action', decision(7, 'action', decisions[7]!.action === 'BUY' ? 'SELL' : 'BUY')) }, 1)).toMatchObject({ different: 1, chainFault: null, first: { decisionId: decisions[7]!.decisionId, field: 'action', recomputed: decisions[7]!.action } });
    expect(await report(place, { ...SEARCH, ...await forged(place, 'head', decisionHead(3)) }, 1)).toMatchObject({ chainFault: null, different: 1, first: { decisionId: decisions[3]!.decisionId, field: 'search.heads[5].value' } });
    expect(fileHash(database)).toBe(bytes);
  });

  test('makes a baseline’s choices again, and says what it is not told properly', async () => {
    const place = new Workplace();
    await record(place, RANDOM, 60);
    const found = await replay(place, RANDOM);
    expect(found).toMatchObject({ code: 0, stderr: '' });
    expect(found.stdout).toMatch(/^decisions     \d+: random \(random 7\) \d+\nskipped       .*\nobservations  \d+ equal\nfeatures      \d+ equal\nbaselines     \d+ equal\nequal\n$/m);
    const forgery = await report(place, { ...RANDOM, ...await forged(place, 'drawn', decision(20, 'draw.value', '1')) }, 1);
    expect(forgery).toMatchObject({ different: 1, chainFault: null, first: { field: 'draw.value', recorded: '1' } });
    // Under another configuration nobody knows how often it meant to hold.
    const other = await replay(place, { ...RANDOM, 'policy.holdShare': '0.4' });
    expect(other).toMatchObject({ code: 0, stdout: expect.stringMatching(/^baselines     0 equal, \d+ not recomputed\nequal, as far as they could be made again\n$/m) as string });

    const bundled = join(ROOT, 'models/reference/untrained-h32');
    expect(await replay(place, RANDOM, '--model', bundled)).toMatchObject({ code: 0, stderr: `--model ${bundled}: no decision was made by this model\n` });

    const models = await place.command(['replay', '--config', DEMO_PROFILE, '--until', '100'], RANDOM, null);
    expect(models).toMatchObject({ code: 0, stdout: expect.stringMatching(/^events      101\nstate hash  [0-9a-f]{64} \(rebuilt from the log\)\n +not compared: the live read models stand at event \d+\n$/) as string });
    expect(await replay(place, RANDOM, '--until', 'noon')).toMatchObject({ code: 64, stderr: expect.stringContaining('--until must be a number') as string });
    expect(await replay(place, RANDOM, '--model', place.directory)).toMatchObject({ code: 64, stderr: expect.stringContaining('no model.json can be read there') as string });
    expect(await place.command(['replay', '--config', DEMO_PROFILE, '--model', place.directory], RANDOM, null)).toMatchObject({ code: 64, stderr: expect.stringContaining('--model is for --decisions') as string });
  });
});
