/**
 * One row for each trade of the broker's, folded from the transactions alone: opened by a fill, reduced and
 * closed by others, charged by daily financing. Money is what the broker booked, added up and never computed.
 */
import { z } from 'zod';
import type { TransactionBody } from '../domain/ledger.ts';
import { ZERO_MONEY, add, format, money, units } from '../domain/money.ts';
import type { Money } from '../domain/money.ts';
import type { Projection, Row } from '../domain/projection.ts';
import { amount, bodyAmount, plus, textOrNull, transactionOf } from './cells.ts';

const financingSchema = z.array(z.looseObject({ openTradeFinancings: z.array(z.looseObject({ tradeID: z.string(), financing: z.string() })).optional() }));

/** What a daily financing charged to each trade; empty where the broker gave no detail. */
function financingByTrade(body: TransactionBody): ReadonlyMap<string, Money> {
  const charged = new Map<string, Money>();
  if (body.type !== 'DAILY_FINANCING' || body['positionFinancings'] === undefined) return charged;
  for (const position of financingSchema.parse(body['positionFinancings'])) {
    for (const part of position.openTradeFinancings ?? []) {
      charged.set(part.tradeID, add(charged.get(part.tradeID) ?? ZERO_MONEY, money(part.financing, `transaction ${body.id} financing`)));
    }
  }
  return charged;
}

type TradePart = NonNullable<TransactionBody['tradeReduced']>;

/** A trade whose opening lies before the log's first transaction. */
const unseen = (tradeId: string): Row => ({
  trade_id: tradeId, state: 'OPEN', instrument: null, initial_units: null, current_units: null, open_price: null, open_time: null, client_order_id: null,
  realised_pl: '0', financing: '0', close_price: null, close_time: null, close_reason: null, close_transaction_id: null,
});

function opened(key: string, body: TransactionBody, part: TradePart): Row {
  return {
    ...unseen(key),
    instrument: body.instrument ?? null,
    initial_units: format(units(part.units)),
    current_units: format(units(part.units)),
    open_price: part.price ?? body.price ?? null,
    open_time: body.time,
    client_order_id: body.clientOrderID ?? null,
  };
}

/** Parts carry the sign of the fill, so that adding them to an open trade's units brings it towards zero. */
function reduced(row: Row | null, key: string, body: TransactionBody, part: TradePart, closes: boolean): Row {
  const before = row ?? { ...unseen(key), instrument: body.instrument ?? null };
  const known = textOrNull(before, 'current_units') !== null;
  const remaining = closes ? '0' : known ? format(add(amount(before, 'current_units'), money(part.units))) : null;
  return {
    ...before,
    state: closes ? 'CLOSED' : 'OPEN',
    current_units: remaining,
    realised_pl: plus(before, 'realised_pl', bodyAmount(part.realizedPL, `transaction ${body.id} realizedPL`)),
    financing: plus(before, 'financing', bodyAmount(part.financing, `transaction ${body.id} financing`)),
    ...(closes ? { close_price: part.price ?? body.price ?? null, close_time: body.time, close_reason: body.reason ?? null, close_transaction_id: body.id } : {}),
  };
}

export const trades: Projection = {
  name: 'trades',
  version: 2,
  key: 'trade_id',
  columns: {
    trade_id: 'TEXT', state: 'TEXT', instrument: 'TEXT', initial_units: 'TEXT', current_units: 'TEXT', open_price: 'TEXT', open_time: 'TEXT', client_order_id: 'TEXT',
    realised_pl: 'TEXT', financing: 'TEXT', close_price: 'TEXT', close_time: 'TEXT', close_reason: 'TEXT', close_transaction_id: 'TEXT',
  },
  keysOf(projected) {
    const body = transactionOf(projected);
    if (body === null) return [];
    if (body.type !== 'ORDER_FILL') return [...financingByTrade(body).keys()];
    const parts = [...(body.tradesClosed ?? []), body.tradeReduced, body.tradeOpened];
    return parts.filter((part) => part !== undefined).map((part) => part.tradeID);
  },
  apply(row, projected, key) {
    const body = transactionOf(projected);
    if (body === null) return row;
    const charged = financingByTrade(body).get(key);
    if (charged !== undefined) return { ...(row ?? unseen(key)), financing: plus(row, 'financing', charged) };
    const closed = body.tradesClosed?.find((part) => part.tradeID === key);
    if (closed !== undefined) return reduced(row, key, body, closed, true);
    if (body.tradeReduced?.tradeID === key) return reduced(row, key, body, body.tradeReduced, false);
    return body.tradeOpened?.tradeID === key ? opened(key, body, body.tradeOpened) : row;
  },
};
