/**
 * The feature set `micro-32x15`: 32 lags, oldest first, of 15 columns: five of the market, four of the trading week's
 * clock and six of the position. Every scale comes from the window itself; README.md defines each column.
 */
import { newYorkClock } from '../../domain/calendar.ts';
import type { Observation, PositionView } from '../../domain/policy.ts';
import { instantOf } from '../../domain/time.ts';
import type { FeatureSet } from './feature-set.ts';
import { arctangentScale, scaledPosition } from './position.ts';
import { refuseScale, refuseWindow } from './window.ts';

const LAGS = 32;
const MARKET_COLUMNS = ['change_1', 'change_5', 'change_60', 'range_60', 'activity_15'];
const CLOCK_COLUMNS = ['week_sin', 'week_cos', 'day_sin', 'day_cos'];
const MICRO_POSITION_COLUMNS = ['position_side', 'position_net', 'position_bars', 'position_from_peak', 'position_drawdown', 'position_amddp1'];
const COLUMNS = [...MARKET_COLUMNS, ...CLOCK_COLUMNS, ...MICRO_POSITION_COLUMNS];

const CHANGES_BARS = [1, 5, 60] as const;
const RANGE_BARS = 60;
const ACTIVITY_BARS = 15;
/** The oldest lag looks back as far as any of them. */
const WINDOW_BARS = LAGS + Math.max(...CHANGES_BARS);

/** The trading week opens on Sunday at 17:00 New York and lasts 120 hours. */
const WEEK_MINUTES = 120 * 60;
const DAY_MINUTES = 24 * 60;
const OPEN_MINUTE = 17 * 60;

export function createMicro32x15(): FeatureSet {
  return {
    id: 'micro-32x15',
    windowBars: WINDOW_BARS,
    shape: [LAGS, COLUMNS.length],
    length: LAGS * COLUMNS.length,
    columns: Array.from({ length: LAGS }, (_, row) => COLUMNS.map((name) => `lag${LAGS - 1 - row}_${name}`)).flat(),
    compute(observation) {
      const { midCloses, barStarts, position } = observation;
      const unreadable = refuseWindow(observation, WINDOW_BARS);
      if (unreadable !== null) return unreadable;
      const step = typicalChange(midCloses, 1, WINDOW_BARS - 1);
      const refused = refuseScale(step, midCloses);
      if (refused !== null) return refused;
      const features = new Float32Array(LAGS * COLUMNS.length);
      const held = positionColumns(position);
      for (let lag = 0; lag < LAGS; lag += 1) {
        const bar = WINDOW_BARS - LAGS + lag;
        features.set([...marketColumns(midCloses, bar, step), ...clockColumns(barStarts, bar), ...held], lag * COLUMNS.length);
      }
      return features;
    },
  };
}

/** Root mean square of the one-bar changes that end with the bars from `first` to `last`. */
function typicalChange(closes: Observation['midCloses'], first: number, last: number): number {
  let squares = 0;
  for (let bar = first; bar <= last; bar += 1) squares += (closes[bar]! - closes[bar - 1]!) ** 2;
  return Math.sqrt(squares / (last - first + 1));
}

/** A random walk of this window's step gives each change the same spread, whatever it spans. */
function marketColumns(closes: Observation['midCloses'], bar: number, step: number): readonly number[] {
  const changes = CHANGES_BARS.map((bars) => arctangentScale(closes[bar]! - closes[bar - bars]!, step * Math.sqrt(bars)));
  const recent = typicalChange(closes, bar - ACTIVITY_BARS + 1, bar);
  return [...changes, placeInRange(closes, bar), (recent - step) / (recent + step)];
}

/** -1 at the lowest of the closes that end with the bar, 1 at the highest, 0 where they are all the same. */
function placeInRange(closes: Observation['midCloses'], bar: number): number {
  let [low, high] = [closes[bar]!, closes[bar]!];
  for (let i = bar - RANGE_BARS + 1; i < bar; i += 1) {
    low = Math.min(low, closes[i]!);
    high = Math.max(high, closes[i]!);
  }
  return high === low ? 0 : (2 * (closes[bar]! - low)) / (high - low) - 1;
}

/** Where the bar's start stands in the trading week and in the trading day, as points on two circles. */
function clockColumns(starts: Observation['barStarts'], bar: number): readonly number[] {
  const { weekday, minute } = newYorkClock(instantOf(starts[bar]!));
  const sinceOpen = (weekday * DAY_MINUTES + minute - OPEN_MINUTE + 7 * DAY_MINUTES) % (7 * DAY_MINUTES);
  // A market that is always open has a weekend too: it stands where the week's circle closes.
  const week = (2 * Math.PI * Math.min(sinceOpen, WEEK_MINUTES)) / WEEK_MINUTES;
  const day = (2 * Math.PI * (sinceOpen % DAY_MINUTES)) / DAY_MINUTES;
  return [Math.sin(week), Math.cos(week), Math.sin(day), Math.cos(day)];
}

function positionColumns(position: PositionView): readonly number[] {
  const { net, bars, fromPeak, drawdown, amddp1 } = scaledPosition(position);
  return [position.side, net, bars, fromPeak, drawdown, amddp1];
}
