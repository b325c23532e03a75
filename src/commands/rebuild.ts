/** Every read model, folded anew from the log alone. */
import { MemoryReadModels } from '../../adapters/memory/read-models.ts';
import type { EventStore } from '../../domain/log.ts';
import { ALL_PROJECTIONS } from '../../projections/index.ts';
import { stateHash } from '../../projections/state-hash.ts';
import type { StateHash } from '../../projections/state-hash.ts';
import { eventsOf } from '../daemon/recovery.ts';

/**
 * @param untilPosition the last event to fold.
 * @param progress told how many events are done.
 * @throws EventFormatError for an event that this build cannot read: a rebuild passes nothing over.
 */
export async function rebuildReadModels(store: EventStore, untilPosition: number, progress: (done: number) => void): Promise<MemoryReadModels> {
  const rebuilt = new MemoryReadModels(ALL_PROJECTIONS);
  for await (const { recorded } of eventsOf(store)) {
    if (recorded.position > untilPosition) break;
    rebuilt.fold([recorded]);
    progress(recorded.position + 1);
  }
  return rebuilt;
}

export const rebuildStateHash = async (store: EventStore, untilPosition: number, progress: (done: number) => void): Promise<StateHash> =>
  stateHash(ALL_PROJECTIONS, await rebuildReadModels(store, untilPosition, progress));
