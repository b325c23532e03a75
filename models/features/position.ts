/**
 * What a policy is told of the open trade: nine numbers, each through an arctangent that maps pips and bars to
 * (-1, 1) without ever cutting them off.
 */
import type { PositionView } from '../../domain/policy.ts';

export const POSITION_FEATURES = 9;

const PIPS_SCALE = 150;
const BARS_SCALE = 2000;
/** AMDDP1 takes one hundredth of the drawdown off the result. */
const DRAWDOWN_SHARE = 0.01;

/** (2/π)·atan(value/scale): 0 at 0, ±1/2 at ±scale. */
export const arctangentScale = (value: number, scale: number): number => (2 / Math.PI) * Math.atan(value / scale);

/** Net pips less one hundredth of the largest fall from their running peak; no floor. */
export const amddp1Pips = (position: PositionView): number => position.netPips - DRAWDOWN_SHARE * position.drawdownPipsMax;

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
  const { netPips, peakPips, drawdownPipsMax } = position;
  target[offset] = arctangentScale(netPips, PIPS_SCALE);
  target[offset + 1] = arctangentScale(position.barsSinceEntry, BARS_SCALE);
  target[offset + 2] = peakPips > 0 ? Math.min(Math.max(netPips / peakPips, -1), 1) : 0;
  target[offset + 3] = arctangentScale(netPips - peakPips, PIPS_SCALE);
  target[offset + 4] = arctangentScale(drawdownPipsMax, PIPS_SCALE);
  target[offset + 5] = arctangentScale(amddp1Pips(position), PIPS_SCALE);
  target[offset + 6] = position.side === 1 ? 1 : 0;
  target[offset + 7] = position.side === -1 ? 1 : 0;
  target[offset + 8] = 1;
}
