/** Told after every durable step: metrics and log lines. Only allow-listed fields are logged, never whole bodies. */
import type { Logger } from 'pino';
import type { Metrics } from '../../adapters/control/metrics.ts';
import { conditionsOf } from '../../domain/desk/conditions.ts';
import type { Emission } from '../../domain/desk/inputs.ts';
import type { DeskState } from '../../domain/desk/state.ts';
import type { DomainEvent } from '../../domain/events.ts';
import { netUnits } from '../../domain/ledger.ts';
import { barEnd } from '../../domain/market.ts';
import { parseInstant } from '../../domain/time.ts';
import { readinessOf } from './status.ts';

/** What came of an order, for the counter; null for facts that are no end. */
function orderOutcome(event: DomainEvent): 'filled' | 'rejected' | 'cancelled' | 'abandoned' | 'unknown' | null {
  switch (event.type) {
    case 'OrderFilled':
      return 'filled';
    case 'OrderRejected':
      return 'rejected';
    case 'OrderCancelled':
      return 'cancelled';
    case 'OrderAbandoned':
      return 'abandoned';
    case 'OrderOutcomeUnknown':
      return 'unknown';
    default:
      return null;
  }
}

function count(metrics: Metrics, { event, occurredAt }: Emission): void {
  metrics.eventRecorded(event.type);
  const outcome = orderOutcome(event);
  if (outcome !== null) metrics.orderEnded(outcome);
  if (event.type === 'ModelSwapped') metrics.modelChanged(event.data.modelLabel);
  if (event.type === 'OrderDenied') metrics.orderDenied(event.data.guard);
  if (event.type === 'MarketBarClosed') metrics.barClosed(event.data.instrument, barEnd(parseInstant(event.data.start)));
  if (event.type === 'ReconciliationCompleted') metrics.reconciled(event.data, occurredAt);
}

export function observeWith(metrics: Metrics, logger: Logger): (state: DeskState, told: readonly Emission[]) => void {
  return (state, told) => {
    for (const emission of told) {
      count(metrics, emission);
      logEvent(logger, emission);
    }
    for (const [instrument, quote] of state.live.quotes) metrics.quoteSeen(instrument, quote.at);
    metrics.conditionsChanged(conditionsOf(state).map(({ condition }) => condition));
    if (state.live.link.clockOffsetMs !== null) metrics.clockMeasured(state.live.link.clockOffsetMs);
    if (told.length === 0) return;
    metrics.modeChanged(state.safety.mode);
    metrics.readyChanged(readinessOf(state).ready);
    metrics.balanceChanged(state.ledger.balance);
    for (const instrument of state.books.keys()) metrics.positionChanged(instrument, netUnits(state.ledger, instrument));
  };
}

function logEvent(logger: Logger, { event, correlationId, actor }: Emission): void {
  const line = { event: event.type, correlationId, actor };
  switch (event.type) {
    case 'TradingHalted':
      return logger.error({ ...line, cause: event.data.cause, disposition: event.data.disposition, detail: event.data.detail }, 'trading halted');
    case 'DiscrepancyDetected':
      return logger.error({ ...line, kind: event.data.kind, subject: event.data.subject, local: event.data.local, broker: event.data.broker }, 'ledger and broker differ');
    case 'AlertRaised':
      return logger.warn({ ...line, code: event.data.code, severity: event.data.severity, detail: event.data.detail }, 'alert');
    case 'OrderIntended':
      return logger.info({ ...line, clientOrderId: event.data.clientOrderId, leg: event.data.leg, cause: event.data.cause, units: event.data.units, instrument: event.data.instrument }, 'order intended');
    case 'OrderFilled':
    case 'OrderPartiallyFilled':
      return logger.info({ ...line, clientOrderId: event.data.clientOrderId, units: event.data.units, price: event.data.price, pl: event.data.pl, late: event.data.late }, event.type === 'OrderFilled' ? 'order filled' : 'order filled in part');
    case 'OrderDenied':
      return logger.info({ ...line, guard: event.data.guard, leg: event.data.leg, instrument: event.data.instrument }, 'order denied');
    case 'OrderOutcomeUnknown':
      return logger.warn({ ...line, clientOrderId: event.data.clientOrderId, cause: event.data.cause }, 'order outcome unknown');
    case 'OrderRejected':
      return logger.warn({ ...line, clientOrderId: event.data.clientOrderId, reason: event.data.reason }, 'order rejected');
    case 'FeedDisconnected':
      return logger.warn({ ...line, feed: event.data.feed, detail: event.data.detail }, 'stream down');
    case 'TradingArmed':
    case 'TradingDisarmed':
    case 'TradingResumed':
      return logger.warn({ ...line, operator: event.data.operator, reason: event.data.reason }, 'operator');
    case 'CommandRequested':
      return logger.warn({ ...line, operator: event.data.operator, reason: event.data.reason, verb: event.data.verb }, 'operator asks for a second one');
    case 'CommandSeconded':
      return logger.warn({ ...line, operator: event.data.operator, reason: event.data.reason, verb: event.data.verb, requestedBy: event.data.requestedBy }, 'second operator');
    case 'CommandRequestLapsed':
      return logger.warn({ ...line, operator: event.data.operator, verb: event.data.verb, cause: event.data.cause, by: event.data.by }, 'request is void');
    case 'ModelSwapped':
      return logger.warn({ ...line, operator: event.data.operator, reason: event.data.reason, model: event.data.modelLabel, modelHash: event.data.modelHash }, 'model swapped');
    case 'ModelRejected':
      return logger.error({ ...line, check: event.data.check, detail: event.data.detail }, 'model refused');
    case 'DaemonStarted':
      return logger.info({ ...line, epoch: event.data.epoch, previousRun: event.data.previousRun, model: event.data.modelLabel, build: event.data.build }, 'daemon started');
    case 'TradingObserving':
    case 'TradingReducing':
      return logger.warn({ ...line, cause: event.data.cause }, 'mode changed');
    default:
      return logger.debug(line, 'recorded');
  }
}
