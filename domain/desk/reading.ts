/** Asking for the broker's transactions. */
import type { Ledger } from '../ledger.ts';
import { RECENT_BODIES } from '../ledger.ts';
import type { Draft } from './draft.ts';

const readFrom = (draft: Draft, since: number): void => {
  if (draft.state.live.ledgerReadPending) return;
  draft.live({ ledgerReadPending: true });
  draft.ask({ kind: 'read', read: { what: 'transactions', since } });
};

/** Asks for the transactions behind the ledger, unless that question is already out. */
export const readLedger = (draft: Draft): void => readFrom(draft, draft.state.ledger.lastTransactionId);

/** Where to read from so that the transactions recorded last come once more. */
export const againFrom = (ledger: Ledger): number => Math.max(ledger.baselineId, ledger.lastTransactionId - RECENT_BODIES);

/** The same with those recorded last, which must still read as they did. */
export const readLedgerAgain = (draft: Draft): void => readFrom(draft, againFrom(draft.state.ledger));
