/**
 * Reconciliation: the ledger folded at id k against the broker's own snapshot at the same id k.
 *
 * Tolerance is zero. A difference is an event and stops new exposure; nothing is corrected by guessing, because
 * the ledger is made of the broker's transactions and a real difference means that one side is not understood.
 */
import type { AccountSnapshot } from './broker.ts';
import type { DataOf } from './events.ts';
import type { Ledger } from './ledger.ts';
import { netUnits, unexplainedSubject } from './ledger.ts';
import type { InstrumentName } from './instruments.ts';
import { format } from './money.ts';

export type Discrepancy = Omit<DataOf<'DiscrepancyDetected'>, 'reconciliationId'>;

export const CHECKS = ['account', 'currency', 'hedging', 'trades', 'positions', 'pendingOrders', 'stops', 'balance', 'balanceExplained'] as const;

export interface Expectation {
  readonly accountId: string;
  readonly currency: string;
  /** Trades of ours, each of which must have a protective stop at the broker. */
  readonly ourTradeIds: ReadonlySet<string>;
}

/** Every difference between ledger and snapshot; both must stand at the same transaction id. */
export function compareWithSnapshot(ledger: Ledger, snapshot: AccountSnapshot, expectation: Expectation): readonly Discrepancy[] {
  if (snapshot.lastTransactionId !== ledger.lastTransactionId) {
    throw new Error(`snapshot at ${snapshot.lastTransactionId} cannot be compared with the ledger at ${ledger.lastTransactionId}`);
  }
  return [
    ...compareText('account', 'account id', expectation.accountId, snapshot.accountId),
    ...compareText('currency', 'home currency', expectation.currency, snapshot.currency),
    ...compareText('currency', 'ledger currency', ledger.currency ?? 'none', snapshot.currency),
    ...compareText('hedging', 'hedging', 'false', String(snapshot.hedgingEnabled)),
    ...compareTrades(ledger, snapshot),
    ...comparePositions(ledger, snapshot),
    ...compareText('pendingOrders', 'pending order ids', idList(ledger.pendingOrders.keys()), idList(snapshot.pendingOrderIds)),
    ...compareStops(ledger, snapshot, expectation.ourTradeIds),
    ...compareText('balance', 'balance', format(ledger.balance), format(snapshot.balance)),
    ...ledger.unexplained.map((entry) => critical('unexplainedBalance', unexplainedSubject(entry), format(entry.expected), format(entry.reported))),
  ];
}

const critical = (kind: Discrepancy['kind'], subject: string, local: string, broker: string): Discrepancy => ({
  kind,
  subject,
  local: local.slice(0, 2_000),
  broker: broker.slice(0, 2_000),
  severity: 'critical',
});

const compareText = (kind: Discrepancy['kind'], subject: string, local: string, broker: string): readonly Discrepancy[] =>
  local === broker ? [] : [critical(kind, subject, local, broker)];

const idList = (ids: Iterable<string>): string => [...ids].sort((left, right) => Number(left) - Number(right)).join(',');

function compareTrades(ledger: Ledger, snapshot: AccountSnapshot): readonly Discrepancy[] {
  const found: Discrepancy[] = [];
  const theirs = new Map(snapshot.trades.map((trade) => [trade.tradeId, trade]));
  for (const trade of ledger.openTrades.values()) {
    const other = theirs.get(trade.tradeId);
    if (other === undefined) found.push(critical('missingThere', `trade ${trade.tradeId}`, format(trade.units), 'none'));
    else if (other.units !== trade.units || other.instrument !== trade.instrument) {
      found.push(critical('tradeUnits', `trade ${trade.tradeId}`, `${format(trade.units)} ${trade.instrument}`, `${format(other.units)} ${other.instrument}`));
    }
  }
  for (const trade of snapshot.trades) {
    if (!ledger.openTrades.has(trade.tradeId)) found.push(critical('missingHere', `trade ${trade.tradeId}`, 'none', `${format(trade.units)} ${trade.instrument}`));
  }
  return found;
}

function comparePositions(ledger: Ledger, snapshot: AccountSnapshot): readonly Discrepancy[] {
  const theirs = new Map<InstrumentName, bigint>();
  for (const trade of snapshot.trades) theirs.set(trade.instrument, (theirs.get(trade.instrument) ?? 0n) + trade.units);
  const instruments = new Set([...theirs.keys(), ...[...ledger.openTrades.values()].map((trade) => trade.instrument)]);
  return [...instruments].flatMap((instrument) => {
    const local = netUnits(ledger, instrument);
    const broker = (theirs.get(instrument) ?? 0n) as typeof local;
    return local === broker ? [] : [critical('positionUnits', instrument, format(local), format(broker))];
  });
}

function compareStops(ledger: Ledger, snapshot: AccountSnapshot, ourTradeIds: ReadonlySet<string>): readonly Discrepancy[] {
  return snapshot.trades
    .filter((trade) => ourTradeIds.has(trade.tradeId) && ledger.openTrades.has(trade.tradeId) && trade.stopLossOrderId === null)
    .map((trade) => critical('stopMissing', `trade ${trade.tradeId}`, 'a protective stop', 'none'));
}
