/**
 * Our orders against the local broker over real HTTP: the very bytes that the core sends, the broker's own account of
 * what became of them, and what the core reads out of that. Time is moved by the test alone.
 */
import { afterEach, describe, expect, test } from 'vitest';
import { BarSeries } from '../../../adapters/broker/bars/series.ts';
import { SECOND_PATH } from '../../../adapters/broker/bars/path.ts';
import type { Switches } from '../../../adapters/broker/engine/switches.ts';
import { createOandaBroker } from '../../../adapters/oanda/client.ts';
import type { Broker, Exchange, OrderRequest } from '../../../domain/broker.ts';
import type { DomainEvent } from '../../../domain/events.ts';
import { clientOrderIdOf, closeOrderIdOf, decisionIdOf } from '../../../domain/ids.ts';
import type { ClientOrderId } from '../../../domain/ids.ts';
import { usualInstrument } from '../../../domain/instruments.ts';
import type { Ledger, OpenTrade } from '../../../domain/ledger.ts';
import { emptyLedger, evolveLedger, netUnits, readBody } from '../../../domain/ledger.ts';
import { format, negate, price, units } from '../../../domain/money.ts';
import { closingPositionRequest, closingRequest, openingRequest, requestData } from '../../../domain/order-request.ts';
import { MINUTE_MS, parseInstant, plusMs, SECOND_MS } from '../../../domain/time.ts';
import type { Instant } from '../../../domain/time.ts';
import type { Trading } from '../../../domain/trading.ts';
import { emptyTrading, evolveTrading, observeTransaction } from '../../../domain/trading.ts';
import type { HandDriven } from '../broker/hand-driven.ts';
import { handDriven } from '../broker/hand-driven.ts';

const EUR_USD = usualInstrument('EUR_USD');
/** A Tuesday; the first bar is history. */
const START = parseInstant('2026-01-06T12:00:00Z');

const cleanup: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of cleanup.splice(0).reverse()) await close();
});

/** Bid 1.10000, ask 1.10010, for ten minutes. */
function still(): BarSeries {
  const series = new BarSeries('EUR_USD');
  const flat = (points: number) => ({ open: points, high: points, low: points, close: points });
  for (let bar = 0; bar < 10; bar += 1) series.push({ start: plusMs(START, bar * MINUTE_MS), bid: flat(110_000), ask: flat(110_010), volume: 1 });
  return series;
}

/** One instrument's book, folded from what the broker's ledger says. */
class Reader {
  readonly driven: HandDriven;
  readonly broker: Broker;
  readonly account: string;
  readonly told: DomainEvent[] = [];
  trading: Trading = emptyTrading;
  ledger: Ledger = emptyLedger;
  #orders = 0;

  private constructor(driven: HandDriven) {
    this.driven = driven;
    const { broker } = driven.client;
    this.account = broker.account;
    this.broker = createOandaBroker({ restUrl: broker.rest, streamUrl: broker.stream, accountId: broker.account, token: broker.token, clock: { now: () => driven.venue.now, monotonicNs: () => 0n } });
    cleanup.push(() => driven.client.close(), () => this.broker.close());
  }

  static async open(switches: Partial<Switches> = {}): Promise<Reader> {
    const reader = new Reader(await handDriven([still()], plusMs(START, MINUTE_MS), SECOND_PATH, switches));
    await reader.read();
    return reader;
  }

  get now(): Instant {
    return this.driven.venue.now;
  }

  tell(event: DomainEvent): void {
    this.trading = evolveTrading(this.trading, event, this.now);
    this.told.push(event);
  }

  /** Reads what is new in the broker's ledger; each transaction says what it says of our orders. */
  async read(): Promise<void> {
    const { transactions } = await this.broker.transactionsSince(this.ledger.lastTransactionId);
    for (const { id, body } of transactions) {
      this.ledger = evolveLedger(this.ledger, { type: 'BrokerTransactionRecorded', data: { transactionId: String(id), body: { ...body } } });
      for (const event of observeTransaction(this.trading, readBody(String(id), body), 'EUR_USD', { pipLocation: -4, lateFillBars: 1, haltedSince: null })) this.tell(event);
    }
    expect(this.ledger.unexplained).toEqual([]);
  }

