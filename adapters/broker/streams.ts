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

/** A line on its way to a listener. */
export interface SentLine {
  readonly stream: StreamName;
  readonly connection: number;
  readonly body: Body;
  /** The body as the listener wants it, without the line's end. */
  render(body: Body): string;
}

/** The way to a listener's socket; what is sent after its end goes nowhere. */
export interface LineOutlet {
  /** Sends bytes and counts the lines that they make, or that the bytes yet to come will make. */
  send(bytes: string | Uint8Array, lines: number): void;
  /** Ends the connection once what was sent has gone out. */
  cut(): void;
}

/** Stands between the hub and the sockets: passes lines on, now or later, changed or not at all. */
export interface StreamTamper {
  pass(line: SentLine, outlet: LineOutlet): void;
}

interface StreamHubOptions {
  readonly tamper: StreamTamper;
  /** In lockstep a stream has one listener, whose lines are announced by connection; a newcomer replaces it. */
  readonly lockstep: boolean;
  /** Listeners that both streams together may have in real time. */
  readonly consumersMax: number;
  /** A listener that leaves more bytes than this unread is cut off. */
  readonly unreadBytesMax: number;
  /**
   * Of the prices of an instrument in a window of this length only the last is sent, when the window ends. Windows
   * count from each listener's own beginning. 0 sends every price at once: in lockstep they are 19 seconds apart.
   */
  readonly windowMs: number;
}

/** What the broker keeps to: at most four prices a second for an instrument. */
export const PRICE_WINDOW_MS = 250;

const HEARTBEAT_MS = 5 * SECOND_MS;

/** What a listener asks for. */
export interface StreamRequest {
  /** Whose prices; a transaction stream names none. */
  readonly instruments: readonly string[];
  /** Begin with the present price of each. */
  readonly snapshot: boolean;
  /** Headers of the response. */
  readonly headers: { readonly [name: string]: string };
  /** Writes times the way the listener wants them. */
  readonly withTimes: (body: Body) => Body;
}

interface Consumer {
  readonly connection: number;
  readonly response: ServerResponse;
  readonly request: StreamRequest;
  readonly outlet: LineOutlet;
  readonly openedAt: Instant;
  /** The newest price of each instrument in the present window, oldest first. */
  readonly held: Map<string, Body>;
  window: number;
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
  hasRoom(): boolean {
    const { pricing, transactions } = this.#channels;
    return this.#options.lockstep || pricing.consumers.size + transactions.consumers.size < this.#options.consumersMax;
  }

  /** Begins a stream on a response whose headers have not gone out yet. */
  open(name: StreamName, response: ServerResponse, request: StreamRequest): void {
    const channel = this.#channels[name];
    if (this.#options.lockstep) for (const consumer of [...channel.consumers]) this.#drop(channel, consumer);
    channel.connections += 1;
    const outlet: LineOutlet = {
      send: (bytes, lines) => {
        if (!channel.consumers.has(consumer)) return;
        consumer.lines += lines;
        response.write(bytes);
      },
      cut: () => {
        channel.consumers.delete(consumer);
        response.write('', () => response.destroy());
      },
    };
    const consumer: Consumer = { connection: channel.connections, response, request, outlet, openedAt: this.#venue.now, held: new Map(), window: 0, lines: 0, lastLineAt: null };
    const connectionHeader = this.#options.lockstep ? { 'Lockstep-Connection': String(consumer.connection) } : {};
    response.writeHead(200, { ...request.headers, ...connectionHeader, 'Content-Type': 'application/octet-stream' });
    response.flushHeaders();
    channel.consumers.add(consumer);
    response.on('close', () => channel.consumers.delete(consumer));
    // A broken pipe is followed by close, which forgets the consumer.
    response.on('error', () => this.#drop(channel, consumer));
    if (!request.snapshot) return;
    for (const instrument of request.instruments) {
      const body = this.#priceOf(instrument);
      if (body !== null) this.#write('pricing', consumer, body);
    }
  }

  /** Tells listeners that time has passed: windows end, and a stream that was silent for five seconds of market time gets a heartbeat. */
  pulse(): void {
    const { pricing } = this.#channels;
    for (const consumer of [...pricing.consumers]) this.#endWindow(consumer);
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

  #priceOf(instrument: string): Body | null {
    return priceBody(this.#venue.engine, marketOf(this.#venue.engine.book, instrument), this.#venue.now);
  }

  #price(instrument: string): void {
    const { pricing } = this.#channels;
    if (pricing.consumers.size === 0) return;
    const body = this.#priceOf(instrument);
    if (body === null) return;
    for (const consumer of [...pricing.consumers]) {
      if (!consumer.request.instruments.includes(instrument)) continue;
      if (this.#options.windowMs === 0) {
        this.#write('pricing', consumer, body);
        continue;
      }
      // Taken out first, so that the prices held stay in the order of their times.
      consumer.held.delete(instrument);
      consumer.held.set(instrument, body);
    }
  }

  /** Sends what a window held once it is over. */
  #endWindow(consumer: Consumer): void {
    const window = this.#options.windowMs === 0 ? 0 : Math.floor((this.#venue.now - consumer.openedAt) / this.#options.windowMs);
    if (window === consumer.window) return;
    consumer.window = window;
    const held = [...consumer.held.values()];
    consumer.held.clear();
    for (const body of held) this.#write('pricing', consumer, body);
  }

  #send(name: StreamName, body: Body, wanted: (consumer: Consumer) => boolean): void {
    for (const consumer of [...this.#channels[name].consumers]) if (wanted(consumer)) this.#write(name, consumer, body);
  }

  #write(name: StreamName, consumer: Consumer, body: Body): void {
    if (consumer.response.writableLength > this.#options.unreadBytesMax) {
      this.#drop(this.#channels[name], consumer);
      return;
    }
    const { connection, request, outlet } = consumer;
    this.#options.tamper.pass({ stream: name, connection, body, render: (each) => JSON.stringify(request.withTimes(each)) }, outlet);
    consumer.lastLineAt = this.#venue.now;
  }

  #drop(channel: Channel, consumer: Consumer): void {
    channel.consumers.delete(consumer);
    consumer.response.destroy();
  }
}
