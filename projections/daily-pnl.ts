/**
 * Profit and loss by trading day. The day turns at 17:00 New York and carries the date on which it ends, as the
 * market counts it: what is booked on Sunday evening belongs to Monday.
 */
import { newYorkClock, tradingDayStart } from '../domain/calendar.ts';
import type { TransactionBody } from '../domain/ledger.ts';
import { add, format, subtract } from '../domain/money.ts';
import type { Projection } from '../domain/projection.ts';
import { DAY_MS, formatInstant, instantOf, parseInstant } from '../domain/time.ts';
import type { Instant } from '../domain/time.ts';
import { count, movementOf, plus, transactionOf } from './cells.ts';

const dayStart = (body: TransactionBody): Instant => tradingDayStart(parseInstant(body.time, `transaction ${body.id} time`));
const dayName = (start: Instant): string => formatInstant(instantOf((newYorkClock(start).day + 1) * DAY_MS)).slice(0, 10);

export const dailyPnl: Projection = {
  name: 'daily_pnl',
  version: 1,
  key: 'day',
  columns: {
    day: 'TEXT', starts_at: 'TEXT', realised_pl: 'TEXT', financing: 'TEXT', commission: 'TEXT', net_pnl: 'TEXT', transfers: 'TEXT', fills: 'INTEGER', closing_balance: 'TEXT', last_transaction_id: 'TEXT',
  },
  keysOf(projected) {
    const body = transactionOf(projected);
    return body?.accountBalance === undefined ? [] : [dayName(dayStart(body))];
  },
  apply(row, projected, key) {
    const body = transactionOf(projected);
    const movement = body === null ? null : movementOf(body);
    if (body === null || movement === null) return row;
    const profit = subtract(add(movement.realisedPl, movement.financing), movement.commission);
    return {
      day: key,
      starts_at: formatInstant(dayStart(body)),
      realised_pl: plus(row, 'realised_pl', movement.realisedPl),
      financing: plus(row, 'financing', movement.financing),
      commission: plus(row, 'commission', movement.commission),
      net_pnl: plus(row, 'net_pnl', profit),
      transfers: plus(row, 'transfers', movement.transfers),
      fills: count(row, 'fills') + (body.type === 'ORDER_FILL' ? 1 : 0),
      closing_balance: format(movement.balance),
      last_transaction_id: body.id,
    };
  },
};
