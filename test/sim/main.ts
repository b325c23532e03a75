/**
 * `npm run sim`: worlds of a seed each, with faults, and whether every invariant held in them.
 *
 *     npm run sim -- --seeds 1000 [--first 1] [--hours 2] [--workers 2]
 *     npm run sim -- --seed 42 [--hours 2] [--mutant M1]
 *     npm run sim -- --mutant M1 --seeds 1000 [--first 1]
 *
 * The second form prints what the seed drew and all that happened, the third looks for a seed that a mutant dies of. Exit
 * code 1 when an invariant broke; for a mutant, when none did.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { SEED_MAX } from './draws.ts';
import type { SeedReport } from './many.ts';
import { simulateMany } from './many.ts';
import { simulatorOf } from './mutate.ts';
import { FAULTS, describeOptions } from './options.ts';

const USAGE_EXIT = 64;
const SEEDS_MAX = 10_000_000;

class UsageError extends Error {
  override readonly name = 'UsageError';
}

function whole(text: string, name: string, most: bigint): bigint {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) > most) throw new UsageError(`--${name} must be a whole number from 0 to ${most}, not "${text}"`);
  return BigInt(text);
}

async function one(seed: bigint, hours: number, mutant: string | null): Promise<number> {
  const { simulate, drawOptions } = await simulatorOf(mutant);
  const options = drawOptions(seed, hours);
  console.log(describeOptions(options));
  const { violations, digest, struck, ...counts } = await simulate(options, (line) => console.log(line));
  console.log(`faults: ${[...struck].map(([name, count]) => `${name} ${count}`).join(', ')}`);
  console.log(`${Object.entries(counts).map(([name, count]) => `${name} ${count}`).join(', ')}; digest ${digest}`);
  for (const { code, detail } of violations) console.log(`BROKEN ${code}: ${detail}`);
  return violations.length === 0 ? 0 : 1;
}

async function many(count: number, first: bigint, hours: number, workers: number): Promise<number> {
  const broken: SeedReport[] = [];
  const totals = { events: 0, requests: 0, processes: 0, transactions: 0 };
  const struck = new Map<string, number>();
  const startedAt = performance.now();
  await simulateMany({ first, count, hours }, workers, (report) => {
    for (const name of ['events', 'requests', 'processes', 'transactions'] as const) totals[name] += report[name];
    for (const [name, times] of report.struck) struck.set(name, (struck.get(name) ?? 0) + times);
    if (report.violations.length === 0) return;
    broken.push(report);
    for (const { code, detail } of report.violations) console.log(`BROKEN seed ${report.seed} ${code}: ${detail.slice(0, 500)}`);
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  console.log(`${count} seeds of ${hours} h from ${first}: ${broken.length} broken; ${(count / seconds).toFixed(1)} seeds/s with ${workers} workers`);
  console.log(Object.entries(totals).map(([name, total]) => `${total} ${name}`).join(', '));
  console.log(`faults struck: ${FAULTS.map((name) => `${name} ${struck.get(name) ?? 0}`).join(', ')}`);
  return broken.length === 0 ? 0 : 1;
}

/** The first of the seeds that a mutant dies of. */
async function hunt(mutant: string, count: number, first: bigint, hours: number): Promise<number> {
  const { simulate, drawOptions } = await simulatorOf(mutant);
  for (let seed = first; seed < first + BigInt(count); seed += 1n) {
    const [violation] = (await simulate(drawOptions(seed, hours))).violations;
    if (violation === undefined) continue;
    console.log(`${mutant} dies of seed ${seed}, ${violation.code}: ${violation.detail.slice(0, 300)}`);
    return 0;
  }
  console.log(`${mutant} survives ${count} seeds`);
  return 1;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { seeds: { type: 'string' }, first: { type: 'string', default: '1' }, seed: { type: 'string' }, hours: { type: 'string', default: '2' }, workers: { type: 'string' }, mutant: { type: 'string' } } });
  const hours = Number(whole(values.hours, 'hours', 1_000n));
  if (values.seed !== undefined) return one(whole(values.seed, 'seed', SEED_MAX), hours, values.mutant ?? null);
  if (values.seeds === undefined) throw new UsageError('say --seeds N for many seeds, or --seed S for one with its trace');
  const [count, first] = [Number(whole(values.seeds, 'seeds', BigInt(SEEDS_MAX))), whole(values.first, 'first', SEED_MAX)];
  if (values.mutant !== undefined) return hunt(values.mutant, count, first, hours);
  const workers = values.workers === undefined ? availableParallelism() : Number(whole(values.workers, 'workers', 64n));
  return many(count, first, hours, Math.max(1, workers));
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = USAGE_EXIT;
}
