/** One row for each run of the daemon: what ran, since when, and how it ended. */
import type { Projection } from '../domain/projection.ts';

export const runs: Projection = {
  name: 'runs',
  version: 2,
  key: 'id',
  columns: {
    id: 'TEXT', epoch: 'INTEGER', run_id: 'TEXT', started_at: 'TEXT', previous_run: 'TEXT', down_ms: 'INTEGER', build: 'TEXT', node_version: 'TEXT', config_hash: 'TEXT', model_hash: 'TEXT',
    model_label: 'TEXT', account_id: 'TEXT', environment: 'TEXT', stopped_at: 'TEXT', stop_reason: 'TEXT', exit_code: 'INTEGER',
  },
  keysOf: (projected) => (projected.event.type === 'DaemonStarted' || projected.event.type === 'DaemonStopped' ? [projected.metadata.runId] : []),
  apply(row, { event, metadata }, key) {
    if (event.type === 'DaemonStarted') {
      const { previousRun, downMs, build, nodeVersion, configHash, modelHash, modelLabel, accountId, environment } = event.data;
      return {
        id: key, epoch: metadata.epoch, run_id: metadata.runId, started_at: metadata.occurredAt, previous_run: previousRun, down_ms: downMs, build, node_version: nodeVersion, config_hash: configHash,
        model_hash: modelHash, model_label: modelLabel, account_id: accountId, environment, stopped_at: null, stop_reason: null, exit_code: null,
      };
    }
    // An end without a start has nothing to say of a run: the row stays absent.
    if (event.type !== 'DaemonStopped' || row === null) return row;
    return { ...row, stopped_at: metadata.occurredAt, stop_reason: event.data.reason, exit_code: event.data.exitCode };
  },
};
