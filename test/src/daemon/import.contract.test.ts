/** What the import of an old account writes: the same events and the same bytes, whatever is done to make it fast. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSqliteStore } from '../../../adapters/sqlite/store.ts';
import type { Clock, Timers } from '../../../domain/clock.ts';
import { ZERO_MONEY, format } from '../../../domain/money.ts';
import { instantOf } from '../../../domain/time.ts';
import { importAccount, serveHistory } from '../../bench/import-run.ts';

const TRANSACTIONS = 2_500;
const directory = mkdtempSync(join(tmpdir(), 'reckoner-import-'));
const clock: Clock = { now: () => instantOf(Date.UTC(2025, 0, 7, 12)), monotonicNs: () => 5n };
const noTimers: Timers = { at: () => ({ cancel: () => undefined }) };
let history: Awaited<ReturnType<typeof serveHistory>>;

beforeAll(async () => {
  history = await serveHistory(TRANSACTIONS);
});

afterAll(() => {
  history.stop();
  rmSync(directory, { recursive: true, force: true });
});

test('an account of three pages becomes this log, to the last byte', async () => {
  let balance = ZERO_MONEY;
  const head = await importAccount({
    url: history.url, directory, transactionsMax: TRANSACTIONS, clock, timers: noTimers,
    observed: (state) => {
      balance = state.ledger.balance;
    },
  }, () => undefined);
  expect(format(balance)).toBe('99999.982');
  // Each event's hash covers all that was stored of it, and the head covers every event.
  expect({ sequence: head.sequence, hash: head.hash }).toEqual({ sequence: TRANSACTIONS + 2, hash: 'e90cdb193cfe31a4be9aa1f5afa0ff1351c4ccc0247525a39d343b96c0e92a89' });
  const store = openSqliteStore({ directory, projections: [], readOnly: true });
  expect(await store.verify()).toEqual({ ok: true, events: head.sequence + 1, headHash: head.hash });
  await store.close();
});
