/**
 * READ-ONLY (too many reconnects, a broker in maintenance, a disk that is nearly full) and STALE (no prices though the market is open): conditions that
 * guards see, not modes. Nothing is opened in them, and closing stays allowed.
 */
import type { DeskState } from './state.ts';

/** Why the link is not to be opened on; null when nothing speaks against it. */
export function linkDoubt(state: DeskState): string | null {
  const { breaker, unavailable, lowDisk, clockOffsetMs } = state.live.link;
  if (breaker !== null) return `read only: ${breaker}`;
  if (unavailable !== null) return `read only: ${unavailable}`;
  if (lowDisk !== null) return `read only: ${lowDisk}`;
  if (clockOffsetMs !== null && !(Math.abs(clockOffsetMs) <= state.settings.safety.clockSkewMsMax)) return `the broker's clock is ${clockOffsetMs} ms from ours`;
  return null;
}

/** The conditions that hold, for the operator. */
export function conditionsOf(state: DeskState): readonly { readonly condition: 'READ-ONLY' | 'STALE'; readonly detail: string }[] {
  const { breaker, unavailable, lowDisk, staleInstruments } = state.live.link;
  return [
    ...[breaker, unavailable, lowDisk].filter((detail) => detail !== null).map((detail) => ({ condition: 'READ-ONLY' as const, detail })),
    ...(staleInstruments.size > 0 ? [{ condition: 'STALE' as const, detail: `no prices of ${[...staleInstruments].join(', ')}` }] : []),
  ];
}
