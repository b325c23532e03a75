/** What others do to the account: trades of theirs, their hands on ours, and what the broker does by itself. */
import type { FaultInjector } from './injector.ts';
import type { Fault, FaultOf } from './kinds.ts';
import type { Body, Json } from '../engine/bodies.ts';
import { isBody } from '../engine/bodies.ts';
import type { DependentOrder, Trade } from '../engine/book.ts';
import { marketOf, openTrades } from '../engine/book.ts';
import { printPoints } from '../engine/decimals.ts';
import type { Engine } from '../engine/engine.ts';
import type { Venue } from '../venue.ts';

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

const tradesOf = (engine: Engine, instrument: string | undefined): readonly Trade[] => openTrades(engine.book).filter((trade) => instrument === undefined || trade.instrument === instrument);

const stopOf = (trade: Trade): DependentOrder | null => trade.dependents.get('STOP_LOSS') ?? null;

/** Where a trade's stop stands after it was moved away from the market, or towards it. */
function movedStop(engine: Engine, trade: Trade, stop: DependentOrder, pips: number): Body {
  const { displayPrecision, pipLocation } = marketOf(engine.book, trade.instrument).settings.instrument;
  const points = pips * 10 ** (displayPrecision + pipLocation);
  return { stopLoss: { price: printPoints(stop.triggerPoints + (trade.currentUnits.isNegative() ? points : -points), displayPrecision) } };
}

/** What came of an act, in a word. */
interface Done {
  readonly kind: string;
  readonly reason?: string;
}

/** The acts that a fault consists of; each is recorded with the transactions that it wrote. */
function actsOf(fault: Fault, venue: Venue): readonly (() => Done)[] {
  const { engine, now } = venue;
  const actions = engine.venueActions;
  const done = (act: () => unknown) => (): Done => {
    act();
    return { kind: 'done' };
  };
  switch (fault.kind) {
    case 'foreignTrade':
      return [() => actions.foreignOrder(foreignOrder(fault, engine), now)];
    case 'manualClose':
      return tradesOf(engine, fault.instrument).map((trade) => () => actions.foreignTradeClose(String(trade.id), fault.units, now));
    case 'stopCancelled':
      return tradesOf(engine, fault.instrument).flatMap((trade) => (stopOf(trade) === null ? [] : [() => actions.foreignTradeOrders(String(trade.id), { stopLoss: null }, now)]));
    case 'stopMoved':
      return tradesOf(engine, fault.instrument).flatMap((trade) => {
        const stop = stopOf(trade);
        return stop === null ? [] : [() => actions.foreignTradeOrders(String(trade.id), movedStop(engine, trade, stop, fault.pips), now)];
      });
    case 'marginCloseout':
      return [done(() => actions.forceMarginCloseout(now))];
    case 'delayedTradeClosure': {
      const ids = tradesOf(engine, fault.instrument).map(({ id }) => id);
      return ids.length === 0 ? [] : [done(() => actions.delayTradeClosure(ids, now))];
    }
    case 'transfer':
      return [done(() => actions.transferFunds(fault.amount, now))];
    case 'dividend':
      return [done(() => actions.adjustDividend(fault.instrument, fault.quotePerUnit, now))];
    case 'lateFill':
      return [done(() => actions.delayMarketOrders(fault.orders, fault.delayMs))];
    case 'thinMarket':
      return [done(() => actions.limitLiquidity(fault.instrument, fault.units, fault.points))];
    case 'forcedFill':
      return [done(() => actions.forceNextFill(fault.instrument, fault.units))];
    case 'burntIds':
      return [done(() => actions.burnTransactionIds(fault.ids))];
    case 'unknownTransaction':
      return [done(() => actions.writeUnknownTransaction(fault.type, { amount: '0.0000' }, now))];
    default:
      return [];
  }
}

/** Sets what the venue does while faults of these kinds are active, and sets it back behind the last of them. */
function followVenueFaults(fault: Fault, injector: FaultInjector, venue: Venue): void {
  const { venueActions } = venue.engine;
  if (fault.kind === 'instrumentStatus') {
    const newest = injector.activeFaults('instrumentStatus').findLast(({ instrument }) => instrument === fault.instrument);
    venueActions.setInstrumentStatus(fault.instrument, newest?.status ?? 'TRADEABLE');
  } else if (fault.kind === 'accountLock') {
    venueActions.lockAccount(injector.activeFaults('accountLock').at(-1)?.lock ?? null);
  } else if (fault.kind === 'priceJump') {
    venue.displace(fault.instrument, injector.activeFaults('priceJump').filter(({ instrument }) => instrument === fault.instrument).reduce((sum, { pips }) => sum + pips, 0));
  }
}

/** Is a fault's instrument one that the venue has? */
const isOffered = (fault: Fault, venue: Venue): boolean => !('instrument' in fault) || fault.instrument === undefined || venue.tracks.has(fault.instrument);

/** Lets the faults of the account and of the venue happen as they begin, and end. */
export function addAccountFaults(injector: FaultInjector, venue: Venue): void {
  injector.listen({
    begun(live) {
      if (!isOffered(live.fault, venue)) return void injector.hit(live, { outcome: 'the venue does not have the instrument' });
      followVenueFaults(live.fault, injector, venue);
      for (const act of actsOf(live.fault, venue)) {
        const first = venue.engine.lastTransactionId + 1;
        const { kind, reason } = venue.request(act);
        const transactions: Json = venue.engine.transactions(first, venue.engine.lastTransactionId).map(({ id }) => String(id));
        injector.hit(live, { outcome: kind, ...(reason === undefined ? {} : { reason }), transactions });
      }
    },
    ended(live) {
      if (isOffered(live.fault, venue)) followVenueFaults(live.fault, injector, venue);
    },
  });
}
