import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Account, dig } from './account.ts';
import { isBody } from '../../../adapters/broker/engine/bodies.ts';
import type { Body, Transaction } from '../../../adapters/broker/engine/bodies.ts';
import { isDependent, netUnits } from '../../../adapters/broker/engine/book.ts';
import { Decimal } from '../../../adapters/broker/engine/decimals.ts';
import { formatInstant, plusMs } from '../../../domain/time.ts';

type Action =
  | { readonly kind: 'price'; readonly bid: number; readonly spread: number }
  | { readonly kind: 'order'; readonly units: number; readonly fill: string; readonly stop: number | null; readonly bound: number | null; readonly slot: string | null }
  | { readonly kind: 'close'; readonly trade: number; readonly units: string }
  | { readonly kind: 'close position'; readonly side: 'longUnits' | 'shortUnits' }
  | { readonly kind: 'cancel'; readonly order: number }
  | { readonly kind: 'hours'; readonly hours: number };

const price = fc.record({ kind: fc.constant('price' as const), bid: fc.integer({ min: 109_000, max: 111_000 }), spread: fc.integer({ min: 0, max: 40 }) });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: price },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('order' as const),
      units: fc.integer({ min: -60, max: 60 }),
      fill: fc.constantFrom('DEFAULT', 'OPEN_ONLY', 'REDUCE_FIRST', 'REDUCE_ONLY'),
      stop: fc.option(fc.integer({ min: 1, max: 900 })),
      bound: fc.option(fc.integer({ min: 109_000, max: 111_000 })),
      slot: fc.option(fc.constantFrom('a', 'b')),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('close' as const), trade: fc.integer({ min: 1, max: 60 }), units: fc.constantFrom('ALL', '1', '7') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close position' as const), side: fc.constantFrom('longUnits' as const, 'shortUnits' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('cancel' as const), order: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('hours' as const), hours: fc.integer({ min: 1, max: 30 }) }) },
);

const points = (value: number): string => (value / 100_000).toFixed(5);

function act(account: Account, step: Action): void {
  switch (step.kind) {
    case 'price':
      account.price(step.bid, step.bid + step.spread);
      return;
    case 'order':
      account.order({
        units: String(step.units),
        positionFill: step.fill,
        ...(step.stop === null ? {} : { stopLossOnFill: { distance: points(step.stop) } }),
        ...(step.bound === null ? {} : { priceBound: points(step.bound) }),
        ...(step.slot === null ? {} : { tradeClientExtensions: { id: step.slot } }),
      });
      return;
    case 'close':
      account.close(String(step.trade), step.units);
      return;
    case 'close position':
      account.engine.closePosition('EUR_USD', { longUnits: 'NONE', shortUnits: 'NONE', [step.side]: 'ALL' }, account.receipt());
      return;
    case 'cancel':
      account.engine.cancel(String(step.order), account.receipt());
      return;
    case 'hours':
      account.setTime(plusMs(account.at, step.hours * 3_600_000));
      account.wait(0);
  }
}

const decimal = (value: unknown): Decimal => new Decimal(typeof value === 'string' ? value : Number.NaN);
function parts(body: Body): readonly { readonly [key: string]: unknown }[] {
  const named: readonly unknown[] = [body['tradesClosed'], body['tradeReduced']].flat();
  return named.filter(isBody);
}

