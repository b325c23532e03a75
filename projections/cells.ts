/** Reading and adding up a row's cells. A cell of the wrong kind breaks the projection, with its name. */
import { readBody } from '../domain/ledger.ts';
import type { TransactionBody } from '../domain/ledger.ts';
import { ZERO_MONEY, add, format, money } from '../domain/money.ts';
import type { Money } from '../domain/money.ts';
import type { ProjectedEvent, Row } from '../domain/projection.ts';

export function textOrNull(row: Row | null, column: string): string | null {
  const cell = row?.[column] ?? null;
  if (cell !== null && typeof cell !== 'string') throw new TypeError(`column ${column} holds ${typeof cell}, not text`);
  return cell;
}

/** An integer cell; 0 where the row or the cell is missing. */
export function count(row: Row | null, column: string): number {
  const cell = row?.[column] ?? 0;
  if (typeof cell !== 'number') throw new TypeError(`column ${column} holds ${typeof cell}, not a number`);
  return cell;
}

/** A decimal cell; 0 where the row or the cell is missing. */
export const amount = (row: Row | null, column: string): Money => {
  const text = textOrNull(row, column);
  return text === null ? ZERO_MONEY : money(text, column);
};

/** A decimal cell with something added, as text. */
export const plus = (row: Row | null, column: string, addend: Money): string => (addend === ZERO_MONEY ? (textOrNull(row, column) ?? '0') : format(add(amount(row, column), addend)));

/** A decimal of a transaction's body; 0 where the broker left it out. */
export const bodyAmount = (text: string | undefined, field: string): Money => (text === undefined ? ZERO_MONEY : money(text, field));

/** The body of a recorded broker transaction; null for every other event. */
export function transactionOf(projected: ProjectedEvent): TransactionBody | null {
  const { event } = projected;
  return event.type === 'BrokerTransactionRecorded' ? readBody(event.data.transactionId, event.data.body) : null;
}

/** What one transaction moved, by kind. */
export interface Movement {
  readonly realisedPl: Money;
  readonly financing: Money;
  /** Commission and guaranteed execution fees; positive when paid. */
  readonly commission: Money;
  /** Transfers and dividend adjustments: neither profit nor loss of trading. */
  readonly transfers: Money;
  readonly balance: Money;
}

/** Null for a transaction that leaves the balance alone: only bodies with `accountBalance` move it. */
export function movementOf(body: TransactionBody): Movement | null {
  if (body.accountBalance === undefined) return null;
  const field = (name: string): string => `transaction ${body.id} ${name}`;
  return {
    realisedPl: bodyAmount(body.pl, field('pl')),
    financing: bodyAmount(body.financing, field('financing')),
    commission: add(bodyAmount(body.commission, field('commission')), bodyAmount(body.guaranteedExecutionFee, field('guaranteedExecutionFee'))),
    transfers: add(bodyAmount(body.amount, field('amount')), bodyAmount(body.dividendAdjustment, field('dividendAdjustment'))),
    balance: money(body.accountBalance, field('accountBalance')),
  };
}
