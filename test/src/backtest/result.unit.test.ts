/** The figures over a backtest's trades, against reference figures and by hand. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { BacktestTrade } from '../../../src/backtest/result.ts';
import { statisticsOf } from '../../../src/backtest/result.ts';

const golden = z
  .object({ results: z.array(z.number()), expected: z.object({ trades: z.int(), won: z.int(), lost: z.int(), winRate: z.number(), expectancy: z.number(), profitFactor: z.number(), sqn: z.number(), sqnCapped: z.number() }) })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '../../fixtures/backtest/trades.json'), 'utf8')));

const trade = (pips: string, pl = pips, financing = '0'): BacktestTrade => ({
  tradeId: '1', instrument: 'EUR_USD', side: 'long', units: '1', openTime: '', openPrice: '', closeTime: '', closePrice: '', closeReason: '', pips, pl, financing,
});

describe('the figures over trades', () => {
  test('are those of the reference on its 160 trades', () => {
    const { expected } = golden;
    const figures = statisticsOf(golden.results.map((result) => trade(String(result))));
    expect(figures).toMatchObject({ trades: expected.trades, won: expected.won, lost: expected.lost, winRate: expected.winRate });
    expect(figures.expectancyPips).toBeCloseTo(expected.expectancy, 12);
    expect(figures.expectancyMoney).toBeCloseTo(expected.expectancy, 12);
    expect(figures.profitFactor).toBeCloseTo(expected.profitFactor, 12);
    expect(figures.sqn).toBeCloseTo(expected.sqn, 12);
    expect(figures.sqnCapped).toBeCloseTo(expected.sqnCapped, 12);
  });

  test('are undefined, not zero, where there is nothing to divide by', () => {
    expect(statisticsOf([])).toEqual({ trades: 0, won: 0, lost: 0, winRate: null, expectancyPips: null, expectancyMoney: null, profitFactor: null, sqn: null, sqnCapped: null });
    expect(statisticsOf([trade('3')])).toMatchObject({ trades: 1, won: 1, lost: 0, winRate: 1, profitFactor: null, sqn: null });
    expect(statisticsOf([trade('3'), trade('3')])).toMatchObject({ expectancyPips: 3, sqn: null, sqnCapped: null });
  });

  test('count a trade by what it came to in money, financing included; nothing is neither won nor lost', () => {
    expect(statisticsOf([trade('1', '0.0001', '-0.0002'), trade('-1', '-0.0001', '0.0001'), trade('2', '0.0002')])).toMatchObject({ won: 1, lost: 1, winRate: 1 / 3 });
    // (2 − 1) / √((9/4 + 9/4)/1) · √2 for results of 2 and −1: mean 0.5, deviation √4.5.
    expect(statisticsOf([trade('2'), trade('-1')]).sqn).toBeCloseTo((0.5 / Math.sqrt(4.5)) * Math.SQRT2, 12);
  });
});
