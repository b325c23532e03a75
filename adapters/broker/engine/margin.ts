/** Margin calls and closeouts: used margin as large as the NAV is a call, twice as large a closeout. */
import type { Json } from './bodies.ts';
import type { Book, Market, RoughAccount, RoughPosition } from './book.ts';
import { marginRateOf, netUnits } from './book.ts';
import type { Context } from './context.ts';
import { ZERO } from './decimals.ts';
import { settleEntry } from './matching.ts';
import { addMarketOrder, closedReason, closingRequest, marketOrderRecord } from './orders.ts';
import { accountValue, marginShare } from './valuation.ts';
import type { Instant } from '../../../domain/time.ts';

/** Estimates within this share of the threshold are computed exactly; the estimate itself is good to 1e-9. */
const ESTIMATE_SLACK = 1.001;

const roughMid = ({ quote, settings }: Market): number => (quote === null ? 0 : (quote.bid + quote.ask) / 2 / 10 ** settings.instrument.displayPrecision);

/** Home units for one of the market's quote currency, roughly; zero when unknown. */
function roughHome({ home }: Market): number {
  if (home.same) return 1;
  if (home.direct !== null && home.direct.quote !== null) return roughMid(home.direct);
  if (home.inverse !== null && home.inverse.quote !== null) return 1 / roughMid(home.inverse);
  return home.fixed === null ? 0 : home.fixed.toNumber();
}

function roughAccount(book: Book): RoughAccount {
  const positions: RoughPosition[] = [];
  for (const market of book.markets.values()) {
    if (market.openTrades.length === 0) continue;
    const cost = market.openTrades.reduce((sum, trade) => sum.plus(trade.currentUnits.mul(trade.price)), ZERO);
    positions.push({ market, units: netUnits(market).toNumber(), cost: cost.toNumber(), marginRate: marginRateOf(book, market).toNumber() });
  }
  return { balance: book.balance.toNumber(), positions };
}

/**
 * Might the account be near a margin call? Every price point asks, so the answer comes from plain numbers and only
 * ever decides whether the decimals are worth computing.
 */
function mightBeCalled(book: Book): boolean {
  const { balance, positions } = (book.rough ??= roughAccount(book));
  let nav = balance;
  let used = 0;
  for (const { market, units, cost, marginRate } of positions) {
    const mid = roughMid(market);
    const home = roughHome(market);
    nav += (units * mid - cost) * home;
    used += Math.abs(units) * mid * home * marginRate;
  }
  return used > 0 && used * ESTIMATE_SLACK + 1 >= nav;
}

/** Closes what can be traded of a market's position at the standing price; what cannot is closed when it can. */
function closeOut(context: Context, market: Market, at: Instant): void {
  const units = netUnits(market).neg();
  if (market.quote === null || units.isZero()) return;
  if (closedReason(context, market, units.isPositive(), at) !== null) {
    delayClosure(context, market.openTrades.filter((trade) => trade.delayedClosureId === null).map((trade) => trade.id), 'MARGIN_CLOSEOUT', at);
    return;
  }
  const batch = context.ledger.begin({ at, requestId: null, byClient: false });
  const instrument = market.settings.instrument.name;
  const order = marketOrderRecord(context, batch, instrument, { ...closingRequest(units), timeInForce: 'IOC' }, { kind: 'margin' }, { requestId: null, delayMs: 0 });
  addMarketOrder(context, batch, order);
  settleEntry(context, order, batch);
}

/** Closes every position, as the broker does when the margin is gone. */
export function closeOutAll(context: Context, at: Instant): void {
  for (const market of context.book.markets.values()) closeOut(context, market, at);
}

/** Announces that trades will be closed once their markets can be traded. */
export function delayClosure({ book, ledger }: Context, tradeIds: readonly number[], reason: string, at: Instant): void {
  if (tradeIds.length === 0) return;
  const transaction = ledger.begin({ at, requestId: null, byClient: false }).add('DELAYED_TRADE_CLOSURE', { reason, tradeIDs: tradeIds.join(',') });
  for (const id of tradeIds) {
    const trade = book.trades.get(id);
    if (trade !== undefined) trade.delayedClosureId = transaction.id;
  }
}

/** Closes the trades of a market that were waiting for it to be tradeable. */
export function closeDelayed(context: Context, market: Market, at: Instant): void {
  for (const trade of market.openTrades) {
    if (trade.delayedClosureId === null) continue;
    const units = trade.currentUnits.neg();
    if (closedReason(context, market, units.isPositive(), at) !== null) continue;
    const batch = context.ledger.begin({ at, requestId: null, byClient: false });
    const close = { kind: 'delayed', tradeId: trade.id, clientTradeId: trade.clientExtensions?.id ?? null, sourceTransactionId: trade.delayedClosureId } as const;
    const order = marketOrderRecord(context, batch, market.settings.instrument.name, { ...closingRequest(units), timeInForce: 'IOC' }, close, { requestId: null, delayMs: 0 });
    addMarketOrder(context, batch, order);
    settleEntry(context, order, batch);
  }
}

function say({ ledger }: Context, at: Instant, type: string, fields: { readonly [key: string]: Json } = {}): void {
  ledger.begin({ at, requestId: null, byClient: false }).add(type, fields);
}

/** Enters or leaves the margin call, and closes out, by the newest prices. */
export function checkMargin(context: Context, at: Instant): void {
  const { book, settings } = context;
  if (book.marginCall === null && !mightBeCalled(book)) return;
  const share = marginShare(accountValue(book, settings));
  if (share.greaterThanOrEqualTo(1) && book.marginCall === null) {
    book.marginCall = { enteredAt: at, extensions: 0, extendedAt: null };
    say(context, at, 'MARGIN_CALL_ENTER');
  }
  if (share.greaterThanOrEqualTo(2)) closeOutAll(context, at);
  if (book.marginCall === null || marginShare(accountValue(book, settings)).greaterThanOrEqualTo(1)) return;
  book.marginCall = null;
  say(context, at, 'MARGIN_CALL_EXIT');
}

/** A margin call that lasts into a new financing day is extended. */
export function extendMarginCall(context: Context, at: Instant): void {
  const call = context.book.marginCall;
  if (call === null) return;
  context.book.marginCall = { ...call, extensions: call.extensions + 1, extendedAt: at };
  say(context, at, 'MARGIN_CALL_EXTEND', { extensionNumber: call.extensions + 1 });
}
