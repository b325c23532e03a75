/** A replay of a log's decisions, put together: configuration and models at hand in, report out. */
import { join } from 'node:path';
import type { Config } from '../../config/config.ts';
import type { LogReader } from '../daemon/recovery.ts';
import { Deciders, windowBarsOf } from './deciders.ts';
import { replayDecisions } from './decisions.ts';
import { findModels } from './models.ts';
import { settingsFor, survey } from './survey.ts';
import type { DecisionsReport } from './tally.ts';

const REFERENCE = join(import.meta.dirname, '../../models/reference');
const BUNDLED = ['untrained-h32', 'untrained-deterministic-h32'].map((name) => join(REFERENCE, name));

export interface ReplayOptions {
  readonly log: LogReader;
  readonly config: Config;
  readonly configHash: string;
  /** Sequence of the last event to replay, of those that there are. */
  readonly last: number;
  /** Where models may lie, beside the configured, the bundled and the swapped ones. */
  readonly modelDirectories: readonly string[];
  /** Told now and then how many events are done. */
  readonly progress: (done: number) => void;
}

/** @throws EventFormatError for an event that this build cannot read. */
export async function runReplay({ log, config, configHash, last, modelDirectories, progress }: ReplayOptions): Promise<DecisionsReport> {
  const head = await log.head();
  const found = await survey(log);
  const configured = config.policy.kind === 'muzero' ? [config.policy.modelDirectory] : [];
  const models = await findModels(new Set(found.seats.map(({ modelHash }) => modelHash)), [...modelDirectories, ...configured, ...found.directories, ...BUNDLED]);
  try {
    return await replayDecisions({
      log,
      head,
      last,
      settings: settingsFor(config, found, windowBarsOf(config.policy, found.seats)),
      configHash,
      deciders: new Deciders(config.policy, configHash, models.loaded),
      refused: models.refused,
      progress,
    });
  } finally {
    await models.close();
  }
}
