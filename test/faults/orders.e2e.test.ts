/** What becomes of an order when the exchange about it fails: rows 1, 2, 3, 4, 6, 12 and 15 of the fault catalogue. */
import { describe, expect, test } from 'vitest';
import type { EventOf, EventType } from '../../domain/events.ts';
import { ofType } from '../e2e/log.ts';
import type { DrillOutcome } from './harness.ts';
import { drill } from './harness.ts';
import { expectSound } from './soundness.ts';

/** The order that the fault struck: the first that opens five minutes after the start. */
const STRUCK_FROM = '2026-01-05T13:06';
const ORDER = { method: 'POST', path: '/orders', at: '+5m', count: 1 };

interface Told {
  readonly type: EventType;
  readonly data: EventOf<EventType>['data'];
  /** Minutes and seconds. */
  readonly at: string;
}

/** Everything that the log tells of the struck order, in order. */
function storyOf({ log }: DrillOutcome): readonly Told[] {
  const struck = ofType(log, 'OrderIntended').find(({ data }) => data.leg === 'open' && (data.quote?.time ?? '') >= STRUCK_FROM.slice(0, -1) && log.events.some(({ event, metadata }) => event.type === 'OrderIntended' && event.data.clientOrderId === data.clientOrderId && metadata.occurredAt >= STRUCK_FROM));
  if (struck === undefined) throw new Error('no order was struck');
  return log.events.flatMap(({ event, metadata }) => ('clientOrderId' in event.data && event.data.clientOrderId === struck.data.clientOrderId ? [{ type: event.type, data: event.data, at: metadata.occurredAt.slice(14, 19) }] : []));
}

const typesOf = (story: readonly Told[]): readonly string[] => story.map(({ type }) => type).filter((type) => type !== 'BrokerExchangeRecorded');

/** Opening orders meant after one and before another. */
const opensBetween = ({ log }: DrillOutcome, from: string, until: string): number =>
  log.events.filter(({ event, metadata }) => event.type === 'OrderIntended' && event.data.leg === 'open' && metadata.occurredAt > from && metadata.occurredAt < until).length;

describe('row 1: an order that was accepted and whose answer was lost', () => {
  test.each([
    ['before its first byte', { ...ORDER, kind: 'lostResponse' }, 'connection'],
    ['behind its headers', { ...ORDER, kind: 'lostResponse', cut: 'afterHeaders' }, 'connection'],
    ['behind a proxy’s 504', { ...ORDER, kind: 'status', status: 504, body: 'html', executed: true }, 'status'],
    ['behind a proxy’s 502', { ...ORDER, kind: 'status', status: 502, body: 'html', executed: true }, 'status'],
    ['in a server error', { ...ORDER, kind: 'status', status: 500, body: 'empty', executed: true }, 'status'],
  ])('%s is unknown until the ledger shows it, and is sent once', async (_where, fault, cause) => {
    const outcome = await drill({ bars: 12, faults: [fault] });
    const story = storyOf(outcome);
    expect(typesOf(story)).toEqual(['OrderIntended', 'OrderOutcomeUnknown', 'OrderAccepted', 'OrderFilled']);
    expect(story.find(({ type }) => type === 'OrderOutcomeUnknown')?.data).toMatchObject({ cause });
    expect(outcome.faults.filter(({ record }) => record === 'strike')).toMatchObject([{ method: 'POST', path: '/orders' }]);
    expectSound(outcome);
  });

  test('that never comes is given up at the deadline, and the ledger decides', async () => {
    const outcome = await drill({ bars: 12, faults: [{ ...ORDER, kind: 'lostResponse', cut: 'never' }], settings: { 'broker.restDeadlineMs': '700' } });
    const story = storyOf(outcome);
    expect(typesOf(story)).toEqual(['OrderIntended', 'OrderOutcomeUnknown', 'OrderAccepted', 'OrderFilled']);
    expect(story.find(({ type }) => type === 'OrderOutcomeUnknown')?.data).toMatchObject({ cause: 'timeout' });
    expectSound(outcome);
  });

  test('and that the broker never got is abandoned after two quiet minutes, with an alarm and no second try', async () => {
    const outcome = await drill({ bars: 12, faults: [{ ...ORDER, kind: 'lostResponse', executed: false }] });
    const story = storyOf(outcome);
    expect(typesOf(story)).toEqual(['OrderIntended', 'OrderOutcomeUnknown', 'OrderAbandoned']);
    expect(story.at(-1)!.at).toBe('08:00');
    expect(opensBetween(outcome, '2026-01-05T13:06:00.1', '2026-01-05T13:08')).toBe(0);
    expect(ofType(outcome.log, 'AlertRaised').map(({ data }) => data.detail).join('\n')).toContain('no trace in the ledger for 120000 ms');
    expectSound(outcome);
  });

  test('is not sent again when its request, or its reply, is lost on the line itself', async () => {
    for (const direction of ['request', 'reply']) {
      const outcome = await drill({ bars: 12, faults: [], toxics: [{ kind: 'timeout', direction, match: 'POST /v3/accounts/', after: 1, count: 1 }], settings: { 'broker.restDeadlineMs': '700' } });
      expect(ofType(outcome.log, 'OrderOutcomeUnknown')).toMatchObject([{ data: { cause: 'timeout' } }]);
      expect(ofType(outcome.log, 'OrderAbandoned')).toHaveLength(direction === 'request' ? 1 : 0);
      expectSound(outcome);
    }
  });
});

