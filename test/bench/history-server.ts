/**
 * An account with a long past, for the import bench: serves the v20 reads that a start asks for, in a process of its
 * own, so that its work is not measured. Prints its port as one line of JSON.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const [accountId = '', count = '0'] = process.argv.slice(2);
const TOTAL = Number(count);
const PAGE = 1_000;
const BEGAN = Date.UTC(2020, 0, 6);

interface Past {
  readonly bodies: readonly string[];
  readonly balance: number;
  readonly profit: number;
}

/** Trades opened, protected, closed one after the other; amounts in ten-thousandths, exact. */
function past(): Past {
  const bodies: string[] = [];
  let balance = 0;
  let profit = 0;
  const text = (amount: number): string => (amount / 10_000).toFixed(4);
  const add = (type: string, fields: object): number => {
    const id = bodies.length + 1;
    bodies.push(JSON.stringify({ id: String(id), accountID: accountId, userID: 1_234_567, batchID: String(id), requestID: `4217${id}`, time: new Date(BEGAN + id * 5_000).toISOString().replace('Z', '000000Z'), type, ...fields }));
    return id;
  };
  const prices = (bid: string, ask: string): object => ({ closeoutBid: bid, closeoutAsk: ask, timestamp: '2020-01-06T00:00:00.000000000Z', bids: [{ price: bid, liquidity: '10000000' }], asks: [{ price: ask, liquidity: '10000000' }] });
  add('CREATE', { divisionID: 1, siteID: 101, accountUserID: 1_234_567, accountNumber: 1, homeCurrency: 'USD' });
  balance += 1_000_000_000;
  add('TRANSFER_FUNDS', { amount: text(balance), fundingReason: 'CLIENT_FUNDING', accountBalance: text(balance) });
  while (bodies.length < TOTAL) {
    if (bodies.length + 6 > TOTAL) {
      add('DAILY_FINANCING', { financing: '0.0000', accountBalance: text(balance), accountFinancingMode: 'DAILY', positionFinancings: [] });
      continue;
    }
    const moved = (bodies.length % 41) - 20;
    const market = { instrument: 'EUR_USD', timeInForce: 'FOK', positionFill: 'DEFAULT', reason: 'CLIENT_ORDER' };
    const order = add('MARKET_ORDER', { ...market, units: '100' });
    const fill = { instrument: 'EUR_USD', requestedUnits: '100', gainQuoteHomeConversionFactor: '1', lossQuoteHomeConversionFactor: '1', financing: '0.0000', commission: '0.0000', guaranteedExecutionFee: '0.0000', halfSpreadCost: '0.0050', fullVWAP: '1.10000', fullPrice: prices('1.09990', '1.10000') };
    const trade = add('ORDER_FILL', { ...fill, orderID: String(order), units: '100', price: '1.10000', pl: '0.0000', reason: 'MARKET_ORDER', accountBalance: text(balance), tradeOpened: { tradeID: String(order + 1), units: '100', price: '1.10000', guaranteedExecutionFee: '0.0000', halfSpreadCost: '0.0050', initialMarginRequired: '2.2000' } });
    const stop = add('STOP_LOSS_ORDER', { tradeID: String(trade), price: '1.09500', timeInForce: 'GTC', triggerCondition: 'DEFAULT', reason: 'ON_FILL', orderFillTransactionID: String(trade) });
    const close = add('MARKET_ORDER', { ...market, units: '-100', positionFill: 'REDUCE_ONLY', reason: 'TRADE_CLOSE', tradeClose: { units: 'ALL', tradeID: String(trade) } });
    balance += moved * 10;
    profit += moved * 10;
    const exit = (1.1 + moved / 100_000).toFixed(5);
    add('ORDER_FILL', { ...fill, orderID: String(close), units: '-100', price: exit, pl: text(moved * 10), reason: 'MARKET_ORDER_TRADE_CLOSE', accountBalance: text(balance), tradesClosed: [{ tradeID: String(trade), units: '-100', price: exit, realizedPL: text(moved * 10), financing: '0.0000', guaranteedExecutionFee: '0.0000', halfSpreadCost: '0.0050' }] });
    add('ORDER_CANCEL', { orderID: String(stop), reason: 'LINKED_TRADE_CLOSED', closedTradeID: String(trade), tradeCloseTransactionID: String(close + 1) });
  }
  return { bodies, balance, profit };
}

const { bodies, balance, profit } = past();
const last = `"lastTransactionID":"${bodies.length}"`;
const sums = { id: accountId, currency: 'USD', hedgingEnabled: false, balance: (balance / 10_000).toFixed(4), pl: (profit / 10_000).toFixed(4), financing: '0.0000', commission: '0.0000', unrealizedPL: '0.0000' };

function answer(path: string): string {
  const since = /\/transactions\/sinceid\?id=(\d+)$/.exec(path);
  if (since !== null) return `{"transactions":[${bodies.slice(Number(since[1]), Number(since[1]) + PAGE).join(',')}],${last}}`;
  if (path.includes('/candles')) return '{"instrument":"EUR_USD","granularity":"M1","candles":[]}';
  return `{"account":${JSON.stringify({ ...sums, trades: [], orders: [] })},${last}}`;
}

const server = createServer((request, response) => {
  const text = answer(request.url ?? '');
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
  response.end(text);
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`));
