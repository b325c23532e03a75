import { describe, expect, test } from 'vitest';
import { conditionsOf } from '../../domain/desk/conditions.ts';
import { unsoundness } from '../../domain/desk/opening.ts';
import { clientOrderIdOf } from '../../domain/ids.ts';
import type { DecisionId } from '../../domain/ids.ts';
import { MINUTE_MS, parseInstant, plusMs, SECOND_MS } from '../../domain/time.ts';
import type { DeskHarness } from './desk-harness.ts';
import { armedDesk, decide, decidedDesk, longDesk } from './desk-harness.ts';
import { EUR_USD } from './scripted-broker.ts';

const FEED_DOWN = { kind: 'feed', feed: 'transactions', connected: false, detail: 'no byte for 12000 ms' } as const;
const FEED_UP = { kind: 'feed', feed: 'transactions', connected: true, detail: '' } as const;
const BREAKER = { kind: 'breaker', change: { reconnects: 10, windowMs: 600_000, pauseMs: 300_000 } } as const;
const alerts = (desk: DeskHarness): readonly string[] => desk.told('AlertRaised').map(({ code, severity }) => `${code} ${severity}`);
const deniedBy = (desk: DeskHarness): string | undefined => {
  decide(desk, 'BUY');
  const denied = desk.told('OrderDenied').at(-1);
  return denied === undefined ? undefined : `${denied.guard}: ${denied.guards.find(({ guard }) => guard === denied.guard)!.value}`;
};

describe('while the transaction stream is down', () => {
  test('the ledger is asked every five seconds, and no longer once the stream stands', () => {
    const desk = armedDesk();
    const asked = (): number => desk.reads.filter(({ what }) => what === 'transactions').length;
    desk.give(FEED_DOWN);
    const before = asked();
    desk.advance(4_999);
    expect(asked()).toBe(before);
    desk.advance(10_001);
    expect(asked()).toBe(before + 3);
    desk.give(FEED_UP);
    const connected = asked();
    desk.advance(20 * SECOND_MS);
    expect(asked()).toBe(connected);
  });

  test('that has never stood is made up for in the same way', () => {
    const desk = armedDesk();
    desk.give(FEED_DOWN);
    desk.give(FEED_DOWN);
    expect(desk.timers.has('ledgerPoll')).toBe(true);
    expect(desk.told('FeedDisconnected')).toHaveLength(1);
  });

  test('a ledger that cannot be read either is asked after growing pauses only', () => {
    const desk = armedDesk();
    desk.intercept = (read) => (read.what === 'transactions' ? 'fails' : undefined);
    desk.give(FEED_DOWN);
    const before = desk.reads.filter(({ what }) => what === 'transactions').length;
    desk.advance(60 * SECOND_MS);
    // At 5 seconds by the poll, then 5, 10 and 20 seconds after each failure.
    expect(desk.reads.filter(({ what }) => what === 'transactions').length - before).toBe(4);
  });

  test('a stop that fills is still seen within five seconds', () => {
    const desk = longDesk();
    desk.give(FEED_DOWN);
    desk.broker.fillStop(desk.now, '4', '1.09500');
    desk.advance(5 * SECOND_MS);
    expect(desk.told('PositionAdjusted')).toHaveLength(1);
  });
});

describe('the breaker', () => {
  test('is READ-ONLY: told with an alert, nothing opens, closing stays allowed, and its end is told', () => {
    const desk = armedDesk();
    desk.give(BREAKER);
    expect(desk.told('FeedBreakerOpened')).toEqual([{ reconnects: 10, windowMs: 600_000, pauseMs: 300_000 }]);
    expect(alerts(desk)).toEqual(['feedBreaker critical']);
    expect(conditionsOf(desk.state)).toEqual([{ condition: 'READ-ONLY', detail: '10 reconnects in 600 s: none for 300 s' }]);
    expect(deniedBy(desk)).toBe('sound: read only: 10 reconnects in 600 s: none for 300 s');
    desk.give({ kind: 'breaker', change: null });
    expect(desk.told('FeedBreakerClosed')).toEqual([{}]);
    expect(conditionsOf(desk.state)).toEqual([]);
    decide(desk, 'BUY');
    expect(desk.dispatches).toHaveLength(1);
  });

  test('lets a position be closed', () => {
    const desk = longDesk();
    desk.give(BREAKER);
    decide(desk, 'CLOSE');
    expect(desk.send('filled').request.method).toBe('PUT');
    expect(desk.told('OrderFilled').at(-1)).toMatchObject({ units: '-1000' });
  });
});

