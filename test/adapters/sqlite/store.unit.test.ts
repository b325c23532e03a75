import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSqliteStore } from '../../../adapters/sqlite/store.ts';
import { headHash, StoreError } from '../../../domain/log.ts';
import type { EventStore } from '../../../domain/log.ts';
import { Collector, draftsOf } from '../../contracts/event-store.ts';

let directory: string;
const stores: EventStore[] = [];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'reckoner-sqlite-'));
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(directory, { recursive: true });
});

const file = () => join(directory, 'log.sqlite');
const witness = () => join(directory, 'head.witness');
function open(options: { readonly readOnly?: boolean; readonly deployment?: string } = {}): EventStore {
  const store = openSqliteStore({ directory, projections: [], ...options });
  stores.push(store);
  return store;
}
/** Two streams, interleaved: a holds the sequences 0-2 and 6-8, b holds 3-5 and 9-11. */
async function filled(): Promise<EventStore> {
  const store = open();
  for (const [index, stream] of ['bars-a', 'bars-b', 'bars-a', 'bars-b'].entries()) {
    await store.append([{ stream, expectedRevision: index < 2 ? -1 : 2, events: draftsOf(index * 3, 3) }]);
  }
  return store;
}
/** Changes a closed log behind the store's back. */
function alter(sql: string): void {
  const database = new DatabaseSync(file());
  database.exec(sql);
  database.close();
}

