/** What every feature set asks of its window, and how the wavelet sets bring it to one scale. */
import type { Observation, PositionView, RefusalCode } from '../../domain/policy.ts';
import { MINUTE_MS } from '../../domain/time.ts';
import type { FeatureRefusal } from './feature-set.ts';

/**
 * Two neighbours further apart belong to no window under any configuration: at most a day of open minutes may be
 * missing, and the daily break beside it. What counts as a gap below that the calendar says, and the desk begins its
 * window anew behind it.
 */
const STEP_MINUTES_MAX = 1_440 + 60;

const refusal = (code: RefusalCode, detail: string): FeatureRefusal => ({ kind: 'refusal', code, detail });

/** Null for a window that can be read: as long as wanted, without a hole, every close a positive number. */
export function refuseWindow({ midCloses, barStarts, position }: Observation, windowBars: number): FeatureRefusal | null {
  if (midCloses.length !== windowBars || barStarts.length !== windowBars) {
    return refusal('wrongLength', `the window has ${midCloses.length} closes and ${barStarts.length} times: exactly ${windowBars} are read`);
  }
  for (let i = 0; i < windowBars; i += 1) {
    const close = midCloses[i]!;
    if (!Number.isFinite(close)) return refusal('nonFinite', `close ${i} of ${windowBars} is ${close}`);
    if (close <= 0) return refusal('nonPositive', `close ${i} of ${windowBars} is ${close}, which is no price`);
    const step = i === 0 ? MINUTE_MS : barStarts[i]! - barStarts[i - 1]!;
    if (!(step >= MINUTE_MS && step <= STEP_MINUTES_MAX * MINUTE_MS)) {
      return refusal('gap', `bar ${i} of ${windowBars} starts ${step / MINUTE_MS} minutes after the one before it: 1 to ${STEP_MINUTES_MAX} make a window`);
    }
  }
  return refusePosition(position);
}

function refusePosition(position: PositionView): FeatureRefusal | null {
  for (const [name, value] of Object.entries(position)) {
    if (!Number.isFinite(value)) return refusal('nonFinite', `the position's ${name} is ${String(value)}`);
  }
  return null;
}

/**
 * Subtracts the window's own mean and divides by its population deviation, so that the price level and the quote
 * currency drop out. Everything is taken relative to the first close, so that a constant window has a deviation of
 * exactly 0, and is refused.
 */
export function standardise(closes: Float64Array, target: Float64Array): FeatureRefusal | null {
  const first = closes[0]!;
  let sum = 0;
  for (let i = 0; i < closes.length; i += 1) sum += closes[i]! - first;
  const mean = sum / closes.length;
  let squares = 0;
  for (let i = 0; i < closes.length; i += 1) {
    const distance = closes[i]! - first - mean;
    squares += distance * distance;
  }
  const deviation = Math.sqrt(squares / closes.length);
  const refused = refuseScale(deviation, closes);
  if (refused !== null) return refused;
  for (let i = 0; i < closes.length; i += 1) target[i] = (closes[i]! - first - mean) / deviation;
  return null;
}

/** Null for a measure of the window's movement that can be divided by. */
export function refuseScale(scale: number, closes: Float64Array): FeatureRefusal | null {
  if (scale === 0) return refusal('zeroDeviation', `the ${closes.length} closes do not move from ${closes[0]!}`);
  return Number.isFinite(scale) ? null : refusal('nonFinite', `the ${closes.length} closes lie too far apart to be measured`);
}
