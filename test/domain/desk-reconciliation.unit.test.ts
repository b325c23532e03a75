import { describe, expect, test } from 'vitest';
import type { AccountSnapshot } from '../../domain/broker.ts';
import { money, units } from '../../domain/money.ts';
import { MINUTE_MS, SECOND_MS } from '../../domain/time.ts';
import { armedDesk, decide, decidedDesk, DeskHarness, longDesk, snapshotAnswer } from './desk-harness.ts';
import { SETTINGS } from './settings.ts';

const withUnits = (count: string) => (snapshot: AccountSnapshot): AccountSnapshot => ({ ...snapshot, trades: snapshot.trades.map((trade) => ({ ...trade, units: units(count) })) });
const withBalance = (balance: string) => (snapshot: AccountSnapshot): AccountSnapshot => ({ ...snapshot, balance: money(balance) });

describe('a difference', () => {
  test('that was a read that lagged is looked at again and costs nothing but the time', () => {
    const desk = longDesk();
    desk.broker.distort = withUnits('999');
    desk.advance(21 * SECOND_MS);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'differed', done: ['adopt trade 4', 'adopt EUR_USD'] });
    expect(desk.command('arm')).toMatchObject({ accepted: false, message: 'not ready: ledger and broker differ' });
    desk.broker.distort = (snapshot) => snapshot;
    desk.advance(3 * SECOND_MS);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'agreed' });
    expect(desk.mode).toBe('ARMED');
  });

  test('that stays beside a position of ours ends in REDUCING, and opens nothing meanwhile', () => {
    const desk = longDesk({ onOppositeSignal: 'reverse' });
    desk.broker.distort = withUnits('999');
    desk.advance(MINUTE_MS + 20 * SECOND_MS);
    expect(desk.told('TradingReducing')).toMatchObject([{ cause: expect.stringContaining('unresolved after 3 comparisons: partialFill trade 4: here 1000 EUR_USD, broker 999 EUR_USD') as string }]);
    expect(desk.mode).toBe('REDUCING');
    expect(desk.told('OrderIntended').filter(({ leg }) => leg === 'open')).toHaveLength(1);
  });

  test('that stays while flat ends in HALTED', () => {
    const desk = armedDesk();
    desk.broker.distort = withBalance('9999');
    desk.advance(MINUTE_MS + 20 * SECOND_MS);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'discrepancy', disposition: 'hold' }]);
  });

  test('that lasts too long ends trading although few comparisons saw it', () => {
    const desk = longDesk({ reconciliation: { ...SETTINGS.reconciliation, attemptsMax: 20, unresolvedMsMax: 10_000 } });
    desk.broker.distort = withUnits('999');
    desk.advance(2 * MINUTE_MS);
    expect(desk.mode).toBe('REDUCING');
    expect(desk.told('DiscrepancyDetected').length).toBeLessThan(20);
  });

  test.each<readonly [string, Partial<AccountSnapshot>, string]>([
    ['the account', { accountId: '101-001-1-002' }, 'account'],
    ['the currency', { currency: 'EUR' }, 'currency'],
    ['hedging', { hedgingEnabled: true }, 'hedging'],
  ])('of %s halts at once, whatever id the broker stands at', (_what, change, kind) => {
    const desk = longDesk();
    desk.broker.distort = (snapshot) => ({ ...snapshot, ...change, lastTransactionId: 99 });
    desk.advance(MINUTE_MS);
    expect(desk.told('DiscrepancyDetected')[0]).toMatchObject({ kind, rule: 'halt' });
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'differed', transactionId: null });
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'discrepancy' }]);
    expect(desk.told('OrderIntended').filter(({ leg }) => leg === 'close')).toEqual([]);
  });

  test('of profit is told once, stops nothing, and counts as agreement', () => {
    const desk = armedDesk();
    desk.broker.distort = (snapshot) => ({ ...snapshot, realisedPl: money('7'), unrealisedPl: money('-3') });
    desk.advanceMinutes(3);
    expect(desk.told('DiscrepancyDetected')).toMatchObject([{ kind: 'profit', subject: 'realised profit', local: '0', broker: '7', severity: 'warning', rule: 'note' }]);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'agreed', discrepancies: 0, unrealisedPl: { local: '0', broker: '-3' } });
    expect(desk.mode).toBe('ARMED');
  });
});

