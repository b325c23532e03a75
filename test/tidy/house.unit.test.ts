import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, projectFiles } from './files.ts';

const FILES = projectFiles();
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
/** One file by promise, so that it can be copied to where it is needed: it alone may be longer. */
const ALONE = 'ops/emergency-close';
const PLAIN = [ALONE, 'ops/deadman'];
const CODE = FILES.filter((path) => /\.(ts|js|cjs|mjs|sh)$/.test(path) || path === '.ci/run' || PLAIN.includes(path));
const TEXT = [...CODE, ...FILES.filter((path) => /\.(md|ya?ml|service|timer|json)$/.test(path) || path === 'Dockerfile')].filter((path) => !path.startsWith('test/fixtures/'));
const LINES_MAX = 600;
const LINES_ALONE_MAX = 750;
const FIXTURE_BYTES_MAX = 150 * 1024;

/** Lines that match, as `file:line`. The patterns are spelled in pieces, so that this file does not match itself. */
function places(paths: readonly string[], pattern: RegExp): readonly string[] {
  return paths.flatMap((path) => read(path).split('\n').flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])));
}
const pieces = (...parts: string[]): RegExp => new RegExp(parts.join(''));

describe('the house', () => {
  test('has files in it that these rules look at', () => {
    expect(CODE).toContain('test/tidy/house.unit.test.ts');
    expect(TEXT).toContain('config/profiles/demo.yaml');
  });

  test(`has no file of code longer than ${LINES_MAX} lines`, () => {
    expect(CODE.filter((path) => read(path).split('\n').length > (path === ALONE ? LINES_ALONE_MAX : LINES_MAX) + 1)).toEqual([]);
  });

  test('leaves nothing for later', () => {
    expect(places(TEXT, pieces('\\b(TO', 'DO|FIX', 'ME|XX', 'X)\\b'))).toEqual([]);
  });

  test('silences no checker', () => {
    expect(places(CODE, pieces('@ts-(ig', 'nore|expect-', 'error|no', 'check)|eslint-', 'disable'))).toEqual([]);
  });

  test('knows no machine that it was written on', () => {
    expect(places(TEXT, pieces('(^|[^\\w.~/-])/(wo', 'rk|ho', 'me|ro', 'ot|Us', 'ers|mnt|tmp/[a-z])(/|\\b)'))).toEqual([]);
  });

  test('holds no key or token', () => {
    expect(places(FILES.filter((path) => /\.(ya?ml|env|service)$/.test(path)), /\b[0-9a-f]{32}-[0-9a-f]{32}\b/)).toEqual([]);
    expect(FILES.filter((path) => /(^|\/)(\.env|token)$/.test(path))).toEqual([]);
  });
});

describe('the tests', () => {
  test('say in their name what kind they are, and live in test/', () => {
    const tests = FILES.filter((path) => /\.(test|spec)\.[jt]s$/.test(path));
    expect(tests.length).toBeGreaterThan(5);
    expect(tests.filter((path) => !/^test\/.+\.(unit|contract|sim|e2e)\.test\.ts$/.test(path))).toEqual([]);
  });

  test('keep no fixture twice and none that is large', () => {
    const fixtures = FILES.filter((path) => path.startsWith('test/fixtures/'));
    const byHash = new Map<string, string[]>();
    for (const path of fixtures) {
      const hash = createHash('sha256').update(readFileSync(join(ROOT, path))).digest('hex');
      byHash.set(hash, [...(byHash.get(hash) ?? []), path]);
    }
    expect([...byHash.values()].filter((paths) => paths.length > 1)).toEqual([]);
    expect(fixtures.filter((path) => statSync(join(ROOT, path)).size > FIXTURE_BYTES_MAX)).toEqual([]);
  });
});
