/**
 * How an open trade has fared, bar by bar: its net pips, their running peak and the largest fall from it.
 * Net means as if closed now: a long on the bid, a short on the ask, so the spread is paid from the first bar.
 */
import { maximum, priceToPips, subtract, toNumber, ZERO_PIPS } from './money.ts';
import type { Pips, Price } from './money.ts';
import type { PositionView } from './policy.ts';

export interface Excursion {
  readonly side: 1 | -1;
  readonly entryPrice: Price;
  readonly barsSinceEntry: number;
  readonly netPips: Pips;
  /** Running peak of netPips, starting at 0. */
  readonly peakPips: Pips;
  readonly drawdownPipsMax: Pips;
}

export const startExcursion = (side: 1 | -1, entryPrice: Price): Excursion => ({
  side,
  entryPrice,
  barsSinceEntry: 0,
  netPips: ZERO_PIPS,
  peakPips: ZERO_PIPS,
  drawdownPipsMax: ZERO_PIPS,
});

/** Net pips of a position at the given prices. */
export const netPipsAt = (side: 1 | -1, entryPrice: Price, bid: Price, ask: Price, pipLocation: number): Pips =>
  priceToPips(side === 1 ? subtract(bid, entryPrice) : subtract(entryPrice, ask), pipLocation);

/** The excursion after one more bar, judged at its close. */
export function extendExcursion(excursion: Excursion, bidClose: Price, askClose: Price, pipLocation: number): Excursion {
  const netPips = netPipsAt(excursion.side, excursion.entryPrice, bidClose, askClose, pipLocation);
  const peakPips = maximum(excursion.peakPips, netPips);
  return {
    ...excursion,
    barsSinceEntry: excursion.barsSinceEntry + 1,
    netPips,
    peakPips,
    drawdownPipsMax: maximum(excursion.drawdownPipsMax, subtract(peakPips, netPips)),
  };
}

export const FLAT_VIEW: PositionView = { side: 0, netPips: 0, barsSinceEntry: 0, peakPips: 0, drawdownPipsMax: 0 };

export const viewOf = (excursion: Excursion | null): PositionView =>
  excursion === null
    ? FLAT_VIEW
    : {
        side: excursion.side,
        netPips: toNumber(excursion.netPips),
        barsSinceEntry: excursion.barsSinceEntry,
        peakPips: toNumber(excursion.peakPips),
        drawdownPipsMax: toNumber(excursion.drawdownPipsMax),
      };
