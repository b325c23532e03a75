import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryReadModels } from '../../../adapters/memory/read-models.ts';
import { openReadModels } from '../../../adapters/sqlite/read-models.ts';
import { openSqliteStore } from '../../../adapters/sqlite/store.ts';
import type { EventStore } from '../../../domain/log.ts';
import { ALL_PROJECTIONS } from '../../../projections/index.ts';
import { stateHash } from '../../../projections/state-hash.ts';
import { draftOf } from '../../contracts/event-store.ts';

const WRITER = join(import.meta.dirname, 'writer.ts');
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'reckoner-crash-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Every recovered event is the one that was appended at its sequence: a prefix without holes. */
async function expectPrefix(store: EventStore, ackedSequence: number): Promise<void> {
  const head = await store.head();
  expect(head.sequence).toBeGreaterThanOrEqual(ackedSequence);
  expect(await store.verify()).toEqual({ ok: true, events: head.sequence + 1, headHash: head.hash });
  const events = await store.readAll(-1, head.sequence + 2);
  expect(events.map((event) => event.id)).toEqual(events.map((_, sequence) => draftOf(sequence).id));
}

async function expectReadModelsLevel(store: EventStore): Promise<void> {
  const events = await store.readAll(-1, 1_000_000);
  const afresh = new MemoryReadModels(ALL_PROJECTIONS);
  afresh.fold(events);
  const live = openReadModels(directory);
  try {
    expect(stateHash(ALL_PROJECTIONS, live)).toEqual(stateHash(ALL_PROJECTIONS, afresh));
    expect(live.status().map((one) => [one.position, one.broken])).toEqual(ALL_PROJECTIONS.map(() => [events.length - 1, null]));
  } finally {
    live.close();
  }
}

/** Runs the writer and kills it after some acknowledgements; the last one read is returned. */
async function killWriterAfter(acknowledgements: number): Promise<number> {
  const child = spawn(process.execPath, [WRITER, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  let acked = -1;
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    acked = Number(line);
    seen += 1;
    if (seen === acknowledgements) child.kill('SIGKILL');
  }
  return acked;
}

describe('a crash', () => {
  test('kill -9 in the middle of writing loses nothing acknowledged, leaves no stale lock, and the read models stay level', { timeout: 30_000 }, async () => {
    for (const acknowledgements of [1, 7, 40]) {
      const acked = await killWriterAfter(acknowledgements);
      const store = openSqliteStore({ directory, projections: ALL_PROJECTIONS });
      await expectPrefix(store, acked);
      await expectReadModelsLevel(store);
      await store.close();
    }
  });

  test('a disk that takes no more ends the store without an acknowledgement, and the log is whole afterwards', { timeout: 30_000 }, async () => {
    // The shell limits the size of any file to 1 MiB and ignores the signal, so that the write fails as on a full disk.
    const script = `ulimit -f 1024; trap '' XFSZ; exec "${process.execPath}" "${WRITER}" "${directory}"`;
    const child = spawn('bash', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) lines.push(line);
    expect(await exited).toBe(30);
    expect(lines.at(-1)).toMatch(/^failed StoreError: appending to the store/);
    const store = openSqliteStore({ directory, projections: ALL_PROJECTIONS });
    await expectPrefix(store, Number(lines.at(-2)));
    await expectReadModelsLevel(store);
    await store.close();
  });
});
