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

/** The namespace and room for a text behind it, written anew for each name. */
const preimage = Buffer.alloc(1_024);
preimage.set(NAMESPACE);
/** Its beginnings, by their lengths: names are of a few lengths. */
const beginnings: Uint8Array[] = [];
/** UTF-8 takes at most so many bytes for a UTF-16 unit. */
const UTF8_BYTES_MAX = 3;

function preimageOf(text: string): Uint8Array {
  if (text.length * UTF8_BYTES_MAX > preimage.length - NAMESPACE.length) return Buffer.concat([NAMESPACE, Buffer.from(text)]);
  const length = NAMESPACE.length + preimage.write(text, NAMESPACE.length);
  return (beginnings[length] ??= preimage.subarray(0, length));
}

/** RFC 9562 version 5 in the root namespace, by Node's own SHA-1: every event has such a name, and the library's hash is several times slower. */
function nameBased(text: string): string {
  const hex = hash('sha1', preimageOf(text), 'hex');
  const variant = '89ab'[Number.parseInt(hex[16]!, 16) & 3]!;
  // Joined, not concatenated: a log keeps millions of them, and a joined text is one piece of memory.
  return [hex.slice(0, 8), hex.slice(8, 12), `5${hex.slice(13, 16)}`, variant + hex.slice(17, 20), hex.slice(20, 32)].join('-');
}

export const derivedId = (...parts: readonly string[]): string => nameBased(parts.join('|'));

/** The name given last to a fact of each type: what follows from a fact names it again. */
const named = new Map<string, { readonly key: string; readonly id: string }>();

/** The name of a fact that can be told only once, whoever tells it. */
export function factId(type: string, key: string): string {
  const last = named.get(type);
  if (last?.key === key) return last.id;
  const id = derivedId('event', type, key);
  named.set(type, { key, id });
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
