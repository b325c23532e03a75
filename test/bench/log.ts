/**
 * The log's bars: what a durable append, a replay and a verification cost beside the least that they could.
 * Each pair runs interleaved on the same disk and the medians are compared, so that a busy machine slows both.
 */
import { createHash, hash } from 'node:crypto';
import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { databaseFile } from '../../adapters/sqlite/database.ts';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import { CATALOGUE } from '../../domain/events.ts';
import type { DomainEvent } from '../../domain/events.ts';
import type { EventDraft, EventStore, RecordedEvent } from '../../domain/log.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import { median } from './bench-row.ts';
import type { BenchRow } from './bench-row.ts';

const APPENDS = 1_500;
/** Appends before the write-ahead log is reused for the first time, as it is in a daemon from its first hour on. */
const WARM_UP_APPENDS = 500;
const LOG_EVENTS = 60_000;
const APPEND_BATCH = 1_000;
const ROUNDS = 7;
/** Rounds that only warm the compiler up and are not counted. */
const WARM_UP_ROUNDS = 2;
const PAGE_EVENTS = 2_000;
const ACCOUNT = '101-001-1234567-001';
const DIGEST = hash('sha256', 'bench');
const RUN_ID = '3d813cbb-47fb-52ba-91df-831e1593ac29';

interface Story {
  readonly stream: string;
  readonly event: DomainEvent;
}

const minuteOf = (index: number): string => new Date(Date.UTC(2026, 0, 5) + index * 60_000).toISOString().replace('.000Z', '.000000000Z');
const idOf = (index: number): string => `00000000-0000-5000-8000-${String(index).padStart(12, '0')}`;

/** The usual minute: a bar and a decision, with the size that a search of 15 simulations leaves behind. */
function minute(index: number): readonly [Story, Story] {
  const price = (1.1 + (index % 997) / 100_000).toFixed(5);
  const ohlc = { open: price, high: price, low: price, close: price };
  const start = minuteOf(index);
  return [
    { stream: 'bars-oanda.EUR_USD.M1', event: { type: 'MarketBarClosed', data: { instrument: 'EUR_USD', granularity: 'M1', start, bid: ohlc, ask: ohlc, volume: 40 + (index % 50) } } },
    {
      stream: `trading-${ACCOUNT}.EUR_USD`,
      event: {
        type: 'DecisionMade',
        data: {
          decisionId: idOf(index), instrument: 'EUR_USD', barStart: start, mode: 'ARMED', policy: 'muzero', featureSetId: 'wst-1', modelLabel: 'reference (untrained)', modelHash: DIGEST, inputHash: DIGEST,
          mask: [true, true, true, false], action: index % 9 === 0 ? 'BUY' : 'HOLD', rule: 'argmax', lastTransactionId: String(index), position: { side: 0, netPips: '0', barsSinceEntry: 0, peakPips: '0', drawdownPipsMax: '0', shadow: false },
          search: {
            simulations: 15, discount: '0.997',
            settings: { kind: 'stochastic', chanceCodes: 8, minConfidence: '0.35', temperature: '0', selection: { algorithm: 'puct', pbCInit: '1.25', pbCBase: '19652' } },
            priors: ['0.31', '0.24', '0.25', '0.2'], visits: [6, 4, 3, 2], q: ['0.12', '-0.3', '0.05', '0'], rawRootValue: '0.08', searchRootValue: '0.11', improvedPolicy: null, noise: null,
            headsBase64: Buffer.alloc(720, index % 251).toString('base64'),
          },
          draw: null,
        },
      },
    },
  ];
}

