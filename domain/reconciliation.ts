/**
 * Reconciliation: the ledger folded at id k against the broker's own word of the account at the same id k.
 *
 * Tolerance is zero. Nothing is corrected by guessing: the broker's transactions are the truth, a difference that
 * they do not explain is looked at again, and one that stays ends trading instead of being given up on. What is
 * done about each kind stands in one table.
 */
import type { AccountSnapshot, AccountSummary, PositionsSnapshot } from './broker.ts';
import type { CorrectionRule, DataOf, DiscrepancyKind, ReconciliationScope } from './events.ts';
import type { Ledger } from './ledger.ts';
import { netUnits, stopOf, unexplainedSubject } from './ledger.ts';
import type { InstrumentName } from './instruments.ts';
import type { Units } from './money.ts';
import { absolute, add, format, ZERO_UNITS } from './money.ts';
import type { HaltCause } from './settings.ts';

/**
 * What is done about a kind of difference:
 * `adopt` reads the broker's transactions again and compares again; what stays reduces or halts ·
 * `recreateStop` puts the stop back once, then closes the trade · `reduce` closes what is above the limit ·
 * `halt` stops at once · `note` only tells. `haltCause` finds the configured disposition of our position.
 */
export const RULES: { readonly [Kind in DiscrepancyKind]: { readonly rule: CorrectionRule; readonly haltCause: HaltCause } } = {
  account: { rule: 'halt', haltCause: 'discrepancy' },
  currency: { rule: 'halt', haltCause: 'discrepancy' },
  hedging: { rule: 'halt', haltCause: 'discrepancy' },
  positionUnits: { rule: 'adopt', haltCause: 'discrepancy' },
  positionDirection: { rule: 'adopt', haltCause: 'discrepancy' },
  positionLimit: { rule: 'reduce', haltCause: 'positionLimit' },
  missingHere: { rule: 'adopt', haltCause: 'discrepancy' },
  missingThere: { rule: 'adopt', haltCause: 'discrepancy' },
  tradeUnits: { rule: 'adopt', haltCause: 'discrepancy' },
  partialFill: { rule: 'adopt', haltCause: 'discrepancy' },
  pendingOrders: { rule: 'adopt', haltCause: 'discrepancy' },
  stopMissing: { rule: 'recreateStop', haltCause: 'discrepancy' },
  stopChanged: { rule: 'recreateStop', haltCause: 'discrepancy' },
  balance: { rule: 'adopt', haltCause: 'discrepancy' },
  profit: { rule: 'note', haltCause: 'discrepancy' },
  unexplainedBalance: { rule: 'halt', haltCause: 'discrepancy' },
  staleLedger: { rule: 'adopt', haltCause: 'discrepancy' },
  ledgerGap: { rule: 'halt', haltCause: 'discrepancy' },
  transactionMutated: { rule: 'halt', haltCause: 'discrepancy' },
  foreignTrade: { rule: 'halt', haltCause: 'foreignTrade' },
  marginCloseout: { rule: 'halt', haltCause: 'lossLimit' },
};

/** A difference as a comparison finds it; the table says what is done about it. */
export type Difference = Pick<DataOf<'DiscrepancyDetected'>, 'kind' | 'subject' | 'local' | 'broker' | 'transactionIds'>;

export const CHECKS: { readonly [Scope in ReconciliationScope]: readonly string[] } = {
  light: ['account', 'currency', 'hedging', 'positions', 'counts', 'balance', 'profit', 'balanceExplained'],
  full: ['account', 'currency', 'hedging', 'trades', 'positions', 'positionLimit', 'pendingOrders', 'stops', 'balance', 'profit', 'balanceExplained'],
};

export interface Expectation {
  readonly accountId: string;
  readonly currency: string;
  readonly positionUnitsMax: Units;
  /** Trades of ours, each of which must have its protective stop at the broker. */
  readonly ourTradeIds: ReadonlySet<string>;
}

type Identity = Pick<AccountSummary, 'accountId' | 'currency' | 'hedgingEnabled'>;

