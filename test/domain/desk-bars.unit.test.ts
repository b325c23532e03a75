import { describe, expect, test } from 'vitest';
import { floorMinute, formatInstant, MINUTE_MS, parseInstant, plusMs, SECOND_MS } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';
import type { Bar } from '../../domain/broker.ts';
import { add, price } from '../../domain/money.ts';
import { armedDesk, DeskHarness, proposing, TUESDAY } from './desk-harness.ts';
import { EUR_USD } from './scripted-broker.ts';

const readyDesk = (now: Instant = TUESDAY): DeskHarness => {
  const desk = new DeskHarness({}, now);
  desk.start();
  return desk;
};
const giveBars = (desk: DeskHarness, bars: readonly Bar[]): void =>
  desk.give({ kind: 'answer', read: { what: 'bars', instrument: EUR_USD, purpose: 'boundary', from: null, countMax: 5 }, answer: { what: 'bars', bars } });
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

  test('is reminded of its candle until that has come, and no longer', () => {
    const desk = readyDesk();
    desk.quoting = false;
    desk.advanceMinutes(1);
    expect([desk.told('MarketBarClosed').length, desk.timers.has(`bars ${EUR_USD}`)]).toEqual([1, false]);
    desk.broker.missingMinutes.add(plusMs(TUESDAY, MINUTE_MS));
    desk.advanceMinutes(1);
    expect([desk.told('MarketBarClosed').length, desk.timers.has(`bars ${EUR_USD}`)]).toEqual([1, true]);
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

  test('that come again as they were are nothing new, however often', () => {
    const desk = readyDesk();
    desk.advanceMinutes(1);
    const before = desk.emissions.length;
    giveBars(desk, [desk.broker.barAt(plusMs(TUESDAY, -MINUTE_MS)), desk.broker.barAt(plusMs(TUESDAY, -60 * MINUTE_MS))]);
    expect(desk.emissions).toHaveLength(before);
  });

  test('that never come within 60 seconds are told as skipped when their minute had prices, and never decided on', () => {
    const desk = readyDesk();
    desk.broker.candleDelayMs = 61 * SECOND_MS;
    desk.advanceMinutes(3);
    expect(desk.told('DecisionSkipped')).toEqual([0, 1].map((minute) => ({
      instrument: 'EUR_USD', barStart: formatInstant(plusMs(TUESDAY, minute * MINUTE_MS)), reason: 'late', detail: 'the minute had prices and no complete candle 60 s after its end',
    })));
    expect(desk.told('MarketBarClosed')).toEqual([]);
    expect(desk.told('DecisionMade')).toEqual([]);
    expect(desk.told('MarketBarBackfilled').at(-1)).toMatchObject({ start: formatInstant(TUESDAY) });
  });

  test('are not missed in a minute without a price', () => {
    const desk = readyDesk();
    desk.quoting = false;
    desk.broker.missingMinutes.add(TUESDAY);
    desk.advanceMinutes(3);
    expect(desk.told('DecisionSkipped')).toEqual([]);
    expect(desk.told('DecisionMade')).toHaveLength(2);
  });
});

describe('a revised candle', () => {
  const minuteOf = (minutes: number): Instant => plusMs(TUESDAY, minutes * MINUTE_MS);

  test('is noticed at the next minute’s end, told once with both values, and changes the window of later decisions alone', () => {
    const desk = readyDesk();
    desk.advanceMinutes(2);
    const decided = desk.told('DecisionMade');
    desk.broker.bids.set(minuteOf(1), '1.10500');
    desk.advanceMinutes(2);
    // The bid at a minute's end is that of the next minute's start: bars 0 and 1 share it.
    expect(desk.told('MarketBarRevised').map(({ start, recorded, revised }) => [start, recorded?.bid.close, revised.bid.close])).toEqual([
      [formatInstant(minuteOf(0)), '1.10001', '1.105'],
      [formatInstant(minuteOf(1)), '1.10002', '1.10002'],
    ]);
    expect(desk.told('DecisionMade').slice(0, 2)).toEqual(decided);
    expect([...desk.book.market.midCloses]).toEqual([1.10505, 1.10007, 1.10008, 1.10009]);
    expect(desk.replay().books).toEqual(desk.state.books);
  });

  test('is not looked for where configuration reads nothing again', () => {
    const desk = new DeskHarness({ rereadBars: 0 });
    desk.start();
    desk.advanceMinutes(2);
    desk.broker.bids.set(minuteOf(1), '1.10500');
    desk.advanceMinutes(1);
    expect(desk.told('MarketBarRevised')).toEqual([]);
  });

  test('of a minute that had none is told and takes its place in the window', () => {
    const desk = readyDesk();
    desk.broker.missingMinutes.add(minuteOf(1));
    desk.advanceMinutes(3);
    desk.broker.missingMinutes.clear();
    desk.advanceMinutes(1);
    expect(desk.told('MarketGapDetected')).toMatchObject([{ openMinutes: 1 }]);
    expect(desk.told('MarketBarRevised')).toMatchObject([{ start: formatInstant(minuteOf(1)), recorded: null, revised: { start: formatInstant(minuteOf(1)) } }]);
    expect([...desk.book.market.midCloses]).toEqual([1, 2, 3, 4].map((minute) => desk.book.market.midCloses[0]! + (minute - 1) * 0.00001).map((close) => Number(close.toFixed(5))));
    expect(desk.book.market.recent.map(({ start }) => start)).toEqual([...desk.book.market.recent.map(({ start }) => start)].sort());
  });

  test('of the newest bar moves the price that the account is marked at, and starts no second decision', () => {
    const desk = readyDesk();
    desk.advanceMinutes(1);
    const bar = desk.broker.barAt(minuteOf(0));
    giveBars(desk, [{ ...bar, volume: 99, bid: { ...bar.bid, high: price('1.2'), close: price('1.2') }, ask: { ...bar.ask, high: price('1.3'), close: price('1.3') } }]);
    expect(desk.told('MarketBarRevised')).toMatchObject([{ recorded: { volume: 7 }, revised: { volume: 99 } }]);
    expect(desk.book.market).toMatchObject({ lastBarStart: minuteOf(0), bidClose: price('1.2'), askClose: price('1.3') });
    expect(desk.book.market.midCloses.at(-1)).toBe(1.25);
    expect(desk.told('DecisionMade')).toHaveLength(1);
  });

  test('from before the remembered bars, or before a gap that emptied the window, leaves the window alone', () => {
    const desk = readyDesk();
    desk.advanceMinutes(1);
    const old = desk.broker.barAt(minuteOf(-200));
    giveBars(desk, [{ ...old, volume: 1 }]);
    expect(desk.told('MarketBarRevised')).toEqual([]);
    for (let minute = 1; minute <= 11; minute += 1) desk.broker.missingMinutes.add(minuteOf(minute));
    desk.advanceMinutes(12);
    const window = desk.book.market.midCloses;
    giveBars(desk, [{ ...desk.broker.barAt(minuteOf(0)), volume: 1 }, desk.broker.barAt(minuteOf(5))]);
    expect(desk.told('MarketBarRevised')).toHaveLength(2);
    expect(desk.book.market.midCloses).toEqual(window);
  });
});

