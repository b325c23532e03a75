/** What a demo run came to: counts from the read models, and the four accounts of the books side by side. */
import { z } from 'zod';
import { openReadModels } from '../../adapters/sqlite/read-models.ts';
import { openSqliteStore } from '../../adapters/sqlite/store.ts';
import type { Config } from '../../config/config.ts';
import type { AccountSnapshot } from '../../domain/broker.ts';
import { add, format, formatFixed, money, negate, priceTimesUnits, units, ZERO_MONEY } from '../../domain/money.ts';
import type { Money } from '../../domain/money.ts';
import type { Row } from '../../domain/projection.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import { stateHash } from '../../projections/state-hash.ts';
import { listed, say, table } from './common.ts';
import { rebuildReadModels } from './rebuild.ts';

/** Decimals that the broker prints of a USD account. */
const MONEY_DECIMALS = 4;

interface Comparison {
  readonly figure: string;
  readonly log: string;
  readonly broker: string;
  readonly equal: boolean;
}

/** One figure of an instrument or a currency, three times over. */
interface PartComparison {
  readonly part: string;
  readonly figure: string;
  readonly readModels: string;
  readonly replay: string;
  readonly broker: string;
  readonly equal: boolean;
}

/** The broker's own list of positions, as far as it is compared. */
export const positionsSchema = z.object({ positions: z.array(z.object({ instrument: z.string(), pl: z.string(), long: z.object({ units: z.string() }), short: z.object({ units: z.string() }) })) });
export type BrokerPosition = z.infer<typeof positionsSchema>['positions'][number];

export interface DemoReport {
  readonly version: 1;
  readonly model: string;
  readonly bars: number;
  readonly backfilledBars: number;
  readonly decisions: { readonly [action: string]: number };
  readonly skipped: { readonly [reason: string]: number };
  readonly orders: { readonly [status: string]: number };
  readonly fills: number;
  readonly denied: { readonly [guard: string]: number };
  readonly trades: { readonly closed: number; readonly open: number; readonly won: number };
  readonly books: readonly Comparison[];
  /** By instrument and by currency. */
  readonly parts: readonly PartComparison[];
  readonly reconciliations: { readonly [outcome: string]: number };
  readonly discrepancies: number;
  readonly events: number;
  readonly chainVerified: boolean;
  readonly headHash: string;
  readonly replayEqual: boolean;
  readonly stateHash: string;
  readonly agreed: boolean;
}

/** Sums a count column of rows by the value of another. */
function tally(rows: readonly Row[], name: string, count: string | null): { readonly [value: string]: number } {
  const sums: { [value: string]: number } = {};
  for (const row of rows) sums[String(row[name])] = (sums[String(row[name])] ?? 0) + (count === null ? 1 : Number(row[count]));
  return sums;
}

const total = (counts: { readonly [value: string]: number }): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

const compare = (figure: string, log: string, broker: string): Comparison => ({ figure, log, broker, equal: log === broker });
const amount = (value: Money): string => formatFixed(value, MONEY_DECIMALS);

function books(account: Row | undefined, openTrades: readonly Row[], snapshot: AccountSnapshot): readonly Comparison[] {
  const logged = (column: string): Money => (account === undefined ? ZERO_MONEY : money(String(account[column])));
  const openHere = openTrades.map((trade) => `${String(trade['trade_id'])}:${String(trade['current_units'])}`).sort().join(' ');
  const openThere = snapshot.trades.map((trade) => `${trade.tradeId}:${formatFixed(trade.units, 0)}`).sort().join(' ');
  return [
    compare('realised P&L', amount(logged('realised_pl')), amount(snapshot.realisedPl)),
    compare('financing', amount(logged('financing')), amount(snapshot.financing)),
    compare('balance', amount(logged('balance')), amount(snapshot.balance)),
    compare('open trades', openHere || 'none', openThere || 'none'),
    compare('last transaction', String(account?.['last_transaction_id'] ?? 0), String(snapshot.lastTransactionId)),
  ];
}

type RowsOf = (name: string) => readonly Row[];

const compareThree = (part: string, figure: string, readModels: string, replay: string, broker: string): PartComparison => ({ part, figure, readModels, replay, broker, equal: readModels === replay && replay === broker });

/** A column of the row with a key, as money with the broker's decimals; zero where nothing was ever traded. */
function cell(rows: readonly Row[], keyColumn: string, key: string, column: string, decimals: number | null): string {
  const value = money(String(rows.find((row) => row[keyColumn] === key)?.[column] ?? '0'));
  return decimals === null ? format(value) : formatFixed(value, decimals);
}

