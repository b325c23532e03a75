/**
 * Keeps the projections' rows beside the log. While the daemon runs, rows move in the same transaction as the
 * events that move them; after an interruption or a change of version they catch up from the log, in pages.
 *
 * A projection that fails is rolled back to a savepoint of its own and marked broken with the reason, until its
 * version is raised. It can never block an append: read models serve people, the log serves the account.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { RecordedEvent } from '../../domain/log.ts';
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
  readonly #moveAll: StatementSync;
  readonly #moveOne: StatementSync;
  readonly #markBroken: StatementSync;

  /** Creates missing tables and empties those of another version. */
  constructor(database: DatabaseSync, projections: readonly Projection[]) {
    this.#database = database;
    this.#savepoint = database.prepare('SAVEPOINT projection');
    this.#release = database.prepare('RELEASE projection');
    this.#rollback = database.prepare('ROLLBACK TO projection');
    this.#moveAll = database.prepare('UPDATE projections SET position = ? WHERE active = 1 AND broken IS NULL');
    this.#moveOne = database.prepare('UPDATE projections SET position = ? WHERE name = ?');
    this.#markBroken = database.prepare('UPDATE projections SET broken = ? WHERE name = ?');
    this.#transaction(() => {
      // Rows of projections that this build does not know stay as they are and stop moving.
      database.exec('UPDATE projections SET active = 0');
      for (const projection of projections) this.#tracked.push(this.#track(projection));
    });
  }

  #track(projection: Projection): Tracked {
    const shape = shapeOf(projection);
    const kept = this.#database.prepare('SELECT shape, position, broken FROM projections WHERE name = ?').get(projection.name);
    if (kept?.['shape'] === shape && ProjectionTable.stands(this.#database, projection)) {
      this.#database.prepare('UPDATE projections SET active = 1 WHERE name = ?').run(projection.name);
      return { table: new ProjectionTable(this.#database, projection), position: Number(kept['position']), broken: kept['broken'] !== null };
    }
    ProjectionTable.drop(this.#database, projection);
    ProjectionTable.create(this.#database, projection);
    this.#database.prepare('INSERT OR REPLACE INTO projections (name, shape, position, active, broken) VALUES (?, ?, -1, 1, NULL)').run(projection.name, shape);
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
    let from = Math.min(...this.#tracked.filter((one) => !one.broken).map((one) => one.position));
    if (from === Infinity) return;
    this.#database.exec('PRAGMA synchronous = NORMAL');
    for (let page = readPage(from, PAGE_EVENTS); page.length > 0; page = readPage(from, PAGE_EVENTS)) {
      from = page.at(-1)!.position;
      this.#transaction(() => {
        this.#apply(page);
        for (const one of this.#tracked) if (!one.broken && one.position === from) this.#moveOne.run(from, one.table.projection.name);
      });
    }
    this.#database.exec('PRAGMA synchronous = FULL');
  }

  /**
   * Applies an append's events, inside its transaction. All working projections are level with the log here,
   * so one statement moves all their checkpoints.
   */
  project(events: readonly RecordedEvent[]): void {
    if (this.#tracked.length === 0) return;
    this.#apply(events);
    this.#moveAll.run(events.at(-1)!.position);
  }

  /** Folds events into the touched rows of each projection that has not seen them, then stores those rows. */
  #apply(events: readonly RecordedEvent[]): void {
    const last = events.at(-1)!.position;
    const folds = this.#tracked.filter((one) => !one.broken && one.position < last).map((one) => new Fold(one));
    for (const recorded of events) {
      let projected: ProjectedEvent | null;
      try {
        projected = projectedOf(recorded);
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
      this.#break(one, error);
    }
    this.#release.run();
  }

  #break(one: Tracked, error: unknown): void {
    if (isMediaFailure(error)) throw error;
    one.broken = true;
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    this.#markBroken.run(reason.slice(0, REASON_CHARACTERS_MAX), one.table.projection.name);
  }
}
