/** Where to look next by pUCT: prior and value weighed against each other, lowest index on ties. */
import { firstHighest } from './nodes.ts';
import type { NodeTable } from './nodes.ts';
import type { PuctSelection } from './options.ts';

const VALUE_RANGE_MIN = 1e-8;

/** Mixes noise into the root's prior: over all actions first, then what the mask forbids is taken out again. */
export function mixRootNoise(table: NodeTable, mask: readonly boolean[], logits: Float32Array, { fraction, noise }: NonNullable<PuctSelection['rootNoise']>): void {
  const highest = logits.reduce((so, logit) => Math.max(so, logit), -Infinity);
  const weights = Array.from(logits, (logit) => Math.exp(logit - highest));
  const all = weights.reduce((sum, weight) => sum + weight, 0);
  const mixed = weights.map((weight, i) => (mask[i] === true ? (1 - fraction) * (weight / all) + fraction * noise[i]! : 0));
  const legal = mixed.reduce((sum, share) => sum + share, 0);
  // Noise that leaves nothing on a legal action says nothing of them either.
  if (legal > 0) mixed.forEach((share, i) => void (table.prior[i] = share / legal));
}

/**
 * score = (Q − low) / (high − low) + P · √N · (pbCInit + ln((N + pbCBase + 1) / pbCBase)) / (n + 1), where low and
 * high are what this node's value and its tried edges span, and an edge never tried counts as the lowest.
 */
export function chooseByPuct(table: NodeTable, node: number, actions: number, mask: readonly boolean[], { pbCInit, pbCBase }: PuctSelection): number {
  const row = node * table.width;
  let low = table.value[node]!;
  let high = low;
  for (let edge = 0; edge < actions; edge += 1) {
    if (table.edgeVisits[row + edge] === 0) continue;
    const q = table.q(node, edge);
    low = Math.min(low, q);
    high = Math.max(high, q);
  }
  const range = Math.max(high - low, VALUE_RANGE_MIN);
  const visits = table.visits[node]!;
  const exploration = Math.sqrt(visits) * (pbCInit + Math.log((visits + pbCBase + 1) / pbCBase));
  return firstHighest(actions, (edge) => {
    if (node === 0 && mask[edge] !== true) return -Infinity;
    const tried = table.edgeVisits[row + edge]!;
    const scaled = tried === 0 ? 0 : (table.q(node, edge) - low) / range;
    return scaled + (exploration * table.prior[row + edge]!) / (tried + 1);
  });
}

/** Codes in proportion to their probability, without a draw: the one that lags its share the most. */
export function chooseCode(table: NodeTable, node: number, codes: number): number {
  const row = node * table.width;
  return firstHighest(codes, (code) => table.prior[row + code]! / (table.edgeVisits[row + code]! + 1));
}
