import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Account, dig } from './account.ts';
import { isBody } from '../../../adapters/broker/engine/bodies.ts';
import type { Body, Transaction } from '../../../adapters/broker/engine/bodies.ts';
import { isDependent, netUnits, openTrades, pendingOrders } from '../../../adapters/broker/engine/book.ts';
import { Decimal } from '../../../adapters/broker/engine/decimals.ts';
import type { Engine } from '../../../adapters/broker/engine/engine.ts';
import { usualSettings } from '../../../adapters/broker/engine/settings.ts';
import type { Switches } from '../../../adapters/broker/engine/switches.ts';
import { accountBody, stateBody } from '../../../adapters/broker/engine/views.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { formatInstant, plusMs } from '../../../domain/time.ts';

/** Points are near 110,000 in both: 1.1 dollars a euro, 110 yen a dollar. */
const INSTRUMENTS = ['EUR_USD', 'USD_JPY'] as const;
type Name = (typeof INSTRUMENTS)[number];

type Action =
  | { readonly kind: 'price'; readonly instrument: Name; readonly bid: number; readonly spread: number }
  | { readonly kind: 'order'; readonly instrument: Name; readonly units: number; readonly fill: string; readonly stop: number | null; readonly bound: number | null; readonly slot: string | null; readonly timeInForce: string }
  | { readonly kind: 'resting'; readonly instrument: Name; readonly type: string; readonly units: number; readonly at: number; readonly fill: string; readonly timeInForce: string; readonly trail: number | null; readonly name: string | null }
  | { readonly kind: 'replace'; readonly order: number; readonly units: number; readonly at: number }
  | { readonly kind: 'dependents'; readonly trade: number; readonly profit: number | null | undefined; readonly stop: number | null | undefined; readonly trail: number | null | undefined }
  | { readonly kind: 'close'; readonly trade: number; readonly units: string }
  | { readonly kind: 'close position'; readonly instrument: Name; readonly side: 'longUnits' | 'shortUnits' }
  | { readonly kind: 'cancel'; readonly order: number }
  | { readonly kind: 'thin'; readonly instrument: Name; readonly units: number }
  | { readonly kind: 'transfer'; readonly cents: number }
  | { readonly kind: 'closeout' }
  | { readonly kind: 'hours'; readonly hours: number };

const instrument = fc.constantFrom(...INSTRUMENTS);
const level = fc.integer({ min: 109_000, max: 111_000 });
const units = fc.integer({ min: -60, max: 60 });
const fill = fc.constantFrom('DEFAULT', 'OPEN_ONLY', 'REDUCE_FIRST', 'REDUCE_ONLY');
const restingType = fc.constantFrom('LIMIT', 'STOP', 'MARKET_IF_TOUCHED');
const kind = <Kind extends string>(name: Kind): fc.Arbitrary<Kind> => fc.constant(name);
/** Which of the open trades or pending orders; where there are none, an id that need not exist. */
const nth = fc.nat(9);
const wish = fc.oneof(fc.constant(undefined), fc.constant(null), level);

