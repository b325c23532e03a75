/**
 * What a backtest came to: counts of what was decided and done, every trade as the broker booked it, and figures over them.
 *
 * Money and pips are added up exactly; means, deviations and ratios are statistics and are floats. Definitions: win is
 * above 0 and loss below it; deviations divide by n − 1; SQN = mean / deviation · √n over the trades' results (Van Tharp),
 * undefined for fewer than two trades or a deviation of 0, with n capped at 100 in the second figure; drawdown is measured
 * from the running peak of profit, marked at every bar, which starts at 0.
 */
import { MemoryReadModels } from '../../adapters/memory/read-models.ts';
import type { Emission } from '../../domain/desk/inputs.ts';
import { profitMark } from '../../domain/desk/marks.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import { hasOurPosition } from '../../domain/desk/state.ts';
import { cumulativeProfit } from '../../domain/ledger.ts';
import type { EventStore } from '../../domain/log.ts';
import { add, format, maximum, money, price, priceToPips, subtract, toNumber, ZERO_MONEY } from '../../domain/money.ts';
import type { Money } from '../../domain/money.ts';
import type { Row } from '../../domain/projection.ts';
import type { DeskSettings } from '../../domain/settings.ts';
import { trades as tradesProjection } from '../../projections/trades.ts';

const SQN_TRADES_MAX = 100;
const PAGE_EVENTS = 10_000;

export interface BacktestTrade {
  readonly tradeId: string;
  readonly instrument: string;
  readonly side: 'long' | 'short';
  readonly units: string;
  readonly openTime: string;
  readonly openPrice: string;
  readonly closeTime: string;
  readonly closePrice: string;
  readonly closeReason: string;
  readonly pips: string;
  readonly pl: string;
  readonly financing: string;
}

export interface BacktestResult {
  readonly bars: number;
  readonly decisions: { readonly [action: string]: number };
  readonly skipped: { readonly [reason: string]: number };
  readonly denied: { readonly [guard: string]: number };
  readonly halts: readonly string[];
  readonly profit: string;
  readonly realised: string;
  readonly financing: string;
  readonly openTrades: number;
  readonly drawdownMax: string;
  /** Bars with a position, as a share of all. */
  readonly timeInPosition: number;
  readonly trades: readonly BacktestTrade[];
  readonly statistics: Statistics;
}

export interface Statistics {
  readonly trades: number;
  readonly won: number;
  readonly lost: number;
  readonly winRate: number | null;
  readonly expectancyPips: number | null;
  readonly expectancyMoney: number | null;
  readonly profitFactor: number | null;
  readonly sqn: number | null;
  readonly sqnCapped: number | null;
}

type Counts = { [name: string]: number };

/** Follows a run as it happens; cheap at a bar that changes nothing. */
export class ResultFold {
  readonly #settings: DeskSettings;
  readonly #decisions: Counts = {};
  readonly #skipped: Counts = {};
  readonly #denied: Counts = {};
  readonly #halts: string[] = [];
  #peak: Money = ZERO_MONEY;
  #drawdown: Money = ZERO_MONEY;
  #barsHeld = 0;
  #ledgerSeen: DeskState['ledger'] | null = null;

  constructor(settings: DeskSettings) {
    this.#settings = settings;
  }

