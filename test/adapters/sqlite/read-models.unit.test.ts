import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryReadModels } from '../../../adapters/memory/read-models.ts';
import { QueryError, openReadModels } from '../../../adapters/sqlite/read-models.ts';
import type { ReadModels } from '../../../adapters/sqlite/read-models.ts';
import { openSqliteStore } from '../../../adapters/sqlite/store.ts';
import type { EventDraft, EventStore } from '../../../domain/log.ts';
import type { Projection, Row } from '../../../domain/projection.ts';
import { ALL_PROJECTIONS } from '../../../projections/index.ts';
import { stateHash } from '../../../projections/state-hash.ts';
import { draftsOf } from '../../contracts/event-store.ts';
import { draftFrom, step, transaction } from '../../projections/given.ts';

let directory: string;
const stores: EventStore[] = [];
const models: ReadModels[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'reckoner-models-'));
});
afterEach(async () => {
  for (const model of models.splice(0)) model.close();
  for (const store of stores.splice(0)) await store.close();
  rmSync(directory, { recursive: true });
});

function open(projections: readonly Projection[]): EventStore {
  const store = openSqliteStore({ directory, projections });
  stores.push(store);
  return store;
}
function read(): ReadModels {
  const model = openReadModels(directory);
  models.push(model);
  return model;
}
const append = async (store: EventStore, expectedRevision: number, events: readonly EventDraft[]) => {
  expect(await store.append([{ stream: 'bars-a', expectedRevision, events }])).toMatchObject({ kind: 'appended' });
};

/** Counts bars by their last digit; fails on a bar whose volume is 7. */
const counting = (version: number, fault: 'none' | 'throws' | 'badRow' | 'lacksColumn' = 'none'): Projection => ({
  name: 'counting',
  version,
  key: 'id',
  columns: { id: 'TEXT', bars: 'INTEGER' },
  keysOf: ({ event }) => (event.type === 'MarketBarClosed' ? [event.data.bid.close.slice(-1)] : []),
  apply(row, { event }, key) {
    const bars = Number(row?.['bars'] ?? 0) + version;
    if (event.type !== 'MarketBarClosed' || event.data.volume !== 7 || fault === 'none') return { id: key, bars };
    if (fault === 'throws') throw new RangeError('seven is too much');
    return fault === 'badRow' ? { id: key, bars: 'many' } : { id: key };
  },
});
const bars = ALL_PROJECTIONS.find((projection) => projection.name === 'bars_daily')!;

const kinds = [
  step('TradingObserving', { cause: 'x' }),
  step('OrderSubmitted', { clientOrderId: '3d813cbb-47fb-52ba-91df-831e1593ac29', status: 201, requestId: null }),
  step('AlertRaised', { code: 'x', severity: 'info', detail: '' }),
  transaction(1, { type: 'TRANSFER_FUNDS', time: '2026-01-05T12:00:00Z', amount: '10', accountBalance: '10' }),
  transaction(2, { type: 'ORDER_FILL', time: '2026-01-05T12:00:00Z', instrument: 'EUR_USD', pl: '1', accountBalance: '11', tradeOpened: { tradeID: '2', units: '3', price: '1.1' } }),
  transaction(3, { type: 'ORDER_FILL', time: '2026-01-09T12:00:00Z', instrument: 'USD_JPY', pl: '1', accountBalance: '11', tradesClosed: [{ tradeID: '2', units: '-3', price: '1.1', realizedPL: '1' }] }),
];

