/**
 * Which instrument each transaction was about. A decision on one pair must not be denied because an order on
 * another one filled meanwhile: what that order may come to was reserved before it was sent. Whatever cannot be
 * laid to one instrument (financing, transfers, margin, what this build does not know) concerns all of them.
 */
import type { InstrumentName } from './instruments.ts';
import { instrumentName } from './instruments.ts';

export interface Touched {
  /** Newest transaction about each instrument. */
  readonly byInstrument: ReadonlyMap<InstrumentName, number>;
  /** Newest transaction about the account as a whole. */
  readonly account: number;
  /** Instrument of each order that is neither filled nor cancelled: its end may name the order alone. */
  readonly byOrder: ReadonlyMap<string, InstrumentName>;
}

export const untouched: Touched = { byInstrument: new Map(), account: 0, byOrder: new Map() };

/** What a transaction says of where it belongs. */
interface Belonging {
  readonly id: string;
  readonly type: string;
  readonly instrument?: string | undefined;
  readonly tradeID?: string | undefined;
  readonly orderID?: string | undefined;
}

/** What the ledger knows once the transaction is folded. */
interface Known {
  /** Of an open trade; undefined for one that is not known. */
  instrumentOfTrade(tradeId: string): InstrumentName | undefined;
  isPending(orderId: string): boolean;
}

/** @param creates whether the transaction creates an order. */
export function evolveTouched(touched: Touched, body: Belonging, creates: boolean, known: Known): Touched {
  const id = Number(body.id);
  const instrument = body.instrument !== undefined ? instrumentName(body.instrument)
    : body.tradeID !== undefined ? known.instrumentOfTrade(body.tradeID)
    : body.orderID !== undefined ? touched.byOrder.get(body.orderID)
    : undefined;
  const byOrder = ordersAfter(touched.byOrder, body, creates, instrument, known);
  return instrument === undefined ? { ...touched, account: id, byOrder } : { ...touched, byInstrument: new Map(touched.byInstrument).set(instrument, id), byOrder };
}

function ordersAfter(byOrder: Touched['byOrder'], body: Belonging, creates: boolean, instrument: InstrumentName | undefined, known: Known): Touched['byOrder'] {
  const begins = creates && instrument !== undefined;
  const ends = body.orderID !== undefined && byOrder.has(body.orderID) && !known.isPending(body.orderID);
  if (!begins && !ends) return byOrder;
  const orders = new Map(byOrder);
  if (begins) orders.set(body.id, instrument);
  else orders.delete(body.orderID!);
  return orders;
}

/** The newest transaction that may have changed what a decision on an instrument rests on. */
export const touchedLast = (touched: Touched, instrument: InstrumentName): number => Math.max(touched.account, touched.byInstrument.get(instrument) ?? 0);