describe('row 2: an order that executes minutes later', () => {
  test('is abandoned first; its late fill is adopted and closed, not kept', async () => {
    const outcome = await drill({ bars: 14, faults: [{ preset: 'lateExecution', at: '+5m' }] });
    const story = storyOf(outcome);
    expect(typesOf(story)).toEqual(['OrderIntended', 'OrderOutcomeUnknown', 'OrderAbandoned', 'OrderAccepted', 'OrderFilled']);
    expect(story.at(-1)!.data).toMatchObject({ late: true });
    const closes = ofType(outcome.log, 'OrderIntended').filter(({ data }) => data.cause === 'lateFill');
    expect(closes).toMatchObject([{ data: { leg: 'close', units: '-1' } }]);
    expectSound(outcome);
  });

  test('is closed too when it was answered at once and filled late', async () => {
    const outcome = await drill({ bars: 14, faults: [{ preset: 'lateFill', at: '+5m' }] });
    expect(typesOf(storyOf(outcome))).toEqual(['OrderIntended', 'OrderSubmitted', 'OrderAccepted', 'OrderFilled']);
    expect(storyOf(outcome).at(-1)!.data).toMatchObject({ late: true });
    expect(ofType(outcome.log, 'OrderIntended').filter(({ data }) => data.cause === 'lateFill')).toHaveLength(1);
    expectSound(outcome);
  });
});

describe('row 3: an order that was created and then cancelled', () => {
  test('is no fill for all its 201', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'createdThenCancelled', at: '+5m' }] });
    const story = storyOf(outcome);
    expect(typesOf(story)).toEqual(['OrderIntended', 'OrderSubmitted', 'OrderAccepted', 'OrderCancelled']);
    expect(story[2]!.data).not.toHaveProperty('units');
    expect(story.at(-1)!.data).toMatchObject({ reason: 'MARKET_HALTED' });
    expectSound(outcome);
  });
});

describe('row 4: a 429', () => {
  test('is heeded: nothing knocks again before its time', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'tooManyRequests', at: '+5m' }] });
    // Five are in store; a client that kept knocking would have met them all within the minute.
    expect(outcome.faults.filter(({ record }) => record === 'strike')).toHaveLength(1);
    expect(opensBetween(outcome, STRUCK_FROM, '2026-01-05T13:07')).toBe(0);
    expectSound(outcome);
  });
});

describe('row 6: a revoked token', () => {
  test('halts and holds; nothing more is sent and no storm of tries follows', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'tokenRevoked', at: '+5m' }] });
    expect(ofType(outcome.log, 'TradingHalted')).toMatchObject([{ data: { cause: 'authentication', disposition: 'hold' } }]);
    expect(outcome.log.events.filter(({ event, metadata }) => event.type === 'OrderIntended' && metadata.occurredAt > STRUCK_FROM)).toEqual([]);
    expect(outcome.faults.filter(({ record }) => record === 'strike').length).toBeLessThanOrEqual(2);
    expectSound(outcome);
  });
});

describe('row 12: a reply that breaks off', () => {
  test('proves nothing, its 201 included', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'replyCutMidBody', at: '+5m' }] });
    const story = storyOf(outcome);
    expect(typesOf(story)).toEqual(['OrderIntended', 'OrderOutcomeUnknown', 'OrderAccepted', 'OrderFilled']);
    const exchange = story.find(({ type }) => type === 'BrokerExchangeRecorded');
    expect(exchange?.data).toMatchObject({ status: 201 });
    expectSound(outcome);
  });

  test('of a read is read again', async () => {
    const outcome = await drill({ bars: 12, faults: [{ preset: 'readCutMidBody', at: '+5m' }] });
    expect(outcome.faults.filter(({ record }) => record === 'strike')).toHaveLength(3);
    expect(ofType(outcome.log, 'MarketBarClosed')).toHaveLength(12);
    expectSound(outcome);
  });
});

describe('row 15: a body that is no answer', () => {
  test.each(['garbage', 'html', 'truncated', 'wrongCharset'])('leaves an order unknown when it is %s', async (form) => {
    const outcome = await drill({ bars: 12, faults: [{ ...ORDER, kind: 'badBody', form }] });
    const story = storyOf(outcome);
    expect(typesOf(story)).toEqual(['OrderIntended', 'OrderOutcomeUnknown', 'OrderAccepted', 'OrderFilled']);
    expect(story.find(({ type }) => type === 'OrderOutcomeUnknown')?.data).toMatchObject({ cause: 'unparsable' });
    expectSound(outcome);
  });

  test('is discarded where it was read, and read again', async () => {
    const outcome = await drill({ bars: 12, faults: ['garbageReply', 'htmlReply', 'truncatedReply', 'wrongCharsetReply'].map((preset, index) => ({ preset, at: `+${4 + index}m` })) });
    expect(outcome.faults.filter(({ record }) => record === 'strike')).toHaveLength(8);
    expect(ofType(outcome.log, 'MarketBarClosed')).toHaveLength(12);
    expectSound(outcome);
  });
});
