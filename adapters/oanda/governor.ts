/**
 * How often the broker is spoken to. Reads and opens share a token bucket that leaves a fifth of the limit to what closes
 * positions, which is never refused for being too much. A refused token shuts the door for all.
 *
 * Times are milliseconds of a monotonic clock.
 */

/** `close` stands for whatever reduces or protects a position. */
export type Urgency = 'close' | 'open' | 'read';

/** Go ahead after the wait, or why not. */
export type Admission =
  | { readonly admitted: true; readonly waitMs: number }
  | { readonly admitted: false; readonly failure: 'unauthorised' | 'limited'; readonly detail: string };

/** Of the broker's limit: what reads and opens may use, and what of that may come in one burst on top of a second's. */
const SHARED_SHARE = 0.8;
const BURST_SHARE = 0.2;
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
  readonly #nowMs: () => number;
  readonly #rateMax: number;
  readonly #burst: number;
  /** Tokens a second. */
  #rate: number;
  #tokens: number;
  #filledAtMs: number;
  #limitedAtMs: number | null = null;
  #blockedUntilMs = 0;
  #unauthorisedUntilMs: number | null = null;

  constructor(options: GovernorOptions) {
    this.#nowMs = options.nowMs;
    this.#rateMax = options.requestsPerSecondMax * SHARED_SHARE;
    this.#burst = this.#rateMax * BURST_SHARE;
    this.#rate = this.#rateMax;
    this.#tokens = this.#burst;
    this.#filledAtMs = options.nowMs();
  }

  /** Reads and opens a second that are let through at present; 0 for no limit. */
  get ratePerSecond(): number {
    return this.#rate;
  }

  /** Takes a turn, or says why there is none. */
  admit(urgency: Urgency): Admission {
    const nowMs = this.#nowMs();
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
    const bucketMs = this.#rate === 0 ? 0 : ((1 - this.#tokens) / this.#rate) * 1_000;
    return Math.max(0, this.#blockedUntilMs - nowMs, bucketMs);
  }

  #refill(nowMs: number): void {
    if (this.#limitedAtMs !== null && nowMs - this.#limitedAtMs >= RECOVERY_MS) {
      this.#rate = Math.min(this.#rateMax, this.#rate * 2);
      this.#limitedAtMs = this.#rate < this.#rateMax ? nowMs : null;
    }
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#filledAtMs) / 1_000) * this.#rate);
    this.#filledAtMs = nowMs;
  }

  /** What the broker answered: 429 halves the rate, 401 shuts the door, anything else opens it. */
  answered(status: number, retryAfter: string | null): void {
    const nowMs = this.#nowMs();
    this.#unauthorisedUntilMs = status === 401 ? nowMs + UNAUTHORISED_PAUSE_MS : null;
    if (status !== 429) return;
    this.#refill(nowMs);
    this.#rate = this.#rate === 0 ? 0 : Math.max(RATE_MIN, this.#rate / 2);
    this.#limitedAtMs = nowMs;
    const seconds = retryAfter !== null && /^\d{1,6}$/.test(retryAfter.trim()) ? Number(retryAfter) * 1_000 : RETRY_AFTER_MS_DEFAULT;
    this.#blockedUntilMs = Math.max(this.#blockedUntilMs, nowMs + Math.min(seconds, RETRY_AFTER_MS_MAX));
  }
}

/** The broker's limit for a client, in any second; a tenth more, because the wire may bring two nearer together. */
const CONNECTS_PER_WINDOW = 2;
const CONNECT_WINDOW_MS = 1_100;

/**
 * Paces the new connections of all pools together: two a second. One that an order waits for goes first, and waits its
 * second like the others, since a broker that refuses the connection would leave the order's outcome open.
 */
export class ConnectPacer {
  readonly #nowMs: () => number;
  readonly #later: (callback: () => void, ms: number) => void;
  #openedAtMs: readonly number[] = [];
  #orders = 0;
  #urgentWaiting = 0;

  constructor(nowMs: () => number, later: (callback: () => void, ms: number) => void) {
    this.#nowMs = nowMs;
    this.#later = later;
  }

  /** Until the returned function is called, connections are asked for by an order. */
  hurry(): () => void {
    this.#orders += 1;
    return () => {
      this.#orders -= 1;
    };
  }

  /** Calls `connect` when its turn has come; at once while there is room. */
  open(connect: () => void): void {
    const urgent = this.#orders > 0;
    if (urgent) this.#urgentWaiting += 1;
    const attempt = (): void => {
      const nowMs = this.#nowMs();
      const lastButOneMs = this.#openedAtMs.at(-CONNECTS_PER_WINDOW) ?? Number.NEGATIVE_INFINITY;
      const waitMs = !urgent && this.#urgentWaiting > 0 ? CONNECT_WINDOW_MS : lastButOneMs + CONNECT_WINDOW_MS - nowMs;
      if (waitMs > 0) return this.#later(attempt, waitMs);
      if (urgent) this.#urgentWaiting -= 1;
      this.#openedAtMs = [...this.#openedAtMs, nowMs].slice(-CONNECTS_PER_WINDOW);
      connect();
    };
    attempt();
  }
}
