/** What every event store must do, whatever it is built on. Each adapter's test calls this with its own opener. */
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { GENESIS_HASH, StoreError, hashEvent, headHash } from '../../domain/log.ts';
import type { AppendOutcome, EventDraft, EventStore, LogListener, RecordedEvent, StreamAppend } from '../../domain/log.ts';

export interface StoreHarness {
  /** A store on an empty log. */
  open(): Promise<EventStore>;
  /** Closes every store of this harness and opens the last one's log again; null where nothing outlives a close. */
  reopen: (() => Promise<EventStore>) | null;
  /** Removes everything. */
  dispose(): Promise<void>;
}

/** A valid event whose content depends on its sequence, so that no two are alike. */
export function draftOf(sequence: number, seed = 0): EventDraft {
  const price = `1.${String(10_000 + ((sequence * 7 + seed) % 10_000)).padStart(5, '0')}`;
  const ohlc = { open: price, high: price, low: price, close: price };
  const start = new Date(Date.UTC(2026, 0, 5) + sequence * 60_000).toISOString().replace('.000Z', '.000000000Z');
  return {
    id: `00000000-0000-5000-8000-${String(sequence * 1_000 + seed).padStart(12, '0')}`,
    type: 'MarketBarClosed',
    schemaVersion: 1,
    data: { instrument: 'EUR_USD', granularity: 'M1', start, bid: ohlc, ask: ohlc, volume: 1 + (seed % 9) },
    metadata: {
      sequence,
      correlationId: 'bar',
      causationId: null,
      occurredAt: start,
      recordedAt: start,
      monotonicNs: String(sequence),
      clockOffsetMs: 0,
      actor: 'market',
      runId: 'run-1',
      epoch: 1,
      build: 'test',
      configHash: GENESIS_HASH,
      modelHash: GENESIS_HASH,
    },
  };
}

export const draftsOf = (from: number, count: number, seed = 0): EventDraft[] => Array.from({ length: count }, (_, index) => draftOf(from + index, seed));

const one = (stream: string, expectedRevision: number, events: readonly EventDraft[]): StreamAppend[] => [{ stream, expectedRevision, events }];

function appended(outcome: AppendOutcome): readonly RecordedEvent[] {
  if (outcome.kind !== 'appended') throw new Error(`expected an append, got a conflict on ${outcome.stream}`);
  return outcome.events;
}

/** Collects what a subscription delivers; `until` resolves once the log of calls is as long as asked. */
export class Collector implements LogListener {
  readonly calls: string[] = [];
  failure: Error | null = null;
  #waiting: { readonly calls: number; readonly resolve: () => void } | null = null;
  readonly #onEvent: (event: RecordedEvent) => void;

  constructor(onEvent: (event: RecordedEvent) => void = () => undefined) {
    this.#onEvent = onEvent;
  }

  #note(call: string): void {
    this.calls.push(call);
    if (this.#waiting !== null && this.calls.length >= this.#waiting.calls) this.#waiting.resolve();
  }

  event(event: RecordedEvent): void {
    this.#onEvent(event);
    this.#note(`${event.stream}@${event.revision}`);
  }

  caughtUp(): void {
    this.#note('caughtUp');
  }

  failed(error: Error): void {
    this.failure = error;
    this.#note('failed');
  }

  async until(calls: number): Promise<void> {
    if (this.calls.length >= calls) return;
    await new Promise<void>((resolve) => {
      this.#waiting = { calls, resolve };
    });
  }
}

