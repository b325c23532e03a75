import { describe, expect, test } from 'vitest';
import { floorMinute, formatInstant, MINUTE_MS, parseInstant, plusMs, SECOND_MS } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';
import { armedDesk, DeskHarness, TUESDAY } from './desk-harness.ts';

const readyDesk = (now: Instant = TUESDAY): DeskHarness => {
  const desk = new DeskHarness({}, now);
  desk.start();
  return desk;
};
const boundaryReads = (desk: DeskHarness): number => desk.reads.filter((read) => read.what === 'bars' && read.purpose === 'boundary').length;

describe('a minute that ends', () => {
  test('gives one bar and one decision on it', () => {
    const desk = readyDesk();
    desk.advanceMinutes(5);
    expect(desk.told('MarketBarClosed').map(({ start }) => start)).toEqual([0, 1, 2, 3, 4].map((minute) => formatInstant(plusMs(TUESDAY, minute * MINUTE_MS))));
    expect(desk.told('DecisionMade').map(({ barStart }) => barStart)).toEqual(desk.told('MarketBarClosed').map(({ start }) => start));
    expect(desk.told('MarketGapDetected')).toEqual([]);
  });

  test('asks again after 5, 20 and 45 seconds for a candle that is not complete, and then gives the minute up', () => {
    const desk = readyDesk();
    desk.quoting = false;
    desk.broker.missingMinutes.add(TUESDAY);
    desk.advanceTo(plusMs(TUESDAY, 2 * MINUTE_MS - 1));
    expect(boundaryReads(desk)).toBe(4);
    expect(desk.told('MarketBarClosed')).toEqual([]);
  });

  test('decides on a candle that is complete only 12 seconds late, with the reminder after 20', () => {
    const desk = readyDesk();
    desk.quoting = false;
    desk.broker.candleDelayMs = 12 * SECOND_MS;
    desk.advanceTo(plusMs(TUESDAY, MINUTE_MS + 19 * SECOND_MS));
    expect(desk.told('MarketBarClosed')).toEqual([]);
    desk.advance(SECOND_MS);
    expect(desk.told('MarketBarClosed')).toHaveLength(1);
    expect(desk.told('DecisionMade')).toHaveLength(1);
    expect(boundaryReads(desk)).toBe(3);
  });

  test('asks at once when a price of the next minute shows that the candle is complete', () => {
    const desk = readyDesk();
    desk.quoting = false;
    desk.broker.candleDelayMs = 2 * SECOND_MS;
    desk.advanceTo(plusMs(TUESDAY, MINUTE_MS + 2 * SECOND_MS));
    expect(boundaryReads(desk)).toBe(1);
    desk.quote();
    expect(boundaryReads(desk)).toBe(2);
    expect(desk.told('DecisionMade')).toHaveLength(1);
    desk.quote();
    expect(boundaryReads(desk)).toBe(2);
  });

  test('does not ask for candles while the market is closed', () => {
    const desk = readyDesk(parseInstant('2026-01-10T15:00:00Z'));
    desk.advanceMinutes(10);
    expect(boundaryReads(desk)).toBe(0);
    expect(desk.state.live.notReady).toBeNull();
  });

  test('says in an alert that candles could not be read, and reads them with the next reminder', () => {
    const desk = readyDesk();
    desk.quoting = false;
    desk.intercept = (read) => (read.what === 'bars' ? 'fails' : undefined);
    desk.advanceMinutes(1);
    expect(desk.told('AlertRaised')).toMatchObject([{ code: 'barsUnread' }]);
    desk.intercept = () => undefined;
    desk.advance(5 * SECOND_MS);
    expect(desk.told('DecisionMade')).toHaveLength(1);
  });
});

