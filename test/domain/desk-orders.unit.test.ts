import { describe, expect, test } from 'vitest';
import { requestHash } from '../../domain/order-request.ts';
import { price } from '../../domain/money.ts';
import { MINUTE_MS, plusMs, SECOND_MS } from '../../domain/time.ts';
import { workingOrders } from '../../domain/trading.ts';
import { armedDesk, decide, decidedDesk, DeskHarness, longDesk, proposing } from './desk-harness.ts';
import { LIMITS } from './settings.ts';

const statuses = (desk: DeskHarness): readonly string[] => [...desk.book.trading.orders.values()].map(({ status }) => status);

describe('deciding while OBSERVING', () => {
  test('sends nothing and moves the shadow position at the next open', () => {
    const desk = new DeskHarness();
    desk.start();
    desk.advanceMinutes(1);
    decide(desk, 'BUY');
    expect(desk.told('DecisionMade').at(-1)).toMatchObject({ mode: 'OBSERVING', action: 'BUY', position: { side: 0, shadow: true } });
    expect(desk.told('OrderIntended')).toEqual([]);
    expect(desk.told('OrderDenied')).toEqual([]);
    expect(desk.dispatches).toEqual([]);
    const opened = desk.broker.pricesAt(desk.now).ask;
    desk.advanceMinutes(1);
    expect(desk.book.shadow.position).toMatchObject({ side: 1, entryPrice: opened, barsSinceEntry: 1 });
    decide(desk, 'CLOSE');
    expect(desk.told('DecisionMade').at(-1)).toMatchObject({ action: 'CLOSE', mask: [true, false, true, true], position: { side: 1, shadow: true } });
    desk.advanceMinutes(1);
    expect(desk.book.shadow).toMatchObject({ position: null, closedTrades: 1 });
  });
});

describe('an armed BUY', () => {
  test('is meant before it is sent, and told from intent to reconciliation in order', () => {
    const desk = decidedDesk('BUY');
    expect(desk.book.trading.orders.size).toBe(1);
    expect(statuses(desk)).toEqual(['intended']);
    expect(desk.broker.lastTransactionId).toBe(2);
    const before = desk.emissions.length;
    desk.send('filled');
    expect(desk.emissions.slice(before).map(({ event }) => event.type)).toEqual([
      'BrokerExchangeRecorded', 'OrderSubmitted',
      'BrokerTransactionRecorded', 'OrderAccepted', 'BrokerTransactionRecorded', 'OrderFilled', 'BrokerTransactionRecorded',
      'ReconciliationCompleted',
    ]);
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ trigger: 'postTrade', outcome: 'agreed', transactionId: '5' });
    expect(statuses(desk)).toEqual(['filled']);
    expect(desk.told('OrderFilled')).toMatchObject([{ units: '1000', tradeId: '4', slippagePips: '0', slippageShare: '0', late: false }]);
  });

  test('is sent with a bound, a stop, the slot and its own name, in the very bytes of its intent', () => {
    const desk = decidedDesk('BUY');
    const { request, clientOrderId } = desk.dispatches[0]!;
    const intent = desk.told('OrderIntended')[0]!;
    const { ask } = desk.broker.pricesAt(desk.now);
    expect(JSON.parse(request.body)).toEqual({
      order: {
        type: 'MARKET', instrument: 'EUR_USD', units: '1000', timeInForce: 'FOK', positionFill: 'OPEN_ONLY',
        priceBound: (Number(ask) / 1e10 + 0.0005).toFixed(5),
        stopLossOnFill: { distance: '0.00500', timeInForce: 'GTC' },
        clientExtensions: { id: clientOrderId, tag: 'reckoner:epoch:1', comment: `decision ${intent.decisionId}` },
        tradeClientExtensions: { id: 'reckoner:101-001-1-001:EUR_USD:slot0', tag: 'reckoner:epoch:1' },
      },
    });
    expect(intent).toMatchObject({ requestBody: request.body, requestHash: requestHash(request), watermark: '2', referencePrice: '1.10012', priceBound: '1.10062' });
    expect(intent.guards).toHaveLength(30);
    expect(intent.guards.every(({ passed }) => passed)).toBe(true);
  });

  test('that misses its bound ends as cancelled and leaves the desk free to decide again', () => {
    const desk = decidedDesk('BUY');
    desk.send('cancelled');
    expect(desk.told('OrderCancelled')).toMatchObject([{ reason: 'BOUNDS_VIOLATION' }]);
    decide(desk, 'SELL');
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ units: '-1000', cause: 'policy', leg: 'open' });
  });

  test('that the broker rejects ends by the ledger, with the reason', () => {
    const desk = decidedDesk('BUY');
    desk.send('rejected');
    expect(desk.told('OrderRejected')).toEqual([{ clientOrderId: expect.any(String) as string, reason: 'INSUFFICIENT_MARGIN', transactionId: '3' }]);
    expect(workingOrders(desk.book.trading)).toEqual([]);
  });

  test('that is refused without any transaction ends by the answer', () => {
    const desk = decidedDesk('BUY');
    desk.send('refused');
    expect(desk.told('OrderRejected')).toMatchObject([{ reason: 'no such trade', transactionId: null }]);
  });

  test('is denied, with every verdict, when the spread is too wide', () => {
    const desk = armedDesk({});
    desk.policy = null;
    desk.advanceMinutes(1);
    const { bid } = desk.broker.pricesAt(desk.now);
    desk.give({ kind: 'quote', quote: { instrument: desk.book.settings.instrument.name, bid, ask: price('1.2'), at: desk.now, tradeable: true } });
    desk.answerConsultation(proposing('BUY'));
    const denied = desk.told('OrderDenied')[0]!;
    expect(denied).toMatchObject({ guard: 'spread', clientOrderId: null, units: '1000' });
    expect(denied.guards).toHaveLength(30);
    expect(desk.dispatches).toEqual([]);
  });
});

