/** A restart on a year's log: from the process's beginning until the desk is known, as long after a checkpoint as may be. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import { median } from './bench-row.ts';
import type { BenchRow } from './bench-row.ts';
import { writeLog } from './log.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const EVENTS = 1_000_000;
const RESTARTS = 3;
const SECONDS_MAX = 5;

export async function benchRows(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-restart-'));
  try {
    const store = openSqliteStore({ directory, projections: ALL_PROJECTIONS, deployment: 'demo' });
    await writeLog(store, EVENTS);
    await store.close();
    const once = (...task: readonly string[]): string => execFileSync(process.execPath, [join(import.meta.dirname, 'restart-once.ts'), join(ROOT, 'config/profiles/demo.yaml'), directory, ROOT, ...task], { encoding: 'utf8' });
    once('prepare');
    const restarts = Array.from({ length: RESTARTS }, () => JSON.parse(once()) as { readonly knownMs: number; readonly fromCheckpoint: boolean; readonly rssMiB: number });
    if (!restarts.every(({ fromCheckpoint }) => fromCheckpoint)) throw new Error('a restart did not use its checkpoint');
    const seconds = median(restarts.map(({ knownMs }) => knownMs)) / 1_000;
    const ratio = seconds / SECONDS_MAX;
    return [{ what: `restart on ${EVENTS.toLocaleString('en')} events`, bar: `≤ ${SECONDS_MAX} s until the desk is known`, measured: `${seconds.toFixed(2)} s, ${Math.round(median(restarts.map(({ rssMiB }) => rssMiB)))} MiB resident`, ratio, limit: 1, ok: ratio <= 1 }];
  } finally {
    rmSync(directory, { recursive: true });
  }
}
