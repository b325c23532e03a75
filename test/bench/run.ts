/**
 * `npm run bench`: the speed bars that exist so far, as ratios, measured in one run on one machine. Prints a table, writes
 * bench-results.json, and ends with exit code 1 when a bar is missed.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import type { BenchRow } from './bench-row.ts';
import { benchRows as backtestRows } from './backtest.ts';
import { benchRows as decisionRows } from './decision.ts';
import { benchRows as importRows } from './import.ts';
import { benchRows as logRows } from './log.ts';
import { benchRows as pipelineRows } from './pipeline.ts';
import { benchRows as restartRows } from './restart.ts';
import { benchRows as simulationRows } from './simulation.ts';
import { benchRows as startRows } from './start.ts';

const RESULTS_FILE = join(import.meta.dirname, '..', '..', 'bench-results.json');
const SUITES = { decision: decisionRows, log: logRows, import: importRows, pipeline: pipelineRows, backtest: backtestRows, simulation: simulationRows, start: startRows, restart: restartRows };

function table(rows: readonly BenchRow[]): string {
  const cells = rows.map((row) => [row.ok ? 'ok' : 'MISSED', row.what, row.bar, Number.isFinite(row.ratio) ? row.ratio.toPrecision(3) : String(row.ratio), row.measured]);
  const lines = [['', 'what', 'bar', 'ratio', 'measured'], ...cells];
  const widths = lines[0]!.map((_cell, column) => Math.max(...lines.map((line) => line[column]!.length)));
  return lines.map((line) => line.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n');
}

const rows: BenchRow[] = [];
for (const [name, suite] of Object.entries(SUITES)) {
  if (process.stderr.isTTY) process.stderr.write(`measuring ${name} …\n`);
  rows.push(...(await suite()));
}
process.stdout.write(`${table(rows)}\n`);
const machine = { node: process.version, processor: cpus()[0]?.model ?? 'unknown', cores: availableParallelism() };
writeFileSync(RESULTS_FILE, `${JSON.stringify({ version: 1, machine, rows }, null, 2)}\n`);
const missed = rows.filter((row) => !row.ok).length;
process.stdout.write(`${rows.length - missed} of ${rows.length} bars met; bench-results.json has the figures\n`);
process.exitCode = missed === 0 ? 0 : 1;
