/** Taking over an account from nothing, with the real client, loop, journal and store: for the bench, and for the test of what it writes. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createOandaBroker } from '../../adapters/oanda/client.ts';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import type { Clock, Timers } from '../../domain/clock.ts';
import { initialDesk } from '../../domain/desk/state.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import { GENESIS_HASH } from '../../domain/log.ts';
import type { LogHead } from '../../domain/log.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import { liveLaneOf, performWith } from '../../src/daemon/effects.ts';
import { Journal } from '../../src/daemon/journal.ts';
import { loadPolicy, PolicySeat } from '../../src/daemon/policy.ts';
import { Runtime } from '../../src/daemon/runtime.ts';
import { RUN, SETTINGS } from '../domain/settings.ts';

export const ACCOUNT = '101-001-1234567-001';
const TOKEN = 'a-token-for-the-bench-alone';

/** Starts the server of an account with so many transactions, in a process of its own. */
export async function serveHistory(transactions: number): Promise<{ readonly url: string; readonly stop: () => void }> {
  const server = spawn(process.execPath, [join(import.meta.dirname, 'history-server.ts'), ACCOUNT, String(transactions)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: server.stdout });
  const { port } = JSON.parse(await new Promise<string>((resolve) => lines.once('line', resolve))) as { port: number };
  const stop = (): void => {
    lines.close();
    server.kill('SIGTERM');
  };
  return { url: `http://127.0.0.1:${port}`, stop };
}

export interface ImportOptions {
  readonly url: string;
  readonly directory: string;
  /** More than these are not read: the account is taken over as it stands. */
  readonly transactionsMax: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly observed: (state: DeskState) => void;
}

/** Resolves at the first reconciliation that agrees. `ended` is told at once, before anything is closed. */
export async function importAccount({ url, directory, transactionsMax, clock, timers, observed }: ImportOptions, ended: () => void): Promise<LogHead> {
  const store = openSqliteStore({ directory, projections: ALL_PROJECTIONS, deployment: 'bench' });
  const broker = createOandaBroker({ restUrl: url, streamUrl: url, accountId: ACCOUNT, token: TOKEN, clock });
  const settings = { ...SETTINGS, accountId: ACCOUNT, importedTransactionsMax: transactionsMax };
  const journal = new Journal({ store, head: await store.head(), clock, deployment: 'bench', accountId: ACCOUNT, build: 'bench', configHash: GENESIS_HASH, modelHash: GENESIS_HASH });
  const loading = await loadPolicy({ kind: 'hold' });
  if (!loading.ok) throw new Error(loading.detail);
  const seat = new PolicySeat({ kind: 'hold' }, loading);
  const runtime = new Runtime({
    initial: initialDesk(settings), journal, clock, timers, laneOf: liveLaneOf, recorded: () => undefined,
    observed: (state) => {
      observed(state);
      if (state.live.notReady === null) runtime.end(0, 'imported');
    },
    perform: performWith({ broker, clock, seat, connectFeeds: () => Promise.resolve(), reconnectFeed: () => undefined, reply: () => undefined, haltFile: { find: () => null, remove: () => null } }),
  });
  runtime.submit({ kind: 'start', run: RUN });
  const { exitCode, reason } = await runtime.ended;
  ended();
  const head = await store.head();
  runtime.close();
  await broker.close();
  await store.close();
  if (exitCode !== 0) throw new Error(`the import ended with ${exitCode}: ${reason}`);
  return head;
}
