import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { decisionHashes } from './decide.ts';

const REPEATS = 1_000;

describe('the same window and the same model', () => {
  test(`give the same decision to the last bit, ${REPEATS} times over and in a fresh process`, async () => {
    const hashes = await decisionHashes(REPEATS);
    for (const [setup, repeats] of hashes.entries()) expect(new Set(repeats).size, `setup ${setup}`).toBe(1);
    const firsts = hashes.map(([first]) => first);
    expect(new Set(firsts).size).toBe(4);
    expect(JSON.parse(execFileSync(process.execPath, [join(import.meta.dirname, 'decide-once.ts')], { encoding: 'utf8' }))).toEqual(firsts);
  }, 120_000);
});
