/** Given an account, what the emergency close does to it, when it is told what. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tool } from './emergency.ts';
import type { Flags, Planned } from './emergency.ts';

const ACCOUNT = '101-001-1000001-001';
const side = (units: string) => ({ units });
const position = (instrument: string, long: string, short: string, marginUsed?: string) => ({ instrument, long: side(long), short: side(short), ...(marginUsed === undefined ? {} : { marginUsed }) });
const trade = (id: string, currentUnits: string, clientExtensions?: object, instrument = 'EUR_USD') => ({ id, instrument, currentUnits, ...(clientExtensions === undefined ? {} : { clientExtensions }) });
const SLOT = { id: `reckoner:${ACCOUNT}:EUR_USD:slot0`, tag: 'reckoner:epoch:3' };
const stopOf = (tradeID: string, id = `9${tradeID}`) => ({ id, type: 'STOP_LOSS', tradeID });

interface Given {
  readonly positions?: readonly object[];
  readonly trades?: readonly object[];
  readonly orders?: readonly object[];
}
const planned = ({ positions = [], trades = [], orders = [] }: Given, flags: Partial<Flags> = {}): Planned => tool.plan({ positions, trades, orders }, { account: ACCOUNT, ...flags });
const sent = ({ actions }: Planned): readonly string[] => actions.map(({ path, body }) => `${path} ${JSON.stringify(body ?? {})}`);

describe('given nothing', () => {
  test('it does nothing, and the account is flat', () => {
    expect(planned({})).toMatchObject({ actions: [], waiting: [], flat: true, entries: 0 });
  });

  test('a position that was closed before is nothing, however its zero is written', () => {
    for (const zero of ['0', '0.0', '-0', '0.00']) expect(planned({ positions: [position('EUR_USD', zero, '0')] }).flat).toBe(true);
  });
});

describe('given positions', () => {
  test('it closes the side that is held and names the other NONE', () => {
    expect(sent(planned({ positions: [position('EUR_USD', '100', '0')] }))).toEqual(['/positions/EUR_USD/close {"longUnits":"ALL","shortUnits":"NONE"}']);
    expect(sent(planned({ positions: [position('EUR_USD', '0', '-100')] }))).toEqual(['/positions/EUR_USD/close {"shortUnits":"ALL","longUnits":"NONE"}']);
  });

  test('both sides of a hedged one go by themselves, so that one can fail alone', () => {
    const plan = planned({ positions: [position('EUR_USD', '100', '-40')] });
    expect(sent(plan)).toEqual(['/positions/EUR_USD/close {"longUnits":"ALL","shortUnits":"NONE"}', '/positions/EUR_USD/close {"shortUnits":"ALL","longUnits":"NONE"}']);
    expect(plan.flat).toBe(false);
  });

  test('the one that ties up most margin goes first', () => {
    const plan = planned({ positions: [position('USD_JPY', '50', '0', '1.0'), position('GBP_USD', '0', '-900', '40.5'), position('EUR_USD', '100', '0', '2.2')] });
    expect(plan.actions.map(({ key }) => key)).toEqual(['GBP_USD short', 'EUR_USD long', 'USD_JPY long']);
  });

  test('client extensions go with the side that is closed', () => {
    expect(planned({ positions: [position('EUR_USD', '0', '-1')] }, { extensions: { id: 'x' } }).actions[0]?.body).toEqual({ shortUnits: 'ALL', longUnits: 'NONE', shortClientExtensions: { id: 'x' } });
  });

  test.each([['100', 2, '50'], ['-101', 4, '25'], ['1', 2, 'ALL'], ['0.5', 2, 'ALL'], ['100', 1, 'ALL'], ['9007199254740993', 2, '4503599627370496']])('of %s units in a market too thin, cut into %d, it asks for %s', (units, divisor, asked) => {
    const [long, short] = units.startsWith('-') ? ['0', units] : [units, '0'];
    const key = units.startsWith('-') ? 'EUR_USD short' : 'EUR_USD long';
    expect(planned({ positions: [position('EUR_USD', long, short)] }, { divisors: { [key]: divisor } }).actions[0]?.units).toBe(asked);
  });
});

describe('given orders', () => {
  test('it cancels those that could open something, before it closes, and keeps what protects a trade', () => {
    const orders = [{ id: '5', type: 'LIMIT', units: '1', instrument: 'EUR_USD' }, { id: '6', type: 'STOP' }, { id: '7', type: 'MARKET_IF_TOUCHED' }, stopOf('2'), { id: '11', type: 'TAKE_PROFIT', tradeID: '2' }, { id: '12', type: 'TRAILING_STOP_LOSS', tradeID: '3' }];
    const plan = planned({ positions: [position('EUR_USD', '3', '0')], trades: [trade('2', '1'), trade('3', '2')], orders });
    expect(plan.actions.map(({ kind, key }) => `${kind} ${key}`)).toEqual(['cancel order 5', 'cancel order 6', 'cancel order 7', 'close EUR_USD long']);
    expect(plan.kept.map(({ id }) => id)).toEqual(['92', '11', '12']);
    expect(plan).toMatchObject({ entries: 3, unprotected: [] });
  });

  test('entry orders alone are work, though the account is flat', () => {
    expect(planned({ orders: [{ id: '5', type: 'LIMIT' }] })).toMatchObject({ flat: true, entries: 1, actions: [{ kind: 'cancel', path: '/orders/5/cancel' }] });
  });

  test('a type that nobody knows is cancelled unless it belongs to a trade', () => {
    const plan = planned({ orders: [{ id: '5', type: 'ICEBERG' }, { id: '6', type: 'STEP_STOP', tradeID: '2' }, { id: '7', type: 'GUARANTEED_STOP_LOSS', clientTradeID: 'mine' }] });
    expect(plan.actions.map(({ key }) => key)).toEqual(['order 5']);
  });

  test('a close that is on its way is no entry', () => {
    const orders = [{ id: '5', type: 'MARKET', positionFill: 'REDUCE_ONLY' }, { id: '6', type: 'MARKET', longPositionCloseout: { instrument: 'EUR_USD' } }, { id: '7', type: 'MARKET', tradeClose: { tradeID: '2' } }, { id: '8', type: 'MARKET', positionFill: 'DEFAULT' }];
    expect(planned({ orders }).actions.map(({ key }) => key)).toEqual(['order 8']);
  });

  test('a trade without a stop is named; a take-profit is none', () => {
    expect(planned({ trades: [trade('2', '1'), trade('3', '-2')], orders: [stopOf('3'), { id: '11', type: 'TAKE_PROFIT', tradeID: '2' }] }).unprotected).toEqual([{ id: '2', instrument: 'EUR_USD', units: '1' }]);
  });
});

describe('given a market that is closed', () => {
  const positions = [position('EUR_USD', '100', '0'), position('USD_JPY', '0', '-5')];

  test('what it does not let go waits, and the rest is closed', () => {
    const plan = planned({ positions }, { halted: new Set(['EUR_USD long']) });
    expect(plan.actions.map(({ key }) => key)).toEqual(['USD_JPY short']);
    expect(plan.waiting.map(({ key }) => key)).toEqual(['EUR_USD long']);
    expect(plan.flat).toBe(false);
  });

  test('entry orders are cancelled all the same', () => {
    const plan = planned({ positions, orders: [{ id: '5', type: 'STOP' }] }, { halted: new Set(['EUR_USD long', 'USD_JPY short']) });
    expect(plan.actions.map(({ key }) => key)).toEqual(['order 5']);
  });
});

describe('given --only-ours', () => {
  const given: Given = {
    positions: [position('EUR_USD', '11', '0')],
    trades: [trade('2', '1', SLOT), trade('3', '10'), trade('4', '5', { id: 'reckoner:101-001-1000001-002:EUR_USD:slot0' })],
    orders: [stopOf('2'), { id: '5', type: 'LIMIT' }, { id: '6', type: 'LIMIT', clientExtensions: { id: 'x', tag: 'reckoner:epoch:3' } }],
  };

  test('it closes our trades one by one and touches neither a stranger’s trade nor a stranger’s order', () => {
    expect(sent(planned(given, { onlyOurs: true }))).toEqual(['/orders/6/cancel {}', '/trades/2/close {"units":"ALL"}']);
  });

  test('an account that holds only a stranger’s is flat', () => {
    expect(planned({ positions: [position('EUR_USD', '10', '0')], trades: [trade('3', '10')], orders: [{ id: '5', type: 'LIMIT' }] }, { onlyOurs: true })).toMatchObject({ flat: true, entries: 0, actions: [], unprotected: [] });
  });

  test('without it everything goes', () => {
    expect(planned(given).actions.map(({ key }) => key)).toEqual(['order 5', 'order 6', 'EUR_USD long']);
  });
});

describe('an answer', () => {
  test.each([
    [200, { longOrderFillTransaction: {} }, 'done'],
    [200, { orderCancelTransaction: { reason: 'CLIENT_REQUEST' } }, 'done'],
    [200, { longOrderCancelTransaction: { reason: 'MARKET_HALTED' } }, 'halted'],
    [200, { orderCancelTransaction: { reason: 'INSUFFICIENT_LIQUIDITY' } }, 'thin'],
    [404, { errorCode: 'CLOSEOUT_POSITION_DOESNT_EXIST', longOrderRejectTransaction: { rejectReason: 'CLOSEOUT_POSITION_DOESNT_EXIST', reason: 'CLIENT_ORDER' } }, 'gone'],
    [404, { errorCode: 'NO_SUCH_TRADE' }, 'gone'],
    [400, { errorCode: 'ACCOUNT_LOCKED' }, 'failed'],
    [400, { orderRejectTransaction: { rejectReason: 'INSTRUMENT_NOT_TRADEABLE' } }, 'halted'],
    [503, null, 'failed'],
    [200, { shortOrderCancelTransaction: { reason: 5 } }, 'done'],
  ])('of status %d with %j teaches: %s', (status, body, kind) => {
    expect(tool.lessonOf(status, body).kind).toBe(kind);
  });
});

describe('whatever the account holds', () => {
  const units = fc.tuple(fc.integer({ min: -10_000, max: 10_000 }), fc.constantFrom('', '.0', '.5')).map(([whole, part]) => `${whole}${part}`);
  const instrument = fc.constantFrom('EUR_USD', 'USD_JPY', 'GBP_USD');
  const long = fc.nat(10_000).map(String);
  const short = fc.nat(10_000).map((count) => (count === 0 ? '0' : `-${count}`));
  const accounts = fc.record({
    positions: fc.uniqueArray(fc.record({ instrument, long: long.map(side), short: short.map(side) }), { selector: (each) => each.instrument }),
    trades: fc.uniqueArray(fc.record({ id: fc.nat(50).map(String), instrument, currentUnits: units, clientExtensions: fc.constantFrom(undefined, SLOT, { id: 'another' }) }, { requiredKeys: ['id', 'instrument', 'currentUnits'] }), { selector: (each) => each.id }),
    orders: fc.uniqueArray(fc.record({ id: fc.nat(50).map(String), type: fc.constantFrom('LIMIT', 'STOP', 'MARKET', 'STOP_LOSS', 'TAKE_PROFIT', 'UNHEARD_OF'), tradeID: fc.constantFrom(undefined, '7') }), { selector: (each) => each.id }),
  });
  const divisors = fc.dictionary(fc.constantFrom('EUR_USD long', 'EUR_USD short', 'trade 7'), fc.constantFrom(1, 2, 8, 2 ** 20));
  const requests = /^\/(orders\/\d+\/cancel|positions\/[A-Z]{3}_[A-Z]{3}\/close|trades\/\d+\/close)$/;

  test('nothing that it sends can open anything, take more than is held, or touch a protective order', () => {
    fc.assert(fc.property(accounts, divisors, fc.boolean(), (account, cut, onlyOurs) => {
      const plan = planned(account, { divisors: cut, onlyOurs });
      const held = new Map(plan.holdings.map((holding) => [holding.key, Math.abs(Number(holding.units))]));
      for (const { kind, key, path, units: asked } of plan.actions) {
        expect(path).toMatch(requests);
        if (kind === 'close') expect(asked === 'ALL' || (Number(asked) > 0 && Number(asked) <= held.get(key)!)).toBe(true);
        else expect(account.orders.find(({ id }) => key === `order ${id}`)).toMatchObject({ tradeID: undefined });
      }
      expect(plan.actions.filter(({ kind }) => kind === 'close')).toHaveLength(plan.holdings.length);
      expect(plan.flat).toBe(plan.holdings.length === 0);
    }), { seed: 11 });
  });

  test('the plan is the same however often it is made, and leaves what it was given alone', () => {
    fc.assert(fc.property(accounts, (account) => {
      const before = JSON.stringify(account);
      expect(planned(account as Given)).toEqual(planned(account as Given));
      expect(JSON.stringify(account)).toBe(before);
    }), { seed: 12 });
  });
});
