/** The account's append-only list of transactions: ids are contiguous from 1, and nothing is ever changed. */
import type { Body, Json, Transaction } from './bodies.ts';
import { compact } from './bodies.ts';
import type { EngineSettings } from './settings.ts';
import { formatInstant } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';

/** Whose doing a batch is: the client's request, or the broker's own (user 0, no request). */
interface BatchOrigin {
  readonly at: Instant;
  readonly requestId: string | null;
  readonly byClient: boolean;
}

/** Transactions that happen together; their common batch id is the id of the first. */
export interface Batch {
  readonly at: Instant;
  readonly transactions: readonly Transaction[];
  /** The id that the next transaction will get: a fill needs its own before its body is made. */
  nextId(): number;
  add(type: string, fields: { readonly [key: string]: Json | undefined }): Transaction;
}

export interface Ledger {
  readonly lastId: number;
  begin(origin: BatchOrigin): Batch;
  get(id: number): Transaction | undefined;
  /** Transactions with ids from `first` to `last`, both included. */
  range(first: number, last: number): readonly Transaction[];
  /** Uses up an id without a transaction, which no real broker does: a gap for drills. */
  burnId(): void;
}

export function createLedger(settings: EngineSettings): Ledger {
  /** Transactions by id - 1; a burnt id leaves null. */
  const all: (Transaction | null)[] = [];
  const userId = Number(settings.accountId.split('-')[2]);
  return {
    get lastId() {
      return all.length;
    },
    begin(origin) {
      const transactions: Transaction[] = [];
      let batchId: string | null = null;
      return {
        at: origin.at,
        transactions,
        nextId: () => all.length + 1,
        add(type, fields) {
          const id = all.length + 1;
          batchId ??= String(id);
          const body: Body = compact({
            id: String(id),
            accountID: settings.accountId,
            userID: origin.byClient ? userId : 0,
            batchID: batchId,
            requestID: origin.requestId ?? undefined,
            time: formatInstant(origin.at),
            type,
            ...fields,
          });
          const transaction = { id, type, at: origin.at, body };
          all.push(transaction);
          transactions.push(transaction);
          return transaction;
        },
      };
    },
    get: (id) => all[id - 1] ?? undefined,
    range: (first, last) => all.slice(Math.max(first, 1) - 1, last).filter((each) => each !== null),
    burnId: () => void all.push(null),
  };
}
