/** Read models in memory: the same projections, folded from the log alone; what replay compares the live rows with. */
import type { RecordedEvent } from '../../domain/log.ts';
import type { Projection, Row } from '../../domain/projection.ts';
import { foldEvent, projectedOf } from '../../domain/read-model.ts';
import type { TouchedRows } from '../../domain/read-model.ts';

interface Folded {
  readonly projection: Projection;
  readonly rows: TouchedRows;
}

export class MemoryReadModels {
  readonly #folded: ReadonlyMap<string, Folded>;
  #position = -1;

  constructor(projections: readonly Projection[]) {
    this.#folded = new Map(projections.map((projection) => [projection.name, { projection, rows: new Map() }]));
  }

  /** Position of the last event that was folded; -1 for none. */
  get position(): number {
    return this.#position;
  }

  /**
   * Folds the next events of the log, in order.
   *
   * @throws whatever a projection throws: a replay that cannot fold has failed.
   */
  fold(events: readonly RecordedEvent[]): void {
    for (const recorded of events) {
      const projected = projectedOf(recorded);
      this.#position = recorded.position;
      if (projected === null) continue;
      for (const { projection, rows } of this.#folded.values()) foldEvent(projection, projected, rows, () => null);
    }
  }

  /** Every row of a projection, ordered by its key's UTF-8 bytes. */
  *allRows(name: string): Generator<Row> {
    const folded = this.#folded.get(name);
    if (folded === undefined) throw new RangeError(`there is no projection ${name}; there are ${[...this.#folded.keys()].join(', ')}`);
    const keys = [...folded.rows.keys()].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)));
    for (const key of keys) {
      const row = folded.rows.get(key);
      if (row !== undefined && row !== null) yield row;
    }
  }
}