  observe(state: DeskState, told: readonly Emission[]): void {
    for (const { event } of told) {
      switch (event.type) {
        case 'MarketBarClosed':
          this.#markBar(state);
          break;
        case 'DecisionMade':
          increment(this.#decisions, event.data.action);
          break;
        case 'DecisionSkipped':
          increment(this.#skipped, event.data.reason);
          break;
        case 'OrderDenied':
          increment(this.#denied, event.data.guard);
          break;
        case 'TradingHalted':
          this.#halts.push(`${event.data.cause}: ${event.data.detail}`);
          break;
        default:
      }
    }
  }

  /** Profit changes with the price only while something is open. */
  #markBar(state: DeskState): void {
    const held = state.ledger.openTrades.size > 0;
    if (held && hasOurPosition(state)) this.#barsHeld += 1;
    if (!held && this.#ledgerSeen === state.ledger) return;
    this.#ledgerSeen = state.ledger;
    const profit = profitMark(state).money;
    this.#peak = maximum(this.#peak, profit);
    this.#drawdown = maximum(this.#drawdown, subtract(this.#peak, profit));
  }

  /** @param bars played in all. */
  async finish(state: DeskState, store: EventStore, bars: number): Promise<BacktestResult> {
    const trades = (await closedTrades(store)).map((row) => tradeOf(row, this.#settings));
    return {
      bars,
      decisions: this.#decisions,
      skipped: this.#skipped,
      denied: this.#denied,
      halts: this.#halts,
      profit: format(profitMark(state).money),
      realised: format(cumulativeProfit(state.ledger)),
      financing: format(state.ledger.financing),
      openTrades: state.ledger.openTrades.size,
      drawdownMax: format(this.#drawdown),
      timeInPosition: bars === 0 ? 0 : this.#barsHeld / bars,
      trades,
      statistics: statisticsOf(trades),
    };
  }
}

const increment = (counts: Counts, name: string): void => {
  counts[name] = (counts[name] ?? 0) + 1;
};

/** The trades that the broker's transactions closed, oldest first. */
async function closedTrades(store: EventStore): Promise<readonly Row[]> {
  const models = new MemoryReadModels([tradesProjection]);
  for (let after = -1; ; ) {
    const page = await store.readAll(after, PAGE_EVENTS);
    if (page.length === 0) break;
    models.fold(page.filter(({ type }) => type === 'BrokerTransactionRecorded'));
    after = page.at(-1)!.position;
  }
  return [...models.allRows(tradesProjection.name)].filter((row) => row['state'] === 'CLOSED').sort((left, right) => Number(left['trade_id']) - Number(right['trade_id']));
}

function tradeOf(row: Row, settings: DeskSettings): BacktestTrade {
  const text = (column: string): string => String(row[column]);
  const pipLocation = settings.instruments.find(({ instrument }) => instrument.name === row['instrument'])?.instrument.pipLocation ?? -4;
  const long = !text('initial_units').startsWith('-');
  const [open, close] = [price(text('open_price')), price(text('close_price'))];
  return {
    tradeId: text('trade_id'),
    instrument: text('instrument'),
    side: long ? 'long' : 'short',
    units: text('initial_units'),
    openTime: text('open_time'),
    openPrice: text('open_price'),
    closeTime: text('close_time'),
    closePrice: text('close_price'),
    closeReason: text('close_reason'),
    pips: format(priceToPips(long ? subtract(close, open) : subtract(open, close), pipLocation)),
    pl: text('realised_pl'),
    financing: text('financing'),
  };
}

/** What a trade came to, its financing included. */
const resultOf = (trade: BacktestTrade): number => toNumber(add(money(trade.pl), money(trade.financing)));

export function statisticsOf(trades: readonly BacktestTrade[]): Statistics {
  const results = trades.map(resultOf);
  const [won, lost] = [results.filter((result) => result > 0), results.filter((result) => result < 0)];
  const deviation = deviationOf(results);
  const quality = (count: number): number | null => (deviation === null || deviation === 0 ? null : (mean(results)! / deviation) * Math.sqrt(count));
  return {
    trades: trades.length,
    won: won.length,
    lost: lost.length,
    winRate: trades.length === 0 ? null : won.length / trades.length,
    expectancyPips: mean(trades.map(({ pips }) => Number(pips))),
    expectancyMoney: mean(results),
    profitFactor: lost.length === 0 ? null : sum(won) / -sum(lost),
    sqn: quality(results.length),
    sqnCapped: quality(Math.min(results.length, SQN_TRADES_MAX)),
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const mean = (values: readonly number[]): number | null => (values.length === 0 ? null : sum(values) / values.length);

function deviationOf(values: readonly number[]): number | null {
  const centre = mean(values);
  return centre === null || values.length < 2 ? null : Math.sqrt(sum(values.map((value) => (value - centre) ** 2)) / (values.length - 1));
}