describe('a disk that is nearly full', () => {
  test('has an armed desk reduce and open nothing, and is told at both its ends', () => {
    const desk = longDesk();
    desk.give({ kind: 'diskMeasured', freeBytes: 1_000 });
    expect(desk.mode).toBe('ARMED');
    desk.give({ kind: 'diskMeasured', freeBytes: 999 });
    desk.give({ kind: 'diskMeasured', freeBytes: 998 });
    expect(desk.told('TradingReducing')).toEqual([{ cause: 'disk: 999 bytes are free for the log, 1000 wanted' }]);
    expect(unsoundness(desk.state, desk.now)).toBe('read only: 999 bytes are free for the log, 1000 wanted');
    expect(conditionsOf(desk.state)).toEqual([{ condition: 'READ-ONLY', detail: '999 bytes are free for the log, 1000 wanted' }]);
    decide(desk, 'SELL');
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
    desk.give({ kind: 'diskMeasured', freeBytes: 5_000 });
    expect(alerts(desk).filter((alert) => alert.startsWith('disk'))).toEqual(['diskLow critical', 'diskLow info']);
    expect(unsoundness(desk.state, desk.now)).toBeNull();
  });

  test('denies whoever arms nevertheless, and a room that is no number counts as none', () => {
    const desk = armedDesk();
    desk.command('disarm');
    desk.give({ kind: 'diskMeasured', freeBytes: Number.NaN });
    desk.command('arm');
    expect(deniedBy(desk)).toBe('sound: read only: NaN bytes are free for the log, 1000 wanted');
  });
});

describe('a request that no intent stands behind', () => {
  test('halts at once', () => {
    const desk = armedDesk();
    desk.give({ kind: 'unaccounted', method: 'POST', path: '/accounts/1/orders' });
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'egress', disposition: 'hold', detail: 'POST /accounts/1/orders left for the broker, and no intent in the log stands behind it' }]);
  });
});

describe('a broker in maintenance', () => {
  const unavailable = (desk: DeskHarness): void =>
    desk.give({ kind: 'readFailed', read: { what: 'positions' }, failure: 'unavailable', detail: 'GET /openPositions: status 503: no v20 error in the body' });

  test('is READ-ONLY from the first 503 until the next answer, told once each way, and critical while the market is open', () => {
    const desk = armedDesk();
    desk.intercept = () => null;
    unavailable(desk);
    unavailable(desk);
    expect(alerts(desk)).toEqual(['positionsUnread warning', 'brokerUnavailable critical']);
    expect(unsoundness(desk.state, desk.now)).toBe('read only: the broker is in maintenance');
    desk.give({ kind: 'answer', read: { what: 'positions' }, answer: { what: 'positions', snapshot: desk.broker.positions() } });
    expect(alerts(desk).at(-1)).toBe('brokerUnavailable info');
    expect(conditionsOf(desk.state)).toEqual([]);
  });

  test('is no emergency at the weekend', () => {
    const desk = armedDesk({}, parseInstant('2026-01-10T15:00:00Z'));
    unavailable(desk);
    expect(alerts(desk)).toContain('brokerUnavailable info');
  });
});

describe('prices that do not come', () => {
  test('while the market is open and the stream stands are STALE after five minutes: told once, and the stream is opened anew', () => {
    const desk = armedDesk();
    desk.quoting = false;
    desk.advance(5 * MINUTE_MS);
    expect(conditionsOf(desk.state)).toEqual([]);
    desk.advance(2 * MINUTE_MS);
    expect(conditionsOf(desk.state)).toEqual([{ condition: 'STALE', detail: 'no prices of EUR_USD' }]);
    expect(alerts(desk)).toEqual(['pricesStale warning']);
    expect(desk.reconnects).toEqual(['pricing']);
    desk.quoting = true;
    desk.advanceMinutes(1);
    expect(conditionsOf(desk.state)).toEqual([]);
    expect(alerts(desk)).toHaveLength(1);
  });

  test.each([
    ['over the daily break', '2026-01-06T21:57:00Z', 11],
    ['at the weekend', '2026-01-09T21:57:00Z', 60],
    ['on a holiday', '2025-12-25T10:00:00Z', 60],
  ])('%s are not missed', (_when, from, minutes) => {
    const desk = armedDesk({}, parseInstant(from));
    desk.quoting = false;
    desk.advanceMinutes(minutes);
    expect(alerts(desk)).not.toContain('pricesStale warning');
  });
});