/** Folds the ledger the way an auditor would, from the printed bodies alone. */
function audit(transactions: readonly Transaction[]): { readonly balance: Decimal; readonly units: Decimal; readonly trades: ReadonlyMap<string, Decimal> } {
  let balance = new Decimal(0);
  let units = new Decimal(0);
  const trades = new Map<string, Decimal>();
  const settled = new Set<unknown>();
  transactions.forEach(({ id, body }, index) => {
    expect(id).toBe(index + 1);
    expect(body['id']).toBe(String(id));
    if (body['type'] === 'TRANSFER_FUNDS') balance = balance.plus(decimal(body['amount']));
    if (body['type'] === 'DAILY_FINANCING') balance = balance.plus(decimal(body['financing']));
    if (body['type'] === 'ORDER_FILL') {
      const open = [...trades].filter(([, count]) => !count.isZero()).map(([tradeId]) => tradeId);
      balance = balance.plus(decimal(body['pl'])).plus(decimal(body['financing']));
      units = units.plus(decimal(body['units']));
      const closed = parts(body);
      expect(closed.reduce((sum, part) => sum.plus(decimal(part['realizedPL'])), new Decimal(0)).toFixed(4)).toBe(decimal(body['pl']).toFixed(4));
      const opened = body['tradeOpened'] === undefined ? [] : [decimal(dig(body, 'tradeOpened', 'units'))];
      const sum = [...closed.map((part) => decimal(part['units'])), ...opened].reduce((total, each) => total.plus(each), new Decimal(0));
      expect(sum.toFixed()).toBe(decimal(body['units']).toFixed());
      for (const part of closed) trades.set(String(part['tradeID']), (trades.get(String(part['tradeID'])) ?? expect.fail()).plus(decimal(part['units'])));
      const byMarketOrder = body['reason'] === 'MARKET_ORDER' || body['reason'] === 'MARKET_ORDER_POSITION_CLOSEOUT';
      if (byMarketOrder) expect(closed.map((part) => part['tradeID'])).toEqual(open.slice(0, closed.length));
      if (body['tradeOpened'] !== undefined) trades.set(String(dig(body, 'tradeOpened', 'tradeID')), decimal(dig(body, 'tradeOpened', 'units')));
    }
    if (body['accountBalance'] !== undefined) expect(body['accountBalance']).toBe(balance.toFixed(4));
    if (body['type'] === 'ORDER_FILL' || body['type'] === 'ORDER_CANCEL') {
      expect(settled.has(body['orderID']), `transaction ${id} ends an order that had ended`).toBe(false);
      settled.add(body['orderID']);
    }
  });
  return { balance, units, trades };
}

describe('whatever is done to an account', () => {
  test('ids are contiguous, the balance is the sum of its parts, the position the sum of the fills, and the oldest trades close first', () => {
    fc.assert(
      fc.property(fc.array(action, { minLength: 5, maxLength: 60 }), (steps) => {
        const account = new Account();
        account.price(110_000, 110_012);
        for (const step of steps) act(account, step);
        const { engine } = account;
        const { balance, units, trades } = audit(engine.transactions(1, engine.lastTransactionId));
        const market = engine.book.markets.get('EUR_USD') ?? expect.fail();
        expect(engine.book.balance.toFixed(4)).toBe(balance.toFixed(4));
        expect(netUnits(market).toFixed()).toBe(units.toFixed());
        const open = [...trades].filter(([, count]) => !count.isZero());
        expect(market.openTrades.map((trade) => [String(trade.id), trade.currentUnits.toFixed()])).toEqual(open.map(([id, count]) => [id, count.toFixed()]));
        // A netting account never holds both sides, and a stop never outlives its trade.
        expect(new Set(open.map(([, count]) => count.isNegative())).size).toBeLessThanOrEqual(1);
        for (const order of market.pendingOrders) if (isDependent(order)) expect(engine.book.trades.get(order.tradeId)?.closedAt).toBeNull();
      }),
      { numRuns: 300 },
    );
  });

  test('equal inputs give equal bytes', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 30 }), (steps) => {
        const run = (): string => {
          const account = new Account();
          account.price(110_000, 110_012);
          for (const step of steps) act(account, step);
          return JSON.stringify(account.engine.transactions(1, account.engine.lastTransactionId));
        };
        expect(run()).toBe(run());
      }),
      { numRuns: 50 },
    );
  });

  test('no order fills at a price other than the first point after its receipt', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(price, fc.integer({ min: -50, max: 50 }).filter((units) => units !== 0)), { minLength: 1, maxLength: 30 }), (steps) => {
        const account = new Account();
        account.price(110_000, 110_012);
        for (const [point, units] of steps) {
          account.order({ units: String(units) });
          const fill = account.price(point.bid, point.bid + point.spread).find(({ body }) => body['type'] === 'ORDER_FILL');
          expect(fill?.body).toMatchObject({ price: points(units > 0 ? point.bid + point.spread : point.bid), time: formatInstant(account.at) });
        }
      }),
      { numRuns: 100 },
    );
  });
});
