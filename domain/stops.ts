/**
 * Protective stops that had to be put back: once for a trade, by an intent that is durable before it is sent, and
 * with an outcome that the ledger tells.
 *
 * Life of a replacement: intended → placed (the ledger shows the stop) | failed (refused, silent, or of no use).
 * After either end a trade that is unprotected is closed: a second attempt would only prolong the exposure.
 */
import type { DomainEvent } from './events.ts';
import type { ClientOrderId } from './ids.ts';
import type { Ledger, TransactionBody } from './ledger.ts';
import { stopOf } from './ledger.ts';
import type { Instant } from './time.ts';

// --- state ---

interface ReplacementFacts {
  readonly clientOrderId: ClientOrderId;
  readonly tradeId: string;
}

export type StopReplacement =
  /** `watermark`: where to look in the ledger when no answer comes. */
  | (ReplacementFacts & { readonly status: 'intended'; readonly watermark: number; readonly intendedAt: Instant })
  | (ReplacementFacts & { readonly status: 'placed'; readonly orderId: string })
  | (ReplacementFacts & { readonly status: 'failed' });

/** By trade; the newest ones are kept. */
export type StopReplacements = ReadonlyMap<string, StopReplacement>;

export const noStops: StopReplacements = new Map();

const KEPT_MAX = 1_000;

// --- evolve ---

export function evolveStops(stops: StopReplacements, event: DomainEvent, at: Instant): StopReplacements {
  switch (event.type) {
    case 'StopReplacementIntended': {
      const { clientOrderId, tradeId, watermark } = event.data;
      return withReplacement(stops, { clientOrderId: clientOrderId as ClientOrderId, tradeId, status: 'intended', watermark: Number(watermark), intendedAt: at });
    }
    case 'StopReplaced': {
      const { clientOrderId, tradeId, orderId } = event.data;
      // One that was given up stays so: the close that follows is under way.
      return stops.get(tradeId)?.status === 'intended' ? withReplacement(stops, { clientOrderId: clientOrderId as ClientOrderId, tradeId, status: 'placed', orderId }) : stops;
    }
    case 'StopReplacementFailed':
      return withReplacement(stops, { clientOrderId: event.data.clientOrderId as ClientOrderId, tradeId: event.data.tradeId, status: 'failed' });
    default:
      return stops;
  }
}

function withReplacement(stops: StopReplacements, replacement: StopReplacement): StopReplacements {
  const changed = new Map(stops).set(replacement.tradeId, replacement);
  return changed.size > KEPT_MAX ? new Map([...changed].slice(-KEPT_MAX)) : changed;
}

// --- decide ---

/** What a transaction says about a stop that is being put back; telling it again gives nothing. */
export function observeStop(stops: StopReplacements, body: TransactionBody, instrument: string): DomainEvent | null {
  if (body.type !== 'STOP_LOSS_ORDER' && body.type !== 'STOP_LOSS_ORDER_REJECT') return null;
  const replacement = body.tradeID === undefined ? undefined : stops.get(body.tradeID);
  if (replacement?.status !== 'intended' || body.clientExtensions?.id !== replacement.clientOrderId) return null;
  const { clientOrderId, tradeId } = replacement;
  return body.type === 'STOP_LOSS_ORDER'
    ? { type: 'StopReplaced', data: { clientOrderId, instrument, tradeId, orderId: body.id, transactionId: body.id } }
    : { type: 'StopReplacementFailed', data: { clientOrderId, instrument, tradeId, reason: body.rejectReason ?? 'no reason given', transactionId: body.id } };
}

/** `changed`: there is a stop, and it is not the one that came with the fill or that was put back. */
export type Protection = 'sound' | 'missing' | 'changed';

export function protectionOf(ledger: Ledger, stops: StopReplacements, tradeId: string): Protection {
  const stop = stopOf(ledger, tradeId);
  if (stop === null) return 'missing';
  const replacement = stops.get(tradeId);
  if (replacement?.status === 'placed') return stop.orderId === replacement.orderId ? 'sound' : 'changed';
  return stop.reason === 'ON_FILL' ? 'sound' : 'changed';
}

/** The stop has been put back once, and the trade is without it all the same. */
export function isBeyondStops(ledger: Ledger, stops: StopReplacements, tradeId: string): boolean {
  const replacement = stops.get(tradeId);
  if (replacement === undefined || replacement.status === 'intended') return false;
  return replacement.status === 'failed' || protectionOf(ledger, stops, tradeId) !== 'sound';
}
