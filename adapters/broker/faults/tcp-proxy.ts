/**
 * A TCP proxy that fails on purpose: real sockets between a client and a server, plain or TLS, with faults that no
 * HTTP server can have. Bytes that wait are bounded, and a slow reader slows the sender down.
 *
 * An exchange begins with the first bytes of a request after the connection began or a reply came back. A fault with
 * `match` strikes exchanges, so that the very POST that opens a position, or its reply, can be lost.
 */
import type { Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { FaultLog } from './fault-log.ts';
import type { StruckToxic } from './proxy-lane.ts';
import { Lane } from './proxy-lane.ts';
import type { ProxyPlan, Toxic } from './proxy-plan.ts';
import { drawsFor } from './random.ts';

export interface ProxyOptions {
  readonly to: { readonly host: string; readonly port: number };
  /** 0 takes any free port of the loopback interface. */
  readonly port: number;
  readonly plan: ProxyPlan;
  /** A file to which every strike is appended, as a JSON line. */
  readonly logFile?: string;
}

interface LiveToxic {
  readonly id: string;
  readonly toxic: Toxic;
  active: boolean;
  matched: number;
  strikes: number;
  readonly timers: ReturnType<typeof setTimeout>[];
}

const HOST = '127.0.0.1';
const CONNECTIONS_MAX = 256;

export class FaultProxy {
  readonly #options: ProxyOptions;
  readonly #log: FaultLog;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #toxics = new Set<LiveToxic>();
  #added = 0;
  #connections = 0;
  #port = 0;

  private constructor(options: ProxyOptions) {
    this.#options = options;
    this.#log = new FaultLog(options.logFile ?? null);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  /** Listens on the loopback interface. */
  static async start(options: ProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    await proxy.#listen(options.port);
    const address = proxy.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy listens on no port');
    proxy.#port = address.port;
    for (const toxic of options.plan.toxics) proxy.add(toxic);
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** What was struck so far, as the log has it. */
  get log(): FaultLog {
    return this.#log;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#links.size;
  }

  /** Adds a fault; calling the answer removes it. Connections that are open meet it with their next exchange. */
  add(toxic: Toxic): () => void {
    this.#added += 1;
    const live: LiveToxic = { id: `${this.#added} ${toxic.name ?? toxic.kind}`, toxic, active: false, matched: 0, strikes: 0, timers: [] };
    this.#toxics.add(live);
    if (toxic.fromMs === 0) this.#begin(live);
    else live.timers.push(setTimeout(() => this.#begin(live), toxic.fromMs));
    return () => this.#end(live);
  }

  /** Removes every fault. */
  clear(): void {
    for (const live of [...this.#toxics]) this.#end(live);
  }

  async close(): Promise<void> {
    for (const live of this.#toxics) for (const timer of live.timers) clearTimeout(timer);
    for (const link of [...this.#links]) link.end('close');
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
    this.#log.close();
  }

  #listen(port: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, HOST, () => {
        this.#server.off('error', reject);
        resolve();
      });
    });
  }

  #begin(live: LiveToxic): void {
    live.active = true;
    const { durationMs, kind } = live.toxic;
    if (durationMs !== undefined) live.timers.push(setTimeout(() => this.#end(live), durationMs));
    if (kind !== 'down') return;
    this.#record(live, { connections: this.#links.size });
    this.#server.close();
    for (const link of [...this.#links]) link.end('reset');
  }

  #end(live: LiveToxic): void {
    if (!this.#toxics.delete(live)) return;
    const wasDown = live.active && live.toxic.kind === 'down';
    live.active = false;
    for (const timer of live.timers) clearTimeout(timer);
    const isDown = [...this.#toxics].some(({ active, toxic }) => active && toxic.kind === 'down');
    if (wasDown && !isDown) this.#server.listen(this.#port, HOST);
  }

  #accept(client: Socket): void {
    this.#connections += 1;
    const number = this.#connections;
    const link = new Link(client, connect({ ...this.#options.to, allowHalfOpen: true, noDelay: true }), {
      connection: () => this.#struck(number, null, 1),
      exchange: (first, nth) => this.#struck(number, first, nth),
      closed: () => void this.#links.delete(link),
    });
    this.#links.add(link);
  }

  /** The faults that strike a connection, or, given its first bytes, an exchange on it. */
  #struck(connection: number, first: Buffer | null, nth: number): readonly StruckToxic[] {
    const struck: StruckToxic[] = [];
    for (const live of [...this.#toxics]) {
      const { toxic } = live;
      if (!live.active || toxic.kind === 'down' || (toxic.match === undefined) !== (first === null)) continue;
      if (first !== null && toxic.match !== undefined && !first.subarray(0, toxic.match.length).equals(Buffer.from(toxic.match))) continue;
      live.matched += 1;
      const draws = drawsFor(this.#options.plan.seed, `${live.id} ${live.matched}`);
      if (live.matched <= toxic.after || draws.share() >= toxic.probability) continue;
      live.strikes += 1;
      this.#record(live, { connection, exchange: first === null ? null : nth });
      struck.push({ toxic, draws, passed: 0 });
      if (toxic.count !== undefined && live.strikes >= toxic.count) this.#end(live);
    }
    return struck;
  }

  #record(live: LiveToxic, what: { readonly [key: string]: number | null }): void {
    this.#log.append({ record: 'strike', id: live.id, ...what });
  }
}

interface LinkOwner {
  /** Asked once, when the first bytes come. */
  connection(): readonly StruckToxic[];
  /** Asked for each exchange, with its first bytes. */
  exchange(first: Buffer, nth: number): readonly StruckToxic[];
  closed(): void;
}

/** A client's connection and the one that stands for it at the server. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #owner: LinkOwner;
  readonly #lanes: readonly Lane[];
  #ofConnection: readonly StruckToxic[] | null = null;
  #ofExchange: readonly StruckToxic[] = [];
  #exchanges = 0;
  #replied = true;

  constructor(client: Socket, server: Socket, owner: LinkOwner) {
    this.#client = client;
    this.#server = server;
    this.#owner = owner;
    const end = (how: 'reset' | 'close'): void => this.end(how);
    this.#lanes = [
      new Lane({ from: client, to: server, direction: 'request', end, struckBy: (chunk) => this.#requested(chunk) }),
      new Lane({ from: server, to: client, direction: 'reply', end, struckBy: () => this.#answered() }),
    ];
    // An error is followed by the close of its socket, which is where it is dealt with.
    client.on('error', () => {});
    server.on('error', () => {});
    client.on('close', () => this.#closed());
    server.on('close', (failed: boolean) => {
      if (failed) this.end('reset');
      this.#closed();
    });
  }

  /** Ends both sides, with a reset that the client sees, or gently. */
  end(how: 'reset' | 'close'): void {
    for (const lane of this.#lanes) lane.stop();
    if (how === 'reset') this.#client.resetAndDestroy();
    else this.#client.destroySoon();
    this.#server.destroy();
  }

  #closed(): void {
    if (this.#client.closed && this.#server.closed) this.#owner.closed();
  }

  #requested(chunk: Buffer): readonly StruckToxic[] {
    this.#ofConnection ??= this.#owner.connection();
    if (this.#replied) {
      this.#replied = false;
      this.#exchanges += 1;
      this.#ofExchange = this.#owner.exchange(chunk, this.#exchanges);
    }
    return [...this.#ofConnection, ...this.#ofExchange];
  }

  #answered(): readonly StruckToxic[] {
    this.#replied = true;
    this.#ofConnection ??= this.#owner.connection();
    return [...this.#ofConnection, ...this.#ofExchange];
  }
}
