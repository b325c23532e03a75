/**
 * Is a quote to be believed? One tick far from the last believed one is an outlier until three ticks in a row agree
 * on where the market is. What counts as far follows from how far bars have gone of late.
 */
import type { Quote } from './broker.ts';
import { absolute, maximum, midPrice, scaleBy, subtract } from './money.ts';
import type { Price, Ratio } from './money.ts';

/** Ticks near one another that are believed against the last believed one. */
const AGREEING_TICKS = 3;

export interface QuoteTrust {
  /** Mid of the last believed quote; null before the first. */
  readonly believed: Price | null;
  /** Mid of the newest quote that is not believed, and how many in a row were near it; null when the newest is believed. */
  readonly doubted: { readonly mid: Price; readonly ticks: number; readonly distance: Price } | null;
}

export const noTrust: QuoteTrust = { believed: null, doubted: null };

/** The median of the bars' true ranges; null without bars. */
export function medianRange(ranges: readonly Price[]): Price | null {
  const sorted = [...ranges].sort((left, right) => (left < right ? -1 : left > right ? 1 : 0));
  return sorted[Math.floor(sorted.length / 2)] ?? null;
}

/** Is a distance one that a tick is believed to go? */
export type Reach = (distance: Price) => boolean;

/** Without bars there is nothing to judge by, and nothing is decided either. The spread settles most ticks and spares the median. */
export const reachOf = (ranges: readonly Price[], rangesMax: Ratio, spreadMax: Price): Reach => (distance) => {
  if (distance <= spreadMax) return true;
  const range = medianRange(ranges);
  return range === null || distance <= tickReach(range, rangesMax, spreadMax);
};

/** The farthest that a tick is believed to go: `rangesMax` median true ranges, and at least the widest spread allowed. */
export const tickReach = (range: Price, rangesMax: Ratio, spreadMax: Price): Price => maximum(scaleBy(range, rangesMax), spreadMax);

/**
 * @param barClose mid close of the newest bar: what the first quote is held against; null when there is none.
 */
export function trustQuote(trust: QuoteTrust, quote: Pick<Quote, 'bid' | 'ask'>, barClose: Price | null, reach: Reach): QuoteTrust {
  const mid = midPrice(quote.bid, quote.ask);
  const reference = trust.believed ?? barClose;
  const near = (other: Price): boolean => reach(absolute(subtract(mid, other)));
  if (reference === null || near(reference)) return { believed: mid, doubted: null };
  const ticks = trust.doubted !== null && near(trust.doubted.mid) ? trust.doubted.ticks + 1 : 1;
  if (ticks >= AGREEING_TICKS) return { believed: mid, doubted: null };
  return { believed: trust.believed, doubted: { mid, ticks, distance: absolute(subtract(mid, reference)) } };
}

/**
 * Is the newest of quotes in a row believed whether or not those before it are seen? So it is when the last quote was
 * believed, each of these lies near the one before it, and the newest near the last believed one too.
 */
export function isTrustedAlone(trust: QuoteTrust, quotes: readonly Pick<Quote, 'bid' | 'ask'>[], reach: Reach): boolean {
  if (trust.believed === null || trust.doubted !== null) return false;
  let before: Price = trust.believed;
  for (const { bid, ask } of quotes) {
    const mid = midPrice(bid, ask);
    if (!reach(absolute(subtract(mid, before)))) return false;
    before = mid;
  }
  return reach(absolute(subtract(before, trust.believed)));
}
