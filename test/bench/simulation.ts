/** Worlds a second: two market hours each, with the faults of their seeds, shared out between two worker threads. */
import { simulateMany } from '../sim/many.ts';
import type { BenchRow } from './bench-row.ts';

const SEEDS = 240;
const HOURS = 2;
const WORKERS = 2;
const SEEDS_A_SECOND_MIN = 60;

export async function benchRows(): Promise<readonly BenchRow[]> {
  let firstAt: number | null = null;
  let [done, broken, events] = [0, 0, 0];
  await simulateMany({ first: 1n, count: SEEDS, hours: HOURS }, WORKERS, (report) => {
    // From the first world on: loading the modules is no part of it.
    firstAt ??= performance.now();
    done += 1;
    broken += report.violations.length;
    events += report.events;
  });
  const rate = (done - 1) / ((performance.now() - firstAt!) / 1_000);
  return [{
    what: `simulation of ${HOURS} market hours with faults, ${WORKERS} workers`,
    bar: `≥ ${SEEDS_A_SECOND_MIN} seeds/s on 2 cores`,
    measured: `${rate.toFixed(1)} seeds/s, ${SEEDS} seeds, ${broken} broken, ${Math.round(events / done)} events each`,
    ratio: rate / SEEDS_A_SECOND_MIN,
    limit: 1,
    ok: rate >= SEEDS_A_SECOND_MIN && broken === 0,
  }];
}