/** Which account it is: judged at whatever id the broker stands, since no transaction can change it. */
export const compareIdentity = (ledger: Ledger, account: Identity, expectation: Expectation): readonly Difference[] => [
  ...compareText(ledger, 'account', 'account id', expectation.accountId, account.accountId),
  ...compareText(ledger, 'currency', 'home currency', expectation.currency, account.currency),
  ...(ledger.lastTransactionId === 0 ? [] : compareText(ledger, 'currency', 'ledger currency', ledger.currency ?? 'none', account.currency)),
  ...compareText(ledger, 'hedging', 'hedging', 'false', String(account.hedgingEnabled)),
];

/** Every difference between ledger and snapshot; both must stand at the same transaction id. */
export function compareWithSnapshot(ledger: Ledger, snapshot: AccountSnapshot, expectation: Expectation): readonly Difference[] {
  requireSameId(ledger, snapshot.lastTransactionId);
  const theirs = new Map<InstrumentName, Units>();
  for (const trade of snapshot.trades) theirs.set(trade.instrument, add(theirs.get(trade.instrument) ?? ZERO_UNITS, trade.units));
  return [
    ...compareIdentity(ledger, snapshot, expectation),
    ...compareTrades(ledger, snapshot),
    ...comparePositions(ledger, theirs),
    ...compareLimit(ledger, snapshot, expectation),
    ...compareText(ledger, 'pendingOrders', 'pending order ids', idList(ledger.pendingOrders.keys()), idList(snapshot.pendingOrders.map(({ orderId }) => orderId))),
    ...compareStops(ledger, snapshot, expectation.ourTradeIds),
    ...compareSums(ledger, snapshot),
  ];
}

/** Positions and sums alone, from two reads that are far cheaper than the account's; all must stand at the same id. */
export function compareWithSummary(ledger: Ledger, summary: AccountSummary, positions: PositionsSnapshot, expectation: Expectation): readonly Difference[] {
  requireSameId(ledger, summary.lastTransactionId);
  requireSameId(ledger, positions.lastTransactionId);
  return [
    ...compareIdentity(ledger, summary, expectation),
    ...comparePositions(ledger, new Map(positions.positions.map(({ instrument, units }) => [instrument, units]))),
    ...compareText(ledger, 'missingHere', 'open trades', String(ledger.openTrades.size), String(summary.openTrades)),
    ...compareText(ledger, 'pendingOrders', 'pending orders', String(ledger.pendingOrders.size), String(summary.pendingOrders)),
    ...compareSums(ledger, summary),
  ];
}

function requireSameId(ledger: Ledger, lastTransactionId: number): void {
  if (lastTransactionId !== ledger.lastTransactionId) throw new Error(`snapshot at ${lastTransactionId} cannot be compared with the ledger at ${ledger.lastTransactionId}`);
}

/** `cited`: transactions that it rests on beside the one at which both sides stand. */
const difference = (ledger: Ledger, kind: DiscrepancyKind, subject: string, local: string, broker: string, cited: readonly string[] = []): Difference => ({
  kind,
  subject,
  local: local.slice(0, 2_000),
  broker: broker.slice(0, 2_000),
  transactionIds: [...cited, ...(ledger.lastTransactionId === 0 ? [] : [String(ledger.lastTransactionId)])],
});

const compareText = (ledger: Ledger, kind: DiscrepancyKind, subject: string, local: string, broker: string): readonly Difference[] =>
  local === broker ? [] : [difference(ledger, kind, subject, local, broker)];

const idList = (ids: Iterable<string>): string => [...ids].sort((left, right) => Number(left) - Number(right)).join(',');

