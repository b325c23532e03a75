/** Prices, candles and instruments that are not what they should be: rows 24, 26 to 28 and 42 of the fault catalogue. */
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { DEMO_PROFILE } from '../e2e/processes.ts';
import type { DrillOutcome } from './harness.ts';
import { Drill, drill } from './harness.ts';
import { alertsOf, deniedBy, haltCauses, meant, strikesOf, told } from './reading.ts';
import { expectSound } from './soundness.ts';

/** The busy policy holds a trade from 13:06 to 13:08, and wants to open at 13:10, 13:11, 13:13 and 13:15. */
const HOLDING = '+330s';
const BARS = 16;

describe('row 24: a price stream without prices', () => {
  test('stops opening, not closing, and is told as stale', async () => {
    const outcome = await drill({ bars: BARS, faults: [{ preset: 'onlyHeartbeats', at: HOLDING }], settings: { 'safety.pricesStaleMsMax': '60000' } });
    const silent = { from: '13:06:40', until: '13:11:30' };
    expect(meant(outcome, 'close', silent).map(({ at }) => at)).toEqual(['13:08:00']);
    expect(told(outcome, 'OrderFilled', silent)).toMatchObject([{ at: '13:08:01', data: { units: '-1' } }]);
    expect(meant(outcome, 'open', silent)).toEqual([]);
    expect(deniedBy(outcome, silent)).toEqual(['quoteAge', 'quoteAge']);
    expect(alertsOf(outcome, 'pricesStale').map(({ at }) => at)).toEqual(['13:08:00']);
    expect(meant(outcome, 'open', { from: '13:12' }).length).toBeGreaterThan(0);
    expectSound(outcome);
  });

  test('is opened again when it is silent for 12 seconds, and when it brings heartbeats alone', async () => {
    // Stale later than silent: else a minute's end between the two would have the stream opened anew for the other reason.
    const real = await Drill.prepare('realtime', { faults: [], settings: { 'safety.pricesStaleMsMax': '15000', 'policy.holdShare': '0' } });
    const daemon = real.startDaemon();
    await real.place.whenReady(daemon);
    await real.events('FeedConnected', 2, [daemon]);
    await real.inject({ preset: 'priceSilence', durationMs: 14_000 });
    expect((await real.event('FeedDisconnected', () => true, [daemon])).data).toEqual({ feed: 'pricing', detail: 'no byte for 12000 ms' });
    await real.inject({ preset: 'onlyHeartbeats', durationMs: 600_000 });
    // Armed when the last price is too old already, so that the first minute that could open finds it so.
    await sleep(6_000);
    await real.place.arm('a drill');
    const anew = await real.event('FeedDisconnected', ({ data }) => data.detail.includes('no price'), [daemon]);
    expect(anew.data).toEqual({ feed: 'pricing', detail: 'the stream lives and has brought no price of EUR_USD for 15 s' });
    const denied = await real.event('OrderDenied', () => true, [daemon]);
    expect(denied.data.guards.filter(({ passed }) => !passed).map(({ guard }) => guard)).toContain('quoteAge');
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });
});

describe('row 26: a price that is not to be traded on', () => {
  test.each([
    ['old', { form: 'stale' }, 'quoteAge'],
    ['crossed', { form: 'crossed', pips: 10 }, 'spread'],
    ['wide', { form: 'wide' }, 'spread'],
    ['far from the one before', { form: 'outlier', pips: 500 }, 'outlier'],
  ])('opens nothing when it is %s', async (_what, price, guard) => {
    // Two prices, which are one too few to be believed against the one before.
    const outcome = await drill({ bars: BARS, faults: [{ kind: 'badPrice', ...price, at: '+520s', count: 2 }] });
    expect(strikesOf(outcome)).toHaveLength(2);
    expect(deniedBy(outcome)).toEqual([guard]);
    expect(meant(outcome, 'open', { from: '13:08', until: '13:11' })).toEqual([]);
    expectSound(outcome);
  });

  test('is believed at the third that says the same', async () => {
    const outcome = await drill({ bars: BARS, faults: [{ kind: 'badPrice', form: 'outlier', pips: 500, at: '+450s', durationMs: 90_000 }] });
    expect(strikesOf(outcome).length).toBeGreaterThan(2);
    expect(deniedBy(outcome)).not.toContain('outlier');
    expect(meant(outcome, 'open', { from: '13:10', until: '13:11' })).toHaveLength(1);
  });

  test.each([['zero', 'is no price'], ['notANumber', 'is not a plain decimal']])('ends the stream when it is %s, and the next connection brings one that is', async (form, complaint) => {
    const real = await Drill.prepare('realtime', { faults: [] });
    const daemon = real.startDaemon();
    await real.place.whenReady(daemon);
    await real.inject({ kind: 'badPrice', form, count: 1 });
    const lost = await real.event('FeedDisconnected', () => true, [daemon]);
    expect(lost.data.feed).toBe('pricing');
    expect(lost.data.detail).toContain(complaint);
    await real.events('FeedConnected', 3, [daemon]);
    expect((await daemon.end('SIGTERM')).code).toBe(0);
  });
});