describe('read models beside the log', () => {
  test('rows kept with the appends equal rows folded afresh, for any mixture of events and batches', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(fc.integer({ min: 0, max: kinds.length - 1 }), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 6 }), async (batches) => {
        const own = mkdtempSync(join(tmpdir(), 'reckoner-models-'));
        const store = openSqliteStore({ directory: own, projections: ALL_PROJECTIONS });
        let sequence = -1;
        for (const batch of batches) {
          const expectedRevision = sequence;
          await store.append([{ stream: 'x-1', expectedRevision, events: batch.map((kind) => draftFrom(kinds[kind]!, (sequence += 1))) }]);
        }
        const afresh = new MemoryReadModels(ALL_PROJECTIONS);
        afresh.fold(await store.readAll(-1, 100));
        const live = openReadModels(own);
        expect(stateHash(ALL_PROJECTIONS, live)).toEqual(stateHash(ALL_PROJECTIONS, afresh));
        live.close();
        await store.close();
        rmSync(own, { recursive: true });
      }),
      { numRuns: 20 },
    );
  });

  test('a projection that is new, or was away, catches up from the log on opening, over several pages', async () => {
    const without = open([bars]);
    await append(without, -1, draftsOf(0, 4_321));
    await without.close();
    await open([counting(1)]).close();
    const model = read();
    expect(model.rows('counting').reduce((sum, row) => sum + Number(row['bars']), 0)).toBe(4_321);
    expect(model.status()).toEqual([
      { name: 'bars_daily', position: 4_320, state: 'away', broken: null },
      { name: 'counting', position: 4_320, state: 'live', broken: null },
    ]);
    const again = open([counting(1)]);
    await append(again, 4_320, draftsOf(4_321, 2));
    await again.close();
    expect(read().status().map((one) => one.position)).toEqual([4_320, 4_322]);
    await open([bars, counting(1)]).close();
    expect(read().rows('bars_daily').reduce((sum, row) => sum + Number(row['bars_closed']), 0)).toBe(4_323);
  });

  test('rows of another version, and a table that is gone, are rebuilt', async () => {
    const store = open([counting(1)]);
    await append(store, -1, draftsOf(0, 10));
    await store.close();
    await open([counting(2)]).close();
    expect(read().rows('counting').reduce((sum, row) => sum + Number(row['bars']), 0)).toBe(20);
    const database = new DatabaseSync(join(directory, 'log.sqlite'));
    database.exec('DROP TABLE counting');
    database.close();
    await open([counting(2)]).close();
    expect(read().rows('counting').reduce((sum, row) => sum + Number(row['bars']), 0)).toBe(20);
  });
});

describe('a projection that fails', () => {
  test.each(['throws', 'badRow', 'lacksColumn'] as const)('(%s) is rolled back and marked broken with its reason, and rebuilt at the next start; the append and the others go on', async (fault) => {
    const store = open([counting(1, fault), bars]);
    await append(store, -1, draftsOf(0, 3));
    const before = read().rows('counting');
    await append(store, 2, [...draftsOf(3, 1), ...draftsOf(4, 1, 6), ...draftsOf(5, 1)]);
    await append(store, 5, draftsOf(6, 1));
    const model = read();
    expect(model.rows('counting')).toEqual(before);
    expect(model.rows('bars_daily')[0]).toMatchObject({ bars_closed: 7 });
    const [healthy, broken] = model.status();
    expect(healthy).toEqual({ name: 'bars_daily', position: 6, state: 'live', broken: null });
    expect(broken).toMatchObject({ name: 'counting', state: 'broken', position: 2 });
    expect(broken?.broken).toMatch({ throws: /RangeError: seven/, badRow: /cannot store TEXT/, lacksColumn: /lacks the column bars/ }[fault]);
    await store.close();
    await open([counting(1, fault), bars]).close();
    expect(read().status()[1]).toMatchObject({ state: 'broken' });
    await open([counting(1), bars]).close();
    expect(read().status()[1]).toMatchObject({ position: 6, broken: null });
  });

  test('an event that does not fit its schema breaks the read models, says which one it was, and is still appended', async () => {
    const store = open([bars]);
    await append(store, -1, draftsOf(0, 1));
    await append(store, 0, [{ ...draftsOf(1, 1)[0]!, data: { instrument: 'gold' } }]);
    expect((await store.head()).sequence).toBe(1);
    expect(read().status()[0]?.broken).toMatch(/EventFormatError: bars-a@1: MarketBarClosed is malformed/);
  });

  test('types and versions of a later build are passed over', async () => {
    const store = open([bars]);
    const [draft] = draftsOf(0, 1);
    await append(store, -1, [{ ...draft!, type: 'SomethingOfTomorrow' }, { ...draftsOf(1, 1)[0]!, schemaVersion: 9 }, ...draftsOf(2, 1)]);
    expect(read().rows('bars_daily')).toEqual([expect.objectContaining({ bars_closed: 1 })]);
    expect(read().status()[0]).toMatchObject({ position: 2, broken: null });
  });

  test('names that cannot stand in a statement, or belong to the log, are refused on opening', () => {
    expect(() => open([{ ...counting(1), name: 'events' }])).toThrow(/belongs to a table of the log/);
    expect(() => open([{ ...counting(1), name: 'x"; DROP TABLE events' }])).toThrow(/no name for a table/);
    expect(() => open([{ ...counting(1), key: 'bars' }])).toThrow(/must be one of its TEXT columns/);
  });
});