/** A transaction of the broker's for every twentieth minute: buys 10 units, and closes them at the next. */
function fill(index: number): Story {
  const id = String(Math.floor(index / 20) + 1);
  const opens = Number(id) % 2 === 1;
  const before = String(Number(id) - 1);
  return {
    stream: `ledger-${ACCOUNT}`,
    event: {
      type: 'BrokerTransactionRecorded',
      data: {
        transactionId: id,
        body: {
          id, type: 'ORDER_FILL', time: minuteOf(index), accountID: ACCOUNT, batchID: id, requestID: '42', orderID: id, instrument: 'EUR_USD', units: opens ? '10' : '-10', price: '1.10321', reason: 'MARKET_ORDER',
          pl: opens ? '0.0000' : '0.0012', financing: '0.0000', commission: '0.0000', guaranteedExecutionFee: '0.0000', accountBalance: '1000.0000', halfSpreadCost: '0.0006',
          ...(opens
            ? { tradeOpened: { tradeID: id, units: '10', price: '1.10321', initialMarginRequired: '0.2206' } }
            : { tradesClosed: [{ tradeID: before, units: '-10', price: '1.10321', realizedPL: '0.0012', financing: '0.0000' }] }),
        },
      },
    },
  };
}

function* story(): Generator<Story> {
  for (let index = 0; ; index += 1) {
    yield* minute(index);
    if (index % 20 === 0) yield fill(index);
  }
}

