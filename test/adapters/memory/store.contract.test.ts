import { expect, test } from 'vitest';
import { openMemoryStore } from '../../../adapters/memory/store.ts';
import { StoreError } from '../../../domain/log.ts';
import type { EventStore } from '../../../domain/log.ts';
import { draftsOf, eventStoreContract } from '../../contracts/event-store.ts';

eventStoreContract('the memory store', () => {
  const stores: EventStore[] = [];
  return {
    open: async () => {
      const store = openMemoryStore({ hashing: 'chain' });
      stores.push(store);
      return store;
    },
    reopen: null,
    dispose: async () => {
      for (const store of stores) await store.close();
    },
  };
});

test('without hashing the content is the same, hashes are empty and verify refuses', async () => {
  const [plain, chained] = [openMemoryStore({ hashing: 'none' }), openMemoryStore({ hashing: 'chain' })];
  for (const store of [plain, chained]) await store.append([{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(0, 3) }]);
  const [unhashed, hashed] = [await plain.readAll(-1, 9), await chained.readAll(-1, 9)];
  expect(unhashed.map((event) => [event.position, event.stream, event.revision, event.id, event.type, event.schemaVersion, event.dataJson])).toEqual(
    hashed.map((event) => [event.position, event.stream, event.revision, event.id, event.type, event.schemaVersion, event.dataJson]),
  );
  expect(unhashed.map((event) => event.hash)).toEqual(['', '', '']);
  expect(JSON.parse(unhashed[1]!.metadataJson)).toEqual(draftsOf(1, 1)[0]!.metadata);
  expect(await plain.head()).toMatchObject({ sequence: 2, hash: '' });
  await expect(plain.verify()).rejects.toThrow(StoreError);
});

test('without hashing a repeated append is still recognised and a conflict still found', async () => {
  const store = openMemoryStore({ hashing: 'none' });
  const batch = [{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(0, 2) }];
  await store.append(batch);
  expect(await store.append(batch)).toMatchObject({ kind: 'appended' });
  expect(await store.append([{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(2, 1) }])).toMatchObject({ kind: 'conflict', actualRevision: 1 });
  expect((await store.head()).sequence).toBe(1);
});

test('appends at once what it appends with a promise: the same events, conflicts and errors', async () => {
  const [waiting, prompt] = [openMemoryStore({ hashing: 'chain' }), openMemoryStore({ hashing: 'chain' })];
  const batches = [
    [{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(0, 3) }],
    [{ stream: 'bars-a', expectedRevision: 0, events: draftsOf(3, 1) }],
    [{ stream: 'bars-b', expectedRevision: -1, events: draftsOf(3, 2) }],
  ];
  for (const batch of batches) expect(prompt.appendAtOnce?.(batch)).toEqual(await waiting.append(batch));
  expect(await prompt.head()).toEqual(await waiting.head());
  expect(() => prompt.appendAtOnce?.([{ stream: 'bars-b', expectedRevision: 1, events: draftsOf(9, 1) }])).toThrow(StoreError);
});
