/** Experiments about opening: the slot that opens once, and what a client id is worth. */
import type { Experiment, Finding } from './experiment.ts';
import { asExpected, differs, inconclusive, unsafe } from './experiment.ts';
import type { Probe, Transaction } from './probe.ts';
import { isSettlement, ofOrder } from './probe.ts';

/** Far enough that one bar does not touch it, near enough that the broker takes it. */
const STOP_DISTANCE_PIPS = 50;
const RESTING_DISTANCE_PIPS = 200;
const GOOD_TILL_MS = 10_000;

export interface PipSize {
  /** A pip is 10^pipLocation. */
  readonly pipLocation: number;
  readonly displayPrecision: number;
}

/** A count of pips as the decimal text of a distance. */
const distance = (pips: number, { pipLocation, displayPrecision }: PipSize): string => (pips * 10 ** pipLocation).toFixed(displayPrecision);
/** A price moved by pips; a text for the wire, never a figure that is reckoned with. */
const moved = (price: string, pips: number, size: PipSize): string => (Number(price) + pips * 10 ** size.pipLocation).toFixed(size.displayPrecision);

interface Entry {
  readonly orderId: string;
  readonly slot: string;
}

/** A one-unit market order the way Reckoner opens: it can only open, brings its stop and names its slot. */
export const marketEntry = ({ orderId, slot }: Entry, size: PipSize, units = '1'): { readonly [field: string]: unknown } => ({
  type: 'MARKET',
  units,
  timeInForce: 'FOK',
  positionFill: 'OPEN_ONLY',
  stopLossOnFill: { distance: distance(STOP_DISTANCE_PIPS, size) },
  clientExtensions: { id: orderId },
  tradeClientExtensions: { id: slot },
});

/** Fills of these orders that opened a trade. */
const openedBy = (transactions: readonly Transaction[], orderIds: readonly string[]): readonly Transaction[] =>
  orderIds.flatMap((orderId) => ofOrder(transactions, orderId)).filter(({ type, tradeOpened }) => type === 'ORDER_FILL' && tradeOpened !== undefined);

const settledAll = (orderIds: readonly string[]) => (transactions: readonly Transaction[]): boolean => orderIds.every((orderId) => ofOrder(transactions, orderId).some(isSettlement));

/** How the second of two orders for one slot ended. */
function judgeSlot(transactions: readonly Transaction[], orderIds: readonly string[]): Finding {
  const opened = openedBy(transactions, orderIds);
  if (opened.length > 1) return unsafe(`${opened.length} trades carry one client trade id: the slot does not lock`, { slotTaken: 'ignore' });
  if (opened.length === 0) return inconclusive('neither order was filled');
  const refused = orderIds.flatMap((orderId) => ofOrder(transactions, orderId)).find(({ type }) => type === 'ORDER_CANCEL' || type.endsWith('_REJECT'));
  if (refused === undefined) return inconclusive('the second order has neither filled nor ended');
  const reason = refused.reason ?? refused.rejectReason ?? 'no reason';
  const rejected = refused.type.endsWith('_REJECT');
  return (reason === 'CLIENT_TRADE_ID_ALREADY_EXISTS' && !rejected ? asExpected : differs)(`the second order ended as ${refused.type} ${reason}`, { slotTaken: rejected ? 'reject' : 'cancel' });
}

const slotLock = (size: PipSize): Experiment => ({
  id: 'slotLock',
  question: 'Does the broker refuse a second order whose trade would carry the client id of an open trade?',
  expected: 'the second order is cancelled with CLIENT_TRADE_ID_ALREADY_EXISTS',
  market: 'open',
  async run(probe) {
    const before = await probe.lastTransactionId();
    const slot = probe.clientId('slot');
    const orderIds = [probe.clientId('first'), probe.clientId('second')];
    for (const orderId of orderIds) {
      await probe.placeOrder(marketEntry({ orderId, slot }, size));
      await probe.ledgerUntil(before, settledAll([orderId]));
    }
    return judgeSlot(await probe.ledgerSince(before), orderIds);
  },
});