describe('one decision for a bar', () => {
  test('holds even when the policy answers twice', () => {
    const desk = armedDesk();
    desk.policy = null;
    desk.advanceMinutes(1);
    const consultation = desk.consultations[0]!;
    desk.answerConsultation(proposing('BUY'));
    const before = desk.emissions.length;
    desk.give({ kind: 'advice', consultation, outcome: proposing('SELL') });
    expect(desk.emissions).toHaveLength(before);
    expect(desk.dispatches).toHaveLength(1);
  });

  test('holds when the bar is read again', () => {
    const desk = decidedDesk('BUY');
    const bar = desk.broker.barAt(desk.book.market.lastBarStart!);
    desk.give({ kind: 'answer', read: { what: 'bars', instrument: bar.instrument, purpose: 'boundary', from: bar.start, countMax: 10 }, answer: { what: 'bars', bars: [bar] } });
    expect(desk.told('DecisionMade').filter((data) => data.action === 'BUY')).toHaveLength(1);
    expect(desk.dispatches).toHaveLength(1);
  });

  test('comes too late a minute after the bar, and is then none', () => {
    const desk = armedDesk();
    desk.policy = null;
    desk.advanceMinutes(1);
    desk.now = plusMs(desk.now, MINUTE_MS + 1);
    desk.answerConsultation(proposing('BUY'));
    expect(desk.told('DecisionSkipped').at(-1)).toMatchObject({ reason: 'late' });
    expect(desk.dispatches).toEqual([]);
  });

  test('is none when the policy refuses the input, and a halt that flattens when it fails or breaks the rules', () => {
    const refusing = armedDesk();
    refusing.policy = () => ({ kind: 'refusal', code: 'zeroDeviation', detail: 'flat window' });
    refusing.advanceMinutes(1);
    expect(refusing.told('DecisionSkipped')).toMatchObject([{ reason: 'zeroDeviation' }]);
    expect(refusing.mode).toBe('ARMED');
    const failing = longDesk();
    failing.policy = () => ({ kind: 'failure', detail: 'a head is not finite' });
    failing.advance(MINUTE_MS + 30 * SECOND_MS);
    expect(failing.told('TradingHalted')).toMatchObject([{ cause: 'model', disposition: 'flatten' }]);
    expect(failing.told('OrderIntended').at(-1)).toMatchObject({ cause: 'halt', leg: 'close' });
    const illegal = armedDesk();
    decide(illegal, 'CLOSE');
    expect(illegal.told('TradingHalted')).toMatchObject([{ cause: 'model' }]);
    expect(illegal.told('DecisionMade').at(-1)?.action).toBe('HOLD');
  });

  test('taken on the shadow position does not open once the desk is armed', () => {
    const desk = new DeskHarness({ onOppositeSignal: 'reverse' });
    desk.start();
    desk.advanceMinutes(1);
    decide(desk, 'BUY');
    desk.advanceMinutes(1);
    desk.policy = null;
    desk.advanceMinutes(1);
    expect(desk.consultations[0]).toMatchObject({ shadow: true, observation: { position: { side: 1 } } });
    desk.command('arm');
    desk.answerConsultation(proposing('SELL'));
    expect(desk.dispatches).toEqual([]);
    expect(desk.told('DecisionSkipped').at(-1)).toMatchObject({ reason: 'late' });
  });
});