/** Position and profit of each instrument, and what is held of each currency, from three sides. */
function partsOf(instruments: readonly string[], live: RowsOf, replayed: RowsOf, snapshot: AccountSnapshot, brokers: readonly BrokerPosition[]): readonly PartComparison[] {
  const compared: PartComparison[] = [];
  for (const instrument of instruments) {
    const position = brokers.find((each) => each.instrument === instrument);
    const held = position === undefined ? '0' : format(add(units(position.long.units), units(position.short.units)));
    const ours = (column: string, decimals: number | null): readonly [string, string] => [cell(live('positions'), 'instrument', instrument, column, decimals), cell(replayed('positions'), 'instrument', instrument, column, decimals)];
    compared.push(compareThree(instrument, 'net units', ...ours('net_units', null), held));
    compared.push(compareThree(instrument, 'realised P&L', ...ours('realised_pl', MONEY_DECIMALS), formatFixed(money(position?.pl ?? '0'), MONEY_DECIMALS)));
  }
  const nets = new Map(instruments.flatMap((instrument) => instrument.split('_')).map((currency) => [currency, ZERO_MONEY]));
  for (const trade of snapshot.trades) {
    const [base = '', quote = ''] = trade.instrument.split('_');
    nets.set(base, add(nets.get(base) ?? ZERO_MONEY, trade.units as bigint as Money));
    nets.set(quote, add(nets.get(quote) ?? ZERO_MONEY, negate(priceTimesUnits(trade.price, trade.units))));
  }
  for (const [currency, net] of nets) {
    const ours = (rows: RowsOf): string => cell(rows('exposures'), 'currency', currency, 'net_amount', null);
    compared.push(compareThree(currency, 'net exposure', ours(live), ours(replayed), format(net)));
  }
  return compared;
}

export async function demoReport(config: Config, snapshot: AccountSnapshot, positions: readonly BrokerPosition[]): Promise<DemoReport> {
  const directory = config.deployment.dataDirectory;
  const models = openReadModels(directory);
  const store = openSqliteStore({ directory, projections: [], readOnly: true, deployment: config.deployment.name });
  try {
    const verdict = await store.verify();
    const head = await store.head();
    const rebuilt = await rebuildReadModels(store, head.position, () => undefined);
    const replayed = stateHash(ALL_PROJECTIONS, rebuilt);
    const live = stateHash(ALL_PROJECTIONS, models);
    const trades = models.rows('trades', { limit: 100_000 });
    const open = trades.filter((trade) => trade['state'] === 'OPEN');
    const orders = models.rows('orders', { limit: 100_000 });
    const compared = books(models.rows('account')[0], open, snapshot);
    const parts = partsOf(config.instruments.map(({ name }) => name), (name) => models.rows(name), (name) => [...rebuilt.allRows(name)], snapshot, positions);
    const discrepancies = models.rows('discrepancies', { limit: 100_000 }).length;
    const days = models.rows('bars_daily', { limit: 100_000 });
    const replayEqual = replayed.total === live.total;
    return {
      version: 1,
      model: String(models.rows('runs', { orderBy: { column: 'epoch', direction: 'ascending' } }).at(-1)?.['model_label'] ?? 'none'),
      bars: days.reduce((sum, day) => sum + Number(day['bars_closed']), 0),
      backfilledBars: days.reduce((sum, day) => sum + Number(day['bars_backfilled']), 0),
      decisions: tally(models.rows('decisions'), 'action', 'decisions'),
      skipped: tally(models.rows('decision_skips'), 'reason', 'skips'),
      orders: tally(orders, 'status', null),
      fills: models.rows('positions').reduce((sum, position) => sum + Number(position['fills']), 0),
      denied: tally(models.rows('denials'), 'guard', 'denials'),
      trades: { closed: trades.length - open.length, open: open.length, won: trades.filter((trade) => trade['state'] !== 'OPEN' && money(String(trade['realised_pl'])) > 0n).length },
      books: compared,
      parts,
      reconciliations: tally(models.rows('reconciliations'), 'outcome', 'reconciliations'),
      discrepancies,
      events: head.sequence + 1,
      chainVerified: verdict.ok,
      headHash: head.hash,
      replayEqual,
      stateHash: live.total,
      agreed: verdict.ok && replayEqual && discrepancies === 0 && [...compared, ...parts].every((figure) => figure.equal),
    };
  } finally {
    models.close();
    await store.close();
  }
}

/** With one instrument the account says it all: its position and profit, and two currencies. */
const PARTS_OF_ONE = 4;

export function sayDemoReport(report: DemoReport, profile: string): void {
  say(`model            ${report.model}`);
  say(`bars             ${report.bars} traded, ${report.backfilledBars} of history`);
  say(`decisions        ${total(report.decisions)}: ${listed(report.decisions)}`);
  say(`skipped          ${listed(report.skipped)}`);
  say(`orders           ${total(report.orders)}: ${listed(report.orders)}`);
  say(`fills            ${report.fills}`);
  say(`denied           ${listed(report.denied)}`);
  say(`trades           ${report.trades.closed} closed (${report.trades.won} won), ${report.trades.open} open`);
  say(`reconciliations  ${listed(report.reconciliations)}; discrepancies ${report.discrepancies}`);
  say('');
  say(table(report.books.map(({ figure, log, broker, equal }) => ({ '': figure, 'folded from the log': log, 'as the broker reports': broker, ' ': equal ? 'equal' : 'DIFFERENT' }))));
  say('');
  if (report.parts.length > PARTS_OF_ONE) {
    say(table(report.parts.map(({ part, figure, readModels, replay, broker, equal }) => ({ '': part, figure, 'read models': readModels, replay, broker, ' ': equal ? 'equal' : 'DIFFERENT' }))));
    say('');
  }
  say(`log              ${report.events} events, chain ${report.chainVerified ? 'verified' : 'BROKEN'}`);
  say(`head hash        ${report.headHash}`);
  say(`replay           ${report.replayEqual ? 'equal to the live read models' : 'DIFFERENT from the live read models'}, state hash ${report.stateHash}`);
  say(report.agreed ? 'log, read models, replay and broker agree' : 'THE BOOKS DO NOT AGREE');
  say('');
  say(`next: npx reckoner query trades --config ${profile}`);
}
