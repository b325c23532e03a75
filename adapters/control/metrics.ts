/** What the daemon tells Prometheus. Names have the prefix `reckoner_` and base units; no id is ever a label. */
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import type { Clock } from '../../domain/clock.ts';
import { MODES } from '../../domain/events.ts';
import type { DataOf, EventType, Mode } from '../../domain/events.ts';
import { toNumber } from '../../domain/money.ts';
import type { Money, Units } from '../../domain/money.ts';
import type { Instant } from '../../domain/time.ts';

/** Default metrics whose names end in `_total` without being counters: promtool refuses them. */
const REFUSED_BY_PROMTOOL = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];
/** Seconds from a closed bar to its decision; the bar's next minute is the end of its use. */
const DECISION_BUCKETS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

const CONDITIONS = ['READ-ONLY', 'STALE'] as const;
type Condition = (typeof CONDITIONS)[number];

/** How `src` feeds the numbers; each call is cheap and never fails. */
export interface Metrics {
  eventRecorded(type: EventType): void;
  modelChanged(label: string): void;
  modeChanged(mode: Mode): void;
  readyChanged(ready: boolean): void;
  /** Conditions that hold beside the mode. */
  conditionsChanged(conditions: readonly Condition[]): void;
  /** The broker's clock minus ours. */
  clockMeasured(offsetMs: number): void;
  /** @param end end of the bar's minute. */
  barClosed(instrument: string, end: Instant): void;
  /** @param at the quote's own time; its age is worked out when the metrics are read. */
  quoteSeen(instrument: string, at: Instant): void;
  decisionMade(durationMs: number): void;
  orderEnded(outcome: 'filled' | 'rejected' | 'cancelled' | 'abandoned' | 'unknown'): void;
  orderDenied(guard: string): void;
  balanceChanged(balance: Money): void;
  positionChanged(instrument: string, units: Units): void;
  reconciled(completed: Pick<DataOf<'ReconciliationCompleted'>, 'outcome' | 'discrepancies' | 'durationMs'>, at: Instant): void;
}

export interface MetricsOptions {
  readonly clock: Clock;
  readonly build: string;
  readonly configHash: string;
  readonly modelLabel: string;
  readonly accountCurrency: string;
}

export interface MetricsRegistry extends Metrics {
  readonly contentType: string;
  /** The text that Prometheus scrapes. */
  exposition(): Promise<string>;
}

/** A registry of its own, so that two daemons in one process (a test) do not share numbers. */
export function createMetrics({ clock, build, configHash, modelLabel, accountCurrency }: MetricsOptions): MetricsRegistry {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  for (const name of REFUSED_BY_PROMTOOL) registry.removeSingleMetric(name);

  const info = new Gauge({ name: 'reckoner_build_info', help: 'Constant 1; the labels say what is running.', labelNames: ['build', 'config_hash', 'model'], registers });
  const showModel = (model: string): void => {
    info.reset();
    info.set({ build, config_hash: configHash, model }, 1);
  };
  showModel(modelLabel);
  const events = new Counter({ name: 'reckoner_events_total', help: 'Events appended to the log.', labelNames: ['type'], registers });
  const modes = new Gauge({ name: 'reckoner_mode', help: '1 for the mode that holds, 0 for the others.', labelNames: ['mode'], registers });
  for (const mode of MODES) modes.set({ mode }, 0);
  const ready = new Gauge({ name: 'reckoner_ready', help: '1 when reconciled and following the market.', registers });
  const conditions = new Gauge({ name: 'reckoner_condition', help: '1 for a condition that holds: nothing is opened in it.', labelNames: ['condition'], registers });
  for (const condition of CONDITIONS) conditions.set({ condition }, 0);
  const clockOffset = new Gauge({ name: 'reckoner_clock_offset_seconds', help: 'The broker\'s clock minus ours.', registers });
  const lastBar = new Gauge({ name: 'reckoner_last_bar_timestamp_seconds', help: 'End of the newest closed bar.', labelNames: ['instrument'], registers });
  const quoteTimes = new Map<string, Instant>();
  new Gauge({
    name: 'reckoner_quote_age_seconds',
    help: 'Age of the newest quote.',
    labelNames: ['instrument'],
    registers,
    collect() {
      for (const [instrument, at] of quoteTimes) this.set({ instrument }, (clock.now() - at) / 1_000);
    },
  });
  const decisions = new Histogram({ name: 'reckoner_decision_duration_seconds', help: 'Time from a closed bar to its decision.', buckets: DECISION_BUCKETS_SECONDS, registers });
  const orders = new Counter({ name: 'reckoner_orders_total', help: 'Orders by how they ended.', labelNames: ['outcome'], registers });
  const denials = new Counter({ name: 'reckoner_denials_total', help: 'Orders that a guard stopped.', labelNames: ['guard'], registers });
  const balance = new Gauge({ name: 'reckoner_balance', help: 'Account balance in account currency.', labelNames: ['currency'], registers });
  const position = new Gauge({ name: 'reckoner_position_units', help: 'Signed units of the open position.', labelNames: ['instrument'], registers });
  const reconciliations = new Counter({ name: 'reckoner_reconciliations_total', help: 'Comparisons with the broker by outcome.', labelNames: ['outcome'], registers });
  const discrepancies = new Counter({ name: 'reckoner_discrepancies_total', help: 'Differences found between the ledger and the broker.', registers });
  const reconciliationTime = new Gauge({ name: 'reckoner_last_reconciliation_timestamp_seconds', help: 'When the ledger and the broker last agreed.', registers });
  const reconciliationDuration = new Gauge({ name: 'reckoner_last_reconciliation_duration_seconds', help: 'How long the newest comparison took.', registers });

  return {
    contentType: registry.contentType,
    exposition: () => registry.metrics(),
    eventRecorded: (type) => events.inc({ type }),
    modelChanged: showModel,
    modeChanged: (mode) => MODES.forEach((name) => modes.set({ mode: name }, name === mode ? 1 : 0)),
    readyChanged: (isReady) => ready.set(isReady ? 1 : 0),
    conditionsChanged: (holding) => CONDITIONS.forEach((condition) => conditions.set({ condition }, holding.includes(condition) ? 1 : 0)),
    clockMeasured: (offsetMs) => clockOffset.set(offsetMs / 1_000),
    barClosed: (instrument, end) => lastBar.set({ instrument }, end / 1_000),
    quoteSeen: (instrument, at) => void quoteTimes.set(instrument, at),
    decisionMade: (durationMs) => decisions.observe(durationMs / 1_000),
    orderEnded: (outcome) => orders.inc({ outcome }),
    orderDenied: (guard) => denials.inc({ guard }),
    balanceChanged: (amount) => balance.set({ currency: accountCurrency }, toNumber(amount)),
    positionChanged: (instrument, units) => position.set({ instrument }, toNumber(units)),
    reconciled: ({ outcome, discrepancies: count, durationMs }, at) => {
      reconciliations.inc({ outcome });
      discrepancies.inc(count);
      reconciliationDuration.set(durationMs / 1_000);
      if (outcome === 'agreed') reconciliationTime.set(at / 1_000);
    },
  };
}
