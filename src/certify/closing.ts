/** Experiments about closing: what a late or repeated close can do, and what happens to a trade's stop. */
import type { Experiment } from './experiment.ts';
import { asExpected, differs, inconclusive, unsafe } from './experiment.ts';
import type { PipSize } from './opening.ts';
import { marketEntry } from './opening.ts';
import type { Probe, Transaction } from './probe.ts';
import { isSettlement, ofOrder } from './probe.ts';

/** Opens one unit and returns its trade's id; null when it did not fill. */
async function openOne(probe: Probe, size: PipSize): Promise<string | null> {
  const before = await probe.lastTransactionId();
  const orderId = probe.clientId('entry');
  await probe.placeOrder(marketEntry({ orderId, slot: probe.clientId('slot') }, size));
  const transactions = await probe.ledgerUntil(before, (all) => ofOrder(all, orderId).some(isSettlement));
  return ofOrder(transactions, orderId).find(({ tradeOpened }) => tradeOpened !== undefined)?.tradeOpened?.tradeID ?? null;
}

/** Opens one unit and closes it by its trade; null when the entry did not fill. @param done what the ledger must show of the close. */
async function openAndClose(probe: Probe, size: PipSize, done: string): Promise<{ readonly tradeId: string; readonly transactions: readonly Transaction[] } | null> {
  const tradeId = await openOne(probe, size);
  if (tradeId === null) return null;
  const before = await probe.lastTransactionId();
  await probe.put(`/trades/${tradeId}/close`, { units: 'ALL' });
  return { tradeId, transactions: await probe.ledgerUntil(before, (all) => all.some(({ type }) => type === done)) };
}

const ends = (transactions: readonly Transaction[]): string =>
  transactions.map(({ type, reason, rejectReason }) => [type, reason ?? rejectReason].filter(Boolean).join(' ')).join(', ') || 'no transaction';

/** Sends a reduce-only market order and waits for its end. */
async function reduceOnly(probe: Probe, units: string): Promise<readonly Transaction[]> {
  const before = await probe.lastTransactionId();
  const orderId = probe.clientId('reduce');
  await probe.placeOrder({ type: 'MARKET', units, timeInForce: 'FOK', positionFill: 'REDUCE_ONLY', clientExtensions: { id: orderId } });
  return ofOrder(await probe.ledgerUntil(before, (all) => ofOrder(all, orderId).some(isSettlement)), orderId);
}

const reduceOnlyFlat: Experiment = {
  id: 'reduceOnlyFlat',
  question: 'What becomes of a REDUCE_ONLY order when there is nothing to reduce?',
  expected: 'it is cancelled',
  market: 'open',
  async run(probe) {
    const mine = await reduceOnly(probe, '1');
    if (mine.some(({ tradeOpened }) => tradeOpened !== undefined)) return unsafe('a REDUCE_ONLY order opened a trade');
    const end = mine.find(isSettlement);
    if (end === undefined) return inconclusive('the order has not ended');
    const rejected = end.type.endsWith('_REJECT');
    return (rejected ? differs : asExpected)(ends(mine), { nothingToReduce: rejected ? 'reject' : 'cancel' });
  },
};

const reduceOnlyLarger = (size: PipSize): Experiment => ({
  id: 'reduceOnlyLarger',
  question: 'Can a REDUCE_ONLY order larger than the position turn it around?',
  expected: 'no: the position is reduced at most to nothing',
  market: 'open',
  async run(probe) {
    const tradeId = await openOne(probe, size);
    if (tradeId === null) return inconclusive('the entry did not fill');
    const mine = await reduceOnly(probe, '-2');
    if (mine.some(({ tradeOpened }) => tradeOpened !== undefined)) return unsafe('a REDUCE_ONLY order opened the opposite trade');
    const reason = mine.find(({ type }) => type === 'ORDER_CANCEL')?.reason;
    return asExpected(ends(mine), reason === undefined ? {} : { positionFillRefusal: reason });
  },
});

const closeTwice = (size: PipSize): Experiment => ({
  id: 'closeTwice',
  question: 'Can closing a trade a second time open anything?',
  expected: 'no: it is rejected with TRADE_DOESNT_EXIST',
  market: 'open',
  async run(probe) {
    const closed = await openAndClose(probe, size, 'ORDER_FILL');
    if (closed === null) return inconclusive('the entry did not fill');
    const { tradeId } = closed;
    const again = await probe.lastTransactionId();
    const { status } = await probe.put(`/trades/${tradeId}/close`, { units: 'ALL' });
    const left = await probe.ledgerUntil(again, (all) => all.length > 0, 2_000);
    if (left.some(({ type }) => type === 'ORDER_FILL')) return unsafe('the second close filled');
    const seen = `status ${status ?? 'none'}, ${ends(left)}`;
    return (status === 404 && left.some(({ rejectReason }) => rejectReason === 'TRADE_DOESNT_EXIST') ? asExpected : differs)(seen);
  },
});

