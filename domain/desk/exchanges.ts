/** What came of sending a request, as evidence: recorded alike for orders and for stops. */
import type { Exchange, OrderRequest } from '../broker.ts';
import type { ClientOrderId } from '../ids.ts';
import { requestData } from '../order-request.ts';
import { formatInstant } from '../time.ts';
import type { Draft, Telling } from './draft.ts';

export function tellExchange(draft: Draft, clientOrderId: ClientOrderId, request: OrderRequest, exchange: Exchange, telling: Telling): void {
  draft.tell({
    type: 'BrokerExchangeRecorded',
    data: {
      clientOrderId,
      ...requestData(request),
      status: exchange.status,
      requestId: exchange.requestId,
      replyBody: exchange.body,
      replyTruncated: exchange.bodyTruncated,
      sentAt: formatInstant(exchange.sentAt),
      answeredAt: exchange.answeredAt === null ? null : formatInstant(exchange.answeredAt),
    },
  }, telling);
}

/** A refusal whose body cites its reject transaction ends in the ledger; one without leaves nothing there. */
export const leavesTransaction = (exchange: Exchange): boolean => exchange.bodyTruncated || (exchange.body?.includes('RejectTransaction"') ?? false);
