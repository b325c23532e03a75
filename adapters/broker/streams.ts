/** The two streams: who listens, how many lines each has been sent, and when the last one went. */
import type { ServerResponse } from 'node:http';
import type { Body } from './engine/bodies.ts';
import { marketOf } from './engine/book.ts';
import { priceBody } from './engine/views.ts';
import type { Venue } from './venue.ts';
import { SECOND_MS, formatInstant } from '../../domain/time.ts';
import type { Instant } from '../../domain/time.ts';

export type StreamName = 'pricing' | 'transactions';

/** Lines sent on the present connection of a stream; connection 0 means that nobody listens. */
export interface LineCount {
  readonly connection: number;
  readonly lines: number;
}

interface StreamHubOptions {
  /** In lockstep a stream has one listener, whose lines are announced by connection; a newcomer replaces it. */
  readonly lockstep: boolean;
  /** Listeners that each stream may have in real time. */
  readonly consumersMax: number;
  /** A listener that leaves more bytes than this unread is cut off. */
  readonly unreadBytesMax: number;
}

const HEARTBEAT_MS = 5 * SECOND_MS;

interface Consumer {
  readonly connection: number;
  readonly response: ServerResponse;
  readonly instruments: ReadonlySet<string>;
  lines: number;
  lastLineAt: Instant | null;
}

interface Channel {
  connections: number;
  readonly consumers: Set<Consumer>;
}

export class StreamHub {
  readonly #venue: Venue;
  readonly #options: StreamHubOptions;
  readonly #channels: { readonly [name in StreamName]: Channel } = {
    pricing: { connections: 0, consumers: new Set() },
    transactions: { connections: 0, consumers: new Set() },
  };

  constructor(venue: Venue, options: StreamHubOptions) {
    this.#venue = venue;
    this.#options = options;
    venue.listen({
      price: (instrument) => this.#price(instrument),
      transactions: (transactions) => {
        for (const transaction of transactions) this.#send('transactions', transaction.body, () => true);
      },
    });
  }

  /** Is there room for another listener? */
  hasRoom(name: StreamName): boolean {
    return this.#options.lockstep || this.#channels[name].consumers.size < this.#options.consumersMax;
  }

  /** Begins a stream on a response whose headers have not gone out yet. */
  open(name: StreamName, response: ServerResponse, headers: { readonly [name: string]: string }, instruments: ReadonlySet<string>, snapshot: boolean): void {
    const channel = this.#channels[name];
    if (this.#options.lockstep) for (const consumer of [...channel.consumers]) this.#drop(channel, consumer);
    channel.connections += 1;
    const consumer: Consumer = { connection: channel.connections, response, instruments, lines: 0, lastLineAt: null };
    const connectionHeader = this.#options.lockstep ? { 'Lockstep-Connection': String(consumer.connection) } : {};
    response.writeHead(200, { ...headers, ...connectionHeader, 'Content-Type': 'application/octet-stream' });
    response.flushHeaders();
    channel.consumers.add(consumer);
    response.on('close', () => channel.consumers.delete(consumer));
    // A broken pipe is followed by close, which forgets the consumer.
    response.on('error', () => this.#drop(channel, consumer));
    if (!snapshot) return;
    for (const instrument of instruments) {
      const body = priceBody(this.#venue.engine, marketOf(this.#venue.engine.book, instrument), this.#venue.now);
      if (body !== null) this.#write(channel, consumer, JSON.stringify(body));
    }
  }

  /** Sends a heartbeat on every stream that has been silent for five seconds of market time. */
  heartbeats(): void {
    const time = formatInstant(this.#venue.now);
    const due = (consumer: Consumer): boolean => consumer.lastLineAt === null || this.#venue.now - consumer.lastLineAt >= HEARTBEAT_MS;
    this.#send('pricing', { type: 'HEARTBEAT', time }, due);
    this.#send('transactions', { type: 'HEARTBEAT', lastTransactionID: String(this.#venue.engine.lastTransactionId), time }, due);
  }

  /** Lines sent on the newest connection of a stream. */
  lineCount(name: StreamName): LineCount {
    const newest = [...this.#channels[name].consumers].at(-1);
    return newest === undefined ? { connection: 0, lines: 0 } : { connection: newest.connection, lines: newest.lines };
  }

  /** Ends every stream. */
  close(): void {
    for (const channel of Object.values(this.#channels)) for (const consumer of [...channel.consumers]) this.#drop(channel, consumer);
  }

  #price(instrument: string): void {
    if (this.#channels.pricing.consumers.size === 0) return;
    const body = priceBody(this.#venue.engine, marketOf(this.#venue.engine.book, instrument), this.#venue.now);
    if (body !== null) this.#send('pricing', body, (consumer) => consumer.instruments.has(instrument));
  }

  #send(name: StreamName, body: Body, wanted: (consumer: Consumer) => boolean): void {
    const channel = this.#channels[name];
    if (channel.consumers.size === 0) return;
    const line = JSON.stringify(body);
    for (const consumer of [...channel.consumers]) if (wanted(consumer)) this.#write(channel, consumer, line);
  }

  #write(channel: Channel, consumer: Consumer, line: string): void {
    if (consumer.response.writableLength > this.#options.unreadBytesMax) {
      this.#drop(channel, consumer);
      return;
    }
    consumer.response.write(`${line}\n`);
    consumer.lines += 1;
    consumer.lastLineAt = this.#venue.now;
  }

  #drop(channel: Channel, consumer: Consumer): void {
    channel.consumers.delete(consumer);
    consumer.response.destroy();
  }
}
