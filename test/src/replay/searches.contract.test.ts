/** Searches of the bundled model over a drawn market, recorded in one process and made again: whole, and with one value changed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openMarket } from '../../../adapters/broker/local-broker.ts';
import { openMemoryStore } from '../../../adapters/memory/store.ts';
import { loadConfig } from '../../../config/load.ts';
import type { LoadedConfig } from '../../../config/load.ts';
import type { Json } from '../../../domain/canonical.ts';
import { GENESIS_HASH } from '../../../domain/log.ts';
import type { EventStore, RecordedEvent } from '../../../domain/log.ts';
import { parseInstant } from '../../../domain/time.ts';
import { UNTRAINED_DEFAULTS, untrainedModel } from '../../../models/reference/untrained.ts';
import { packHeads, unpackHeads } from '../../../models/search/record.ts';
import { runBacktest } from '../../../src/backtest/run.ts';
import { loadPolicy } from '../../../src/daemon/policy.ts';
import { runReplay } from '../../../src/replay/run.ts';
import type { DecisionsReport } from '../../../src/replay/tally.ts';
import { folderForFile } from '../../folders.ts';
import { allOf, nthOf, rewrite, setAt, valueAt } from './logs.ts';
import type { Change } from './logs.ts';

const ROOT = join(import.meta.dirname, '../../..');
const PROFILE = join(ROOT, 'config/profiles/demo.yaml');
const BARS = 60;
const HISTORY_BARS = 300;
/** Some decision in the middle of the log. */
const NTH = 20;

const FOLDER = folderForFile();

/** Another untrained model than the bundled one. */
function otherModel(): string {
  for (const [name, bytes] of untrainedModel({ ...UNTRAINED_DEFAULTS, seed: 5 }).files) writeFileSync(join(FOLDER, name), bytes);
  return FOLDER;
}

const configured = (variables: { readonly [name: string]: string } = {}): LoadedConfig =>
  loadConfig({ file: PROFILE, baseDirectory: ROOT, environment: { RECKONER_POLICY_MIN_CONFIDENCE: '0', ...variables } });

async function recorded({ config, hash }: LoadedConfig): Promise<readonly RecordedEvent[]> {
  const loading = await loadPolicy(config.policy);
  if (!loading.ok) throw new Error(loading.detail);
  const market = openMarket({ instruments: ['EUR_USD'], account: config.broker.accountId, calendar: config.calendar, seed: 11, drawnBars: BARS, drawnFrom: parseInstant('2026-01-08T12:00:00Z'), historyBars: HISTORY_BARS });
  const store = openMemoryStore({ hashing: 'chain' });
  await runBacktest({ config, configHash: hash, build: 'test', ...loading, market, store, progress: () => undefined });
  await market.close();
  await loading.evaluator?.close();
  return allOf(store);
}

async function replayed(store: EventStore, { config, hash }: LoadedConfig, more: { readonly last?: number; readonly modelDirectories?: readonly string[] } = {}): Promise<DecisionsReport> {
  const { sequence } = await store.head();
  return runReplay({ log: store, config, configHash: hash, last: sequence, modelDirectories: [], progress: () => undefined, ...more });
}

const GUMBEL = { RECKONER_POLICY_ALGORITHM: 'gumbel', RECKONER_POLICY_GUMBEL_SCALE: '1' } as const;

let events: readonly RecordedEvent[] = [];
beforeAll(async () => {
  events = await recorded(configured());
});

const changed = async (change: Change, config = configured()): Promise<DecisionsReport> => replayed(await rewrite(events, change), config);
const unchanged: Change = () => undefined;

