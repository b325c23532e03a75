/**
 * What `npm test` runs: types, lint, the rule of rooms, dead code, then every test.
 *
 * On a terminal it shows its progress on standard error; elsewhere it prints faults, skipped tests and the closing
 * line `N passed, N failed`, which counts each check as one. Exit code 1 when anything failed.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '..');
const ROOMS = ['src', 'domain', 'models', 'projections', 'adapters', 'config', 'ops', 'test'];
/** All of it takes a few minutes; a check or suite that hangs must not hang whoever waits for it. */
const STEP_MS_MAX = 15 * 60_000;

/** The parts of vitest's JSON report that are read here. */
const reportSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string(), failureMessages: z.array(z.string()).nullable() })),
    }),
  ),
});

interface Tally {
  readonly passed: number;
  readonly failed: number;
}

const isTerminal = process.stderr.isTTY;
const progress = (text: string): void => {
  if (isTerminal) process.stderr.write(text);
};

function runTool(tool: string, parameters: readonly string[], showOutput: boolean) {
  const binaries = join(ROOT, 'node_modules', '.bin');
  return spawnSync(join(binaries, tool), parameters, {
    cwd: ROOT,
    env: { ...process.env, PATH: `${binaries}${delimiter}${process.env['PATH'] ?? ''}` },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    timeout: STEP_MS_MAX,
    stdio: ['ignore', showOutput ? process.stderr.fd : 'pipe', showOutput ? 'inherit' : 'pipe'],
  });
}

function check(name: string, tool: string, parameters: readonly string[]): Tally {
  progress(`${name} … `);
  const { status, stdout, stderr, error } = runTool(tool, parameters, false);
  progress(status === 0 ? 'ok\n' : 'FAILED\n');
  if (status === 0) return { passed: 1, failed: 0 };
  process.stdout.write(`FAILED ${name} (${tool} ${parameters.join(' ')})\n${error === undefined ? '' : `${error.message}\n`}${stdout}${stderr}\n`);
  return { passed: 0, failed: 1 };
}

/** Runs vitest with the parameters given on our own command line (file names narrow it down). */
function tests(): Tally {
  progress('tests …\n');
  const directory = mkdtempSync(join(tmpdir(), 'reckoner-test-'));
  const reportFile = join(directory, 'report.json');
  try {
    const reporters = ['--reporter=json', `--outputFile.json=${reportFile}`, ...(isTerminal ? ['--reporter=default'] : [])];
    const run = runTool('vitest', ['run', ...reporters, ...process.argv.slice(2)], isTerminal);
    return tally(reportFile, run.status, isTerminal ? '' : `${run.stdout}${run.stderr}`);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function tally(reportFile: string, exitStatus: number | null, output: string): Tally {
  let text: string;
  try {
    text = readFileSync(reportFile, 'utf8');
  } catch (error) {
    process.stdout.write(`FAILED tests: vitest ended with status ${String(exitStatus)} and no report (${String(error)})\n${output}\n`);
    return { passed: 0, failed: 1 };
  }
  let [passed, failed] = [0, 0];
  for (const file of reportSchema.parse(JSON.parse(text)).testResults) {
    const name = relative(ROOT, file.name);
    for (const test of file.assertionResults) {
      if (test.status === 'passed') passed += 1;
      else if (test.status === 'failed') {
        failed += 1;
        process.stdout.write(`FAILED ${name}: ${test.fullName}\n${(test.failureMessages ?? []).join('\n')}\n`);
      } else process.stdout.write(`skipped ${name}: ${test.fullName}\n`);
    }
    if (file.status !== 'passed' && !file.assertionResults.some(({ status }) => status === 'failed')) {
      failed += 1;
      process.stdout.write(`FAILED ${name}: ${file.message}\n`);
    }
  }
  if (exitStatus !== 0 && failed === 0) {
    failed = 1;
    process.stdout.write(`FAILED tests: vitest ended with status ${String(exitStatus)} though no test failed\n${output}\n`);
  }
  return { passed, failed };
}

const tallies = [
  check('types', 'tsc', ['--noEmit']),
  check('lint', 'eslint', ['.']),
  check('rooms', 'depcruise', ['--config', '.dependency-cruiser.cjs', '--output-type', 'err', ...ROOMS]),
  check('dead code', 'knip', ['--no-progress']),
  tests(),
];
const passed = tallies.reduce((sum, part) => sum + part.passed, 0);
const failed = tallies.reduce((sum, part) => sum + part.failed, 0);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
