import { describe, expect, test } from 'vitest';
import type { Emission } from '../../domain/desk/inputs.ts';
import type { DomainEvent } from '../../domain/events.ts';
import { instantOf } from '../../domain/time.ts';
import { EgressCheck } from '../../src/daemon/egress.ts';

const OPEN = { method: 'POST', path: '/accounts/1/orders' } as const;
const CLOSE = { method: 'PUT', path: '/accounts/1/trades/7/close' } as const;
const told = (type: DomainEvent['type'], data: object): Emission => ({ event: { type, data } as DomainEvent, instrument: null, actor: 'daemon', occurredAt: instantOf(0), correlationId: 'x', id: null, causedBy: null });
const intended = (clientOrderId: string, request: object): Emission => told('OrderIntended', { clientOrderId, ...request });

describe('a request', () => {
  test('is accounted for by one intent, once', () => {
    const check = new EgressCheck();
    expect(check.accountsFor(OPEN)).toBe(false);
    check.recorded([intended('a', OPEN), intended('b', CLOSE)]);
    expect([check.accountsFor(OPEN), check.accountsFor(OPEN), check.accountsFor(CLOSE), check.accountsFor(CLOSE)]).toEqual([true, false, true, false]);
    check.recorded([intended('c', OPEN), intended('d', OPEN)]);
    expect([check.accountsFor(OPEN), check.accountsFor(OPEN), check.accountsFor(OPEN)]).toEqual([true, true, false]);
  });

  test('to another place, or of another kind, is not', () => {
    const check = new EgressCheck();
    check.recorded([intended('a', CLOSE)]);
    expect(check.accountsFor({ method: 'PUT', path: '/accounts/1/trades/8/close' })).toBe(false);
    expect(check.accountsFor({ method: 'POST', path: CLOSE.path })).toBe(false);
  });

  test('may put a stop back', () => {
    const check = new EgressCheck();
    const stop = { method: 'PUT', path: '/accounts/1/trades/7/orders' };
    check.recorded([told('StopReplacementIntended', { clientOrderId: 'a', ...stop })]);
    expect(check.accountsFor(stop)).toBe(true);
  });

  test.each(['OrderDenied', 'StopReplacementFailed'] as const)('is not, after the last look denied its intent: %s', (type) => {
    const check = new EgressCheck();
    check.recorded([intended('a', OPEN)]);
    check.recorded([told(type, { clientOrderId: null })]);
    check.recorded([told(type, { clientOrderId: 'a' })]);
    expect(check.accountsFor(OPEN)).toBe(false);
  });
});
