/** What the policy decided, counted by instrument, action, mode and rule; and the bars without a decision, by reason. */
import type { Projection } from '../domain/projection.ts';
import { count } from './cells.ts';

export const decisions: Projection = {
  name: 'decisions',
  version: 1,
  key: 'id',
  columns: { id: 'TEXT', instrument: 'TEXT', action: 'TEXT', mode: 'TEXT', rule: 'TEXT', decisions: 'INTEGER', last_decision_id: 'TEXT', last_bar_start: 'TEXT', model_label: 'TEXT' },
  keysOf: ({ event }) => (event.type === 'DecisionMade' ? [`${event.data.instrument} ${event.data.action} ${event.data.mode} ${event.data.rule}`] : []),
  apply(row, { event }, key) {
    if (event.type !== 'DecisionMade') return row;
    const { instrument, action, mode, rule, decisionId, barStart, modelLabel } = event.data;
    return { id: key, instrument, action, mode, rule, decisions: count(row, 'decisions') + 1, last_decision_id: decisionId, last_bar_start: barStart, model_label: modelLabel };
  },
};

export const decisionSkips: Projection = {
  name: 'decision_skips',
  version: 1,
  key: 'id',
  columns: { id: 'TEXT', instrument: 'TEXT', reason: 'TEXT', skips: 'INTEGER', last_bar_start: 'TEXT', last_detail: 'TEXT' },
  keysOf: ({ event }) => (event.type === 'DecisionSkipped' ? [`${event.data.instrument} ${event.data.reason}`] : []),
  apply(row, { event }, key) {
    if (event.type !== 'DecisionSkipped') return row;
    const { instrument, reason, barStart, detail } = event.data;
    return { id: key, instrument, reason, skips: count(row, 'skips') + 1, last_bar_start: barStart, last_detail: detail };
  },
};
