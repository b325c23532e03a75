/** What the emergency close promises as a file: that it stands alone, says what it does, and runs on an older Node. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { TOOL, olderNode, tool } from './emergency.ts';

const source = readFileSync(TOOL, 'utf8');
const runbook = readFileSync('ops/runbook.md', 'utf8');
const help = (node: string, file = TOOL) => spawnSync(node, [file, '--help'], { encoding: 'utf8', cwd: '/', env: {} });

const older = olderNode();
if (older === null) console.info('no Node 20 to 23 is on the path: the emergency close is held to it by the lint rules alone');

describe('the emergency close', () => {
  test('needs nothing but Node itself', () => {
    const required = [...source.matchAll(/\brequire\('([^']+)'\)|\bimport\(/g)].map(([, name]) => name ?? 'import()');
    expect(required.length).toBeGreaterThan(5);
    expect(required.filter((name) => !builtinModules.includes(name.replace(/^node:/, '')) || !name.startsWith('node:'))).toEqual([]);
    expect(statSync(TOOL).mode & 0o111).toBe(0o111);
  });

  test('runs where it was copied to, alone', () => {
    const directory = mkdtempSync(join(tmpdir(), 'rk-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    copyFileSync(TOOL, join(directory, 'emergency-close'));
    expect(help(process.execPath, join(directory, 'emergency-close'))).toMatchObject({ status: 0, stderr: '' });
  });

  test.skipIf(older === null)('runs on the older Node of this machine', () => {
    expect(help(older!)).toMatchObject({ status: 0, stderr: '' });
  });

  test('explains every exit code, in its help and in the runbook, each one once', () => {
    const { stdout } = help(process.execPath);
    const codes = Object.keys(tool.MEANINGS);
    expect(codes).toEqual(['0', '1', '40', '41', '42', '43', '44', '45', '46', '47', '48', '64']);
    for (const code of codes) expect(stdout).toContain(`${code.padStart(2)}  ${tool.MEANINGS[code]!}`);
    const section = runbook.slice(runbook.indexOf('## Emergency close'), runbook.indexOf('## Dead-man'));
    expect([...section.matchAll(/^\| `(\d+)` \|/gm)].map(([, code]) => code)).toEqual(codes);
    expect(tool.PRECEDENCE.slice(1, -1)).toEqual([44, 42, 43, 40, 41, 45, 46, 47]);
  });

  test('names in its help every option that it takes, and in the runbook none that it does not', () => {
    const [, table] = /const OPTIONS = \{([\s\S]*?)\n\};/.exec(source) ?? [];
    const options = [...(table ?? '').matchAll(/'?([a-z-]+)'?: (?:text|flag|\{)/g)].map(([, name]) => `--${name!}`);
    expect(options.length).toBeGreaterThan(15);
    const { stdout } = help(process.execPath);
    expect(options.filter((option) => option !== '--help' && !stdout.includes(option))).toEqual([]);
    const [, commands] = /## Emergency close([\s\S]*?)\n## /.exec(runbook) ?? [];
    const used = [...(commands ?? '').matchAll(/(?<=\s|`)--[a-z][a-z-]*/g)].map(([option]) => option).filter((option) => !['--operator', '--reason', '--sql', '--rm', '--entrypoint', '--config', '--transaction'].includes(option));
    expect(used.filter((option) => !options.includes(option))).toEqual([]);
  });
});
