/** The policy's model on the desk: the health of what it decides, and its replacement while the daemon runs. */
import { healthAlerts } from '../health.ts';
import type { Draft } from './draft.ts';
import type { DeskState } from './state.ts';
import { bookOf } from './state.ts';

/** Raises an alert for each symptom that this step brought. */
export function tellHealth(draft: Draft, before: DeskState): void {
  for (const [instrument, { health }] of before.books) {
    draft.tellAll(healthAlerts(health, bookOf(draft.state, instrument).health, instrument, draft.state.settings.health));
  }
}
