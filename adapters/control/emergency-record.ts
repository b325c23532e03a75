/**
 * Reading what `ops/emergency-close` recorded beside us: JSON lines in files called emergency-*.jsonl, each line
 * synced before the tool went on. A last line without its end is one that was being written, and is left for later.
 */
import { closeSync, openSync, readSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { EmergencyLine } from '../../domain/desk/inputs.ts';
import { CATALOGUE } from '../../domain/events.ts';
import { jsonOf } from '../../domain/json.ts';

const FILE_NAME = /^emergency-[\w-]{1,60}\.jsonl$/;
/** The newest so many files; a close of an hour takes some hundred kilobytes. */
const FILES_MAX = 50;
const FILE_BYTES_MAX = 4 * 1024 * 1024;

const lineSchema = z.looseObject({
  v: z.literal(1),
  run: z.string(),
  n: z.number(),
  at: z.string(),
  kind: z.string(),
  transactionIds: z.array(z.string()).optional(),
  id: z.string().optional(),
  byUs: z.boolean().optional(),
});

export interface EmergencyRecords {
  readonly lines: readonly EmergencyLine[];
  /** What could not be read, as `file: why`. */
  readonly unreadable: readonly string[];
}

/** Null for a line that is none of the tool's. */
function readLine(text: string): EmergencyLine | null {
  const line = lineSchema.safeParse(jsonOf(text));
  if (!line.success) return null;
  const { run, n, at, kind, transactionIds = [], id, byUs } = line.data;
  const event = CATALOGUE.EmergencyRecordImported.data.safeParse({ runId: run, step: n, at, kind, transactionIds: id !== undefined && byUs === true ? [id] : transactionIds, line: text });
  return event.success ? event.data : null;
}

function textOf(path: string): string {
  const descriptor = openSync(path, 'r');
  try {
    const bytes = Buffer.alloc(FILE_BYTES_MAX + 1);
    const size = readSync(descriptor, bytes, 0, bytes.length, 0);
    if (size > FILE_BYTES_MAX) throw new Error(`it is longer than ${FILE_BYTES_MAX} bytes`);
    return bytes.toString('utf8', 0, size);
  } finally {
    closeSync(descriptor);
  }
}

const namesIn = (directory: string): readonly string[] => {
  try {
    return readdirSync(directory).filter((name) => FILE_NAME.test(name)).sort().slice(-FILES_MAX).map((name) => join(directory, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};

/** Everything that is whole in the records of some directories. Never throws for what a file holds. */
export function readEmergencyRecords(directories: readonly string[]): EmergencyRecords {
  const lines: EmergencyLine[] = [];
  const unreadable: string[] = [];
  for (const path of [...new Set(directories)].flatMap(namesIn)) {
    try {
      for (const text of textOf(path).split('\n').slice(0, -1)) {
        const line = readLine(text);
        if (line === null) unreadable.push(`${path}: a line is none of an emergency close: ${text.slice(0, 80)}`);
        else lines.push(line);
      }
    } catch (error) {
      unreadable.push(`${path}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { lines, unreadable };
}
