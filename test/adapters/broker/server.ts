/** A client for tests of the local broker: real sockets, raw bytes kept. */
import { Agent, request } from 'undici';
import { onTestFinished } from 'vitest';
import type { Announcement } from '../../../adapters/broker/clock/lockstep.ts';
import type { LocalBroker } from '../../../adapters/broker/local-broker.ts';
import { startLocalBroker } from '../../../adapters/broker/local-broker.ts';
import type { LocalBrokerOptions } from '../../../adapters/broker/options.ts';
import { isBody } from '../../../adapters/broker/engine/bodies.ts';

export interface Answer {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly text: string;
  readonly body: { readonly [key: string]: unknown };
}

/** A stream's lines as they come in. */
export interface OpenStream {
  readonly connection: number;
  readonly lines: string[];
  readonly ended: Promise<void>;
  /** Waits until at least `count` lines are here. */
  until(count: number): Promise<void>;
  close(): void;
}

type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

const isAnnouncement = (value: unknown): value is Announcement => isBody(value) && typeof value['tick'] === 'number' && isBody(value['lines']);

export class TestBroker {
  readonly broker: LocalBroker;
  readonly #agent = new Agent({ connections: 32 });

  protected constructor(broker: LocalBroker) {
    this.broker = broker;
  }

  /** A client of a broker that a test has put together itself. */
  static of(broker: LocalBroker): TestBroker {
    return new TestBroker(broker);
  }

  static async start(options: Partial<LocalBrokerOptions> = {}): Promise<TestBroker> {
    return new TestBroker(await startLocalBroker({ clock: 'lockstep', port: 0, drawnBars: 200, seed: 7, ...options }));
  }

  /** The same for a test that does not end it: it ends with the test. */
  static async startForTest(options: Partial<LocalBrokerOptions> = {}): Promise<TestBroker> {
    const broker = await TestBroker.start(options);
    onTestFinished(() => broker.close());
    return broker;
  }

  async send(method: Method, path: string, body?: unknown, options: { readonly token?: string; readonly signal?: AbortSignal; readonly headers?: { readonly [name: string]: string } } = {}): Promise<Answer> {
    const response = await request(this.broker.rest + path, {
      method,
      dispatcher: this.#agent,
      headers: { authorization: `Bearer ${options.token ?? this.broker.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    });
    const text = await response.body.text();
    const parsed: unknown = JSON.parse(text);
    return { status: response.statusCode, headers: response.headers, text, body: isBody(parsed) ? parsed : {} };
  }

  /** Sends to a path below the account. */
  account(method: Method, path: string, body?: unknown, headers: { readonly [name: string]: string } = {}): Promise<Answer> {
    return this.send(method, `/v3/accounts/${this.broker.account}${path}`, body, { headers });
  }

  order(fields: { readonly [key: string]: unknown }): Promise<Answer> {
    return this.account('POST', '/orders', { order: { type: 'MARKET', instrument: 'EUR_USD', ...fields } });
  }

  async advance(fields: { readonly acknowledge: number; readonly nextTimer?: string | null; readonly until?: string }, signal?: AbortSignal): Promise<Announcement> {
    const answer = await this.send('POST', '/lockstep/advance', { nextTimer: null, ...fields }, signal === undefined ? {} : { signal });
    if (answer.status !== 200) throw new Error(`advance answered ${answer.status}: ${answer.text}`);
    if (!isAnnouncement(answer.body)) throw new Error(`advance announced nothing: ${answer.text}`);
    return answer.body;
  }

  async stream(path: string, headers: { readonly [name: string]: string } = {}): Promise<OpenStream> {
    const response = await request(`${this.broker.stream}/v3/accounts/${this.broker.account}${path}`, {
      headers: { authorization: `Bearer ${this.broker.token}`, ...headers },
      dispatcher: this.#agent,
    });
    if (response.statusCode !== 200) throw new Error(`the stream answered ${response.statusCode}`);
    const lines: string[] = [];
    let rest = '';
    let wake = (): void => {};
    response.body.setEncoding('utf8');
    response.body.on('data', (chunk: string) => {
      const parts = (rest + chunk).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
      wake();
    });
    const ended = new Promise<void>((resolve) => {
      response.body.on('error', () => resolve());
      response.body.on('close', () => resolve());
    });
    return {
      connection: Number(response.headers['lockstep-connection']),
      lines,
      ended,
      until: (count) =>
        new Promise((resolve) => {
          const check = (): void => {
            if (lines.length >= count) resolve();
          };
          wake = check;
          check();
        }),
      close: () => response.body.destroy(),
    };
  }

  async close(): Promise<void> {
    await this.broker.close();
    await this.#agent.destroy();
  }
}
