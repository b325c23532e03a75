/** The broker's own record of its faults: the plan, and every beginning, strike and end, one JSON line each. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Body } from '../engine/bodies.ts';

/** Entries kept for whoever asks over HTTP; the file has them all. */
const KEPT_MAX = 10_000;

export class FaultLog {
  readonly #file: number | null;
  #kept: Body[] = [];
  #total = 0;

  /** Appends to the file, which only its owner can read; with null the log is kept in memory alone. @throws Error when the file cannot be opened. */
  constructor(file: string | null) {
    this.#file = file === null ? null : openSync(file, 'a', 0o600);
  }

  /** @throws Error when the file cannot be written: a fault without a record would be a riddle. */
  append(entry: Body): void {
    if (this.#file !== null) writeSync(this.#file, `${JSON.stringify(entry)}\n`);
    this.#total += 1;
    this.#kept.push(entry);
    if (this.#kept.length >= 2 * KEPT_MAX) this.#kept = this.#kept.slice(-KEPT_MAX);
  }

  /** Entries from the `first` on (counted from 0), as far as they are kept, and how many there have been. */
  from(first: number): { readonly total: number; readonly first: number; readonly entries: readonly Body[] } {
    const start = Math.max(first, this.#total - this.#kept.length);
    return { total: this.#total, first: start, entries: this.#kept.slice(start - (this.#total - this.#kept.length)) };
  }

  close(): void {
    if (this.#file !== null) closeSync(this.#file);
  }
}
