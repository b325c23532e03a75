/** One run of the experiments: in order, each followed by clearing up what it left on the account. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { CertificateContent } from './certificate.ts';
import type { Experiment, Verdict } from './experiment.ts';
import { inconclusive } from './experiment.ts';
import type { Probe } from './probe.ts';
import { ProbeError } from './probe.ts';

const CLEARING_ATTEMPTS_MAX = 20;
const CLEARING_PAUSE_MS = 500;

type Result = CertificateContent['experiments'][number];

/** Something that a run sent is still on the account, and the broker would not take it away. */
export class LeftOverError extends Error {
  override readonly name = 'LeftOverError';
}

/**
 * Runs experiments until all are done or `signal` fires; then, too, everything that the run opened is closed.
 *
 * @param startId the account's last transaction before the run: whatever of ours came after it is cleared up.
 * @throws LeftOverError naming the trades and orders that could not be cleared.
 */
export async function runExperiments(probe: Probe, experiments: readonly Experiment[], startId: string, signal: AbortSignal, told: (result: Result) => void): Promise<readonly Result[]> {
  const results: Result[] = [];
  for (const experiment of experiments) {
    if (signal.aborted) break;
    probe.begin(experiment.id);
    const { verdict, observed, switches } = await outcomeOf(probe, experiment, signal).finally(() => (experiment.endsAccess === true ? undefined : clearUp(probe, startId)));
    const result = { id: experiment.id, question: experiment.question, expected: experiment.expected, verdict, observed, switches };
    results.push(result);
    told(result);
  }
  return results;
}

async function outcomeOf(probe: Probe, experiment: Experiment, signal: AbortSignal): Promise<Pick<Result, 'observed' | 'switches'> & { readonly verdict: Verdict }> {
  try {
    const open = (await probe.price()).tradeable;
    if ((experiment.market === 'open' && !open) || (experiment.market === 'closed' && open)) {
      return { verdict: 'skipped', observed: `the market is ${open ? 'open' : 'closed'}`, switches: {} };
    }
    return await experiment.run(probe, signal);
  } catch (error) {
    if (error instanceof ProbeError) return inconclusive(error.message);
    throw error;
  }
}

/** Cancels and closes what this run has put on the account, and nothing else. */
async function clearUp(probe: Probe, startId: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const left = await leftOvers(probe, startId).catch(unseen);
    if (!(left instanceof ProbeError) && left.orders.length === 0 && left.trades.length === 0) return;
    if (attempt > CLEARING_ATTEMPTS_MAX) throw new LeftOverError(left instanceof ProbeError ? `what is left on the account cannot be seen (${left.message}); look there by hand` : `still on the account: trades ${left.trades.join(', ') || 'none'}, orders ${left.orders.join(', ') || 'none'}; close them by hand`);
    if (left instanceof ProbeError) {
      await sleep(CLEARING_PAUSE_MS);
      continue;
    }
    for (const orderId of left.orders) await probe.put(`/orders/${orderId}/cancel`, {});
    for (const tradeId of left.trades) await probe.put(`/trades/${tradeId}/close`, { units: 'ALL' });
    await sleep(CLEARING_PAUSE_MS);
  }
}

/** A read that failed is no reason to leave an order behind: it is asked again. */
function unseen(error: unknown): ProbeError {
  if (error instanceof ProbeError) return error;
  throw error;
}

/** Entry orders and trades of this run's that are still alive; a trade's own stop goes with it. */
async function leftOvers(probe: Probe, startId: string): Promise<{ readonly orders: readonly string[]; readonly trades: readonly string[] }> {
  const transactions = await probe.ledgerSince(startId);
  const orderIds = new Set(transactions.filter(({ clientExtensions }) => probe.isOurs(clientExtensions?.id)).map(({ id }) => id));
  const tradeIds = new Set(transactions.filter(({ orderID }) => orderID !== undefined && orderIds.has(orderID)).flatMap(({ tradeOpened }) => (tradeOpened === undefined ? [] : [tradeOpened.tradeID])));
  const [orders, trades] = [await probe.pendingOrders(), await probe.openTrades()];
  return {
    orders: orders.map(({ id }) => id).filter((id) => orderIds.has(id)),
    trades: trades.map(({ id }) => id).filter((id) => tradeIds.has(id)),
  };
}
