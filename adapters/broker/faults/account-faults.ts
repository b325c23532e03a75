/** What others do to the account: trades of theirs, and their hands on ours. */
import type { FaultInjector, LiveFault } from './injector.ts';
import type { Body, Json, Transaction } from '../engine/bodies.ts';
import { isBody } from '../engine/bodies.ts';
import { openTrades, pendingOrders } from '../engine/book.ts';
import type { Engine, Outcome } from '../engine/engine.ts';
import type { FaultOf } from './kinds.ts';
import type { Venue } from '../venue.ts';

/** A request of the platform on which people trade by hand; no client's begins like it. */
const platformRequestId = (venue: Venue): string => `71${String(venue.now).padStart(16, '0')}`;

/** The client id of the newest order that carries one. */
function newestClientId(engine: Engine): string | undefined {
  for (let id = engine.lastTransactionId; id >= 1; id -= 1) {
    const extensions = engine.transaction(id)?.body['clientExtensions'];
    if (isBody(extensions) && typeof extensions['id'] === 'string') return extensions['id'];
  }
  return undefined;
}

function foreignOrder(fault: FaultOf<'foreignTrade'>, engine: Engine): Body {
  const id = fault.clientId === 'takeOurs' ? newestClientId(engine) : fault.clientId;
  const extensions = { ...(id === undefined ? {} : { id }), ...(fault.tag === undefined ? {} : { tag: fault.tag }) };
  return { type: 'MARKET', instrument: fault.instrument, units: fault.units, timeInForce: 'FOK', positionFill: 'DEFAULT', ...(Object.keys(extensions).length === 0 ? {} : { clientExtensions: extensions }) };
}

function actsOf({ fault }: LiveFault, engine: Engine, venue: Venue): readonly (() => Outcome)[] {
  const receipt = { at: venue.now, requestId: platformRequestId(venue) };
  switch (fault.kind) {
    case 'foreignTrade':
      return [() => engine.placeOrder(foreignOrder(fault, engine), receipt)];
    case 'manualClose':
      return openTrades(engine.book)
        .filter((trade) => fault.instrument === undefined || trade.instrument === fault.instrument)
        .map((trade) => () => engine.closeTrade(String(trade.id), { units: fault.units }, receipt));
    case 'stopCancelled':
      return pendingOrders(engine.book)
        .filter((order) => order.type === 'STOP_LOSS' && (fault.instrument === undefined || order.instrument === fault.instrument))
        .map((order) => () => engine.cancel(String(order.id), receipt));
    default:
      return [];
  }
}

/** Lets account faults happen as they begin, each with a record of the transactions that it wrote. */
export function addAccountFaults(injector: FaultInjector, venue: Venue): void {
  injector.listen({
    begun(live) {
      for (const act of actsOf(live, venue.engine, venue)) {
        const first = venue.engine.lastTransactionId + 1;
        const outcome = venue.request(act);
        const transactions: readonly Transaction[] = venue.engine.transactions(first, venue.engine.lastTransactionId);
        const what: { [key: string]: Json } = { outcome: outcome.kind, transactions: transactions.map(({ id }) => String(id)) };
        injector.hit(live, outcome.kind === 'rejected' ? { ...what, reason: outcome.reason } : what);
      }
    },
  });
}