describe('a missing trade', () => {
  test('at the broker is never taken for flat', () => {
    const desk = longDesk();
    desk.broker.distort = (snapshot) => ({ ...snapshot, trades: [], pendingOrders: [] });
    desk.advance(MINUTE_MS + 20 * SECOND_MS);
    expect(desk.told('DiscrepancyDetected')[0]).toMatchObject({ kind: 'missingThere', subject: 'trade 4', transactionIds: ['4', '5'] });
    expect(desk.state.ledger.openTrades.has('4')).toBe(true);
    expect(desk.mode).toBe('REDUCING');
  });
});

describe('comparisons that fail', () => {
  test('for long leave a position that is only reduced', () => {
    const desk = longDesk();
    desk.intercept = (read) => (read.what === 'snapshot' ? 'fails' : undefined);
    desk.advance(5 * MINUTE_MS);
    expect(desk.mode).toBe('ARMED');
    desk.advance(2 * MINUTE_MS);
    expect(desk.told('TradingReducing')).toMatchObject([{ cause: expect.stringContaining('no reconciliation has come about since') as string }]);
    expect(desk.told('DiscrepancyDetected')).toEqual([]);
    desk.intercept = () => undefined;
    desk.advanceMinutes(2);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'agreed' });
  });

  test('while flat deny every opening and change nothing else', () => {
    const desk = armedDesk();
    desk.intercept = (read) => (read.what === 'snapshot' ? 'fails' : undefined);
    desk.advance(9 * MINUTE_MS);
    decide(desk, 'BUY');
    expect(desk.mode).toBe('ARMED');
    expect(desk.told('OrderDenied').at(-1)).toMatchObject({ guard: 'sound' });
  });
});

