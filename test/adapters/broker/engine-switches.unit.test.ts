import { describe, expect, test } from 'vitest';
import { Account, accepted, bodyAt, typesOf } from './account.ts';
import type { Transaction } from '../../../adapters/broker/engine/bodies.ts';
import { usualSettings } from '../../../adapters/broker/engine/settings.ts';
import { stateBody } from '../../../adapters/broker/engine/views.ts';
import { switchesSchema, switchesWith } from '../../../adapters/broker/engine/switches.ts';
import type { Switches } from '../../../adapters/broker/engine/switches.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import { parseInstant } from '../../../domain/time.ts';

const reasons = (transactions: readonly Transaction[]): unknown[] => transactions.map(({ body }) => body['reason'] ?? body['type']);
const withSwitches = (switches: Partial<Switches>, balance = '100000'): Account => {
  const account = new Account({ switches, balance });
  account.price(110_000, 110_010);
  return account;
};

describe('the switches', () => {
  test('are plain data: they survive JSON, refuse what they do not know, and say which fact each is about', () => {
    const switches = switchesWith({ slotTaken: 'reject', idRangeMax: 500 });
    expect(switchesSchema.parse(JSON.parse(JSON.stringify(switches)))).toEqual(switches);
    expect(switchesSchema.safeParse({ slotTaken: 'perhaps' }).success).toBe(false);
    expect(switchesSchema.safeParse({ slotTakne: 'reject' }).success).toBe(false);
    for (const [name, schema] of Object.entries(switchesSchema.shape)) expect(schema.description, name).toMatch(/^\d+(\.\d)?: \S/);
  });

  test('a taken slot is cancelled at the fill, or refused at the receipt', () => {
    const slot = { units: '1', tradeClientExtensions: { id: 'slot' } };
    for (const [slotTaken, market, limit] of [['cancel', 'accepted', 'accepted'], ['reject', 'rejected', 'rejected']] as const) {
      const account = withSwitches({ slotTaken });
      account.fill(slot, 110_000, 110_010);
      expect(account.order(slot).kind).toBe(market);
      expect(account.order({ ...slot, type: 'LIMIT', price: '1.0' }).kind).toBe(limit);
      if (slotTaken === 'cancel') expect(reasons(account.price(110_000, 110_010))).toEqual(['CLIENT_TRADE_ID_ALREADY_EXISTS']);
    }
  });

  test('a duplicate client order id is refused beside a pending one, or taken; the older order keeps the name afterwards', () => {
    const order = { type: 'LIMIT', units: '1', price: '1.0', clientExtensions: { id: 'same' } };
    const account = withSwitches({ duplicateOrderId: 'accept' });
    const first = accepted(account.order(order));
    const second = accepted(account.order(order));
    expect(accepted(account.engine.cancel('@same', account.receipt())).orderId).toBe(second.orderId);
    expect(accepted(account.engine.cancel('@same', account.receipt())).orderId).toBe(first.orderId);
  });

  test('a reduce-only order with nothing to reduce is cancelled, for the reason of the switch, or refused', () => {
    expect(reasons(withSwitches({ positionFillRefusal: 'POSITION_CLOSEOUT_FAILED' }).fill({ units: '1', positionFill: 'REDUCE_ONLY' }, 110_000, 110_010))).toEqual(['POSITION_CLOSEOUT_FAILED']);
    expect(withSwitches({ nothingToReduce: 'reject' }).order({ units: '1', positionFill: 'REDUCE_ONLY' })).toMatchObject({ kind: 'rejected', reason: 'ORDER_FILL_POSITION_ACTION_INVALID' });
  });

  test('a younger trade closes first, or not', () => {
    for (const [tradeCloseOrder, reason] of [['any', 'MARKET_ORDER_TRADE_CLOSE'], ['oldest first', 'FIFO_VIOLATION']] as const) {
      const account = withSwitches({ tradeCloseOrder });
      account.fill({ units: '1' }, 110_000, 110_010);
      account.fill({ units: '1' }, 110_000, 110_010);
      accepted(account.close('7'));
      expect(reasons(account.price(110_000, 110_010))).toEqual([reason]);
      accepted(account.close('5'));
      expect(reasons(account.price(110_000, 110_010))).toEqual(['MARKET_ORDER_TRADE_CLOSE']);
    }
  });

  test('a close without units is of the whole trade, or refused', () => {
    for (const [tradeCloseDefaultUnits, expected] of [['ALL', { kind: 'accepted' }], ['missing', { kind: 'rejected', reason: 'CLOSE_TRADE_PARTIAL_UNITS_MISSING' }]] as const) {
      const account = withSwitches({ tradeCloseDefaultUnits });
      account.fill({ units: '1' }, 110_000, 110_010);
      expect(account.engine.closeTrade('5', {}, account.receipt())).toMatchObject(expected);
    }
  });

  test('ALL for both sides is refused, or closes the side that is held', () => {
    for (const [bothSidesAll, side, kind] of [['reject', 'long', 'rejected'], ['held side', 'short', 'accepted']] as const) {
      const account = withSwitches({ bothSidesAll });
      account.fill({ units: '-1' }, 110_000, 110_010);
      expect(account.engine.closePosition('EUR_USD', { longUnits: 'ALL', shortUnits: 'ALL' }, account.receipt())).toMatchObject({ sides: [{ side, outcome: { kind } }] });
    }
  });

  test('the extensions of a position close are echoed, or dropped', () => {
    for (const [closeoutExtensions, extensions] of [['echoed', { id: 'flat' }], ['dropped', undefined]] as const) {
      const account = withSwitches({ closeoutExtensions });
      account.fill({ units: '1' }, 110_000, 110_010);
      account.engine.closePosition('EUR_USD', { longUnits: 'ALL', longClientExtensions: { id: 'flat' } }, account.receipt());
      expect(account.engine.transaction(6)?.body['clientExtensions']).toEqual(extensions);
    }
  });

  test('a limit that must fill at once and cannot is cancelled for the reason of the switch', () => {
    const account = withSwitches({ immediateLimitMissed: 'TIME_IN_FORCE_EXPIRED' });
    accepted(account.order({ type: 'LIMIT', units: '1', price: '1.0', timeInForce: 'IOC' }));
    expect(reasons(account.price(110_000, 110_010))).toEqual(['TIME_IN_FORCE_EXPIRED']);
  });

  test('too little margin cancels at the fill, or refuses at the receipt', () => {
    expect(reasons(withSwitches({}, '100').fill({ units: '5000' }, 110_000, 110_010))).toEqual(['INSUFFICIENT_MARGIN']);
    const account = withSwitches({ insufficientMargin: 'reject' }, '100');
    expect(account.order({ units: '5000' })).toMatchObject({ kind: 'rejected', reason: 'INSUFFICIENT_MARGIN' });
    expect(typesOf(account.fill({ units: '1' }, 110_000, 110_010))).toEqual(['ORDER_FILL']);
  });

  test('available margin stops at zero, or goes below', () => {
    // 50,000 bought at 1 and worth 0.9949: a NAV of 1,190 − 255 = 935 and a margin of 994.90.
    for (const [marginAvailableFloor, marginAvailable] of [['zero', '0.0000'], ['none', '-59.9000']] as const) {
      const account = new Account({ switches: { marginAvailableFloor }, balance: '1190' });
      account.price(100_000, 100_000);
      account.fill({ units: '50000' }, 100_000, 100_000);
      account.price(99_490, 99_490);
      expect(stateBody(account.engine)).toMatchObject({ NAV: '935.0000', marginUsed: '994.9000', marginAvailable });
    }
  });

  test('the reject reason of too few units is spelt one way or the other', () => {
    const usual = usualSettings(usualInstrument('EUR_USD'));
    const account = new Account({ switches: { unitsMinimumSpelling: 'UNITS_MIMIMUM_NOT_MET' }, instruments: [{ ...usual, instrument: { ...usual.instrument, tradeUnitsPrecision: 1 } }] });
    account.price(110_000, 110_010);
    expect(account.order({ units: '0.5' })).toMatchObject({ reason: 'UNITS_MIMIMUM_NOT_MET' });
  });

  test('financing is booked at the minute of the switch', () => {
    const account = withSwitches({ financingMinute: 960 });
    account.fill({ units: '1000' }, 110_000, 110_010);
    account.setTime(parseInstant('2026-01-06T21:00:00Z'));
    expect(bodyAt(account.wait(0), 0)).toMatchObject({ type: 'DAILY_FINANCING', time: '2026-01-06T21:00:00.000000000Z' });
  });
});