function compareTrades(ledger: Ledger, snapshot: AccountSnapshot): readonly Difference[] {
  const found: Difference[] = [];
  const theirs = new Map(snapshot.trades.map((trade) => [trade.tradeId, trade]));
  for (const trade of ledger.openTrades.values()) {
    const other = theirs.get(trade.tradeId);
    const cited = [trade.tradeId];
    if (other === undefined) found.push(difference(ledger, 'missingThere', `trade ${trade.tradeId}`, format(trade.units), 'none', cited));
    else if (other.units !== trade.units || other.instrument !== trade.instrument) {
      const part = other.instrument === trade.instrument && (other.units > 0n) === (trade.units > 0n) && absolute(other.units) < absolute(trade.units);
      found.push(difference(ledger, part ? 'partialFill' : 'tradeUnits', `trade ${trade.tradeId}`, `${format(trade.units)} ${trade.instrument}`, `${format(other.units)} ${other.instrument}`, cited));
    }
  }
  for (const trade of snapshot.trades) {
    if (!ledger.openTrades.has(trade.tradeId)) found.push(difference(ledger, 'missingHere', `trade ${trade.tradeId}`, 'none', `${format(trade.units)} ${trade.instrument}`));
  }
  return found;
}

function comparePositions(ledger: Ledger, theirs: ReadonlyMap<InstrumentName, Units>): readonly Difference[] {
  const instruments = new Set([...theirs.keys(), ...[...ledger.openTrades.values()].map((trade) => trade.instrument)]);
  return [...instruments].flatMap((instrument) => {
    const local = netUnits(ledger, instrument);
    const broker = theirs.get(instrument) ?? ZERO_UNITS;
    if (local === broker) return [];
    const opposite = (local > 0n && broker < 0n) || (local < 0n && broker > 0n);
    return [difference(ledger, opposite ? 'positionDirection' : 'positionUnits', instrument, format(local), format(broker))];
  });
}

/** What the broker shows of ours against the limit; trades of others do not count. */
function compareLimit(ledger: Ledger, snapshot: AccountSnapshot, { ourTradeIds, positionUnitsMax }: Expectation): readonly Difference[] {
  const ours = new Map<InstrumentName, Units>();
  for (const trade of snapshot.trades) if (ourTradeIds.has(trade.tradeId)) ours.set(trade.instrument, add(ours.get(trade.instrument) ?? ZERO_UNITS, trade.units));
  return [...ours].flatMap(([instrument, held]) =>
    absolute(held) <= positionUnitsMax ? [] : [difference(ledger, 'positionLimit', instrument, `${format(positionUnitsMax)} allowed`, format(held), [...ourTradeIds].filter((id) => ledger.openTrades.get(id)?.instrument === instrument))]);
}

function compareStops(ledger: Ledger, snapshot: AccountSnapshot, ourTradeIds: ReadonlySet<string>): readonly Difference[] {
  return snapshot.trades.flatMap((trade): readonly Difference[] => {
    if (!ourTradeIds.has(trade.tradeId) || !ledger.openTrades.has(trade.tradeId)) return [];
    const here = stopOf(ledger, trade.tradeId);
    const there = snapshot.pendingOrders.find(({ orderId }) => orderId === trade.stopLossOrderId) ?? null;
    const shown = (id: string | null, price: string | null): string => (id === null ? 'none' : `order ${id} at ${price ?? 'no price'}`);
    const local = shown(here?.orderId ?? null, here === null || here.price === null ? null : format(here.price));
    const broker = shown(trade.stopLossOrderId, there === null || there.price === null ? null : format(there.price));
    if (trade.stopLossOrderId !== null && local === broker) return [];
    return [difference(ledger, trade.stopLossOrderId === null ? 'stopMissing' : 'stopChanged', `trade ${trade.tradeId}`, local, broker, [trade.tradeId, ...(here === null ? [] : [here.orderId])])];
  });
}

function compareSums(ledger: Ledger, account: Pick<AccountSummary, 'balance' | 'realisedPl' | 'financing' | 'commission'>): readonly Difference[] {
  return [
    ...compareText(ledger, 'balance', 'balance', format(ledger.balance), format(account.balance)),
    ...compareText(ledger, 'profit', 'realised profit', format(ledger.realisedPl), format(account.realisedPl)),
    ...compareText(ledger, 'profit', 'financing', format(ledger.financing), format(account.financing)),
    ...compareText(ledger, 'profit', 'commission', format(ledger.commission), format(account.commission)),
    ...ledger.unexplained.map((entry) => difference(ledger, 'unexplainedBalance', unexplainedSubject(entry), format(entry.expected), format(entry.reported), [String(entry.transactionId)])),
  ];
}