const dependents = (size: PipSize): Experiment => ({
  id: 'dependents',
  question: 'Does closing a trade end its protective stop?',
  expected: 'the stop is cancelled with LINKED_TRADE_CLOSED in the batch of the fill',
  market: 'open',
  async run(probe) {
    const closed = await openAndClose(probe, size, 'ORDER_CANCEL');
    if (closed === null) return inconclusive('the entry did not fill');
    const { tradeId, transactions } = closed;
    const fill = transactions.find(({ type }) => type === 'ORDER_FILL');
    const cancel = transactions.find(({ type, closedTradeID }) => type === 'ORDER_CANCEL' && closedTradeID === tradeId);
    if (fill === undefined) return inconclusive('the close did not fill');
    if (cancel === undefined) return unsafe('the trade is closed and its stop is not cancelled: it could open the opposite side');
    return (cancel.reason === 'LINKED_TRADE_CLOSED' && cancel.batchID === fill.batchID ? asExpected : differs)(`${cancel.reason ?? 'no reason'}, ${cancel.batchID === fill.batchID ? 'same batch' : 'another batch'}`);
  },
});

const youngestFirst = (size: PipSize): Experiment => ({
  id: 'youngestFirst',
  question: 'May a trade be closed while an older one of its side is open?',
  expected: 'yes: it fills',
  market: 'open',
  async run(probe) {
    const older = await openOne(probe, size);
    const younger = await openOne(probe, size);
    if (older === null || younger === null) return inconclusive('the entries did not fill');
    const before = await probe.lastTransactionId();
    await probe.put(`/trades/${younger}/close`, { units: 'ALL' });
    const left = await probe.ledgerUntil(before, (all) => all.some(isSettlement));
    const end = left.find(isSettlement);
    if (end === undefined) return inconclusive('the close has not ended');
    return end.type === 'ORDER_FILL' ? asExpected('the younger trade closed', { tradeCloseOrder: 'any' }) : differs(ends(left), { tradeCloseOrder: 'oldest first' });
  },
});

const positionCloseFlat: Experiment = {
  id: 'positionCloseFlat',
  question: 'How does the broker answer when the side of a flat position is closed?',
  expected: 'CLOSEOUT_POSITION_DOESNT_EXIST with status 404 or 400',
  market: 'any',
  async run(probe) {
    const { status, body } = await probe.put(`/positions/${probe.instrument}/close`, { longUnits: 'ALL', shortUnits: 'NONE' });
    const code = errorCodeOf(body);
    if (status === null) return inconclusive('no whole answer came');
    const seen = `status ${status}, ${code}`;
    return code === 'CLOSEOUT_POSITION_DOESNT_EXIST' && (status === 404 || status === 400) ? asExpected(seen, { missingPositionStatus: status === 400 ? '400' : '404 when flat' }) : differs(seen);
  },
};

const bothSides = (size: PipSize): Experiment => ({
  id: 'bothSides',
  question: 'May both sides be asked for when a position has one?',
  expected: 'no: the request is refused, and the position stays',
  market: 'open',
  async run(probe) {
    const tradeId = await openOne(probe, size);
    if (tradeId === null) return inconclusive('the entry did not fill');
    const { status, body } = await probe.put(`/positions/${probe.instrument}/close`, { longUnits: 'ALL', shortUnits: 'ALL' });
    if (status === null) return inconclusive('no whole answer came');
    return status === 400
      ? asExpected(`status 400, ${errorCodeOf(body)}`, { bothSidesAll: 'reject' })
      : differs(`status ${status}, ${errorCodeOf(body)}`, status === 200 ? { bothSidesAll: 'held side' } : {});
  },
});

const closedMarket: Experiment = {
  id: 'closedMarket',
  question: 'What becomes of a market order while the market is closed?',
  expected: 'status 201, cancelled with MARKET_HALTED',
  market: 'closed',
  async run(probe) {
    const before = await probe.lastTransactionId();
    const orderId = probe.clientId('closed');
    const { status } = await probe.placeOrder({ type: 'MARKET', units: '1', timeInForce: 'FOK', positionFill: 'OPEN_ONLY', clientExtensions: { id: orderId } });
    const mine = ofOrder(await probe.ledgerUntil(before, (all) => ofOrder(all, orderId).some(isSettlement)), orderId);
    if (mine.some(({ type }) => type === 'ORDER_FILL')) return unsafe('an order filled in a market that the broker calls closed');
    const seen = `status ${status ?? 'none'}, ${ends(mine)}`;
    if (!mine.some(isSettlement)) return inconclusive(seen);
    return (status === 201 && mine.some(({ reason }) => reason === 'MARKET_HALTED') ? asExpected : differs)(seen);
  },
};

const errorCodeOf = (body: unknown): string =>
  typeof body === 'object' && body !== null && 'errorCode' in body && typeof body.errorCode === 'string' ? body.errorCode : 'no error code';

export const closingExperiments = (size: PipSize): readonly Experiment[] => [
  reduceOnlyFlat, reduceOnlyLarger(size), closeTwice(size), dependents(size), youngestFirst(size), positionCloseFlat, bothSides(size), closedMarket,
];
