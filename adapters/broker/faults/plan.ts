/**
 * The fault plan: a seeded document that says which faults happen when. Expanding it is pure: one document, one
 * schedule, whatever the machine and the day.
 */
import { z } from 'zod';
import type { Fault } from './kinds.ts';
import { TIMING_KEYS, describeKey, faultSchema } from './kinds.ts';
import type { RawFault } from './presets.ts';
import { PRESETS, ROWS, ROWS_ELSEWHERE } from './presets.ts';
import { drawStorm, stormSchema } from './storm.ts';
import type { StormOutline } from './storm.ts';
import { issueProblems } from '../../../config/issues.ts';
import { ConfigError } from '../../../config/problems.ts';
import { integer } from '../../../config/schema.ts';
import { readYaml } from '../../../config/source.ts';
import type { Path, RawMap, RawValue, YamlSource } from '../../../config/source.ts';

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

interface Finding {
  readonly path: Path;
  /** The key that nobody knows, when that is what is wrong. */
  readonly key: string | null;
  readonly what: string;
  readonly remedy: string;
}

/** The rest of a message about an entry that is spelled wrong. */
export class EntryError extends Error {
  override readonly name = 'EntryError';
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    super(findings.map(({ path, what, remedy }) => `${path.length === 0 ? 'fault' : path.join('.')}: ${what}; ${remedy}`).join('\n'));
    this.findings = findings;
  }
}

const findingsOf = (error: z.ZodError, at: Path, kind: unknown): readonly Finding[] =>
  error.issues.flatMap((issue) => [...issueProblems(issue, (path) => describeKey(kind, String(path.at(-1) ?? '')))].map((problem) => ({ ...problem, path: [...at, ...problem.path] })));

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
  if (entry['preset'] === undefined && entry['row'] === undefined) return yield { name: typeof entry['kind'] === 'string' ? entry['kind'] : '', raw: entry };
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
    if (!parsed.success) throw new EntryError(findingsOf(parsed.error, at, raw['kind']));
    return { name: parsed.data.name ?? name, fault: parsed.data };
  });
}

/** JSON the way a plan's file is read: every scalar as text. */
export const asText = (value: unknown): RawValue => {
  if (Array.isArray(value)) return value.map(asText);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, asText(each)]));
  return String(value);
};

/** Reads the fault that a command names. @throws EntryError with the keys and the remedies in its message. */
export function readFault(body: unknown): readonly { readonly name: string; readonly fault: Fault }[] {
  return readEntry(asText(body), []);
}

function expand(values: RawMap): FaultPlan {
  const parsed = documentSchema.safeParse(values, { reportInput: true });
  if (!parsed.success) throw new EntryError(findingsOf(parsed.error, [], null));
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
export function planOf(document: unknown): FaultPlan {
  try {
    return expand(asText(document) as RawMap);
  } catch (error) {
    if (!(error instanceof EntryError)) throw error;
    throw new ConfigError(error.findings.map(({ path, what, remedy }) => ({ place: 'fault plan', field: path.join('.'), what, remedy })));
  }
}

/** Reads a plan (YAML or JSON). @throws ConfigError with the line and the key of everything that is wrong. */
export function readFaultPlan(file: string): FaultPlan {
  const yaml: YamlSource = readYaml(file);
  try {
    return expand(yaml.values);
  } catch (error) {
    if (!(error instanceof EntryError)) throw error;
    throw new ConfigError(error.findings.map(({ path, key, what, remedy }) => ({ place: key === null ? yaml.place(path) : yaml.placeOfKey(path, key), field: path.join('.'), what, remedy })));
  }
}