describe('an instrument that is halted', () => {
  test('while the market is open is told once, opens nothing, and is told again when it trades', () => {
    const desk = armedDesk();
    desk.broker.tradeable = false;
    desk.quote();
    desk.quote();
    expect(desk.told('AlertRaised')).toMatchObject([{ code: 'instrumentHalted', severity: 'warning', detail: expect.stringContaining('EUR_USD is not tradeable') as string }]);
    expect(deniedBy(desk)).toBe('marketOpen: calendar open, quote halted');
    desk.broker.tradeable = true;
    desk.quote();
    desk.quote();
    expect(alerts(desk)).toEqual(['instrumentHalted warning', 'instrumentHalted info']);
  });

  test('by the calendar is no news', () => {
    const desk = armedDesk({}, parseInstant('2026-01-06T21:57:00Z'));
    desk.advanceTo(parseInstant('2026-01-06T22:00:00Z'));
    desk.broker.tradeable = false;
    desk.quote();
    desk.broker.tradeable = true;
    desk.advanceTo(parseInstant('2026-01-06T22:06:00Z'));
    expect(alerts(desk)).toEqual([]);
  });
});

describe('the broker’s clock', () => {
  const measured = (desk: DeskHarness, offsetMs: number): void => desk.give({ kind: 'clockMeasured', offsetMs });

  test('more than a second from ours is told, and more than five lets nothing be opened', () => {
    const desk = armedDesk();
    for (const offsetMs of [900, 1_000, 1_001, -4_000, 5_000, -5_001, 6_000, 200]) measured(desk, offsetMs);
    expect(alerts(desk)).toEqual(['clockSkew warning', 'clockSkew critical', 'clockSkew info']);
    measured(desk, -5_001);
    expect(deniedBy(desk)).toBe('sound: the broker\'s clock is -5001 ms from ours');
    measured(desk, 5_000);
    decide(desk, 'BUY');
    expect(desk.dispatches).toHaveLength(1);
  });
});

describe('a loop that stood still', () => {
  test('is a disconnect: nothing is opened until the ledger was read and a reconciliation agreed', () => {
    const desk = armedDesk();
    desk.intercept = (read) => (read.what === 'snapshot' ? null : undefined);
    desk.give({ kind: 'clockDisturbed', stalledMs: 7_000, steppedMs: 0, monotonicMs: 123_456 });
    expect(desk.told('AlertRaised').at(-1)).toEqual({ code: 'loopStalled', severity: 'critical', detail: 'nothing was done for 7000 ms: wall 2026-01-06T15:01:00.000000000Z, monotonic 123456 ms' });
    expect(desk.reads.slice(-2)).toMatchObject([{ what: 'transactions' }, { what: 'snapshot', trigger: 'reconnect' }]);
    expect(deniedBy(desk)).toBe('sound: no recent reconciliation agreed');
    const asked = desk.reads.filter(({ what }) => what === 'snapshot').at(-1)!;
    desk.intercept = () => undefined;
    desk.give({ kind: 'answer', read: asked, answer: { what: 'snapshot', snapshot: desk.broker.snapshot() } });
    decide(desk, 'BUY');
    expect(desk.dispatches).toHaveLength(1);
  });

  test('is not seen in a wall clock that was moved: that is told with both clocks, and changes nothing', () => {
    const desk = armedDesk();
    const reads = desk.reads.length;
    desk.give({ kind: 'clockDisturbed', stalledMs: 0, steppedMs: -60_000, monotonicMs: 99 });
    expect(desk.told('AlertRaised')).toMatchObject([{ code: 'clockStepped', severity: 'warning', detail: expect.stringContaining('monotonic 99 ms') as string }]);
    expect(desk.reads).toHaveLength(reads);
    decide(desk, 'BUY');
    expect(desk.dispatches).toHaveLength(1);
  });
});

