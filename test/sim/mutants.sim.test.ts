/** The canaries: faults planted in the product die of the seeds that were recorded for them. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { CANARIES } from './canaries.ts';
import { CODES } from './invariants.ts';
import { MUTANTS } from './mutants.ts';
import { planted } from './mutate.ts';

const ROOT = join(import.meta.dirname, '../..');
const RUN_MS_MAX = 300_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

describe('the mutants', () => {
  test('each have a canary, and each canary names an invariant', () => {
    expect(CANARIES.map(({ mutant }) => mutant).sort()).toEqual(MUTANTS.map(({ name }) => name).sort());
    expect(CANARIES.filter(({ code }) => !CODES.includes(code))).toEqual([]);
  });

  test.each(MUTANTS)('$name finds its place in the product once', (mutant) => {
    const source = readFileSync(join(ROOT, mutant.file), 'utf8');
    expect(planted(source, mutant)).not.toBe(source);
    expect(() => planted('', mutant)).toThrow(mutant.name);
  });

  test('die of their seeds, each by its invariant, and nothing dies without them', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [join(import.meta.dirname, 'canary-run.ts')], { maxBuffer: OUTPUT_BYTES_MAX });
    const found = stdout.trim().split('\n').map((line) => JSON.parse(line) as { readonly mutant: string | null; readonly code: string | null });
    expect(found.filter(({ mutant }) => mutant !== null).map(({ mutant, code }) => ({ mutant, code }))).toEqual(CANARIES.map(({ mutant, code }) => ({ mutant, code })));
    expect(found.filter(({ mutant, code }) => mutant === null && code !== null)).toEqual([]);
  }, RUN_MS_MAX);
});