describe('the triggers', () => {
  const light = { reconciliation: { ...SETTINGS.reconciliation, fullIntervalMs: 300_000 } };
  const runs = (desk: DeskHarness) => desk.told('ReconciliationCompleted').map(({ trigger, scope }) => `${trigger} ${scope}`);

  test('are light each minute and full each five, and each run says what it compared and how long it took', () => {
    const desk = new DeskHarness(light);
    desk.start();
    desk.advanceMinutes(10);
    expect(runs(desk)).toEqual(['startup full', ...Array<string>(5).fill('interval light'), 'interval full', ...Array<string>(4).fill('interval light')]);
    const [first, second] = desk.told('ReconciliationCompleted');
    expect(first!.checks).toContain('stops');
    expect(second).toMatchObject({ checks: expect.arrayContaining(['positions', 'balance']) as string[], outcome: 'agreed', durationMs: 0, startedAt: '2026-01-06T15:00:20.000000000Z' });
    expect(second!.checks).not.toContain('stops');
  });

  test('of a light run that differs lead to a full one', () => {
    const desk = longDesk(light);
    desk.broker.distort = withBalance('1');
    desk.advance(2 * MINUTE_MS);
    expect(runs(desk).slice(-4)).toEqual(['interval light', 'interval full', 'interval full', 'interval light']);
    expect(desk.mode).toBe('REDUCING');
  });

  test('follow an unknown outcome once the ledger has answered', () => {
    const desk = decidedDesk('BUY', light);
    desk.send('lostOnTheWay');
    desk.advance(130 * SECOND_MS);
    expect(runs(desk)).toContain('unknownOutcome full');
  });

  test('follow a page that jumped, once its gap is filled', () => {
    const desk = armedDesk(light);
    for (let count = 0; count < 3; count += 1) desk.broker.append(desk.now, { type: 'CLIENT_CONFIGURE' });
    const whole = desk.broker.page(2);
    let pages = 0;
    desk.intercept = (read) => (read.what === 'transactions' && (pages += 1) === 1 ? { what: 'transactions', page: { ...whole, transactions: whole.transactions.filter(({ id }) => id !== 4) } } : undefined);
    desk.notice();
    desk.advance(2 * SECOND_MS);
    expect(desk.state.ledger.lastTransactionId).toBe(5);
    expect(runs(desk).at(-1)).toBe('gap full');
    expect(desk.mode).toBe('ARMED');
  });

  test('are an operator’s, too, who is told what came of it', () => {
    const desk = longDesk(light);
    expect(desk.command('reconcile')).toEqual({ accepted: true, message: 'agreed at transaction 5' });
    expect(runs(desk).at(-1)).toBe('operator full');
    desk.broker.distort = withUnits('999');
    expect(desk.command('reconcile')).toEqual({ accepted: false, message: 'differed at transaction 5: 2 differences' });
    desk.broker.distort = (snapshot) => snapshot;
    desk.intercept = (read) => (read.what === 'snapshot' ? 'fails' : undefined);
    expect(desk.command('reconcile')).toEqual({ accepted: false, message: 'failed: snapshot timed out' });
    expect(desk.told('ControlAccess').filter(({ verb }) => verb === 'reconcile')).toHaveLength(3);
  });

  test('that an operator pulls while a light run is out are answered by the full one behind it', () => {
    const desk = longDesk(light);
    desk.intercept = (read) => (read.what === 'snapshot' ? null : undefined);
    desk.advance(MINUTE_MS);
    const read = desk.reads.findLast(({ what }) => what === 'snapshot')!;
    expect(read).toMatchObject({ what: 'snapshot', scope: 'light' });
    desk.intercept = () => undefined;
    const before = desk.replies.length;
    desk.command('reconcile');
    expect(desk.replies).toHaveLength(before);
    desk.give({ kind: 'answer', read, answer: { what: 'summary', summary: desk.broker.summary(), positions: desk.broker.positions() } });
    expect(runs(desk).slice(-2)).toEqual(['interval light', 'operator full']);
    expect(desk.replies.at(-1)).toEqual({ accepted: true, message: 'agreed at transaction 5' });
  });
});

describe('the broker’s ids', () => {
  test('that go back are a stale replica: ignored, never evidence', () => {
    const desk = longDesk();
    desk.intercept = (read) => (read.what === 'snapshot' ? snapshotAnswer({ ...desk.broker.snapshot(), trades: [], pendingOrders: [], lastTransactionId: 3 }) : undefined);
    desk.advance(MINUTE_MS + 10 * SECOND_MS);
    expect(desk.told('DiscrepancyDetected')).toEqual([]);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'failed', detail: 'snapshot at 3, ledger at 5, after 5 reads' });
    expect(desk.mode).toBe('ARMED');
  });

  test('that stay ahead of the ledger are told as a stale ledger, and halt when the gap is never filled', () => {
    const desk = longDesk();
    desk.intercept = (read) => (read.what === 'transactions' ? { what: 'transactions', page: { transactions: [], lastTransactionId: 5 } } : undefined);
    desk.broker.append(desk.now, { type: 'CLIENT_CONFIGURE' });
    desk.notice();
    desk.advance(29 * SECOND_MS);
    expect(desk.mode).toBe('ARMED');
    desk.advance(10 * SECOND_MS);
    expect(desk.told('DiscrepancyDetected').find(({ kind }) => kind === 'ledgerGap')).toMatchObject({ local: 'transaction 5', broker: 'transaction 6', rule: 'halt' });
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'discrepancy' }]);
    expect(desk.told('DiscrepancyDetected').map(({ kind }) => kind)).toContain('staleLedger');
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ trigger: 'gap', outcome: 'failed' });
    desk.intercept = () => undefined;
    desk.advanceMinutes(1);
    expect(desk.state.ledger.lastTransactionId).toBe(6);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'agreed' });
  });

  test('of light answers must be the ledger’s in both reads', () => {
    const desk = longDesk({ reconciliation: { ...SETTINGS.reconciliation, fullIntervalMs: 300_000 } });
    let reads = 0;
    desk.intercept = (read) => {
      if (read.what !== 'snapshot' || read.scope !== 'light') return undefined;
      reads += 1;
      return { what: 'summary', summary: desk.broker.summary(), positions: { positions: [], lastTransactionId: reads === 1 ? 3 : 5 } };
    };
    desk.advance(MINUTE_MS - 1);
    expect(reads).toBe(2);
    expect(desk.told('DiscrepancyDetected')[0]).toMatchObject({ kind: 'positionUnits', local: '1000', broker: '0' });
  });
});

