import type { Book, Order } from './book.ts';
import { finishOrder } from './book.ts';
import type { Batch, Ledger } from './ledger.ts';
import type { EngineSettings } from './settings.ts';

/** What the parts of the engine work on. */
export interface Context {
  readonly settings: EngineSettings;
  readonly book: Book;
  readonly ledger: Ledger;
}

/** Why an order is cancelled, where another transaction or order is the cause. */
interface CancelCause {
  readonly closedTradeId?: number;
  readonly fillId?: number;
  readonly replacedByOrderId?: number;
}

/** Ends a pending order with an ORDER_CANCEL, and answers with that transaction's id. */
export function cancelOrder({ book }: Context, batch: Batch, order: Order, reason: string, cause: CancelCause = {}): number {
  const text = (id: number | undefined): string | undefined => (id === undefined ? undefined : String(id));
  const transaction = batch.add('ORDER_CANCEL', {
    orderID: String(order.id),
    clientOrderID: order.clientExtensions?.id,
    reason,
    closedTradeID: text(cause.closedTradeId),
    tradeCloseTransactionID: text(cause.fillId),
    replacedByOrderID: text(cause.replacedByOrderId),
  });
  finishOrder(book, order, { state: 'CANCELLED', transactionId: transaction.id, at: batch.at, replacedByOrderId: cause.replacedByOrderId ?? null });
  return transaction.id;
}
