/** Reconciliations counted by trigger and outcome, and every discrepancy that one found. */
import type { Projection } from '../domain/projection.ts';
import { count } from './cells.ts';

export const reconciliations: Projection = {
  name: 'reconciliations',
  version: 2,
  key: 'id',
  columns: { id: 'TEXT', trigger: 'TEXT', outcome: 'TEXT', reconciliations: 'INTEGER', discrepancies: 'INTEGER', last_id: 'TEXT', last_at: 'TEXT', last_transaction_id: 'TEXT', last_scope: 'TEXT', last_duration_ms: 'INTEGER', last_done: 'TEXT', last_detail: 'TEXT' },
  keysOf: ({ event }) => (event.type === 'ReconciliationCompleted' ? [`${event.data.trigger} ${event.data.outcome}`] : []),
  apply(row, { event, metadata }, key) {
    if (event.type !== 'ReconciliationCompleted') return row;
    const { trigger, outcome, discrepancies: found, reconciliationId, transactionId, scope, durationMs, done, detail } = event.data;
    return {
      id: key,
      trigger,
      outcome,
      reconciliations: count(row, 'reconciliations') + 1,
      discrepancies: count(row, 'discrepancies') + found,
      last_id: reconciliationId,
      last_at: metadata.occurredAt,
      last_transaction_id: transactionId,
      last_scope: scope,
      last_duration_ms: durationMs,
      last_done: done.join('; '),
      last_detail: detail,
    };
  },
};

export const discrepancies: Projection = {
  name: 'discrepancies',
  version: 2,
  key: 'id',
  columns: { id: 'TEXT', sequence: 'INTEGER', at: 'TEXT', reconciliation_id: 'TEXT', kind: 'TEXT', subject: 'TEXT', local: 'TEXT', broker: 'TEXT', severity: 'TEXT', rule: 'TEXT', transaction_ids: 'TEXT' },
  keysOf: ({ event, recorded }) => (event.type === 'DiscrepancyDetected' ? [recorded.id] : []),
  apply(row, { event, metadata }, key) {
    if (event.type !== 'DiscrepancyDetected') return row;
    const { reconciliationId, kind, subject, local, broker, severity, rule, transactionIds } = event.data;
    return { id: key, sequence: metadata.sequence, at: metadata.occurredAt, reconciliation_id: reconciliationId, kind, subject, local, broker, severity, rule, transaction_ids: transactionIds.join(',') };
  },
};
