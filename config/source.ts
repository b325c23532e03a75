/** Reading the YAML file and the environment, keeping for each value the place it came from. */
import { readFileSync, statSync } from 'node:fs';
import { LineCounter, isCollection, isMap, isNode, isPair, isScalar, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { ConfigError } from './problems.ts';
import type { ConfigProblem } from './problems.ts';
import type { SchemaKey } from './schema.ts';

const FILE_BYTES_MAX = 256 * 1024;
const PREFIX = 'RECKONER_';
/** Variables with our prefix that are no configuration: the demo's bars file and its profile. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(['RECKONER_BARS', 'RECKONER_DEMO']);

export type Path = readonly (string | number)[];
/** Text, lists and maps: what a file holds before its meaning is known. */
export type RawValue = string | RawValue[] | RawMap;
export interface RawMap {
  [key: string]: RawValue;
}

export interface YamlSource {
  readonly values: RawMap;
  /** `file:line:column` of a value; of the nearest thing around it when it is not there. */
  place(path: Path): string;
  /** The same for a key itself, which is what is wrong when nobody knows the key. */
  placeOfKey(path: Path, key: string): string;
  has(path: Path): boolean;
}

const wholeFile = (file: string, what: string, remedy: string): ConfigError => new ConfigError([{ place: file, field: '', what, remedy }]);

function readText(file: string): string {
  try {
    const { size } = statSync(file);
    if (size > FILE_BYTES_MAX) throw wholeFile(file, `is ${size} bytes long`, `a configuration has at most ${FILE_BYTES_MAX}`);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw wholeFile(file, `cannot be read (${code})`, 'name an existing, readable file; config/profiles has examples');
  }
}

function locator(document: Document, counter: LineCounter, file: string) {
  const at = (offset: number): string => {
    const { line, col } = counter.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const nodeAt = (path: Path): unknown => (path.length === 0 ? document.contents : document.getIn(path, true));
  const place = (path: Path): string => {
    for (let length = path.length; length >= 0; length -= 1) {
      const node = nodeAt(path.slice(0, length));
      if (isNode(node) && node.range) return at(node.range[0]);
    }
    return file;
  };
  const placeOfKey = (path: Path, key: string): string => {
    const node = nodeAt(path);
    if (isMap(node)) {
      for (const pair of node.items) {
        if (isPair(pair) && isScalar(pair.key) && String(pair.key.value) === key && pair.key.range) return at(pair.key.range[0]);
      }
    }
    return place(path);
  };
  const has = (path: Path): boolean => {
    const node = nodeAt(path);
    return isNode(node) && !(isCollection(node) && node.items.length === 0);
  };
  return { place, placeOfKey, has };
}

/** Reads a file whose every scalar stays text: `1.10` keeps its nought and `off` is no boolean. @throws ConfigError */
export function readYaml(file: string): YamlSource {
  const counter = new LineCounter();
  const document = parseDocument(readText(file), { schema: 'failsafe', lineCounter: counter, uniqueKeys: true });
  const faults = [...document.errors, ...document.warnings];
  if (faults.length > 0) {
    throw new ConfigError(
      faults.map((fault) => {
        const { line, col } = counter.linePos(fault.pos[0]);
        const what = fault.message.split(' at line ')[0] ?? fault.message;
        return { place: `${file}:${line}:${col}`, field: '', what: what.replaceAll('\n', ' '), remedy: 'correct the YAML' };
      }),
    );
  }
  if (document.contents !== null && !isMap(document.contents)) {
    throw wholeFile(file, 'is not a map of sections', 'begin with a section such as deployment:');
  }
  const values = (document.contents === null ? {} : document.toJS({ maxAliasCount: 0 })) as RawMap;
  return { values, ...locator(document, counter, file) };
}

const screaming = (segment: string): string => segment.replaceAll(/([A-Z])/g, '_$1').toUpperCase();

/** `safety.maxOrderUnits` → `RECKONER_SAFETY_MAX_ORDER_UNITS`; a list element stands as its index from 0. */
export const environmentName = (path: Path): string => PREFIX + path.map((segment) => screaming(String(segment))).join('_');

export interface EnvironmentSource {
  /** Name of the variable that set a path (dotted), if any. */
  readonly setBy: ReadonlyMap<string, string>;
  readonly problems: readonly ConfigProblem[];
}

function pathOf(name: string, keys: readonly SchemaKey[]): (string | number)[] | null {
  for (const key of keys) {
    const pattern = new RegExp(`^${key.path.map((segment) => (segment === '*' ? '(\\d{1,2})' : screaming(segment))).join('_')}$`);
    const match = pattern.exec(name.slice(PREFIX.length));
    if (match === null) continue;
    let index = 0;
    return key.path.map((segment) => (segment === '*' ? Number(match[(index += 1)]) : segment));
  }
  return null;
}

/** Sets one value; answers why it could not. */
function assign(values: RawMap, path: Path, text: string): string | null {
  let here: RawValue = values;
  for (const [depth, segment] of path.entries()) {
    const last = depth === path.length - 1;
    const fresh = (): RawValue => (last ? text : typeof path[depth + 1] === 'number' ? [] : {});
    if (Array.isArray(here)) {
      const index = Number(segment);
      if (index > here.length) return `the list has ${here.length} elements, so the next index is ${here.length}`;
      if (last || index === here.length) here[index] = fresh();
      here = here[index]!;
    } else if (typeof here === 'object') {
      const key = String(segment);
      if (last || !Object.hasOwn(here, key)) here[key] = fresh();
      here = here[key]!;
    } else {
      return `${path.slice(0, depth).join('.')} is no section in the file`;
    }
  }
  return null;
}

/**
 * Lays the variables whose names begin with RECKONER_ over the file's values, in place. One that names no key is a
 * problem: a limit that was mistyped would otherwise silently not hold. Another policy kind than the file's drops
 * the file's other policy keys.
 */
export function applyEnvironment(values: RawMap, environment: { readonly [name: string]: string | undefined }, keys: readonly SchemaKey[]): EnvironmentSource {
  const setBy = new Map<string, string>();
  const problems: ConfigProblem[] = [];
  const names = Object.keys(environment).filter((name) => name.startsWith(PREFIX) && !OTHER_VARIABLES.has(name)).sort();
  const kindName = environmentName(['policy', 'kind']);
  const policy = values['policy'];
  const kind = environment[kindName];
  if (kind !== undefined && typeof policy === 'object' && !Array.isArray(policy) && policy['kind'] !== kind) values['policy'] = { kind };
  for (const name of names) {
    const text = environment[name];
    if (text === undefined) continue;
    const path = pathOf(name, keys);
    if (path === null) {
      problems.push({ place: `environment ${name}`, field: '', what: 'names no key of the configuration', remedy: 'unset it, or spell it like RECKONER_SAFETY_MAX_ORDER_UNITS for safety.maxOrderUnits' });
      continue;
    }
    const obstacle = assign(values, path, text);
    if (obstacle === null) setBy.set(path.join('.'), name);
    else problems.push({ place: `environment ${name}`, field: path.join('.'), what: `cannot be set: ${obstacle}`, remedy: 'set the elements in order or correct the file' });
  }
  return { setBy, problems };
}
