/**
 * What others than the client do to an account, and what a broker does that it should not: other people's orders,
 * halts, closeouts, locks, money that moves by itself, late and partial and too large fills, gaps in the ids. Drills
 * and fault plans use it; no request of a client leads here.
 *
 * Actions that write take the time at which they happen and answer with what they wrote. Those marked *contract-breaking* make the engine do
 * what no correct broker does.
 */
import type { Json, Transaction } from './bodies.ts';
import type { AccountLock, InstrumentStatus } from './book.ts';
import { marketOf } from './book.ts';
import type { Context } from './context.ts';
import { Decimal, ZERO, printDecimal, printMoney, readDecimal, roundMoney } from './decimals.ts';
import { closeOutAll, delayClosure } from './margin.ts';
import { cancelByClient, placeOrder } from './orders.ts';
import type { Outcome, Receipt } from './outcomes.ts';
import type { TradeOrdersOutcome } from './trades.ts';
import { closeTrade, setTradeOrders } from './trades.ts';
import { knownFactors } from './valuation.ts';
import type { Instant } from '../../../domain/time.ts';

export interface VenueActions {
  /** Another actor on the account, such as a human at the broker's own screen: requests without a request id. */
  foreignOrder(order: { readonly [key: string]: Json }, at: Instant): Outcome;
  foreignTradeClose(tradeSpecifier: string, units: string, at: Instant): Outcome;
  foreignCancel(orderSpecifier: string, at: Instant): Outcome;
  /** Changes or, with null, removes the dependent orders of a trade: `{ stopLoss: null }`. */
  foreignTradeOrders(tradeSpecifier: string, body: { readonly [key: string]: Json }, at: Instant): TradeOrdersOutcome;

  /** Closes every position at the standing prices; positions of closed or halted markets once those open. */
  forceMarginCloseout(at: Instant): readonly Transaction[];
  /** Halts an instrument or a side of it, or makes it reduce-only; TRADEABLE lifts it. Prices then say so. */
  setInstrumentStatus(instrument: string, status: InstrumentStatus): void;
  /** Trades that the broker will close by itself at the first point at which they can be traded. */
  delayTradeClosure(tradeIds: readonly number[], at: Instant): readonly Transaction[];
  /** Locks the account in one way, or unlocks it with null. */
  lockAccount(lock: AccountLock | null): void;
  /** A deposit, or a withdrawal when negative; a plain decimal. */
  transferFunds(amount: string, at: Instant, comment?: string): readonly Transaction[];
  /** Pays (or, negative, charges) every open trade of the instrument so much quote currency for a unit held long. */
  adjustDividend(instrument: string, quotePerUnit: string, at: Instant): readonly Transaction[];

  /** The next `orders` market orders are accepted at once and meet no price before `delayMs` have passed. */
  delayMarketOrders(orders: number, delayMs: number): void;
  /** At the next `points` price points of the instrument no more than `units` are on offer on either side. */
  limitLiquidity(instrument: string, units: number, points: number): void;
  /** *Contract-breaking*: the next opening order of the instrument fills so many units, whatever it asked for and whatever its time in force. */
  forceNextFill(instrument: string, units: string): void;
  /** *Contract-breaking*: ids that no transaction will ever have. */
  burnTransactionIds(count: number): void;
  /** *Contract-breaking*: a transaction of a type that nobody knows; the account does not change. */
  writeUnknownTransaction(type: string, fields: { readonly [key: string]: Json }, at: Instant): readonly Transaction[];
}

/** Runs an action at a time, as the engine runs requests. */
export type ActAt = <Result>(at: Instant, act: () => Result) => Result;

const BURNT_IDS_MAX = 10_000;

/** @throws RangeError for what is no plain decimal. */
function amountOf(text: string, name: string): Decimal {
  const amount = readDecimal(text);
  if (amount === null) throw new RangeError(`${name}: "${text}" is no plain decimal such as 12.5`);
  return amount;
}

function wholeNumber(value: number, name: string, max: number): number {
  if (!(Number.isInteger(value) && value >= 1 && value <= max)) throw new RangeError(`${name}: ${value} is not a whole number from 1 to ${max}`);
  return value;
}

function transferFunds({ book, ledger }: Context, text: string, at: Instant, comment: string | undefined): void {
  const amount = roundMoney(amountOf(text, 'amount'));
  const batch = ledger.begin({ at, requestId: null, byClient: true });
  if (book.balance.plus(amount).isNegative()) {
    batch.add('TRANSFER_FUNDS_REJECT', { amount: printMoney(amount), fundingReason: 'CLIENT_FUNDING', comment, rejectReason: 'INSUFFICIENT_FUNDS' });
    return;
  }
  book.balance = book.balance.plus(amount);
  book.rough = null;
  batch.add('TRANSFER_FUNDS', { amount: printMoney(amount), fundingReason: 'CLIENT_FUNDING', comment, accountBalance: printMoney(book.balance) });
}

