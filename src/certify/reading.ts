/** Experiments about reading: how soon the broker shows what it has done, and how its streams stay alive. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker, FeedName } from '../../domain/broker.ts';
import type { Instrument, InstrumentName } from '../../domain/instruments.ts';
import type { Experiment, Finding } from './experiment.ts';
import { asExpected, differs, inconclusive, unsafe } from './experiment.ts';
import type { PipSize } from './opening.ts';
import { resting } from './opening.ts';
import type { Answer, Probe } from './probe.ts';

/** An order that a read does not show for this long is doubted by the daemon. */
const LAG_MS_MAX = 5_000;
const LAG_POLL_MS = 50;
/** The daemon gives a silent stream up after this. */
const SILENCE_MS_MAX = 12_000;
const LISTEN_MS = 22_000;
const BURST_REQUESTS = 240;

interface View {
  readonly name: string;
  readonly path: string;
  shows(answer: Answer): boolean;
}

/** Reads each view until it shows the order; null for one that never did. */
async function lags(probe: Probe, views: readonly View[]): Promise<ReadonlyMap<string, number | null>> {
  const seen = new Map<string, number | null>(views.map(({ name }) => [name, null]));
  const startedAt = performance.now();
  while (performance.now() - startedAt < 2 * LAG_MS_MAX && [...seen.values()].includes(null)) {
    for (const view of views) {
      if (seen.get(view.name) !== null) continue;
      if (view.shows(await probe.get(view.path))) seen.set(view.name, Math.round(performance.now() - startedAt));
    }
    await sleep(LAG_POLL_MS);
  }
  return seen;
}

const readAfterWrite = (size: PipSize): Experiment => ({
  id: 'readAfterWrite',
  question: 'How long after its answer is a new order missing from what can be read?',
  expected: `each read shows it within ${LAG_MS_MAX} ms`,
  market: 'any',
  async run(probe) {
    const before = await probe.lastTransactionId();
    const orderId = probe.clientId('lag');
    const { status } = await probe.placeOrder(await resting(probe, orderId, size));
    if (status !== 201) return inconclusive(`the resting order was answered with status ${status ?? 'none'}`);
    const mentions = ({ status: read, record }: Answer): boolean => read === 200 && record.replyBody.includes(orderId);
    const found = await lags(probe, [
      { name: 'orders/@id', path: `/orders/@${orderId}`, shows: mentions },
      { name: 'pendingOrders', path: '/pendingOrders', shows: mentions },
      { name: 'sinceid', path: `/transactions/sinceid?id=${before}`, shows: mentions },
      { name: 'changes', path: `/changes?sinceTransactionID=${before}`, shows: mentions },
    ]);
    const seen = [...found].map(([name, ms]) => `${name} ${ms === null ? 'never' : `${ms} ms`}`).join(', ');
    const ledger = found.get('sinceid') ?? null;
    if (ledger === null) return unsafe(`the ledger does not show an accepted order: ${seen}`);
    const slowest = Math.max(...[...found.values()].map((ms) => ms ?? Number.POSITIVE_INFINITY));
    return (slowest <= LAG_MS_MAX ? asExpected : differs)(seen);
  },
});

/** Milliseconds between the lines of a stream that is open for a while; the wait for the first one counts. */
async function silences(broker: Broker, name: FeedName, instrument: InstrumentName): Promise<{ readonly longestMs: number; readonly lines: number; readonly ended: string | null }> {
  let [last, longestMs, lines] = [performance.now(), 0, 0];
  let ended: string | null = null;
  const heard = (): void => {
    longestMs = Math.max(longestMs, performance.now() - last);
    last = performance.now();
  };
  const feed = broker.feed(name, [instrument], {
    connected: heard,
    line: () => {
      heard();
      lines += 1;
    },
    ended: (detail) => (ended = detail),
  });
  await sleep(LISTEN_MS);
  heard();
  feed.close();
  return { longestMs: Math.round(longestMs), lines, ended };
}

const heartbeats = (broker: Broker, instrument: InstrumentName): Experiment => ({
  id: 'heartbeats',
  question: 'How long are the streams silent?',
  expected: `neither for more than ${SILENCE_MS_MAX} ms`,
  market: 'any',
  async run() {
    const [pricing, transactions] = await Promise.all([silences(broker, 'pricing', instrument), silences(broker, 'transactions', instrument)]);
    const seen = `pricing ${pricing.longestMs} ms over ${pricing.lines} lines, transactions ${transactions.longestMs} ms over ${transactions.lines} lines`;
    const ended = pricing.ended ?? transactions.ended;
    if (ended !== null) return inconclusive(`a stream ended: ${ended}; ${seen}`);
    return Math.max(pricing.longestMs, transactions.longestMs) <= SILENCE_MS_MAX ? asExpected(seen) : unsafe(`${seen}: the daemon would reconnect for ever`);
  },
});

const rateLimit: Experiment = {
  id: 'rateLimit',
  question: 'How does the broker refuse more requests than it allows?',
  expected: 'with status 429, if so many are too many',
  market: 'any',
  async run(probe): Promise<Finding> {
    const answers = await Promise.all(Array.from({ length: BURST_REQUESTS }, () => probe.get('/summary')));
    const refused = answers.find(({ status }) => status !== 200);
    if (refused === undefined) return asExpected(`${BURST_REQUESTS} requests at once were all answered`);
    if (refused.status === null) return inconclusive(refused.record.broken ?? 'no whole answer came');
    return (refused.status === 429 ? asExpected : differs)(`status ${refused.status}, content type ${refused.record.contentType ?? 'none'}, retry-after ${refused.record.retryAfter ?? 'none'}`);
  },
};

export const readingExperiments = (instrument: Instrument, broker: Broker): readonly Experiment[] => [readAfterWrite(instrument), heartbeats(broker, instrument.name), rateLimit];