describe('row 27: a candle that is late', () => {
  test.each([['missing', 'late'], ['not complete', 'incomplete']])('by 45 seconds, or %s so long, is waited for', async (_how, form) => {
    const [calm, outcome] = [await drill({ bars: BARS, faults: [] }), await drill({ bars: BARS, faults: [{ kind: 'badCandles', form, ageMs: 45_000, at: HOLDING, durationMs: 300_000 }] })];
    expect(told(outcome, 'DecisionMade', { from: '13:07', until: '13:12' }).map(({ at }) => at)).toEqual(['13:07:45', '13:08:45', '13:09:45', '13:10:45', '13:11:45']);
    const barsOf = (each: DrillOutcome): readonly unknown[] => told(each, 'MarketBarClosed').map(({ data }) => data);
    expect(barsOf(outcome)).toEqual(barsOf(calm));
    expectSound(outcome);
  });

  test('by more than a minute has no decision, and is told as skipped', async () => {
    const outcome = await drill({ bars: BARS, faults: [{ preset: 'missedCandle', at: HOLDING, durationMs: 180_000 }] });
    const skipped = told(outcome, 'DecisionSkipped');
    expect(skipped.map(({ data }) => [data.barStart.slice(11, 16), data.reason])).toEqual([['13:06', 'late'], ['13:07', 'late']]);
    expect(told(outcome, 'DecisionMade').filter(({ data }) => skipped.some((skip) => skip.data.barStart === data.barStart))).toEqual([]);
    expect(told(outcome, 'MarketBarBackfilled').map(({ data }) => data.start.slice(11, 16))).toEqual(expect.arrayContaining(['13:06', '13:07']));
    expectSound(outcome);
  });
});

describe('row 28: a candle that reads otherwise later', () => {
  test('is told as revised; what was decided on the old one stands', async () => {
    const [calm, outcome] = [await drill({ bars: BARS, faults: [] }), await drill({ bars: BARS, faults: [{ preset: 'revisedCandles', at: HOLDING, count: 1 }] })];
    const decisions = (each: DrillOutcome): readonly unknown[] => told(each, 'DecisionMade', { until: '13:07:30' }).map(({ data }) => [data.barStart, data.inputHash]);
    const recorded = told(calm, 'MarketBarClosed').find(({ data }) => data.start.includes('13:06'))!.data;
    expect(told(outcome, 'MarketBarRevised')[0]).toMatchObject({ at: '13:08:00', data: { start: recorded.start, recorded } });
    // The decision of 13:07 rests on the bar as it was then, and no bar is decided on twice.
    expect(decisions(outcome)).toEqual(decisions(calm));
    expect(new Set(told(outcome, 'DecisionMade').map(({ data }) => data.barStart)).size).toBe(BARS);
    expectSound(outcome);
  });
});

describe('row 42: an instrument that is not traded', () => {
  test('has nothing opened while it is halted, and tells of both ends', async () => {
    const outcome = await drill({ bars: BARS, faults: [{ preset: 'instrumentHalted', at: '+430s', durationMs: 300_000 }] });
    const halted = { from: '13:08:20', until: '13:13:10' };
    expect(meant(outcome, 'open', halted)).toEqual([]);
    expect(new Set(deniedBy(outcome, halted))).toEqual(new Set(['marketOpen']));
    expect(alertsOf(outcome, 'instrumentHalted').map(({ data }) => data.severity)).toEqual(['warning', 'info']);
    expect(meant(outcome, 'open', { from: '13:13:10' }).length).toBeGreaterThan(0);
    expectSound(outcome);
  });

  test.each(['instrumentReduceOnly', 'askReduceOnly', 'bidReduceOnly'])('is closed and not opened under %s, and the first refusal is enough', async (preset) => {
    const outcome = await drill({ bars: BARS, faults: [{ preset, at: HOLDING }] });
    const [refused, ...others] = told(outcome, 'OrderCancelled');
    expect(refused!.data.reason).toMatch(/^INSTRUMENT_(?:ASK|BID)_REDUCE_ONLY$/);
    expect(others).toEqual([]);
    expect(meant(outcome, 'open', { from: refused!.at })).toEqual([]);
    expect(new Set(deniedBy(outcome, { from: refused!.at }))).toEqual(new Set(['restriction']));
    expect(alertsOf(outcome, 'instrumentRestricted')).toMatchObject([{ data: { severity: 'critical' } }]);
    expect(outcome.openTrades).toEqual([]);
    expectSound(outcome);
  });

  test('has a close that it refused asked again after growing pauses, and once more when it trades', async () => {
    // An order for one unit fills three, so that the trade must be closed whatever the policy wants.
    const outcome = await drill({ bars: BARS, faults: [{ kind: 'forcedFill', units: 3, at: '+290s' }, { preset: 'instrumentHalted', at: '+302s', durationMs: 280_000 }] });
    expect(haltCauses(outcome)).toContain('overFill');
    const [again] = alertsOf(outcome, 'instrumentHalted').filter(({ data }) => data.severity === 'info');
    const closes = meant(outcome, 'close', { from: '13:06:01' });
    expect(told(outcome, 'OrderCancelled').map(({ data }) => data.reason)).toEqual(Array<string>(closes.length - 1).fill('MARKET_HALTED'));
    expect(closes.length).toBeGreaterThan(1);
    expect(closes.length).toBeLessThan(5);
    // A close is asked for at most once a minute: the last one comes with the first price behind the minute.
    expect(closes.filter(({ at }) => at >= again!.at)).toHaveLength(1);
    expect(told(outcome, 'OrderFilled').at(-1)!.data.units).toBe('-3');
    expect(outcome.openTrades).toEqual([]);
  });

  test('and that the account no longer has ends the daemon before anything is asked of it', async () => {
    const unlisted = await Drill.prepare('lockstep', { faults: [], broker: { instruments: ['USD_JPY'] } });
    const ran = await unlisted.place.command(['run', '--config', DEMO_PROFILE], {}, unlisted.address);
    expect([ran.code, ran.stderr]).toEqual([78, 'reckoner: the account does not offer EUR_USD: remove it from instruments, or trade it on another account\n']);
  });
});