describe('a transaction that reads otherwise than before', () => {
  const rewritten = (desk: DeskHarness): void => {
    const { body, ...rest } = desk.broker.transactions[3]!;
    desk.broker.transactions[3] = { ...rest, body: { ...body, price: '1.09' } };
  };

  test('halts when the stream comes back and it is read again', () => {
    const desk = longDesk();
    rewritten(desk);
    desk.give({ kind: 'feed', feed: 'transactions', connected: false, detail: 'silent' });
    desk.give({ kind: 'feed', feed: 'transactions', connected: true, detail: '' });
    expect(desk.told('DiscrepancyDetected')).toMatchObject([{ kind: 'transactionMutated', subject: 'transaction 4', rule: 'halt', transactionIds: ['4'] }]);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'discrepancy', detail: 'transaction 4 reads otherwise than when it was recorded' }]);
  });

  test('halts after a restart, too, and the position stays as it was recorded', () => {
    const desk = longDesk();
    const { ledger } = desk.state;
    rewritten(desk);
    desk.crashAndRestart();
    expect(desk.mode).toBe('HALTED');
    expect(desk.state.ledger.openTrades).toEqual(ledger.openTrades);
  });

  test('does not halt when it merely came with its fields in another order', () => {
    const desk = longDesk();
    const { body, ...rest } = desk.broker.transactions[3]!;
    desk.broker.transactions[3] = { ...rest, body: Object.fromEntries(Object.entries(body).reverse()) };
    desk.crashAndRestart();
    expect(desk.mode).toBe('ARMED');
  });
});

