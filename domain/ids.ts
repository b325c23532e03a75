/**
 * Names that are computed, never drawn: the same bar proposes the same decision, the same decision the same
 * orders, and the same fact the same event, in whatever run they come up again.
 */
import { hash } from 'node:crypto';
import { parse as uuidBytes, v5 as uuidv5 } from 'uuid';
import type { InstrumentName } from './instruments.ts';
import type { Instant } from './time.ts';
import { formatInstant } from './time.ts';
import type { StreamName } from './log.ts';
import type { DomainEvent } from './events.ts';
import { CATALOGUE } from './events.ts';

declare const brand: unique symbol;
export type DecisionId = string & { readonly [brand]: 'DecisionId' };
export type ClientOrderId = string & { readonly [brand]: 'ClientOrderId' };

/** Root of all derived names: uuidv5 of the DNS namespace and this project's name; as bytes, since every event needs one. */
const NAMESPACE = uuidBytes(uuidv5('reckoner.v1', uuidv5.DNS));

/** The names of one bar are asked for several times within a step; the newest few are kept. */
const REMEMBERED_MAX = 256;
const remembered = new Map<string, string>();

/** What is hashed for a name: the namespace, and the text written behind it. */
const hashed = Buffer.alloc(1_024);
hashed.set(NAMESPACE);

function bytesOf(text: string): Buffer {
  // A character takes three bytes at most.
  if (NAMESPACE.length + 3 * text.length > hashed.length) return Buffer.concat([NAMESPACE, Buffer.from(text)]);
  return hashed.subarray(0, NAMESPACE.length + hashed.write(text, NAMESPACE.length));
}

/** RFC 9562 version 5 in the root namespace, by Node's own SHA-1: every event has such a name, and the library's hash is several times slower. */
function nameBased(text: string): string {
  const digest = hash('sha1', bytesOf(text), 'hex');
  const variant = ((Number.parseInt(digest[16]!, 16) & 0x3) | 0x8).toString(16);
  return `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
}

/** An event's own name. It is asked for once, and there are so many that remembering them costs more than it saves. */
export const eventIdOf = (of: string, key: string): string => nameBased(`event|${of}|${key}`);

export function derivedId(...parts: readonly string[]): string {
  const text = parts.join('|');
  const known = remembered.get(text);
  if (known !== undefined) return known;
  const id = nameBased(text);
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(text, id);
  return id;
}

/** One decision for a bar, for ever. */
export const decisionIdOf = (accountId: string, instrument: InstrumentName, barStart: Instant): DecisionId =>
  derivedId('decision', accountId, instrument, formatInstant(barStart)) as DecisionId;

/** One order for a leg of a decision. */
export const clientOrderIdOf = (decisionId: DecisionId, leg: 'open' | 'close'): ClientOrderId => derivedId('order', decisionId, leg) as ClientOrderId;

/** A decision that closes several trades has an order for each of them. */
export const closeOrderIdOf = (decisionId: DecisionId, tradeId: string): ClientOrderId => derivedId('order', decisionId, 'close', tradeId) as ClientOrderId;

/** Closes without a decision (weekend, halt …): one for a trade and the moment at which it became due. */
export const flattenOrderIdOf = (accountId: string, tradeId: string, dueAt: Instant): ClientOrderId =>
  derivedId('flatten', accountId, tradeId, formatInstant(dueAt)) as ClientOrderId;

/** The stop that is put back for a trade: once, whoever misses it and whenever. */
export const stopOrderIdOf = (accountId: string, tradeId: string): ClientOrderId => derivedId('stop', accountId, tradeId) as ClientOrderId;

/** The client id of every trade in a position slot: the broker refuses a second open trade with it. */
export const slotIdOf = (accountId: string, instrument: InstrumentName): string => `reckoner:${accountId}:${instrument}:slot0`;

/** The tag of every order: whoever sees a higher epoch than its own has been replaced. */
export const epochTag = (epoch: number): string => `reckoner:epoch:${epoch}`;

/** The epoch in a tag of ours; null for anybody else's tag. */
export function epochOfTag(tag: string): number | null {
  const match = /^reckoner:epoch:(\d{1,9})$/.exec(tag);
  return match === null ? null : Number(match[1]);
}

/** Where each category of event is kept. */
export function streamOf(event: DomainEvent, accountId: string, deployment: string, instrument: InstrumentName | null): StreamName {
  const { category } = CATALOGUE[event.type];
  switch (category) {
    case 'bars':
      return `bars-oanda.${required(instrument, event.type)}.M1`;
    case 'trading':
      return `trading-${accountId}.${required(instrument, event.type)}`;
    case 'ledger':
    case 'safety':
    case 'reconciliation':
      return `${category}-${accountId}`;
    case 'daemon':
      return `daemon-${deployment}`;
  }
}

function required(instrument: InstrumentName | null, type: string): InstrumentName {
  if (instrument === null) throw new Error(`${type} needs an instrument to find its stream`);
  return instrument;
}
