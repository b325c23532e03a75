/** The first decision after a start, beside those that follow: each start is a process of its own. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UNTRAINED_DEFAULTS, untrainedModel } from '../../models/reference/untrained.ts';
import { median } from './bench-row.ts';
import type { BenchRow } from './bench-row.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const STARTS = 7;
const HIDDEN = 256;

export async function benchRows(): Promise<BenchRow[]> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-start-'));
  try {
    const model = join(directory, 'model');
    mkdirSync(model);
    for (const [name, bytes] of untrainedModel({ ...UNTRAINED_DEFAULTS, hidden: HIDDEN }).files) writeFileSync(join(model, name), bytes);
    const commandLine = [join(import.meta.dirname, 'first-decision.ts'), join(ROOT, 'config/profiles/demo.yaml'), model, ROOT];
    const starts = Array.from({ length: STARTS }, () => JSON.parse(execFileSync(process.execPath, commandLine, { encoding: 'utf8' })) as { firstMs: number; medianMs: number });
    const ratio = median(starts.map(({ firstMs, medianMs }) => firstMs / medianMs));
    const measured = `first ${median(starts.map(({ firstMs }) => firstMs)).toFixed(2)} ms, then ${median(starts.map(({ medianMs }) => medianMs)).toFixed(2)} ms, over ${STARTS} starts`;
    return [{ what: `first decision after a start, hidden ${HIDDEN}`, bar: '≤ 5 × the median of the next 200', measured, ratio, limit: 5, ok: ratio <= 5 }];
  } finally {
    rmSync(directory, { recursive: true });
  }
}
