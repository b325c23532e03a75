import { describe, expect, test } from 'vitest';
import { money } from '../../domain/money.ts';
import { MINUTE_MS, parseInstant, plusMs, SECOND_MS } from '../../domain/time.ts';
import { decidedDesk, DeskHarness, longDesk, snapshotAnswer } from './desk-harness.ts';

describe('the first start', () => {
  test('imports the ledger, reconciles, and is ready in OBSERVING', () => {
    const desk = new DeskHarness();
    desk.start();
    expect(desk.story('MarketBarBackfilled')).toEqual([
      'DaemonStarted', 'ModelLoaded', 'FeedConnected', 'FeedConnected', 'BrokerTransactionRecorded', 'BrokerTransactionRecorded', 'ReconciliationCompleted',
    ]);
    expect(desk.told('DaemonStarted')).toMatchObject([{ epoch: 1, previousRun: 'none', downMs: 0, instruments: [{ name: 'EUR_USD', pipLocation: -4 }] }]);
    expect(desk.told('ReconciliationCompleted')).toMatchObject([{ trigger: 'startup', outcome: 'agreed', transactionId: '2', discrepancies: 0 }]);
    expect(desk.state.live.notReady).toBeNull();
    expect(desk.mode).toBe('OBSERVING');
    expect(desk.state.ledger.balance).toBe(money('10000'));
  });

  test('fills its window from history, never as bars that can be decided on', () => {
    const desk = new DeskHarness();
    desk.start();
    expect(desk.book.market.midCloses).toHaveLength(4);
    expect(desk.told('MarketBarBackfilled')).toHaveLength(48);
    expect(desk.told('MarketBarClosed')).toEqual([]);
    expect(desk.consultations).toEqual([]);
  });

  test('wakes for the minute, the position check and the reconciliation once its ledger is whole, and not before', () => {
    const desk = new DeskHarness();
    desk.intercept = (read) => (read.what === 'transactions' ? null : undefined);
    desk.start();
    expect([...desk.timers.keys()]).toEqual([]);
    const whole = new DeskHarness();
    whole.start();
    expect([...whole.timers.keys()].sort()).toEqual(['minute', 'positionCheck', 'reconcile']);
  });
});

describe('a start-up query that fails', () => {
  test.each(['transactions', 'snapshot'] as const)('keeps trading from beginning while %s cannot be read, and is asked again', (what) => {
    const desk = new DeskHarness();
    desk.intercept = (read) => (read.what === what ? 'fails' : undefined);
    desk.start();
    desk.advance(60 * SECOND_MS);
    expect(desk.state.live.notReady).not.toBeNull();
    expect(desk.told('DecisionMade')).toEqual([]);
    expect(desk.command('arm')).toMatchObject({ accepted: false });
    expect(desk.told('AlertRaised')).toMatchObject([{ code: `${what}Unread` }]);
    expect(desk.reads.filter((read) => read.what === what).length).toBeGreaterThan(3);
    desk.intercept = () => undefined;
    desk.advance(61 * SECOND_MS);
    expect(desk.state.live.notReady).toBeNull();
  });

  test('halts at once when the token is refused', () => {
    const desk = new DeskHarness();
    desk.intercept = (read) => (read.what === 'transactions' ? 'unauthorised' : undefined);
    desk.start();
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'authentication', disposition: 'hold' }]);
  });

  test('is not ready while the account disagrees, halts, and gets ready when it agrees again', () => {
    const desk = new DeskHarness();
    desk.broker.distort = (snapshot) => ({ ...snapshot, balance: money('9999') });
    desk.start();
    expect(desk.told('DiscrepancyDetected')).toMatchObject([{ kind: 'balance', local: '10000', broker: '9999', rule: 'adopt' }]);
    desk.advance(10 * SECOND_MS);
    expect(desk.told('DiscrepancyDetected')).toHaveLength(3);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'discrepancy', disposition: 'hold' }]);
    expect(desk.state.live.notReady).not.toBeNull();
    desk.broker.distort = (snapshot) => snapshot;
    desk.advance(61 * SECOND_MS);
    expect(desk.state.live.notReady).toBeNull();
    expect(desk.mode).toBe('HALTED');
  });

  test('gives a snapshot that stays behind the ledger five reads, then calls it failed and asks again later', () => {
    const desk = new DeskHarness();
    desk.intercept = (read) => (read.what === 'snapshot' ? snapshotAnswer({ ...desk.broker.snapshot(), lastTransactionId: 1 }) : undefined);
    desk.start();
    desk.advance(3 * SECOND_MS);
    expect(desk.reads.filter((read) => read.what === 'snapshot').map((read) => ('attempt' in read ? read.attempt : 0))).toEqual([1, 2, 3, 4, 5]);
    expect(desk.told('ReconciliationCompleted')).toMatchObject([{ outcome: 'failed', transactionId: null, checks: [] }]);
    expect(desk.state.live.notReady).not.toBeNull();
    desk.intercept = () => undefined;
    desk.advance(60 * SECOND_MS);
    expect(desk.state.live.notReady).toBeNull();
  });
});

