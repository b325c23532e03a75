/**
 * How often the broker is spoken to. Requests and new connections come out of token buckets; a fifth of the requests is
 * kept for what closes positions, which is never refused for being too much. A refused token shuts the door for all.
 *
 * Times are milliseconds of a monotonic clock.
 */

/** `close` stands for whatever reduces or protects a position. */
export type Urgency = 'close' | 'open' | 'read';

/** Go ahead after the wait, or why not. */
export type Admission =
  | { readonly admitted: true; readonly waitMs: number }
  | { readonly admitted: false; readonly failure: 'unauthorised' | 'limited'; readonly detail: string };

const RESERVED_SHARE = 0.2;
/** Longest wait for a turn; what would have to wait longer fails instead, and is asked again by its owner. */
const WAIT_MS_MAX = 2_000;
const RATE_MIN = 5;
/** Without a further 429 for so long the rate doubles again. */
const RECOVERY_MS = 60_000;
const RETRY_AFTER_MS_DEFAULT = 1_000;
const RETRY_AFTER_MS_MAX = 60_000;
/** A refused token is tried again once in this time, by a single request. */
const UNAUTHORISED_PAUSE_MS = 60_000;

interface GovernorOptions {
  /** 0 for no limit: in lockstep time itself waits for us. */
  readonly requestsPerSecondMax: number;
  readonly nowMs: () => number;
}

export class Governor {
  readonly #options: GovernorOptions;
  #rate: number;
  #tokens: number;
  #filledAtMs: number;
  #limitedAtMs: number | null = null;
  #blockedUntilMs = 0;
  #unauthorisedUntilMs: number | null = null;

  constructor(options: GovernorOptions) {
    this.#options = options;
    this.#rate = options.requestsPerSecondMax;
    this.#tokens = this.#rate;
    this.#filledAtMs = options.nowMs();
  }

  /** Requests a second that are let through at present; 0 for no limit. */
  get ratePerSecond(): number {
    return this.#rate;
  }

  /** Takes a turn, or says why there is none. */
  admit(urgency: Urgency): Admission {
    const nowMs = this.#options.nowMs();
    if (this.#unauthorisedUntilMs !== null) {
      if (nowMs < this.#unauthorisedUntilMs) return { admitted: false, failure: 'unauthorised', detail: 'the broker refused the token: nothing is sent, one request a minute tries again' };
      this.#unauthorisedUntilMs = nowMs + UNAUTHORISED_PAUSE_MS;
    }
    const waitMs = this.#waitMs(urgency, nowMs);
    if (waitMs > WAIT_MS_MAX) return { admitted: false, failure: 'limited', detail: `too many requests: this one would have to wait ${Math.ceil(waitMs)} ms` };
    this.#tokens -= 1;
    return { admitted: true, waitMs };
  }

  #waitMs(urgency: Urgency, nowMs: number): number {
    this.#refill(nowMs);
    if (urgency === 'close') return 0;
    const missing = this.#rate === 0 ? 0 : this.#options.requestsPerSecondMax * RESERVED_SHARE + 1 - this.#tokens;
    return Math.max(0, this.#blockedUntilMs - nowMs, this.#rate === 0 ? 0 : (missing / this.#rate) * 1_000);
  }

  #refill(nowMs: number): void {
    if (this.#limitedAtMs !== null && nowMs - this.#limitedAtMs >= RECOVERY_MS) {
      this.#rate = Math.min(this.#options.requestsPerSecondMax, this.#rate * 2);
      this.#limitedAtMs = this.#rate < this.#options.requestsPerSecondMax ? nowMs : null;
    }
    this.#tokens = Math.min(this.#options.requestsPerSecondMax, this.#tokens + ((nowMs - this.#filledAtMs) / 1_000) * this.#rate);
    this.#filledAtMs = nowMs;
  }

  /** What the broker answered: 429 halves the rate, 401 shuts the door, anything else opens it. */
  answered(status: number, retryAfter: string | null): void {
    const nowMs = this.#options.nowMs();
    this.#unauthorisedUntilMs = status === 401 ? nowMs + UNAUTHORISED_PAUSE_MS : null;
    if (status !== 429) return;
    this.#refill(nowMs);
    this.#rate = this.#rate === 0 ? 0 : Math.max(RATE_MIN, this.#rate / 2);
    this.#limitedAtMs = nowMs;
    const seconds = retryAfter !== null && /^\d{1,6}$/.test(retryAfter.trim()) ? Number(retryAfter) * 1_000 : RETRY_AFTER_MS_DEFAULT;
    this.#blockedUntilMs = Math.max(this.#blockedUntilMs, nowMs + Math.min(seconds, RETRY_AFTER_MS_MAX));
  }
}

const CONNECTS_PER_SECOND_MAX = 2;

/** Paces new connections of all pools together: a burst fills the pools, from then on two a second. */
export class ConnectPacer {
  readonly #burst: number;
  readonly #nowMs: () => number;
  /** When the bucket is full again. */
  #fullAtMs = 0;

  constructor(burst: number, nowMs: () => number) {
    this.#burst = burst;
    this.#nowMs = nowMs;
  }

  /** How long the next connection has to wait; it takes its turn with the call. */
  nextWaitMs(): number {
    const nowMs = this.#nowMs();
    const intervalMs = 1_000 / CONNECTS_PER_SECOND_MAX;
    const fullAtMs = Math.max(this.#fullAtMs, nowMs);
    this.#fullAtMs = fullAtMs + intervalMs;
    return Math.max(0, fullAtMs - nowMs - (this.#burst - 1) * intervalMs);
  }
}
