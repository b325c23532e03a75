/**
 * The fault plan: a seeded document that says which faults happen when. Expanding it is pure: one document, one
 * schedule, whatever the machine and the day.
 */
import { z } from 'zod';
import type { Finding } from './documents.ts';
import { EntryError, asText, findingsOf, fromDocument, fromFile } from './documents.ts';
import type { Fault } from './kinds.ts';
import { TIMING_KEYS, describeKey, faultSchema } from './kinds.ts';
import type { RawFault } from './presets.ts';
import { PRESETS, ROWS, ROWS_ELSEWHERE } from './presets.ts';
import { drawStorm, stormSchema } from './storm.ts';
import type { StormOutline } from './storm.ts';
import { integer } from '../../../config/schema.ts';
import type { Path, RawMap } from '../../../config/source.ts';

/** A fault of the schedule, with the name under which the log speaks of it: `3 lostResponse`. */
export interface PlannedFault {
  readonly id: string;
  readonly fault: Fault;
}

export interface FaultPlan {
  readonly seed: number;
  readonly faults: readonly PlannedFault[];
  /** What the seed made of a storm; null without one. */
  readonly storm: StormOutline | null;
}

export const NO_FAULTS: FaultPlan = { seed: 0, faults: [], storm: null };

const FAULTS_MAX = 10_000;
const documentSchema = z.strictObject({
  seed: integer(0, 4_294_967_295).describe('Seed of every draw.'),
  faults: z.array(z.unknown()).max(FAULTS_MAX).default([]),
  storm: stormSchema.optional(),
});

const isMap = (value: unknown): value is RawMap => typeof value === 'object' && value !== null && !Array.isArray(value);

function presetOf(entry: RawMap, at: Path): string {
  const { preset, row } = entry;
  const wrong = (key: string, what: string, remedy: string): EntryError => new EntryError([{ path: [...at, key], key: null, what, remedy }]);
  if (preset !== undefined) {
    if (typeof preset === 'string' && Object.hasOwn(PRESETS, preset)) return preset;
    throw wrong('preset', 'names no preset', `take one of ${Object.keys(PRESETS).join(', ')}`);
  }
  const number = typeof row === 'string' && /^\d{1,2}$/.test(row) ? Number(row) : Number.NaN;
  const name = ROWS[number];
  if (name !== undefined) return name;
  const elsewhere = ROWS_ELSEWHERE[number];
  throw wrong('row', elsewhere === undefined ? 'is no row of the fault catalogue' : 'cannot be brought about by a broker', elsewhere ?? `take one of ${Object.keys(ROWS).join(', ')}`);
}

/** What an entry spells out: itself, or the faults of the preset that it names. */
function* rawFaults(entry: RawMap, at: Path): Generator<{ readonly name: string; readonly raw: RawMap | RawFault }> {
  if (entry['preset'] === undefined && entry['row'] === undefined) {
    yield { name: typeof entry['kind'] === 'string' ? entry['kind'] : '', raw: entry };
    return;
  }
  const name = presetOf(entry, at);
  const { preset: _preset, row: _row, ...beside } = entry;
  const unknown = Object.keys(beside).filter((key) => !TIMING_KEYS.has(key));
  if (unknown.length > 0) throw new EntryError(unknown.map((key) => ({ path: at, key, what: `${key} cannot be given beside a preset`, remedy: 'remove it, or spell the fault out with kind:' })));
  for (const fault of PRESETS[name]!) yield { name, raw: { ...fault, ...beside } };
}

/** One entry of a plan, or of a command; a preset can stand for several faults. @throws EntryError */
function readEntry(entry: unknown, at: Path): { readonly name: string; readonly fault: Fault }[] {
  if (!isMap(entry)) throw new EntryError([{ path: at, key: null, what: 'must be a fault with keys of its own', remedy: 'give kind:, preset: or row:' }]);
  return [...rawFaults(entry, at)].map(({ name, raw }) => {
    const parsed = faultSchema.safeParse(raw, { reportInput: true });
    if (!parsed.success) throw new EntryError(findingsOf(parsed.error, at, (key) => describeKey(raw['kind'], key)));
    return { name: parsed.data.name ?? name, fault: parsed.data };
  });
}

/** Reads the fault that a command names. @throws EntryError with the keys and the remedies in its message. */
export function readFault(body: unknown): readonly { readonly name: string; readonly fault: Fault }[] {
  return readEntry(asText(body), []);
}

function expand(values: RawMap): FaultPlan {
  const parsed = documentSchema.safeParse(values, { reportInput: true });
  if (!parsed.success) throw new EntryError(findingsOf(parsed.error, [], (key) => describeKey(null, key)));
  const { seed, faults, storm } = parsed.data;
  const findings: Finding[] = [];
  const read = faults.flatMap((entry, index) => {
    try {
      return readEntry(entry, ['faults', index]);
    } catch (error) {
      if (!(error instanceof EntryError)) throw error;
      findings.push(...error.findings);
      return [];
    }
  });
  if (findings.length > 0) throw new EntryError(findings);
  const drawn = storm === undefined ? null : drawStorm(seed, storm);
  const all = [...read, ...(drawn?.entries ?? []).flatMap((entry) => readEntry(entry, ['storm']))];
  return { seed, faults: all.map(({ name, fault }, index) => ({ id: `${index + 1} ${name}`, fault })), storm: drawn?.outline ?? null };
}

/** The schedule of a document that is at hand. @throws ConfigError */
export const planOf = (document: unknown): FaultPlan => fromDocument('fault plan', document, expand);

/** Reads a plan (YAML or JSON). @throws ConfigError with the line and the key of everything that is wrong. */
export const readFaultPlan = (file: string): FaultPlan => fromFile(file, expand);
