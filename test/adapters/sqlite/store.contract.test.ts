import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openMemoryStore } from '../../../adapters/memory/store.ts';
import { openSqliteStore } from '../../../adapters/sqlite/store.ts';
import type { EventStore } from '../../../domain/log.ts';
import { appendPlan, batchPlans, eventStoreContract } from '../../contracts/event-store.ts';

eventStoreContract('the SQLite store', () => {
  const directory = mkdtempSync(join(tmpdir(), 'reckoner-store-'));
  let store: EventStore | undefined;
  const open = async (): Promise<EventStore> => {
    await store?.close();
    store = openSqliteStore({ directory, projections: [] });
    return store;
  };
  return {
    open,
    reopen: open,
    dispose: async () => {
      await store?.close();
      rmSync(directory, { recursive: true });
    },
  };
});

test('the same batches give the same events and the same head in memory and in SQLite', async () => {
  await fc.assert(
    fc.asyncProperty(batchPlans, fc.integer({ min: 0, max: 999 }), async (plan, seed) => {
      const directory = mkdtempSync(join(tmpdir(), 'reckoner-store-'));
      const durable = openSqliteStore({ directory, projections: [] });
      const memory = openMemoryStore({ hashing: 'chain' });
      try {
        expect(await appendPlan(durable, plan, seed)).toEqual(await appendPlan(memory, plan, seed));
        expect((await durable.head()).hash).toBe((await memory.head()).hash);
        expect(await durable.verify()).toEqual(await memory.verify());
      } finally {
        await durable.close();
        rmSync(directory, { recursive: true });
      }
    }),
    { numRuns: 30 },
  );
});
