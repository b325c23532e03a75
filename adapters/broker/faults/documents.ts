/** Reading documents of faults: every scalar is text, and whatever is wrong is said with its place and its remedy. */
import type { z } from 'zod';
import { issueProblems } from '../../../config/issues.ts';
import { ConfigError } from '../../../config/problems.ts';
import { readYaml } from '../../../config/source.ts';
import type { Path, RawMap, RawValue } from '../../../config/source.ts';

export interface Finding {
  readonly path: Path;
  /** The key that nobody knows, when that is what is wrong. */
  readonly key: string | null;
  readonly what: string;
  readonly remedy: string;
}

/** What is wrong with a document, before it is known where the document lies. */
export class EntryError extends Error {
  override readonly name = 'EntryError';
  readonly findings: readonly Finding[];

  constructor(findings: readonly Finding[]) {
    super(findings.map(({ path, what, remedy }) => `${path.length === 0 ? 'fault' : path.join('.')}: ${what}; ${remedy}`).join('\n'));
    this.findings = findings;
  }
}

export const findingsOf = (error: z.ZodError, at: Path, describeKey: (key: string) => string): readonly Finding[] =>
  error.issues.flatMap((issue) => [...issueProblems(issue, (path) => describeKey(String(path.at(-1) ?? '')))].map((problem) => ({ ...problem, path: [...at, ...problem.path] })));

/** JSON the way a file is read: every scalar as text. */
export const asText = (value: unknown): RawValue => {
  if (Array.isArray(value)) return value.map(asText);
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, asText(each)]));
  return String(value);
};

/** Reads a document that is at hand. @throws ConfigError */
export function fromDocument<Plan>(name: string, document: unknown, read: (values: RawMap) => Plan): Plan {
  try {
    return read(asText(document) as RawMap);
  } catch (error) {
    if (!(error instanceof EntryError)) throw error;
    throw new ConfigError(error.findings.map(({ path, what, remedy }) => ({ place: name, field: path.join('.'), what, remedy })));
  }
}

/** Reads a file (YAML or JSON). @throws ConfigError with the line and the key of everything that is wrong. */
export function fromFile<Plan>(file: string, read: (values: RawMap) => Plan): Plan {
  const yaml = readYaml(file);
  try {
    return read(yaml.values);
  } catch (error) {
    if (!(error instanceof EntryError)) throw error;
    throw new ConfigError(error.findings.map(({ path, key, what, remedy }) => ({ place: key === null ? yaml.place(path) : yaml.placeOfKey(path, key), field: path.join('.'), what, remedy })));
  }
}
