/** Loading: file, then environment, then defaults, then every check. Nothing half-checked leaves this file. */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { canonicalJson } from '../domain/canonical.ts';
import type { Json } from '../domain/canonical.ts';
import { findings } from './checks.ts';
import type { Config } from './config.ts';
import { issueProblems } from './issues.ts';
import { ConfigError } from './problems.ts';
import type { ConfigProblem } from './problems.ts';
import { schemaKeys, settingsSchema } from './schema.ts';
import type { SchemaKey } from './schema.ts';
import { fillSettings, typedConfig } from './settings.ts';
import { applyEnvironment, environmentName, readYaml } from './source.ts';
import type { Path } from './source.ts';

export interface ShownValue {
  /** Dotted path: `safety.maxOrderUnits`, `instruments.0.name`. */
  readonly path: string;
  readonly value: string | number | boolean;
  readonly source: 'default' | 'file' | 'environment';
  /** `reckoner.yaml:12:3`, the variable's name, or `default`. */
  readonly place: string;
  /** The variable that would override it. */
  readonly variable: string;
  readonly description: string;
}

export interface LoadedConfig {
  /** Frozen, all the way down. */
  readonly config: Config;
  /** Hex SHA-256 of the canonical JSON of all values, defaults included, but for the places in PLACES. */
  readonly hash: string;
  /** Every value with the place it came from. No secret is among them: a token stands in its own file. */
  readonly values: readonly ShownValue[];
}

export interface LoadOptions {
  readonly file: string;
  readonly environment: { readonly [name: string]: string | undefined };
  /** Relative paths in the configuration start here; the working directory when left out. */
  readonly baseDirectory?: string;
}

/**
 * Where things lie, not how the daemon trades: a data directory that moved, another free port or a wordier log is the
 * same configuration, and two runs of it must record the same bytes. The broker's hosts follow from its environment
 * (the local broker's from chance), and a model is hashed by its content.
 */
const PLACES: ReadonlySet<string> = new Set([
  'deployment.dataDirectory',
  'broker.restUrl',
  'broker.streamUrl',
  'broker.tokenFile',
  'policy.modelDirectory',
  'control.socketPath',
  'control.httpHost',
  'control.httpPort',
  'logging.level',
]);

function hashOf(values: readonly ShownValue[]): string {
  const hashed = values.filter(({ path }) => !PLACES.has(path)).map(({ path, value }) => [path, value]);
  return createHash('sha256').update(canonicalJson(Object.fromEntries(hashed) as Json)).digest('hex');
}

function freezeDeep<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const part of Object.values(value)) freezeDeep(part);
  }
  return value;
}

const withStars = (path: Path): string => path.map((segment) => (/^\d+$/.test(String(segment)) ? '*' : segment)).join('.');

function* leaves(value: unknown, path: Path): Generator<{ path: Path; value: string | number | boolean }> {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') yield { path, value };
  else if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* leaves(item, [...path, index]);
  else if (typeof value === 'object' && value !== null) for (const [key, item] of Object.entries(value)) yield* leaves(item, [...path, key]);
}

/** @throws ConfigError with every problem: the file's first, then the environment's, then those between keys. */
export function loadConfig({ file, environment, baseDirectory = process.cwd() }: LoadOptions): LoadedConfig {
  const yaml = readYaml(file);
  const keys: readonly SchemaKey[] = schemaKeys();
  const descriptions = new Map(keys.map((key) => [key.path.join('.'), key.description]));
  const describe = (path: Path): string => descriptions.get(withStars(path)) ?? '';
  const variables = applyEnvironment(yaml.values, environment, keys);
  const placeOf = (path: Path): string => {
    const variable = variables.setBy.get(path.join('.'));
    return variable === undefined ? yaml.place(path) : `environment ${variable}`;
  };

  const parsed = settingsSchema.safeParse(yaml.values, { reportInput: true });
  const problems: ConfigProblem[] = [...variables.problems];
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      for (const { path, key, what, remedy } of issueProblems(issue, describe)) {
        problems.push({ place: key === null ? placeOf(path) : yaml.placeOfKey(path, key), field: path.join('.'), what, remedy });
      }
    }
    throw new ConfigError(problems);
  }
  const settings = fillSettings(parsed.data);
  for (const { path, what, remedy } of findings(settings, resolve(baseDirectory, settings.control.socketPath))) {
    problems.push({ place: placeOf(path), field: path.join('.'), what, remedy });
  }
  if (problems.length > 0) throw new ConfigError(problems);

  const values = [...leaves(settings, [])].map(({ path, value }): ShownValue => {
    const variable = variables.setBy.get(path.join('.'));
    const source = variable !== undefined ? 'environment' : yaml.has(path) ? 'file' : 'default';
    return { path: path.join('.'), value, source, place: source === 'default' ? 'default' : (variable ?? yaml.place(path)), variable: environmentName(path), description: describe(path) };
  });
  return {
    config: freezeDeep(typedConfig(settings, baseDirectory)),
    hash: hashOf(values),
    values,
  };
}