describe('decisions of a search', () => {
  test('come out of the log as they were recorded, the networks to the last bit', async () => {
    const report = await changed(unchanged);
    expect(report).toMatchObject({ equal: true, first: null, different: 0, chainFault: null, otherConfiguration: 0, events: events.length, baselines: { equal: 0, different: 0, none: 0 } });
    expect(report.decisions).toBeGreaterThan(NTH + 10);
    for (const findings of [report.observations, report.features, report.searches]) expect(findings).toEqual({ equal: report.decisions, different: 0, none: 0 });
    expect(report.networks).toMatchObject([{ modelLabel: 'untrained-h32-s4', verdict: 'bit-exact', bitExact: report.decisions, deviationMax: 0 }]);
    expect(report.byPolicy).toEqual({ 'muzero (untrained-h32-s4)': report.decisions });
  });

  test('are replayed up to an event', async () => {
    const at = events.findIndex(({ type }, index) => type === 'DecisionMade' && events.slice(0, index).filter((event) => event.type === 'DecisionMade').length === 4);
    expect(await replayed(await rewrite(events, unchanged), configured(), { last: at })).toMatchObject({ equal: true, decisions: 5, events: at + 1 });
    expect(await replayed(await rewrite(events, unchanged), configured(), { last: at - 1 })).toMatchObject({ equal: true, decisions: 4 });
  });

  test('are replayed from the record alone under another configuration, and with seeded draws', async () => {
    const other = configured({ RECKONER_POLICY_MIN_CONFIDENCE: '0.9' });
    const report = await changed(unchanged, other);
    expect(report).toMatchObject({ equal: true, otherConfiguration: report.decisions, networks: [{ verdict: 'bit-exact' }] });
    for (const variables of [GUMBEL, { RECKONER_POLICY_TEMPERATURE: '1', RECKONER_POLICY_SEED: '9' }]) {
      const drawn = await rewrite(await recorded(configured(variables)), unchanged);
      for (const config of [configured(variables), other]) expect(await replayed(drawn, config)).toMatchObject({ equal: true, searches: { different: 0, none: 0 }, networks: [{ verdict: 'bit-exact' }] });
      const decision = (await allOf(drawn)).find(({ type }) => type === 'DecisionMade')!;
      expect(JSON.parse(decision.dataJson)).toMatchObject({ draw: { counter: 0 } });
    }
  });

  test('of a model that is not at hand are replayed but for its networks, which is said; named, it is used', async () => {
    const directory = otherModel();
    const config = configured({ RECKONER_POLICY_MODEL_DIRECTORY: directory });
    const log = await rewrite(await recorded(config), unchanged);
    const without = await replayed(log, configured());
    expect(without).toMatchObject({ equal: true, searches: { different: 0, none: 0 }, networks: [{ modelLabel: 'untrained-h32-s5', verdict: 'notAtHand', bitExact: 0, refusal: null }] });
    expect(await replayed(log, configured(), { modelDirectories: [directory] })).toMatchObject({ equal: true, networks: [{ verdict: 'bit-exact', decisions: without.decisions }] });
    writeFileSync(join(directory, 'chance_inference.onnx'), 'no graph');
    expect(await replayed(log, configured(), { modelDirectories: [directory] })).toMatchObject({ equal: true, networks: [{ verdict: 'notAtHand', refusal: expect.stringContaining('check files') as string }] });
  });

  test('of version 1, which did not say how the search was set up, are replayed where the configuration and the model do', async () => {
    const older: Change = (row) => {
      if (row.type !== 'DecisionMade') return;
      row.schemaVersion = 1;
      const { modelHash: _modelHash, search, ...rest } = row.data;
      const { settings: _settings, improvedPolicy: _improvedPolicy, noise: _noise, ...kept } = search as typeof row.data;
      row.data = { ...rest, search: kept };
    };
    const report = await changed(older);
    expect(report).toMatchObject({ equal: true, searches: { equal: report.decisions, none: 0 }, networks: [{ verdict: 'bit-exact' }] });
    expect(await changed(older, configured({ RECKONER_POLICY_SEED: '8' }))).toMatchObject({ equal: true, features: { equal: report.decisions }, searches: { equal: 0, none: report.decisions }, networks: [{ verdict: 'notAtHand' }] });
  });
});

/** A value of the `nth` decision, and what becomes of it. */
const decision = (path: string, value: Parameters<typeof setAt>[2], nth = NTH): Change => nthOf('DecisionMade', nth, (data) => setAt(data, path, value));

/** Moves one number of one expansion's heads. */
function head(expansion: number, moved: 'value' | 'reward' | number, by: number): Change {
  return nthOf('DecisionMade', NTH, (data) => {
    const heads = unpackHeads(valueAt(data, 'search.headsBase64') as string).map((one, index) => {
      if (index !== expansion) return one;
      if (typeof moved === 'string') return { ...one, [moved]: one[moved] + by };
      return { ...one, logits: one.logits.map((logit, edge) => (edge === moved ? logit + by : logit)) };
    });
    setAt(data, 'search.headsBase64', packHeads(heads));
  });
}

/** Paths to all that stands in an event's data. */
const leavesOf = (value: Json, path = ''): readonly string[] =>
  typeof value === 'object' && value !== null ? Object.entries(value).flatMap(([key, inner]) => leavesOf(inner as Json, path === '' ? key : `${path}.${key}`)) : [path];

const OTHERS: { readonly [path: string]: Json } = {
  decisionId: '3a176d65-4b64-5483-8bdd-ed216aa8849e', instrument: 'GBP_USD', barStart: '2026-01-01T00:00:00Z', mode: 'REDUCING', draw: { seed: 1, counter: 1, value: '7' },
  'search.settings.kind': 'deterministic', 'search.improvedPolicy': ['1'], 'search.noise': ['1'],
};

/** Heads are changed number by number, and the catalogue lets no other rule stand beside the settings of this one. */
const APART: ReadonlySet<string> = new Set(['search.headsBase64', 'search.settings.selection.algorithm']);

/** What the catalogue would let stand in place of a value. */
function anotherThan(path: string, value: Json): Json {
  if (path in OTHERS) return OTHERS[path]!;
  if (path === 'action') return value === 'HOLD' ? 'CLOSE' : 'HOLD';
  if (path === 'position.side') return value === 1 ? -1 : 1;
  if (typeof value === 'boolean') return !value;
  if (typeof value === 'number') return value + 1;
  const text = value as string;
  if (/^[0-9a-f]{64}$/.test(text)) return 'e'.repeat(64);
  return /^-?\d/.test(text) ? '0.0625' : `${text}x`;
}