describe('an order of unknown outcome', () => {
  test('blocks opening until the ledger has answered, and is adopted when it is found there', () => {
    const desk = decidedDesk('BUY');
    desk.broker.tradeable = true;
    const dispatch = desk.dispatches[0]!;
    desk.send('lostOnTheWay');
    expect(statuses(desk)).toEqual(['unknown']);
    desk.policy = null;
    desk.advanceMinutes(1);
    expect(desk.consultations[0]!.observation.mask).toEqual([true, false, false, false]);
    desk.answerConsultation(proposing('HOLD'));
    desk.broker.fillOpening(plusMs(desk.now, -30 * SECOND_MS), dispatch.request);
    desk.advance(10 * SECOND_MS);
    expect(statuses(desk)).toEqual(['filled']);
    expect(desk.told('OrderFilled')).toMatchObject([{ late: false }]);
    expect(desk.told('OrderAbandoned')).toEqual([]);
  });

  test('is abandoned after the quiet period and not before, and nothing is sent a second time', () => {
    const desk = decidedDesk('BUY');
    desk.send('lostOnTheWay');
    desk.advance(119 * SECOND_MS);
    expect(statuses(desk)).toEqual(['unknown']);
    desk.advance(6 * SECOND_MS);
    expect(statuses(desk)).toEqual(['abandoned']);
    expect(desk.told('OrderAbandoned')).toMatchObject([{ watermark: '2', lastTransactionId: '2' }]);
    expect(desk.told('OrderAbandoned')[0]!.quietMs).toBeGreaterThanOrEqual(120_000);
    expect(desk.told('AlertRaised')).toMatchObject([{ code: 'orderAbandoned', severity: 'critical' }]);
    expect(desk.told('OrderIntended')).toHaveLength(1);
    expect(desk.dispatches).toEqual([]);
  });

  test('stays unknown for as long as the ledger cannot be read: a failed query is no silence', () => {
    const desk = decidedDesk('BUY');
    desk.intercept = (read) => (read.what === 'transactions' ? 'fails' : undefined);
    desk.send('lostOnTheWay');
    desk.advance(600 * SECOND_MS);
    expect(statuses(desk)).toEqual(['unknown']);
    desk.intercept = () => undefined;
    desk.advance(61 * SECOND_MS);
    expect(statuses(desk)).toEqual(['abandoned']);
  });

  test('is no doubt when the stream told of its fill before the request timed out', () => {
    const desk = decidedDesk('BUY');
    const dispatch = desk.dispatches.shift()!;
    desk.broker.fillOpening(desk.now, dispatch.request);
    desk.notice();
    expect(statuses(desk)).toEqual(['filled']);
    desk.now = plusMs(desk.now, 10 * SECOND_MS);
    desk.exchange(dispatch, 'filledUnanswered');
    desk.settle();
    expect(statuses(desk)).toEqual(['filled']);
    expect(desk.told('BrokerExchangeRecorded')).toMatchObject([{ status: null }]);
    expect(desk.told('OrderOutcomeUnknown')).toEqual([]);
    desk.advance(300 * SECOND_MS);
    expect(desk.told('OrderAbandoned')).toEqual([]);
  });

  test('is one, too, when the broker answered and its ledger says nothing: first doubted, then given up', () => {
    const desk = decidedDesk('BUY');
    const dispatch = desk.dispatches.shift()!;
    desk.exchange(dispatch, 'filled');
    desk.settle();
    expect(statuses(desk)).toEqual(['submitted']);
    desk.advance(125 * SECOND_MS);
    expect(desk.told('OrderOutcomeUnknown')).toMatchObject([{ cause: 'silence' }]);
    desk.advance(125 * SECOND_MS);
    expect(statuses(desk)).toEqual(['abandoned']);
  });

  test('is meant again when it is a close that must be: the trade that it names can be closed once only', () => {
    const desk = longDesk({ safety: { ...LIMITS, dispositions: { ...LIMITS.dispositions, operator: 'flatten' } } });
    desk.command('halt');
    const first = desk.send('lostOnTheWay');
    desk.advance(9 * SECOND_MS);
    expect(desk.dispatches).toEqual([]);
    desk.advance(111 * SECOND_MS);
    expect(desk.dispatches).toHaveLength(1);
    expect(desk.dispatches[0]).toMatchObject({ request: first.request });
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
    expect(desk.told('TradingHalted')).toHaveLength(1);
  });

  test('that fills after it was abandoned is late: adopted, and closed at once', () => {
    const desk = decidedDesk('BUY');
    const { request } = desk.send('lostOnTheWay');
    desk.advance(130 * SECOND_MS);
    desk.broker.fillOpening(desk.now, request);
    desk.notice();
    expect(desk.told('OrderFilled')).toMatchObject([{ late: true }]);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'lateFill', leg: 'close', units: '-1000' });
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
    expect(desk.mode).toBe('ARMED');
  });

  test.each(['filled', 'lost'] as const)('after a crash between intent and answer is doubted, and resolved when it was %s', (what) => {
    const desk = decidedDesk('BUY');
    if (what === 'filled') desk.broker.fillOpening(desk.now, desk.dispatches[0]!.request);
    desk.crashAndRestart();
    expect(desk.told('OrderOutcomeUnknown')).toMatchObject([{ cause: 'crash' }]);
    expect(desk.dispatches).toEqual([]);
    desk.advance(130 * SECOND_MS);
    expect(statuses(desk)).toEqual([what === 'filled' ? 'filled' : 'abandoned']);
    expect(desk.told('OrderIntended')).toHaveLength(1);
    expect(desk.told('ForeignTradeObserved')).toEqual([]);
  });

  test('is adopted from the ledger when the crash came between recording the fill and what follows from it', () => {
    const desk = decidedDesk('BUY');
    desk.send('filled');
    desk.emissions.splice(desk.emissions.findIndex(({ event }) => event.type === 'OrderFilled'));
    desk.crashAndRestart();
    expect(statuses(desk)).toEqual(['filled']);
    expect(desk.told('OrderFilled')).toHaveLength(1);
    expect(desk.told('ForeignTradeObserved')).toEqual([]);
    expect(desk.book.trading.ourTradeIds).toEqual(new Set(['4']));
  });
});

