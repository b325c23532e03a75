/**
 * Daily financing at 17:00 New York: units × price × yearly rate / 365 × days charged, converted to home.
 * (OANDA's financing page: 100,000 × 1.15826 × −3 % / 365 = −9.52 USD.)
 */
import type { Json } from './bodies.ts';
import { openTrades } from './book.ts';
import type { Market } from './book.ts';
import type { Context } from './context.ts';
import type { Decimal } from './decimals.ts';
import { ZERO, printMoney } from './decimals.ts';
import type { Batch } from './ledger.ts';
import type { EngineSettings } from './settings.ts';
import { knownFactors, midDecimal, toHome } from './valuation.ts';
import { newYorkClock } from '../../../domain/calendar.ts';
import type { Instant } from '../../../domain/time.ts';

const DAYS_PER_YEAR = 365;

/** What one trade is charged (negative) or paid, in home currency. */
function tradeFinancing(settings: EngineSettings, market: Market, units: Decimal, weekday: number): Decimal {
  const mid = midDecimal(market);
  const days = market.settings.daysCharged[weekday] ?? 0;
  if (mid === null || days === 0) return ZERO;
  const rate = units.isNegative() ? market.settings.shortRate : market.settings.longRate;
  const inQuote = units.abs().mul(mid).mul(rate).div(DAYS_PER_YEAR).mul(days);
  return toHome(inQuote, knownFactors(market, settings));
}

/** Books the financing of every open trade; null when there is nothing to charge. */
export function settleFinancing(context: Context, at: Instant): Batch | null {
  const { settings, book, ledger } = context;
  const { weekday } = newYorkClock(at);
  const byInstrument = new Map<string, { total: Decimal; trades: Json[] }>();
  let total = ZERO;
  for (const trade of openTrades(book)) {
    const market = book.markets.get(trade.instrument);
    if (market === undefined || (market.settings.daysCharged[weekday] ?? 0) === 0) continue;
    const amount = tradeFinancing(settings, market, trade.currentUnits, weekday);
    trade.financing = trade.financing.plus(amount);
    const side = trade.currentUnits.isNegative() ? market.short : market.long;
    side.financing = side.financing.plus(amount);
    total = total.plus(amount);
    const entry = byInstrument.get(trade.instrument) ?? { total: ZERO, trades: [] };
    entry.total = entry.total.plus(amount);
    entry.trades.push({ tradeID: String(trade.id), financing: printMoney(amount) });
    byInstrument.set(trade.instrument, entry);
  }
  if (byInstrument.size === 0) return null;
  book.balance = book.balance.plus(total);
  book.rough = null;
  book.financing = book.financing.plus(total);
  const batch = ledger.begin({ at, requestId: null, byClient: false });
  batch.add('DAILY_FINANCING', {
    financing: printMoney(total),
    accountBalance: printMoney(book.balance),
    accountFinancingMode: 'DAILY',
    positionFinancings: [...byInstrument].map(([instrument, entry]) => ({
      instrument,
      financing: printMoney(entry.total),
      openTradeFinancings: entry.trades,
    })),
  });
  return batch;
}
