/**
 * What the account may come to hold: every open trade, and every order in flight taken for filled whole. Limits that
 * several instruments share are held against this, so that the second of two decisions in one minute sees what the
 * first has reserved. Foreign trades use up worth, margin and loss like any other; only their number is not ours.
 *
 * Amounts are in home currency and rounded up. An amount is null where a price is missing to convert it: what cannot
 * be reckoned is within no limit.
 */
import type { Money, Ratio, Units } from './money.ts';
import { add, maximum, scaleUp, worthUp, ZERO_MONEY } from './money.ts';

/** One instrument's part. */
export interface Holding {
  /** The two currencies of the pair. */
  readonly base: string;
  readonly quote: string;
  /** Units that may be held long and short; both are counted as positive. */
  readonly longs: Units;
  readonly shorts: Units;
  /** Units that may be held in all: less than both sides together where one order excludes the other. */
  readonly units: Units;
  /** Trades of ours, open or in flight. */
  readonly trades: number;
  /** Loss if all of it is stopped out with the gap behind the stop. */
  readonly stoppedOut: Money;
  /** Home currency for one unit at the dearer of bid and ask; null without a price. */
  readonly unitWorth: Ratio | null;
  readonly marginRate: Ratio;
}

export interface Exposure {
  readonly trades: number;
  readonly gross: Money | null;
  readonly margin: Money | null;
  readonly stoppedOut: Money;
  /**
   * By currency, the heavier of its two sides: what is held of it, or what is owed. Held against the limit in place
   * of the difference, because a stop may take either side away at any moment; a hedge earns no room.
   */
  readonly currencies: ReadonlyMap<string, Money> | null;
}

export function exposureOf(holdings: readonly Holding[]): Exposure {
  let trades = 0;
  let stoppedOut = ZERO_MONEY;
  let gross: Money | null = ZERO_MONEY;
  let margin: Money | null = ZERO_MONEY;
  const held = new Map<string, Money>();
  const owed = new Map<string, Money>();
  for (const holding of holdings) {
    trades += holding.trades;
    stoppedOut = add(stoppedOut, holding.stoppedOut);
    if (holding.units === 0n) continue;
    if (holding.unitWorth === null || gross === null || margin === null) {
      [gross, margin] = [null, null];
      continue;
    }
    const worth = worthUp(holding.units, holding.unitWorth);
    gross = add(gross, worth);
    margin = add(margin, scaleUp(worth, holding.marginRate));
    const [longs, shorts] = [worthUp(holding.longs, holding.unitWorth), worthUp(holding.shorts, holding.unitWorth)];
    addTo(held, holding.base, longs);
    addTo(owed, holding.quote, longs);
    addTo(owed, holding.base, shorts);
    addTo(held, holding.quote, shorts);
  }
  const currencies = gross === null ? null : new Map([...new Set([...held.keys(), ...owed.keys()])].sort().map((currency) => [currency, maximum(held.get(currency) ?? ZERO_MONEY, owed.get(currency) ?? ZERO_MONEY)]));
  return { trades, gross, margin, stoppedOut, currencies };
}

function addTo(sums: Map<string, Money>, currency: string, amount: Money): void {
  sums.set(currency, add(sums.get(currency) ?? ZERO_MONEY, amount));
}

/** The currency that is nearest to its limit; null when nothing is held, or when that cannot be reckoned. */
export function heaviestCurrency(currencies: ReadonlyMap<string, Money>): { readonly currency: string; readonly amount: Money } | null {
  let heaviest: { readonly currency: string; readonly amount: Money } | null = null;
  for (const [currency, amount] of currencies) if (heaviest === null || amount > heaviest.amount) heaviest = { currency, amount };
  return heaviest;
}
