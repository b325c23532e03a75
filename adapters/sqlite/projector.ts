/**
 * Keeps the projections' rows beside the log. While the daemon runs, rows move in the same transaction as the
 * events that move them; after an interruption or a change of version they catch up from the log, in pages.
 *
 * `projections.state` says how to read `position`. `live`: the rows move with the log, so their checkpoint is the
 * log's head and `position` is not kept up. `behind` (catching up), `away` (this build lacks the projection) and
 * `broken`: `position` is the last event in the rows.
 *
 * A projection that fails is rolled back to a savepoint of its own and marked broken with the reason, until the
 * next start rebuilds it from the log. It can never block an append: read models serve people, the log serves the account.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { EventDraft, RecordedEvent } from '../../domain/log.ts';
import type { ProjectedEvent, Projection, Row } from '../../domain/projection.ts';
import { foldEvent, projectedOf } from '../../domain/read-model.ts';
import type { TouchedRows } from '../../domain/read-model.ts';
import { isMediaFailure } from './database.ts';
import { ProjectionTable, shapeOf } from './tables.ts';

const PAGE_EVENTS = 1_000;
const REASON_CHARACTERS_MAX = 500;

interface Tracked {
  readonly table: ProjectionTable;
  position: number;
  broken: boolean;
}

/** One projection's part in applying some events. */
class Fold {
  readonly tracked: Tracked;
  readonly rows: TouchedRows = new Map();
  readonly load: (key: string) => Row | null;

  constructor(tracked: Tracked) {
    this.tracked = tracked;
    this.load = (key) => tracked.table.load(key);
  }
}

export type ReadPage = (afterPosition: number, countMax: number) => readonly RecordedEvent[];

export class Projector {
  readonly #database: DatabaseSync;
  readonly #tracked: Tracked[] = [];
  readonly #savepoint: StatementSync;
  readonly #release: StatementSync;
  readonly #rollback: StatementSync;
  readonly #move: StatementSync;
  readonly #markBroken: StatementSync;

  /**
   * Creates missing tables and empties those of another version.
   *
   * @param headPosition of the log's last event, -1 for none.
   */
  constructor(database: DatabaseSync, projections: readonly Projection[], headPosition: number) {
    this.#database = database;
    this.#savepoint = database.prepare('SAVEPOINT projection');
    this.#release = database.prepare('RELEASE projection');
    this.#rollback = database.prepare('ROLLBACK TO projection');
    this.#move = database.prepare('UPDATE projections SET state = ?, position = ? WHERE name = ?');
    this.#markBroken = database.prepare("UPDATE projections SET state = 'broken', position = ?, broken = ? WHERE name = ?");
    this.#transaction(() => {
      // Rows of projections that this build does not know stay as they are and stop moving.
      database.prepare("UPDATE projections SET state = 'away', position = ? WHERE state = 'live'").run(headPosition);
      database.exec("UPDATE projections SET state = 'away' WHERE state = 'behind'");
      for (const projection of projections) this.#tracked.push(this.#track(projection));
    });
  }

  #track(projection: Projection): Tracked {
    const shape = shapeOf(projection);
    const kept = this.#database.prepare('SELECT shape, position, broken FROM projections WHERE name = ?').get(projection.name);
    if (kept?.['shape'] === shape && kept['broken'] === null && ProjectionTable.stands(this.#database, projection)) {
      this.#database.prepare("UPDATE projections SET state = 'behind' WHERE name = ?").run(projection.name);
      return { table: new ProjectionTable(this.#database, projection), position: Number(kept['position']), broken: false };
    }
    ProjectionTable.drop(this.#database, projection);
    ProjectionTable.create(this.#database, projection);
    this.#database.prepare("INSERT OR REPLACE INTO projections (name, shape, state, position, broken) VALUES (?, ?, 'behind', -1, NULL)").run(projection.name, shape);
    return { table: new ProjectionTable(this.#database, projection), position: -1, broken: false };
  }

  #transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.#database.exec('COMMIT');
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /**
   * Brings every projection level with the log, one transaction for each page. Read models can be made again, so
   * these commits do not wait for the disk: after a power loss the last pages are simply applied anew.
   */
  catchUp(readPage: ReadPage): void {
    const working = (): readonly Tracked[] => this.#tracked.filter((one) => !one.broken);
    let from = Math.min(...working().map((one) => one.position));
    this.#database.exec('PRAGMA synchronous = NORMAL');
    for (let page = readPage(from, PAGE_EVENTS); page.length > 0; page = readPage(from, PAGE_EVENTS)) {
      from = page.at(-1)!.position;
      this.#transaction(() => {
        this.apply(page);
        for (const one of working()) this.#move.run('behind', one.position, one.table.projection.name);
      });
    }
    this.#transaction(() => {
      for (const one of working()) this.#move.run('live', one.position, one.table.projection.name);
    });
    this.#database.exec('PRAGMA synchronous = FULL');
  }

  /**
   * Folds events into the touched rows of each projection that has not seen them, then stores those rows; within
   * the transaction of whoever calls.
   *
   * @param drafts what the events were made of, one for one, where they are being appended; none where they were read.
   */
  apply(events: readonly RecordedEvent[], drafts: readonly EventDraft[] = []): void {
    const last = events.at(-1)!.position;
    const folds = this.#tracked.filter((one) => !one.broken && one.position < last).map((one) => new Fold(one));
    for (const [index, recorded] of events.entries()) {
      let projected: ProjectedEvent | null;
      try {
        projected = projectedOf(recorded, drafts[index]);
      } catch (error) {
        // A row that cannot be read fails all projections alike.
        for (const fold of folds) this.#break(fold.tracked, error);
        return;
      }
      if (projected === null) continue;
      for (const fold of folds) if (!fold.tracked.broken) this.#fold(fold, projected);
    }
    for (const { tracked, rows } of folds) {
      if (!tracked.broken && rows.size > 0) this.#store(tracked, rows);
      if (!tracked.broken) tracked.position = last;
    }
  }

  #fold(fold: Fold, projected: ProjectedEvent): void {
    if (projected.recorded.position <= fold.tracked.position) return;
    try {
      foldEvent(fold.tracked.table.projection, projected, fold.rows, fold.load);
    } catch (error) {
      this.#break(fold.tracked, error);
    }
  }

  #store(one: Tracked, rows: TouchedRows): void {
    this.#savepoint.run();
    try {
      for (const [key, row] of rows) one.table.store(key, row);
    } catch (error) {
      if (isMediaFailure(error)) throw error;
      this.#rollback.run();
      one.table.forget();
      this.#break(one, error);
    }
    this.#release.run();
  }

  #break(one: Tracked, error: unknown): void {
    if (isMediaFailure(error)) throw error;
    one.broken = true;
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.#markBroken.run(one.position, reason.slice(0, REASON_CHARACTERS_MAX), one.table.projection.name);
  }
}