describe('a quote', () => {
  const quoteAt = (desk: DeskHarness, bid: string): void => desk.give({ kind: 'quote', quote: { instrument: EUR_USD, bid: price(bid), ask: add(price(bid), price('0.0001')), at: desk.now, tradeable: true } });

  test('far from the last believed one lets nothing be opened, until three ticks agree', () => {
    const outlierSeen = (bids: readonly string[]): string | undefined => {
      const desk = armedDesk();
      desk.policy = null;
      desk.advanceMinutes(1);
      for (const bid of bids) quoteAt(desk, bid);
      desk.answerConsultation(proposing('BUY'));
      return desk.told('OrderDenied')[0]?.guard;
    };
    expect(outlierSeen(['1.10030'])).toBeUndefined();
    expect(outlierSeen(['1.10300'])).toBe('outlier');
    expect(outlierSeen(['1.10300', '1.10310'])).toBe('outlier');
    expect(outlierSeen(['1.10300', '1.10310', '1.10320'])).toBeUndefined();
    expect(outlierSeen(['1.10300', '1.09000', '1.10300'])).toBe('outlier');
    expect(outlierSeen(['1.10300', '1.10020'])).toBeUndefined();
  });

  test('that is the first after a start is held against the newest bar', () => {
    const desk = new DeskHarness();
    desk.start();
    quoteAt(desk, '1.20000');
    expect(desk.state.live.trust.get(EUR_USD)).toMatchObject({ believed: null, doubted: { ticks: 1 } });
  });
});

describe('a gap', () => {
  const withMissing = (minutes: number): DeskHarness => {
    const desk = readyDesk();
    // No tick, no candle.
    desk.quoting = false;
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

  test('is laid to our price stream when that was down meanwhile, and to us when the daemon was', () => {
    const causes = (during: (desk: DeskHarness) => void): readonly string[] => {
      const desk = readyDesk();
      desk.advanceMinutes(1);
      for (let minute = 1; minute <= 3; minute += 1) desk.broker.missingMinutes.add(plusMs(TUESDAY, minute * MINUTE_MS));
      desk.advance(90 * SECOND_MS);
      during(desk);
      desk.advanceMinutes(5);
      return desk.told('MarketGapDetected').map(({ cause }) => cause);
    };
    const pricing = (connected: boolean) => ({ kind: 'feed', feed: 'pricing', connected, detail: '' }) as const;
    expect(causes(() => undefined)).toEqual(['noTicks']);
    expect(causes((desk) => desk.give(pricing(false)))).toEqual(['feed']);
    expect(causes((desk) => {
      desk.give(pricing(false));
      desk.advance(SECOND_MS);
      desk.give(pricing(true));
    })).toEqual(['feed']);
    expect(causes((desk) => desk.crashAndRestart())).toEqual(['daemonDown']);
  });

  test('before or after an outage of the price stream is the market’s', () => {
    const desk = readyDesk();
    desk.give({ kind: 'feed', feed: 'pricing', connected: false, detail: '' });
    desk.advanceMinutes(2);
    desk.give({ kind: 'feed', feed: 'pricing', connected: true, detail: '' });
    desk.advanceMinutes(1);
    desk.broker.missingMinutes.add(plusMs(TUESDAY, 3 * MINUTE_MS));
    desk.advanceMinutes(3);
    expect(desk.told('MarketGapDetected')).toMatchObject([{ cause: 'noTicks' }]);
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
