/** Every row of the fault catalogue has a test that names it: a table from row to tests, read out of the tests themselves. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../e2e/processes.ts';

const ROWS = 48;
/** Drills over HTTP, and the one row whose certificate no plain http on loopback can show. */
const DIRECTORIES = ['test/faults', 'test/adapters/oanda'];
const NAME = /^(?:\s*)(?:describe|test)(?:\.\w+\([^)]*\))?\('rows? (?<rows>\d+(?:(?:, | and )\d+)*)\b/gm;

/** `file: name` of every describe or test that begins with the rows that it is about. */
function namedIn(file: string): readonly (readonly [number, string])[] {
  return [...readFileSync(join(ROOT, file), 'utf8').matchAll(NAME)].flatMap((match) => (match.groups?.['rows'] ?? '').split(/, | and /).map((row): [number, string] => [Number(row), file]));
}

const table = DIRECTORIES.flatMap((directory) => readdirSync(join(ROOT, directory)).filter((name) => name.endsWith('.test.ts')).flatMap((name) => namedIn(join(directory, name))));

test.each(Array.from({ length: ROWS }, (_each, index) => index + 1))('row %i has a test', (row) => {
  expect(table.filter(([named]) => named === row).map(([, file]) => file)).not.toEqual([]);
});

test('no test names a row that the catalogue does not have', () => {
  expect(table.filter(([row]) => row < 1 || row > ROWS)).toEqual([]);
});