  limitOrder({ bound = '1.10060', count = '1000', goodForMs = 10 * SECOND_MS, slot = true } = {}): { readonly clientOrderId: ClientOrderId; readonly request: OrderRequest } {
    this.#orders += 1;
    const decisionId = decisionIdOf(this.account, EUR_USD.name, plusMs(START, this.#orders * MINUTE_MS));
    const clientOrderId = clientOrderIdOf(decisionId, 'open');
    const whole = openingRequest({
      accountId: this.account, instrument: EUR_USD, units: units(count), priceBound: price(bound), goodTill: plusMs(this.now, goodForMs), stopLossDistance: price('0.005'), clientOrderId, decisionId, epoch: 1,
    });
    const { order } = JSON.parse(whole.body) as { order: { tradeClientExtensions: unknown } };
    const request = slot ? whole : { ...whole, body: JSON.stringify({ order: { ...order, tradeClientExtensions: undefined } }) };
    this.intend(clientOrderId, request, { leg: 'open', units: count, tradeId: null, referencePrice: '1.10010', priceBound: bound, stopLossDistance: '0.005' });
    return { clientOrderId, request };
  }

  intend(clientOrderId: ClientOrderId, request: OrderRequest, facts: { readonly leg: 'open' | 'close'; readonly units: string; readonly tradeId: string | null; readonly referencePrice: string | null; readonly priceBound: string | null; readonly stopLossDistance: string | null }): void {
    this.tell({ type: 'OrderIntended', data: { clientOrderId, decisionId: null, cause: 'policy', instrument: 'EUR_USD', reverseTo: null, watermark: String(this.ledger.lastTransactionId), quote: null, guards: [], ...facts, ...requestData(request) } });
  }

  /** Sends an order and lets time pass once the broker has it; then reads the ledger. */
  async send(request: OrderRequest, passMs = 2 * SECOND_MS): Promise<Exchange> {
    const { venue } = this.driven;
    const before = venue.engine.lastTransactionId;
    const sending = this.broker.send(request);
    await expect.poll(() => venue.engine.lastTransactionId, { interval: 1 }).toBeGreaterThan(before);
    this.driven.pass(passMs, SECOND_MS / 2);
    const exchange = await sending;
    await this.read();
    return exchange;
  }

  types(): readonly string[] {
    return this.told.map(({ type }) => type);
  }

  /** The broker's own trades and pending orders are those of the ledger. */
  async agree(): Promise<void> {
    const account = await this.broker.account();
    expect(account.lastTransactionId).toBe(this.ledger.lastTransactionId);
    expect(account.trades.map((trade) => `${trade.tradeId} ${format(trade.units)}`)).toEqual([...this.ledger.openTrades.values()].map((trade) => `${trade.tradeId} ${format(trade.units)}`));
    expect(account.pendingOrders.map(({ orderId }) => orderId).sort()).toEqual([...this.ledger.pendingOrders.keys()].sort());
  }
}

const heldBy = (reader: Reader): OpenTrade[] => [...reader.ledger.openTrades.values()];

describe('a marketable limit order', () => {
  test('fills at the market, not at its bound, with its stop and the slot’s name', async () => {
    const reader = await Reader.open();
    const { request } = reader.limitOrder();
    expect(await reader.send(request)).toMatchObject({ status: 201, failure: null, refusal: null });
    expect(reader.types()).toEqual(['OrderIntended', 'OrderAccepted', 'OrderFilled']);
    expect(reader.told.at(-1)).toMatchObject({ data: { units: '1000', price: '1.10010', slippagePips: '0', late: false } });
    const { trades: [trade] } = await reader.broker.account();
    expect(trade).toMatchObject({ clientTradeId: `reckoner:${reader.account}:EUR_USD:slot0` });
    expect(trade!.stopLossOrderId).not.toBeNull();
    await reader.agree();
  });

  test('that the market leaves behind expires by itself after its ten seconds, and leaves nothing', async () => {
    const reader = await Reader.open();
    const { request } = reader.limitOrder({ bound: '1.09900' });
    await reader.send(request, 9 * SECOND_MS);
    expect(reader.types()).toEqual(['OrderIntended', 'OrderAccepted']);
    await reader.agree();
    reader.driven.pass(2 * SECOND_MS, SECOND_MS / 2);
    await reader.read();
    expect(reader.told.at(-1)).toMatchObject({ type: 'OrderCancelled', data: { reason: 'TIME_IN_FORCE_EXPIRED' } });
    expect(netUnits(reader.ledger, EUR_USD.name)).toBe(0n);
    await reader.agree();
  });

  test('that arrives after its time is refused by the broker itself', async () => {
    const reader = await Reader.open();
    const { request, clientOrderId } = reader.limitOrder();
    // Somewhere on the way it hung for eleven seconds.
    reader.driven.pass(11 * SECOND_MS, SECOND_MS);
    const exchange = await reader.send(request);
    expect(exchange).toMatchObject({ status: 400, failure: null, refusal: 'TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST' });
    expect(reader.told.at(-1)).toMatchObject({ type: 'OrderRejected', data: { clientOrderId, reason: 'TIME_IN_FORCE_GTD_TIMESTAMP_IN_PAST' } });
    expect(netUnits(reader.ledger, EUR_USD.name)).toBe(0n);
    await reader.agree();
  });

  test.each(['reissue', 'keep'] as const)('that fills in parts is held in parts, however the broker goes on with the rest (%s)', async (partialFill) => {
    const reader = await Reader.open({ partialFill });
    reader.driven.venue.engine.venueActions.limitLiquidity('EUR_USD', 400, 1);
    const { request } = reader.limitOrder({ slot: false });
    await reader.send(request, SECOND_MS);
    expect(reader.types()).toEqual(['OrderIntended', 'OrderAccepted', 'OrderPartiallyFilled']);
    await reader.agree();
    reader.driven.pass(2 * SECOND_MS, SECOND_MS / 2);
    await reader.read();
    expect(reader.told.at(-1)).toMatchObject({ type: 'OrderFilled', data: { units: '600' } });
    expect(heldBy(reader).map((trade) => format(trade.units))).toEqual(['400', '600']);
    expect(reader.trading.ourTradeIds).toEqual(new Set(heldBy(reader).map(({ tradeId }) => tradeId)));
    await reader.agree();
  });

  test.each(['reissue', 'keep'] as const)('that fills in part keeps that part when the slot refuses a second trade (%s)', async (partialFill) => {
    const reader = await Reader.open({ partialFill });
    reader.driven.venue.engine.venueActions.limitLiquidity('EUR_USD', 400, 1);
    await reader.send(reader.limitOrder().request, 3 * SECOND_MS);
    expect(reader.types()).toEqual(['OrderIntended', 'OrderAccepted', 'OrderPartiallyFilled', 'OrderCancelled']);
    expect(reader.told.at(-1)).toMatchObject({ data: { reason: 'CLIENT_TRADE_ID_ALREADY_EXISTS' } });
    expect(heldBy(reader).map((trade) => format(trade.units))).toEqual(['400']);
    await reader.agree();
  });

  test('that the broker fills with more than it asked for tells so: the parts are above the order', async () => {
    const reader = await Reader.open();
    reader.driven.venue.engine.venueActions.forceNextFill('EUR_USD', '1066');
    await reader.send(reader.limitOrder().request);
    const [order] = reader.trading.orders.values();
    expect([order!.status, format(order!.units), format(order!.filledUnits)]).toEqual(['filled', '1000', '1066']);
    await reader.agree();
  });
});

describe('an instrument that the broker halts or lets be reduced alone', () => {
  test.each([
    ['HALTED', 'MARKET_HALTED'],
    ['ASK_HALTED', 'INSTRUMENT_ASK_HALTED'],
    ['REDUCE_ONLY', 'INSTRUMENT_ASK_REDUCE_ONLY'],
  ] as const)('(%s) ends an opening as %s, and the book knows that it is restricted', async (status, reason) => {
    const reader = await Reader.open();
    reader.driven.venue.engine.venueActions.setInstrumentStatus('EUR_USD', status);
    const { request } = reader.limitOrder();
    const market = { ...request, body: JSON.stringify({ order: { ...(JSON.parse(request.body) as { order: object }).order, type: 'MARKET', timeInForce: 'FOK', price: undefined, gtdTime: undefined, priceBound: '1.10060' } }) };
    await reader.send(market, 4 * MINUTE_MS);
    expect(reader.told.at(-1)).toMatchObject({ type: 'OrderCancelled', data: { reason } });
    expect(reader.trading.restriction).toMatchObject({ reason });
    reader.driven.venue.engine.venueActions.setInstrumentStatus('EUR_USD', 'TRADEABLE');
    await reader.send(reader.limitOrder().request);
    expect(reader.trading.restriction).toBeNull();
  });
});

describe('a broker that wants the oldest trade closed first', () => {
  test.each(['echoed', 'dropped'] as const)('cancels a close by trade, and takes one of the position (our name %s)', async (closeoutExtensions) => {
    const reader = await Reader.open({ tradeCloseOrder: 'oldest first', closeoutExtensions });
    await reader.send(reader.limitOrder({ slot: false, count: '400' }).request);
    await reader.send(reader.limitOrder({ slot: false, count: '600' }).request);
    const [, younger] = heldBy(reader);
    const closeId = closeOrderIdOf(decisionIdOf(reader.account, EUR_USD.name, START), younger!.tradeId);
    const byTrade = closingRequest(reader.account, younger!.tradeId);
    const facts = { leg: 'close', tradeId: younger!.tradeId, referencePrice: null, priceBound: null, stopLossDistance: null } as const;
    reader.intend(closeId, byTrade, { ...facts, units: format(negate(younger!.units)) });
    await reader.send(byTrade);
    expect(reader.told.at(-1)).toMatchObject({ type: 'OrderCancelled', data: { clientOrderId: closeId, reason: 'FIFO_VIOLATION' } });

    const positionId = closeOrderIdOf(decisionIdOf(reader.account, EUR_USD.name, plusMs(START, MINUTE_MS)), younger!.tradeId);
    const byPosition = closingPositionRequest(reader.account, EUR_USD, 1, null, positionId, 1);
    reader.intend(positionId, byPosition, { ...facts, units: '-1000' });
    expect(await reader.send(byPosition)).toMatchObject({ status: 200, failure: null, refusal: null });
    expect(reader.told.slice(-2)).toMatchObject([{ type: 'OrderAccepted', data: { clientOrderId: positionId } }, { type: 'OrderFilled', data: { clientOrderId: positionId, units: '-1000' } }]);
    expect(heldBy(reader)).toEqual([]);
    await reader.agree();
  });
});