describe('what an operator must acknowledge', () => {
  test('is a foreign trade: after it, trading may go on beside the trade', () => {
    const desk = armedDesk();
    const tradeId = desk.broker.fillForeign(desk.now, '-300');
    desk.notice();
    expect(desk.told('DiscrepancyDetected')).toMatchObject([{ kind: 'foreignTrade', rule: 'halt', transactionIds: [tradeId] }]);
    expect(desk.command('resume')).toMatchObject({ accepted: false });
    expect(desk.acknowledge('trade', '999')).toMatchObject({ accepted: false });
    expect(desk.acknowledge('trade', tradeId)).toMatchObject({ accepted: true });
    desk.command('resume');
    expect(desk.command('arm')).toMatchObject({ accepted: true });
    desk.crashAndRestart();
    expect(desk.mode).toBe('ARMED');
    decide(desk, 'BUY');
    expect(desk.told('OrderIntended')).toMatchObject([{ leg: 'open' }]);
    desk.send('filled');
    desk.advanceMinutes(2);
    expect(desk.state.ledger.openTrades.has(tradeId)).toBe(true);
  });

  test('is an unknown type of transaction: stored as it is, and stopped on until then', () => {
    const desk = armedDesk();
    desk.broker.append(desk.now, { type: 'CRYPTO_AIRDROP', coins: '7' });
    desk.notice();
    expect(desk.told('BrokerTransactionRecorded').at(-1)).toMatchObject({ body: { type: 'CRYPTO_AIRDROP', coins: '7' } });
    expect(desk.told('ReviewRequired')).toMatchObject([{ transactionId: '3', cause: 'unknownType' }]);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'unknownSchema', disposition: 'hold' }]);
    desk.crashAndRestart();
    expect(desk.command('resume')).toMatchObject({ accepted: false, message: expect.stringContaining('transaction 3') as string });
    desk.acknowledge('transaction', '3');
    desk.command('resume');
    expect(desk.command('arm')).toMatchObject({ accepted: true });
  });

  test('is an unknown reason of a fill', () => {
    const desk = armedDesk();
    desk.broker.append(desk.now, { type: 'ORDER_FILL', instrument: 'EUR_USD', units: '0', reason: 'LUNAR_ORDER', pl: '0', financing: '0' }, money('0'));
    desk.notice();
    expect(desk.told('ReviewRequired')).toMatchObject([{ cause: 'unknownReason' }]);
    expect(desk.told('AlertRaised')).toMatchObject([{ code: 'emptyFill', severity: 'critical' }]);
  });

  test('is the close of our trade by a hand: adopted, flat, and not traded on before', () => {
    const desk = longDesk();
    desk.broker.closeByHand(desk.now, '4');
    desk.notice();
    expect(desk.told('PositionAdjusted')).toMatchObject([{ tradeIds: ['4'], reason: 'MARKET_ORDER_TRADE_CLOSE' }]);
    expect(desk.told('ReviewRequired')).toMatchObject([{ transactionId: '7', cause: 'manualClose' }]);
    expect(desk.mode).toBe('HALTED');
    expect(desk.state.ledger.openTrades.size).toBe(0);
    expect(desk.book.excursion).toBeNull();
    expect(desk.command('resume')).toMatchObject({ accepted: false });
    desk.acknowledge('transaction', '7');
    desk.command('resume');
    desk.command('arm');
    decide(desk, 'BUY');
    expect(desk.dispatches).toHaveLength(1);
  });

  test('is a part of our trade closed by a hand, and the rest is still ours', () => {
    const desk = longDesk();
    desk.broker.closeByHand(desk.now, '4', '400');
    desk.notice();
    expect(desk.told('ReviewRequired')).toMatchObject([{ cause: 'manualClose' }]);
    expect(desk.state.ledger.openTrades.get('4')?.units).toBe(units('600'));
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ outcome: 'agreed' });
  });

  test.each(['STOP_LOSS_ORDER', 'MARKET_ORDER_DELAYED_TRADE_CLOSE'])('is not the broker’s own close: %s', (reason) => {
    const desk = longDesk();
    desk.broker.closeByHand(desk.now, '4', null, reason);
    desk.notice();
    expect(desk.told('PositionAdjusted')).toHaveLength(1);
    expect(desk.told('ReviewRequired')).toEqual([]);
    expect(desk.mode).toBe('ARMED');
  });

  test('is not a close of ours that executes after it was given up', () => {
    const desk = longDesk();
    decide(desk, 'CLOSE');
    const { request } = desk.send('lostOnTheWay');
    desk.policy = () => ({ kind: 'refusal', code: 'zeroDeviation', detail: 'flat' });
    desk.advance(125 * SECOND_MS);
    desk.broker.fillClosing(desk.now, request);
    desk.notice();
    expect(desk.told('ReviewRequired')).toEqual([]);
    expect(desk.state.ledger.openTrades.size).toBe(0);
  });
});

describe('a margin closeout', () => {
  test('is adopted and halts durably, citing its transaction', () => {
    const desk = longDesk();
    desk.broker.closeByHand(desk.now, '4', null, 'MARKET_ORDER_MARGIN_CLOSEOUT');
    desk.notice();
    expect(desk.told('DiscrepancyDetected')).toMatchObject([{ kind: 'marginCloseout', rule: 'halt', transactionIds: ['7'] }]);
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'lossLimit', disposition: 'flatten' }]);
    desk.crashAndRestart();
    expect(desk.mode).toBe('HALTED');
    expect(desk.state.ledger.openTrades.size).toBe(0);
  });
});

describe('another daemon on the account', () => {
  test('with a higher epoch ends this one with 33', () => {
    const desk = longDesk();
    desk.broker.append(desk.now, { type: 'MARKET_ORDER', clientExtensions: { id: 'x', tag: 'reckoner:epoch:9' } });
    desk.notice();
    expect(desk.shutdowns).toMatchObject([{ exitCode: 33 }]);
  });
});