const slotLockAtOnce = (size: PipSize): Experiment => ({
  id: 'slotLockAtOnce',
  question: 'Does the slot lock hold when both orders are on their way at the same time?',
  expected: 'one order fills, the other is cancelled with CLIENT_TRADE_ID_ALREADY_EXISTS',
  market: 'open',
  async run(probe) {
    const before = await probe.lastTransactionId();
    const slot = probe.clientId('slot');
    const orderIds = [probe.clientId('left'), probe.clientId('right')];
    await Promise.all(orderIds.map((orderId) => probe.placeOrder(marketEntry({ orderId, slot }, size))));
    return judgeSlot(await probe.ledgerUntil(before, settledAll(orderIds)), orderIds);
  },
});

const slotReuse = (size: PipSize): Experiment => ({
  id: 'slotReuse',
  question: 'May the slot be used again once its trade is closed?',
  expected: 'the second order fills',
  market: 'open',
  async run(probe) {
    const before = await probe.lastTransactionId();
    const slot = probe.clientId('slot');
    const orderIds = [probe.clientId('first'), probe.clientId('again')];
    for (const orderId of orderIds) {
      await probe.placeOrder(marketEntry({ orderId, slot }, size));
      const [fill] = openedBy(await probe.ledgerUntil(before, settledAll([orderId])), [orderId]);
      if (fill === undefined) return orderId === orderIds[0] ? inconclusive('the first order did not fill') : unsafe('a slot whose trade is closed stays locked: nothing could be opened twice');
      const tradeId = fill.tradeOpened?.tradeID ?? '';
      await probe.put(`/trades/${tradeId}/close`, { units: 'ALL' });
      await probe.ledgerUntil(fill.id, (transactions) => transactions.some(({ type }) => type === 'ORDER_FILL'));
    }
    return asExpected('the slot opened a second trade after its first was closed');
  },
});

const sameOrderId = (size: PipSize): Experiment => ({
  id: 'sameOrderId',
  question: 'Is a client order id that has filled a guard against a second fill?',
  expected: 'no: the second order fills as well',
  market: 'open',
  async run(probe) {
    const before = await probe.lastTransactionId();
    const orderId = probe.clientId('twice');
    for (const label of ['first', 'second']) {
      const mark = await probe.lastTransactionId();
      await probe.placeOrder(marketEntry({ orderId, slot: probe.clientId(label) }, size));
      await probe.ledgerUntil(mark, settledAll([orderId]));
    }
    const fills = openedBy(await probe.ledgerSince(before), [orderId]).length;
    if (fills === 2) return asExpected('two fills carry one client order id');
    return fills === 1 ? differs('the second order with a used client id was refused') : inconclusive(`${fills} fills`);
  },
});

/** A limit order too far away to fill. */
export const resting = async (probe: Probe, orderId: string, size: PipSize): Promise<{ readonly [field: string]: unknown }> => ({
  type: 'LIMIT',
  units: '1',
  price: moved((await probe.price()).bid, -RESTING_DISTANCE_PIPS, size),
  timeInForce: 'GTC',
  positionFill: 'OPEN_ONLY',
  clientExtensions: { id: orderId },
});

const pendingOrderId = (size: PipSize): Experiment => ({
  id: 'pendingOrderId',
  question: 'Is a client order id refused while a pending order carries it?',
  expected: 'yes, with CLIENT_ORDER_ID_ALREADY_EXISTS',
  market: 'any',
  async run(probe) {
    const before = await probe.lastTransactionId();
    const orderId = probe.clientId('resting');
    const order = await resting(probe, orderId, size);
    await probe.placeOrder(order);
    await probe.placeOrder(order);
    const mine = ofOrder(await probe.ledgerUntil(before, (transactions) => ofOrder(transactions, orderId).length >= 2), orderId);
    const created = mine.filter(({ type }) => type === 'LIMIT_ORDER').length;
    if (created === 0) return inconclusive('the resting order was not taken');
    const rejected = mine.find(({ type }) => type === 'LIMIT_ORDER_REJECT');
    if (created > 1) return differs('two pending orders carry one client id', { duplicateOrderId: 'accept' });
    return rejected?.rejectReason === 'CLIENT_ORDER_ID_ALREADY_EXISTS'
      ? asExpected('the second order was rejected with CLIENT_ORDER_ID_ALREADY_EXISTS', { duplicateOrderId: 'reject' })
      : inconclusive(`the second order left ${rejected?.rejectReason ?? 'no transaction'}`);
  },
});