describe('verify finds what was done to the log and names the first bad event', () => {
  // The damage is done to a log that is open elsewhere, as an intruder would: opening anew would already refuse some of it.
  test.each([
    ['an edited amount', `UPDATE events SET data = replace(data, '"volume":1', '"volume":2') WHERE position = 4`, 'bars-b', 1, /was edited/],
    ['an edited type', `UPDATE events SET type = 'MarketBarBackfilled' WHERE position = 0`, 'bars-a', 0, /was edited/],
    ['an edited time of recording', `UPDATE events SET metadata = replace(metadata, '"epoch":1', '"epoch":2') WHERE position = 11`, 'bars-b', 5, /was edited/],
    ['a deleted event', 'DELETE FROM events WHERE position = 4', 'bars-b', 2, /removed/],
    ['a deleted event with the rest moved up', 'DELETE FROM events WHERE position = 1; UPDATE events SET revision = revision - 1 WHERE position = 2', 'bars-a', 1, /was edited/],
    ['two events swapped within a stream', `UPDATE events SET revision = -1 WHERE position = 1; UPDATE events SET revision = 1 WHERE position = 2; UPDATE events SET revision = 2 WHERE position = 1`, 'bars-a', 2, /reordered/],
    ['two events swapped between streams', `UPDATE events SET revision = 99 WHERE position = 2; UPDATE events SET stream = 'bars-a', revision = 2 WHERE position = 5; UPDATE events SET stream = 'bars-b', revision = 2 WHERE position = 2`, 'bars-b', 2, /stands where 0 belongs/],
    ['an order of streams changed', 'UPDATE events SET position = 100 WHERE position = 2; UPDATE events SET position = 2 WHERE position = 3; UPDATE events SET position = 3 WHERE position = 100', 'bars-b', 0, /sequence/],
    ['a copy of an event inserted at the end', `INSERT INTO events SELECT 12, stream, 6, id, type, schema_version, data, metadata, hash FROM events WHERE position = 11`, 'bars-b', 6, /was edited/],
    ['a stream inserted', `INSERT INTO events SELECT 12, 'bars-c', 0, id, type, schema_version, data, metadata, hash FROM events WHERE position = 0`, 'bars-c', 0, /was edited/],
    ['a tail cut off', 'DELETE FROM events WHERE position >= 10', 'bars-b', 4, /tail was removed/],
    ['a whole stream removed', `DELETE FROM events WHERE stream = 'bars-a'`, 'bars-b', 0, /sequence/],
    ['a head altered', `UPDATE streams SET hash = '${'0'.repeat(64)}' WHERE stream = 'bars-a'`, 'bars-a', 6, /tail was removed or replaced/],
  ])('%s', async (_what, sql, stream, revision, reason) => {
    const store = await filled();
    expect(await store.verify()).toMatchObject({ ok: true, events: 12 });
    alter(sql);
    const verdict = await store.verify();
    expect(verdict).toMatchObject({ ok: false, stream, revision });
    if (!verdict.ok) expect(verdict.reason).toMatch(reason);
  });

  test('behind a verified head is found, and what lies before it is not looked at again', async () => {
    const store = await filled();
    const after = { ...(await store.head()), sequence: 5, position: 5 };
    const verified = { ...after, hash: headHash([...new Map((await store.readAll(-1, 6)).map((event) => [event.stream, event])).values()]) };
    expect(await store.verify({ after: verified })).toMatchObject({ ok: true, events: 12 });
    alter(`UPDATE events SET data = replace(data, '1.', '2.') WHERE position = 1`);
    expect(await store.verify({ after: verified })).toMatchObject({ ok: true });
    expect(await store.verify()).toMatchObject({ ok: false, position: 1 });
    alter(`UPDATE events SET data = replace(data, '1.', '2.') WHERE position = 9`);
    expect(await store.verify({ after: verified })).toMatchObject({ ok: false, position: 9, reason: expect.stringContaining('was edited') as string });
  });

  test('a tail that was cut together with its heads is found through the witness', async () => {
    const store = await filled();
    await store.close();
    alter(`DELETE FROM events WHERE position >= 9; UPDATE streams SET revision = 2, hash = (SELECT hash FROM events WHERE position = 5) WHERE stream = 'bars-b'`);
    expect(await open({ readOnly: true }).verify()).toMatchObject({ ok: false, position: 9, reason: expect.stringMatching(/witness saw sequence 11/) as string });
    expect(() => open()).toThrow(/behind its witness: the log ends at sequence 8 .* sequence 11/);
  });

  test.each([[12, 11], [13, 11]])('a chain that was made anew, whole in itself and %i events long, is found through the witness', async (events, witnessed) => {
    await (await filled()).close();
    const kept = readFileSync(witness());
    for (const name of readdirSync(directory)) rmSync(join(directory, name));
    const forged = open();
    for (const [index, stream] of ['bars-a', 'bars-b', 'bars-a', 'bars-b'].entries()) {
      const count = index === 3 ? events - 9 : 3;
      await forged.append([{ stream, expectedRevision: index < 2 ? -1 : 2, events: draftsOf(index * 3, count, 5) }]);
    }
    await forged.close();
    expect(await open({ readOnly: true }).verify()).toMatchObject({ ok: true, events });
    writeFileSync(witness(), kept);
    expect(await open({ readOnly: true }).verify()).toMatchObject({ ok: false, position: witnessed, reason: expect.stringMatching(/at sequence 11 the witness saw the head .* rewritten/) as string });
  });

  test.each([['of the empty log', 0], ['of half the log', 6]])('a witness %s, from before a power loss, is no reason to doubt the log', async (_what, count) => {
    const store = open();
    await store.append([{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(0, count) }]);
    await store.close();
    const kept = readFileSync(witness());
    const again = open();
    await again.append([{ stream: 'bars-a', expectedRevision: count - 1, events: draftsOf(count, 3) }, { stream: 'bars-b', expectedRevision: -1, events: draftsOf(count + 3, 2) }]);
    await again.close();
    writeFileSync(witness(), kept);
    expect(await open({ readOnly: true }).verify()).toMatchObject({ ok: true, events: count + 5 });
  });

  test('appending goes on while a verification reads', async () => {
    const store = open();
    await store.append([{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(0, 4_500) }]);
    const verdict = store.verify();
    await store.append([{ stream: 'bars-a', expectedRevision: 4_499, events: draftsOf(4_500, 1) }]);
    expect(await verdict).toMatchObject({ ok: true, events: 4_500 });
    expect(await store.verify()).toMatchObject({ ok: true, events: 4_501 });
  });
});

describe('the head witness', () => {
  test('an older copy of the database beside a newer witness is refused, naming both heads', async () => {
    const store = await filled();
    const early = await store.head();
    await store.close();
    mkdirSync(join(directory, 'copy'));
    copyFileSync(file(), join(directory, 'copy', 'log.sqlite'));
    const again = open();
    await again.append([{ stream: 'bars-a', expectedRevision: 5, events: draftsOf(12, 1) }]);
    const late = await again.head();
    await again.close();
    for (const name of readdirSync(directory)) if (name.startsWith('log.sqlite')) rmSync(join(directory, name));
    copyFileSync(join(directory, 'copy', 'log.sqlite'), file());
    expect(() => open()).toThrow(new RegExp(`${early.hash}.*${late.hash}`));
  });

  test('a witness that is older than the database is accepted and brought up to date', async () => {
    const store = open();
    await store.append([{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(0, 2) }]);
    await new Promise((resolve) => setImmediate(resolve));
    const old = readFileSync(witness());
    await store.append([{ stream: 'bars-b', expectedRevision: -1, events: draftsOf(2, 2) }, { stream: 'bars-a', expectedRevision: 1, events: draftsOf(4, 1) }]);
    await store.close();
    writeFileSync(witness(), old);
    const again = open();
    const head = await again.head();
    expect(head.sequence).toBe(4);
    await again.close();
    expect(readFileSync(witness(), 'latin1')).toContain(` 4 ${head.hash}`);
  });

  test('another history of the same length is refused', async () => {
    const store = open();
    await store.append([{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(0, 2) }]);
    await store.close();
    const kept = readFileSync(witness());
    for (const name of readdirSync(directory)) rmSync(join(directory, name));
    const other = open();
    await other.append([{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(0, 3, 5) }]);
    await other.close();
    writeFileSync(witness(), kept);
    expect(() => open()).toThrow(/differs from its witness: at sequence 1/);
  });

  test('one torn slot leaves the other; both torn are refused', async () => {
    const store = await filled();
    await store.close();
    const bytes = readFileSync(witness());
    const torn = Buffer.from(bytes);
    torn.write('garbage', 40);
    writeFileSync(witness(), torn);
    await open().close();
    const both = Buffer.from(torn);
    both.write('garbage', 4096 + 40);
    writeFileSync(witness(), both);
    expect(() => open()).toThrow(/damaged in both of its slots/);
  });
});

