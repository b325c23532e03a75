/** Reference numbers: the part that is kept as fixtures, and the full set where it lies beside the checkout. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'models');
const GOLDEN = join(import.meta.dirname, '..', '..', '..', 'shared', 'golden');

function readJson<T>(path: string): T {
  const bytes = readFileSync(path);
  return JSON.parse((path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')) as T;
}

export const readFixture = <T>(name: string): T => readJson<T>(join(FIXTURES, name));
export const readGolden = <T>(...path: readonly string[]): T => readJson<T>(join(GOLDEN, ...path));

export const goldenDirectory = (name: string): string => join(GOLDEN, name);

/** Whether the full set is there; says so when it is not, because a skipped test is easily overlooked. */
export function goldenPresent(name: string): boolean {
  const present = existsSync(join(GOLDEN, name));
  if (!present) console.log(`skipped: the full reference set golden/${name} is not beside the checkout; the fixtures are checked`);
  return present;
}