describe('what the broker refuses', () => {
  const rejectBuy = (desk: DeskHarness): void => {
    decide(desk, 'BUY');
    desk.send('rejected');
  };

  test('three times in ten minutes halts and holds; twice, or three times in more, does not', () => {
    const desk = armedDesk();
    rejectBuy(desk);
    rejectBuy(desk);
    expect(desk.mode).toBe('ARMED');
    rejectBuy(desk);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'rejections', disposition: 'hold' }]);
    const slow = armedDesk();
    rejectBuy(slow);
    rejectBuy(slow);
    slow.advanceMinutes(9);
    rejectBuy(slow);
    expect(slow.mode).toBe('ARMED');
  });

  test('is counted across a restart, and afresh after a resumption', () => {
    const desk = armedDesk();
    rejectBuy(desk);
    rejectBuy(desk);
    desk.crashAndRestart();
    desk.advanceMinutes(1);
    rejectBuy(desk);
    expect(desk.mode).toBe('HALTED');
    desk.command('resume');
    desk.command('arm');
    rejectBuy(desk);
    expect(desk.mode).toBe('ARMED');
  });

  test('because the trade is gone is no rejection that counts', () => {
    const desk = longDesk();
    for (let attempt = 0; attempt < 3; attempt += 1) {
      decide(desk, 'CLOSE');
      const { request, clientOrderId } = desk.dispatches.shift()!;
      desk.give({
        kind: 'exchange', clientOrderId, request,
        exchange: { sentAt: desk.now, answeredAt: desk.now, status: 404, requestId: null, body: '{"errorCode":"NO_SUCH_TRADE"}', bodyTruncated: false, failure: null, refusal: 'NO_SUCH_TRADE' },
      });
    }
    expect(desk.told('OrderRejected')).toHaveLength(3);
    expect(desk.mode).toBe('ARMED');
  });

  test('because the account is locked halts at once', () => {
    const desk = decidedDesk('BUY');
    desk.broker.reject(desk.now, desk.dispatches.shift()!.request, 'ACCOUNT_ORDER_CREATION_LOCKED');
    desk.notice();
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'authentication', detail: 'the broker says ACCOUNT_ORDER_CREATION_LOCKED' }]);
  });

  test('as a request that cannot be, or a certificate that is not the broker’s', () => {
    const desk = armedDesk();
    desk.give({ kind: 'readFailed', read: { what: 'positions' }, failure: 'untrusted', detail: 'self-signed certificate' });
    expect(alerts(desk)).toEqual(['positionsUnread critical']);
    expect(desk.mode).toBe('ARMED');
    desk.give({ kind: 'readFailed', read: { what: 'snapshot', trigger: 'interval', scope: 'full', startedAt: desk.now, attempt: 1 }, failure: 'protocol', detail: 'status 405: not allowed' });
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'protocol', detail: 'status 405: not allowed' }]);
  });

  test('an order with a 405 leaves its outcome open and halts', () => {
    const desk = decidedDesk('BUY');
    const { request, clientOrderId } = desk.dispatches.shift()!;
    desk.give({
      kind: 'exchange', clientOrderId, request,
      exchange: { sentAt: desk.now, answeredAt: desk.now, status: 405, requestId: null, body: '', bodyTruncated: false, failure: { cause: 'status', detail: 'status 405' }, refusal: null },
    });
    expect(desk.told('OrderOutcomeUnknown')).toHaveLength(1);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'protocol' }]);
  });
});

test('a stream line of a type that nobody knows yet halts and holds, until an operator resumes, who has acknowledged the type', () => {
  const desk = longDesk();
  desk.give({ kind: 'unknownLine', type: 'SURPRISE' });
  desk.give({ kind: 'unknownLine', type: 'SURPRISE' });
  expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'unknownSchema', disposition: 'hold', detail: 'a stream sent a line of the unknown type SURPRISE' }]);
  expect(desk.dispatches).toEqual([]);
  desk.command('resume');
  desk.give({ kind: 'unknownLine', type: 'SURPRISE' });
  expect(desk.mode).toBe('REDUCING');
  desk.give({ kind: 'unknownLine', type: 'ANOTHER' });
  expect(desk.mode).toBe('HALTED');
});

describe('an order of which no byte left', () => {
  test('is over at once: told as denied by the connection, and the next bar may decide again', () => {
    const desk = decidedDesk('BUY');
    const { request, clientOrderId } = desk.dispatches.shift()!;
    desk.give({
      kind: 'exchange', clientOrderId, request,
      exchange: { sentAt: plusMs(desk.now, -5), answeredAt: null, status: null, requestId: null, body: null, bodyTruncated: false, failure: { cause: 'connection', detail: 'connect ECONNREFUSED', unsent: true }, refusal: null },
    });
    expect(desk.told('OrderOutcomeUnknown')).toEqual([]);
    expect(desk.told('OrderDenied')).toMatchObject([{ clientOrderId, guard: 'connection', guards: [{ value: 'connect ECONNREFUSED', passed: false }] }]);
    expect(desk.told('BrokerExchangeRecorded')).toMatchObject([{ clientOrderId, status: null }]);
    decide(desk, 'BUY');
    const second = desk.dispatches[0]!;
    expect(second.clientOrderId).not.toBe(clientOrderId);
    expect(second.clientOrderId).toBe(clientOrderIdOf(desk.told('DecisionMade').at(-1)!.decisionId as DecisionId, 'open'));
    expect(desk.state.books.get(EUR_USD)!.trading.orders.get(clientOrderId)?.status).toBe('denied');
  });
});