const goodTill = (size: PipSize): Experiment => ({
  id: 'goodTill',
  question: 'Does the broker itself end a limit order at its good-till time, and refuse one that arrives after it?',
  expected: 'the resting order is cancelled with TIME_IN_FORCE_EXPIRED, the late one rejected with TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST',
  market: 'any',
  async run(probe) {
    const before = await probe.lastTransactionId();
    const [restingId, lateId] = [probe.clientId('expires'), probe.clientId('late')];
    const order = await resting(probe, restingId, size);
    const until = (ms: number): string => new Date(probe.now() + ms).toISOString();
    await probe.placeOrder({ ...order, timeInForce: 'GTD', gtdTime: until(GOOD_TILL_MS) });
    await probe.placeOrder({ ...order, timeInForce: 'GTD', gtdTime: until(-GOOD_TILL_MS), clientExtensions: { id: lateId } });
    const transactions = await probe.ledgerUntil(before, settledAll([restingId, lateId]), 3 * GOOD_TILL_MS);
    const expiry = ofOrder(transactions, restingId).find(({ type }) => type === 'ORDER_CANCEL');
    const refusal = ofOrder(transactions, lateId).find(({ type }) => type.endsWith('_REJECT'));
    if (ofOrder(transactions, lateId).some(({ type }) => type === 'LIMIT_ORDER')) return unsafe('an order whose good-till time had passed was taken');
    if (expiry === undefined || refusal === undefined) return inconclusive(`the resting order ${expiry === undefined ? 'did not end' : 'ended'}, the late one ${refusal === undefined ? 'left no reject' : 'was rejected'}`);
    const seen = `${expiry.reason ?? 'no reason'} and ${refusal.rejectReason ?? 'no reason'}`;
    return (seen === 'TIME_IN_FORCE_EXPIRED and TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST' ? asExpected : differs)(seen);
  },
});

const limitEntry = (size: PipSize): Experiment => ({
  id: 'limitEntry',
  question: 'Does a marketable limit order with a good-till time ahead open at once, with its stop?',
  expected: 'it fills at its price or better, and its stop stands in the same batch',
  market: 'open',
  async run(probe) {
    const before = await probe.lastTransactionId();
    const orderId = probe.clientId('limit');
    await probe.placeOrder({
      ...marketEntry({ orderId, slot: probe.clientId('slot') }, size),
      type: 'LIMIT',
      price: moved((await probe.price()).ask, 5, size),
      timeInForce: 'GTD',
      gtdTime: new Date(probe.now() + GOOD_TILL_MS).toISOString(),
    });
    const transactions = await probe.ledgerUntil(before, settledAll([orderId]));
    const [fill] = openedBy(transactions, [orderId]);
    if (fill === undefined) return unsafe(`a marketable limit order did not open: ${ofOrder(transactions, orderId).map(({ type, reason, rejectReason }) => `${type} ${reason ?? rejectReason ?? ''}`.trim()).join(', ')}`);
    const stop = transactions.find(({ type, tradeID }) => type === 'STOP_LOSS_ORDER' && tradeID === fill.tradeOpened?.tradeID);
    return stop !== undefined && stop.batchID === fill.batchID ? asExpected('it filled, and its stop came in the same batch') : unsafe('it filled without a stop in the same batch');
  },
});

const requestIdHeader = (size: PipSize): Experiment => ({
  id: 'requestIdHeader',
  question: 'Does the broker take a repeated ClientRequestID for the same request?',
  expected: 'no: both orders fill',
  market: 'open',
  async run(probe) {
    const before = await probe.lastTransactionId();
    const clientRequestId = probe.clientId('request');
    const orderIds = [probe.clientId('one'), probe.clientId('two')];
    for (const orderId of orderIds) await probe.placeOrder(marketEntry({ orderId, slot: probe.clientId('slot') }, size), { clientRequestId });
    const fills = openedBy(await probe.ledgerUntil(before, settledAll(orderIds)), orderIds).length;
    if (fills === 2) return asExpected('two orders with one ClientRequestID both filled');
    return fills === 1 ? differs('the second order with the same ClientRequestID did not fill') : inconclusive(`${fills} fills`);
  },
});

export const openingExperiments = (size: PipSize): readonly Experiment[] => [
  slotLock(size), slotLockAtOnce(size), slotReuse(size), sameOrderId(size), requestIdHeader(size), pendingOrderId(size), limitEntry(size), goodTill(size),
];
