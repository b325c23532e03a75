/**
 * Writes an untrained model: `node models/reference/write-untrained.ts [--kind KIND] [--out DIR] [--hidden N] [--codes N] [--seed N]`.
 * With no option but the kind it rewrites `untrained-h32` or `untrained-deterministic-h32` beside this file, byte for
 * byte as it is committed.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { SearchKind } from '../../domain/policy.ts';
import { UNTRAINED_DEFAULTS, untrainedModel, untrainedName } from './untrained.ts';

function wholeFrom(lowest: number, highest: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < lowest || value > highest) {
      throw new InvalidArgumentError(`must be a whole number from ${lowest} to ${highest}`);
    }
    return value;
  };
}

function evenFrom(lowest: number, highest: number): (text: string) => number {
  const whole = wholeFrom(lowest, highest);
  return (text) => {
    const value = whole(text);
    if (value % 2 !== 0) throw new InvalidArgumentError('must be even');
    return value;
  };
}

const program = new Command('write-untrained')
  .description('Writes small ONNX networks with random weights, and their manifest.')
  .addOption(new Option('--kind <kind>', 'with chance nodes or without').choices(['stochastic', 'deterministic']).default(UNTRAINED_DEFAULTS.kind))
  .option('--out <dir>', 'directory to write into; beside this file when left out')
  .option('--hidden <n>', 'width of the layers', evenFrom(4, 4096), UNTRAINED_DEFAULTS.hidden)
  .option('--codes <n>', 'chance codes', wholeFrom(2, 64), UNTRAINED_DEFAULTS.chanceCodes)
  .option('--seed <n>', 'seed of the weights', wholeFrom(0, 999_999), UNTRAINED_DEFAULTS.seed)
  .parse();

const { kind, hidden, codes, seed, ...options } = program.opts<{ kind: SearchKind; out?: string; hidden: number; codes: number; seed: number }>();
const out = options.out ?? join(import.meta.dirname, untrainedName(kind, hidden));
const { modelId, files } = untrainedModel({ kind, hidden, chanceCodes: codes, seed });
mkdirSync(out, { recursive: true });
for (const [name, bytes] of files) {
  writeFileSync(join(out, name), bytes);
  console.log(`${join(out, name)}  ${bytes.length} bytes`);
}
console.log(`${modelId}: random weights, not trained`);
