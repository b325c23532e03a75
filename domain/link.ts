/**
 * When a stream that ended is opened again. Each waits at least a second, so that both together open at most the two
 * connections a second that the broker allows; ten reconnects in ten minutes open a breaker that keeps both closed for
 * five.
 *
 * Times are milliseconds of the monotonic clock, so that no step of the wall clock shortens or stretches a pause.
 */
import type { FeedEnd, FeedName } from './broker.ts';
import { MINUTE_MS, SECOND_MS } from './time.ts';

const PAUSE_MS_MIN = SECOND_MS;
export const PAUSE_MS_MAX = 60 * SECOND_MS;
export const BREAKER_RECONNECTS = 10;
export const BREAKER_WINDOW_MS = 10 * MINUTE_MS;
export const BREAKER_PAUSE_MS = 5 * MINUTE_MS;
/** A connection that lasted this long was a good one: the pauses start over. */
const GOOD_CONNECTION_MS = 10 * SECOND_MS;
/** A broker in maintenance, and one that refuses the token, are tried once a minute, which is too rarely for the breaker. */
const PATIENT: readonly FeedEnd[] = ['unavailable', 'unauthorised'];

interface FeedLink {
  /** Since when the connection stands; null while it does not. */
  readonly connectedAtMs: number | null;
  /** Ends in a row without a good connection between them. */
  readonly failures: number;
}

export interface Link {
  readonly feeds: { readonly [Feed in FeedName]: FeedLink };
  /** When streams ended that were opened again soon, within the window. */
  readonly reconnectsAtMs: readonly number[];
  /** Until when nothing is opened; null while the breaker is closed. */
  readonly breakerUntilMs: number | null;
}

const down: FeedLink = { connectedAtMs: null, failures: 0 };
export const initialLink: Link = { feeds: { pricing: down, transactions: down }, reconnectsAtMs: [], breakerUntilMs: null };

/** A connection stands. `breakerCloses` says that it is the first after the breaker's pause. */
export function feedConnected(link: Link, feed: FeedName, nowMs: number): { readonly link: Link; readonly breakerCloses: boolean } {
  const breakerCloses = link.breakerUntilMs !== null && nowMs >= link.breakerUntilMs;
  return {
    link: {
      ...link,
      feeds: { ...link.feeds, [feed]: { ...link.feeds[feed], connectedAtMs: nowMs } },
      ...(breakerCloses ? { breakerUntilMs: null, reconnectsAtMs: [] } : {}),
    },
    breakerCloses,
  };
}

/**
 * A connection ended, or could not be made: when to open the next one.
 *
 * @param draw uniform in [0, 1), from a seeded generator: the pause is drawn between one second and a bound that
 *   doubles with each failure up to a minute, so that clients that fell together do not rise together.
 */
export function feedEnded(link: Link, feed: FeedName, cause: FeedEnd, nowMs: number, draw: number): { readonly link: Link; readonly connectAtMs: number; readonly breakerOpens: boolean } {
  const { connectedAtMs, failures: before } = link.feeds[feed];
  const failures = connectedAtMs !== null && nowMs - connectedAtMs >= GOOD_CONNECTION_MS ? 1 : before + 1;
  const patient = PATIENT.includes(cause);
  const recent = link.reconnectsAtMs.filter((earlier) => earlier > nowMs - BREAKER_WINDOW_MS);
  const reconnectsAtMs = patient ? recent : [...recent, nowMs].slice(-BREAKER_RECONNECTS);
  const open = link.breakerUntilMs !== null && nowMs < link.breakerUntilMs;
  // After its pause the breaker has not closed before a connection stands: one more end opens it anew.
  const breakerOpens = !open && !patient && (link.breakerUntilMs !== null || reconnectsAtMs.length >= BREAKER_RECONNECTS);
  const breakerUntilMs = breakerOpens ? nowMs + BREAKER_PAUSE_MS : link.breakerUntilMs;

  const bound = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(failures, 10));
  const pauseMs = patient ? PAUSE_MS_MAX : PAUSE_MS_MIN + Math.floor(draw * (bound - PAUSE_MS_MIN));
  return {
    link: { feeds: { ...link.feeds, [feed]: { connectedAtMs: null, failures } }, reconnectsAtMs, breakerUntilMs },
    connectAtMs: Math.max(nowMs + pauseMs, breakerUntilMs ?? 0),
    breakerOpens,
  };
}
