/**
 * Checks a log as it is read: every hash, every link, every revision and the sequence. It holds one head for
 * each stream and nothing else, so a log of any length is checked in flat memory.
 */
import { jsonOf } from './json.ts';
import { GENESIS_HASH, hashEvent, headHash } from './log.ts';
import type { LogVerdict, RecordedEvent, StreamHead, StreamName, VerifiedHead } from './log.ts';

export type LogFault = Extract<LogVerdict, { ok: false }>;

/**
 * Finds a member in stored metadata. The text is canonical, so an exact match settles the usual case without
 * parsing (a quote inside a string is escaped there and cannot imitate a member). Members stand about as far from
 * the end as in the event before, so that place is looked at first; a search, and a parse to be sure of the
 * verdict, only follow when it fails.
 */
class MemberFinder {
  readonly #member: 'prevHash' | 'sequence';
  #fromEnd = 0;

  constructor(member: 'prevHash' | 'sequence') {
    this.#member = member;
  }

  carries(metadataJson: string, value: string | number): boolean {
    const expected = `"${this.#member}":${typeof value === 'number' ? value : `"${value}"`}`;
    if (this.#standsAt(metadataJson, expected, metadataJson.length - this.#fromEnd)) return true;
    const at = metadataJson.lastIndexOf(expected);
    if (at >= 0 && this.#standsAt(metadataJson, expected, at)) {
      this.#fromEnd = metadataJson.length - at;
      return true;
    }
    return parsedMember(metadataJson, this.#member) === value;
  }

  #standsAt(metadataJson: string, expected: string, at: number): boolean {
    if (!metadataJson.startsWith(expected, at)) return false;
    const behind = metadataJson[at + expected.length];
    return behind === ',' || behind === '}';
  }
}

function parsedMember(metadataJson: string, member: string): unknown {
  const parsed = jsonOf(metadataJson);
  return typeof parsed === 'object' && parsed !== null ? (parsed as { readonly [key: string]: unknown })[member] : undefined;
}

/** What a log whose heads were others at a verified point has come to: `null` where they are the same. */
export function faultAtVerified(verified: VerifiedHead, headsThen: readonly StreamHead[]): LogFault | null {
  const then = headHash(headsThen);
  if (then === verified.hash) return null;
  return { ok: false, stream: '', revision: -1, position: verified.sequence, reason: `at sequence ${verified.sequence} the head ${verified.hash.slice(0, 12)} was verified and is ${then.slice(0, 12)} now: the log was rewritten` };
}

export class ChainChecker {
  readonly #heads: Map<StreamName, StreamHead>;
  readonly #prevHash = new MemberFinder('prevHash');
  readonly #sequence = new MemberFinder('sequence');
  #events: number;

  /** @param verified heads up to which the log has been checked before; none for its beginning. */
  constructor(verified: readonly StreamHead[] = []) {
    this.#heads = new Map(verified.map((head) => [head.stream, head]));
    this.#events = verified.reduce((sum, { revision }) => sum + revision + 1, 0);
  }

  /** The fault that this event, the next of the log, reveals; null for none. */
  check(event: RecordedEvent): LogFault | null {
    const head = this.#heads.get(event.stream);
    const reason = this.#reason(event, head);
    if (reason !== null) return { ok: false, stream: event.stream, revision: event.revision, position: event.position, reason };
    this.#heads.set(event.stream, { stream: event.stream, revision: event.revision, hash: event.hash });
    this.#events += 1;
    return null;
  }

  #reason(event: RecordedEvent, head: StreamHead | undefined): string | null {
    const revision = (head?.revision ?? -1) + 1;
    if (event.revision !== revision) return `revision ${event.revision} stands where ${revision} belongs: events were removed, inserted or reordered`;
    if (hashEvent(event) !== event.hash) return 'the content does not match its hash: the event was edited';
    if (!this.#prevHash.carries(event.metadataJson, head?.hash ?? GENESIS_HASH)) return 'the event does not continue the one before it: an earlier event was replaced, or this one belongs to another stream';
    if (!this.#sequence.carries(event.metadataJson, this.#events)) return `the sequence is not ${this.#events}: events were removed, inserted or reordered`;
    return null;
  }

  /** After the last event: compares with the heads that the store keeps apart from the events. */
  finish(kept: readonly StreamHead[]): LogVerdict {
    for (const head of kept) {
      const found = this.#heads.get(head.stream);
      if (found?.revision === head.revision && found.hash === head.hash) continue;
      const reason = `the stream's head is kept as revision ${head.revision}, ${head.hash.slice(0, 12)}, and the events end at revision ${found?.revision ?? -1}: the tail was removed or replaced`;
      return { ok: false, stream: head.stream, revision: (found?.revision ?? -1) + 1, position: this.#events, reason };
    }
    for (const found of this.#heads.values()) {
      if (kept.some((head) => head.stream === found.stream)) continue;
      return { ok: false, stream: found.stream, revision: 0, position: this.#events, reason: 'the stream has events and no kept head: it was inserted' };
    }
    return { ok: true, events: this.#events, headHash: headHash([...this.#heads.values()]) };
  }
}