describe('queries', () => {
  const rowsOf = async (): Promise<ReadModels> => {
    const store = open([counting(1)]);
    await append(store, -1, draftsOf(0, 25));
    return read();
  };

  test('rows are filtered, ordered and limited by the columns that exist', async () => {
    const model = await rowsOf();
    // Prices end in 7 n mod 10, so 25 of them give each digit twice and the first five of that series three times.
    expect(model.rows('counting', { where: { bars: 3 } }).map((row) => row['id'])).toEqual(['0', '1', '4', '7', '8']);
    expect(model.rows('counting', { orderBy: { column: 'bars', direction: 'descending' }, limit: 2 })).toEqual([{ id: '8', bars: 3 }, { id: '7', bars: 3 }] satisfies Row[]);
    expect([...model.allRows('counting')]).toHaveLength(10);
    expect(() => model.rows('counting', { where: { 'id" OR 1=1 --': 1 } })).toThrow(QueryError);
    expect(() => model.rows('countings')).toThrow(/there are counting/);
    expect(() => model.rows('counting', { limit: 0 })).toThrow(QueryError);
  });

  test('a query of the operator reads the log and the rows, bounded, and says when there was more', async () => {
    const model = await rowsOf();
    expect(model.sql('SELECT count(*) AS n FROM events').rows).toEqual([{ n: 25 }]);
    expect(model.sql('SELECT position FROM events ORDER BY position', 3)).toEqual({ rows: [{ position: 0 }, { position: 1 }, { position: 2 }], truncated: true });
    expect(model.sql('WITH few AS (SELECT id FROM counting) SELECT max(id) AS id FROM few')).toEqual({ rows: [{ id: '9' }], truncated: false });
    expect(() => model.sql('SELEC 1')).toThrow(/only SELECT is allowed/);
  });

  test.each(['DELETE FROM events', 'DROP TABLE events', "ATTACH '/etc/passwd' AS other", 'PRAGMA query_only = OFF', 'CREATE TEMP TABLE t (a)', "UPDATE counting SET bars = 0"])('%s is refused', async (query) => {
    const model = await rowsOf();
    expect(() => model.sql(query)).toThrow(QueryError);
    expect(model.rows('counting')).toHaveLength(10);
  });

  test('queries within atOnce see one instant while the daemon goes on writing', async () => {
    const store = open([counting(1)]);
    await append(store, -1, draftsOf(0, 5));
    const model = read();
    const before = model.atOnce(() => {
      const first = model.headPosition();
      void store.append([{ stream: 'bars-a', expectedRevision: 4, events: draftsOf(5, 1) }]);
      return [first, model.headPosition()];
    });
    expect(before).toEqual([4, 4]);
    expect(model.headPosition()).toBe(5);
  });
});
