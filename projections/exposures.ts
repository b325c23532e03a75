/**
 * Net amount held of each currency by the open trades, at the prices at which they were opened: what a trade buys of
 * one currency it owes in the other. Zero when nothing is open.
 */
import type { TransactionBody } from '../domain/ledger.ts';
import { ZERO_MONEY, add, format, negate, price, priceTimesUnits, units } from '../domain/money.ts';
import type { Money, Price, Units } from '../domain/money.ts';
import type { Projection, Row } from '../domain/projection.ts';
import { amount, textOrNull, transactionOf } from './cells.ts';

interface Held {
  readonly units: Units;
  readonly price: Price;
}

/** A row remembers what its trades were opened at, because a fill that closes one tells the closing price alone. */
function readHeld(row: Row | null): Map<string, Held> {
  const held = new Map<string, Held>();
  for (const [tradeId, trade] of Object.entries(JSON.parse(textOrNull(row, 'open_trades') ?? '{}') as { readonly [tradeId: string]: unknown })) {
    const [count, at] = Array.isArray(trade) ? (trade as readonly unknown[]) : [];
    if (typeof count !== 'string' || typeof at !== 'string') throw new TypeError(`column open_trades holds no units and price of trade ${tradeId}`);
    held.set(tradeId, { units: units(count), price: price(at) });
  }
  return held;
}

const writeHeld = (held: ReadonlyMap<string, Held>): string => JSON.stringify(Object.fromEntries([...held].map(([tradeId, trade]) => [tradeId, [format(trade.units), format(trade.price)]])));

/** What units at a price come to in one of the pair's currencies. */
const legOf = (isBase: boolean, count: Units, at: Price): Money => (isBase ? (count as bigint as Money) : negate(priceTimesUnits(at, count)));

/** The amount by which a fill changes what is held of a currency; opens and closes `held` accordingly. */
function moveBy(body: TransactionBody, held: Map<string, Held>, isBase: boolean): Money {
  let moved = ZERO_MONEY;
  for (const part of [...(body.tradesClosed ?? []), ...(body.tradeReduced === undefined ? [] : [body.tradeReduced])]) {
    const trade = held.get(part.tradeID);
    // A trade whose opening lies before the log's first transaction was never counted, so its end is not either.
    if (trade === undefined) continue;
    const closed = units(part.units, `transaction ${body.id} units`);
    moved = add(moved, legOf(isBase, closed, trade.price));
    const rest = add(trade.units, closed);
    if (rest === 0n) held.delete(part.tradeID);
    else held.set(part.tradeID, { ...trade, units: rest });
  }
  if (body.tradeOpened !== undefined) {
    const opened = { units: units(body.tradeOpened.units, `transaction ${body.id} units`), price: price(body.tradeOpened.price ?? body.price ?? '', `transaction ${body.id} price`) };
    held.set(body.tradeOpened.tradeID, opened);
    moved = add(moved, legOf(isBase, opened.units, opened.price));
  }
  return moved;
}

export const exposures: Projection = {
  name: 'exposures',
  version: 1,
  key: 'currency',
  columns: { currency: 'TEXT', net_amount: 'TEXT', open_trades: 'TEXT', last_transaction_id: 'TEXT' },
  keysOf(projected) {
    // Most transactions are no fills, and reading a body is what costs.
    if (projected.event.type !== 'BrokerTransactionRecorded' || projected.event.data.body['type'] !== 'ORDER_FILL') return [];
    return transactionOf(projected)?.instrument?.split('_') ?? [];
  },
  apply(row, projected, key) {
    const body = transactionOf(projected);
    if (body === null) return row;
    const held = readHeld(row);
    const moved = moveBy(body, held, body.instrument?.split('_')[0] === key);
    return { currency: key, net_amount: format(add(amount(row, 'net_amount'), moved)), open_trades: writeHeld(held), last_transaction_id: body.id };
  },
};
