/**
 * The head witness: a small file beside the database that remembers how far the log had come.
 *
 * What it detects: a database that was restored from an older copy, replaced, or cut short while the witness
 * stayed. What it cannot detect: both replaced together; that is what anchors kept elsewhere are for.
 *
 * It is written in place soon after each commit and without an fsync of its own. That is cheap, and safe in the
 * one direction that matters: the commit is on the disk before the witness is written, so after a crash or a power
 * loss the witness may be older than the database, never newer. An older witness is simply rewritten, because the
 * database is the truth there. Two slots in different disk pages are written in turn, each with a checksum, so
 * that a write torn by a power loss leaves the other slot whole.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { hash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { StoreError } from '../../domain/log.ts';

const SLOT_BYTES = 4096;
const CHECKSUM_DIGITS = 16;
const LINE = /^reckoner head +(-?\d+) ([0-9a-f]{64}) ([0-9a-f]{16})\n/;

/** How far a log had come: the sequence of its last event (-1 for none) and its head hash. */
export interface WitnessedHead {
  readonly sequence: number;
  readonly hash: string;
}

function line(head: WitnessedHead): string {
  const body = `reckoner head ${String(head.sequence).padStart(16)} ${head.hash} `;
  return `${body}${hash('sha256', body).slice(0, CHECKSUM_DIGITS)}\n`;
}

function readSlot(text: string): WitnessedHead | null {
  const match = LINE.exec(text);
  if (match === null) return null;
  const head = { sequence: Number(match[1]), hash: match[2]! };
  return text.startsWith(line(head)) ? head : null;
}

const witnessFile = (directory: string): string => join(directory, 'head.witness');

/** The newest head that the witness holds; null when there is no witness. */
export function readWitness(directory: string): WitnessedHead | null {
  const file = witnessFile(directory);
  if (!existsSync(file)) return null;
  const bytes = readFileSync(file, 'latin1');
  const slots = [readSlot(bytes), readSlot(bytes.slice(SLOT_BYTES))].filter((slot) => slot !== null);
  const newest = slots.reduce<WitnessedHead | null>((best, slot) => (best === null || slot.sequence > best.sequence ? slot : best), null);
  if (newest === null) throw new StoreError(`${file} is damaged in both of its slots: verify the log against an anchor, then remove this file and start again`);
  return newest;
}

export class HeadWitness {
  readonly #file: number;
  #slot: 0 | 1 = 0;

  /** Starts the witness afresh at a head, atomically: a crash in between leaves the one that was there. */
  constructor(directory: string, head: WitnessedHead) {
    const file = witnessFile(directory);
    const fresh = `${file}.new`;
    this.#file = openSync(fresh, 'w', 0o640);
    const bytes = Buffer.alloc(2 * SLOT_BYTES, ' ');
    bytes.write(line(head), 0, 'latin1');
    bytes.write(line(head), SLOT_BYTES, 'latin1');
    writeSync(this.#file, bytes);
    fsyncSync(this.#file);
    renameSync(fresh, file);
    const directoryHandle = openSync(dirname(file), 'r');
    fsyncSync(directoryHandle);
    closeSync(directoryHandle);
  }

  write(head: WitnessedHead): void {
    writeSync(this.#file, line(head), this.#slot * SLOT_BYTES, 'latin1');
    this.#slot = this.#slot === 0 ? 1 : 0;
  }

  close(): void {
    closeSync(this.#file);
  }
}
