/** What comes of a request: accepted, rejected under a transaction id, or unreadable. */
import type { Json, Transaction } from './bodies.ts';
import type { Context } from './context.ts';
import type { Batch } from './ledger.ts';
import { InvalidRequest, RejectedRequest } from './requests.ts';
import type { Instant } from '../../../domain/time.ts';

/** When a request came in, and the id that its transactions carry; null for an actor without requests of ours. */
export interface Receipt {
  readonly at: Instant;
  readonly requestId: string | null;
}

export interface Accepted {
  readonly kind: 'accepted';
  readonly orderId: number;
  readonly transactions: readonly Transaction[];
  /** Will the next price point most likely end the order? */
  readonly settlesSoon: boolean;
}

export interface Rejected {
  readonly kind: 'rejected';
  readonly reason: string;
  readonly transaction: Transaction;
}

export interface Invalid {
  /** Unreadable: nothing happened and no transaction id was used. */
  readonly kind: 'invalid';
  readonly message: string;
}

export type Outcome = Accepted | Rejected | Invalid;

/** Runs the reading of a request, and turns what it throws into the outcome that the broker gives. */
export function guarded<Result>(context: Context, receipt: Receipt, rejectType: string, rejectFields: { readonly [key: string]: Json | undefined }, act: (batch: Batch) => Result): Result | Rejected | Invalid {
  const batch = context.ledger.begin({ at: receipt.at, requestId: receipt.requestId, byClient: true });
  try {
    return act(batch);
  } catch (error) {
    if (error instanceof InvalidRequest) return { kind: 'invalid', message: error.message };
    if (!(error instanceof RejectedRequest)) throw error;
    return { kind: 'rejected', reason: error.reason, transaction: batch.add(rejectType, { ...rejectFields, rejectReason: error.reason }) };
  }
}