function adjustDividend({ book, ledger, settings }: Context, instrument: string, text: string, at: Instant): void {
  const perUnit = amountOf(text, 'quotePerUnit');
  const market = marketOf(book, instrument);
  const factors = knownFactors(market, settings);
  let [inHome, inQuote] = [ZERO, ZERO];
  const trades = market.openTrades.map((trade): Json => {
    const quote = trade.currentUnits.mul(perUnit);
    const home = roundMoney(quote.mul(quote.isNegative() ? factors.loss : factors.gain));
    trade.dividendAdjustment = trade.dividendAdjustment.plus(home);
    const side = trade.currentUnits.isNegative() ? market.short : market.long;
    side.dividendAdjustment = side.dividendAdjustment.plus(home);
    inHome = inHome.plus(home);
    inQuote = inQuote.plus(quote);
    return { tradeID: String(trade.id), dividendAdjustment: printMoney(home), quoteDividendAdjustment: printDecimal(quote) };
  });
  book.balance = book.balance.plus(inHome);
  book.dividendAdjustment = book.dividendAdjustment.plus(inHome);
  book.rough = null;
  ledger.begin({ at, requestId: null, byClient: false }).add('DIVIDEND_ADJUSTMENT', {
    instrument,
    dividendAdjustment: printMoney(inHome),
    quoteDividendAdjustment: printDecimal(inQuote),
    accountBalance: printMoney(book.balance),
    openTradeDividendAdjustments: trades,
  });
}

export function createVenueActions(context: Context, actAt: ActAt): VenueActions {
  const { book, ledger } = context;
  const foreign = (at: Instant): Receipt => ({ at, requestId: null });
  const wrote = (at: Instant, act: () => void): readonly Transaction[] => {
    const first = ledger.lastId + 1;
    actAt(at, act);
    return ledger.range(first, ledger.lastId);
  };
  return {
    foreignOrder: (order, at) => actAt(at, () => placeOrder(context, order, foreign(at))),
    foreignTradeClose: (specifier, units, at) => actAt(at, () => closeTrade(context, specifier, { units }, foreign(at))),
    foreignCancel: (specifier, at) => actAt(at, () => cancelByClient(context, specifier, foreign(at))),
    foreignTradeOrders: (specifier, body, at) => actAt(at, () => setTradeOrders(context, specifier, body, foreign(at))),

    forceMarginCloseout: (at) => wrote(at, () => closeOutAll(context, at)),
    setInstrumentStatus(instrument, status) {
      marketOf(book, instrument).status = status;
    },
    delayTradeClosure(tradeIds, at) {
      for (const id of tradeIds) if (book.trades.get(id)?.closedAt !== null) throw new RangeError(`tradeIds: trade ${id} is not open`);
      return wrote(at, () => delayClosure(context, tradeIds, 'TRADE_CLOSE', at));
    },
    lockAccount(lock) {
      book.lock = lock;
    },
    transferFunds: (amount, at, comment) => wrote(at, () => transferFunds(context, amount, at, comment)),
    adjustDividend: (instrument, quotePerUnit, at) => wrote(at, () => adjustDividend(context, instrument, quotePerUnit, at)),

    delayMarketOrders(orders, delayMs) {
      book.delayed = { orders: wholeNumber(orders, 'orders', 1_000), delayMs: wholeNumber(delayMs, 'delayMs', 86_400_000) };
    },
    limitLiquidity(instrument, units, points) {
      if (!(Number.isInteger(units) && units >= 0)) throw new RangeError(`units: ${units} is no whole number from 0 on`);
      marketOf(book, instrument).thinMarket = { units: new Decimal(units), pointsLeft: wholeNumber(points, 'points', 1_000_000) };
    },
    forceNextFill(instrument, units) {
      const amount = amountOf(units, 'units');
      if (!amount.greaterThan(0)) throw new RangeError(`units: "${units}" is not above zero`);
      marketOf(book, instrument).nextFillUnits = amount;
    },
    burnTransactionIds(count) {
      for (let left = wholeNumber(count, 'count', BURNT_IDS_MAX); left > 0; left -= 1) ledger.burnId();
    },
    writeUnknownTransaction: (type, fields, at) => wrote(at, () => void ledger.begin({ at, requestId: null, byClient: false }).add(type, fields)),
  };
}
