/** Take profits, stop losses and trailing stops: orders that hang on a trade. */
import type { Json } from './bodies.ts';
import { extensionsBody } from './bodies.ts';
import type { DependentKind, DependentOrder, DependentTerms, Trade } from './book.ts';
import { addOrder, marketOf } from './book.ts';
import type { Context } from './context.ts';
import { nextTradingDayStart } from './days.ts';
import type { Batch } from './ledger.ts';
import { dependentFields } from './transaction-bodies.ts';
import { dependentPoints } from './triggers.ts';

/** Creates a dependent order of an open trade; `origin` holds the reason and what it refers to. */
export function createDependent(context: Context, batch: Batch, trade: Trade, kind: DependentKind, terms: DependentTerms, origin: { readonly [key: string]: Json | undefined }): DependentOrder {
  const market = marketOf(context.book, trade.instrument);
  if (market.quote === null) throw new Error(`${trade.instrument} has an open trade and no price`);
  const triggerPoints = dependentPoints(kind, terms, trade.currentUnits.isPositive(), market.quote);
  const transaction = batch.add(`${kind}_ORDER`, {
    tradeID: String(trade.id),
    clientTradeID: trade.clientExtensions?.id,
    ...dependentFields(terms, kind, triggerPoints, market.settings.instrument.displayPrecision),
    clientExtensions: extensionsBody(terms.clientExtensions),
    ...origin,
  });
  const expiresAt = terms.gtdTime ?? (terms.timeInForce === 'GFD' ? nextTradingDayStart(batch.at) : null);
  const replaces = origin['replacesOrderID'];
  const order: DependentOrder = {
    id: transaction.id,
    type: kind,
    instrument: trade.instrument,
    createdAt: batch.at,
    requestId: null,
    replacesOrderId: typeof replaces === 'string' ? Number(replaces) : null,
    clientExtensions: terms.clientExtensions,
    expiry: expiresAt === null ? null : { at: expiresAt, reason: 'TIME_IN_FORCE_EXPIRED' },
    status: { state: 'PENDING' },
    tradeId: trade.id,
    terms,
    triggerPoints,
  };
  addOrder(context.book, order);
  trade.dependents.set(kind, order);
  return order;
}