/** Random batches as a plan: for each batch, stream numbers with event counts. */
export const batchPlans = fc.array(fc.array(fc.record({ stream: fc.integer({ min: 0, max: 3 }), events: fc.integer({ min: 0, max: 4 }) }), { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 });

/** Appends a plan's batches; returns everything that was acknowledged. */
export async function appendPlan(store: EventStore, plan: readonly (readonly { readonly stream: number; readonly events: number }[])[], seed: number): Promise<readonly RecordedEvent[]> {
  const revisions = new Map<string, number>();
  const all: RecordedEvent[] = [];
  let sequence = 0;
  for (const batch of plan) {
    const entries = batch.map((part): StreamAppend => {
      const stream = `bars-${part.stream}`;
      const expectedRevision = revisions.get(stream) ?? -1;
      revisions.set(stream, expectedRevision + part.events);
      const events = draftsOf(sequence, part.events, seed);
      sequence += part.events;
      return { stream, expectedRevision, events };
    });
    all.push(...appended(await store.append(entries)));
  }
  return all;
}

export function eventStoreContract(name: string, harnessOf: () => StoreHarness): void {
  describe(`${name} keeps the promises of an event store`, () => {
    const harnesses: StoreHarness[] = [];
    const fresh = async (): Promise<{ readonly store: EventStore; readonly harness: StoreHarness }> => {
      const harness = harnessOf();
      harnesses.push(harness);
      return { store: await harness.open(), harness };
    };
    afterEach(async () => {
      for (const harness of harnesses.splice(0)) await harness.dispose();
    });

    appending(fresh);
    repeating(fresh);
    reading(fresh);
    subscribing(fresh);
    proving(fresh);
  });
}

type Fresh = () => Promise<{ readonly store: EventStore; readonly harness: StoreHarness }>;

function appending(fresh: Fresh): void {
  test('an empty log has sequence -1, no streams and nothing to read', async () => {
    const { store } = await fresh();
    expect(await store.head()).toEqual({ sequence: -1, position: -1, streams: [], hash: headHash([]) });
    expect(await store.readAll(-1, 10)).toEqual([]);
    expect(await store.readStream('bars-a', 0, 10)).toEqual([]);
    expect(await store.verify()).toEqual({ ok: true, events: 0, headHash: headHash([]) });
  });

  test('events get consecutive revisions, a chain of hashes and the sequence they came with', async () => {
    const { store } = await fresh();
    const first = appended(await store.append(one('bars-a', -1, draftsOf(0, 2))));
    const second = appended(await store.append(one('bars-a', 1, draftsOf(2, 1))));
    const events = [...first, ...second];
    expect(events.map((event) => event.revision)).toEqual([0, 1, 2]);
    expect(events.map((event) => (JSON.parse(event.metadataJson) as { sequence: number }).sequence)).toEqual([0, 1, 2]);
    expect(events.map((event) => (JSON.parse(event.metadataJson) as { prevHash: string }).prevHash)).toEqual([GENESIS_HASH, events[0]!.hash, events[1]!.hash]);
    for (const event of events) expect(event.hash).toBe(hashEvent(event));
    expect(await store.readStream('bars-a', 0, 10)).toEqual(events);
  });

  test('a batch over several streams is written in its order and moves each head', async () => {
    const { store } = await fresh();
    const batch: StreamAppend[] = [
      { stream: 'bars-b', expectedRevision: -1, events: draftsOf(0, 1) },
      { stream: 'bars-a', expectedRevision: -1, events: draftsOf(1, 2) },
      { stream: 'bars-b', expectedRevision: 0, events: draftsOf(3, 1) },
    ];
    appended(await store.append(batch));
    const log = await store.readAll(-1, 10);
    expect(log.map((event) => `${event.stream}@${event.revision}`)).toEqual(['bars-b@0', 'bars-a@0', 'bars-a@1', 'bars-b@1']);
    const head = await store.head();
    expect(head.sequence).toBe(3);
    expect(head.hash).toBe(headHash([
      { stream: 'bars-a', revision: 1, hash: log[2]!.hash },
      { stream: 'bars-b', revision: 1, hash: log[3]!.hash },
    ]));
  });

  test('a stale expected revision is a conflict that names the actual one, and nothing is written', async () => {
    const { store } = await fresh();
    appended(await store.append(one('bars-a', -1, draftsOf(0, 3))));
    const outcome = await store.append([
      { stream: 'bars-b', expectedRevision: -1, events: draftsOf(3, 1) },
      { stream: 'bars-a', expectedRevision: 0, events: draftsOf(4, 1) },
    ]);
    expect(outcome).toEqual({ kind: 'conflict', stream: 'bars-a', expectedRevision: 0, actualRevision: 2 });
    expect((await store.head()).sequence).toBe(2);
    expect(await store.readStream('bars-b', 0, 1)).toEqual([]);
  });

  test('a stream expected to be longer than it is, or to exist, is a conflict', async () => {
    const { store } = await fresh();
    expect(await store.append(one('bars-a', 4, draftsOf(0, 1)))).toMatchObject({ kind: 'conflict', actualRevision: -1 });
    appended(await store.append(one('bars-a', -1, draftsOf(0, 1))));
    expect(await store.append(one('bars-a', 4, draftsOf(1, 1)))).toMatchObject({ kind: 'conflict', actualRevision: 0 });
  });

  test('an entry without events asserts a revision: right it adds nothing, wrong it stops the batch', async () => {
    const { store } = await fresh();
    appended(await store.append(one('safety-x', -1, draftsOf(0, 1))));
    const guarded = (revision: number): StreamAppend[] => [{ stream: 'safety-x', expectedRevision: revision, events: [] }, { stream: 'bars-a', expectedRevision: -1, events: draftsOf(1, 1) }];
    expect(await store.append(guarded(-1))).toMatchObject({ kind: 'conflict', stream: 'safety-x', actualRevision: 0 });
    expect(appended(await store.append(guarded(0)))).toHaveLength(1);
    expect((await store.head()).sequence).toBe(1);
  });

  test('a sequence that is not the next is refused: a gap, a repeat, and a swap within the batch', async () => {
    const { store } = await fresh();
    appended(await store.append(one('bars-a', -1, draftsOf(0, 1))));
    for (const events of [draftsOf(2, 1), draftsOf(0, 1, 5), [draftOf(2), draftOf(1)]]) {
      await expect(store.append(one('bars-b', -1, events))).rejects.toThrow(StoreError);
    }
    expect((await store.head()).sequence).toBe(0);
    expect(appended(await store.append(one('bars-b', -1, draftsOf(1, 1))))).toHaveLength(1);
  });
}

function repeating(fresh: Fresh): void {
  test('the same batch again succeeds, returns what was recorded and writes nothing', async () => {
    const { store } = await fresh();
    const batch: StreamAppend[] = [{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(0, 2) }, { stream: 'bars-b', expectedRevision: -1, events: draftsOf(2, 1) }];
    const first = appended(await store.append(batch));
    appended(await store.append(one('bars-a', 1, draftsOf(3, 1))));
    const later = batch.map((entry) => ({ ...entry, events: entry.events.map((draft) => ({ ...draft, metadata: { ...draft.metadata, recordedAt: '2027-01-01T00:00:00Z', sequence: draft.metadata.sequence + 90 } })) }));
    expect(appended(await store.append(later))).toEqual(first);
    expect((await store.head()).sequence).toBe(3);
  });

  test('another event at a recorded revision is a conflict, whether its id, type or data differs', async () => {
    const { store } = await fresh();
    appended(await store.append(one('bars-a', -1, draftsOf(0, 1))));
    const [draft] = draftsOf(0, 1);
    const variants: EventDraft[] = [
      { ...draft!, id: '00000000-0000-5000-8000-999999999999' },
      { ...draft!, type: 'MarketBarBackfilled' },
      { ...draft!, data: draftOf(0, 3).data },
      { ...draft!, schemaVersion: 2 },
    ];
    for (const variant of variants) expect(await store.append(one('bars-a', -1, [variant]))).toMatchObject({ kind: 'conflict', actualRevision: 0 });
  });

  test('a batch that is recorded in part is an error, within a stream and across streams', async () => {
    const { store } = await fresh();
    appended(await store.append(one('bars-a', -1, draftsOf(0, 2))));
    await expect(store.append(one('bars-a', -1, [draftOf(0), draftOf(1), draftOf(2)]))).rejects.toThrow(/2 of 3 events are recorded/);
    await expect(store.append(one('bars-a', -1, [draftOf(0), draftOf(1, 8)]))).rejects.toThrow(/1 of 2 events are recorded/);
    const across: StreamAppend[] = [{ stream: 'bars-a', expectedRevision: -1, events: draftsOf(0, 2) }, { stream: 'bars-b', expectedRevision: -1, events: draftsOf(2, 1) }];
    await expect(store.append(across)).rejects.toThrow(StoreError);
    expect((await store.head()).sequence).toBe(1);
  });
}

function reading(fresh: Fresh): void {
  test('pages of any size cover the log and each stream without a gap or an overlap', async () => {
    const { store } = await fresh();
    await appendPlan(store, [[{ stream: 0, events: 3 }, { stream: 1, events: 4 }], [{ stream: 0, events: 4 }]], 1);
    const whole = await store.readAll(-1, 100);
    expect(whole).toHaveLength(11);
    for (const countMax of [1, 2, 3, 11, 12]) {
      const paged: RecordedEvent[] = [];
      for (let after = -1; ; after = paged.at(-1)!.position) {
        const page = await store.readAll(after, countMax);
        expect(page.length).toBeLessThanOrEqual(countMax);
        if (page.length === 0) break;
        paged.push(...page);
      }
      expect(paged).toEqual(whole);
    }
    expect((await store.readStream('bars-0', 2, 3)).map((event) => event.revision)).toEqual([2, 3, 4]);
    expect(await store.readStream('bars-0', 7, 3)).toEqual([]);
  });

  test('a closed store refuses every call', async () => {
    const { store } = await fresh();
    await store.close();
    await expect(store.append([])).rejects.toThrow(StoreError);
    await expect(store.readAll(-1, 1)).rejects.toThrow(StoreError);
    await expect(store.head()).rejects.toThrow(StoreError);
    await expect(store.verify()).rejects.toThrow(StoreError);
    expect(() => store.subscribe(-1, new Collector())).toThrow(StoreError);
  });

  test('a log that outlives its store is the same after a reopening, and goes on', async () => {
    const { store, harness } = await fresh();
    if (harness.reopen === null) return;
    const events = await appendPlan(store, [[{ stream: 0, events: 3 }], [{ stream: 1, events: 2 }]], 4);
    const before = await store.head();
    const again = await harness.reopen();
    expect(await again.head()).toEqual(before);
    expect(await again.readAll(-1, 10)).toEqual(events);
    expect(appended(await again.append(one('bars-0', 2, draftsOf(5, 1))))[0]).toMatchObject({ revision: 3 });
    expect(await again.verify()).toMatchObject({ ok: true, events: 6 });
  });
}

function subscribing(fresh: Fresh): void {
  test('a subscription delivers the past, says once that it has caught up, then each new event in order', async () => {
    const { store } = await fresh();
    appended(await store.append(one('bars-a', -1, draftsOf(0, 3))));
    const collector = new Collector();
    store.subscribe(0, collector);
    expect(collector.calls).toEqual([]);
    await collector.until(3);
    appended(await store.append(one('bars-b', -1, draftsOf(3, 2))));
    appended(await store.append(one('bars-a', 2, draftsOf(5, 1))));
    await collector.until(6);
    expect(collector.calls).toEqual(['bars-a@1', 'bars-a@2', 'caughtUp', 'bars-b@0', 'bars-b@1', 'bars-a@3']);
  });

  test('a listener may append from within an event: everyone still sees one order, each event once', async () => {
    const { store } = await fresh();
    const appends: Promise<AppendOutcome>[] = [];
    const reacting = new Collector((event) => {
      if (event.stream === 'bars-a' && event.revision < 3) appends.push(store.append(one('bars-b', event.revision - 1, draftsOf(4 + event.revision, 1))));
    });
    const watching = new Collector();
    store.subscribe(-1, reacting);
    store.subscribe(-1, watching);
    appended(await store.append(one('bars-a', -1, draftsOf(0, 4))));
    await Promise.all([reacting.until(8), watching.until(8)]);
    await Promise.all(appends);
    const events = (collector: Collector) => collector.calls.filter((call) => call !== 'caughtUp');
    expect(events(reacting)).toEqual((await store.readAll(-1, 20)).map((event) => `${event.stream}@${event.revision}`));
    expect(events(watching)).toEqual(events(reacting));
    expect(new Set(events(watching)).size).toBe(7);
  });

  test('a burst beyond the buffer is delivered completely and in order', async () => {
    const { store } = await fresh();
    const collector = new Collector();
    store.subscribe(-1, collector);
    await collector.until(1);
    appended(await store.append(one('bars-a', -1, draftsOf(0, 2_500))));
    appended(await store.append(one('bars-a', 2_499, draftsOf(2_500, 10))));
    await collector.until(2_511);
    expect(collector.calls).toEqual(['caughtUp', ...Array.from({ length: 2_510 }, (_, revision) => `bars-a@${revision}`)]);
  });

  test('a closed subscription hears nothing more, even in the middle of a page', async () => {
    const { store } = await fresh();
    appended(await store.append(one('bars-a', -1, draftsOf(0, 5))));
    const collector = new Collector((event) => {
      if (event.revision === 1) subscription.close();
    });
    const subscription = store.subscribe(-1, collector);
    await collector.until(2);
    appended(await store.append(one('bars-a', 4, draftsOf(5, 1))));
    await new Promise((resolve) => setImmediate(resolve));
    expect(collector.calls).toEqual(['bars-a@0', 'bars-a@1']);
  });

  test('a store may be closed under a subscriber that is catching up: it hears nothing more, and nothing fails later', async () => {
    const { store } = await fresh();
    appended(await store.append(one('bars-a', -1, draftsOf(0, 2_000))));
    const uncaught: Error[] = [];
    const note = (error: Error): void => void uncaught.push(error);
    process.on('uncaughtExceptionMonitor', note);
    try {
      const collector = new Collector();
      store.subscribe(-1, collector);
      await collector.until(1);
      await store.close();
      const heard = collector.calls.length;
      expect(heard).toBeLessThan(2_000);
      // The page that was due at the close would have been read in one of these turns.
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      expect(collector.calls).toHaveLength(heard);
      expect(collector.failure).toBeNull();
      expect(uncaught).toEqual([]);
    } finally {
      process.off('uncaughtExceptionMonitor', note);
    }
  });

  test('a listener that throws is told so and dropped; appends and other listeners go on', async () => {
    const { store } = await fresh();
    const failing = new Collector(() => {
      throw new RangeError('broken listener');
    });
    const healthy = new Collector();
    store.subscribe(-1, failing);
    store.subscribe(-1, healthy);
    appended(await store.append(one('bars-a', -1, draftsOf(0, 2))));
    await healthy.until(3);
    await failing.until(1);
    expect(failing.calls).toEqual(['failed']);
    expect(failing.failure).toBeInstanceOf(RangeError);
    expect(healthy.calls).toEqual(['bars-a@0', 'bars-a@1', 'caughtUp']);
  });
}

function proving(fresh: Fresh): void {
  test('a whole log verifies, names its head and reports progress to the end', async () => {
    const { store } = await fresh();
    appended(await store.append(one('bars-a', -1, draftsOf(0, 2_100))));
    const progress: number[] = [];
    const verdict = await store.verify({ progress: (done, total) => progress.push(done / total) });
    expect(verdict).toEqual({ ok: true, events: 2_100, headHash: (await store.head()).hash });
    expect(progress.at(-1)).toBe(1);
    expect(progress.length).toBeGreaterThan(1);
  });

  test('behind a verified head only what came since is verified, and the log must have had that very head', async () => {
    const { store } = await fresh();
    appended(await store.append(one('bars-a', -1, draftsOf(0, 5))));
    appended(await store.append(one('bars-b', -1, draftsOf(5, 2))));
    const then = await store.head();
    const none: number[] = [];
    expect(await store.verify({ after: then, progress: (done) => none.push(done) })).toEqual({ ok: true, events: 7, headHash: then.hash });
    expect(none.filter((done) => done > 0)).toEqual([]);
    appended(await store.append(one('bars-b', 1, draftsOf(7, 1))));
    appended(await store.append(one('bars-c', -1, draftsOf(8, 2))));
    const progress: string[] = [];
    expect(await store.verify({ after: then, progress: (done, total) => progress.push(`${done} of ${total}`) })).toEqual({ ok: true, events: 10, headHash: (await store.head()).hash });
    expect(progress.at(-1)).toBe('3 of 3');
    const other = { ...then, hash: GENESIS_HASH };
    expect(await store.verify({ after: other })).toMatchObject({ ok: false, position: 6, reason: expect.stringContaining('the log was rewritten') as string });
    expect(await store.verify({ after: { ...then, sequence: 99, position: 99 } }), 'behind its end').toMatchObject({ ok: false });
  });
}
