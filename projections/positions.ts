/** Net position by instrument: the sum of what fills opened, reduced and closed. */
import type { TransactionBody } from '../domain/ledger.ts';
import { ZERO_MONEY, add, money } from '../domain/money.ts';
import type { Money } from '../domain/money.ts';
import type { Projection } from '../domain/projection.ts';
import { bodyAmount, count, plus, transactionOf } from './cells.ts';

/** Signed units that a fill moved: its parts added up, which is what the broker's own trades did. */
function unitsMoved(body: TransactionBody): Money {
  let sum = ZERO_MONEY;
  for (const part of [...(body.tradesClosed ?? []), body.tradeReduced, body.tradeOpened]) {
    if (part !== undefined) sum = add(sum, money(part.units, `transaction ${body.id} units`));
  }
  return sum;
}

export const positions: Projection = {
  name: 'positions',
  version: 1,
  key: 'instrument',
  columns: { instrument: 'TEXT', net_units: 'TEXT', realised_pl: 'TEXT', fills: 'INTEGER', last_price: 'TEXT', last_fill_at: 'TEXT', last_transaction_id: 'TEXT' },
  keysOf(projected) {
    const body = transactionOf(projected);
    return body?.type === 'ORDER_FILL' && body.instrument !== undefined ? [body.instrument] : [];
  },
  apply(row, projected, key) {
    const body = transactionOf(projected);
    if (body === null) return row;
    return {
      instrument: key,
      net_units: plus(row, 'net_units', unitsMoved(body)),
      realised_pl: plus(row, 'realised_pl', bodyAmount(body.pl, `transaction ${body.id} pl`)),
      fills: count(row, 'fills') + 1,
      last_price: body.tradeOpened?.price ?? body.tradeReduced?.price ?? body.tradesClosed?.at(-1)?.price ?? body.price ?? null,
      last_fill_at: body.time,
      last_transaction_id: body.id,
    };
  },
};
