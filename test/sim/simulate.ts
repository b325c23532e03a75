/** Runs one seed from its options to its verdict. */
import { createHash } from 'node:crypto';
import { recoverDesk } from '../../src/daemon/recovery.ts';
import type { SimOptions } from './options.ts';
import type { Violation } from './world.ts';
import { World } from './world.ts';

export interface Outcome {
  readonly violations: readonly Violation[];
  /** Of the log's bytes and of everything that was sent: equal for equal seeds. */
  readonly digest: string;
  readonly events: number;
  readonly requests: number;
  readonly processes: number;
  readonly transactions: number;
  readonly steps: number;
  /** Events that the liveness phase added. */
  readonly calmEvents: number;
  readonly struck: ReadonlyMap<string, number>;
}

/** @throws whatever the harness itself broke on; a violation is no exception. */
export async function simulate(options: SimOptions, trace: ((line: string) => void) | null = null): Promise<Outcome> {
  const world = new World(options, trace);
  await world.safetyPhase();
  if (world.violations.length === 0) await world.livenessPhase();
  if (world.violations.length === 0) await judgeTheEnd(world);
  const head = await world.log.head();
  return {
    violations: world.violations,
    digest: createHash('sha256').update(`${head.hash} ${world.requestsHash()}`).digest('hex'),
    events: head.sequence + 1,
    requests: world.requests,
    processes: world.processes,
    transactions: world.venue.engine.lastTransactionId,
    steps: world.steps,
    calmEvents: head.sequence + 1 - world.eventsBeforeCalm,
    struck: world.faults.struck,
  };
}

async function judgeTheEnd(world: World): Promise<void> {
  const live = world.running?.state ?? null;
  const verdict = await world.log.verify();
  if (!verdict.ok) return world.violated('L8', `${verdict.stream}@${verdict.revision}: ${verdict.reason}`);
  if (live !== null) world.check('end', { live, folded: await recoverDesk(world.log, world.settings, null) });
}
