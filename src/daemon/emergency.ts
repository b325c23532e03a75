/**
 * What an emergency close leaves beside the daemon: a HALT file, looked for at the start, every second and before
 * each opening order, and a record, which is imported at the start and while its halt stands.
 */
import { dirname } from 'node:path';
import { interval } from 'rxjs';
import type { Logger } from 'pino';
import { readEmergencyRecords } from '../../adapters/control/emergency-record.ts';
import type { HaltFile } from '../../adapters/control/halt-file.ts';
import type { Config } from '../../config/config.ts';
import type { Runtime } from './runtime.ts';

const LOOK_MS = 1_000;
/** Looks between two readings of the records while a halt by the file stands. */
const LOOKS_PER_IMPORT = 5;

/** Where the tool may have left something: the runtime directory, which is the socket's, and the data directory. */
export const emergencyDirectories = ({ control, deployment }: Config): readonly string[] => [dirname(control.socketPath), deployment.dataDirectory];

const isHaltedByFile = ({ state }: Runtime): boolean => state.safety.haltCauses.includes('emergency');

/** @returns what could not be read. */
function importRecords(runtime: Runtime, directories: readonly string[]): readonly string[] {
  const { lines, unreadable } = readEmergencyRecords(directories);
  if (lines.some(({ runId, step }) => step > (runtime.state.emergency.lastSteps.get(runId) ?? -1))) runtime.submit({ kind: 'emergencyRecord', lines });
  return unreadable;
}

function lookForFile(runtime: Runtime, haltFile: HaltFile): void {
  // While its halt stands the file says nothing new; and it must not halt again between a `resume` and its removal.
  const detail = isHaltedByFile(runtime) ? null : haltFile.find();
  if (detail !== null) runtime.submit({ kind: 'haltFile', detail });
}

/** Behind the start's own input, so that both halt and record precede everything that the start asks for. */
export function lookForEmergency(runtime: Runtime, haltFile: HaltFile, config: Config, logger: Logger): void {
  lookForFile(runtime, haltFile);
  for (const detail of importRecords(runtime, emergencyDirectories(config))) logger.warn({ detail }, 'the record of an emergency close cannot be read');
}

/** Goes on looking, in real time. @returns what ends it. */
export function watchForEmergency(runtime: Runtime, haltFile: HaltFile, config: Config): () => void {
  const looks = interval(LOOK_MS).subscribe((count) => {
    lookForFile(runtime, haltFile);
    if (count % LOOKS_PER_IMPORT === 0 && isHaltedByFile(runtime)) importRecords(runtime, emergencyDirectories(config));
  });
  return () => looks.unsubscribe();
}
