/**
 * What a policy is told of the open trade: nine numbers, most of them through an arctangent that maps pips and bars
 * to (-1, 1) without ever cutting them off. All of it comes from the ledger's open trade (`PositionView`).
 */
import type { PositionView } from '../../domain/policy.ts';

export const POSITION_COLUMNS = [
  'position_net', 'position_bars', 'position_efficiency', 'position_from_peak', 'position_drawdown', 'position_amddp1',
  'position_long', 'position_short', 'position_open',
] as const;
export const POSITION_FEATURES = POSITION_COLUMNS.length;

const PIPS_SCALE = 150;
const BARS_SCALE = 2000;
/** AMDDP1 takes one hundredth of the drawdown off the result. */
const DRAWDOWN_SHARE = 0.01;

/** (2/π)·atan(value/scale): 0 at 0, ±1/2 at ±scale. */
export const arctangentScale = (value: number, scale: number): number => (2 / Math.PI) * Math.atan(value / scale);

/** Net pips less one hundredth of the largest fall from their running peak; no floor. */
export const amddp1Pips = (position: PositionView): number => position.netPips - DRAWDOWN_SHARE * position.drawdownPipsMax;

/** The measures of an open trade that are through the arctangent; of a flat account each is 0. */
export function scaledPosition(position: PositionView): { readonly net: number; readonly bars: number; readonly fromPeak: number; readonly drawdown: number; readonly amddp1: number } {
  if (position.side === 0) return { net: 0, bars: 0, fromPeak: 0, drawdown: 0, amddp1: 0 };
  const { netPips, peakPips, drawdownPipsMax } = position;
  return {
    net: arctangentScale(netPips, PIPS_SCALE),
    bars: arctangentScale(position.barsSinceEntry, BARS_SCALE),
    fromPeak: arctangentScale(netPips - peakPips, PIPS_SCALE),
    drawdown: arctangentScale(drawdownPipsMax, PIPS_SCALE),
    amddp1: arctangentScale(amddp1Pips(position), PIPS_SCALE),
  };
}

/**
 * Writes s(net,150), s(bars,2000), efficiency, s(net − peak,150), s(max drawdown,150), s(AMDDP1,150), is long,
 * is short, has position. Efficiency is net/peak held within [-1, 1], and 0 while there is no peak. A flat
 * account has no trade to describe: nine zeros.
 */
export function writePositionFeatures(position: PositionView, target: Float32Array, offset: number): void {
  if (position.side === 0) {
    target.fill(0, offset, offset + POSITION_FEATURES);
    return;
  }
  const { netPips, peakPips } = position;
  const { net, bars, fromPeak, drawdown, amddp1 } = scaledPosition(position);
  target[offset] = net;
  target[offset + 1] = bars;
  target[offset + 2] = peakPips > 0 ? Math.min(Math.max(netPips / peakPips, -1), 1) : 0;
  target[offset + 3] = fromPeak;
  target[offset + 4] = drawdown;
  target[offset + 5] = amddp1;
  target[offset + 6] = position.side === 1 ? 1 : 0;
  target[offset + 7] = position.side === -1 ? 1 : 0;
  target[offset + 8] = 1;
}
