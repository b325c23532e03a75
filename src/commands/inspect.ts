/** Commands that look: status, query, verify. Each opens the log read-only. */
import { fetchStatus, DaemonNotRunningError } from '../../adapters/control/client.ts';
import { openReadModels } from '../../adapters/sqlite/read-models.ts';
import type { ReadModels } from '../../adapters/sqlite/read-models.ts';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import type { Config } from '../../config/config.ts';
import type { EventStore } from '../../domain/log.ts';
import { StoreError } from '../../domain/log.ts';
import type { Row } from '../../domain/projection.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import type { ConfigOption } from './common.ts';
import { csv, load, say, sayJson, table, UsageError, warn } from './common.ts';
import { progressBar } from './progress.ts';

export interface OutputOptions extends ConfigOption {
  readonly json: boolean;
}

export const readOnlyStore = (config: Config): EventStore =>
  openSqliteStore({ directory: config.deployment.dataDirectory, projections: [], readOnly: true, deployment: config.deployment.name });

function withReadModels<Result>(config: Config, work: (models: ReadModels) => Result): Result {
  const models = openReadModels(config.deployment.dataDirectory);
  try {
    return models.atOnce(() => work(models));
  } finally {
    models.close();
  }
}

// --- status ---

export async function status(options: OutputOptions): Promise<number> {
  const { config } = load(options);
  const live = await fetchStatus(config.control.socketPath).catch((error: unknown) => {
    if (error instanceof DaemonNotRunningError) return null;
    throw error;
  });
  const logged = readLogged(config, live !== null);
  if (options.json) sayJson({ version: 1, running: live !== null, live, log: logged });
  else sayStatus(live, logged);
  return 0;
}

interface Logged {
  readonly readUpTo: number;
  readonly account: Row | null;
  readonly safety: Row | null;
  readonly positions: readonly Row[];
  readonly lagging: readonly unknown[];
}

/** The log's own view; null where the daemon runs and its log is not for this user to read. */
function readLogged(config: Config, running: boolean): Logged | null {
  try {
    return withReadModels(config, loggedOf);
  } catch (error) {
    if (running && error instanceof StoreError) return null;
    throw error;
  }
}

function loggedOf(models: ReadModels): Logged {
  return {
    readUpTo: models.headPosition(),
    account: models.rows('account')[0] ?? null,
    safety: models.rows('safety')[0] ?? null,
    positions: models.rows('positions'),
    lagging: models.status().filter((one) => one.state === 'behind' || one.state === 'broken'),
  };
}

function sayStatus(live: unknown, logged: Logged | null): void {
  if (live === null) {
    say('daemon       not running; what follows is the log as it was left');
    say(`mode         ${String(logged?.safety?.['mode'] ?? 'OBSERVING')} (${String(logged?.safety?.['cause'] ?? 'never armed')})`);
  } else {
    for (const [name, value] of Object.entries(live as { [name: string]: unknown })) {
      if (value === null || name === 'version') continue;
      if (Array.isArray(value) && value.length > 0 && typeof value[0] === 'object') say(`${name}\n${table(value.map(flat)).replaceAll(/^/gm, '  ')}`);
      else say(`${name.padEnd(18)} ${cellText(value)}`);
    }
  }
  if (logged === null) return say('read models  not for this user to read');
  say(`read models  up to event ${logged.readUpTo}${logged.lagging.length > 0 ? `; LAGGING: ${JSON.stringify(logged.lagging)}` : ''}`);
  if (logged.account !== null) say(`ledger       balance ${String(logged.account['balance'])} ${String(logged.account['currency'])}, realised ${String(logged.account['realised_pl'])}, transaction ${String(logged.account['last_transaction_id'])}`);
  if (logged.positions.length > 0) say(table(logged.positions));
}

/** Text of a value in a table: nested ones as JSON. */
const cellText = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

const flat = (value: unknown): Row => Object.fromEntries(Object.entries(value as { [name: string]: unknown }).map(([name, cell]) => [name, cell === null ? null : cellText(cell)]));

// --- query ---

export interface QueryOptions extends OutputOptions {
  readonly sql?: string;
  readonly csv: boolean;
  readonly limit: string;
}

export function query(name: string | undefined, options: QueryOptions): number {
  const { config } = load(options);
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1) throw new UsageError(`--limit must be a positive whole number, not "${options.limit}"`);
  if ((name === undefined) === (options.sql === undefined)) throw new UsageError(`name one read model (${ALL_PROJECTIONS.map((projection) => projection.name).join(', ')}) or give --sql`);
  const { readUpTo, rows, truncated } = withReadModels(config, (models) => ({
    readUpTo: models.headPosition(),
    ...(name !== undefined ? { rows: models.rows(name, { limit, ...orderOf(name) }), truncated: false } : models.sql(options.sql!, limit)),
  }));
  warn(`read up to event ${readUpTo}; ${rows.length} rows${truncated || rows.length === limit ? `, cut at --limit ${limit}` : ''}`);
  if (options.json) sayJson({ version: 1, readUpTo, truncated, rows });
  else say(options.csv ? csv(rows) : table(rows));
  return 0;
}

/** Columns that put rows in the order of their story, the first that a read model has. */
const STORY_COLUMNS = ['sequence', 'intended_at', 'open_time', 'epoch', 'day', 'last_at', 'last_bar_start'];

function orderOf(name: string): { readonly orderBy?: { readonly column: string; readonly direction: 'ascending' } } {
  const columns = ALL_PROJECTIONS.find((projection) => projection.name === name)?.columns ?? {};
  const column = STORY_COLUMNS.find((candidate) => Object.hasOwn(columns, candidate));
  return column === undefined ? {} : { orderBy: { column, direction: 'ascending' } };
}

// --- verify ---

export async function verify(options: OutputOptions): Promise<number> {
  const { config } = load(options);
  const store = readOnlyStore(config);
  try {
    const head = await store.head();
    const bar = progressBar('verify', head.sequence + 1);
    const verdict = await store.verify({ progress: (done) => bar.update(done) });
    bar.stop();
    if (options.json) sayJson({ version: 1, ...verdict });
    else if (verdict.ok) say(`ok: ${verdict.events} events, head ${verdict.headHash}`);
    else say(`BROKEN at ${verdict.stream}@${verdict.revision} (event ${verdict.position}): ${verdict.reason}`);
    return verdict.ok ? 0 : 1;
  } finally {
    await store.close();
  }
}