describe('the last look', () => {
  test('denies an opening order when the broker has spoken of a newer transaction', () => {
    const desk = decidedDesk('BUY');
    desk.broker.append(desk.now, { type: 'CLIENT_CONFIGURE' });
    desk.notice();
    desk.send('filled');
    expect(desk.told('OrderDenied')).toMatchObject([{ guard: 'stateMoved', clientOrderId: desk.told('OrderIntended')[0]!.clientOrderId }]);
    expect(desk.told('BrokerExchangeRecorded')).toEqual([]);
    expect(statuses(desk)).toEqual(['denied']);
  });

  test('denies an opening order after a halt, and an old one', () => {
    const halted = decidedDesk('BUY');
    halted.command('halt');
    halted.send('filled');
    expect(halted.told('OrderDenied')).toMatchObject([{ guard: 'mode' }]);
    const old = decidedDesk('BUY');
    old.now = plusMs(old.now, MINUTE_MS + 1);
    old.send('filled');
    expect(old.told('OrderDenied')).toMatchObject([{ guard: 'intentAge' }]);
  });

  test('denies the second sending of one intent', () => {
    const desk = decidedDesk('BUY');
    desk.dispatches.push(desk.dispatches[0]!);
    desk.send('filled');
    desk.send('filled');
    expect(desk.told('OrderDenied')).toMatchObject([{ guard: 'intended' }]);
    expect(desk.told('OrderFilled')).toHaveLength(1);
    expect(statuses(desk)).toEqual(['filled']);
  });

  test('denies closing a trade that its stop has closed meanwhile, and only that', () => {
    const desk = longDesk();
    decide(desk, 'CLOSE');
    desk.broker.append(desk.now, { type: 'CLIENT_CONFIGURE' });
    desk.notice();
    expect(desk.dispatches).toHaveLength(1);
    desk.broker.fillStop(desk.now, '4', '1.09512');
    desk.notice();
    expect(desk.told('PositionAdjusted')).toMatchObject([{ reason: 'STOP_LOSS_ORDER', tradeIds: ['4'], units: '-1000', pl: '-5' }]);
    desk.send('filled');
    expect(desk.told('OrderDenied')).toMatchObject([{ guard: 'stateMoved', leg: 'close' }]);
  });
});

