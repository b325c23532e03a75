/**
 * A search as the log keeps it: its settings, what came of it, and the networks' heads, from which it runs again
 * without the networks.
 *
 * Heads are packed for each expansion in order, as little-endian float32: value, reward, number of logits, the
 * logits. Hidden states are left out, because the search hands them on without looking at them.
 */
import { ACTIONS } from '../../domain/policy.ts';
import type { ActionMask, Draw, Heads, SearchRecord, SearchSettings } from '../../domain/policy.ts';
import { DRAW_RANGE } from '../draws.ts';
import { chooseAction } from './choose.ts';
import type { Choice } from './choose.ts';
import { SearchError } from './options.ts';
import { createSearch } from './tree.ts';
import type { SearchResult, TreeSearch } from './tree.ts';

const FIXED = 3;
const LOGITS_MAX = 1_024;

/**
 * The search that these settings mean, acting: without noise at the root, and with Gumbel numbers only where some
 * were drawn.
 * @throws SearchError for settings out of range or a mask that forbids everything.
 */
export function searchWith({ kind, chanceCodes, simulations, discount, selection }: SearchSettings, noise: readonly number[] | null, mask: ActionMask): TreeSearch {
  return createSearch({
    kind, actions: ACTIONS.length, chanceCodes, simulations, discount,
    selection: selection.algorithm === 'puct' ? { ...selection, rootNoise: null } : { ...selection, noise },
  }, mask);
}

/** The choice from a result; the draw is that of the record, null where nothing was drawn. */
export const chooseWith = (settings: SearchSettings, result: SearchResult, mask: ActionMask, draw: Draw | null): Choice =>
  chooseAction(result, mask, settings, draw === null ? 0 : draw.value / DRAW_RANGE);

/**
 * Runs a recorded search again, from its settings and heads alone.
 * @throws SearchError when the heads are not those of a whole search.
 */
export function searchAgain(record: Pick<SearchRecord, 'settings' | 'noise' | 'headsBase64'>, mask: ActionMask, draw: Draw | null): { readonly result: SearchResult; readonly choice: Choice } {
  const search = searchWith(record.settings, record.noise, mask);
  for (const heads of unpackHeads(record.headsBase64)) search.supply(heads);
  const step = search.next();
  if (step.kind !== 'result') throw new SearchError(`headsBase64: ends before the ${record.settings.simulations} simulations do`);
  return { result: step.result, choice: chooseWith(record.settings, step.result, mask, draw) };
}

export function packHeads(expansions: readonly Heads[]): string {
  const length = expansions.reduce((sum, heads) => sum + FIXED + heads.logits.length, 0);
  const bytes = new DataView(new ArrayBuffer(length * 4));
  let offset = 0;
  const write = (value: number): void => {
    bytes.setFloat32(offset, value, true);
    offset += 4;
  };
  for (const heads of expansions) {
    write(heads.value);
    write(heads.reward);
    write(heads.logits.length);
    for (const logit of heads.logits) write(logit);
  }
  return Buffer.from(bytes.buffer).toString('base64');
}

/**
 * The heads of a recorded search, with empty states.
 * @throws SearchError for text that `packHeads` cannot have written, naming the expansion.
 */
export function unpackHeads(headsBase64: string): readonly Heads[] {
  const buffer = Buffer.from(headsBase64, 'base64');
  if (buffer.length % 4 !== 0 || buffer.toString('base64') !== headsBase64) {
    throw new SearchError(`headsBase64: ${buffer.length} bytes are no base64 of whole float32 numbers`);
  }
  const bytes = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  const count = buffer.length / 4;
  const read = (index: number): number => bytes.getFloat32(index * 4, true);
  const expansions: Heads[] = [];
  for (let index = 0; index < count;) {
    const logitCount = index + 2 < count ? read(index + 2) : Number.NaN;
    if (!Number.isInteger(logitCount) || logitCount < 1 || logitCount > LOGITS_MAX || index + FIXED + logitCount > count) {
      throw new SearchError(`headsBase64: expansion ${expansions.length} is cut off or names ${logitCount} logits`);
    }
    const first = index + FIXED;
    const logits = Float32Array.from({ length: logitCount }, (_, i) => read(first + i));
    expansions.push({ state: new Float32Array(0), value: read(index), reward: read(index + 1), logits });
    index = first + logitCount;
  }
  return expansions;
}
