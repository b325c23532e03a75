import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { extendExcursion, startExcursion, viewOf } from '../../domain/excursion.ts';
import { price } from '../../domain/money.ts';
import type { PositionView } from '../../domain/policy.ts';
import { amddp1Pips, arctangentScale, writePositionFeatures } from '../../models/features/position.ts';
import path from '../fixtures/domain/excursion.json' with { type: 'json' };
import { goldenDirectory, goldenPresent, readFixture, readGolden } from './golden.ts';
import { FLAT } from './observe.ts';

interface Tracker {
  readonly side: 'long' | 'short';
  readonly columns: readonly string[];
  readonly rows: readonly (readonly number[])[];
  readonly amddp1: number;
}

const YEN_PIP = -2;

function featuresOf(view: PositionView): Float32Array {
  const target = new Float32Array(9);
  writePositionFeatures(view, target, 0);
  return target;
}

/** The views that the ledger's fold gives of a trade, bar by bar, where bid and ask are both the close. */
function follow(side: Tracker['side'], entry: string, closes: readonly string[]): readonly PositionView[] {
  let excursion = startExcursion(side === 'long' ? 1 : -1, price(entry));
  return closes.map((close) => {
    excursion = extendExcursion(excursion, price(close), price(close), YEN_PIP);
    return viewOf(excursion);
  });
}

/** Holds views and features against the tracker's rows: the first bars, then the last one. */
function expectTracked({ columns, rows, amddp1 }: Tracker, views: readonly PositionView[]): void {
  for (const [index, row] of rows.entries()) {
    const isLast = index === rows.length - 1;
    const view = isLast ? views.at(-1)! : views[index]!;
    const column = (name: string): number => row[columns.indexOf(name)]!;
    for (const [pips, name] of [[view.netPips, 'equity_pips'], [view.peakPips, 'peak'], [view.drawdownPipsMax, 'max_dd']] as const) expect(pips).toBeCloseTo(column(name), 8);
    const features = featuresOf(view);
    const close = (place: number, expected: number): void => expect(Math.abs(features[place]! - expected)).toBeLessThan(1.5e-7);
    close(0, column('f0_equity'));
    close(1, column('f1_bars'));
    // The original divided by a peak of 0 and let efficiency run below -1.
    close(2, view.peakPips > 0 ? Math.max(column('f2_eff'), -1) : 0);
    close(3, column('f3_from_peak'));
    // Its drawdown feature measured something else than its own drawdown column, so only the formula is checked here.
    close(4, arctangentScale(column('max_dd'), 150));
    expect(column('dd_sum')).toBe(column('max_dd'));
    close(5, column('f5_amddp'));
    expect([...features.subarray(6)]).toEqual([column('is_long'), column('is_short'), 1]);
    if (isLast) expect(amddp1Pips(view)).toBeCloseTo(amddp1, 8);
  }
}

describe('the position features', () => {
  const fixture = readFixture<{ readonly arctangent: Readonly<Record<string, number>>; readonly trades: readonly Tracker[] }>('position.json');

  test('scale by an arctangent', () => {
    for (const [name, expected] of Object.entries(fixture.arctangent)) {
      const [value, scale] = name.split('/').map(Number);
      expect(arctangentScale(value!, scale!)).toBeCloseTo(expected, 14);
    }
  });

  test('agree, through the ledger’s own fold, with the original tracker where the definitions are the same', () => {
    expect(fixture.trades.map(({ side }) => side)).toEqual(['long', 'short']);
    for (const trade of fixture.trades) expectTracked(trade, follow(trade.side, path.entryPrice, path.closes));
  });

  const present = goldenPresent('validation');
  test.skipIf(!present)('agree with it along the whole reference path', () => {
    interface Golden { readonly entry_bar: number; readonly exit_bar: number; readonly A_position_tracker: { readonly columns: readonly string[]; readonly first5: Tracker['rows']; readonly last: readonly number[]; readonly amddp1: number } }
    const [header, ...closes] = readFileSync(join(goldenDirectory('validation'), 'price_path.csv'), 'utf8').trim().split('\n');
    expect(header).toBe('close');
    const golden = readGolden<Readonly<Record<'long' | 'short', Golden>>>('validation', 'amddp.json');
    for (const side of ['long', 'short'] as const) {
      const { entry_bar, exit_bar, A_position_tracker: { columns, first5, last, amddp1 } } = golden[side];
      expectTracked({ side, columns, rows: [...first5, last], amddp1 }, follow(side, closes[entry_bar]!, closes.slice(entry_bar + 1, exit_bar + 1)));
    }
  });

  test('take AMDDP1 as net pips less a hundredth of the drawdown, without a floor', () => {
    const of = (netPips: number, drawdownPipsMax: number): number => amddp1Pips({ ...FLAT, side: 1, netPips, drawdownPipsMax });
    expect([of(7.3, 23.2), of(-400, 400), of(0, 0)]).toEqual([7.3 - 0.232, -404, 0]);
  });

  test('hold efficiency within -1 and 1, and at 0 without a peak', () => {
    const efficiency = (netPips: number, peakPips: number): number => featuresOf({ side: 1, netPips, barsSinceEntry: 1, peakPips, drawdownPipsMax: 0 })[2]!;
    expect([efficiency(3, 4), efficiency(4, 4), efficiency(-1, 4), efficiency(-9, 4), efficiency(-9, 0), efficiency(5, 4)]).toEqual([0.75, 1, -0.25, -1, 0, 1]);
  });

  test('are nine zeros for a flat account', () => {
    const target = new Float32Array(11).fill(5);
    writePositionFeatures(FLAT, target, 1);
    expect([...target]).toEqual([5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
  });

  test('stay within (-1, 1), however far the price runs', () => {
    const pips = fc.double({ min: -1e9, max: 1e9, noNaN: true });
    fc.assert(fc.property(fc.constantFrom(-1 as const, 1 as const), pips, fc.nat(), fc.double({ min: 0, max: 1e9, noNaN: true }), (side, netPips, barsSinceEntry, peakPips) => {
      const view = { side, netPips, barsSinceEntry, peakPips: Math.max(peakPips, netPips), drawdownPipsMax: Math.max(peakPips - netPips, 0) };
      expect(featuresOf(view).every((value) => Math.abs(value) <= 1)).toBe(true);
    }));
  });
});
