/** Opening the log at a start: proved first, then folded, both from the last checkpoint on where there is one. */
import { mkdirSync } from 'node:fs';
import type { Logger } from 'pino';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import type { Config } from '../../config/config.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import type { LogFault } from '../../domain/chain.ts';
import type { EventStore, LogVerdict } from '../../domain/log.ts';
import { StoreError } from '../../domain/log.ts';
import type { DeskSettings } from '../../domain/settings.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import type { Checkpoint } from './checkpoint.ts';
import { Checkpoints } from './checkpoint.ts';
import { recoverDesk } from './recovery.ts';

/** @throws StoreError where it cannot be made: without it there is no log. */
function makeDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new StoreError(`${directory} cannot be made: ${error instanceof Error ? error.message : String(error)}; name a data directory that can be written`, { cause: error });
  }
}

export interface OpeningOptions {
  readonly config: Config;
  readonly configHash: string;
  readonly logger: Logger;
}

export interface OpenLog {
  readonly store: EventStore;
  readonly checkpoints: Checkpoints;
  /** What the desk was, and how far the log had been verified, before this start; null for its beginning. */
  readonly checkpoint: Checkpoint | null;
  /** False where what lies before the checkpoint has not been looked at again. */
  readonly isProvedWhole: boolean;
}

/** A log of so many events is proved whole within a second, and always is before anything is built on it. */
const PROVED_WHOLE_EVENTS_MAX = 100_000;

/** Opens the log and proves it before anything is built on it: all of it, or of a long one what came after its last checkpoint. */
export async function openLog({ config, configHash, logger }: OpeningOptions, wholeEventsMax = PROVED_WHOLE_EVENTS_MAX): Promise<OpenLog> {
  const { dataDirectory: directory, name: deployment } = config.deployment;
  makeDirectory(directory);
  const store = openSqliteStore({ directory, projections: ALL_PROJECTIONS, deployment });
  const checkpoints = new Checkpoints(directory, configHash);
  const checkpoint = await fitting(store, checkpoints, logger);
  const isProvedWhole = checkpoint === null || (await store.head()).sequence < wholeEventsMax;
  const verdict = isProvedWhole ? await store.verify() : null;
  if (verdict?.ok === false) {
    await store.close();
    throw new StoreError(`${brokenText(verdict)}; nothing was changed, restore a backup and run \`reckoner verify\``);
  }
  return { store, checkpoints, checkpoint, isProvedWhole };
}

const brokenText = ({ stream, revision, reason }: LogFault): string => `the log is broken at ${stream}@${revision}: ${reason}`;

/** Proves all of the log beside the running daemon. @returns whatever ends it early. */
export function proveBeside(store: EventStore, broken: (detail: string) => void): () => void {
  const ending = new AbortController();
  const tell = (detail: string): void => {
    if (!ending.signal.aborted) broken(detail);
  };
  store.verify({ signal: ending.signal }).then(
    (verdict) => {
      if (!verdict.ok) tell(`${brokenText(verdict)}; restore a backup and run \`reckoner verify\``);
    },
    (error: unknown) => tell(String(error)),
  );
  return () => ending.abort();
}

/** The checkpoint, where the log behind it proves whole; null where everything must be looked at. */
async function fitting(store: EventStore, checkpoints: Checkpoints, logger: Logger): Promise<Checkpoint | null> {
  const found = checkpoints.read();
  if (found === null) return null;
  const unfit = 'unusable' in found ? found.unusable : faultOf(await store.verify({ after: found.head }));
  if (!('unusable' in found) && unfit === null) return found;
  logger.warn({ detail: unfit }, 'the checkpoint is not used: the log is verified from its beginning');
  return null;
}

const faultOf = (verdict: LogVerdict): string | null => (verdict.ok ? null : verdict.reason);

/** The desk as the log leaves it, from the checkpoint where that still fits. */
export async function knownDesk({ store, checkpoint }: OpenLog, settings: DeskSettings, logger: Logger): Promise<DeskState> {
  const state = checkpoint?.restore(settings) ?? null;
  if (checkpoint === null || state === null) return recoverDesk(store, settings, null);
  logger.info({ sequence: checkpoint.head.sequence }, 'taken up from a checkpoint');
  return recoverDesk(store, settings, { position: checkpoint.head.position, state });
}
