import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { ROOT } from './files.ts';

/** A folder, what a file in it imports, and the rule that forbids this (null for none). */
const CASES: readonly (readonly [string, string, string | null])[] = [
  ['domain', 'models/b.ts', 'domain-imports'],
  ['models', 'config/b.ts', 'models-imports'],
  ['projections', 'models/b.ts', 'projections-imports'],
  ['config', 'adapters/x/b.ts', 'config-imports'],
  ['adapters/x', 'src/b.ts', 'adapters-imports'],
  ['adapters/x', 'projections/b.ts', 'adapters-imports'],
  ['adapters/x', 'adapters/y/b.ts', 'adapters-stay-apart'],
  ['src', 'test/b.ts', 'src-imports'],
  ['ops', 'domain/b.ts', 'ops-imports'],
  ['adapters/broker/engine', 'domain/ledger.ts', 'engine-does-its-own-sums'],
  ['domain', 'node:fs', 'core-is-pure'],
  ['models', 'node:http', 'core-is-pure'],
  ['projections', 'undici', 'core-is-pure'],
  ['src', './missing.js', 'resolvable'],
  ['src/replay', 'adapters/oanda/b.ts', 'replay-only-reads'],
  ['src/replay', 'src/through/b.ts', 'replay-only-reads'],
  ['src/replay', 'adapters/onnx/b.ts', null],
  ['models', 'domain/b.ts', null],
  ['adapters/x', 'config/b.ts', null],
  ['adapters/x', 'adapters/x/deep/b.ts', null],
  ['adapters/broker/engine', 'domain/money.ts', null],
  ['src', 'adapters/x/b.ts', null],
  ['test', 'src/b.ts', null],
  ['domain', 'zod', null],
  ['domain', 'node:crypto', null],
  ['models/reference', 'node:fs', null],
];
const importerOf = (index: number): string => `${CASES[index]![0]}/importer-${index}.ts`;

const summarySchema = z.object({ summary: z.object({ violations: z.array(z.object({ from: z.string(), rule: z.object({ name: z.string() }) })) }) });
const broken = new Map<string, string[]>();

/** Plants every case in one small tree with our rules, and notes which importer breaks which rule. */
beforeAll(() => {
  const planted = mkdtempSync(join(tmpdir(), 'reckoner-rooms-'));
  try {
    const put = (path: string, text: string): void => {
      mkdirSync(dirname(join(planted, path)), { recursive: true });
      writeFileSync(join(planted, path), text);
    };
    symlinkSync(join(ROOT, 'node_modules'), join(planted, 'node_modules'));
    for (const [index, [folder, target]] of CASES.entries()) {
      const isOurs = target.endsWith('.ts');
      const specifier = isOurs ? `${'../'.repeat(folder.split('/').length)}${target}` : target;
      put(importerOf(index), `import * as thing from '${specifier}';\nexport const other = thing;\n`);
      if (isOurs) put(target, 'export const thing = 1;\n');
    }
    // A way round about the rule that forbids the direct one.
    put('src/through/b.ts', "export { thing } from '../../adapters/oanda/b.ts';\n");
    const parameters = ['--config', join(ROOT, '.dependency-cruiser.cjs'), '--output-type', 'json', '.'];
    const { stdout } = spawnSync(join(ROOT, 'node_modules/.bin/depcruise'), parameters, { cwd: planted, encoding: 'utf8' });
    for (const { from, rule } of summarySchema.parse(JSON.parse(stdout)).summary.violations) broken.set(from, [...(broken.get(from) ?? []), rule.name]);
  } finally {
    rmSync(planted, { recursive: true });
  }
});

describe('the rule of rooms', () => {
  test.each(CASES.map(([folder, target, rule], index) => ({ folder, target, rule, index })))('lets $folder import $target unless $rule says no', ({ rule, index }) => {
    expect(broken.get(importerOf(index)) ?? []).toEqual(rule === null ? [] : [rule]);
  });
});