describe('a later start', () => {
  test('comes back armed after a short absence with the same build, configuration and model', () => {
    const desk = longDesk();
    desk.crashAndRestart(30 * SECOND_MS);
    expect(desk.told('DaemonStarted').at(-1)).toMatchObject({ epoch: 2, previousRun: 'crashed' });
    expect(desk.state.live.notReady).toBeNull();
    expect(desk.mode).toBe('ARMED');
  });

  test('comes back reducing when the build changed while a position was open', () => {
    const desk = longDesk();
    desk.crashAndRestart(30 * SECOND_MS, { build: 'build-2' });
    expect(desk.mode).toBe('REDUCING');
    expect(desk.told('TradingReducing')).toMatchObject([{ cause: 'restart: build, configuration or model changed' }]);
  });

  test('comes back observing after six minutes without a position', () => {
    const desk = new DeskHarness();
    desk.start();
    desk.command('arm');
    desk.crashAndRestart(6 * 60 * SECOND_MS);
    expect(desk.mode).toBe('OBSERVING');
  });

  test('does not come back armed from the third crash in an hour', () => {
    const desk = longDesk();
    desk.crashAndRestart();
    desk.crashAndRestart();
    expect(desk.mode).toBe('ARMED');
    desk.crashAndRestart();
    expect(desk.mode).toBe('REDUCING');
  });

  test.each([[0, 'clean'], [31, 'clean'], [32, 'crashed'], [69, 'crashed']] as const)('after a stop with exit code %i finds the run before it %s', (exitCode, previousRun) => {
    const desk = new DeskHarness();
    desk.start();
    desk.command('halt');
    desk.give({ kind: 'stop', reason: 'SIGTERM', exitCode });
    desk.crashAndRestart();
    expect(desk.told('DaemonStopped')).toEqual([{ reason: 'SIGTERM', exitCode }]);
    expect(desk.told('DaemonStarted').at(-1)).toMatchObject({ epoch: 2, previousRun });
    expect(desk.state.run.crashesFoundAt).toHaveLength(previousRun === 'crashed' ? 1 : 0);
    expect(desk.mode).toBe('HALTED');
  });

  test('forgets no halt', () => {
    const desk = longDesk();
    desk.command('halt');
    desk.crashAndRestart();
    expect(desk.mode).toBe('HALTED');
    expect(desk.state.safety.disposition).toBe('hold');
  });

  test('is observing when the position that it was reducing closed while it was down', () => {
    const desk = longDesk();
    desk.command('disarm');
    expect(desk.mode).toBe('REDUCING');
    desk.broker.fillStop(desk.now, [...desk.broker.trades.keys()][0]!, '1.09500');
    desk.crashAndRestart();
    expect(desk.state.live.notReady).toBeNull();
    expect(desk.mode).toBe('OBSERVING');
  });

  test('goes above the epochs of a life that its own log does not know', () => {
    const desk = new DeskHarness();
    desk.broker.append(desk.now, { type: 'MARKET_ORDER', clientExtensions: { id: 'x', tag: 'reckoner:epoch:5' } });
    desk.broker.append(desk.now, { type: 'ORDER_CANCEL', orderID: '3', reason: 'MARKET_HALTED' });
    desk.now = plusMs(desk.now, SECOND_MS);
    desk.start();
    expect(desk.told('EpochRaised')).toEqual([{ epoch: 6, transactionId: '3' }]);
    expect(desk.shutdowns).toEqual([]);
    expect(desk.state.run.epoch).toBe(6);
    expect(desk.state.live.notReady).toBeNull();
  });

  test('goes above an epoch of such a life that equals its own, and gives way to no order of that epoch', () => {
    const desk = new DeskHarness();
    desk.broker.append(desk.now, { type: 'MARKET_ORDER', clientExtensions: { id: 'x', tag: 'reckoner:epoch:1' } });
    desk.broker.append(desk.now, { type: 'ORDER_CANCEL', orderID: '3', reason: 'MARKET_HALTED' });
    desk.now = plusMs(desk.now, SECOND_MS);
    desk.start();
    expect(desk.told('EpochRaised')).toEqual([{ epoch: 2, transactionId: '3' }]);
    desk.broker.append(plusMs(desk.now, SECOND_MS), { type: 'MARKET_ORDER', clientExtensions: { id: 'y', tag: 'reckoner:epoch:1' } });
    desk.advance(2 * SECOND_MS);
    desk.notice();
    expect(desk.state.run.epoch).toBe(2);
    expect(desk.shutdowns).toEqual([]);
  });

  test('takes no absence for shorter because starts in between have failed', () => {
    const desk = new DeskHarness();
    desk.start();
    desk.command('arm');
    desk.intercept = (read) => (read.what === 'transactions' ? 'fails' : undefined);
    desk.crashAndRestart(4 * MINUTE_MS);
    expect(desk.mode).toBe('ARMED');
    desk.intercept = () => undefined;
    desk.crashAndRestart(2 * MINUTE_MS);
    expect(desk.told('DaemonStarted').at(-1)).toMatchObject({ downMs: 6 * MINUTE_MS });
    expect(desk.mode).toBe('OBSERVING');
  });

  test('protects a position before anything has agreed: only deciding waits for READY', () => {
    const desk = longDesk({}, parseInstant('2026-01-09T21:25:00Z'));
    desk.intercept = (read) => (read.what === 'snapshot' ? 'fails' : undefined);
    desk.crashAndRestart();
    desk.advanceTo(parseInstant('2026-01-09T21:30:00Z'));
    expect(desk.state.live.notReady).not.toBeNull();
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'weekend', leg: 'close' });
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
  });

  test('takes an account of too many transactions over from its snapshot, and goes on from there', () => {
    const desk = new DeskHarness({ importedTransactionsMax: 3 });
    const foreign = desk.broker.fillForeign(desk.now, '500');
    desk.start();
    expect(desk.story('MarketBarBackfilled').slice(4)).toEqual(['LedgerBaselined', 'ForeignTradeObserved', 'DiscrepancyDetected', 'TradingHalted', 'ReconciliationCompleted']);
    expect(desk.told('LedgerBaselined')).toMatchObject([{ transactionId: '4', balance: '10000', trades: [{ tradeId: foreign, units: '500' }], pendingOrders: [] }]);
    expect(desk.told('ReconciliationCompleted')).toMatchObject([{ outcome: 'agreed', transactionId: '4' }]);
    desk.broker.closeByHand(desk.now, foreign);
    desk.notice();
    expect(desk.told('BrokerTransactionRecorded').map(({ transactionId }) => transactionId)).toEqual(['5', '6']);
    expect(desk.state.ledger.openTrades.size).toBe(0);
    desk.crashAndRestart();
    expect(desk.told('LedgerBaselined')).toHaveLength(1);
    expect(desk.state.live.notReady).toBeNull();
  });

  test('counts nothing of a baseline as profit or loss of the day', () => {
    const desk = new DeskHarness({ importedTransactionsMax: 2 });
    desk.broker.append(desk.now, { type: 'DAILY_FINANCING', financing: '-900' }, money('-900'));
    desk.start();
    expect(desk.state.ledger.financing).toBe(money('-900'));
    desk.advanceMinutes(2);
    expect(desk.mode).toBe('OBSERVING');
  });

  test('asks for the baseline again when it cannot be read', () => {
    const desk = new DeskHarness({ importedTransactionsMax: 1 });
    desk.intercept = (read) => (read.what === 'baseline' ? 'fails' : undefined);
    desk.start();
    expect(desk.told('LedgerBaselined')).toEqual([]);
    desk.intercept = () => undefined;
    desk.advance(10 * SECOND_MS);
    expect(desk.told('LedgerBaselined')).toHaveLength(1);
    expect(desk.state.live.notReady).toBeNull();
  });

  test('reduces a position that it finds while observing', () => {
    const desk = decidedDesk('BUY');
    const { request } = desk.send('lostOnTheWay');
    desk.command('disarm');
    expect(desk.mode).toBe('OBSERVING');
    desk.broker.fillOpening(desk.now, request);
    desk.crashAndRestart();
    expect(desk.mode).toBe('REDUCING');
  });

  test('tells every transaction once, however often it starts', () => {
    const desk = longDesk();
    desk.crashAndRestart();
    desk.crashAndRestart();
    const ids = desk.told('BrokerTransactionRecorded').map((data) => Number(data.transactionId));
    expect(ids).toEqual(desk.broker.transactions.map(({ id }) => id));
  });

  test('lays the gap in its bars to its own absence', () => {
    const desk = longDesk();
    const stopped = desk.now;
    for (let minute = 0; minute < 4; minute += 1) desk.broker.missingMinutes.add(stopped - (stopped % MINUTE_MS) + minute * MINUTE_MS);
    desk.crashAndRestart(4 * MINUTE_MS);
    desk.advanceMinutes(1);
    expect(desk.told('MarketGapDetected')).toMatchObject([{ cause: 'daemonDown', openMinutes: 4 }]);
  });
});
