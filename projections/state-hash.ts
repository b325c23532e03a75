/**
 * One hash for the content of the read models, the same wherever the rows are kept: live rows beside the log
 * and rows folded afresh in memory agree exactly when their hashes do.
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../domain/canonical.ts';
import type { Projection, Row } from '../domain/projection.ts';

/** Anything that can hand out a projection's rows, ordered by the UTF-8 bytes of their keys. */
export interface RowSource {
  allRows(projection: string): Iterable<Row>;
}

export interface StateHash {
  /** SHA-256 over the sorted lines `projection hash`. */
  readonly total: string;
  readonly byProjection: { readonly [projection: string]: string };
}

/** SHA-256 over each row's canonical JSON and a line feed, in key order, behind a line that names the columns. */
function hashRows(projection: Projection, rows: Iterable<Row>): string {
  const hasher = createHash('sha256').update(`${projection.name} ${canonicalJson(projection.columns)}\n`);
  let before: Buffer | null = null;
  for (const row of rows) {
    const key = Buffer.from(String(row[projection.key]));
    if (before !== null && Buffer.compare(before, key) >= 0) throw new RangeError(`${projection.name}: row ${key.toString()} is not in key order`);
    before = key;
    hasher.update(`${canonicalJson(row)}\n`);
  }
  return hasher.digest('hex');
}

export function stateHash(projections: readonly Projection[], source: RowSource): StateHash {
  const hashes = projections.map((projection) => [projection.name, hashRows(projection, source.allRows(projection.name))] as const);
  const lines = hashes.map(([name, hash]) => `${name} ${hash}\n`).sort();
  return { total: createHash('sha256').update(lines.join('')).digest('hex'), byProjection: Object.fromEntries(hashes) };
}