const price = fc.record({ kind: kind('price'), instrument, bid: level, spread: fc.integer({ min: 0, max: 40 }) });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 10, arbitrary: price },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind('order'), instrument, units, fill, stop: fc.option(fc.integer({ min: 1, max: 900 })), bound: fc.option(level), slot: fc.option(fc.constantFrom('a', 'b')), timeInForce: fc.constantFrom('FOK', 'IOC'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: kind('resting'), instrument, type: restingType, units, at: level, fill, timeInForce: fc.constantFrom('GTC', 'GFD', 'IOC', 'FOK'), trail: fc.option(fc.integer({ min: 50, max: 900 })), name: fc.option(fc.constantFrom('x', 'y')),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: kind('replace'), order: nth, units, at: level }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('dependents'), trade: nth, profit: wish, stop: wish, trail: fc.oneof(fc.constant(undefined), fc.constant(null), fc.integer({ min: 50, max: 900 })) }) },
  { weight: 2, arbitrary: fc.record({ kind: kind('close'), trade: nth, units: fc.constantFrom('ALL', '1', '7') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('close position'), instrument, side: fc.constantFrom('longUnits' as const, 'shortUnits' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('cancel'), order: nth }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('thin'), instrument, units: fc.integer({ min: 0, max: 30 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('transfer'), cents: fc.integer({ min: -5_000, max: 5_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('closeout') }) },
  { weight: 1, arbitrary: fc.record({ kind: kind('hours'), hours: fc.integer({ min: 1, max: 30 }) }) },
);

const points = (value: number, name: string = 'EUR_USD'): string => (name === 'USD_JPY' ? (value / 1_000).toFixed(3) : (value / 100_000).toFixed(5));

const chosen = <Item extends { readonly id: number }>(items: readonly Item[], index: number): Item | undefined => items[index % Math.max(items.length, 1)];
const tradeId = (account: Account, index: number): number => chosen(openTrades(account.engine.book), index)?.id ?? index;

/** The dependent wishes of a request, in the decimals of the trade's instrument. */
function wishes(account: Account, step: Extract<Action, { kind: 'dependents' }>): { readonly [key: string]: unknown } {
  const name = account.engine.book.trades.get(tradeId(account, step.trade))?.instrument;
  const object = (value: number | null | undefined, field: string): unknown => (value === undefined || value === null ? value : { [field]: points(value, name) });
  const all = { takeProfit: object(step.profit, 'price'), stopLoss: object(step.stop, 'price'), trailingStopLoss: object(step.trail, 'distance') };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

function act(account: Account, step: Action): void {
  const { engine } = account;
  switch (step.kind) {
    case 'price':
      account.price(step.bid, step.bid + step.spread, step.instrument);
      return;
    case 'order':
      account.order({
        instrument: step.instrument,
        units: String(step.units),
        positionFill: step.fill,
        timeInForce: step.timeInForce,
        ...(step.stop === null ? {} : { stopLossOnFill: { distance: points(step.stop, step.instrument) } }),
        ...(step.bound === null ? {} : { priceBound: points(step.bound, step.instrument) }),
        ...(step.slot === null ? {} : { tradeClientExtensions: { id: step.slot } }),
      });
      return;
    case 'resting':
      account.order({
        type: step.type,
        instrument: step.instrument,
        units: String(step.units),
        price: points(step.at, step.instrument),
        positionFill: step.fill,
        timeInForce: step.timeInForce,
        ...(step.trail === null ? {} : { trailingStopLossOnFill: { distance: points(step.trail, step.instrument) } }),
        ...(step.name === null ? {} : { clientExtensions: { id: step.name } }),
      });
      return;
    case 'replace': {
      const order = chosen(pendingOrders(engine.book), step.order);
      const aimed = order !== undefined && isDependent(order) ? { tradeID: String(order.tradeId) } : {};
      const fields = { type: order?.type ?? 'LIMIT', instrument: order?.instrument ?? 'EUR_USD', units: String(step.units), price: points(step.at, order?.instrument), ...aimed };
      engine.replaceOrder(String(order?.id ?? step.order), fields, account.receipt());
      return;
    }
    case 'dependents':
      engine.setTradeOrders(String(tradeId(account, step.trade)), wishes(account, step), account.receipt());
      return;
    case 'close':
      account.close(String(tradeId(account, step.trade)), step.units);
      return;
    case 'close position':
      engine.closePosition(step.instrument, { longUnits: 'NONE', shortUnits: 'NONE', [step.side]: 'ALL' }, account.receipt());
      return;
    case 'cancel':
      engine.cancel(String(chosen(pendingOrders(engine.book), step.order)?.id ?? step.order), account.receipt());
      return;
    case 'thin':
      engine.venueActions.limitLiquidity(step.instrument, step.units, 3);
      return;
    case 'transfer':
      engine.venueActions.transferFunds((step.cents / 100).toFixed(2), account.at);
      return;
    case 'closeout':
      engine.venueActions.forceMarginCloseout(account.at);
      return;
    case 'hours':
      account.setTime(plusMs(account.at, step.hours * 3_600_000));
      account.wait(0);
  }
}

/** A small account, so that margin is called and closed out now and then. */
function played(steps: readonly Action[], switches: Partial<Switches> = {}): Account {
  const account = new Account({ switches, balance: '30', instruments: INSTRUMENTS.map((name) => usualSettings(usualInstrument(name))) });
  for (const name of INSTRUMENTS) account.price(110_000, 110_012, name);
  for (const step of steps) act(account, step);
  return account;
}

const decimal = (value: unknown): Decimal => new Decimal(typeof value === 'string' ? value : Number.NaN);
const sumOf = (values: readonly unknown[]): Decimal => values.reduce((sum: Decimal, value) => sum.plus(decimal(value)), new Decimal(0));
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
function parts(body: Body): readonly { readonly [key: string]: unknown }[] {
  const named: readonly unknown[] = [body['tradesClosed'], body['tradeReduced']].flat();
  return named.filter(isBody);
}

/** Reasons of fills that close the oldest trades first; the others name the trade that they close. */
const FIFO_REASONS = ['MARKET_ORDER', 'LIMIT_ORDER', 'STOP_ORDER', 'MARKET_IF_TOUCHED_ORDER', 'MARKET_ORDER_POSITION_CLOSEOUT', 'MARKET_ORDER_MARGIN_CLOSEOUT'];

interface HeldTrade {
  readonly instrument: unknown;
  readonly units: Decimal;
}

/** Folds the ledger the way an auditor would, from the printed bodies alone. */
class Audit {
  balance = new Decimal(0);
  readonly trades = new Map<string, HeldTrade>();
  readonly #ordered = new Map<string, Decimal>();
  readonly #filled = new Map<string, Decimal>();
  readonly #ended = new Set<unknown>();

  constructor(transactions: readonly Transaction[]) {
    transactions.forEach(({ id, type, body }, index) => {
      expect([id, body['id']]).toEqual([index + 1, String(index + 1)]);
      if (type === 'TRANSFER_FUNDS') this.balance = this.balance.plus(decimal(body['amount']));
      if (type === 'DAILY_FINANCING') this.balance = this.balance.plus(decimal(body['financing']));
      if (/^(?:MARKET|LIMIT|STOP|MARKET_IF_TOUCHED)_ORDER$/.test(type)) this.#ordered.set(String(id), decimal(body['units']));
      if (type === 'ORDER_FILL') this.#fill(body);
      if (type === 'ORDER_CANCEL') {
        expect(this.#ended.has(body['orderID']), `transaction ${id} cancels an order that had ended`).toBe(false);
        this.#ended.add(body['orderID']);
      }
      if (body['accountBalance'] !== undefined) expect(body['accountBalance']).toBe(this.balance.toFixed(4));
    });
  }

  /** Trades still open, oldest first. */
  open(name?: unknown): [string, HeldTrade][] {
    return [...this.trades].filter(([, trade]) => !trade.units.isZero() && (name === undefined || trade.instrument === name));
  }

  #fill(body: Body): void {
    const open = this.open(body['instrument']).map(([tradeId]) => tradeId);
    const closed = parts(body);
    this.balance = this.balance.plus(decimal(body['pl'])).plus(decimal(body['financing']));
    expect(sumOf(closed.map((part) => part['realizedPL'])).toFixed(4)).toBe(decimal(body['pl']).toFixed(4));
    const opened = body['tradeOpened'] === undefined ? [] : [dig(body, 'tradeOpened', 'units')];
    expect(closed.length + opened.length).toBeGreaterThan(0);
    expect(sumOf([...closed.map((part) => part['units']), ...opened]).toFixed()).toBe(decimal(body['units']).toFixed());
    if (FIFO_REASONS.includes(String(dig(body, 'reason')))) expect(closed.map((part) => part['tradeID'])).toEqual(open.slice(0, closed.length));
    for (const part of closed) {
      const trade = this.trades.get(String(dig(part, 'tradeID'))) ?? expect.fail();
      this.trades.set(String(dig(part, 'tradeID')), { ...trade, units: trade.units.plus(decimal(part['units'])) });
    }
    if (body['tradeOpened'] !== undefined) this.trades.set(String(dig(body, 'tradeOpened', 'tradeID')), { instrument: body['instrument'], units: decimal(dig(body, 'tradeOpened', 'units')) });
    this.#count(String(dig(body, 'orderID')), decimal(body['units']));
  }

  /** No order fills after its end, nor more than it asked for, nor the other way. */
  #count(orderId: string, filledUnits: Decimal): void {
    expect(this.#ended.has(orderId), `order ${orderId} fills after its end`).toBe(false);
    const ordered = this.#ordered.get(orderId);
    const filled = (this.#filled.get(orderId) ?? new Decimal(0)).plus(filledUnits);
    this.#filled.set(orderId, filled);
    if (ordered === undefined) return;
    expect(filled.isNegative()).toBe(ordered.isNegative());
    expect(filled.abs().lessThanOrEqualTo(ordered.abs())).toBe(true);
  }
}

/** What holds between the figures of one reading of the account. */
function checkIdentities(engine: Engine): void {
  const body = accountBody(engine);
  const state = stateBody(engine);
  const [trades, positions] = [listOf(body['trades']), listOf(body['positions'])];
  const of = (items: readonly unknown[], ...path: string[]): string => sumOf(items.map((item) => (path.length > 1 ? dig(item, ...path) : isBody(item) ? (item[path[0] ?? ''] ?? '0') : undefined))).toFixed(4);
  expect(body['NAV']).toBe(decimal(body['balance']).plus(decimal(body['unrealizedPL'])).toFixed(4));
  expect(body['unrealizedPL']).toBe(of(trades, 'unrealizedPL'));
  expect(body['unrealizedPL']).toBe(of(positions, 'unrealizedPL'));
  expect(body['marginUsed']).toBe(of(trades, 'marginUsed'));
  expect(body['pl']).toBe(of(positions, 'pl'));
  expect(body['financing']).toBe(of(positions, 'financing'));
  expect(body['pl']).toBe([...engine.book.trades.values()].reduce((sum, trade) => sum.plus(trade.realizedPl), new Decimal(0)).toFixed(4));
  expect(decimal(body['marginAvailable']).toFixed(4)).toBe(Decimal.max(decimal(body['NAV']).minus(decimal(body['marginUsed'])), 0).toFixed(4));
  expect([state['NAV'], state['marginUsed'], of(listOf(state['trades']), 'unrealizedPL'), of(listOf(state['positions']), 'netUnrealizedPL')]).toEqual([body['NAV'], body['marginUsed'], body['unrealizedPL'], body['unrealizedPL']]);
  expect([body['openTradeCount'], body['pendingOrderCount']]).toEqual([trades.length, listOf(body['orders']).length]);
  for (const position of positions) {
    const own = trades.filter((trade) => dig(trade, 'instrument') === dig(position, 'instrument'));
    expect(of(own, 'currentUnits')).toBe(decimal(dig(position, 'long', 'units')).plus(decimal(dig(position, 'short', 'units'))).toFixed(4));
  }
}

describe('whatever is done to an account', () => {
  test.each(['reissue', 'keep'] as const)('ids are contiguous, sums add up, positions are sums of fills, and the oldest trades close first (what is left of an order: %s)', (partialFill) => {
    fc.assert(
      fc.property(fc.array(action, { minLength: 5, maxLength: 80, size: 'max' }), (steps) => {
        const { engine } = played(steps, { partialFill });
        const audit = new Audit(engine.transactions(1, engine.lastTransactionId));
        expect(engine.book.balance.toFixed(4)).toBe(audit.balance.toFixed(4));
        expect(openTrades(engine.book).map((trade) => [String(trade.id), trade.currentUnits.toFixed()])).toEqual(audit.open().map(([id, trade]) => [id, trade.units.toFixed()]));
        expect(engine.book.openTradeCount).toBe(audit.open().length);
        for (const [name, market] of engine.book.markets) {
          const open = audit.open(name);
          expect(netUnits(market).toFixed()).toBe(open.reduce((sum, [, trade]) => sum.plus(trade.units), new Decimal(0)).toFixed());
          // A netting account never holds both sides, and no dependent order outlives its trade.
          expect(new Set(open.map(([, trade]) => trade.units.isNegative())).size).toBeLessThanOrEqual(1);
          for (const order of market.pendingOrders) if (isDependent(order)) expect(engine.book.trades.get(order.tradeId)).toMatchObject({ closedAt: null, instrument: name });
        }
        checkIdentities(engine);
      }),
      { numRuns: 200 },
    );
  });

  test('equal inputs give equal bytes', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40, size: 'max' }), (steps) => {
        const run = (): string => {
          const { engine } = played(steps);
          return JSON.stringify([engine.transactions(1, engine.lastTransactionId), accountBody(engine)]);
        };
        expect(run()).toBe(run());
      }),
      { numRuns: 50 },
    );
  });

  test('no market order fills at a price other than the first point after its receipt', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(price, fc.integer({ min: -50, max: 50 }).filter((count) => count !== 0)), { minLength: 1, maxLength: 30, size: 'max' }), (steps) => {
        const account = new Account();
        account.price(110_000, 110_012);
        for (const [point, count] of steps) {
          account.order({ units: String(count) });
          const filled = account.price(point.bid, point.bid + point.spread).find(({ type }) => type === 'ORDER_FILL');
          expect(filled?.body).toMatchObject({ price: points(count > 0 ? point.bid + point.spread : point.bid), time: formatInstant(account.at) });
        }
      }),
      { numRuns: 100 },
    );
  });

  test('a limit never fills at a worse price than its own, and a stop never before its own is reached', () => {
    fc.assert(
      fc.property(restingType, fc.boolean(), level, fc.array(price, { minLength: 1, maxLength: 40, size: 'max' }), (type, buys, at, path) => {
        const account = new Account({ balance: '100000' });
        account.price(110_000, 110_012);
        account.order({ type, units: buys ? '5' : '-5', price: points(at) });
        for (const point of path) {
          const sidePrice = buys ? point.bid + point.spread : point.bid;
          const filled = account.price(point.bid, point.bid + point.spread).find(({ type: each }) => each === 'ORDER_FILL');
          const start = buys ? 110_012 : 110_000;
          const falling = type === 'LIMIT' ? buys : type === 'STOP' ? !buys : at <= start;
          expect(filled !== undefined).toBe(falling ? sidePrice <= at : sidePrice >= at);
          if (filled === undefined) continue;
          expect(filled.body['price']).toBe(points(sidePrice));
          return;
        }
      }),
      { numRuns: 200 },
    );
  });
});