describe('late bars', () => {
  test('are back-filled and never lead to a decision; only the newest does', () => {
    const desk = readyDesk();
    desk.intercept = (read) => (read.what === 'bars' ? null : undefined);
    desk.advance(4 * MINUTE_MS - 1);
    desk.intercept = () => undefined;
    desk.advance(1);
    expect(desk.told('MarketBarClosed').map(({ start }) => start)).toEqual([formatInstant(plusMs(TUESDAY, 3 * MINUTE_MS))]);
    expect(desk.told('MarketBarBackfilled').slice(-3).map(({ start }) => start)).toEqual([0, 1, 2].map((minute) => formatInstant(plusMs(TUESDAY, minute * MINUTE_MS))));
    expect(desk.told('DecisionMade')).toHaveLength(1);
  });

  test('are no bars to decide on when even the newest ended more than a minute ago', () => {
    const desk = readyDesk();
    desk.intercept = (read) => (read.what === 'bars' ? { what: 'bars', bars: desk.broker.bars(plusMs(desk.now, -MINUTE_MS - SECOND_MS), read.from, read.countMax) } : undefined);
    desk.advanceMinutes(4);
    expect(desk.told('MarketBarClosed')).toEqual([]);
    expect(desk.told('MarketBarBackfilled').length).toBeGreaterThan(48);
    expect(desk.told('DecisionMade')).toEqual([]);
  });

  test('that are not newer than the newest are nothing new', () => {
    const desk = readyDesk();
    desk.advanceMinutes(1);
    const before = desk.emissions.length;
    const bar = desk.broker.barAt(plusMs(TUESDAY, -MINUTE_MS));
    desk.give({ kind: 'answer', read: { what: 'bars', instrument: bar.instrument, purpose: 'boundary', from: null, countMax: 5 }, answer: { what: 'bars', bars: [bar] } });
    expect(desk.emissions).toHaveLength(before);
  });
});

describe('a gap', () => {
  const withMissing = (minutes: number): DeskHarness => {
    const desk = readyDesk();
    desk.advanceMinutes(1);
    const from = floorMinute(desk.now);
    for (let minute = 0; minute < minutes; minute += 1) desk.broker.missingMinutes.add(plusMs(from, minute * MINUTE_MS));
    desk.advanceTo(plusMs(from, (minutes + 1) * MINUTE_MS));
    return desk;
  };

  test('of ten open minutes is told and keeps the window', () => {
    const desk = withMissing(10);
    expect(desk.told('MarketGapDetected')).toMatchObject([{ openMinutes: 10, cause: 'noTicks' }]);
    expect(desk.book.market.midCloses).toHaveLength(4);
    expect(desk.told('DecisionMade')).toHaveLength(2);
  });

  test('of eleven empties the window: no decision until it is full again', () => {
    const desk = withMissing(11);
    expect(desk.told('MarketGapDetected')).toMatchObject([{ openMinutes: 11 }]);
    expect(desk.book.market.midCloses).toHaveLength(1);
    desk.advanceMinutes(2);
    expect(desk.told('DecisionSkipped').map(({ reason, detail }) => `${reason} ${detail}`)).toEqual(['windowIncomplete 1 of 4 closes', 'windowIncomplete 2 of 4 closes', 'windowIncomplete 3 of 4 closes']);
    desk.advanceMinutes(1);
    expect(desk.told('DecisionMade')).toHaveLength(2);
  });

  test('of a weekend empties the window, however few open minutes are missing', () => {
    const desk = readyDesk(parseInstant('2026-01-09T21:50:00Z'));
    desk.advanceTo(parseInstant('2026-01-11T22:06:00Z'));
    expect(desk.told('MarketGapDetected')).toMatchObject([{ cause: 'weekend', openMinutes: 0 }]);
    expect(desk.book.market.midCloses).toHaveLength(1);
  });

  test('is none over the daily break: the window crosses it', () => {
    const desk = readyDesk(parseInstant('2026-01-06T21:50:00Z'));
    desk.advanceTo(parseInstant('2026-01-06T22:06:00Z'));
    expect(desk.told('MarketGapDetected')).toEqual([]);
    expect(desk.told('DecisionMade')).toHaveLength(10);
  });
});

describe('what the policy is shown', () => {
  test('is the window, the position, the legal actions and the count of decisions', () => {
    const desk = armedDesk();
    desk.policy = null;
    desk.advanceMinutes(1);
    const { observation, transactionId, shadow } = desk.consultations[0]!;
    expect([...observation.midCloses]).toEqual([1.10014, 1.10005, 1.10006, 1.10007]);
    expect([...observation.barStarts]).toEqual([4, 3, 2, 1].map((minutes) => desk.now - minutes * MINUTE_MS));
    expect(observation).toMatchObject({ at: desk.now, mask: [true, true, true, false], decisionIndex: 1, position: { side: 0 } });
    expect({ transactionId, shadow }).toEqual({ transactionId: 2, shadow: false });
  });
});