function draftOf(event: DomainEvent, sequence: number): EventDraft {
  const at = minuteOf(sequence);
  return {
    id: idOf(sequence),
    type: event.type,
    schemaVersion: CATALOGUE[event.type].version,
    data: event.data,
    metadata: {
      sequence, correlationId: RUN_ID, causationId: null, occurredAt: at, recordedAt: at, monotonicNs: String(sequence * 1_000), clockOffsetMs: 3, actor: 'market', runId: RUN_ID, epoch: 1,
      build: '0.1.0', configHash: DIGEST, modelHash: DIGEST,
    },
  };
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

async function timedAsync(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Appends the story's events one after the other; each is followed by writing the same bytes to a plain file. */
async function benchAppend(directory: string): Promise<BenchRow> {
  const store = openSqliteStore({ directory, projections: ALL_PROJECTIONS });
  const plain = openSync(join(directory, 'plain'), 'a');
  const revisions = new Map<string, number>();
  const [durable, raw]: [number[], number[]] = [[], []];
  let sequence = 0;
  for (const { stream, event } of story()) {
    if (sequence === APPENDS) break;
    const draft = draftOf(event, sequence);
    const expectedRevision = revisions.get(stream) ?? -1;
    let events: readonly RecordedEvent[] = [];
    durable.push(await timedAsync(async () => {
      const outcome = await store.append([{ stream, expectedRevision, events: [draft] }]);
      if (outcome.kind === 'appended') events = outcome.events;
    }));
    const bytes = Buffer.from(events.map((one) => [one.position, one.stream, one.revision, one.id, one.type, one.schemaVersion, one.dataJson, one.metadataJson, one.hash].join('')).join(''));
    raw.push(timed(() => {
      writeSync(plain, bytes);
      fdatasyncSync(plain);
    }));
    revisions.set(stream, expectedRevision + 1);
    sequence += 1;
    // What the store does after its acknowledgement gets its turn, as in a daemon, outside of both times.
    await new Promise((resolve) => setImmediate(resolve));
  }
  closeSync(plain);
  await store.close();
  const [ours, least] = [median(durable.slice(WARM_UP_APPENDS)), median(raw.slice(WARM_UP_APPENDS))];
  const ratio = ours / least;
  return { what: 'durable append of one event, read models included, median', bar: '≤ 1.5 × write + fdatasync of the same bytes', measured: `${(ours * 1e3).toFixed(0)} µs against ${(least * 1e3).toFixed(0)} µs`, ratio, limit: 1.5, ok: ratio <= 1.5 };
}

/** Writes the usual minutes of a daemon, a thousand events at a time. */
export async function writeLog(store: EventStore, eventsCount: number): Promise<void> {
  const revisions = new Map<string, number>();
  let sequence = 0;
  const source = story();
  while (sequence < eventsCount) {
    const batch = Array.from({ length: APPEND_BATCH }, () => source.next().value as Story).map(({ stream, event }) => {
      const expectedRevision = revisions.get(stream) ?? -1;
      revisions.set(stream, expectedRevision + 1);
      const events = [draftOf(event, sequence)];
      sequence += 1;
      return { stream, expectedRevision, events };
    });
    await store.append(batch);
  }
}

/** Reads the log's columns in pages, the way any reader of it must. */
function scan(directory: string, columns: string, visit: (cells: readonly unknown[]) => void): void {
  const database = new DatabaseSync(databaseFile(directory), { readOnly: true });
  const statement = database.prepare(`SELECT position, ${columns} FROM events WHERE position > ? ORDER BY position LIMIT ?`);
  statement.setReturnArrays(true);
  const page = (after: number) => statement.all(after, PAGE_EVENTS) as unknown as readonly (readonly unknown[])[];
  let after = -1;
  for (let cells = page(after); cells.length > 0; cells = page(after)) {
    for (const row of cells) visit(row);
    after = cells.at(-1)![0] as number;
  }
  database.close();
}

/** Opening a store whose read models are missing is a replay: every event through every projection, rows stored. */
async function benchReplay(directory: string): Promise<BenchRow> {
  const [replay, least]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    let parsed = 0;
    least.push(timed(() => scan(directory, 'type, schema_version, data, metadata', (cells) => {
      if (JSON.parse(cells[3] as string) !== null && JSON.parse(cells[4] as string) !== null) parsed += 1;
    })));
    if (parsed !== LOG_EVENTS) throw new Error(`read ${parsed} of ${LOG_EVENTS} events`);
    // Another version of each projection makes the store rebuild all of them.
    const projections = ALL_PROJECTIONS.map((projection) => ({ ...projection, version: 1_000 + round }));
    let store: EventStore | undefined;
    replay.push(timed(() => {
      store = openSqliteStore({ directory, projections });
    }));
    await store?.close();
  }
  return rate('replay into all projections, rows stored', '≥ 0.6 × reading and parsing the columns that they need', median(replay.slice(WARM_UP_ROUNDS)), median(least.slice(WARM_UP_ROUNDS)));
}

async function benchVerify(directory: string): Promise<BenchRow> {
  const store = openSqliteStore({ directory, projections: [] });
  const [verify, least]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round += 1) {
    least.push(timed(() => {
      const hasher = createHash('sha256');
      scan(directory, 'stream, revision, id, type, schema_version, data, metadata', (cells) => {
        for (const cell of cells) hasher.update(String(cell));
      });
      hasher.digest();
    }));
    verify.push(await timedAsync(async () => {
      const verdict = await store.verify();
      if (!verdict.ok || verdict.events !== LOG_EVENTS) throw new Error('the log does not verify');
    }));
  }
  await store.close();
  return rate('verifying the chain', '≥ 0.6 × SHA-256 over the same stored bytes, read included', median(verify.slice(WARM_UP_ROUNDS)), median(least.slice(WARM_UP_ROUNDS)));
}

function rate(what: string, bar: string, oursMs: number, leastMs: number): BenchRow {
  const ratio = leastMs / oursMs;
  const perSecond = (ms: number): string => `${Math.round(LOG_EVENTS / ms)} k events/s`;
  return { what, bar, measured: `${perSecond(oursMs)} against ${perSecond(leastMs)}`, ratio, limit: 0.6, ok: ratio >= 0.6 };
}

export async function benchRows(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'reckoner-bench-'));
  try {
    const append = await benchAppend(join(directory, 'append'));
    const store = openSqliteStore({ directory: join(directory, 'log'), projections: [] });
    await writeLog(store, LOG_EVENTS);
    await store.close();
    return [append, await benchReplay(join(directory, 'log')), await benchVerify(join(directory, 'log'))];
  } finally {
    rmSync(directory, { recursive: true });
  }
}