describe('a position that moved between question and answer', () => {
  test('denies the opening order when the stop filled after the policy was asked', () => {
    const desk = longDesk({ onOppositeSignal: 'reverse' });
    desk.policy = null;
    desk.advanceMinutes(1);
    desk.broker.fillStop(desk.now, '4', '1.09512');
    desk.notice();
    desk.answerConsultation(proposing('SELL'));
    expect(desk.told('OrderDenied')).toMatchObject([{ guard: 'stateMoved', leg: 'open', units: '-1000' }]);
    expect(desk.dispatches).toEqual([]);
  });
});

describe('the opposite signal', () => {
  test('closes, and no more, unless reversing is configured', () => {
    const desk = longDesk();
    decide(desk, 'SELL');
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ leg: 'close', reverseTo: null, tradeId: '4' });
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
    expect(desk.dispatches).toEqual([]);
  });

  test('reverses in two legs, the second after the first has filled and through the guards afresh', () => {
    const desk = longDesk({ onOppositeSignal: 'reverse' });
    decide(desk, 'SELL');
    expect(desk.dispatches).toHaveLength(1);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ leg: 'close', reverseTo: 'SELL', guards: [] });
    desk.send('filled');
    const second = desk.told('OrderIntended').at(-1)!;
    expect(second).toMatchObject({ leg: 'open', units: '-1000', decisionId: desk.told('DecisionMade').at(-1)!.decisionId, watermark: String(desk.broker.lastTransactionId) });
    expect(second.guards).toHaveLength(30);
    desk.send('filled');
    expect([...desk.state.ledger.openTrades.values()].map((trade) => trade.units < 0n)).toEqual([true]);
  });

  test('opens no second leg when the guards deny it, when the close fails, or a minute later', () => {
    const denied = longDesk({ onOppositeSignal: 'reverse' });
    decide(denied, 'SELL');
    denied.give({ kind: 'feed', feed: 'pricing', connected: false, detail: 'reset' });
    denied.send('filled');
    expect(denied.told('OrderDenied')).toMatchObject([{ guard: 'sound', leg: 'open' }]);
    const cancelled = longDesk({ onOppositeSignal: 'reverse' });
    decide(cancelled, 'SELL');
    cancelled.send('cancelled');
    expect(cancelled.book.trading.reversal).toBeNull();
    const slow = longDesk({ onOppositeSignal: 'reverse' });
    decide(slow, 'SELL');
    slow.send('filled', MINUTE_MS + 1);
    for (const desk of [denied, cancelled, slow]) expect(desk.dispatches).toEqual([]);
  });

  test('opens the second leg although the page with the fill broke off behind it', () => {
    const desk = longDesk({ onOppositeSignal: 'reverse' });
    decide(desk, 'SELL');
    let brokenPages = 0;
    desk.intercept = (read) => {
      if (read.what !== 'transactions' || brokenPages > 0 || desk.broker.lastTransactionId < 8) return undefined;
      brokenPages += 1;
      return { what: 'transactions', page: { transactions: desk.broker.page(read.since).transactions.slice(0, 2), lastTransactionId: 8 } };
    };
    desk.send('filled');
    expect(brokenPages).toBe(1);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ leg: 'open', units: '-1000' });
    expect(desk.told('ReconciliationCompleted').at(-1)).toMatchObject({ trigger: 'postTrade', outcome: 'agreed' });
  });
});

