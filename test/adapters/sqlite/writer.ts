/** A process of its own that appends to a store until it is killed or its disk fails; run by the crash tests. */
import { writeSync } from 'node:fs';
import { openSqliteStore } from '../../../adapters/sqlite/store.ts';
import { ALL_PROJECTIONS } from '../../../projections/index.ts';
import { draftsOf } from '../../contracts/event-store.ts';

const BATCHES_MAX = 100_000;
const directory = process.argv[2];
if (directory === undefined) throw new Error('usage: writer.ts DIRECTORY');

const store = openSqliteStore({ directory, projections: ALL_PROJECTIONS });
const head = await store.head();
const revisions = new Map(head.streams.map((stream) => [stream.stream, stream.revision]));
let sequence = head.sequence;
try {
  for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
    const entries = ['bars-a', 'bars-b'].map((stream, index) => {
      const count = 1 + ((batch + index) % 3);
      const expectedRevision = revisions.get(stream) ?? -1;
      revisions.set(stream, expectedRevision + count);
      const events = draftsOf(sequence + 1, count);
      sequence += count;
      return { stream, expectedRevision, events };
    });
    await store.append(entries);
    // Written at once and unbuffered: what the parent has read was acknowledged.
    writeSync(1, `${sequence}\n`);
  }
} catch (error) {
  writeSync(1, `failed ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}\n`);
  process.exitCode = 30;
}
