/** A raw client and a broker with faults, for tests: whatever the wire brings is kept, however broken. */
import { Agent, request } from 'undici';
import { onTestFinished } from 'vitest';
import { TestBroker } from './server.ts';
import { planOf } from '../../../adapters/broker/faults/plan.ts';
import type { LocalBrokerOptions } from '../../../adapters/broker/options.ts';
import { startLocalBroker } from '../../../adapters/broker/local-broker.ts';
import { isBody } from '../../../adapters/broker/engine/bodies.ts';

export interface Heard {
  /** Null when the connection broke before a status line came. */
  readonly status: number | null;
  readonly headers: { readonly [name: string]: string | string[] | undefined };
  readonly bytes: Buffer;
  readonly text: string;
  /** Why the answer did not come whole, or null when it did. */
  readonly broken: string | null;
}

export type LogEntry = { readonly [key: string]: unknown };

/** A broker that fails as a plan says, or as it is told to. */
export class FaultyBroker extends TestBroker {
  readonly #raw = new Agent({ connections: 8, pipelining: 1 });

  /** Started inside a test; ends with it. */
  static async with(faults: readonly object[], options: Partial<LocalBrokerOptions> = {}, seed = 7): Promise<FaultyBroker> {
    const faulty = new FaultyBroker(await startLocalBroker({ clock: 'lockstep', port: 0, drawnBars: 200, seed: 7, faults: planOf({ seed, faults }), ...options }));
    onTestFinished(() => faulty.close());
    return faulty;
  }

  /** One exchange, with everything that came of it. */
  async raw(method: 'GET' | 'POST' | 'PUT', path: string, body?: unknown, msMax = 3_000): Promise<Heard> {
    const chunks: Uint8Array[] = [];
    let head: Pick<Heard, 'status' | 'headers'> = { status: null, headers: {} };
    let broken: string | null = null;
    try {
      const response = await request(`${this.broker.rest}/v3/accounts/${this.broker.account}${path}`, {
        method,
        dispatcher: this.#raw,
        signal: AbortSignal.timeout(msMax),
        headers: { authorization: `Bearer ${this.broker.token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      head = { status: response.statusCode, headers: response.headers };
      for await (const chunk of response.body as AsyncIterable<Uint8Array>) chunks.push(chunk);
    } catch (error) {
      broken = error instanceof Error ? error.name : String(error);
    }
    const bytes = Buffer.concat(chunks);
    return { ...head, bytes, text: bytes.toString('utf8'), broken };
  }

  /** A stream as the chunks in which it came. */
  async rawStream(path: string): Promise<{ readonly chunks: Buffer[]; readonly text: () => string; readonly ended: Promise<void> }> {
    const response = await request(`${this.broker.stream}/v3/accounts/${this.broker.account}${path}`, { headers: { authorization: `Bearer ${this.broker.token}` }, dispatcher: this.#raw });
    const chunks: Buffer[] = [];
    response.body.on('data', (chunk: Buffer) => chunks.push(chunk));
    const ended = new Promise<void>((resolve) => {
      response.body.on('error', () => resolve());
      response.body.on('close', () => resolve());
    });
    return { chunks, text: () => Buffer.concat(chunks).toString('latin1'), ended };
  }

  rawOrder(units = '100'): Promise<Heard> {
    return this.raw('POST', '/orders', { order: { type: 'MARKET', instrument: 'EUR_USD', units } });
  }

  async inject(fault: object): Promise<readonly unknown[]> {
    const answer = await this.send('POST', '/faults', fault);
    if (answer.status !== 200 || !Array.isArray(answer.body['ids'])) throw new Error(`the fault was refused with ${answer.status}: ${answer.text}`);
    return answer.body['ids'] as readonly unknown[];
  }

  async faultLog(): Promise<readonly LogEntry[]> {
    const { body } = await this.send('GET', '/faults/log');
    if (!Array.isArray(body['entries'])) throw new Error('the fault log has no entries');
    return body['entries'].filter(isBody);
  }

  /** Entries of one sort, such as strikes. */
  async recorded(record: string): Promise<readonly LogEntry[]> {
    return (await this.faultLog()).filter((entry) => entry['record'] === record);
  }

  async lastTransactionId(): Promise<number> {
    return Number((await this.account('GET', '/summary')).body['lastTransactionID']);
  }

  /** Moves lockstep time on by so many seconds, with nobody acknowledging. */
  async pass(seconds: number): Promise<void> {
    const { body } = await this.send('GET', '/lockstep');
    await this.advance({ acknowledge: 0, until: new Date(Date.parse(String(body['time'])) + seconds * 1_000).toISOString() });
  }

  override async close(): Promise<void> {
    await super.close();
    await this.#raw.destroy();
  }
}
