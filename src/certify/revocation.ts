/**
 * The one question that a program cannot ask alone: what becomes of open streams and of reads when the token is revoked.
 * Nobody can revoke a token over the API, so a human is asked to, and everything is watched. Nothing is sent but reads.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Broker, FeedName } from '../../domain/broker.ts';
import type { InstrumentName } from '../../domain/instruments.ts';
import type { Experiment, Finding } from './experiment.ts';
import { asExpected, differs, inconclusive, unsafe } from './experiment.ts';
import type { Probe } from './probe.ts';

const POLL_MS = 2_000;
const STEP_MS = 250;
/** How long streams are watched once a read was refused, at most. */
const AFTERWARDS_MS_MAX = 60_000;
/** How long a stream may take to be opened, or to be refused with the dead token. */
const OPENING_MS_MAX = 10_000;
/** Longer than a human needs, and few enough reads for one certificate. */
export const REVOCATION_MINUTES_MAX = 30;

interface Stream {
  readonly name: FeedName;
  readonly close: () => void;
  stands: boolean;
  /** When it ended and with what words; null while it stands. */
  end: { readonly at: number; readonly detail: string } | null;
}

function watch(broker: Broker, name: FeedName, instrument: InstrumentName): Stream {
  const feed = broker.feed(name, [instrument], {
    connected: () => {
      stream.stands = true;
    },
    line: () => undefined,
    ended: (detail) => {
      stream.end ??= { at: performance.now(), detail };
    },
  });
  const stream: Stream = { name, close: () => feed.close(), stands: false, end: null };
  return stream;
}

/** Waits until `done` says so, the time is over, or the run is interrupted. */
async function waitUntil(done: () => boolean, msMax: number, signal: AbortSignal): Promise<void> {
  for (const deadline = performance.now() + msMax; performance.now() < deadline && !done() && !signal.aborted;) await sleep(STEP_MS);
}

interface Refusal {
  readonly status: number;
  readonly contentType: string | null;
  readonly at: number;
}

/** Reads until a read is refused; null when none was. Too many requests, an error of the server's and no answer at all are no refusals. */
async function firstRefusal(probe: Probe, msMax: number, signal: AbortSignal): Promise<Refusal | null> {
  for (const deadline = performance.now() + msMax; performance.now() < deadline && !signal.aborted;) {
    const { status, record } = await probe.get('/summary');
    if (status !== null && status >= 400 && status < 500 && status !== 429) return { status, contentType: record.contentType, at: performance.now() };
    await waitUntil(() => false, POLL_MS, signal);
  }
  return null;
}

function fateOf({ name, end }: Stream, refusedAt: number): string {
  if (end === null) return `the ${name} stream was open ${seconds(performance.now() - refusedAt)} later`;
  const offset = end.at - refusedAt;
  return `the ${name} stream ended ${seconds(Math.abs(offset))} ${offset < 0 ? 'earlier' : 'later'} (${end.detail})`;
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** What happens to a stream that is opened with the token that was refused. */
async function reopened(broker: Broker, instrument: InstrumentName, signal: AbortSignal): Promise<string> {
  const stream = watch(broker, 'pricing', instrument);
  await waitUntil(() => stream.end !== null || stream.stands, OPENING_MS_MAX, signal);
  stream.close();
  return stream.end === null ? `a new stream was ${stream.stands ? 'opened all the same' : 'neither opened nor refused'}` : `a new stream was refused (${stream.end.detail})`;
}

/** The daemon halts on 401, and on 403 from the broker itself; any other refusal it would take for one that passes. */
function judge({ status, contentType }: Refusal, streams: string): Finding {
  const seen = `reads were refused with status ${status}, content type ${contentType ?? 'none'}; ${streams}`;
  if (status === 401) return asExpected(seen);
  return (status === 403 ? differs : unsafe)(seen);
}

export const tokenRevocation = (broker: Broker, instrument: InstrumentName, minutes: number, tell: (text: string) => void): Experiment => ({
  id: 'tokenRevocation',
  question: 'What becomes of open streams and of reads when the token is revoked?',
  expected: 'reads are refused with status 401',
  market: 'any',
  endsAccess: true,
  async run(probe, signal) {
    const streams = [watch(broker, 'pricing', instrument), watch(broker, 'transactions', instrument)];
    try {
      await waitUntil(() => streams.every(({ stands, end }) => stands || end !== null), OPENING_MS_MAX, signal);
      if (!streams.every(({ stands, end }) => stands && end === null)) return inconclusive('the streams could not be opened while the token was good');
      tell(`revoke the token of this account now, on the broker's page: reads and both streams are watched for ${minutes} minutes`);
      const refusal = await firstRefusal(probe, minutes * 60_000, signal);
      if (refusal === null) return inconclusive(signal.aborted ? 'interrupted before a read was refused' : `no read was refused within ${minutes} minutes: the token was not revoked, or goes on being good`);
      await waitUntil(() => streams.every(({ end }) => end !== null), Math.min(AFTERWARDS_MS_MAX, minutes * 15_000), signal);
      const fates = streams.map((stream) => fateOf(stream, refusal.at));
      return judge(refusal, [...fates, await reopened(broker, instrument, signal)].join('; '));
    } finally {
      for (const stream of streams) stream.close();
    }
  },
});
