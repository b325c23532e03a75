/** The account in one row: the balance that the broker last printed and the sums that explain it. */
import { ZERO_MONEY, format } from '../domain/money.ts';
import type { TransactionBody } from '../domain/ledger.ts';
import type { Projection } from '../domain/projection.ts';
import { amount, count, movementOf, plus, textOrNull, transactionOf } from './cells.ts';

const KEY = 'account';

const currencyOf = (body: TransactionBody): string | null => (body.type === 'CREATE' ? (body.homeCurrency ?? null) : null);

export const account: Projection = {
  name: 'account',
  version: 1,
  key: 'id',
  columns: {
    id: 'TEXT', currency: 'TEXT', balance: 'TEXT', realised_pl: 'TEXT', financing: 'TEXT', commission: 'TEXT', transfers: 'TEXT', transactions: 'INTEGER', last_transaction_id: 'TEXT', last_transaction_at: 'TEXT',
  },
  keysOf: ({ event }) => (event.type === 'BrokerTransactionRecorded' ? [KEY] : []),
  apply(row, projected) {
    const body = transactionOf(projected);
    if (body === null) return row;
    const movement = movementOf(body);
    return {
      id: KEY,
      currency: currencyOf(body) ?? textOrNull(row, 'currency'),
      balance: format(movement?.balance ?? amount(row, 'balance')),
      realised_pl: plus(row, 'realised_pl', movement?.realisedPl ?? ZERO_MONEY),
      financing: plus(row, 'financing', movement?.financing ?? ZERO_MONEY),
      commission: plus(row, 'commission', movement?.commission ?? ZERO_MONEY),
      transfers: plus(row, 'transfers', movement?.transfers ?? ZERO_MONEY),
      transactions: count(row, 'transactions') + 1,
      last_transaction_id: body.id,
      last_transaction_at: body.time,
    };
  },
};