describe('opening', () => {
  test('a second writer is refused at once and may enter after the first has left; readers may enter meanwhile', async () => {
    const first = await filled();
    expect(() => open()).toThrow(/in use by another daemon: stop that one first/);
    const reader = open({ readOnly: true });
    expect((await reader.head()).sequence).toBe(11);
    expect(await reader.verify()).toMatchObject({ ok: true });
    await expect(reader.append([])).rejects.toThrow(/read-only/);
    await first.close();
    expect((await open().head()).sequence).toBe(11);
  });

  test('a read-only subscription delivers what is there and says that it has caught up', async () => {
    await filled();
    const collector = new Collector();
    open({ readOnly: true }).subscribe(9, collector);
    await collector.until(3);
    expect(collector.calls).toEqual(['bars-b@4', 'bars-b@5', 'caughtUp']);
  });

  test('a newer format is refused with both versions named', async () => {
    await (await filled()).close();
    alter('PRAGMA user_version = 7');
    expect(() => open()).toThrow(/format version 7 and this build reads up to 1/);
    expect(() => open({ readOnly: true })).toThrow(/format version 7/);
  });

  test('the log of another deployment is refused', async () => {
    await open({ deployment: 'practice' }).close();
    expect(() => open({ deployment: 'live' })).toThrow(/deployment "practice", not of "live"/);
    await open({ deployment: 'practice' }).close();
  });

  test('a database of another program is refused and left as it was', () => {
    alter('CREATE TABLE invoices (id INTEGER)');
    const before = readFileSync(file());
    expect(() => open()).toThrow(/another program/);
    expect(readFileSync(file()).equals(before)).toBe(true);
  });

  test('a file that is no database, and a damaged one, are refused with a remedy', async () => {
    writeFileSync(file(), 'this is no database, only text that is long enough to look at'.repeat(20));
    expect(() => open()).toThrow(/no SQLite database: restore a backup/);
    rmSync(file());
    await (await filled()).close();
    const bytes = readFileSync(file());
    bytes.fill(0xff, 2048, bytes.length);
    writeFileSync(file(), bytes);
    expect(() => open()).toThrow(/restore a backup/);
  });

  test('a log whose tail is gone is refused even without a witness', async () => {
    await (await filled()).close();
    alter('DELETE FROM events WHERE position >= 10');
    rmSync(witness());
    expect(() => open()).toThrow(/events were removed/);
  });

  test('a failed opening frees the lock', async () => {
    await (await filled()).close();
    alter('PRAGMA user_version = 7');
    expect(() => open()).toThrow(StoreError);
    alter('PRAGMA user_version = 1');
    expect((await open().head()).sequence).toBe(11);
  });
});

describe('a store that has failed', () => {
  test('rejects the append that failed and every later call, and what was acknowledged is there afterwards', async () => {
    const store = open();
    await store.append([{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(0, 2) }]);
    const intruder = new DatabaseSync(file());
    intruder.exec(`INSERT INTO events VALUES (2, 'bars-x', 0, 'id', 'type', 1, '{}', '{}', '')`);
    await expect(store.append([{ stream: 'bars-a', expectedRevision: 1, events: draftsOf(2, 1) }])).rejects.toThrow(StoreError);
    intruder.exec('DELETE FROM events WHERE position = 2');
    intruder.close();
    await expect(store.append([{ stream: 'bars-a', expectedRevision: 1, events: draftsOf(2, 1) }])).rejects.toThrow(StoreError);
    await expect(store.head()).rejects.toThrow(StoreError);
    await store.close();
    expect((await open().head()).sequence).toBe(1);
  });
});
