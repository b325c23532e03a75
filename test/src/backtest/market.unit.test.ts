/** What a backtest's market answers without being asked anew, against what it answers when it is. */
import { afterAll, describe, expect, test } from 'vitest';
import { openMarket } from '../../../adapters/broker/local-broker.ts';
import { readAccount, readInstruments, readOpenPositions, readSince, readSummary } from '../../../adapters/broker/reads.ts';
import { decodeAccount, decodeInstruments, decodePositions, decodeSummary, decodeTransactions } from '../../../adapters/oanda/wire.ts';
import type { Answer, Read } from '../../../domain/desk/inputs.ts';
import type { OrderRequest } from '../../../domain/broker.ts';
import { instrumentName } from '../../../domain/instruments.ts';
import { MINUTE_MS, plusMs } from '../../../domain/time.ts';
import { BacktestMarket } from '../../../src/backtest/market.ts';

const ACCOUNT = '101-001-1-001';
const EUR_USD = instrumentName('EUR_USD');
const inProcess = openMarket({ instruments: ['EUR_USD', 'USD_JPY'], drawnBars: 400, seed: 3, account: ACCOUNT, historyBars: 20 });
const { venue, timeline } = inProcess;
const { engine } = venue;
const market = new BacktestMarket(inProcess, [EUR_USD, instrumentName('USD_JPY')]);
afterAll(() => inProcess.close());

const order = (units: number, instrument: string): OrderRequest => ({
  method: 'POST', path: `/accounts/${ACCOUNT}/orders`, body: JSON.stringify({ order: { type: 'MARKET', instrument, units: String(units), timeInForce: 'FOK', stopLossOnFill: { distance: instrument === 'EUR_USD' ? '0.00080' : '0.080' } } }),
});
const barsFrom = (minutesAgo: number): Read => ({ what: 'bars', instrument: EUR_USD, purpose: 'boundary', from: plusMs(venue.now, -minutesAgo * MINUTE_MS), countMax: 100 });
const text = (body: unknown): string => JSON.stringify(body);

describe('the market of a backtest', () => {
  test('answers at every bar as a market would that was never asked before, whatever is traded', async () => {
    let filled = 0;
    for (let bar = 0; bar < 300 && !timeline.done; bar += 1) {
      timeline.moveOn(null);
      if (bar % 7 === 0) await market.send(order(bar % 3 === 0 ? -20 : 10 + bar, bar % 2 === 0 ? 'EUR_USD' : 'USD_JPY'));
      const fresh = new BacktestMarket(inProcess, [EUR_USD]);
      const reads: readonly Read[] = [{ what: 'positions' }, barsFrom(4), barsFrom(1 + (bar % 9)), { what: 'baseline' }];
      for (const read of reads) expect(market.answer(read)).toEqual(fresh.answer(read));
      if (market.take().transactions.length > 0) filled += 1;
    }
    expect(filled).toBeGreaterThan(20);
  });

  test('reads a body as it reads the body’s text', () => {
    expect(engine.book.openTradeCount).toBeGreaterThan(0);
    expect(decodeAccount(readAccount(engine))).toEqual(decodeAccount(text(readAccount(engine))));
    expect(decodeSummary(readSummary(engine))).toEqual(decodeSummary(text(readSummary(engine))));
    expect(decodePositions(readOpenPositions(engine))).toEqual(decodePositions(text(readOpenPositions(engine))));
    expect(decodeInstruments(readInstruments(engine))).toEqual(decodeInstruments(text(readInstruments(engine))));
    const { page } = market.answer({ what: 'transactions', since: 0 }) as Extract<Answer, { what: 'transactions' }>;
    expect(page).toEqual(decodeTransactions(text(readSince(engine, 0, null)), ACCOUNT, 0));
    expect(page.transactions.map(({ id }) => id)).toEqual(Array.from({ length: engine.lastTransactionId }, (_, index) => index + 1));
  });

  test('keeps every digit of a number in a transaction, in a body as in its text', () => {
    const body = { transactions: [{ id: '7', type: 'ORDER_FILL', time: '2026-01-06T15:00:00Z', accountID: ACCOUNT, plain: 5, parts: [{ share: 0.1 }, { many: 2 ** 53 }] }], lastTransactionID: '7' };
    expect(decodeTransactions(body, ACCOUNT, 6)).toEqual(decodeTransactions(text(body), ACCOUNT, 6));
    expect(decodeTransactions(body, ACCOUNT, 6).transactions[0]!.body).toMatchObject({ plain: 5, parts: [{ share: '0.1' }, { many: '9007199254740992' }] });
  });
});
