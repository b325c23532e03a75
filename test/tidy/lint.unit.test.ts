import { join } from 'node:path';
import { ESLint } from 'eslint';
import { describe, expect, test } from 'vitest';
import { ROOT } from './files.ts';

/**
 * Lints a text as if it stood in a file of ours. The file must be one that the TypeScript project knows, so an
 * existing one lends its name.
 */
async function brokenRules(text: string, path: string): Promise<readonly string[]> {
  const eslint = new ESLint({ cwd: ROOT });
  const results = await eslint.lintText(text, { filePath: join(ROOT, path) });
  return results.flatMap(({ messages }) => messages.map(({ ruleId, message }) => ruleId ?? message));
}

describe('the lint rules keep the core pure', () => {
  test.each([
    ['export const now = Date.now();', 'no-restricted-properties'],
    ['export const now = new Date();', 'no-restricted-syntax'],
    ['export const now = Date();', 'no-restricted-syntax'],
    ['export const draw = Math.random();', 'no-restricted-properties'],
    ['export const now = performance.now();', 'no-restricted-globals'],
    ['export const home = process.cwd();', 'no-restricted-globals'],
    ['export const timer = setTimeout(() => undefined, 1);', 'no-restricted-globals'],
    ['queueMicrotask(() => undefined);', 'no-restricted-globals'],
    ['export const done = Promise.resolve();', 'no-restricted-syntax'],
    ['export async function wait(): Promise<void> {}', 'no-restricted-syntax'],
  ])('refuses %s in domain/', async (text, rule) => {
    expect(await brokenRules(`${text}\n`, 'domain/time.ts')).toContain(rule);
  });

  test('allows a date made of a given time', async () => {
    expect(await brokenRules('export const year = (at: number): number => new Date(at).getUTCFullYear();\n', 'domain/time.ts')).toEqual([]);
  });
});

describe('the lint rules hold the emergency close to an older Node', () => {
  test.each([
    ['const later = Promise.withResolvers();\nmodule.exports = later;', 'no-restricted-properties'],
    ['using handle = module.exports;', /Parsing error/],
    ['module.exports = WebSocket;', 'no-undef'],
    ["import fs from 'node:fs';", /Parsing error/],
  ])('refuse %s', async (text, rule) => {
    expect((await brokenRules(`${text}\n`, 'ops/emergency-close')).filter((broken) => (typeof rule === 'string' ? broken === rule : rule.test(broken)))).not.toEqual([]);
  });
});

describe('the lint rules hold everywhere', () => {
  test.each([
    ['export const loose: any = 1;', '@typescript-eslint/no-explicit-any'],
    ['const later = (): Promise<void> => Promise.resolve();\nlater();', '@typescript-eslint/no-floating-promises'],
    ["export function name(side: 'long' | 'short'): string {\n  switch (side) {\n    case 'long':\n      return 'l';\n  }\n  return '';\n}", '@typescript-eslint/switch-exhaustiveness-check'],
    ['try {\n  JSON.parse("1");\n} catch {}', 'no-empty'],
    ['console.log(1);', 'no-console'],
  ])('refuse %s', async (text, rule) => {
    expect(await brokenRules(`${text}\n`, 'config/load.ts')).toContain(rule);
  });
});
