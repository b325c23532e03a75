/** Telling of a difference together with what the rules say is to be done about it. */
import type { CorrectionRule } from '../events.ts';
import type { Difference } from '../reconciliation.ts';
import { RULES } from '../reconciliation.ts';
import type { DeskSettings } from '../settings.ts';
import type { Draft } from './draft.ts';

/** The table's rule, as the configuration has it. */
export function ruleOf(kind: Difference['kind'], settings: DeskSettings): CorrectionRule {
  const { rule, haltCause } = RULES[kind];
  if (rule === 'recreateStop' && settings.reconciliation.onLostStop === 'close') return 'flatten';
  if (rule === 'reduce' && settings.safety.dispositions[haltCause] === 'flatten') return 'flatten';
  return rule;
}

/** @param reconciliationId null when the ledger itself showed it. */
export function tellDiscrepancy(draft: Draft, reconciliationId: string | null, found: Difference): void {
  const rule = ruleOf(found.kind, draft.state.settings);
  draft.tell({ type: 'DiscrepancyDetected', data: { reconciliationId, ...found, severity: rule === 'note' ? 'warning' : 'critical', rule } }, { actor: 'reconciler' });
}
