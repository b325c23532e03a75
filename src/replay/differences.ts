/** Where a recorded value and the one that was made again part. */

export interface Difference {
  /** Path within the event's data, such as `search.visits[1]`. */
  readonly field: string;
  readonly recorded: string;
  readonly recomputed: string;
}

const TEXT_MAX = 80;

/** A value in a line of text: long ones cut, what is absent said so. */
function shown(value: unknown): string {
  const text = typeof value === 'string' ? value : value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}… (${text.length} characters)`;
}

type Branch = { readonly [key: string]: unknown };

const isBranch = (value: unknown): value is Branch => typeof value === 'object' && value !== null;

/** The leaves in which two values of an event's data differ, in the order of the first one's fields. */
export function differences(recorded: unknown, recomputed: unknown, field = ''): readonly Difference[] {
  if (recorded === recomputed) return [];
  if (!isBranch(recorded) || !isBranch(recomputed) || Array.isArray(recorded) !== Array.isArray(recomputed)) {
    return [{ field, recorded: shown(recorded), recomputed: shown(recomputed) }];
  }
  const keys = new Set([...Object.keys(recorded), ...Object.keys(recomputed)]);
  return [...keys].flatMap((key) => differences(recorded[key], recomputed[key], fieldWithin(recorded, field, key)));
}

const fieldWithin = (branch: Branch, field: string, key: string): string => (Array.isArray(branch) ? `${field}[${key}]` : field === '' ? key : `${field}.${key}`);