const close = (type: string, nth: number): Change => nthOf(type, nth, (data) => setAt(data, 'bid.close', '1.25'));
const LAST_EXPANSION = 15;

describe('one changed value is found and named:', () => {
  test.each<readonly [string, Change, string]>([
    ['a close that a decision rests on', close('MarketBarClosed', 3), 'inputHash'],
    ['a close of the history', close('MarketBarBackfilled', HISTORY_BARS - 50), 'inputHash'],
    ['a value that the search used', head(3, 'value', 0.5), 'search.heads[3].value'],
    ['a reward', head(4, 'reward', 0.5), 'search.heads[4].reward'],
    ['a logit that the search never looked at', head(LAST_EXPANSION, 2, 0.01), `search.heads[${LAST_EXPANSION}].logits[2]`],
    ['heads that are no numbers', decision('search.headsBase64', '!'), 'search'],
    ['heads of a shorter search', decision('search.headsBase64', ''), 'search'],
    ['a search that is gone', decision('search', null), 'search'],
    ['the model that was loaded', nthOf('ModelLoaded', 0, (data) => setAt(data, 'modelHash', GENESIS_HASH)), 'modelHash'],
    ['the size of a pip', nthOf('DaemonStarted', 0, (data) => setAt(data, 'instruments.0.pipLocation', -3)), 'position.netPips'],
    ['the price of a fill', (row) => {
      if (row.type === 'BrokerTransactionRecorded' && (row.data['body'] as { type: string; tradeOpened?: unknown }).tradeOpened !== undefined) setAt(row.data, 'body.tradeOpened.price', '1.2');
    }, 'position.netPips'],
  ])('%s', async (_what, change, field) => {
    const report = await changed(change);
    expect(report.first?.field).toBe(field);
    expect(report).toMatchObject({ equal: false, chainFault: null });
    expect(report.first).toMatchObject({ stream: expect.stringMatching(/^trading-/) as string, otherConfiguration: false });
  });

  test('each value that a decision records', async () => {
    const at = events.findIndex((event, index) => event.type === 'DecisionMade' && events.slice(0, index).some(({ type }) => type === 'DecisionMade'));
    const paths = leavesOf(JSON.parse(events[at]!.dataJson) as Json).filter((path) => !APART.has(path));
    expect(paths.length).toBeGreaterThan(45);
    for (const path of paths) {
      const log = await rewrite(events.slice(0, at + 1), nthOf('DecisionMade', 1, (data) => setAt(data, path, anotherThan(path, valueAt(data, path)))));
      const { equal, different, first } = await replayed(log, configured());
      expect({ path, equal, different }).toEqual({ path, equal: false, different: 1 });
      // A bar that was never asked about hides what else the event says.
      if (path !== 'instrument' && path !== 'barStart') expect(first?.field.replaceAll(/\[(\d+)\]/g, '.$1')).toBe(path);
    }
  });

  test('settings of a search under another configuration, by what came of them', async () => {
    const other = configured({ RECKONER_POLICY_SEED: '8' });
    expect((await changed(decision('search.settings.minConfidence', '1'), other)).first).toMatchObject({ field: expect.stringMatching(/^(action|rule)$/) as string, otherConfiguration: true });
    expect((await changed(decision('search.settings.minConfidence', '2'), other)).first).toMatchObject({ field: 'search.settings', recomputed: expect.stringContaining('minConfidence = 2') as string });
  });

  test('heads that lie as far apart as two machines may, which is no difference and is said', async () => {
    const report = await changed(head(LAST_EXPANSION, 2, 5e-5));
    expect(report).toMatchObject({ equal: true, networks: [{ verdict: 'within', within: 1, bitExact: report.decisions - 1 }] });
    expect(report.networks[0]!.deviationMax).toBeGreaterThan(4e-5);
    expect(report.networks[0]!.deviationMax).toBeLessThan(6e-5);
  });

  test('where a value was changed and no hash, by the chain as well; and where no decision rests on it, by the chain alone', async () => {
    const edited = (type: string, from: string, to: string): EventStore => {
      const at = events.findIndex((event) => event.type === type);
      const rows = events.map((event, index) => (index === at ? { ...event, dataJson: event.dataJson.replace(from, to) } : event));
      const store = openMemoryStore({ hashing: 'chain' });
      return { ...store, readAll: (after, countMax) => Promise.resolve(rows.slice(after + 1, after + 1 + countMax)), head: async () => (await rewrite(events, unchanged)).head() };
    };
    const action = await replayed(edited('DecisionMade', '"rule":"argmax"', '"rule":"draw"'), configured());
    expect(action).toMatchObject({ equal: false, different: 1, first: { field: 'rule' }, chainFault: { reason: expect.stringContaining('edited') as string } });
    const volume = await replayed(edited('MarketBarClosed', '"volume":', '"volume":1'), configured());
    expect(volume).toMatchObject({ equal: false, different: 0, first: null, chainFault: { stream: 'bars-oanda.EUR_USD.M1' } });
  });
});