describe('fills that should not be', () => {
  test('halt and flatten when they hold more units than were ordered', () => {
    const desk = decidedDesk('BUY');
    const { request, clientOrderId } = desk.dispatches.shift()!;
    desk.broker.fillOpening(desk.now, request, '1001');
    desk.exchange({ clientOrderId, request }, 'filled');
    desk.settle();
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'overFill', disposition: 'flatten' }, { cause: 'positionLimit', disposition: 'flatten' }]);
    expect(desk.told('OrderIntended').at(-1)).toMatchObject({ cause: 'halt', leg: 'close', units: '-1001' });
  });

  test('halt and flatten when one order fills twice', () => {
    const desk = longDesk();
    const { clientOrderId } = desk.told('OrderFilled')[0]!;
    desk.broker.fillOf(desk.now, '3', '1000', null, clientOrderId, null);
    desk.notice();
    expect(desk.told('TradingHalted')[0]).toMatchObject({ cause: 'overFill' });
    expect(desk.told('ForeignTradeObserved')).toEqual([]);
    desk.send('filled');
    desk.advance(61 * SECOND_MS);
    desk.send('filled');
    expect(desk.state.ledger.openTrades.size).toBe(0);
  });

  test('halt after three that slipped by more than a tenth of the bound, and hold', () => {
    const desk = armedDesk();
    for (const expected of ['ARMED', 'ARMED', 'HALTED']) {
      decide(desk, 'BUY');
      const { request, clientOrderId } = desk.dispatches.shift()!;
      const { ask } = desk.broker.pricesAt(desk.now);
      desk.broker.fillOpening(desk.now, request, null, (ask + 510_000n) as typeof ask);
      desk.exchange({ clientOrderId, request }, 'filled');
      desk.settle();
      expect(desk.mode).toBe(expected);
      if (expected === 'HALTED') continue;
      decide(desk, 'CLOSE');
      desk.send('filled');
    }
    expect(desk.told('TradingHalted')).toMatchObject([{ cause: 'slippage', disposition: 'hold' }]);
    expect(desk.told('OrderFilled').filter(({ slippageShare }) => slippageShare === '0.102')).toHaveLength(3);
  });
});
